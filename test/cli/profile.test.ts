/** Profiles: what is measured at most, what is made of it, the picture, and the command that shows both. */
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { timeOf } from '../../src/explain.js'
import {
  backpropagate,
  compile,
  initialize,
  loss,
  nn,
  optim,
  saveModel,
  state,
  type Tensor,
  tensor,
} from '../../src/index.js'
import { profileBars } from '../../src/io/profile-chart.js'
import type { Kernel, Statement } from '../../src/kernel/loop.js'
import { verifyKernel } from '../../src/kernel/verify.js'
import { target128, target256, target512, wasmTarget } from '../../src/lower/target.js'
import { levelOf, machinePeak, multiplyAdds, traffic } from '../../src/runtime/peak.js'
import { mlp, mlpConfig } from '../../src/train/mlp.js'

/** What one call does, counted from the statements. */
function work(kernel: Kernel): { flops: number; bytes: number } {
  const count = (list: readonly Statement[]): { flops: number; bytes: number } =>
    list.reduce(
      (sum, statement) => {
        let [flops, bytes] = [0, 0]
        if (statement.kind === 'loop') {
          const turns = Math.ceil((statement.stop.constant - statement.start.constant) / statement.step)
          const inner = count(statement.body)
          ;[flops, bytes] = [turns * inner.flops, turns * inner.bytes]
        } else if (statement.kind === 'let') {
          const each = statement.op === 'fma' ? 2 : statement.op === 'add' || statement.op === 'multiply' ? 1 : 0
          flops = each * statement.value.type.lanes
        } else if (statement.kind === 'load' || statement.kind === 'store') bytes = 4 * statement.value.type.lanes
        return { flops: sum.flops + flops, bytes: sum.bytes + bytes }
      },
      { flops: 0, bytes: 0 },
    )
  return count(kernel.body)
}

describe('the peak', () => {
  test('its kernels stay within their buffers, and do as much as they say', () => {
    for (const target of [wasmTarget, target128, target256, target512])
      for (const patience of [1, 1 / 256]) {
        for (const mode of ['fused', 'portable'] as const)
          for (const kernel of multiplyAdds(target, mode, patience)) {
            verifyKernel(kernel)
            expect(work(kernel).flops).toBe(kernel.flops)
          }
        for (const size of [2 ** 15, 2 ** 21, 2 ** 25]) {
          const { kernels, bytes } = traffic(target, size, patience)
          const [copy, sum] = kernels as [Kernel, Kernel]
          for (const kernel of kernels) verifyKernel(kernel)
          expect(work(copy).bytes).toBe(bytes)
          // Its few sums are written once.
          expect(work(sum).bytes - bytes).toBe(target.vectorBytes * 8)
          expect(work(sum).flops).toBe(sum.flops)
        }
      }
  })

  test('is measured once, by size of the working set', () => {
    const peak = machinePeak('wasm', 'fused')
    expect(machinePeak('wasm', 'fused')).toBe(peak)
    expect(peak.flopsPerSecond).toBeGreaterThan(1e9)
    expect([1, 40_000, 2 ** 17, 2 ** 40].map(levelOf)).toEqual([2 ** 15, 2 ** 15, 2 ** 17, 2 ** 25])
    const near = peak.bytesPerSecond(1000)
    expect(peak.bytesPerSecond(2000)).toBe(near)
    expect([...peak.bandwidths.keys()]).toEqual([2 ** 15])
    // WebAssembly with four lanes is not beaten by one element at a time in TypeScript.
    expect(machinePeak('interpreter', 'fused').flopsPerSecond).toBeLessThan(peak.flopsPerSecond / 20)
  })

  test('a kernel is as near as the nearer of its two limits', () => {
    const peak = { flopsPerSecond: 100e9, bytesPerSecond: (size: number) => (size > 1e6 ? 10e9 : 80e9) }
    const product = timeOf({ flops: 5e9, bytes: 1e9, workingSet: 1e5 }, 0.1, 0.4, peak)
    expect(product).toMatchObject({
      share: 0.25,
      flopsPerSecond: 50e9,
      bytesPerSecond: 10e9,
      bound: 'compute',
      peakShare: 0.5,
    })
    expect(timeOf({ flops: 5e9, bytes: 1e9, workingSet: 2e6 }, 0.1, 0.4, peak)).toMatchObject({
      bound: 'memory',
      peakShare: 1,
    })
    expect(timeOf({ flops: 1, bytes: 1, workingSet: 1 }, 0, 0, peak)).toMatchObject({ seconds: 0, share: 0 })
  })
})

describe('a step', () => {
  afterEach(() => {
    vi.unstubAllEnvs()
    vi.restoreAllMocks()
  })

  function makeStep() {
    const net = nn.sequential(nn.linear(64, 96), nn.relu, nn.dropout(0.3), nn.linear(96, 4))
    initialize(net, { seed: 2 })
    const optimizer = optim.adam().init(net)
    const step = compile(
      (x: Tensor, y: Tensor) => {
        const error = loss.crossEntropy(net(x), y)
        optimizer.update(backpropagate(error, net))
        return error
      },
      { training: true, random: 5 },
    )
    const x = tensor(Array.from({ length: 48 }, (_, i) => Array.from({ length: 64 }, (_, j) => Math.sin(i * 64 + j))))
    const y = tensor(
      Array.from({ length: 48 }, (_, i) => i % 4),
      { dtype: 'int32' },
    )
    return { net, step, args: [x, y] as const }
  }
  const weights = (net: object) => [...state(net as never).values()].map((variable) => variable.storage.read())

  test('explains its kernels beside the peak, as an object and as a table; nothing is trained by that', () => {
    const { net, step, args } = makeStep()
    step(...args)
    const before = weights(net)
    const bare = step.explain([...args])
    expect([bare.seconds, bare.peak, bare.kernels[0]!.seconds]).toEqual([undefined, undefined, undefined])
    const timed = step.explain([...args], { time: true })
    expect(weights(net)).toEqual(before)
    expect(timed.kernels.map(({ name }) => name)).toEqual(bare.kernels.map(({ name }) => name))
    expect(timed.kernels.reduce((sum, { share }) => sum + share!, 0)).toBeCloseTo(1, 9)
    expect(timed.peak!.bandwidths.length).toBeGreaterThan(0)
    for (const { flops, bytes, seconds, flopsPerSecond, bytesPerSecond, peakShare, bound } of timed.kernels) {
      if (seconds! > 1e-9) expect(flopsPerSecond! * seconds!).toBeCloseTo(flops, 3)
      if (seconds! > 1e-9) expect(bytesPerSecond! * seconds!).toBeCloseTo(bytes, 3)
      if (bound === 'compute') expect(peakShare).toBeCloseTo(flopsPerSecond! / timed.peak!.flopsPerSecond, 9)
      // Nothing is much faster than the fastest that was found.
      expect(peakShare).toBeLessThan(2)
    }
    const product = timed.kernels.reduce((best, kernel) => (kernel.flops > best.flops ? kernel : best))
    expect(product.peakShare).toBeGreaterThan(0.05)
    const lines = String(timed).split('\n')
    expect(lines[0]).toMatch(/kernel +flop +memory +time +share +GFLOP\/s +GB\/s +of peak +nearer$/)
    expect(lines.filter((line) => /(compute|memory)$/.test(line))).toHaveLength(timed.kernels.length)
    expect(lines.filter((line) => /^peak of this engine here: \d+\.\d+ GFLOP\/s; GB\/s \d+/.test(line))).toHaveLength(1)
    expect(String(bare)).not.toMatch(/GFLOP|peak/)
  })

  test('GRADUS_DEBUG=2 prints the times after the first call, once, and changes no bit', () => {
    const train = () => {
      const { net, step, args } = makeStep()
      for (let i = 0; i < 3; i++) step(...args)
      return weights(net)
    }
    const quiet = train()
    vi.stubEnv('GRADUS_DEBUG', '2')
    const printed = vi.spyOn(console, 'error').mockImplementation(() => {})
    expect(train()).toEqual(quiet)
    const tables = printed.mock.calls.map(([text]) => String(text)).filter((text) => text.includes('GFLOP/s'))
    expect(tables.filter((text) => text.includes('contract'))).toHaveLength(1)
    vi.stubEnv('GRADUS_DEBUG', '1')
    printed.mockClear()
    train()
    expect(printed.mock.calls.some(([text]) => String(text).includes('GFLOP/s'))).toBe(false)
  })
})

test('the picture: the longest first, full as far as the peak, negligible kernels together, names escaped', () => {
  const bar = (name: string, seconds: number, peakShare: number, bound: 'compute' | 'memory') => ({
    ...{ name, seconds, peakShare, bound, share: seconds / 1e-3, flopsPerSecond: 40e9, bytesPerSecond: 7e9 },
  })
  const svg = profileBars({
    title: 'A step',
    engine: 'wasm',
    seconds: 1e-3,
    flopsPerSecond: 60e9,
    bars: [
      bar('1 a<b', 2e-4, 0.5, 'memory'),
      bar('2 long', 7e-4, 0.8, 'compute'),
      bar('3 fast', 1e-4, 1.4, 'memory'),
      ...Array.from({ length: 9 }, (_, i) => bar(`${i + 4} tiny`, 1e-7, 0.1, 'memory')),
    ],
  })
  expect(svg).toContain('1 a&lt;b')
  expect(svg).not.toContain('a<b')
  expect(svg.indexOf('2 long')).toBeLessThan(svg.indexOf('1 a&lt;b'))
  expect(svg).toContain('700.0 µs · 40.0 GFLOP/s · 80 % of peak')
  expect(svg).toContain('200.0 µs · 7.00 GB/s · 50 % of peak')
  expect(svg).toContain('4 others')
  const widths = [
    ...svg.matchAll(/<rect class="fill\d"( fill-opacity="0.35")? x="\d+" y="\d+" width="([\d.]+)" height="18"/g),
  ]
  const [pale, full, secondPale, secondFull, thirdPale, thirdFull] = widths.map(([, , width]) => Number(width))
  expect(full! / pale!).toBeCloseTo(0.8, 2)
  expect(secondFull! / secondPale!).toBeCloseTo(0.5, 2)
  expect(pale! / secondPale!).toBeCloseTo(3.5, 1)
  expect(thirdFull).toBe(thirdPale)
})

describe('gradus profile', () => {
  const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
  const folder = mkdtempSync(join(tmpdir(), 'gradus-profile-'))
  const gradus = (args: readonly string[]) =>
    new Promise<{ code: number | null; out: string; err: string }>((resolve) => {
      const child = spawn(process.execPath, [main, ...args], { cwd: folder, env: { ...process.env, NO_COLOR: '1' } })
      let [out, err] = ['', '']
      child.stdout.on('data', (data) => {
        out += data
      })
      child.stderr.on('data', (data) => {
        err += data
      })
      child.on('close', (code) => resolve({ code, out, err }))
    })

  beforeAll(async () => {
    const rows = Array.from(
      { length: 80 },
      (_, i) => `${Math.sin(i).toFixed(3)},${Math.cos(3 * i).toFixed(3)},${i % 7}`,
    )
    writeFileSync(join(folder, 'table.csv'), `a,b,price\n${rows.join('\n')}\n`)
    const network = mlpConfig({ inputs: 6, outputs: 3, hidden: [16] })
    const net = mlp(network)
    // Draws the parameters.
    net(tensor([[1, 2, 3, 4, 5, 6]]))
    await saveModel(join(folder, 'model'), { net, network, task: 'classification' })
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  test('a training step of a table: what was asked for is what is compiled; a table and a picture', async () => {
    const args = [
      'profile',
      'table.csv',
      '--target',
      'price',
      '--task',
      'regression',
      '--hidden',
      '40,24',
      '--batch-size',
      '16',
    ]
    const { code, out, err } = await gradus([...args, '--optimizer', 'sgd', '--output', 'profile.svg'])
    expect([code, err]).toEqual([0, ''])
    expect(out).toContain('a training step of table.csv, 16 rows at a time, sgd')
    expect(out).toContain('2 → 40 → 24 → 1')
    expect(out).toMatch(/Time +[\d.]+ .s a call from JavaScript, [\d,]+ rows a second/)
    expect(out).toMatch(/ all +\d.* 100 %/)
    expect(out).toMatch(/Longest +kernel \d+: \d+\.\d\d % of the time/)
    expect(out).toMatch(/To gain +kernel \d+: [\d.]+ .s less/)
    expect(readFileSync(join(folder, 'profile.svg'), 'utf8')).toMatch(
      /^<svg[\s\S]*A training step of table\.csv: 16 rows[\s\S]*of peak/,
    )
    const sgd = JSON.parse((await gradus([...args, '--optimizer', 'sgd', '--json'])).out)
    expect(sgd).toMatchObject({ source: 'table.csv', batchSize: 16, engine: 'wasm', network: { hidden: [40, 24] } })
    expect(sgd.callSeconds).toBeGreaterThan(0)
    // The larger product alone: forward, and twice backward.
    expect(sgd.flops).toBeGreaterThan(3 * 2 * 16 * 40 * 24)
    const adam = JSON.parse((await gradus([...args, '--engine', 'interpreter', '--json'])).out)
    expect(adam.engine).toBe('interpreter')
    expect(adam.updatedBytes).toBeGreaterThan(2 * sgd.updatedBytes)
  })

  test('digits, and the prediction of a model', async () => {
    const digits = JSON.parse((await gradus(['profile', 'digits', '--hidden', '32', '--json'])).out)
    expect(digits).toMatchObject({
      what: 'a training step',
      batchSize: 128,
      network: { inputs: [28, 28], hidden: [32] },
    })
    const model = JSON.parse((await gradus(['profile', 'model', '--batch-size', '8', '--json'])).out)
    const parameters = 4 * (6 * 16 + 16 + 16 * 3 + 3)
    expect(model).toMatchObject({ what: 'a prediction', batchSize: 8, heldBytes: parameters, keptBytes: parameters })
    // What a prediction holds are parameters; what a step holds, beside those that it trains, are data.
    expect((await gradus(['profile', 'model', '--batch-size', '8'])).out).toMatch(
      /^memory .*: parameters 652 B, arena [\d.]+ KiB \([\d.]+ KiB live at once\)$/m,
    )
    // The learning rate, which steps read.
    expect(digits.keptBytes).toBe(8)
    expect(digits.heldBytes).toBeGreaterThan(40_000 * 784)
    for (const kernel of model.kernels)
      expect(kernel).toMatchObject({
        seconds: expect.any(Number),
        peakShare: expect.any(Number),
        bound: expect.any(String),
      })
  })

  test.each<[string[], number, RegExp]>([
    [
      ['nothing.csv', '-t', 'x'],
      1,
      /there is no file or folder nothing\.csv\. Give a table, a model file, the folder of a model/,
    ],
    [['table.csv'], 1, /which column of table\.csv is to be predicted.*--target COLUMN.*a, b, price/],
    [['model', '--hidden', '3'], 2, /--hidden is for training, not for the prediction of a model/],
    [['model', '--batch-size', '7'], 1, /not made 7 rows at a time\. Batches have 512, 64, 8, 1 rows/],
    [['model', '--batch-size', 'full'], 2, /no batch of the size 'full'\. Give --batch-size 512/],
    [['digits', '--target', 'x', '--no-header'], 2, /--target, --no-header are for tables, not for digits/],
    [['table.csv', '-t', 'price', '--engine', 'gpu'], 2, /must be one of wasm, native, interpreter/],
    [['model', '--output', 'none/profile.svg'], 1, /cannot write none\/profile\.svg/],
  ])('%j: %i', async (args, expected, message) => {
    const { code, out, err } = await gradus(['profile', ...args])
    expect(err).toMatch(message)
    expect([code, out]).toEqual([expected, ''])
  })
})

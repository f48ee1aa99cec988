/** @file The compiler's cache takes no foreign or damaged code; what is missing is said; engines share memory and bits. */

import { createHash } from 'node:crypto'
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { compileGraph } from '../../src/compile.js'
import { input } from '../../src/graph/node.js'
import * as ops from '../../src/graph/ops.js'
import { backpropagate, compile, initialize, loss, nn, optim, type Tensor, tensor } from '../../src/index.js'
import { target128, target256, target512 } from '../../src/lower/target.js'
import { cacheFolder, pruneFolder } from '../../src/runtime/native-cache.js'
import { compileC, loadC, targetOf } from '../../src/runtime/native-compiler.js'
import { NativeUnavailable } from '../../src/runtime/native-host.js'
import { RandomGenerator } from '../../src/trace/random.js'
import { missing } from './harness.js'

const root = mkdtempSync(join(tmpdir(), 'gradus-cache-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))
let folder = ''
let next = 0
beforeEach(() => {
  folder = join(root, `cache${next++}`)
  vi.stubEnv('GRADUS_CACHE', folder)
  vi.stubEnv('CC', '')
})

const text = (n: number) => `int number(void) { return ${n}; }\n`
const numberOf = (library: ReturnType<typeof loadC>) => library.func('int number()')()
const object = () => join(folder, readdirSync(folder).find((name) => name.endsWith('.so'))!)
const checksum = () => join(folder, readdirSync(folder).find((name) => name.endsWith('.sha256'))!)

const negation = () => {
  const x = input('float32', [5])
  return { inputs: [x], outputs: [ops.unary('negate', x)] }
}
const run = (engine?: 'native' | 'auto') => {
  const program = compileGraph(negation(), new Map(), [undefined], engine ? { engine } : {})
  return [program.engine, ...program.run([Float32Array.of(1, 2, 3, 4, 5)], 1)[0]!]
}

test('the target follows what the compiler may use', () => {
  const macros = (...names: string[]) => names.map((name) => `#define ${name} 1`).join('\n')
  expect(targetOf(macros('__SSE2__'))).toBe(target128)
  expect(targetOf(macros('__ARM_NEON'))).toBe(target128)
  expect(targetOf(macros('__AVX2__', '__FMA__'))).toBe(target256)
  expect(targetOf(macros('__AVX2__', '__AVX512F__', '__AVX512DQ__', '__AVX512BW__'))).toBe(target512)
  expect(targetOf(macros('__AVX2__', '__AVX512F__'))).toBe(target256)
})

test('without a compiler: an error by name; auto runs WebAssembly', () => {
  vi.stubEnv('CC', '/nowhere/cc')
  expect(() => run('native')).toThrow(NativeUnavailable)
  expect(() => run('native')).toThrow(/CC names a C compiler that does not run \(\/nowhere\/cc: .*Name gcc or clang/)
  // The line that says so comes when a program has run for long enough to miss it: see tiered.test.ts.
  expect(run('auto')).toEqual(['wasm', -1, -2, -3, -4, -5])
})

test('an engine that does not exist is refused', () => {
  vi.stubEnv('GRADUS_ENGINE', 'nativ')
  expect(() => run()).toThrow(/GRADUS_ENGINE is 'nativ', which is no engine.*Choose wasm, native, interpreter, auto/)
})

describe.skipIf(missing() !== undefined)('with a compiler', () => {
  test('code is compiled once, into a folder for its owner alone', () => {
    const first = loadC(text(1))
    expect(numberOf(first)).toBe(1)
    expect(first.compiled).toBe(true)
    expect(loadC(text(1)).compiled).toBe(false)
    expect(numberOf(loadC(text(2)))).toBe(2)
    expect(statSync(folder).mode & 0o777).toBe(0o700)
    expect(readdirSync(folder).length).toBe(4)
    for (const name of readdirSync(folder)) expect(statSync(join(folder, name)).mode & 0o077).toBe(0)
  })

  test('damaged, replaced and unchecked objects are made anew', () => {
    const other = loadC(text(99)).path
    const foreign = readFileSync(other)
    for (const name of readdirSync(folder)) rmSync(join(folder, name))
    // A file of its own each time: the old one is still mapped into this process.
    const replace = (data: string | Uint8Array) => {
      const file = object()
      rmSync(file)
      writeFileSync(file, data, { mode: 0o600 })
    }
    const damages: (() => void)[] = [
      () => replace('no object'),
      () => replace(foreign),
      () => rmSync(checksum()),
      () => writeFileSync(checksum(), '0'.repeat(64)),
      () => chmodSync(object(), 0o666),
      () => {
        const file = object()
        rmSync(file)
        symlinkSync(join(root, 'elsewhere.so'), file)
      },
      () => {
        const file = object()
        rmSync(file)
        mkdirSync(file)
      },
    ]
    writeFileSync(join(root, 'elsewhere.so'), foreign)
    damages.forEach((damage, i) => {
      expect(loadC(text(i + 10)).compiled).toBe(true)
      damage()
      const again = loadC(text(i + 10))
      expect(again.compiled, `damage ${i}`).toBe(true)
      expect(numberOf(again)).toBe(i + 10)
      expect(loadC(text(i + 10)).compiled, `after damage ${i}`).toBe(false)
      for (const name of readdirSync(folder)) rmSync(join(folder, name))
    })
    expect(readFileSync(join(root, 'elsewhere.so'))).toEqual(foreign)
  })

  test('a folder that others can write to is refused', () => {
    mkdirSync(folder)
    chmodSync(folder, 0o777)
    expect(() => loadC(text(1))).toThrow(/is open to others.*GRADUS_CACHE/)
    chmodSync(folder, 0o755)
    expect(() => cacheFolder()).toThrow(/is open to others/)
    // Where nothing can be made, Node's recursive mkdir never ends.
    vi.stubEnv('GRADUS_CACHE', '/proc/gradus/cache')
    expect(() => cacheFolder()).toThrow(/GRADUS_CACHE is \/proc\/gradus\/cache, which cannot be made \(ENOENT\)/)
    vi.stubEnv('GRADUS_CACHE', folder)
    rmSync(folder, { recursive: true })
    writeFileSync(folder, '')
    expect(() => cacheFolder()).toThrow(NativeUnavailable)
    const real = join(root, 'real')
    mkdirSync(real, { mode: 0o700 })
    vi.stubEnv('GRADUS_CACHE', join(root, 'link'))
    symlinkSync(real, join(root, 'link'))
    expect(() => cacheFolder()).toThrow(/is no folder/)
  })

  test('an object that cannot be loaded, though its checksum is right, is made once more', () => {
    const otherMachine = (whole: Uint8Array) => whole.map((byte, i) => (i === 18 ? 0xf7 : byte))
    const shorter = (length: number) => (whole: Uint8Array) => whole.subarray(0, length)
    ;[otherMachine, shorter(-5), shorter(3000), shorter(100), shorter(0)].forEach((damage, i) => {
      // Compiled, but never loaded: the system does not look again at the file of a library that it has.
      compileC(text(i + 20))
      const place = { object: object(), checksum: checksum() }
      const bytes = damage(readFileSync(place.object))
      writeFileSync(place.object, bytes)
      writeFileSync(place.checksum, createHash('sha256').update(bytes).digest('hex'))
      const again = loadC(text(i + 20))
      expect(again.compiled, `damage ${i}`).toBe(true)
      expect(numberOf(again)).toBe(i + 20)
      expect(loadC(text(i + 20)).compiled, `after damage ${i}`).toBe(false)
      for (const name of readdirSync(folder)) rmSync(join(folder, name))
    })
  })

  test('what is unused for longest goes, when there is too much or it is too old; what is in use stays', () => {
    const bytes = 1000
    const hour = 3600_000
    const limits = { bytes: 2.5 * bytes, unusedMs: 100 * hour, inUseMs: hour }
    mkdirSync(folder, { mode: 0o700 })
    const file = (name: string, ageHours: number) => {
      writeFileSync(join(folder, name), new Uint8Array(name.endsWith('.so') ? bytes : 64))
      const time = new Date(Date.now() - ageHours * hour)
      utimesSync(join(folder, name), time, time)
    }
    /** Made 200 hours ago, and last used so many hours ago. */
    const object = (digit: string, usedHours: number) => {
      file(`${digit.repeat(64)}.so`, 200)
      file(`${digit.repeat(64)}.sha256`, usedHours)
    }
    const left = () =>
      readdirSync(folder)
        .map((name) => name.replace(/^(.)\1{63}/, '$1'))
        .sort()
    object('a', 150)
    object('b', 30)
    object('c', 20)
    object('d', 10)
    file(`${'e'.repeat(64)}.so.123.0123456789ab`, 2)
    file('123.0123456789ab.c', 2)
    file('124.0123456789ab.c', 0)
    file('notes.txt', 500)
    pruneFolder(folder, limits)
    expect(left()).toEqual(['124.0123456789ab.c', 'c.sha256', 'c.so', 'd.sha256', 'd.so', 'notes.txt'])
    // All of them used within the hour: more than the limit stays.
    for (const digit of 'abcd') object(digit, 0.5)
    pruneFolder(folder, limits)
    expect(left().filter((name) => name.endsWith('.so'))).toEqual(['a.so', 'b.so', 'c.so', 'd.so'])
    // Age alone is reason enough.
    object('a', 150)
    pruneFolder(folder, { ...limits, bytes: 1e9 })
    expect(left().filter((name) => name.endsWith('.so'))).toEqual(['b.so', 'c.so', 'd.so'])
  })

  test('finding an object marks it as used', () => {
    loadC(text(1))
    utimesSync(checksum(), new Date(0), new Date(0))
    loadC(text(1))
    expect(Date.now() - statSync(checksum()).mtimeMs).toBeLessThan(60_000)
  })

  test('a compiler that fails is quoted, and leaves nothing behind', () => {
    expect(() => loadC('int number(void) { return x; }')).toThrow(/failed: .*x/s)
    expect(readdirSync(folder)).toEqual([])
  })

  test('the environment chooses, and explain shows it', () => {
    vi.stubEnv('GRADUS_ENGINE', 'native')
    expect(run()).toEqual(['native', -1, -2, -3, -4, -5])
    const step = compile((x: Tensor) => x.add(1))
    const explanation = step.explain([tensor([1, 2])], { time: true })
    expect(explanation.engine).toBe('native')
    expect(String(explanation)).toMatch(/native, (fused|portable) multiply-adds/)
    expect(explanation.kernels[0]!.seconds).toBeGreaterThan(0)
  })

  /** Twelve losses of a network with dropout; `engineAt` says what computes each step. */
  async function trajectory(engineAt: (step: number) => 'wasm' | 'native'): Promise<number[]> {
    const net = nn.sequential(
      nn.linear(37, 50),
      nn.relu,
      nn.dropout(0.3),
      nn.linear(50, 21),
      nn.tanh,
      nn.linear(21, 10),
    )
    initialize(net, { seed: 3 })
    const optimizer = optim.adam({ learningRate: 1e-2, weightDecay: 1e-3 }).init(net)
    const update = (input: Tensor, target: Tensor) => {
      const error = loss.crossEntropy(net(input), target)
      optimizer.update(backpropagate(error, net))
      return error
    }
    const random = new RandomGenerator(5)
    const steps = {
      wasm: compile(update, { training: true, engine: 'wasm', random }),
      native: compile(update, { training: true, engine: 'native', random }),
    }
    const losses: number[] = []
    for (let i = 0; i < 12; i++) {
      const x = tensor(
        Float32Array.from({ length: 19 * 37 }, (_, j) => Math.sin(j * (i + 1))),
        { shape: [19, 37] },
      )
      const y = tensor(
        Int32Array.from({ length: 19 }, (_, j) => (j * 7 + i) % 10),
        { shape: [19] },
      )
      losses.push(await steps[engineAt(i)](x, y).item())
    }
    return losses
  }

  test('training has the same bits in both engines', async () => {
    const [wasm, native] = [await trajectory(() => 'wasm'), await trajectory(() => 'native')]
    expect(native).toEqual(wasm)
    // In turns, over the same Variables in the same memory.
    expect(await trajectory((i) => (i % 3 === 1 ? 'native' : 'wasm'))).toEqual(wasm)
    expect(wasm[11]).toBeLessThan(wasm[0]!)
  })
})

/**
 * Programs that start in WebAssembly and go on in native code: the bits are those of a run that never changed, and a
 * compiler that is missing costs one line. Runs the built library, whose background process is a file of its own.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, test } from 'vitest'

const library = fileURLToPath(new URL('../../dist/index.js', import.meta.url))
const cache = mkdtempSync(join(tmpdir(), 'gradus-tiered-'))
afterAll(() => rmSync(cache, { recursive: true, force: true }))

/** Trains in a process of its own; prints the losses' sum of bits, and the engine after so many milliseconds. */
function train(
  env: Record<string, string>,
  breathes: boolean,
  waitMs = 6000,
): { hash: string; engine: string; notes: string[] } {
  const script = `
    import { createHash } from 'node:crypto'
    import { backpropagate, compile, initialize, loss, nn, optim, tensor } from ${JSON.stringify(library)}
    const net = nn.sequential(nn.linear(61, 67), nn.relu, nn.dropout(0.3), nn.linear(67, 5))
    initialize(net, { seed: 3 })
    const optimizer = optim.adam({ learningRate: 1e-3 }).init(net)
    const step = compile((x, y) => {
      const error = loss.crossEntropy(net(x), y)
      optimizer.update(backpropagate(error, net))
      return error
    }, { training: true, random: 7 })
    const x = tensor(Float32Array.from({ length: 32 * 61 }, (_, i) => Math.sin(i)), { shape: [32, 61] })
    const y = tensor(Int32Array.from({ length: 32 }, (_, i) => i % 5), { shape: [32] })
    const hash = createHash('sha256')
    const start = performance.now()
    let steps = 0
    // Always the same number of steps, and at least long enough for the compiler.
    while (steps < 20000 || (${env['GRADUS_ENGINE'] === 'auto'} && performance.now() - start < ${waitMs} && step.explain([x, y]).engine === 'wasm')) {
      const error = await step(x, y).item()
      if (steps++ < 20000) hash.update(Float32Array.of(error))
      if (${breathes} && steps % 100 === 0) await new Promise(setImmediate)
    }
    console.log(JSON.stringify({ hash: hash.digest('hex'), engine: step.explain([x, y]).engine }))
  `
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    encoding: 'utf8',
    env: { ...process.env, GRADUS_VERIFY: '', GRADUS_CACHE: cache, ...env },
  })
  return {
    ...(JSON.parse(stdout) as { hash: string; engine: string }),
    notes: stderr.trim().split('\n').filter(Boolean),
  }
}

test('a run that changes engines on the way has the bits of one that does not', () => {
  const wasm = train({ GRADUS_ENGINE: 'wasm' }, true)
  // Without a turn of the event loop in between.
  const tiered = train({ GRADUS_ENGINE: 'auto' }, false)
  expect(wasm.engine).toBe('wasm')
  expect(tiered.hash).toBe(wasm.hash)
  expect(tiered.engine).toBe('native')
  expect(wasm.notes).toEqual([])
  expect(tiered.notes).toEqual([
    expect.stringMatching(/compiled in the background and kept in .*; GRADUS_ENGINE=wasm does without/),
  ])
  expect(readdirSync(cache).filter((name) => name.endsWith('.c'))).toEqual([])
})

test('a compiler that does not run leaves WebAssembly running', () => {
  const { engine, notes } = train({ GRADUS_ENGINE: 'auto', CC: '/nonexistent/cc' }, false, 1000)
  expect(engine).toBe('wasm')
  expect(notes).toEqual([
    expect.stringMatching(
      /^gradus: WebAssembly runs on instead of native code: CC names a C compiler that does not run/,
    ),
  ])
})

test('a cache folder that cannot be made leaves WebAssembly running', () => {
  const { engine, notes } = train({ GRADUS_ENGINE: 'auto', GRADUS_CACHE: '/proc/gradus/cache' }, false, 1000)
  expect(engine).toBe('wasm')
  expect(notes).toEqual([
    expect.stringMatching(
      /^gradus: WebAssembly runs on instead of native code: GRADUS_CACHE is \/proc\/gradus\/cache, which cannot be made/,
    ),
  ])
})

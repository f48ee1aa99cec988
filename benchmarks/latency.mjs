/**
 * @file What a program waits for: the first step in a fresh process, the change to native code with an empty cache; and what
 * two threads are worth while something else keeps a processor busy.
 * npm run build && node benchmarks/latency.mjs
 */
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const library = fileURLToPath(new URL('../dist/index.js', import.meta.url))
const setup = (sizes, batch, settings) => `
  import { backpropagate, compile, initialize, loss, nn, optim, tensor } from ${JSON.stringify(library)}
  const sizes = ${JSON.stringify(sizes)}
  const layers = sizes.slice(1).flatMap((size, i) => [nn.linear(sizes[i], size), ...(i + 2 < sizes.length ? [nn.relu] : [])])
  const net = nn.sequential(...layers)
  initialize(net, { seed: 1 })
  const optimizer = optim.adam({ learningRate: 1e-3 }).init(net)
  const step = compile((x, y) => {
    const error = loss.crossEntropy(net(x), y)
    optimizer.update(backpropagate(error, net))
    return error
  }, { training: true, ...${JSON.stringify(settings)} })
  const x = tensor(Float32Array.from({ length: ${batch} * 784 }, (_, i) => Math.sin(i)), { shape: [${batch}, 784] })
  const y = tensor(Int32Array.from({ length: ${batch} }, (_, i) => i % 10), { shape: [${batch}] })
  const start = performance.now()
  await step(x, y).item()
  const first = performance.now() - start
`
const W2 = [784, 128, 64, 10]
const W3 = [784, 1024, 1024, 1024, 10]
const median = (list) => [...list].sort((a, b) => a - b)[list.length >> 1]

function run(script, env = {}) {
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    encoding: 'utf8',
    env: { ...process.env, GRADUS_ENGINE: '', GRADUS_THREADS: '', ...env },
  })
  if (!stdout) throw new Error(stderr)
  return JSON.parse(stdout)
}

for (const threads of [1, 2]) {
  const script = `${setup(W2, 32, { engine: 'wasm', threads })}\nconsole.log(first)`
  const times = Array.from({ length: 11 }, () => run(script))
  console.log(
    `W2, first step in WebAssembly, ${threads} thread(s): ${median(times).toFixed(1)} ms (fastest ${Math.min(...times).toFixed(1)})`,
  )
}

const swap = `${setup(W2, 32, { engine: 'auto' })}
  while (step.explain([x, y]).engine === 'wasm' && performance.now() - start < 20000) await step(x, y).item()
  console.log(performance.now() - start)`
const swaps = Array.from({ length: 3 }, () => {
  const cache = mkdtempSync(join(tmpdir(), 'gradus-latency-'))
  try {
    return run(swap, { GRADUS_CACHE: cache })
  } finally {
    rmSync(cache, { recursive: true, force: true })
  }
})
console.log(
  `W2, native code in use with an empty cache: ${(median(swaps) / 1000).toFixed(2)} s after the first step began`,
)

/** Milliseconds of a step. */
const speed = (sizes, batch, settings, steps) =>
  run(`${setup(sizes, batch, settings)}
    for (let i = 0; i < ${steps}; i++) step(x, y)
    const times = []
    for (let i = 0; i < ${steps}; i++) {
      const begin = performance.now()
      step(x, y)
      times.push(performance.now() - begin)
    }
    console.log(times.reduce((sum, time) => sum + time, 0) / times.length)`)
for (const engine of ['native', 'wasm']) {
  const alone = [1, 2].map((threads) => speed(W3, 256, { engine, threads }, 20))
  const neighbour = spawn(process.execPath, ['-e', 'for (;;);'])
  const beside = [1, 2].map((threads) => speed(W3, 256, { engine, threads }, 20))
  neighbour.kill()
  const text = ([one, two]) => `${one.toFixed(1)} and ${two.toFixed(1)} ms, ${(one / two).toFixed(2)}×`
  console.log(`W3, ${engine}, one and two threads: ${text(alone)}; beside a busy neighbour: ${text(beside)}`)
}

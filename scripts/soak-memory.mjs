/**
 * @file Memory over many small steps: after a warm-up, the process must not grow. Prints a table; exits 1 on growth.
 * Cases: results dropped, results kept, a smaller last batch, a running total of results, a loop that never awaits.
 *
 * npm run build && node --expose-gc scripts/soak-memory.mjs [steps]          # 100,000 by default
 */
import { backpropagate, batches, compile, fit, initialize, loss, nn, optim, tensor } from '../dist/index.js'

const steps = Number(process.argv[2] ?? 100_000)
const collect = globalThis.gc
if (!collect) throw new Error('run with node --expose-gc')

const count = 100
const inputs = Float32Array.from({ length: count * 8 }, (_, i) => Math.sin(i))
const labels = Int32Array.from({ length: count }, (_, i) => i % 3)
const data = { input: { data: inputs, shape: [count, 8] }, target: { data: labels, shape: [count] } }

function makeStep() {
  const net = nn.sequential(nn.linear(8, 16), nn.relu, nn.dropout(0.1), nn.linear(16, 3))
  initialize(net, { seed: 1 })
  const optimizer = optim.adam({ learningRate: 1e-3 }).init(net)
  return compile(
    (x, y) => {
      const error = loss.crossEntropy(net(x), y)
      optimizer.update(backpropagate(error, net))
      return error
    },
    { training: true },
  )
}
/** Whole and smaller batches in turn: 32, 32, 32, 4. */
const all = [...batches(data, { size: 32 })]
const even = all[0]

/** Each runs `n` more steps. */
const cases = {
  'results dropped, never awaited': () => {
    const step = makeStep()
    return (n) => {
      for (let i = 0; i < n; i++) step(...even)
    }
  },
  'results awaited': () => {
    const step = makeStep()
    return async (n) => {
      for (let i = 0; i < n; i++) await step(...even).item()
    }
  },
  'the last 1,000 results kept': () => {
    const step = makeStep()
    const kept = []
    return (n) => {
      for (let i = 0; i < n; i++) kept[i % 1000] = step(...even)
    }
  },
  'a smaller last batch': () => {
    const step = makeStep()
    return (n) => {
      for (let i = 0; i < n; i++) step(...all[i % all.length])
    }
  },
  'new batches each epoch': () => {
    const step = makeStep()
    return (n) => {
      for (let i = 0; i < n; )
        for (const batch of batches(data, { size: 32, shuffle: true, seed: i })) if (i++ < n) step(...batch)
    }
  },
  'total = total.add(step(x, y)), never awaited': () => {
    const step = makeStep()
    let total = tensor(0)
    return (n) => {
      for (let i = 0; i < n; i++) total = total.add(step(...even))
    }
  },
  'total of smaller batches too, read every 1,000': () => {
    const step = makeStep()
    let total = tensor(0)
    return async (n) => {
      for (let i = 0; i < n; i++) {
        total = total.add(step(...all[i % all.length]))
        if (i % 1000 === 0) await total.item()
      }
    }
  },
  'fit with a smaller last batch': () => {
    const step = makeStep()
    return async (n) => {
      await fit(nn.sequential(nn.linear(8, 3)), { train: data, step, epochs: Math.ceil(n / 4), batchSize: 32 })
    }
  },
}

const megabytes = () => {
  collect()
  collect()
  const { heapUsed, arrayBuffers, external, rss } = process.memoryUsage()
  return { heap: heapUsed / 2 ** 20, outside: (arrayBuffers + external) / 2 ** 20, rss: rss / 2 ** 20 }
}
const signed = (x) => `${x >= 0 ? '+' : ''}${x.toFixed(2)}`

let grown = false
console.log(`growth in MiB over ${steps} steps (heap after collection, memory outside it, resident), µs a step`)
for (const [name, make] of Object.entries(cases)) {
  const run = make()
  await run(Math.ceil(steps / 10))
  const before = megabytes()
  const start = performance.now()
  await run(steps)
  const micros = ((performance.now() - start) * 1000) / steps
  const after = megabytes()
  const [heap, outside, rss] = ['heap', 'outside', 'rss'].map((part) => after[part] - before[part])
  // What one lost tensor a step would cost is far more than this.
  const bad = heap > 2 || outside > 2
  grown ||= bad
  console.log(
    `${name.padEnd(48)} ${signed(heap).padStart(8)} ${signed(outside).padStart(8)} ${signed(rss).padStart(8)}   ${micros.toFixed(1).padStart(6)}${bad ? '  GROWS' : ''}`,
  )
}
if (grown) process.exitCode = 1

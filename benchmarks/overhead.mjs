/**
 * @file What checkpoints after every epoch and the log of a run cost: the same training (MNIST, 784-128-10, Adam, batches of 64) without them, with
 * either, with both, in turn, several rounds; medians, and their ratio to the first. Nothing else may run meanwhile.
 * node benchmarks/overhead.mjs [rounds=7] [epochs=6]           GRADUS_ENGINE, GRADUS_THREADS as usual
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { digits } from '@gradus/datasets'
import { fit, loss, metrics, nn, optim, runLog } from 'gradus'

const [rounds = 7, epochs = 6] = process.argv.slice(2).map(Number)
const { train } = await digits()
const base = mkdtempSync(join(process.env.OVERHEAD_FOLDER ?? tmpdir(), 'gradus-overhead-'))
let folders = 0

/** Seconds of wall clock and of processors for an epoch, from the end of the first to the end of the run. */
async function measured({ checkpoint, log, observe }) {
  const folder = join(base, String(++folders))
  const net = nn.sequential(nn.flatten(), nn.linear(784, 128), nn.relu, nn.linear(128, 10))
  const events = log ? await runLog(folder, { examples: 0 }) : undefined
  const run = fit(net, {
    train,
    loss: loss.crossEntropy,
    optimizer: optim.adam({ learningRate: 1e-3 }),
    metrics: { accuracy: metrics.accuracy },
    batchSize: 64,
    epochs,
    seed: 1,
    ...(events ? { log: events, observe } : {}),
    ...(checkpoint ? { checkpoint: join(folder, 'checkpoints') } : {}),
  })
  let [start, used] = [0, process.cpuUsage()]
  for await (const { epoch } of run) if (epoch === 1) [start, used] = [performance.now(), process.cpuUsage()]
  const seconds = (performance.now() - start) / 1000 / (epochs - 1)
  const { user, system } = process.cpuUsage(used)
  await events?.close()
  rmSync(folder, { recursive: true, force: true })
  return { seconds, cpu: (user + system) / 1e6 / (epochs - 1) }
}

const ways = {
  'nothing written': {},
  'checkpoint every epoch': { checkpoint: true },
  'log, without observations': { log: true, observe: false },
  'log (layers and histograms observed)': { log: true },
  'checkpoint and log': { checkpoint: true, log: true },
}
const found = Object.fromEntries(Object.keys(ways).map((name) => [name, []]))
try {
  // Programs are compiled, and native code is ready, before anything counts.
  for (const way of Object.values(ways)) await measured(way)
  for (let round = 0; round < rounds; round++)
    for (const name of round % 2 ? Object.keys(ways).reverse() : Object.keys(ways))
      found[name].push(await measured(ways[name]))
} finally {
  rmSync(base, { recursive: true, force: true })
}
const median = (values) => values.sort((a, b) => a - b)[values.length >> 1]
console.log(`${cpus()[0].model}, Node ${process.version}, ${rounds} rounds of ${epochs} epochs, ${base}\n`)
console.log('| | epoch, median | ratio | processors, median | ratio |\n| --- | ---: | ---: | ---: | ---: |')
let first
for (const [name, list] of Object.entries(found)) {
  const [seconds, cpu] = [median(list.map((one) => one.seconds)), median(list.map((one) => one.cpu))]
  first ??= { seconds, cpu }
  console.log(
    `| ${name} | ${(1000 * seconds).toFixed(0)} ms | ${(seconds / first.seconds).toFixed(3)} | ${(1000 * cpu).toFixed(0)} ms | ${(cpu / first.cpu).toFixed(3)} |`,
  )
}

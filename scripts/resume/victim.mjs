// A run of training that is to be killed: `node victim.mjs FOLDER`. It says 'training' when it starts; if it lives, it ends with one
// line, the bits of its network and history. LOG=FOLDER writes a log there. KILL_AT=7 kills it before the seventh system call of its checkpoints.
import { createHash } from 'node:crypto'
import { fit, loss, metrics, nn, optim, state } from '../../dist/index.js'
import { watchCalls } from '../../dist/io/atomic.js'

const folder = process.argv[2]
const killAt = Number(process.env.KILL_AT ?? 0)
let calls = 0
// Small writes, so that there are moments within a file.
watchCalls(() => {
  if (++calls === killAt) process.kill(process.pid, 'SIGKILL')
}, 4000)

// Two clouds: numbers without a generator, so that the data are the same in every process.
const points = (count, shift) => {
  const input = new Float32Array(2 * count)
  const target = new Int32Array(count)
  for (let i = 0; i < count; i++) {
    const t = (i + shift) / 40
    // Every fifth label or so is wrong, so that early stopping has something to do.
    target[i] = ((i * 53) % 11 < 2 ? i + 1 : i) % 2
    input[2 * i] = Math.fround(Math.sqrt(t) * (i % 2 ? 1 : -1) * ((i % 7) / 7 + 0.5))
    input[2 * i + 1] = Math.fround(((i * 37) % 101) / 101 - (i % 2) * 0.3)
  }
  return { input: { data: input, shape: [count, 2] }, target: { data: target, shape: [count] } }
}
const net = nn.sequential(nn.linear(2, 64), nn.relu, nn.dropout(0.2), nn.linear(64, 64), nn.relu, nn.linear(64, 2))
const history = await fit(net, {
  train: points(1500, 0),
  validation: points(300, 0.5),
  loss: loss.crossEntropy,
  metrics: { accuracy: metrics.accuracy },
  optimizer: optim.momentum({ learningRate: optim.schedules.cosine({ learningRate: 0.05, steps: 3800 }) }),
  earlyStopping: { patience: 6, minimumChange: 0.001 },
  epochs: 40,
  batchSize: 16,
  seed: 7,
  checkpoint: folder && { folder, every: { steps: 40 }, keep: 2 },
  resume: folder !== undefined,
  log: process.env.LOG,
  progress: { start: () => console.log('training') },
})
const hash = createHash('sha256')
for (const [name, { storage }] of state(net)) hash.update(name).update(storage.read())
// What was observed before the kill in an epoch is in the log, not in the epoch that went on.
const epochs = history.epochs.map(({ seconds, layers, ...epoch }) => epoch)
const { best, stopped, restored } = history
const text = JSON.stringify({ epochs, best, stopped, restored })
console.log(`${hash.digest('hex')} ${createHash('sha256').update(text).digest('hex')} ${epochs.length} ${stopped}`)

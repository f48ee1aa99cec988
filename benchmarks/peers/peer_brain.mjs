// brain.js 1.6, its own `train` on the CPU (per-example SGD / adam, no mini-batches, squared error, one activation everywhere):
// node peer_brain.mjs <W1|W2|W3> 1. A "step" here = as many per-example updates as the workload's batch holds.
import { BATCH, batches, DIMS, measure, require } from './common.mjs'

const w = process.argv[2]
if (!(w in DIMS)) {
  console.error('MLP only')
  process.exit(1)
}
const brain = require('brain.js'),
  B = BATCH[w],
  D = DIMS[w][0],
  O = DIMS[w].at(-1)
const net = new brain.NeuralNetwork({ hiddenLayers: DIMS[w].slice(1, -1), activation: w === 'W1' ? 'tanh' : 'relu' })
const data = batches(w).map(([x, y]) =>
  Array.from({ length: B }, (_, b) => ({
    input: x.slice(b * D, b * D + D),
    output: w === 'W1' ? [y[b]] : Array.from({ length: O }, (_, j) => +(y[b] === j)),
  })),
)
// few examples a call where one takes long (time per example does not depend on their number)
const all = w === 'W1' ? data.flat() : w === 'W2' ? data[0] : data[0].slice(0, 4),
  per = all.length / B
let last = 0
const opts = {
  iterations: 1,
  errorThresh: 1e-9,
  learningRate: w === 'W1' ? 0.01 : 0.001,
  momentum: w === 'W1' ? 1e-12 : 0.1,
  ...(w === 'W1' ? {} : { praxis: 'adam' }),
}
await measure(
  'brain.js',
  require('brain.js/package.json').version,
  w,
  1,
  () => {
    last = net.train(all, opts).error
  },
  () => last,
  { note: `${B} per-example updates a step, ${w === 'W1' ? 'sgd' : 'adam'}, squared error` },
  per,
)

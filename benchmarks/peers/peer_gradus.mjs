/**
 * @file Gradus on the peers' workloads, measured by the peers' clock: node peer_gradus.mjs <workload> <threads> [fresh|many]
 * fresh: each step gets new input arrays, as a program that reads its data would have it; many: 32 steps in a call.
 * Needs `npm run build`.
 */
import { readFileSync } from 'node:fs'
import { backpropagate, compile, initialize, loss, nn, optim, tensor } from '../../dist/index.js'
import { BATCH, batches, measure } from './common.mjs'
import { workloadOf } from './networks.mjs'

const [workload, threads, variant] = [process.argv[2], Number(process.argv[3] ?? 1), process.argv[4]]
const batch = BATCH[workload]
const version = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')).version

const {
  net,
  loss: error,
  optimizer: spec,
  input: shape,
  target: targetShape = [],
} = workloadOf({ nn, loss, optim }, workload)
initialize(net, { seed: 1 })
const optimizer = spec.init(net)
const step = compile(
  (input, target) => {
    const value = error(net(input), target)
    optimizer.update(backpropagate(value, net))
    return value
  },
  { training: true, threads },
)

const arrays = batches(workload)
const toTensors = ([x, y]) => [tensor(x, { shape: [batch, ...shape] }), tensor(y, { shape: [batch, ...targetShape] })]
const ready = arrays.map(toTensors)
let last
const runs = {
  fresh: (i) => {
    last = step(...toTensors(arrays[i % arrays.length]))
  },
  many: (i) => {
    last = step.each(Array.from({ length: 32 }, (_, k) => ready[(32 * i + k) % ready.length])).at(-1)
  },
  ready: (i) => {
    const [x, y] = ready[i % ready.length]
    last = step(x, y)
  },
}
const run = runs[variant ?? 'ready']
await measure(
  `gradus-${process.env.GRADUS_ENGINE ?? 'auto'}${variant ? `-${variant}` : ''}`,
  version,
  workload,
  threads,
  run,
  () => last.item(),
  {},
  variant === 'many' ? 32 : 1,
)

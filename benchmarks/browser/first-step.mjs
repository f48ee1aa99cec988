/**
 * @file The first step of a small network, from building it to the loss, after the module is loaded and the data are there:
 * node benchmarks/browser/first-step.mjs W1. The same file runs in browsers. Prints { first_ms, threads }.
 */
import * as gradus from '../../dist/index.js'
import { BATCH, batches } from '../peers/common.mjs'
import { workloadOf } from '../peers/networks.mjs'

const workload = process.argv[2]
const batch = BATCH[workload]
const [[inputs, targets]] = batches(workload)

const start = performance.now()
const { net, loss, optimizer: rule, input, target = [] } = workloadOf(gradus, workload)
gradus.initialize(net, { seed: 1 })
const optimizer = rule.init(net)
const step = gradus.compile(
  (x, y) => {
    const error = loss(net(x), y)
    optimizer.update(gradus.backpropagate(error, net))
    return error
  },
  { training: true },
)
const x = gradus.tensor(inputs, { shape: [batch, ...input] })
const y = gradus.tensor(targets, { shape: [batch, ...target] })
const first = await step(x, y).item()
const took = performance.now() - start
const second = await step(x, y).item()
if (!Number.isFinite(first) || !(second < first)) throw new Error(`the loss went from ${first} to ${second}`)
console.log(JSON.stringify({ first_ms: took, threads: step.explain([x, y]).threads }))
process.exit(0)

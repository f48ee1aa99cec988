/**
 * @file A short training with everything random and rounded that a step has, in whatever runtime runs this file: Node,
 * Deno (deno run -A --node-modules-dir=manual scripts/smoke.mjs), Bun. Prints the hash of all losses: equal hashes are
 * equal bits. Runtimes without fused multiply-adds agree with GRADUS_NUMERICS=portable elsewhere. Needs `npm run build`.
 */
import { createHash } from 'node:crypto'
import { backpropagate, compile, initialize, loss, nn, optim, tensor } from '../dist/index.js'

const net = nn.sequential(nn.linear(20, 33), nn.relu, nn.dropout(0.3), nn.linear(33, 5))
initialize(net, { seed: 3 })
const optimizer = optim.adam({ learningRate: 1e-2 }).init(net)
const step = compile(
  (x, y) => {
    const e = loss.crossEntropy(net(x), y)
    optimizer.update(backpropagate(e, net))
    return e
  },
  { training: true, random: 7 },
)
const x = tensor(
    Float32Array.from({ length: 32 * 20 }, (_, i) => ((i * 37) % 101) / 50 - 1),
    { shape: [32, 20] },
  ),
  y = tensor(
    Int32Array.from({ length: 32 }, (_, i) => i % 5),
    { shape: [32] },
  )
const h = createHash('sha256')
let e
for (let i = 0; i < 300; i++) {
  e = await step(x, y).item()
  h.update(new Uint8Array(Float32Array.of(e).buffer))
}
console.log(
  typeof Deno !== 'undefined' ? 'deno' : typeof Bun !== 'undefined' ? 'bun' : process.version,
  e,
  h.digest('hex').slice(0, 16),
  step.explain([x, y]).engine,
)

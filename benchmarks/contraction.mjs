/**
 * @file The contraction kernel on its own: GFLOP/s for square, training-like and awkward products, one thread.
 * npm run build && node benchmarks/contraction.mjs [pattern]
 * The best of many short runs counts: what the kernel can do, whatever else the machine does.
 */
import { compileGraph } from '../dist/compile.js'
import { input } from '../dist/graph/node.js'
import * as ops from '../dist/graph/ops.js'

const cases = [
  // [name, m, n, k, lhs transposed, rhs transposed]
  ['square 1024', 1024, 1024, 1024, false, false],
  ['square 1024, right transposed', 1024, 1024, 1024, false, true],
  ['square 1024, left transposed', 1024, 1024, 1024, true, false],
  ['square 256', 256, 256, 256, false, false],
  ['W3 forward', 256, 1024, 1024, false, true],
  ['W3 weight gradient', 1024, 1024, 256, true, false],
  ['W3 input gradient', 256, 1024, 1024, false, false],
  ['W3 first forward', 256, 1024, 784, false, true],
  ['W2 forward', 32, 128, 784, false, true],
  ['W2 weight gradient', 128, 784, 32, true, false],
  ['W2 second forward', 32, 64, 128, false, true],
  ['W2 second weight gradient', 64, 128, 32, true, false],
  ['W2 second input gradient', 32, 128, 64, false, false],
  ['W2 last forward', 32, 10, 64, false, true],
  ['odd 127×131×129', 127, 131, 129, false, false],
  ['one row', 1, 512, 512, false, true],
  ['W1 forward', 16, 32, 13, false, true],
]
const pattern = new RegExp(process.argv[2] ?? '.')

for (const [name, m, n, k, lhsT, rhsT] of cases) {
  if (!pattern.test(name)) continue
  const x = input('float32', lhsT ? [k, m] : [m, k])
  const y = input('float32', rhsT ? [n, k] : [k, n])
  const product = ops.contract(x, y, {
    lhsBatch: [],
    rhsBatch: [],
    lhsContract: [lhsT ? 0 : 1],
    rhsContract: [rhsT ? 1 : 0],
  })
  const program = compileGraph({ inputs: [x, y], outputs: [product] }, new Map(), [undefined, undefined])
  const random = (length) => Float32Array.from({ length }, () => Math.random() - 0.5)
  const inputs = [random(m * k), random(k * n)]
  const times = []
  for (let i = 0; i < 4; i++) times.push(program.time(inputs)[0])
  const flops = 2 * m * n * k
  const seconds = Math.min(...times)
  console.log(
    `${name.padEnd(32)} ${String(m).padStart(5)} ×${String(n).padStart(5)} ×${String(k).padStart(5)} ${(seconds * 1e6).toFixed(1).padStart(10)} µs ${(flops / seconds / 1e9).toFixed(1).padStart(6)} GFLOP/s`,
  )
}

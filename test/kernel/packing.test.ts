/** The packing of a product alone: it leaves in scratch what the whole kernel leaves there, and computes nothing. */
import { expect, test } from 'vitest'
import { allocate } from '../../src/base/dtype.js'
import { input } from '../../src/graph/node.js'
import * as ops from '../../src/graph/ops.js'
import { interpretKernel } from '../../src/kernel/interpret.js'
import { packingOnly } from '../../src/kernel/packing.js'
import { printKernel } from '../../src/kernel/print.js'
import { verifyKernel } from '../../src/kernel/verify.js'
import { lower } from '../../src/lower/lower.js'
import { target256, wasmTarget } from '../../src/lower/target.js'

const product = (m: number, n: number, k: number, target = wasmTarget) => {
  const [x, y] = [input('float32', [m, k]), input('float32', [n, k])]
  const attrs = { lhsBatch: [], rhsBatch: [], lhsContract: [1], rhsContract: [1] }
  const graph = { inputs: [x, y], outputs: [ops.contract(x, y, attrs)] }
  return lower(graph, new Map(), 'fused', target).launches[0]!.kernel
}

test.each([
  ['both operands', product(90, 70, 600), 2],
  ['both, wider vectors', product(90, 70, 600, target256), 2],
  ['the right one', product(5, 33, 40), 1],
] as const)('%s', (_, kernel, packs) => {
  const part = packingOnly(kernel)!
  verifyKernel(part)
  expect(printKernel(part)).not.toMatch(/fma|add|multiply/)
  const arrays = kernel.buffers.map(({ dtype, length }, i) => allocate(dtype, length).map((_, j) => Math.sin(i + j)))
  const [whole, alone] = [arrays.map((array) => array.slice()), arrays.map((array) => array.slice())]
  interpretKernel(kernel, whole as never)
  interpretKernel(part, alone as never)
  const changed = kernel.buffers.flatMap((_, i) => (alone[i]!.some((x, j) => x !== arrays[i]![j]) ? [i] : []))
  expect(changed).toHaveLength(packs)
  for (const i of changed) expect(alone[i]).toEqual(whole[i])
})

test('nothing where operands are read in place', () => {
  expect(packingOnly(product(1, 64, 64))).toBeUndefined()
})

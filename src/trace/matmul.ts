/**
 * @file Matrix products as contractions: vectors, matrices and stacks of them, leading axes broadcast.
 */
import { ShapeError } from '../base/errors.js'
import { broadcastShapes, formatShape } from '../base/shape.js'
import type { Node } from '../graph/node.js'
import * as ops from '../graph/ops.js'

/** x: [..., m, k], y: [..., k, n] → [..., m, n]. A vector is a row on the left, a column on the right. */
export function matmul(x: Node, y: Node): Node {
  const [a, b] = [x.type.shape, y.type.shape]
  if (a.length === 0 || b.length === 0)
    throw new ShapeError('matmul', `needs vectors or matrices, got ${formatShape(a)} × ${formatShape(b)}`)
  const inner = [a[a.length - 1]!, b[Math.max(0, b.length - 2)]!] as const
  if (inner[0] !== inner[1])
    throw new ShapeError(
      'matmul',
      `inner sizes differ, ${formatShape(a)} × ${formatShape(b)} (${inner[0]} ≠ ${inner[1]})`,
    )
  const plain = { lhsBatch: [], rhsBatch: [], lhsContract: [a.length - 1], rhsContract: [Math.max(0, b.length - 2)] }
  if (b.length <= 2) return ops.contract(x, y, plain)
  // A stack on the right: leading axes are batches, which both operands must have.
  const lead = broadcastShapes('matmul', a.slice(0, -2), b.slice(0, -2))
  const lhs = ops.broadcastTo(a.length === 1 ? ops.reshape(x, [1, a[0]!]) : x, [
    ...lead,
    ...(a.length === 1 ? [1, a[0]!] : a.slice(-2)),
  ])
  const rhs = ops.broadcastTo(y, [...lead, ...b.slice(-2)])
  const batch = lead.map((_, i) => i)
  const product = ops.contract(lhs, rhs, {
    lhsBatch: batch,
    rhsBatch: batch,
    lhsContract: [lead.length + 1],
    rhsContract: [lead.length],
  })
  return a.length === 1 ? ops.reshape(product, [...lead, b[b.length - 1]!]) : product
}

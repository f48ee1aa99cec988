/**
 * @file Batch normalisation in inference, found again among its elementwise operations: (x − μ) · 1/√(σ² + ε) · γ + β with one
 * number of each a channel is ONNX's BatchNormalization, which runtimes fold into the convolution before it.
 */
import { isOp, type Node } from '../../graph/node.js'
import type { Printer } from './printer.js'

/** BatchNormalization, where a sum is the end of one; else undefined. */
export function batchNormalization(p: Printer, node: Node<'add'>): string | undefined {
  const rank = node.type.shape.length
  if (rank < 2) return undefined
  const [scaled, bias] = node.operands as [Node, Node]
  if (!isOp(scaled, 'multiply') || p.uses(scaled) !== 1) return undefined
  const [standard, gamma] = scaled.operands as [Node, Node]
  if (!isOp(standard, 'multiply') || p.uses(standard) !== 1) return undefined
  const [centred, factor] = standard.operands as [Node, Node]
  if (!isOp(centred, 'subtract') || p.uses(centred) !== 1) return undefined
  const [x, mean] = centred.operands as [Node, Node]
  const spread = varianceOf(factor)
  if (!spread) return undefined
  const vectors = [gamma, bias, mean].map((one) => perChannel(one, 1))
  const variance = perChannel(spread.variance, spread.axis)
  if (!variance || vectors.some((one) => one === undefined)) return undefined
  const names = [...vectors, variance].map((one) => p.full(one!))
  return p.emit('BatchNormalization', [p.full(x), ...names], { epsilon: { float: spread.epsilon } })
}

/** σ² and ε of 1/√(σ² + ε), and the axis of σ²'s shape with the channels. */
function varianceOf(factor: Node): { variance: Node; axis: number; epsilon: number } | undefined {
  let [at, axis] = [factor, 1]
  if (isOp(at, 'broadcast')) {
    axis = at.attrs.axes.indexOf(1)
    at = at.operands[0]!
  }
  if (axis < 0 || !isOp(at, 'divide') || constantValue(at.operands[0]!) !== 1) return undefined
  const root = at.operands[1]!
  const sum = isOp(root, 'sqrt') ? root.operands[0]! : undefined
  if (!sum || !isOp(sum, 'add')) return undefined
  const epsilon = constantValue(sum.operands[1]!)
  return epsilon === undefined ? undefined : { variance: sum.operands[0]!, axis, epsilon }
}

/** The value of a constant, perhaps broadcast. */
export function constantValue(node: Node): number | undefined {
  let at = node
  while (isOp(at, 'broadcast') || isOp(at, 'reshape')) at = at.operands[0]!
  return isOp(at, 'constant') ? at.attrs.value : undefined
}

/** The vector behind [channels] → [1, channels, 1, ...] → [n, channels, ...places], where it is the one axis `axis` of those. */
export function perChannel(node: Node, axis: number): Node | undefined {
  let at = node
  while (isOp(at, 'broadcast') || isOp(at, 'reshape')) {
    const [inner, outer] = [at.operands[0]!, at.type.shape]
    if (isOp(at, 'reshape') && outer.some((n, i) => i !== axis && n !== 1)) return undefined
    const from = isOp(at, 'broadcast') ? at.attrs.axes.indexOf(axis) : inner.type.shape.indexOf(outer[axis]!)
    if (from < 0 || inner.type.shape[from] !== outer[axis]) return undefined
    if (inner.type.shape.some((n, i) => i !== from && n !== 1)) return undefined
    axis = from
    at = inner
    if (at.type.shape.length === 1) return at
  }
  return at.type.shape.length === 1 && axis === 0 ? at : undefined
}

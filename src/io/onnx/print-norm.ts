/**
 * @file Normalisations found again among their elementwise operations. In: the node that ends one. Out: ONNX's operator, which
 * runtimes have kernels for or fold into others; undefined where the node ends something else.
 *
 * (x − μ) · 1/√(σ² + ε) · γ + β      BatchNormalization with one number of each a channel, LayerNormalization over the last axes
 * e^(x − max) / Σ e^(x − max)       Softmax; with logarithms LogSoftmax
 */
import { sameShape } from '../../base/shape.js'
import { isOp, type Node } from '../../graph/node.js'
import type { ReduceKind } from '../../graph/op.js'
import { keptShape } from '../../graph/ops.js'
import type { Printer } from './printer.js'
import { sameSizes } from './sizes.js'

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

/** LayerNormalization, where a sum is the end of one. */
export function layerNormalization(p: Printer, node: Node<'add'>): string | undefined {
  const [scaled, bias] = node.operands as [Node, Node]
  if (!isOp(scaled, 'multiply') || p.uses(scaled) !== 1) return undefined
  const [standard, weight] = scaled.operands as [Node, Node]
  if (!isOp(standard, 'multiply') || p.uses(standard) !== 1) return undefined
  const [centred, factor] = standard.operands as [Node, Node]
  if (!isOp(centred, 'subtract')) return undefined
  const [x, mean] = centred.operands as [Node, Node]
  const spread = varianceOf(factor)
  const ofMean = meanOf(mean, x)
  if (!spread || !ofMean) return undefined
  const square = meanOf(spread.variance, undefined)
  const source = square?.source
  if (!source || !isOp(source, 'multiply') || source.operands.some((one) => one !== centred)) return undefined
  const rank = x.type.shape.length
  const axes = ofMean.axes
  if (String(axes) !== String(square.axes) || axes[axes.length - 1] !== rank - 1) return undefined
  const normalized = p.shape(x).slice(axes[0]!)
  const [w, b] = [p.value(weight), p.value(bias)]
  if (!sameSizes(w.shape, normalized) || !sameSizes(b.shape, normalized)) return undefined
  return p.emit('LayerNormalization', [p.full(x), w.name, b.name], {
    axis: { int: axes[0]! - rank },
    epsilon: { float: spread.epsilon },
  })
}

/** Of a mean over axes that are kept: what is averaged, and the axes. */
function meanOf(node: Node, of: Node | undefined): { source: Node; axes: readonly number[] } | undefined {
  const divided = isOp(node, 'broadcast') ? node.operands[0]! : node
  if (!isOp(divided, 'divide')) return undefined
  const sum = reductionOf(divided.operands[0]!, 'sum')
  if (!sum || (of && sum.source !== of)) return undefined
  const count = sum.axes.reduce((n, axis) => n * sum.source.type.shape[axis]!, 1)
  return constantValue(divided.operands[1]!) === count ? sum : undefined
}

/** Of a reduction whose axes are kept, perhaps broadcast to what was reduced: its source and axes. */
function reductionOf(node: Node, kind: ReduceKind): { source: Node; axes: readonly number[] } | undefined {
  let at = node
  if (isOp(at, 'broadcast') && at.attrs.axes.every((axis, i) => axis === i)) at = at.operands[0]!
  while (isOp(at, 'stopGradient')) at = at.operands[0]!
  const kept = at.type.shape
  if (!isOp(at, 'reshape')) return undefined
  const reduce = at.operands[0]!
  if (!isOp(reduce, 'reduce') || reduce.attrs.kind !== kind) return undefined
  const source = reduce.operands[0]!
  const { axes } = reduce.attrs
  return sameShape(kept, keptShape(source.type.shape, axes)) ? { source, axes } : undefined
}

/** Of x − max x: x and the one axis. */
function shifted(node: Node): { x: Node; axis: number } | undefined {
  if (!isOp(node, 'subtract')) return undefined
  const [x, greatest] = node.operands as [Node, Node]
  const found = reductionOf(greatest, 'maximum')
  return found?.source === x && found.axes.length === 1 ? { x, axis: found.axes[0]! } : undefined
}

/** Softmax, where a quotient is one. */
export function softmax(p: Printer, node: Node<'divide'>): string | undefined {
  const [powers, bottom] = node.operands as [Node, Node]
  const difference = isOp(powers, 'exp') ? shifted(powers.operands[0]!) : undefined
  const sum = reductionOf(bottom, 'sum')
  if (!difference || sum?.source !== powers || String(sum.axes) !== String([difference.axis])) return undefined
  return p.emit('Softmax', [p.full(difference.x)], { axis: { int: difference.axis } })
}

/** LogSoftmax, where a difference is one. */
export function logSoftmax(p: Printer, node: Node<'subtract'>): string | undefined {
  const [left, right] = node.operands as [Node, Node]
  const difference = shifted(left)
  const log = isOp(right, 'broadcast') ? right.operands[0]! : right
  if (!difference || !isOp(log, 'log')) return undefined
  const sum = reductionOf(log.operands[0]!, 'sum')
  if (!sum || !isOp(sum.source, 'exp') || sum.source.operands[0] !== left) return undefined
  if (String(sum.axes) !== String([difference.axis])) return undefined
  return p.emit('LogSoftmax', [p.full(difference.x)], { axis: { int: difference.axis } })
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

/**
 * @file Convolutions composed from the op: dilated inputs (transposed convolution, gradients of strided ones), and what a
 * convolution is in terms of windows and one contraction. In: nodes. Out: nodes.
 *
 * y[n, o, p] = Σ over c, k of w[o, c, k] · x[n, c, stride · p + dilation · k − low]
 */
import type { Node } from './node.js'
import type { OpAttrs } from './op.js'
import * as ops from './ops.js'

export interface Convolution extends Omit<OpAttrs['convolution'], 'order'> {
  /** Distance of neighbours of x along each axis, zeros between them. */
  readonly inputDilations: readonly number[]
}

/**
 * With dilated inputs no zero is multiplied: output places fall into phases by their remainder, each a convolution of x
 * itself with the part of the kernel that meets its elements; the phases are put side by side.
 */
export function convolve(x: Node, w: Node, { inputDilations, ...attrs }: Convolution): Node {
  const axis = inputDilations.findIndex((d) => d > 1)
  if (axis < 0) return ops.convolution(x, w, attrs)
  const dilation = inputDilations[axis]!
  const inner = { ...attrs, inputDilations: inputDilations.map((d, i) => (i === axis ? 1 : d)) }
  const [extent, size] = [x.type.shape[axis + 2]!, w.type.shape[axis + 2]!]
  const [stride, kernelDilation, low] = [attrs.strides[axis]!, attrs.dilations[axis]!, attrs.low[axis]!]
  const padded = Math.max(0, extent - 1) * dilation + Math.min(1, extent) + low + attrs.high[axis]!
  const places = Math.max(0, Math.floor((padded - (size - 1) * kernelDilation - 1) / stride) + 1)
  // Output p meets kernel k where stride · p + kernelDilation · k − low is a multiple of the input's dilation.
  const common = gcd(stride, dilation)
  const phases = dilation / common
  const each = Math.ceil(places / phases)
  const parts = Array.from({ length: phases }, (_, phase) => {
    const meets = (k: number) => (((stride * phase + kernelDilation * k - low) % dilation) + dilation) % dilation === 0
    const first = Array.from({ length: size }, (_, k) => k).find(meets)
    if (first === undefined) return undefined
    const step = dilation / gcd(kernelDilation, dilation)
    const count = Math.floor((size - 1 - first) / step) + 1
    const kernel = part(w, axis + 2, first, step)
    const phaseStride = (stride * phases) / dilation
    const phaseDilation = (kernelDilation * step) / dilation
    const phaseLow = -(stride * phase + kernelDilation * first - low) / dilation
    // As much as `each` places need.
    const phaseHigh = (each - 1) * phaseStride + (count - 1) * phaseDilation + 1 - extent - phaseLow
    return convolve(x, kernel, {
      ...inner,
      strides: replaced(attrs.strides, axis, phaseStride),
      dilations: replaced(attrs.dilations, axis, phaseDilation),
      low: replaced(attrs.low, axis, phaseLow),
      high: replaced(attrs.high, axis, phaseHigh),
    })
  })
  const some = parts.find((one) => one !== undefined)
  if (some === undefined || places === 0) {
    const shape = ops.convolution(x, w, { ...inner, low: inner.low.map(() => 0), high: inner.high.map(() => 0) }).type
      .shape
    return ops.full(0, x.type.dtype, replaced(shape, axis + 2, places))
  }
  // [.., each, phases, ..] → [.., each · phases, ..], of which the first places are wanted.
  const apart = parts.map((one) => {
    const { shape } = some.type
    const y = one ?? ops.fullLike(some, 0)
    return ops.reshape(y, [...shape.slice(0, axis + 3), 1, ...shape.slice(axis + 3)])
  })
  const together = ops.reshape(ops.concatenate(apart, axis + 3), replaced(some.type.shape, axis + 2, each * phases))
  return ops.slice(
    together,
    together.type.shape.map(() => 0),
    replaced(together.type.shape, axis + 2, places),
  )
}

/** Padded by zeros, or cut where padding is negative. */
export function padOrCut(x: Node, low: readonly number[], high: readonly number[], value = 0): Node {
  const { shape } = x.type
  const cut = low.some((n) => n < 0) || high.some((n) => n < 0)
  const start = low.map((n, i) => Math.min(shape[i]!, Math.max(0, -n)))
  const limit = high.map((n, i) => Math.max(start[i]!, shape[i]! - Math.max(0, -n)))
  const inner = cut ? ops.slice(x, start, limit) : x
  const padded = [...low, ...high].some((n) => n > 0)
  const most = (list: readonly number[]) => list.map((n) => Math.max(0, n))
  return padded ? ops.pad(inner, most(low), most(high), value) : inner
}

/**
 * The convolution as a contraction of windows: with windows as rows and outputs as columns where outputs fill vectors of `lanes`,
 * with outputs as rows and places as columns otherwise. The one result is turned into the other's layout, and an identity
 * keeps it so. Gradients of kernels have few places: theirs are rows together with the samples, which are channels there.
 */
export function asContraction(node: Node<'convolution'>, lanes: number): Node {
  const [x, w] = node.operands as [Node, Node]
  const { strides, low, high, dilations, groups, order } = node.attrs
  const padded = padOrCut(x, [0, 0, ...low], [0, 0, ...high])
  const [n, channels, ...spatial] = padded.type.shape as [number, number, ...number[]]
  const [outputs, inputs, ...kernel] = w.type.shape as [number, number, ...number[]]
  const rank = spatial.length
  const places = node.type.shape.slice(2)
  const grouped = groups > 1
  const g = grouped ? [groups] : []
  const each = outputs / groups
  // [n, groups?, c, ...places, ...kernel]
  const split = grouped ? ops.reshape(padded, [n, groups, inputs, ...spatial]) : padded
  const lead = split.type.shape.length - rank
  const windows = ops.windows(split, { axes: range(lead, rank), sizes: kernel, strides, dilations })
  const innerOfWindows = [lead - 1, ...range(lead + rank, rank)]
  // [groups?, each, c, ...kernel]
  const weights = grouped ? ops.reshape(w, [groups, each, inputs, ...kernel]) : w
  const innerOfWeights = range(g.length + 1, rank + 1)
  if (channels > 0 && areFew(places, each, n)) {
    const product = ops.contract(windows, weights, {
      lhsBatch: grouped ? [1] : [],
      rhsBatch: grouped ? [0] : [],
      lhsContract: innerOfWindows,
      rhsContract: innerOfWeights,
      order,
    })
    // [groups?, n, ...places, each] → [n, groups?, each, ...places]
    const last = g.length + 1 + rank
    const permutation = [g.length, ...(grouped ? [0] : []), last, ...range(g.length + 1, rank)]
    return ops.reshape(ops.transpose(product, permutation), node.type.shape)
  }
  const everywhere = ops.broadcast(weights, [n, ...weights.type.shape], range(1, weights.type.shape.length))
  const batch = range(0, 1 + g.length)
  const ofWeights = innerOfWeights.map((axis) => axis + 1)
  // A product of matrices in disguise has the result's own layout at once.
  const isPlain = kernel.every((size) => size === 1) && strides.every((stride) => stride === 1)
  if (!isPlain && rank > 0 && fills(each, lanes)) {
    const product = ops.contract(windows, everywhere, {
      lhsBatch: batch,
      rhsBatch: batch,
      lhsContract: innerOfWindows,
      rhsContract: ofWeights,
      order,
    })
    // [n, groups?, ...places, each] → [n, groups?, each, ...places]
    const first = batch.length
    const turned = ops.transpose(product, [...batch, first + rank, ...range(first, rank)])
    return ops.reshape(ops.unary('stopGradient', turned), node.type.shape)
  }
  const product = ops.contract(everywhere, windows, {
    lhsBatch: batch,
    rhsBatch: batch,
    lhsContract: ofWeights,
    rhsContract: innerOfWindows,
    order,
  })
  return ops.reshape(product, node.type.shape)
}

/** Whether outputs fill vectors, but for a quarter. */
const fills = (outputs: number, lanes: number): boolean => outputs / (Math.ceil(outputs / lanes) * lanes) >= 0.75

/** Fewer places than outputs, as the elements of a kernel are. */
const areFew = (places: readonly number[], outputs: number, n: number): boolean => {
  const count = places.reduce((product, extent) => product * extent, 1)
  return count < 32 && outputs * n > count && outputs >= Math.min(8, count)
}

const range = (from: number, count: number): number[] => Array.from({ length: count }, (_, i) => from + i)
const replaced = (list: readonly number[], at: number, value: number): number[] =>
  list.map((one, i) => (i === at ? value : one))
const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b))
/** Every `step`th element of an axis from `first` on. */
const part = (x: Node, axis: number, first: number, step: number): Node =>
  ops.slice(
    x,
    x.type.shape.map((_, i) => (i === axis ? first : 0)),
    x.type.shape,
    x.type.shape.map((_, i) => (i === axis ? step : 1)),
  )

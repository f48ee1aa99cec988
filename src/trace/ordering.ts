/**
 * @file Sums and orders along an axis, on nodes: what tensor.ts offers as methods. In: a node, an axis. Out: a node.
 * takeAlongAxis(x, argsort(x, axis)) is x in ascending order, and its gradient goes back where the elements came from.
 */
import { DtypeError, ShapeError, ValueError } from '../base/errors.js'
import { checkNames } from '../base/options.js'
import { formatShape, normalizeAxis, type Shape, sizeOf, stridesOf } from '../base/shape.js'
import type { Node } from '../graph/node.js'
import * as ops from '../graph/ops.js'

/** Of `cumsum`. */
export interface CumulativeOptions {
  /** From the end of the axis to its beginning. */
  readonly reverse?: boolean
  /** Leave out the element a sum stands at: 0, x₀, x₀ + x₁, … */
  readonly exclusive?: boolean
}

export function cumsum(x: Node, axis: number, options: CumulativeOptions): Node {
  checkNames('cumsum', options, ['reverse', 'exclusive'])
  const { reverse = false, exclusive = false } = options
  return ops.cumulativeSum(x, normalizeAxis('cumsum', axis, x.type.shape.length), reverse, exclusive)
}

/** Of `sort` and `argsort`. */
export interface SortOptions {
  /** Greatest first; NaN counts as the greatest. Equal elements keep their order either way. */
  readonly descending?: boolean
}

export function argsort(x: Node, axis: number, options: SortOptions): Node {
  checkNames('sort', options, ['descending'])
  return ops.argsort(x, normalizeAxis('sort', axis, x.type.shape.length), options.descending ?? false)
}

/** The place of the greatest or least element along an axis, the first among equals. */
export function extremePlace(kind: 'maximum' | 'minimum', x: Node, axis: number): Node {
  const { shape } = x.type
  const along = normalizeAxis(kind === 'maximum' ? 'argmax' : 'argmin', axis, shape.length)
  const best = ops.broadcastTo(ops.reshape(ops.reduce(kind, x, [along]), ops.keptShape(shape, [along])), shape)
  const places = ops.select(
    ops.compare('equal', x, best),
    ops.iota('int32', shape, along),
    ops.full(shape[along]!, 'int32', shape),
  )
  return ops.reduce('minimum', places, [along])
}

/** Of `topK`. */
export interface TopKOptions {
  /** The last unless said otherwise. */
  readonly axis?: number
  /** False for the least instead of the greatest. */
  readonly largest?: boolean
}

/** The places of the k greatest (or least) along an axis, from the greatest (least) on. */
export function topPlaces(x: Node, k: number, options: TopKOptions): Node {
  checkNames('topK', options, ['axis', 'largest'])
  const { axis = -1, largest = true } = options
  const { shape } = x.type
  const along = normalizeAxis('topK', axis, shape.length)
  if (!Number.isInteger(k) || k < 0 || k > shape[along]!)
    throw new ValueError('topK', `k must be a whole number from 0 to ${shape[along]}, not ${k}`, {
      hint: `Axis ${along} of ${formatShape(shape)} has ${shape[along]} elements.`,
    })
  return ops.slice(
    ops.argsort(x, along, largest),
    shape.map(() => 0),
    shape.map((extent, i) => (i === along ? k : extent)),
  )
}

/** x[..., numbers[...], ...] along an axis; elsewhere shapes are equal, or 1 and stretched. Numbers are clamped. */
export function takeAlongAxis(x: Node, numbers: Node, axis: number): Node {
  const rank = x.type.shape.length
  if (numbers.type.dtype !== 'int32')
    throw new DtypeError('takeAlongAxis', `elements are chosen by int32, not ${numbers.type.dtype}`, {
      hint: "Convert with .cast('int32') first.",
    })
  const along = normalizeAxis('takeAlongAxis', axis, rank)
  const [a, b] = [x.type.shape, numbers.type.shape]
  const fits = b.length === rank && a.every((n, i) => i === along || n === b[i] || n === 1 || b[i] === 1)
  if (!fits)
    throw new ShapeError(
      'takeAlongAxis',
      `numbers ${formatShape(b)} do not fit ${formatShape(a)} along axis ${along}: other axes must be equal, or 1`,
    )
  if (a[along] === 0)
    throw new ShapeError('takeAlongAxis', `axis ${along} of ${formatShape(a)} has no elements to choose from`)
  const common = (own: Shape) => own.map((n, i) => (i === along ? n : n === 1 ? a[i]! * b[i]! : n))
  const [source, which] = [ops.broadcastTo(x, common(a)), ops.broadcastTo(numbers, common(b))]
  if (rank === 1) return ops.gather(source, which)
  // As places in row-major order: along the axis as the numbers say, along others as they stand.
  const { shape } = which.type
  const whole = (value: number) => ops.full(value, 'int32', shape)
  const last = source.type.shape[along]! - 1
  const clamped = ops.binary('minimum', ops.binary('maximum', which, whole(0)), whole(last))
  const places = stridesOf(source.type.shape)
    .map((stride, i) => ops.multiply(i === along ? clamped : ops.iota('int32', shape, i), whole(stride)))
    .reduce(ops.add)
  return ops.gather(ops.reshape(source, [sizeOf(source.type.shape)]), places)
}

/**
 * @file Pooling: the maximum or the mean of each window. In: x [..., ...space]. Out: a value a window, other axes kept.
 *
 * maxPool(images, [2, 2])            // [32, 8, 28, 28] → [32, 8, 14, 14]
 * adaptiveAveragePool(images, [1, 1])  // [32, 8, 28, 28] → [32, 8, 1, 1]
 */
import { allocate, type DType, isFloat } from '../base/dtype.js'
import { DtypeError, ShapeError, ValueError } from '../base/errors.js'
import { formatShape, type Shape, sizeOf } from '../base/shape.js'
import { padOrCut } from '../graph/convolution.js'
import type { Node } from '../graph/node.js'
import { CustomRule, type ReduceKind } from '../graph/op.js'
import * as ops from '../graph/ops.js'
import { windowCount } from '../graph/types.js'
import type { CustomBackward } from '../transform/vjp.js'
import { expectNumbers, expectTensor } from './arguments.js'
import { checkFits, type Padding, type PerAxis, paddingOf, perAxis, reach, type WindowSizes } from './spatial.js'
import { leaf, record, type Tensor } from './tensor.js'

/** Of all poolings. */
export interface PoolOptions {
  /** Distance of neighbouring windows; by default their size, so that they lie side by side. */
  readonly stride?: PerAxis
  /** What is added around x, at most half a window; 0. */
  readonly padding?: Padding
  /** Whether a last window may reach beyond the end, if it begins before it; false. */
  readonly ceilMode?: boolean
}

/** Of `maxPool`. */
export interface MaxPoolOptions extends PoolOptions {
  /** Distance of neighbours within a window; 1. */
  readonly dilation?: PerAxis
}

/** Of `averagePool`. */
export interface AveragePoolOptions extends PoolOptions {
  /** Whether zeros of the padding count in the mean; true. */
  readonly countIncludePad?: boolean
  /** What sums are divided by, instead of the number of elements. */
  readonly divisorOverride?: number
}

/**
 * The greatest of each window over the last axes of x, as many as `sizes`; NaN if one is. Padding is −∞. The gradient goes
 * to the greatest element, to the first in row-major order where several are, as torch's. Floats only.
 * Throws for padding of more than half a window, and where no window fits. torch.nn.functional.max_pool1d to 3d
 */
export function maxPool<D extends DType>(
  x: Tensor<Shape, D>,
  sizes: readonly number[],
  options: MaxPoolOptions = {},
): Tensor<Shape, D> {
  const pool = plan('maxPool', x, sizes, options)
  return record([x], (node) => {
    const windows = windowsInFront(node, pool, Number.NEGATIVE_INFINITY)
    return ops.custom(reducedFront('maximum', windows, sizes.length), [windows], toFirstGreatest)
  })
}

/**
 * The mean of each window over the last axes of x, as many as `sizes`: the sum divided by the number of elements, with
 * the padding's zeros counted (countIncludePad), but never what lies beyond it (ceilMode). Floats only.
 * Throws for padding of more than half a window, and where no window fits. torch.nn.functional.avg_pool1d to 3d
 */
export function averagePool<D extends DType>(
  x: Tensor<Shape, D>,
  sizes: readonly number[],
  options: AveragePoolOptions = {},
): Tensor<Shape, D> {
  const pool = plan('averagePool', x, sizes, options)
  const { divisorOverride: divisor } = options
  if (divisor !== undefined && (!Number.isFinite(divisor) || divisor === 0))
    throw new ValueError('averagePool', `divisorOverride must be a number other than 0, not ${divisor}`)
  const sum = record([x], (node) => reducedFront('sum', windowsInFront(node, pool, 0), sizes.length))
  if (divisor !== undefined) return sum.div(divisor)
  const counts = pool.sizes.map((_, i) => countsAlong(pool, i, options.countIncludePad ?? true))
  if (counts.every((list) => list.every((n) => n === list[0])))
    return sum.div(counts.reduce((product, list) => product * list[0]!, 1))
  return sum.div(outer(counts, x.dtype))
}

interface Pool extends WindowSizes {
  readonly extents: readonly number[]
  /** Padding as it was asked for. */
  readonly low: readonly number[]
  readonly padded: readonly number[]
  /** What is really added at the end: more in ceilMode, and less where no window reaches. */
  readonly high: readonly number[]
  readonly places: readonly number[]
}

function plan(operation: string, x: Tensor, sizes: readonly number[], options: MaxPoolOptions): Pool {
  const extents = lastExtents(operation, x, sizes)
  const rank = extents.length
  const checked = perAxis(operation, 'size', sizes, rank, 1)
  const window = {
    sizes: checked,
    strides: perAxis(operation, 'stride', options.stride ?? checked, rank, 1),
    dilations: perAxis(operation, 'dilation', options.dilation ?? 1, rank, 1),
  }
  const { low, high } = paddingOf(operation, options.padding ?? 0, extents, window)
  const reaches = checked.map((size, i) => reach(size, window.dilations[i]!))
  for (const [i, most] of reaches.entries())
    if (
      Math.min(low[i]!, high[i]!) < 0 ||
      2 * Math.min(low[i]!, high[i]!) > most ||
      Math.max(low[i]!, high[i]!) >= most
    )
      throw new ValueError(
        operation,
        `padding must be from 0 to half a window of ${most}, not ${low[i]} and ${high[i]}`,
      )
  checkFits(operation, extents, low, high, window)
  const padded = extents.map((n, i) => n + low[i]! + high[i]!)
  const places = padded.map((n, i) => {
    const stride = window.strides[i]!
    const floor = windowCount(n, checked[i]!, stride, window.dilations[i]!)
    const oneMore = floor * stride < low[i]! + extents[i]! && (floor - 1) * stride + reaches[i]! < n
    return options.ceilMode && oneMore ? floor + 1 : floor
  })
  const needed = places.map((n, i) => (n - 1) * window.strides[i]! + reaches[i]! - low[i]! - extents[i]!)
  return { ...window, extents, low, high: needed, padded, places }
}

function lastExtents(operation: string, x: Tensor, sizes: readonly number[]): readonly number[] {
  expectTensor(operation, 'x', x)
  expectNumbers(operation, 'sizes', sizes)
  const shape = x.shape as Shape
  if (sizes.length === 0 || sizes.length > shape.length)
    throw new ShapeError(operation, `takes a size for each of the last axes of ${formatShape(shape)}, not [${sizes}]`)
  if (!isFloat(x.dtype as DType))
    throw new DtypeError(operation, `takes floats, not ${x.dtype}`, { hint: "Convert with .cast('float32') first." })
  return shape.slice(-sizes.length)
}

/** [...sizes, ..., ...places]: in front, so that vectors run along the last axis of space. */
function windowsInFront(x: Node, { sizes, strides, dilations, low, high }: Pool, value: number): Node {
  const lead = x.type.shape.length - sizes.length
  const none = Array.from({ length: lead }, () => 0)
  const padded = padOrCut(x, [...none, ...low], [...none, ...high], value)
  const axes = sizes.map((_, i) => lead + i)
  const windows = ops.windows(padded, { axes, sizes, strides, dilations })
  const rank = x.type.shape.length
  return ops.transpose(windows, [...sizes.map((_, i) => rank + i), ...Array.from({ length: rank }, (_, axis) => axis)])
}

/** Reduces the first axes. */
const reducedFront = (kind: ReduceKind, x: Node, count: number): Node =>
  ops.reduce(
    kind,
    x,
    Array.from({ length: count }, (_, axis) => axis),
  )

/**
 * All of g to the first of the greatest along the first axes. What is kept for it is a number a window, whereas equal shares,
 * which is what a maximum's own rule gives, need x and the maxima again.
 */
const toFirstGreatest = new CustomRule((({ y, x: [windows], g }) => {
  const { shape } = windows!.type
  const count = shape.length - y.type.shape.length
  const spread = (node: Node) => ops.broadcastTo(node, shape)
  // The place within the window: smaller ones come first. Of NaN, which is less than nothing, the first place is taken.
  const place = Array.from({ length: count }, (_, axis) => axis).reduce<Node>(
    (outer, axis) =>
      ops.add(ops.multiply(outer, ops.full(shape[axis]!, 'int32', shape)), ops.iota('int32', shape, axis)),
    ops.full(0, 'int32', shape),
  )
  const beyond = ops.full(2 ** 31 - 1, 'int32', shape)
  const first = reducedFront('minimum', ops.select(ops.compare('less', windows!, spread(y)), beyond, place), count)
  return [ops.select(ops.compare('equal', place, spread(first)), spread(g), ops.fullLike(windows!, 0))]
}) satisfies CustomBackward)

/** How many elements of each window along an axis count. */
function countsAlong(pool: Pool, axis: number, countPadding: boolean): number[] {
  const { low, extents, padded, strides, sizes } = pool
  const [first, end] = countPadding ? [0, padded[axis]!] : [low[axis]!, low[axis]! + extents[axis]!]
  return Array.from({ length: pool.places[axis]! }, (_, place) => {
    const start = place * strides[axis]!
    return Math.min(start + sizes[axis]!, end) - Math.max(start, first)
  })
}

/** [a, b] with the products of one number of each list. */
function outer(lists: readonly (readonly number[])[], dtype: DType): Tensor {
  const values = lists.reduce<number[]>((all, list) => all.flatMap((n) => list.map((m) => n * m)), [1])
  const data = allocate(dtype, values.length)
  data.set(values)
  return leaf(
    data,
    lists.map((list) => list.length),
    dtype,
  )
}

/**
 * The mean of `sizes` bins over the last axes of x, whatever their extent: bin i of s over n elements is
 * ⌊i · n / s⌋ ≤ j < ⌈(i + 1) · n / s⌉. torch.nn.functional.adaptive_avg_pool1d to 3d; He et al. 2014, arXiv:1406.4729
 */
export function adaptiveAveragePool<D extends DType>(x: Tensor<Shape, D>, sizes: readonly number[]): Tensor<Shape, D> {
  return adaptive('adaptiveAveragePool', x, sizes, averagePool, (bin, axis) => bin.mean(axis, { keepAxes: true }))
}

/** The greatest of `sizes` bins over the last axes of x, as adaptiveAveragePool. torch.nn.functional.adaptive_max_pool1d to 3d */
export function adaptiveMaxPool<D extends DType>(x: Tensor<Shape, D>, sizes: readonly number[]): Tensor<Shape, D> {
  return adaptive('adaptiveMaxPool', x, sizes, maxPool, (bin, axis) => bin.max(axis, { keepAxes: true }))
}

function adaptive<D extends DType>(
  operation: string,
  x: Tensor<Shape, D>,
  sizes: readonly number[],
  pool: (x: Tensor<Shape, D>, sizes: readonly number[]) => Tensor<Shape, D>,
  reduceBin: (bin: Tensor, axis: number) => Tensor,
): Tensor<Shape, D> {
  const extents = lastExtents(operation, x, sizes)
  const wanted = perAxis(operation, 'size', sizes, extents.length, 1)
  if (sizeOf(extents) === 0)
    throw new ShapeError(operation, `there is nothing to pool in ${formatShape(x.shape as Shape)}`)
  // Bins of one size are windows side by side.
  if (extents.every((n, i) => n % wanted[i]! === 0))
    return pool(
      x,
      extents.map((n, i) => n / wanted[i]!),
    )
  let result: Tensor = x
  for (const [i, n] of extents.entries()) {
    const axis = x.rank - extents.length + i
    const size = wanted[i]!
    const bins = Array.from({ length: size }, (_, bin) => {
      const at = (position: number) => (result.shape as Shape).map((_, a) => (a === axis ? position : 0))
      const limit = (result.shape as Shape).map((extent, a) =>
        a === axis ? Math.ceil(((bin + 1) * n) / size) : extent,
      )
      return reduceBin(result.slice(at(Math.floor((bin * n) / size)), limit), axis)
    })
    result = record(bins, (...nodes) => ops.concatenate(nodes, axis))
  }
  return result as Tensor<Shape, D>
}

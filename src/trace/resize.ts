/**
 * @file Resizing by interpolation along the last axes. In: x [..., ...space]. Out: the same with other extents.
 *
 * interpolate(images, { scaleFactor: [2, 2], mode: 'linear' })   // [32, 8, 14, 14] → [32, 8, 28, 28]
 */

import { allocate, type DType, isFloat } from '../base/dtype.js'
import { DtypeError, ShapeError, ValueError } from '../base/errors.js'
import { expectOptions } from '../base/options.js'
import { formatShape, type Shape } from '../base/shape.js'
import { expectNumbers, expectTensor } from './arguments.js'
import { gather } from './functions.js'
import { perAxis } from './spatial.js'
import { leaf, type Tensor } from './tensor.js'

/** Of `interpolate`. */
export interface InterpolateOptions {
  /** Extents of the last axes afterwards. This or scaleFactor. */
  readonly size?: readonly number[]
  /** By how much the last axes grow: ⌊n · factor⌋. This or size. */
  readonly scaleFactor?: readonly number[]
  /** The nearest element, or between its two neighbours along each axis (with two axes: bilinear); 'nearest'. */
  readonly mode?: 'nearest' | 'linear'
  /** Whether the first and last elements are kept and the others spread between them; false: elements are areas. Linear only. */
  readonly alignCorners?: boolean
}

/**
 * x with other extents of its last axes, as many as `size` or `scaleFactor` has. With f = n / size (1 / scaleFactor where that
 * is given), element i comes from ⌊i · f⌋ ('nearest'), or from the position (i + ½) · f − ½, not below 0 ('linear'; with
 * alignCorners i · (n − 1) / (size − 1)), between its neighbours by distance. torch.nn.functional.interpolate
 */
export function interpolate<D extends DType>(x: Tensor<Shape, D>, options: InterpolateOptions): Tensor<Shape, D> {
  expectOptions('interpolate', options, 'interpolate(x, { scaleFactor: [2, 2] })')
  const { size, scaleFactor, mode = 'nearest', alignCorners } = options
  const given = size ?? scaleFactor
  if (!given || (size && scaleFactor))
    throw new ValueError('interpolate', `takes size or scaleFactor, ${given ? 'not both' : 'and got neither'}`)
  expectTensor('interpolate', 'x', x)
  expectNumbers('interpolate', size ? 'size' : 'scaleFactor', given)
  const shape = x.shape as Shape
  if (given.length === 0 || given.length > shape.length)
    throw new ShapeError('interpolate', `has no number for each of the last axes of ${formatShape(shape)}: [${given}]`)
  if (mode !== 'nearest' && mode !== 'linear')
    throw new ValueError('interpolate', `mode is 'nearest' or 'linear', not '${String(mode)}'`)
  if (mode === 'nearest' && alignCorners !== undefined)
    throw new ValueError('interpolate', "alignCorners is of mode 'linear'")
  if (!isFloat(x.dtype as DType))
    throw new DtypeError('interpolate', `takes floats, not ${x.dtype}`, {
      hint: "Convert with .cast('float32') first.",
    })
  const extents = shape.slice(-given.length)
  if (extents.includes(0)) throw new ShapeError('interpolate', `there is nothing between ${formatShape(shape)}`)
  if (scaleFactor?.some((factor) => !(factor > 0 && factor < Number.POSITIVE_INFINITY)))
    throw new ValueError('interpolate', `scaleFactor must be above 0, not [${scaleFactor}]`)
  const sizes = size ?? extents.map((n, i) => Math.floor(n * scaleFactor![i]!))
  const wanted = perAxis('interpolate', 'size', sizes, extents.length, 1)
  const steps = extents.map((n, i) => (scaleFactor ? 1 / scaleFactor[i]! : n / wanted[i]!))
  if (
    mode === 'nearest' &&
    extents.every((n, i) => wanted[i]! % n === 0 && (n === wanted[i] || steps[i] === n / wanted[i]!))
  )
    return repeated(
      x,
      extents.map((n, i) => wanted[i]! / n),
    ) as Tensor<Shape, D>
  return extents.reduce<Tensor>((result, n, i) => {
    const axis = shape.length - extents.length + i
    const to = wanted[i]!
    const step = steps[i]!
    if (mode === 'nearest') return nearest(result, axis, n, to, step)
    return linear(result, axis, n, to, alignCorners ? (to > 1 ? (n - 1) / (to - 1) : 0) : step, alignCorners ?? false)
  }, x) as Tensor<Shape, D>
}

function nearest(x: Tensor, axis: number, n: number, to: number, step: number): Tensor {
  if (n === to) return x
  // In float32, as torch computes positions: it decides on which side of a whole number they are.
  const at = Array.from({ length: to }, (_, i) => Math.floor(Math.fround(i * Math.fround(step))))
  return chosen(x, axis, at, n)
}

/** Each element of the last axes so many times, all in one copy; the gradient is a sum. */
function repeated(x: Tensor, times: readonly number[]): Tensor {
  const shape = x.shape as Shape
  const lead = shape.slice(0, shape.length - times.length)
  const extents = shape.slice(-times.length)
  return x
    .reshape([...lead, ...extents.flatMap((n) => [n, 1])])
    .broadcastTo([...lead, ...extents.flatMap((n, i) => [n, times[i]!])])
    .reshape([...lead, ...extents.map((n, i) => n * times[i]!)])
}

function linear(x: Tensor, axis: number, n: number, to: number, step: number, alignCorners: boolean): Tensor {
  const positions = Array.from({ length: to }, (_, i) =>
    alignCorners ? i * step : Math.max(0, (i + 0.5) * step - 0.5),
  )
  const low = positions.map((p) => Math.min(n - 1, Math.floor(p)))
  if (positions.every((p, i) => p === low[i])) return n === to ? x : chosen(x, axis, low, n)
  const share = allocate(x.dtype, to)
  share.set(positions.map((p, i) => Math.min(1, p - low[i]!)))
  const weight = leaf(share, (x.shape as Shape).map((_, i) => (i === axis ? to : 1)).slice(axis), x.dtype as DType)
  const first = chosen(x, axis, low, n)
  const second = chosen(
    x,
    axis,
    low.map((i) => i + 1),
    n,
  )
  return first.mul(weight.neg().add(1)).add(second.mul(weight))
}

/** The elements of an axis with these numbers, of which those beyond the last are the last. */
function chosen(x: Tensor, axis: number, numbers: readonly number[], n: number): Tensor {
  const rows = leaf(
    Int32Array.from(numbers, (i) => Math.min(n - 1, i)),
    [numbers.length],
    'int32',
  )
  const order = (x.shape as Shape).map((_, i) => i)
  const front = [axis, ...order.filter((i) => i !== axis)]
  return gather(x.transpose(front) as Tensor, rows).transpose(order.map((i) => front.indexOf(i)))
}

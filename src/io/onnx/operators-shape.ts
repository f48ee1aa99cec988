/**
 * @file ONNX operators that move elements, choose them, or are about shapes. In: a call. Out: tensors. What they take as
 * shapes, axes and places must be known while tracing.
 */
import type { DType } from '../../base/dtype.js'
import { broadcastShapes, type Shape, sizeOf } from '../../base/shape.js'
import * as ops from '../../graph/ops.js'
import { full, iota, tensor } from '../../trace/creation.js'
import { concatenate, gather } from '../../trace/functions.js'
import { record, type Tensor, where } from '../../trace/tensor.js'
import type { Call, Rules } from './call.js'

const shapeOf = (x: Tensor): number[] => [...(x.shape as Shape)]
const int32 = (values: readonly number[], shape: Shape = [values.length]): Tensor =>
  tensor(Int32Array.from(values), { shape })

/** An axis counted from the front. */
export function axisOf(call: Call, axis: number, rank: number): number {
  const normal = axis < 0 ? axis + rank : axis
  return normal >= 0 && normal < Math.max(1, rank) ? normal : call.fail(`has no axis ${axis} in ${rank} axes`)
}

function reshape(call: Call): Tensor {
  const x = call.input(0)
  const target = call.numbersOr(1, 'shape') ?? call.fail('has no shape')
  const shape = call.flag('allowzero', false) ? target : target.map((n, i) => (n === 0 ? shapeOf(x)[i]! : n))
  return x.reshape(shape)
}

function flatten(call: Call): Tensor {
  const x = call.input(0)
  const axis = call.int('axis', 1)
  const at = axis < 0 ? axis + x.rank : axis
  const shape = shapeOf(x)
  return x.reshape([sizeOf(shape.slice(0, at)), sizeOf(shape.slice(at))])
}

function unsqueeze(call: Call): Tensor {
  const x = call.input(0)
  const given = call.numbersOr(1, 'axes') ?? call.fail('has no axes')
  const rank = x.rank + given.length
  const axes = given.map((axis) => axisOf(call, axis, rank))
  const rest = shapeOf(x)
  return x.reshape(Array.from({ length: rank }, (_, i) => (axes.includes(i) ? 1 : rest.shift()!)))
}

function squeeze(call: Call): Tensor {
  const x = call.input(0)
  const axes = call.numbersOr(1, 'axes')
  return x.squeeze(axes?.map((axis) => axisOf(call, axis, x.rank)))
}

function slice(call: Call): Tensor {
  let x = call.input(0)
  const starts = call.numbersOr(1, 'starts') ?? call.fail('has no starts')
  const ends = call.numbersOr(2, 'ends') ?? call.fail('has no ends')
  const axes = call.numbersOr(3, 'axes') ?? starts.map((_, i) => i)
  const steps = call.numbers(4, 'steps') ?? starts.map(() => 1)
  for (const [i, given] of axes.entries()) {
    const axis = axisOf(call, given, x.rank)
    const n = shapeOf(x)[axis]!
    const step = steps[i]!
    if (step === 0) call.fail('has a step of 0')
    const at = (place: number, low: number, high: number) =>
      Math.min(high, Math.max(low, place < 0 ? place + n : place))
    const [start, end] =
      step > 0 ? [at(starts[i]!, 0, n), at(ends[i]!, 0, n)] : [at(starts[i]!, 0, n - 1), at(ends[i]!, -1, n - 1)]
    const count = Math.max(0, Math.ceil((end - start) / step))
    const whole = (value: number) => shapeOf(x).map((_, a) => (a === axis ? value : 0))
    const limits = (value: number) => shapeOf(x).map((extent, a) => (a === axis ? value : extent))
    const strides = shapeOf(x).map((_, a) => (a === axis ? Math.abs(step) : 1))
    if (count === 0) x = x.slice(whole(0), limits(0))
    else if (step > 0) x = x.slice(whole(start), limits(start + (count - 1) * step + 1), strides)
    else x = x.slice(whole(start + (count - 1) * step), limits(start + 1), strides).reverse(axis)
  }
  return x
}

function split(call: Call): Tensor[] {
  const x = call.input(0)
  const axis = axisOf(call, call.int('axis', 0), x.rank)
  const n = shapeOf(x)[axis]!
  const each = Math.ceil(n / call.outputs)
  const sizes =
    call.numbersOr(1, 'split') ?? Array.from({ length: call.outputs }, (_, i) => Math.min(each, n - i * each))
  let from = 0
  return sizes.map((size) => {
    const start = shapeOf(x).map((_, a) => (a === axis ? from : 0))
    const limit = shapeOf(x).map((extent, a) => (a === axis ? from + size : extent))
    from += size
    return x.slice(start, limit)
  })
}

/** Elements of an axis by number; numbers below 0 count from the end. */
export function take(x: Tensor, axis: number, numbers: Tensor): Tensor {
  const n = shapeOf(x)[axis]!
  const places = fromTheEnd(numbers, n)
  const others = shapeOf(x).flatMap((_, i) => (i === axis ? [] : [i]))
  const rows = gather(axis === 0 ? x : x.transpose([axis, ...others]), places) as Tensor
  // [...numbers, ...others] → others before the axis, numbers, others after it
  const k = numbers.rank
  const natural = Array.from({ length: rows.rank }, (_, i) => i)
  const order = [...natural.slice(k, k + axis), ...natural.slice(0, k), ...natural.slice(k + axis)]
  return axis === 0 ? rows : rows.transpose(order)
}

function fromTheEnd(numbers: Tensor, n: number): Tensor {
  const whole = numbers.dtype === 'int32' ? numbers : numbers.cast('int32')
  return where(whole.less(0), whole.add(n), whole) as Tensor
}

function gatherElements(call: Call): Tensor {
  const [x, numbers] = [call.input(0), call.input(1)]
  const axis = axisOf(call, call.int('axis', 0), x.rank)
  const place = linear(shapeOf(x), shapeOf(numbers), axis, fromTheEnd(numbers, shapeOf(x)[axis]!))
  return gather(x.reshape([-1]) as Tensor, place as Tensor)
}

/** Where a place along one axis and everything else as it is lies in the flattened tensor. */
function linear(from: readonly number[], to: readonly number[], axis: number, along: Tensor): Tensor {
  const strides = from.map((_, i) => sizeOf(from.slice(i + 1)))
  return strides.reduce<Tensor>(
    (sum, stride, i) => (i === axis ? sum : sum.add(iota(to, i).mul(stride))),
    along.mul(strides[axis]!) as Tensor,
  )
}

/** Rows of x replaced or added to; numbers must differ where they are replaced, as the operator demands. */
function scatterRows(call: Call, x: Tensor, rows: Tensor, updates: Tensor): Tensor {
  const reduction = call.text('reduction', 'none')
  call.only('reduction', reduction, 'none', 'add')
  const change = reduction === 'add' ? updates : updates.sub(gather(x, rows as never) as Tensor)
  return record([x, rows, change], (node, numbers, values) => ops.scatterAdd(node!, numbers!, values!))
}

function scatterND(call: Call): Tensor {
  const [x, indices] = [call.input(0), call.input(1)]
  const shape = shapeOf(x)
  const depth = shapeOf(indices).at(-1)!
  const strides = shape.slice(0, depth).map((_, i) => sizeOf(shape.slice(i + 1, depth)))
  const none = shapeOf(indices).slice(0, -1)
  const part = (k: number) =>
    fromTheEnd(indices.slice([...none.map(() => 0), k], [...none, k + 1]).reshape(none), shape[k]!)
  const rows = strides.reduce<Tensor>((sum, stride, k) => sum.add(part(k).mul(stride)), part(0).mul(0) as Tensor)
  const flat = x.reshape([sizeOf(shape.slice(0, depth)), ...shape.slice(depth)])
  return scatterRows(call, flat as Tensor, rows, call.input(2)).reshape(shape)
}

function scatterElements(call: Call): Tensor {
  const [x, numbers] = [call.input(0), call.input(1)]
  const axis = axisOf(call, call.int('axis', 0), x.rank)
  const rows = linear(shapeOf(x), shapeOf(numbers), axis, fromTheEnd(numbers, shapeOf(x)[axis]!))
  return scatterRows(call, x.reshape([-1]) as Tensor, rows, call.input(2)).reshape(shapeOf(x))
}

function expand(call: Call): Tensor {
  const x = call.input(0)
  const target = call.numbers(1, 'shape') ?? call.fail('has no shape')
  return x.broadcastTo(broadcastShapes('Expand', x.shape as Shape, target))
}

function tile(call: Call): Tensor {
  const x = call.input(0)
  const repeats = call.numbers(1, 'repeats') ?? call.fail('has no repeats')
  const shape = shapeOf(x)
  return x
    .reshape(shape.flatMap((n) => [1, n]))
    .broadcastTo(shape.flatMap((n, i) => [repeats[i]!, n]))
    .reshape(shape.map((n, i) => n * repeats[i]!))
}

function pad(call: Call): Tensor {
  const x = call.input(0)
  const mode = call.text('mode', 'constant')
  call.only('mode', mode, 'constant', 'reflect', 'edge', 'wrap')
  const pads = call.numbersOr(1, 'pads') ?? call.fail('has no pads')
  const axes = call.numbers(3, 'axes')?.map((axis) => axisOf(call, axis, x.rank)) ?? shapeOf(x).map((_, i) => i)
  const [low, high] = [shapeOf(x).map(() => 0), shapeOf(x).map(() => 0)]
  for (const [i, axis] of axes.entries()) {
    low[axis] = pads[i]!
    high[axis] = pads[i + axes.length]!
  }
  if (mode !== 'constant') return padByElements(call, x, mode as 'reflect', low, high)
  const value = call.numbers(2, 'constant_value')?.[0] ?? call.float('value', 0)
  const cut = x.slice(
    low.map((n) => Math.max(0, -n)),
    shapeOf(x).map((extent, i) => extent - Math.max(0, -high[i]!)),
  )
  return cut.pad(
    low.map((n) => Math.max(0, n)),
    high.map((n) => Math.max(0, n)),
    value,
  )
}

function padByElements(
  call: Call,
  x: Tensor,
  mode: 'reflect' | 'edge' | 'wrap',
  low: readonly number[],
  high: readonly number[],
): Tensor {
  return low.reduce<Tensor>((y, before, axis) => {
    const n = shapeOf(y)[axis]!
    if (before === 0 && high[axis] === 0) return y
    if (mode === 'reflect' && Math.max(before, high[axis]!) >= n)
      call.fail(`reflects more than the ${n} elements there are`)
    const source = (place: number): number => {
      if (mode === 'edge') return Math.min(n - 1, Math.max(0, place))
      if (mode === 'wrap') return ((place % n) + n) % n
      return place < 0 ? -place : place >= n ? 2 * (n - 1) - place : place
    }
    return take(y, axis, int32(Array.from({ length: before + n + high[axis]! }, (_, i) => source(i - before))))
  }, x)
}

/** Places known while tracing, as a tensor of them. */
function range(call: Call): Tensor {
  const [start, limit, delta] = [0, 1, 2].map((i) => call.numbers(i, 'bounds')![0]!) as [number, number, number]
  const values = Array.from({ length: Math.max(0, Math.ceil((limit - start) / delta)) }, (_, i) => start + i * delta)
  return tensor(values, { dtype: call.input(0).dtype as DType, shape: [values.length] })
}

function triangle(call: Call): Tensor {
  const x = call.input(0)
  const k = call.numbers(1, 'diagonal')?.[0] ?? 0
  const last = shapeOf(x).slice(-2)
  const [rows, columns] = [iota(last, 0), iota(last, 1)]
  const kept = call.flag('upper', true) ? columns.greaterEqual(rows.add(k)) : columns.lessEqual(rows.add(k))
  return where(kept, x, 0)
}

function oneHot(call: Call): Tensor {
  const numbers = call.input(0)
  const depth = call.numbers(1, 'depth')![0]!
  const values = call.input(2)
  const axis = axisOf(call, call.int('axis', -1), numbers.rank + 1)
  const shape = shapeOf(numbers)
  const whole = [...shape.slice(0, axis), depth, ...shape.slice(axis)]
  const hot = fromTheEnd(numbers, depth).expandDims(axis).equal(iota(whole, axis))
  const at = (i: number) => values.slice([i], [i + 1]).reshape([])
  return where(hot as Tensor, at(1), at(0))
}

/** Blocks of channels as places, or places as blocks of channels. */
function depthToSpace(call: Call): Tensor {
  const x = call.input(0)
  const b = call.int('blocksize', 1)
  const [n, c, h, w] = shapeOf(x) as [number, number, number, number]
  if (call.opType === 'SpaceToDepth')
    return x
      .reshape([n, c, h / b, b, w / b, b])
      .transpose([0, 3, 5, 1, 2, 4])
      .reshape([n, c * b * b, h / b, w / b])
  const apart = c / (b * b)
  return call.text('mode', 'DCR') === 'DCR'
    ? x
        .reshape([n, b, b, apart, h, w])
        .transpose([0, 3, 4, 1, 5, 2])
        .reshape([n, apart, h * b, w * b])
    : x
        .reshape([n, apart, b, b, h, w])
        .transpose([0, 1, 4, 2, 5, 3])
        .reshape([n, apart, h * b, w * b])
}

/** The first k in order, and where they stood. */
function topK(call: Call): Tensor[] {
  const x = call.input(0)
  const axis = axisOf(call, call.int('axis', -1), x.rank)
  const k = call.numbersOr(1, 'k')?.[0] ?? call.int('k', 1)
  const order = record([x], (node) => ops.argsort(node!, axis, call.flag('largest', true)))
  const first = order.slice(
    shapeOf(x).map(() => 0),
    shapeOf(x).map((n, i) => (i === axis ? k : n)),
  )
  const place = linear(shapeOf(x), shapeOf(first), axis, first)
  return [gather(x.reshape([-1]) as Tensor, place) as Tensor, first]
}

function constant(call: Call): Tensor {
  const given = call.tensor('value')
  if (given) return given
  if (call.hasAttribute('value_float')) return tensor([call.float('value_float', 0)], { shape: [] })
  if (call.hasAttribute('value_floats'))
    return tensor(call.floats('value_floats')!, { shape: [call.floats('value_floats')!.length] })
  if (call.hasAttribute('value_int')) return int32([call.int('value_int', 0)], [])
  if (call.hasAttribute('value_ints')) return int32(call.ints('value_ints')!)
  return call.fail('holds no numbers')
}

export const shapeRules: Rules = {
  Concat: (call) => concatenate(call.all(), axisOf(call, call.int('axis', 0), call.input(0).rank)),
  Constant: constant,
  ConstantOfShape: (call) => {
    const shape = call.numbers(0, 'shape')!
    const value = call.tensor('value')
    return value ? value.reshape([]).broadcastTo(shape) : full(shape, 0)
  },
  CumSum: (call) => {
    const x = call.input(0)
    const axis = axisOf(call, call.numbers(1, 'axis')![0]!, x.rank)
    return record([x], (node) =>
      ops.cumulativeSum(node!, axis, call.flag('reverse', false), call.flag('exclusive', false)),
    )
  },
  DepthToSpace: depthToSpace,
  Expand: expand,
  Flatten: flatten,
  Gather: (call) => {
    const x = call.input(0)
    return take(x, axisOf(call, call.int('axis', 0), x.rank), call.input(1))
  },
  GatherElements: gatherElements,
  OneHot: oneHot,
  Pad: pad,
  Range: range,
  Reshape: reshape,
  ScatterElements: scatterElements,
  ScatterND: scatterND,
  Shape: (call) => {
    const shape = shapeOf(call.input(0))
    const end = call.hasAttribute('end') ? call.int('end', 0) : undefined
    return int32(shape.slice(call.int('start', 0), end))
  },
  Size: (call) => int32([sizeOf(call.input(0).shape as Shape)], []),
  Slice: slice,
  SpaceToDepth: depthToSpace,
  Split: split,
  Squeeze: squeeze,
  Tile: tile,
  TopK: topK,
  Transpose: (call) => {
    const x = call.input(0)
    return x.transpose(call.ints('perm') ?? shapeOf(x).map((_, i) => x.rank - 1 - i))
  },
  Trilu: triangle,
  Unsqueeze: unsqueeze,
}

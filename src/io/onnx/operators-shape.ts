/**
 * @file ONNX operators that move elements, choose them, or are about shapes. In: a call. Out: tensors. What they take as
 * shapes, axes and places must be known while tracing.
 */
import type { DType } from '../../base/dtype.js'
import { broadcastShapes, type Shape, sizeOf } from '../../base/shape.js'
import * as ops from '../../graph/ops.js'
import { full, iota, tensor } from '../../trace/creation.js'
import { concatenate } from '../../trace/functions.js'
import { record, type Tensor, where } from '../../trace/tensor.js'
import { type Call, constantTensor, type Rules } from './call.js'
import { axisOf } from './operators-places.js'

const shapeOf = (x: Tensor): number[] => [...(x.shape as Shape)]
const int32 = (values: readonly number[], shape: Shape = [values.length]): Tensor =>
  tensor(Int32Array.from(values), { shape })

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

/** Blocks of channels as places, or places as blocks of channels. */
function depthToSpace(call: Call): Tensor {
  const x = call.input(0)
  const b = call.int('blocksize', 1)
  const [n, c, h, w] = shapeOf(x) as [number, number, number, number]
  if (call.opType === 'SpaceToDepth')
    return x
      .reshape([n, c, h / b, b, w / b, b])
      .transpose(call.text('mode', 'DCR') === 'DCR' ? [0, 3, 5, 1, 2, 4] : [0, 1, 3, 5, 2, 4])
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

function constant(call: Call): Tensor {
  const given = call.tensor('value')
  if (given) return given
  const one = (dtype: 'float32' | 'int32', values: readonly number[], shape: Shape) =>
    constantTensor({ dtype, shape, data: dtype === 'int32' ? Int32Array.from(values) : Float32Array.from(values) })
  const [floats, ints] = [call.floats('value_floats') ?? [], call.ints('value_ints') ?? []]
  if (call.hasAttribute('value_float')) return one('float32', [call.float('value_float', 0)], [])
  if (call.hasAttribute('value_floats')) return one('float32', floats, [floats.length])
  if (call.hasAttribute('value_int')) return one('int32', [call.int('value_int', 0)], [])
  if (call.hasAttribute('value_ints')) return one('int32', ints, [ints.length])
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
  EyeLike: (call) => {
    const x = call.input(0)
    const shape = shapeOf(x)
    const diagonal = iota(shape, 1).equal(iota(shape, 0).add(call.int('k', 0)))
    return diagonal.cast(call.dtype('dtype', x.dtype as DType)) as Tensor
  },
  Expand: expand,
  Flatten: flatten,
  Range: range,
  Reshape: reshape,
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
  Transpose: (call) => {
    const x = call.input(0)
    return x.transpose(call.ints('perm') ?? shapeOf(x).map((_, i) => x.rank - 1 - i))
  },
  Trilu: triangle,
  Unsqueeze: unsqueeze,
}

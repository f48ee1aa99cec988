import { type Shape, sizeOf } from '../../base/shape.js'
import * as ops from '../../graph/ops.js'
import { iota, tensor } from '../../trace/creation.js'
import { gather } from '../../trace/functions.js'
import { record, type Tensor, where } from '../../trace/tensor.js'
import type { Call, Rules } from './call.js'

const shapeOf = (x: Tensor): number[] => [...(x.shape as Shape)]
const int32 = (values: readonly number[]): Tensor => tensor(Int32Array.from(values), { shape: [values.length] })

/** An axis counted from the front. */
export function axisOf(call: Call, axis: number, rank: number): number {
  const normal = axis < 0 ? axis + rank : axis
  return normal >= 0 && normal < Math.max(1, rank) ? normal : call.fail(`has no axis ${axis} in ${rank} axes`)
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
  const { rows, flat } = rowsOf(x, indices)
  return scatterRows(call, flat, rows, call.input(2)).reshape(shapeOf(x))
}

/** x with the axes that indices name as one, and the places that they name along it. */
function rowsOf(x: Tensor, indices: Tensor): { rows: Tensor; flat: Tensor } {
  const shape = shapeOf(x)
  const depth = shapeOf(indices).at(-1)!
  const strides = shape.slice(0, depth).map((_, i) => sizeOf(shape.slice(i + 1, depth)))
  const none = shapeOf(indices).slice(0, -1)
  const part = (k: number) =>
    fromTheEnd(indices.slice([...none.map(() => 0), k], [...none, k + 1]).reshape(none), shape[k]!)
  const rows = strides.reduce<Tensor>((sum, stride, k) => sum.add(part(k).mul(stride)), part(0).mul(0) as Tensor)
  const flat = x.reshape([sizeOf(shape.slice(0, depth)), ...shape.slice(depth)])
  return { rows, flat: flat as Tensor }
}

function gatherND(call: Call): Tensor {
  const [x, indices] = [call.input(0), call.input(1)]
  const batch = call.int('batch_dims', 0)
  if (batch !== 0) call.fail(`has batch_dims = ${batch}; supported is 0`)
  const shape = shapeOf(x)
  const { rows, flat } = rowsOf(x, indices)
  return gather(flat, rows as never).reshape([
    ...shapeOf(indices).slice(0, -1),
    ...shape.slice(shapeOf(indices).at(-1)!),
  ])
}

function scatterElements(call: Call): Tensor {
  const [x, numbers] = [call.input(0), call.input(1)]
  const axis = axisOf(call, call.int('axis', 0), x.rank)
  const rows = linear(shapeOf(x), shapeOf(numbers), axis, fromTheEnd(numbers, shapeOf(x)[axis]!))
  return scatterRows(call, x.reshape([-1]) as Tensor, rows, call.input(2)).reshape(shapeOf(x))
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

export const placeRules: Rules = {
  Gather: (call) => {
    const x = call.input(0)
    return take(x, axisOf(call, call.int('axis', 0), x.rank), call.input(1))
  },
  GatherElements: gatherElements,
  GatherND: gatherND,
  OneHot: oneHot,
  Pad: pad,
  ScatterElements: scatterElements,
  ScatterND: scatterND,
  TopK: topK,
}

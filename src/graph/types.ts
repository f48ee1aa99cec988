/**
 * @file The type rule of every op: operand types and attributes → result type, or an error that names op and shapes.
 */
import type { DType } from '../base/dtype.js'
import { isFloat } from '../base/dtype.js'
import { DtypeError, ShapeError, ValueError } from '../base/errors.js'
import { formatShape, type Shape, sameShape, sizeOf } from '../base/shape.js'
import { convolutionOrder, type Op, type OpAttrs, reduceOrder } from './op.js'

export interface TensorType {
  readonly dtype: DType
  readonly shape: Shape
}

export const formatType = (type: TensorType): string => `${type.dtype}${formatShape(type.shape)}`

type TypeRule<O extends Op> = (operands: readonly TensorType[], attrs: OpAttrs[O]) => TensorType

const numeric: readonly DType[] = ['float32', 'float64', 'int32', 'uint32']
const floats: readonly DType[] = ['float32', 'float64']
const wholes: readonly DType[] = ['int32', 'uint32', 'bool']
const ordered: readonly DType[] = ['float32', 'float64', 'int32', 'uint32', 'bool']

function demand(op: Op, type: TensorType, allowed: readonly DType[]): void {
  if (!allowed.includes(type.dtype))
    throw new DtypeError(op, `takes ${allowed.join(', ')}, not ${type.dtype}`, {
      hint: "Convert with .cast('float32') first.",
    })
}

function agree(op: Op, operands: readonly TensorType[]): TensorType {
  const first = operands[0]!
  for (const other of operands) {
    if (other.dtype !== first.dtype)
      throw new DtypeError(op, `operands have different dtypes, ${operands.map(formatType).join(' and ')}`, {
        hint: `Convert one with .cast('${isFloat(other.dtype) ? other.dtype : first.dtype}').`,
      })
    if (!sameShape(other.shape, first.shape))
      throw new ShapeError(
        op,
        `operands have different shapes, ${operands.map((o) => formatShape(o.shape)).join(' and ')}`,
      )
  }
  return first
}

const elementwise =
  <O extends Op>(op: O, allowed: readonly DType[]): TypeRule<O> =>
  (operands) => {
    const type = agree(op, operands)
    demand(op, type, allowed)
    return type
  }

const shift =
  <O extends 'shiftLeft' | 'shiftRight'>(op: O): TypeRule<O> =>
  (operands, { by }) => {
    demand(op, operands[0]!, ['uint32'])
    if (!Number.isInteger(by) || by < 0 || by > 31) throw new ValueError(op, `shifts by 0 to 31, not ${by}`)
    return operands[0]!
  }

export const typeRules: { readonly [O in Op]: TypeRule<O> } = {
  input: (_, attrs) => ({ dtype: attrs.dtype, shape: checkShape('input', attrs.shape) }),
  constant: (_, { dtype }) => ({ dtype, shape: [] }),
  iota: (_, { dtype, shape, axis }) => {
    if (axis < 0 || axis >= shape.length) throw new ShapeError('iota', `axis ${axis} is not in ${formatShape(shape)}`)
    return { dtype, shape: checkShape('iota', shape) }
  },
  negate: elementwise('negate', numeric),
  abs: elementwise('abs', ['float32', 'float64', 'int32']),
  floor: elementwise('floor', floats),
  round: elementwise('round', floats),
  sqrt: elementwise('sqrt', floats),
  exp: elementwise('exp', floats),
  log: elementwise('log', floats),
  expm1: elementwise('expm1', floats),
  log1p: elementwise('log1p', floats),
  tanh: elementwise('tanh', floats),
  erf: elementwise('erf', floats),
  sin: elementwise('sin', floats),
  cos: elementwise('cos', floats),
  not: elementwise('not', wholes),
  stopGradient: ([x]) => x!,
  convert: ([x], { dtype }) => ({ dtype, shape: x!.shape }),
  shiftLeft: shift('shiftLeft'),
  shiftRight: shift('shiftRight'),
  add: elementwise('add', numeric),
  subtract: elementwise('subtract', numeric),
  multiply: elementwise('multiply', numeric),
  divide: elementwise('divide', floats),
  maximum: elementwise('maximum', ordered),
  minimum: elementwise('minimum', ordered),
  power: elementwise('power', floats),
  and: elementwise('and', wholes),
  or: elementwise('or', wholes),
  xor: elementwise('xor', wholes),
  compare: (operands) => {
    const type = agree('compare', operands)
    demand('compare', type, ordered)
    return { dtype: 'bool', shape: type.shape }
  },
  select: ([mask, a, b]) => {
    if (mask!.dtype !== 'bool') throw new DtypeError('select', `the mask must be bool, not ${mask!.dtype}`)
    const type = agree('select', [a!, b!])
    if (!sameShape(mask!.shape, type.shape))
      throw new ShapeError('select', `mask ${formatShape(mask!.shape)} and values ${formatShape(type.shape)} differ`)
    demand('select', type, ordered)
    return type
  },
  fma: elementwise('fma', ['float32']),
  randomBits: elementwise('randomBits', ['uint32']),
  reshape: ([x], { shape }) => {
    if (sizeOf(x!.shape) !== sizeOf(checkShape('reshape', shape)))
      throw new ShapeError(
        'reshape',
        `${formatShape(x!.shape)} has ${sizeOf(x!.shape)} elements, ${formatShape(shape)} has ${sizeOf(shape)}`,
      )
    return { dtype: x!.dtype, shape }
  },
  broadcast: ([x], { shape, axes }) => {
    const good =
      axes.length === x!.shape.length &&
      axes.every(
        (axis, i) =>
          (i === 0 || axis > axes[i - 1]!) &&
          axis >= 0 &&
          axis < shape.length &&
          (x!.shape[i] === shape[axis] || x!.shape[i] === 1),
      )
    if (!good)
      throw new ShapeError(
        'broadcast',
        `${formatShape(x!.shape)} along axes [${axes}] does not fit ${formatShape(shape)}`,
      )
    return { dtype: x!.dtype, shape: checkShape('broadcast', shape) }
  },
  transpose: ([x], { permutation }) => {
    const rank = x!.shape.length
    if (
      permutation.length !== rank ||
      new Set(permutation).size !== rank ||
      permutation.some((p) => !(p >= 0 && p < rank))
    )
      throw new ShapeError(
        'transpose',
        `[${permutation}] is no permutation of the ${rank} axes of ${formatShape(x!.shape)}`,
      )
    return { dtype: x!.dtype, shape: permutation.map((p) => x!.shape[p]!) }
  },
  slice: ([x], { start, limit, stride }) => {
    const shape = x!.shape
    const good =
      [start, limit, stride].every((list) => list.length === shape.length) &&
      shape.every((extent, i) => start[i]! >= 0 && start[i]! <= limit[i]! && limit[i]! <= extent && stride[i]! >= 1)
    if (!good)
      throw new ShapeError('slice', `[${start}] to [${limit}] by [${stride}] is not within ${formatShape(shape)}`)
    return { dtype: x!.dtype, shape: shape.map((_, i) => Math.ceil((limit[i]! - start[i]!) / stride[i]!)) }
  },
  pad: ([x], { low, high, interior }) => {
    const shape = x!.shape
    if (
      ![low, high, interior].every(
        (list) => list.length === shape.length && list.every((n) => Number.isInteger(n) && n >= 0),
      )
    )
      throw new ShapeError(
        'pad',
        `low [${low}], high [${high}], interior [${interior}] do not fit ${formatShape(shape)}`,
      )
    return { dtype: x!.dtype, shape: shape.map((n, i) => low[i]! + n + Math.max(0, n - 1) * interior[i]! + high[i]!) }
  },
  concatenate: (operands, { axis }) => {
    const first = operands[0]
    if (!first) throw new ShapeError('concatenate', 'given no tensors')
    for (const other of operands) {
      if (other.dtype !== first.dtype)
        throw new DtypeError('concatenate', `dtypes differ, ${operands.map((o) => o.dtype).join(', ')}`)
      if (other.shape.length !== first.shape.length || other.shape.some((n, i) => i !== axis && n !== first.shape[i]))
        throw new ShapeError(
          'concatenate',
          `shapes ${operands.map((o) => formatShape(o.shape)).join(', ')} differ off axis ${axis}`,
        )
    }
    if (axis < 0 || axis >= first.shape.length)
      throw new ShapeError('concatenate', `axis ${axis} is not in ${formatShape(first.shape)}`)
    return {
      dtype: first.dtype,
      shape: first.shape.map((n, i) => (i === axis ? operands.reduce((sum, o) => sum + o.shape[i]!, 0) : n)),
    }
  },
  reverse: ([x], { axes }) => {
    if (new Set(axes).size !== axes.length || axes.some((axis) => !(axis >= 0 && axis < x!.shape.length)))
      throw new ShapeError('reverse', `axes [${axes}] are not distinct axes of ${formatShape(x!.shape)}`)
    return x!
  },
  gather: ([x, numbers]) => {
    if (numbers!.dtype !== 'int32')
      throw new DtypeError('gather', `rows are chosen by int32, not ${numbers!.dtype}`, {
        hint: "Convert with .cast('int32') first.",
      })
    if (x!.shape.length === 0 || x!.shape[0] === 0)
      throw new ShapeError('gather', `${formatShape(x!.shape)} has no rows to choose from`)
    return { dtype: x!.dtype, shape: [...numbers!.shape, ...x!.shape.slice(1)] }
  },
  scatterAdd: ([x, numbers, updates]) => {
    demand('scatterAdd', x!, numeric)
    if (numbers!.dtype !== 'int32')
      throw new DtypeError('scatterAdd', `rows are chosen by int32, not ${numbers!.dtype}`, {
        hint: "Convert with .cast('int32') first.",
      })
    if (updates!.dtype !== x!.dtype)
      throw new DtypeError('scatterAdd', `${updates!.dtype} cannot be added to ${x!.dtype}`, {
        hint: `Convert with .cast('${x!.dtype}') first.`,
      })
    if (x!.shape.length === 0 || x!.shape[0] === 0)
      throw new ShapeError('scatterAdd', `${formatShape(x!.shape)} has no rows to add to`)
    const expected = [...numbers!.shape, ...x!.shape.slice(1)]
    if (!sameShape(updates!.shape, expected))
      throw new ShapeError(
        'scatterAdd',
        `updates are ${formatShape(updates!.shape)}, not ${formatShape(expected)}: a row of ${formatShape(x!.shape)} for each of ${formatShape(numbers!.shape)}`,
      )
    return x!
  },
  cumulativeSum: ([x], { axis }) => {
    demand('cumulativeSum', x!, numeric)
    return along('cumulativeSum', x!, axis)
  },
  argsort: ([x], { axis }) => ({ dtype: 'int32', shape: along('argsort', x!, axis).shape }),
  barrier: ([x]) => x!,
  custom: ([y]) => y!,
  reduce: ([x], { kind, axes, order }) => {
    demand('reduce', x!, kind === 'sum' ? numeric : ordered)
    if (
      axes.length === 0 ||
      axes.some((axis, i) => !(axis >= 0 && axis < x!.shape.length) || (i > 0 && axis !== axes[i - 1]! + 1))
    )
      throw new ShapeError('reduce', `axes [${axes}] are not neighbours in ${formatShape(x!.shape)}`)
    const expected = reduceOrder(x!.shape, axes)
    if (order.kind !== expected.kind || order.segment !== expected.segment)
      throw new ValueError('reduce', 'the order does not follow from the shape')
    return { dtype: x!.dtype, shape: x!.shape.filter((_, axis) => !axes.includes(axis)) }
  },
  windows: ([x], { axes, sizes, strides, dilations }) => {
    const { shape } = x!
    const lists = [sizes, strides, dilations]
    if (lists.some((list) => list.length !== axes.length || !arePositive(list)))
      throw new ShapeError(
        'windows',
        `sizes [${sizes}], strides [${strides}], dilations [${dilations}] are not above 0`,
      )
    if (new Set(axes).size !== axes.length || axes.some((axis) => !(axis >= 0 && axis < shape.length)))
      throw new ShapeError('windows', `axes [${axes}] are not distinct axes of ${formatShape(shape)}`)
    const places = shape.map((extent, axis) => {
      const i = axes.indexOf(axis)
      return i < 0 ? extent : windowCount(extent, sizes[i]!, strides[i]!, dilations[i]!)
    })
    return { dtype: x!.dtype, shape: [...places, ...sizes] }
  },
  convolution: ([x, w], { strides, low, high, dilations, groups, order }) => {
    demand('convolution', x!, floats)
    if (x!.dtype !== w!.dtype)
      throw new DtypeError('convolution', `operands have different dtypes, ${formatType(x!)} and ${formatType(w!)}`)
    const rank = x!.shape.length
    if (rank < 2 || w!.shape.length !== rank)
      throw new ShapeError(
        'convolution',
        `takes [n, channels, ...spatial] and [outputs, channels, ...kernel], not ${formatShape(x!.shape)} and ${formatShape(w!.shape)}`,
      )
    const [n, channels, ...spatial] = x!.shape as [number, number, ...number[]]
    const [outputs, inputs, ...kernel] = w!.shape as [number, number, ...number[]]
    if (!arePositive([groups]) || channels !== groups * inputs || outputs % groups !== 0)
      throw new ShapeError(
        'convolution',
        `${channels} channels and ${outputs} outputs in ${groups} groups do not fit ${formatShape(w!.shape)}`,
      )
    if (
      ![strides, low, high, dilations].every((list) => list.length === rank - 2 && list.every(Number.isInteger)) ||
      !arePositive([...strides, ...dilations, ...kernel])
    )
      throw new ShapeError(
        'convolution',
        `strides [${strides}], padding [${low}] and [${high}], dilations [${dilations}] do not fit ${formatShape(w!.shape)}`,
      )
    if (order.segment !== convolutionOrder(w!.shape.slice(1)).segment)
      throw new ValueError('convolution', 'the order does not follow from the shape')
    const places = spatial.map((extent, i) =>
      windowCount(extent + low[i]! + high[i]!, kernel[i]!, strides[i]!, dilations[i]!),
    )
    return { dtype: x!.dtype, shape: [n, outputs, ...places] }
  },
  contract: ([lhs, rhs], attrs) => {
    const { lhsBatch, rhsBatch, lhsContract, rhsContract } = attrs
    demand('contract', lhs!, floats)
    for (const [type, axes] of [
      [lhs!, [...lhsBatch, ...lhsContract]],
      [rhs!, [...rhsBatch, ...rhsContract]],
    ] as const)
      if (new Set(axes).size !== axes.length || axes.some((axis) => !(axis >= 0 && axis < type.shape.length)))
        throw new ShapeError('matmul', `axes [${axes}] are not distinct axes of ${formatShape(type.shape)}`)
    if (lhs!.dtype !== rhs!.dtype)
      throw new DtypeError('matmul', `operands have different dtypes, ${formatType(lhs!)} and ${formatType(rhs!)}`)
    const pick = (type: TensorType, axes: readonly number[]): Shape => axes.map((axis) => type.shape[axis]!)
    if (!sameShape(pick(lhs!, lhsBatch), pick(rhs!, rhsBatch)))
      throw new ShapeError('matmul', `batch sizes differ, ${formatShape(lhs!.shape)} × ${formatShape(rhs!.shape)}`)
    if (!sameShape(pick(lhs!, lhsContract), pick(rhs!, rhsContract)))
      throw new ShapeError('matmul', `inner sizes differ, ${formatShape(lhs!.shape)} × ${formatShape(rhs!.shape)}`)
    const free = (type: TensorType, batch: readonly number[], inner: readonly number[]) =>
      type.shape.filter((_, axis) => !batch.includes(axis) && !inner.includes(axis))
    return {
      dtype: lhs!.dtype,
      shape: [...pick(lhs!, lhsBatch), ...free(lhs!, lhsBatch, lhsContract), ...free(rhs!, rhsBatch, rhsContract)],
    }
  },
  scan: (operands, { body, carries, slices, length, result }) => {
    const { inputs, outputs } = body.graph
    if (operands.length !== inputs.length)
      throw new ShapeError('scan', `the body takes ${inputs.length} values, not ${operands.length}`)
    operands.forEach((operand, i) => {
      const scanned = i >= carries && i < carries + slices
      const given = scanned ? { dtype: operand.dtype, shape: operand.shape.slice(1) } : operand
      const wanted = inputs[i]!.type
      if (
        given.dtype !== wanted.dtype ||
        !sameShape(given.shape, wanted.shape) ||
        (scanned && operand.shape[0] !== length)
      )
        throw new ShapeError(
          'scan',
          `operand ${i} is ${formatType(operand)}, where ${length} iterations take ${scanned ? 'slices of ' : ''}${formatType(wanted)}`,
        )
    })
    const next = outputs[result]
    if (!next) throw new ValueError('scan', `there is no result ${result} of ${outputs.length}`)
    for (let k = 0; k < carries; k++)
      if (formatType(inputs[k]!.type) !== formatType(outputs[k]!.type))
        throw new ShapeError(
          'scan',
          `carry ${k} goes in as ${formatType(inputs[k]!.type)} and comes out as ${formatType(outputs[k]!.type)}`,
        )
    return result < carries ? next.type : { dtype: next.type.dtype, shape: [length, ...next.type.shape] }
  },
}

/** How many windows an axis has room for; 0 where not one fits. */
export const windowCount = (extent: number, size: number, stride: number, dilation: number): number =>
  Math.max(0, Math.floor((extent - (size - 1) * dilation - 1) / stride) + 1)

const arePositive = (list: readonly number[]) => list.every((n) => Number.isInteger(n) && n >= 1)

function along(op: Op, x: TensorType, axis: number): TensorType {
  if (!(axis >= 0 && axis < x.shape.length)) throw new ShapeError(op, `axis ${axis} is not in ${formatShape(x.shape)}`)
  return x
}

function checkShape(op: Op, shape: Shape): Shape {
  if (!shape.every((extent) => Number.isInteger(extent) && extent >= 0))
    throw new ShapeError(op, `${formatShape(shape)} is not a shape`, { hint: 'Sizes are whole numbers, zero or more.' })
  return shape
}

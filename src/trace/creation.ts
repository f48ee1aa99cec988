/**
 * @file Making tensors from numbers, arrays and typed arrays.
 * tensor([[1, 2], [3, 4]]) is a float32 [2,2]; tensor(bytes, { shape: [28, 28] }) keeps uint8.
 */
import { describeValue } from '../base/describe.js'
import { allocate, checkDType, type DType, dtypeOf, type TypedArray } from '../base/dtype.js'
import { DtypeError, ShapeError, ValueError } from '../base/errors.js'
import { checkNames } from '../base/options.js'
import { formatShape, normalizeAxis, type Shape, sizeOf } from '../base/shape.js'
import * as ops from '../graph/ops.js'
import { expectNumber, expectNumbers } from './arguments.js'
import { leaf, record, type Tensor } from './tensor.js'

type Literal<D extends DType> = D extends 'bool' ? boolean | number : number

/** A value, or arrays of arrays of values. */
export type NestedInput<T> = T | readonly NestedInput<T>[]

/** What `tensor` cannot see from the values: dtype (float32 for numbers) and shape. */
export interface TensorOptions<D extends DType> {
  readonly dtype?: D
  /** For flat data. */
  readonly shape?: Shape
}

type DTypeOf<A extends TypedArray> = A extends Float64Array
  ? 'float64'
  : A extends Int32Array
    ? 'int32'
    : A extends Uint32Array
      ? 'uint32'
      : A extends Uint8Array
        ? 'uint8'
        : 'float32'

/**
 * A tensor from numbers, nested arrays or a typed array. Numbers are float32 unless `dtype` says otherwise;
 * a typed array keeps its dtype; a shape may be given for flat data. Values are copied.
 */
export function tensor<A extends TypedArray, const S extends Shape>(
  values: A,
  options: { readonly dtype?: undefined; readonly shape: S },
): Tensor<S, DTypeOf<A>>
export function tensor<A extends TypedArray>(values: A): Tensor<Shape, DTypeOf<A>>
export function tensor<const S extends Shape, const D extends DType = 'float32'>(
  values: ArrayLike<number>,
  options: { readonly dtype?: D; readonly shape: S },
): Tensor<S, D>
export function tensor(values: number | boolean): Tensor<readonly [], 'float32'>
export function tensor<D extends DType = 'float32'>(
  values: number | boolean,
  options: { readonly dtype?: D },
): Tensor<readonly [], D>
export function tensor<D extends DType = 'float32'>(
  values: NestedInput<Literal<D>> | TypedArray,
  options?: TensorOptions<D>,
): Tensor<Shape, D>
export function tensor(
  values: NestedInput<number | boolean> | ArrayLike<number>,
  options: TensorOptions<DType> = {},
): Tensor {
  // Called for each batch, so that names are compared one by one.
  for (const name in options)
    if (name !== 'dtype' && name !== 'shape') checkNames('tensor', options, ['dtype', 'shape'])
  if (options.dtype !== undefined) checkDType('tensor', options.dtype)
  if (options.shape !== undefined) expectNumbers('tensor', 'the shape', options.shape)
  if (ArrayBuffer.isView(values)) {
    const dtype = options.dtype ?? dtypeOf(values)
    if (!dtype)
      throw new DtypeError('tensor', `a ${values.constructor.name} has no dtype here`, {
        hint: 'Use Float32Array, Float64Array, Int32Array, Uint32Array or Uint8Array.',
      })
    const source = values as TypedArray
    const data = allocate(dtype, source.length)
    if (dtype === 'bool') for (let i = 0; i < source.length; i++) data[i] = source[i] ? 1 : 0
    else data.set(source as Float32Array<ArrayBuffer>)
    return leaf(data, checkSize(source.length, options.shape ?? [source.length]), dtype)
  }
  const shape: number[] = []
  for (let level: unknown = values; Array.isArray(level); level = level[0]) shape.push(level.length)
  const flat: number[] = []
  const visit = (value: unknown, axis: number): void => {
    if (Array.isArray(value)) {
      if (axis >= shape.length || value.length !== shape[axis])
        throw new ShapeError(
          'tensor',
          `nested arrays are ragged: ${value.length} where ${shape[axis] ?? 'a number'} was expected at depth ${axis}`,
        )
      for (const item of value) visit(item, axis + 1)
    } else if (typeof value === 'number' || typeof value === 'boolean') {
      if (axis !== shape.length) throw new ShapeError('tensor', `nested arrays are ragged: a number at depth ${axis}`)
      flat.push(Number(value))
    } else throw new ValueError('tensor', `holds numbers or booleans, not ${describeValue(value)}`)
  }
  visit(values, 0)
  const dtype = options.dtype ?? 'float32'
  const data = allocate(dtype, flat.length)
  for (let i = 0; i < flat.length; i++) data[i] = dtype === 'bool' ? (flat[i] ? 1 : 0) : flat[i]!
  return leaf(data, checkSize(flat.length, options.shape ?? shape), dtype)
}

function checkSize(length: number, shape: Shape): Shape {
  if (sizeOf(shape) !== length)
    throw new ShapeError(
      'tensor',
      `${length} values do not fill the shape ${formatShape(shape)} (${sizeOf(shape)} elements)`,
    )
  return shape
}

/** float32 unless another dtype is given. */
export interface FillOptions<D extends DType> {
  readonly dtype?: D
}

const fillNames = ['dtype']
function dtypeOption<D extends DType>(operation: string, options: FillOptions<D>, otherwise: DType): DType {
  checkNames(operation, options, fillNames)
  if (options.dtype !== undefined) checkDType(operation, options.dtype)
  return options.dtype ?? otherwise
}

function filled<const S extends Shape, D extends DType>(
  operation: string,
  shape: S,
  value: number,
  options: FillOptions<D>,
): Tensor<S, D> {
  expectNumbers(operation, 'the shape', shape)
  expectNumber(operation, 'the value', value)
  const dtype = dtypeOption(operation, options, 'float32')
  return record([], () => ops.full(value, dtype, shape))
}

/** A tensor of one value. */
export const full = <const S extends Shape, const D extends DType = 'float32'>(
  shape: S,
  value: number,
  options: FillOptions<D> = {},
): Tensor<S, D> => filled('full', shape, value, options)

/** A tensor of zeros. */
export const zeros = <const S extends Shape, const D extends DType = 'float32'>(
  shape: S,
  options: FillOptions<D> = {},
): Tensor<S, D> => filled('zeros', shape, 0, options)

/** A tensor of ones. */
export const ones = <const S extends Shape, const D extends DType = 'float32'>(
  shape: S,
  options: FillOptions<D> = {},
): Tensor<S, D> => filled('ones', shape, 1, options)
/** 0, 1, ..., length − 1 as int32, or another dtype. */
export const arange = <const N extends number, const D extends DType = 'int32'>(
  length: N,
  options: FillOptions<D> = {},
): Tensor<readonly [N], D> => record([], () => ops.iota(dtypeOption('arange', options, 'int32'), [length], 0))
/** Element = its index along `axis`. */
export const iota = <const S extends Shape, const D extends DType = 'int32'>(
  shape: S,
  axis: number,
  options: FillOptions<D> = {},
): Tensor<S, D> => {
  expectNumbers('iota', 'the shape', shape)
  return record([], () =>
    ops.iota(dtypeOption('iota', options, 'int32'), shape, normalizeAxis('iota', axis, shape.length)),
  )
}
/** The identity matrix. */
export const eye = <const N extends number, const D extends DType = 'float32'>(
  size: N,
  options: FillOptions<D> = {},
): Tensor<readonly [N, N], D> =>
  record([], () =>
    ops.convert(
      ops.compare('equal', ops.iota('int32', [size, size], 0), ops.iota('int32', [size, size], 1)),
      dtypeOption('eye', options, 'float32'),
    ),
  )

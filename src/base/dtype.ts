/**
 * @file Element types: their names, sizes and typed arrays.
 * `bool` and `uint8` take one byte in memory; arithmetic happens in the other four.
 */
import { describeValue } from './describe.js'
import { DtypeError, nearest } from './errors.js'

/** The types of elements there are. */
export const dtypes = ['float32', 'float64', 'int32', 'uint32', 'bool', 'uint8'] as const

/** What the elements of a tensor are. bool is stored as a byte, 0 or 1. */
export type DType = (typeof dtypes)[number]

/** The types that have derivatives. */
export type FloatDType = 'float32' | 'float64'

/** The types of whole numbers. */
export type IntegerDType = 'int32' | 'uint32' | 'uint8'

/** The array that holds the elements of each type. */
export interface DTypeArrays {
  float32: Float32Array<ArrayBuffer>
  float64: Float64Array<ArrayBuffer>
  int32: Int32Array<ArrayBuffer>
  uint32: Uint32Array<ArrayBuffer>
  bool: Uint8Array<ArrayBuffer>
  uint8: Uint8Array<ArrayBuffer>
}

/** An array of elements of any type: what `tensor.data()` gives. */
export type TypedArray = DTypeArrays[DType]

const constructors = {
  float32: Float32Array,
  float64: Float64Array,
  int32: Int32Array,
  uint32: Uint32Array,
  bool: Uint8Array,
  uint8: Uint8Array,
} as const

/** Throws for what is no name of a dtype. */
export function checkDType(operation: string, dtype: unknown): asserts dtype is DType {
  if ((dtypes as readonly unknown[]).includes(dtype)) return
  const near = typeof dtype === 'string' ? nearest(dtype, dtypes) : undefined
  throw new DtypeError(
    operation,
    `there is no dtype ${typeof dtype === 'string' ? `'${dtype}'` : describeValue(dtype)}${near ? `; did you mean '${near}'?` : ''}`,
    { hint: `The dtypes are ${dtypes.join(', ')}.` },
  )
}

/** A zero-filled array of `length` elements. */
export function allocate<D extends DType>(dtype: D, length: number): DTypeArrays[D] {
  return new constructors[dtype](length) as DTypeArrays[D]
}

/** A view of `length` elements over a buffer (WebAssembly memory, a file). */
export function viewOf(dtype: DType, buffer: ArrayBufferLike, byteOffset: number, length: number): TypedArray {
  return new constructors[dtype](buffer as ArrayBuffer, byteOffset, length)
}

/** Bytes of one element in memory. */
export const byteSize: { readonly [D in DType]: number } = {
  float32: 4,
  float64: 8,
  int32: 4,
  uint32: 4,
  bool: 1,
  uint8: 1,
}

export const isFloat = (dtype: DType): dtype is FloatDType => dtype === 'float32' || dtype === 'float64'
export const isInteger = (dtype: DType): dtype is IntegerDType =>
  dtype === 'int32' || dtype === 'uint32' || dtype === 'uint8'

/** The dtype a typed array holds by default (a Uint8Array is `uint8`). */
export function dtypeOf(array: ArrayBufferView): DType | undefined {
  if (array instanceof Float32Array) return 'float32'
  if (array instanceof Float64Array) return 'float64'
  if (array instanceof Int32Array) return 'int32'
  if (array instanceof Uint32Array) return 'uint32'
  if (array instanceof Uint8Array) return 'uint8'
  return undefined
}

/** The value an element of this dtype holds after `x` is stored in it. */
export function roundTo(dtype: DType, x: number): number {
  switch (dtype) {
    case 'float32':
      return Math.fround(x)
    case 'float64':
      return x
    case 'int32':
      return x | 0
    case 'uint32':
      return x >>> 0
    case 'uint8':
      return x & 255
    case 'bool':
      return x ? 1 : 0
  }
}

/**
 * @file ONNX tensors and typed arrays. In: a TensorProto, or an array with its shape. Out: the other. Half precision becomes
 * float32, int64 becomes int32 (larger numbers are cut to its range: "to the end" stays that), smaller integers int32 or uint8.
 *
 * readTensor(message) → { dtype: 'float32', shape: [128, 784], data: Float32Array }
 */
import { allocate, byteSize, type DType, isFloat, type TypedArray } from '../../base/dtype.js'
import { FileError } from '../../base/errors.js'
import { type Shape, sizeOf } from '../../base/shape.js'
import { bfloat16ToFloat32, float16ToFloat32, type StoredTensor } from '../safetensors.js'
import { empty, type TensorMessage } from './proto.js'

/** ONNX's numbers of element types. */
export const elementTypes: { readonly [D in DType]: number } = {
  float32: 1,
  float64: 11,
  int32: 6,
  uint32: 12,
  bool: 9,
  uint8: 2,
}
/** int64, which Gradus does not have: sizes and places in shapes. */
export const INT64 = 7

interface Reader {
  readonly name: string
  /** What it becomes here. */
  readonly dtype: DType
  /** Bytes of an element in `rawData`. */
  readonly size: number
  readonly raw: (view: DataView, at: number) => number
  /** The field that holds the elements where `rawData` does not, and what its numbers mean. */
  readonly list: 'floatData' | 'int32Data' | 'int64Data' | 'doubleData' | 'uint64Data'
  readonly fromList?: (x: number) => number
}
const clampInt32 = (x: number): number => Math.min(2 ** 31 - 1, Math.max(-(2 ** 31), x))

const readers: ReadonlyMap<number, Reader> = new Map<number, Reader>([
  [1, { name: 'float', dtype: 'float32', size: 4, raw: (v, at) => v.getFloat32(at, true), list: 'floatData' }],
  [2, { name: 'uint8', dtype: 'uint8', size: 1, raw: (v, at) => v.getUint8(at), list: 'int32Data' }],
  [3, { name: 'int8', dtype: 'int32', size: 1, raw: (v, at) => v.getInt8(at), list: 'int32Data' }],
  [4, { name: 'uint16', dtype: 'int32', size: 2, raw: (v, at) => v.getUint16(at, true), list: 'int32Data' }],
  [5, { name: 'int16', dtype: 'int32', size: 2, raw: (v, at) => v.getInt16(at, true), list: 'int32Data' }],
  [6, { name: 'int32', dtype: 'int32', size: 4, raw: (v, at) => v.getInt32(at, true), list: 'int32Data' }],
  [
    7,
    {
      name: 'int64',
      dtype: 'int32',
      size: 8,
      raw: (v, at) => clampInt32(Number(v.getBigInt64(at, true))),
      list: 'int64Data',
      fromList: clampInt32,
    },
  ],
  [9, { name: 'bool', dtype: 'bool', size: 1, raw: (v, at) => +(v.getUint8(at) !== 0), list: 'int32Data' }],
  [
    10,
    {
      name: 'float16',
      dtype: 'float32',
      size: 2,
      raw: (v, at) => float16ToFloat32(v.getUint16(at, true)),
      list: 'int32Data',
      fromList: float16ToFloat32,
    },
  ],
  [11, { name: 'double', dtype: 'float64', size: 8, raw: (v, at) => v.getFloat64(at, true), list: 'doubleData' }],
  [12, { name: 'uint32', dtype: 'uint32', size: 4, raw: (v, at) => v.getUint32(at, true), list: 'uint64Data' }],
  [
    16,
    {
      name: 'bfloat16',
      dtype: 'float32',
      size: 2,
      raw: (v, at) => bfloat16ToFloat32(v.getUint16(at, true)),
      list: 'int32Data',
      fromList: bfloat16ToFloat32,
    },
  ],
])

/** The dtype in which an ONNX element type is held here; undefined for those that cannot be. */
export const dtypeOfElement = (elementType: number): DType | undefined => readers.get(elementType)?.dtype

/**
 * The values of a tensor. Throws FileError where the elements are not as many as the shape says, or of a type that Gradus
 * does not know. `external` gives the bytes of what is stored outside the model.
 */
export function readTensor(
  message: TensorMessage,
  source: string,
  external: (message: TensorMessage) => Uint8Array = () => {
    throw new FileError(source, `'${message.name}' is stored in another file`, {
      hint: 'Import the model by its path, with that file beside it.',
    })
  },
): StoredTensor {
  const fail = (fault: string): never => {
    throw new FileError(source, `the tensor '${message.name ?? ''}' ${fault}`)
  }
  const shape = message.dims
  if (!shape.every((n) => Number.isSafeInteger(n) && n >= 0)) fail(`has the shape [${shape}]`)
  const reader = readers.get(message.dataType ?? 0)
  if (!reader)
    return fail(
      `has the element type ${message.dataType}; known are ${[...readers.values()].map((r) => r.name).join(', ')}`,
    )
  const count = sizeOf(shape)
  const bytes = message.dataLocation === 1 ? external(message) : message.rawData
  const stored = bytes ? bytes.length / reader.size : message[reader.list].length
  // Before anything of this size is made.
  if (stored !== count) fail(`holds ${stored} elements, its shape [${shape}] has ${count}`)
  const data = allocate(reader.dtype, count)
  if (bytes && isFloat(reader.dtype) && byteSize[reader.dtype] === reader.size) {
    new Uint8Array(data.buffer).set(bytes)
  } else if (bytes) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    for (let i = 0; i < count; i++) data[i] = reader.raw(view, i * reader.size)
  } else {
    const list = message[reader.list]
    const convert = reader.fromList ?? ((x: number) => x)
    for (let i = 0; i < count; i++) data[i] = convert(list[i]!)
  }
  return { dtype: reader.dtype, shape, data }
}

export function writeTensor(name: string, dtype: DType, shape: Shape, data: TypedArray): TensorMessage {
  return {
    ...empty('Tensor'),
    name,
    dims: [...shape],
    dataType: elementTypes[dtype],
    rawData: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
  }
}

/** Whole numbers as int64: shapes, axes, places. */
export function writeInt64(name: string, values: readonly number[], shape: Shape = [values.length]): TensorMessage {
  const data = BigInt64Array.from(values, (x) => BigInt(x))
  return {
    ...empty('Tensor'),
    name,
    dims: [...shape],
    dataType: INT64,
    rawData: new Uint8Array(data.buffer),
  }
}

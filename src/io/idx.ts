/**
 * @file The IDX format of MNIST: an array of any rank in big-endian order.
 * In: bytes (unpacked already, if the file was gzipped). Out: shape and a typed array.
 *
 *   file = 0 0 type:u8 rank:u8 size:u32be{rank} data
 * Source: http://yann.lecun.com/exdb/mnist/ ("The IDX file format").
 *
 * const { shape, data } = readIdx(gunzipSync(await readFile('train-images-idx3-ubyte.gz')))    // [60000, 28, 28]
 */
import { FileError } from '../base/errors.js'

export interface IdxArray {
  readonly shape: readonly number[]
  readonly data: Uint8Array | Int32Array | Float32Array | Float64Array
}

interface IdxType {
  readonly name: string
  readonly size: number
  readonly make: (length: number) => Int32Array | Float32Array | Float64Array
  readonly get: (view: DataView, at: number) => number
}

/** Signed bytes and shorts are widened to int32; unsigned bytes (type 8) are handed on without a copy. */
const types: Readonly<Record<number, IdxType>> = {
  9: { name: 'int8', size: 1, make: (n) => new Int32Array(n), get: (view, at) => view.getInt8(at) },
  11: { name: 'int16', size: 2, make: (n) => new Int32Array(n), get: (view, at) => view.getInt16(at) },
  12: { name: 'int32', size: 4, make: (n) => new Int32Array(n), get: (view, at) => view.getInt32(at) },
  13: { name: 'float32', size: 4, make: (n) => new Float32Array(n), get: (view, at) => view.getFloat32(at) },
  14: { name: 'float64', size: 8, make: (n) => new Float64Array(n), get: (view, at) => view.getFloat64(at) },
}

/** Reads an IDX file. Throws FileError when the header is not one, or the length is not exactly what it states. */
export function readIdx(bytes: Uint8Array, source = 'idx'): IdxArray {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (bytes.length >= 2 && bytes[0] === 0x1f && bytes[1] === 0x8b)
    throw new FileError(source, 'the bytes are gzipped', { hint: 'Unpack them first (gunzipSync of node:zlib).' })
  if (bytes.length < 4 || bytes[0] !== 0 || bytes[1] !== 0)
    throw new FileError(source, 'this is no IDX file: it does not begin with two zero bytes')
  const code = bytes[2]!
  const rank = bytes[3]!
  const type = types[code]
  if (code !== 8 && !type)
    throw new FileError(source, `${code} is not an IDX type; known are 8, ${Object.keys(types).join(', ')}`)
  const start = 4 + 4 * rank
  if (rank === 0 || bytes.length < start)
    throw new FileError(source, `the header ends early: rank ${rank} needs ${start} bytes, there are ${bytes.length}`)
  const shape = Array.from({ length: rank }, (_, axis) => view.getUint32(4 + 4 * axis))
  const length = shape.reduce((product, n) => product * n, 1)
  const size = type?.size ?? 1
  if (bytes.length - start !== length * size)
    throw new FileError(
      source,
      `[${shape.join(',')}] of ${type?.name ?? 'uint8'} takes ${length * size} bytes, but ${bytes.length - start} follow the header`,
      { hint: 'The file is cut short or damaged.' },
    )
  if (!type) return { shape, data: bytes.subarray(start) }
  const data = type.make(length)
  for (let i = 0; i < length; i++) data[i] = type.get(view, start + i * size)
  return { shape, data }
}

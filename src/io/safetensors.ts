/**
 * @file The safetensors format: named arrays in one file, readable by PyTorch, JAX and others.
 * In: bytes, or arrays with names. Out: arrays with names, or bytes. Own code, strict in both directions.
 *
 *   file     = length:u64le header data
 *   header   = JSON {"__metadata__"?: {text: text}, name: {"dtype", "shape", "data_offsets": [begin, end]}}, padded by blanks
 *   data     = every tensor once, no holes, no overlap; offsets count from the start of data
 * Source: https://github.com/huggingface/safetensors (README, "Format"). Little-endian machines only, as is WebAssembly.
 *
 * const { tensors, metadata } = readSafetensors(bytes)
 * tensors.get('0.weight')                       // { dtype: 'float32', shape: [128, 784], data: Float32Array }
 */
import { byteSize, type DType, type TypedArray, viewOf } from '../base/dtype.js'
import { FileError, ValueError } from '../base/errors.js'

/** A tensor in a file or a checkpoint. */
export interface StoredTensor {
  readonly dtype: DType
  readonly shape: readonly number[]
  readonly data: TypedArray
}

export interface Safetensors {
  /** In the order of the file's header. */
  readonly tensors: Map<string, StoredTensor>
  readonly metadata: Record<string, string>
}

/** The reference implementation's bound on the header. */
const HEADER_LIMIT = 100_000_000

const fileNames: { readonly [D in DType]: string } = {
  float32: 'F32',
  float64: 'F64',
  int32: 'I32',
  uint32: 'U32',
  bool: 'BOOL',
  uint8: 'U8',
}

interface Reader {
  readonly dtype: DType
  /** Bytes of an element in the file. */
  readonly size: number
  /** Copies `length` elements that start at `start`; `name` is for messages. */
  readonly read: (bytes: Uint8Array, start: number, length: number, name: string) => TypedArray
}

const readers: Readonly<Record<string, Reader>> = {
  ...Object.fromEntries(
    Object.entries(fileNames).map(([dtype, name]) => [name, same(dtype as DType)] satisfies [string, Reader]),
  ),
  F16: { dtype: 'float32', size: 2, read: (bytes, start, n) => widen(float16ToFloat32, bytes, start, n) },
  BF16: { dtype: 'float32', size: 2, read: (bytes, start, n) => widen(bfloat16ToFloat32, bytes, start, n) },
  I64: { dtype: 'int32', size: 8, read: narrow },
}

/**
 * Reads a whole file. Float16 and bfloat16 become float32, and int64 becomes int32 where every value fits.
 * Data are copied, so the bytes may be reused.
 * Throws FileError for anything that is not a well-formed file: cut short, a header that is no JSON of the right form, sizes
 * that contradict shapes, overlaps, holes, bytes left over, an unknown dtype.
 */
export function readSafetensors(bytes: Uint8Array, source = 'safetensors'): Safetensors {
  const fail = (fault: string): never => {
    throw new FileError(source, fault, { hint: 'The file is damaged, cut short, or no safetensors file.' })
  }
  if (bytes.length < 8) fail(`${bytes.length} bytes are too few; the header's length alone takes 8`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const headerLength = view.getUint32(0, true) + view.getUint32(4, true) * 2 ** 32
  if (headerLength > HEADER_LIMIT) fail(`the header would be ${headerLength} bytes long, above ${HEADER_LIMIT}`)
  if (headerLength > bytes.length - 8)
    fail(`the header would be ${headerLength} bytes long, the file has ${bytes.length}`)
  const header = parseHeader(bytes.subarray(8, 8 + headerLength), fail)
  const data = bytes.subarray(8 + headerLength)

  const tensors = new Map<string, StoredTensor>()
  const ranges: { name: string; begin: number; end: number }[] = []
  let metadata: Record<string, string> = {}
  for (const [name, value] of Object.entries(header)) {
    if (name === '__metadata__') {
      metadata = parseMetadata(value, fail)
      continue
    }
    const { reader, shape, begin, end } = parseEntry(name, value, data.length, fail)
    ranges.push({ name, begin, end })
    const length = shape.reduce((product, n) => product * n, 1)
    tensors.set(name, { dtype: reader.dtype, shape, data: reader.read(data, begin, length, `${source}: '${name}'`) })
  }
  checkCover(ranges, data.length, fail)
  return { tensors, metadata }
}

/**
 * Writes a file. The tensors with the widest elements come first, so that all are aligned; otherwise in the given order.
 * NaNs are written as one canonical NaN, so that equal values give equal files.
 * Throws ValueError for a shape that contradicts its data or a reserved name.
 */
export function writeSafetensors(
  tensors: ReadonlyMap<string, StoredTensor> | Readonly<Record<string, StoredTensor>>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array<ArrayBuffer> {
  const entries: [string, StoredTensor][] = isMap(tensors) ? [...tensors] : Object.entries(tensors)
  const sorted = entries.sort(([, a], [, b]) => byteSize[b.dtype] - byteSize[a.dtype])
  const fields: string[] = []
  if (Object.keys(metadata).length > 0) fields.push(`"__metadata__":${JSON.stringify(metadata)}`)
  let offset = 0
  for (const [name, { dtype, shape, data }] of sorted) {
    const length = shape.reduce((product, n) => product * n, 1)
    if (name === '__metadata__') throw new ValueError('writeSafetensors', "the name '__metadata__' is reserved")
    if (length !== data.length || data.BYTES_PER_ELEMENT !== byteSize[dtype])
      throw new ValueError(
        'writeSafetensors',
        `'${name}': ${dtype} [${shape.join(',')}] does not fit ${data.length} elements of ${data.constructor.name}`,
      )
    const end = offset + length * byteSize[dtype]
    fields.push(
      `${JSON.stringify(name)}:${JSON.stringify({ dtype: fileNames[dtype], shape, data_offsets: [offset, end] })}`,
    )
    offset = end
  }
  const header = new TextEncoder().encode(`{${fields.join(',')}}`)
  const padded = Math.ceil(header.length / 8) * 8
  const out = new Uint8Array(8 + padded + offset)
  new DataView(out.buffer).setBigUint64(0, BigInt(padded), true)
  out.fill(0x20, 8, 8 + padded)
  out.set(header, 8)
  let at = 8 + padded
  for (const [, { data }] of sorted) {
    out.set(new Uint8Array(canonicalNaN(data).buffer, 0, data.byteLength), at)
    at += data.byteLength
  }
  return out
}

type Fail = (fault: string) => never

function parseHeader(bytes: Uint8Array, fail: Fail): object {
  if (bytes[0] !== 0x7b) fail('the header does not begin with {')
  let json: unknown
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes))
  } catch (cause) {
    fail(`the header is not JSON (${(cause as Error).message})`)
  }
  return json as object
}

function parseMetadata(value: unknown, fail: Fail): Record<string, string> {
  if (!isObject(value) || Object.values(value).some((text) => typeof text !== 'string'))
    return fail('__metadata__ must map text to text')
  return value as Record<string, string>
}

function parseEntry(
  name: string,
  value: unknown,
  available: number,
  fail: Fail,
): { reader: Reader; shape: number[]; begin: number; end: number } {
  if (!isObject(value)) return fail(`'${name}' must be an object`)
  const unknown = Object.keys(value).find((key) => key !== 'dtype' && key !== 'shape' && key !== 'data_offsets')
  if (unknown !== undefined) fail(`'${name}' has an unknown field '${unknown}'`)
  const { dtype, shape, data_offsets: offsets } = value as Record<string, unknown>
  if (typeof dtype !== 'string' || !Object.hasOwn(readers, dtype))
    return fail(`'${name}' has the dtype ${JSON.stringify(dtype)}; known are ${Object.keys(readers).join(', ')}`)
  if (!isCounts(shape)) return fail(`'${name}' has the shape ${JSON.stringify(shape)}`)
  if (!isCounts(offsets) || offsets.length !== 2) return fail(`'${name}' has the offsets ${JSON.stringify(offsets)}`)
  const [begin, end] = offsets as [number, number]
  if (begin > end || end > available) fail(`'${name}' lies at ${begin}..${end}, outside 0..${available}`)
  const reader = readers[dtype]!
  const size = shape.reduce((product, n) => product * n, 1) * reader.size
  if (size !== end - begin)
    fail(`'${name}': ${dtype} [${shape.join(',')}] takes ${size} bytes, but ${end - begin} are set aside`)
  return { reader, shape, begin, end }
}

/** The tensors must cover the data exactly: sorted by place, each begins where the one before it ends. */
function checkCover(ranges: { name: string; begin: number; end: number }[], length: number, fail: Fail): void {
  ranges.sort((a, b) => a.begin - b.begin || a.end - b.end)
  let at = 0
  for (const { name, begin, end } of ranges) {
    if (begin < at) fail(`'${name}' overlaps the tensor before it`)
    if (begin > at) fail(`bytes ${at}..${begin} belong to no tensor`)
    at = end
  }
  if (at !== length) fail(`the tensors take ${at} bytes, but ${length} follow the header`)
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isMap(
  tensors: ReadonlyMap<string, StoredTensor> | Readonly<Record<string, StoredTensor>>,
): tensors is ReadonlyMap<string, StoredTensor> {
  return tensors instanceof Map
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((n) => Number.isSafeInteger(n) && n >= 0)
}

function same(dtype: DType): Reader {
  return {
    dtype,
    size: byteSize[dtype],
    read: (bytes, start, length, name) => {
      // A Buffer's own slice would be a view.
      const copy = new Uint8Array(bytes.subarray(start, start + length * byteSize[dtype]))
      if (dtype === 'bool' && copy.some((byte) => byte > 1)) throw new FileError(name, 'a bool must be 0 or 1')
      return viewOf(dtype, copy.buffer, 0, length)
    },
  }
}

function widen(
  convert: (bits: number) => number,
  bytes: Uint8Array,
  start: number,
  length: number,
): Float32Array<ArrayBuffer> {
  const out = new Float32Array(length)
  for (let i = 0; i < length; i++) out[i] = convert(bytes[start + 2 * i]! | (bytes[start + 2 * i + 1]! << 8))
  return out
}

function narrow(bytes: Uint8Array, start: number, length: number, name: string): Int32Array<ArrayBuffer> {
  const view = new DataView(bytes.buffer, bytes.byteOffset + start, length * 8)
  return Int32Array.from({ length }, (_, i) => {
    const value = view.getBigInt64(8 * i, true)
    if (value !== BigInt.asIntN(32, value))
      throw new FileError(name, `element ${i} is ${value}, which int32 cannot hold`)
    return Number(value)
  })
}

/** IEEE 754 binary16: 1 sign bit, 5 exponent bits (bias 15), 10 fraction bits. Exact in float32. */
export function float16ToFloat32(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >> 10) & 31
  const fraction = bits & 1023
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
}

const word = new DataView(new ArrayBuffer(4))

/** bfloat16 is the upper half of a float32. */
export function bfloat16ToFloat32(bits: number): number {
  word.setUint16(0, bits)
  word.setUint16(2, 0)
  return word.getFloat32(0)
}

/** A copy from offset 0 of its own buffer in which every NaN has the same bits. */
function canonicalNaN(data: TypedArray): TypedArray {
  const copy = data.slice()
  if (copy instanceof Float32Array || copy instanceof Float64Array)
    for (let i = 0; i < copy.length; i++) if (Number.isNaN(copy[i]!)) copy[i] = Number.NaN
  return copy
}

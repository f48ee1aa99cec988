/** @file Safetensors: round trips, a file made by the reference implementation, and damage of every kind. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { allocate, type DType, dtypes } from '../../src/base/dtype.js'
import { FileError, ValueError } from '../../src/base/errors.js'
import { readSafetensors, type StoredTensor, writeSafetensors } from '../../src/io/safetensors.js'

const tensor = fc
  .record({
    dtype: fc.constantFrom<DType>(...dtypes),
    shape: fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 3 }),
    seed: fc.integer(),
  })
  .map(({ dtype, shape, seed }): StoredTensor => {
    const data = allocate(
      dtype,
      shape.reduce((a, b) => a * b, 1),
    )
    for (let i = 0; i < data.length; i++) data[i] = dtype === 'bool' ? (seed + i) & 1 : Math.imul(seed, i + 1) / 7
    return { dtype, shape, data }
  })
const name = fc.oneof(fc.string({ maxLength: 8 }), fc.constantFrom('0.weight', '__proto__', 'ü "x"', 'constructor'))
const file = fc.dictionary(name, tensor, { maxKeys: 5 }).map((entries) => new Map(Object.entries(entries)))
const texts = fc.dictionary(fc.string({ maxLength: 5 }), fc.string(), { maxKeys: 3 })

/** A file with this header and `bytes` zero bytes of data. */
function raw(header: string, bytes: number): Uint8Array {
  const text = new TextEncoder().encode(header)
  const out = new Uint8Array(8 + text.length + bytes)
  new DataView(out.buffer).setBigUint64(0, BigInt(text.length), true)
  out.set(text, 8)
  return out
}

const failure = (bytes: Uint8Array): string => {
  try {
    readSafetensors(bytes)
  } catch (error) {
    expect(error).toBeInstanceOf(FileError)
    return (error as Error).message
  }
  return 'no error'
}

describe('safetensors', () => {
  test('what is written is read again, at any alignment of the bytes', () => {
    fc.assert(
      fc.property(file, texts, fc.integer({ min: 0, max: 9 }), (tensors, metadata, shift) => {
        const bytes = writeSafetensors(tensors, metadata)
        const moved = new Uint8Array(bytes.length + shift)
        moved.set(bytes, shift)
        const again = readSafetensors(moved.subarray(shift))
        expect(again.metadata).toEqual(metadata)
        expect(new Set(again.tensors.keys())).toEqual(new Set(tensors.keys()))
        for (const [key, value] of tensors) expect(again.tensors.get(key)).toEqual(value)
      }),
      { numRuns: 300 },
    )
  })

  test('cutting a file short at any byte, or adding one, is a FileError', () => {
    fc.assert(
      fc.property(file, fc.double({ min: 0, max: 0.999, noNaN: true }), (tensors, share) => {
        const bytes = writeSafetensors(tensors)
        expect(failure(bytes.subarray(0, Math.floor(bytes.length * share)))).not.toBe('no error')
        expect(failure(Uint8Array.from([...bytes, 0]))).not.toBe('no error')
      }),
      { numRuns: 300 },
    )
  })

  test('changing any byte of the header is a FileError or a correct reading, never another crash', () => {
    fc.assert(
      fc.property(file, fc.nat(), fc.integer({ min: 1, max: 255 }), (tensors, where, flip) => {
        const bytes = writeSafetensors(tensors, { a: 'b' })
        const header = 8 + new DataView(bytes.buffer).getUint32(0, true)
        bytes[where % header]! ^= flip
        try {
          for (const { shape, data } of readSafetensors(bytes).tensors.values())
            expect(data.length).toBe(shape.reduce((a, b) => a * b, 1))
        } catch (error) {
          expect(error).toBeInstanceOf(FileError)
        }
      }),
      { numRuns: 2000 },
    )
  })

  test.each([
    ['no header', new Uint8Array(7), /too few/],
    ['a header of 2^60 bytes', Uint8Array.from([0, 0, 0, 0, 0, 0, 0, 16]), /above 100000000/],
    ['a list', raw('[]', 0), /begin with \{/],
    ['no JSON', raw('{"a":', 0), /not JSON/],
    ['overlap', raw(entries([0, 8, 2], [4, 12, 2]), 12), /overlaps/],
    ['a hole', raw(entries([0, 4, 1], [8, 12, 1]), 12), /bytes 4\.\.8 belong to no tensor/],
    ['bytes left over', raw(entries([0, 4, 1]), 8), /take 4 bytes, but 8 follow/],
    ['a tensor beyond the end', raw(entries([0, 8, 2]), 4), /outside 0\.\.4/],
    ['a size that contradicts the shape', raw(entries([0, 8, 3]), 8), /takes 12 bytes, but 8/],
    ['an unknown dtype', raw('{"a":{"dtype":"F8_E4M3","shape":[1],"data_offsets":[0,1]}}', 1), /dtype "F8_E4M3"/],
    ['a dtype from the prototype', raw('{"a":{"dtype":"toString","shape":[1],"data_offsets":[0,1]}}', 1), /dtype/],
    ['a negative size', raw('{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}', 4), /shape \[-1\]/],
    [
      'a bool of 2',
      Uint8Array.from([...raw('{"a":{"dtype":"BOOL","shape":[1],"data_offsets":[0,1]}}', 0), 2]),
      /0 or 1/,
    ],
    ['metadata of numbers', raw('{"__metadata__":{"a":1}}', 0), /text to text/],
  ])('%s', (_, bytes, message) => {
    expect(failure(bytes)).toMatch(message)
  })

  test('float16, bfloat16 and int64 are read by value', () => {
    const half = (dtype: string, bits: number[]) => {
      const bytes = raw(`{"a":{"dtype":"${dtype}","shape":[${bits.length}],"data_offsets":[0,${2 * bits.length}]}}`, 0)
      const data = bits.flatMap((b) => [b & 255, b >> 8])
      return [...readSafetensors(Uint8Array.from([...bytes, ...data])).tensors.get('a')!.data]
    }
    // Values of IEEE 754: 1, −2, the largest, the smallest normal, the smallest subnormal, ∞, 1/3 rounded.
    expect(half('F16', [0x3c00, 0xc000, 0x7bff, 0x0400, 0x0001, 0x7c00, 0x3555])).toEqual([
      1,
      -2,
      65504,
      2 ** -14,
      2 ** -24,
      Number.POSITIVE_INFINITY,
      0.333251953125,
    ])
    expect(half('F16', [0x7e00])).toEqual([Number.NaN])
    expect(half('BF16', [0x3f80, 0xc049, 0xff80])).toEqual([1, -3.140625, Number.NEGATIVE_INFINITY])
    const long = (value: bigint) => {
      const bytes = raw('{"a":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}}', 8)
      new DataView(bytes.buffer).setBigInt64(bytes.length - 8, value, true)
      return readSafetensors(bytes).tensors.get('a')!.data[0]
    }
    expect(long(-5n)).toBe(-5)
    expect(() => long(2n ** 31n)).toThrow(/2147483648, which int32 cannot hold/)
  })

  test('a file laid out byte by byte as the format says', () => {
    const header = '{"w":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]}}'
    const bytes = writeSafetensors({ w: { dtype: 'float32', shape: [2, 1], data: Float32Array.of(1, -0.5) } })
    expect(bytes.length).toBe(8 + 56 + 8)
    expect(new TextDecoder().decode(bytes.subarray(8, 64))).toBe(header.padEnd(56))
    expect([...bytes.subarray(0, 8)]).toEqual([56, 0, 0, 0, 0, 0, 0, 0])
    expect([...bytes.subarray(64)]).toEqual([0, 0, 0x80, 0x3f, 0, 0, 0, 0xbf])
  })

  test('NaNs with other payloads give the same bytes', () => {
    const odd = new Float32Array(Uint32Array.of(0xffc12345).buffer)
    const write = (data: Float32Array<ArrayBuffer>) => writeSafetensors({ a: { dtype: 'float32', shape: [1], data } })
    expect(write(odd)).toEqual(write(Float32Array.of(Number.NaN)))
  })

  test('a shape that contradicts its data is refused', () => {
    const data = Float32Array.of(1, 2)
    expect(() => writeSafetensors({ a: { dtype: 'float32', shape: [3], data } })).toThrow(ValueError)
    expect(() => writeSafetensors({ a: { dtype: 'float64', shape: [2], data } })).toThrow(ValueError)
    expect(() => writeSafetensors({ __metadata__: { dtype: 'float32', shape: [2], data } })).toThrow(/reserved/)
  })
})

function entries(...list: [begin: number, end: number, length: number][]): string {
  const parts = list.map(
    ([begin, end, n], i) => `"${'ab'[i]}":{"dtype":"F32","shape":[${n}],"data_offsets":[${begin},${end}]}`,
  )
  return `{${parts.join(',')}}`
}

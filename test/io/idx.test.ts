/** @file IDX files: what is written is read again, of every type and rank; any byte changed or any end cut is an error or the same shape. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { FileError } from '../../src/base/errors.js'
import { readIdx } from '../../src/io/idx.js'

const types = {
  8: [1, (view: DataView, at: number, x: number) => view.setUint8(at, x & 255)],
  9: [1, (view: DataView, at: number, x: number) => view.setInt8(at, (x << 24) >> 24)],
  11: [2, (view: DataView, at: number, x: number) => view.setInt16(at, (x << 16) >> 16)],
  12: [4, (view: DataView, at: number, x: number) => view.setInt32(at, x)],
  13: [4, (view: DataView, at: number, x: number) => view.setFloat32(at, x)],
  14: [8, (view: DataView, at: number, x: number) => view.setFloat64(at, x)],
} as const

function written(type: keyof typeof types, shape: readonly number[], values: readonly number[]): Uint8Array {
  const [size, put] = types[type]
  const bytes = new Uint8Array(4 + 4 * shape.length + size * values.length)
  const view = new DataView(bytes.buffer)
  bytes[2] = type
  bytes[3] = shape.length
  shape.forEach((extent, axis) => {
    view.setUint32(4 + 4 * axis, extent)
  })
  values.forEach((value, i) => {
    put(view, 4 + 4 * shape.length + size * i, value)
  })
  return bytes
}

const file = fc
  .tuple(
    fc.constantFrom(...([8, 9, 11, 12, 13, 14] as const)),
    fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 4 }),
    fc.integer({ min: 0, max: 2 ** 31 - 1 }),
  )
  .map(([type, shape, seed]) => {
    const count = shape.reduce((product, n) => product * n, 1)
    const values = Array.from({ length: count }, (_, i) => ((Math.imul(seed + i, 2654435761) >> 8) % 100) | 0)
    return { type, shape, values, bytes: written(type, shape, values) }
  })

test('what is written is read', () => {
  fc.assert(
    fc.property(file, ({ type, shape, values, bytes }) => {
      const read = readIdx(bytes)
      expect(read.shape).toEqual(shape)
      expect([...read.data]).toEqual(type === 8 ? values.map((x) => x & 255) : values)
    }),
    { numRuns: 300 },
  )
})

test('a changed byte or a cut end is an error with the cure, or a file of as many numbers', () => {
  fc.assert(
    fc.property(
      file,
      fc.nat(),
      fc.integer({ min: 1, max: 255 }),
      fc.boolean(),
      ({ bytes, values }, at, change, cut) => {
        const place = at % bytes.length
        const damaged = cut
          ? bytes.slice(0, place)
          : Uint8Array.from(bytes, (byte, i) => (i === place ? byte ^ change : byte))
        try {
          const read = readIdx(damaged, 'x.idx')
          // A byte of the data is any number; the type may be another of the same size; the sizes may be others with as many numbers.
          expect(cut).toBe(false)
          expect(read.shape.reduce((product, n) => product * n, 1)).toBe(read.data.length)
          expect(read.data.byteLength).toBeLessThanOrEqual(4 * damaged.length)
          if (place >= 4) expect(read.data.length).toBe(values.length)
        } catch (error) {
          expect(error).toBeInstanceOf(FileError)
          expect(String(error)).toMatch(/^FileError: x\.idx: /)
        }
      },
    ),
    { numRuns: 2000 },
  )
})

test('sizes beyond all memory, and other files, are refused before anything is allocated', () => {
  const header = (sizes: readonly number[]) => written(14, sizes, [])
  expect(() => readIdx(header([0xffffffff, 0xffffffff, 0xffffffff]))).toThrow(/cut short or damaged/)
  expect(() => readIdx(header(Array.from({ length: 255 }, () => 0xffffffff)))).toThrow(FileError)
  expect(readIdx(header([0, 28, 28]))).toMatchObject({ shape: [0, 28, 28] })
  expect(() => readIdx(Uint8Array.of(0x1f, 0x8b, 8, 0))).toThrow(/gzipped.*Unpack/)
  expect(() => readIdx(new TextEncoder().encode('a,b\n1,2\n'))).toThrow(/no IDX file/)
  expect(() => readIdx(Uint8Array.of(0, 0, 8, 0))).toThrow(/rank 0/)
})

/** @file IDX files, atomic writes and run folders. */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { FileError } from '../../src/base/errors.js'
import { createOutputFolder, createRunFolder, writeFileAtomic } from '../../src/io/atomic.js'
import { readIdx } from '../../src/io/idx.js'

describe('IDX', () => {
  test('MNIST’s labels, whose counts by class are published', async () => {
    const file = new URL('../../datasets/data/mnist/train-labels-idx1-ubyte.gz', import.meta.url)
    const packed = await readFile(file)
    expect(() => readIdx(packed)).toThrow(/gzipped/)
    const { shape, data } = readIdx(gunzipSync(packed))
    expect(shape).toEqual([60_000])
    const counts = new Array<number>(10).fill(0)
    for (const label of data) counts[label]!++
    expect(counts).toEqual([5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949])
  })

  test('every type, big-endian', () => {
    const read = (type: number, shape: number[], body: number[]) => {
      const sizes = shape.flatMap((n) => [n >>> 24, (n >> 16) & 255, (n >> 8) & 255, n & 255])
      const { data } = readIdx(Uint8Array.from([0, 0, type, shape.length, ...sizes, ...body]))
      return [data.constructor, ...data]
    }
    expect(read(8, [2], [1, 255])).toEqual([Uint8Array, 1, 255])
    expect(read(9, [2], [1, 255])).toEqual([Int32Array, 1, -1])
    expect(read(11, [1, 2], [1, 2, 0xff, 0xfe])).toEqual([Int32Array, 258, -2])
    expect(read(12, [1], [0x80, 0, 0, 1])).toEqual([Int32Array, -(2 ** 31) + 1])
    expect(read(13, [1], [0x3f, 0xc0, 0, 0])).toEqual([Float32Array, 1.5])
    expect(read(14, [1], [0xc0, 4, 0, 0, 0, 0, 0, 0])).toEqual([Float64Array, -2.5])
  })

  test('any change of length, or of the header, is a FileError or still fits', () => {
    const good = Uint8Array.from([0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6])
    expect(readIdx(good).shape).toEqual([2, 3])
    for (let n = 0; n < good.length; n++) expect(() => readIdx(good.subarray(0, n)), `${n} bytes`).toThrow(FileError)
    expect(() => readIdx(Uint8Array.from([...good, 0]))).toThrow(/takes 6 bytes, but 7/)
    fc.assert(
      fc.property(fc.nat(11), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const bytes = good.slice()
        bytes[at]! ^= flip
        try {
          const { shape, data } = readIdx(bytes)
          expect(shape.reduce((a, b) => a * b, 1)).toBe(data.length)
        } catch (error) {
          expect(error).toBeInstanceOf(FileError)
        }
      }),
    )
  })
})

describe('files that are whole or not there', () => {
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'gradus-'))
  })
  afterAll(() => rm(folder, { recursive: true, force: true }))

  test('a reader meanwhile sees one whole version, and nothing temporary stays', async () => {
    const path = join(folder, 'file.txt')
    const versions = Array.from({ length: 20 }, (_, i) => `${i}:`.padEnd(200_000, String(i % 10)))
    await writeFileAtomic(path, versions[0]!)
    let writing = true
    const reading = (async () => {
      let reads = 0
      for (; writing; reads++) expect(versions).toContain(await readFile(path, 'utf8'))
      return reads
    })()
    for (const version of versions) await writeFileAtomic(path, version)
    writing = false
    expect(await reading).toBeGreaterThan(5)
    expect(await readFile(path, 'utf8')).toBe(versions.at(-1))
    expect(await readdir(folder)).toEqual(['file.txt'])
  })

  test('a write that fails says why, keeps what was there and leaves nothing behind', async () => {
    await expect(writeFileAtomic(join(folder, 'no', 'file.txt'), 'x')).rejects.toThrow(/the folder does not exist/)
    await expect(writeFileAtomic(join(folder, 'file.txt', 'x'), 'x')).rejects.toThrow(FileError)
    const taken = join(folder, 'taken')
    await mkdir(taken)
    await writeFile(join(taken, 'inside'), 'kept')
    await expect(writeFileAtomic(taken, 'x')).rejects.toThrow(FileError)
    expect(await readdir(folder)).toEqual(['file.txt', 'taken'])
    expect(await readFile(join(taken, 'inside'), 'utf8')).toBe('kept')
  })

  test('run folders count upwards, also from several callers at once', async () => {
    const base = join(folder, 'runs', 'deep')
    expect(await createRunFolder(base, 'iris')).toBe(join(base, 'iris-001'))
    await mkdir(join(base, 'iris-007'))
    await mkdir(join(base, 'iris-small-050'))
    const made = await Promise.all(Array.from({ length: 10 }, () => createRunFolder(base, 'iris')))
    expect(made.map((path) => path.slice(-8)).sort()).toEqual(
      Array.from({ length: 10 }, (_, i) => `iris-${String(8 + i).padStart(3, '0')}`),
    )
    expect(await createRunFolder(base, '../a b/c.csv')).toBe(join(base, 'a-b-c.csv-001'))
    expect(await createRunFolder(base, '///')).toBe(join(base, 'run-001'))
  })

  test('an output folder is never one that holds something', async () => {
    const path = join(folder, 'output')
    expect(await createOutputFolder(path)).toBe(path)
    expect(await createOutputFolder(path)).toBe(path)
    await writeFile(join(path, 'x'), '')
    await expect(createOutputFolder(path)).rejects.toThrow(/not empty/)
  })
})

/**
 * @file Image files as data: decoded as Pillow decodes them, resized as Pillow resizes; damaged, cut and lying files; folders by class.
 * Numbers: scripts/fixtures/images.py.
 */
import { readFileSync } from 'node:fs'
import { crc32, deflateSync } from 'node:zlib'
import fc from 'fast-check'
import { FileError, pngBytes } from 'gradus'
import { expect, test } from 'vitest'
import { decodeImage, decodePixels } from '../../src/data/image-decode.js'
import { resized } from '../../src/data/image-resize.js'

interface Case {
  readonly name: string
  readonly file: string
  readonly width: number
  readonly height: number
  readonly channels: number
  readonly pixels: string
  readonly tolerance: number
}
const fixture = JSON.parse(readFileSync(new URL('../fixtures/images.json', import.meta.url), 'utf8')) as {
  readonly png: readonly Case[]
  readonly jpeg: readonly Case[]
  readonly cmyk: string
  readonly gif: string
  readonly resize: {
    readonly image: string
    readonly grey: string
    readonly cases: readonly { fit: 'crop' | 'stretch'; width: number; height: number; pixels: string }[]
  }
}
const bytesOf = (text: string) => new Uint8Array(Buffer.from(text, 'base64'))
const largest = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Array.from(a).reduce((most, x, i) => Math.max(most, Math.abs(x - b[i]!)), a.length === b.length ? 0 : Infinity)

test('files are decoded as Pillow decodes them', async () => {
  for (const one of [...fixture.png, ...fixture.jpeg]) {
    const { width, height, channels, data } = await decodePixels(bytesOf(one.file), one.name)
    // JPEG always comes with an opacity.
    const plain = one.tolerance > 0 ? Array.from(data).filter((_, i) => i % 4 < 3) : data
    expect([one.name, width, height, one.tolerance > 0 ? 3 : channels]).toEqual([
      one.name,
      one.width,
      one.height,
      one.channels,
    ])
    const off = largest(plain, bytesOf(one.pixels))
    expect(off, one.name).toBeLessThanOrEqual(one.tolerance)
  }
})

test('images are resized as Pillow resizes them, and grey is its grey', async () => {
  const image = bytesOf(fixture.resize.image)
  const same = await decodeImage(image, { size: [17, 23], channels: 1 })
  expect(largest(same, bytesOf(fixture.resize.grey))).toBe(0)
  const pixels = await decodePixels(image)
  for (const { fit, width, height, pixels: expected } of fixture.resize.cases) {
    const planes = resized(pixels, { size: [height, width], channels: 3, fit })
    const wanted = bytesOf(expected)
    let off = 0
    for (let i = 0; i < width * height; i++)
      for (let c = 0; c < 3; c++) off = Math.max(off, Math.abs(planes[c * width * height + i]! - wanted[3 * i + c]!))
    // Pillow rounds between its two passes, and its weights to 22 bits.
    expect(off, `${fit} ${width}×${height}`).toBeLessThanOrEqual(1)
  }
})

test('padding keeps the whole image in the middle, on the background', async () => {
  const pixels = { width: 4, height: 2, channels: 1, data: new Uint8Array(8).fill(100) } as const
  expect([...resized(pixels, { size: [4, 4], channels: 1, fit: 'pad', background: 7 })]).toEqual([
    ...[7, 7, 7, 7],
    ...[100, 100, 100, 100],
    ...[100, 100, 100, 100],
    ...[7, 7, 7, 7],
  ])
})

test('what is not opaque shows the background', async () => {
  const file = await pngBytes(Uint8Array.of(200, 255, 200, 0, 200, 51), { width: 3, height: 1, channels: 2 })
  const form = { size: [1, 3], channels: 1 } as const
  expect([...(await decodeImage(file, form))]).toEqual([200, 255, 244])
  expect([...(await decodeImage(file, { ...form, background: 0 }))]).toEqual([200, 0, 40])
  expect([...(await decodeImage(file, { ...form, channels: 3, background: 0 }))]).toEqual([
    200, 0, 40, 200, 0, 40, 200, 0, 40,
  ])
})

/** A PNG of any kind, also such as no writer makes; each row has another filter. */
function pngOf(options: {
  width: number
  height: number
  depth: number
  type: number
  interlaced: boolean
  sample: (x: number, y: number, c: number) => number
  palette?: number
}): Uint8Array {
  const { width, height, depth, type, interlaced, sample, palette } = options
  const samples = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 }[type]!
  const starts = interlaced
    ? [
        [0, 0, 8, 8],
        [4, 0, 8, 8],
        [0, 4, 4, 8],
        [2, 0, 4, 4],
        [0, 2, 2, 4],
        [1, 0, 2, 2],
        [0, 1, 1, 2],
      ]
    : [[0, 0, 1, 1]]
  const raw: number[] = []
  const pixel = Math.max(1, (samples * depth) >> 3)
  for (const [x0, y0, dx, dy] of starts as [number, number, number, number][]) {
    let before: number[] | undefined
    for (let y = y0; y < height && x0 < width; y += dy) {
      let bits = ''
      for (let x = x0; x < width; x += dx)
        for (let c = 0; c < samples; c++) bits += sample(x, y, c).toString(2).padStart(depth, '0')
      const row: number[] = []
      for (let i = 0; i < bits.length; i += 8) row.push(Number.parseInt(bits.slice(i, i + 8).padEnd(8, '0'), 2))
      raw.push(y % 5, ...filteredRow(y % 5, row, before, pixel))
      before = row
    }
  }
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width)
  header.writeUInt32BE(height, 4)
  header.set([depth, type, 0, 0, interlaced ? 1 : 0], 8)
  return png(
    ['IHDR', header],
    ['PLTE', Uint8Array.from({ length: palette ?? 0 }, (_, i) => (i * 37) % 256)],
    ['IDAT', deflateSync(Uint8Array.from(raw))],
    ['IEND', new Uint8Array(0)],
  )
}

/** The bytes less what the filter foretells of them (PNG Specification, 9.2). */
function filteredRow(
  filter: number,
  row: readonly number[],
  before: readonly number[] | undefined,
  pixel: number,
): number[] {
  return row.map((byte, i) => {
    const [a, b, c] = [row[i - pixel] ?? 0, before?.[i] ?? 0, (i >= pixel ? before?.[i - pixel] : 0) ?? 0]
    const p = a + b - c
    const nearest = [a, b, c].reduce((best, one) => (Math.abs(p - one) < Math.abs(p - best) ? one : best))
    return (byte - [0, a, b, (a + b) >> 1, nearest][filter]!) & 255
  })
}

function png(...chunks: [type: string, content: Uint8Array][]): Uint8Array {
  const parts = chunks
    .filter(([type, content]) => type !== 'PLTE' || content.length > 0)
    .map(([type, content]) => {
      const body = Buffer.concat([Buffer.from(type), content])
      const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)]
      length.writeUInt32BE(content.length)
      sum.writeUInt32BE(crc32(body))
      return Buffer.concat([length, body, sum])
    })
  return new Uint8Array(Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), ...parts]))
}

test('every colour type, depth and order of rows gives the same pixels', async () => {
  const kinds = [
    [0, 1],
    [0, 2],
    [0, 4],
    [0, 8],
    [0, 16],
    [2, 8],
    [2, 16],
    [3, 1],
    [3, 2],
    [3, 4],
    [3, 8],
    [4, 8],
    [4, 16],
    [6, 8],
    [6, 16],
  ]
  for (const [type, depth] of kinds as [number, number][])
    for (const [width, height] of [
      [1, 1],
      [5, 3],
      [13, 9],
    ] as const) {
      const most = 2 ** depth - 1
      const sample = (x: number, y: number, c: number) =>
        type === 3 ? (x + y) % Math.min(most + 1, 7) : (x * 7919 + y * 104729 + c * 31) & most
      const palette = type === 3 ? 3 * Math.min(most + 1, 7) : 0
      const both = await Promise.all(
        [false, true].map((interlaced) =>
          decodePixels(pngOf({ width, height, depth, type, interlaced, sample, palette })),
        ),
      )
      const expected: number[] = []
      for (let y = 0; y < height; y++)
        for (let x = 0; x < width; x++)
          if (type === 3) for (let c = 0; c < 3; c++) expected.push(((3 * sample(x, y, 0) + c) * 37) % 256)
          else
            for (let c = 0; c < { 0: 1, 2: 3, 4: 2, 6: 4 }[type]!; c++)
              expected.push(Math.round((sample(x, y, c) * 255) / most))
      for (const { data } of both) expect([...data], `type ${type}, depth ${depth}`).toEqual(expected)
    }
})

const form = { size: [8, 8], channels: 3 } as const
const refused = async (bytes: Uint8Array, maxPixels?: number) => {
  const error = await decodeImage(bytes, { ...form, maxPixels }, 'cat.png').then(
    () => undefined,
    (fault: unknown) => fault,
  )
  expect(error).toBeInstanceOf(FileError)
  return (error as FileError).message
}

test('a file that cannot be read is named, with what is wrong and a cure', async () => {
  const sample = () => 5
  const file = pngOf({ width: 20, height: 20, depth: 8, type: 2, interlaced: false, sample })
  expect(await refused(new Uint8Array(0))).toContain('cat.png: the file is empty')
  expect(await refused(new TextEncoder().encode('<!doctype html>'))).toContain('HTML')
  expect(await refused(bytesOf(fixture.gif))).toContain('GIF, neither PNG nor JPEG. Convert it to PNG')
  expect(await refused(bytesOf(fixture.cmyk))).toContain('CMYK')
  expect(await refused(file, 399)).toContain('20 × 20 pixels large, more than the limit of 399')
  // Pixels of 65,000 × 65,000 are never asked for.
  const header = Buffer.alloc(13)
  header.writeUInt32BE(65_000)
  header.writeUInt32BE(65_000, 4)
  header.set([8, 0, 0, 0, 0], 8)
  expect(await refused(png(['IHDR', header], ['IEND', new Uint8Array(0)]))).toContain('limit')
  // A small header before 64 MB of zeros: unpacked no further than the header says.
  header.writeUInt32BE(4)
  header.writeUInt32BE(4, 4)
  const bomb = png(['IHDR', header], ['IDAT', deflateSync(new Uint8Array(2 ** 26))], ['IEND', new Uint8Array(0)])
  const before = process.memoryUsage().rss
  expect(await refused(bomb)).toContain('more pixels than its header says')
  expect(process.memoryUsage().rss - before).toBeLessThan(2 ** 25)
  const empty = png(['IHDR', header], ['IDAT', deflateSync(new Uint8Array(3))], ['IEND', new Uint8Array(0)])
  expect(await refused(empty)).toContain('fewer pixels')
  const palette = pngOf({ width: 4, height: 4, depth: 8, type: 3, interlaced: false, sample, palette: 9 })
  expect(await refused(palette)).toContain('colour 5 of a palette')
})

test('a file cut anywhere, or with any bit turned, is refused or gives pixels of the right size', async () => {
  const files = [...fixture.png.filter(({ name }) => name !== 'grey'), ...fixture.jpeg].map(({ file }) => bytesOf(file))
  const broken = fc.record({
    file: fc.constantFrom(...files),
    at: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
    bit: fc.option(fc.nat(7)),
  })
  await fc.assert(
    fc.asyncProperty(broken, async ({ file, at, bit }) => {
      const place = Math.floor(at * file.length)
      const damaged = bit === null ? file.slice(0, place) : file.slice()
      if (bit !== null) damaged[place]! ^= 1 << bit
      try {
        // A JPEG has no checksums: a bit turned in its pixels is a picture as well.
        expect((await decodeImage(damaged, form, 'cat.png')).length).toBe(192)
        expect(bit).not.toBe(null)
        if (file[0] === 0x89) throw new Error('a PNG with a bit turned was read')
      } catch (error) {
        if (!(error instanceof FileError)) throw error
        expect(error.message).toMatch(/^cat\.png: .+\. .+/)
      }
    }),
    { numRuns: 400, seed: 1 },
  )
})

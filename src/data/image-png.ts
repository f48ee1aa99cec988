/**
 * @file Decoding PNG files: all colour types, depths and both orders of rows, over Node's zlib. In: the bytes of a file. Out: pixels, a
 * byte a channel. Every checksum is compared, and pixels are unpacked to exactly the size that the header gives, so that no
 * file of some kilobytes becomes gigabytes.
 *
 *   row = filter:u8 samples{width}          filters 0 none, 1 left, 2 up, 3 mean of both, 4 Paeth's choice among three
 *
 * const { data, channels } = await decodePng(bytes, imageHeader(bytes, 'a.png'), 'a.png')
 *
 * Source: PNG Specification, third edition (W3C 2025). Animation, colour profiles and gamma are not looked at.
 */
import { damaged, type ImageHeader } from './image-header.js'

/** Pixels, row by row, channels side by side. */
export interface Pixels {
  readonly width: number
  readonly height: number
  /** 1 grey, 2 grey and opacity, 3 RGB, 4 RGB and opacity. */
  readonly channels: 1 | 2 | 3 | 4
  readonly data: Uint8Array | Uint8ClampedArray
}

/** How pixels lie in the file. */
interface Layout {
  readonly width: number
  readonly height: number
  /** Bits a sample. */
  readonly depth: number
  readonly palette: boolean
  /** Samples a pixel. */
  readonly samples: number
  readonly interlaced: boolean
}

/** Throws FileError for what is damaged, naming the part. `header` is what `imageHeader` found. */
export async function decodePng(bytes: Uint8Array, header: ImageHeader, source: string): Promise<Pixels> {
  const zlib = await import('node:zlib')
  const chunks = readChunks(bytes, source, zlib.crc32)
  const layout = layoutOf(bytes, header, source)
  const packed = chunks.filter(({ type }) => type === 'IDAT').map(({ content }) => content)
  const passes = layout.interlaced ? interlacedPasses(layout) : [{ x: 0, y: 0, dx: 1, dy: 1, ...sizeOf(layout) }]
  const size = passes.reduce((sum, { width, height }) => sum + height * (1 + rowBytes(width, layout)), 0)
  let raw: Uint8Array
  try {
    raw = zlib.inflateSync(packed.length === 1 ? packed[0]! : Buffer.concat(packed), { maxOutputLength: size })
  } catch (cause) {
    const tooLong = (cause as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE'
    const fault = tooLong ? 'it has more pixels than its header says' : 'its pixels cannot be unpacked'
    throw damaged(source, fault, cause)
  }
  if (raw.length < size) throw damaged(source, 'it has fewer pixels than its header says')
  const colours = coloursOf(chunks, layout, source)
  const out = new Uint8Array(layout.width * layout.height * colours.channels)
  let at = 0
  for (const pass of passes) {
    const length = rowBytes(pass.width, layout)
    for (let y = 0; y < pass.height; y++, at += 1 + length) {
      if (!unfilter(raw, at, length, y === 0, Math.max(1, (layout.samples * layout.depth) >> 3)))
        throw damaged(source, `there is no filter ${raw[at]}`)
      const first = ((pass.y + y * pass.dy) * layout.width + pass.x) * colours.channels
      const faulty = colours.write(raw, at + 1, pass.width, out, first, pass.dx * colours.channels)
      if (faulty !== undefined) throw damaged(source, `a pixel has colour ${faulty} of a palette without it`)
    }
  }
  return { width: layout.width, height: layout.height, channels: colours.channels, data: out }
}

const sizeOf = ({ width, height }: Layout) => ({ width, height })

interface Chunk {
  readonly type: string
  readonly content: Uint8Array
}

/** Parts that pixels are made of. */
const used = new Set(['IHDR', 'PLTE', 'tRNS', 'IDAT', 'IEND'])
/** Parts that a reader must know begin with a capital. */
const isCritical = (type: string): boolean => (type.charCodeAt(0) & 0x20) === 0

/** The parts that pixels depend on. All must have the right checksum: a name with a bit turned may be one that is not used. */
function readChunks(bytes: Uint8Array, source: string, crc32: (bytes: Uint8Array) => number): Chunk[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const chunks: Chunk[] = []
  for (let at = 8; ; ) {
    if (at + 12 > bytes.length) throw damaged(source, `it ends after ${bytes.length} bytes, before its last part`)
    const length = view.getUint32(at)
    const type = String.fromCharCode(...bytes.subarray(at + 4, at + 8))
    const end = at + 8 + length
    if (end + 4 > bytes.length)
      throw damaged(
        source,
        `it ends after ${bytes.length} bytes, within its part ${JSON.stringify(type)} at byte ${at}`,
      )
    if (crc32(bytes.subarray(at + 4, end)) !== view.getUint32(end))
      throw damaged(source, `the checksum of its part ${JSON.stringify(type)} at byte ${at} is wrong`)
    if (used.has(type)) chunks.push({ type, content: bytes.subarray(at + 8, end) })
    else if (isCritical(type)) throw damaged(source, `it has an unknown part ${JSON.stringify(type)} at byte ${at}`)
    if (type === 'IEND') return chunks
    at = end + 4
  }
}

/** Depths that each colour type may have. */
const depths: { readonly [type: number]: readonly number[] } = {
  0: [1, 2, 4, 8, 16],
  2: [8, 16],
  3: [1, 2, 4, 8],
  4: [8, 16],
  6: [8, 16],
}

function layoutOf(bytes: Uint8Array, { width, height }: ImageHeader, source: string): Layout {
  const [depth, type, compression, filters, interlace] = bytes.subarray(24, 29) as unknown as [
    number,
    number,
    number,
    number,
    number,
  ]
  if (!depths[type]!.includes(depth)) throw damaged(source, `colour type ${type} has no ${depth} bits`)
  if (compression !== 0 || filters !== 0 || interlace > 1)
    throw damaged(source, `there is no compression ${compression}, set of filters ${filters} or order ${interlace}`)
  const samples = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 }[type]!
  return { width, height, depth, palette: type === 3, samples, interlaced: interlace === 1 }
}

const rowBytes = (width: number, { samples, depth }: Layout): number => Math.ceil((width * samples * depth) / 8)

/** Pixels (x + i·dx, y + j·dy) of an image, i < width, j < height. */
interface Pass {
  readonly x: number
  readonly y: number
  readonly dx: number
  readonly dy: number
  readonly width: number
  readonly height: number
}

/** The seven passes of Adam7 that have pixels. */
function interlacedPasses(layout: Layout): Pass[] {
  const starts = [
    [0, 0, 8, 8],
    [4, 0, 8, 8],
    [0, 4, 4, 8],
    [2, 0, 4, 4],
    [0, 2, 2, 4],
    [1, 0, 2, 2],
    [0, 1, 1, 2],
  ] as const
  return starts
    .map(([x, y, dx, dy]) => {
      const count = (extent: number, from: number, step: number) => Math.max(0, Math.ceil((extent - from) / step))
      return { x, y, dx, dy, width: count(layout.width, x, dx), height: count(layout.height, y, dy) }
    })
    .filter(({ width, height }) => width > 0 && height > 0)
}

/** Undoes the filter of the row at `at`, in place; the row before stands before it. False for a filter that does not exist. */
function unfilter(raw: Uint8Array, at: number, length: number, first: boolean, pixel: number): boolean {
  const filter = raw[at]!
  const start = at + 1
  const end = start + length
  const up = length + 1
  if (filter === 0) return true
  if (filter === 1) for (let i = start + pixel; i < end; i++) raw[i] = raw[i]! + raw[i - pixel]!
  else if (filter === 2) {
    if (!first) for (let i = start; i < end; i++) raw[i] = raw[i]! + raw[i - up]!
  } else if (filter === 3)
    for (let i = start; i < end; i++) {
      const left = i < start + pixel ? 0 : raw[i - pixel]!
      raw[i] = raw[i]! + ((left + (first ? 0 : raw[i - up]!)) >> 1)
    }
  else if (filter === 4)
    for (let i = start; i < end; i++) {
      const edge = i < start + pixel
      const left = edge ? 0 : raw[i - pixel]!
      const above = first ? 0 : raw[i - up]!
      const corner = edge || first ? 0 : raw[i - up - pixel]!
      const [a, b, c] = [Math.abs(above - corner), Math.abs(left - corner), Math.abs(left + above - 2 * corner)]
      raw[i] = raw[i]! + (a <= b && a <= c ? left : b <= c ? above : corner)
    }
  else return false
  return true
}

/** What rows of samples become. */
interface Colours {
  readonly channels: Pixels['channels']
  /** Writes `count` pixels from byte `at` on; the first to out[to], each `step` further. The number of a colour that does not exist. */
  write(raw: Uint8Array, at: number, count: number, out: Uint8Array, to: number, step: number): number | undefined
}

function coloursOf(chunks: readonly Chunk[], layout: Layout, source: string): Colours {
  const content = (type: string) => chunks.find((chunk) => chunk.type === type)?.content
  const { depth, samples } = layout
  const transparent = content('tRNS')
  if (layout.palette) {
    const palette = content('PLTE')
    if (!palette || palette.length % 3 !== 0 || palette.length === 0) throw damaged(source, 'it has no palette')
    return paletteColours(palette, transparent, depth)
  }
  // Values of 16 bits keep their leading byte's nearest: v / 257; fewer bits are spread over 0..255.
  const most = 2 ** depth - 1
  const byte = (value: number) => Math.round((value * 255) / most)
  const table = depth < 8 ? Uint8Array.from({ length: most + 1 }, (_, value) => byte(value)) : undefined
  const marked = samples % 2 === 1 && transparent && transparent.length >= 2 * samples ? transparent : undefined
  const sample = reader(depth)
  const channels = (marked ? samples + 1 : samples) as Pixels['channels']
  return {
    channels,
    write(raw, at, count, out, to, step) {
      if (depth === 8 && !marked) {
        for (let i = 0, from = at; i < count; i++, to += step)
          for (let c = 0; c < samples; c++) out[to + c] = raw[from++]!
        return undefined
      }
      for (let i = 0; i < count; i++, to += step) {
        let same = true
        for (let c = 0; c < samples; c++) {
          const value = sample(raw, at, i * samples + c)
          out[to + c] = depth === 8 ? value : (table?.[value] ?? byte(value))
          if (marked && value !== ((marked[2 * c]! << 8) | marked[2 * c + 1]!)) same = false
        }
        if (marked) out[to + samples] = same ? 0 : 255
      }
      return undefined
    },
  }
}

function paletteColours(palette: Uint8Array, opacity: Uint8Array | undefined, depth: number): Colours {
  const size = palette.length / 3
  const sample = reader(depth)
  return {
    channels: opacity ? 4 : 3,
    write(raw, at, count, out, to, step) {
      for (let i = 0; i < count; i++, to += step) {
        const colour = sample(raw, at, i)
        if (colour >= size) return colour
        out[to] = palette[3 * colour]!
        out[to + 1] = palette[3 * colour + 1]!
        out[to + 2] = palette[3 * colour + 2]!
        if (opacity) out[to + 3] = opacity[colour] ?? 255
      }
      return undefined
    },
  }
}

/** Sample i of the row at byte `at`. */
function reader(depth: number): (raw: Uint8Array, at: number, i: number) => number {
  if (depth === 8) return (raw, at, i) => raw[at + i]!
  if (depth === 16) return (raw, at, i) => (raw[at + 2 * i]! << 8) | raw[at + 2 * i + 1]!
  const mask = 2 ** depth - 1
  return (raw, at, i) => (raw[at + ((i * depth) >> 3)]! >> (8 - depth - ((i * depth) & 7))) & mask
}

/**
 * @file Writing pictures: pixels as a PNG file. In: bytes, width, height, channels. Out: the bytes of a PNG, or a file, whole
 * or not there. Reading pictures, with all that files of others may hold, is data/image-decode.ts.
 *
 * await writePng('digit.png', test.input.data.subarray(0, 784), { width: 28, height: 28 })
 *
 * Source: PNG Specification, third edition (W3C 2025): signature, IHDR, IDAT (deflated rows), IEND; each with a CRC-32.
 */
import { describeValue } from '../base/describe.js'
import { ArgumentError, ShapeError, ValueError } from '../base/errors.js'
import { checkNames } from '../base/options.js'
import { makeFolder, writeFile } from './files.js'

/** How pixels lie in their array. */
export interface PngOptions {
  readonly width: number
  readonly height: number
  /** 1 grey (the default), 2 grey and opacity, 3 RGB, 4 RGB and opacity. */
  readonly channels?: 1 | 2 | 3 | 4
  /**
   * 'interleaved' [height, width, channels], as canvases have pixels, is the default; 'planar' is [channels, height, width], as
   * networks take images.
   */
  readonly layout?: 'interleaved' | 'planar'
}

/** PNG's numbers for 1 to 4 channels of a byte each. */
const colourTypes = [0, 4, 2, 6] as const
/** A row of the file has its length in 31 bits. */
const longest = 2 ** 31 - 1

/**
 * Writes pixels (bytes, 0 is black) as a PNG file; what was there is the old file or the new one at any moment. Makes
 * the folder if need be.
 * Throws where the number of pixels is not width · height · channels, for what is not bytes, and where the file cannot be written.
 */
export async function writePng(
  path: string,
  pixels: Uint8Array | Uint8ClampedArray,
  options: PngOptions,
): Promise<void> {
  const bytes = await pngBytes(pixels, options)
  const folder = /^(.+)[\\/][^\\/]*$/.exec(String(path))?.[1]
  if (folder) await makeFolder(folder)
  await writeFile(path, bytes)
}

/** The bytes of a PNG file with these pixels. */
export async function pngBytes(
  pixels: Uint8Array | Uint8ClampedArray,
  options: PngOptions,
): Promise<Uint8Array<ArrayBuffer>> {
  checkNames('writePng', options, ['width', 'height', 'channels', 'layout'])
  const { width, height, channels = 1, layout = 'interleaved' } = options
  if (!(pixels instanceof Uint8Array) && !(pixels instanceof Uint8ClampedArray))
    throw new ArgumentError('writePng', `the pixels are ${describeValue(pixels)}, not bytes`, {
      hint: 'Give a Uint8Array of values from 0, black, to 255.',
    })
  for (const [name, value] of Object.entries({ width, height }))
    if (!Number.isInteger(value) || value < 1 || value > longest)
      throw new ValueError('writePng', `the ${name} must be a whole number above 0, not ${String(value)}`)
  if (!colourTypes[channels - 1] && channels !== 1)
    throw new ValueError('writePng', `channels must be 1, 2, 3 or 4, not ${String(channels)}`)
  if (layout !== 'interleaved' && layout !== 'planar')
    throw new ValueError('writePng', `the layout is 'interleaved' or 'planar', not ${describeValue(layout)}`)
  if (pixels.length !== width * height * channels)
    throw new ShapeError(
      'writePng',
      `${width} × ${height} pixels of ${channels} channels are ${width * height * channels} bytes, but there are ${pixels.length}`,
    )
  const { deflate, crc32 } = await import('node:zlib')
  const { promisify } = await import('node:util')
  const rows = filtered(layout === 'planar' ? interleaved(pixels, channels) : pixels, width * channels, height)
  const header = new Uint8Array(13)
  const view = new DataView(header.buffer)
  view.setUint32(0, width)
  view.setUint32(4, height)
  header[8] = 8
  header[9] = colourTypes[channels - 1]!
  const chunk = (type: string, content: Uint8Array): Uint8Array => {
    const bytes = new Uint8Array(12 + content.length)
    const words = new DataView(bytes.buffer)
    words.setUint32(0, content.length)
    for (let i = 0; i < 4; i++) bytes[4 + i] = type.charCodeAt(i)
    bytes.set(content, 8)
    words.setUint32(8 + content.length, crc32(bytes.subarray(4, 8 + content.length)))
    return bytes
  }
  const parts = [
    Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a),
    chunk('IHDR', header),
    chunk('IDAT', await promisify(deflate)(rows)),
    chunk('IEND', new Uint8Array(0)),
  ]
  const out = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}

/** [channels, height, width] as [height, width, channels]. */
function interleaved(planes: ArrayLike<number>, channels: number): Uint8Array {
  const out = new Uint8Array(planes.length)
  const area = planes.length / channels
  for (let c = 0; c < channels; c++) for (let i = 0; i < area; i++) out[i * channels + c] = planes[c * area + i]!
  return out
}

/** Each row behind its filter's number: 0, as it is, the first; 2, less the row above, the others, which deflate better so. */
function filtered(pixels: ArrayLike<number>, width: number, height: number): Uint8Array {
  const out = new Uint8Array((width + 1) * height)
  for (let y = 0, at = 0; y < height; y++) {
    out[at++] = y === 0 ? 0 : 2
    const start = y * width
    if (y === 0) for (let x = 0; x < width; x++) out[at++] = pixels[x]!
    else for (let x = 0; x < width; x++) out[at++] = pixels[start + x]! - pixels[start + x - width]!
  }
  return out
}

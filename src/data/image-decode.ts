/**
 * @file An image file as the numbers of a sample: decoded, in grey or colours, brought to a size. In: bytes, a form. Out: bytes of
 * [channels, height, width], as networks take images. The same file gives the same bytes on every machine.
 *
 * const pixels = await decodeImage(await readFile('cat.jpg'), { size: [64, 64], channels: 3 }, 'cat.jpg')     // 12,288 bytes
 */
import { FileError, ValueError } from '../base/errors.js'
import { imageHeader } from './image-header.js'
import { decodeJpeg } from './image-jpeg.js'
import { decodePng, type Pixels } from './image-png.js'
import { type ImageForm, resized } from './image-resize.js'

export type { ImageFit, ImageForm } from './image-resize.js'

export const imageFits = ['crop', 'pad', 'stretch'] as const

/**
 * The pixels of a PNG or JPEG file in the form of a sample, [channels, height, width].
 * Grey is L = 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601), as Pillow has it. Sizes: see `resized`.
 * Throws FileError naming `source` for a file that is neither, damaged, or too large.
 */
export async function decodeImage(
  bytes: Uint8Array,
  form: ImageForm,
  source = 'image',
): Promise<Uint8Array<ArrayBuffer>> {
  const pixels = await decodePixels(bytes, source, form.maxPixels)
  return resized(withChannels(pixels, form.channels, form.background ?? 255), form)
}

/** The pixels of a PNG or JPEG file as they are. */
export async function decodePixels(bytes: Uint8Array, source = 'image', maxPixels?: number): Promise<Pixels> {
  const header = imageHeader(bytes, source, maxPixels)
  return header.format === 'png' ? decodePng(bytes, header, source) : decodeJpeg(bytes, header, source)
}

/** Reads and decodes a file. Throws FileError naming it. */
export async function decodeFile(path: string, form: ImageForm): Promise<Uint8Array<ArrayBuffer>> {
  const { readFile } = await import('node:fs/promises')
  let bytes: Uint8Array
  try {
    bytes = await readFile(path)
  } catch (cause) {
    throw new FileError(path, `the image cannot be read (${(cause as Error).message})`, {
      cause,
      hint: "See that the file is there and may be read, or leave such files out (onError: 'skip', --skip-damaged).",
    })
  }
  return decodeImage(bytes, form, path)
}

/** Throws for a form that is none. */
export function checkForm(operation: string, form: ImageForm): void {
  const { size, channels, fit = 'crop', background = 255, maxPixels = 1 } = form
  const fail = (fault: string, hint: string): never => {
    throw new ValueError(operation, fault, { hint })
  }
  if (size.length !== 2 || size.some((n) => !Number.isInteger(n) || n < 1 || n > 8192))
    fail(`the size is ${size.join(' × ')}`, 'Give height and width from 1 to 8192 pixels: size: 64, or size: [48, 64].')
  if (channels !== 1 && channels !== 3) fail(`channels is ${String(channels)}`, 'It is 1, grey, or 3, colours.')
  if (!imageFits.includes(fit)) fail(`fit is ${JSON.stringify(fit)}`, "It is 'crop', 'pad' or 'stretch'.")
  if (!(background >= 0 && background <= 255))
    fail(`background is ${background}`, 'It is from 0, black, to 255, white.')
  if (!Number.isInteger(maxPixels) || maxPixels < 1) fail(`maxPixels is ${maxPixels}`, 'It is a whole number above 0.')
}

/** Grey or RGB, [height, width, channels]; where a pixel is not opaque the background is seen through it. */
function withChannels({ width, height, channels, data }: Pixels, wanted: 1 | 3, background: number): Pixels {
  if (channels === wanted) return { width, height, channels, data }
  const area = width * height
  const out = new Uint8Array(area * wanted)
  const colours = channels >= 3
  const seesThrough = channels === 2 || channels === 4
  for (let i = 0; i < area; i++) {
    const at = i * channels
    let r = data[at]!
    let g = colours ? data[at + 1]! : r
    let b = colours ? data[at + 2]! : r
    if (seesThrough) {
      const opacity = data[at + channels - 1]!
      if (opacity < 255) {
        r = Math.round((r * opacity + background * (255 - opacity)) / 255)
        g = Math.round((g * opacity + background * (255 - opacity)) / 255)
        b = Math.round((b * opacity + background * (255 - opacity)) / 255)
      }
    }
    // Pillow's fixed-point weights.
    if (wanted === 1) out[i] = colours ? (19595 * r + 38470 * g + 7471 * b + 0x8000) >> 16 : r
    else {
      out[3 * i] = r
      out[3 * i + 1] = g
      out[3 * i + 2] = b
    }
  }
  return { width, height, channels: wanted, data: out }
}

/**
 * @file What the first bytes of an image file say: its format, width, height and channels, before a pixel is decoded. In: bytes.
 * Out: a header; FileError for what is neither PNG nor JPEG, cut short, or larger than allowed.
 *
 * imageHeader(await readFile('cat.jpg'), 'cat.jpg')             // { format: 'jpeg', width: 500, height: 375, channels: 3 }
 *
 * Sources: PNG Specification, third edition (W3C 2025), 5.2 and 11.2; ITU-T T.81 (JPEG), annex B.
 */
import { FileError } from '../base/errors.js'

/** What is known of an image before it is decoded. */
export interface ImageHeader {
  readonly format: 'png' | 'jpeg'
  readonly width: number
  readonly height: number
  /** 1 grey, 2 grey and opacity, 3 colours (a palette's too), 4 colours and opacity, or the four inks of a printer (JPEG). */
  readonly channels: 1 | 2 | 3 | 4
}

/** 64 million pixels: 8000 × 8000. */
export const mostPixels = 64 * 2 ** 20

/** Endings of files that are taken for images. */
export const imageEndings = ['.png', '.jpg', '.jpeg'] as const

/** Throws unless the bytes begin as a PNG or JPEG of at most `maxPixels` pixels; `source` is for messages. */
export function imageHeader(bytes: Uint8Array, source: string, maxPixels = mostPixels): ImageHeader {
  const header = isPng(bytes) ? pngHeader(bytes, source) : isJpeg(bytes) ? jpegHeader(bytes, source) : undefined
  if (!header) throw new FileError(source, ...unknownFormat(bytes))
  const { width, height } = header
  if (width === 0 || height === 0) throw damaged(source, `it says that it is ${width} × ${height} pixels large`)
  if (width * height > maxPixels)
    throw new FileError(source, `the image is ${width} × ${height} pixels large, more than the limit of ${maxPixels}`, {
      hint: "Make it smaller, leave it out (onError: 'skip', --skip-damaged), or raise maxPixels if the file is meant to be so large.",
    })
  return header
}

const isPng = (bytes: Uint8Array): boolean => startsWith(bytes, [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])
const isJpeg = (bytes: Uint8Array): boolean => startsWith(bytes, [0xff, 0xd8, 0xff])

const startsWith = (bytes: Uint8Array, start: readonly number[]): boolean =>
  bytes.length >= start.length && start.every((byte, i) => bytes[i] === byte)

/** The error of a file that is no longer what was written. */
export const damaged = (source: string, fault: string, cause?: unknown): FileError =>
  new FileError(source, `the image is damaged: ${fault}`, {
    cause,
    hint: "Replace or remove the file, or leave such files out (onError: 'skip', --skip-damaged).",
  })

/** Formats that are often met under a wrong ending, by how they begin. */
const others: readonly (readonly [name: string, start: string])[] = [
  ['GIF', 'GIF8'],
  ['BMP', 'BM'],
  ['TIFF', 'II*\0'],
  ['TIFF', 'MM\0*'],
  ['WebP', 'RIFF'],
  ['SVG', '<svg'],
  ['HTML or XML', '<'],
  ['PDF', '%PDF'],
]

function unknownFormat(bytes: Uint8Array): [fault: string, details: { hint: string }] {
  if (bytes.length === 0)
    return ['the file is empty', { hint: "Remove it, or leave such files out (onError: 'skip', --skip-damaged)." }]
  const start = String.fromCharCode(...bytes.subarray(0, 4))
  const name = others.find(([, begin]) => start.startsWith(begin))?.[0]
  const hint = "Convert it to PNG, remove it, or leave such files out (onError: 'skip', --skip-damaged)."
  return [name ? `the file is ${name}, neither PNG nor JPEG` : 'the file is neither PNG nor JPEG', { hint }]
}

/** PNG's colour types: how many channels each has. */
const pngChannels: { readonly [type: number]: 1 | 2 | 3 | 4 } = { 0: 1, 2: 3, 3: 3, 4: 2, 6: 4 }

function pngHeader(bytes: Uint8Array, source: string): ImageHeader {
  if (bytes.length < 33) throw damaged(source, `it ends after ${bytes.length} bytes, within its header`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (view.getUint32(8) !== 13 || view.getUint32(12) !== 0x49484452)
    throw damaged(source, 'its header is not the first')
  const channels = pngChannels[bytes[25]!]
  if (!channels) throw damaged(source, `there is no colour type ${bytes[25]}`)
  return { format: 'png', width: view.getUint32(16), height: view.getUint32(20), channels }
}

/** Markers of frames, of all kinds of coding; C4, C8 and CC are others'. */
const isFrame = (marker: number): boolean =>
  marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc

function jpegHeader(bytes: Uint8Array, source: string): ImageHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  for (let at = 2; at + 4 <= bytes.length; ) {
    if (bytes[at] !== 0xff) throw damaged(source, `there is no marker at byte ${at}`)
    const marker = bytes[at + 1]!
    // A marker may be preceded by any number of these.
    if (marker === 0xff) at++
    else if (marker === 0x01 || (marker >= 0xd0 && marker <= 0xd7)) at += 2
    else if (marker === 0xda || marker === 0xd9) throw damaged(source, 'its pixels begin before its size is said')
    else if (isFrame(marker)) {
      if (at + 10 > bytes.length) break
      const channels = bytes[at + 9]!
      if (channels !== 1 && channels !== 3 && channels !== 4) throw damaged(source, `it has ${channels} channels`)
      return { format: 'jpeg', height: view.getUint16(at + 5), width: view.getUint16(at + 7), channels }
    } else {
      const length = view.getUint16(at + 2)
      if (length < 2) throw damaged(source, `a part of ${length} bytes at byte ${at}`)
      at += 2 + length
    }
  }
  throw damaged(source, `it ends after ${bytes.length} bytes, before its size is said`)
}

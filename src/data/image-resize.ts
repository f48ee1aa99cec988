/**
 * @file Images in another size. In: pixels [height, width, channels], the form of a sample. Out: bytes [channels, height, width].
 * Bilinear where an image becomes larger; where it becomes smaller, each pixel is a mean over all that it covers, so that
 * nothing is skipped.
 *
 * resized({ width: 500, height: 375, channels: 3, data }, { size: [64, 64], channels: 3 })
 */
import type { Pixels } from './image-png.js'

/** What becomes of images whose sides are as another to each other than those of the sample. */
export type ImageFit = 'crop' | 'pad' | 'stretch'

/** The form that all samples have. */
export interface ImageForm {
  /** Height and width in pixels. */
  readonly size: readonly [height: number, width: number]
  /** 1 grey, 3 RGB. */
  readonly channels: 1 | 3
  /**
   * 'crop' takes the largest part in the middle (the default), 'pad' puts `background` around the whole, 'stretch' changes how its
   * sides are to each other.
   */
  readonly fit?: ImageFit
  /** What is seen through pixels that are not opaque, and around an image that is padded: 0 black to 255 white, the default. */
  readonly background?: number
  /** Images that say they have more pixels are not decoded: 64 · 2²⁰ by default. */
  readonly maxPixels?: number
}

/** From where to where, in pixels of the image, and how many of them there shall be. */
interface Axis {
  readonly from: number
  readonly length: number
  readonly count: number
}

/**
 * Resamples as Pillow's BILINEAR and torchvision's antialias=True do: along each axis the pixel around x, in pixels of the
 * image, is Σᵢ wᵢ·pᵢ / Σᵢ wᵢ with wᵢ = max(0, 1 − |i + ½ − x| / s), s = max(1, old size / new size). Rounded once, to the nearest.
 */
export function resized(pixels: Pixels, form: ImageForm): Uint8Array<ArrayBuffer> {
  const [height, width] = form.size
  const { channels } = form
  const area = width * height
  const out = new Uint8Array(channels * area)
  const { fit = 'crop', background = 255 } = form
  if (fit !== 'pad') {
    const [y, x] = fit === 'stretch' ? whole(pixels, height, width) : middle(pixels, height, width)
    place(resample(pixels, y, x, channels), channels, height, width, out, height, width, 0, 0)
    return out
  }
  const scale = Math.min(height / pixels.height, width / pixels.width)
  const h = Math.min(height, Math.max(1, Math.round(pixels.height * scale)))
  const w = Math.min(width, Math.max(1, Math.round(pixels.width * scale)))
  out.fill(background)
  const [y, x] = whole(pixels, h, w)
  place(resample(pixels, y, x, channels), channels, h, w, out, height, width, (height - h) >> 1, (width - w) >> 1)
  return out
}

const whole = (pixels: Pixels, height: number, width: number): [Axis, Axis] => [
  { from: 0, length: pixels.height, count: height },
  { from: 0, length: pixels.width, count: width },
]

/** The largest part in the middle whose sides are to each other as height and width. */
function middle(pixels: Pixels, height: number, width: number): [Axis, Axis] {
  const scale = Math.min(pixels.height / height, pixels.width / width)
  const [h, w] = [height * scale, width * scale]
  return [
    { from: (pixels.height - h) / 2, length: h, count: height },
    { from: (pixels.width - w) / 2, length: w, count: width },
  ]
}

/** For each new pixel: the first of the old ones that it is made of, and their weights, `taps` each. */
interface Weights {
  readonly first: Int32Array
  readonly taps: number
  readonly weights: Float64Array
}

function weightsOf({ from, length, count }: Axis, size: number): Weights {
  const scale = length / count
  const reach = Math.max(1, scale)
  const taps = Math.min(size, Math.ceil(2 * reach) + 1)
  const first = new Int32Array(count)
  const weights = new Float64Array(count * taps)
  for (let i = 0; i < count; i++) {
    const centre = from + (i + 0.5) * scale
    const start = Math.min(Math.max(0, Math.floor(centre - reach)), size - taps)
    first[i] = start
    let sum = 0
    for (let k = 0; k < taps; k++) {
      const weight = Math.max(0, 1 - Math.abs(start + k + 0.5 - centre) / reach)
      weights[i * taps + k] = weight
      sum += weight
    }
    for (let k = 0; k < taps; k++) weights[i * taps + k]! /= sum
  }
  return { first, taps, weights }
}

/** [y.count, x.count, channels], not yet rounded; rows of the image that no new row needs are not looked at. */
function resample({ width, height, data }: Pixels, y: Axis, x: Axis, channels: number): Float64Array {
  const across = weightsOf(x, width)
  const down = weightsOf(y, height)
  const rowLength = x.count * channels
  const out = new Float64Array(y.count * rowLength)
  const begin = down.first[0]!
  const end = down.first[y.count - 1]! + down.taps
  const row = new Float64Array(rowLength)
  // The new rows that an old one adds to follow one another: from `low` on.
  let low = 0
  for (let line = begin; line < end; line++) {
    resampleRow(data, line * width * channels, across, channels, row)
    while (low < y.count && down.first[low]! + down.taps <= line) low++
    for (let j = low; j < y.count && down.first[j]! <= line; j++) {
      const weight = down.weights[j * down.taps + line - down.first[j]!]!
      if (weight === 0) continue
      const at = j * rowLength
      for (let i = 0; i < rowLength; i++) out[at + i]! += weight * row[i]!
    }
  }
  return out
}

function resampleRow(
  data: ArrayLike<number>,
  start: number,
  { first, taps, weights }: Weights,
  channels: number,
  row: Float64Array,
): void {
  const count = first.length
  if (channels === 1) {
    for (let i = 0; i < count; i++) {
      let sum = 0
      const at = start + first[i]!
      for (let k = 0; k < taps; k++) sum += weights[i * taps + k]! * data[at + k]!
      row[i] = sum
    }
    return
  }
  for (let i = 0; i < count; i++) {
    let [r, g, b] = [0, 0, 0]
    let at = start + first[i]! * 3
    for (let k = 0; k < taps; k++, at += 3) {
      const weight = weights[i * taps + k]!
      r += weight * data[at]!
      g += weight * data[at + 1]!
      b += weight * data[at + 2]!
    }
    row[3 * i] = r
    row[3 * i + 1] = g
    row[3 * i + 2] = b
  }
}

/** Rounds, and puts rows at (top, left) of [channels, height, width]. */
function place(
  values: Float64Array,
  channels: number,
  h: number,
  w: number,
  out: Uint8Array,
  height: number,
  width: number,
  top: number,
  left: number,
): void {
  for (let y = 0; y < h; y++)
    for (let x = 0; x < w; x++)
      for (let c = 0; c < channels; c++)
        out[(c * height + top + y) * width + left + x] = Math.round(values[(y * w + x) * channels + c]!)
}

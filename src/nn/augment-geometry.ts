/**
 * @file Augmentations that move pixels: flip, shift, rotate, scale, crop. In: how far at most. Out: layers; each image of a batch is
 * moved by a draw of its own.
 *
 * augment.compose(augment.flip(), augment.shift(2), augment.rotate(10))
 */
import type { DType } from '../base/dtype.js'
import { ValueError } from '../base/errors.js'
import { isPlainOptions } from '../base/options.js'
import * as random from '../trace/random.js'
import { type Tensor, where } from '../trace/tensor.js'
import { identity } from './augment-affine.js'
import { type Augmentation, augmentation, type Geometric } from './augment-layer.js'
import { checkOptions, checkProbability } from './checks.js'

/** What is seen where a moved image has no pixels. */
export interface FillOption {
  /** A value, 0 by default, or 'edge': the nearest pixel. */
  readonly fill?: number | 'edge'
}

/** Of `flip`: how likely each is. */
export interface FlipOptions {
  /** Left and right change places; ½ by default. */
  readonly horizontal?: number
  /** Top and bottom change places; 0 by default. */
  readonly vertical?: number
}

/** Uniform in [low, high), one number an image. */
const draw = (count: number, low: number, high: number, dtype: DType): Tensor | number =>
  low === high ? low : random.uniform([count], low, high).cast(dtype)

/** Mirrors an image with the given probabilities; torchvision's RandomHorizontalFlip and RandomVerticalFlip. */
export function flip(options: FlipOptions = {}): Augmentation {
  checkOptions('augment.flip', options, ['horizontal', 'vertical'])
  const { horizontal = 0.5, vertical = 0 } = options
  for (const probability of [horizontal, vertical]) checkProbability('augment.flip', probability)
  const sign = (count: number, probability: number, dtype: DType): Tensor | number => {
    if (probability === 0) return 1
    if (probability === 1) return -1
    return where(random.bernoulli([count], probability), -1, 1).cast(dtype)
  }
  return geometric(
    'flip',
    `flip({ horizontal: ${horizontal}, vertical: ${vertical} })`,
    {},
    true,
    (count, _h, _w, dtype) => ({
      ...identity,
      xx: sign(count, horizontal, dtype),
      yy: sign(count, vertical, dtype),
    }),
  )
}

/**
 * Moves an image by a whole number of pixels, from −p to p along each axis, all equally likely: `shift(2)`, or
 * `shift({ horizontal: 4, vertical: 0 })`. With the same p for both it is torchvision's RandomCrop with padding p.
 */
export function shift(
  pixels: number | { readonly horizontal?: number; readonly vertical?: number },
  options: FillOption = {},
): Augmentation {
  if (typeof pixels !== 'number') checkOptions('augment.shift', pixels, ['horizontal', 'vertical'])
  const { horizontal = 0, vertical = 0 } =
    typeof pixels === 'number' ? { horizontal: pixels, vertical: pixels } : pixels
  for (const most of [horizontal, vertical])
    if (!Number.isInteger(most) || most < 0)
      throw new ValueError('augment.shift', `moves by a whole number of pixels, not ${String(most)}`, {
        hint: 'For parts of the width write Math.round(0.1 * width).',
      })
  const by = (count: number, most: number, dtype: DType): Tensor | number => {
    if (most === 0) return 0
    return (draw(count, -most - 0.5, most + 0.5, dtype) as Tensor).round().clip(-most, most)
  }
  return geometric(
    'shift',
    `shift({ horizontal: ${horizontal}, vertical: ${vertical} })`,
    options,
    true,
    (count, _h, _w, dtype) => ({
      ...identity,
      dx: by(count, horizontal, dtype),
      dy: by(count, vertical, dtype),
    }),
  )
}

/**
 * Turns an image about its middle by an angle between −d and d degrees, or between two angles; counterclockwise, bilinear, as
 * torchvision's RandomRotation with InterpolationMode.BILINEAR. A turn by 90° of a square is exact.
 */
export function rotate(degrees: number | readonly [from: number, to: number], options: FillOption = {}): Augmentation {
  const [from, to] = rangeOf('augment.rotate', degrees, (d) => [-d, d], 'degrees')
  return geometric('rotate', `rotate([${from}, ${to}])`, options, false, (count, _h, _w, dtype) => {
    const angle = draw(count, (from * Math.PI) / 180, (to * Math.PI) / 180, dtype)
    const [cos, sin] = typeof angle === 'number' ? [Math.cos(angle), Math.sin(angle)] : [angle.cos(), angle.sin()]
    return { ...identity, xx: cos, xy: typeof sin === 'number' ? -sin : sin.neg(), yx: sin, yy: cos }
  })
}

/** Makes what an image shows larger or smaller about its middle: `scale(0.2)` by a factor from 0.8 to 1.2, or between two factors. */
export function scale(amount: number | readonly [from: number, to: number], options: FillOption = {}): Augmentation {
  const [from, to] = rangeOf('augment.scale', amount, (a) => [1 - a, 1 + a], 'factors above 0')
  if (!(from > 0))
    throw new ValueError('augment.scale', `the factors must be above 0, not ${from}`, { hint: 'Such as scale(0.2).' })
  return geometric('scale', `scale([${from}, ${to}])`, options, false, (count, _h, _w, dtype) => {
    const factor = draw(count, from, to, dtype)
    const inverse = typeof factor === 'number' ? 1 / factor : factor.reciprocal()
    return { ...identity, xx: inverse, yy: inverse }
  })
}

/** Of `crop`. */
export interface CropOptions {
  /** The least and greatest part of the area that is kept; [0.08, 1] by default. */
  readonly area?: readonly [from: number, to: number]
  /** The least and greatest ratio of width to height, relative to that of the image; [3/4, 4/3] by default. */
  readonly ratio?: readonly [from: number, to: number]
}

/**
 * Takes a part of an image and makes it as large as the whole: an area and (its logarithm) a ratio of sides, drawn uniformly, sides
 * cut to those of the image, anywhere in it. torchvision's RandomResizedCrop, which draws again where a side is too long.
 */
export function crop(options: CropOptions = {}): Augmentation {
  checkOptions('augment.crop', options, ['area', 'ratio'])
  const { area = [0.08, 1], ratio = [3 / 4, 4 / 3] } = options
  const [from, to] = rangeOf('augment.crop', area, undefined, 'shares of the area')
  const [narrow, wide] = rangeOf('augment.crop', ratio, undefined, 'ratios of width to height')
  if (!(from > 0 && to <= 1 && narrow > 0))
    throw new ValueError('augment.crop', `the area is [${from}, ${to}], the ratio [${narrow}, ${wide}]`, {
      hint: 'Areas are above 0 and at most 1, ratios above 0: crop({ area: [0.5, 1] }).',
    })
  const description = `crop({ area: [${from}, ${to}], ratio: [${narrow}, ${wide}] })`
  return geometric('crop', description, { fill: 'edge' }, false, (count, height, width, dtype) => {
    const share = draw(count, from, to, dtype)
    const log = draw(count, Math.log(narrow), Math.log(wide), dtype)
    const root = typeof share === 'number' ? Math.sqrt(share) : share.sqrt()
    const stretched = (sign: 1 | -1) => {
      const factor = typeof log === 'number' ? Math.exp((sign * log) / 2) : log.mul(sign / 2).exp()
      if (typeof root === 'number')
        return typeof factor === 'number' ? Math.min(1, root * factor) : factor.mul(root).minimum(1)
      return root.mul(factor).minimum(1)
    }
    const [xx, yy] = [stretched(1), stretched(-1)]
    /** Anywhere within what is left on both sides. */
    const anywhere = (kept: Tensor | number, extent: number) => {
      if (kept === 1) return 0
      const free = typeof kept === 'number' ? (1 - kept) * extent : kept.neg().add(1).mul(extent)
      return (draw(count, -0.5, 0.5, dtype) as Tensor).mul(free)
    }
    return { ...identity, xx, yy, dx: anywhere(xx, width), dy: anywhere(yy, height) }
  })
}

function geometric(
  name: string,
  description: string,
  options: FillOption,
  exact: boolean,
  affine: Geometric['affine'],
): Augmentation {
  checkOptions(`augment.${name}`, options, ['fill'])
  const { fill = 0 } = options
  if (fill !== 'edge' && !Number.isFinite(fill))
    throw new ValueError(`augment.${name}`, `fill is ${String(fill)}`, { hint: "It is a value, or 'edge'." })
  return augmentation(description, [{ affine, exact, fill }])
}

/** Two numbers in order, from one and a rule, or given as such. */
export function rangeOf(
  operation: string,
  given: number | readonly [number, number],
  around: ((amount: number) => [number, number]) | undefined,
  what: string,
): [from: number, to: number] {
  const range = typeof given === 'number' && around && given >= 0 ? around(given) : given
  if (Array.isArray(range) && range.length === 2 && range.every(Number.isFinite) && range[0] <= range[1])
    return [range[0], range[1]]
  throw new ValueError(
    operation,
    `takes ${what}, not ${isPlainOptions(given) ? 'an object' : (JSON.stringify(given) ?? String(given))}`,
    {
      hint: around ? 'Give how far at most, not below 0, or [from, to].' : 'Give [from, to].',
    },
  )
}

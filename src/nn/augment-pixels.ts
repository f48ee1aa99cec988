/**
 * @file Augmentations that change what pixels are: noise, brightness, contrast, cutout. In: how much. Out: layers; each image has draws
 * of its own. Values are as the network gets them: 0 to 1, where the data are bytes.
 *
 * augment.compose(augment.brightness(0.2), augment.contrast(0.2), augment.cutout(8))
 */
import type { DType } from '../base/dtype.js'
import { ValueError } from '../base/errors.js'
import { arange } from '../trace/creation.js'
import * as random from '../trace/random.js'
import { type Tensor, where } from '../trace/tensor.js'
import { rangeOf } from './augment-geometry.js'
import { type Augmentation, augmentation } from './augment-layer.js'
import { checkCount, checkOptions, checkProbability } from './checks.js'

/** Where values end. */
export interface RangeOption {
  /** What lies outside is cut off: [0, 1], say. Nothing is by default, since a layer cannot know what its values mean. */
  readonly range?: readonly [low: number, high: number]
}

function limited(operation: string, options: RangeOption): (x: Tensor) => Tensor {
  checkOptions(operation, options, ['range'])
  if (options.range === undefined) return (x) => x
  const [low, high] = rangeOf(operation, options.range, undefined, 'a range of values')
  return (x) => x.clip(low, high)
}

/** Adds to each value a draw from a normal distribution with the given deviation. */
export function noise(deviation: number, options: RangeOption = {}): Augmentation {
  const limit = limited('augment.noise', options)
  if (!(deviation >= 0 && Number.isFinite(deviation)))
    throw new ValueError('augment.noise', `the deviation must be a number not below 0, not ${String(deviation)}`)
  const apply = (x: Tensor) => limit(x.add(random.normal(x.shape as number[], 0, deviation).cast(x.dtype as DType)))
  return augmentation(`noise(${deviation})`, deviation === 0 ? [] : [{ apply }])
}

/** One number an image, [batch, 1, 1, 1], uniform between two. */
const factorFor = (x: Tensor, from: number, to: number): Tensor =>
  (from === to ? random.uniform([x.shape[0]!]).mul(0).add(from) : random.uniform([x.shape[0]!], from, to))
    .cast(x.dtype as DType)
    .reshape([x.shape[0]!, 1, 1, 1])

/** Multiplies an image by a factor from 1 − a (not below 0) to 1 + a, or between two; torchvision's ColorJitter(brightness=a). */
export function brightness(
  amount: number | readonly [from: number, to: number],
  options: RangeOption = {},
): Augmentation {
  const limit = limited('augment.brightness', options)
  const [from, to] = rangeOf('augment.brightness', amount, (a) => [Math.max(0, 1 - a), 1 + a], 'factors')
  const apply = (x: Tensor) => limit(x.mul(factorFor(x, from, to)))
  return augmentation(`brightness([${from}, ${to}])`, from === 1 && to === 1 ? [] : [{ apply }])
}

/** y = m + f·(x − m), m the mean of the image, f a factor from 1 − a (not below 0) to 1 + a, or between two; ColorJitter(contrast=a). */
export function contrast(
  amount: number | readonly [from: number, to: number],
  options: RangeOption = {},
): Augmentation {
  const limit = limited('augment.contrast', options)
  const [from, to] = rangeOf('augment.contrast', amount, (a) => [Math.max(0, 1 - a), 1 + a], 'factors')
  const apply = (x: Tensor) => {
    const mean = x.mean([1, 2, 3], { keepAxes: true })
    return limit(
      x
        .sub(mean)
        .mul(factorFor(x, from, to))
        .add(mean),
    )
  }
  return augmentation(`contrast([${from}, ${to}])`, from === 1 && to === 1 ? [] : [{ apply }])
}

/** Of `cutout`. */
export interface CutoutOptions {
  /** What is put there; 0 by default. */
  readonly fill?: number
  /** The share of images that lose a square; 1 by default. */
  readonly probability?: number
}

/**
 * Covers a square of `size` pixels, whose middle is anywhere in the image, so that it may lie partly outside.
 * DeVries & Taylor 2017, arXiv:1708.04552
 */
export function cutout(size: number, options: CutoutOptions = {}): Augmentation {
  checkOptions('augment.cutout', options, ['fill', 'probability'])
  checkCount('augment.cutout', 'the size', size)
  const { fill = 0, probability = 1 } = options
  checkProbability('augment.cutout', probability)
  if (!Number.isFinite(fill)) throw new ValueError('augment.cutout', `fill is ${String(fill)}, not a number`)
  const apply = (x: Tensor) => {
    const [count, channels, height, width] = x.shape as [number, number, number, number]
    const within = (extent: number, shape: readonly number[]) => {
      const middle = random.uniform([count], 0, extent).floor().reshape([count, 1, 1, 1])
      const from = middle.sub(Math.floor(size / 2))
      const place = (arange(extent, { dtype: 'float32' }) as Tensor).reshape(shape)
      return place.greaterEqual(from).and(place.less(from.add(size)))
    }
    const [columns, rows] = [within(width, [1, 1, 1, width]), within(height, [1, 1, height, 1])]
    const all = [count, channels, height, width]
    let covered: Tensor = columns.broadcastTo(all).and(rows.broadcastTo(all))
    if (probability < 1)
      covered = covered.and(random.bernoulli([count, 1, 1, 1], probability).broadcastTo(all) as Tensor)
    return where(covered, fill, x)
  }
  return augmentation(`cutout(${size})`, probability === 0 ? [] : [{ apply }])
}

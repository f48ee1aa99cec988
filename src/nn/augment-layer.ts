/**
 * @file What all augmentations are: layers that change a batch of images at random while training, each image in its own way, and
 * do nothing in inference. In: parts, geometric or of pixels. Out: a layer, or several as one, whose geometry is looked up once.
 *
 * nn.sequential(augment.compose(augment.flip(), augment.rotate(10), augment.noise(0.05)), nn.conv2d(3, 16, 3))
 */

import { describeValue } from '../base/describe.js'
import { type DType, isFloat } from '../base/dtype.js'
import { DtypeError, ShapeError, ValueError } from '../base/errors.js'
import { formatShape, type Shape } from '../base/shape.js'
import type { Tensor } from '../trace/tensor.js'
import { inTraining } from '../trace/trace.js'
import { type Affine, moved, multiplied } from './augment-affine.js'
import { type ModuleParts, makeModule } from './module.js'
import type { Elementwise } from './shapes.js'

/** A layer over [batch, ..., height, width]: random in training, y = x in inference. */
export interface Augmentation extends ModuleParts, Elementwise {}

/** Changes where pixels are. */
export interface Geometric {
  /** Draws, for `count` images, from where each pixel of the result comes. */
  readonly affine: (count: number, height: number, width: number, dtype: DType) => Affine
  /** Pixels come from the middle of pixels, so that nothing is interpolated. */
  readonly exact: boolean
  /** What is seen where an image has no pixels. */
  readonly fill: number | 'edge'
}

/** Changes what pixels are; x is [batch, channels, height, width]. */
export interface OfPixels {
  readonly apply: (x: Tensor) => Tensor
}

export type Part = Geometric | OfPixels

const partsOf = new WeakMap<object, readonly Part[]>()

/** A layer of these parts, one after another. */
export function augmentation<P extends object>(
  description: string,
  parts: readonly Part[],
  more?: P,
): Augmentation & P {
  const forward = (_: object, x: Tensor): Tensor => {
    if (parts.length === 0 || !inTraining(description)) return x
    const images = asImages(description, x)
    return stagesOf(parts)
      .reduce((value, stage) => stage(value), images)
      .reshape(x.shape as Shape)
  }
  const layer = makeModule(`augment.${description}`, {}, forward, {
    keepsShape: true as const,
    ...more,
  }) as unknown as Augmentation & P
  partsOf.set(layer, parts)
  return layer
}

/**
 * Augmentations one after another. Neighbours that only move pixels (flip, shift, rotate, scale, crop) become one movement, so that
 * an image is interpolated once, and nothing is lost that one moves out and the next back in. None at all is the identity.
 */
export function compose(...layers: readonly Augmentation[]): Augmentation {
  const parts = layers.flatMap((layer, i) => {
    const own = partsOf.get(layer as object)
    if (!own)
      throw new ValueError('augment.compose', `part ${i} is ${describeValue(layer)}, no augmentation`, {
        hint: 'Give what the functions of augment return: augment.compose(augment.flip(), augment.shift(2)).',
      })
    return own
  })
  return augmentation(
    `compose(${layers.map(({ description }) => description.replace('augment.', '')).join(', ')})`,
    parts,
  )
}

function asImages(description: string, x: Tensor): Tensor {
  const name = `augment.${description.replace(/\(.*/s, '')}`
  if (x.rank < 3)
    throw new ShapeError(name, `takes [batch, ..., height, width], got ${formatShape(x.shape)}`, {
      hint: 'Put it in front of nn.flatten().',
    })
  if (!isFloat(x.dtype as DType))
    throw new DtypeError(name, `computes in float32 or float64, got ${x.dtype}`, {
      hint: "Convert with .cast('float32').",
    })
  const shape = x.shape as Shape
  const channels = shape.slice(1, -2).reduce((product, n) => product * n, 1)
  return x.reshape([shape[0]!, channels, shape[x.rank - 2]!, shape[x.rank - 1]!])
}

const isGeometric = (part: Part): part is Geometric => 'affine' in part

/** Parts as functions; geometric neighbours with one fill are one. */
function stagesOf(parts: readonly Part[]): ((x: Tensor) => Tensor)[] {
  const stages: ((x: Tensor) => Tensor)[] = []
  for (let i = 0; i < parts.length; ) {
    const first = parts[i]!
    if (!isGeometric(first)) {
      stages.push(first.apply)
      i++
      continue
    }
    const group: Geometric[] = []
    for (; i < parts.length; i++) {
      const part = parts[i]!
      if (!isGeometric(part) || part.fill !== first.fill) break
      group.push(part)
    }
    stages.push((x) => {
      const [count, , height, width] = x.shape as [number, number, number, number]
      const all = group.map((part) => part.affine(count, height, width, x.dtype as DType))
      return moved(x, all.reduce(multiplied), { exact: group.every((part) => part.exact), fill: first.fill })
    })
  }
  return stages
}

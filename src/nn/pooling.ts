/**
 * @file Pooling layers in one and two dimensions: maximum, average, adaptive (a given number of bins), global (all of the
 * space). In: a window's size. Out: a layer that keeps channels and dtype.
 *
 * nn.sequential(nn.conv2d(3, 16, 3), nn.relu, nn.maxPool2d(2), nn.conv2d(16, 32, 3), nn.relu, nn.globalAveragePool2d())
 */
import { ShapeError } from '../base/errors.js'
import { formatShape, type Shape } from '../base/shape.js'
import {
  type AveragePoolOptions,
  adaptiveAveragePool,
  adaptiveMaxPool,
  averagePool,
  type MaxPoolOptions,
  maxPool,
} from '../trace/pooling.js'
import { checkWindowOptions, type PerAxis, perAxis } from '../trace/spatial.js'
import type { Tensor } from '../trace/tensor.js'
import { checkOptions } from './checks.js'
import { makeModule } from './module.js'
import type { SpatialLayer } from './shapes.js'

/** Over [..., length]. */
export type Pool1d = SpatialLayer<readonly [number], readonly [number]>
/** Over [..., height, width]. */
export type Pool2d = SpatialLayer<readonly [number, number], readonly [number, number]>

const common = ['stride', 'padding', 'ceilMode']
const maxNames = [...common, 'dilation']
const averageNames = [...common, 'countIncludePad', 'divisorOverride']

/** The greatest of each window of [..., length]: see maxPool2d. torch.nn.MaxPool1d */
export const maxPool1d = (size: PerAxis, options: MaxPoolOptions = {}): Pool1d =>
  pool('maxPool1d', 1, size, options, maxNames, (x, sizes) => maxPool(x, sizes, options)) as Pool1d

/**
 * The greatest of each window of [..., height, width]; `stride` is the window's size unless given. Its gradient goes to the
 * greatest, to the first where several are. torch.nn.MaxPool2d
 */
export const maxPool2d = (size: PerAxis, options: MaxPoolOptions = {}): Pool2d =>
  pool('maxPool2d', 2, size, options, maxNames, (x, sizes) => maxPool(x, sizes, options)) as Pool2d

/** The mean of each window of [..., length]: see averagePool2d. torch.nn.AvgPool1d */
export const averagePool1d = (size: PerAxis, options: AveragePoolOptions = {}): Pool1d =>
  pool('averagePool1d', 1, size, options, averageNames, (x, sizes) => averagePool(x, sizes, options)) as Pool1d

/**
 * The mean of each window of [..., height, width]; `stride` is the window's size unless given. Zeros of the padding count
 * unless `countIncludePad` is false. torch.nn.AvgPool2d
 */
export const averagePool2d = (size: PerAxis, options: AveragePoolOptions = {}): Pool2d =>
  pool('averagePool2d', 2, size, options, averageNames, (x, sizes) => averagePool(x, sizes, options)) as Pool2d

/** The means of so many bins of [..., length]. torch.nn.AdaptiveAvgPool1d */
export const adaptiveAveragePool1d = (size: PerAxis): Pool1d =>
  pool('adaptiveAveragePool1d', 1, size, {}, [], adaptiveAveragePool) as Pool1d

/** The means of so many bins down and across [..., height, width], whatever these are. torch.nn.AdaptiveAvgPool2d */
export const adaptiveAveragePool2d = (size: PerAxis): Pool2d =>
  pool('adaptiveAveragePool2d', 2, size, {}, [], adaptiveAveragePool) as Pool2d

/** The greatest of so many bins of [..., length]. torch.nn.AdaptiveMaxPool1d */
export const adaptiveMaxPool1d = (size: PerAxis): Pool1d =>
  pool('adaptiveMaxPool1d', 1, size, {}, [], adaptiveMaxPool) as Pool1d

/** The greatest of so many bins down and across [..., height, width], whatever these are. torch.nn.AdaptiveMaxPool2d */
export const adaptiveMaxPool2d = (size: PerAxis): Pool2d =>
  pool('adaptiveMaxPool2d', 2, size, {}, [], adaptiveMaxPool) as Pool2d

/** The mean over all of the length: [..., channels, length] → [..., channels]. */
export const globalAveragePool1d = (): SpatialLayer<readonly [number], readonly []> =>
  global('globalAveragePool1d', 1, (x, axes) => x.mean(axes)) as SpatialLayer<readonly [number], readonly []>

/**
 * The mean over all pixels: [..., channels, height, width] → [..., channels], as adaptiveAveragePool2d(1) without the two axes
 * of size 1. Lin et al. 2013, arXiv:1312.4400
 */
export const globalAveragePool2d = (): SpatialLayer<readonly [number, number], readonly []> =>
  global('globalAveragePool2d', 2, (x, axes) => x.mean(axes)) as SpatialLayer<readonly [number, number], readonly []>

/** The greatest over all of the length: [..., channels, length] → [..., channels]. */
export const globalMaxPool1d = (): SpatialLayer<readonly [number], readonly []> =>
  global('globalMaxPool1d', 1, (x, axes) => x.max(axes)) as SpatialLayer<readonly [number], readonly []>

/** The greatest of all pixels: [..., channels, height, width] → [..., channels]. */
export const globalMaxPool2d = (): SpatialLayer<readonly [number, number], readonly []> =>
  global('globalMaxPool2d', 2, (x, axes) => x.max(axes)) as SpatialLayer<readonly [number, number], readonly []>

function pool(
  name: string,
  rank: number,
  size: PerAxis,
  options: object,
  names: readonly string[],
  f: (x: Tensor, sizes: readonly number[]) => Tensor,
): unknown {
  checkOptions(`nn.${name}`, options, names)
  const sizes = perAxis(`nn.${name}`, 'the size', size, rank, 1)
  checkWindowOptions(`nn.${name}`, options, sizes)
  const described = Object.entries(options).map(([key, value]) => `${key}: ${JSON.stringify(value)}`)
  const shown = described.length > 0 ? `, { ${described.join(', ').replaceAll('"', "'")} }` : ''
  return spatial(`${name}(${JSON.stringify(size)}${shown})`, rank, (x) => f(x, sizes), sizes.length)
}

const global = (name: string, rank: number, f: (x: Tensor, axes: readonly number[]) => Tensor): unknown =>
  spatial(
    `${name}()`,
    rank,
    (x) =>
      f(
        x,
        Array.from({ length: rank }, (_, i) => x.rank - rank + i),
      ),
    0,
  )

function spatial(description: string, rank: number, f: (x: Tensor) => Tensor, left: number): unknown {
  const name = description.replace(/\(.*/s, '')
  const forward = (_: object, x: Tensor): Tensor => {
    if (x.rank <= rank)
      throw new ShapeError(
        name,
        `takes [...,channels,${rank === 1 ? 'length' : 'height,width'}], got ${formatShape(x.shape as Shape)}`,
      )
    return f(x)
  }
  const any = (count: number) => Array.from({ length: count }, () => -1)
  return makeModule(description, {}, forward, { takes: any(rank), gives: any(left) })
}

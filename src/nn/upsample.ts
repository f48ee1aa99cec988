/**
 * @file Upsampling layers: more elements along the axes of space, between those that are there. In: a size or a factor.
 * Out: a layer that keeps channels and dtype.
 *
 * nn.sequential(nn.upsample2d({ scaleFactor: 2, mode: 'bilinear' }), nn.conv2d(8, 8, 3, { padding: 'same' }))
 */
import { ShapeError, ValueError } from '../base/errors.js'
import { formatShape, type Shape } from '../base/shape.js'
import { interpolate } from '../trace/resize.js'
import type { PerAxis } from '../trace/spatial.js'
import type { Tensor } from '../trace/tensor.js'
import { checkOptions } from './checks.js'
import { makeModule } from './module.js'
import type { Pool1d, Pool2d } from './pooling.js'

/** Of `upsample1d` and `upsample2d`. */
export interface UpsampleOptions<Mode extends string> {
  /** Extents afterwards. This or scaleFactor. */
  readonly size?: PerAxis
  /** By how much extents grow: ⌊n · factor⌋. This or size. */
  readonly scaleFactor?: PerAxis
  /** 'nearest' unless given. */
  readonly mode?: 'nearest' | Mode
  /** Whether the corners' elements stay the corners; false. Not for 'nearest'. */
  readonly alignCorners?: boolean
}

/** [..., channels, length] with another length: the nearest element, or between two ('linear'). torch.nn.Upsample */
export const upsample1d = (options: UpsampleOptions<'linear'>): Pool1d =>
  upsample('upsample1d', 1, 'linear', options) as Pool1d

/**
 * [..., channels, height, width] with another height and width: the nearest pixel, or between four ('bilinear').
 * Positions are those of `interpolate`. torch.nn.Upsample
 */
export const upsample2d = (options: UpsampleOptions<'bilinear'>): Pool2d =>
  upsample('upsample2d', 2, 'bilinear', options) as Pool2d

function upsample(name: string, rank: 1 | 2, smooth: string, options: UpsampleOptions<string>): unknown {
  checkOptions(`nn.${name}`, options, ['size', 'scaleFactor', 'mode', 'alignCorners'])
  const { size, scaleFactor, mode = 'nearest', alignCorners } = options
  if ((size === undefined) === (scaleFactor === undefined))
    throw new ValueError(`nn.${name}`, 'takes either size or scaleFactor', { hint: `nn.${name}({ scaleFactor: 2 })` })
  if (mode !== 'nearest' && mode !== smooth)
    throw new ValueError(`nn.${name}`, `mode is 'nearest' or '${smooth}', not '${mode}'`)
  if (mode === 'nearest' && alignCorners !== undefined)
    throw new ValueError(`nn.${name}`, `alignCorners is an option of mode '${smooth}'`)
  const each = (value: PerAxis): readonly number[] => {
    const list = typeof value === 'number' ? Array.from({ length: rank }, () => value) : value
    if (list.length !== rank || !list.every((n) => n > 0 && n < Number.POSITIVE_INFINITY))
      throw new ValueError(`nn.${name}`, `takes ${rank} numbers above 0, not ${JSON.stringify(value)}`)
    return list
  }
  const by = size === undefined ? { scaleFactor: each(scaleFactor!) } : { size: each(size) }
  const how = {
    ...by,
    mode: mode === 'nearest' ? ('nearest' as const) : ('linear' as const),
    ...(alignCorners === undefined ? {} : { alignCorners }),
  }
  const forward = (_: object, x: Tensor): Tensor => {
    if (x.rank <= rank)
      throw new ShapeError(
        name,
        `takes [...,channels,${rank === 1 ? 'length' : 'height,width'}], got ${formatShape(x.shape as Shape)}`,
      )
    return interpolate(x, how)
  }
  const described = Object.entries(options).map(([key, value]) => `${key}: ${JSON.stringify(value)}`)
  const any = Array.from({ length: rank }, () => -1)
  return makeModule(`${name}({ ${described.join(', ').replaceAll('"', "'")} })`, {}, forward, {
    takes: any,
    gives: any,
  })
}

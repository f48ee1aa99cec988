/**
 * @file Moving the pixels of a batch: each image by a matrix of its own. In: images [batch, channels, height, width], for each the matrix
 * from a pixel of the result to where it comes from. Out: images of the same shape; rows of pixels are looked up by number, so that
 * all is part of the compiled program.
 *
 *   [sx, sy] = [[xx, xy], [yx, yy]] · [x, y] + [dx, dy]          coordinates from the middle of the image, in pixels
 */
import { ValueError } from '../base/errors.js'
import { arange } from '../trace/creation.js'
import { gather } from '../trace/functions.js'
import { type Tensor, where } from '../trace/tensor.js'

/** A number for all images, or one for each, [batch]. */
export type Coefficient = number | Tensor

/** From pixels of the result to places in the image. */
export interface Affine {
  readonly xx: Coefficient
  readonly xy: Coefficient
  readonly dx: Coefficient
  readonly yx: Coefficient
  readonly yy: Coefficient
  readonly dy: Coefficient
}

export const identity: Affine = { xx: 1, xy: 0, dx: 0, yx: 0, yy: 1, dy: 0 }

const times = (a: Coefficient, b: Coefficient): Coefficient => {
  if (typeof a === 'number') return typeof b === 'number' ? a * b : a === 0 ? 0 : a === 1 ? b : b.mul(a)
  return b === 0 ? 0 : b === 1 ? a : a.mul(b)
}
const plus = (a: Coefficient, b: Coefficient): Coefficient => {
  if (typeof a === 'number') return typeof b === 'number' ? a + b : a === 0 ? b : b.add(a)
  return b === 0 ? a : a.add(b)
}

/** First moves as `first` says, then what comes of it as `second` says. */
export function multiplied(first: Affine, second: Affine): Affine {
  const row = (x: Coefficient, y: Coefficient, d: Coefficient) => [
    plus(times(x, second.xx), times(y, second.yx)),
    plus(times(x, second.xy), times(y, second.yy)),
    plus(plus(times(x, second.dx), times(y, second.dy)), d),
  ]
  const [xx, xy, dx] = row(first.xx, first.xy, first.dx) as [Coefficient, Coefficient, Coefficient]
  const [yx, yy, dy] = row(first.yx, first.yy, first.dy) as [Coefficient, Coefficient, Coefficient]
  return { xx, xy, dx, yx, yy, dy }
}

/** Places are rounded to this part of a pixel, so that a turn by 90° and a shift by whole pixels interpolate nothing. */
const steps = 1024

/**
 * y[n, c, y, x] = x[n, c, sy, sx], bilinear between the four pixels around, or with `exact` the nearest one. Where there are no pixels
 * `fill` is seen, or with 'edge' the nearest pixel.
 */
export function moved(
  x: Tensor,
  affine: Affine,
  { exact, fill }: { readonly exact: boolean; readonly fill: number | 'edge' },
): Tensor {
  const [count, channels, height, width] = x.shape as [number, number, number, number]
  const area = height * width
  if (count * channels * area >= 2 ** 31)
    throw new ValueError('augment', `a batch of ${count * channels * area} pixels is too large to be moved`, {
      hint: 'Take smaller batches.',
    })
  const column = (value: Coefficient) => (typeof value === 'number' ? value : value.reshape([count, 1, 1, 1]))
  const axis = (extent: number, shape: readonly number[]) =>
    (arange(extent, { dtype: 'float32' }) as Tensor)
      .cast(x.dtype as 'float32')
      .sub((extent - 1) / 2)
      .reshape(shape)
  const xs = axis(width, [1, 1, 1, width])
  const ys = axis(height, [1, 1, height, 1])
  const place = (a: Coefficient, b: Coefficient, d: Coefficient, extent: number): Tensor => {
    const sum = plus(plus(times(column(a), xs), times(column(b), ys)), plus(column(d), (extent - 1) / 2))
    const all = typeof sum === 'number' ? xs.mul(0).add(sum) : sum
    return (
      exact
        ? all.round()
        : all
            .mul(steps)
            .round()
            .mul(1 / steps)
    ).broadcastTo([count, 1, height, width])
  }
  const sx = place(affine.xx, affine.xy, affine.dx, width)
  const sy = place(affine.yx, affine.yy, affine.dy, height)
  const flat = x.reshape([count * channels * area])
  const first = (arange(count * channels) as Tensor).mul(area).reshape([count, channels, 1, 1])
  /** The pixel at whole places. */
  const at = (px: Tensor, py: Tensor): Tensor => {
    const inside = py
      .clip(0, height - 1)
      .mul(width)
      .add(px.clip(0, width - 1))
      .cast('int32')
    const numbers = first.add(inside) as Tensor<readonly number[], 'int32'>
    const value = gather(flat as Tensor<readonly number[]>, numbers) as Tensor
    if (fill === 'edge') return value
    const hit = px
      .greaterEqual(0)
      .and(px.less(width))
      .and(py.greaterEqual(0).and(py.less(height)))
    return where(hit.broadcastTo([count, channels, height, width]), value, fill)
  }
  if (exact) return at(sx, sy)
  const [x0, y0] = [sx.floor(), sy.floor()]
  const [fx, fy] = [sx.sub(x0), sy.sub(y0)]
  const [x1, y1] = [x0.add(1), y0.add(1)]
  const mix = (a: Tensor, b: Tensor, share: Tensor) => a.mul(share.neg().add(1)).add(b.mul(share))
  return mix(mix(at(x0, y0), at(x1, y0), fx), mix(at(x0, y1), at(x1, y1), fx), fy)
}

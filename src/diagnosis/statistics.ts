/**
 * @file Values in few numbers. In: an array. Out: its least, greatest and mean finite value, and how many are not finite.
 *
 * statisticsOf({ dtype: 'float32', shape: [3] }, Float32Array.of(1, NaN, 3)) → { minimum: 1, maximum: 3, mean: 2, nan: 1, ... }
 */
import type { TypedArray } from '../base/dtype.js'
import type { ValueStatistics } from '../base/non-finite.js'
import { formatShape, stridesOf } from '../base/shape.js'
import type { TensorType } from '../graph/node.js'

/** Least, greatest and mean of the finite values; how many are NaN and infinite, and where the first of them is. */
export function statisticsOf({ dtype, shape }: TensorType, data: TypedArray): ValueStatistics {
  let [minimum, maximum, sum, nan, infinite, first] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, 0, 0, -1]
  for (let i = 0; i < data.length; i++) {
    const x = data[i]!
    if (Number.isFinite(x)) {
      if (x < minimum) minimum = x
      if (x > maximum) maximum = x
      sum += x
      continue
    }
    if (first < 0) first = i
    if (Number.isNaN(x)) nan++
    else infinite++
  }
  const finite = data.length - nan - infinite
  const none = finite === 0
  return {
    dtype,
    shape,
    minimum: none ? Number.NaN : minimum,
    maximum: none ? Number.NaN : maximum,
    mean: none ? Number.NaN : sum / finite,
    nan,
    infinite,
    ...(first < 0 ? {} : { first: stridesOf(shape).map((stride, axis) => Math.floor(first / stride) % shape[axis]!) }),
  }
}

/** `float32[64,10] from −3.1 to 2.4, mean 0.5, 3 NaN`. */
export function statisticsText({ dtype, shape, minimum, maximum, mean, nan, infinite }: ValueStatistics): string {
  const parts = Number.isNaN(mean)
    ? []
    : minimum === maximum
      ? [`all ${short(minimum)}`]
      : [`from ${short(minimum)} to ${short(maximum)}, mean ${short(mean)}`]
  if (nan > 0) parts.push(`${nan} NaN`)
  if (infinite > 0) parts.push(`${infinite} infinite`)
  return `${dtype}${formatShape(shape)} ${parts.join(', ')}`
}

/** Four digits. */
export const short = (x: number): string => String(Number(x.toPrecision(4)))

/** Whether all values are finite. Four at a time: a chain of one addition after another would wait for each. */
export function allFinite(data: ArrayLike<number>): boolean {
  const n = data.length
  let [a, b, c, d, i] = [0, 0, 0, 0, 0]
  for (; i + 4 <= n; i += 4) {
    a += data[i]! * 0
    b += data[i + 1]! * 0
    c += data[i + 2]! * 0
    d += data[i + 3]! * 0
  }
  for (; i < n; i++) a += data[i]! * 0
  return a + b + c + d === 0
}

/**
 * @file Histograms of values. In: numbers. Out: edges and counts, for charts and logs.
 *
 * histogramOf([0, 1, 1, 4], 2) → { edges: [0, 2, 4], counts: [3, 1] }
 */
import { ValueError } from '../base/errors.js'
import type { Histogram } from './events.js'

/**
 * Counts values in bins of equal width from the least to the greatest: counts[i] of them lie in edges[i] ≤ x < edges[i + 1], and the
 * greatest in the last. Where all are equal the bins go from half below to half above. What is not finite is left out; of no values
 * all counts are 0. As numpy.histogram
 * Example: histogramOf(net.children[0].children.weight.storage.read(), 30)
 */
export function histogramOf(values: ArrayLike<number>, bins = 30): Histogram {
  if (!Number.isInteger(bins) || bins < 1)
    throw new ValueError('histogramOf', `the number of bins must be a whole number above 0, not ${bins}`)
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
  for (let i = 0; i < values.length; i++) {
    const x = values[i]!
    if (!Number.isFinite(x)) continue
    if (x < low) low = x
    if (x > high) high = x
  }
  if (low > high) [low, high] = [0, 1]
  if (low === high) {
    // Of large numbers a half would be lost in rounding.
    const half = Math.max(0.5, Math.abs(low) * 2 ** -20)
    ;[low, high] = [Math.max(-Number.MAX_VALUE, low - half), Math.min(Number.MAX_VALUE, high + half)]
  }
  const width = (high - low) / bins || Number.MIN_VALUE
  const counts = new Array<number>(bins).fill(0)
  for (let i = 0; i < values.length; i++) {
    const x = values[i]!
    if (Number.isFinite(x)) counts[Math.min(bins - 1, Math.max(0, Math.floor((x - low) / width)))]!++
  }
  return {
    edges: Array.from({ length: bins + 1 }, (_, i) => (i === bins ? high : Math.min(high, low + i * width))),
    counts,
  }
}

/**
 * @file Metrics of regression: mean absolute and squared errors, R². Outputs and targets have one shape; [N] and [N, 1]
 * go together.
 */
import type { DType } from '../base/dtype.js'
import type { Shape } from '../base/shape.js'
import type { Tensor } from '../trace/tensor.js'
import { checkSamples, count, mean, type SummingMetric, type Sums, total } from './metric.js'

/** ŷ and y as float64 [N, outputs]. */
function pair(operation: string, output: Tensor, target: Tensor): { output: Tensor; target: Tensor; rows: number } {
  const shape: Shape = output.shape
  const rows = shape[0] ?? 1
  const squeezed = (s: Shape) => (s[s.length - 1] === 1 ? s.slice(0, -1) : s).join()
  checkSamples(operation, output, target, squeezed(shape) === squeezed(target.shape) && output.size === target.size)
  const columns = rows === 0 ? 1 : output.size / rows
  const cast = (x: Tensor): Tensor => x.cast('float64' as DType).reshape([rows, columns])
  return { output: cast(output), target: cast(target), rows }
}

/** mean |ŷ − y| over all elements. */
export const meanAbsoluteError: SummingMetric = {
  name: 'meanAbsoluteError',
  better: 'lower',
  update(output, target) {
    const p = pair('meanAbsoluteError', output, target)
    return { sum: total(p.output.sub(p.target).abs()), count: count(output.size) }
  },
  compute: mean,
}

const squaredErrors = (output: Tensor, target: Tensor) => {
  const p = pair('meanSquaredError', output, target)
  return { sum: total(p.output.sub(p.target).square()), count: count(output.size) }
}

/** mean (ŷ − y)² over all elements. */
export const meanSquaredError: SummingMetric = {
  name: 'meanSquaredError',
  better: 'lower',
  update: squaredErrors,
  compute: mean,
}

/** √(mean (ŷ − y)²), in the unit of y. */
export const rootMeanSquaredError: SummingMetric = {
  name: 'rootMeanSquaredError',
  better: 'lower',
  update: squaredErrors,
  compute: (sums) => Math.sqrt(mean(sums)),
}

/**
 * R² = 1 − Σ(ŷ − y)² / Σ(y − ȳ)²: 1 is perfect, 0 as good as the mean. Several outputs: the mean over outputs.
 * Batches are joined by their means (Chan, Golub & LeVeque 1983), since Σy² − (Σy)²/n would cancel.
 * Where all targets are equal it is 1 for a perfect prediction and 0 for any other, as in scikit-learn.
 */
export const r2: SummingMetric = {
  name: 'r2',
  better: 'higher',
  update(output, target) {
    const p = pair('r2', output, target)
    const center = p.target.mean(0)
    return {
      count: count(p.rows),
      mean: center,
      spread: p.target.sub(center).square().sum(0),
      error: p.output.sub(p.target).square().sum(0),
    }
  },
  merge(a: Sums, b: Sums): Sums {
    const [n, m] = [a.count![0]!, b.count![0]!]
    if (n === 0) return b
    if (m === 0) return a
    const shift = b.mean!.map((x, i) => x - a.mean![i]!)
    return {
      count: Float64Array.of(n + m),
      mean: a.mean!.map((x, i) => x + (shift[i]! * m) / (n + m)),
      spread: a.spread!.map((x, i) => x + b.spread![i]! + (shift[i]! ** 2 * n * m) / (n + m)),
      error: a.error!.map((x, i) => x + b.error![i]!),
    }
  },
  compute({ spread, error }) {
    const scores = Array.from(error!, (e, i) => (spread![i] === 0 ? (e === 0 ? 1 : 0) : 1 - e / spread![i]!))
    return scores.reduce((sum, x) => sum + x, 0) / scores.length
  },
}

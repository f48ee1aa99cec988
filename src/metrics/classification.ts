/**
 * @file Metrics of classification: accuracy, top-k, confusion matrix, precision, recall, F1, area under the ROC curve.
 * Outputs are logits or probabilities [..., C], or scores [N] or [N, 1] of yes, positive for yes.
 */
import { ValueError } from '../base/errors.js'
import type { Shape } from '../base/shape.js'
import { iota } from '../trace/creation.js'
import { type Tensor, where } from '../trace/tensor.js'
import {
  type Collected,
  type CollectingMetric,
  checkSamples,
  classesOf,
  count,
  mean,
  type SummingMetric,
  total,
} from './metric.js'

/** The share of samples whose class is the predicted one. */
export const accuracy: SummingMetric = {
  name: 'accuracy',
  better: 'higher',
  update(output, target) {
    const { predicted, actual } = classesOf('accuracy', output, target)
    return { sum: total(predicted.equal(actual)), count: count(predicted.size) }
  },
  compute: mean,
}

/**
 * The share of samples whose class is among the k of the greatest scores. Among equal scores the lower class comes first.
 * Example: fit(net, { metrics: { top3: metrics.topK(3) } })
 */
export function topK(k: number): SummingMetric {
  if (!Number.isInteger(k) || k < 1) throw new ValueError('metrics.topK', `k must be a whole number above 0, not ${k}`)
  return {
    name: `top${k}`,
    better: 'higher',
    update(output, target) {
      const shape: Shape = output.shape
      checkSamples('topK', output, target, target.rank === shape.length - 1 && shape.length > 0)
      const label = target.cast('int32').expandDims(-1)
      const classes = iota(shape, shape.length - 1)
      const isClass = label.equal(classes)
      const own = where(isClass, output, 0).sum(-1, { keepAxes: true })
      const before = output.greater(own).or(output.equal(own).and(classes.less(label)))
      const rank = before.cast('int32').sum(-1)
      // A label out of range has no score; NaN is beaten by none.
      const exists = isClass.and(output.equal(output)).cast('int32').max(-1).equal(1)
      return { sum: total(rank.less(k).and(exists)), count: count(rank.size) }
    },
    compute: mean,
  }
}

/** matrix [C, C], row: true class, column: predicted; support [C]: samples of each class (a NaN has no predicted class). */
function confusion(output: Tensor, target: Tensor): { matrix: Tensor; support: Tensor } {
  const { predicted, actual, classes } = classesOf('confusionMatrix', output, target)
  const isActual = actual.oneHot(classes)
  return {
    matrix: isActual.transpose().matmul(predicted.oneHot(classes)).cast('float64'),
    support: isActual.cast('float64').sum(0),
  }
}

/** confusionMatrix()[i][j]: how many samples of class i were taken for class j. */
export const confusionMatrix = (): SummingMetric<number[][]> => ({
  name: 'confusionMatrix',
  better: undefined,
  update: confusion,
  compute: ({ matrix, support }) => {
    const n = support!.length
    return Array.from({ length: n }, (_, i) => Array.from(matrix!.subarray(i * n, (i + 1) * n)))
  },
})

/** Of `precision`, `recall` and `f1`: how scores of classes become one. */
export interface AverageOptions {
  /**
   * binary: of one class; macro: the mean over classes; micro: over all samples, whatever class (for one label a sample
   * it equals the accuracy); weighted: the mean over classes by their numbers of samples. By default binary where there are
   * two classes, macro where there are more.
   */
  readonly average?: 'binary' | 'macro' | 'micro' | 'weighted'
  /** The class that binary is about; 1. */
  readonly positive?: number
}

/** Counts of one class or of several together. */
interface Counts {
  readonly hits: number
  readonly predicted: number
  readonly actual: number
}

/** 0 where undefined, as in scikit-learn with zero_division=0. */
const ratio = (a: number, b: number): number => (b === 0 ? 0 : a / b)

function averaged(name: string, score: (counts: Counts) => number, options: AverageOptions): SummingMetric {
  const { positive = 1 } = options
  if (options.average !== undefined && !['binary', 'macro', 'micro', 'weighted'].includes(options.average))
    throw new ValueError(
      `metrics.${name}`,
      `average is 'binary', 'macro', 'micro' or 'weighted', not '${options.average}'`,
    )
  return {
    name,
    better: 'higher',
    update: confusion,
    compute({ matrix, support }) {
      const n = support!.length
      const average = options.average ?? (n === 2 ? 'binary' : 'macro')
      const classes = Array.from({ length: n }, (_, k): Counts => {
        let predicted = 0
        for (let i = 0; i < n; i++) predicted += matrix![i * n + k]!
        return { hits: matrix![k * n + k]!, predicted, actual: support![k]! }
      })
      if (average === 'binary') {
        const chosen = classes[positive]
        if (!chosen) throw new ValueError(`metrics.${name}`, `there is no class ${positive}, only 0 to ${n - 1}`)
        return score(chosen)
      }
      const sum = (f: (counts: Counts) => number) => classes.reduce((s, counts) => s + f(counts), 0)
      if (average === 'micro')
        return score({ hits: sum((c) => c.hits), predicted: sum((c) => c.predicted), actual: sum((c) => c.actual) })
      if (average === 'macro') return sum(score) / n
      return ratio(
        sum((c) => score(c) * c.actual),
        sum((c) => c.actual),
      )
    },
  }
}

/** Of those predicted to be of a class, the share that is: hits / predicted. */
export const precision = (options: AverageOptions = {}): SummingMetric =>
  averaged('precision', (c) => ratio(c.hits, c.predicted), options)

/** Of those that are of a class, the share predicted to be: hits / actual. */
export const recall = (options: AverageOptions = {}): SummingMetric =>
  averaged('recall', (c) => ratio(c.hits, c.actual), options)

/** The harmonic mean of precision and recall: 2·hits / (predicted + actual). */
export const f1 = (options: AverageOptions = {}): SummingMetric =>
  averaged('f1', (c) => ratio(2 * c.hits, c.predicted + c.actual), options)

/**
 * The probability that a sample of class 1 scores higher than one of class 0, equal scores counting half: the area under
 * the ROC curve, from ranks. Outputs: scores [N] or [N, 1], or two logits or probabilities [N, 2]. NaN if a class is absent.
 * Hanley & McNeil 1982, doi:10.1148/radiology.143.1.7063747
 */
export const rocAuc: CollectingMetric = {
  name: 'rocAuc',
  better: 'higher',
  collect: true,
  compute(output, target) {
    const scores = yesScores(output)
    const isYes = yesTargets(target)
    if (scores.length !== isYes.length)
      throw new ValueError('metrics.rocAuc', `${scores.length} scores for ${isYes.length} targets`)
    return areaUnderCurve(scores, isYes)
  },
}

function yesScores({ data, shape }: Collected): Float64Array {
  const width = shape[1] ?? 1
  if (shape.length > 2 || width > 2)
    throw new ValueError('metrics.rocAuc', `is for two classes, the outputs have ${width}`)
  return width === 1 ? data : Float64Array.from({ length: shape[0]! }, (_, i) => data[2 * i + 1]! - data[2 * i]!)
}

function yesTargets({ data, shape }: Collected): boolean[] {
  if (shape[1] === 2) return Array.from({ length: shape[0]! }, (_, i) => data[2 * i + 1]! > data[2 * i]!)
  return Array.from(data, (x) => x > 0.5)
}

/** (R − n₁(n₁ + 1)/2) / (n₀·n₁), R the sum of the ranks of class 1, equal scores sharing their mean rank. */
export function areaUnderCurve(scores: ArrayLike<number>, isYes: readonly boolean[]): number {
  const n = scores.length
  for (let i = 0; i < n; i++) if (Number.isNaN(scores[i]!)) return Number.NaN
  const order = Array.from({ length: n }, (_, i) => i).sort((a, b) => scores[a]! - scores[b]!)
  let rankSum = 0
  let yes = 0
  for (let start = 0; start < n; ) {
    let end = start + 1
    while (end < n && scores[order[end]!] === scores[order[start]!]) end++
    for (let i = start; i < end; i++)
      if (isYes[order[i]!]) {
        rankSum += (start + 1 + end) / 2
        yes++
      }
    start = end
  }
  const no = n - yes
  return yes === 0 || no === 0 ? Number.NaN : (rankSum - (yes * (yes + 1)) / 2) / (yes * no)
}

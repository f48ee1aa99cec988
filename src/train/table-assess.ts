/**
 * @file How good a model of a table is, in the table's own units, beside a constant prediction; which columns matter.
 * In: a plan, a trained network. Out: scores of the test rows; the importance of each column.
 *
 * const scores = await assessTable(plan, net)         // { kind: 'classes', accuracy: 0.97, baseline: { accuracy: 0.35, ... }, ... }
 */
import { type Dataset, subset } from '../data/column.js'
import { featureSpans, type TargetColumn } from '../data/preprocess-plan.js'
import { accuracy, confusionMatrix, f1, meanAbsoluteError, r2, rocAuc, rootMeanSquaredError } from '../metrics/index.js'
import { RandomStream } from '../numerics/random.js'
import { evaluate } from './evaluate.js'
import type { TablePlan } from './table-model.js'
import { lossOf } from './table-settings.js'
import type { Loss, Net } from './types.js'

/** How well classes are foretold. */
export interface ClassScores {
  readonly kind: 'classes'
  readonly rows: number
  readonly loss: number
  readonly accuracy: number
  /** Of class 1 where there are two, else the mean over the classes. */
  readonly f1: number
  /** Area under the ROC curve, for two classes. */
  readonly auc?: number
  /** [true class][predicted class]. */
  readonly confusion: readonly (readonly number[])[]
  /** What predicting the most frequent known class for every row scores. */
  readonly baseline: { readonly prediction: string; readonly accuracy: number }
}

/** Errors are in the unit of the target. */
export interface NumberScores {
  readonly kind: 'number'
  readonly rows: number
  readonly loss: number
  readonly r2: number
  readonly rmse: number
  readonly mae: number
  /** What predicting the mean of the known rows for every row scores. */
  readonly baseline: { readonly prediction: number; readonly r2: number; readonly rmse: number; readonly mae: number }
}

/** Scores of the test rows. */
export type TableScores = ClassScores | NumberScores

/** The scores of the test rows. */
export async function assessTable(plan: TablePlan, net: Net): Promise<TableScores> {
  const { test, known, preprocessing, settings, task } = plan
  const { target } = preprocessing
  const constant = target.kind === 'number' ? mean(known.target.data) : mostFrequent(known, target.classes.length)
  return assess(net, test, { target, loss: lossOf(settings, task), constant })
}

/** What `assess` must know besides the network and the data. */
export interface AssessOptions {
  /** How targets are encoded. */
  readonly target: TargetColumn
  readonly loss: Loss
  /** What the baseline always says: a class, or a standardised number. */
  readonly constant: number
}

/** The class that most samples have. */
export function mostFrequent({ target }: Dataset, classes: number): number {
  const counts = new Array<number>(classes).fill(0)
  for (const label of target.data) counts[label]!++
  return counts.indexOf(Math.max(...counts))
}

/** The scores of encoded rows, in the units of the target, beside those of a constant. */
export async function assess(net: Net, data: Dataset, options: AssessOptions): Promise<TableScores> {
  const { target, loss, constant } = options
  const rows = data.input.shape[0]!
  if (target.kind === 'number') {
    const found = await evaluate(net, data, {
      loss,
      metrics: { r2, rmse: rootMeanSquaredError, mae: meanAbsoluteError },
    })
    const unit = target.deviation
    return {
      kind: 'number',
      rows,
      loss: found.loss,
      r2: found.r2 as number,
      rmse: (found.rmse as number) * unit,
      mae: (found.mae as number) * unit,
      baseline: { prediction: constant * unit + target.mean, ...constantErrors(data.target.data, constant, unit) },
    }
  }
  const two = target.classes.length === 2
  const metrics = { accuracy, f1: f1(), confusion: confusionMatrix(), ...(two ? { auc: rocAuc } : {}) }
  const found = (await evaluate(net, data, { loss, metrics })) as { [name: string]: unknown }
  return {
    kind: 'classes',
    rows,
    loss: found['loss'] as number,
    accuracy: found['accuracy'] as number,
    f1: found['f1'] as number,
    ...(two ? { auc: found['auc'] as number } : {}),
    confusion: found['confusion'] as number[][],
    baseline: {
      prediction: target.classes[constant]!,
      accuracy: mean(Array.from(data.target.data, (label) => Number(label === constant))),
    },
  }
}

const mean = (values: ArrayLike<number>): number => {
  let sum = 0
  for (let i = 0; i < values.length; i++) sum += values[i]!
  return sum / values.length
}

function constantErrors(targets: ArrayLike<number>, constant: number, unit: number) {
  const center = mean(targets)
  let [squares, spread, absolute] = [0, 0, 0]
  for (let i = 0; i < targets.length; i++) {
    const error = targets[i]! - constant
    squares += error * error
    absolute += Math.abs(error)
    spread += (targets[i]! - center) ** 2
  }
  return {
    r2: spread === 0 ? Number(squares === 0) : 1 - squares / spread,
    rmse: Math.sqrt(squares / targets.length) * unit,
    mae: (absolute / targets.length) * unit,
  }
}

/** How much one column matters. */
export interface Importance {
  /** Its name. */
  readonly column: string
  /** By how much the score falls when the column is shuffled: accuracy of a classification, R² of a regression. */
  readonly drop: number
  /** Standard deviation over the shufflings. */
  readonly deviation: number
}

/** Of `importance`. */
export interface ImportanceOptions {
  /** How often each column is shuffled; 5 by default. */
  readonly repeats?: number
  /** At most so many test rows, chosen by seed; 4,000 by default. */
  readonly rows?: number
}

/**
 * Permutation importance on test rows: the values of one column are shuffled among the rows (with all network inputs that
 * the column becomes), which leaves its distribution and breaks what it says about the target; how much worse the
 * prediction gets is what the network owes to the column. Columns that say the same share their importance.
 * Breiman 2001, doi:10.1023/A:1010933404324 (section 10). From the most to the least important.
 */
export async function importance(plan: TablePlan, net: Net, options: ImportanceOptions = {}): Promise<Importance[]> {
  const { repeats = 5, rows = 4000 } = options
  const { seed } = plan.settings
  const all = plan.test.input.shape[0]!
  const data =
    all > rows ? subset(plan.test, new RandomStream(seed, 'importance').permutation(all).subarray(0, rows)) : plan.test
  const metrics = { score: plan.task === 'classification' ? accuracy : r2 }
  const score = async (dataset: Dataset) => (await evaluate(net, dataset, { metrics })).score as number
  const whole = await score(data)
  const found: Importance[] = []
  for (const { name, from, to } of featureSpans(plan.preprocessing)) {
    const drops: number[] = []
    for (let i = 0; i < repeats; i++)
      drops.push(whole - (await score(shuffled(data, from, to, new RandomStream(seed, `importance.${name}.${i}`)))))
    const center = mean(drops)
    const deviation = Math.sqrt(mean(drops.map((drop) => (drop - center) ** 2)))
    found.push({ column: name, drop: center, deviation })
  }
  return found.sort((a, b) => b.drop - a.drop)
}

/** A copy in which the network inputs from..to − 1 of each row are those of another. */
function shuffled(dataset: Dataset, from: number, to: number, random: RandomStream): Dataset {
  const { data, shape } = dataset.input
  const width = shape[1]!
  const copy = data.slice()
  const order = random.permutation(shape[0]!)
  for (let row = 0; row < order.length; row++)
    for (let c = from; c < to; c++) copy[row * width + c] = data[order[row]! * width + c]!
  return { ...dataset, input: { ...dataset.input, data: copy } }
}

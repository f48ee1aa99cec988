/**
 * @file Metrics, exact over a whole data set in batches of any sizes. In: output and target of each batch. Inside the
 * program a metric makes small sums of them; on the host the sums are added in float64 and `compute` makes the score.
 * A few need every sample (`collect`): they get all outputs and targets at the end.
 *
 * const total = new MetricTotal(metric); for each batch total.add(sums of the batch); total.result() → 0.98
 */
import { type DType, isFloat, type TypedArray } from '../base/dtype.js'
import { ShapeError, ValueError } from '../base/errors.js'
import { formatShape, type Shape, sizeOf } from '../base/shape.js'
import { full } from '../trace/creation.js'
import type { Tensor } from '../trace/tensor.js'

/** A score, or a table of numbers such as a confusion matrix. */
export type MetricValue = number | readonly (readonly number[])[]
/** Sums over the samples so far, by name, as float64. */
export type Sums = { readonly [name: string]: Float64Array }

interface MetricBase {
  /** For messages. */
  readonly name: string
  /** Which way is good; early stopping looks at it. Undefined for what is no single number. */
  readonly better: 'higher' | 'lower' | undefined
}

/** A metric made of sums; it gives a number, or a table. */
export interface SummingMetric<V extends MetricValue = number> extends MetricBase {
  readonly collect?: false
  /** Sums over the samples of a batch, as small tensors. Runs inside the evaluation program. */
  update(output: Tensor, target: Tensor): { readonly [name: string]: Tensor }
  /** Joins the sums of two sets of samples; by default they are added. */
  merge?(a: Sums, b: Sums): Sums
  /** The score from the sums over all samples. */
  compute(sums: Sums): V
}

/** The outputs or targets of all samples. */
export interface Collected {
  /** All numbers, sample by sample. */
  readonly data: Float64Array
  /** The first size is the number of samples. */
  readonly shape: Shape
}

/** A metric that needs all samples at once. */
export interface CollectingMetric<V extends MetricValue = number> extends MetricBase {
  readonly collect: true
  /** The score of all samples. */
  compute(output: Collected, target: Collected): V
}

/** A score over a whole data set: one made of sums, or one that needs all samples at once. */
export type Metric<V extends MetricValue = MetricValue> = SummingMetric<V> | CollectingMetric<V>
/** What `fit` and `evaluate` accept: a metric, or a function that gives a batch's mean as a scalar. */
export type MetricLike = Metric | ((output: Tensor, target: Tensor) => Tensor<readonly []>)

/** A function as a metric: its mean over batches, each weighted by its number of samples. */
export function asMetric(name: string, metric: MetricLike): Metric {
  if (typeof metric !== 'function') return metric
  return {
    name,
    better: 'lower',
    update(output, target) {
      const value: Tensor = metric(output, target)
      if (value.rank !== 0)
        throw new ShapeError(`metric '${name}'`, `gave ${formatShape(value.shape)}, it must give a scalar`, {
          hint: 'Take the mean over the samples of the batch.',
        })
      const samples = (output.shape as Shape)[0] ?? 1
      return { sum: value.cast('float64').mul(samples), count: count(samples) }
    },
    compute: mean,
  }
}

/** A number of samples or elements, as a sum. */
export const count = (n: number): Tensor => full([], n, { dtype: 'float64' })
/** sum / count. */
export const mean = ({ sum, count: n }: Sums): number => sum![0]! / n![0]!
/** Σ x in float64. */
export const total = (x: Tensor): Tensor => x.cast('float64').sum()

/** Samples as a checkpoint keeps them. */
export interface SavedSamples extends Collected {
  readonly data: Float64Array<ArrayBuffer>
}

/** What a metric has seen of an epoch. */
export interface MetricState {
  readonly sums: Sums | undefined
  readonly outputs: SavedSamples | undefined
  readonly targets: SavedSamples | undefined
}

/** One metric over all batches. */
export class MetricTotal {
  readonly #metric: Metric
  #sums: Sums | undefined
  readonly #outputs: { data: TypedArray; shape: Shape }[] = []
  readonly #targets: { data: TypedArray; shape: Shape }[] = []

  constructor(metric: Metric) {
    this.#metric = metric
  }

  /** What `update` gave for a batch. */
  add(sums: { readonly [name: string]: ArrayLike<number> }): void {
    const metric = this.#metric
    if (metric.collect) throw new ValueError(`metric '${metric.name}'`, 'collects samples, it has no sums to add')
    const batch = Object.fromEntries(Object.entries(sums).map(([name, values]) => [name, Float64Array.from(values)]))
    if (!this.#sums) this.#sums = batch
    else this.#sums = metric.merge ? metric.merge(this.#sums, batch) : added(this.#sums, batch)
  }

  /** The outputs and targets of a batch, for a metric that collects them. */
  collect(output: { data: TypedArray; shape: Shape }, target: { data: TypedArray; shape: Shape }): void {
    this.#outputs.push(output)
    this.#targets.push(target)
  }

  /** For checkpoints: what was added up and collected so far. */
  get saved(): MetricState {
    const collected = this.#outputs.length > 0
    return {
      sums: this.#sums,
      outputs: collected ? joined(this.#outputs) : undefined,
      targets: collected ? joined(this.#targets) : undefined,
    }
  }
  set saved({ sums, outputs, targets }: MetricState) {
    this.#sums = sums
    this.#outputs.splice(0, this.#outputs.length, ...(outputs ? [outputs] : []))
    this.#targets.splice(0, this.#targets.length, ...(targets ? [targets] : []))
  }

  /** The score so far; NaN without samples. */
  result(): MetricValue {
    const metric = this.#metric
    if (metric.collect) {
      if (this.#outputs.length === 0) return Number.NaN
      return metric.compute(joined(this.#outputs), joined(this.#targets))
    }
    return this.#sums ? metric.compute(this.#sums) : Number.NaN
  }
}

const added = (a: Sums, b: Sums): Sums =>
  Object.fromEntries(Object.entries(a).map(([name, values]) => [name, values.map((x, i) => x + b[name]![i]!)]))

function joined(parts: readonly { data: TypedArray; shape: Shape }[]): SavedSamples {
  const inner = parts[0]!.shape.slice(1)
  const rows = parts.reduce((n, { shape }) => n + (shape[0] ?? 1), 0)
  const data = new Float64Array(rows * sizeOf(inner))
  let offset = 0
  for (const part of parts) {
    data.set(part.data, offset)
    offset += part.data.length
  }
  return { data, shape: [rows, ...inner] }
}

/**
 * Class numbers of a batch as int32, predicted and true, [samples]; how many classes there are.
 * Outputs [..., C] are scores of classes (the greatest wins); outputs [N] or [N, 1] are scores of yes (above 0 wins).
 * Targets are class numbers, probabilities of classes, or for yes or no numbers of which those above 0.5 are yes.
 */
export function classesOf(
  operation: string,
  output: Tensor,
  target: Tensor,
): { predicted: Tensor; actual: Tensor; classes: number } {
  const shape: Shape = output.shape
  const last = shape[shape.length - 1] ?? 1
  const isBinary = last === 1 || (shape.length === 1 && target.rank === 1)
  if (isBinary) {
    checkSamples(operation, output, target, output.size === target.size)
    const isYes = isFloat(target.dtype as DType) ? target.greater(0.5) : target.cast('int32').greater(0)
    return {
      predicted: output.greater(0).cast('int32').reshape([output.size]),
      actual: isYes.cast('int32').reshape([target.size]),
      classes: 2,
    }
  }
  const samples = shape.slice(0, -1)
  const isDistribution = target.rank === shape.length
  const wanted = isDistribution ? shape : samples
  checkSamples(operation, output, target, formatShape(target.shape) === formatShape(wanted))
  const actual = isDistribution ? target.argmax(-1) : target.cast('int32')
  const n = sizeOf(samples)
  return { predicted: output.argmax(-1).reshape([n]), actual: actual.reshape([n]), classes: last }
}

export function checkSamples(operation: string, output: Tensor, target: Tensor, agree: boolean): void {
  if (!agree)
    throw new ShapeError(
      operation,
      `outputs ${formatShape(output.shape)} and targets ${formatShape(target.shape)} do not go together`,
    )
}

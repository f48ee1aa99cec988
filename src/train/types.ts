/**
 * @file The words of training: networks, losses, metrics, scores, epochs, histories. Types only, no code.
 */
import type { ActivationStatistics, ParameterNorms } from '../diagnosis/observe.js'
import type { MetricLike } from '../metrics/metric.js'
import type { ModuleParts } from '../nn/module.js'
import type { Tensor } from '../trace/tensor.js'

/** A module from a batch of inputs to a batch of outputs. */
export type Net = ModuleParts & ((input: Tensor) => Tensor)

/**
 * The error of a batch: the mean over its samples, a scalar. All of `loss` fit. Data with sample weights need one
 * that uses them: `(output, target, options) => loss.huber(output, target, { ...options, delta: 2 })`.
 */
export type Loss = (output: Tensor, target: Tensor, options: { readonly sampleWeight?: Tensor }) => Tensor<readonly []>

/** Metrics by the names they have in scores. */
export interface Metrics {
  readonly [name: string]: MetricLike
}
// biome-ignore lint/complexity/noBannedTypes: no names at all, where no metrics are given
export type NoMetrics = {}

/** What one metric gives: a number, or a table such as the confusion matrix. */
type ScoreOf<M> = M extends { compute(...args: never[]): infer Value } ? Value : number

/** The mean loss over all samples, and the metrics by name. */
export type Scores<M extends Metrics = Metrics> = { readonly loss: number } & {
  readonly [K in keyof M]: ScoreOf<M[K]>
}

/** One epoch of a history. */
export interface Epoch<M extends Metrics = Metrics, V = Scores<M> | undefined> {
  /** Counts from 1. */
  readonly epoch: number
  /** Over the batches as they were trained on: with dropout, and while the parameters changed. */
  readonly train: Scores<M>
  /** After the epoch, without dropout. */
  readonly validation: V
  /** That of the last step; undefined where `fit` does not know the optimizer. */
  readonly learningRate: number | undefined
  /** Training and validation together. */
  readonly seconds: number
  /** With `observe`: norms by parameter and statistics by layer of the last step that was looked at. */
  readonly layers?: {
    readonly step: number
    readonly parameters: { readonly [name: string]: ParameterNorms }
    readonly activations: { readonly [layer: string]: ActivationStatistics }
  }
  /** With `onNonFinite: 'skip'`: how many steps left everything as it was, where there were any. */
  readonly skipped?: number
}

/** The best epoch so far, by the metric that early stopping looks at. */
export interface Best {
  /** Counts from 1. */
  readonly epoch: number
  /** A path into the scores: `validation.loss`. */
  readonly metric: string
  /** The score. */
  readonly value: number
}

/** What a run did; plain data that JSON holds. */
export interface History<E = Epoch> {
  /** Those done so far. */
  readonly epochs: readonly E[]
  /** By the metric of early stopping; without it by the validation loss, or the training loss. */
  readonly best: Best | undefined
  /** Why it ended: all epochs done, early stopping, left by the caller (`break`), or aborted by its signal. */
  readonly stopped: 'running' | 'finished' | 'earlyStopping' | 'left' | 'aborted' | 'failed'
  /** Whether the network has the parameters of the best epoch, not of the last. */
  readonly restored: boolean
  /** Given, or drawn where none was. */
  readonly seed: number
  /** From the beginning of the run. */
  readonly seconds: number
}

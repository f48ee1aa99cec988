/**
 * @file Reduce on plateau: lowers the learning rate when a score no longer improves. In: scores after each epoch, and the
 * optimizer. Out: a smaller rate. `fit` uses it; so may any loop.
 *
 * const plateau = reduceOnPlateau({ patience: 3 })
 * plateau.update({ validation: await evaluate(net, validation, { loss }) }, optimizer)
 */
import { ValueError } from '../base/errors.js'
import { checkNames } from '../base/options.js'
import type { Optimizer } from '../optim/optimizer.js'
import type { Checkpointable, PartState } from './checkpoint-parts.js'
import { modeOf, type ScoreTree, scoreAt } from './early-stopping.js'

/** When the rate falls, and by how much. */
export interface ReduceOnPlateauOptions {
  /** A path into the scores: 'validation.loss' by default, 'train.loss'. */
  readonly metric?: string
  /** Whether less or more is better; known for losses and the library's metrics, else it must be given. */
  readonly mode?: 'min' | 'max'
  /** The rate is multiplied by this; 0.1 by default. */
  readonly factor?: number
  /** How many epochs without improvement are borne; the rate falls after one more. 10 by default. */
  readonly patience?: number
  /** By how much a score must beat the best so far to be an improvement; 1e-4 by default. */
  readonly threshold?: number
  /** Whether the threshold is a share of the best score ('relative', the default) or a difference ('absolute'). */
  readonly thresholdMode?: 'relative' | 'absolute'
  /** Epochs after a reduction in which nothing is counted; 0 by default. */
  readonly cooldown?: number
  /** The rate falls no lower; 0 by default. */
  readonly minimumLearningRate?: number
  /** A smaller change of the rate is not made; 1e-8 by default. */
  readonly epsilon?: number
}
const names = [
  'metric',
  'mode',
  'factor',
  'patience',
  'threshold',
  'thresholdMode',
  'cooldown',
  'minimumLearningRate',
  'epsilon',
]

/**
 * Multiplies the learning rate by `factor` after more than `patience` epochs in a row that were not better than the best. The
 * rates of groups that have their own fall alike; a schedule ends with the first reduction. torch's ReduceLROnPlateau
 * Example: fit(net, { ..., reduceOnPlateau: { factor: 0.5, patience: 3 } })
 */
export const reduceOnPlateau = (options: ReduceOnPlateauOptions = {}): ReduceOnPlateau => new ReduceOnPlateau(options)

/**
 * Lowers the learning rate where a score no longer improves; made by `reduceOnPlateau`.
 * torch.optim.lr_scheduler.ReduceLROnPlateau
 */
export class ReduceOnPlateau implements Checkpointable {
  /** The score it looks at. */
  readonly metric: string
  readonly #options: Required<Omit<ReduceOnPlateauOptions, 'metric' | 'mode'>>
  #mode: 'min' | 'max' | undefined
  #best: number | undefined
  #waited = 0
  #resting = 0

  constructor(options: ReduceOnPlateauOptions = {}) {
    const { metric = 'validation.loss', mode, factor = 0.1, patience = 10, threshold = 1e-4 } = options
    const { thresholdMode = 'relative', cooldown = 0, minimumLearningRate = 0, epsilon = 1e-8 } = options
    checkNames('reduceOnPlateau', options, names)
    const fail = (fault: string): never => {
      throw new ValueError('reduceOnPlateau', fault)
    }
    if (!(factor >= 0 && factor < 1)) fail(`the factor must be from 0 to below 1, not ${factor}`)
    for (const [name, value] of Object.entries({ patience, cooldown }))
      if (!Number.isInteger(value) || value < 0) fail(`${name} must be a whole number of 0 or more, not ${value}`)
    for (const [name, value] of Object.entries({ threshold, minimumLearningRate, epsilon }))
      if (!(value >= 0 && Number.isFinite(value))) fail(`${name} must be a number of 0 or more, not ${value}`)
    if (thresholdMode !== 'relative' && thresholdMode !== 'absolute')
      fail(`thresholdMode is 'relative' or 'absolute', not '${String(thresholdMode)}'`)
    if (mode !== undefined && mode !== 'min' && mode !== 'max')
      fail(`the mode is 'min' or 'max', not '${String(mode)}'`)
    this.metric = metric
    this.#mode = mode
    this.#options = { factor, patience, threshold, thresholdMode, cooldown, minimumLearningRate, epsilon }
  }

  /** The best score so far. */
  get best(): number | undefined {
    return this.#best
  }

  /** Whether less or more is better, where it was not given. */
  assume(mode: 'min' | 'max'): void {
    this.#mode ??= mode
  }

  /**
   * Looks at the scores of one more epoch: a number, or scores in which `metric` is found. True where it was time to lower the
   * rates, which then are lower unless they were at their minimum.
   */
  update(scores: number | ScoreTree, optimizer: Optimizer): boolean {
    const value = typeof scores === 'number' ? scores : scoreAt(scores, this.metric)
    const { patience, cooldown } = this.#options
    if (this.#isBetter(value)) {
      this.#best = value
      this.#waited = 0
    } else this.#waited++
    if (this.#resting > 0) {
      this.#resting--
      this.#waited = 0
    }
    if (this.#waited <= patience) return false
    this.#reduce(optimizer)
    this.#resting = cooldown
    this.#waited = 0
    return true
  }

  /** For checkpoints: what it has seen. The rates themselves belong to the optimizer. */
  saveState(): PartState {
    return { values: { best: this.#best, waited: this.#waited, resting: this.#resting } }
  }

  /** For checkpoints: gives what makes a state this object's own. */
  loadState({ values }: PartState): () => void {
    const { best, waited, resting } = values as { best: number | undefined; waited: number; resting: number }
    return () => {
      this.#best = best
      this.#waited = waited
      this.#resting = resting
    }
  }

  #isBetter(value: number): boolean {
    const mode = (this.#mode ??= modeOf(this.metric))
    const best = this.#best ?? (mode === 'min' ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY)
    const { threshold, thresholdMode } = this.#options
    const sign = mode === 'min' ? -1 : 1
    const mark = thresholdMode === 'relative' ? best * (1 + sign * threshold) : best + sign * threshold
    return mode === 'min' ? value < mark : value > mark
  }

  #reduce(optimizer: Optimizer): void {
    const { factor, minimumLearningRate, epsilon } = this.#options
    for (const group of optimizer.groups) {
      const now = group.learningRate
      const lower = Math.max(now * factor, minimumLearningRate)
      if (now - lower > epsilon) group.learningRate = lower
    }
  }
}

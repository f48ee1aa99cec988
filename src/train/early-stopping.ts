/**
 * @file Early stopping: looks at a score after each epoch, says when to stop, and brings back the best parameters.
 * In: scores, and the network whose parameters to keep. Out: whether to stop. `fit` uses it; so may any loop.
 *
 * const stopping = earlyStopping({ patience: 3 })
 * if (stopping.update({ validation: await evaluate(net, validation, { loss }) }, net)) break
 * stopping.restore()
 */
import type { TypedArray } from '../base/dtype.js'
import { nearest, ValueError } from '../base/errors.js'
import { checkNames } from '../base/options.js'
import { type ModuleParts, state } from '../nn/module.js'
import type { Variable } from '../trace/variable.js'
import type { Checkpointable, PartState, VariablesOf } from './checkpoint-parts.js'
import type { Best, Epoch } from './types.js'

/** When training stops, and with which parameters. */
export interface EarlyStoppingOptions {
  /** A path into the scores: 'validation.loss' by default, 'validation.accuracy'. */
  readonly metric?: string
  /** Whether less or more is better; known for losses and the library's metrics, else it must be given. */
  readonly mode?: 'min' | 'max'
  /** Epochs without improvement after which to stop; 5 by default. */
  readonly patience?: number
  /** A smaller change is none; 0 by default. */
  readonly minimumChange?: number
  /** Whether the network gets the parameters of the best epoch in the end; true by default. */
  readonly restoreBest?: boolean
  /**
   * 'patience': stop after so many epochs that were not better than the best (Prechelt 1998, doi:10.1007/3-540-49430-8_3).
   * 'consistentIncrease': stop after so many epochs in a row each of which was worse than the one before it.
   */
  readonly rule?: 'patience' | 'consistentIncrease'
}

/** Scores in any nesting: { validation: { loss: 0.3 } }. */
export interface ScoreTree {
  readonly [name: string]: unknown
}

/**
 * An early stop for a loop of one’s own: tell it the scores of each epoch by `update`. `fit` makes its own from the same
 * options.
 */
export const earlyStopping = (options: EarlyStoppingOptions = {}): EarlyStopping => new EarlyStopping(options)

/** Remembers the best score and what came since; made by `earlyStopping`. Prechelt 1998, doi:10.1007/3-540-49430-8_3 */
export class EarlyStopping implements Checkpointable {
  /** The score it looks at. */
  readonly metric: string
  /** Whether `fit` goes back to the parameters of the best epoch. */
  readonly restoreBest: boolean
  readonly #patience: number
  readonly #minimumChange: number
  readonly #rule: 'patience' | 'consistentIncrease'
  #mode: 'min' | 'max' | undefined
  #best: Best | undefined
  #last = Number.NaN
  #waited = 0
  #epochs = 0
  #saved: Map<string, { variable: Variable; data: TypedArray }> | undefined

  constructor(options: EarlyStoppingOptions = {}) {
    const { metric = 'validation.loss', patience = 5, minimumChange = 0, restoreBest = true } = options
    const { rule = 'patience', mode } = options
    checkNames('earlyStopping', options, optionNames)
    if (!Number.isInteger(patience) || patience < 1)
      throw new ValueError('earlyStopping', `patience must be a whole number of epochs above 0, not ${patience}`)
    if (!(minimumChange >= 0))
      throw new ValueError('earlyStopping', `minimumChange must be a number of 0 or more, not ${minimumChange}`)
    if (rule !== 'patience' && rule !== 'consistentIncrease')
      throw new ValueError('earlyStopping', `the rule is 'patience' or 'consistentIncrease', not '${String(rule)}'`)
    if (mode !== undefined && mode !== 'min' && mode !== 'max')
      throw new ValueError('earlyStopping', `the mode is 'min' or 'max', not '${String(mode)}'`)
    this.metric = metric
    this.restoreBest = restoreBest
    this.#patience = patience
    this.#minimumChange = minimumChange
    this.#rule = rule
    this.#mode = mode
  }

  /** The best epoch so far. */
  get best(): Best | undefined {
    return this.#best
  }

  /** Whether less or more is better, where it was not given. */
  assume(mode: 'min' | 'max'): void {
    this.#mode ??= mode
  }

  /**
   * Looks at the scores of one more epoch: a number, or scores in which `metric` is found. True: time to stop. With a
   * network (or a map of variables), its parameters and other state are kept whenever they are the best so far.
   */
  update(scores: number | ScoreTree, net?: ModuleParts | ReadonlyMap<string, Variable>): boolean {
    const value = typeof scores === 'number' ? scores : scoreAt(scores, this.metric)
    this.#epochs++
    const best = this.#best
    const better = best === undefined || Number.isNaN(best.value) || this.#gain(best.value, value) > 0
    const worse = !(this.#gain(this.#last, value, -1) >= 0)
    if (better) {
      this.#best = { epoch: this.#epochs, metric: this.metric, value }
      if (net && this.restoreBest) this.#keep(net)
    }
    if (this.#rule === 'patience') this.#waited = better ? 0 : this.#waited + 1
    else this.#waited = this.#epochs > 1 && worse ? this.#waited + 1 : 0
    this.#last = value
    return this.due
  }

  /** Whether it is time to stop: what `update` last said, and what it says of a state brought back from a checkpoint. */
  get due(): boolean {
    return this.#waited >= this.#patience
  }

  /** For checkpoints: what it has seen, and the parameters it keeps. */
  saveState(): PartState {
    const saved = [...(this.#saved ?? [])].map(([name, { variable, data }]) => {
      return [name, { dtype: variable.dtype, shape: variable.shape, data }] as const
    })
    const values = { best: this.#best, last: this.#last, waited: this.#waited, epochs: this.#epochs }
    return { values: { ...values, saved: this.#saved !== undefined }, tensors: new Map(saved) }
  }

  /** For checkpoints: checks a state, and gives what makes it this object's own. The parameters kept belong to `variables`. */
  loadState({ values, tensors }: Required<PartState>, variables: VariablesOf): () => void {
    const { best, last, waited, epochs, saved } = values as {
      best: Best | undefined
      last: number
      waited: number
      epochs: number
      saved: boolean
    }
    const own = variables(tensors)
    const kept = [...tensors].map(([name, { data }]) => [name, { variable: own.get(name)!, data }] as const)
    return () => {
      this.#best = best
      this.#last = last
      this.#waited = waited
      this.#epochs = epochs
      this.#saved = saved ? new Map(kept) : undefined
    }
  }

  /** Puts the best parameters back; false where none were kept. */
  restore(): boolean {
    for (const { variable, data } of this.#saved?.values() ?? []) variable.storage.write(data)
    return this.#saved !== undefined
  }

  /** How much better `to` is than `from`, beyond the minimum change (which counts against it, or with `sign` −1 for it). */
  #gain(from: number, to: number, sign = 1): number {
    const mode = (this.#mode ??= modeOf(this.metric))
    return (mode === 'min' ? from - to : to - from) - sign * this.#minimumChange
  }

  #keep(net: ModuleParts | ReadonlyMap<string, Variable>): void {
    const variables = net instanceof Map ? (net as ReadonlyMap<string, Variable>) : state(net as ModuleParts)
    this.#saved = new Map([...variables].map(([name, variable]) => [name, { variable, data: variable.storage.read() }]))
  }
}

const optionNames = ['metric', 'mode', 'patience', 'minimumChange', 'restoreBest', 'rule']

/** The number at a path such as 'validation.loss'. Throws with the paths there are. */
export function scoreAt(scores: ScoreTree, path: string): number {
  let value: unknown = scores
  for (const key of path.split('.')) value = (value as ScoreTree | undefined)?.[key]
  if (typeof value === 'number') return value
  const paths = numberPaths(scores, '')
  const near = nearest(path, paths)
  throw new ValueError('earlyStopping', `there is no number ${path}${near ? `; did you mean ${near}?` : ''}`, {
    hint: `There are ${paths.join(', ')}.`,
  })
}

const numberPaths = (scores: ScoreTree, prefix: string): string[] =>
  Object.entries(scores).flatMap(([key, value]) => {
    if (typeof value === 'number') return [prefix + key]
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? numberPaths(value as ScoreTree, `${prefix}${key}.`)
      : []
  })

/** By the name alone. */
export function modeOf(metric: string): 'min' | 'max' {
  const name = metric.replace(/^.*\./, '')
  if (/loss|error/i.test(name)) return 'min'
  if (/accuracy|precision|recall|f1|auc|r2|^top/i.test(name)) return 'max'
  throw new ValueError('earlyStopping', `whether ${metric} should be small or great is not known`, {
    hint: "Give mode: 'min' or mode: 'max'.",
  })
}

/** Without early stopping: by the validation loss, or the training loss. */
export function bestOf(epochs: readonly Epoch[]): Best | undefined {
  let best: Best | undefined
  for (const { epoch, train, validation } of epochs) {
    const metric = validation?.loss === undefined ? 'train.loss' : 'validation.loss'
    const value = validation?.loss ?? train.loss
    if (!best || value < best.value) best = { epoch, metric, value }
  }
  return best
}

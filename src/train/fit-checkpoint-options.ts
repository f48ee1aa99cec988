/**
 * @file What `fit` may be told about checkpoints, and the checks that need nothing else. In: options. Out: an error, or nothing.
 */
import { describeValue } from '../base/describe.js'
import { ValueError } from '../base/errors.js'
import { checkNames, isPlainOptions } from '../base/options.js'
import { Optimizer } from '../optim/optimizer.js'
import { checkFolder, checkKeep, checkParts } from './checkpoint-check.js'
import type { CheckpointParts } from './checkpoint-parts.js'

/** Where checkpoints of a run go, how often, and which stay. */
export interface FitCheckpointOptions {
  /** Where; made if need be. Without `resume` it must hold no checkpoints yet. */
  readonly folder: string
  /**
   * How often: 1 (the default) after every epoch, 5 or { epochs: 5 } after each fifth; { steps: 500 } after so many batches, and
   * { seconds: 60 } after so much time, also in the middle of an epoch. Besides, an epoch that is the best so far is saved, where the best
   * is kept, and the end of a run that does not fail.
   */
  readonly every?: number | { readonly epochs: number } | { readonly steps: number } | { readonly seconds: number }
  /** How many of the newest stay; 3 by default. One alone has nothing to fall back on. */
  readonly keep?: number
  /**
   * Whether the one with the best score stays as well: true by default, by the metric of early stopping, else the validation
   * loss, else the training loss; or a metric, such as 'validation.accuracy'; or a metric and whether less or more is better.
   */
  readonly keepBest?: boolean | string | { readonly metric: string; readonly mode: 'min' | 'max' }
  /** Further parts by name: what a step of one's own keeps, such as a second optimizer or a random generator. */
  readonly also?: CheckpointParts
}

const hintEvery = 'Write 5, { epochs: 5 }, { steps: 500 } or { seconds: 60 }.'
const reserved = ['net', 'optimizer', 'average', 'random', 'earlyStopping', 'reduceOnPlateau', 'run']

/** Throws for options of checkpoints that are wrong by themselves. */
export function checkCheckpointOptions(options: {
  readonly checkpoint?: string | FitCheckpointOptions
  readonly resume?: boolean
  readonly step?: unknown
  readonly optimizer?: unknown
}): void {
  const { checkpoint, resume, step, optimizer } = options
  const fail = (fault: string, hint: string): never => {
    throw new ValueError('fit', fault, { hint })
  }
  if (resume !== undefined && typeof resume !== 'boolean')
    fail(`resume is ${describeValue(resume)}`, 'It is true or false.')
  if (checkpoint === undefined) {
    if (resume) fail('resume is true, but there is no checkpoint', "Say where: checkpoint: 'runs/digits/checkpoints'.")
    return
  }
  const given = typeof checkpoint === 'string' ? { folder: checkpoint } : checkpoint
  checkNames('fit: checkpoint', given, ['folder', 'every', 'keep', 'keepBest', 'also'])
  const { folder, keep, keepBest, also = {} } = given
  checkFolder('fit', folder)
  if (keep !== undefined) checkKeep('fit', keep)
  everyOf(given)
  const best = isPlainOptions(keepBest) ? keepBest.metric : keepBest
  if (best !== undefined && typeof best !== 'boolean' && typeof best !== 'string')
    fail(`keepBest is ${describeValue(keepBest)}`, "It is true, false, or a metric such as 'validation.accuracy'.")
  if (isPlainOptions(keepBest) && keepBest.mode !== 'min' && keepBest.mode !== 'max')
    fail(`the mode of keepBest is ${describeValue(keepBest.mode)}`, "It is 'min' or 'max'.")
  if (!isPlainOptions(also)) fail(`also is ${describeValue(also)}`, 'Write also: { generator }: parts by name.')
  checkParts('fit', also)
  const taken = Object.keys(also).find((name) => reserved.includes(name))
  if (taken) fail(`a part of also is named '${taken}', as one of fit's own is`, 'Choose another name.')
  if (step && !(optimizer instanceof Optimizer) && Object.keys(also).length === 0)
    fail(
      'the checkpoint would lack the optimizer, which only the step knows',
      'Give it beside the step: fit(net, { step, optimizer, checkpoint, ... }), or in checkpoint: { also: { ... } }.',
    )
}

export interface Every {
  readonly unit: 'epochs' | 'steps' | 'seconds'
  readonly count: number
}

/** How often, as one unit and a count. */
export function everyOf({ every = 1 }: FitCheckpointOptions): Every {
  const entries =
    typeof every === 'number' ? [['epochs', every] as const] : isPlainOptions(every) ? Object.entries(every) : []
  const [unit, count] = entries[0] ?? []
  const whole = unit === 'seconds' ? count > 0 : Number.isInteger(count) && count! > 0
  if (entries.length !== 1 || !['epochs', 'steps', 'seconds'].includes(unit!) || !whole)
    throw new ValueError('fit', `every is ${JSON.stringify(every)}`, { hint: hintEvery })
  return { unit: unit as Every['unit'], count: count! }
}

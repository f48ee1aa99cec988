/**
 * @file sweep: tries settings and keeps the best. In: a space, and a function that trains with values and gives a score. Out: all
 * trials, and the best. The same seed makes the same trials, however many run at once and however often it was interrupted.
 *
 * const { best } = await sweep({ learningRate: { log: [1e-4, 1e-1] } }, async ({ values }) => (await train(values)).best!.value, { trials: 20 })
 */
import { describeValue } from '../base/describe.js'
import { ArgumentError, GradusError, ValueError } from '../base/errors.js'
import { checkNames } from '../base/options.js'
import { checkSeed } from '../trace/seed.js'
import { checkSpace, drawValues, gridOf, type SearchSpace, type SearchValues } from './search-space.js'

/** How trials are chosen: drawn by the seed; all points of a grid; or many short ones, of which the better ones go on for longer. */
export type SweepStrategy = 'random' | 'grid' | 'halving'

/** One trial, before it is made. */
export interface Trial {
  /** Counts from 1. */
  readonly number: number
  readonly values: SearchValues
  /** Of successive halving: how many times it was among the better ones; else 0. */
  readonly rung: number
  /** Of successive halving: how much may be spent on it, such as epochs. */
  readonly budget?: number
  /** Aborts with that of the sweep. */
  readonly signal: AbortSignal
}

/** One trial, after it was made; JSON holds it. */
export interface TrialRecord extends Omit<Trial, 'signal'> {
  readonly status: 'done' | 'failed'
  /** Of a trial that is done. */
  readonly score?: number
  /** Why it failed. */
  readonly message?: string
  readonly seconds: number
}

/** How `sweep` goes about it. */
export interface SweepOptions {
  /** 'random' by default. */
  readonly strategy?: SweepStrategy
  /** How many; 20 by default, of a grid all. Of successive halving: how many begin. */
  readonly trials?: number
  /** Draws the values; 1 by default. */
  readonly seed?: number
  /** Whether a lower score is better, as of a loss, or a higher; 'lower' by default. */
  readonly better?: 'lower' | 'higher'
  /** Trials to begin with, such as the settings there are now; they count. */
  readonly first?: readonly SearchValues[]
  /** How many run at once; 1 by default. It changes nothing but the time. */
  readonly workers?: number
  /** Of successive halving: what the last of them get, and the factor between rungs, 3 by default. */
  readonly budget?: { readonly most: number; readonly factor?: number }
  /** Trials of an earlier sweep with the same options, which are not made again. */
  readonly known?: readonly TrialRecord[]
  /** Called after each trial that is made. What it throws ends the sweep. */
  readonly onTrial?: (record: TrialRecord) => void | Promise<void>
  /** Ends it: no further trial begins. */
  readonly signal?: AbortSignal
}

/** What a sweep found. */
export interface SweepResult {
  /** In the order of their numbers, rung by rung. */
  readonly trials: readonly TrialRecord[]
  /** The best of those with the largest budget; undefined where all failed. */
  readonly best: TrialRecord | undefined
  /** Whether the signal ended it. */
  readonly interrupted: boolean
}

/**
 * Calls `train` with values of the space and keeps the score that it gives. A trial that throws, or whose score is no finite number,
 * has failed: that is recorded, and the sweep goes on. Successive halving (Jamieson and Talwalkar 2016, arXiv:1502.07943): all begin
 * with a small budget; the better third gets three times as much, from the start, and so on. Throws for a space or options that are wrong.
 */
export async function sweep(
  space: SearchSpace,
  train: (trial: Trial) => number | Promise<number>,
  options: SweepOptions = {},
): Promise<SweepResult> {
  checkSweep(space, options)
  if (typeof train !== 'function')
    throw new ArgumentError('sweep', `there is ${describeValue(train)} where a function is needed`, {
      hint: 'Give one that trains with trial.values and returns a score.',
    })
  const { signal = new AbortController().signal, known = [], onTrial } = options
  const records = new Map(known.map((record) => [keyOf(record), record]))
  const made: TrialRecord[] = []
  let trials: readonly Omit<Trial, 'signal'>[] = firstTrials(space, options)
  for (;;) {
    const results = await inParallel(trials, options.workers ?? 1, signal, async (trial) => {
      const record = records.get(keyOf(trial)) ?? (await makeTrial({ ...trial, signal }, train))
      if (record && !records.has(keyOf(trial))) await onTrial?.(record)
      return record
    })
    const finished = results.filter((record) => record !== undefined)
    made.push(...finished)
    const interrupted = finished.length < trials.length
    const next = interrupted ? [] : nextRung(finished, trials, options)
    if (next.length === 0) {
      const rung = trials[0]!.rung
      const ranked = rankedOf(
        made.filter((record) => record.rung === rung || interrupted),
        options,
      )
      return { trials: made, best: ranked[0], interrupted }
    }
    trials = next
  }
}

const keyOf = ({ number, rung }: { readonly number: number; readonly rung: number }): string => `${rung}.${number}`

/** The trials that were done, from the best. Those of a later rung come first. */
export function rankedOf(records: readonly TrialRecord[], { better = 'lower' }: SweepOptions): TrialRecord[] {
  const sign = better === 'lower' ? 1 : -1
  return records
    .filter(({ status }) => status === 'done')
    .sort((a, b) => b.rung - a.rung || sign * (a.score! - b.score!) || a.number - b.number)
}

function firstTrials(space: SearchSpace, options: SweepOptions): Omit<Trial, 'signal'>[] {
  const { strategy = 'random', seed = 1, first = [], trials, budget } = options
  const drawn = strategy === 'grid' ? gridOf('sweep', space) : []
  const count = trials ?? (strategy === 'grid' ? first.length + drawn.length : 20)
  const values = (i: number): SearchValues => {
    if (i < first.length) return first[i]!
    return strategy === 'grid' ? drawn[i - first.length]! : drawValues(space, seed, i + 1)
  }
  const most = strategy === 'grid' ? Math.min(count, first.length + drawn.length) : count
  const start = budget === undefined ? {} : { budget: budgetsOf(count, budget)[0]! }
  return Array.from({ length: most }, (_, i) => ({ number: i + 1, rung: 0, values: values(i), ...start }))
}

/** The budget of each rung: the last has the most, and there are as many as there are trials to thin out, or whole budgets. */
export function budgetsOf(
  trials: number,
  { most, factor = 3 }: { readonly most: number; readonly factor?: number },
): number[] {
  const budgets: number[] = []
  for (let left = trials, share = most; ; left = Math.floor(left / factor), share /= factor) {
    if (left < 1 || (share < 1 && budgets.length > 0)) break
    budgets.unshift(Math.max(1, Math.round(share)))
  }
  return budgets
}

function nextRung(
  finished: readonly TrialRecord[],
  trials: readonly Omit<Trial, 'signal'>[],
  options: SweepOptions,
): Omit<Trial, 'signal'>[] {
  const { strategy, budget, trials: count = 20 } = options
  if (strategy !== 'halving' || !budget) return []
  const rung = trials[0]!.rung + 1
  const budgets = budgetsOf(count, budget)
  if (rung >= budgets.length) return []
  const keep = Math.max(1, Math.floor(trials.length / (budget.factor ?? 3)))
  return rankedOf(finished, options)
    .slice(0, keep)
    .map(({ number, values }) => ({ number, values, rung, budget: budgets[rung]! }))
}

/** Undefined where the sweep was ended meanwhile. */
async function makeTrial(
  trial: Trial,
  train: (trial: Trial) => number | Promise<number>,
): Promise<TrialRecord | undefined> {
  const { signal, ...about } = trial
  const start = performance.now()
  const record = (result: Pick<TrialRecord, 'status' | 'score' | 'message'>): TrialRecord => ({
    ...about,
    ...result,
    seconds: Number(((performance.now() - start) / 1000).toFixed(2)),
  })
  try {
    const score = await train(trial)
    if (signal.aborted) return undefined
    if (typeof score === 'number' && Number.isFinite(score)) return record({ status: 'done', score })
    return record({ status: 'failed', message: `the score is ${describeValue(score)}` })
  } catch (error) {
    if (signal.aborted) return undefined
    return record({ status: 'failed', message: messageOf(error) })
  }
}

const messageOf = (error: unknown): string =>
  error instanceof GradusError ? error.sentence : error instanceof Error ? error.message : String(error)

/** Results in the order of the items; undefined for those that were not begun. */
async function inParallel<T, R>(
  items: readonly T[],
  workers: number,
  signal: AbortSignal,
  work: (item: T) => Promise<R | undefined>,
): Promise<(R | undefined)[]> {
  const results = new Array<R | undefined>(items.length).fill(undefined)
  let next = 0
  let failed = false
  const worker = async () => {
    while (next < items.length && !signal.aborted && !failed) {
      const i = next++
      try {
        results[i] = await work(items[i]!)
      } catch (error) {
        failed = true
        throw error
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(workers, items.length) }, worker))
  return results
}

function checkSweep(space: SearchSpace, options: SweepOptions): void {
  const fail = (fault: string, hint: string): never => {
    throw new ValueError('sweep', fault, { hint })
  }
  checkSpace('sweep', space)
  checkNames('sweep', options, [
    'strategy',
    'trials',
    'seed',
    'better',
    'first',
    'workers',
    'budget',
    'known',
    'onTrial',
    'signal',
  ])
  const { strategy = 'random', trials, seed = 1, better = 'lower', workers = 1, budget, first = [] } = options
  if (!['random', 'grid', 'halving'].includes(strategy))
    fail(`there is no strategy '${String(strategy)}'`, "It is 'random', 'grid' or 'halving'.")
  if (better !== 'lower' && better !== 'higher')
    fail(`better is ${describeValue(better)}`, "It is 'lower' or 'higher'.")
  for (const [name, value] of Object.entries({ trials, workers }))
    if (value !== undefined && !(Number.isInteger(value) && value >= 1))
      fail(`${name} must be a whole number above 0, not ${String(value)}`, 'How many.')
  checkSeed('sweep', seed)
  if (!Array.isArray(first)) fail(`first is ${describeValue(first)}`, 'It is a list of values.')
  if (strategy === 'halving' && budget === undefined)
    fail('successive halving needs a budget', 'Give budget: { most: 27 }, such as epochs.')
  if (strategy !== 'halving' && budget !== undefined)
    fail(`a budget is given, but the strategy is '${strategy}'`, "It is for 'halving'.")
  if (budget) {
    const { most, factor = 3 } = budget
    if (!(Number.isInteger(most) && most >= 1))
      fail(`the largest budget is ${String(most)}`, 'It is a whole number above 0.')
    if (!(factor > 1 && Number.isFinite(factor)))
      fail(`the factor between budgets is ${String(factor)}`, 'It is a number above 1, such as 3.')
  }
}

/**
 * @file What an engine is: it takes a plan and the Variables' storages, and gives something that runs.
 */
import type { TypedArray } from '../base/dtype.js'
import type { Storage } from '../base/storage.js'
import type { Plan } from '../lower/plan.js'
import type { Target } from '../lower/target.js'

export interface Engine {
  readonly name: 'wasm' | 'native' | 'interpreter'
  /** What plans for this engine are lowered for. Throws where the engine cannot run here. */
  target(): Target
  /** How many threads there can be where so many are wanted. */
  threads(wanted: number): number
  /**
   * `storages`: for each graph input, the storage that holds it across calls; undefined for arguments.
   * `threads`: not more than the plan's target has; 1 unless said otherwise.
   */
  load(plan: Plan, storages: readonly (Storage | undefined)[], threads?: number): Runnable
}

export interface Runnable {
  /**
   * One call. `inputs`: for each graph input its values (undefined where a storage holds them); they are copied.
   * Returns the first `results` outputs, in arrays that belong to the caller; storages are updated.
   */
  run(inputs: readonly (TypedArray | undefined)[], results: number): TypedArray[]
  /** One call that makes a step for each of `inputs`, one after another: the same results, with less between two steps. */
  runMany(inputs: readonly (readonly (TypedArray | undefined)[])[], results: number): TypedArray[][]
  /** Seconds each launch takes, the median of several runs; storages are left as they were. */
  time(inputs: readonly (TypedArray | undefined)[]): number[]
}

/** The median of seconds that `f` takes, over at least five runs and a few milliseconds. */
export function medianSeconds(f: () => void): number {
  const times: number[] = []
  const start = performance.now()
  while (times.length < 5 || (performance.now() - start < 3 && times.length < 1000)) {
    const before = performance.now()
    f()
    times.push(performance.now() - before)
  }
  times.sort((a, b) => a - b)
  return times[times.length >> 1]! / 1000
}

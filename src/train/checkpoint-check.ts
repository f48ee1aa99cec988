/**
 * @file What can be said of the options of checkpoints before anything is written: `fit` says it at once, and loads the rest
 * (checkpoint-parts.ts, the files) only where there are checkpoints. In: options. Out: an error, or nothing.
 */
import { describeValue } from '../base/describe.js'
import { ArgumentError, ValueError } from '../base/errors.js'
import type { StoredTensor } from '../io/safetensors.js'
import { isModule, type ModuleParts } from '../nn/module.js'
import { Variable } from '../trace/variable.js'

/** What an object is at a moment. */
export interface PartState {
  /** Plain data. */
  readonly values: { readonly [name: string]: unknown }
  readonly tensors?: ReadonlyMap<string, StoredTensor>
}

/** Finds variables of another part that have the names, shapes and dtypes of these tensors. Throws where there are none. */
export type VariablesOf = (tensors: ReadonlyMap<string, StoredTensor>) => ReadonlyMap<string, Variable>

/** An object that a checkpoint can hold: it says what it is now, and becomes what it was. */
export interface Checkpointable {
  /** What it is now. */
  saveState(): PartState
  /** Checks a state (`tensors` is always there) and changes nothing; the function that it gives makes the change. */
  loadState(state: Required<PartState>, variables: VariablesOf): () => void
}

/** Optimizers, averages and random generators have their variables in `state`. */
export interface WithState {
  readonly state: ReadonlyMap<string, Variable> | Variable
}

/** One part of what a checkpoint holds. */
export type CheckpointPart = ModuleParts | Variable | ReadonlyMap<string, Variable> | WithState | Checkpointable
/** What a checkpoint holds, by names of one's own without a dot. */
export interface CheckpointParts {
  readonly [name: string]: CheckpointPart
}

export const isCheckpointable = (part: CheckpointPart): part is Checkpointable =>
  typeof (part as Checkpointable).saveState === 'function' && typeof (part as Checkpointable).loadState === 'function'

/** Throws ValueError for parts that are none. */
export function checkParts(operation: string, parts: CheckpointParts): void {
  for (const [name, part] of Object.entries(parts)) {
    if (name === '' || name.includes('.'))
      throw new ValueError(operation, `a part is named '${name}'; names are not empty and have no dot`)
    const hasState = (typeof part === 'object' || typeof part === 'function') && part !== null && 'state' in part
    const known = part instanceof Variable || part instanceof Map || isModule(part)
    const own = hasState && ((part as WithState).state instanceof Variable || (part as WithState).state instanceof Map)
    if (!known && !own && !(typeof part === 'object' && part !== null && isCheckpointable(part)))
      throw new ValueError(operation, `the part '${name}' is ${describeValue(part)}`, {
        hint: 'Parts are networks, optimizers (after init), averages, random generators, early stopping, variables.',
      })
  }
}

export function checkFolder(operation: string, folder: unknown): asserts folder is string {
  if (typeof folder !== 'string' || folder === '')
    throw new ArgumentError(operation, `the folder is ${describeValue(folder)}, not a path`, {
      hint: "Give one, such as 'runs/digits/checkpoints'.",
    })
}

export function checkKeep(operation: string, keep: unknown): void {
  if (typeof keep !== 'number' || !Number.isInteger(keep) || keep < 1)
    throw new ValueError(operation, `keep must be a whole number above 0, not ${describeValue(keep)}`, {
      hint: 'How many of the newest checkpoints stay; 3 leaves something to fall back on.',
    })
}

/**
 * @file The parts of a checkpoint: networks, optimizers, averages, generators, variables, and objects that say themselves what
 * they are. In: parts by name. Out: tensors and values under their names; and back, all of them or none.
 *
 * const content = savedParts({ net, optimizer })                 // tensors 'net.0.weight', 'optimizer.step', ...
 * loadedParts({ net, optimizer }, content, 'checkpoint-000004')   // or an error with everything that does not fit
 */
import { FileError, ValueError } from '../base/errors.js'
import { formatShape, type Shape, sameShape } from '../base/shape.js'
import type { StoredTensor } from '../io/safetensors.js'
import { initialize, isModule, type ModuleParts, state } from '../nn/module.js'
import { ParameterAverage } from '../optim/average.js'
import { Variable } from '../trace/variable.js'
import { type CheckpointPart, type CheckpointParts, isCheckpointable, type WithState } from './checkpoint-check.js'

export type {
  Checkpointable,
  CheckpointPart,
  CheckpointParts,
  PartState,
  VariablesOf,
  WithState,
} from './checkpoint-check.js'

/** What the parts are now. */
export interface SavedParts {
  readonly tensors: ReadonlyMap<string, StoredTensor>
  /** Those of objects that have some, by the names of the parts. */
  readonly values: { readonly [part: string]: { readonly [name: string]: unknown } }
}

/** The variables of a part; undefined for an object that says itself what it is. */
function variablesOf(part: CheckpointPart): ReadonlyMap<string, Variable> | undefined {
  if (isCheckpointable(part)) return undefined
  if (part instanceof Variable) return new Map([['', part]])
  if (part instanceof Map) return part as ReadonlyMap<string, Variable>
  if (isModule(part)) {
    initialize(part as ModuleParts)
    return state(part as ModuleParts)
  }
  const own = (part as WithState).state
  return own instanceof Variable ? new Map([['', own]]) : own
}

const joined = (part: string, name: string): string => (name === '' ? part : `${part}.${name}`)

/** A copy of what the parts are. An average that stands in the network steps aside for it. */
export function savedParts(parts: CheckpointParts): SavedParts {
  const active = Object.values(parts).filter((part) => part instanceof ParameterAverage && part.active)
  for (const average of active as ParameterAverage[]) average.swap()
  try {
    const tensors = new Map<string, StoredTensor>()
    const values: { [part: string]: { readonly [name: string]: unknown } } = {}
    for (const [part, object] of Object.entries(parts)) {
      for (const [name, { dtype, shape, storage }] of variablesOf(object) ?? [])
        tensors.set(joined(part, name), { dtype, shape: shape as Shape, data: storage.read() })
      if (!isCheckpointable(object)) continue
      const own = object.saveState()
      values[part] = own.values
      for (const [name, tensor] of own.tensors ?? []) tensors.set(joined(part, name), tensor)
    }
    return { tensors, values }
  } finally {
    for (const average of active as ParameterAverage[]) average.swap()
  }
}

/**
 * Makes the parts what they were, all or none: throws FileError with everything that is missing, unexpected or different.
 * With `some`, further parts in the checkpoint are left alone.
 */
export function loadedParts(parts: CheckpointParts, saved: SavedParts, source: string, some = false): void {
  const faults: string[] = []
  const changes: (() => void)[] = []
  const names = Object.keys(parts)
  const unused = new Set(saved.tensors.keys())
  for (const [part, object] of Object.entries(parts)) {
    const variables = variablesOf(object)
    for (const [name, variable] of variables ?? []) {
      const path = joined(part, name)
      const stored = saved.tensors.get(path)
      unused.delete(path)
      const fault = misfit(path, variable, stored)
      if (fault) faults.push(fault)
      else
        changes.push(() => {
          variable.initialize(0, name)
          variable.storage.write(stored!.data)
        })
    }
    if (!isCheckpointable(object)) continue
    const values = saved.values[part]
    if (!values) {
      faults.push(`'${part}' is missing`)
      continue
    }
    const own = [...saved.tensors].filter(([path]) => path.startsWith(`${part}.`))
    for (const [path] of own) unused.delete(path)
    const tensors = new Map(own.map(([path, tensor]) => [path.slice(part.length + 1), tensor]))
    try {
      changes.push(object.loadState({ values, tensors }, (wanted) => owner(parts, wanted, part)))
    } catch (error) {
      faults.push(error instanceof Error ? error.message : String(error))
    }
  }
  const partOf = (path: string) => path.split('.')[0]!
  for (const path of unused) if (!some || names.includes(partOf(path))) faults.push(`'${path}' is unexpected`)
  if (!some)
    for (const part of Object.keys(saved.values)) if (!names.includes(part)) faults.push(`'${part}' is unexpected`)
  if (faults.length > 0)
    throw new FileError(source, `the checkpoint does not fit:\n  ${faults.join('\n  ')}`, {
      hint: 'Nothing was loaded. Build network, optimizer and options as they were when it was written.',
    })
  // A network that holds averages gets its own values back first: those are what was saved.
  for (const part of Object.values(parts)) if (part instanceof ParameterAverage && part.active) part.swap()
  for (const change of changes) change()
}

function misfit(path: string, { dtype, shape }: Variable, stored: StoredTensor | undefined): string | undefined {
  const wanted = `${dtype}${formatShape(shape as Shape)}`
  if (!stored) return `'${path}' (${wanted}) is missing`
  if (sameShape(stored.shape, shape as Shape) && stored.dtype === dtype) return undefined
  return `'${path}' is ${stored.dtype}${formatShape(stored.shape)}, here it is ${wanted}`
}

/** Variables of the first part that fits. */
function owner(
  parts: CheckpointParts,
  tensors: ReadonlyMap<string, StoredTensor>,
  asking: string,
): ReadonlyMap<string, Variable> {
  if (tensors.size === 0) return new Map()
  for (const part of Object.values(parts)) {
    const variables = variablesOf(part)
    if (
      variables &&
      [...tensors].every(([name, tensor]) => variables.has(name) && !misfit(name, variables.get(name)!, tensor))
    )
      return variables
  }
  throw new ValueError(asking, `it keeps ${tensors.size} tensors ('${[...tensors.keys()][0]}', ...) that no part has`)
}

/**
 * @file Saving and loading the numbers of a network: a safetensors file whose names are the key paths, as PyTorch's are.
 * In: a module. Out: a file, whole or not there; or the module with the file's numbers, all of them or none.
 *
 * await save(net, 'digits.safetensors'); await load(net, 'digits.safetensors')
 */
import { FileError } from '../base/errors.js'
import { checkNames } from '../base/options.js'
import { formatShape, type Shape, sameShape } from '../base/shape.js'
import { initialize, type ModuleParts, state } from '../nn/module.js'
import type { Variable } from '../trace/variable.js'
import { readBytes, writeFile } from './files.js'
import { readSafetensors, type StoredTensor, writeSafetensors } from './safetensors.js'

/** A module, or variables by name, such as the state of an optimizer. */
export type Saved = ModuleParts | ReadonlyMap<string, Variable>

const variablesOf = (source: Saved): ReadonlyMap<string, Variable> =>
  source instanceof Map ? (source as ReadonlyMap<string, Variable>) : state(source as ModuleParts)

/** What `save` writes besides the numbers. */
export interface SaveOptions {
  /** Put before every name: `save(encoder, file, { prefix: 'encoder.' })`. */
  readonly prefix?: string
  /** Texts by name, kept beside the numbers. Some readers of PyTorch's files ask for `{ format: 'pt' }`. */
  readonly metadata?: Readonly<Record<string, string>>
}

/** Which names of a file `load` reads, and what the network calls them. */
export interface LoadOptions {
  /** Only names that begin so are read, without it: a file's `model.0.weight` is `0.weight` with the prefix `'model.'`. */
  readonly prefix?: string
  /** The network's name for one in the file (without the prefix); undefined for what is not to be read. */
  readonly rename?: (name: string) => string | undefined
}

/** Writes all variables of a network, also those that are not trained. A shared one is written once, under its first path. */
export async function save(net: Saved, file: string, options: SaveOptions = {}): Promise<void> {
  await writeFile(file, modelBytes(net, options))
}

/**
 * Reads a file into a network. Strict: throws FileError with every name that is missing or unexpected and every shape or dtype
 * that differs, all at once, and then nothing has been changed. Float16 and bfloat16 in the file count as float32, and whole
 * numbers as int32.
 */
export async function load(net: Saved, file: string, options: LoadOptions = {}): Promise<void> {
  loadBytes(net, await readBytes(file), file, options)
}

/** What `save` writes. */
export function modelBytes(net: Saved, options: SaveOptions = {}): Uint8Array<ArrayBuffer> {
  checkNames('save', options, ['prefix', 'metadata'])
  const { prefix = '', metadata } = options
  if (!(net instanceof Map)) initialize(net as ModuleParts)
  const tensors = [...variablesOf(net)].map(([name, variable]) => {
    const { dtype, shape, storage } = variable
    return [prefix + name, { dtype, shape: shape as Shape, data: storage.read() }] as const
  })
  return writeSafetensors(new Map(tensors), metadata)
}

/** The file's tensors under the network's names. */
function renamed(
  stored: ReadonlyMap<string, StoredTensor>,
  source: string,
  { prefix = '', rename = (name) => name }: LoadOptions,
): Map<string, StoredTensor> {
  const tensors = new Map<string, StoredTensor>()
  for (const [name, tensor] of stored) {
    const chosen = name.startsWith(prefix) ? rename(name.slice(prefix.length)) : undefined
    if (chosen === undefined) continue
    if (tensors.has(chosen)) throw new FileError(source, `two of its tensors are renamed '${chosen}'`)
    tensors.set(chosen, tensor)
  }
  if (tensors.size === 0 && stored.size > 0 && prefix !== '')
    throw new FileError(source, `no name in it begins with '${prefix}'`, {
      hint: `The first is '${[...stored.keys()][0]}'.`,
    })
  return tensors
}

/** What `load` does, for bytes from elsewhere; `source` is for messages. */
export function loadBytes(net: Saved, bytes: Uint8Array, source = 'safetensors', options: LoadOptions = {}): void {
  checkNames('load', options, ['prefix', 'rename'])
  const tensors = renamed(readSafetensors(bytes, source).tensors, source, options)
  const variables = variablesOf(net)
  const faults: string[] = []
  for (const [name, { shape, dtype }] of variables) {
    const stored = tensors.get(name)
    const wanted = `${dtype}${formatShape(shape as Shape)}`
    if (!stored) faults.push(`'${name}' (${wanted}) is missing`)
    else if (!sameShape(stored.shape, shape as Shape) || stored.dtype !== dtype)
      faults.push(`'${name}' is ${stored.dtype}${formatShape(stored.shape)}, the network has ${wanted}`)
  }
  for (const [name, { dtype, shape }] of tensors)
    if (!variables.has(name)) faults.push(`'${name}' (${dtype}${formatShape(shape)}) is unexpected`)
  if (faults.length > 0)
    throw new FileError(source, `does not fit the network:\n  ${faults.join('\n  ')}`, {
      hint: 'Nothing was loaded. Build the network as it was when it was saved.',
    })
  for (const [name, variable] of variables) {
    // Its values will be replaced, but a variable needs some to have a storage.
    variable.initialize(0, name)
    variable.storage.write(tensors.get(name)!.data)
  }
}

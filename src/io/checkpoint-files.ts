/**
 * @file Where the files of checkpoints are: a folder; in browsers, which have none, a database (checkpoint-files.browser.ts, which
 * package.json's field `browser` puts in this file's place). In: a path. Out: files that are whole or not there.
 *
 * const files = await openFiles('runs/a/checkpoints'); await files.write('checkpoint-000001.json', text)
 */
import { constants } from 'node:fs'
import { access, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { FileError } from '../base/errors.js'
import { isLeftover, makeFolders, removeFile, writeError, writeFileAtomic } from './atomic.js'
import { readBytes } from './files.js'
import { lockFolder } from './lock.js'

/** The files of one folder of checkpoints. */
export interface CheckpointFiles {
  readonly path: string
  /** Names of all files. */
  list(): Promise<string[]>
  /** Throws FileError where there is none of that name. */
  read(name: string): Promise<Uint8Array>
  /** Once the promise resolves the file is there, whatever happens; before, it is there whole or not at all. Throws FileError. */
  write(name: string, content: Uint8Array | string): Promise<void>
  remove(name: string): Promise<void>
  /** Whether a name is that of a file that was never finished, and that nobody is writing. */
  isLeftover(name: string): boolean
  /** Lets others write. */
  close(): void
}

/** Makes the folder if need be. Throws FileError where it cannot be written to, or another process writes to it. */
export async function openFiles(path: string): Promise<CheckpointFiles> {
  try {
    await makeFolders(path)
    await access(path, constants.W_OK | constants.X_OK)
  } catch (cause) {
    throw writeError(path, cause as NodeJS.ErrnoException)
  }
  const lock = await lockFolder(path)
  return { ...filesAt(path), close: () => lock.release() }
}

/** To read only; `list` throws FileError where there is no such folder. */
export const filesAt = (path: string): CheckpointFiles => ({
  path,
  list: () =>
    readdir(path).catch((cause: NodeJS.ErrnoException) => {
      throw new FileError('checkpoint', `the folder ${path} cannot be read (${cause.message})`, { cause })
    }),
  read: (name) => readBytes(join(path, name)),
  write: (name, content) => writeFileAtomic(join(path, name), content),
  remove: (name) => removeFile(join(path, name)),
  isLeftover,
  close: () => {},
})

/** Takes the checkpoints of a folder away, and nothing else of what is in it. */
export async function removeCheckpoints(path: string): Promise<void> {
  const files = filesAt(path)
  const names = await files.list().catch(() => [])
  // Records first: tensors without a record are no checkpoint.
  const ours = names.filter((name) => /^checkpoint-\d{6,12}\.(json|safetensors)$/.test(name)).sort()
  for (const ending of ['.json', '.safetensors'])
    for (const name of ours) if (name.endsWith(ending)) await files.remove(name)
}

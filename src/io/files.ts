/**
 * @file The one place where models are read from and written to files; in browsers the same functions of bytes go with
 * fetch. Node's modules are loaded when first needed, so that importing Gradus in a browser needs none of them.
 */
import { describeValue } from '../base/describe.js'
import { ArgumentError, FileError } from '../base/errors.js'

/** The bytes of a file. Throws FileError where there is none, or it cannot be read. */
export async function readBytes(path: string): Promise<Uint8Array> {
  checkPath('read', path)
  const { readFile } = await import('node:fs/promises')
  try {
    return new Uint8Array(await readFile(path))
  } catch (cause) {
    throw readError(path, cause as NodeJS.ErrnoException)
  }
}

export const readText = async (path: string): Promise<string> => new TextDecoder().decode(await readBytes(path))

/** Writes a file that is either the old or the new one, whatever happens; see atomic.ts. */
export async function writeFile(path: string, content: Uint8Array | string): Promise<void> {
  checkPath('write', path)
  const { writeFileAtomic } = await import('./atomic.js')
  await writeFileAtomic(path, content)
}

/** Makes a folder and those around it, if need be. Throws FileError. */
export async function makeFolder(path: string): Promise<void> {
  checkPath('write', path)
  const { makeFolders } = await import('./atomic.js')
  try {
    await makeFolders(path)
  } catch (cause) {
    throw new FileError('write', `the folder ${path} cannot be made (${(cause as Error).message})`, { cause })
  }
}

function checkPath(operation: string, path: unknown): void {
  if (typeof path !== 'string' || path === '')
    throw new ArgumentError(operation, `the file is ${describeValue(path)}, not a path`, {
      hint: "Give one, such as 'model.safetensors'.",
    })
}

function readError(path: string, cause: NodeJS.ErrnoException): FileError {
  if (cause.code === 'ENOENT') return new FileError('read', `there is no file ${path}`, { cause })
  if (cause.code === 'ENOTDIR') return new FileError('read', `there is no folder above ${path}`, { cause })
  if (cause.code === 'EISDIR') return new FileError('read', `${path} is a folder, not a file`, { cause })
  if (cause.code === 'EACCES') return new FileError('read', `${path} may not be read`, { cause })
  return new FileError('read', `${path} cannot be read (${cause.message})`, { cause })
}

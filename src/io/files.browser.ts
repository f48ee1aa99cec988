/**
 * @file files.ts as browsers have it: what is read is fetched, and there are no files to write.
 */
import { describeValue } from '../base/describe.js'
import { ArgumentError, FileError } from '../base/errors.js'

interface Host {
  fetch(url: string): Promise<{
    readonly ok: boolean
    readonly status: number
    readonly statusText: string
    arrayBuffer(): Promise<ArrayBuffer>
  }>
}

/** The bytes at an address. Throws FileError where there are none, or they cannot be fetched. */
export async function readBytes(path: string): Promise<Uint8Array> {
  if (typeof path !== 'string' || path === '')
    throw new ArgumentError('read', `the file is ${describeValue(path)}, not an address`, {
      hint: "Give one, such as 'models/digits.safetensors'.",
    })
  const failed = (why: string, cause?: unknown) =>
    new FileError('read', `${path} cannot be fetched (${why})`, { cause })
  const response = await (globalThis as unknown as Host).fetch(path).catch((cause: Error) => {
    throw failed(cause.message, cause)
  })
  if (response.status === 404) throw new FileError('read', `there is no file ${path}`)
  if (!response.ok) throw failed(`${response.status} ${response.statusText}`)
  return new Uint8Array(await response.arrayBuffer())
}

export const readText = async (path: string): Promise<string> => new TextDecoder().decode(await readBytes(path))

/** Throws FileError. */
export async function writeFile(path: string, _content: Uint8Array | string): Promise<void> {
  throw new FileError('write', `cannot write ${path}: browsers have no files`, {
    hint: 'modelBytes(net) gives the bytes: offer them for download, or send them; loadBytes(net, bytes) reads them again.',
  })
}

/** Throws FileError. */
export const makeFolder = (path: string): Promise<void> => writeFile(path, '')

/**
 * @file Reads a table from a file: plain or gzipped, UTF-8 or, failing that, Latin-1. Node only.
 * In: a path. Out: a `Table`. Errors say what is wrong with the file.
 *
 * const table = await readTable('adult.data', { columns: ['age', 'workclass', ...] })
 */
import { FileError } from '../base/errors.js'
import { type CsvOptions, parseCsv } from './csv.js'
import type { Table } from './table.js'

/** Node's modules are loaded when they are needed: importing this elsewhere does no harm. */
const unzip = async (bytes: Uint8Array): Promise<Uint8Array> => {
  const [{ gunzip }, { promisify }] = [await import('node:zlib'), await import('node:util')]
  return promisify(gunzip)(bytes)
}

/** Reads CSV or TSV, gzipped when the name ends in .gz. Throws FileError when it is missing, damaged, empty or no text. */
export async function readTable(path: string, options: CsvOptions = {}): Promise<Table> {
  let bytes: Uint8Array = await read(path)
  if (path.endsWith('.gz'))
    bytes = await unzip(bytes).catch((cause: Error) => {
      throw new FileError('readTable', `${path} is not a whole gzip file (${cause.message})`, { cause })
    })
  if (bytes.length === 0) throw new FileError('readTable', `${path} is empty`)
  if (bytes.subarray(0, 4096).includes(0))
    throw new FileError('readTable', `${path} is not a text file in UTF-8`, { hint: 'Save it as CSV in UTF-8.' })
  const { text, note } = decode(bytes)
  const table = parseCsv(text, { source: path, ...options })
  return note ? { ...table, notes: [note, ...table.notes] } : table
}

async function read(path: string): Promise<Uint8Array> {
  const { readFile } = await import('node:fs/promises')
  try {
    return await readFile(path)
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    const faults: Record<string, string> = {
      ENOENT: `there is no file ${path}`,
      EISDIR: `${path} is a folder, not a file`,
      EACCES: `no permission to read ${path}`,
    }
    throw new FileError('readTable', faults[code ?? ''] ?? `${path} cannot be read (${message})`, { cause })
  }
}

function decode(bytes: Uint8Array): { text: string; note?: string } {
  try {
    return { text: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes) }
  } catch {
    return {
      text: new TextDecoder('latin1').decode(bytes),
      note: 'The file is not valid UTF-8; it was read as Latin-1.',
    }
  }
}

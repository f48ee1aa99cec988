/**
 * @file Text files line by line, plain or gzipped, however large. Node only. In: a path. Out: what can be iterated again and again, a line or a
 * value of JSON lines at a time; a fault names the line.
 *
 * for await (const { text, label } of jsonLines('reviews.jsonl.gz')) ...              dataset(jsonLines('reviews.jsonl.gz')).map(...)
 */
import { describeValue } from '../base/describe.js'
import { ArgumentError, FileError, ValueError } from '../base/errors.js'
import { checkNames } from '../base/options.js'

/** How lines are read. */
export interface LinesOptions {
  /** A longer line is an error, so that memory is bounded whatever a gzip file unpacks to; 16 Mi characters by default. */
  readonly mostLength?: number
}
const names = ['mostLength']
const usualLength = 2 ** 24

/**
 * The lines of a UTF-8 file, without their ends (\n or \r\n) and without a byte-order mark; unpacked if its name ends in .gz. Throws
 * FileError for a file that is missing, cut short or no UTF-8, and for a line that is too long, naming it.
 */
export function textLines(path: string, options: LinesOptions = {}): AsyncIterable<string> {
  check('textLines', path, options)
  return { [Symbol.asyncIterator]: () => linesOf('textLines', path, options.mostLength ?? usualLength) }
}

/** The values of a file of JSON lines, one a line; empty lines are passed over. Throws as `textLines`, and for a line that is no JSON. */
export function jsonLines<T = unknown>(path: string, options: LinesOptions = {}): AsyncIterable<T> {
  check('jsonLines', path, options)
  return {
    async *[Symbol.asyncIterator]() {
      let number = 0
      for await (const line of linesOf('jsonLines', path, options.mostLength ?? usualLength)) {
        number++
        if (line.trim() === '') continue
        let value: T
        try {
          value = JSON.parse(line) as T
        } catch (cause) {
          throw new FileError('jsonLines', `${path}, line ${number} is not JSON (${(cause as Error).message})`, {
            cause,
          })
        }
        yield value
      }
    },
  }
}

/** All of a UTF-8 file, unpacked if its name ends in .gz. Throws as `textLines`, and for more than `mostBytes` of text. */
export async function textFile(path: string, mostBytes = 2 ** 29): Promise<string> {
  check('textFile', path, {})
  let text = ''
  for await (const part of textParts('textFile', path)) {
    text += part
    if (text.length > mostBytes)
      throw new FileError('textFile', `${path} has more than ${mostBytes} characters`, {
        hint: 'Read it line by line: textLines(path).',
      })
  }
  return text
}

function check(operation: string, path: unknown, options: LinesOptions): void {
  if (typeof path !== 'string' || path === '')
    throw new ArgumentError(operation, `the file is ${describeValue(path)}, not a path`)
  checkNames(operation, options, names)
  const { mostLength } = options
  if (mostLength !== undefined && !(Number.isInteger(mostLength) && mostLength > 0))
    throw new ValueError(operation, `mostLength must be a whole number above 0, not ${describeValue(mostLength)}`)
}

async function* linesOf(operation: string, path: string, most: number): AsyncGenerator<string, void, void> {
  let rest = ''
  let number = 1
  const tooLong = (line: string) => {
    if (line.length > most)
      throw new FileError(operation, `${path}, line ${number} has more than ${most} characters`, {
        hint: 'If that is right, raise mostLength.',
      })
    return line
  }
  for await (const part of textParts(operation, path)) {
    const lines = (rest + part).split('\n')
    rest = lines.pop()!
    for (const line of lines) {
      yield tooLong(line.endsWith('\r') ? line.slice(0, -1) : line)
      number++
    }
    tooLong(rest)
  }
  if (rest !== '') yield rest
}

async function* textParts(operation: string, path: string): AsyncGenerator<string, void, void> {
  const { createReadStream } = await import('node:fs')
  const file = createReadStream(path)
  let bytes: AsyncIterable<Uint8Array> = file
  const fault = (cause: NodeJS.ErrnoException): FileError => {
    if (cause instanceof FileError) return cause
    const faults: { readonly [code: string]: string } = {
      ENOENT: `there is no file ${path}`,
      EISDIR: `${path} is a folder, not a file`,
      EACCES: `${path} may not be read`,
      ERR_ENCODING_INVALID_ENCODED_DATA: `${path} is not valid UTF-8`,
    }
    const gzip = cause.code?.startsWith('Z_') ? `${path} is not a whole gzip file (${cause.message})` : undefined
    return new FileError(operation, gzip ?? faults[cause.code ?? ''] ?? `${path} cannot be read (${cause.message})`, {
      cause,
    })
  }
  if (path.endsWith('.gz')) {
    const { createGunzip } = await import('node:zlib')
    const gunzip = createGunzip()
    file.on('error', (cause) => gunzip.destroy(cause))
    bytes = file.pipe(gunzip)
  }
  const decoder = new TextDecoder('utf-8', { fatal: true })
  try {
    for await (const chunk of bytes) yield decoder.decode(chunk, { stream: true })
    yield decoder.decode()
  } catch (cause) {
    throw fault(cause as NodeJS.ErrnoException)
  } finally {
    file.destroy()
  }
}

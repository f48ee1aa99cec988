/**
 * @file The bytes of a text file as UTF-8, block by block, however the file is packed and encoded. Node only.
 * In: a path. Out: blocks without a byte-order mark. gzip is told by its first bytes, UTF-16 by its mark or its zeros.
 *
 * for await (const block of textBlocks('reviews.csv.gz', { operation: 'readTable' })) reader.push(block)
 */
import { describeValue } from '../base/describe.js'
import { ArgumentError, FileError, ValueError } from '../base/errors.js'

/** What a text may be encoded in. latin1 is Windows-1252, as browsers have it. */
export type TextEncoding = 'utf-8' | 'utf-16le' | 'utf-16be' | 'latin1'

/** How a text file is read. */
export interface TextFileOptions {
  /** Found out when left out: UTF-8, or UTF-16 where a mark or zeros say so. */
  readonly encoding?: TextEncoding
  /**
   * A gzip file that unpacks to more bytes is refused. By default 64 MiB or 250 times what has been read of it, whichever
   * is more: real tables stay far below, files made to fill the memory do not.
   */
  readonly unpackedLimit?: number
}

/** The names of these options. */
export const textFileOptionNames = ['encoding', 'unpackedLimit'] as const

const blockSize = 1 << 20
const leastUnpacked = 1 << 26
const mostRatio = 250
const encodings: readonly TextEncoding[] = ['utf-8', 'utf-16le', 'utf-16be', 'latin1']

/** Beginnings of files that are no text, and what to do about them. */
const binary: readonly [start: readonly number[], what: string, hint: string][] = [
  [[0x50, 0x4b, 3, 4], 'a ZIP archive, as spreadsheets are', 'Save the sheet as CSV, or unpack the archive.'],
  [[0xd0, 0xcf, 0x11, 0xe0], 'an old Excel file', 'Save the sheet as CSV.'],
  [[0x50, 0x41, 0x52, 0x31], 'a Parquet file', 'Write it as CSV.'],
  [[0x25, 0x50, 0x44, 0x46], 'a PDF file', 'Write its table as CSV.'],
  [[0x89, 0x50, 0x4e, 0x47], 'a PNG image', 'Give a table.'],
  [[0x28, 0xb5, 0x2f, 0xfd], 'packed with Zstandard', 'Unpack it, or pack it with gzip.'],
  [[0x42, 0x5a, 0x68], 'packed with bzip2', 'Unpack it, or pack it with gzip.'],
  [[0xfd, 0x37, 0x7a, 0x58, 0x5a], 'packed with xz', 'Unpack it, or pack it with gzip.'],
]

/**
 * Throws FileError for a file that is missing, damaged, empty, no text, or that unpacks to too much; the bytes of UTF-8 are
 * not checked here, since who takes them apart knows the place.
 */
export async function* textBlocks(
  path: string,
  { operation, ...options }: TextFileOptions & { readonly operation: string },
): AsyncGenerator<Uint8Array, void, undefined> {
  checkArguments(operation, path, options)
  let decoder: InstanceType<typeof TextDecoder> | undefined
  let first = true
  let offset = 0
  const encoder = new TextEncoder()
  const decode = (block: Uint8Array | undefined): Uint8Array => {
    try {
      return encoder.encode(decoder!.decode(block, { stream: block !== undefined }))
    } catch (cause) {
      throw new FileError(operation, `${path} is not ${decoder!.encoding.toUpperCase()} near byte ${offset}`, {
        hint: 'The file is damaged, or the encoding is another: utf-8, utf-16le, utf-16be or latin1.',
        cause,
      })
    }
  }
  for await (const block of beginningTogether(unpackedBlocks(path, operation, options.unpackedLimit))) {
    if (first) {
      if (block.length === 0) throw new FileError(operation, `${path} is empty`)
      refuseBinary(operation, path, block, options.encoding)
      const label = options.encoding ?? detectEncoding(block)
      if (label !== 'utf-8') decoder = new TextDecoder(label === 'latin1' ? 'windows-1252' : label, { fatal: true })
      first = false
    }
    const out = decoder ? decode(block) : offset === 0 ? withoutMark(block) : block
    offset += block.length
    if (out.length > 0) yield out
  }
  if (decoder) {
    const out = decode(undefined)
    if (out.length > 0) yield out
  }
}

function checkArguments(operation: string, path: string, { encoding, unpackedLimit }: TextFileOptions): void {
  if (typeof path !== 'string' || path === '')
    throw new ArgumentError(operation, `the file is ${describeValue(path)}, not a path`, {
      hint: "Give one, such as 'table.csv'.",
    })
  if (encoding !== undefined && !encodings.includes(encoding))
    throw new ValueError(operation, `the encoding is ${describeValue(encoding)}`, {
      hint: `It is one of ${encodings.join(', ')}.`,
    })
  if (unpackedLimit !== undefined && !(unpackedLimit > 0))
    throw new ValueError(operation, `unpackedLimit is ${describeValue(unpackedLimit)}, not a number of bytes above 0`)
}

async function* fileBlocks(path: string, operation: string): AsyncGenerator<Uint8Array, void, undefined> {
  const { open } = await import('node:fs/promises')
  const fail = (cause: unknown): never => {
    const { code, message } = cause as NodeJS.ErrnoException
    const faults: Record<string, string> = {
      ENOENT: `there is no file ${path}`,
      ENOTDIR: `there is no folder above ${path}`,
      EISDIR: `${path} is a folder, not a file`,
      EACCES: `no permission to read ${path}`,
    }
    throw new FileError(operation, faults[code ?? ''] ?? `${path} cannot be read (${message})`, { cause })
  }
  const file = await open(path).catch(fail)
  try {
    for (;;) {
      const block = new Uint8Array(blockSize)
      const { bytesRead } = await file.read(block, 0, blockSize).catch(fail)
      if (bytesRead === 0) return
      yield block.subarray(0, bytesRead)
    }
  } finally {
    await file.close()
  }
}

async function* unpackedBlocks(
  path: string,
  operation: string,
  limit: number | undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  const blocks = fileBlocks(path, operation)
  try {
    const { value: block } = await blocks.next()
    if (!block) return
    if (block[0] === 0x1f && block[1] === 0x8b) yield* unzipped(block, blocks, path, operation, limit)
    else if (/\.gz$/i.test(path))
      throw new FileError(operation, `${path} is not a whole gzip file (it does not begin as one)`, {
        hint: 'If it is not packed, give it a name without .gz.',
      })
    else {
      yield block
      yield* blocks
    }
  } finally {
    // Whoever reads may have stopped before the file was handed on.
    await blocks.return()
  }
}

async function* unzipped(
  first: Uint8Array,
  blocks: AsyncIterable<Uint8Array>,
  path: string,
  operation: string,
  limit: number | undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  const [{ createGunzip }, { Readable, pipeline }] = [await import('node:zlib'), await import('node:stream')]
  let read = 0
  const counted = async function* () {
    read += first.length
    yield first
    for await (const next of blocks) {
      read += next.length
      yield next
    }
  }
  const unzip = createGunzip({ chunkSize: 1 << 18 })
  pipeline(Readable.from(counted()), unzip, () => {})
  let unpacked = 0
  try {
    for await (const part of unzip) {
      unpacked += (part as Uint8Array).length
      const most = limit ?? Math.max(leastUnpacked, mostRatio * read)
      if (unpacked > most)
        throw new FileError(operation, `${path} unpacks to more than ${most} bytes, of ${read} that were read`, {
          hint: 'A table does not shrink so much. If this one does, say how large it is: unpackedLimit (in bytes).',
        })
      yield part as Uint8Array
    }
  } catch (cause) {
    if (cause instanceof FileError) throw cause
    throw new FileError(operation, `${path} is not a whole gzip file (${(cause as Error).message})`, {
      hint: 'It is damaged or cut short: fetch or pack it again.',
      cause,
    })
  }
}

/** Joins the first blocks until what tells the encoding is there; an empty block for a file without bytes. */
async function* beginningTogether(blocks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  let beginning: Uint8Array | undefined = new Uint8Array(0)
  for await (const block of blocks) {
    if (!beginning) {
      yield block
      continue
    }
    const joined: Uint8Array = new Uint8Array(beginning.length + block.length)
    joined.set(beginning)
    joined.set(block, beginning.length)
    beginning = joined
    if (joined.length < 4096) continue
    yield joined
    beginning = undefined
  }
  if (beginning) yield beginning
}

function refuseBinary(operation: string, path: string, block: Uint8Array, encoding: TextEncoding | undefined): void {
  for (const [start, what, hint] of binary)
    if (start.every((byte, i) => block[i] === byte))
      throw new FileError(operation, `${path} is not a text file: it is ${what}`, { hint })
  if (encoding !== undefined || detectEncoding(block) !== 'utf-8') return
  const beginning = block.subarray(0, 4096)
  const odd = beginning.filter((byte) => byte < 9 || (byte > 13 && byte < 32 && byte !== 27)).length
  if (odd > beginning.length / 20)
    throw new FileError(operation, `${path} is not a text file`, { hint: 'Save the table as CSV in UTF-8.' })
}

/** By a byte-order mark; without one, text in UTF-16 has zeros in every other place. */
function detectEncoding(block: Uint8Array): TextEncoding {
  if (block[0] === 0xff && block[1] === 0xfe) return 'utf-16le'
  if (block[0] === 0xfe && block[1] === 0xff) return 'utf-16be'
  const zeros = [0, 0]
  const count = Math.min(block.length, 512) & ~1
  for (let i = 0; i < count; i++) if (block[i] === 0) zeros[i & 1]!++
  if (zeros[0] === 0 && zeros[1]! > 0.2 * count) return 'utf-16le'
  return zeros[1] === 0 && zeros[0]! > 0.2 * count ? 'utf-16be' : 'utf-8'
}

const withoutMark = (block: Uint8Array): Uint8Array =>
  block[0] === 0xef && block[1] === 0xbb && block[2] === 0xbf ? block.subarray(3) : block

/**
 * @file Reads a table from a file: plain or gzipped, UTF-8, UTF-16 or, if said so, Latin-1; whole, or in parts of so many rows for
 * what is larger than memory. Node only. In: a path. Out: a `Table`, or one after another. Errors say what is wrong, and where.
 *
 * const table = await readTable('adult.data', { columns: ['age', 'workclass', ...] })
 * for await (const part of streamTable('clicks.csv.gz', { rows: 10_000 })) console.log(part.rows)
 */
import { ValueError } from '../base/errors.js'
import { checkNames } from '../base/options.js'
import { TableReader } from './csv.js'
import { type CsvOptions, csvOptionNames } from './csv-options.js'
import type { Table } from './table.js'
import { type TextFileOptions, textBlocks, textFileOptionNames } from './text-blocks.js'

/** How a file of separated values is read. */
export interface ReadTableOptions extends CsvOptions, TextFileOptions {}

/** Of `streamTable`. */
export interface StreamTableOptions extends ReadTableOptions {
  /** A part is handed out as soon as it has so many rows; default 65,536. The last may have fewer. */
  readonly rows?: number
}

const optionNames = [...csvOptionNames, ...textFileOptionNames]

/**
 * Reads CSV or TSV, gzipped or not. Throws FileError when it is missing, damaged, empty, no text, or unpacks to too much; and as
 * `parseCsv` does, with row, line and column.
 */
export async function readTable(path: string, options: ReadTableOptions = {}): Promise<Table> {
  checkNames('readTable', options, optionNames)
  const { encoding, unpackedLimit, ...csv } = options
  const reader = new TableReader({ source: path, ...csv })
  for await (const block of textBlocks(path, { operation: 'readTable', encoding, unpackedLimit })) reader.push(block)
  return reader.finish()
}

/**
 * Reads a table part by part: each is a `Table` of at least `rows` rows with the same columns; lines count from the beginning
 * of the file. Memory is that of a part, however large the file. The first part has the notes.
 */
export async function* streamTable(
  path: string,
  options: StreamTableOptions = {},
): AsyncGenerator<Table, void, undefined> {
  checkNames('streamTable', options, [...optionNames, 'rows'])
  const { encoding, unpackedLimit, rows = 65536, ...csv } = options
  if (!Number.isInteger(rows) || rows < 1)
    throw new ValueError('streamTable', `rows is ${String(rows)}, not a whole number above 0`)
  const reader = new TableReader({ source: path, ...csv })
  // Small pieces, so that parts hold little more than they should.
  for await (const block of textBlocks(path, { operation: 'streamTable', encoding, unpackedLimit }))
    for (let at = 0; at < block.length; at += 1 << 16) {
      reader.push(block.subarray(at, at + (1 << 16)))
      if (reader.rows >= rows) yield reader.take()
    }
  const last = reader.finish()
  if (last.rows > 0) yield last
}

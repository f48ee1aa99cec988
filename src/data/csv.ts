/**
 * @file Comma-separated text to a table, finding out what the text does not say: separator, header, decimal comma.
 * In: text, or UTF-8 block by block. Out: a `Table` whose `notes` tell what was guessed. csv-scan.ts finds the fields.
 *
 * parseCsv('a;b\n1;2\n')                                              // names ['a','b'], columns [['1'],['2']]
 * parseCsv('150,4,setosa,...\n5.1,3.5,...', { columns: ['sepal_length', ...] })   // the first line is skipped
 */
import { describeValue } from '../base/describe.js'
import { ArgumentError, FileError, ValueError } from '../base/errors.js'
import { checkNames } from '../base/options.js'
import { type ColumnBuilder, columnOf } from './csv-column.js'
import { longestRow } from './csv-field.js'
import { describesFile, describing, type Header, namesOf, sampleRows, skipped } from './csv-header.js'
import { type CsvOptions, csvOptionNames } from './csv-options.js'
import { Scanner } from './csv-scan.js'
import { findSeparator, separatorNames } from './csv-separator.js'
import type { Table } from './table.js'

export type { CsvOptions } from './csv-options.js'

/** So much of a file is looked at before its rows are read. */
const sampleBytes = 1 << 18

/**
 * Reads CSV or TSV text: quoted fields (RFC 4180), a byte-order mark, \r\n, blanks around fields, empty lines (skipped).
 * Throws FileError, naming row, line and column, for empty text, unclosed quotes and what follows closed ones, a row that is too
 * short or too long, NUL, a field of more than 1 MiB; ValueError for duplicate names.
 */
export function parseCsv(text: string, options: CsvOptions = {}): Table {
  if (typeof text !== 'string')
    throw new ArgumentError('parseCsv', `is given ${describeValue(text)}, not the text of a table`, {
      hint: 'For a file use await readTable(path).',
    })
  checkNames('parseCsv', options, csvOptionNames)
  const reader = new TableReader(options)
  reader.push(new TextEncoder().encode(text))
  return reader.finish()
}

/** Reads a table block by block. */
export class TableReader {
  readonly #options: CsvOptions
  readonly #source: string
  readonly #notes: string[] = []
  #waiting: Uint8Array = new Uint8Array(0)
  #enough = sampleBytes
  #scanner: Scanner | undefined
  #header: Header | undefined
  #first: readonly string[] = []
  #separator = ','
  /** Columns whose commas stand for points; decided once, from the first rows that are handed out. */
  #commas: ReadonlySet<number> | undefined

  constructor(options: CsvOptions) {
    const { separator, columns } = options
    if (
      separator !== undefined &&
      (typeof separator !== 'string' ||
        !/^[\t\x20-\x7E]$/.test(separator) ||
        /["\s\d.]/.test(separator.replace('\t', ',')))
    )
      throw new ValueError('csv', `the separator is ${describeValue(separator)}`, {
        hint: "It is one character, such as ',' or '\\t', and no digit, point, blank or quotation mark.",
      })
    if (columns?.length === 0) throw new ValueError('csv', 'the names of the columns are an empty list')
    this.#options = options
    this.#source = options.source ?? 'the text'
  }

  /** Rows that are read and not handed out yet. */
  get rows(): number {
    return this.#scanner?.rows ?? 0
  }

  push(block: Uint8Array): void {
    if (this.#scanner) {
      this.#scanner.push(block)
      return
    }
    const bytes = new Uint8Array(this.#waiting.length + block.length)
    bytes.set(this.#waiting)
    bytes.set(block, this.#waiting.length)
    this.#waiting = bytes
    if (bytes.length >= this.#enough) this.#start(false)
  }

  /** The rest of the table; all of it, if `take` was not called. */
  finish(): Table {
    if (!this.#scanner) this.#start(true)
    const scanner = this.#scanner!
    scanner.end()
    let held = false
    if (this.#header!.first === 'counted') {
      const { reason } = this.#header!
      const describes = describesFile(this.#first, scanner.earlier + scanner.rows)
      if (describes && !this.#options.columns) throw describing(this.#first, this.#source)
      if (describes || reason) this.#notes.push(skipped(this.#first, describes ? 'it describes the file' : reason!))
      else held = this.#options.columns !== undefined && scanner.earlier === 0
    }
    if (scanner.earlier + scanner.rows + Number(held) === 0)
      throw new FileError('csv', `${this.#source} has a header but no rows`, {
        hint: 'If its first line holds data, give --no-header or --columns a,b,c.',
      })
    return this.#table(held)
  }

  /** The rows read so far, and none of them again. */
  take(): Table {
    return this.#table(false)
  }

  #start(final: boolean): void {
    const mark = this.#waiting[0] === 0xef && this.#waiting[1] === 0xbb && this.#waiting[2] === 0xbf
    const bytes = mark ? this.#waiting.subarray(3) : this.#waiting
    const beginning = new TextDecoder().decode(bytes.subarray(0, sampleBytes))
    if (final && beginning.trim() === '') throw new FileError('csv', `${this.#source} is empty`)
    const separator = this.#options.separator ?? findSeparator(beginning)
    const scanner = new Scanner({ separator, source: this.#source })
    const records = scanner.sample(bytes, final, sampleRows)
    if (!final && records.length < 2 && !scanner.faulty) {
      if (bytes.length > longestRow)
        throw new FileError('csv', `${this.#source}, line 1: a row has more than ${longestRow} bytes`, {
          hint: 'Is a quotation mark not closed, or is this no table?',
        })
      this.#enough = 2 * bytes.length
      return
    }
    if (records.length === 0) throw new FileError('csv', `${this.#source} is empty`)
    if (this.#options.separator === undefined && separator !== ',')
      this.#notes.push(`Fields are separated by ${separatorNames[separator]}s.`)
    this.#separator = separator
    this.#header = namesOf(
      records.map(({ cells }) => cells),
      this.#options,
      this.#source,
    )
    this.#notes.push(...this.#header.notes)
    this.#first = records[0]!.cells
    scanner.begin(this.#header.names)
    const dropped = this.#header.first !== 'data'
    scanner.line = dropped ? records[0]!.line : 0
    this.#scanner = scanner
    this.#waiting = new Uint8Array(0)
    scanner.push(dropped ? bytes.subarray(records[0]!.next) : bytes)
  }

  #table(held: boolean): Table {
    const { names } = this.#header!
    const taken = this.#scanner!.takeRows()
    let { columns, rows } = taken
    let lines = taken.lines as Uint32Array
    if (held) {
      // The first line turned out to be a row.
      columns = columns.map((column, c) => columnOf([this.#first[c]!, ...column.texts(rows)]))
      lines = Uint32Array.of(1, ...lines)
      rows++
    }
    if (this.#separator !== ',') columns = this.#decimalCommas(columns, rows)
    return tableOf(names, columns, { rows, lines, notes: this.#notes.splice(0), source: this.#source })
  }

  /** '7,4' → '7.4' in columns where every number is written so. Only for files not separated by commas. */
  #decimalCommas(columns: ColumnBuilder[], rows: number): ColumnBuilder[] {
    const written = (column: ColumnBuilder) =>
      column.someText((text) => text.includes(',')) &&
      column.texts(rows).every((cell) => cell === '' || /^[+-]?\d+(,\d+)?$/.test(cell))
    if (!this.#commas) {
      this.#commas = new Set(columns.flatMap((column, c) => (written(column) ? [c] : [])))
      const changed = [...this.#commas].map((c) => this.#header!.names[c])
      if (changed.length > 0) this.#notes.push(`Decimal commas were read as points in ${changed.join(', ')}.`)
    }
    return columns.map((column, c) =>
      this.#commas!.has(c) ? columnOf(column.texts(rows).map((cell) => cell.replace(',', '.'))) : column,
    )
  }
}

/** A table whose texts are made when they are asked for. */
function tableOf(
  names: readonly string[],
  builders: readonly ColumnBuilder[],
  facts: Pick<Table, 'rows' | 'lines' | 'notes' | 'source'>,
): Table {
  const columns: string[][] = []
  builders.forEach((builder, c) => {
    Object.defineProperty(columns, c, {
      enumerable: true,
      configurable: true,
      get() {
        const value = builder.texts(facts.rows)
        Object.defineProperty(columns, c, { value, enumerable: true, configurable: true, writable: true })
        return value
      },
    })
  })
  return { names, columns, numbers: builders.map((builder) => builder.numbers(facts.rows)), ...facts }
}

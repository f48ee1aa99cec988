/**
 * @file Bytes of separated values to fields: one walk over each block, in which numbers are read without making texts of
 * them. In: blocks of UTF-8, cut anywhere. Out: cells in columns. Fields are those of RFC 4180, with blanks around
 * them removed and empty lines skipped; a quotation mark within an unquoted field is itself.
 *
 * const scanner = new Scanner({ separator: ',', source: 'a.csv' }); scanner.begin(['a', 'b']); scanner.push(bytes); scanner.end()
 */
import { FileError } from '../base/errors.js'
import { ColumnBuilder, exactMantissa, mostDecimals } from './csv-column.js'
import { BLANK, CR, FieldReader, LF, longestRow, mostFields, QUOTE } from './csv-field.js'

const [DOT, MINUS, ZERO] = [46, 45, 48] as const
const powers = Float64Array.from({ length: mostDecimals + 1 }, (_, i) => 10 ** i)

/** A row as texts, the line on which it ends, the byte after it. */
export interface SampledRow {
  readonly cells: readonly string[]
  readonly line: number
  readonly next: number
}

export class Scanner extends FieldReader {
  columns: ColumnBuilder[] = []
  /** The line on which each row ends. */
  lines = new Uint32Array(0)
  /** Rows read so far, beside the `earlier` ones. */
  rows = 0
  /** A fault ended the sample. */
  faulty = false
  /** What follows the last whole row. */
  #rest = new Uint8Array(0)

  /**
   * The first rows of some bytes as texts, at most `most`, with the line on which each ends and the byte after it. A faulty row
   * ends the sample, unless it is the first.
   */
  sample(bytes: Uint8Array, final: boolean, most: number): SampledRow[] {
    const rows: SampledRow[] = []
    this.takeBlock(new Uint8Array(0), bytes, final)
    try {
      for (let row = this.#sampleRow(0); row && rows.length < most; row = this.#sampleRow(row.next)) rows.push(row)
    } catch (error) {
      if (rows.length === 0) throw error
      this.faulty = true
    }
    this.line = 0
    return rows
  }

  #sampleRow(from: number): SampledRow | undefined {
    let at = this.skipEmptyLines(from)
    if (at >= this.length) return undefined
    const cells: string[] = []
    do {
      this.readField(at, 0, cells.length)
      if (this.fieldEnd === 'beyond') return undefined
      this.line += this.newLines
      cells.push(this.fieldText)
      if (cells.length > mostFields) throw this.fault(0, -1, `has more than ${mostFields} fields`)
      at = this.fieldNext
    } while (this.fieldEnd === 'field')
    return { cells, line: ++this.line, next: at }
  }

  /** From here on, rows have these columns. */
  begin(names: readonly string[]): void {
    this.names = names
    this.columns = names.map(() => new ColumnBuilder())
  }

  push(block: Uint8Array): void {
    this.takeBlock(this.#rest, block, false)
    this.#scan()
  }

  end(): void {
    this.takeBlock(this.#rest, new Uint8Array(0), true)
    this.#scan()
  }

  /** Hands out the rows read so far, and goes on with empty columns. */
  takeRows(): { columns: ColumnBuilder[]; lines: Uint32Array; rows: number } {
    const { columns, rows } = this
    const lines = this.lines.subarray(0, rows)
    this.lines = new Uint32Array(0)
    this.columns = this.names.map(() => new ColumnBuilder())
    this.earlier += rows
    this.rows = 0
    return { columns, lines, rows }
  }

  #scan(): void {
    const bytes = this.bytes
    const length = this.length
    const separator = this.separator
    const { columns } = this
    const width = columns.length
    let at = 0
    for (;;) {
      at = this.skipEmptyLines(at)
      const start = at
      if (at >= length) break
      const { rows, line } = this
      if (rows >= this.lines.length) this.#reserve(rows + 1)
      let c = 0
      let whole = false
      while (!whole) {
        const column = columns[c]
        if (column?.numeric) {
          let i = at
          while (bytes[i] === BLANK) i++
          const quoted = bytes[i] === QUOTE
          if (quoted) i++
          const negative = bytes[i] === MINUS
          if (negative) i++
          const first = i
          let digit = bytes[i]! - ZERO
          let mantissa = 0
          while (digit >= 0 && digit <= 9) {
            mantissa = mantissa * 10 + digit
            digit = bytes[++i]! - ZERO
          }
          const digits = i - first
          let decimals = 0
          if (digits > 0 && bytes[i] === DOT) {
            const dot = i
            digit = bytes[++i]! - ZERO
            while (digit >= 0 && digit <= 9) {
              mantissa = mantissa * 10 + digit
              digit = bytes[++i]! - ZERO
            }
            decimals = i - dot - 1
            // A bare point is left to the texts.
            if (decimals === 0) decimals = mostDecimals + 1
          }
          let next = bytes[i]
          if (quoted) next = next === QUOTE ? bytes[++i] : 0
          if (next === CR && bytes[i + 1] === LF) next = bytes[++i]
          const last = c === width - 1
          if (
            digits > 0 &&
            mantissa <= exactMantissa &&
            decimals <= mostDecimals &&
            next === (last ? LF : separator) &&
            (digits === 1 || bytes[first] !== ZERO) &&
            !(negative && mantissa === 0)
          ) {
            const value = decimals === 0 ? mantissa : mantissa / powers[decimals]!
            column.values[rows] = negative ? -value : value
            column.ways[rows] = decimals
            at = i + 1
            c++
            if (last) {
              this.lines[rows] = ++this.line
              whole = true
            }
            continue
          }
        }
        this.readField(at, rows, c)
        if (this.fieldEnd === 'beyond') break
        if (c >= mostFields) throw this.fault(rows, -1, `has more than ${mostFields} fields`)
        column?.addText(rows, this.fieldText)
        this.line += this.newLines
        at = this.fieldNext
        c++
        if (this.fieldEnd === 'row') {
          this.lines[rows] = ++this.line
          if (c !== width) throw this.#ragged(c)
          whole = true
        }
      }
      if (!whole) {
        // The row goes on beyond the block: it is read again with the next.
        this.line = line
        at = start
        break
      }
      this.rows = rows + 1
    }
    if (length - at > longestRow) throw this.fault(this.rows, -1, `has more than ${longestRow} bytes`)
    this.#rest = this.bytes.slice(at, length)
  }

  #reserve(rows: number): void {
    const larger = new Uint32Array(Math.max(rows, 2 * this.lines.length, 1024))
    larger.set(this.lines)
    this.lines = larger
    for (const column of this.columns) column.reserve(larger.length)
  }

  #ragged(fields: number): FileError {
    const names = this.names
    const beyond = fields < names.length ? `; '${names[fields]}' is the first that is missing` : ''
    const cells = this.columns.slice(0, fields).map((column) => column.text(this.rows))
    const text = cells.join(',')
    return new FileError(
      'csv',
      `${this.source}: row ${this.earlier + this.rows + 1} (line ${this.line}) has ${fields} field${fields === 1 ? '' : 's'}, expected ${names.length}${beyond}`,
      {
        hint: `The row ${fields > names.length ? 'begins' : 'reads'}: ${text.length > 60 ? `${text.slice(0, 57)}...` : text}.`,
      },
    )
  }
}

/**
 * @file A table as it stands in a file: names, and columns of raw text. What the text means is decided later, by
 * preprocess.ts.
 * In: columns of strings. Out: a `Table`, its columns by name, errors that name a row.
 *
 * const ages = column(table, 'age')                 // ['39', '50', '?', ...]
 */
import { describeValue } from '../base/describe.js'
import { ArgumentError, nearest, ValueError } from '../base/errors.js'

/** A table as it was read: texts by column. */
export interface Table {
  /** Names of the columns. */
  readonly names: readonly string[]
  /** Raw text, blanks around it removed: columns[c][r]. */
  readonly columns: readonly (readonly string[])[]
  /**
   * Columns that were read as numbers: numbers[c][r], NaN where the cell is no number (missing, or a text). undefined for a column of
   * texts. A parser gives them, so that nobody need read numbers from texts again; `columns` makes the texts when it is asked.
   */
  readonly numbers?: readonly (Float64Array | undefined)[]
  /** How many rows. */
  readonly rows: number
  /** What was found out or guessed while reading, one sentence each. */
  readonly notes: readonly string[]
  /** The file's name, for messages. */
  readonly source?: string
  /** The line of the file on which each row ends, where known. */
  readonly lines?: ArrayLike<number>
}

/** Any object with named fields, as `predict` takes them. */
export type Row = Readonly<Record<string, string | number | boolean | null | undefined>>

/** The column called `name`. Throws ValueError, with the nearest name, when there is none. */
export function column(table: Table, name: string, operation = 'table'): readonly string[] {
  return table.columns[columnIndex(table, name, operation)]!
}

export function columnIndex(table: Table, name: string, operation = 'table'): number {
  const index = table.names.indexOf(name)
  if (index < 0) throw unknownColumn(operation, name, table.names)
  return index
}

export function unknownColumn(operation: string, name: string, known: readonly string[]): ValueError {
  const near = nearest(name, known)
  const list = known.length <= 40 ? known.join(', ') : `${known.slice(0, 40).join(', ')}, ... (${known.length} in all)`
  const numeric = known.some((text) => text !== '' && Number.isFinite(Number(text)))
  const header = numeric ? ' If the first line of the file holds data, give --no-header or --columns a,b,c.' : ''
  return new ValueError(operation, `there is no column '${name}'${near ? `; did you mean '${near}'?` : ''}`, {
    hint: `The columns are: ${list}.${header}`,
  })
}

/** 'row 7 (line 8)': rows count from 1 and leave out the header, lines are the file's own. */
export function place(table: Table, row: number): string {
  const line = table.lines?.[row]
  return line === undefined ? `row ${row + 1}` : `row ${row + 1} (line ${line})`
}

/** Makes a table from objects: all keys in order of first appearance; absent, null and NaN become ''. */
export function tableFromRows(rows: readonly Row[]): Table {
  if (!Array.isArray(rows) || rows.some((row) => typeof row !== 'object' || row === null))
    throw new ArgumentError('tableFromRows', `is given ${describeValue(rows)}, not an array of rows`, {
      hint: "Write tableFromRows([{ age: 39, job: 'clerk' }, ...]).",
    })
  const names = [...new Set(rows.flatMap((row) => Object.keys(row)))]
  return { names, columns: names.map((name) => rows.map((row) => cellText(row[name]))), rows: rows.length, notes: [] }
}

/** The text that a value would have in a file. */
export function cellText(value: Row[string]): string {
  if (value === null || value === undefined || (typeof value === 'number' && Number.isNaN(value))) return ''
  return typeof value === 'string' ? value.trim() : String(value)
}

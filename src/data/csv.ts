/**
 * @file Comma-separated text to a table, finding out what the text does not say: separator, header, decimal comma.
 * In: text. Out: a `Table` of raw text whose `notes` tell what was guessed. Splitting into fields is csv-parse's work.
 *
 * parseCsv('a;b\n1;2\n')                                              // names ['a','b'], columns [['1'],['2']]
 * parseCsv('150,4,setosa,...\n5.1,3.5,...', { columns: ['sepal_length', ...] })   // the first line is skipped
 */
import { parse } from 'csv-parse/sync'
import { describeValue } from '../base/describe.js'
import { ArgumentError, FileError, ValueError } from '../base/errors.js'
import type { Table } from './table.js'
import { isNumber } from './table-text.js'

/** What is known of a file of separated values; what is left out is found out. */
export interface CsvOptions {
  /** Found out when left out: one of , ; tab | */
  readonly separator?: string
  /**
   * Does the first line hold the names? true when neither this nor `columns` is given. With `columns`: true skips the
   * first line, false keeps it as data, left out lets the file decide.
   */
  readonly header?: boolean
  /** Names of the columns, for files that have none. */
  readonly columns?: readonly string[]
  /** The file's name, for messages. */
  readonly source?: string
}

const SEPARATORS = [',', ';', '\t', '|'] as const
const separatorNames: Record<string, string> = { ',': 'comma', ';': 'semicolon', '\t': 'tab', '|': 'bar' }

/**
 * Reads CSV or TSV text: quoted fields, a byte-order mark, \r\n, blanks around fields, empty lines (skipped).
 * Throws FileError for empty text, unclosed quotes, a ragged row (its number, its fields, the fields expected);
 * ValueError for duplicate names.
 */
export function parseCsv(text: string, options: CsvOptions = {}): Table {
  if (typeof text !== 'string')
    throw new ArgumentError('parseCsv', `is given ${describeValue(text)}, not the text of a table`, {
      hint: 'For a file use await readTable(path).',
    })
  const source = options.source ?? 'the text'
  if (text.trim() === '' || text === '\uFEFF') throw new FileError('csv', `${source} is empty`)
  const separator = options.separator ?? findSeparator(text)
  const { records, lines } = split(text, separator, source)
  const notes: string[] = []
  if (options.separator === undefined && separator !== ',')
    notes.push(`Fields are separated by ${separatorNames[separator]}s.`)

  const names = takeNames(records, lines, options, notes, source)
  if (records.length === 0)
    throw new FileError('csv', `${source} has a header but no rows`, {
      hint: 'If its first line holds data, give --no-header or --columns a,b,c.',
    })
  const ragged = records.findIndex((record) => record.length !== names.length)
  if (ragged >= 0) throw raggedRow(ragged, lines[ragged]!, records[ragged]!, names.length, source)

  const columns = names.map((_, c) => records.map((record) => record[c]!))
  if (separator !== ',') readDecimalCommas(names, columns, notes)
  return { names, columns, rows: records.length, notes, source, lines: Uint32Array.from(lines) }
}

function split(text: string, separator: string, source: string): { records: string[][]; lines: number[] } {
  const lines: number[] = []
  try {
    const records = parse(text, {
      delimiter: separator,
      bom: true,
      trim: true,
      skip_empty_lines: true,
      relax_column_count: true,
      relax_quotes: true,
      on_record: (record: string[], { lines: line }) => {
        lines.push(line)
        return record
      },
    }) as string[][]
    return { records, lines }
  } catch (cause) {
    const { code, lines: line } = cause as { code?: string; lines?: number }
    const fault = code === 'CSV_QUOTE_NOT_CLOSED' ? 'a quoted field is never closed' : (cause as Error).message
    throw new FileError('csv', `${source}${line ? `, line ${line}` : ''}: ${fault}`, { cause })
  }
}

/**
 * The separator that divides the first 100 lines most evenly: the largest share of lines with the same count of
 * fields (more than one); among equals the one with more fields.
 */
export function findSeparator(text: string): (typeof SEPARATORS)[number] {
  const sample = sampleLines(text)
  let best: (typeof SEPARATORS)[number] = ','
  let bestScore = 0
  for (const separator of SEPARATORS) {
    const counts = new Map<number, number>()
    for (const line of sample) {
      const fields = countFields(line, separator)
      if (fields > 1) counts.set(fields, (counts.get(fields) ?? 0) + 1)
    }
    for (const [fields, count] of counts) {
      const score = count / sample.length + Math.min(fields, 1000) * 1e-6
      if (score > bestScore) {
        best = separator
        bestScore = score
      }
    }
  }
  return best
}

/** Up to 100 lines that are not empty, cut outside quotes. */
function sampleLines(text: string): string[] {
  const lines: string[] = []
  let start = 0
  let quoted = false
  const limit = Math.min(text.length, 1 << 18)
  for (let i = 0; i <= limit && lines.length < 100; i++) {
    if (text[i] === '"') quoted = !quoted
    if (i === text.length || (text[i] === '\n' && !quoted)) {
      const line = text.slice(start, i).trim()
      if (line !== '') lines.push(line)
      start = i + 1
    }
  }
  if (lines.length === 0) lines.push(text.slice(0, limit))
  return lines
}

function countFields(line: string, separator: string): number {
  let fields = 1
  let quoted = false
  for (const character of line) {
    if (character === '"') quoted = !quoted
    else if (character === separator && !quoted) fields++
  }
  return fields
}

/** Decides on the names and removes from `records` the first line when it is not data. */
function takeNames(
  records: string[][],
  lines: number[],
  options: CsvOptions,
  notes: string[],
  source: string,
): readonly string[] {
  const first = records[0]!
  const dropFirst = () => {
    records.shift()
    lines.shift()
  }
  if (options.columns) {
    const reason = options.header === true ? 'it is said to hold names' : notData(records, options)
    if (reason) {
      dropFirst()
      notes.push(`The first line was skipped (${reason}): ${abbreviate(first)}.`)
    }
    checkDuplicates(options.columns, 'the given column names')
    return options.columns
  }
  if (options.header === false) return first.map((_, i) => `column${i + 1}`)

  if (describesFile(records))
    throw new FileError('csv', `the first line of ${source} describes the file: ${abbreviate(first)}`, {
      hint: 'It does not name the columns: give their names with --columns a,b,c.',
    })
  dropFirst()
  const names = first.map((name, i) => name || `column${i + 1}`)
  if (first.includes(''))
    notes.push(`Column ${first.indexOf('') + 1} has no name; it is called ${names[first.indexOf('')]}.`)
  if (names.every(isNumber))
    notes.push('The first line was taken for column names, but holds numbers only (--no-header if it is data).')
  checkDuplicates(names, `the first line of ${source}`)
  return names
}

/** Why the first line of a file whose names were given is not data, if it is not. */
function notData(records: string[][], { columns, header }: CsvOptions): string | undefined {
  const first = records[0]!
  const rest = records.slice(1, 200)
  if (rest.length === 0) return undefined
  if (first.length !== columns!.length && rest.every((record) => record.length === columns!.length))
    return `it has ${first.length} fields, all others have ${columns!.length}`
  if (describesFile(records)) return 'it describes the file'
  if (header === false || first.length !== columns!.length) return undefined
  if (first.every((name, i) => name.toLowerCase() === columns![i]!.toLowerCase())) return 'it repeats the names'
  const numeric = first.map((_, c) => c).filter((c) => rest.every((record) => isNumber(record[c] ?? '')))
  const isHeader = numeric.length > 0 && numeric.every((c) => first[c] !== '' && !isNumber(first[c]!))
  return isHeader && rest.length >= 3 ? 'it holds names' : undefined
}

/** scikit-learn's first line: the count of rows, the count of input columns, then names of classes. */
function describesFile(records: string[][]): boolean {
  const first = records[0]!
  const width = records[1]?.length ?? 0
  return first.length > 1 && Number(first[0]) === records.length - 1 && Number(first[1]) === width - 1
}

function checkDuplicates(names: readonly string[], where: string): void {
  const seen = new Set<string>()
  for (const name of names) {
    if (seen.has(name))
      throw new ValueError('csv', `the column name '${name}' occurs twice in ${where}`, {
        hint: 'Rename one of them, or give names with --columns a,b,c.',
      })
    seen.add(name)
  }
}

function raggedRow(row: number, line: number, record: string[], expected: number, source: string): FileError {
  return new FileError(
    'csv',
    `${source}: row ${row + 1} (line ${line}) has ${record.length} field${record.length === 1 ? '' : 's'}, expected ${expected}`,
    { hint: `The row reads: ${abbreviate(record)}.` },
  )
}

/** '7,4' → '7.4' in columns where every number is written so. Only for files not separated by commas. */
function readDecimalCommas(names: readonly string[], columns: string[][], notes: string[]): void {
  const changed: string[] = []
  columns.forEach((cells, c) => {
    const filled = cells.filter((cell) => cell !== '')
    if (!filled.some((cell) => cell.includes(',')) || !filled.every((cell) => /^[+-]?\d+(,\d+)?$/.test(cell))) return
    columns[c] = cells.map((cell) => cell.replace(',', '.'))
    changed.push(names[c]!)
  })
  if (changed.length > 0) notes.push(`Decimal commas were read as points in ${changed.join(', ')}.`)
}

function abbreviate(record: readonly string[]): string {
  const text = record.join(',')
  return text.length > 60 ? `${text.slice(0, 57)}...` : text
}

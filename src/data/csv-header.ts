/**
 * @file The names of the columns: those of the first line, or those that were given; and whether that line is a row.
 * In: the first rows as texts, and what is known. Out: names, what becomes of the first row, notes.
 *
 * namesOf([['a', 'b'], ['1', '2']], {}, 'x.csv')           // names ['a', 'b'], first 'dropped'
 */
import { FileError, ValueError } from '../base/errors.js'
import type { CsvOptions } from './csv-options.js'
import { isNumber } from './table-text.js'

/** What was decided of the first row. */
export interface Header {
  readonly names: readonly string[]
  /** Is the first row one of data, or not? 'counted': that depends on how many rows follow, see `describesFile`. */
  readonly first: 'data' | 'dropped' | 'counted'
  /** Why it is dropped, or why it would be if it does not describe the file. */
  readonly reason?: string
  readonly notes: readonly string[]
}

/** How many rows `namesOf` looks at. */
export const sampleRows = 201

/** Decides from the first rows. Throws for names that occur twice, and for a first line that describes the file. */
export function namesOf(records: readonly (readonly string[])[], options: CsvOptions, source: string): Header {
  const first = records[0]!
  if (options.columns) {
    checkDuplicates(options.columns, 'the given column names')
    const reason = options.header === true ? 'it is said to hold names' : notData(records, options)
    const counted = options.header !== true && mayDescribeFile(records) && !otherWidth(records, options)
    const notes = reason && !counted ? [skipped(first, reason)] : []
    return { names: options.columns, first: counted ? 'counted' : reason ? 'dropped' : 'data', reason, notes }
  }
  if (options.header === false) return { names: first.map((_, i) => `column${i + 1}`), first: 'data', notes: [] }

  const counted = mayDescribeFile(records)
  if (counted && first.length !== records[1]!.length) throw describing(first, source)
  const names = first.map((name, i) => name || `column${i + 1}`)
  const notes: string[] = []
  if (first.includes(''))
    notes.push(`Column ${first.indexOf('') + 1} has no name; it is called ${names[first.indexOf('')]}.`)
  if (names.every(isNumber))
    notes.push('The first line was taken for column names, but holds numbers only (--no-header if it is data).')
  checkDuplicates(names, `the first line of ${source}`)
  return { names, first: counted ? 'counted' : 'dropped', notes }
}

/** scikit-learn's first line: the count of rows, the count of input columns, then names of classes. */
export const describesFile = (first: readonly string[], rows: number): boolean => Number(first[0]) === rows

/** Of a first line that describes the file where it should name the columns. */
export const describing = (first: readonly string[], source: string): FileError =>
  new FileError('csv', `the first line of ${source} describes the file: ${abbreviate(first)}`, {
    hint: 'It does not name the columns: give their names with --columns a,b,c.',
  })

export const skipped = (first: readonly string[], reason: string): string =>
  `The first line was skipped (${reason}): ${abbreviate(first)}.`

/** All but the count of rows, which is known at the end. */
function mayDescribeFile(records: readonly (readonly string[])[]): boolean {
  const first = records[0]!
  const width = records[1]?.length ?? 0
  return first.length > 1 && Number.isInteger(Number(first[0])) && first[0] !== '' && Number(first[1]) === width - 1
}

const otherWidth = (records: readonly (readonly string[])[], { columns }: CsvOptions): boolean =>
  records[0]!.length !== columns!.length &&
  records.length > 1 &&
  records.slice(1).every((record) => record.length === columns!.length)

/** Why the first line of a file whose names were given is not data, if it is not. */
function notData(records: readonly (readonly string[])[], options: CsvOptions): string | undefined {
  const { columns, header } = options
  const first = records[0]!
  const rest = records.slice(1)
  if (rest.length === 0) return undefined
  if (otherWidth(records, options)) return `it has ${first.length} fields, all others have ${columns!.length}`
  if (header === false || first.length !== columns!.length) return undefined
  if (first.every((name, i) => name.toLowerCase() === columns![i]!.toLowerCase())) return 'it repeats the names'
  const numeric = first.map((_, c) => c).filter((c) => rest.every((record) => isNumber(record[c] ?? '')))
  const isHeader = numeric.length > 0 && numeric.every((c) => first[c] !== '' && !isNumber(first[c]!))
  return isHeader && rest.length >= 3 ? 'it holds names' : undefined
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

function abbreviate(record: readonly string[]): string {
  const text = record.join(',')
  return text.length > 60 ? `${text.slice(0, 57)}...` : text
}

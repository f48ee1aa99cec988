/**
 * @file Finds out what the columns of a table are: numbers, categories, or nothing to learn from; and which task the
 * target sets. Everything guessed is written down in `notes`, with the option that overrides it.
 * In: a table and what the user said about it. Out: a `Description`; nothing is fitted here.
 *
 * describe(table, { target: 'species' })     // task 'classification', island a category, bill_length_mm a number
 */
import { ValueError } from '../base/errors.js'
import { parseDate } from './dates.js'
import { type ColumnOptions, type ColumnSetting, columnOptions, kindAsked } from './preprocess-options.js'
import type { Task } from './preprocess-plan.js'
import { columnIndex, place, type Table } from './table.js'
import { canonical, isMissing, isNumber } from './table-text.js'

export interface DescribeOptions {
  /** The column to predict. */
  readonly target: string
  /** Guessed when left out; see `guessTask`. */
  readonly task?: Task
  /** Columns to leave out. */
  readonly ignore?: readonly string[]
  /** Columns to keep although they look like identifiers. */
  readonly keep?: readonly string[]
  /** Columns of numbers that are codes: treated as categories. */
  readonly categories?: readonly string[]
  /** Texts that mean 'missing', beside the usual ones ('', ?, NA, N/A, NaN, null). */
  readonly missing?: readonly string[]
  /**
   * What is said of single columns by name, as words or an object: { age: 'minmax clip=0.01', size: { order: ['S', 'M', 'L'] } }.
   * See `ColumnOptions`.
   */
  readonly columns?: Readonly<Record<string, ColumnSetting>>
}

/** What a column is: numbers, categories, the target, or not used. */
export interface ColumnDescription {
  readonly name: string
  readonly kind: 'number' | 'category' | 'ordinal' | 'date' | 'ignored' | 'target'
  /** Why it is ignored. */
  readonly reason?: string
  /** How many different values, missing ones aside. */
  readonly distinct: number
  readonly missing: number
  /** What was said of it. */
  readonly options?: ColumnOptions
}

/** What is known of a table before any number is fitted: task, classes, kinds of columns. */
export interface Description {
  /** The name of the target’s column. */
  readonly target: string
  readonly task: Task
  /** The classes in order: numbers ascending, else by code unit. Empty for a regression. */
  readonly classes: readonly string[]
  /** All columns, in the order of the table. */
  readonly columns: readonly ColumnDescription[]
  /** The rows whose target is known. */
  readonly rows: Uint32Array
  /** Texts that mean ‘missing’, beside the usual ones. */
  readonly missing: readonly string[]
  readonly notes: readonly string[]
}

/**
 * Describes every column; inputs by `rows` alone, if they are given (the training rows), so that nothing of the others is looked at. The
 * target is described by all rows: its classes must be known before rows are drawn by class. Columns of `dividing` are no inputs. An input column is
 * - ignored when it is constant; when it is an identifier: texts or ids of which each row has its own (or integers between 0 and
 *   the number of rows), or more than 20 different texts in more than half of the rows;
 * - a number when all its cells are, a date when all of them are, a category otherwise.
 * Throws ValueError for an unknown column (nearest name), for a text in a column of numbers (row and column), for a
 * target that has a single value, or whose texts differ from row to row.
 */
export function describe(
  table: Table,
  options: DescribeOptions,
  rows?: ArrayLike<number>,
  dividing: readonly string[] = [],
): Description {
  const answer = describeAnswer(table, options)
  const columns = describeInputs(table, options, rows, dividing)
  return {
    target: options.target,
    task: answer.task,
    classes: answer.classes,
    columns: columns.map((column) => column ?? answer.column),
    rows: answer.rows,
    missing: options.missing ?? [],
    notes: [...answer.notes, ...noteDates(columns), ...noteIgnored(columns), ...noteMissing(columns)],
  }
}

/** What the target says: the task, the classes, the rows where it is known. */
export interface Answer extends Pick<Description, 'task' | 'classes' | 'rows' | 'notes'> {
  readonly column: ColumnDescription
}

/** The part of `describe` that looks at the target. */
export function describeAnswer(table: Table, options: DescribeOptions): Answer {
  const target = columnIndex(table, options.target, 'describe')
  for (const name of ['ignore', 'keep', 'categories'] as const)
    for (const column of options[name] ?? []) columnIndex(table, column, 'describe')
  if (options.ignore?.includes(options.target))
    throw new ValueError('describe', `the target '${options.target}' cannot be ignored`)
  const notes: string[] = []
  return { ...describeTarget(table, target, options, notes), notes }
}

function describeInputs(
  table: Table,
  options: DescribeOptions,
  rows: ArrayLike<number> | undefined,
  dividing: readonly string[],
): (ColumnDescription | undefined)[] {
  const { columns: said = {}, missing = [], target } = options
  for (const name of Object.keys(said)) {
    columnIndex(table, name, 'columns')
    if (name === target)
      throw new ValueError('columns', `'${name}' is the target`, { hint: 'Only inputs are encoded by words.' })
  }
  const columns = table.names.map((name, c) => {
    if (name === target) return undefined
    const own = Object.hasOwn(said, name) ? columnOptions(name, said[name]!) : undefined
    const found = survey(table, c, missing, rows)
    if (dividing.includes(name))
      return {
        name,
        distinct: found.counts.size,
        missing: found.missing,
        kind: 'ignored' as const,
        reason: 'divides the rows',
      }
    return describeInput(table, c, options, own, found)
  })
  if (!columns.some((column) => column && column.kind !== 'ignored'))
    throw new ValueError('describe', 'no input columns are left', {
      hint: 'Use --keep COLUMN, or ignore fewer columns.',
    })
  return columns
}

/**
 * The rule: text is classification. Numbers with fractions are regression, and so are more than 20 different integers.
 * Up to 5 different integers are classes; 6 to 20 are classes only if they run without a gap from 0 or 1, as labels do
 * (digits 0..9), otherwise a regression (scores 3..9).
 */
export function guessTask(distinct: readonly string[]): Task {
  if (!distinct.every(isNumber)) return 'classification'
  const values = distinct.map(Number).sort((a, b) => a - b)
  if (!values.every(Number.isInteger) || values.length > 20) return 'regression'
  if (values.length <= 5) return 'classification'
  const first = values[0]!
  const gapless = values.at(-1)! - first === values.length - 1
  return gapless && (first === 0 || first === 1) ? 'classification' : 'regression'
}

interface Survey {
  /** How many rows were looked at, and which. */
  readonly size: number
  readonly cells: readonly string[]
  readonly counts: ReadonlyMap<string, number>
  readonly missing: number
  readonly filled: number
  readonly numeric: number
  readonly distinctNumeric: number
  /** The first row whose cell is neither missing nor a number, or −1. */
  readonly firstText: number
}

function survey(table: Table, c: number, missing: readonly string[], rows?: ArrayLike<number>): Survey {
  const all = table.columns[c]!
  const cells = rows ? Array.from(rows, (row) => all[row]!) : all
  const counts = new Map<string, number>()
  let absent = 0
  let firstText = -1
  cells.forEach((cell, i) => {
    if (isMissing(cell, missing)) absent++
    else {
      counts.set(cell, (counts.get(cell) ?? 0) + 1)
      if (firstText < 0 && !isNumber(cell)) firstText = rows ? rows[i]! : i
    }
  })
  let numeric = 0
  let distinctNumeric = 0
  for (const [text, count] of counts)
    if (isNumber(text)) {
      numeric += count
      distinctNumeric++
    }
  const size = cells.length
  return { size, cells, counts, missing: absent, filled: size - absent, numeric, distinctNumeric, firstText }
}

function describeInput(
  table: Table,
  c: number,
  options: DescribeOptions,
  own: ColumnOptions | undefined,
  found: Survey,
): ColumnDescription {
  const name = table.names[c]!
  const base = { name, distinct: found.counts.size, missing: found.missing, ...(own ? { options: own } : {}) }
  const ignored = (reason: string): ColumnDescription => ({ ...base, kind: 'ignored', reason })
  if (options.ignore?.includes(name) || own?.as === 'ignore') return ignored('left out as told')
  if (found.filled === 0) return ignored('empty')
  if (base.distinct === 1 && found.missing === 0) return ignored('constant')
  const asked = options.categories?.includes(name) ? 'category' : kindAsked(own)
  if (asked === 'number' && found.firstText >= 0) throw strayText(table, c, found)
  if (asked) return { ...base, kind: asked }
  if (base.distinct > 1) refuseStrayText(table, c, found)
  const isNumberColumn = found.firstText < 0 && base.distinct > 1
  if (!isNumberColumn && base.distinct > 1 && isDates(found)) return { ...base, kind: 'date' }
  if (!options.keep?.includes(name) && own?.as !== 'keep') {
    if (isNumberColumn ? isNumberedId(name, found.cells, table.rows) : base.distinct === found.size && found.size > 5)
      return ignored('identifier')
    if (!isNumberColumn && base.distinct > 20 && base.distinct > found.size / 2) return ignored('nearly an identifier')
  }
  return { ...base, kind: isNumberColumn ? 'number' : 'category' }
}

function isDates({ counts }: Survey): boolean {
  for (const text of counts.keys()) if (parseDate(text) === undefined) return false
  return true
}

/**
 * Integers, each row its own, between 0 and the number of rows of the table; or any whose column is called id or something_id.
 */
function isNumberedId(name: string, cells: readonly string[], rows: number): boolean {
  const values = new Set<number>()
  let low = Number.POSITIVE_INFINITY
  let high = Number.NEGATIVE_INFINITY
  for (const cell of cells) {
    const value = Number(cell)
    if (cell === '' || !Number.isInteger(value)) return false
    values.add(value)
    low = Math.min(low, value)
    high = Math.max(high, value)
  }
  if (values.size !== cells.length || cells.length < 10) return false
  return (low >= 0 && high <= rows) || /(^|[_\s.-])id$/i.test(name)
}

/** A few texts among numbers are a mistake in the file or an unusual sign for 'missing'; guessing would hide it. */
function refuseStrayText(table: Table, c: number, found: Survey): void {
  const texts = found.filled - found.numeric
  const mostlyNumbers = found.numeric >= 0.9 * found.filled || found.distinctNumeric > 20
  if (texts > 0 && found.numeric >= 5 && found.numeric > texts && mostlyNumbers) throw strayText(table, c, found)
}

function strayText(table: Table, c: number, found: Survey): ValueError {
  const texts = found.filled - found.numeric
  const name = table.names[c]!
  const cell = table.columns[c]![found.firstText]!
  const all = texts === 1 ? 'the only cell' : `one of ${texts} cells`
  return new ValueError(
    'describe',
    `'${cell}' in ${place(table, found.firstText)}, column '${name}' is not a number; it is ${all} of ${found.filled} that ${texts === 1 ? 'is' : 'are'} not`,
    {
      hint: `Correct the file, or give --missing '${cell}' if it means missing, or --category ${name} if the numbers are codes.`,
    },
  )
}

function describeTarget(
  table: Table,
  c: number,
  options: DescribeOptions,
  notes: string[],
): { task: Task; classes: string[]; rows: Uint32Array; column: ColumnDescription } {
  const name = table.names[c]!
  const missing = options.missing ?? []
  const found = survey(table, c, missing)
  const rows = Uint32Array.from(table.columns[c]!.keys()).filter((row) => !isMissing(table.columns[c]![row]!, missing))
  if (found.missing > 0)
    notes.push(
      `${found.missing} row${found.missing === 1 ? ' was' : 's were'} dropped because '${name}' is missing there.`,
    )
  if (found.filled === 0) throw new ValueError('describe', `every value of the target '${name}' is missing`)
  if (options.task !== 'classification') refuseStrayText(table, c, found)
  if (options.task === 'regression' && found.firstText >= 0)
    throw new ValueError(
      'describe',
      `a regression needs numbers, but '${table.columns[c]![found.firstText]}' stands in ${place(table, found.firstText)}, column '${name}'`,
      { hint: 'Use --task classification, or another target.' },
    )
  const texts = [...found.counts.keys()]
  const task = options.task ?? guessTask(texts)
  const classes = task === 'classification' ? classesOf(texts, notes) : []
  const distinct = task === 'classification' ? classes.length : new Set(texts.map(Number)).size
  if (distinct < 2)
    throw new ValueError(
      'describe',
      `the target '${name}' has a single ${task === 'classification' ? 'class' : 'value'}, '${texts[0]}'`,
      {
        hint: 'There is nothing to learn: choose another target.',
      },
    )
  if (task === 'classification' && distinct > 20 && distinct > found.filled / 2)
    throw new ValueError('describe', `the target '${name}' has ${distinct} different values in ${found.filled} rows`, {
      hint: 'They are no classes: choose another target, or --task regression if they are numbers.',
    })
  if (!options.task) {
    const other = task === 'regression' ? 'classification' : classes.every(isNumber) ? 'regression' : undefined
    const what = task === 'classification' ? `classification, ${classes.length} classes` : 'regression'
    notes.push(`Task: ${what}${other ? ` (--task ${other} if not)` : ''}.`)
  }
  const column: ColumnDescription = { name, kind: 'target', distinct, missing: found.missing }
  return { task, classes, rows, column }
}

function classesOf(texts: readonly string[], notes: string[]): string[] {
  const numeric = texts.every(isNumber)
  const names = [...new Set(numeric ? texts.map(canonical) : texts)]
  const merged = names.filter((name) => name.endsWith('.') && names.includes(name.slice(0, -1)))
  if (merged.length > 0) notes.push(`Classes that differ by a closing full stop are one: ${merged.join(', ')}.`)
  const kept = names.filter((name) => !merged.includes(name))
  return kept.sort(numeric ? (a, b) => Number(a) - Number(b) : (a, b) => (a < b ? -1 : a > b ? 1 : 0))
}

function noteDates(columns: readonly (ColumnDescription | undefined)[]): string[] {
  const found = columns.filter((column) => column?.kind === 'date' && !column.options)
  if (found.length === 0) return []
  return [`Dates: ${found.map((column) => column!.name).join(', ')} (--category COLUMN if not).`]
}

function noteIgnored(columns: readonly (ColumnDescription | undefined)[]): string[] {
  const names = (reason: string) => columns.filter((column) => column?.reason === reason).map((column) => column!.name)
  const sentences: readonly [reason: string, sentence: (list: string) => string][] = [
    ['empty', (list) => `Not used because all its values are missing: ${list}.`],
    ['constant', (list) => `Not used because it has a single value: ${list}.`],
    ['identifier', (list) => `Not used because each row has its own value: ${list} (--keep COLUMN to use it).`],
    [
      'nearly an identifier',
      (list) => `Not used because nearly each row has its own text: ${list} (--keep COLUMN to use it).`,
    ],
    ['divides the rows', (list) => `Not used because the rows are divided by it: ${list} (--keep COLUMN to use it).`],
    ['left out as told', (list) => `Left out as told: ${list}.`],
  ]
  return sentences.flatMap(([reason, sentence]) => {
    const list = names(reason)
    return list.length > 0 ? [sentence(list.join(', '))] : []
  })
}

function noteMissing(columns: readonly (ColumnDescription | undefined)[]): string[] {
  const some = columns.filter((column) => column && column.kind !== 'ignored' && column.missing > 0)
  if (some.length === 0) return []
  const list = some.map((column) => `${column!.name} (${column!.missing})`).join(', ')
  return [`Missing values: ${list}. Numbers get the median and a column that says so, categories a value of their own.`]
}

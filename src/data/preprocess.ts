/**
 * @file From a table to data a network can learn: describe the columns, split the rows by seed, fit the preprocessing on
 * the training rows only, encode all three parts.
 * In: a `Table` and the name of its target. Out: a `Preprocessing` (JSON) and train, validation and test `Dataset`s.
 *
 * const { preprocessing, train, validation, test, notes } = prepareTable(table, { target: 'species', seed: 1 })
 */
import { ValueError } from '../base/errors.js'
import { checkNames, expectOptions } from '../base/options.js'
import type { Dataset } from './column.js'
import { parseDate } from './dates.js'
import { type DescribeOptions, type Description, describe, describeAnswer } from './preprocess-describe.js'
import { notADate } from './preprocess-encode.js'
import { fitPreprocessing } from './preprocess-fit.js'
import { featureNames, inputWidth, type Preprocessing } from './preprocess-plan.js'
import { encodeTarget, rowsWithTarget, transform } from './preprocess-transform.js'
import { foldIndices, type Split, type SplitBy, type SplitFractions, splitIndices } from './split.js'
import { column, place, type Table } from './table.js'
import { categoryText, classMatcher, isMissing, isNumber } from './table-text.js'

export * from './preprocess-describe.js'
export { fitPreprocessing } from './preprocess-fit.js'
export * from './preprocess-options.js'
export { parsePreprocessing } from './preprocess-parse.js'
export * from './preprocess-plan.js'
export { decodeTarget, encodeTarget, rowsWithTarget, transform, transformRow } from './preprocess-transform.js'

/** How `prepareTable` describes and splits a table. */
export interface PrepareOptions extends DescribeOptions {
  /** Draws the split. */
  readonly seed: number
  /** Default 60 % training, 20 % validation, 20 % test; with a separate test table 80 % and 20 %. */
  readonly fractions?: SplitFractions
  /** Equal shares of the classes in all parts; default true for classification, except by time. */
  readonly stratify?: boolean
  /** A column (a patient, a user) whose equal values are never in two parts. It is no input, unless `keep` names it. */
  readonly group?: string
  /** A column of dates or numbers: the earliest rows train, the latest test. It is no input, unless `keep` names it. */
  readonly time?: string
  /** A separate test table; then the other one is split into training and validation only. */
  readonly test?: Table
}

/** A table as numbers, in parts, with what was decided on the way. */
export interface Prepared extends Split<Dataset> {
  /** What was found out about the columns. */
  readonly description: Description
  /** What makes numbers of later rows. */
  readonly preprocessing: Preprocessing
  /** Which rows of the table (from 0) each part holds, in order; `test` refers to the separate table, if there is one. */
  readonly rows: Split<Uint32Array>
  /** Everything guessed, skipped or dropped, one sentence each. */
  readonly notes: readonly string[]
}

/**
 * Splits, describes the inputs by the training rows alone, fits and encodes; see `splitIndices`, `describe`, `fitPreprocessing`,
 * `transform`. Nothing but the target is looked at in validation and test rows before they are encoded.
 */
export function prepareTable(table: Table, options: PrepareOptions): Prepared {
  expectOptions('prepareTable', options, "prepareTable(table, { target: 'species', seed: 1 })")
  checkNames('prepareTable', options, [
    ...describeNames,
    'seed',
    'fractions',
    'stratify',
    'group',
    'time',
    'test',
    'settings',
  ])
  const answer = describeAnswer(table, options)
  const fractions = options.fractions ?? {
    train: options.test ? 0.8 : 0.6,
    validation: 0.2,
    test: options.test ? 0 : 0.2,
  }
  const by = splitBy(table, options, answer)
  const cut = splitIndices({ count: answer.rows.length, shares: fractions, seed: options.seed, ...by })
  const pick = (indices: Uint32Array) => indices.map((i) => answer.rows[i]!)
  const train = pick(cut.train)
  const { description, preprocessing } = learn(table, options, train)
  const testTable = options.test ?? table
  const rows = {
    train,
    validation: pick(cut.validation),
    test: options.test ? rowsWithTarget(preprocessing, options.test) : pick(cut.test),
  }
  return {
    description,
    preprocessing,
    rows,
    notes: [
      ...table.notes,
      ...description.notes,
      ...noteSplit(options),
      ...noteFit(preprocessing, description),
      ...noteTest(preprocessing, options.test),
    ],
    train: encode(preprocessing, table, rows.train),
    validation: encode(preprocessing, table, rows.validation),
    test: encode(preprocessing, testTable, rows.test),
  }
}

/** Of `prepareFolds`. */
export interface FoldOptions extends Omit<PrepareOptions, 'fractions' | 'test'> {
  /** How many rounds: 2 or more. */
  readonly folds: number
}

/** One round of a cross-validation. */
export interface PreparedFold {
  readonly description: Description
  /** Fitted on the training rows of this round alone. */
  readonly preprocessing: Preprocessing
  readonly train: Dataset
  readonly validation: Dataset
  /** Which rows of the table (from 0) they are. */
  readonly rows: { readonly train: Uint32Array; readonly validation: Uint32Array }
}

/**
 * k-fold cross-validation of a table: in each round the columns are described, and the preprocessing is fitted, by the training rows of that
 * round. Rounds are made as they are asked for. See `foldIndices` for classes, groups and time.
 */
export function* prepareFolds(table: Table, options: FoldOptions): Generator<PreparedFold, void, undefined> {
  expectOptions('prepareFolds', options, "prepareFolds(table, { target: 'species', folds: 5, seed: 1 })")
  checkNames('prepareFolds', options, [...describeNames, 'seed', 'folds', 'stratify', 'group', 'time'])
  const answer = describeAnswer(table, options)
  const { folds, seed } = options
  for (const fold of foldIndices({ count: answer.rows.length, folds, seed, ...splitBy(table, options, answer) })) {
    const rows = {
      train: fold.train.map((i) => answer.rows[i]!),
      validation: fold.validation.map((i) => answer.rows[i]!),
    }
    const { description, preprocessing } = learn(table, options, rows.train)
    yield {
      description,
      preprocessing,
      rows,
      train: encode(preprocessing, table, rows.train),
      validation: encode(preprocessing, table, rows.validation),
    }
  }
}

const describeNames = ['target', 'task', 'ignore', 'keep', 'categories', 'missing', 'columns'] as const

function learn(
  table: Table,
  options: PrepareOptions | FoldOptions,
  train: Uint32Array,
): { description: Description; preprocessing: Preprocessing } {
  const dividing = [options.group, options.time].filter((name) => name !== undefined)
  const found = describe(
    table,
    options,
    train,
    dividing.filter((name) => !options.keep?.includes(name)),
  )
  return { description: found, preprocessing: fitPreprocessing(table, found, train) }
}

/** What the rows with a target are divided by. */
export function splitBy(
  table: Table,
  { group, time, stratify, target, missing = [] }: PrepareOptions | FoldOptions,
  { task, classes, rows }: Pick<Description, 'task' | 'classes' | 'rows'>,
): SplitBy {
  const cells = (name: string) => {
    if (name === target) throw new ValueError('split', `the rows cannot be divided by the target '${name}'`)
    const texts = column(table, name, 'split')
    return Array.from(rows, (row) => {
      if (isMissing(texts[row]!, missing))
        throw new ValueError('split', `'${name}' is missing in ${place(table, row)}, and rows are divided by it`, {
          hint: 'Fill it, or remove the row.',
        })
      return texts[row]!
    })
  }
  if (time !== undefined) {
    if (stratify) throw new ValueError('split', "'time' cannot be joined with 'stratify'")
    const texts = cells(time)
    const moments = Float64Array.from(texts, (text) =>
      isNumber(text) ? Number(text) : (parseDate(text) ?? Number.NaN),
    )
    const wrong = moments.findIndex(Number.isNaN)
    if (wrong >= 0) throw notADate(texts[wrong]!, `${place(table, rows[wrong]!)}, column '${time}'`)
    return { time: moments, ...(group === undefined ? {} : { groups: cells(group) }) }
  }
  const match = classMatcher(classes)
  const answers = column(table, target)
  return {
    ...(task === 'classification' && (stratify ?? true)
      ? { stratify: Int32Array.from(rows, (row) => match(answers[row]!)) }
      : {}),
    ...(group === undefined ? {} : { groups: cells(group).map(categoryText) }),
  }
}

/** The rows of a table as a data set: float32 inputs [n, width]; int32 labels [n] or float32 standardised values [n, 1]. */
export function encode(preprocessing: Preprocessing, table: Table, rows?: ArrayLike<number>): Dataset {
  const chosen = rows ?? rowsWithTarget(preprocessing, table)
  const { target } = preprocessing
  return {
    input: { data: transform(preprocessing, table, chosen), shape: [chosen.length, inputWidth(preprocessing)] },
    target: encodeTarget(preprocessing, table, chosen),
    features: featureNames(preprocessing),
    ...(target.kind === 'classes' ? { classes: target.classes } : {}),
  }
}

function noteSplit({ group, time }: PrepareOptions): string[] {
  if (time !== undefined) return [`The rows are divided by time: the latest by '${time}' test.`]
  return group === undefined ? [] : [`The rows are divided by '${group}': equal values are never in two parts.`]
}

function noteFit({ inputs, ignored }: Preprocessing, description: Description): string[] {
  const notes: string[] = []
  const logs = inputs.flatMap((input) => (input.kind === 'number' && input.transform === 'log' ? [input.name] : []))
  if (logs.length > 0) notes.push(`Heavy tails: a logarithm is taken of ${logs.join(', ')}.`)
  const cut = inputs.flatMap((input) => (input.kind === 'category' && input.other ? [input.name] : []))
  if (cut.length > 0) notes.push(`Only the 99 most frequent categories are told apart in ${cut.join(', ')}.`)
  const earlier = new Set(description.columns.flatMap(({ name, kind }) => (kind === 'ignored' ? [name] : [])))
  for (const { name, reason } of ignored) if (!earlier.has(name)) notes.push(`Not used: ${name} (${reason}).`)
  return notes
}

/** What was odd about a separate test table. */
function noteTest({ target, missing }: Preprocessing, test: Table | undefined): string[] {
  if (!test) return []
  const notes = test.notes.map((note) => `Test file: ${note}`)
  const cells = column(test, target.name, 'test')
  if (target.kind === 'classes' && cells.some((text) => text.endsWith('.') && !target.classes.includes(text)))
    notes.push('Test file: the full stop that closes the class names was removed.')
  const absent = test.rows - rowsWithTarget({ target, missing } as Preprocessing, test).length
  if (absent > 0) notes.push(`Test file: ${absent} rows were dropped because '${target.name}' is missing there.`)
  return notes
}

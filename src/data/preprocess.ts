/**
 * @file From a table to data a network can learn: describe the columns, split the rows by seed, fit the preprocessing on
 * the training rows only, encode all three parts.
 * In: a `Table` and the name of its target. Out: a `Preprocessing` (JSON) and train, validation and test `Dataset`s.
 *
 * const { preprocessing, train, validation, test, notes } = prepareTable(table, { target: 'species', seed: 1 })
 */
import { expectOptions } from '../base/options.js'
import type { Dataset } from './column.js'
import { type DescribeOptions, type Description, describe } from './preprocess-describe.js'
import { fitPreprocessing } from './preprocess-fit.js'
import { featureNames, inputWidth, type Preprocessing } from './preprocess-plan.js'
import { encodeTarget, rowsWithTarget, transform } from './preprocess-transform.js'
import { type Split, type SplitFractions, splitIndices } from './split.js'
import { column, type Table } from './table.js'
import { classMatcher } from './table-text.js'

export * from './preprocess-describe.js'
export { fitPreprocessing } from './preprocess-fit.js'
export * from './preprocess-plan.js'
export { decodeTarget, encodeTarget, rowsWithTarget, transform, transformRow } from './preprocess-transform.js'

/** How `prepareTable` describes and splits a table. */
export interface PrepareOptions extends DescribeOptions {
  /** Draws the split. */
  readonly seed: number
  /** Default 60 % training, 20 % validation, 20 % test; with a separate test table 80 % and 20 %. */
  readonly fractions?: SplitFractions
  /** Equal shares of the classes in all parts; default true for classification. */
  readonly stratify?: boolean
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

/** Describes, splits, fits and encodes; see `describe`, `splitIndices`, `fitPreprocessing`, `transform`. */
export function prepareTable(table: Table, options: PrepareOptions): Prepared {
  expectOptions('prepareTable', options, "prepareTable(table, { target: 'species', seed: 1 })")
  const description = describe(table, options)
  const labels = description.task === 'classification' ? labelsOf(table, description) : undefined
  const fractions = options.fractions ?? {
    train: options.test ? 0.8 : 0.6,
    validation: 0.2,
    test: options.test ? 0 : 0.2,
  }
  const cut = splitIndices({
    count: description.rows.length,
    shares: fractions,
    seed: options.seed,
    stratify: (options.stratify ?? true) ? labels : undefined,
  })
  const pick = (indices: Uint32Array) => indices.map((i) => description.rows[i]!)
  const train = pick(cut.train)
  const preprocessing = fitPreprocessing(table, description, train)
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
      ...noteFit(preprocessing, description),
      ...noteTest(preprocessing, options.test),
    ],
    train: encode(preprocessing, table, rows.train),
    validation: encode(preprocessing, table, rows.validation),
    test: encode(preprocessing, testTable, rows.test),
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

function labelsOf(table: Table, description: Description): Int32Array {
  const match = classMatcher(description.classes)
  const cells = column(table, description.target)
  return Int32Array.from(description.rows, (row) => match(cells[row]!))
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

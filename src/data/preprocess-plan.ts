/**
 * @file `Preprocessing`: what was learned from the training rows of a table, as plain JSON that is saved with a model, its sizes and the
 * names of the inputs. In: a fitted preprocessing. Out: numbers and names. preprocess-parse.ts reads it from JSON.
 *
 * inputWidth(preprocessing)                                     // 108 for adult
 */
import type { DateOrder, DatePart } from './dates.js'

/** Whether a class or a number is foretold. */
export type Task = 'classification' | 'regression'

/**
 * A number column: x → (f(x) − mean)/deviation, limited to ±10, where f(x) = x, or sign(x)·log(1 + |x|/scale) for
 * columns with heavy tails. A missing value becomes the median; with `indicator`, a second column says so (0 or 1).
 * What differs from that is said: with `scaling`, mean and deviation are minimum and range (minmax), median and distance of the quartiles
 * (robust), or 0 and 1 without a limit (none); with `fill`, `median` holds the mean, the most frequent value or a constant; with `clip`, x
 * is limited to that range first.
 */
export interface NumberColumn {
  readonly kind: 'number'
  readonly name: string
  readonly median: number
  readonly transform: 'none' | 'log'
  readonly scale: number
  readonly mean: number
  readonly deviation: number
  readonly indicator: boolean
  readonly scaling?: 'minmax' | 'robust' | 'none'
  readonly fill?: 'mean' | 'most-frequent' | 'constant'
  readonly clip?: readonly [low: number, high: number]
}

/**
 * A category column: one column of 0 or 1 for each of `values`, then one for all others (`other`), then one for missing
 * values (`missing`). What has no column of its own becomes zeros. With `buckets`, the others are spread over so many columns by
 * a hash of their text; with `fill`, a missing value counts as that category.
 */
export interface CategoryColumn {
  readonly kind: 'category'
  readonly name: string
  readonly values: readonly string[]
  readonly other: boolean
  readonly missing: boolean
  readonly buckets?: number
  readonly fill?: string
}

/**
 * Categories with an order: the place among `values`, from 0 for the first to 1 for the last. A missing value becomes
 * values[fill]; with `indicator`, a second column says so. Another text is an error.
 */
export interface OrdinalColumn {
  readonly kind: 'ordinal'
  readonly name: string
  readonly values: readonly string[]
  readonly fill: number
  readonly indicator: boolean
}

/**
 * A date: for each of `parts` since (t − mean)/deviation, year the same of the start of the year, both limited to ±10; month, day,
 * weekday, hour the sine and cosine of their place in the round. Times in milliseconds, UTC. A missing value becomes `fill`; with
 * `indicator`, a last column says so.
 */
export interface DateColumn {
  readonly kind: 'date'
  readonly name: string
  readonly order: DateOrder
  readonly parts: readonly DatePart[]
  readonly fill: number
  readonly mean: number
  readonly deviation: number
  readonly indicator: boolean
}

/** How one column becomes inputs. */
export type InputColumn = NumberColumn | CategoryColumn | OrdinalColumn | DateColumn

/** How the target becomes a class number, or a number of mean 0 and deviation 1. */
export type TargetColumn =
  | { readonly kind: 'classes'; readonly name: string; readonly classes: readonly string[] }
  /** Standardised: (y − mean)/deviation. */
  | { readonly kind: 'number'; readonly name: string; readonly mean: number; readonly deviation: number }

/** How rows of a table become numbers: fitted to the training rows, kept with the model, the same for every later row. */
export interface Preprocessing {
  readonly format: 'gradus-preprocessing'
  readonly version: 1
  /** How each column that is used becomes inputs, in order. */
  readonly inputs: readonly InputColumn[]
  /** How the target becomes a number. */
  readonly target: TargetColumn
  /** Columns of the table that are not used, with the reason. */
  readonly ignored: readonly { readonly name: string; readonly reason: string }[]
  /** Texts that mean 'missing', beside the usual ones (see `isMissing`). */
  readonly missing: readonly string[]
}

/** What the network is to do. */
export function taskOf(preprocessing: Preprocessing): Task {
  return preprocessing.target.kind === 'classes' ? 'classification' : 'regression'
}

/** How many network inputs a column becomes. */
export function columnWidth(column: InputColumn): number {
  return columnFeatures(column).length
}

/** The names of a column's inputs. */
function columnFeatures(column: InputColumn): string[] {
  const { name } = column
  if (column.kind === 'category')
    return [
      ...column.values.map((value) => `${name} = ${value}`),
      ...(column.other ? [`${name} is another`] : []),
      ...Array.from({ length: column.buckets ?? 0 }, (_, i) => `${name} in bucket ${i + 1}`),
      ...(column.missing ? [`${name} is missing`] : []),
    ]
  const own =
    column.kind === 'date'
      ? column.parts.flatMap((part) =>
          part === 'since'
            ? [name]
            : part === 'year'
              ? [`${name}: year`]
              : [`${name}: ${part}, sine`, `${name}: ${part}, cosine`],
        )
      : [name]
  return column.indicator ? [...own, `${name} is missing`] : own
}

/** How many network inputs a row becomes. */
export function inputWidth(preprocessing: Preprocessing): number {
  return preprocessing.inputs.reduce((width, column) => width + columnWidth(column), 0)
}

/** The names of the network's inputs: 'age', 'sex = Male', 'horsepower is missing'. */
export function featureNames(preprocessing: Preprocessing): string[] {
  return preprocessing.inputs.flatMap(columnFeatures)
}

/** Which network inputs [from, to) belong to which column of the table (permutation importance shuffles them together). */
export function featureSpans(preprocessing: Preprocessing): { name: string; from: number; to: number }[] {
  let from = 0
  return preprocessing.inputs.map((column) => {
    const span = { name: column.name, from, to: from + columnWidth(column) }
    from = span.to
    return span
  })
}

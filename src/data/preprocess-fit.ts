/**
 * @file Learns a `Preprocessing` from the training rows of a table, and from no others: medians, means, deviations,
 * the categories seen.
 * In: a table, its description, the training rows. Out: plain JSON.
 *
 * const preprocessing = fitPreprocessing(table, describe(table, { target: 'species' }), trainingRows)
 */
import { ValueError } from '../base/errors.js'
import type { Description } from './preprocess-describe.js'
import type { CategoryColumn, InputColumn, NumberColumn, Preprocessing, TargetColumn } from './preprocess-plan.js'
import { signedLog } from './preprocess-transform.js'
import { column, type Table } from './table.js'
import { canonical, categoryText, isMissing } from './table-text.js'

/** At most this many columns for one category column. */
const MOST_CATEGORIES = 100
/** Above this |skewness|, a number column goes through a logarithm. */
const HEAVY_TAIL = 2

/**
 * Fits every input column and the target on `rows`.
 * Numbers: x → (f(x) − mean)/deviation (population deviation), f = log for |skewness| > 2, median for missing values.
 * Categories: a column for each value seen at least twice (of more than 100, the 99 most frequent and one for the others).
 * Regression targets: (y − mean)/deviation.
 */
export function fitPreprocessing(table: Table, description: Description, rows: ArrayLike<number>): Preprocessing {
  if (rows.length === 0) throw new ValueError('fitPreprocessing', 'there are no training rows')
  const { missing } = description
  const ignored: { name: string; reason: string }[] = []
  const inputs: InputColumn[] = []
  for (const { name, kind, reason } of description.columns) {
    if (kind === 'ignored') ignored.push({ name, reason: reason! })
    if (kind !== 'number' && kind !== 'category') continue
    const cells = column(table, name)
    const texts = Array.from(rows, (row) => cells[row]!)
    const fitted = kind === 'number' ? fitNumber(name, texts, missing) : fitCategory(name, texts, missing)
    if (fitted) inputs.push(fitted)
    else ignored.push({ name, reason: 'a single value, or none seen twice, in the training rows' })
  }
  if (inputs.length === 0)
    throw new ValueError('fitPreprocessing', 'every input column has a single value in the training rows', {
      hint: 'Use more rows, or another seed.',
    })
  const target = fitTarget(table, description, rows)
  return { format: 'gradus-preprocessing', version: 1, inputs, target, ignored, missing: [...missing] }
}

function fitNumber(name: string, texts: readonly string[], missing: readonly string[]): NumberColumn | undefined {
  const values = Float64Array.from(texts.filter((text) => !isMissing(text, missing)).map(Number))
  if (values.length === 0) return undefined
  const indicator = values.length < texts.length
  const median = medianOf(values)
  // As the network will see the column: with the median where a value is missing.
  const filled = new Float64Array(texts.length).fill(median)
  filled.set(values)
  const raw = moments(filled)
  if (!(raw.deviation > 0)) return undefined
  const heavy = Math.abs(raw.skewness) > HEAVY_TAIL
  const scale = heavy ? medianOf(values.filter((x) => x !== 0).map(Math.abs)) : 1
  const { mean, deviation } = heavy ? moments(filled.map((x) => signedLog(x, scale))) : raw
  return { kind: 'number', name, median, transform: heavy ? 'log' : 'none', scale, mean, deviation, indicator }
}

function fitCategory(name: string, texts: readonly string[], missing: readonly string[]): CategoryColumn | undefined {
  const counts = new Map<string, number>()
  let absent = false
  for (const text of texts) {
    if (isMissing(text, missing)) absent = true
    else counts.set(categoryText(text), (counts.get(categoryText(text)) ?? 0) + 1)
  }
  // A value seen once would get weights that fit one row.
  const frequent = [...counts]
    .filter(([, count]) => count > 1)
    .sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1))
    .map(([value]) => value)
  const other = counts.size > MOST_CATEGORIES
  const values = (other ? frequent.slice(0, MOST_CATEGORIES - 1) : frequent).sort()
  const informative = values.length + Number(absent) >= 2 || (values.length === 1 && counts.size > 1)
  return informative ? { kind: 'category', name, values, other, missing: absent } : undefined
}

function fitTarget(table: Table, description: Description, rows: ArrayLike<number>): TargetColumn {
  const name = description.target
  if (description.task === 'classification') return { kind: 'classes', name, classes: description.classes }
  const cells = column(table, name)
  const { mean, deviation } = moments(Float64Array.from(Array.from(rows), (row) => Number(canonical(cells[row]!))))
  if (!(deviation > 0))
    throw new ValueError('fitPreprocessing', `the target '${name}' has a single value in the training rows`, {
      hint: 'Use more rows, or another seed.',
    })
  return { kind: 'number', name, mean, deviation }
}

function medianOf(values: Float64Array): number {
  const sorted = values.slice().sort()
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** Mean, population deviation and skewness, in two passes. A deviation that is rounding noise counts as 0. */
function moments(values: Float64Array): { mean: number; deviation: number; skewness: number } {
  const n = values.length
  const mean = values.reduce((sum, x) => sum + x, 0) / n
  let second = 0
  let third = 0
  for (const x of values) {
    const d = x - mean
    second += d * d
    third += d * d * d
  }
  const deviation = Math.sqrt(second / n)
  if (!(deviation > 1e-12 * Math.abs(mean))) return { mean, deviation: 0, skewness: 0 }
  return { mean, deviation, skewness: third / n / deviation ** 3 }
}

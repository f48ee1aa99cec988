/**
 * @file Learns a `Preprocessing` from the training rows of a table, and from no others: medians, means, deviations,
 * the categories seen.
 * In: a table, its description, the training rows. Out: plain JSON.
 *
 * const preprocessing = fitPreprocessing(table, describe(table, { target: 'species' }), trainingRows)
 */
import { ValueError } from '../base/errors.js'
import { type DatePart, parseDate } from './dates.js'
import type { Description } from './preprocess-describe.js'
import { notADate, notInOrder, signedLog } from './preprocess-encode.js'
import type { ColumnOptions } from './preprocess-options.js'
import type {
  CategoryColumn,
  DateColumn,
  InputColumn,
  NumberColumn,
  OrdinalColumn,
  Preprocessing,
  TargetColumn,
} from './preprocess-plan.js'
import { column, place, type Table } from './table.js'
import { canonical, categoryText, isMissing, numberOf } from './table-text.js'

/** At most this many columns for one category column. */
const MOST_CATEGORIES = 100
/** Above this |skewness|, a number column goes through a logarithm. */
const HEAVY_TAIL = 2

/** A column's training cells, and what is said of it. */
interface Cells {
  readonly name: string
  readonly texts: readonly string[]
  readonly missing: readonly string[]
  readonly options: ColumnOptions
  /** The place of a cell, for an error. */
  readonly where: (i: number) => string
}

const fitters: Readonly<Record<InputColumn['kind'], (cells: Cells) => InputColumn | undefined>> = {
  number: fitNumber,
  category: fitCategory,
  ordinal: fitOrdinal,
  date: fitDate,
}

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
  for (const { name, kind, reason, options } of description.columns) {
    if (kind === 'ignored') ignored.push({ name, reason: reason! })
    if (kind === 'ignored' || kind === 'target') continue
    const cells = column(table, name)
    const fitted = fitters[kind]({
      name,
      texts: Array.from(rows, (row) => cells[row]!),
      missing,
      options: options ?? {},
      where: (i) => `${place(table, rows[i]!)}, column '${name}'`,
    })
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

function fitNumber({ name, texts, missing, options }: Cells): NumberColumn | undefined {
  const { scale: scaling, clip: share, missing: way = 'median', log } = options
  let values = Float64Array.from(texts.filter((text) => !isMissing(text, missing)).map(Number))
  if (values.length === 0) return undefined
  const clip = share === undefined ? undefined : ([quantile(values, share), quantile(values, 1 - share)] as const)
  if (clip) values = values.map((x) => Math.max(clip[0], Math.min(clip[1], x)))
  const indicator = options.indicator ?? values.length < texts.length
  const fill = numberFill(name, values, way)
  // As the network will see the column: filled where a value is missing.
  const filled = new Float64Array(texts.length).fill(clip ? Math.max(clip[0], Math.min(clip[1], fill)) : fill)
  filled.set(values)
  const raw = moments(filled)
  if (!(raw.deviation > 0)) return undefined
  const heavy = log ?? (scaling === undefined && Math.abs(raw.skewness) > HEAVY_TAIL)
  const scale = heavy ? medianOf(values.filter((x) => x !== 0).map(Math.abs)) || 1 : 1
  const seen = heavy ? filled.map((x) => signedLog(x, scale)) : filled
  return {
    kind: 'number',
    name,
    median: fill,
    transform: heavy ? 'log' : 'none',
    scale,
    ...scaled(seen, scaling, heavy ? moments(seen) : raw),
    indicator,
    ...(scaling === undefined || scaling === 'standard' ? {} : { scaling }),
    ...(way === 'median' ? {} : { fill: way === 'mean' || way === 'most-frequent' ? way : ('constant' as const) }),
    ...(clip ? { clip } : {}),
  }
}

function numberFill(name: string, values: Float64Array, way: string | number): number {
  if (way === 'median') return medianOf(values)
  if (way === 'mean') return moments(values).mean
  if (way === 'most-frequent') return mostFrequent([...values], (a, b) => a - b)
  const constant = typeof way === 'number' ? way : numberOf(way)
  if (constant === undefined)
    throw new ValueError('columns', `missing is '${way}', which is said of '${name}', a column of numbers`, {
      hint: 'It is median, mean, most-frequent, or a number.',
    })
  return constant
}

function scaled(
  values: Float64Array,
  scaling: ColumnOptions['scale'],
  { mean, deviation }: { mean: number; deviation: number },
): { mean: number; deviation: number } {
  if (scaling === 'none') return { mean: 0, deviation: 1 }
  if (scaling === 'minmax') {
    const low = values.reduce((a, b) => Math.min(a, b))
    return { mean: low, deviation: values.reduce((a, b) => Math.max(a, b)) - low }
  }
  if (scaling !== 'robust') return { mean, deviation }
  const distance = quantile(values, 0.75) - quantile(values, 0.25)
  // Where half of the values are one, the quartiles say nothing of the rest.
  return { mean: medianOf(values), deviation: distance > 0 ? distance : deviation }
}

function fitCategory({ name, texts, missing, options }: Cells): CategoryColumn | undefined {
  const counts = new Map<string, number>()
  let absent = false
  for (const text of texts) {
    if (isMissing(text, missing)) absent = true
    else counts.set(categoryText(text), (counts.get(categoryText(text)) ?? 0) + 1)
  }
  if (counts.size === 0) return undefined
  const fill = categoryFill(counts, options.missing)
  const own = options.indicator ?? (absent && fill === undefined)
  const filled = fill === undefined ? {} : { fill }
  if (options.hash !== undefined)
    return { kind: 'category', name, values: [], other: false, missing: own, buckets: options.hash, ...filled }
  // A value seen once would get weights that fit one row.
  const frequent = [...counts]
    .filter(([, count]) => count > 1)
    .sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1))
    .map(([value]) => value)
  const many = counts.size > MOST_CATEGORIES
  const { rare: buckets } = options
  const other = many && buckets === undefined
  const values = (many ? frequent.slice(0, MOST_CATEGORIES - 1) : frequent).sort()
  const informative =
    values.length + Number(absent && own) >= 2 || (values.length === 1 && counts.size > 1) || buckets !== undefined
  if (!informative) return undefined
  return {
    kind: 'category',
    name,
    values,
    other,
    missing: own,
    ...(buckets === undefined ? {} : { buckets }),
    ...filled,
  }
}

function categoryFill(counts: ReadonlyMap<string, number>, way: ColumnOptions['missing']): string | undefined {
  if (way === undefined || way === 'median' || way === 'mean') return undefined
  if (way !== 'most-frequent') return categoryText(String(way))
  return [...counts].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1))[0]![0]
}

function fitOrdinal({ name, texts, missing, options, where }: Cells): OrdinalColumn | undefined {
  const values = options.order!
  const places = new Map(values.map((value, i) => [categoryText(value), i]))
  const found: number[] = []
  texts.forEach((text, i) => {
    const place = places.get(categoryText(text))
    if (place !== undefined) found.push(place)
    else if (!isMissing(text, missing)) throw notInOrder(text, values, where(i))
  })
  if (new Set(found).size < 2) return undefined
  const { missing: way = 'median' } = options
  const named = places.get(categoryText(String(way)))
  if (named === undefined && way !== 'median' && way !== 'most-frequent')
    throw new ValueError('columns', `missing is '${way}', which is said of '${name}', a column with an order`, {
      hint: 'It is median, most-frequent, or a text of the order.',
    })
  const sorted = found.sort((a, b) => a - b)
  const fill = named ?? (way === 'median' ? sorted[sorted.length >> 1]! : mostFrequent(sorted, (a, b) => a - b))
  return {
    kind: 'ordinal',
    name,
    values: [...values],
    fill,
    indicator: options.indicator ?? found.length < texts.length,
  }
}

function fitDate({ name, texts, missing, options, where }: Cells): DateColumn | undefined {
  const order = options.dates ?? 'ymd'
  const times: number[] = []
  texts.forEach((text, i) => {
    if (isMissing(text, missing)) return
    const time = parseDate(text, order)
    if (time === undefined) throw notADate(text, where(i))
    times.push(time)
  })
  if (times.length === 0) return undefined
  const values = Float64Array.from(times)
  const { mean, deviation } = moments(values)
  if (!(deviation > 0)) return undefined
  const { missing: way = 'median' } = options
  const constant = typeof way === 'string' ? parseDate(way, order) : undefined
  if (constant === undefined && way !== 'median' && way !== 'mean' && way !== 'most-frequent')
    throw new ValueError('columns', `missing is '${way}', which is said of '${name}', a column of dates`, {
      hint: 'It is median, mean, most-frequent, or a date.',
    })
  const hours = times.some((time) => time % 86_400_000 !== 0)
  const usual: DatePart[] = ['since', 'month', 'weekday', ...(hours ? (['hour'] as const) : [])]
  return {
    kind: 'date',
    name,
    order,
    parts: options.parts ?? usual,
    fill: constant ?? numberFill(name, values, way),
    mean,
    deviation,
    indicator: options.indicator ?? times.length < texts.length,
  }
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

function mostFrequent<T>(values: readonly T[], compare: (a: T, b: T) => number): T {
  const counts = new Map<T, number>()
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1)
  return [...counts].sort(([a, n], [b, m]) => m - n || compare(a, b))[0]![0]
}

/** Between two values in proportion, as numpy does by default. */
function quantile(values: Float64Array, share: number): number {
  const sorted = values.slice().sort()
  const at = share * (sorted.length - 1)
  const below = Math.floor(at)
  return sorted[below]! + (at - below) * (sorted[Math.min(below + 1, sorted.length - 1)]! - sorted[below]!)
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

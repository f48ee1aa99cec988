/**
 * @file One cell to the inputs it becomes, for each kind of column. In: a fitted column. Out: a function that writes the inputs of a cell.
 *
 * writerOf(column, ['-'])(39, out, 0, () => "row 1, 'age'")          // out[0] is the standardised age
 */
import { nearest, ValueError } from '../base/errors.js'
import { hashString } from '../numerics/threefry.js'
import { calendarShare, parseDate, startOfYear } from './dates.js'
import type { CategoryColumn, DateColumn, InputColumn, NumberColumn, OrdinalColumn } from './preprocess-plan.js'
import type { Row } from './table.js'
import { categoryText, isMissing, isNumber } from './table-text.js'

/** Standardised numbers are limited to ±LIMIT, so that one wild cell cannot drive a network anywhere. */
const LIMIT = 10

/** Writes the network inputs of one cell at `out[at]`, which is 0; `where` names the cell in an error. */
export type Write = (value: Row[string], out: Float32Array, at: number, where: () => string) => void

/** `missing` has the texts that mean so, beside the usual ones. */
export function writerOf(input: InputColumn, missing: readonly string[]): Write {
  switch (input.kind) {
    case 'number':
      return numberWriter(input, missing)
    case 'category':
      return categoryWriter(input, missing)
    case 'ordinal':
      return ordinalWriter(input, missing)
    case 'date':
      return dateWriter(input, missing)
  }
}

/** sign(x)·log(1 + |x|/scale): linear for |x| ≪ scale, logarithmic beyond; scale is the median of |x| over x ≠ 0. */
export function signedLog(x: number, scale: number): number {
  return Math.sign(x) * Math.log1p(Math.abs(x) / scale)
}

/** Which of `buckets` inputs a category is hashed to. */
export const bucketOf = (text: string, buckets: number): number => hashString(text) % buckets

const limited = (x: number): number => Math.max(-LIMIT, Math.min(LIMIT, x))

function numberWriter(input: NumberColumn, missing: readonly string[]): Write {
  const { median, transform: f, scale, mean, deviation, indicator, scaling, clip } = input
  const [low, high] = clip ?? [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY]
  return (value, out, at, where) => {
    let x = readNumber(value, missing, where)
    const absent = Number.isNaN(x)
    if (absent) x = median
    if (clip) x = Math.max(low, Math.min(high, x))
    const standard = ((f === 'log' ? signedLog(x, scale) : x) - mean) / deviation
    // What float32 cannot hold would be infinite.
    out[at] = scaling === 'none' ? Math.max(-3e38, Math.min(3e38, standard)) : limited(standard)
    if (indicator) out[at + 1] = absent ? 1 : 0
  }
}

/** NaN means missing. */
function readNumber(value: Row[string], missing: readonly string[], where: () => string): number {
  if (value === null || value === undefined) return Number.NaN
  if (typeof value === 'string') {
    const text = value.trim()
    if (isNumber(text)) return missing.includes(text) ? Number.NaN : Number(text)
    if (isMissing(text, missing)) return Number.NaN
  } else if (typeof value !== 'number' || Number.isFinite(value) || Number.isNaN(value)) return Number(value)
  throw new ValueError('transform', `'${value}' in ${where()} is not a finite number`, {
    hint: 'Correct it, or leave it empty if it is missing (in training, --missing TEXT says which texts mean so).',
  })
}

const textOf = (value: Row[string]): string => (value === null || value === undefined ? '' : String(value).trim())

function categoryWriter(input: CategoryColumn, missing: readonly string[]): Write {
  const places = new Map(input.values.map((value, i) => [value, i]))
  const { values, other, buckets = 0, fill } = input
  const missingAt = input.missing ? values.length + Number(other) + buckets : -1
  const placeOf = (text: string): number => {
    const place = places.get(text)
    if (place !== undefined) return place
    if (buckets > 0) return values.length + Number(other) + bucketOf(text, buckets)
    return other ? values.length : -1
  }
  return (value, out, at) => {
    const text = textOf(value)
    const absent = isMissing(text, missing)
    if (absent && missingAt >= 0) out[at + missingAt] = 1
    const offset = absent ? (fill === undefined ? -1 : placeOf(fill)) : placeOf(categoryText(text))
    if (offset >= 0) out[at + offset] = 1
  }
}

function ordinalWriter({ values, fill, indicator }: OrdinalColumn, missing: readonly string[]): Write {
  const places = new Map(values.map((value, i) => [categoryText(value), i]))
  return (value, out, at, where) => {
    const text = textOf(value)
    const absent = isMissing(text, missing) && !places.has(text)
    const place = absent ? fill : places.get(categoryText(text))
    if (place === undefined) throw notInOrder(text, values, where())
    out[at] = place / (values.length - 1)
    if (indicator) out[at + 1] = absent ? 1 : 0
  }
}

/** Of a text that an order does not name. */
export function notInOrder(text: string, values: readonly string[], where: string): ValueError {
  const near = text.length > 2 ? nearest(text, values) : undefined
  return new ValueError(
    'transform',
    `'${text}' in ${where} is not in the order ${values.join(' < ')}${near ? `; did you mean '${near}'?` : ''}`,
    {
      hint: 'Correct it, leave it empty if it is missing, or name it in the order.',
    },
  )
}

function dateWriter(input: DateColumn, missing: readonly string[]): Write {
  const { order, parts, fill, mean, deviation, indicator } = input
  return (value, out, at, where) => {
    const text = textOf(value)
    const absent = isMissing(text, missing)
    const time = absent ? fill : parseDate(text, order)
    if (time === undefined) throw notADate(text, where())
    let next = at
    for (const part of parts) {
      if (part === 'since') out[next++] = limited((time - mean) / deviation)
      else if (part === 'year') out[next++] = limited((startOfYear(time) - mean) / deviation)
      else {
        const angle = 2 * Math.PI * calendarShare(time, part)
        out[next++] = Math.sin(angle)
        out[next++] = Math.cos(angle)
      }
    }
    if (indicator) out[next] = absent ? 1 : 0
  }
}

/** Of a text that is no date. */
export const notADate = (text: string, where: string): ValueError =>
  new ValueError('transform', `'${text}' in ${where} is not a date`, {
    hint: 'Dates are written 2024-02-29, 2024-02-29 13:30 or 29.02.2024; with dmy or mdy 29/02/2024 or 02/29/2024.',
  })

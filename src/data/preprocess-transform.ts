/**
 * @file Rows to network inputs and targets, as a fitted `Preprocessing` says; predictions back to the units of the
 * table. Needs neither files nor Node: a browser predicts with it.
 * In: a table or objects. Out: Float32Array [n, width].
 *
 * transform(preprocessing, [{ island: 'Dream', bill_length_mm: 39.1, sex: null }])
 */
import { nearest, ValueError } from '../base/errors.js'
import type { Samples } from './column.js'
import { columnWidth, type InputColumn, inputWidth, type Preprocessing } from './preprocess-plan.js'
import { column, place, type Row, type Table } from './table.js'
import { categoryText, classMatcher, isMissing, isNumber } from './table-text.js'

/** Standardised numbers are limited to ±LIMIT, so that one wild cell cannot drive a network anywhere. */
const LIMIT = 10

/** Writes the network inputs of one cell at `out[at]`; `where` names the cell in an error. */
type Write = (value: Row[string], out: Float32Array, at: number, where: () => string) => void

interface Encoder {
  readonly width: number
  readonly columns: readonly { readonly name: string; readonly at: number; readonly write: Write }[]
  /** Keys a row may have: inputs, the target, ignored columns. */
  readonly known: ReadonlySet<string>
}

/** One encoder per preprocessing: building its maps costs more than a row. */
const encoders = new WeakMap<Preprocessing, Encoder>()

/**
 * Encodes rows: Float32Array [n, width], row after row; n is `rows.length` for a table with chosen rows, else all.
 * A table must have every input column; others are not looked at. In an object, a key that is absent, null or NaN is a
 * missing value, and an unknown key is an error with the nearest name. A category never seen becomes zeros.
 * Throws ValueError for text in a number column, naming row and column.
 */
export function transform(
  preprocessing: Preprocessing,
  data: Table | readonly Row[],
  rows?: ArrayLike<number>,
): Float32Array<ArrayBuffer> {
  const encoder = encoderOf(preprocessing)
  return isRows(data) ? transformRows(encoder, data) : transformTable(encoder, data, rows)
}

/** Encodes one object into `out` (made when left out): what serving one sample at a time needs. */
export function transformRow(
  preprocessing: Preprocessing,
  row: Row,
  out: Float32Array = new Float32Array(inputWidth(preprocessing)),
): Float32Array {
  out.fill(0)
  writeRow(encoderOf(preprocessing), row, 0, out, 0)
  return out
}

/**
 * Encodes the target column of a table: int32 labels [n], or float32 standardised values [n, 1].
 * Throws ValueError for a class the model does not know, a missing target or text where a number should be.
 */
export function encodeTarget(preprocessing: Preprocessing, table: Table, rows?: ArrayLike<number>): Samples {
  const { target, missing } = preprocessing
  const cells = column(table, target.name, 'encodeTarget')
  const count = rows?.length ?? table.rows
  const match = target.kind === 'classes' ? classMatcher(target.classes) : undefined
  const data = match ? new Int32Array(count) : new Float32Array(count)
  for (let i = 0; i < count; i++) {
    const row = rows ? rows[i]! : i
    const text = cells[row]!
    if (target.kind === 'classes') {
      const label = match!(text)
      if (label < 0)
        throw new ValueError(
          'encodeTarget',
          `'${text}' in ${place(table, row)}, column '${target.name}' is not a class`,
          {
            hint: `The classes are: ${target.classes.join(', ')}.`,
          },
        )
      data[i] = label
    } else {
      if (!isNumber(text)) {
        const fault = isMissing(text, missing) ? 'is missing' : `is '${text}', not a number`
        throw new ValueError('encodeTarget', `the target '${target.name}' ${fault} in ${place(table, row)}`)
      }
      data[i] = (Number(text) - target.mean) / target.deviation
    }
  }
  return { data, shape: match ? [count] : [count, 1] }
}

/** Predictions in the table's terms: labels become class names, standardised values numbers in the target's unit. */
export function decodeTarget(preprocessing: Preprocessing, predictions: ArrayLike<number>): (string | number)[] {
  const { target } = preprocessing
  return Array.from(predictions, (value) => {
    if (target.kind === 'number') return value * target.deviation + target.mean
    const name = target.classes[value]
    if (name === undefined)
      throw new ValueError('decodeTarget', `label ${value} is outside 0..${target.classes.length - 1}`)
    return name
  })
}

/** The rows whose target is not missing. */
export function rowsWithTarget(preprocessing: Preprocessing, table: Table): Uint32Array {
  const cells = column(table, preprocessing.target.name, 'rowsWithTarget')
  return Uint32Array.from(cells.keys()).filter((row) => !isMissing(cells[row]!, preprocessing.missing))
}

/** sign(x)·log(1 + |x|/scale): linear for |x| ≪ scale, logarithmic beyond; scale is the median of |x| over x ≠ 0. */
export function signedLog(x: number, scale: number): number {
  return Math.sign(x) * Math.log1p(Math.abs(x) / scale)
}

function isRows(data: Table | readonly Row[]): data is readonly Row[] {
  return Array.isArray(data)
}

function encoderOf(preprocessing: Preprocessing): Encoder {
  let encoder = encoders.get(preprocessing)
  if (encoder) return encoder
  let at = 0
  const columns = preprocessing.inputs.map((input) => {
    const write = input.kind === 'number' ? numberWriter(input, preprocessing) : categoryWriter(input, preprocessing)
    const entry = { name: input.name, at, write }
    at += columnWidth(input)
    return entry
  })
  const ignored = preprocessing.ignored.map(({ name }) => name)
  const known = new Set([...columns.map(({ name }) => name), preprocessing.target.name, ...ignored])
  encoder = { width: at, columns, known }
  encoders.set(preprocessing, encoder)
  return encoder
}

function numberWriter(input: InputColumn & { kind: 'number' }, { missing }: Preprocessing): Write {
  const { median, transform: f, scale, mean, deviation, indicator } = input
  return (value, out, at, where) => {
    let x = readNumber(value, missing, where)
    const absent = Number.isNaN(x)
    if (absent) x = median
    const standard = ((f === 'log' ? signedLog(x, scale) : x) - mean) / deviation
    out[at] = Math.max(-LIMIT, Math.min(LIMIT, standard))
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
    hint: 'Correct it, or leave it empty if it is missing.',
  })
}

function categoryWriter(input: InputColumn & { kind: 'category' }, { missing }: Preprocessing): Write {
  const places = new Map(input.values.map((value, i) => [value, i]))
  const otherAt = input.other ? input.values.length : -1
  const missingAt = input.missing ? input.values.length + Number(input.other) : -1
  return (value, out, at) => {
    const text = value === null || value === undefined ? '' : String(value).trim()
    const offset = isMissing(text, missing) ? missingAt : (places.get(categoryText(text)) ?? otherAt)
    if (offset >= 0) out[at + offset] = 1
  }
}

function transformTable(encoder: Encoder, table: Table, rows?: ArrayLike<number>): Float32Array<ArrayBuffer> {
  const count = rows?.length ?? table.rows
  const out = new Float32Array(count * encoder.width)
  for (const { name, at, write } of encoder.columns) {
    const cells = column(table, name, 'transform')
    for (let i = 0; i < count; i++) {
      const row = rows ? rows[i]! : i
      write(cells[row]!, out, i * encoder.width + at, () => `${place(table, row)}, column '${name}'`)
    }
  }
  return out
}

function transformRows(encoder: Encoder, rows: readonly Row[]): Float32Array<ArrayBuffer> {
  const out = new Float32Array(rows.length * encoder.width)
  for (let i = 0; i < rows.length; i++) writeRow(encoder, rows[i]!, i, out, i * encoder.width)
  return out
}

function writeRow(encoder: Encoder, row: Row, index: number, out: Float32Array, start: number): void {
  for (const key in row) if (!encoder.known.has(key)) throw unknownKey(encoder, row, index)
  let present = false
  for (const { name, at, write } of encoder.columns) {
    const value = row[name]
    present ||= value !== undefined
    write(value, out, start + at, () => `row ${index + 1}, '${name}'`)
  }
  if (!present)
    throw new ValueError('transform', `row ${index + 1} has none of the model's columns`, {
      hint: listColumns(encoder),
    })
}

function unknownKey(encoder: Encoder, row: Row, index: number): ValueError {
  const names = encoder.columns.map(({ name }) => name)
  const unknown = Object.keys(row).filter((key) => !encoder.known.has(key))
  const described = unknown.map((key) => {
    const near = nearest(key, names)
    return near ? `'${key}' (did you mean '${near}'?)` : `'${key}'`
  })
  return new ValueError('transform', `row ${index + 1} has unknown columns: ${described.join(', ')}`, {
    hint: listColumns(encoder),
  })
}

function listColumns(encoder: Encoder): string {
  return `The columns are: ${encoder.columns.map(({ name }) => name).join(', ')}.`
}

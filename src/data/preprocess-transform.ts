/**
 * @file Rows to network inputs and targets, as a fitted `Preprocessing` says; predictions back to the units of the
 * table. Needs neither files nor Node: a browser predicts with it.
 * In: a table or objects. Out: Float32Array [n, width].
 *
 * transform(preprocessing, [{ island: 'Dream', bill_length_mm: 39.1, sex: null }])
 */
import { nearest, ValueError } from '../base/errors.js'
import type { Samples } from './column.js'
import { type Write, writerOf } from './preprocess-encode.js'
import { columnWidth, inputWidth, type Preprocessing } from './preprocess-plan.js'
import { column, columnIndex, place, type Row, type Table } from './table.js'
import { classMatcher, isMissing, isNumber } from './table-text.js'

interface Encoder {
  readonly width: number
  readonly columns: readonly {
    readonly name: string
    readonly at: number
    readonly write: Write
    readonly numbers: boolean
  }[]
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

function isRows(data: Table | readonly Row[]): data is readonly Row[] {
  return Array.isArray(data)
}

function encoderOf(preprocessing: Preprocessing): Encoder {
  let encoder = encoders.get(preprocessing)
  if (encoder) return encoder
  let at = 0
  const columns = preprocessing.inputs.map((input) => {
    const write = writerOf(input, preprocessing.missing)
    // A number that was declared to mean 'missing' is told by its text.
    const numbers = input.kind === 'number' && !preprocessing.missing.some(isNumber)
    const entry = { name: input.name, at, write, numbers }
    at += columnWidth(input)
    return entry
  })
  const ignored = preprocessing.ignored.map(({ name }) => name)
  const known = new Set([...columns.map(({ name }) => name), preprocessing.target.name, ...ignored])
  encoder = { width: at, columns, known }
  encoders.set(preprocessing, encoder)
  return encoder
}

function transformTable(encoder: Encoder, table: Table, rows?: ArrayLike<number>): Float32Array<ArrayBuffer> {
  const count = rows?.length ?? table.rows
  const out = new Float32Array(count * encoder.width)
  for (const { name, at, write, numbers } of encoder.columns) {
    const c = columnIndex(table, name, 'transform')
    // Where the file was read into numbers, no texts are made of them; NaN may be a text that must be looked at.
    const values = numbers ? table.numbers?.[c] : undefined
    for (let i = 0; i < count; i++) {
      const row = rows ? rows[i]! : i
      const value = values && !Number.isNaN(values[row]!) ? values[row]! : table.columns[c]![row]!
      write(value, out, i * encoder.width + at, () => `${place(table, row)}, column '${name}'`)
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

/**
 * @file A column while it is read, in few bytes: numbers as float64 beside how each was written, or texts as numbers of a
 * dictionary. In: cells, row by row. Out: the numbers, and the text of every cell as it stood in the file.
 *
 * const column = new ColumnBuilder(); column.reserve(2); column.addText(0, '1.50'); column.addText(1, '?')
 * column.numbers(2)       // Float64Array [1.5, NaN];  column.text(0) is '1.50'
 */
import { isMissing, numberOf } from './table-text.js'

/**
 * A number of these digits and decimals is digits / 10^decimals: both are exact in float64, so that the quotient, rounded once, is the
 * nearest to what is written; and writing it with as many decimals gives the same digits, as half a unit in the last place of the
 * quotient is less than half a unit of the last decimal (up to 2⁵², not 2⁵³).
 */
export const exactMantissa = 2 ** 52
export const mostDecimals = 22
/** Ways of writing a number. Below: so many decimals. */
const shortest = mostDecimals + 1
const kept = shortest + 1
/** From here on: a text that is no number. */
const firstText = 32
/** Above so many different texts a column is one of texts. */
const fewTexts = 200
/** Above so many spellings that must be kept, they are no longer. */
const fewSpellings = 1 << 16

export class ColumnBuilder {
  /** Whether cells are kept as numbers so far. */
  numeric = true
  /** NaN where a cell is no number. */
  values = new Float64Array(0)
  /** How each number was written: its decimals, or one of the ways above. */
  ways = new Uint8Array(0)
  #codes = new Uint32Array(0)
  #texts: string[] = []
  #index = new Map<string, number>()
  #spellings = new Map<number, string>()

  /** Makes room for `rows` rows. */
  reserve(rows: number): void {
    if (this.numeric) {
      this.values = grown(this.values, rows, (n) => new Float64Array(n))
      this.ways = grown(this.ways, rows, (n) => new Uint8Array(n))
    } else this.#codes = grown(this.#codes, rows, (n) => new Uint32Array(n))
  }

  addText(row: number, text: string): void {
    if (!this.numeric) {
      this.#codes[row] = this.#code(text)
      return
    }
    const value = numberOf(text)
    if (value !== undefined) {
      this.values[row] = value
      this.ways[row] = this.#wayOf(row, text, value)
      return
    }
    // A column that begins with texts is one of texts.
    if (this.#texts.length < fewTexts && (row > 0 || isMissing(text, []))) {
      this.values[row] = Number.NaN
      this.ways[row] = firstText + this.#code(text)
      return
    }
    this.#becomeTexts(row)
    this.#codes[row] = this.#code(text)
  }

  /** The text of a cell. */
  text(row: number): string {
    if (!this.numeric) return this.#texts[this.#codes[row]!]!
    const way = this.ways[row]!
    if (way <= mostDecimals) return this.values[row]!.toFixed(way)
    if (way === shortest) return String(this.values[row]!)
    return way === kept ? this.#spellings.get(row)! : this.#texts[way - firstText]!
  }

  /** The texts of the first `rows` cells. */
  texts(rows: number): string[] {
    return Array.from({ length: rows }, (_, row) => this.text(row))
  }

  /** The numbers of the first `rows` cells, NaN where there is none; undefined for a column of texts. */
  numbers(rows: number): Float64Array | undefined {
    return this.numeric ? this.values.subarray(0, rows) : undefined
  }

  /** Whether some text satisfies this; texts that are numbers are not asked. */
  someText(test: (text: string) => boolean): boolean {
    return this.#texts.some(test)
  }

  #wayOf(row: number, text: string, value: number): number {
    if (String(value) === text) return shortest
    const decimals = text.length - 1 - text.indexOf('.')
    if (text.includes('.') && decimals <= mostDecimals && decimals > 0 && value.toFixed(decimals) === text)
      return decimals
    // A code such as 007 must stay what it is; of other numbers the spelling is kept as long as few are odd.
    if (this.#spellings.size >= fewSpellings && !/^[+-]?0\d/.test(text)) return shortest
    this.#spellings.set(row, detached(text))
    return kept
  }

  #code(text: string): number {
    let code = this.#index.get(text)
    if (code === undefined) {
      code = this.#texts.length
      const own = detached(text)
      this.#texts.push(own)
      this.#index.set(own, code)
    }
    return code
  }

  #becomeTexts(rows: number): void {
    const codes = new Uint32Array(Math.max(this.values.length, 16))
    const before = this.texts(rows)
    this.#texts = []
    this.#index = new Map()
    for (let row = 0; row < rows; row++) codes[row] = this.#code(before[row]!)
    this.numeric = false
    this.#codes = codes
    this.values = new Float64Array(0)
    this.ways = new Uint8Array(0)
    this.#spellings = new Map()
  }
}

/** A copy that does not keep the block alive of which the text is a piece (V8 copies pieces of fewer than 13 characters). */
function detached(text: string): string {
  if (text.length < 13) return text
  let copy = ''
  for (let at = 0; at < text.length; at += 4096)
    copy += String.fromCharCode(
      ...Array.from({ length: Math.min(4096, text.length - at) }, (_, i) => text.charCodeAt(at + i)),
    )
  return copy
}

/** A column of these cells. */
export function columnOf(cells: readonly string[]): ColumnBuilder {
  const column = new ColumnBuilder()
  column.reserve(cells.length)
  cells.forEach((cell, row) => {
    column.addText(row, cell)
  })
  return column
}

function grown<T extends Float64Array | Uint8Array | Uint32Array>(array: T, rows: number, make: (n: number) => T): T {
  if (array.length >= rows) return array
  const larger = make(Math.max(rows, 2 * array.length, 1024))
  larger.set(array as never)
  return larger
}

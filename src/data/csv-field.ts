/**
 * @file One field after another out of a block of bytes: where it ends, its text, and what is wrong with it. In: a block of UTF-8, a place.
 * Out: a text and what stands behind it, or an error that names file, row, line and column.
 *
 * fields.takeBlock(rest, block, true); fields.readField(0, 0, 0); fields.fieldText      // 'a' of 'a,b\n'
 */
import { FileError } from '../base/errors.js'

/** A field of more bytes is refused: its quotation mark is not closed, or the file is no table. */
export const longestField = 1 << 20
/** So are a row of more bytes, and one of more fields. */
export const longestRow = 1 << 24
export const mostFields = 1 << 16

export const [TAB, LF, CR, BLANK, QUOTE] = [9, 10, 13, 32, 34] as const
/** Where a field ended: at a separator, at the end of its row, or it goes on beyond the block. */
type End = 'field' | 'row' | 'beyond'

export interface ScanOptions {
  readonly separator: string
  /** The file's name, for messages. */
  readonly source: string
}

export class FieldReader {
  /** Rows read into columns that are gone (`takeRows`). */
  earlier = 0
  /** Lines before the block that is read. */
  line = 0
  protected names: readonly string[] = []
  protected readonly separator: number
  protected readonly source: string
  protected bytes = new Uint8Array(0)
  protected length = 0
  /** Nothing follows the block. */
  protected final = false
  /** The block as one text, if all of it is ASCII; '' if not. Made when the first text is asked for. */
  protected blockText: string | undefined
  // What `readField` found.
  protected fieldText = ''
  protected fieldNext = 0
  protected fieldEnd: End = 'field'
  /** Lines that end within the field. */
  protected newLines = 0

  constructor({ separator, source }: ScanOptions) {
    this.separator = separator.charCodeAt(0)
    this.source = source
  }

  protected takeBlock(rest: Uint8Array, block: Uint8Array, final: boolean): void {
    this.length = rest.length + block.length
    // Zeros behind the block let the loops look one byte ahead.
    this.bytes = new Uint8Array(this.length + 2)
    this.bytes.set(rest)
    this.bytes.set(block, rest.length)
    this.final = final
    this.blockText = undefined
  }

  protected skipEmptyLines(from: number): number {
    const bytes = this.bytes
    let at = from
    for (let i = from; ; i++) {
      const byte = bytes[i]
      if (byte === LF || byte === CR) {
        // Whether a line feed follows is not known yet.
        if (byte === CR && i + 1 >= this.length && !this.final) return at
        if (byte === CR && bytes[i + 1] === LF) i++
        this.line++
        at = i + 1
      } else if (!(byte === BLANK || (byte === TAB && this.separator !== TAB))) {
        return i >= this.length && this.final ? this.length : at
      }
    }
  }

  /** Finds the field that begins at `from`: its text, where the next begins, how it ends, how many lines it spans. */
  protected readField(from: number, row: number, c: number): void {
    const bytes = this.bytes
    const length = this.length
    let at = from
    this.newLines = 0
    while (at < length && this.#isBlank(bytes[at]!)) at++
    if (bytes[at] === QUOTE) {
      this.#quoted(at, row, c)
      return
    }
    const start = at
    let byte = bytes[at]!
    while (at < length && byte !== this.separator && byte !== LF && byte !== CR) byte = bytes[++at]!
    if (at - start > longestField) throw this.#tooLong(row, c)
    if (!this.endsAt(at)) return
    let stop = at
    while (stop > start && this.#isBlank(bytes[stop - 1]!)) stop--
    this.fieldText = this.#decode(start, stop, row, c)
  }

  #quoted(from: number, row: number, c: number): void {
    const bytes = this.bytes
    const length = this.length
    let at = from + 1
    let doubled = false
    for (;;) {
      const byte = bytes[at]
      if (at >= length) {
        if (at - from > longestField) throw this.#tooLong(row, c)
        if (this.final)
          throw this.fault(
            row,
            c,
            'a quoted field is never closed',
            'Close it, or double the mark ("") if it belongs to the text.',
          )
        this.fieldEnd = 'beyond'
        return
      }
      if (byte === QUOTE) {
        if (bytes[at + 1] !== QUOTE) break
        doubled = true
        at++
      } else if (byte === LF || (byte === CR && bytes[at + 1] !== LF)) this.newLines++
      at++
    }
    if (at - from > longestField) throw this.#tooLong(row, c)
    const close = at++
    while (at < length && this.#isBlank(bytes[at]!)) at++
    if (at < length && bytes[at] !== this.separator && bytes[at] !== LF && bytes[at] !== CR)
      throw this.fault(
        row,
        c,
        `'${this.#decode(at, Math.min(length, at + 12), row, c, true)}' follows the quotation mark that closes a field`,
        'Double the marks ("") that belong to the text.',
      )
    if (!this.endsAt(at)) return
    const text = this.#decode(from + 1, close, row, c)
    this.fieldText = doubled ? text.replaceAll('""', '"') : text
  }

  /** What stands at the end of a field; false where the block ends before that is known. */
  protected endsAt(at: number): boolean {
    const byte = this.bytes[at]
    this.fieldNext = at + 1
    if (at >= this.length) this.fieldEnd = this.final ? 'row' : 'beyond'
    else if (byte === this.separator) this.fieldEnd = 'field'
    else if (byte === CR && at + 1 >= this.length && !this.final) this.fieldEnd = 'beyond'
    else {
      this.fieldEnd = 'row'
      if (byte === CR && this.bytes[at + 1] === LF) this.fieldNext = at + 2
    }
    return this.fieldEnd !== 'beyond'
  }

  #isBlank(byte: number): boolean {
    return byte === BLANK || (byte === TAB && this.separator !== TAB)
  }

  #decode(start: number, stop: number, row: number, c: number, lenient = false): string {
    const bytes = this.bytes
    this.blockText ??= asciiText(bytes)
    if (this.blockText !== '') {
      const text = this.blockText.slice(start, stop)
      if (!text.includes('\0')) return text
    }
    const part = bytes.subarray(start, stop)
    if (lenient) return new TextDecoder().decode(part)
    if (part.includes(0))
      throw this.fault(
        row,
        c,
        'a NUL byte stands in a field',
        'The file is damaged, or no text; if it is UTF-16, say so: encoding utf-16le.',
      )
    try {
      return strict.decode(part)
    } catch (cause) {
      const fault = `${hexadecimal(part)} is not UTF-8`
      throw this.fault(
        row,
        c,
        fault,
        'Save the file as UTF-8, or say what it is: encoding latin1 (Windows-1252).',
        cause,
      )
    }
  }

  #tooLong(row: number, c: number): FileError {
    return this.fault(
      row,
      c,
      `a field has more than ${longestField} bytes`,
      'Is a quotation mark not closed, or the separator another?',
    )
  }

  protected fault(row: number, c: number, fault: string, hint?: string, cause?: unknown): FileError {
    const column = c < 0 ? '' : `, column ${this.names[c] === undefined ? c + 1 : `'${this.names[c]}'`}`
    // Of the first lines it is not known yet which are rows.
    const where =
      this.names.length === 0 ? `line ${this.line + 1}` : `row ${this.earlier + row + 1} (line ${this.line + 1})`
    const place = `${this.source}, ${where}${column}`
    return new FileError('csv', `${place}${c < 0 ? ' ' : ': '}${fault}`, { hint, cause })
  }
}

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The bytes as a text with a character for each byte; '' if there are others than ASCII. */
function asciiText(bytes: Uint8Array): string {
  try {
    const text = strict.decode(bytes)
    return text.length === bytes.length ? text : ''
  } catch {
    return ''
  }
}

/** The first bytes that are beyond ASCII, as they are written: 0xFC 0x6E. */
function hexadecimal(bytes: Uint8Array): string {
  const at = Math.max(
    0,
    bytes.findIndex((byte) => byte > 127),
  )
  return [...bytes.subarray(at, at + 4)]
    .map((byte) => `0x${byte.toString(16).toUpperCase().padStart(2, '0')}`)
    .join(' ')
}

/**
 * @file What the command line prints with: colours where they are seen, aligned tables, numbers, sparklines, digits.
 * In: values. Out: text; nothing is written here but by `say`.
 *
 * say(bold('Result'), table([['accuracy', '98.3 %']]))
 */
import { visible, wantsColour } from '../base/terminal.js'

export { sparkline } from '../base/terminal.js'

const colored = wantsColour(process.stdout)

const paint = (open: number, close: number) => (text: string) =>
  colored ? `\u001b[${open}m${text}\u001b[${close}m` : text
export const bold = paint(1, 22)
export const dim = paint(2, 22)
export const green = paint(32, 39)
export const red = paint(31, 39)
export const cyan = paint(36, 39)

/** Where the report goes: standard output, or nowhere (`--json`, `--quiet`). */
export type Say = (...lines: readonly string[]) => void
export const silent: Say = () => {}
export const say: Say = (...lines) => {
  process.stdout.write(lines.map((line) => `${line}\n`).join(''))
}

/** A line of a report: what it is about, then `text`; the next lines of the same have no name. */
export const entry = (name: string, text: string): string => `${bold(name.padEnd(entryIndent - 1))} ${text}`
/** Where the texts of all entries begin. */
export const entryIndent = 10

/** Columns aligned: the first to the left, others to the right unless `left` says so. */
export function table(
  rows: readonly (readonly string[])[],
  options: { readonly left?: readonly number[]; readonly indent?: string } = {},
): string {
  const { left = [0], indent = '  ' } = options
  const widths: number[] = []
  for (const row of rows) row.forEach((cell, c) => void (widths[c] = Math.max(widths[c] ?? 0, visible(cell))))
  const pad = (cell: string, c: number) => {
    const space = ' '.repeat(widths[c]! - visible(cell))
    return left.includes(c) ? cell + space : space + cell
  }
  return rows.map((row) => `${indent}${row.map(pad).join('  ')}`.trimEnd()).join('\n')
}

/** A table in Markdown; the first row is its head. */
export function markdownTable(rows: readonly (readonly string[])[], numeric: readonly number[] = []): string {
  const safe = (cell: string) => cell.replace(/\|/g, '\\|')
  const line = (row: readonly string[]) => `| ${row.map(safe).join(' | ')} |`
  const rule = `|${rows[0]!.map((_, c) => (numeric.includes(c) ? '--:' : '---')).join('|')}|`
  return [line(rows[0]!), rule, ...rows.slice(1).map(line)].join('\n')
}

/** Four significant figures, without a tail of zeros: 0.4321, 48210, 1.2e-7. */
export function number(value: number): string {
  if (!Number.isFinite(value)) return String(value)
  if (value === 0) return '0'
  const size = Math.abs(value)
  if (size < 1e-4 || size >= 1e9) return value.toExponential(2)
  return size >= 1000 ? value.toFixed(0) : value.toPrecision(4)
}

export const percent = (share: number): string => (Number.isNaN(share) ? 'NaN' : `${(100 * share).toFixed(2)} %`)
export const grouped = (count: number): string => count.toLocaleString('en-US')
export const seconds = (time: number): string =>
  time < 120 ? `${time.toFixed(1)} s` : `${Math.floor(time / 60)} min ${Math.round(time % 60)} s`
export const plural = (count: number, word: string): string =>
  `${grouped(count)} ${word}${count === 1 ? '' : word.endsWith('s') ? 'es' : 's'}`

/** A grey image (0..255) drawn in Braille dots, 2×4 pixels a character; ink from 96 on is a dot. */
export function picture(pixels: ArrayLike<number>, width: number, height: number): string[] {
  // The bits of the dots, from left to right and from top to bottom (Unicode 28xx).
  const bits = [0x01, 0x08, 0x02, 0x10, 0x04, 0x20, 0x40, 0x80]
  return Array.from({ length: Math.ceil(height / 4) }, (_, y) =>
    Array.from({ length: Math.ceil(width / 2) }, (_, x) => {
      const code = bits.reduce((sum, bit, i) => {
        const [px, py] = [2 * x + (i % 2), 4 * y + (i >> 1)]
        return px < width && py < height && pixels[py * width + px]! >= 96 ? sum + bit : sum
      }, 0x2800)
      return String.fromCharCode(code)
    }).join(''),
  )
}

/** Blocks of lines next to one another. */
export const beside = (blocksOfLines: readonly (readonly string[])[], gap = 2): string[] =>
  Array.from({ length: Math.max(0, ...blocksOfLines.map((lines) => lines.length)) }, (_, i) =>
    blocksOfLines.map((lines) => lines[i] ?? '').join(' '.repeat(gap)),
  )

/** A command line that a shell reads as these words. */
export const shellLine = (words: readonly string[]): string =>
  words.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replace(/'/g, `'\\''`)}'`)).join(' ')

/** Why a training ended, in words. */
export const endWord = (stopped: string): string =>
  stopped === 'earlyStopping' ? 'stopped early' : stopped === 'aborted' ? 'interrupted' : stopped

/**
 * @file Text for people who look at it: whether colours are wanted, how wide it is, curves in one line of blocks. In: streams, text, numbers.
 * Out: text; nothing is written.
 *
 * sparkline([4, 2, 1, 1, 0.9]) is '█▃▁▁▁'
 */
import { environment } from './environment.js'

/** Where text goes; `process.stderr` is one. */
export interface TextStream {
  /** Writes a piece of text, with whatever ends its line. */
  write(text: string): unknown
  readonly isTTY?: boolean
  readonly columns?: number
}

/** Colours on a terminal that knows them; never with NO_COLOR (no-color.org), always with FORCE_COLOR, unless it is 0. */
export function wantsColour(stream: Pick<TextStream, 'isTTY'> | undefined): boolean {
  if (environment('NO_COLOR')) return false
  const forced = environment('FORCE_COLOR')
  if (forced) return forced !== '0' && forced !== 'false'
  return isLive(stream)
}

/** Whether a line can be drawn over. */
export const isLive = (stream: Pick<TextStream, 'isTTY'> | undefined): boolean =>
  stream?.isTTY === true && environment('TERM') !== 'dumb'

const escapes = new RegExp(`${String.fromCharCode(27)}\\[\\d+m`, 'g')
/** Characters that are seen. */
export const visible = (text: string): number => [...text.replace(escapes, '')].length

const blocks = '▁▂▃▄▅▆▇█'
/** A line of at most `width` blocks, each the mean of its stretch of the values; those that are not finite are left out. */
export function sparkline(values: readonly number[], width = 40): string {
  const finite = values.filter(Number.isFinite)
  if (finite.length === 0) return ''
  const [low, high] = finite.reduce(([a, b], x) => [Math.min(a, x), Math.max(b, x)], [finite[0]!, finite[0]!])
  const count = Math.min(width, finite.length)
  return Array.from({ length: count }, (_, i) => {
    const part = finite.slice(Math.floor((i * finite.length) / count), Math.ceil(((i + 1) * finite.length) / count))
    const mean = part.reduce((sum, x) => sum + x, 0) / part.length
    return blocks[high > low ? Math.min(7, Math.floor(((mean - low) / (high - low)) * 8)) : 0]
  }).join('')
}

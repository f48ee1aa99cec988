/**
 * @file Measures over time: sunspots by the year, carbon dioxide by the week.
 * In: nothing. Out: dates and values of equal number, in order of time; a missing value is NaN.
 *
 * const { year, value } = await sunspots()                    // 1700 ... 2008
 */
import { readFile } from 'node:fs/promises'

export interface Sunspots {
  /** 1700, 1701, ..., 2008. */
  readonly year: Int32Array
  /** Mean number of sunspots of the year, 0 to 190.2. */
  readonly value: Float64Array
}

/** Yearly activity of sunspots, 309 values (US National Geophysical Data Center; public domain). */
export async function sunspots(): Promise<Sunspots> {
  const rows = await read('sunspots/sunspots.csv')
  return { year: Int32Array.from(rows, ([year]) => Number(year)), value: Float64Array.from(rows, ([, x]) => Number(x)) }
}

export interface CarbonDioxide {
  /** Saturdays, a week apart: '1958-03-29', ..., '2001-12-29'. */
  readonly date: readonly string[]
  /** Weekly means in parts per million by volume; NaN in the 59 weeks without one. */
  readonly value: Float64Array
}

/** CO₂ in the air above Mauna Loa, 2,284 weeks (Keeling, Whorf; public domain). */
export async function co2(): Promise<CarbonDioxide> {
  const rows = await read('co2/co2.csv')
  return {
    date: rows.map(([date]) => date.replace(/^(\d{4})(\d{2})(\d{2})$/, '$1-$2-$3')),
    value: Float64Array.from(rows, ([, x]) => (x === '' ? Number.NaN : Number(x))),
  }
}

/** The rows of a file of two columns below its header. */
async function read(name: string): Promise<[string, string][]> {
  const lines = (await readFile(new URL(`../data/${name}`, import.meta.url), 'utf8')).trimEnd().split(/\r?\n/)
  return lines.slice(1).map((line, i) => {
    const [date, value, ...rest] = line.split(',')
    if (!date || value === undefined || rest.length > 0 || Number.isNaN(Number(value)))
      throw new Error(`${name}: line ${i + 2} is damaged: ${line}`)
    return [date.trim(), value.trim()]
  })
}

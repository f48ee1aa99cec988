/**
 * @file Charts as SVG text: lines for learning curves, bars for comparisons. Legible on light and dark pages.
 * In: series of points, or named values. Out: one SVG document, to be written to a file or put into a page.
 *
 * lineChart({ title: 'Loss', xLabel: 'epoch', yLabel: 'cross-entropy', series: [{ name: 'training', points: [[1, 0.4], [2, 0.3]] }] })
 */

import { scaleBand, scaleLinear, scaleLog } from 'd3-scale'
import { line as linePath } from 'd3-shape'
import { describeValue } from '../base/describe.js'
import { ValueError } from '../base/errors.js'
import { expectOptions } from '../base/options.js'
import { COLORS, escapeText, frame, round, shorten, textWidth } from './chart-frame.js'

/** A point of a line: [x, y]. */
export type Point = readonly [x: number, y: number]

/** One line of a chart, with its name in the legend. */
export interface Series {
  /** Its name in the legend. */
  readonly name: string
  /** Points with a NaN or infinite coordinate (or not above 0 on a logarithmic axis) leave a gap. */
  readonly points: readonly Point[]
  /** A dashed line; false by default. */
  readonly dashed?: boolean
  /** Which colour of the palette, from 0; by default the series' place. Equal numbers make pairs. */
  readonly color?: number
}

/** What `lineChart` draws: title, labels, lines. */
export interface LineChartOptions {
  /** Above the chart. */
  readonly title: string
  /** Beneath the axis. */
  readonly xLabel: string
  /** Beside the axis. */
  readonly yLabel: string
  /** The lines. */
  readonly series: readonly Series[]
  /** A logarithmic axis; false by default. */
  readonly logX?: boolean
  /** A logarithmic axis; false by default. */
  readonly logY?: boolean
  /** Vertical lines with a label, such as the best epoch. */
  readonly marks?: readonly { readonly x: number; readonly label: string }[]
  /** In pixels, default 720 and 400. */
  readonly width?: number
  readonly height?: number
}

/** What `barChart` draws: one horizontal bar a value. */
export interface BarChartOptions {
  /** Above the chart. */
  readonly title: string
  /** Beneath the axis. */
  readonly xLabel?: string
  /** From top to bottom; `error` draws ± error. */
  readonly bars: readonly { readonly name: string; readonly value: number; readonly error?: number }[]
  /** In pixels; default 720 and as high as the bars need. */
  readonly width?: number
  readonly height?: number
}

type Scale = ReturnType<typeof scaleLinear<number, number>> | ReturnType<typeof scaleLog<number, number>>

/** Straight lines between points, axes with ticks, a legend beside the plot when there is more than one series. */
export function lineChart(options: LineChartOptions): string {
  expectOptions(
    'lineChart',
    options,
    "lineChart({ title: 'Loss', xLabel: 'epoch', yLabel: 'loss', series: [{ name, points }] })",
  )
  if (!Array.isArray(options.series))
    throw new ValueError('lineChart', `series is ${describeValue(options.series)}, not an array`)
  const { title, xLabel, yLabel, series, logX = false, logY = false, marks = [], width = 720, height = 400 } = options
  const drawable = ([x, y]: Point) => visible(x, logX) && visible(y, logY)
  const points = series.flatMap((s) => s.points.filter(drawable))
  const legend = series.length > 1 ? series.map(({ name }) => shorten(name, 28)) : []
  const legendWidth = legend.length > 0 ? 44 + Math.max(...legend.map((name) => textWidth(name, 12))) : 0
  const marksInside = marks.filter(({ x }) => visible(x, logX))
  const top = 52 + (marksInside.length > 0 ? 16 : 0)
  const bottom = height - 50

  const y = scale(
    points.map((point) => point[1]),
    logY,
    [bottom, top],
    !logY,
  )
  const yTicks = ticksOf(y, logY, Math.max(3, Math.round((bottom - top) / 55)))
  const left = 44 + Math.max(10, ...yTicks.map(({ label }) => textWidth(label, 12)))
  const right = width - 20 - legendWidth
  const x = scale(
    [...points.map((point) => point[0]), ...marksInside.map((mark) => mark.x)],
    logX,
    [left, right],
    false,
  )
  const xTicks = ticksOf(
    x,
    logX,
    Math.max(3, Math.round((right - left) / 80)),
    points.every(([value]) => Number.isInteger(value)),
  )

  const parts = [
    ...yTicks.map(({ at }) => `<line class="grid" x1="${left}" x2="${right}" y1="${at}" y2="${at}"/>`),
    ...yTicks.map(
      ({ at, label }) => `<text class="tick" x="${left - 8}" y="${at}" dy="0.35em" text-anchor="end">${label}</text>`,
    ),
    `<line class="axis" x1="${left}" x2="${right}" y1="${bottom}" y2="${bottom}"/>`,
    ...xTicks.map(({ at }) => `<line class="axis" x1="${at}" x2="${at}" y1="${bottom}" y2="${bottom + 5}"/>`),
    ...xTicks.map(
      ({ at, label }) => `<text class="tick" x="${at}" y="${bottom + 19}" text-anchor="middle">${label}</text>`,
    ),
    `<text class="label" x="${round((left + right) / 2)}" y="${height - 10}" text-anchor="middle">${escapeText(xLabel)}</text>`,
    `<text class="label" transform="translate(18 ${round((top + bottom) / 2)}) rotate(-90)" text-anchor="middle">${escapeText(yLabel)}</text>`,
    ...marksInside.map((mark) => drawMark(round(x(mark.x)), mark.label, left, right, top, bottom)),
    ...series.map((s, i) => drawSeries(s, i, x, y, drawable)),
    ...legend.map((name, i) => drawLegend(name, series[i]!, i, right + 16, top + 8 + 22 * i)),
  ]
  if (points.length === 0)
    parts.push(
      `<text class="label" x="${round((left + right) / 2)}" y="${round((top + bottom) / 2)}" text-anchor="middle">no data</text>`,
    )
  const about = `Lines of ${yLabel} over ${xLabel}: ${series.map(({ name }) => name).join(', ')}.`
  return frame({ title, about, width, height: Math.max(height, top + 22 * legend.length + 20), body: parts })
}

/** Horizontal bars from zero, each with its name and its value, so that names of any length can be read. */
export function barChart(options: BarChartOptions): string {
  expectOptions('barChart', options, "barChart({ title: 'Importance', bars: [{ name, value }] })")
  if (!Array.isArray(options.bars))
    throw new ValueError('barChart', `bars is ${describeValue(options.bars)}, not an array`)
  const { title, xLabel = '', bars, width = 720 } = options
  const top = 52
  const height = options.height ?? top + 26 * Math.max(1, bars.length) + (xLabel ? 50 : 34)
  const bottom = height - (xLabel ? 46 : 30)
  const names = bars.map(({ name }) => shorten(name, 32))
  const finite = bars.filter(({ value }) => visible(value, false))
  const ends = finite.flatMap(({ value, error = 0 }) => [value - error, value + error])
  const low = Math.min(0, ...ends)
  const high = Math.max(0, ...ends)
  const format = formatter(Math.max(Math.abs(low), high))
  const values = bars.map(({ value }) => (visible(value, false) ? format(value) : 'no data'))
  const valueRoom = 14 + Math.max(0, ...values.map((text) => textWidth(text, 12)))

  const nameEnd = 24 + Math.max(0, ...names.map((name) => textWidth(name, 12)))
  const left = nameEnd + 8 + (low < 0 ? valueRoom : 0)
  const right = width - 20 - valueRoom
  const x = scaleLinear([low, high - low > SMALLEST ? high : 1], [left, right])
  const y = scaleBand(
    bars.map((_, i) => i),
    [top, bottom],
  )
    .paddingInner(0.3)
    .paddingOuter(0.15)
  const ticks = ticksOf(x, false, 6)
  const zero = round(x(0))

  const parts = [
    ...ticks.map(({ at }) => `<line class="grid" x1="${at}" x2="${at}" y1="${top}" y2="${bottom}"/>`),
    ...ticks.map(
      ({ at, label }) => `<text class="tick" x="${at}" y="${bottom + 17}" text-anchor="middle">${label}</text>`,
    ),
    `<text class="label" x="${round((left + right) / 2)}" y="${height - 10}" text-anchor="middle">${escapeText(xLabel)}</text>`,
  ]
  bars.forEach(({ name, value, error = 0 }, i) => {
    const middle = round(y(i)! + y.bandwidth() / 2)
    const shown = visible(value, false) ? value : 0
    const end = round(x(shown))
    const outer = round(x(shown < 0 ? shown - error : shown + error))
    parts.push(
      `<g><title>${escapeText(name)}</title><text class="name" x="${nameEnd}" y="${middle}" dy="0.35em" text-anchor="end">${escapeText(names[i]!)}</text></g>`,
      `<rect class="fill0" x="${Math.min(zero, end)}" y="${round(y(i)!)}" width="${round(Math.abs(end - zero))}" height="${round(y.bandwidth())}" rx="2"/>`,
    )
    if (error > 0)
      parts.push(
        `<path class="whisker" d="M${round(x(shown - error))},${middle}H${round(x(shown + error))}m0,-4v8M${round(x(shown - error))},${middle - 4}v8"/>`,
      )
    const side = shown < 0 ? `x="${outer - 6}" text-anchor="end"` : `x="${outer + 6}"`
    parts.push(`<text class="tick" ${side} y="${middle}" dy="0.35em">${values[i]}</text>`)
  })
  parts.push(`<line class="axis" x1="${zero}" x2="${zero}" y1="${top}" y2="${bottom}"/>`)
  const about = `Bars: ${bars.map(({ name }, i) => `${name} ${values[i]}`).join(', ')}.`
  return frame({ title, about, width, height, body: parts })
}

/** Beyond these a difference or a quotient of two values would overflow. */
const LARGEST = 1e150
const SMALLEST = 1e-150

function visible(value: number, log: boolean): boolean {
  return Math.abs(value) <= LARGEST && (!log || value >= SMALLEST)
}

/** A scale over the values; `nice` rounds its ends outward. A single value gets room on both sides. */
function scale(values: readonly number[], log: boolean, range: [number, number], nice: boolean): Scale {
  let low = Number.POSITIVE_INFINITY
  let high = Number.NEGATIVE_INFINITY
  for (const value of values) {
    low = Math.min(low, value)
    high = Math.max(high, value)
  }
  if (low > high) [low, high] = log ? [1, 10] : [0, 1]
  if (log) {
    if (low === high) [low, high] = [low / 2, high * 2]
    // Not d3's nice: it goes to whole powers of ten, which may leave most of the plot empty.
    const margin = 10 ** (0.03 * (Math.log10(high) - Math.log10(low)))
    return scaleLog([Math.max(low / margin, SMALLEST), high * margin], range)
  }
  if (low === high)
    [low, high] = Math.abs(low) < SMALLEST ? [-1, 1] : [low - Math.abs(low) / 2, high + Math.abs(high) / 2]
  const made = scaleLinear([low, high], range)
  return nice ? made.nice(6) : made
}

interface Tick {
  readonly at: number
  readonly label: string
}

function ticksOf(s: Scale, log: boolean, count: number, integers = false): Tick[] {
  let values = s.ticks(count)
  if (integers && !log) values = values.filter(Number.isInteger)
  const [low, high] = s.domain() as [number, number]
  if (log && Math.log10(high / low) >= 1) {
    // Powers of ten, every second or third of them when there are many; below two decades also 2 and 5 times them.
    const wanted = Math.log10(high / low) < 2 ? [1, 2, 5] : [1]
    const step = Math.max(1, Math.ceil(Math.log10(high / low) / (count * 1.5)))
    values = []
    for (let exponent = Math.floor(Math.log10(low)); exponent <= Math.ceil(Math.log10(high)); exponent++)
      if (exponent % step === 0) for (const digit of wanted) values.push(Number(`${digit}e${exponent}`))
    values = values.filter((value) => value >= low && value <= high)
  } else if (log) values = scaleLinear().domain([low, high]).ticks(count)
  const spell = log ? spellOne : speller(values)
  return values.map((value) => ({ at: round(s(value)), label: spell(value) }))
}

/** Evenly spaced ticks: the same count of decimals for all, as many as their distance needs. */
function speller(values: readonly number[]): (value: number) => string {
  const distance = values.length > 1 ? Math.abs(values[1]! - values[0]!) : Math.abs(values[0] ?? 1) || 1
  const largest = Math.max(...values.map(Math.abs))
  if (largest >= 1e7 || distance < 1e-4) return (value) => (value === 0 ? '0' : scientific(value))
  const needed = (value: number) => (String(Number(value.toPrecision(6))).split('.')[1] ?? '').length
  const decimals = Math.min(6, Math.max(0, ...values.map(needed)))
  return (value) => grouped(value.toFixed(decimals))
}

/** Ticks of a logarithmic axis: each as short as it can be. */
function spellOne(value: number): string {
  const small = value < 1e-3 || value >= 1e5
  return small ? scientific(value) : grouped(String(Number(value.toPrecision(6))))
}

/** '−12,500.5' */
function grouped(text: string): string {
  const [whole, fraction] = text.replace('-', '−').split('.') as [string, string?]
  const spaced = whole.length > 4 ? whole.replace(/\B(?=(\d{3})+$)/g, ',') : whole
  return fraction === undefined ? spaced : `${spaced}.${fraction}`
}

/** '10⁻⁵', '2·10⁶' */
function scientific(value: number): string {
  const [digits, exponent] = value.toExponential(3).split('e') as [string, string]
  const mantissa = String(Number(digits)).replace('-', '−')
  const raised = String(Number(exponent)).replace(/./g, (c) => (c === '-' ? '⁻' : '⁰¹²³⁴⁵⁶⁷⁸⁹'[Number(c)]!))
  return mantissa === '1' ? `10${raised}` : mantissa === '−1' ? `−10${raised}` : `${mantissa}·10${raised}`
}

/** Three significant digits of the largest value, the same count of decimals for all. */
function formatter(largest: number): (value: number) => string {
  if (largest === 0) return (value) => String(value)
  const digits = Math.max(0, Math.min(20, 2 - Math.floor(Math.log10(largest))))
  if (digits > 6 || largest >= 1e6) return scientificOrZero
  return (value) => value.toFixed(digits).replace('-', '−')
}

function scientificOrZero(value: number): string {
  return value === 0 ? '0' : scientific(Number(value.toPrecision(3)))
}

function drawSeries(
  { points, dashed, color, name }: Series,
  i: number,
  x: Scale,
  y: Scale,
  drawable: (p: Point) => boolean,
): string {
  const c = (color ?? i) % COLORS
  const path = linePath<Point>()
    .defined(drawable)
    .x((point) => x(point[0]))
    .y((point) => y(point[1]))
    .digits(1)(thin(points, drawable))
  const lonely = points.filter(
    (p, k) =>
      drawable(p) && !(k > 0 && drawable(points[k - 1]!)) && !(k + 1 < points.length && drawable(points[k + 1]!)),
  )
  const dots = lonely.map((p) => `<circle class="fill${c}" cx="${round(x(p[0]))}" cy="${round(y(p[1]))}" r="3.5"/>`)
  const pattern = dashed ? ' stroke-dasharray="6 4"' : ''
  return `<g><title>${escapeText(name)}</title><path class="line stroke${c}"${pattern}${points.length > 500 ? ' style="stroke-width:1.2"' : ''} d="${path ?? ''}"/>${dots.join('')}</g>`
}

/** Of more than 4,000 points, the lowest and the highest of each stretch: what the eye sees, in a small file. */
function thin(points: readonly Point[], drawable: (p: Point) => boolean): Point[] {
  const most = 4000
  if (points.length <= most || !points.every(drawable)) return [...points]
  const stretch = Math.ceil((2 * points.length) / most)
  const kept: Point[] = []
  for (let from = 0; from < points.length; from += stretch) {
    let low = from
    let high = from
    for (let k = from; k < Math.min(points.length, from + stretch); k++) {
      if (points[k]![1] < points[low]![1]) low = k
      if (points[k]![1] > points[high]![1]) high = k
    }
    kept.push(points[Math.min(low, high)]!)
    if (low !== high) kept.push(points[Math.max(low, high)]!)
  }
  return kept
}

function drawMark(at: number, label: string, left: number, right: number, top: number, bottom: number): string {
  const half = textWidth(label, 11) / 2
  const x = Math.max(left + half, Math.min(right - half, at))
  return `<line class="mark" x1="${at}" x2="${at}" y1="${top - 4}" y2="${bottom}"/><text class="note" x="${round(x)}" y="${top - 10}" text-anchor="middle">${escapeText(label)}</text>`
}

function drawLegend(name: string, { name: full, dashed, color }: Series, i: number, x: number, y: number): string {
  const c = (color ?? i) % COLORS
  const pattern = dashed ? ' stroke-dasharray="6 4"' : ''
  return `<g><title>${escapeText(full)}</title><path class="line stroke${c}"${pattern} d="M${round(x)},${y}h20"/><text class="name" x="${round(x + 28)}" y="${y}" dy="0.35em">${escapeText(name)}</text></g>`
}

/**
 * @file The picture of a profile: a bar for each kernel, as long as its time. The full part is what the machine would need at its
 * peak, the pale part what is lost; the colour says which limit is nearer. In: figures. Out: one SVG document.
 */
import { scaleLinear } from 'd3-scale'
import { timeText } from '../explain.js'
import { escapeText, frame, round, shorten, textWidth } from './chart-frame.js'

export interface ProfileBar {
  readonly name: string
  /** Of one call. */
  readonly seconds: number
  /** Of the time of all kernels. */
  readonly share: number
  readonly flopsPerSecond: number
  readonly bytesPerSecond: number
  readonly bound: 'compute' | 'memory'
  /** Share of the measured peak. */
  readonly peakShare: number
}

export interface ProfileBarsOptions {
  readonly title: string
  readonly engine: string
  /** Of all kernels. */
  readonly seconds: number
  /** The measured peak. */
  readonly flopsPerSecond: number
  readonly bars: readonly ProfileBar[]
  /** In pixels. */
  readonly width?: number
}

/** More kernels than this become one bar for the rest, and so do those that take less than a part in 300, where there are many. */
const most = 24
const few = 8
const negligible = 1 / 300
const rowHeight = 26

export function profileBars({ title, engine, seconds, flopsPerSecond, bars, width = 860 }: ProfileBarsOptions): string {
  const sorted = [...bars].sort((a, b) => b.seconds - a.seconds)
  const shown = sorted.filter(({ share }, i) => i < few || (i < most && share >= negligible)).length
  const rest = sorted.splice(shown)
  const [divisor, unit] = seconds < 1e-3 ? [1e-6, 'µs'] : seconds < 1 ? [1e-3, 'ms'] : [1, 's']
  const restSeconds = rest.reduce((sum, bar) => sum + bar.seconds, 0)
  const rows = [
    ...sorted.map((bar) => ({ bar, name: shorten(bar.name, 34), label: labelOf(bar) })),
    ...(rest.length > 0
      ? [{ bar: undefined, name: `${rest.length} others`, label: `${timeText(restSeconds)} together` }]
      : []),
  ]
  const top = 82
  const bottom = top + rowHeight * Math.max(1, rows.length)
  const left = 32 + Math.max(60, ...rows.map(({ name }) => textWidth(name, 12)))
  const right = width - 24 - Math.max(60, ...rows.map(({ label }) => textWidth(label, 12)))
  const longest = Math.max(restSeconds, ...sorted.map((bar) => bar.seconds)) / divisor || 1
  const x = scaleLinear([0, longest], [left, Math.max(left + 60, right)])
  const ticks = x.ticks(5).map((value) => ({ at: round(x(value)), label: String(Number(value.toPrecision(6))) }))
  const body = [
    `<text class="label" x="24" y="50">${escapeText(`${engine}: ${timeText(seconds)} in ${bars.length} kernels; peak ${digits(flopsPerSecond / 1e9)} GFLOP/s, measured`)}</text>`,
    ...legend(24, 68),
    ...ticks.map(({ at }) => `<line class="grid" x1="${at}" x2="${at}" y1="${top}" y2="${bottom}"/>`),
    ...ticks.map(
      ({ at, label }) => `<text class="tick" x="${at}" y="${bottom + 17}" text-anchor="middle">${label}</text>`,
    ),
    `<text class="label" x="${round((left + x(longest)) / 2)}" y="${bottom + 38}" text-anchor="middle">time, ${unit}</text>`,
    ...rows.flatMap(({ bar, name, label }, i) => {
      const y = top + rowHeight * i + 4
      const end = x((bar?.seconds ?? restSeconds) / divisor)
      return drawRow({ bar, name, label, y, left, end })
    }),
    `<line class="axis" x1="${left}" x2="${left}" y1="${top}" y2="${bottom}"/>`,
  ]
  const about = `Kernels by time: ${rows.map(({ name, label }) => `${name} ${label}`).join('; ')}.`
  return frame({ title, about, width, height: bottom + 52, body })
}

const digits = (value: number): string =>
  value < 10 ? value.toFixed(2) : value < 100 ? value.toFixed(1) : value.toFixed(0)

function labelOf({ seconds, bound, flopsPerSecond, bytesPerSecond, peakShare }: ProfileBar): string {
  const rate = bound === 'compute' ? `${digits(flopsPerSecond / 1e9)} GFLOP/s` : `${digits(bytesPerSecond / 1e9)} GB/s`
  return `${timeText(seconds)} · ${rate} · ${Math.round(100 * peakShare)} % of peak`
}

interface Row {
  readonly bar: ProfileBar | undefined
  readonly name: string
  readonly label: string
  readonly y: number
  readonly left: number
  readonly end: number
}

function drawRow({ bar, name, label, y, left, end }: Row): string[] {
  const height = rowHeight - 8
  const middle = y + height / 2
  const color = colorOf(bar?.bound)
  const rect = (to: number, extra: string) =>
    `<rect class="fill${color}"${extra} x="${left}" y="${y}" width="${round(Math.max(0, to - left))}" height="${height}" rx="2"/>`
  return [
    `<g><title>${escapeText(bar?.name ?? name)}</title><text class="name" x="${left - 8}" y="${middle}" dy="0.35em" text-anchor="end">${escapeText(name)}</text></g>`,
    rect(end, ' fill-opacity="0.35"'),
    ...(bar ? [rect(left + (end - left) * Math.min(1, bar.peakShare), '')] : []),
    `<text class="tick" x="${round(end + 6)}" y="${middle}" dy="0.35em">${escapeText(label)}</text>`,
  ]
}

/** Places in the palette: blue, orange, and grey for what is neither. */
const colorOf = (bound: ProfileBar['bound'] | undefined): number =>
  bound === 'compute' ? 0 : bound === 'memory' ? 1 : 7

function legend(x: number, y: number): string[] {
  let at = x
  return (
    [
      [0, 1, 'nearer to the limit of computing'],
      [1, 1, 'nearer to the limit of memory'],
      [7, 0.35, 'pale: what the peak would save'],
    ] as const
  ).flatMap(([color, opacity, text]) => {
    const start = at
    at += 40 + textWidth(text, 12)
    return [
      `<rect class="fill${color}" fill-opacity="${opacity}" x="${start}" y="${y - 6}" width="14" height="12" rx="2"/>`,
      `<text class="name" x="${start + 20}" y="${y}" dy="0.35em">${text}</text>`,
    ]
  })
}

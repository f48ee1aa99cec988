/** @file Numbers, durations and values in few characters. In: values. Out: text. */
import type { Json } from '../api.js'

/** 0.0412, 1.3e-5, 235,146: four digits that count. */
export function number(value: number | null | undefined): string {
  if (value === undefined) return '–'
  if (value === null) return 'not finite'
  if (value === 0) return '0'
  const size = Math.abs(value)
  if (Number.isInteger(value) && size < 1e9) return value.toLocaleString('en')
  if (size < 1e-3 || size >= 1e6) return exponent(value, 2)
  if (size >= 1000) return value.toLocaleString('en', { maximumFractionDigits: 0 })
  return String(Number(value.toPrecision(4)))
}

/** 1.00e+5 → 1e5. */
const exponent = (value: number, digits: number) => value.toExponential(digits).replace(/\.?0*e\+?/, 'e')

/** Labels of axes: 1,500 → 1.5k. */
export function tick(value: number): string {
  const size = Math.abs(value)
  if (size >= 1e6) return `${Number((value / 1e6).toPrecision(4))}M`
  if (size >= 1e4) return `${Number((value / 1e3).toPrecision(4))}k`
  if (size !== 0 && size < 1e-3) return exponent(value, 1)
  return String(Number(value.toPrecision(6)))
}

export const percent = (share: number): string => `${(100 * share).toFixed(share < 0.0995 ? 1 : 0)} %`

/** 42 s, 3 min 5 s, 2 h 10 min. */
export function duration(seconds: number): string {
  if (seconds < 10) return `${Number(seconds.toFixed(1))} s`
  if (seconds < 60) return `${Math.round(seconds)} s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`
}

/** Date and time, without seconds, in the reader's zone. */
export const moment = (time: number | undefined): string =>
  time === undefined
    ? '–'
    : new Date(time).toLocaleString('en-GB', { day: '2-digit', month: 'short', hour: '2-digit', minute: '2-digit' })

/** A value of a configuration. */
export function shown(value: Json | undefined): string {
  if (value === undefined) return '–'
  if (typeof value === 'string') return value
  if (typeof value === 'number') return Number.isInteger(value) ? String(value) : number(value)
  if (Array.isArray(value)) return value.map((one) => shown(one as Json)).join(', ')
  return JSON.stringify(value)
}

const words: { readonly [name: string]: string } = {
  loss: 'Loss',
  learningRate: 'Learning rate',
  samplesPerSecond: 'Samples per second',
  gradientNorm: 'Gradient norm',
  updateNorm: 'Update norm',
}

/** learningRate → Learning rate; macroF1 → Macro F1. */
export const title = (name: string): string =>
  words[name] ??
  name
    .replace(/([a-z])([A-Z])/g, (_, a: string, b: string) => `${a} ${b}`)
    .replace(/^./, (first) => first.toUpperCase())

/**
 * @file Events as lines of JSON. In: an event. Out: one line, which begins with its kind; and back. NaN and infinities, which JSON has no
 * word for, stand as the texts "NaN", "Infinity" and "-Infinity", and are numbers again where an event has numbers.
 *
 * eventLine({ kind: 'step', time: 1, step: 64, epoch: 1, loss: Number.NaN }) is '{"kind":"step","time":1,"step":64,"epoch":1,"loss":"NaN"}\n'
 */
import type { RunEvent } from '../train/events.js'

/** An event as it is read: a kind that is known, or one of a later Gradus, of which nothing more is known. */
export type AnyEvent = RunEvent | OtherEvent

/** An event of a kind that this Gradus does not know. */
export interface OtherEvent {
  readonly kind: string & { readonly other?: never }
  readonly time: number
  readonly member?: number
  readonly [field: string]: unknown
}

/** One line, with its end. Typed arrays become arrays. */
export function eventLine(event: object): string {
  const { kind, time, ...rest } = event as { kind: string; time: number }
  const ordered = { kind, time, ...rest }
  const text = JSON.stringify(ordered)
  // JSON.stringify writes null for what is not finite; asking it of each value is slow, and rarely needed.
  return `${text.includes('null') || text.includes('{"0":') ? JSON.stringify(ordered, exact) : text}\n`
}

function exact(_: string, value: unknown): unknown {
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value)
  if (ArrayBuffer.isView(value) && !(value instanceof DataView)) return Array.from(value as Float32Array)
  return value
}

const words: { readonly [word: string]: number | undefined } = {
  NaN: Number.NaN,
  Infinity: Number.POSITIVE_INFINITY,
  '-Infinity': Number.NEGATIVE_INFINITY,
}
/** Kinds that hold numbers under names, and no text that could look like one. */
const numeric = new Set(['start', 'step', 'epoch', 'layers', 'histogram', 'profile'])

/** The event of a line; undefined for a line that holds none (torn, damaged, or something else). */
export function parseEvent(line: string): AnyEvent | undefined {
  let event: AnyEvent
  try {
    event = JSON.parse(line) as AnyEvent
  } catch {
    return undefined
  }
  if (typeof event !== 'object' || event === null || missingField(event)) return undefined
  if (!line.includes('NaN"') && !line.includes('Infinity"')) return event
  if (numeric.has(event.kind)) return revived(event, true) as AnyEvent
  if (event.kind !== 'wrong') return event
  const { examples } = event as unknown as { examples: readonly { probability: unknown }[] }
  return {
    ...event,
    examples: examples.map((one) => ({ ...one, probability: revived(one.probability, false) })),
  } as AnyEvent
}

const isObject = (value: unknown) => typeof value === 'object' && value !== null

/** What an event of a known kind lacks of what its readers count on, in words. */
export function missingField(event: object): string | undefined {
  const fields = event as { readonly [field: string]: unknown }
  const number = (...names: readonly string[]) => {
    const name = names.find((one) => typeof fields[one] !== 'number')
    return name === undefined ? undefined : `the number ${name}`
  }
  const object = (name: string) => (isObject(fields[name]) ? undefined : `the object ${name}`)
  const objects = (name: string) =>
    Array.isArray(fields[name]) && (fields[name] as unknown[]).every(isObject) ? undefined : `the list ${name}`
  if (typeof fields['kind'] !== 'string') return 'a kind'
  const time = number('time')
  if (time) return time
  switch (fields['kind']) {
    case 'start':
    case 'step':
      return number('step', 'epoch')
    case 'epoch':
      return number('step', 'epoch') ?? object('train')
    case 'layers':
    case 'histogram':
      return number('step', 'epoch') ?? object('layers')
    case 'confusion':
      return number('epoch') ?? (Array.isArray(fields['labels']) ? objects('counts') : 'the list labels')
    case 'wrong':
      return number('epoch') ?? objects('examples')
    case 'profile':
      return objects('kernels')
    default:
      return undefined
  }
}

function revived(value: unknown, top: boolean): unknown {
  if (typeof value === 'string') return words[value] ?? value
  if (Array.isArray(value)) return value.map((item) => revived(item, false))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [
      name,
      (top && name === 'kind') || name === 'name' ? item : revived(item, false),
    ]),
  )
}

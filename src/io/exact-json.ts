/**
 * @file JSON that keeps every bit of what it is given: NaN, infinities, −0, undefined and typed arrays too.
 * In: plain data. Out: text; and back. What JSON has no word for stands as { "$": ... }.
 *
 * exactJson({ loss: Number.NaN }) is '{"loss":{"$":"NaN"}}'
 */
import { describeValue } from '../base/describe.js'
import { ValueError } from '../base/errors.js'

const words = new Map<string, unknown>([
  ['NaN', Number.NaN],
  ['Infinity', Number.POSITIVE_INFINITY],
  ['-Infinity', Number.NEGATIVE_INFINITY],
  ['-0', -0],
  ['undefined', undefined],
])
const arrays = { Float32Array, Float64Array, Int32Array, Uint32Array, Uint8Array } as const

/** Throws ValueError, with the path, for what is no plain data: functions, class instances, bigints, cycles. */
export const exactJson = (value: unknown): string => JSON.stringify(packed(value, 'it', []))

/** What `exactJson` was given. Throws as JSON.parse does. */
export const parseExactJson = (text: string): unknown => unpacked(JSON.parse(text))

function packed(value: unknown, path: string, around: readonly object[]): unknown {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value
  for (const [word, special] of words) if (Object.is(value, special)) return { $: word }
  if (typeof value === 'number') return value
  if (typeof value !== 'object') return refuse(value, path)
  if (around.includes(value)) throw new ValueError('checkpoint', `${path} contains itself`)
  const inside = [...around, value]
  if (Array.isArray(value)) return Array.from(value, (item, i) => packed(item, `${path}[${i}]`, inside))
  const name = value.constructor?.name
  if (name !== undefined && Object.hasOwn(arrays, name))
    return { $: name, values: Array.from(value as Float64Array, (item) => packed(item, path, inside)) }
  const prototype = Object.getPrototypeOf(value)
  if (prototype !== null && prototype !== Object.prototype) return refuse(value, path)
  const fields = Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, packed(item, `${path}.${key}`, inside)]),
  )
  return Object.hasOwn(value, '$') ? { $: 'object', value: fields } : fields
}

function refuse(value: unknown, path: string): never {
  throw new ValueError('checkpoint', `${path} is ${describeValue(value)}, which a checkpoint cannot hold`, {
    hint: 'Plain data can be held: numbers, texts, arrays, objects of them; networks and variables are parts.',
  })
}

function unpacked(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(unpacked)
  const { $: word, values, value: fields } = value as Record<string, unknown>
  if (typeof word !== 'string') return unpackedFields(value)
  if (word === 'object') return unpackedFields(fields as object)
  if (Object.hasOwn(arrays, word)) return arrays[word as keyof typeof arrays].from(unpacked(values) as number[])
  return words.get(word)
}

const unpackedFields = (fields: object): object =>
  Object.fromEntries(Object.entries(fields).map(([key, item]) => [key, unpacked(item)]))

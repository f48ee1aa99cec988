/**
 * @file What a sweep may choose: for each name a range or a list. In: a small space, as JSON holds it. Out: values, drawn by a seed and
 * a number, or all points of a grid.
 *
 * const space = checkSpace('sweep', { learningRate: { log: [1e-4, 1e-1] }, width: { choice: [32, 64] } })
 * drawValues(space, 1, 3)                                  // { learningRate: 0.002731, width: 64 }
 */
import { describeValue } from '../base/describe.js'
import { nearest, ValueError } from '../base/errors.js'
import { isPlainOptions } from '../base/options.js'
import { exp, log } from '../numerics/elementary.js'
import { RandomStream } from '../numerics/random.js'
import { scalarArithmetic } from '../numerics/scalar.js'

/** Anything that JSON holds. */
export type JsonValue = number | string | boolean | null | readonly JsonValue[] | { readonly [name: string]: JsonValue }

/** What one value may be. `steps` is how many values of a range a grid has. */
export type SearchRange =
  /** One of these. */
  | { readonly choice: readonly JsonValue[] }
  /** From low to high, all equally likely. */
  | { readonly uniform: readonly [low: number, high: number]; readonly steps?: number }
  /** From low to high, all ratios equally likely: for rates. */
  | { readonly log: readonly [low: number, high: number]; readonly steps?: number }
  /** A whole number from low to high, both included. */
  | { readonly integer: readonly [low: number, high: number]; readonly steps?: number }

/** Ranges by name. */
export interface SearchSpace {
  readonly [name: string]: SearchRange
}

/** Values by name: a point of a space. */
export interface SearchValues {
  readonly [name: string]: JsonValue
}

/** The same bits on every machine, which Math.exp does not promise. */
const float64 = scalarArithmetic('float64', 'portable')
const kinds = ['choice', 'uniform', 'log', 'integer'] as const

/** Throws for what is no space, with the name and the cure. */
export function checkSpace(operation: string, space: unknown): SearchSpace {
  const example = 'Write { "learningRate": { "log": [1e-4, 1e-1] }, "hidden": { "choice": ["32", "64,32"] } }.'
  if (!isPlainOptions(space) || Object.keys(space).length === 0)
    throw new ValueError(operation, `the space is ${isPlainOptions(space) ? 'empty' : describeValue(space)}`, {
      hint: example,
    })
  for (const [name, range] of Object.entries(space)) checkRange(operation, name, range)
  return space as unknown as SearchSpace
}

function checkRange(operation: string, name: string, range: unknown): undefined {
  const fail = (fault: string, hint: string): never => {
    throw new ValueError(operation, `the space of ${name} ${fault}`, { hint })
  }
  if (!isPlainOptions(range))
    return fail(`is ${describeValue(range)}`, 'Write { "choice": [...] }, or a range such as { "log": [1e-4, 1e-1] }.')
  const keys = Object.keys(range)
  const unknown = keys.find((key) => key !== 'steps' && !(kinds as readonly string[]).includes(key))
  if (unknown !== undefined) {
    const near = nearest(unknown, [...kinds, 'steps'])
    fail(
      `has '${unknown}'${near ? `; did you mean '${near}'?` : ''}`,
      `There are ${kinds.join(', ')}, and steps for a grid.`,
    )
  }
  const given = kinds.filter((kind) => range[kind] !== undefined)
  if (given.length !== 1)
    fail(given.length === 0 ? 'says nothing' : `has ${given.join(' and ')}`, `Give one of ${kinds.join(', ')}.`)
  const { choice, steps } = range
  if (choice !== undefined) {
    if (!Array.isArray(choice) || choice.length === 0)
      fail('has a choice that is no list of values', 'Write { "choice": [16, 32] }.')
    if (steps !== undefined) fail('has steps beside a choice', 'A grid takes all values of a choice.')
    return undefined
  }
  const kind = given[0]!
  const ends = range[kind]
  const isPair = Array.isArray(ends) && ends.length === 2 && ends.every((end) => Number.isFinite(end))
  if (!isPair) return fail(`has ${kind}: ${JSON.stringify(ends)}`, `Write two numbers: { "${kind}": [low, high] }.`)
  const [low, high] = ends as [number, number]
  if (!(low < high)) fail(`goes from ${low} to ${high}`, 'The first number is the smaller one.')
  if (kind === 'log' && low <= 0) fail(`begins at ${low}`, 'A logarithmic range has numbers above 0.')
  if (kind === 'integer' && !(Number.isInteger(low) && Number.isInteger(high)))
    fail(`goes from ${low} to ${high}`, 'Give whole numbers.')
  if (steps !== undefined && !(Number.isInteger(steps) && (steps as number) >= 2))
    fail(`has ${String(steps)} steps`, 'Give a whole number of 2 or more.')
  return undefined
}

/** The values of the trial with this number: the same seed draws the same, however many others are drawn. */
export function drawValues(space: SearchSpace, seed: number, number: number): SearchValues {
  return Object.fromEntries(
    Object.entries(space).map(([name, range]) => {
      // Each name has its own stream, so that one more name changes no other's values.
      const stream = new RandomStream(seed, `sweep.${number}.${name}`)
      return [
        name,
        'choice' in range ? range.choice[stream.integer(range.choice.length)]! : pointOf(range, stream.uniform()),
      ]
    }),
  )
}

/** Where in a range a share of it lies. */
function pointOf(range: Exclude<SearchRange, { choice: unknown }>, share: number): number {
  if ('integer' in range) {
    const [low, high] = range.integer
    return Math.min(high, low + Math.floor(share * (high - low + 1)))
  }
  const [low, high] = 'log' in range ? range.log : range.uniform
  const point = 'log' in range ? low * exp(float64, share * log(float64, high / low)) : low + share * (high - low)
  // Four figures are more than anybody tells apart, and can be typed again.
  return Math.min(high, Math.max(low, Number(point.toPrecision(4))))
}

/** All combinations, the last name changing fastest. Throws for a range without `steps`. */
export function gridOf(operation: string, space: SearchSpace): SearchValues[] {
  let points: SearchValues[] = [{}]
  for (const [name, range] of Object.entries(space))
    points = points.flatMap((point) => valuesOf(operation, name, range).map((value) => ({ ...point, [name]: value })))
  return points
}

function valuesOf(operation: string, name: string, range: SearchRange): readonly JsonValue[] {
  if ('choice' in range) return range.choice
  const { steps } = range
  if (steps === undefined)
    throw new ValueError(operation, `a grid needs to know how many values of ${name} to try`, {
      hint: 'Give steps beside the range, such as { "log": [1e-4, 1e-1], "steps": 4 }, or a choice.',
    })
  if ('integer' in range) {
    const [low, high] = range.integer
    const all = Array.from({ length: steps }, (_, i) => Math.round(low + (i * (high - low)) / (steps - 1)))
    return [...new Set(all)]
  }
  return Array.from({ length: steps }, (_, i) => pointOf(range, i / (steps - 1)))
}

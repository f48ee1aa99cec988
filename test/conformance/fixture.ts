/**
 * @file The fixtures of the conformance table: what PyTorch gives for each public layer, loss, optimizer and schedule, and how
 * Gradus makes the same thing. In: test/fixtures/torch/conformance/*.json. Out: cases; `build` makes what a case describes.
 *
 * build({ nn: 'linear', args: [5, 4], options: { bias: false }, typed: true }, 'float64') → nn.linear(5, 4, { bias: false, dtype: 'float64' })
 */
import { readdirSync, readFileSync } from 'node:fs'
import { loss, nn, optim } from '../../src/index.js'

/** Numbers and their shape; without a dtype they are results, float64. */
export interface Values {
  readonly shape: number[]
  readonly dtype?: 'float64' | 'float32' | 'int64' | 'bool'
  readonly data: (number | boolean)[]
}
type ByPath = Readonly<Record<string, number[]>>

/** A layer, an activation or a loss; see scripts/fixtures/conformance.py. */
export interface FunctionCase {
  readonly row: string
  readonly name: string
  readonly counterpart: string
  readonly make?: Make
  readonly options?: Readonly<Record<string, unknown>>
  readonly training?: boolean
  readonly note?: string
  /** Why second derivatives are not compared, where they are not. */
  readonly withoutSecond?: string
  /** How far PyTorch's own float32 is from its float64, at most; absent where that is little. */
  readonly rounding?: number
  readonly inputs: readonly Values[]
  readonly parameters?: Readonly<Record<string, Values>>
  readonly buffers?: Readonly<Record<string, Values>>
  readonly cotangents: readonly number[][]
  readonly directions: ByPath
  readonly outputs: readonly Values[]
  readonly buffersAfter?: ByPath
  readonly gradients: ByPath
  readonly second: ByPath
}

export interface OptimizerCase {
  readonly row: string
  readonly name: string
  readonly counterpart: string
  readonly make: Make
  /** The parameters there are, where not all of the fixture's. */
  readonly only?: readonly string[]
  /** An average of the parameters, which is then what `after` has. */
  readonly average?: { readonly optim: string; readonly options: object }
  /** All parameters after each update. */
  readonly after: readonly ByPath[]
}
export interface OptimizerFixture {
  readonly start: Readonly<Record<string, Values>>
  /** The gradients of each step. */
  readonly steps: readonly ByPath[]
  readonly cases: readonly OptimizerCase[]
}

export interface ScheduleCase {
  readonly row: string
  readonly name: string
  readonly counterpart: string
  readonly make: Make
  /** Of steps 0, 1, ... */
  readonly rates: readonly number[]
}

export interface PlateauCase {
  readonly row: string
  readonly name: string
  readonly counterpart: string
  readonly options: object
  readonly scores: readonly number[]
  /** After each score. */
  readonly rates: readonly number[]
}

/** A call as data. */
export type Make =
  | ({
      readonly [namespace in 'nn' | 'loss' | 'optim' | 'schedule']?: string
    } & {
      readonly args: readonly unknown[]
      readonly options?: object
      readonly typed?: true
      readonly chain?: undefined
    })
  | { readonly chain: readonly Make[] }

const folder = new URL('../fixtures/torch/conformance/', import.meta.url)
const read = <T>(name: string): T => JSON.parse(readFileSync(new URL(name, folder), 'utf8')) as T

const apart = ['optimizers', 'schedules']
/** Files of layers, activations and losses. */
export const families: readonly string[] = readdirSync(folder)
  .map((name) => name.replace(/\.json$/, ''))
  .filter((name) => !apart.includes(name))
  .sort()
export const functionCases = (family: string): readonly FunctionCase[] =>
  read<{ cases: FunctionCase[] }>(`${family}.json`).cases
export const optimizers = (): OptimizerFixture => read('optimizers.json')
export const schedules = (): { readonly cases: readonly ScheduleCase[]; readonly plateaus: readonly PlateauCase[] } =>
  read('schedules.json')

const namespaces: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  nn,
  loss,
  optim,
  'optim.schedules': optim.schedules,
}
/** What is public under a name such as `optim.schedules.step`. */
export function exported(row: string): unknown {
  const dot = row.lastIndexOf('.')
  const found = namespaces[row.slice(0, dot)]?.[row.slice(dot + 1)]
  if (found === undefined) throw new Error(`${row} is not exported`)
  return found
}

/** Makes what is described, and what is described within it; whatever else there is stays as it is. */
export function build(make: unknown, dtype: 'float32' | 'float64'): unknown {
  if (Array.isArray(make)) return make.map((one) => build(one, dtype))
  if (typeof make !== 'object' || make === null) return make
  if ('pattern' in make) return new RegExp(String(make.pattern))
  if ('each' in make) return () => build(make.each, dtype)
  const within = (part: object) => Object.fromEntries(Object.entries(part).map(([k, v]) => [k, build(v, dtype)]))
  const call = make as Make
  if (call.chain) {
    const made = optim.chain(...(build(call.chain, dtype) as never[])) as optim.OptimizerSpec | optim.Transform
    return 'transform' in made ? made : optim.optimizer(made)
  }
  const [space] = ['nn', 'loss', 'optim', 'schedule'].filter((key) => key in call) as ('nn' | 'schedule')[]
  if (!space) return within(make)
  const made = exported(`${space === 'schedule' ? 'optim.schedules' : space}.${call[space]}`) as (
    ...args: unknown[]
  ) => unknown
  // An activation within a layer is no call.
  if (space === 'nn' && (made as { keepsShape?: true }).keepsShape) return made
  const options = { ...within(call.options ?? {}), ...(call.typed ? { dtype } : {}) }
  return made(...(build(call.args, dtype) as unknown[]), ...(Object.keys(options).length > 0 ? [options] : []))
}

/**
 * @file Different updates for different parameters: by name pattern another rate, another decay, another optimizer, or none.
 * In: parts, each choosing parameters. Out: a transform that gives every parameter to the first part that chooses it.
 *
 * optim.partition([{ match: /^embedding\./, optimizer: optim.adamW() }, { optimizer: optim.muon({ learningRate: 0.02 }) }])
 */
import { ValueError } from '../base/errors.js'
import { checkNames } from '../base/options.js'
import type { Variable } from '../trace/variable.js'
import { type OptimizerSpec, optimizer } from './optimizer.js'
import { Rate } from './rate.js'
import { minus, type ScalarTensor } from './scalar.js'
import type { LearningRate } from './schedules.js'
import { compose, joinedState, type RatedGroup, type Rule, type Transform, type Where } from './transform.js'
import { scale } from './transforms.js'

/** Which parameters: those whose path the pattern finds (`/^head\./`), or a function of path and variable. */
export type Match = RegExp | Where

/** Some parameters, and what trains them. */
export interface PartitionPart {
  /** Which parameters; all that are left where it is missing. */
  readonly match?: Match
  /** What trains them; 'frozen': nothing does. */
  readonly optimizer: OptimizerSpec | 'frozen'
}

/**
 * An optimizer made of several: each parameter is trained by the first part that matches it. `optimizer.groups` has the parts'
 * learning rates; `optimizer.learningRate` is that of the first part that trains.
 * Throws when it meets a network of which a pattern matches nothing, or of which some parameters match no part.
 */
export function partition(parts: readonly PartitionPart[]): OptimizerSpec {
  if (!Array.isArray(parts) || parts.length === 0) throw new ValueError('partition', 'is given no parts')
  const made = parts.map(({ match, optimizer: spec, ...rest }, i): Part => {
    checkNames('partition', rest, ['match', 'optimizer'])
    if (spec !== 'frozen' && typeof spec?.transform?.init !== 'function')
      throw new ValueError('partition', `part ${i + 1} has no optimizer`, {
        hint: "Write { match: /^head\\./, optimizer: optim.adam() }, or optimizer: 'frozen'.",
      })
    return { label: `part ${i + 1}`, chosen: chooser('partition', match), transform: transformOf(spec) }
  })
  const base = made.findIndex(({ transform }) => transform !== undefined)
  if (base < 0) throw new ValueError('partition', 'all parts are frozen', { hint: 'Nothing would be trained.' })
  return optimizer(partitioned('partition', made, base))
}

/** Options of an optimizer for some of the parameters; what is left out is as for the others. */
export type ParameterGroup<O> = Partial<Omit<O, 'groups'>> & {
  /** Which parameters: by a pattern of their paths, or a function of path and variable. */
  readonly match: Match
  /** Not trained at all, and not part of a global norm. */
  readonly freeze?: boolean
  /** The rate of the others, whatever it is at a step, times this; instead of a learningRate. */
  readonly learningRateFactor?: number
}

/**
 * The transform that `build` makes of an optimizer's options, with one more for each of its `groups`.
 * `names` are the options there are besides those that all optimizers have.
 */
export function grouped<O extends { readonly groups?: readonly ParameterGroup<O>[] }>(
  operation: string,
  names: readonly string[],
  options: O,
  build: (options: Omit<O, 'groups'>) => Transform,
): OptimizerSpec {
  const { groups = [], ...base } = options
  const known = ['learningRate', 'weightDecay', ...names]
  checkNames(operation, options, [...known, 'groups'])
  if (!Array.isArray(groups)) throw new ValueError(operation, 'groups must be a list', { hint })
  if (groups.length === 0) return optimizer(build(base))
  const parts = (groups as readonly ParameterGroup<O>[]).map((group, i): Part => {
    const label = `group ${i + 1}`
    const { match, freeze = false, learningRateFactor, ...own } = group
    checkNames(operation, own, [...known, 'match', 'freeze', 'learningRateFactor'])
    if (match === undefined) throw new ValueError(operation, `${label} has no match`, { hint })
    const chosen = chooser(operation, match)
    if (typeof freeze !== 'boolean') throw new ValueError(operation, `freeze is true or false, not ${String(freeze)}`)
    if (freeze) {
      if (learningRateFactor !== undefined || Object.values(own).some((value) => value !== undefined))
        throw new ValueError(operation, `${label} is frozen, and has further options`, { hint: 'Leave them out.' })
      return { label, chosen, transform: undefined }
    }
    const { learningRate } = own as { learningRate?: LearningRate }
    if (learningRateFactor !== undefined && learningRate !== undefined)
      throw new ValueError(operation, `${label} has a learningRate and a learningRateFactor`, { hint: 'Give one.' })
    if (learningRateFactor !== undefined && !(learningRateFactor >= 0 && Number.isFinite(learningRateFactor)))
      throw new ValueError(operation, `learningRateFactor must be a number of 0 or more, not ${learningRateFactor}`)
    const given = Object.fromEntries(Object.entries(own).filter(([, value]) => value !== undefined))
    const transform = build({ ...base, ...given } as Omit<O, 'groups'>)
    return {
      label,
      chosen,
      transform: learningRateFactor === undefined ? transform : compose(transform, scale(learningRateFactor)),
      follows: learningRate === undefined,
    }
  })
  const rest: Part = { label: 'the rest', chosen: () => true, transform: build(base), mayBeEmpty: true }
  return optimizer(partitioned(operation, [...parts, rest], parts.length))
}

const hint = 'Write groups: [{ match: /^head\\./, learningRate: 1e-2 }, { match: /^encoder\\./, freeze: true }].'

export interface Part {
  /** For messages. */
  readonly label: string
  readonly chosen: Where
  /** Undefined: frozen. */
  readonly transform: Transform | undefined
  /** Uses the rate of the base part. */
  readonly follows?: boolean
  readonly mayBeEmpty?: boolean
}

/** A transform of parts; that of number `base` has the rate that the optimizer holds. */
export function partitioned(operation: string, parts: readonly Part[], base: number): Transform {
  for (const { transform } of parts)
    if (transform?.accumulate !== undefined)
      throw new ValueError(operation, 'gradients are accumulated for all parameters, not for a part', {
        hint: 'Write optim.accumulate(4, optim.partition([...])).',
      })
  const shared = (parameters: ReadonlyMap<string, Variable>) => share(operation, parts, parameters)
  return {
    name: `${operation}(${parts.map(({ transform }) => transform?.name ?? 'frozen').join(' | ')})`,
    learningRate: parts[base]!.transform!.learningRate ?? 1,
    trained(parameters) {
      const kept = parts.map(({ transform }, i) => {
        const own = shared(parameters)[i]!
        return transform ? (transform.trained?.(own) ?? own) : new Map<string, Variable>()
      })
      return new Map([...parameters].filter(([name]) => kept.some((own) => own.has(name))))
    },
    init(parameters) {
      const names = [...parameters.keys()]
      const members = share(operation, parts, parameters, false)
      const works = parts.flatMap(({ transform, follows }, i) => {
        if (!transform || members[i]!.size === 0) return []
        const rate =
          i === base || follows || transform.learningRate === undefined ? undefined : new Rate(transform.learningRate)
        const numbers = [...members[i]!.keys()].map((name) => names.indexOf(name))
        return [{ rule: transform.init(members[i]!), rate, parameters: members[i]!, numbers }]
      })
      const groups = works.flatMap(({ rule, rate, parameters: own }): RatedGroup[] => [
        ...(rate ? [{ parameters: own, rate }] : []),
        ...(rule.groups ?? []),
      ])
      const rates = works.flatMap(({ rate }) =>
        rate ? [{ state: new Map([['learningRate/group', rate.variable]]) }] : [],
      )
      const update: Rule['update'] = (updates, context) => {
        const count = minus(context.step, 1) as ScalarTensor
        const result = [...updates]
        for (const { rule, rate, numbers: own } of works) {
          const pick = <T>(list: readonly T[]): T[] => own.map((i) => list[i]!)
          const changed = rule.update(pick(updates), {
            parameters: pick(context.parameters),
            step: context.step,
            learningRate: rate ? rate.traced(count) : context.learningRate,
          })
          own.forEach((i, k) => {
            result[i] = changed[k]!
          })
        }
        return result
      }
      return { state: joinedState([...works.map(({ rule }) => rule), ...rates]), groups, update }
    },
  }
}

/** Which parameters each part has. Throws where one has none, or a parameter has no part. */
function share(
  operation: string,
  parts: readonly Part[],
  parameters: ReadonlyMap<string, Variable>,
  checked = true,
): Map<string, Variable>[] {
  const members = parts.map(() => new Map<string, Variable>())
  const alone: string[] = []
  for (const [name, parameter] of parameters) {
    const i = parts.findIndex(({ chosen }) => chosen(name, parameter))
    if (i < 0) alone.push(`'${name}'`)
    else members[i]!.set(name, parameter)
  }
  if (!checked) return members
  if (alone.length > 0)
    throw new ValueError(operation, `no part takes ${alone.join(', ')}`, {
      hint: "Add a last part without match: { optimizer: optim.adamW() }, or { optimizer: 'frozen' }.",
    })
  parts.forEach(({ label, mayBeEmpty }, i) => {
    if (members[i]!.size === 0 && !mayBeEmpty)
      throw new ValueError(operation, `${label} matches no parameter that is left`, {
        hint: `There are ${[...parameters.keys()].join(', ')}; the first match counts.`,
      })
  })
  return members
}

export const transformOf = (spec: OptimizerSpec | 'frozen'): Transform | undefined =>
  spec === 'frozen' ? undefined : spec.transform

function chooser(operation: string, match: Match | undefined): Where {
  if (match === undefined) return () => true
  if (match instanceof RegExp) return (name) => name.search(match) >= 0
  if (typeof match === 'function') return match
  throw new ValueError(operation, `match is a pattern or a function, not ${typeof match}`, { hint })
}

/**
 * @file Gradient transforms: what optimizers are composed of. In: an update a parameter, first its gradient.
 * Out: another update. A transform is data and a rule; `init` gives it its state for certain parameters.
 *
 * compose(clipByGlobalNorm(1), scaleByAdam(), scaleByLearningRate(1e-3))
 */
import type { DType } from '../base/dtype.js'
import { type Tensor, where } from '../trace/tensor.js'
import { type Variable, zerosVariable } from '../trace/variable.js'
import type { Rate } from './rate.js'
import { plus, type Scalar, times } from './scalar.js'
import type { LearningRate } from './schedules.js'

/** A parameter as an update rule sees it. */
export interface Parameter {
  /** Its key path: `0.weight`. */
  readonly name: string
  readonly variable: Variable
  /** Its value before this step's update. */
  readonly value: Tensor
}

/**
 * scale·direction + decay·p, not yet computed: scalars are multiplied with each other, in float64, before they are rounded
 * and meet a tensor, once.
 */
export interface Update {
  readonly direction: Tensor
  readonly scale: Scalar
  readonly decay: Scalar
}

/** What a rule may look at besides the updates. */
export interface StepContext {
  /** All that the optimizer trains, in the order of the updates. */
  readonly parameters: readonly Parameter[]
  /** 1 in the first step. */
  readonly step: Scalar
  /** The rate of this step, of the optimizer's schedule or as it was set. */
  readonly learningRate: Scalar
}

/** A transform at work on certain parameters: its state, and how it changes their updates. */
export interface Rule {
  /** The variables it keeps from step to step, by name. */
  readonly state: ReadonlyMap<string, Variable>
  /** Parameters that have a learning rate of their own. */
  readonly groups?: readonly RatedGroup[]
  /** What becomes of the updates in one step; it may assign the variables of `state`. */
  update(updates: readonly Update[], context: StepContext): readonly Update[]
}

/** Some parameters and the rate they share. */
export interface RatedGroup {
  /** By name. */
  readonly parameters: ReadonlyMap<string, Variable>
  /** Their rate. */
  readonly rate: Rate
}

/** Chooses parameters by name (`0.weight`) and variable. */
export type Where = (name: string, parameter: Variable) => boolean

/** What optimizers are composed of: data, and a rule once it knows the parameters. */
export interface Transform {
  /** For messages. */
  readonly name: string
  /** Set where a learning rate is among the transforms: the optimizer that runs them holds it. */
  readonly learningRate?: LearningRate
  /** Those of the parameters that it trains, where it does not train all: the optimizer leaves the others alone. */
  readonly trained?: (parameters: ReadonlyMap<string, Variable>) => ReadonlyMap<string, Variable>
  /** Of how many calls of `optimizer.update` the gradients are averaged for one update; see `accumulate`. */
  readonly accumulate?: number
  /** The rule for these parameters, with its state at the beginning. */
  init(parameters: ReadonlyMap<string, Variable>): Rule
}

/** Several transforms, one after another. */
export function compose(...transforms: readonly Transform[]): Transform {
  const scheduled = transforms.find((transform) => transform.learningRate !== undefined)
  return {
    name: transforms.map((transform) => transform.name).join(', '),
    learningRate: scheduled?.learningRate,
    trained: (parameters) => transforms.reduce((left, { trained }) => trained?.(left) ?? left, parameters),
    accumulate: transforms.find(({ accumulate }) => accumulate !== undefined)?.accumulate,
    init(parameters) {
      const rules = transforms.map((transform) => transform.init(parameters))
      return {
        state: joinedState(rules),
        groups: rules.flatMap(({ groups = [] }) => groups),
        update: (updates, context) => rules.reduce((current, rule) => rule.update(current, context), updates),
      }
    },
  }
}

/** The state of several rules; two of one kind keep apart: velocity/w, velocity.2/w. */
export function joinedState(rules: readonly Pick<Rule, 'state'>[]): Map<string, Variable> {
  const state = new Map<string, Variable>()
  for (const rule of rules)
    for (const [name, variable] of rule.state) {
      let unique = name
      for (let n = 2; state.has(unique); n++) unique = name.replace('/', `.${n}/`)
      state.set(unique, variable)
    }
  return state
}

/** A transform without state. */
export const stateless = (name: string, update: Rule['update'], learningRate?: LearningRate): Transform => ({
  name,
  learningRate,
  init: () => ({ state: new Map(), update }),
})

/** A transform with variables of each parameter's shape and dtype, which `update` gets by kind, in the parameters' order. */
export function stateful<K extends string>(
  name: string,
  kinds: readonly K[],
  update: (direction: Tensor, state: { readonly [kind in K]: Variable }, context: StepContext) => Omit<Update, 'decay'>,
  make: (shape: readonly number[], dtype: DType) => Variable = zerosVariable,
): Transform {
  return {
    name,
    init(parameters) {
      const state = new Map<string, Variable>()
      const each = [...parameters].map(([path, { shape, dtype }]) => {
        const own = Object.fromEntries(kinds.map((kind) => [kind, make(shape, dtype)])) as { [kind in K]: Variable }
        for (const kind of kinds) state.set(`${kind}/${path}`, own[kind])
        return own
      })
      return {
        state,
        update: (updates, context) =>
          updates.map((current, i) => ({
            ...update(materialize(current, context.parameters[i]!), each[i]!, context),
            decay: 0,
          })),
      }
    },
  }
}

/** The update as a tensor. */
export function materialize(update: Update, parameter: Parameter): Tensor {
  const scaled = scaledBy(update.direction, update.scale)
  return update.decay === 0 ? scaled : scaled.add(scaledBy(parameter.value, update.decay))
}

/** x·s, where s is rounded to x's dtype once. */
export function scaledBy(x: Tensor, s: Scalar): Tensor {
  if (s === 1) return x
  return x.mul(typeof s === 'number' ? s : s.cast(x.dtype as DType))
}

/** p + update: (1 + decay)·p + scale·direction. */
export function applyUpdate(update: Update, parameter: Parameter): Tensor {
  const kept = update.decay === 0 ? parameter.value : scaledBy(parameter.value, plus(1, update.decay))
  return kept.add(scaledBy(update.direction, update.scale))
}

/** The same update times s. */
export const rescale = (update: Update, s: Scalar): Update => ({
  direction: update.direction,
  scale: times(update.scale, s),
  decay: times(update.decay, s),
})

/** −1, 0 or 1 by the sign of x. */
export const signOf = (x: Tensor): Tensor => where(x.greater(0), 1, where(x.less(0), -1, x))

/**
 * @file Optimizer: transforms at work on certain parameters. In: gradients, inside a step. Out: parameters and state
 * updated. Its learning rate can be read and set between steps; its state is variables, which a checkpoint saves.
 *
 * const optimizer = optim.adam({ learningRate: 1e-3 }).init(net); optimizer.update(backpropagate(error, net))
 */
import { isFloat } from '../base/dtype.js'
import { TraceError, ValueError } from '../base/errors.js'
import { namedParameters, type ParameterSource } from '../nn/module.js'
import { type Tensor, where } from '../trace/tensor.js'
import { currentTrace } from '../trace/trace.js'
import { Variable } from '../trace/variable.js'
import { asTensor, type ScalarTensor } from './scalar.js'
import { asSchedule, learningRateAt, type Schedule } from './schedules.js'
import { applyUpdate, compose, type Rule, type Transform } from './transform.js'

/** An optimizer before it knows its parameters: what `fit` takes. */
export interface OptimizerSpec {
  readonly transform: Transform
  /** For a whole model, some of its parameters (`parameters(net, /^head\./)`), or a list of variables. */
  init(source: ParameterSource): Optimizer
}

/** Makes an optimizer of transforms: `optimizer(chain(clipByGlobalNorm(1), scaleByAdam(), scaleByLearningRate(1e-3)))`. */
export const optimizer = (transform: Transform): OptimizerSpec => ({
  transform,
  init: (source) => new Optimizer(transform, source),
})

/**
 * Transforms, one after another: `chain(clipByGlobalNorm(1), scaleByAdam(), scaleByLearningRate(1e-3))`. With an optimizer
 * among them it is an optimizer: `chain(clipByGlobalNorm(1), adam({ learningRate: 1e-3 }))`.
 */
export function chain(...transforms: readonly Transform[]): Transform
export function chain(...parts: readonly (Transform | OptimizerSpec)[]): OptimizerSpec
export function chain(...parts: readonly (Transform | OptimizerSpec)[]): Transform | OptimizerSpec {
  if (parts.length === 0) throw new ValueError('chain', 'is given nothing')
  parts.forEach((part, i) => {
    if (
      typeof part !== 'object' ||
      part === null ||
      !('transform' in part || typeof part.init === 'function') ||
      part instanceof Optimizer
    )
      throw new ValueError('chain', `part ${i + 1} is no transform and no optimizer`, {
        hint: 'Write optim.chain(optim.clipByGlobalNorm(1), optim.adam({ learningRate: 1e-3 })), with calls.',
      })
  })
  const rates = parts.filter((part) => ('transform' in part ? part.transform : part).learningRate !== undefined)
  if (rates.length > 1)
    throw new ValueError('chain', `${rates.length} of its parts scale by a learning rate`, {
      hint: 'One optimizer is enough: take transforms such as optim.scaleByAdam() for the rest.',
    })
  const composed = compose(...parts.map((part) => ('transform' in part ? part.transform : part)))
  return parts.some((part) => 'transform' in part) ? optimizer(composed) : composed
}

const scalarVariable = (value: number): Variable<readonly [], 'float64'> =>
  new Variable([] as const, 'float64', () => Float64Array.of(value), false)

export class Optimizer {
  /** Everything a checkpoint must save to go on with the same bits, by name. */
  readonly state: ReadonlyMap<string, Variable>
  /** What it trains, by name. */
  readonly parameters: ReadonlyMap<string, Variable>
  readonly #rule: Rule
  readonly #schedule: Schedule
  /** Updates so far. */
  readonly #step = scalarVariable(0)
  /** NaN: as the schedule says; else the rate that was set. */
  readonly #rate: Variable<readonly [], 'float64'>

  constructor(transform: Transform, source: ParameterSource) {
    this.parameters = namedParameters('optimizer.init', source)
    for (const [name, { dtype }] of this.parameters)
      if (!isFloat(dtype)) throw new ValueError('optimizer.init', `'${name}' is ${dtype}; only floats are trained`)
    this.#schedule = asSchedule(transform.learningRate ?? 1)
    this.#rate = scalarVariable(this.#schedule.kind === 'constant' ? this.#schedule.learningRate : Number.NaN)
    this.#rule = transform.init(this.parameters)
    this.state = new Map<string, Variable>([['step', this.#step], ['learningRate', this.#rate], ...this.#rule.state])
  }

  /** The rate of the next step. Setting it acts at the next step without a recompile, and ends a schedule. */
  get learningRate(): number {
    this.#outside()
    const set = this.#rate.storage.read()[0]!
    return Number.isNaN(set) ? learningRateAt(this.#schedule, this.steps) : set
  }
  set learningRate(value: number) {
    this.#outside()
    if (!(value >= 0) || value === Number.POSITIVE_INFINITY)
      throw new ValueError('optimizer', `the learning rate must be a number of 0 or more, not ${value}`)
    this.#rate.storage.write(Float64Array.of(value))
  }

  /** Updates so far. */
  get steps(): number {
    this.#outside()
    return this.#step.storage.read()[0]!
  }

  /** Parameter update: the fourth stage of a training step. Gradients of further parameters are left alone. */
  update(gradients: ReadonlyMap<Variable, Tensor>): void {
    const parameters = [...this.parameters].map(([name, variable]) => ({ name, variable, value: variable.value }))
    const directions = parameters.map(({ name, variable }) => {
      const gradient = gradients.get(variable)
      if (!gradient)
        throw new ValueError('optimizer.update', `there is no gradient for '${name}'`, {
          hint: 'Give backpropagate and optimizer.init the same module or parameters.',
        })
      return gradient
    })
    const count = this.#step.value as ScalarTensor
    const learningRate = this.#learningRateTensor(count)
    const step = count.add(1)
    this.#step.assign(step)
    const updates = this.#rule.update(
      directions.map((direction) => ({ direction, scale: 1, decay: 0 })),
      { parameters, step, learningRate },
    )
    updates.forEach((update, i) => {
      // An update is no part of the function: later gradients of the same step (of an adversary, say) end here.
      parameters[i]!.variable.assign(applyUpdate(update, parameters[i]!).detach())
    })
  }

  #learningRateTensor(count: ScalarTensor): ScalarTensor {
    const set = this.#rate.value as ScalarTensor
    if (this.#schedule.kind === 'constant') return set
    const scheduled = asTensor(learningRateAt(this.#schedule, count))
    return where(set.equal(set), set, scheduled) as ScalarTensor
  }

  #outside(): void {
    if (currentTrace())
      throw new TraceError('optimizer', 'its learning rate and steps are read and set between steps, not inside one', {
        hint: 'A rate that changes by itself is a schedule: optim.adam({ learningRate: optim.schedules.cosine({ ... }) }).',
      })
  }
}

/**
 * @file Optimizer: transforms at work on certain parameters. In: gradients, inside a step. Out: parameters and state
 * updated. Learning rates can be read and set between steps; its state is variables, which a checkpoint saves.
 *
 * const optimizer = optim.adam({ learningRate: 1e-3 }).init(net); optimizer.update(backpropagate(error, net))
 */

import { describeValue } from '../base/describe.js'
import { isFloat } from '../base/dtype.js'
import { ArgumentError, TraceError, ValueError } from '../base/errors.js'
import { namedParameters, type ParameterSource } from '../nn/module.js'
import { withStage } from '../trace/scope.js'
import type { Tensor } from '../trace/tensor.js'
import { currentTrace } from '../trace/trace.js'
import type { Variable } from '../trace/variable.js'
import { Accumulation, checkCalls } from './accumulate.js'
import { Rate, scalarVariable } from './rate.js'
import type { ScalarTensor } from './scalar.js'
import { applyUpdate, compose, type Rule, type Transform } from './transform.js'

/** An optimizer before it knows its parameters: what `fit` takes. */
export interface OptimizerSpec {
  /** What it is composed of. */
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

/**
 * An optimizer that updates at every `calls`-th call of `update`, by the mean of the gradients since the last:
 * ḡ = (g₁ + ... + gₙ) / n. Schedules and moments count updates. Whole batches of equal size give the gradient of the batch
 * that they are parts of. The sums take as much memory as the parameters, and every call costs an update's arithmetic, of
 * which all but each n-th is thrown away. `fit` does the same by `accumulateGradients: 4`.
 * Example: optim.accumulate(4, optim.adam({ learningRate: 1e-3 })).init(net)
 */
export function accumulate(calls: number, spec: OptimizerSpec): OptimizerSpec {
  checkCalls(calls)
  if (typeof spec?.transform?.init !== 'function')
    throw new ValueError('accumulate', 'is given no optimizer', {
      hint: 'Write optim.accumulate(4, optim.adam({ learningRate: 1e-3 })).',
    })
  if (spec.transform.accumulate !== undefined)
    throw new ValueError('accumulate', `the optimizer accumulates ${spec.transform.accumulate} gradients already`)
  return optimizer({ ...spec.transform, accumulate: calls })
}

/** Parameters that share a learning rate. */
export interface OptimizerGroup {
  /** By name. */
  readonly parameters: ReadonlyMap<string, Variable>
  /** The rate of the next step. Setting it acts at the next step without a recompile, and ends a schedule. */
  learningRate: number
}

/**
 * An optimizer at work on certain parameters: `update(gradients)` is the last stage of a training step. Made by `.init(net)`.
 */
export class Optimizer {
  /** Everything a checkpoint must save to go on with the same bits, by name. */
  readonly state: ReadonlyMap<string, Variable>
  /** What it trains, by name. */
  readonly parameters: ReadonlyMap<string, Variable>
  /** First the parameters whose rate is `learningRate`, then those that have rates of their own, in the order they were given. */
  readonly groups: readonly OptimizerGroup[]
  readonly #rule: Rule
  /** Updates so far. */
  readonly #step = scalarVariable(0)
  readonly #rate: Rate
  readonly #accumulation: Accumulation | undefined

  constructor(transform: Transform, source: ParameterSource) {
    const all = namedParameters('optimizer.init', source)
    this.parameters = transform.trained?.(all) ?? all
    if (this.parameters.size === 0)
      throw new ValueError('optimizer.init', 'all parameters are frozen', { hint: 'Nothing would be trained.' })
    for (const [name, { dtype }] of this.parameters)
      if (!isFloat(dtype)) throw new ValueError('optimizer.init', `'${name}' is ${dtype}; only floats are trained`)
    this.#rate = new Rate(transform.learningRate ?? 1)
    this.#rule = transform.init(this.parameters)
    if (transform.accumulate !== undefined) this.#accumulation = new Accumulation(transform.accumulate, this.parameters)
    this.state = new Map<string, Variable>([
      ['step', this.#step],
      ['learningRate', this.#rate.variable],
      ...this.#rule.state,
      ...(this.#accumulation?.state ?? []),
    ])
    const own = this.#rule.groups ?? []
    const rest = [...this.parameters].filter(([name]) => !own.some(({ parameters }) => parameters.has(name)))
    this.groups = [{ parameters: new Map(rest), rate: this.#rate }, ...own].map(({ parameters, rate }) =>
      this.#group(parameters, rate),
    )
  }

  /**
   * The rate of the next step. Setting it acts at the next step without a recompile, and ends a schedule. Groups with rates of
   * their own keep them: set those by `optimizer.groups[1].learningRate`.
   */
  get learningRate(): number {
    return this.groups[0]!.learningRate
  }
  set learningRate(value: number) {
    this.groups[0]!.learningRate = value
  }

  /** Updates so far. */
  get steps(): number {
    this.#outside()
    return this.#step.storage.read()[0]!
  }

  /**
   * Of how many calls of `update` the gradients are averaged for one update; 1 without `accumulate`, whose number may be set
   * between updates, without a recompile, such as for the last and smaller group of an epoch.
   */
  get accumulate(): number {
    this.#outside()
    return this.#accumulation?.every ?? 1
  }
  set accumulate(calls: number) {
    this.#outside()
    if (!this.#accumulation)
      throw new ValueError('optimizer', 'it does not accumulate gradients', {
        hint: 'Make it by optim.accumulate(4, optim.adam({ ... })).init(net).',
      })
    this.#accumulation.every = calls
  }

  /**
   * Parameter update: the fourth stage of a training step. Gradients of further parameters are left alone. Gives whether the
   * parameters change in this call: true, or where gradients are accumulated a scalar that is known when the step runs.
   */
  update(gradients: ReadonlyMap<Variable, Tensor>): true | Tensor<readonly [], 'bool'> {
    if (typeof gradients?.get !== 'function')
      throw new ArgumentError('optimizer.update', `is given ${describeValue(gradients)}, not gradients`, {
        hint: 'Write optimizer.update(backpropagate(error, net)).',
      })
    const directions = [...this.parameters].map(([name, variable]) => {
      const gradient = gradients.get(variable)
      if (!gradient)
        throw new ValueError('optimizer.update', `there is no gradient for '${name}'`, {
          hint: 'Give backpropagate and optimizer.init the same module or parameters.',
        })
      return gradient
    })
    const trace = currentTrace()
    for (const [name, variable] of this.state) trace?.names.set(variable, `the optimizer's ${name}`)
    return withStage('parameter update', () => {
      if (this.#accumulation)
        return this.#accumulation.update(directions, [...this.parameters.values(), ...this.state.values()], (means) =>
          this.#update(means),
        )
      this.#update(directions)
      return true
    })
  }

  #update(directions: readonly Tensor[]): void {
    const parameters = [...this.parameters].map(([name, variable]) => ({ name, variable, value: variable.value }))
    const count = this.#step.value as ScalarTensor
    const learningRate = this.#rate.traced(count)
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

  #group(parameters: ReadonlyMap<string, Variable>, rate: Rate): OptimizerGroup {
    const optimizer = this
    return {
      parameters,
      get learningRate() {
        return rate.at(optimizer.steps)
      },
      set learningRate(value) {
        optimizer.#outside()
        rate.set(value)
      },
    }
  }

  #outside(): void {
    if (currentTrace())
      throw new TraceError('optimizer', 'its learning rate and steps are read and set between steps, not inside one', {
        hint: 'A rate that changes by itself is a schedule: optim.adam({ learningRate: optim.schedules.cosine({ ... }) }).',
      })
  }
}

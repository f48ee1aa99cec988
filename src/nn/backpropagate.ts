/**
 * @file Backpropagation: the third stage of a training step. In: an error, and what to differentiate by.
 * Out: the gradient of each parameter, at the values the parameters have at this point of the step.
 *
 * const gradients = backpropagate(loss.crossEntropy(net(input), target), net); optimizer.update(gradients)
 */

import { gradientsOf } from '../trace/grad.js'
import { withStage } from '../trace/scope.js'
import type { Tensor } from '../trace/tensor.js'
import { currentTrace } from '../trace/trace.js'
import { TensorValue } from '../trace/value.js'
import type { Variable } from '../trace/variable.js'
import { namedParameters, type ParameterSource } from './module.js'

/** Gradients by variable, with their names. A Map: change one with `set`, read one with `get(variable)`. */
export class Gradients extends Map<Variable, Tensor> {
  readonly #names: ReadonlyMap<string, Variable>

  constructor(names: ReadonlyMap<string, Variable>, values: readonly Tensor[]) {
    super([...names.values()].map((variable, i) => [variable, values[i]!]))
    this.#names = names
  }

  /** Gradients by name: `gradients.named().get('0.weight')`. */
  named(): Map<string, Tensor> {
    return new Map([...this.#names].map(([name, variable]) => [name, this.get(variable)!]))
  }
}

/**
 * ∂error/∂p for each trainable parameter p of a module, of `parameters(net, pattern)` or of a list of variables.
 * `error` is a scalar; 0 where it does not depend on a parameter. Throws outside a compiled step, and where a layer
 * that differs in training was run in a trace that does not say whether it trains.
 * Rumelhart, Hinton & Williams 1986, doi:10.1038/323533a0
 */
export function backpropagate(error: Tensor<readonly []>, source: ParameterSource): Gradients {
  const names = namedParameters('backpropagate', source)
  const values = withStage('backpropagation', () => gradientsOf(error, [...names.values()]))
  const trace = currentTrace()
  for (const [name, variable] of names) trace?.names.set(variable, name)
  trace?.watched.push({
    error: TensorValue.nodeOf(error),
    gradients: new Map([...names.keys()].map((name, i) => [name, TensorValue.nodeOf(values[i]!)])),
  })
  return new Gradients(names, values)
}

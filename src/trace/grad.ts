/**
 * @file Derivatives of traced functions: gradientsOf for variables within a step, grad and valueAndGrad of functions.
 * grad((x) => x.square().sum())(tensor([1, 2])) → [2, 4]
 */
import { describeValue } from '../base/describe.js'
import { ArgumentError, TraceError } from '../base/errors.js'
import { gradients } from '../transform/differentiate.js'
import { expectTensor } from './arguments.js'
import { record, Tensor, withoutEvaluation } from './tensor.js'
import { currentTrace } from './trace.js'
import { TensorValue } from './value.js'
import type { Variable } from './variable.js'

/**
 * ∂error/∂variable for each variable, in order, at the values they have at this point of the trace.
 * Throws outside a trace, where errors are no longer connected to variables.
 */
export function gradientsOf(error: Tensor, variables: readonly Variable[]): Tensor[] {
  const trace = currentTrace()
  if (!trace)
    throw new TraceError('backpropagate', 'works inside a compiled step', {
      hint: 'Wrap the four stages: const step = compile((input, target) => { ... }, { training: true }).',
    })
  if (trace.undecided)
    throw new TraceError(
      'backpropagate',
      `${trace.undecided} behaves differently in training, and this trace does not say which it is`,
      {
        hint: 'Write compile(step, { training: true }).',
      },
    )
  const wrt = variables.map((variable) => trace.readVariable(variable))
  return gradients(TensorValue.nodeOf(error), wrt).map((node) => new Tensor(node, trace))
}

/** The gradient of a scalar function with respect to its first argument. */
export function grad<X extends Tensor, A extends readonly Tensor[]>(
  f: (x: X, ...rest: A) => Tensor,
): (x: X, ...rest: A) => X {
  const both = valueAndGrad(f)
  return (x, ...rest) => both(x, ...rest)[1]
}

/** The value of a scalar function, and its gradient with respect to its first argument. */
export function valueAndGrad<X extends Tensor, A extends readonly Tensor[]>(
  f: (x: X, ...rest: A) => Tensor,
): (x: X, ...rest: A) => [Tensor, X] {
  if (typeof f !== 'function')
    throw new ArgumentError('grad', `is given ${describeValue(f)}, not a function`, {
      hint: 'Write grad((x) => x.square().sum()).',
    })
  return (x, ...rest) => {
    expectTensor('grad', 'x', x)
    const trace = currentTrace()
    // Through its own reshape, x is a node of the current context that nothing else computes.
    const wrt = TensorValue.nodeOf(x)
    const value = withoutEvaluation(() => f(new Tensor(wrt, trace) as X, ...rest))
    const [gradient] = gradients(TensorValue.nodeOf(value), [wrt])
    return [value, record([], () => gradient!) as X]
  }
}

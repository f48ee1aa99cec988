/**
 * @file Functions whose derivatives are made otherwise than from their operations: by a rule of one's own, or from values that
 * are computed once more instead of being kept.
 *
 * const clipped = customGradient((x) => x, (gradient) => [gradient.clip(-1, 1)])
 */
import { describeValue } from '../base/describe.js'
import { ArgumentError, DtypeError, ShapeError } from '../base/errors.js'
import { formatShape, sameShape } from '../base/shape.js'
import { flatten } from '../base/tree.js'
import type { Node } from '../graph/node.js'
import { CustomRule } from '../graph/op.js'
import * as ops from '../graph/ops.js'
import { rematerialized } from '../transform/remat.js'
import type { CustomBackward } from '../transform/vjp.js'
import { expectTensor } from './arguments.js'
import { record, Tensor, withoutEvaluation } from './tensor.js'
import { currentTrace } from './trace.js'
import { isTensor, TensorValue } from './value.js'

/** What a rule knows beside the cotangent. */
export interface CustomContext<A extends readonly Tensor[]> {
  readonly inputs: A
  readonly output: Tensor
}

/**
 * y = f(...inputs), with derivatives by a rule: from ∂error/∂y it makes ∂error/∂input, one an input, in order; undefined where
 * nothing flows. The rule is made of ordinary operations, so that second derivatives are its own derivatives. What f takes from
 * elsewhere (Variables, captured tensors) gets no gradient: hand it in.
 * Throws where a gradient has not its input's shape and dtype. Example, a straight-through estimator:
 * const sign = customGradient((x) => x.sign(), (gradient) => [gradient])
 */
export function customGradient<A extends readonly Tensor[], R extends Tensor>(
  f: (...inputs: A) => R,
  rule: (gradient: Tensor, context: CustomContext<A>) => readonly (Tensor | undefined)[],
): (...inputs: A) => R {
  for (const [name, given] of [['f', f] as const, ['the rule', rule] as const])
    if (typeof given !== 'function')
      throw new ArgumentError('customGradient', `${name} is ${describeValue(given)}, not a function`)
  const backward: CustomBackward = ({ y, x, g }) => {
    const wrap = (node: Node) => new Tensor(node, currentTrace())
    const inputs = x.map(wrap) as readonly Tensor[] as A
    const flows = rule(wrap(g), { inputs, output: wrap(y) })
    if (!Array.isArray(flows) || flows.length > x.length)
      throw new ArgumentError(
        'customGradient',
        `the rule gives ${Array.isArray(flows) ? `${flows.length} gradients` : describeValue(flows)} for ${x.length} inputs`,
        { hint: 'Return an array: one gradient an input, undefined where nothing flows.' },
      )
    return flows.map((flow: Tensor | undefined, i) => flow && checked(flow, x[i]!, i))
  }
  const own = new CustomRule(backward)
  return (...inputs) => {
    inputs.forEach((input, i) => {
      expectTensor('customGradient', `input ${i + 1}`, input)
    })
    const y = f(...inputs)
    expectTensor('customGradient', 'what f returns', y)
    return record([y, ...inputs], (value, ...x) => ops.custom(value!, x, own)) as R
  }
}

function checked(flow: Tensor, input: Node, i: number): Node {
  expectTensor('customGradient', `gradient ${i + 1}`, flow)
  const { shape, dtype } = input.type
  const where = `gradient ${i + 1} is ${flow.dtype}${formatShape(flow.shape)}, its input ${dtype}${formatShape(shape)}`
  if (!sameShape(flow.shape, shape)) throw new ShapeError('customGradient', where)
  if (flow.dtype !== dtype) throw new DtypeError('customGradient', where, { hint: `Convert with .cast('${dtype}').` })
  return TensorValue.nodeOf(flow)
}

/** f, computed once more for its derivatives instead of kept: what `remat` (nn/remat.ts) makes of functions. */
export function rematFunction<A extends readonly unknown[], R>(f: (...inputs: A) => R): (...inputs: A) => R {
  if (typeof f !== 'function') throw new ArgumentError('remat', `is given ${describeValue(f)}, not a function`)
  return (...inputs) => {
    const { result, wrap } = rematerialized(() => withoutEvaluation(() => f(...inputs)))
    const { leaves, rebuild } = flatten<Tensor>(result, (value): value is Tensor => isTensor(value))
    const wrapped = wrap(leaves.map((leaf) => TensorValue.nodeOf(leaf)))
    return rebuild(leaves.map((leaf, i) => record([leaf], () => wrapped[i]!))) as R
  }
}

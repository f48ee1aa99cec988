/**
 * @file What to do about an operation that gave what is not finite. In: the operation, what went in, the stage. Out: a sentence.
 */
import type { ValueStatistics } from '../base/non-finite.js'
import { isOp, type Node } from '../graph/node.js'
import type { Op } from '../graph/op.js'

const names: { readonly [O in Op]?: string } = {
  contract: 'matmul',
  subtract: 'sub',
  multiply: 'mul',
  divide: 'div',
  negate: 'neg',
  power: 'pow',
  scan: 'a loop',
  fma: 'multiply-add',
}

/** What an operation is called where it is written. */
export function operationName(node: Node): string {
  if (isOp(node, 'reduce')) return { sum: 'sum', maximum: 'max', minimum: 'min' }[node.attrs.kind]
  return names[node.op] ?? node.op
}

const tooLarge =
  'Values have grown beyond the greatest float32, 3.4e38: lower the learning rate, standardise the inputs, or clip gradients: optim.chain(optim.clipByGlobalNorm(1), optim.adam(...)).'

/** A likely cure for a node whose operands have these values. */
export function cureFor(node: Node, inputs: readonly ValueStatistics[], derivativeOf: Node | undefined): string {
  const [x, y] = inputs
  if (derivativeOf && isOp(derivativeOf, 'sqrt'))
    return 'The slope of sqrt is infinite at 0: take the root of x.add(1e-12).'
  if (derivativeOf && isOp(derivativeOf, 'power'))
    return 'The slope of pow with an exponent below 1 is infinite at 0, and that by the exponent not defined there: keep the base away from 0, as by x.maximum(1e-6).'
  if (derivativeOf && isOp(derivativeOf, 'log'))
    return 'The slope of log is 1/x: keep x away from 0, as by x.maximum(1e-7).log(), or take loss.crossEntropy of the logits.'
  if (derivativeOf && isOp(derivativeOf, 'divide'))
    return 'The slope of a/b goes with 1/b²: keep the divisor away from 0, as by b.add(1e-6).'
  switch (node.op) {
    case 'log':
    case 'log1p':
      return x!.minimum < (node.op === 'log' ? 0 : -1)
        ? 'The logarithm of a negative number is NaN: make it positive first, as by nn.softplus(x) or x.maximum(1e-7); of probabilities take loss.crossEntropy of the logits.'
        : 'The logarithm of 0 is −∞: write x.maximum(1e-7).log(); of probabilities take loss.crossEntropy of the logits, which needs no logarithm of 0.'
    case 'sqrt':
      return 'The root of a negative number is NaN: write x.maximum(0).sqrt(), and look why it is negative.'
    case 'divide':
      return y!.minimum <= 0 && y!.maximum >= 0
        ? 'There is a 0 among the divisors: add a small number, as by b.add(1e-6), or choose by where(b.equal(0), 0, a.div(where(b.equal(0), 1, b))).'
        : tooLarge
    case 'exp':
    case 'expm1':
      return 'exp of more than 88.7 is beyond float32: subtract the greatest first, or take nn.softmax, nn.logSoftmax or loss.crossEntropy, which do so.'
    case 'power':
      return x!.minimum < 0 && y !== undefined
        ? 'A negative number to the power of a fraction is NaN: take x.abs() or x.maximum(0) first.'
        : tooLarge
    case 'sin':
    case 'cos':
      return 'The sine of what is infinite is not defined: look at what went in.'
    case 'gather':
      return 'A number may have no row: look at the numbers, and at how many rows there are.'
    case 'subtract':
    case 'add':
    case 'fma':
    case 'reduce':
      return inputs.some(({ infinite }) => infinite > 0)
        ? 'Infinities cancel each other, as where a mask hides all of a row: let every row see something.'
        : tooLarge
    case 'select':
      return 'NaN was chosen as a value: an embedding gives it for a number that it has no row for.'
    default:
      return tooLarge
  }
}

/**
 * @file ONNX operators that work element by element, as Gradus's own functions. In: a call. Out: tensors.
 */
import { type DType, isFloat } from '../../base/dtype.js'
import * as ops from '../../graph/ops.js'
import * as activations from '../../nn/activations.js'
import { record, Tensor, where } from '../../trace/tensor.js'
import type { Call, Rule, Rules } from './call.js'

const unary =
  (f: (x: Tensor, call: Call) => Tensor): Rule =>
  (call) =>
    f(call.input(0), call)

/** Constants of one element stay numbers, so that programs hold them as such. */
function binary(f: (a: Tensor, b: Tensor | number) => Tensor, swapped?: (b: Tensor, a: number) => Tensor): Rule {
  return (call) => {
    const [a, b] = [call.input(0), call.input(1)]
    const second = call.constant(1)
    if (second !== undefined && b.rank <= a.rank) return f(a, second)
    const first = call.constant(0)
    return swapped && first !== undefined && a.rank <= b.rank ? swapped(b, first) : f(a, b)
  }
}

/** Combines all inputs, of which there may be one. */
const variadic =
  (f: (a: Tensor, b: Tensor) => Tensor): Rule =>
  (call) =>
    call.all().reduce(f)

/** Whole numbers go through float64, which holds all of them. */
const wide = (x: Tensor | number): Tensor | number => (typeof x === 'number' ? x : x.cast('float64'))
const truncated = (x: Tensor): Tensor => where(x.less(0), x.ceil(), x.floor())

function divide(a: Tensor, b: Tensor | number): Tensor {
  if (isFloat(a.dtype as DType)) return a.div(b)
  return truncated((wide(a) as Tensor).div(wide(b))).cast(a.dtype as DType)
}

function remainder(call: Call): Tensor {
  const [a, b] = [call.input(0), call.input(1)]
  const whole = !isFloat(a.dtype as DType)
  const [x, y] = whole ? [a.cast('float64'), b.cast('float64')] : [a, b]
  const quotient = x.div(y)
  const fmod = call.flag('fmod', false)
  const result = x.sub(y.mul(fmod ? truncated(quotient) : quotient.floor()))
  if (whole) return result.cast(a.dtype as DType)
  // By ∞ nothing is divided: x stays, or is as far from zero on the other side.
  const opposite = x.mul(y).less(0)
  const endless = y.abs().equal(Number.POSITIVE_INFINITY).and(x.abs().less(Number.POSITIVE_INFINITY))
  return where(endless, fmod ? where(opposite, x, x) : where(opposite, y, x), result) as Tensor
}

function power(call: Call): Tensor {
  const x = call.input(0)
  const exponent = call.constant(1)
  const base = isFloat(x.dtype as DType) ? x : x.cast('float64')
  const y = call.input(1)
  const result =
    exponent !== undefined && y.rank <= x.rank ? base.pow(exponent) : base.pow(y.cast(base.dtype as DType) as Tensor)
  return base === x ? result : result.cast(x.dtype as DType)
}

/** Limits may be absent, and are numbers or tensors. */
function clip(call: Call): Tensor {
  let x = call.input(0)
  const limit = (i: number, name: string) => {
    if (call.version < 11) return call.hasAttribute(name) ? call.float(name, 0) : undefined
    return call.constant(i) ?? call.optional(i)
  }
  const [low, high] = [limit(1, 'min'), limit(2, 'max')]
  if (low !== undefined) x = where(typeof low === 'number' ? x.less(low) : x.less(low), low, x) as Tensor
  if (high !== undefined) x = where(typeof high === 'number' ? x.greater(high) : x.greater(high), high, x) as Tensor
  return x
}

/** x above 0, something else below, which is computed of 0 above so that its slope there is finite. */
const belowZero = (x: Tensor, f: (negative: Tensor) => Tensor): Tensor => {
  const below = x.less(0)
  return where(below, f(where(below, x, 0)), x)
}

const hardSigmoid = (x: Tensor, alpha: number, beta: number): Tensor => {
  const y = x.mul(alpha).add(beta)
  return where(y.lessEqual(0), 0, where(y.greaterEqual(1), 1, y))
}

/** Slopes are given for the trailing axes, as any broadcast operand. */
const prelu: Rule = (call) => {
  const x = call.input(0)
  return where(x.less(0), x.mul(call.input(1)), x)
}

const comparison = (name: 'less' | 'lessEqual' | 'greater' | 'greaterEqual' | 'equal'): Rule =>
  binary((a, b) => a[name](b) as Tensor)

const gelu = unary((x, call) => {
  const approximate = call.text('approximate', 'none')
  call.only('approximate', approximate, 'none', 'tanh')
  return activations.gelu(x, { approximate: approximate as 'none' | 'tanh' })
})

/** Bytes are computed as int32, and wrap around as bytes do. */
const overBytes =
  (rule: Rule): Rule =>
  (call) => {
    if (!call.inputs.some((x) => x?.dtype === 'uint8')) return rule(call)
    const result = rule(call.with(call.inputs.map((x) => (x?.dtype === 'uint8' ? x.cast('int32') : x))))
    const back = (y: Tensor) => (y.dtype === 'int32' ? y.cast('uint8') : y)
    return result instanceof Tensor ? back(result) : result.map(back)
  }

const rules: Rules = {
  Abs: unary((x) => x.abs()),
  Add: binary(
    (a, b) => a.add(b),
    (b, a) => b.add(a),
  ),
  And: (call) => call.input(0).and(call.input(1)),
  BitwiseAnd: (call) => call.input(0).and(call.input(1)),
  BitwiseNot: unary((x) => x.not()),
  BitwiseXor: (call) => record(call.all(), (a, b) => ops.binary('xor', a!, b!)),
  BitwiseOr: (call) => call.input(0).or(call.input(1)),
  Cast: unary((x, call) => x.cast(call.dtype('to', 'float32'))),
  CastLike: (call) => call.input(0).cast(call.input(1).dtype as DType),
  Ceil: unary((x) => x.ceil()),
  Celu: unary((x, call) => activations.celu(x, { alpha: call.float('alpha', 1) })),
  Clip: clip,
  Cos: unary((x) => x.cos()),
  Cosh: unary((x) => x.exp().add(x.neg().exp()).div(2)),
  Div: binary(divide),
  Elu: unary((x, call) => activations.elu(x, { alpha: call.float('alpha', 1) })),
  Equal: comparison('equal'),
  Erf: unary((x) => x.erf()),
  Exp: unary((x) => x.exp()),
  Floor: unary((x) => x.floor()),
  Gelu: gelu,
  Greater: comparison('greater'),
  GreaterOrEqual: comparison('greaterEqual'),
  HardSigmoid: unary((x, call) => hardSigmoid(x, call.float('alpha', 0.2), call.float('beta', 0.5))),
  HardSwish: unary((x) => activations.hardSwish(x)),
  Identity: unary((x) => x),
  IsInf: unary((x, call) => {
    const never = x.notEqual(x).and(x.equal(x))
    const above = call.flag('detect_positive', true) ? x.equal(Number.POSITIVE_INFINITY) : never
    const below = call.flag('detect_negative', true) ? x.equal(Number.NEGATIVE_INFINITY) : never
    return above.or(below)
  }),
  IsNaN: unary((x) => x.notEqual(x)),
  LeakyRelu: unary((x, call) => activations.leakyRelu(x, { slope: call.float('alpha', 0.01) })),
  Less: comparison('less'),
  LessOrEqual: comparison('lessEqual'),
  Log: unary((x) => x.log()),
  Max: variadic((a, b) => a.maximum(b)),
  Mean: (call) =>
    call
      .all()
      .reduce((a, b) => a.add(b))
      .div(call.inputs.length),
  Min: variadic((a, b) => a.minimum(b)),
  Mish: unary((x) => activations.mish(x)),
  Mod: remainder,
  Mul: binary(
    (a, b) => a.mul(b),
    (b, a) => b.mul(a),
  ),
  Neg: unary((x) => x.neg()),
  Not: unary((x) => x.not()),
  Or: (call) => call.input(0).or(call.input(1)),
  PRelu: prelu,
  Pow: power,
  Reciprocal: unary((x) => x.reciprocal()),
  Relu: unary((x) => activations.relu(x)),
  Round: unary((x) => x.round()),
  Selu: unary((x, call) => {
    const [alpha, gamma] = [call.float('alpha', 1.6732632423543772), call.float('gamma', 1.0507009873554805)]
    return belowZero(x, (negative) => negative.expm1().mul(alpha)).mul(gamma)
  }),
  Sigmoid: unary((x) => activations.sigmoid(x)),
  Shrink: unary((x, call) => {
    const [lambda, bias] = [call.float('lambd', 0.5), call.float('bias', 0)]
    return where(x.less(-lambda), x.add(bias), where(x.greater(lambda), x.sub(bias), x.mul(0)))
  }),
  Sign: unary((x) => x.sign()),
  Sin: unary((x) => x.sin()),
  Sinh: unary((x) => x.expm1().sub(x.neg().expm1()).div(2)),
  Softplus: unary((x) => activations.softplus(x)),
  Softsign: unary((x) => activations.softSign(x)),
  Sqrt: unary((x) => x.sqrt()),
  Sub: binary((a, b) => a.sub(b)),
  Sum: variadic((a, b) => a.add(b)),
  Swish: unary((x, call) => x.mul(activations.sigmoid(x.mul(call.float('alpha', 1))))),
  Tan: unary((x) => x.sin().div(x.cos())),
  Tanh: unary((x) => x.tanh()),
  ThresholdedRelu: unary((x, call) => where(x.greater(call.float('alpha', 1)), x, x.mul(0))),
  Where: (call) => {
    const mask = call.input(0)
    const [a, b] = [1, 2].map((i) => {
      const number = call.constant(i)
      return number !== undefined && call.input(i).rank <= mask.rank ? number : call.input(i)
    }) as [Tensor | number, Tensor | number]
    // Two numbers alone would have no dtype.
    return where(mask, typeof a === 'number' && typeof b === 'number' ? call.input(1) : a, b) as Tensor
  },
  Xor: (call) => call.input(0).notEqual(call.input(1)),
}

export const elementwiseRules: Rules = Object.fromEntries(
  Object.entries(rules).map(([opType, rule]) => [opType, opType.startsWith('Cast') ? rule : overBytes(rule)]),
)

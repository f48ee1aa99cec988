/**
 * @file Activations. Each is a function of a tensor that stands in `sequential` as it is: `nn.relu`. Those with options
 * take them second, `nn.gelu(x, { approximate: 'tanh' })`, and have `with` for use as a layer: `nn.leakyRelu.with({ slope: 0.2 })`.
 * All work in float32 and float64, keep NaN, and have the derivatives of PyTorch's, second ones included.
 */
import { ValueError } from '../base/errors.js'
import { expectTensor } from '../trace/arguments.js'
import { type Tensor, where } from '../trace/tensor.js'
import type { DTypeOf, Elementwise, ShapeOf } from './shapes.js'

/** An activation with options O. */
export interface Configurable<O extends object> extends Elementwise {
  <X extends Tensor>(input: X, options?: O): Tensor<ShapeOf<X>, DTypeOf<X>>
  /** The same function with these options: `nn.elu.with({ alpha: 0.5 })`. */
  readonly with: (options: O) => Elementwise
}

function activation(name: string, f: (x: Tensor) => Tensor): Elementwise {
  // A layer is called with one tensor; further arguments, as array.map gives them, are no options.
  const self = (x: Tensor) => {
    expectTensor(`nn.${name}`, 'the input', x)
    return f(x)
  }
  Object.defineProperty(self, 'name', { value: name })
  return Object.assign(self, { keepsShape: true }) as unknown as Elementwise
}

/** An activation with options, made of a function that takes them second. */
export function configurable<O extends object>(name: string, f: (x: Tensor, options: O) => Tensor): Configurable<O> {
  const self = (x: Tensor, options?: O) => {
    expectTensor(`nn.${name}`, 'the input', x)
    return f(x, options ?? ({} as O))
  }
  Object.defineProperty(self, 'name', { value: name })
  return Object.assign(self, {
    keepsShape: true,
    with: (options: O) => activation(name, (x) => f(x, options)),
  }) as unknown as Configurable<O>
}

/** y = x. */
export const identity: Elementwise = activation('identity', (x) => x)

/** σ(x) = 1 / (1 + e⁻ˣ), right for any x, its derivatives too. */
export const sigmoid: Elementwise = activation('sigmoid', logistic)

/** tanh x. */
export const tanh: Elementwise = activation('tanh', (x) => x.tanh())

/** max(x, 0), with slope 0 at 0. */
export const relu: Elementwise = activation('relu', (x) => where(x.lessEqual(0), 0, x))

/** x for x > 0, slope·x below; slope 0.01. Maas et al. 2013 */
export const leakyRelu: Configurable<{ readonly slope?: number }> = configurable('leakyRelu', (x, { slope = 0.01 }) =>
  where(x.lessEqual(0), x.mul(slope), x),
)

/** x for x > 0, α(eˣ − 1) below; α = 1. Clevert et al. 2015, arXiv:1511.07289 */
export const elu: Configurable<{ readonly alpha?: number }> = configurable('elu', (x, { alpha = 1 }) => {
  const below = x.lessEqual(0)
  // eˣ of large x would be ∞, and 0 · ∞ in the gradient of what is not chosen.
  return where(below, where(below, x, 0).expm1().mul(alpha), x)
})

/**
 * x·Φ(x) with the normal distribution's Φ(x) = (1 + erf(x/√2)) / 2, or with `approximate: 'tanh'`
 * x·(1 + tanh(√(2/π)(x + 0.044715 x³))) / 2. Hendrycks & Gimpel 2016, arXiv:1606.08415
 */
export const gelu: Configurable<{ readonly approximate?: 'none' | 'tanh' }> = configurable(
  'gelu',
  (x, { approximate = 'none' }) => {
    if (approximate !== 'none' && approximate !== 'tanh')
      throw new ValueError('nn.gelu', `approximate is 'none' or 'tanh', not '${String(approximate)}'`)
    if (approximate === 'none') return x.mul(0.5).mul(x.mul(Math.SQRT1_2).erf().add(1))
    // (1 + tanh u) / 2 = σ(2u), without the cancellation where tanh u is near −1.
    const twice = x.mul(x.square().mul(0.044715).add(1)).mul(2 * Math.sqrt(2 / Math.PI))
    return x.mul(logistic(twice))
  },
)

/** x·σ(x), also called swish. Elfwing et al. 2017, arXiv:1702.03118 */
export const silu: Elementwise = activation('silu', (x) => x.mul(logistic(x)))

/**
 * ln(1 + e^(βx)) / β, computed as max(z, 0) + log1p(e^−|z|) with z = βx: right for any x, so that PyTorch's threshold is not
 * needed; β = 1. Dugas et al. 2000
 */
export const softplus: Configurable<{ readonly beta?: number }> = configurable('softplus', (x, { beta = 1 }) => {
  if (!(beta > 0)) throw new ValueError('nn.softplus', `beta must be above 0, not ${beta}`)
  const z: Tensor = beta === 1 ? x : x.mul(beta)
  // Selections, not |z| and max(z, 0), whose derivatives at 0 are those of a corner.
  const negative = z.less(0)
  const minusAbsolute = where(negative, z, z.neg())
  const y = where(negative, 0, z).add(minusAbsolute.exp().log1p())
  return beta === 1 ? y : y.div(beta)
})

/** −ln(1 + e⁻ˣ) = ln σ(x), right for any x. torch's logsigmoid */
export const logSigmoid: Elementwise = activation('logSigmoid', (x) => softplus(x.neg()).neg())

/** min(max(x, 0), 6), with slope 0 at both corners. Krizhevsky 2010 */
export const relu6: Elementwise = activation('relu6', (x) => between(x, 0, 6))

/** x limited to [low, high], −1 and 1 unless said otherwise, with slope 0 at both corners. torch's hardtanh */
export const hardTanh: Configurable<{ readonly low?: number; readonly high?: number }> = configurable(
  'hardTanh',
  (x, { low = -1, high = 1 }) => {
    if (!(low < high)) throw new ValueError('nn.hardTanh', `low must be below high, not ${low} and ${high}`)
    return between(x, low, high)
  },
)

/** x / 6 + ½ limited to [0, 1]. Howard et al. 2019, arXiv:1905.02244; torch's hardsigmoid */
export const hardSigmoid: Elementwise = activation('hardSigmoid', (x) =>
  where(x.lessEqual(-3), 0, where(x.greaterEqual(3), 1, x.mul(1 / 6).add(0.5))),
)

/** x·hardSigmoid(x): 0 below −3, x above 3. Howard et al. 2019, arXiv:1905.02244; torch's hardswish */
export const hardSwish: Elementwise = activation('hardSwish', (x) =>
  where(x.lessEqual(-3), 0, where(x.greaterEqual(3), x, x.mul(x.add(3)).mul(1 / 6))),
)

/** λx for x > 0, λα(eˣ − 1) below, which keeps mean 0 and variance 1 through layers. Klambauer et al. 2017, arXiv:1706.02515 */
export const selu: Elementwise = activation('selu', (x) => {
  const [alpha, scale] = [1.6732632423543772, 1.0507009873554805]
  const below = x.lessEqual(0)
  return where(below, where(below, x, 0).expm1().mul(alpha), x).mul(scale)
})

/** x for x > 0, α(e^(x/α) − 1) below; α = 1. Its slope is 1 at 0 for any α. Barron 2017, arXiv:1704.07483 */
export const celu: Configurable<{ readonly alpha?: number }> = configurable('celu', (x, { alpha = 1 }) => {
  if (!(alpha > 0)) throw new ValueError('nn.celu', `alpha must be above 0, not ${alpha}`)
  const below = x.lessEqual(0)
  return where(below, where(below, x, 0).div(alpha).expm1().mul(alpha), x)
})

/** x·tanh(ln(1 + eˣ)). Misra 2019, arXiv:1908.08681 */
export const mish: Elementwise = activation('mish', (x) => x.mul(softplus(x).tanh()))

/** x / (1 + |x|). Bergstra et al. 2009 */
export const softSign: Elementwise = activation('softSign', (x) => x.div(x.abs().add(1)))

/** x − tanh x. torch's tanhshrink */
export const tanhShrink: Elementwise = activation('tanhShrink', (x) => x.sub(x.tanh()))

/** x drawn towards 0 by λ, and 0 within [−λ, λ]; λ = ½. torch's softshrink */
export const softShrink: Configurable<{ readonly lambda?: number }> = configurable(
  'softShrink',
  (x, { lambda = 0.5 }) => {
    if (!(lambda >= 0)) throw new ValueError('nn.softShrink', `lambda must be 0 or more, not ${lambda}`)
    return where(x.greater(lambda), x.sub(lambda), where(x.less(-lambda), x.add(lambda), x.mul(0)))
  },
)

/** x, but 0 within [−λ, λ]; λ = ½. torch's hardshrink */
export const hardShrink: Configurable<{ readonly lambda?: number }> = configurable(
  'hardShrink',
  (x, { lambda = 0.5 }) => where(x.greater(lambda), x, where(x.less(-lambda), x, x.mul(0))),
)

/** x where it is above the threshold, else `value`; both 0 by default, which is relu. torch's threshold */
export const threshold: Configurable<{ readonly threshold?: number; readonly value?: number }> = configurable(
  'threshold',
  (x, { threshold = 0, value = 0 }) => where(x.lessEqual(threshold), value, x),
)

/** low or high beyond, NaN as it is. */
const between = (x: Tensor, low: number, high: number): Tensor =>
  where(x.lessEqual(low), low, where(x.greaterEqual(high), high, x))

/** Of `softmax` and its kin. */
export interface AxisOptions {
  /** The axis along which results add up to 1: the last by default. */
  readonly axis?: number
}

/** e^xᵢ / Σⱼ e^xⱼ along an axis, by subtracting the maximum. */
export const softmax: Configurable<AxisOptions> = configurable('softmax', (x, { axis = -1 }) => {
  const powers = x.sub(x.max(axis, { keepAxes: true }).detach()).exp()
  return powers.div(powers.sum(axis, { keepAxes: true }))
})

/** xᵢ − ln Σⱼ e^xⱼ along an axis: the logarithm of softmax, right where that is 0. */
export const logSoftmax: Configurable<AxisOptions> = configurable('logSoftmax', (x, { axis = -1 }) => {
  const shifted = x.sub(x.max(axis, { keepAxes: true }).detach())
  return shifted.sub(shifted.exp().sum(axis, { keepAxes: true }).log())
})

/** The softmax of −x along an axis: the smallest counts most. torch's softmin */
export const softmin: Configurable<AxisOptions> = configurable('softmin', (x, options) => softmax(x.neg(), options))

/** With e = e^−|x|: 1 / (1 + e) for x ≥ 0 and e / (1 + e) below. 1 / (1 + e⁻ˣ) alone has the slope ∞ · 0 far out. */
function logistic(x: Tensor): Tensor {
  const negative = x.less(0)
  const e = where(negative, x, x.neg()).exp()
  return where(negative, e, 1).div(e.add(1))
}

/**
 * @file The transforms: clipping, decay, momentum, the scalings of Adagrad, RMSprop and Adam, the learning rate.
 * Formulas and their order are PyTorch's; g is what comes in, u what goes out, p the parameter, t = 1 in the first step.
 */
import { ValueError } from '../base/errors.js'
import { constant } from '../nn/initializers.js'
import type { Tensor } from '../trace/tensor.js'
import { Variable } from '../trace/variable.js'
import { below, least, minus, over, plus, power, type Scalar, type ScalarTensor, squareRoot, times } from './scalar.js'
import { asSchedule, type LearningRate } from './schedules.js'
import { materialize, rescale, scaledBy, signOf, stateful, stateless, type Transform, type Where } from './transform.js'

/**
 * u = g·min(1, c / (‖g‖ + 1e-6)), ‖g‖ the norm over all parameters together. Pascanu et al. 2013, arXiv:1211.5063;
 * torch.nn.utils.clip_grad_norm_
 */
export function clipByGlobalNorm(limit: number): Transform {
  atLeast('clipByGlobalNorm', 'the limit', limit, 0)
  return stateless('clipByGlobalNorm', (updates, { parameters }) => {
    const directions = updates.map((update, i) => materialize(update, parameters[i]!))
    const squares = directions.map((g) => g.square().sum().cast('float64') as ScalarTensor)
    const norm = squareRoot(squares.reduce<Scalar>(plus, 0))
    const scale = least(over(limit, plus(norm, 1e-6)), 1)
    return directions.map((direction) => ({ direction, scale, decay: 0 }))
  })
}

/** u = g limited to [−c, c] element by element; torch.nn.utils.clip_grad_value_ */
export function clipByValue(limit: number): Transform {
  atLeast('clipByValue', 'the limit', limit, 0)
  return stateless('clipByValue', (updates, { parameters }) =>
    updates.map((update, i) => ({
      direction: materialize(update, parameters[i]!).clip(-limit, limit),
      scale: 1,
      decay: 0,
    })),
  )
}

/** Matrices and higher: what weight decay is usually limited to, `{ rate: 0.01, where: optim.notBias }`. */
export const notBias: Where = (_, parameter) => parameter.shape.length >= 2

/** u = g + λ·p. Before a scaling that is L2 regularisation; after it, decoupled weight decay (Loshchilov & Hutter 2017). */
export function addDecayedWeights(options: { readonly weightDecay: number; readonly where?: Where }): Transform {
  const { weightDecay, where: chosen = () => true } = options
  atLeast('addDecayedWeights', 'weightDecay', weightDecay, 0)
  return stateless('addDecayedWeights', (updates, { parameters }) =>
    updates.map((update, i) =>
      chosen(parameters[i]!.name, parameters[i]!.variable)
        ? { ...update, decay: plus(update.decay, weightDecay) }
        : update,
    ),
  )
}

/** u = g + λ·sign(p): the gradient of λ·|p|, the L1 regularisation that drives parameters to 0. Tibshirani 1996 */
export function addL1(options: { readonly coefficient: number; readonly where?: Where }): Transform {
  const { coefficient, where: chosen = () => true } = options
  atLeast('addL1', 'the coefficient', coefficient, 0)
  return stateless('addL1', (updates, { parameters }) =>
    updates.map((update, i) => {
      const parameter = parameters[i]!
      if (!chosen(parameter.name, parameter.variable)) return update
      const pull = signOf(parameter.value).mul(coefficient)
      return { direction: materialize(update, parameter).add(pull), scale: 1, decay: 0 }
    }),
  )
}

/** Of `traceMomentum`. */
export interface MomentumOptions {
  /** μ, how much of the last velocity stays. */
  readonly momentum: number
  /** τ: the gradient enters by 1 − τ, except in the first step. */
  readonly dampening?: number
  /** Look ahead: u = g + μ·v. Needs a momentum and no dampening. */
  readonly nesterov?: boolean
}

/**
 * v ← μ·v + (1 − τ)·g (v ← g in the first step), u = v, or with nesterov u = g + μ·v.
 * Polyak 1964, doi:10.1016/0041-5553(64)90137-5; Nesterov 1983; Sutskever et al. 2013; torch.optim.SGD
 */
export function traceMomentum(options: MomentumOptions): Transform {
  const { momentum, dampening = 0, nesterov = false } = options
  atLeast('traceMomentum', 'the momentum', momentum, 0)
  if (!Number.isFinite(dampening)) throw new ValueError('traceMomentum', `dampening must be a number, not ${dampening}`)
  if (nesterov && (momentum === 0 || dampening !== 0))
    throw new ValueError('traceMomentum', 'nesterov needs a momentum above 0 and no dampening')
  return stateful('traceMomentum', ['velocity'], (g, { velocity }, { step }) => {
    const share = dampening === 0 ? 1 : below(step, 2, 1, 1 - dampening)
    const v = scaledBy(velocity.value, momentum).add(scaledBy(g, share))
    velocity.assign(v)
    return { direction: nesterov ? g.add(v.mul(momentum)) : v, scale: 1 }
  })
}

/** Of `scaleByAdagrad`. */
export interface AdagradOptions {
  /** What s is at first; 0 by default. */
  readonly initialAccumulator?: number
  /** ε, which keeps the divisor from 0; 1e-10 by default. */
  readonly epsilon?: number
}

/** s ← s + g², u = g / (√s + ε). Duchi et al. 2011, jmlr.org/papers/v12/duchi11a.html; torch.optim.Adagrad */
export function scaleByAdagrad(options: AdagradOptions = {}): Transform {
  const { initialAccumulator = 0, epsilon = 1e-10 } = options
  atLeast('scaleByAdagrad', 'initialAccumulator', initialAccumulator, 0)
  atLeast('scaleByAdagrad', 'epsilon', epsilon, 0)
  return stateful(
    'scaleByAdagrad',
    ['squares'],
    (g, { squares }) => {
      const s = squares.value.add(g.square())
      squares.assign(s)
      return { direction: g.div(s.sqrt().add(epsilon)), scale: 1 }
    },
    (shape, dtype) => new Variable(shape, dtype, constant(initialAccumulator), false),
  )
}

/** Of `scaleByRmsprop`. */
export interface RmspropOptions {
  /** α, how much of the mean of squares stays. */
  readonly decay?: number
  /** ε, which keeps the divisor from 0; 1e-8 by default. */
  readonly epsilon?: number
  /** Divide by the standard deviation of the gradient, not by its root mean square. */
  readonly centered?: boolean
}

/**
 * s ← α·s + (1 − α)·g², u = g / (√s + ε); centered: m ← m + (1 − α)(g − m), u = g / (√(s − m²) + ε).
 * Tieleman & Hinton 2012 (lecture 6.5); Graves 2013, arXiv:1308.0850 (centered); torch.optim.RMSprop
 */
export function scaleByRmsprop(options: RmspropOptions = {}): Transform {
  const { decay = 0.99, epsilon = 1e-8, centered = false } = options
  fraction('scaleByRmsprop', 'the decay', decay)
  atLeast('scaleByRmsprop', 'epsilon', epsilon, 0)
  const average = (old: Tensor, g: Tensor) => old.mul(decay).add(g.square().mul(1 - decay))
  if (!centered)
    return stateful('scaleByRmsprop', ['squares'], (g, { squares }) => {
      const s = average(squares.value, g)
      squares.assign(s)
      return { direction: g.div(s.sqrt().add(epsilon)), scale: 1 }
    })
  return stateful('scaleByRmsprop', ['squares', 'mean'], (g, { squares, mean }) => {
    const s = average(squares.value, g)
    const m = mean.value.add(g.sub(mean.value).mul(1 - decay))
    squares.assign(s)
    mean.assign(m)
    // Rounding can make a variance of almost 0 negative, whose root would be NaN.
    return { direction: g.div(s.sub(m.square()).maximum(0).sqrt().add(epsilon)), scale: 1 }
  })
}

/** Of `scaleByAdam`. */
export interface AdamScaleOptions {
  /** How much of the mean of gradients stays. */
  readonly beta1?: number
  /** How much of the mean of squares stays. */
  readonly beta2?: number
  /** ε, which keeps the divisor from 0; 1e-8 by default. */
  readonly epsilon?: number
}

/** Whether Adam is AMSGrad. */
export interface AmsgradOptions {
  /** Divide by the largest mean of squares so far, so that rates never grow again. Reddi et al. 2018, arXiv:1904.09237 */
  readonly amsgrad?: boolean
}

/**
 * m ← m + (1 − β₁)(g − m), v ← β₂·v + (1 − β₂)·g², u = m / (√v / √(1 − β₂ᵗ) + ε) / (1 − β₁ᵗ).
 * Kingma & Ba 2014, arXiv:1412.6980; torch.optim.Adam
 */
export function scaleByAdam(options: AdamScaleOptions & AmsgradOptions = {}): Transform {
  const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, amsgrad = false } = options
  fraction('scaleByAdam', 'beta1', beta1)
  fraction('scaleByAdam', 'beta2', beta2)
  atLeast('scaleByAdam', 'epsilon', epsilon, 0)
  const kinds = amsgrad ? (['mean', 'squares', 'largest'] as const) : (['mean', 'squares'] as const)
  return stateful<'mean' | 'squares' | 'largest'>('scaleByAdam', kinds, (g, { mean, squares, largest }, { step }) => {
    const m = mean.value.add(g.sub(mean.value).mul(1 - beta1))
    const v = squares.value.mul(beta2).add(g.square().mul(1 - beta2))
    mean.assign(m)
    squares.assign(v)
    const most = amsgrad ? largest.value.maximum(v) : v
    if (amsgrad) largest.assign(most)
    const rootCorrection = over(1, squareRoot(minus(1, power(beta2, step))))
    return {
      direction: m.div(scaledBy(most.sqrt(), rootCorrection).add(epsilon)),
      scale: over(1, minus(1, power(beta1, step))),
    }
  })
}

/** u = −η·g, the last transform: the update is added to the parameter. η is a number or a schedule. */
export function scaleByLearningRate(learningRate: LearningRate): Transform {
  asSchedule(learningRate)
  return stateless(
    'scaleByLearningRate',
    (updates, { learningRate: rate }) => updates.map((update) => rescale(update, times(rate, -1))),
    learningRate,
  )
}

/** u = c·g. */
export const scale = (factor: number): Transform =>
  stateless('scale', (updates) => updates.map((update) => rescale(update, factor)))

export function atLeast(operation: string, name: string, value: number, low: number): void {
  if (!(value >= low) || value === Number.POSITIVE_INFINITY)
    throw new ValueError(operation, `${name} must be a number of ${low} or more, not ${value}`)
}

export function fraction(operation: string, name: string, value: number): void {
  if (!(value >= 0 && value < 1)) throw new ValueError(operation, `${name} must be from 0 to below 1, not ${value}`)
}

/**
 * @file The optimizers, each a composition of transforms. Names and defaults are PyTorch's where it has them; g is the
 * gradient, p the parameter, η the learning rate, λ the weight decay. All take `groups`: other options, or none at all (`freeze`),
 * for parameters that a pattern chooses.
 *
 * optim.adamW({ learningRate: 1e-3, weightDecay: { rate: 0.01, where: optim.notBias } })
 * optim.adam({ learningRate: 1e-4, groups: [{ match: /^head\./, learningRate: 1e-3 }, { match: /^embedding\./, freeze: true }] })
 */
import type { OptimizerSpec } from './optimizer.js'
import { grouped, type ParameterGroup } from './partition.js'
import type { LearningRate } from './schedules.js'
import { compose, type Transform, type Where } from './transform.js'
import {
  type AdagradOptions,
  type AdamScaleOptions,
  type AmsgradOptions,
  addDecayedWeights,
  type MomentumOptions,
  type RmspropOptions,
  scaleByAdagrad,
  scaleByAdam,
  scaleByLearningRate,
  scaleByRmsprop,
  traceMomentum,
} from './transforms.js'
import {
  type AdadeltaScaleOptions,
  type NadamScaleOptions,
  scaleByAdadelta,
  scaleByAdamax,
  scaleByLion,
  scaleByNadam,
  scaleByRadam,
} from './transforms-moments.js'

/** λ for all parameters, or for those that `where` chooses: `{ rate: 1e-4, where: optim.notBias }`. */
export type WeightDecay = number | { readonly rate: number; readonly where: Where }

/** What all optimizers take. */
export interface OptimizerOptions {
  /** η: a number, or a schedule. */
  readonly learningRate: LearningRate
  /** λ; 0 unless said otherwise. `{ rate, where }` decays only the parameters that `where` chooses. */
  readonly weightDecay?: WeightDecay
}

export function decay(weightDecay: WeightDecay = 0): Transform[] {
  const { rate, where } = typeof weightDecay === 'number' ? { rate: weightDecay, where: undefined } : weightDecay
  return rate === 0 ? [] : [addDecayedWeights({ weightDecay: rate, where })]
}

/** Options for all parameters, and others for some. */
export type WithGroups<O> = O & {
  /**
   * Other options for the parameters that `match` chooses, the first that does: { match: /^head\./, learningRate: 1e-2 }. A group
   * without a learningRate follows that of the others, times its learningRateFactor; `freeze: true` leaves it as it is.
   */
  readonly groups?: readonly ParameterGroup<O>[]
}

/** Of `sgd`. */
export type SgdOptions = WithGroups<OptimizerOptions & Partial<MomentumOptions>>

/**
 * Gradient descent: p ← p − η·(g + λp); with a momentum μ: v ← μ·v + (1 − τ)(g + λp), p ← p − η·v (see `traceMomentum`).
 * Robbins & Monro 1951, doi:10.1214/aoms/1177729586; torch.optim.SGD
 * Example: optim.sgd({ learningRate: 0.1, momentum: 0.9, nesterov: true })
 */
export function sgd(options: SgdOptions): OptimizerSpec {
  const names = ['momentum', 'dampening', 'nesterov']
  return grouped('sgd', names, options, ({ learningRate, weightDecay, momentum = 0, dampening, nesterov }) =>
    compose(
      ...decay(weightDecay),
      ...(momentum !== 0 || nesterov ? [traceMomentum({ momentum, dampening, nesterov })] : []),
      scaleByLearningRate(learningRate),
    ),
  )
}

/**
 * Gradient descent with momentum 0.9: v ← μ·v + g, p ← p − η·v. Polyak 1964, doi:10.1016/0041-5553(64)90137-5
 * Example: optim.momentum({ learningRate: 0.01 })
 */
export const momentum = (options: WithGroups<OptimizerOptions & { readonly momentum?: number }>): OptimizerSpec =>
  sgd({ momentum: 0.9, ...options })

/**
 * Nesterov's momentum: v ← μ·v + g, p ← p − η·(g + μ·v): the gradient counts as if taken after the velocity's move.
 * Nesterov 1983; Sutskever et al. 2013, proceedings.mlr.press/v28/sutskever13.html
 * Example: optim.nesterov({ learningRate: 0.01 })
 */
export const nesterov = (options: WithGroups<OptimizerOptions & { readonly momentum?: number }>): OptimizerSpec =>
  sgd({ momentum: 0.9, ...options, nesterov: true })

/**
 * A rate for each parameter that falls with the squares it has seen: s ← s + g², p ← p − η·g / (√s + ε); η 0.01.
 * Duchi et al. 2011, jmlr.org/papers/v12/duchi11a.html; torch.optim.Adagrad, whose lr_decay is `schedules.inverseTime`
 * Example: optim.adagrad({ learningRate: 0.1 })
 */
export function adagrad(options: WithGroups<Partial<OptimizerOptions> & AdagradOptions> = {}): OptimizerSpec {
  const names = ['initialAccumulator', 'epsilon']
  return grouped('adagrad', names, options, ({ learningRate = 0.01, weightDecay, ...rest }) =>
    compose(...decay(weightDecay), scaleByAdagrad(rest), scaleByLearningRate(learningRate)),
  )
}

/**
 * As Adagrad, but with a mean of recent squares: s ← α·s + (1 − α)·g², p ← p − η·g / (√s + ε); η 0.01, α 0.99.
 * Tieleman & Hinton 2012 (lecture 6.5); torch.optim.RMSprop
 * Example: optim.rmsprop({ learningRate: 1e-3, centered: true, momentum: 0.9 })
 */
export function rmsprop(
  options: WithGroups<Partial<OptimizerOptions> & RmspropOptions & { readonly momentum?: number }> = {},
): OptimizerSpec {
  const names = ['decay', 'epsilon', 'centered', 'momentum']
  return grouped('rmsprop', names, options, ({ learningRate = 0.01, weightDecay, momentum = 0, ...rest }) =>
    compose(
      ...decay(weightDecay),
      scaleByRmsprop(rest),
      ...(momentum !== 0 ? [traceMomentum({ momentum })] : []),
      scaleByLearningRate(learningRate),
    ),
  )
}

/** Of `adam`. */
export type AdamOptions = WithGroups<Partial<OptimizerOptions> & AdamScaleOptions & AmsgradOptions>
const adamNames = ['beta1', 'beta2', 'epsilon']

/**
 * Means of gradients and of their squares, corrected for starting at 0: p ← p − η·m̂ / (√v̂ + ε); η 1e-3, β 0.9 and 0.999.
 * Weight decay is L2 (g + λp), as in PyTorch's Adam; `adamW` decouples it.
 * Kingma & Ba 2014, arXiv:1412.6980; torch.optim.Adam
 * Example: optim.adam({ learningRate: 1e-3, weightDecay: 1e-4 })
 */
export function adam(options: AdamOptions = {}): OptimizerSpec {
  return grouped('adam', [...adamNames, 'amsgrad'], options, ({ learningRate = 1e-3, weightDecay, ...rest }) =>
    compose(...decay(weightDecay), scaleByAdam(rest), scaleByLearningRate(learningRate)),
  )
}

/**
 * Adam with decoupled weight decay: p ← (1 − η·λ)·p − η·m̂ / (√v̂ + ε); λ 0.01.
 * Loshchilov & Hutter 2017, arXiv:1711.05101; torch.optim.AdamW
 * Example: optim.adamW({ learningRate: 1e-3, weightDecay: { rate: 0.05, where: optim.notBias } })
 */
export function adamW(options: AdamOptions = {}): OptimizerSpec {
  return grouped('adamW', [...adamNames, 'amsgrad'], options, ({ learningRate = 1e-3, weightDecay = 0.01, ...rest }) =>
    compose(scaleByAdam(rest), ...decay(weightDecay), scaleByLearningRate(learningRate)),
  )
}

/**
 * Adam by the greatest gradient of late: p ← p − η·m̂ / n (see `scaleByAdamax`); η 2e-3. Weight decay is L2. Kingma & Ba 2014,
 * arXiv:1412.6980, section 7.1; torch.optim.Adamax
 * Example: optim.adamax()
 */
export function adamax(options: WithGroups<Partial<OptimizerOptions> & AdamScaleOptions> = {}): OptimizerSpec {
  return grouped('adamax', adamNames, options, ({ learningRate = 2e-3, weightDecay, ...rest }) =>
    compose(...decay(weightDecay), scaleByAdamax(rest), scaleByLearningRate(learningRate)),
  )
}

/**
 * No rate to choose: p ← p − η·√(d + ε) / √(s + ε)·g with means s of squared gradients and d of squared updates; η 1, ρ 0.9.
 * Zeiler 2012, arXiv:1212.5701; torch.optim.Adadelta
 * Example: optim.adadelta()
 */
export function adadelta(options: WithGroups<Partial<OptimizerOptions> & AdadeltaScaleOptions> = {}): OptimizerSpec {
  const names = ['decay', 'epsilon']
  return grouped('adadelta', names, options, ({ learningRate = 1, weightDecay, ...rest }) =>
    compose(...decay(weightDecay), scaleByAdadelta(rest), scaleByLearningRate(learningRate)),
  )
}

/**
 * Adam with Nesterov's look ahead (see `scaleByNadam`); η 2e-3. Weight decay is L2. Dozat 2016; torch.optim.NAdam
 * Example: optim.nadam({ learningRate: 1e-3 })
 */
export function nadam(options: WithGroups<Partial<OptimizerOptions> & NadamScaleOptions> = {}): OptimizerSpec {
  return grouped('nadam', [...adamNames, 'momentumDecay'], options, ({ learningRate = 2e-3, weightDecay, ...rest }) =>
    compose(...decay(weightDecay), scaleByNadam(rest), scaleByLearningRate(learningRate)),
  )
}

/**
 * Adam that needs no warm-up (see `scaleByRadam`); η 1e-3. Weight decay is L2. Liu et al. 2019, arXiv:1908.03265; torch.optim.RAdam
 * Example: optim.radam({ learningRate: 1e-3 })
 */
export function radam(options: WithGroups<Partial<OptimizerOptions> & AdamScaleOptions> = {}): OptimizerSpec {
  return grouped('radam', adamNames, options, ({ learningRate = 1e-3, weightDecay, ...rest }) =>
    compose(...decay(weightDecay), scaleByRadam(rest), scaleByLearningRate(learningRate)),
  )
}

/**
 * Steps of one size, by the sign of a momentum: p ← (1 − η·λ)·p − η·sign(β₁·m + (1 − β₁)·g); η 1e-4, β 0.9 and 0.99, λ decoupled.
 * Chen et al. 2023, arXiv:2302.06675
 * Example: optim.lion({ learningRate: 1e-4, weightDecay: 0.1 })
 */
export function lion(
  options: WithGroups<Partial<OptimizerOptions> & { readonly beta1?: number; readonly beta2?: number }> = {},
): OptimizerSpec {
  return grouped('lion', ['beta1', 'beta2'], options, ({ learningRate = 1e-4, weightDecay, ...rest }) =>
    compose(scaleByLion(rest), ...decay(weightDecay), scaleByLearningRate(learningRate)),
  )
}

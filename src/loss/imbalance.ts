/**
 * @file Losses for few yes among many no: focal and dice. In: logits and targets of 0 and 1 (or between). Out: one number, or
 * with `reduction: 'none'` one an element (focal) or one a sample (dice).
 */
import { ValueError } from '../base/errors.js'
import { sigmoid, softplus } from '../nn/activations.js'
import type { DTypeOf } from '../nn/shapes.js'
import type { Tensor } from '../trace/tensor.js'
import { checkTarget, type LossOptions, type Reduced, type Reduction, reduceLoss } from './reduction.js'
import type { LikeOutput, Output } from './types.js'

/** Of `focal`. */
export interface FocalOptions<R extends Reduction = Reduction> extends LossOptions<R> {
  /** γ: how much what is already right is played down; 2 by default, 0 is binary cross-entropy. */
  readonly gamma?: number
  /** α: how much a yes counts, a no counts 1 − α; 0.25 by default; −1: both count alike. */
  readonly alpha?: number
}

/**
 * l = αₜ·(1 − pₜ)^γ·(−ln pₜ) of logits z, with p = σ(z), pₜ = p for a yes and 1 − p for a no.
 * Lin et al. 2017, arXiv:1708.02002; torchvision.ops.sigmoid_focal_loss
 */
export function focal<O extends Tensor, T extends Tensor, R extends Reduction = 'mean'>(
  logits: O & Output<O>,
  target: T & LikeOutput<O, T>,
  options: FocalOptions<R> = {},
): Reduced<R, DTypeOf<O>> {
  const { gamma = 2, alpha = 0.25 } = options
  if (!(gamma >= 0)) throw new ValueError('focal', `gamma must be 0 or more, not ${gamma}`)
  if (!(alpha <= 1)) throw new ValueError('focal', `alpha is from 0 to 1, or −1 for none, not ${alpha}`)
  checkTarget('focal', logits, target)
  const z: Tensor = logits
  const t: Tensor = target
  const error = t.mul(-1).add(1).mul(z).add(softplus(z.neg()))
  // 1 − pₜ is the probability of the other answer, σ of −z for a yes and of z for a no: exact where pₜ is near 1.
  const wrong = t.mul(sigmoid(z.neg())).add(t.mul(-1).add(1).mul(sigmoid(z)))
  const focused = gamma === 0 ? error : gamma === 2 ? error.mul(wrong.square()) : error.mul(wrong.pow(gamma))
  const weighted = alpha < 0 ? focused : focused.mul(t.mul(2 * alpha - 1).add(1 - alpha))
  return reduceLoss('focal', weighted, options)
}

/** Of `dice`. */
export interface DiceOptions<R extends Reduction = Reduction> extends LossOptions<R> {
  /** Added above and below, so that nothing found where nothing is counts as right; 1 by default. */
  readonly smooth?: number
}

/**
 * l = 1 − (2·Σ p·t + s) / (Σ p + Σ t + s), one a sample, sums over all of its elements; p = σ(z) of logits z [N, ...].
 * Milletari et al. 2016, arXiv:1606.04797
 */
export function dice<O extends Tensor, T extends Tensor, R extends Reduction = 'mean'>(
  logits: O & Output<O>,
  target: T & LikeOutput<O, T>,
  options: DiceOptions<R> = {},
): Reduced<R, DTypeOf<O>> {
  const { smooth = 1 } = options
  if (!(smooth >= 0)) throw new ValueError('dice', `smooth must be 0 or more, not ${smooth}`)
  checkTarget('dice', logits, target)
  const p: Tensor = sigmoid(logits as Tensor)
  const t: Tensor = target
  const axes = p.shape.map((_: number, i: number) => i).slice(1)
  const sum = (x: Tensor): Tensor => (axes.length > 0 ? x.sum(axes) : x)
  const overlap = sum(p.mul(t)).mul(2).add(smooth)
  const total = sum(p).add(sum(t)).add(smooth)
  return reduceLoss('dice', overlap.div(total).neg().add(1), options)
}

/**
 * @file Losses between numbers: squared, absolute, and Huber's mixture. In: output and target of one shape.
 * Out: one number, or with `reduction: 'none'` one an element.
 */
import { ValueError } from '../base/errors.js'
import type { DTypeOf } from '../nn/shapes.js'
import { type Tensor, where } from '../trace/tensor.js'
import { checkTarget, type LossOptions, type Reduced, type Reduction, reduceLoss } from './reduction.js'
import type { LikeOutput, Output } from './types.js'

/** l = (ŷ − y)², the L2 error. torch.nn.functional.mse_loss */
export function meanSquaredError<O extends Tensor, T extends Tensor, R extends Reduction = 'mean'>(
  output: O & Output<O>,
  target: T & LikeOutput<O, T>,
  options: LossOptions<R> = {},
): Reduced<R, DTypeOf<O>> {
  checkTarget('meanSquaredError', output, target)
  return reduceLoss('meanSquaredError', output.sub(target as Tensor).square(), options)
}

/** l = |ŷ − y|, the L1 error; its gradient at 0 is 0. torch.nn.functional.l1_loss */
export function meanAbsoluteError<O extends Tensor, T extends Tensor, R extends Reduction = 'mean'>(
  output: O & Output<O>,
  target: T & LikeOutput<O, T>,
  options: LossOptions<R> = {},
): Reduced<R, DTypeOf<O>> {
  checkTarget('meanAbsoluteError', output, target)
  return reduceLoss('meanAbsoluteError', output.sub(target as Tensor).abs(), options)
}

/** Of `huber`. */
export interface HuberOptions<R extends Reduction = Reduction> extends LossOptions<R> {
  /** Where the parabola becomes a line; 1 by default. */
  readonly delta?: number
}

/** l = ½d² for |d| ≤ δ, else δ(|d| − ½δ), with d = ŷ − y. Huber 1964, doi:10.1214/aoms/1177703732; torch's huber_loss */
export function huber<O extends Tensor, T extends Tensor, R extends Reduction = 'mean'>(
  output: O & Output<O>,
  target: T & LikeOutput<O, T>,
  options: HuberOptions<R> = {},
): Reduced<R, DTypeOf<O>> {
  const { delta = 1 } = options
  if (!(delta > 0)) throw new ValueError('huber', `delta must be above 0, not ${delta}`)
  checkTarget('huber', output, target)
  const difference = output.sub(target as Tensor)
  const size = difference.abs()
  const losses = where(size.greater(delta), size.sub(delta / 2).mul(delta), difference.square().mul(0.5))
  return reduceLoss('huber', losses, options)
}

/**
 * @file Losses that are satisfied with a margin: hinge and triplets. Out: one number, or with `reduction: 'none'` one an element
 * or one a triplet.
 */

import { ShapeError, ValueError } from '../base/errors.js'
import { formatShape, sameShape } from '../base/shape.js'
import type { DTypeOf } from '../nn/shapes.js'
import { expectTensor } from '../trace/arguments.js'
import type { Tensor } from '../trace/tensor.js'
import { checkTarget, type LossOptions, type Reduced, type Reduction, reduceLoss } from './reduction.js'
import type { LikeOutput, Output } from './types.js'

/** Of `hinge`. */
export interface MarginOptions<R extends Reduction = Reduction> extends LossOptions<R> {
  /** 1 by default. */
  readonly margin?: number
}

/** l = max(0, margin − t·ŷ) with targets t of −1 and 1, the loss of support vector machines. Cortes & Vapnik 1995 */
export function hinge<O extends Tensor, T extends Tensor, R extends Reduction = 'mean'>(
  output: O & Output<O>,
  target: T & LikeOutput<O, T>,
  options: MarginOptions<R> = {},
): Reduced<R, DTypeOf<O>> {
  const { margin = 1 } = options
  checkTarget('hinge', output, target)
  return reduceLoss(
    'hinge',
    positive(
      (target as Tensor)
        .mul(output as Tensor)
        .neg()
        .add(margin),
    ),
    options,
  )
}

/** Of `tripletMargin`. */
export interface TripletOptions<R extends Reduction = Reduction> extends MarginOptions<R> {
  /** Added to each difference, so that the distance of equal points has a gradient; 1e-6 by default, as in PyTorch. */
  readonly epsilon?: number
}

/**
 * l = max(0, ‖a − p‖ − ‖a − n‖ + margin), one a row: an anchor a shall be nearer to p, which is alike, than to n, by a margin.
 * All [..., D]. Schroff et al. 2015, arXiv:1503.03832; torch.nn.functional.triplet_margin_loss with p = 2
 * Throws where shapes differ.
 */
export function tripletMargin<A extends Tensor, R extends Reduction = 'mean'>(
  anchor: A & Output<A>,
  positives: Tensor,
  negatives: Tensor,
  options: TripletOptions<R> = {},
): Reduced<R, DTypeOf<A>> {
  const { margin = 1, epsilon = 1e-6 } = options
  if (!(margin >= 0)) throw new ValueError('tripletMargin', `the margin must be 0 or more, not ${margin}`)
  expectTensor('tripletMargin', 'anchor', anchor)
  expectTensor('tripletMargin', 'positives', positives)
  expectTensor('tripletMargin', 'negatives', negatives)
  const a: Tensor = anchor
  for (const other of [positives, negatives])
    if (!sameShape(a.shape, other.shape) || a.rank === 0)
      throw new ShapeError(
        'tripletMargin',
        `the anchors are ${formatShape(a.shape)}, others ${formatShape(other.shape)}`,
      )
  const distance = (other: Tensor): Tensor => a.sub(other).add(epsilon).square().sum(-1).sqrt()
  return reduceLoss('tripletMargin', positive(distance(positives).sub(distance(negatives)).add(margin)), options)
}

/** max(0, x), whose gradient at 0 is 0. */
const positive = (x: Tensor): Tensor => x.maximum(0)

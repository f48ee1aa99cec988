/**
 * @file Losses of log probabilities: negative log likelihood and Kullback-Leibler divergence. In: ln p, as logSoftmax gives
 * it, and classes or probabilities. Out: one number, or with `reduction: 'none'` one a sample.
 */

import { ShapeError } from '../base/errors.js'
import { formatShape, normalizeAxis, type Shape, sameShape } from '../base/shape.js'
import type { DTypeOf } from '../nn/shapes.js'
import { expectTensor } from '../trace/arguments.js'
import { type Tensor, where } from '../trace/tensor.js'
import { alongAxis, Labels } from './labels.js'
import { checkTarget, type LossOptions, type Reduced, type Reduction, reduceLoss } from './reduction.js'
import type { LikeOutput, Output } from './types.js'

/** Of `negativeLogLikelihood`. */
export interface LikelihoodOptions<R extends Reduction = Reduction> extends LossOptions<R> {
  /** c [C]: how much each class counts; the mean is then Σ c[yᵢ]·lᵢ / Σ c[yᵢ]. */
  readonly classWeights?: Tensor
  /** Samples with this label count nowhere; none by default. */
  readonly ignoreIndex?: number
  /** Where the classes are: the last axis by default; 1 for PyTorch's [N, C, ...]. */
  readonly axis?: number
}

/**
 * l = −ln p_y of log probabilities [..., C] and class indices [...] (int32, uint32 or uint8): cross-entropy behind a logSoftmax
 * of one's own. A label outside 0..C − 1 gives NaN. torch.nn.functional.nll_loss
 * Throws where shapes do not go together.
 */
export function negativeLogLikelihood<O extends Tensor, R extends Reduction = 'mean'>(
  logProbabilities: O & Output<O>,
  target: Tensor,
  options: LikelihoodOptions<R> = {},
): Reduced<R, DTypeOf<O>> {
  const name = 'negativeLogLikelihood'
  expectTensor(name, 'logProbabilities', logProbabilities)
  expectTensor(name, 'target', target)
  const p: Tensor = logProbabilities
  const axis = normalizeAxis(name, options.axis ?? -1, p.rank)
  const samples = (p.shape as Shape).filter((_, i) => i !== axis)
  if (!sameShape(target.shape, samples))
    throw new ShapeError(name, `log probabilities ${formatShape(p.shape)} need labels ${formatShape(samples)}`, {
      hint: `They are ${formatShape(target.shape)}.`,
    })
  const { classWeights } = options
  const weights = classWeights && alongAxis(name, classWeights, p, axis, 'log probabilities')
  const labels = new Labels(name, target, p, axis, weights)
  const picked = labels.pick(p).neg()
  return labels.reduce(labels.weight ? picked.mul(labels.weight) : picked, options)
}

/**
 * l = Σₖ tₖ (ln tₖ − ln pₖ) of log probabilities and probabilities t, both [..., C]; terms with t = 0 are 0. The mean is over
 * samples, which is what torch.nn.functional.kl_div calls 'batchmean'. Kullback & Leibler 1951
 */
export function klDivergence<O extends Tensor, T extends Tensor, R extends Reduction = 'mean'>(
  logProbabilities: O & Output<O>,
  target: T & LikeOutput<O, T>,
  options: LossOptions<R> = {},
): Reduced<R, DTypeOf<O>> {
  checkTarget('klDivergence', logProbabilities, target)
  const t: Tensor = target
  const positive = t.greater(0)
  // The logarithm of what does not count must not be infinite: its gradient would be NaN.
  const entropy = where(positive, t.mul(where(positive, t, 1).log()), 0)
  return reduceLoss('klDivergence', entropy.sub(t.mul(logProbabilities as Tensor)).sum(-1), options)
}

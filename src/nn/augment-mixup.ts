/**
 * @file Mixup: each image of a batch is blended with another of it, and so is what the loss compares with. In: α. Out: a layer, and what
 * makes a loss of a mixed batch of any loss.
 *
 * const mixup = augment.mixup({ alpha: 0.2 })
 * fit(nn.sequential(mixup, cnn), { loss: mixup.loss(loss.crossEntropy), ... })
 */
import type { DType } from '../base/dtype.js'
import { TraceError, ValueError } from '../base/errors.js'
import * as random from '../trace/random.js'
import { type Tensor, where } from '../trace/tensor.js'
import { currentTrace, type Trace } from '../trace/trace.js'
import { type Augmentation, augmentation } from './augment-layer.js'
import { checkOptions } from './checks.js'

/** Of `mixup`. */
export interface MixupOptions {
  /** λ is drawn from Beta(α, α): near 0 images hardly mix, at 1 all shares are as likely. 0.2 by default. */
  readonly alpha?: number
}

/** A loss as `fit` calls it. */
type BatchLoss = (output: Tensor, target: Tensor, options: { readonly sampleWeight?: Tensor }) => Tensor<readonly []>

/** The layer of `mixup`, and its loss. */
export interface Mixup extends Augmentation {
  /**
   * λ·l(output, target) + (1 − λ)·l(output, target of the image mixed in), in the step whose forward pass mixed; l itself in
   * inference. Cross-entropy so is that of the soft targets λ·t + (1 − λ)·t′. Metrics compare with the first image's target.
   */
  loss<L extends (...parts: never[]) => Tensor<readonly []>>(inner: L): BatchLoss
}

/**
 * x′ₙ = λ·xₙ + (1 − λ)·x_{N−1−n} with one λ a batch: the batch is in random order, so that its reverse is a random partner.
 * Zhang et al. 2018, arXiv:1710.09412
 */
export function mixup(options: MixupOptions = {}): Mixup {
  checkOptions('augment.mixup', options, ['alpha'])
  const { alpha = 0.2 } = options
  if (!(alpha > 0 && alpha <= 1))
    throw new ValueError('augment.mixup', `alpha must be above 0 and at most 1, not ${String(alpha)}`, {
      hint: '0.1 to 0.4 is usual.',
    })
  const drawn = new WeakMap<Trace, Tensor>()
  const apply = (x: Tensor): Tensor => {
    const share = betaShare(alpha).cast(x.dtype as DType)
    drawn.set(currentTrace()!, share)
    return blended(x, share)
  }
  const loss = (inner: (...parts: never[]) => Tensor<readonly []>): BatchLoss => {
    const call = inner as unknown as BatchLoss
    return (output, target, given) => {
      const trace = currentTrace()
      const share = trace && drawn.get(trace)
      if (!share) {
        if (trace?.training)
          throw new TraceError('augment.mixup', 'its loss is taken of a step in which its layer did not mix', {
            hint: 'Put the same object into the network: nn.sequential(mixup, ...), in front of the loss.',
          })
        return call(output, target, given)
      }
      const weights = given?.sampleWeight
      const other = weights ? { ...given, sampleWeight: weights.reverse(0) } : given
      const own = call(output, target, given)
      const partner = call(output, target.reverse(0), other)
      const part = share.reshape([]).cast(own.dtype as DType) as Tensor
      return own.mul(part).add(partner.mul(part.neg().add(1))) as Tensor<readonly []>
    }
  }
  return augmentation(`mixup({ alpha: ${alpha} })`, [{ apply }], { loss }) as unknown as Mixup
}

const blended = (x: Tensor, share: Tensor): Tensor => {
  const part = share.reshape(Array.from({ length: x.rank }, () => 1))
  return x.mul(part).add(x.reverse(0).mul(part.neg().add(1)))
}

/** So many pairs are drawn; with α = 1 half of them fit, with less more: none fits once in 2³². */
const tries = 32

/**
 * λ from Beta(α, α), α ≤ 1, [1]: of pairs of uniform u, v the first with u^(1/α) + v^(1/α) ≤ 1 gives λ = u^(1/α) / (u^(1/α) + v^(1/α)).
 * Jöhnk 1964; in logarithms, since u^(1/α) underflows where α is small.
 */
function betaShare(alpha: number): Tensor {
  // Uniform in (0, 1]: the logarithm of 0 would be no number.
  const log = () =>
    random
      .uniform([tries])
      .neg()
      .add(1)
      .log()
      .mul(1 / alpha)
  const [u, v] = [log(), log()]
  const fits = u.exp().add(v.exp()).lessEqual(1)
  const shares = u.sub(v).neg().exp().add(1).reciprocal()
  let chosen = shares.slice([tries - 1], [tries])
  for (let i = tries - 2; i >= 0; i--)
    chosen = where(fits.slice([i], [i + 1]), shares.slice([i], [i + 1]), chosen) as typeof chosen
  return chosen
}

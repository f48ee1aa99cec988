/**
 * @file Dropout: of elements, of whole channels, and for selu. In: a probability. Out: a layer that does nothing in inference.
 *
 * nn.sequential(nn.linear(784, 128), nn.relu, nn.dropout(0.2), nn.linear(128, 10))
 */
import { ShapeError } from '../base/errors.js'
import { formatShape, type Shape } from '../base/shape.js'
import * as random from '../trace/random.js'
import { type Tensor, where } from '../trace/tensor.js'
import { inTraining } from '../trace/trace.js'
import { checkProbability } from './checks.js'
import { type ModuleParts, makeModule } from './module.js'
import type { Elementwise } from './shapes.js'

/** What dropout, dropout2d and alphaDropout give. */
export interface Dropout extends ModuleParts, Elementwise {}

/**
 * In training each element is 0 with probability p and otherwise x / (1 − p), so that the mean stays; in inference y = x.
 * Srivastava et al. 2014, jmlr.org/papers/v15/srivastava14a.html
 */
export function dropout(probability = 0.5): Dropout {
  checkProbability('nn.dropout', probability)
  const forward = (_: object, x: Tensor): Tensor => dropped('dropout', x, probability)
  return makeModule(`dropout(${probability})`, {}, forward, { keepsShape: true as const }) as unknown as Dropout
}

/**
 * Drops whole channels: of x [batch, channels, ...] all elements x[n, c, ...] are 0 together, with probability p, and the
 * others divided by 1 − p; in inference y = x. Neighbouring pixels say almost the same, so that dropping single ones would
 * take nothing away. Tompson et al. 2014, arXiv:1411.4280; torch's Dropout2d (also for 1 or 3 axes of space)
 */
export function dropout2d(probability = 0.5): Dropout {
  checkProbability('nn.dropout2d', probability)
  const forward = (_: object, x: Tensor): Tensor => {
    if (x.rank < 3)
      throw new ShapeError('dropout2d', `takes [batch, channels, ...], got ${formatShape(x.shape)}`, {
        hint: 'Single features are dropped by nn.dropout.',
      })
    return dropped(
      'dropout2d',
      x,
      probability,
      (x.shape as Shape).map((n, axis) => (axis < 2 ? n : 1)),
    )
  }
  return makeModule(`dropout2d(${probability})`, {}, forward, { keepsShape: true as const }) as unknown as Dropout
}

/**
 * Dropout that keeps mean and variance of what selu gives: in training each element is with probability p −λα (selu's limit),
 * and the result a·x + b with a = ((1 − p)(1 + p·λ²α²))^(−1/2) and b = a·p·λα; in inference y = x.
 * Klambauer et al. 2017, arXiv:1706.02515; torch's AlphaDropout
 */
export function alphaDropout(probability = 0.5): Dropout {
  checkProbability('nn.alphaDropout', probability)
  const limit = 1.0507009873554805 * 1.6732632423543772
  const forward = (_: object, x: Tensor): Tensor => {
    if (probability === 0 || !inTraining('alphaDropout')) return x
    if (probability === 1) return x.mul(0)
    const a = ((1 - probability) * (1 + probability * limit ** 2)) ** -0.5
    const kept = random.bernoulli(x.shape as Shape, 1 - probability)
    return where(kept, x.mul(a), -limit * a).add(a * probability * limit)
  }
  return makeModule(`alphaDropout(${probability})`, {}, forward, { keepsShape: true as const }) as unknown as Dropout
}

/** x where a mask of the given shape, broadcast to that of x, keeps it; x itself in inference. */
export function dropped(what: string, x: Tensor, probability: number, shape: Shape = x.shape as Shape): Tensor {
  // Where nothing is dropped it does not matter whether the trace trains.
  if (probability === 0 || !inTraining(what)) return x
  if (probability === 1) return x.mul(0)
  return where(random.bernoulli(shape, 1 - probability), x.mul(1 / (1 - probability)), 0)
}

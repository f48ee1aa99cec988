/**
 * @file Cross-entropy on logits, for one class among many and for yes or no. In: logits, and class indices or
 * probabilities. Out: one number, or with `reduction: 'none'` one a sample. Right at logits of any size.
 *
 * loss.crossEntropy(net(images), labels, { labelSmoothing: 0.1 })
 */
import { type DType, isFloat } from '../base/dtype.js'
import { DtypeError, ShapeError, ValueError } from '../base/errors.js'
import { formatShape, normalizeAxis, type Shape, sameShape } from '../base/shape.js'
import { softplus } from '../nn/activations.js'
import type { DTypeOf } from '../nn/shapes.js'
import { expectTensor } from '../trace/arguments.js'
import type { Tensor } from '../trace/tensor.js'
import { alongAxis, Labels } from './labels.js'
import { checkTarget, type LossOptions, type Reduced, type Reduction, reduceLoss } from './reduction.js'
import type { ClassTarget, LikeOutput, Output } from './types.js'

/** Of `crossEntropy`. */
export interface CrossEntropyOptions<R extends Reduction = Reduction, A extends number | undefined = number | undefined>
  extends LossOptions<R> {
  /** ε: each sample is its class by 1 − ε and any of the C classes by ε / C. Szegedy et al. 2015, arXiv:1512.00567 */
  readonly labelSmoothing?: number
  /** c [C]: how much each class counts. */
  readonly classWeights?: Tensor
  /** Samples with this label count nowhere. None by default (PyTorch ignores −100, and so hides a wrong label). */
  readonly ignoreIndex?: number
  /** Where the classes are: the last axis by default; 1 for PyTorch's [N, C, ...]. */
  readonly axis?: A
}

/**
 * l = −Σₖ tₖ ln softmax(z)ₖ of logits z [..., C]; torch.nn.functional.cross_entropy.
 * Target: class indices [...] (int32, uint32 or uint8), where l = ln Σₖ e^zₖ − z_y, or probabilities [..., C] (float).
 * A label outside 0..C − 1 gives NaN. With class weights c the mean is Σ c[yᵢ]·lᵢ / Σ c[yᵢ] for indices, and for
 * probabilities Σ lᵢ / N with l = −Σₖ cₖ tₖ ln softmax(z)ₖ.
 */
export function crossEntropy<
  O extends Tensor,
  T extends Tensor,
  R extends Reduction = 'mean',
  A extends number | undefined = undefined,
>(
  logits: O & Output<O>,
  // Types know of classes on the last axis; on others shapes are looked at when it runs.
  target: T & ([A] extends [undefined] ? ClassTarget<O, T> : unknown),
  options: CrossEntropyOptions<R, A> = {},
): Reduced<R, DTypeOf<O>> {
  const name = 'crossEntropy'
  expectTensor(name, 'logits', logits)
  expectTensor(name, 'target', target)
  const z: Tensor = logits
  const t: Tensor = target
  const { labelSmoothing = 0, classWeights } = options
  if (!(labelSmoothing >= 0 && labelSmoothing <= 1))
    throw new ValueError(name, `labelSmoothing is from 0 to 1, not ${labelSmoothing}`)
  if (!isFloat(z.dtype as DType)) throw new DtypeError(name, `the logits must be floats, not ${z.dtype}`)
  const axis = normalizeAxis(name, options.axis ?? -1, z.rank)
  const classes = z.shape[axis]!
  const weights = classWeights && alongAxis(name, classWeights, z, axis, 'logits')
  checkClassTarget(z, t, axis)

  const shifted = z.sub(z.max(axis, { keepAxes: true }).detach())
  const normalizer = shifted.exp().sum(axis).log() // ln Σ e^(z − max)
  const total = (x: Tensor): Tensor => (weights ? x.mul(weights) : x).sum(axis)
  // −Σₖ cₖ ln softmax(z)ₖ, for the share that smoothing spreads over all classes
  const everywhere = () => normalizer.mul(weights ? weights.sum() : classes).sub(total(shifted))

  if (isFloat(t.dtype as DType)) {
    if (options.ignoreIndex !== undefined)
      throw new ValueError(name, 'ignoreIndex goes with class indices, not with probabilities')
    const l = normalizer.mul(total(t)).sub(total(t.mul(shifted)))
    const smooth = labelSmoothing > 0 ? mix(l, everywhere(), labelSmoothing, classes) : l
    return reduceLoss(name, smooth, options)
  }

  const labels = new Labels(name, t, z, axis, weights)
  const picked = normalizer.sub(labels.pick(shifted))
  const own = labels.weight ? picked.mul(labels.weight) : picked
  const smooth = labelSmoothing > 0 ? mix(own, everywhere(), labelSmoothing, classes) : own
  return labels.reduce(smooth, options)
}

const mix = (own: Tensor, everywhere: Tensor, smoothing: number, classes: number): Tensor =>
  own.mul(1 - smoothing).add(everywhere.mul(smoothing / classes))

function checkClassTarget(z: Tensor, t: Tensor, axis: number): void {
  const shape: Shape = z.shape
  const samples = shape.filter((_, i) => i !== axis)
  if (t.dtype === 'bool')
    throw new DtypeError('crossEntropy', 'the target is bool', {
      hint: "For yes or no use binaryCrossEntropy with target.cast('float32').",
    })
  const wanted = isFloat(t.dtype as DType) ? shape : samples
  if (sameShape(t.shape, wanted)) {
    if (isFloat(t.dtype as DType) && t.dtype !== z.dtype)
      throw new DtypeError('crossEntropy', `the logits are ${z.dtype}, the probabilities ${t.dtype}`, {
        hint: `Convert with .cast('${z.dtype}').`,
      })
    return
  }
  const hint =
    isFloat(t.dtype as DType) && sameShape(t.shape, samples)
      ? "If these are class indices, convert with .cast('int32')."
      : `Class indices are int32 ${formatShape(samples)}, probabilities float ${formatShape(shape)}.`
  throw new ShapeError(
    'crossEntropy',
    `the logits are ${formatShape(shape)}, the ${t.dtype} target ${formatShape(t.shape)}`,
    { hint },
  )
}

/** Of `binaryCrossEntropy`. */
export interface BinaryCrossEntropyOptions<R extends Reduction = Reduction> extends LossOptions<R> {
  /** How much a yes counts against a no; broadcasts against the logits. */
  readonly positiveWeight?: Tensor | number
  /** Multiplies the loss of each element, but is not in the mean's denominator; broadcasts against the logits. */
  readonly elementWeight?: Tensor
}

/**
 * l = −t ln σ(z) − (1 − t) ln(1 − σ(z)) of logits z and targets t in [0, 1] of one shape, computed as
 * (1 − t)·z + (1 + (p − 1)·t)·ln(1 + e⁻ᶻ), p the positive weight. torch's binary_cross_entropy_with_logits
 */
export function binaryCrossEntropy<O extends Tensor, T extends Tensor, R extends Reduction = 'mean'>(
  logits: O & Output<O>,
  target: T & LikeOutput<O, T>,
  options: BinaryCrossEntropyOptions<R> = {},
): Reduced<R, DTypeOf<O>> {
  checkTarget('binaryCrossEntropy', logits, target)
  const z: Tensor = logits
  const t: Tensor = target
  const { positiveWeight, elementWeight } = options
  const tail: Tensor = softplus(z.neg())
  const rest = t.mul(-1).add(1).mul(z)
  const l =
    positiveWeight === undefined
      ? rest.add(tail)
      : rest.add(
          tail.mul(t.mul(typeof positiveWeight === 'number' ? positiveWeight - 1 : positiveWeight.sub(1)).add(1)),
        )
  return reduceLoss('binaryCrossEntropy', elementWeight ? l.mul(elementWeight) : l, options)
}

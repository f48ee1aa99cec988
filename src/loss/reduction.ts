/**
 * @file From the losses of elements to one number: reductions and sample weights, the same for all losses.
 * weighted(l, { sampleWeight: w }) → Σ w·l / Σ w, where w [N] goes for all elements of a sample.
 */
import type { DType } from '../base/dtype.js'
import { ShapeError, ValueError } from '../base/errors.js'
import { formatShape, type Shape, sameShape } from '../base/shape.js'
import { expectTensor } from '../trace/arguments.js'
import type { Tensor } from '../trace/tensor.js'

/** What becomes of the losses of all elements: their mean, their sum, or nothing. */
export type Reduction = 'mean' | 'sum' | 'none'

/** Of all losses. */
export interface LossOptions<R extends Reduction = Reduction> {
  /** One number by mean (the default) or sum, or the losses of all elements. */
  readonly reduction?: R
  /** w [N]: the mean is Σ w·l / Σ w, the sum Σ w·l, and none gives w·l. */
  readonly sampleWeight?: Tensor
}

/** A scalar, or with `none` the losses of all elements. */
export type Reduced<R extends Reduction, D extends DType> = [R] extends ['none']
  ? Tensor<Shape, D>
  : Tensor<readonly [], D>

/**
 * Reduces the losses l of all elements. `weight`, of l's shape or [N], multiplies like the sample weights and stands in the
 * mean's denominator. `scaled` says that l is multiplied by it already.
 */
export function reduceLoss<R extends Reduction, D extends DType>(
  operation: string,
  l: Tensor,
  options: LossOptions<R>,
  weight?: Tensor,
): Reduced<R, D> {
  const reduction = options.reduction ?? 'mean'
  if (!['mean', 'sum', 'none'].includes(reduction))
    throw new ValueError(operation, `the reduction is 'mean', 'sum' or 'none', not '${String(reduction)}'`)
  const samples = options.sampleWeight && perSample(operation, options.sampleWeight, l)
  const losses = samples ? l.mul(samples) : l
  const result = (): Tensor => {
    if (reduction === 'none') return losses
    if (reduction === 'sum') return losses.sum()
    const weights = samples && weight ? samples.mul(weight) : (samples ?? weight)
    if (!weights) return losses.mean()
    return losses.sum().div(weights.broadcastTo(l.shape as Shape).sum())
  }
  return result() as unknown as Reduced<R, D>
}

/** [N] as [N, 1, ..., 1], of l's dtype. */
function perSample(operation: string, weight: Tensor, l: Tensor): Tensor {
  if (weight.rank !== 1 || weight.shape[0] !== l.shape[0])
    throw new ShapeError(operation, `the sample weights are ${formatShape(weight.shape)}`, {
      hint: l.rank > 0 ? `One a sample is needed: [${l.shape[0]}].` : 'A single loss has no samples.',
    })
  return weight.cast(l.dtype as DType).reshape([weight.shape[0], ...l.shape.slice(1).map(() => 1)])
}

/** Broadcasting [N] against [N, 1] would give [N, N] and a plausible number: shapes must be equal. */
export function checkTarget(operation: string, output: Tensor, target: Tensor): void {
  expectTensor(operation, 'the output', output)
  expectTensor(operation, 'the target', target)
  if (!sameShape(output.shape, target.shape))
    throw new ShapeError(
      operation,
      `the output is ${formatShape(output.shape)}, the target ${formatShape(target.shape)}; they must be equal`,
      { hint: output.size === target.size ? `Reshape one: target.reshape([${output.shape}]).` : '' },
    )
}

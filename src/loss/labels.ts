/**
 * @file Class indices as targets: what of each sample belongs to its class, which samples count, and how much.
 */
import type { DType } from '../base/dtype.js'
import { ShapeError } from '../base/errors.js'
import { formatShape, type Shape, sameShape } from '../base/shape.js'
import { full, iota } from '../trace/creation.js'
import { type Tensor, where } from '../trace/tensor.js'
import { type LossOptions, type Reduced, type Reduction, reduceLoss } from './reduction.js'

/** Class weights [C] along the axis of z that has the classes, in z's dtype. `what` z is, for the message. */
export function alongAxis(name: string, weights: Tensor, z: Tensor, axis: number, what: string): Tensor {
  if (!sameShape(weights.shape, [z.shape[axis]]))
    throw new ShapeError(
      name,
      `the class weights are ${formatShape(weights.shape)}, the ${what} ${formatShape(z.shape)} have ${z.shape[axis]} classes`,
    )
  const shape = (z.shape as Shape).map((n, i) => (i === axis ? n : 1))
  return weights.cast(z.dtype as DType).reshape(shape)
}

/** Labels for z, whose classes are along `axis`; `weights` as `alongAxis` gives them. */
export class Labels {
  readonly #name: string
  readonly #z: Tensor
  readonly #axis: number
  readonly #label: Tensor
  readonly #isClass: Tensor
  /** The weight of each sample's class. */
  readonly weight: Tensor | undefined

  constructor(name: string, target: Tensor, z: Tensor, axis: number, weights: Tensor | undefined) {
    this.#name = name
    this.#z = z
    this.#axis = axis
    this.#label = target.dtype === 'int32' ? target : target.cast('int32')
    this.#isClass = this.#label.expandDims(axis).equal(iota(z.shape as Shape, axis))
    this.weight = weights && this.pick(weights)
  }

  /** Of values for each class, that of each sample's own. */
  pick(values: Tensor): Tensor {
    return where(this.#isClass, values, 0).sum(this.#axis)
  }

  /** One loss a sample, times its class's weight: NaN where the label is no class, and nowhere where it is ignored. */
  reduce<R extends Reduction, D extends DType>(
    losses: Tensor,
    options: LossOptions<R> & { readonly ignoreIndex?: number },
  ): Reduced<R, D> {
    const label = this.#label
    const z = this.#z
    const classes = z.shape[this.#axis]!
    const known = where(label.less(0), Number.NaN, where(label.less(classes), losses, Number.NaN))
    if (options.ignoreIndex === undefined) return reduceLoss(this.#name, known, options, this.weight)
    const ignored = label.equal(options.ignoreIndex)
    const counts = where(ignored, 0, this.weight ?? full(label.shape as Shape, 1, { dtype: z.dtype as DType }))
    return reduceLoss(this.#name, where(ignored, 0, known), options, counts)
  }
}

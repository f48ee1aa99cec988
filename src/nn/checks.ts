/**
 * @file What layers check alike: options, sizes, and the dtype of what they are given. In: a value and the layer's name.
 * Out: nothing, or an error that says what to do.
 *
 * checkOptions('nn.layerNorm', options, ['epsilon', 'affine', 'bias', 'dtype'])
 */
import { type DType, type FloatDType, isFloat } from '../base/dtype.js'
import { DtypeError, ValueError } from '../base/errors.js'
import { checkNames } from '../base/options.js'
import { formatShape, type Shape } from '../base/shape.js'
import type { Tensor } from '../trace/tensor.js'

export { checkNames as checkOptions }

/** Throws unless `size` is a whole number above 0; `what` is for the message: `the number of channels`. */
export function checkCount(operation: string, what: string, size: number): void {
  if (!Number.isInteger(size) || size < 1)
    throw new ValueError(operation, `${what} must be a whole number above 0, not ${size}`)
}

/** Throws unless p is a number from 0 to 1. */
export function checkProbability(operation: string, p: number): void {
  if (!(p >= 0 && p <= 1)) throw new ValueError(operation, `the probability must be from 0 to 1, not ${p}`)
}

/** The dtype a layer computes in: float32 unless given. Throws for one that is no float. */
export function floatDtype<D extends FloatDType>(operation: string, dtype: D | undefined): D {
  if (dtype !== undefined && !isFloat(dtype))
    throw new DtypeError(operation, `computes in float32 or float64, not ${String(dtype)}`)
  return dtype ?? ('float32' as D)
}

/** Throws where an input has another dtype than the layer, which `description` names as it was built. */
export function checkDtype(operation: string, x: Tensor, dtype: FloatDType, description: string): void {
  if (x.dtype !== dtype)
    throw new DtypeError(operation, `computes in ${dtype}, got ${x.dtype}${formatShape(x.shape as Shape)}`, {
      hint: isFloat(x.dtype as DType)
        ? `Build ${description} with { dtype: '${x.dtype}' }, or convert with .cast('${dtype}').`
        : `Convert with .cast('${dtype}').`,
    })
}

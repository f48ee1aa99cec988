/**
 * @file Scalars of an update rule: numbers known when it is built, or float64 tensors computed inside the program.
 * Arithmetic folds numbers at once, so that a rule is written the same way for both.
 *
 * minus(1, power(0.999, t)) → 1 − β₂ᵗ in float64, where float32 would be off by 1.3e-5
 */
import { full } from '../trace/creation.js'
import { type Tensor, where } from '../trace/tensor.js'

/** One number inside a program. */
export type ScalarTensor = Tensor<readonly [], 'float64'>

/** One number: known now, or computed inside a program. */
export type Scalar = number | ScalarTensor

const isNumber = (x: Scalar): x is number => typeof x === 'number'
/** A number where a tensor is needed. */
export const asTensor = (x: Scalar): ScalarTensor => (isNumber(x) ? full([], x, { dtype: 'float64' }) : x)

export function plus(a: Scalar, b: Scalar): Scalar {
  if (isNumber(a)) return isNumber(b) ? a + b : a === 0 ? b : b.add(a)
  return b === 0 ? a : a.add(b)
}
export function minus(a: Scalar, b: Scalar): Scalar {
  if (isNumber(b)) return isNumber(a) ? a - b : b === 0 ? a : a.sub(b)
  return isNumber(a) ? b.neg().add(a) : a.sub(b)
}
export function times(a: Scalar, b: Scalar): Scalar {
  if (isNumber(a)) return isNumber(b) ? a * b : a === 1 ? b : b.mul(a)
  return b === 1 ? a : a.mul(b)
}
export function over(a: Scalar, b: Scalar): Scalar {
  if (isNumber(b)) return isNumber(a) ? a / b : b === 1 ? a : a.div(b)
  return isNumber(a) ? (a === 1 ? b.reciprocal() : b.reciprocal().mul(a)) : a.div(b)
}
export const power = (a: number, b: Scalar): Scalar => (isNumber(b) ? a ** b : a === 1 ? 1 : asTensor(a).pow(b))
/** x^a; x is not negative. */
export const powerOf = (x: Scalar, a: number): Scalar => (isNumber(x) ? x ** a : a === 1 ? x : x.pow(a))
export const squareRoot = (x: Scalar): Scalar => (isNumber(x) ? Math.sqrt(x) : x.sqrt())
export const cosine = (x: Scalar): Scalar => (isNumber(x) ? Math.cos(x) : x.cos())
export const floor = (x: Scalar): Scalar => (isNumber(x) ? Math.floor(x) : x.floor())
export const least = (a: Scalar, b: number): Scalar => (isNumber(a) ? Math.min(a, b) : a.minimum(b))
export const greatest = (a: Scalar, b: number): Scalar => (isNumber(a) ? Math.max(a, b) : a.maximum(b))
/** a where x < bound, else b. */
export function below(x: Scalar, bound: number, a: Scalar, b: Scalar): Scalar {
  if (isNumber(x)) return x < bound ? a : b
  return where(x.less(bound), asTensor(a), asTensor(b)) as ScalarTensor
}

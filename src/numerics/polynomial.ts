/**
 * @file Small parts that every elementary function uses. In: arithmetic and values. Out: values.
 *
 * horner(a, x, [1, 0.5])   // 1 + x/2
 */
import type { FloatDType } from '../base/dtype.js'
import type { FloatArithmetic } from './arithmetic.js'

/** A constant or table by dtype, from scripts/elementary-coefficients.py. */
export type ByDtype<T> = { readonly [D in FloatDType]: T }

/** ln 2 as a sum of two positive parts; the first is short enough (16 and 32 bits) that an exponent times it is exact. */
export const ln2Parts: ByDtype<readonly [number, number]> = {
  float32: [0.693145751953125, 1.428606765330187e-6],
  float64: [0.6931471803691238, 1.9082149292705877e-10],
}

/**
 * Added to a small number it leaves room for an integer only, in the last bits of the sum, and rounds there.
 * Subtracted again, the integer remains; a bias added to it makes those bits an exponent, shifted into place.
 */
export const magic: ByDtype<number> = { float32: 3 * 2 ** 22, float64: 3 * 2 ** 51 }

/** c₀ + x(c₁ + x(c₂ + ...)), innermost first. */
export function horner<V>(a: FloatArithmetic<V>, x: V, coefficients: readonly number[]): V {
  let sum = a.number(coefficients[coefficients.length - 1]!)
  for (let i = coefficients.length - 2; i >= 0; i--) sum = a.fma(sum, x, a.number(coefficients[i]!))
  return sum
}

/** x held within [low, high]; NaN stays NaN. */
export function clamp<V>(a: FloatArithmetic<V>, x: V, low: number, high: number): V {
  const l = a.number(low)
  const h = a.number(high)
  return clampAbove(a, a.select(a.less(x, l), l, x), h)
}

/** min(x, high); NaN stays NaN. */
export function clampAbove<V>(a: FloatArithmetic<V>, x: V, high: V): V {
  return a.select(a.less(high, x), high, x)
}

/** A magnitude ≥ +0 with the sign of x. float64, which has no words here, takes the sign of −0 for plus. */
export function withSign<V>(a: FloatArithmetic<V>, magnitude: V, x: V): V {
  if (a.dtype === 'float64') return a.select(a.less(x, a.number(0)), a.negate(magnitude), magnitude)
  const { word } = a
  return a.fromBits(word.or(a.toBits(magnitude), word.and(a.toBits(x), word.word(0x80000000))))
}

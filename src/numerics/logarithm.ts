/**
 * @file log x and log(1 + x). In: arithmetic and a value. Out: the natural logarithm, without branches.
 * x = 2ᵉ·m with m in [√½, √2); log x = e·ln 2 + log m; log m = f + f²·P(f), f = m − 1.
 *
 * log(scalarArithmetic('float32', 'fused'), 2)   // 0.6931471824645996
 */
import type { FloatArithmetic } from './arithmetic.js'
import { type ByDtype, horner, ln2Parts } from './polynomial.js'

const sqrtHalf: ByDtype<number> = { float32: Math.fround(Math.SQRT1_2), float64: Math.SQRT1_2 }
/** The bits of √½, and what must be added to it to carry into the exponent at √½. */
const sqrtHalfBits = 0x3f3504f3
const carry = 0x3f800000 - sqrtHalfBits

/** (log(1 + f) − f)/f² */
const logTable: ByDtype<readonly number[]> = {
  float32: [-0.499999911, 0.333339512, -0.250017822, 0.199620545, -0.165700942, 0.149178326, -0.14309594, 0.0873717964], // 2^-24.97
  float64: [
    -0.5000000000000004, 0.3333333333333303, -0.2499999999997303, 0.20000000000085624, -0.16666666671551242,
    0.14285714279482542, -0.12499999594309413, 0.11111111108879432, -0.10000018252190375, 0.0909092711110489,
    -0.08332857874579364, 0.07691439032565654, -0.0715002012326857, 0.06685884232539206, -0.06193638851228524,
    0.05659035916175965, -0.056819408823645064, 0.06531442675222433, -0.05997004282847692, 0.02607876049240301,
  ], // 2^-56.57
}

/** log x. −∞ at ±0, NaN below. */
export function log<V>(a: FloatArithmetic<V>, x: V): V {
  const { minusExponent, mantissa } = splitPositive(a, x)
  const y = logOfParts(a, minusExponent, a.subtract(mantissa, a.number(1)))
  return atTheEdges(a, y, x, 0)
}

/** log(1 + x), precise near 0. −∞ at −1, NaN below. */
export function log1p<V>(a: FloatArithmetic<V>, x: V): V {
  const u = a.add(a.number(1), x)
  const four = a.number(4)
  let minusExponent: V
  let scale: V
  // f = (1 + x)·2⁻ᵉ − 1 from x itself, so that what 1 + x rounded away comes back; in quarters, since 2⁻ᵉ may be subnormal.
  if (a.dtype === 'float32') {
    const { word } = a
    const shifted = word.add(a.toBits(u), word.word(carry))
    minusExponent = a.subtract(a.number(127), a.fromWord(word.shiftRight(shifted, 23)))
    scale = a.fromBits(word.subtract(word.word(0x80000000), word.and(shifted, word.word(0xff800000))))
  } else {
    const high = a.lessEqual(a.number(2 * sqrtHalf.float64), a.mantissa(u))
    minusExponent = a.subtract(a.select(high, a.number(-1), a.number(0)), a.exponent(u))
    scale = a.pow2(a.add(minusExponent, a.number(2)))
  }
  const quarters = a.subtract(a.multiply(x, scale), a.subtract(four, scale))
  const y = logOfParts(a, minusExponent, a.multiply(quarters, a.number(0.25)))
  return atTheEdges(a, y, x, -1)
}

/** −e and m of a positive x = 2ᵉ·m, subnormals included, m in [√½, √2). Other x give junk. */
export function splitPositive<V>(a: FloatArithmetic<V>, x: V): { minusExponent: V; mantissa: V } {
  if (a.dtype === 'float32') {
    const { word } = a
    const subnormal = a.less(x, a.number(2 ** -126))
    const normal = a.select(subnormal, a.multiply(x, a.number(2 ** 24)), x)
    const bias = a.select(subnormal, a.number(151), a.number(127))
    const shifted = word.add(a.toBits(normal), word.word(carry))
    const minusExponent = a.subtract(bias, a.fromWord(word.shiftRight(shifted, 23)))
    const fraction = word.and(shifted, word.word(0x007fffff))
    return { minusExponent, mantissa: a.fromBits(word.add(fraction, word.word(sqrtHalfBits))) }
  }
  const subnormal = a.less(x, a.number(2 ** -1022))
  const normal = a.select(subnormal, a.multiply(x, a.number(2 ** 54)), x)
  const bias = a.select(subnormal, a.number(54), a.number(0))
  const mantissa = a.mantissa(normal)
  const high = a.lessEqual(a.number(2 * sqrtHalf.float64), mantissa)
  const minusExponent = a.subtract(a.select(high, a.subtract(bias, a.number(1)), bias), a.exponent(normal))
  return { minusExponent, mantissa: a.select(high, a.multiply(mantissa, a.number(0.5)), mantissa) }
}

/** e·ln 2 + log(1 + f), from −e: a zero e then leaves the sign of a zero f alone. */
function logOfParts<V>(a: FloatArithmetic<V>, minusExponent: V, f: V): V {
  const [ln2High, ln2Low] = ln2Parts[a.dtype]
  const low = a.multiply(minusExponent, a.number(-ln2Low))
  const tail = a.fma(a.multiply(f, f), horner(a, f, logTable[a.dtype]), low)
  return a.fma(minusExponent, a.number(-ln2High), a.add(f, tail))
}

/** y where pole < x < ∞; −∞ at the pole, NaN below it; x itself where it is ∞ or NaN. */
function atTheEdges<V>(a: FloatArithmetic<V>, y: V, x: V, pole: number): V {
  const edge = a.number(pole)
  const below = a.select(a.equal(x, edge), a.number(-Infinity), a.number(Number.NaN))
  return a.select(a.lessEqual(x, edge), below, a.select(a.less(x, a.number(Infinity)), y, x))
}

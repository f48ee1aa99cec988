/**
 * @file x to the y. In: arithmetic, base, exponent. Out: xʸ with IEEE 754's special cases, without branches.
 * xʸ = e^(y·log x). y·log x reaches 89 (float32) or 710, so that its error is multiplied by as much: the logarithm is
 * a sum of two floats, and so is the product. Products are made exact by Veltkamp's splitting and Dekker's product
 * (Dekker 1971, Numerische Mathematik 18), not by fma, so the result does not depend on the numerics mode much.
 *
 * power(scalarArithmetic('float32', 'portable'), -2, 3)   // -8
 */
import type { FloatArithmetic } from './arithmetic.js'
import { expOfSum } from './exponential.js'
import { splitPositive } from './logarithm.js'
import { type ByDtype, clamp, horner, ln2Parts } from './polynomial.js'

/** high + low, |low| ≤ ½ ulp(high). */
type Pair<V> = readonly [high: V, low: V]

const third: ByDtype<Pair<number>> = {
  float32: [0.3333333432674408, -9.934107758624577e-9],
  float64: [0.3333333333333333, 1.850371707708594e-17],
}
/** Beyond it every xʸ with x ≠ 1 overflows or vanishes, and Veltkamp's splitting still does not overflow. */
const largestExponent: ByDtype<number> = { float32: 2 ** 36, float64: 2 ** 70 }

/** (artanh(s)/s − 1 − s²/3)/s⁴ in s² */
const atanhTable: ByDtype<readonly number[]> = {
  float32: [0.200000763, 0.142735451, 0.117098272], // 2^-36.78
  float64: [
    0.19999999999999987, 0.14285714285723355, 0.1111111110860257, 0.09090909452926013, 0.07692277355575157,
    0.06668196265848132, 0.058367121113201484, 0.059998658844032826,
  ], // 2^-73.25
}

/** xʸ. x⁰ = 1 and 1ʸ = 1 even for NaN; a negative base needs an integer exponent, else NaN. */
export function power<V>(a: FloatArithmetic<V>, x: V, y: V): V {
  const zero = a.number(0)
  const one = a.number(1)
  const infinity = a.number(Infinity)
  const magnitude = a.abs(x)
  const [logHigh, logLow] = logPair(a, magnitude)
  const limit = largestExponent[a.dtype]
  const exponent = clamp(a, y, -limit, limit)
  const [high, error] = product(a, exponent, logHigh)
  const low = a.fma(exponent, logLow, error)
  const bound = a.dtype === 'float32' ? [-104, 89] : [-746, 710]
  const inRange = a.lessEqual(a.abs(high), a.number(1000))
  const size = expOfSum(a, clamp(a, high, bound[0]!, bound[1]!), a.select(inRange, low, zero))

  const isInteger = a.equal(a.floor(y), y)
  const half = a.multiply(y, a.number(0.5))
  const isOdd = a.and(isInteger, a.not(a.equal(a.floor(half), half)))
  const negative = a.less(x, zero)
  const finite = a.select(
    negative,
    a.select(isInteger, a.select(isOdd, a.negate(size), size), a.number(Number.NaN)),
    size,
  )
  // ±0 and ±∞: the base itself or its reciprocal, with its sign where the exponent is odd.
  const base = a.select(isOdd, x, magnitude)
  const extreme = a.select(a.less(y, zero), a.divide(one, base), base)
  const isExtreme = a.or(a.equal(magnitude, zero), a.equal(magnitude, infinity))
  const result = a.select(isExtreme, extreme, finite)
  // splitPositive makes something finite of a NaN: put it back.
  const known = a.select(a.and(a.equal(x, x), a.equal(y, y)), result, a.number(Number.NaN))
  return a.select(a.or(a.equal(y, zero), a.equal(x, one)), one, known)
}

/**
 * log x for finite x > 0 as a pair with about 1.4 times the dtype's digits:
 * log m = 2·artanh(s) = 2s(1 + s²/3 + s⁴P(s²)), s = (m − 1)/(m + 1) with |s| ≤ 0.172.
 */
function logPair<V>(a: FloatArithmetic<V>, x: V): Pair<V> {
  const one = a.number(1)
  const { minusExponent, mantissa: m } = splitPositive(a, x)
  const numerator = a.subtract(m, one)
  const denominator = a.add(m, one)
  const denominatorLow = a.subtract(m, a.subtract(denominator, one))
  const s = a.divide(numerator, denominator)
  const [back, backLow] = product(a, s, denominator)
  const rest = a.subtract(a.subtract(a.subtract(numerator, back), backLow), a.multiply(s, denominatorLow))
  const sLow = a.divide(rest, denominator)

  const [z, zError] = product(a, s, s)
  const zLow = a.add(zError, a.multiply(a.add(s, s), sLow))
  const [thirdHigh, thirdLow] = third[a.dtype]
  const [t, tError] = product(a, z, a.number(thirdHigh))
  const tLow = a.add(tError, a.add(a.multiply(z, a.number(thirdLow)), a.multiply(zLow, a.number(thirdHigh))))
  const series = a.multiply(a.multiply(z, z), horner(a, z, atanhTable[a.dtype]))
  const [u, uLow] = quickSum(a, t, a.add(series, tLow))

  const [v, vError] = product(a, s, u)
  const vLow = a.add(vError, a.add(a.multiply(s, uLow), a.multiply(sLow, u)))
  const [half, halfError] = quickSum(a, s, v)
  const halfLow = a.add(halfError, a.add(sLow, vLow))

  const [ln2High, ln2Low] = ln2Parts[a.dtype]
  const [sum, sumError] = quickSum(a, a.multiply(minusExponent, a.number(-ln2High)), a.add(half, half))
  const sumLow = a.add(a.add(sumError, a.add(halfLow, halfLow)), a.multiply(minusExponent, a.number(-ln2Low)))
  return quickSum(a, sum, sumLow)
}

/** x + y exactly, for |x| ≥ |y| or x = 0. */
function quickSum<V>(a: FloatArithmetic<V>, x: V, y: V): Pair<V> {
  const sum = a.add(x, y)
  return [sum, a.subtract(y, a.subtract(sum, x))]
}

/** x·y exactly. */
function product<V>(a: FloatArithmetic<V>, x: V, y: V): Pair<V> {
  const [xh, xl] = halves(a, x)
  const [yh, yl] = x === y ? [xh, xl] : halves(a, y)
  const p = a.multiply(x, y)
  const cross = a.add(a.subtract(a.multiply(xh, yh), p), a.multiply(xh, yl))
  return [p, a.add(a.add(cross, a.multiply(xl, yh)), a.multiply(xl, yl))]
}

/** x as a sum of two floats of half the digits. */
function halves<V>(a: FloatArithmetic<V>, x: V): Pair<V> {
  const c = a.multiply(x, a.number(a.dtype === 'float32' ? 4097 : 134217729))
  const high = a.subtract(c, a.subtract(c, x))
  return [high, a.subtract(x, high)]
}

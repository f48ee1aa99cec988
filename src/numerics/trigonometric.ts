/**
 * @file sin and cos. In: arithmetic and a value in radians. Out: its sine or cosine, without branches.
 * |x| = (q + f)·π/2 with an integer q and |f| ≤ ½; the value is a polynomial in r = f·π/2, sine or cosine by q mod 4.
 * float32: f is exact enough for every input: |x|·2/π modulo 4 in 96-bit integers, with the digits of 2/π that matter
 * for x's exponent (Payne & Hanek 1983, ACM SIGNUM 18). float64: multiples of π/2 in exact pieces, for |x| ≤ 2⁵².
 *
 * sin(scalarArithmetic('float32', 'fused'), 1)   // 0.8414710164070129
 */
import type { FloatArithmetic, WordArithmetic } from './arithmetic.js'
import { type ByDtype, horner } from './polynomial.js'

/** (sin(x)/x − 1)/x² in x² */
const sinTable: ByDtype<readonly number[]> = {
  float32: [-0.166666672, 0.0083333794, -0.000198530877, 2.832993e-6], // 2^-32.52
  float64: [
    -0.16666666666666666, 0.008333333333333066, -0.00019841269841002304, 2.755731909759111e-6, -2.5052077409606832e-8,
    1.605515202444863e-10, -7.431027475989166e-13,
  ], // 2^-63.09
}
/** (cos(x) − 1 + x²/2)/x⁴ in x² */
const cosTable: ByDtype<readonly number[]> = {
  float32: [0.0416666456, -0.00138873106, 2.44325638e-5], // 2^-32.99
  float64: [
    0.041666666666666664, -0.001388888888888841, 2.4801587301210362e-5, -2.7557319075898917e-7, 2.087672575457299e-9,
    -1.1467306073388307e-11, 4.613121481022093e-14,
  ], // 2^-68.82
}
/** 2/π·2⁻²⁴ in binary: two digits before the point, the rest after it. */
const twoOverPi = [0x00000028, 0xbe60db93, 0x91054a7f, 0x09d5f47d, 0x4d377036, 0xd8a5664f, 0x10e4107f, 0x9458eaf7]

/** π/2 to 12 digits. */
const halfPi12 = 3216 / 2048

/** sin x. NaN at ±∞ (float64: beyond ±2⁵², where neighbouring floats are more than a radian apart, as well). */
export function sin<V>(a: FloatArithmetic<V>, x: V): V {
  return a.dtype === 'float32' ? circular32(a, x, 0) : circular64(a, x, 0)
}

/** cos x = sin(x + π/2). NaN as for sin. */
export function cos<V>(a: FloatArithmetic<V>, x: V): V {
  return a.dtype === 'float32' ? circular32(a, x, 1) : circular64(a, x, 1)
}

/** sin(|r|) and cos(r), |r| ≤ π/4. */
function polynomials<V>(a: FloatArithmetic<V>, r: V): { sine: V; cosine: V } {
  const z = a.multiply(r, r)
  const sine = a.fma(a.multiply(r, z), horner(a, z, sinTable[a.dtype]), r)
  const cosine = a.fma(a.multiply(z, z), horner(a, z, cosTable[a.dtype]), a.fma(z, a.number(-0.5), a.number(1)))
  return { sine, cosine }
}

/** sin(x + turn·π/2) for turn 0 or 1. */
function circular32<V>(a: FloatArithmetic<V>, x: V, turn: 0 | 1): V {
  const { word: w } = a
  const magnitude = a.abs(x)
  const { quadrant, negative, r: reduced } = reduce32(a, magnitude)
  const near = a.less(magnitude, a.number(0.5))
  const finite = a.select(a.less(magnitude, a.number(Infinity)), reduced, a.number(Number.NaN))
  const { sine, cosine } = polynomials(a, a.select(near, magnitude, finite))
  const q = w.add(w.select(near, w.word(0), quadrant), w.word(turn))
  const even = w.equal(w.and(q, w.word(1)), w.word(0))
  // Signs meet in the top bit: of the half turn, of f (which cosine does not see), and for sine of x.
  let sign = w.shiftLeft(w.and(q, w.word(2)), 30)
  sign = w.xor(sign, w.select(even, w.select(near, w.word(0), negative), w.word(0)))
  if (turn === 0) sign = w.xor(sign, w.and(a.toBits(x), w.word(0x80000000)))
  const value = a.select(even, sine, cosine)
  return a.fromBits(w.xor(a.toBits(value), sign))
}

/** q (its last two bits count), the sign of f as a top bit, and |f|·π/2, for 0.5 ≤ x < ∞. */
function reduce32<V>(a: FloatArithmetic<V>, x: V): { quadrant: V; negative: V; r: V } {
  const { word: w } = a
  const bits = a.toBits(x)
  // x = M·2^(n − 24) with an integer M of 24 digits. Eight digits of n at a time move the window over 2/π, the rest M.
  const n = w.subtract(w.shiftRight(bits, 23), w.word(126))
  const exponent = w.shiftLeft(w.add(w.and(n, w.word(7)), w.word(150)), 23)
  const integer = a.toWord(a.fromBits(w.or(w.and(bits, w.word(0x007fffff)), exponent)))
  const [c0, c1, c2] = window(w, n)
  // The top 64 of the last 96 digits of the product: two before the point, 62 after it.
  const [middleHigh, middleLow] = [highProduct(w, integer, c1), w.multiply(integer, c1)]
  const lowHigh = highProduct(w, integer, c2)
  const low = w.add(middleLow, lowHigh)
  const carry = w.select(w.less(low, lowHigh), w.word(1), w.word(0))
  const high = w.add(w.add(w.multiply(integer, c0), middleHigh), carry)
  const raised = w.add(high, w.word(0x20000000))
  const fraction = w.subtract(w.and(raised, w.word(0x3fffffff)), w.word(0x20000000))
  const negative = w.and(fraction, w.word(0x80000000))
  const flip = w.select(w.equal(negative, w.word(0)), w.word(0), w.word(0xffffffff))
  const f = w.xor(fraction, flip)
  const fLow = w.xor(low, flip)
  // |f| in units of 2⁻³⁰ as a sum of two floats, then as one of 12 digits and a rest: times π/2 in such parts, r has
  // the error of one rounding.
  const sure = a.fromWord(w.and(f, w.word(0xffffff80)))
  const rest = a.fma(a.fromWord(fLow), a.number(2 ** -32), a.fromWord(w.and(f, w.word(0x7f))))
  const first = a.fromBits(w.and(a.toBits(a.add(sure, rest)), w.word(0xfffff000)))
  const second = a.add(a.subtract(sure, first), rest)
  const small = a.fma(first, a.number(Math.PI / 2 - halfPi12), a.multiply(second, a.number(Math.PI / 2)))
  const r = a.multiply(a.fma(first, a.number(halfPi12), small), a.number(2 ** -30))
  return { quadrant: w.shiftRight(raised, 30), negative, r }
}

/** 96 digits of 2/π·2⁻²⁴ from digit 8⌊n/8⌋ on, for n in 0..128. */
function window<V>(w: WordArithmetic<V>, n: V): [V, V, V] {
  const clear = (bit: number) => w.equal(w.and(n, w.word(bit)), w.word(0))
  const digits = twoOverPi.map((digit) => w.word(digit))
  const [no128, no64, no32, no16, no8] = [clear(128), clear(64), clear(32), clear(16), clear(8)]
  const by64 = [0, 1, 2, 3, 4].map((i) => w.select(no64, digits[i]!, digits[i + 2]!))
  const by32 = [0, 1, 2, 3].map((i) => w.select(no32, by64[i]!, by64[i + 1]!))
  const words = by32.map((digit, i) => w.select(no128, digit, digits[i + 4]!))
  const moved = (list: V[], by: number, unmoved: V) =>
    list.map((digit, i) => {
      const left = w.shiftLeft(digit, by)
      const next = list[i + 1]
      return w.select(unmoved, digit, next === undefined ? left : w.or(left, w.shiftRight(next, 32 - by)))
    })
  const by16 = moved(words, 16, no16)
  const by8 = moved(by16, 8, no8)
  return [by8[0]!, by8[1]!, by8[2]!]
}

/** The high word of the product of two words, the first below 2³¹. */
function highProduct<V>(w: WordArithmetic<V>, x: V, y: V): V {
  const mask = w.word(0xffff)
  const [xh, xl] = [w.shiftRight(x, 16), w.and(x, mask)]
  const [yh, yl] = [w.shiftRight(y, 16), w.and(y, mask)]
  const cross = w.multiply(xl, yh)
  const middle = w.add(w.add(w.shiftRight(w.multiply(xl, yl), 16), w.and(cross, mask)), w.multiply(xh, yl))
  return w.add(w.add(w.multiply(xh, yh), w.shiftRight(cross, 16)), w.shiftRight(middle, 16))
}

/** π/2 and 2²⁶·π/2 in pieces of 26 digits: a multiple below 2²⁶ of each but the last is exact. */
const halfPi = [1.5707963407039642, -1.3909067675399456e-8, 6.123233932053594e-17, 6.36831716351095e-25]
const largeHalfPi = [105414358, -0.9334217309951782, 4.109232731863699e-9, 4.273705304349221e-17]

/** sin(x + turn·π/2) in float64. */
function circular64<V>(a: FloatArithmetic<V>, x: V, turn: 0 | 1): V {
  const magnitude = a.abs(x)
  const minus = (part: number) => a.number(-part)
  // Away go multiples of 2²⁶·π/2, then of π/2; what is smaller than the last digit kept waits in `later`.
  const large = a.round(a.multiply(magnitude, a.number((2 / Math.PI) * 2 ** -26)))
  let rest = a.fma(large, minus(largeHalfPi[0]!), magnitude)
  rest = a.fma(large, minus(largeHalfPi[1]!), rest)
  const later = a.multiply(large, minus(largeHalfPi[2]!))
  const k = a.round(a.multiply(a.add(rest, later), a.number(2 / Math.PI)))
  rest = a.fma(k, minus(halfPi[0]!), rest)
  rest = a.fma(k, minus(halfPi[1]!), rest)
  const [first, firstError] = exactSum(a, rest, later)
  const [high, highError] = exactSum(a, first, a.multiply(k, minus(halfPi[2]!)))
  const tiny = a.fma(k, minus(halfPi[3]!), a.multiply(large, minus(largeHalfPi[3]!)))
  const low = a.add(a.add(firstError, highError), tiny)
  const r = a.add(high, low)
  const { sine, cosine } = polynomials(a, r)
  const q = a.add(k, a.number(turn))
  const half = a.multiply(q, a.number(0.5))
  const halfFloor = a.floor(half)
  const quarter = a.multiply(halfFloor, a.number(0.5))
  const value = a.select(a.equal(halfFloor, half), sine, cosine)
  const turned = a.select(a.equal(a.floor(quarter), quarter), value, a.negate(value))
  const inRange = a.select(a.lessEqual(magnitude, a.number(2 ** 52)), turned, a.number(Number.NaN))
  if (turn === 1) return inRange
  const signed = a.select(a.less(x, a.number(0)), a.negate(inRange), inRange)
  return a.select(a.equal(x, a.number(0)), x, signed)
}

/** x + y exactly: Knuth's sum. */
function exactSum<V>(a: FloatArithmetic<V>, x: V, y: V): [V, V] {
  const sum = a.add(x, y)
  const part = a.subtract(sum, x)
  return [sum, a.add(a.subtract(x, a.subtract(sum, part)), a.subtract(y, part))]
}

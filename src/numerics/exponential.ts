/**
 * @file eˣ, eˣ − 1 and tanh. In: arithmetic and a value. Out: the value of the function, without branches.
 * x = k·ln 2 + r with |r| ≤ ½ ln 2; eˣ = 2ᵏ·eʳ; eʳ is a polynomial.
 * k is rounded by adding 1.5·2^(p−1): it then stands in the last bits of the sum, ready to become an exponent.
 *
 * exp(scalarArithmetic('float32', 'fused'), 1)   // 2.7182817459106445
 */
import type { FloatArithmetic } from './arithmetic.js'
import { type ByDtype, clamp, clampAbove, horner, ln2Parts, magic, withSign } from './polynomial.js'

/** (eʳ − 1)/r */
const expTable: ByDtype<readonly number[]> = {
  float32: [1.0, 0.49999994, 0.166665211, 0.0416682661, 0.00836867746, 0.00138207467], // 2^-28.25
  float64: [
    1.0, 0.5, 0.16666666666666682, 0.04166666666666647, 0.00833333333331763, 0.0013888888889000345,
    0.0001984126989518761, 2.4801587089952084e-5, 2.7557235863859077e-6, 2.7557472923597213e-7, 2.5111737083495302e-8,
    2.0854343682270026e-9,
  ], // 2^-63.76
}
/** (eʳ − 1 − r)/r² */
const expm1Table: ByDtype<readonly number[]> = {
  float32: [0.5, 0.166666701, 0.0416665711, 0.00833202247, 0.00139198953, 0.000209361067], // 2^-31.19
  float64: [
    0.5, 0.16666666666666666, 0.041666666666666664, 0.008333333333334282, 0.00138888888888863, 0.0001984126983800706,
    2.4801587325684986e-5, 2.7557324136440007e-6, 2.7557263729564077e-7, 2.504885135702779e-8, 2.0923103359204665e-9,
    1.6797492489488645e-10,
  ], // 2^-64.9
}
/** (e²ʰ − 1)/h */
const tanhExpTable: ByDtype<readonly number[]> = {
  float32: [1.9999994, 1.99996591, 1.33341205, 0.670370817, 0.265263796], // 2^-23.37
  float64: [
    2.0, 2.0, 1.3333333333333346, 0.6666666666666635, 0.2666666666661642, 0.08888888888960221, 0.025396825465840142,
    0.006349206295027734, 0.0014109304762295848, 0.00028218852273763546, 5.142883754699838e-5, 8.541939172257803e-6,
  ], // 2^-63.76
}
/** (tanh(x)/x − 1)/x² in x² */
const tanhTable: ByDtype<readonly number[]> = {
  float32: [-0.333332121, 0.133296251, -0.0535953455, 0.0201927107, -0.00523356441], // 2^-26.24
  float64: [
    -0.33333333333333326, 0.13333333333332023, -0.053968253967462805, 0.021869488512300833, -0.008863235106867425,
    0.003592123214889318, -0.0014557971722384878, 0.0005898268995948492, -0.00023836292608001567, 9.483417366770154e-5,
    -3.529677820739432e-5, 1.0673267407007176e-5, -1.8529826484381532e-6,
  ], // 2^-62.4
}

/** eˣ. 0 below the subnormals, ∞ above the range. */
export function exp<V>(a: FloatArithmetic<V>, x: V): V {
  return expOfSum(a, a.dtype === 'float32' ? clamp(a, x, -104, 89) : clamp(a, x, -746, 710))
}

/** e^(x + low) for x within [−104, 89] (float32) or [−746, 710] (float64) and |low| ≪ |x|. */
export function expOfSum<V>(a: FloatArithmetic<V>, x: V, low?: V): V {
  const [ln2High, ln2Low] = ln2Parts[a.dtype]
  // The bias makes the last bits of the sum k + 254 > 0, twice the exponent bias plus k.
  const bias = a.number(magic[a.dtype] + (a.dtype === 'float32' ? 254 : 0))
  const shifted = a.fma(x, a.number(Math.LOG2E), bias)
  const k = a.subtract(shifted, bias)
  const high = a.fma(k, a.number(-ln2High), x)
  const r = low === undefined ? a.fma(k, a.number(-ln2Low), high) : a.add(high, a.fma(k, a.number(-ln2Low), low))
  const power = horner(a, r, [1, ...expTable[a.dtype]])
  // 2ᵏ in two factors: k goes down to −150 for subnormal results and up to 128. The first product is exact.
  if (a.dtype === 'float32') {
    const { word } = a
    const bits = a.toBits(shifted)
    const half = word.shiftRight(bits, 1)
    const first = a.fromBits(word.shiftLeft(half, 23))
    const second = a.fromBits(word.shiftLeft(word.subtract(bits, half), 23))
    return a.multiply(a.multiply(power, first), second)
  }
  const half = a.floor(a.multiply(k, a.number(0.5)))
  return a.multiply(a.multiply(power, a.pow2(half)), a.pow2(a.subtract(k, half)))
}

/** eˣ − 1, precise near 0. */
export function expm1<V>(a: FloatArithmetic<V>, x: V): V {
  const single = a.dtype === 'float32'
  const [ln2High, ln2Low] = ln2Parts[a.dtype]
  const c = single ? clamp(a, x, -20, 89) : clamp(a, x, -40, 710)
  // k changes at ln ¾ and ln 1½, where 2ᵏ·p and 2ᵏ − 1 cancel as little for k = 1 as for k = −1.
  const bias = a.number(magic[a.dtype] + (single ? 126 : 0))
  const shifted = a.add(a.fma(c, a.number(Math.LOG2E), a.number(-0.085)), bias)
  const k = a.subtract(shifted, bias)
  const r = a.fma(k, a.number(-ln2Low), a.fma(k, a.number(-ln2High), c))
  const p = a.fma(a.multiply(r, r), horner(a, r, expm1Table[a.dtype]), r)
  // 2ᵏ(1 + p) − 1 with s = 2ᵏ⁻¹, since 2ᵏ itself may overflow: 2p·s + (s − ½) + (s − ½).
  const s = single ? a.fromBits(a.word.shiftLeft(a.toBits(shifted), 23)) : a.pow2(a.subtract(k, a.number(1)))
  const rest = a.subtract(s, a.number(0.5))
  const y = a.add(a.fma(a.add(p, p), s, rest), rest)
  return a.select(a.equal(x, a.number(0)), x, y)
}

/** tanh(x): x·P(x²) up to 0.6875, then 1 − 2/(e²ˣ + 1) with the sign of x. */
export function tanh<V>(a: FloatArithmetic<V>, x: V): V {
  const magnitude = a.abs(x)
  const square = a.multiply(x, x)
  const small = a.multiply(x, a.fma(horner(a, square, tanhTable[a.dtype]), square, a.number(1)))
  const large = a.subtract(a.number(1), a.divide(a.number(2), a.add(expTwice(a, magnitude), a.number(1))))
  return a.select(a.less(magnitude, a.number(0.6875)), small, withSign(a, large, x))
}

/** e²ˣ for x ≥ 0, held at a value where tanh rounds to 1; an error of ln 2's product is nothing after 1 − 2/(e²ˣ + 1). */
function expTwice<V>(a: FloatArithmetic<V>, x: V): V {
  const single = a.dtype === 'float32'
  const c = clampAbove(a, x, a.number(single ? 10 : 20))
  const bias = a.number(magic[a.dtype] + (single ? 127 : 0))
  const shifted = a.fma(c, a.number(2 * Math.LOG2E), bias)
  const k = a.subtract(shifted, bias)
  const [high, low] = ln2Parts[a.dtype]
  let h = a.fma(k, a.number(single ? -Math.fround((high + low) / 2) : -high / 2), c)
  if (!single) h = a.fma(k, a.number(-low / 2), h)
  const power = horner(a, h, [1, ...tanhExpTable[a.dtype]])
  return a.multiply(power, single ? a.fromBits(a.word.shiftLeft(a.toBits(shifted), 23)) : a.pow2(k))
}

/**
 * @file erf(x) = 2/√π ∫₀ˣ e^(−t²) dt. In: arithmetic and a value. Out: its value, without branches.
 * x + x·P(x²) up to 0.86; beyond, 1 − erfc(|x|) with the sign of x, where erfc = 2^G(|x|) and G is a polynomial:
 * log₂ erfc is smooth, and its error is scaled by erfc, which is small there.
 *
 * erf(scalarArithmetic('float32', 'fused'), 1)   // 0.8427007794380188
 */
import type { FloatArithmetic } from './arithmetic.js'
import { type ByDtype, clampAbove, horner, magic, withSign } from './polynomial.js'

/** erf(x)/x − 1 in x² */
const smallTable: ByDtype<readonly number[]> = {
  float32: [0.128379166, -0.376125842, 0.112827763, -0.0268032122, 0.00505037932, -0.000630348979], // 2^-26.95
  float64: [
    0.1283791670955126, -0.37612638903184026, 0.11283791670969397, -0.02686617064831545, 0.005223977663591792,
    -0.0008548329778621435, 0.00012055460829007984, -1.4929591265675722e-5, 1.6543674675154348e-6,
    -1.748587175931621e-7, 2.4590581793613673e-8, -6.142327569767763e-9, 1.1660524261377829e-9,
  ], // 2^-56.33
}
/** log₂ erfc(x), in x for float32, in x − 3 for float64 */
const tailTable: ByDtype<readonly number[]> = {
  float32: [
    0.0002230096, -1.62940288, -0.914021194, -0.155884147, 0.0360215604, -0.00593328895, 0.000609121984, -2.8882494e-5,
  ], // 2^-32.99
  float64: [
    -15.466214597195474, -9.094394186110442, -1.3812278916400607, -0.0106930995371222, 0.0019524142539864829,
    -0.00035445883094694633, 6.215389123642393e-5, -1.0265411506826514e-5, 1.5428359890100533e-6,
    -1.9648658316005392e-7, 1.6462897818141024e-8, 8.783904610046937e-10, -8.521552666648396e-10, 3.146566827041419e-10,
    -5.1289381849553524e-11, 3.417829751250694e-12, -9.920081141207278e-12, -1.3574551280512202e-12,
    6.421181337391045e-13, 4.1477305200158907e-13, 8.606086759110733e-14, 4.106173645155042e-15,
  ], // 2^-63.89
}
/** (2ʳ − 1)/r */
const exp2Table: ByDtype<readonly number[]> = {
  float32: [0.693147182, 0.240226477, 0.0555035956, 0.00961850025, 0.00133909716, 0.000153289235], // 2^-28.31
  float64: [
    Math.LN2,
    0.2402265069591007,
    0.05550410866482324,
    0.00961812910762968,
    0.0013333558146067918,
    0.00015403530390926777,
    1.5252734139002693e-5,
    1.3215488918160557e-6,
    1.0177941242555559e-7,
    7.054085310856224e-9,
    4.4723489727757694e-10,
    2.6878391678674758e-11,
  ], // 2^-59.62
}

export function erf<V>(a: FloatArithmetic<V>, x: V): V {
  const single = a.dtype === 'float32'
  const magnitude = a.abs(x)
  const small = a.fma(horner(a, a.multiply(x, x), smallTable[a.dtype]), x, x)
  // Beyond 3.95 (5.95 in float64) erf rounds to 1.
  const c = clampAbove(a, magnitude, a.number(single ? 3.95 : 5.95))
  const log = horner(a, single ? c : a.subtract(c, a.number(3)), tailTable[a.dtype])
  const bias = a.number(magic[a.dtype] + (single ? 127 : 0))
  const shifted = a.add(log, bias)
  const k = a.subtract(shifted, bias)
  const fraction = horner(a, a.subtract(log, k), [1, ...exp2Table[a.dtype]])
  const scale = single ? a.fromBits(a.word.shiftLeft(a.toBits(shifted), 23)) : a.pow2(k)
  const complement = a.multiply(fraction, scale)
  const large = withSign(a, a.subtract(a.number(1), complement), x)
  return a.select(a.less(magnitude, a.number(0.86)), small, large)
}

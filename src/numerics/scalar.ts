/**
 * @file The arithmetic of arithmetic.ts on JavaScript numbers, one element at a time: the definition of the bits.
 */
import type { FloatDType } from '../base/dtype.js'
import type { FloatArithmetic, NumericsMode, WordArithmetic } from './arithmetic.js'

const scratch = new DataView(new ArrayBuffer(8))

/** The bits of the float32 nearest to x. */
export function bitsOf(x: number): number {
  scratch.setFloat32(0, x)
  return scratch.getUint32(0)
}

export function floatOf(bits: number): number {
  scratch.setUint32(0, bits)
  return scratch.getFloat32(0)
}

/**
 * a·b + c of float32 values, rounded once. The product is exact in float64; the sum is rounded to odd
 * (its last bit set when inexact), after which rounding to float32 is right. Boldo & Melquiond 2008, IEEE TC 57(4).
 */
export function fmaFloat32(a: number, b: number, c: number): number {
  const product = a * b
  const sum = product + c
  if (!Number.isFinite(sum)) return sum
  const back = sum - product
  const error = product - (sum - back) + (c - back)
  if (error === 0) return Math.fround(sum)
  scratch.setFloat64(0, sum)
  const low = scratch.getUint32(4)
  if (low & 1) return Math.fround(sum)
  // The last bit is even and the sum inexact: step one unit towards the true value, which makes it odd.
  const away = sum > 0 === error > 0
  if (away) scratch.setUint32(4, low | 1)
  else if (low !== 0) scratch.setUint32(4, low - 1)
  else {
    scratch.setUint32(4, 0xffffffff)
    scratch.setUint32(0, scratch.getUint32(0) - 1)
  }
  return Math.fround(scratch.getFloat64(0))
}

/** Ties to even, as IEEE's roundToIntegralTiesToEven. */
export function roundEven(x: number): number {
  const floor = Math.floor(x)
  const rest = x - floor
  if (rest < 0.5) return floor === 0 && x < 0 ? -0 : floor
  if (rest > 0.5) return floor + 1 === 0 && x < 0 ? -0 : floor + 1
  const even = floor % 2 === 0 ? floor : floor + 1
  return even === 0 && x < 0 ? -0 : even
}

/** The greater, NaN if either is, +0 above −0. Math.max does precisely this. */
export const maximum = Math.max
export const minimum = Math.min

export const words: WordArithmetic<number> = {
  word: (x) => x >>> 0,
  add: (a, b) => (a + b) >>> 0,
  subtract: (a, b) => (a - b) >>> 0,
  multiply: (a, b) => Math.imul(a, b) >>> 0,
  and: (a, b) => (a & b) >>> 0,
  or: (a, b) => (a | b) >>> 0,
  xor: (a, b) => (a ^ b) >>> 0,
  shiftLeft: (a, by) => (a << by) >>> 0,
  shiftRight: (a, by) => a >>> by,
  less: (a, b) => +(a < b),
  equal: (a, b) => +(a === b),
  select: (mask, a, b) => (mask ? a : b),
}

/** Float arithmetic on JavaScript numbers; masks are 0 and 1. */
export function scalarArithmetic(dtype: FloatDType, mode: NumericsMode): FloatArithmetic<number> {
  const single = dtype === 'float32'
  const r = single ? Math.fround : (x: number) => x
  const onlyFloat32 = (): never => {
    throw new Error('words are float32 only')
  }
  return {
    dtype,
    number: r,
    add: (a, b) => r(a + b),
    subtract: (a, b) => r(a - b),
    multiply: (a, b) => r(a * b),
    divide: (a, b) => r(a / b),
    fma: single && mode === 'fused' ? fmaFloat32 : (a, b, c) => r(r(a * b) + c),
    negate: (a) => -a,
    abs: Math.abs,
    sqrt: (a) => r(Math.sqrt(a)),
    floor: Math.floor,
    round: roundEven,
    less: (a, b) => +(a < b),
    lessEqual: (a, b) => +(a <= b),
    equal: (a, b) => +(a === b),
    and: (a, b) => a & b,
    or: (a, b) => a | b,
    not: (a) => +!a,
    select: (mask, a, b) => (mask ? a : b),
    pow2: single
      ? (n) => floatOf((n + 127) << 23)
      : (n) => {
          scratch.setUint32(0, (n + 1023) << 20)
          scratch.setUint32(4, 0)
          return scratch.getFloat64(0)
        },
    exponent: single
      ? (x) => ((bitsOf(x) >>> 23) & 255) - 127
      : (x) => {
          scratch.setFloat64(0, x)
          return ((scratch.getUint32(0) >>> 20) & 2047) - 1023
        },
    mantissa: single
      ? (x) => floatOf((bitsOf(x) & 0x007fffff) | 0x3f800000)
      : (x) => {
          scratch.setFloat64(0, x)
          scratch.setUint32(0, (scratch.getUint32(0) & 0x000fffff) | 0x3ff00000)
          return scratch.getFloat64(0)
        },
    toBits: single ? bitsOf : onlyFloat32,
    fromBits: single ? floatOf : onlyFloat32,
    fromWord: single ? Math.fround : onlyFloat32,
    toWord: single ? (x) => Math.floor(x) >>> 0 : onlyFloat32,
    word: words,
  }
}

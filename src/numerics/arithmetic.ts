/**
 * @file What the elementary functions are made of: arithmetic over some representation of a value.
 * A function such as `exp` is written once against these interfaces; the interpreters instantiate them with
 * JavaScript numbers, the lowering with values of the loop IR. Same formula, same bits, every engine.
 */
import type { FloatDType } from '../base/dtype.js'

/** Operations on one float dtype, IEEE 754 round to nearest even. `V`: floats and masks alike. */
export interface FloatArithmetic<V> {
  readonly dtype: FloatDType
  /** A constant, already rounded to `dtype`. */
  number(x: number): V
  add(a: V, b: V): V
  subtract(a: V, b: V): V
  multiply(a: V, b: V): V
  divide(a: V, b: V): V
  /** a·b + c. Rounded once in fused mode (float32); product rounded, then sum, in portable mode and for float64. */
  fma(a: V, b: V, c: V): V
  negate(a: V): V
  abs(a: V): V
  sqrt(a: V): V
  floor(a: V): V
  /** To the nearest integer, ties to even. */
  round(a: V): V
  less(a: V, b: V): V
  lessEqual(a: V, b: V): V
  /** False where either is NaN. */
  equal(a: V, b: V): V
  and(a: V, b: V): V
  or(a: V, b: V): V
  not(a: V): V
  select(mask: V, whereTrue: V, whereFalse: V): V
  /** 2ⁿ for an integer-valued float n in the normal exponent range (float32: −126..127, float64: −1022..1023). */
  pow2(n: V): V
  /** ⌊log₂|x|⌋ as a float, for normal x ≠ 0 (read from the exponent bits; other inputs give a finite junk value). */
  exponent(x: V): V
  /** |x| scaled by a power of two into [1, 2), for normal x ≠ 0: the sign is dropped (other inputs give finite junk in [1, 2)). */
  mantissa(x: V): V
  /** The bit pattern of a float32 as an unsigned word, and back. Throws for float64. */
  toBits(x: V): V
  fromBits(word: V): V
  /** An unsigned word's value as the nearest float; float32 only. */
  fromWord(word: V): V
  /** ⌊x⌋ of a non-negative float32 below 2³² as a word. */
  toWord(x: V): V
  readonly word: WordArithmetic<V>
}

/** Operations on unsigned 32-bit words, modulo 2³². */
export interface WordArithmetic<V> {
  word(x: number): V
  add(a: V, b: V): V
  subtract(a: V, b: V): V
  /** Low 32 bits of the product. */
  multiply(a: V, b: V): V
  and(a: V, b: V): V
  or(a: V, b: V): V
  xor(a: V, b: V): V
  /** Shifts by a constant 0..31; right shifts fill with zeros. */
  shiftLeft(a: V, by: number): V
  shiftRight(a: V, by: number): V
  less(a: V, b: V): V
  equal(a: V, b: V): V
  select(mask: V, whereTrue: V, whereFalse: V): V
}

/** How a float32 multiply-add rounds: once (`fused`), or after the product and after the sum (`portable`). */
export type NumericsMode = 'fused' | 'portable'

/**
 * @file Reading and building floats by their bits: 2ⁿ, exponents and mantissas, for each width and both forms.
 * In: the float on the operand stack. Out: the result on the operand stack. See FloatArithmetic for the meaning.
 */
import type { Code } from './code.js'

export type FloatBits = { readonly [S in 'f32' | 'f32x4' | 'f64' | 'f64x2']: (code: Code) => void }

/** 2⁵²: a float64 whose low bits are an integer added to it. */
const magic = 0x4330000000000000n

export const pow2: FloatBits = {
  f32: (code) => {
    code.instruction('i32.trunc_sat_f32_s')
    code.i32(127)
    code.instruction('i32.add')
    code.i32(23)
    code.instruction('i32.shl')
    code.instruction('f32.reinterpret_i32')
  },
  f32x4: (code) => {
    code.instruction('i32x4.trunc_sat_f32x4_s')
    code.words(127)
    code.instruction('i32x4.add')
    code.i32(23)
    code.instruction('i32x4.shl')
  },
  f64: (code) => {
    code.instruction('i32.trunc_sat_f64_s')
    code.instruction('i64.extend_i32_s')
    code.i64(1023n)
    code.instruction('i64.add')
    code.i64(52n)
    code.instruction('i64.shl')
    code.instruction('f64.reinterpret_i64')
  },
  f64x2: (code) => {
    code.instruction('i32x4.trunc_sat_f64x2_s_zero')
    code.instruction('i64x2.extend_low_i32x4_s')
    code.longs(1023n)
    code.instruction('i64x2.add')
    code.i32(52)
    code.instruction('i64x2.shl')
  },
}

export const exponent: FloatBits = {
  f32: (code) => {
    code.instruction('i32.reinterpret_f32')
    code.i32(23)
    code.instruction('i32.shr_u')
    code.i32(255)
    code.instruction('i32.and')
    code.i32(127)
    code.instruction('i32.sub')
    code.instruction('f32.convert_i32_s')
  },
  f32x4: (code) => {
    code.i32(23)
    code.instruction('i32x4.shr_u')
    code.words(255)
    code.instruction('v128.and')
    code.words(127)
    code.instruction('i32x4.sub')
    code.instruction('f32x4.convert_i32x4_s')
  },
  f64: (code) => {
    code.instruction('i64.reinterpret_f64')
    code.i64(52n)
    code.instruction('i64.shr_u')
    code.i64(2047n)
    code.instruction('i64.and')
    code.i64(1023n)
    code.instruction('i64.sub')
    code.instruction('f64.convert_i64_s')
  },
  // There is no conversion from 64-bit lanes: the exponent becomes the low bits of 2⁵², which is then subtracted.
  f64x2: (code) => {
    code.i32(52)
    code.instruction('i64x2.shr_u')
    code.longs(2047n)
    code.instruction('v128.and')
    code.longs(magic)
    code.instruction('v128.or')
    code.doubles(2 ** 52 + 1023)
    code.instruction('f64x2.sub')
  },
}

export const mantissa: FloatBits = {
  f32: (code) => {
    code.instruction('i32.reinterpret_f32')
    code.i32(0x007fffff)
    code.instruction('i32.and')
    code.i32(0x3f800000)
    code.instruction('i32.or')
    code.instruction('f32.reinterpret_i32')
  },
  f32x4: (code) => {
    code.words(0x007fffff)
    code.instruction('v128.and')
    code.words(0x3f800000)
    code.instruction('v128.or')
  },
  f64: (code) => {
    code.instruction('i64.reinterpret_f64')
    code.i64(0x000fffffffffffffn)
    code.instruction('i64.and')
    code.i64(0x3ff0000000000000n)
    code.instruction('i64.or')
    code.instruction('f64.reinterpret_i64')
  },
  f64x2: (code) => {
    code.longs(0x000fffffffffffffn)
    code.instruction('v128.and')
    code.longs(0x3ff0000000000000n)
    code.instruction('v128.or')
  },
}

/**
 * @file The elementary functions by name, over any arithmetic: what the interpreters and the lowering call.
 * Each is a fixed, branch-free formula, so that every engine gives the same bits. float32: at most 2 ulp over all
 * inputs in both modes; float64: at most 4 ulp on samples.
 *
 * elementary.tanh(scalarArithmetic('float32', 'portable'), 0.5)   // 0.46211716532707214
 */
import type { FloatArithmetic } from './arithmetic.js'
import { erf } from './error-function.js'
import { exp, expm1, tanh } from './exponential.js'
import { log, log1p } from './logarithm.js'
import { power } from './power.js'
import { cos, sin } from './trigonometric.js'

export { cos, erf, exp, expm1, log, log1p, power, sin, tanh }

export type UnaryFunction = <V>(a: FloatArithmetic<V>, x: V) => V
export type BinaryFunction = <V>(a: FloatArithmetic<V>, x: V, y: V) => V

export const unaryFunctions = { exp, log, expm1, log1p, tanh, erf, sin, cos } satisfies Record<string, UnaryFunction>
export const elementary = { ...unaryFunctions, pow: power } satisfies Record<string, UnaryFunction | BinaryFunction>

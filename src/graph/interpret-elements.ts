/**
 * @file What elementwise operations compute, one element at a time; attributes' meanings stand in op.ts.
 */
import { allocate, type DType, isFloat, roundTo, type TypedArray } from '../base/dtype.js'
import type { FloatArithmetic, NumericsMode } from '../numerics/arithmetic.js'
import * as elementary from '../numerics/elementary.js'
import { roundEven, scalarArithmetic, words } from '../numerics/scalar.js'
import { rounds, threefry2x32 } from '../numerics/threefry.js'
import { type Evaluate, floatDtype, multiplyAdd, type Round, rounding } from './interpret-rule.js'
import type { Node } from './node.js'
import type { Direction, Op } from './op.js'

export const elementRules = {
  constant:
    ({ node }) =>
    () =>
      node.attrs.value,
  negate: unary((x, round) => round(-x)),
  abs: unary((x, round) => round(Math.abs(x))),
  floor: unary(Math.floor),
  round: unary(roundEven),
  sqrt: unary((x, round) => round(Math.sqrt(x))),
  exp: elementaryUnary(elementary.exp),
  log: elementaryUnary(elementary.log),
  expm1: elementaryUnary(elementary.expm1),
  log1p: elementaryUnary(elementary.log1p),
  tanh: elementaryUnary(elementary.tanh),
  erf: elementaryUnary(elementary.erf),
  sin: elementaryUnary(elementary.sin),
  cos: elementaryUnary(elementary.cos),
  not: ({ node, operands: [x] }) =>
    node.type.dtype === 'bool' ? (i) => +!x![i] : (i) => roundTo(node.type.dtype, ~x![i]!),
  stopGradient: unary((x) => x),
  convert: ({ node, operands: [x] }) => {
    const from = node.operands[0]!.type.dtype
    return (i) => convertValue(x![i]!, from, node.type.dtype)
  },
  shiftLeft:
    ({ node, operands: [x] }) =>
    (i) =>
      words.shiftLeft(x![i]!, node.attrs.by),
  shiftRight:
    ({ node, operands: [x] }) =>
    (i) =>
      words.shiftRight(x![i]!, node.attrs.by),
  add: binary((a, b, round) => round(a + b)),
  subtract: binary((a, b, round) => round(a - b)),
  multiply: ({ node, operands: [a, b] }) => {
    const { dtype } = node.type
    const round = rounding(dtype)
    // Integers wrap: only the low 32 bits of the product count.
    return isFloat(dtype) ? (i) => round(a![i]! * b![i]!) : (i) => round(Math.imul(a![i]!, b![i]!))
  },
  divide: binary((a, b, round) => round(a / b)),
  maximum: binary((a, b) => Math.max(a, b)),
  minimum: binary((a, b) => Math.min(a, b)),
  power: ({ node, operands: [a, b], mode }) => {
    const arithmetic = scalarArithmetic(floatDtype(node), mode)
    return (i) => elementary.power(arithmetic, a![i]!, b![i]!)
  },
  and: binary((a, b, round) => round(a & b)),
  or: binary((a, b, round) => round(a | b)),
  xor: binary((a, b, round) => round(a ^ b)),
  compare: ({ node, operands: [a, b] }) => {
    const holds = comparisons[node.attrs.direction]
    return (i) => +holds(a![i]!, b![i]!)
  },
  select:
    ({ operands: [mask, a, b] }) =>
    (i) =>
      mask![i] ? a![i]! : b![i]!,
  fma: ({ node, operands: [a, b, c], mode }) => {
    const fma = multiplyAdd(node.type.dtype, mode)
    return (i) => fma(a![i]!, b![i]!, c![i]!)
  },
  randomBits:
    ({ operands: [key0, key1, counter, stream] }) =>
    (i) =>
      threefry2x32(words, [key0![i]!, key1![i]!], [counter![i]!, stream![i]!], rounds)[0],
  barrier:
    ({ operands: [x] }) =>
    (i) =>
      x![i]!,
  custom:
    ({ operands: [y] }) =>
    (i) =>
      y![i]!,
} satisfies { readonly [O in Op]?: Evaluate<O> }

/** One NaN for all: no op exposes payloads. */
export const canonical = (x: number): number => (Number.isNaN(x) ? Number.NaN : x)

/** The first element of an elementwise node, given its operands' values: what folds constants. */
export function elementOf(node: Node, operands: readonly TypedArray[], mode: NumericsMode): number {
  const rule = elementRules[node.op as keyof typeof elementRules] as Evaluate
  const out = allocate(node.type.dtype, 1)
  out[0] = canonical(rule({ node, operands, mode, loops: new Map() })(0))
  return out[0]
}

const comparisons: { readonly [D in Direction]: (a: number, b: number) => boolean } = {
  equal: (a, b) => a === b,
  notEqual: (a, b) => a !== b,
  less: (a, b) => a < b,
  lessEqual: (a, b) => a <= b,
  greater: (a, b) => a > b,
  greaterEqual: (a, b) => a >= b,
}

/** Float → integer truncates and saturates, NaN → 0; integer → narrower integer wraps; to bool is ≠ 0 (NaN: true). */
export function convertValue(x: number, from: DType, to: DType): number {
  if (to === 'bool') return +(x !== 0)
  if (isFloat(to) || !isFloat(from)) return roundTo(to, x)
  const [least, greatest] = to === 'int32' ? [-(2 ** 31), 2 ** 31 - 1] : to === 'uint32' ? [0, 2 ** 32 - 1] : [0, 255]
  return Number.isNaN(x) ? 0 : Math.min(greatest, Math.max(least, Math.trunc(x))) + 0
}

function unary<O extends Op>(f: (x: number, round: Round) => number): Evaluate<O> {
  return ({ node, operands: [x] }) => {
    const round = rounding(node.type.dtype)
    return (i) => f(x![i]!, round)
  }
}

function binary<O extends Op>(f: (a: number, b: number, round: Round) => number): Evaluate<O> {
  return ({ node, operands: [a, b] }) => {
    const round = rounding(node.type.dtype)
    return (i) => f(a![i]!, b![i]!, round)
  }
}

function elementaryUnary<O extends Op>(f: <V>(arithmetic: FloatArithmetic<V>, x: V) => V): Evaluate<O> {
  return ({ node, operands: [x], mode }) => {
    const arithmetic = scalarArithmetic(floatDtype(node), mode)
    return (i) => f(arithmetic, x![i]!)
  }
}

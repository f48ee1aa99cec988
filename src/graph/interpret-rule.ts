/**
 * @file What rules of the interpreter are made of: their type, rounding, and where elements are.
 * In: a node and its operands' values. Out: the element at a position.
 */
import { type DType, roundTo, type TypedArray } from '../base/dtype.js'
import { type Shape, stridesOf } from '../base/shape.js'
import type { NumericsMode } from '../numerics/arithmetic.js'
import { fmaFloat32 } from '../numerics/scalar.js'
import type { Body } from './body.js'
import type { Node } from './node.js'
import type { Op } from './op.js'

/** Prepares a node's evaluation and returns the element at a row-major position. */
export type Evaluate<O extends Op = Op> = (context: {
  readonly node: Node<O>
  readonly operands: readonly TypedArray[]
  readonly mode: NumericsMode
  /** Loops that have run on some operands: their other results need not run them again. */
  readonly loops: Map<Body, Known[]>
}) => (position: number) => number

export interface Known {
  readonly operands: readonly TypedArray[]
  readonly results: readonly TypedArray[]
}

export type Round = (x: number) => number

export const rounding =
  (dtype: DType): Round =>
  (x) =>
    roundTo(dtype, x)

export const floatDtype = (node: Node) => (node.type.dtype === 'float64' ? 'float64' : 'float32')

/** a·b + c: rounded once for float32 in fused mode, else after the product and after the sum. */
export function multiplyAdd(dtype: DType, mode: NumericsMode): (a: number, b: number, c: number) => number {
  if (dtype === 'float32' && mode === 'fused') return fmaFloat32
  const round = rounding(dtype)
  return (a, b, c) => round(round(a * b) + c)
}

/** The index along each axis of a row-major position. */
export function unravel(shape: Shape): (position: number) => number[] {
  const strides = stridesOf(shape)
  return (position) => strides.map((stride, axis) => Math.floor(position / stride) % shape[axis]!)
}

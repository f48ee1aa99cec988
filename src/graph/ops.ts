/**
 * @file Constructors of nodes: one a primitive, with broadcasting where users expect it, and a few compositions that
 * the derivatives and the facade share.
 */
import type { DType } from '../base/dtype.js'
import { roundTo } from '../base/dtype.js'
import { broadcastShapes, type Shape, sameShape } from '../base/shape.js'
import { make, type Node } from './node.js'
import {
  type CustomRule,
  contractOrder,
  convolutionOrder,
  type Direction,
  type Op,
  type OpAttrs,
  type ReduceKind,
  reduceOrder,
} from './op.js'

type Unary =
  | 'negate'
  | 'abs'
  | 'floor'
  | 'round'
  | 'sqrt'
  | 'exp'
  | 'log'
  | 'expm1'
  | 'log1p'
  | 'tanh'
  | 'erf'
  | 'sin'
  | 'cos'
  | 'not'
  | 'stopGradient'
type Binary = 'add' | 'subtract' | 'multiply' | 'divide' | 'maximum' | 'minimum' | 'power' | 'and' | 'or' | 'xor'

/** A scalar, rounded to its dtype. */
export const constant = (value: number, dtype: DType): Node =>
  make('constant', [], { dtype, value: roundTo(dtype, value) })

/** A tensor of one value. */
export const full = (value: number, dtype: DType, shape: Shape): Node => broadcastTo(constant(value, dtype), shape)
export const fullLike = (x: Node, value: number): Node => full(value, x.type.dtype, x.type.shape)

export const unary = (op: Unary, x: Node): Node => make(op, [x], {} as OpAttrs[Unary])

/** An elementwise op of two operands, broadcast against each other. */
export function binary(op: Binary, a: Node, b: Node): Node {
  const [x, y] = broadcastTogether(op, a, b)
  return make(op, [x, y], {} as OpAttrs[Binary])
}
export function compare(direction: Direction, a: Node, b: Node): Node {
  const [x, y] = broadcastTogether('compare', a, b)
  return make('compare', [x, y], { direction })
}
export function select(mask: Node, whereTrue: Node, whereFalse: Node): Node {
  const shape = broadcastShapes(
    'select',
    mask.type.shape,
    broadcastShapes('select', whereTrue.type.shape, whereFalse.type.shape),
  )
  return make(
    'select',
    [mask, whereTrue, whereFalse].map((x) => broadcastTo(x, shape)),
    {},
  )
}

function broadcastTogether(op: Op, a: Node, b: Node): [Node, Node] {
  if (sameShape(a.type.shape, b.type.shape)) return [a, b]
  const shape = broadcastShapes(op, a.type.shape, b.type.shape)
  return [broadcastTo(a, shape), broadcastTo(b, shape)]
}

export const add = (a: Node, b: Node): Node => binary('add', a, b)
export const subtract = (a: Node, b: Node): Node => binary('subtract', a, b)
export const multiply = (a: Node, b: Node): Node => binary('multiply', a, b)
export const divide = (a: Node, b: Node): Node => binary('divide', a, b)
export const negate = (x: Node): Node => unary('negate', x)

export const shift = (op: 'shiftLeft' | 'shiftRight', x: Node, by: number): Node => make(op, [x], { by })
export const convert = (x: Node, dtype: DType): Node => (x.type.dtype === dtype ? x : make('convert', [x], { dtype }))
export const reshape = (x: Node, shape: Shape): Node =>
  sameShape(x.type.shape, shape) ? x : make('reshape', [x], { shape })
export const broadcast = (x: Node, shape: Shape, axes: readonly number[]): Node =>
  sameShape(x.type.shape, shape) ? x : make('broadcast', [x], { shape, axes })
export const transpose = (x: Node, permutation: readonly number[]): Node =>
  permutation.every((p, i) => p === i) && permutation.length === x.type.shape.length
    ? x
    : make('transpose', [x], { permutation })
export const iota = (dtype: DType, shape: Shape, axis: number): Node => make('iota', [], { dtype, shape, axis })
export const slice = (x: Node, start: readonly number[], limit: readonly number[], stride?: readonly number[]): Node =>
  make('slice', [x], { start, limit, stride: stride ?? start.map(() => 1) })
/** A part is a buffer, and so a parameter of a kernel, of which WebAssembly's engines take a thousand at most. */
const mostParts = 256
/** Parts end to end; many of them in two or more stages. */
export function concatenate(parts: readonly Node[], axis: number): Node {
  if (parts.length === 1) return parts[0]!
  if (parts.length <= mostParts) return make('concatenate', parts, { axis })
  const size = Math.ceil(parts.length / Math.ceil(parts.length / mostParts))
  const joined: Node[] = []
  for (let i = 0; i < parts.length; i += size) joined.push(concatenate(parts.slice(i, i + size), axis))
  return concatenate(joined, axis)
}
export const reverse = (x: Node, axes: readonly number[]): Node =>
  axes.length === 0 ? x : make('reverse', [x], { axes })
export const pad = (
  x: Node,
  low: readonly number[],
  high: readonly number[],
  value = 0,
  interior?: readonly number[],
): Node => make('pad', [x], { low, high, interior: interior ?? low.map(() => 0), value })

/** Rows of x, by number. */
export const gather = (x: Node, numbers: Node): Node => make('gather', [x, numbers], {})

/** x with updates added to its rows, by number. */
export const scatterAdd = (x: Node, numbers: Node, updates: Node): Node => make('scatterAdd', [x, numbers, updates], {})

export const cumulativeSum = (x: Node, axis: number, reverse = false, exclusive = false): Node =>
  make('cumulativeSum', [x], { axis, reverse, exclusive })
export const argsort = (x: Node, axis: number, descending = false): Node => make('argsort', [x], { axis, descending })

/** x, no earlier than the others. */
export const barrier = (x: Node, after: readonly Node[]): Node => make('barrier', [x, ...after], {})
/** y, differentiated by a rule with respect to x. */
export const custom = (y: Node, x: readonly Node[], rule: CustomRule, result = 0): Node =>
  make('custom', [y, ...x], { rule, result })

/** Broadcast by NumPy's rule: axes aligned from the right. */
export function broadcastTo(x: Node, shape: Shape): Node {
  const offset = shape.length - x.type.shape.length
  return broadcast(
    x,
    shape,
    x.type.shape.map((_, i) => i + offset),
  )
}

/** Reduces over any axes; they are dropped. Axes that are not neighbours become one reduce a run, innermost first. */
export function reduce(kind: ReduceKind, x: Node, axes: readonly number[]): Node {
  const left = [...axes].sort((a, b) => a - b)
  let result = x
  while (left.length > 0) {
    const run = [left.pop()!]
    while (left.length > 0 && left[left.length - 1] === run[0]! - 1) run.unshift(left.pop()!)
    result = make('reduce', [result], { kind, axes: run, order: reduceOrder(result.type.shape, run) })
  }
  return result
}

/** The shape of x with `axes` of size 1: what a reduce with kept axes gives. */
export const keptShape = (shape: Shape, axes: readonly number[]): Shape =>
  shape.map((n, i) => (axes.includes(i) ? 1 : n))

export const contract = (
  lhs: Node,
  rhs: Node,
  axes: Omit<OpAttrs['contract'], 'order'> & Partial<Pick<OpAttrs['contract'], 'order'>>,
): Node => make('contract', [lhs, rhs], { order: contractOrder, ...axes })

export const windows = (x: Node, attrs: OpAttrs['windows']): Node => make('windows', [x], attrs)

export const convolution = (x: Node, w: Node, attrs: Omit<OpAttrs['convolution'], 'order'>): Node =>
  make('convolution', [x, w], { ...attrs, order: convolutionOrder(w.type.shape.slice(1)) })

export const randomBits = (key0: Node, key1: Node, counter: Node, stream: Node): Node =>
  make(
    'randomBits',
    [key0, key1, counter, stream].map((x) => broadcastTo(x, counter.type.shape)),
    {},
  )

/** The sum of x over whatever axes `shape` lacks or has as 1: the transpose of broadcasting to x's shape. */
export function sumTo(x: Node, shape: Shape): Node {
  if (sameShape(x.type.shape, shape)) return x
  const offset = x.type.shape.length - shape.length
  const axes = x.type.shape
    .map((_, i) => i)
    .filter((i) => i < offset || (shape[i - offset] === 1 && x.type.shape[i] !== 1))
  return reshape(reduce('sum', x, axes), shape)
}

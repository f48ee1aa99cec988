/**
 * @file The closed table of operations: what a program can say. One row per op in `OpAttrs`; every other table
 * (types, interpreter, vjp, lowering) is a total record over it, so that an op missing anywhere is a type error.
 * Names and semantics stay close to StableHLO's. Everything else (softmax, gelu, losses) is composed from these.
 */
import type { DType } from '../base/dtype.js'
import type { Shape } from '../base/shape.js'

/** The order in which a sum over n elements is carried out. It is data: computed from shapes, obeyed by every engine. */
export type Order =
  /** Ascending chains of `segment` elements from the identity; the segments' results added in ascending order. */
  | { readonly kind: 'chain'; readonly segment: number }
  /**
   * Within a segment element k goes to lane k mod `lanes`, each lane an ascending chain from the identity; lanes are
   * combined by a tree of halves (i with i + 8, i + 4, i + 2, i + 1); the segments' results in ascending order.
   */
  | { readonly kind: 'lanes'; readonly lanes: 16; readonly segment: number }

export type Direction = 'equal' | 'notEqual' | 'less' | 'lessEqual' | 'greater' | 'greaterEqual'
export type ReduceKind = 'sum' | 'maximum' | 'minimum'
type None = Record<never, never>

export interface OpAttrs {
  /** A leaf bound when the program runs: an argument, a Variable, a captured tensor. Never interned. */
  input: { readonly dtype: DType; readonly shape: Shape }
  /** A scalar. */
  constant: { readonly dtype: DType; readonly value: number }
  /** Element = its index along `axis`. */
  iota: { readonly dtype: DType; readonly shape: Shape; readonly axis: number }

  negate: None
  abs: None
  floor: None
  /** To the nearest integer, ties to even. */
  round: None
  sqrt: None
  exp: None
  log: None
  expm1: None
  log1p: None
  tanh: None
  erf: None
  sin: None
  cos: None
  /** Logical for bool, bitwise for int32 and uint32. */
  not: None
  /** The identity, through which no gradient flows. */
  stopGradient: None
  /** float → integer truncates and saturates, NaN → 0; to bool is `≠ 0`. */
  convert: { readonly dtype: DType }
  /** uint32, by 0..31; right shifts fill with zeros. */
  shiftLeft: { readonly by: number }
  shiftRight: { readonly by: number }

  add: None
  subtract: None
  multiply: None
  /** Floats only. */
  divide: None
  /** NaN if either is; −0 < +0. */
  maximum: None
  minimum: None
  power: None
  and: None
  or: None
  xor: None
  compare: { readonly direction: Direction }

  /** select(mask, whereTrue, whereFalse) */
  select: None
  /** fma(a, b, c) = a·b + c, rounded once in fused mode. Formed by one pass; float32 only. */
  fma: None
  /** First word of Threefry-2×32 with 13 rounds of (key0, key1) on (counter, stream). All uint32. */
  randomBits: None

  reshape: { readonly shape: Shape }
  /** Operand axis i becomes axis `axes[i]` of `shape`; its size is equal or 1. StableHLO broadcast_in_dim. */
  broadcast: { readonly shape: Shape; readonly axes: readonly number[] }
  /** Output axis i is operand axis permutation[i]. */
  transpose: { readonly permutation: readonly number[] }
  slice: { readonly start: readonly number[]; readonly limit: readonly number[]; readonly stride: readonly number[] }
  /** Adds `low` and `high` (≥ 0) elements of `value` at the ends of each axis, and `interior` between neighbours. */
  pad: {
    readonly low: readonly number[]
    readonly high: readonly number[]
    readonly interior: readonly number[]
    readonly value: number
  }
  concatenate: { readonly axis: number }
  reverse: { readonly axes: readonly number[] }
  /**
   * (x [n, ...rest], numbers int32 [...batch]) → x's rows of these numbers, [...batch, ...rest]; numbers are clamped to
   * 0..n − 1. StableHLO's gather of whole rows.
   */
  gather: None
  /**
   * Windows over `axes`: an axis of n elements becomes the places of its windows, ⌊(n − (size − 1)·dilation − 1) / stride⌋ + 1
   * of them, and the windows' own axes follow as the last ones, in the order of `axes`. A view: where windows overlap they
   * show the same elements.
   */
  windows: {
    readonly axes: readonly number[]
    readonly sizes: readonly number[]
    readonly strides: readonly number[]
    readonly dilations: readonly number[]
  }
  /**
   * (x [n, ...rest], numbers int32 [...batch], updates [...batch, ...rest]) → x with each update added to the row of its
   * number, in ascending order of the updates; numbers are clamped to 0..n − 1, as those of gather, whose transpose it is.
   */
  scatterAdd: None
  /**
   * Sums along an axis from its beginning, or in reverse from its end: one ascending chain from 0. Exclusive ones leave out
   * the element they stand at.
   */
  cumulativeSum: { readonly axis: number; readonly reverse: boolean; readonly exclusive: boolean }
  /** The places of the elements in ascending or descending order along an axis, as int32; stable; NaN counts as greatest. */
  argsort: { readonly axis: number; readonly descending: boolean }
  /**
   * (x, ...after) → x, no earlier than all of `after`: an x that passes through a barrier is another node, so that what is
   * computed from it is not taken for what has been computed from x before. StableHLO's optimization_barrier.
   */
  barrier: None
  /**
   * (y, ...x) → y, whose cotangent a rule turns into those of x. It is gone once differentiation is over. A joint rule gets the
   * cotangents of all its results together: of the nodes that differ in y and `result` alone.
   */
  custom: { readonly rule: CustomRule; readonly result: number }

  /** Over `axes`, neighbours in ascending order (the constructor splits others); the axes are dropped. */
  reduce: { readonly kind: ReduceKind; readonly axes: readonly number[]; readonly order: Order }
  /** StableHLO dot_general: output axes are [batch..., lhs free..., rhs free...]. Floats only. */
  contract: {
    readonly lhsBatch: readonly number[]
    readonly rhsBatch: readonly number[]
    readonly lhsContract: readonly number[]
    readonly rhsContract: readonly number[]
    readonly order: Order
  }
  /**
   * (x [n, groups·c, ...spatial], w [o, c, ...kernel]) → [n, o, ...places], a cross-correlation: output channels of group g
   * sum over the c input channels of group g and the window. x has `low` and `high` zeros at the ends of each spatial axis
   * (negative: elements left off) and windows a `dilation`. StableHLO's convolution in this layout; dilated inputs are
   * compositions (graph/convolution.ts). Sums go over [c, ...kernel] in row-major order. Floats only.
   */
  convolution: {
    readonly strides: readonly number[]
    readonly low: readonly number[]
    readonly high: readonly number[]
    readonly dilations: readonly number[]
    readonly groups: number
    readonly order: Order
  }
  /**
   * (carries..., xs..., invariants...) → one result of a loop: `body` runs `length` times on the carries (at first the
   * operands, then what it gave last), a slice of the first axis of each of the `slices` xs, and the invariants, and gives
   * the next carries and slices of the stacked results. Result k is carry k after the last iteration; those after the carries
   * are stacked along a new first axis. Reversed, the last slices come first. Nodes that differ in `result` alone are one loop.
   */
  scan: {
    readonly body: import('./body.js').Body
    readonly carries: number
    readonly slices: number
    readonly length: number
    readonly reverse: boolean
    readonly result: number
  }
}

/** How a `custom` node is differentiated; transform/vjp.ts says what `backward` takes and gives. */
export class CustomRule {
  static #made = 0
  /** What tells rules apart where attributes are compared. */
  readonly id = CustomRule.#made++
  readonly backward: (context: never) => unknown
  readonly joint: boolean

  constructor(backward: (context: never) => unknown, joint = false) {
    this.backward = backward
    this.joint = joint
  }

  toString(): string {
    return `#${this.id}`
  }
}

export type Op = keyof OpAttrs

export type OpCategory =
  | 'leaf'
  | 'unary'
  | 'binary'
  | 'ternary'
  | 'random'
  | 'view'
  | 'gather'
  | 'alone'
  | 'copy'
  | 'reduce'
  | 'contract'
  | 'loop'

/** What kind of thing each op is, and how many operands it takes (−1: one or more). */
export const opInfo: { readonly [O in Op]: { readonly category: OpCategory; readonly arity: number } } = {
  input: { category: 'leaf', arity: 0 },
  constant: { category: 'leaf', arity: 0 },
  iota: { category: 'leaf', arity: 0 },
  negate: { category: 'unary', arity: 1 },
  abs: { category: 'unary', arity: 1 },
  floor: { category: 'unary', arity: 1 },
  round: { category: 'unary', arity: 1 },
  sqrt: { category: 'unary', arity: 1 },
  exp: { category: 'unary', arity: 1 },
  log: { category: 'unary', arity: 1 },
  expm1: { category: 'unary', arity: 1 },
  log1p: { category: 'unary', arity: 1 },
  tanh: { category: 'unary', arity: 1 },
  erf: { category: 'unary', arity: 1 },
  sin: { category: 'unary', arity: 1 },
  cos: { category: 'unary', arity: 1 },
  not: { category: 'unary', arity: 1 },
  stopGradient: { category: 'unary', arity: 1 },
  convert: { category: 'unary', arity: 1 },
  shiftLeft: { category: 'unary', arity: 1 },
  shiftRight: { category: 'unary', arity: 1 },
  add: { category: 'binary', arity: 2 },
  subtract: { category: 'binary', arity: 2 },
  multiply: { category: 'binary', arity: 2 },
  divide: { category: 'binary', arity: 2 },
  maximum: { category: 'binary', arity: 2 },
  minimum: { category: 'binary', arity: 2 },
  power: { category: 'binary', arity: 2 },
  and: { category: 'binary', arity: 2 },
  or: { category: 'binary', arity: 2 },
  xor: { category: 'binary', arity: 2 },
  compare: { category: 'binary', arity: 2 },
  select: { category: 'ternary', arity: 3 },
  fma: { category: 'ternary', arity: 3 },
  randomBits: { category: 'random', arity: 4 },
  reshape: { category: 'view', arity: 1 },
  broadcast: { category: 'view', arity: 1 },
  transpose: { category: 'view', arity: 1 },
  slice: { category: 'view', arity: 1 },
  reverse: { category: 'view', arity: 1 },
  windows: { category: 'view', arity: 1 },
  gather: { category: 'gather', arity: 2 },
  scatterAdd: { category: 'alone', arity: 3 },
  cumulativeSum: { category: 'alone', arity: 1 },
  argsort: { category: 'alone', arity: 1 },
  barrier: { category: 'view', arity: -1 },
  custom: { category: 'view', arity: -1 },
  pad: { category: 'copy', arity: 1 },
  concatenate: { category: 'copy', arity: -1 },
  reduce: { category: 'reduce', arity: 1 },
  contract: { category: 'contract', arity: 2 },
  convolution: { category: 'contract', arity: 2 },
  scan: { category: 'loop', arity: -1 },
}

/** Elementwise ops that are better computed once and kept than computed again for each use. */
export const dearOps: ReadonlySet<Op> = new Set<Op>([
  'exp',
  'log',
  'expm1',
  'log1p',
  'tanh',
  'erf',
  'sin',
  'cos',
  'power',
  'randomBits',
  'divide',
  'sqrt',
])

/** Elementwise ops: output element i depends on element i of each operand. */
export const isElementwise = (op: Op): boolean => {
  const { category } = opInfo[op]
  return category === 'unary' || category === 'binary' || category === 'ternary' || category === 'random'
}

/** Contractions are cut every 512 elements of K; so are reductions over axes that are not innermost. */
const chainSegment = 512
/** Innermost reductions this long go by 16 lanes. */
const lanesFrom = 64
const lanesSegment = 4096

/** The order of a reduction of a tensor of this shape over these neighbouring axes. */
export function reduceOrder(shape: Shape, axes: readonly number[]): Order {
  const count = axes.reduce((n, axis) => n * shape[axis]!, 1)
  const last = axes[axes.length - 1]
  const inner = shape.slice(last === undefined ? 0 : last + 1).reduce((n, extent) => n * extent, 1)
  return inner === 1 && count >= lanesFrom
    ? { kind: 'lanes', lanes: 16, segment: lanesSegment }
    : { kind: 'chain', segment: chainSegment }
}

export const contractOrder: Order = { kind: 'chain', segment: chainSegment }

/**
 * The order of a convolution's sums over [c, ...kernel]: segments end where loops over these axes do. A segment is the
 * product of the last axes and a divisor of the one before them, at most 512.
 */
export function convolutionOrder(extents: Shape): Order {
  let segment = 1
  for (let axis = extents.length - 1; axis >= 0; axis--) {
    const extent = extents[axis]!
    if (segment * extent <= chainSegment) {
      segment *= Math.max(1, extent)
      continue
    }
    let part = Math.floor(chainSegment / segment)
    while (extent % part !== 0) part--
    segment *= part
    break
  }
  return { kind: 'chain', segment }
}

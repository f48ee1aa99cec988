/**
 * @file All derivatives on one page. Each rule turns the cotangent g of a node y into one cotangent an operand,
 * written with ordinary ops, so that derivatives can be differentiated again. `undefined`: nothing flows there.
 *
 * vjp.exp({ y, g, ... }) → [multiply(g, y)]
 */
import { isFloat } from '../base/dtype.js'
import type { Shape } from '../base/shape.js'
import type { Node } from '../graph/node.js'
import type { Op, OpAttrs } from '../graph/op.js'
import {
  add,
  binary,
  broadcast,
  compare,
  contract,
  convert,
  cumulativeSum,
  divide,
  fullLike,
  gather,
  multiply,
  negate,
  pad,
  reduce,
  reshape,
  reverse,
  scatterAdd,
  select,
  slice,
  subtract,
  transpose,
  unary,
} from '../graph/ops.js'
import { convolutionOperands, unwindow } from './vjp-windows.js'

export interface VjpContext<O extends Op> {
  /** The node being differentiated. */
  readonly y: Node<O>
  /** Its operands. */
  readonly x: readonly Node[]
  readonly attrs: OpAttrs[O]
  /** Its cotangent: the same type as y. */
  readonly g: Node
}

/** What the rule of a `custom` node does: from its value, what it was computed from and its cotangent, theirs. */
export type CustomBackward = (context: {
  readonly y: Node
  readonly x: readonly Node[]
  readonly g: Node
}) => readonly (Node | undefined)[]

/** What a joint rule does: from what its results were computed from and their cotangents, those of what they were computed from. */
export type JointBackward = (context: {
  readonly x: readonly Node[]
  /** By result; undefined where nothing flows. */
  readonly g: readonly (Node | undefined)[]
}) => readonly (Node | undefined)[]

/** A rule gives one cotangent an operand, in order; those left out are undefined. */
export type VjpRule<O extends Op> = (context: VjpContext<O>) => readonly (Node | undefined)[]

/** Constant between its jumps, or without a derivative at all. */
const nothing = (): readonly undefined[] => []

export const vjp: { readonly [O in Op]: VjpRule<O> } = {
  input: nothing,
  constant: nothing,
  iota: nothing,

  negate: ({ g }) => [negate(g)], // d(−x) = −dx
  abs: ({ x: [x], g }) => [bySign(x!, g, negate(g))], // d|x| = sign(x) dx, 0 at 0
  floor: nothing,
  round: nothing,
  sqrt: ({ y, g }) => [divide(g, scale(y, 2))], // d√x = dx / 2√x
  exp: ({ y, g }) => [multiply(g, y)], // d eˣ = eˣ dx
  log: ({ x: [x], g }) => [divide(g, x!)], // d ln x = dx / x
  expm1: ({ y, g }) => [multiply(g, plus(y, 1))], // d(eˣ − 1) = eˣ dx
  log1p: ({ x: [x], g }) => [divide(g, plus(x!, 1))], // d ln(1 + x) = dx / (1 + x)
  tanh: ({ y, g }) => [multiply(g, subtract(fullLike(y, 1), multiply(y, y)))], // d tanh x = (1 − tanh²x) dx
  // d erf x = 2/√π e^(−x²) dx
  erf: ({ x: [x], g }) => [multiply(g, scale(unary('exp', negate(multiply(x!, x!))), 2 / Math.sqrt(Math.PI)))],
  sin: ({ x: [x], g }) => [multiply(g, unary('cos', x!))], // d sin x = cos x dx
  cos: ({ x: [x], g }) => [negate(multiply(g, unary('sin', x!)))], // d cos x = −sin x dx
  not: nothing,
  stopGradient: nothing,
  convert: ({ x: [x], y, g }) => (isFloat(y.type.dtype) ? [convert(g, x!.type.dtype)] : []), // the identity on floats
  shiftLeft: nothing,
  shiftRight: nothing,

  add: ({ g }) => [g, g], // d(a + b) = da + db
  subtract: ({ g }) => [g, negate(g)], // d(a − b) = da − db
  multiply: ({ x: [a, b], g }) => [multiply(g, b!), multiply(g, a!)], // d(ab) = b da + a db
  divide: ({ x: [, b], y, g }) => [divide(g, b!), negate(multiply(divide(g, b!), y))], // d(a/b) = da/b − (a/b) db/b
  maximum: ({ x: [a, b], g }) => [whereGreater(a!, b!, g), whereGreater(b!, a!, g)], // the greater gets it; ties: half each
  minimum: ({ x: [a, b], g }) => [whereGreater(b!, a!, g), whereGreater(a!, b!, g)], // the lesser gets it; ties: half each
  power: ({ x: [a, b], y, g }) => [powerBase(a!, b!, g), powerExponent(a!, b!, y, g)],
  and: nothing,
  or: nothing,
  xor: nothing,
  compare: nothing,

  // each element goes where it came from
  select: ({ x: [mask], g }) => [undefined, select(mask!, g, fullLike(g, 0)), select(mask!, fullLike(g, 0), g)],
  fma: ({ x: [a, b], g }) => [multiply(g, b!), multiply(g, a!), g], // d(ab + c) = b da + a db + dc
  randomBits: nothing,

  reshape: ({ x: [x], g }) => [reshape(g, x!.type.shape)],
  broadcast: ({ x: [x], attrs, g }) => [unbroadcast(g, x!.type.shape, attrs.axes)], // copies add up
  transpose: ({ attrs, g }) => [transpose(g, inverse(attrs.permutation))],
  slice: ({ x: [x], attrs, g }) => [unslice(g, x!.type.shape, attrs)], // zeros where nothing was taken
  pad: ({ x: [x], attrs, g }) => [unpad(g, x!.type.shape, attrs)],
  concatenate: ({ x, attrs, g }) => split(g, x, attrs.axis),
  gather: ({ x: [x, numbers], g }) => [scatterAdd(zerosLike(x!), numbers!, g)], // each row gets the sum of what was taken from it
  scatterAdd: ({ x: [, numbers], g }) => [g, undefined, gather(g, numbers!)], // updates get what the rows they went to get
  // each element counts in all sums from its own on: those are summed from the other end
  cumulativeSum: ({ attrs: { axis, reverse, exclusive }, g }) => [cumulativeSum(g, axis, !reverse, exclusive)],
  argsort: nothing,
  barrier: ({ g }) => [g],
  custom: ({ x: [value, ...x], attrs, g }) => [
    undefined,
    ...(attrs.rule.backward as CustomBackward)({ y: value!, x, g }),
  ],
  reverse: ({ attrs, g }) => [reverse(g, attrs.axes)],
  windows: ({ x: [x], attrs, g }) => [unwindow(g, x!, attrs)], // what several windows show gets the sum

  reduce: ({ x: [x], y, attrs, g }) =>
    attrs.kind === 'sum'
      ? [spread(g, x!.type.shape, attrs.axes)] // dΣx = Σdx
      : [toExtremes(x!, y, attrs.axes, g)],
  contract: ({ x: [lhs, rhs], attrs, g }) => [
    contractOperand(g, lhs!, rhs!, attrs, 'lhs'),
    contractOperand(g, rhs!, lhs!, attrs, 'rhs'),
  ],
  convolution: ({ x: [x, w], attrs, g }) => convolutionOperands(g, x!, w!, attrs),
  scan: nothing, // all results of a loop at once, by a loop that goes back: scan-gradient.ts
}

const scale = (x: Node, factor: number): Node => multiply(x, fullLike(x, factor))
const plus = (x: Node, value: number): Node => add(x, fullLike(x, value))
const zerosLike = (x: Node): Node => fullLike(x, 0)

/** whereNegative, 0 or wherePositive by the sign of x. */
const bySign = (x: Node, wherePositive: Node, whereNegative: Node): Node =>
  select(
    compare('greater', x, zerosLike(x)),
    wherePositive,
    select(compare('less', x, zerosLike(x)), whereNegative, zerosLike(x)),
  )

/** g where a > b, half of it where they are equal (as torch.maximum), 0 where a < b. NaN lets g through. */
const whereGreater = (a: Node, b: Node, g: Node): Node =>
  select(compare('less', a, b), zerosLike(g), select(compare('equal', a, b), scale(g, 0.5), g))

/** ∂aᵇ/∂a = b aᵇ⁻¹, and 0 for b = 0 at every a. The exponent is replaced there, so that no 0 · ∞ arises further on. */
function powerBase(a: Node, b: Node, g: Node): Node {
  const isZero = compare('equal', b, zerosLike(b))
  const exponent = select(isZero, fullLike(b, 1), plus(b, -1))
  const slope = multiply(b, binary('power', a, exponent))
  return multiply(g, select(isZero, zerosLike(b), slope))
}

/** ∂aᵇ/∂b = aᵇ ln a, and 0 for a = 0, b ≥ 0. The logarithm's argument is replaced there: no 0 · ∞. */
function powerExponent(a: Node, b: Node, y: Node, g: Node): Node {
  const zero = zerosLike(a)
  const isFlat = binary('and', compare('equal', a, zero), compare('greaterEqual', b, zero))
  const logarithm = unary('log', select(isFlat, fullLike(a, 1), a))
  return multiply(g, select(isFlat, zero, multiply(y, logarithm)))
}

/** The sum of g over the axes that broadcasting made or stretched. */
function unbroadcast(g: Node, shape: Shape, axes: readonly number[]): Node {
  const summed = g.type.shape
    .map((_, axis) => axis)
    .filter((axis) => {
      const from = axes.indexOf(axis)
      return from < 0 || shape[from] !== g.type.shape[axis]
    })
  return reshape(reduce('sum', g, summed), shape)
}

/** Back to `shape`, repeated along the `axes` that a reduction dropped. */
const spread = (x: Node, shape: Shape, axes: readonly number[]): Node =>
  broadcast(
    x,
    shape,
    shape.map((_, axis) => axis).filter((axis) => !axes.includes(axis)),
  )

/** d max x goes to the greatest elements, evenly among equals (as torch.amax); likewise for min. */
function toExtremes(x: Node, y: Node, axes: readonly number[], g: Node): Node {
  const { shape, dtype } = x.type
  const isExtreme = compare('equal', x, spread(y, shape, axes))
  const count = reduce('sum', convert(isExtreme, dtype), axes)
  return select(isExtreme, spread(divide(g, count), shape, axes), zerosLike(x))
}

/** The transpose of slicing: each element of g back at its place, `stride − 1` zeros between neighbours. */
function unslice(g: Node, shape: Shape, { start, stride }: OpAttrs['slice']): Node {
  const taken = g.type.shape.map((n, axis) => (n === 0 ? 0 : (n - 1) * stride[axis]! + 1))
  return pad(
    g,
    start,
    shape.map((extent, axis) => extent - start[axis]! - taken[axis]!),
    0,
    stride.map((s) => s - 1),
  )
}

/** The transpose of padding: what was added is dropped. */
function unpad(g: Node, shape: Shape, { low, interior }: OpAttrs['pad']): Node {
  const limit = shape.map((n, axis) => low[axis]! + (n === 0 ? 0 : (n - 1) * (interior[axis]! + 1) + 1))
  return slice(
    g,
    low,
    limit,
    interior.map((n) => n + 1),
  )
}

/** The transpose of concatenating: each part gets its piece of g. */
function split(g: Node, parts: readonly Node[], axis: number): Node[] {
  const { shape } = g.type
  let offset = 0
  return parts.map((part) => {
    const from = offset
    offset += part.type.shape[axis]!
    return slice(
      g,
      shape.map((_, i) => (i === axis ? from : 0)),
      shape.map((extent, i) => (i === axis ? offset : extent)),
    )
  })
}

/**
 * The cotangent of one operand of C = A × B, itself a contraction: dA = g × B over B's free axes. Of the two ways to
 * write it, (g, B) and (B, g), the one whose axes come out in A's layout needs no transpose; products commute exactly.
 */
function contractOperand(g: Node, operand: Node, other: Node, attrs: OpAttrs['contract'], side: 'lhs' | 'rhs'): Node {
  const isLeft = side === 'lhs'
  const batch = isLeft ? attrs.lhsBatch : attrs.rhsBatch
  const inner = isLeft ? attrs.lhsContract : attrs.rhsContract
  const otherBatch = isLeft ? attrs.rhsBatch : attrs.lhsBatch
  const otherInner = isLeft ? attrs.rhsContract : attrs.lhsContract
  const free = freeAxes(operand, batch, inner)
  const otherFree = freeAxes(other, otherBatch, otherInner)

  // g's axes are [batch, lhs free, rhs free].
  const gBatch = batch.map((_, i) => i)
  const gInner = otherFree.map((_, i) => batch.length + (isLeft ? free.length : 0) + i)

  // The other operand's contracted axes survive in ascending order; `innerFrom` finds ours among them.
  const ascending = [...otherInner].sort((a, b) => a - b)
  const innerFrom = otherInner.map((axis) => ascending.indexOf(axis))
  const permutation = (freeStart: number, innerStart: number) =>
    operand.type.shape.map((_, axis) => {
      if (batch.includes(axis)) return batch.indexOf(axis)
      if (free.includes(axis)) return freeStart + free.indexOf(axis)
      return innerStart + innerFrom[inner.indexOf(axis)]!
    })
  const gFirst = permutation(batch.length, batch.length + free.length)
  const otherFirst = permutation(batch.length + inner.length, batch.length)

  if (isIdentity(otherFirst) && !isIdentity(gFirst))
    return contract(other, g, { lhsBatch: otherBatch, rhsBatch: gBatch, lhsContract: otherFree, rhsContract: gInner })
  return transpose(
    contract(g, other, { lhsBatch: gBatch, rhsBatch: otherBatch, lhsContract: gInner, rhsContract: otherFree }),
    gFirst,
  )
}

const freeAxes = (x: Node, batch: readonly number[], inner: readonly number[]): number[] =>
  x.type.shape.map((_, axis) => axis).filter((axis) => !batch.includes(axis) && !inner.includes(axis))

const isIdentity = (permutation: readonly number[]): boolean => permutation.every((axis, i) => axis === i)

function inverse(permutation: readonly number[]): number[] {
  const result = new Array<number>(permutation.length)
  permutation.forEach((axis, i) => {
    result[axis] = i
  })
  return result
}

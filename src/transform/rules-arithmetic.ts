/**
 * @file Rules about values. Each holds to the bit: x + 0 → x is no rule (it would turn 0 into −0), x + −0 → x is one.
 */
import { allocate, isFloat, roundTo } from '../base/dtype.js'
import { sizeOf } from '../base/shape.js'
import { elementOf } from '../graph/interpret-elements.js'
import { isOp, make, type Node } from '../graph/node.js'
import { isElementwise, type Op, opInfo } from '../graph/op.js'
import {
  add,
  broadcast,
  compare,
  constant,
  convert,
  divide,
  fullLike,
  multiply,
  negate,
  reshape,
  select,
  subtract,
  unary,
} from '../graph/ops.js'
import { type Rule, rule } from './rewrite.js'

const elementwiseOps = (Object.keys(opInfo) as Op[]).filter(isElementwise)

export const arithmeticRules: readonly Rule[] = [
  rule(elementwiseOps, 'f(constants) → constant', ({ node, x, mode }) => {
    const values = x.map((operand) => (isOp(operand, 'constant') ? operand.attrs.value : undefined))
    if (values.includes(undefined)) return undefined
    const arrays = values.map((value, i) => allocate(x[i]!.type.dtype, 1).fill(value!))
    return constant(elementOf(node, arrays, mode), node.type.dtype)
  }),
  rule(elementwiseOps, 'f(broadcast x, broadcast y) → broadcast f(x, y)', ({ node }) => beforeBroadcast(node)),

  rule('add', 'x + −0 → x (integers: x + 0)', ({ x: [a, b] }) =>
    isValue(b!, zeroOf(b!)) ? a : isValue(a!, zeroOf(a!)) ? b : undefined,
  ),
  rule('add', 'a + −b → a − b', ({ x: [a, b] }) => {
    const [left, right] = [operandOf(a!, 'negate'), operandOf(b!, 'negate')]
    return right ? subtract(a!, right) : left ? subtract(b!, left) : undefined
  }),
  rule('subtract', 'x − 0 → x', ({ x: [a, b] }) => (isValue(b!, 0) ? a : undefined)),
  rule('subtract', '−0 − x → −x (integers: 0 − x)', ({ x: [a, b] }) =>
    isValue(a!, zeroOf(a!)) ? negate(b!) : undefined,
  ),
  rule('subtract', 'a − −b → a + b', ({ x: [a, b] }) => {
    const right = operandOf(b!, 'negate')
    return right && add(a!, right)
  }),
  rule('multiply', 'x · 1 → x', ({ x: [a, b] }) => (isValue(b!, 1) ? a : isValue(a!, 1) ? b : undefined)),
  rule('multiply', 'x · −1 → −x', ({ x: [a, b] }) =>
    isValue(b!, -1) ? negate(a!) : isValue(a!, -1) ? negate(b!) : undefined,
  ),
  rule(['multiply', 'divide'], '−a · −b → a · b, −a / −b → a / b', ({ node, x: [a, b] }) => {
    const [left, right] = [operandOf(a!, 'negate'), operandOf(b!, 'negate')]
    return left && right && (isOp(node, 'divide') ? divide(left, right) : multiply(left, right))
  }),
  rule('divide', 'x / 1 → x', ({ x: [a, b] }) => (isValue(b!, 1) ? a : undefined)),
  rule('divide', 'x / 2ᵏ → x · 2⁻ᵏ', ({ x: [a, b] }) => {
    const reciprocal = exactReciprocal(b!)
    return reciprocal === undefined ? undefined : multiply(a!, fullLike(a!, reciprocal))
  }),
  rule('negate', '−(−x) → x', ({ x: [a] }) => operandOf(a!, 'negate')),
  rule('abs', '|−x| → |x|', ({ x: [a] }) => {
    const inner = operandOf(a!, 'negate')
    return inner && unary('abs', inner)
  }),
  rule('abs', '||x|| → |x|', ({ x: [a] }) => (isOp(a!, 'abs') ? a : undefined)),
  rule(['floor', 'round'], '⌊⌊x⌋⌋ → ⌊x⌋ (and round: whole numbers stay)', ({ x: [a] }) =>
    isOp(a!, 'floor') || isOp(a!, 'round') ? a : undefined,
  ),
  rule(['maximum', 'minimum', 'and', 'or'], 'x ∘ x → x', ({ x: [a, b] }) => (a === b ? a : undefined)),
  rule('and', 'x ∧ true → x, x ∧ false → false', ({ x: [a, b] }) => absorb(a!, b!, true)),
  rule('or', 'x ∨ false → x, x ∨ true → true', ({ x: [a, b] }) => absorb(a!, b!, false)),
  rule('xor', 'x ⊻ false → x', ({ x: [a, b] }) => (isValue(b!, 0) ? a : isValue(a!, 0) ? b : undefined)),
  rule('not', '¬¬x → x', ({ x: [a] }) => operandOf(a!, 'not')),
  rule('not', '¬(a = b) → a ≠ b, and back (true of NaN as well)', ({ x: [a] }) => {
    if (!isOp(a!, 'compare')) return undefined
    const { direction } = a.attrs
    const opposite = direction === 'equal' ? 'notEqual' : direction === 'notEqual' ? 'equal' : undefined
    return opposite && compare(opposite, a.operands[0]!, a.operands[1]!)
  }),
  rule('select', 'm ? a : a → a', ({ x: [, a, b] }) => (a === b ? a : undefined)),
  rule('select', 'true ? a : b → a, false ? a : b → b', ({ x: [mask, a, b] }) => {
    const value = uniformValue(mask!)
    return value === undefined ? undefined : value ? a : b
  }),
  rule('select', '¬m ? a : b → m ? b : a', ({ x: [mask, a, b] }) => {
    const inner = operandOf(mask!, 'not')
    return inner && select(inner, b!, a!)
  }),
  rule('stopGradient', 'stopGradient x → x (differentiation is over)', ({ x: [a] }) => a),
  rule('custom', 'custom(y, …) → y (differentiation is over)', ({ x: [y] }) => y),
  rule('convert', 'convert(convert x) → convert x, where the first loses nothing', ({ node, x: [a] }) => {
    if (!isOp(a!, 'convert')) return undefined
    const inner = a.operands[0]!
    const [from, via, to] = [inner.type.dtype, a.type.dtype, node.type.dtype]
    const isSmall = (from === 'bool' || from === 'uint8') && via !== 'bool'
    const isThereAndBack = from === 'float32' && via === 'float64' && to === 'float32'
    return isSmall || isThereAndBack ? convert(inner, to) : undefined
  }),
]

/** The value all elements of a constant, or of a broadcast constant, have. */
export function uniformValue(node: Node): number | undefined {
  if (isOp(node, 'constant')) return node.attrs.value
  const source = isOp(node, 'broadcast') ? node.operands[0]! : undefined
  return source && isOp(source, 'constant') ? source.attrs.value : undefined
}

/** Whether every element is this value; −0 is not 0. */
const isValue = (node: Node, value: number): boolean => Object.is(uniformValue(node), value)

/** e with x + e = x for every x of this dtype. */
const zeroOf = (node: Node): number => (isFloat(node.type.dtype) ? -0 : 0)

/** The operand of a node of one op. */
const operandOf = (node: Node, op: Op): Node | undefined => (isOp(node, op) ? node.operands[0] : undefined)

/** Bools only: `neutral` changes nothing, its opposite decides. (Of integers, all bits would have to be set.) */
function absorb(a: Node, b: Node, neutral: boolean): Node | undefined {
  if (a.type.dtype !== 'bool') return undefined
  for (const [x, y] of [
    [a, b],
    [b, a],
  ] as const) {
    const value = uniformValue(y)
    if (value !== undefined) return !!value === neutral ? x : y
  }
  return undefined
}

/** 1/c if c is a power of two whose reciprocal is a normal number: then x / c and x · (1/c) round alike. */
function exactReciprocal(node: Node): number | undefined {
  const value = uniformValue(node)
  const { dtype } = node.type
  if (value === undefined || value === 0 || !Number.isFinite(value)) return undefined
  const reciprocal = roundTo(dtype, 1 / value)
  const isPower = Math.abs(value) === 2 ** Math.round(Math.log2(Math.abs(value)))
  const least = dtype === 'float32' ? 2 ** -126 : 2 ** -1022
  return isPower && Number.isFinite(reciprocal) && Math.abs(reciprocal) >= least ? reciprocal : undefined
}

/**
 * An elementwise op whose operands are all broadcasts works on fewer elements before they are broadcast: over the
 * axes along which at least one operand varies. With scalars alone, on one element: schedules and bias corrections
 * cost nothing, however they were written.
 */
function beforeBroadcast(node: Node): Node | undefined {
  const { shape } = node.type
  if (shape.length === 0 || !node.operands.every((operand) => isOp(operand, 'broadcast'))) return undefined
  const sources = node.operands.map((operand) => {
    const source = operand.operands[0]!
    const { axes } = (operand as Node<'broadcast'>).attrs
    return { source, varying: axes.filter((_, i) => source.type.shape[i] !== 1) }
  })
  const union = shape.map((_, axis) => axis).filter((axis) => sources.some(({ varying }) => varying.includes(axis)))
  const smaller = union.map((axis) => shape[axis]!)
  const isScalar = sources.every(({ source }) => source.type.shape.length === 0)
  if (sizeOf(smaller) >= sizeOf(shape) && !isScalar) return undefined
  const operands = sources.map(({ source, varying }) =>
    broadcast(
      reshape(
        source,
        varying.map((axis) => shape[axis]!),
      ),
      smaller,
      varying.map((axis) => union.indexOf(axis)),
    ),
  )
  return broadcast(make(node.op, operands, node.attrs), shape, union)
}

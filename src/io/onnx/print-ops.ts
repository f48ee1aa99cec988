/**
 * @file Each operation of a Gradus graph as ONNX operators: a total record over the op table, so that a new op is a type error
 * until it has its row. In: the printer and a node whose operands are printed. Out: the name of its value, or the value where
 * it is smaller than the node and broadcasts to it.
 */
import type { DType } from '../../base/dtype.js'
import { ValueError } from '../../base/errors.js'
import { identityOf } from '../../graph/identity.js'
import { isOp, type Node } from '../../graph/node.js'
import type { Direction, Op } from '../../graph/op.js'
import { printContract, printConvolution, withBias } from './print-contract.js'
import { batchNormalization, constantValue, layerNormalization, logSoftmax, softmax } from './print-norm.js'
import { printScan } from './print-scan.js'
import { printReduce, printWindows, unpooled } from './print-windows.js'
import type { Attributes, Printer, PrintNode, Value } from './printer.js'
import { broadcastSizes, fixed, isFixed, type Size, type Sizes, sameSize } from './sizes.js'

type Row<O extends Op> = (p: Printer, node: Node<O>) => Value | string

/** An operator on operands that are broadcast by NumPy's rule. */
export function elementwise(p: Printer, opType: string, operands: readonly Value[], attributes?: Attributes): Value {
  const name = p.emit(
    opType,
    operands.map((operand) => operand.name),
    attributes,
  )
  return { name, shape: operands.map((operand) => operand.shape).reduce(broadcastSizes) }
}

const values = (p: Printer, node: Node): Value[] => node.operands.map((operand) => p.value(operand))

/** An operator of the same meaning. */
const same =
  <O extends Op>(opType: string): Row<O> =>
  (p, node) =>
    elementwise(p, opType, values(p, node))

/** One operator for numbers, another for bool. */
const byDtype =
  <O extends Op>(numbers: string, bools: string): Row<O> =>
  (p, node) =>
    elementwise(p, node.type.dtype === 'bool' ? bools : numbers, values(p, node))

const isEmpty = (p: Printer, node: Node): boolean => p.shape(node).some((size) => isFixed(size) && size.fixed === 0)
const scalar = (p: Printer, dtype: DType, value: number): Value => ({ name: p.scalar(dtype, value), shape: [] })
const cast = (p: Printer, value: Value, dtype: DType | 'int64'): Value => ({
  name: p.cast(value.name, dtype),
  shape: value.shape,
})

const comparisons: { readonly [D in Direction]: string } = {
  equal: 'Equal',
  notEqual: 'Equal',
  less: 'Less',
  lessEqual: 'LessOrEqual',
  greater: 'Greater',
  greaterEqual: 'GreaterOrEqual',
}

/** Elements up to a size that is known only when the program runs. */
const toTheEnd = 2 ** 31 - 1

const printRows: { readonly [O in Op]: Row<O> } = {
  input: () => {
    throw new ValueError('exportOnnx', 'an input is not bound')
  },
  constant: (p, node) => {
    const { dtype } = node.attrs
    const value = p.family.size(node, 'the value', (n) => n.attrs.value)
    if (isFixed(value)) return p.scalar(dtype, value.fixed)
    return p.cast(p.emit('Squeeze', [p.size(value), p.int64([0])]), dtype)
  },
  iota: (p, node) => {
    const { axis, dtype } = node.attrs
    const shape = p.shape(node)
    const [zero, one] = [p.int64([0], []), p.int64([1], [])]
    const length = shape[axis]!
    const stop = isFixed(length) ? p.int64([length.fixed], []) : p.emit('Squeeze', [p.size(length), p.int64([0])])
    const name = p.cast(p.emit('Range', [zero, stop, one]), dtype)
    return p.aligned({ name, shape: [length] }, [axis], shape.length)
  },

  negate: (p, node) => {
    const [x] = values(p, node) as [Value]
    // ONNX has no negative of numbers without a sign, which wrap around here.
    if (node.type.dtype === 'uint32') return cast(p, elementwise(p, 'Neg', [cast(p, x, 'int64')]), 'uint32')
    return elementwise(p, 'Neg', [x])
  },
  abs: same('Abs'),
  floor: same('Floor'),
  round: same('Round'),
  sqrt: same('Sqrt'),
  exp: same('Exp'),
  log: same('Log'),
  expm1: (p, node) => elementwise(p, 'Sub', [elementwise(p, 'Exp', values(p, node)), scalar(p, node.type.dtype, 1)]),
  log1p: (p, node) =>
    elementwise(p, 'Log', [elementwise(p, 'Add', [...values(p, node), scalar(p, node.type.dtype, 1)])]),
  tanh: same('Tanh'),
  erf: same('Erf'),
  sin: same('Sin'),
  cos: same('Cos'),
  not: byDtype('BitwiseNot', 'Not'),
  stopGradient: (p, node) => p.value(node.operands[0]!),
  convert: (p, node) => {
    const value = p.value(node.operands[0]!)
    return cast(p, value, node.attrs.dtype)
  },
  shiftLeft: (p, node) => shifted(p, node, 'LEFT'),
  shiftRight: (p, node) => shifted(p, node, 'RIGHT'),

  add: (p, node) =>
    withBias(p, node) ??
    batchNormalization(p, node) ??
    layerNormalization(p, node) ??
    elementwise(p, 'Add', values(p, node)),
  subtract: (p, node) => logSoftmax(p, node) ?? elementwise(p, 'Sub', values(p, node)),
  multiply: same('Mul'),
  divide: (p, node) => logistic(p, node) ?? softmax(p, node) ?? elementwise(p, 'Div', values(p, node)),
  maximum: byDtype('Max', 'Or'),
  minimum: byDtype('Min', 'And'),
  power: same('Pow'),
  and: byDtype('BitwiseAnd', 'And'),
  or: byDtype('BitwiseOr', 'Or'),
  xor: byDtype('BitwiseXor', 'Xor'),
  compare: (p, node) => {
    const { direction } = node.attrs
    const operands = values(p, node)
    const bools = node.operands[0]!.type.dtype === 'bool'
    const equality = direction === 'equal' || direction === 'notEqual'
    // ONNX orders numbers only.
    const given = bools && !equality ? operands.map((operand) => cast(p, operand, 'int32')) : operands
    const result = elementwise(p, comparisons[direction], given)
    return direction === 'notEqual' ? elementwise(p, 'Not', [result]) : result
  },
  select: (p, node) => {
    const rectified = relu(p, node)
    if (rectified) return rectified
    const [mask, ...given] = values(p, node) as [Value, Value, Value]
    const { dtype } = node.type
    if (dtype !== 'bool' && dtype !== 'uint32') return elementwise(p, 'Where', [mask, ...given])
    // Runtimes choose among fewer types than there are.
    const wide = given.map((value) => cast(p, value, dtype === 'bool' ? 'int32' : 'int64'))
    return cast(p, elementwise(p, 'Where', [mask, ...wide]), dtype)
  },
  fma: (p, node) => {
    const [a, b, c] = values(p, node) as [Value, Value, Value]
    return elementwise(p, 'Add', [elementwise(p, 'Mul', [a, b]), c])
  },
  randomBits: () => {
    throw new ValueError('exportOnnx', 'the network draws random numbers in inference', {
      hint: 'An exported network gives the same result for the same input: pass random numbers in as an input.',
    })
  },

  reshape: (p, node) => {
    const operand = node.operands[0]!
    const to = p.shape(node)
    // A reduction whose axes are put back with size 1 keeps them.
    if (isOp(operand, 'reduce') && p.uses(operand) === 1) {
      const kept = p.shape(operand.operands[0]!).map((n, i) => (operand.attrs.axes.includes(i) ? fixed(1) : n))
      if (kept.length === to.length && kept.every((n, i) => sameSize(n, to[i]!))) {
        const name = printReduce(p, operand, true)
        if (name !== undefined) return name
      }
    }
    const value = p.value(operand)
    if (p.isScalar(value))
      return {
        name: value.shape.length > to.length ? p.reshape(value.name, value.shape, []) : value.name,
        shape: value.shape.length > to.length ? [] : value.shape,
      }
    return p.reshape(p.full(operand), p.shape(operand), to)
  },
  broadcast: (p, node) => p.aligned(p.value(node.operands[0]!), node.attrs.axes, node.type.shape.length),
  transpose: (p, node) => {
    const value = p.value(node.operands[0]!)
    if (value.shape.length === 0) return value
    return p.emit('Transpose', [p.full(node.operands[0]!)], { perm: { ints: node.attrs.permutation } })
  },
  slice: (p, node) => {
    const operand = node.operands[0]!
    const from = p.shape(operand)
    const axes: number[] = []
    const [starts, ends, steps]: [Size[], Size[], number[]] = [[], [], []]
    for (const [axis, extent] of from.entries()) {
      const start = p.family.size(node, 'the start', (n) => n.attrs.start[axis]!)
      const limit = p.family.size(node, 'the limit', (n) => n.attrs.limit[axis]!)
      const step = p.family.number(node, 'the stride', (n) => n.attrs.stride[axis]!)
      const whole = sameSize(limit, extent)
      if (isFixed(start) && start.fixed === 0 && whole && step === 1) continue
      axes.push(axis)
      starts.push(start)
      ends.push(whole ? fixed(toTheEnd) : limit)
      steps.push(step)
    }
    if (axes.length === 0) return p.value(operand)
    const inputs = [p.full(operand), p.sizes(starts), p.sizes(ends), p.int64(axes)]
    return p.emit('Slice', steps.some((step) => step !== 1) ? [...inputs, p.int64(steps)] : inputs)
  },
  pad: (p, node) => {
    const operand = node.operands[0]!
    const { dtype } = node.type
    const { value } = node.attrs
    const at = (what: 'low' | 'high' | 'interior') =>
      node.type.shape.map((_, axis) => p.family.size(node, `the padding of axis ${axis}`, (n) => n.attrs[what][axis]!))
    const [low, high, interior] = [at('low'), at('high'), at('interior')]
    let [name, shape]: [string, Sizes] = [p.full(operand), p.shape(operand)]
    for (const axis of shape.keys())
      if (!isFixed(interior[axis]!) || interior[axis]!.fixed > 0) [name, shape] = spread(p, node, axis, name, shape)
    if ([...low, ...high].every((size) => isFixed(size) && size.fixed === 0)) return name
    return p.emit('Pad', [name, p.sizes([...low, ...high]), p.scalar(dtype, value)])
  },
  concatenate: (p, node) =>
    p.emit(
      'Concat',
      node.operands.map((operand) => p.full(operand)),
      { axis: { int: node.attrs.axis } },
    ),
  reverse: (p, node) => {
    const { axes } = node.attrs
    const each = (value: number) => p.int64(axes.map(() => value))
    return p.emit('Slice', [p.full(node.operands[0]!), each(-1), each(-toTheEnd), p.int64(axes), each(-1)])
  },
  gather: (p, node) => {
    const [x, numbers] = node.operands as [Node, Node]
    const which = clamped(p, numbers, p.shape(x)[0]!)
    return p.emit('Gather', [p.full(x), which], { axis: { int: 0 } })
  },
  scatterAdd: (p, node) => {
    const [x, numbers, updates] = node.operands as [Node, Node, Node]
    // Each number is a place of one coordinate.
    const where = p.emit('Unsqueeze', [p.cast(clamped(p, numbers, p.shape(x)[0]!), 'int64'), p.int64([-1])])
    return p.emit('ScatterND', [p.full(x), where, p.full(updates)], { reduction: { text: 'add' } })
  },
  cumulativeSum: (p, node) => {
    const { axis, reverse, exclusive } = node.attrs
    return p.emit('CumSum', [p.full(node.operands[0]!), p.int64([axis], [])], {
      ...(reverse ? { reverse: { int: 1 } } : {}),
      ...(exclusive ? { exclusive: { int: 1 } } : {}),
    })
  },
  argsort: (p, node) => {
    const { axis, descending } = node.attrs
    const x = node.operands[0]!
    const { dtype } = x.type
    const given = dtype === 'bool' || dtype === 'uint8' ? p.cast(p.full(x), 'int32') : p.full(x)
    const ordered = dtype === 'uint32' ? p.cast(given, 'int64') : given
    const attributes = { axis: { int: axis }, largest: { int: descending ? 1 : 0 }, sorted: { int: 1 } }
    return p.cast(p.emitMany('TopK', [ordered, p.sizes([p.shape(node)[axis]!])], attributes, 2)[1]!, 'int32')
  },
  barrier: (p, node) => p.value(node.operands[0]!),
  custom: (p, node) => p.value(node.operands[0]!),
  windows: (p, node) => printWindows(p, node),

  reduce: (p, node) =>
    isEmpty(p, node.operands[0]!)
      ? p.filled(node, identityOf(node.attrs.kind, node.type.dtype))
      : (unpooled(p, node) ?? printReduce(p, node, false)),
  contract: (p, node) => (node.operands.some((one) => isEmpty(p, one)) ? p.filled(node, 0) : printContract(p, node)),
  scan: (p, node) => printScan(p, node),
  convolution: (p, node) =>
    node.operands.some((one) => isEmpty(p, one)) ? p.filled(node, 0) : printConvolution(p, node, undefined),
}

/** Numbers of rows within 0 and the last. */
function clamped(p: Printer, numbers: Node, rows: Size): string {
  const last = isFixed(rows)
    ? p.scalar('int32', rows.fixed - 1)
    : p.cast(p.emit('Squeeze', [p.size({ ...rows, fixed: rows.fixed - 1 }), p.int64([0])]), 'int32')
  return p.emit('Clip', [p.full(numbers), p.scalar('int32', 0), last])
}

/** The row of a node's operation. */
export const printNode: PrintNode = (p, node) => (printRows[node.op] as (p: Printer, node: unknown) => string)(p, node)

function shifted(p: Printer, node: Node<'shiftLeft'> | Node<'shiftRight'>, direction: 'LEFT' | 'RIGHT'): Value {
  const by = scalar(p, 'uint32', node.attrs.by)
  return elementwise(p, 'BitShift', [p.value(node.operands[0]!), by], { direction: { text: direction } })
}

/** Elements of the padding value between neighbours of an axis: a new axis of which the value fills the rest. */
function spread(p: Printer, node: Node<'pad'>, axis: number, name: string, shape: Sizes): [string, Sizes] {
  const between = p.family.number(node, 'the padding between elements', (n) => n.attrs.interior[axis]!)
  const extent = shape[axis]!
  if (!isFixed(extent)) throw new ValueError('exportOnnx', 'pads between the samples of a batch, which ONNX cannot say')
  const apart = p.emit('Unsqueeze', [name, p.int64([axis + 1])])
  const zeros = new Array<number>(shape.length + 1).fill(0)
  const ends = [...zeros]
  ends[axis + 1] = between
  const filled = p.emit('Pad', [apart, p.int64([...zeros, ...ends]), p.scalar(node.type.dtype, node.attrs.value)])
  const apartShape = [...shape.slice(0, axis + 1), fixed(between + 1), ...shape.slice(axis + 1)]
  const whole = shape.map((n, i) => (i === axis ? fixed(extent.fixed * (between + 1)) : n))
  const joined = p.reshape(filled, apartShape, whole)
  const wanted = Math.max(0, extent.fixed + Math.max(0, extent.fixed - 1) * between)
  const cut = p.emit('Slice', [joined, p.int64([0]), p.int64([wanted]), p.int64([axis])])
  return [cut, shape.map((n, i) => (i === axis ? fixed(wanted) : n))]
}

/** where(x ≤ 0, 0, x) is Relu, and where(x ≤ 0, slope·x, x) LeakyRelu. */
function relu(p: Printer, node: Node<'select'>): Value | undefined {
  const [mask, low, x] = node.operands as [Node, Node, Node]
  if (!isOp(mask, 'compare') || mask.attrs.direction !== 'lessEqual' || mask.operands[0] !== x) return undefined
  if (node.type.dtype !== 'float32' && node.type.dtype !== 'float64') return undefined
  if (constantValue(mask.operands[1]!) !== 0) return undefined
  if (constantValue(low) === 0) return elementwise(p, 'Relu', [p.value(x)])
  const slope = isOp(low, 'multiply') && low.operands[0] === x ? constantValue(low.operands[1]!) : undefined
  return slope === undefined ? undefined : elementwise(p, 'LeakyRelu', [p.value(x)], { alpha: { float: slope } })
}

/** With e = e^−|x|, where(x < 0, e, 1) / (e + 1) is Sigmoid. */
function logistic(p: Printer, node: Node<'divide'>): Value | undefined {
  const [top, bottom] = node.operands as [Node, Node]
  if (!isOp(top, 'select') || !isOp(bottom, 'add')) return undefined
  const [mask, e, one] = top.operands as [Node, Node, Node]
  if (bottom.operands[0] !== e || constantValue(bottom.operands[1]!) !== 1 || constantValue(one) !== 1) return undefined
  if (!isOp(mask, 'compare') || mask.attrs.direction !== 'less' || constantValue(mask.operands[1]!) !== 0)
    return undefined
  const x = mask.operands[0]!
  const minus = isOp(e, 'exp') ? e.operands[0]! : undefined
  if (!minus || !isOp(minus, 'select')) return undefined
  const [condition, a, b] = minus.operands as [Node, Node, Node]
  if (condition !== mask || a !== x || !isOp(b, 'negate') || b.operands[0] !== x) return undefined
  return elementwise(p, 'Sigmoid', [p.value(x)])
}

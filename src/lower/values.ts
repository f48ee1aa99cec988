/**
 * @file Elementwise ops as values of the loop IR: one row an op.
 */
import type { DType } from '../base/dtype.js'
import { isFloat } from '../base/dtype.js'
import type { Node } from '../graph/node.js'
import type { Op, OpAttrs, ReduceKind } from '../graph/op.js'
import { floatArithmetic, type KernelBuilder, loadedAs, wordArithmetic } from '../kernel/builder.js'
import type { Value, ValueType } from '../kernel/loop.js'
import type { FloatArithmetic, NumericsMode } from '../numerics/arithmetic.js'
import { elementary } from '../numerics/elementary.js'
import { rounds, threefry2x32 } from '../numerics/threefry.js'

/** Ops that have a row here: all elementwise ones. */
type Elementwise = Exclude<
  Op,
  | 'input'
  | 'constant'
  | 'iota'
  | 'reshape'
  | 'broadcast'
  | 'transpose'
  | 'slice'
  | 'pad'
  | 'concatenate'
  | 'gather'
  | 'scatterAdd'
  | 'cumulativeSum'
  | 'argsort'
  | 'barrier'
  | 'custom'
  | 'reverse'
  | 'windows'
  | 'reduce'
  | 'contract'
  | 'convolution'
  | 'scan'
  | 'fma'
>

interface Context<O extends Op> {
  readonly b: KernelBuilder
  readonly attrs: OpAttrs[O]
  readonly mode: NumericsMode
  readonly to: DType
  readonly from: DType
}
type Row<O extends Op> = (operands: readonly Value[], context: Context<O>) => Value

const plain =
  <O extends Op>(op: Parameters<KernelBuilder['op']>[0]): Row<O> =>
  (operands, { b }) =>
    b.op(op, ...operands)

/** Elementary functions, written in the arithmetic of numerics/. */
const float =
  <O extends Op>(f: (a: FloatArithmetic<Value>, x: Value, y: Value) => Value): Row<O> =>
  ([x, y], { b, mode }) => {
    const { dtype, lanes } = x!.type
    if (dtype !== 'float32' && dtype !== 'float64') throw new Error(`elementary function of ${dtype}`)
    return f(floatArithmetic(b, dtype, lanes, mode), x!, y!)
  }

const rows: { readonly [O in Elementwise]: Row<O> } = {
  negate: plain('negate'),
  abs: plain('abs'),
  floor: plain('floor'),
  round: plain('round'),
  sqrt: plain('sqrt'),
  exp: float(elementary.exp),
  log: float(elementary.log),
  expm1: float(elementary.expm1),
  log1p: float(elementary.log1p),
  tanh: float(elementary.tanh),
  erf: float(elementary.erf),
  sin: float(elementary.sin),
  cos: float(elementary.cos),
  not: plain('not'),
  stopGradient: ([x]) => x!,
  convert: ([x], { b, to, from }) => {
    if (to !== 'uint8') return b.convert(x!, loadedAs(to))
    // Bytes are words in a register: floats saturate at 255, integers wrap.
    const word = b.convert(x!, 'uint32')
    const most = b.number(255, word.type)
    return isFloat(from) ? b.op('minimum', word, most) : b.op('and', word, most)
  },
  shiftLeft: ([x], { b, attrs }) => b.shift('shiftLeft', x!, attrs.by),
  shiftRight: ([x], { b, attrs }) => b.shift('shiftRight', x!, attrs.by),
  add: plain('add'),
  subtract: plain('subtract'),
  multiply: plain('multiply'),
  divide: plain('divide'),
  maximum: plain('maximum'),
  minimum: plain('minimum'),
  power: float(elementary.pow),
  and: plain('and'),
  or: plain('or'),
  xor: plain('xor'),
  compare: ([x, y], { b, attrs }) => {
    switch (attrs.direction) {
      case 'equal':
      case 'notEqual':
      case 'less':
      case 'lessEqual':
        return b.op(attrs.direction, x!, y!)
      case 'greater':
        return b.op('less', y!, x!)
      case 'greaterEqual':
        return b.op('lessEqual', y!, x!)
    }
  },
  select: plain('select'),
  randomBits: ([key0, key1, counter, stream], { b }) =>
    threefry2x32(wordArithmetic(b, counter!.type.lanes), [key0!, key1!], [counter!, stream!], rounds)[0],
}

/** The value of an elementwise node, given its operands' values. */
export function elementwise(b: KernelBuilder, node: Node, operands: readonly Value[], mode: NumericsMode): Value {
  if (node.op === 'fma') {
    const { lanes } = operands[0]!.type
    return floatArithmetic(b, 'float32', lanes, mode).fma(operands[0]!, operands[1]!, operands[2]!)
  }
  const row = rows[node.op as Elementwise] as Row<Op>
  const from = node.operands[0]?.type.dtype ?? node.type.dtype
  return row(operands, { b, attrs: node.attrs, mode, to: node.type.dtype, from })
}

/** One step of a reduction. */
export function combine(b: KernelBuilder, kind: ReduceKind, accumulated: Value, next: Value): Value {
  return b.op(kind === 'sum' ? 'add' : kind, accumulated, next)
}

/** What a reduction starts from: combined with x it gives x, bit for bit. */
export function identity(b: KernelBuilder, kind: ReduceKind, type: ValueType): Value {
  const { dtype } = type
  const float = dtype === 'float32' || dtype === 'float64'
  switch (kind) {
    case 'sum':
      return b.number(float ? -0 : 0, type)
    case 'maximum':
      return b.number(float ? Number.NEGATIVE_INFINITY : dtype === 'int32' ? -(2 ** 31) : 0, type)
    case 'minimum':
      return b.number(
        float ? Number.POSITIVE_INFINITY : dtype === 'int32' ? 2 ** 31 - 1 : dtype === 'uint32' ? 2 ** 32 - 1 : 1,
        type,
      )
  }
}

/** Rough cost of an elementwise op in floating-point operations, for explain(). */
export function flopsOf(op: Op): number {
  switch (op) {
    case 'fma':
      return 2
    case 'exp':
    case 'expm1':
    case 'log':
    case 'log1p':
    case 'tanh':
    case 'erf':
      return 20
    case 'sin':
    case 'cos':
    case 'power':
      return 60
    case 'select':
    case 'convert':
    case 'stopGradient':
      return 0
    default:
      return 1
  }
}

/**
 * @file Building kernels: a cursor into nested statement lists, one method a statement, and the arithmetic of
 * numerics/ over values of the loop IR, through which elementary functions are written into kernels.
 */
import { type DType, roundTo } from '../base/dtype.js'
import type { FloatArithmetic, NumericsMode, WordArithmetic } from '../numerics/arithmetic.js'
import {
  type Affine,
  affine,
  affineOf,
  type Buffer,
  type Kernel,
  type LoopVariable,
  type Statement,
  type Value,
  type ValueDType,
  type ValueOp,
  type ValueOpAttrs,
  type ValueType,
  type Variable,
} from './loop.js'

export type Row = NonNullable<Extract<Statement, { kind: 'load' }>['row']>

type Plain = { [O in ValueOp]: keyof ValueOpAttrs[O] extends never ? O : never }[ValueOp]

/** What a buffer's elements are once loaded. */
export const loadedAs = (dtype: DType): ValueDType => (dtype === 'uint8' ? 'uint32' : dtype)

export class KernelBuilder {
  readonly #body: Statement[] = []
  #block: Statement[] = this.#body
  #loops = 0
  #depth = 0
  #variables = 0
  #values = 0

  finish(name: string, buffers: readonly Buffer[], flops: number): Kernel {
    return { name, buffers, body: this.#body, flops }
  }

  #value(dtype: ValueDType, lanes: number): Value {
    return { id: this.#values++, type: { dtype, lanes } }
  }

  #let(type: ValueType, op: ValueOp, operands: readonly Value[], attrs: object): Value {
    const value = this.#value(type.dtype, type.lanes)
    this.#block.push({ kind: 'let', value, op, operands, attrs })
    return value
  }

  number(value: number, type: ValueType): Value {
    return this.#let(type, 'number', [], { value: roundTo(type.dtype, value) })
  }

  /** An operation without attributes; the result has the first operand's type, or is a bool for comparisons. */
  op(op: Plain, ...operands: readonly Value[]): Value {
    const type = op === 'select' ? operands[1]!.type : operands[0]!.type
    const compares = op === 'equal' || op === 'notEqual' || op === 'less' || op === 'lessEqual'
    const dtype = compares ? 'bool' : op === 'toBits' ? 'uint32' : op === 'fromBits' ? 'float32' : type.dtype
    return this.#let({ dtype, lanes: type.lanes }, op, operands, {})
  }

  shift(op: 'shiftLeft' | 'shiftRight', value: Value, by: number): Value {
    return this.#let(value.type, op, [value], { by })
  }

  convert(value: Value, dtype: ValueDType): Value {
    return value.type.dtype === dtype
      ? value
      : this.#let({ dtype, lanes: value.type.lanes }, 'convert', [value], { dtype })
  }

  splat(value: Value, lanes: number): Value {
    return value.type.lanes === lanes ? value : this.#let({ dtype: value.type.dtype, lanes }, 'splat', [value], {})
  }

  extract(vector: Value, lane: number): Value {
    return this.#let({ dtype: vector.type.dtype, lanes: 1 }, 'extract', [vector], { lane })
  }

  shuffle(a: Value, b: Value, lanes: readonly number[]): Value {
    return this.#let(a.type, 'shuffle', [a, b], { lanes })
  }

  insert(vector: Value, lane: number, value: Value): Value {
    return this.#let(vector.type, 'insert', [vector, value], { lane })
  }

  load(buffer: Buffer, index: Affine, lanes = 1, stride = 1, row?: Row): Value {
    const value = this.#value(loadedAs(buffer.dtype), lanes)
    this.#block.push({ kind: 'load', value, buffer, index, stride: lanes === 1 ? 1 : stride, ...(row ? { row } : {}) })
    return value
  }

  /** Where row `number` (an int32, clamped to 0..extent − 1) of so many elements begins. */
  row(number: Value, extent: number, stride: number): Row {
    const start = this.#let({ dtype: 'int32', lanes: 1 }, 'rowStart', [number], { extent, stride })
    return { start, furthest: (extent - 1) * stride }
  }

  store(buffer: Buffer, index: Affine, value: Value, row?: Row): void {
    this.#block.push({ kind: 'store', buffer, index, value, ...(row ? { row } : {}) })
  }

  index(index: Affine, lanes = 1, stride = 1): Value {
    const value = this.#value('int32', lanes)
    this.#block.push({ kind: 'index', value, index, stride })
    return value
  }

  variable(initial: Value): Variable {
    const variable = { id: this.#variables++, type: initial.type }
    this.#block.push({ kind: 'variable', variable, initial })
    return variable
  }

  get(variable: Variable): Value {
    const value = this.#value(variable.type.dtype, variable.type.lanes)
    this.#block.push({ kind: 'get', value, variable })
    return value
  }

  set(variable: Variable, value: Value): void {
    this.#block.push({ kind: 'set', variable, value })
  }

  /**
   * for (i = start; i < min(stop, limit); i += step) body(i). A loop of one iteration is written without a loop.
   * `parallel` means the outermost loop that is left: inside others it is ignored.
   */
  loop(
    range: { start?: Affine | number; stop: Affine | number; limit?: number; step?: number; parallel?: boolean },
    body: (index: Affine) => void,
  ): void {
    const start = typeof range.start === 'object' ? range.start : affine(range.start ?? 0)
    const stop = typeof range.stop === 'object' ? range.stop : affine(range.stop)
    const step = range.step ?? 1
    const fixed = start.terms.length === 0 && stop.terms.length === 0
    if (fixed) {
      const end = Math.min(stop.constant, range.limit ?? Infinity)
      if (start.constant >= end) return
      if (start.constant + step >= end) {
        body(start)
        return
      }
    }
    const loop: LoopVariable = { name: `i${this.#loops++}` }
    const outer = this.#block
    const inner: Statement[] = []
    this.#block = inner
    this.#depth++
    body(affineOf(loop))
    this.#depth--
    this.#block = outer
    outer.push({
      kind: 'loop',
      loop,
      start,
      stop,
      ...(range.limit === undefined ? {} : { limit: range.limit }),
      step,
      ...(range.parallel && this.#depth === 0 ? { parallel: true } : {}),
      body: inner,
    })
  }
}

/** Words of the loop IR with `lanes` lanes. */
export function wordArithmetic(b: KernelBuilder, lanes: number): WordArithmetic<Value> {
  const type: ValueType = { dtype: 'uint32', lanes }
  return {
    word: (x) => b.number(x, type),
    add: (x, y) => b.op('add', x, y),
    subtract: (x, y) => b.op('subtract', x, y),
    multiply: (x, y) => b.op('multiply', x, y),
    and: (x, y) => b.op('and', x, y),
    or: (x, y) => b.op('or', x, y),
    xor: (x, y) => b.op('xor', x, y),
    shiftLeft: (x, by) => b.shift('shiftLeft', x, by),
    shiftRight: (x, by) => b.shift('shiftRight', x, by),
    less: (x, y) => b.op('less', x, y),
    equal: (x, y) => b.op('equal', x, y),
    select: (mask, x, y) => b.op('select', mask, x, y),
  }
}

/** Floats of the loop IR. In portable mode, and for float64, fma is a product and a sum. */
export function floatArithmetic(
  b: KernelBuilder,
  dtype: 'float32' | 'float64',
  lanes: number,
  mode: NumericsMode,
): FloatArithmetic<Value> {
  const type: ValueType = { dtype, lanes }
  const fused = mode === 'fused' && dtype === 'float32'
  return {
    dtype,
    number: (x) => b.number(x, type),
    add: (x, y) => b.op('add', x, y),
    subtract: (x, y) => b.op('subtract', x, y),
    multiply: (x, y) => b.op('multiply', x, y),
    divide: (x, y) => b.op('divide', x, y),
    fma: (x, y, z) => (fused ? b.op('fma', x, y, z) : b.op('add', b.op('multiply', x, y), z)),
    negate: (x) => b.op('negate', x),
    abs: (x) => b.op('abs', x),
    sqrt: (x) => b.op('sqrt', x),
    floor: (x) => b.op('floor', x),
    round: (x) => b.op('round', x),
    less: (x, y) => b.op('less', x, y),
    lessEqual: (x, y) => b.op('lessEqual', x, y),
    equal: (x, y) => b.op('equal', x, y),
    and: (x, y) => b.op('and', x, y),
    or: (x, y) => b.op('or', x, y),
    not: (x) => b.op('not', x),
    select: (mask, x, y) => b.op('select', mask, x, y),
    pow2: (x) => b.op('pow2', x),
    exponent: (x) => b.op('exponent', x),
    mantissa: (x) => b.op('mantissa', x),
    toBits: (x) => b.op('toBits', x),
    fromBits: (x) => b.op('fromBits', x),
    fromWord: (x) => b.convert(x, 'float32'),
    toWord: (x) => b.convert(x, 'uint32'),
    word: wordArithmetic(b, lanes),
  }
}

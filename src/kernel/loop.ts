/**
 * @file The loop IR: what a kernel is. Structured loops over affine indices, values in single assignment with explicit
 * vector lanes, and mutable variables for accumulators. Targets print it; they never change what it computes.
 *
 * kernel ::= name(buffer...) { statement* }
 * statement ::= value = op(value...) | value = load buffer[affine (+ row)] | store buffer[affine (+ row)], value
 *             | var v = value | v := value | for i = affine to affine step n { statement* }
 */
import type { DType } from '../base/dtype.js'

/** What arithmetic happens in. Memory also holds `uint8`, which loads as `uint32`; `bool` takes one byte (0 or 1). */
export type ValueDType = 'float32' | 'float64' | 'int32' | 'uint32' | 'bool'

/** A bool of several lanes is a mask beside the values it was compared from. */
export interface ValueType {
  readonly dtype: ValueDType
  readonly lanes: number
}

export interface Buffer {
  readonly name: string
  readonly dtype: DType
  /** In elements. */
  readonly length: number
  /** Arguments are passed by the caller, in the order of `Kernel.buffers`. */
  readonly access: 'read' | 'write' | 'update'
  /** Scratch of which each thread has its own; copies are `threadStride` elements apart. */
  readonly perThread?: true
}

/** Threads that write to their copies must not share a line of cache, nor the one fetched along with it. */
export const threadStride = (length: number): number => Math.ceil(length / 64) * 64

/** A loop's counter. */
export interface LoopVariable {
  readonly name: string
}

/** constant + Σ coefficient · loop */
export interface Affine {
  readonly constant: number
  readonly terms: readonly { readonly loop: LoopVariable; readonly coefficient: number }[]
}

/** A value in single assignment; its number is unique within the kernel. */
export interface Value {
  readonly id: number
  readonly type: ValueType
}

/** A mutable accumulator. */
export interface Variable {
  readonly id: number
  readonly type: ValueType
}

/**
 * Operations on values. Operands and result have equal lanes and dtype unless said otherwise.
 * Floats round to nearest even; integers wrap modulo 2³².
 */
export interface ValueOpAttrs {
  /** A constant in every lane. */
  number: { readonly value: number }
  /** One lane → all lanes. */
  splat: Record<never, never>
  /** One lane of a vector. */
  extract: { readonly lane: number }
  /** (a, b) → lane i is lane `lanes[i]` of a followed by b. */
  shuffle: { readonly lanes: readonly number[] }
  /** (vector, scalar) → the vector with one lane replaced. */
  insert: { readonly lane: number }

  add: Record<never, never>
  subtract: Record<never, never>
  multiply: Record<never, never>
  /** Floats only, from here to fma. */
  divide: Record<never, never>
  sqrt: Record<never, never>
  floor: Record<never, never>
  round: Record<never, never>
  /** a·b + c rounded once; float32, fused mode only. */
  fma: Record<never, never>
  negate: Record<never, never>
  /** Not uint32. */
  abs: Record<never, never>
  /** NaN if either is; −0 < +0. Integers and bool too. */
  maximum: Record<never, never>
  minimum: Record<never, never>

  /** bool, int32, uint32. */
  and: Record<never, never>
  or: Record<never, never>
  xor: Record<never, never>
  not: Record<never, never>
  /** uint32. */
  shiftLeft: { readonly by: number }
  shiftRight: { readonly by: number }

  /** → bool. Ordered comparisons are false with NaN, notEqual is true. */
  equal: Record<never, never>
  notEqual: Record<never, never>
  less: Record<never, never>
  lessEqual: Record<never, never>
  /** (bool, a, b) */
  select: Record<never, never>

  /** Between dtypes; float → integer truncates and saturates, NaN → 0; to bool `≠ 0`, from bool 0 or 1. */
  convert: { readonly dtype: ValueDType }
  /** See FloatArithmetic. */
  pow2: Record<never, never>
  exponent: Record<never, never>
  mantissa: Record<never, never>
  /** One int32 → where a row begins: stride · (the number clamped to 0..extent − 1), which a load or a store may add to its index. */
  rowStart: { readonly extent: number; readonly stride: number }
  /** float32 ↔ uint32, the same bits. */
  toBits: Record<never, never>
  fromBits: Record<never, never>
}
export type ValueOp = keyof ValueOpAttrs

export type Statement =
  | {
      readonly kind: 'let'
      readonly value: Value
      readonly op: ValueOp
      readonly operands: readonly Value[]
      readonly attrs: object
    }
  /**
   * Lane l reads element index + l · stride; stride 1 is a vector load, 0 a splat, any other a gather. With a row it reads
   * so many elements further as a `rowStart` says, which is at most `furthest`.
   */
  | {
      readonly kind: 'load'
      readonly value: Value
      readonly buffer: Buffer
      readonly index: Affine
      readonly stride: number
      readonly row?: { readonly start: Value; readonly furthest: number }
    }
  /** Lane l writes element index + l, or with a row so many elements further. */
  | {
      readonly kind: 'store'
      readonly buffer: Buffer
      readonly index: Affine
      readonly value: Value
      readonly row?: { readonly start: Value; readonly furthest: number }
    }
  /** Lane l is the int32 index + l · stride. */
  | { readonly kind: 'index'; readonly value: Value; readonly index: Affine; readonly stride: number }
  | { readonly kind: 'variable'; readonly variable: Variable; readonly initial: Value }
  | { readonly kind: 'get'; readonly value: Value; readonly variable: Variable }
  | { readonly kind: 'set'; readonly variable: Variable; readonly value: Value }
  /**
   * for (loop = start; loop < min(stop, limit); loop += step). Bodies only write variables declared outside or inside.
   * Iterations of a parallel loop are independent: none reads what another writes. It stands in no other loop, and uses
   * no variable declared outside. Threads may share it; what stands beside it runs on the first thread.
   */
  | {
      readonly kind: 'loop'
      readonly loop: LoopVariable
      readonly start: Affine
      readonly stop: Affine
      readonly limit?: number
      readonly step: number
      readonly parallel?: true
      readonly body: readonly Statement[]
    }

export interface Kernel {
  readonly name: string
  readonly buffers: readonly Buffer[]
  readonly body: readonly Statement[]
  /** Floating-point operations, a fused multiply-add counting two. */
  readonly flops: number
}

export const affine = (constant: number): Affine => ({ constant, terms: [] })

export const affineOf = (loop: LoopVariable, coefficient = 1): Affine =>
  coefficient === 0 ? affine(0) : { constant: 0, terms: [{ loop, coefficient }] }

/** The sum, with one term a loop variable and none of coefficient 0. */
export function addAffine(a: Affine, b: Affine | number): Affine {
  if (typeof b === 'number') return b === 0 ? a : { constant: a.constant + b, terms: a.terms }
  const coefficients = new Map(a.terms.map((term) => [term.loop, term.coefficient]))
  for (const { loop, coefficient } of b.terms) coefficients.set(loop, (coefficients.get(loop) ?? 0) + coefficient)
  return {
    constant: a.constant + b.constant,
    terms: [...coefficients].filter(([, c]) => c !== 0).map(([loop, coefficient]) => ({ loop, coefficient })),
  }
}

export const scaleAffine = (a: Affine, by: number): Affine =>
  by === 0
    ? affine(0)
    : {
        constant: a.constant * by,
        terms: a.terms.map(({ loop, coefficient }) => ({ loop, coefficient: coefficient * by })),
      }

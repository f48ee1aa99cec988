/**
 * @file What kernels of windows (windows.ts) have in common: where elements stand, segments of the sum, tiles, pieces of a run.
 * In: a contraction one of whose operands shows windows. Out: a kernel, whose body subclasses write.
 */

import type { FloatDType } from '../base/dtype.js'
import { stridesOf } from '../base/shape.js'
import { floatArithmetic } from '../kernel/builder.js'
import { type Affine, addAffine, type Buffer, scaleAffine, type Value } from '../kernel/loop.js'
import { product } from './contraction.js'
import type { ContractGroup } from './fuse.js'
import { alongAxes } from './pack.js'
import { KernelScope, type LowerContext, type Lowered } from './scope.js'
import { type SegmentLoops, segmentLoops } from './segments.js'
import { lanesOf, widths } from './target.js'
import { flopsOf } from './values.js'

/** Indices along some axes. */
export type Place = readonly Affine[]

export abstract class Windowed {
  protected readonly scope: KernelScope
  protected readonly group: ContractGroup
  protected readonly dtype: FloatDType
  /** Lanes of a vector. */
  protected readonly width: number
  protected readonly k: number
  protected readonly segments: SegmentLoops

  constructor(group: ContractGroup, context: LowerContext) {
    this.group = group
    this.scope = new KernelScope(context)
    this.dtype = group.root.type.dtype as FloatDType
    this.width = lanesOf(this.dtype, context.target)
    this.k = product(group.contraction.k)
    this.segments = segmentLoops(group.contraction.k, group.root.attrs.order.segment)!
  }

  lower(name: string): Lowered {
    const { contraction, epilogue } = this.group
    const each = epilogue
      .flatMap((stage) => stage.steps)
      .reduce((sum, step) => sum + (step.kind === 'op' ? flopsOf(step.node.op) : 0), 0)
    this.scope.flops = product([...contraction.batch, ...contraction.m, ...contraction.n]) * (2 * this.k + each)
    this.body()
    return this.scope.finish(name)
  }

  protected abstract body(): void

  protected number(value: number, lanes = this.width): Value {
    return this.scope.b.number(value, { dtype: this.dtype, lanes })
  }

  /** Where the operand's element stands. */
  protected place(side: 'lhs' | 'rhs', batch: Place, free: Place, inner: Place): Affine {
    const operand = this.group.contraction[side]
    const start = addAffine(alongAxes(batch, operand.batch), operand.access.offset.constant)
    return addAffine(addAffine(start, alongAxes(free, operand.free)), alongAxes(inner, operand.inner))
  }

  /**
   * Calls `body` for each segment of k, with what takes a place in the segment's own loops to one along k, and to its number
   * within the segment.
   */
  protected eachSegment(body: (along: (at: Place) => Place, local: (at: Place) => Affine) => void): void {
    const { outer, inner, cut } = this.segments
    this.scope.nest(
      outer,
      [],
      (segment) =>
        body(
          // The outer loops, the axis that is cut from where the segment begins, the axes after it.
          (at) => [...segment.slice(0, cut), addAffine(scaleAffine(segment[cut]!, inner[0]!), at[0]!), ...at.slice(1)],
          (at) => alongAxes(at, stridesOf(inner)),
        ),
      true,
    )
  }

  /** Whether k is one segment. */
  protected get isWhole(): boolean {
    return product(this.segments.outer) === 1
  }

  /**
   * Sums of a tile of rows × vectors, each one ascending chain from zero over what `loops` calls its body for. Calls `body`
   * with each.
   */
  protected tile(
    rows: number,
    vectors: number,
    loops: (body: (at: Place) => void) => void,
    left: (row: number, at: Place) => Value,
    right: (vector: number, at: Place) => Value,
    body: (row: number, vector: number, sum: Value) => void,
  ): void {
    const { b, context } = this.scope
    const arithmetic = floatArithmetic(b, this.dtype, this.width, context.mode)
    const sums = Array.from({ length: rows * vectors }, () => b.variable(this.number(0)))
    loops((at) => {
      const columns = Array.from({ length: vectors }, (_, v) => right(v, at))
      for (let r = 0; r < rows; r++) {
        const row = left(r, at)
        columns.forEach((column, v) => {
          const sum = sums[r * vectors + v]!
          b.set(sum, arithmetic.fma(row, column, b.get(sum)))
        })
      }
    })
    for (let r = 0; r < rows; r++) for (let v = 0; v < vectors; v++) body(r, v, b.get(sums[r * vectors + v]!))
  }

  /** Total and sum of one more segment. */
  protected accumulate(totals: Buffer, place: Affine, sum: Value, isOnly: boolean): void {
    const { b } = this.scope
    b.store(totals, place, isOnly ? sum : b.op('add', b.load(totals, place, this.width), sum))
  }

  /** Calls `body` with pieces of `count` neighbours: full vectors, halves of them, single elements. */
  protected pieces(count: number, body: (at: number, wide: number) => void): void {
    let done = 0
    for (const wide of widths(this.width, this.scope.context.target))
      for (; done + wide <= count; done += wide) body(done, wide)
  }
}

/** Whether what becomes of the result lies with its last row axis as the last one: convolutions keep places last. */
export function storesAlongRows({ contraction, epilogue }: ContractGroup): boolean {
  const last = contraction.axes[contraction.batch.length + contraction.m.length - 1]?.at(-1)
  return last !== undefined && contraction.m.length > 0 && epilogue[0]?.store.coefficients[last] === 1
}

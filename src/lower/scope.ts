/**
 * @file What a kernel under construction knows: its buffers, one a stored node or scratch area, and how to evaluate
 * the steps of a stage at a place with a number of lanes.
 */

import type { DType } from '../base/dtype.js'
import { sizeOf } from '../base/shape.js'
import type { Node } from '../graph/node.js'
import { KernelBuilder, loadedAs, type Row } from '../kernel/builder.js'
import {
  type Affine,
  addAffine,
  affine,
  type Buffer,
  type Kernel,
  scaleAffine,
  threadStride,
  type Value,
  type ValueDType,
} from '../kernel/loop.js'
import type { NumericsMode } from '../numerics/arithmetic.js'
import { type Offset, offsetsOf, type Stage, type Step } from './stage.js'
import type { Target } from './target.js'
import { elementwise, flopsOf } from './values.js'

/** What a kernel is called with: the memory of a node, or room that only it uses. */
export type Argument = { readonly kind: 'node'; readonly node: Node } | Scratch | Part

export interface Scratch {
  readonly kind: 'scratch'
  readonly dtype: DType
  readonly length: number
  /** The loop that uses it, each iteration anew; undefined for room that is used once, or kept from iteration to iteration. */
  readonly loop?: Loop
}

/** Elements of another memory, from `start` on; in a loop, iteration i's are i · `step` further, or (i mod 2) · `step`. */
export interface Part {
  readonly kind: 'part'
  readonly of: Argument
  readonly dtype: DType
  readonly length: number
  readonly start: number
  readonly step?: { readonly loop: Loop; readonly by: number; readonly alternating: boolean }
}

/** Launches that are repeated; told apart by identity. */
export interface Loop {
  readonly count: number
}

export interface Lowered {
  readonly kernel: Kernel
  readonly arguments: readonly Argument[]
  /** The loops that it stands in, the outermost first. */
  readonly loops?: readonly Loop[]
  /** Whether it may be joined with others: loops without scratch or a tile of their own. */
  readonly plain?: boolean
}

export interface LowerContext {
  readonly mode: NumericsMode
  readonly target: Target
  readonly ids: ReadonlyMap<Node, number>
  /** Whether a computed node needs memory: it is a result, or something else than its own loop body reads it. */
  readonly needsMemory: (node: Node) => boolean
}

type GatherStep = Extract<Step, { kind: 'gather' }>

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

/** Values known at one place of the kernel, by step key. */
export type Known = Map<string, Value>

export class KernelScope {
  readonly b = new KernelBuilder()
  readonly context: LowerContext
  flops = 0
  readonly #buffers: Mutable<Buffer>[] = []
  readonly #arguments: Argument[] = []
  readonly #byNode = new Map<Node, Mutable<Buffer>>()

  constructor(context: LowerContext) {
    this.context = context
  }

  buffer(node: Node, access: 'read' | 'write'): Buffer {
    let buffer = this.#byNode.get(node)
    if (!buffer) {
      buffer = { name: `b${this.#buffers.length}`, dtype: node.type.dtype, length: sizeOf(node.type.shape), access }
      this.#byNode.set(node, buffer)
      this.#buffers.push(buffer)
      this.#arguments.push({ kind: 'node', node })
    } else if (buffer.access !== access) buffer.access = 'update'
    return buffer
  }

  /** How many threads may run the kernel. */
  get threads(): number {
    return this.context.target.threads ?? 1
  }

  /** Room that only this kernel uses; `own`: each thread has its own. */
  scratch(dtype: DType, length: number, own = false): Buffer {
    const perThread = own && this.threads > 1
    const name = `s${this.#buffers.length}`
    const buffer: Buffer = { name, dtype, length, access: 'update', ...(perThread ? { perThread } : {}) }
    this.#buffers.push(buffer)
    this.#arguments.push({ kind: 'scratch', dtype, length: perThread ? this.threads * threadStride(length) : length })
    return buffer
  }

  /** A loop whose iterations are independent. */
  parallel(range: Parameters<KernelBuilder['loop']>[0], body: (index: Affine) => void): void {
    this.b.loop({ ...range, parallel: this.threads > 1 }, body)
  }

  countFlops(stage: Stage): void {
    const count = stage.domain.reduce((n, extent) => n * extent, 1)
    const each = stage.steps.reduce(
      (sum, step) => sum + (step.kind === 'op' ? flopsOf(step.node.op) : 0),
      stage.kind === 'map' ? 0 : 1,
    )
    this.flops += count * each
  }

  /** Loops over `extents`, one inside another; their iterations are independent unless they are said to be `serial`. */
  nest(extents: readonly number[], at: readonly Affine[], body: (at: readonly Affine[]) => void, serial = false): void {
    const [extent, ...inner] = extents
    const one = (i: Affine) => this.nest(inner, [...at, i], body, serial)
    if (extent === undefined) body(at)
    else if (serial) this.b.loop({ stop: extent }, one)
    else this.parallel({ stop: extent }, one)
  }

  /** Stores what a stage has computed, if its node needs memory; `stride`: how far apart its lanes stand. */
  keep(stage: Stage, at: readonly Affine[], value: Value, stride = 1): void {
    if (this.context.needsMemory(stage.root))
      this.storeApart(this.buffer(stage.root, 'write'), this.place(stage.store, at), value, stride)
  }

  storeApart(buffer: Buffer, place: Affine, value: Value, stride: number): void {
    if (stride === 1 || value.type.lanes === 1) this.b.store(buffer, place, value)
    else
      for (let lane = 0; lane < value.type.lanes; lane++)
        this.b.store(buffer, addAffine(place, lane * stride), this.b.extract(value, lane))
  }

  finish(name: string): Lowered {
    return { kernel: this.b.finish(name, this.#buffers, this.flops), arguments: this.#arguments }
  }

  /** constant + Σ coefficient · index */
  place(offset: Offset, at: readonly Affine[]): Affine {
    return offset.coefficients.reduce(
      (sum, c, d) => (c === 0 ? sum : addAffine(sum, scaleAffine(at[d]!, c))),
      affine(offset.constant),
    )
  }

  /**
   * The value a stage's steps give at `at`, lanes along the domain axis `along`. What `known` holds is used, and what
   * is computed is added to it.
   */
  evaluate(stage: Stage, at: readonly Affine[], lanes: number, along: number, known: Known): Value {
    const { b } = this
    const values: Value[] = []
    const needed = neededSteps(stage, known)
    for (const [i, step] of stage.steps.entries()) {
      if (!needed.has(i)) continue
      let value = known.get(step.key)
      if (!value) {
        value = this.#step(stage, step, at, lanes, along, values, known)
        known.set(step.key, value)
      } else if (value.type.lanes !== lanes) value = b.splat(value, lanes)
      values[i] = value
    }
    return values[stage.steps.length - 1]!
  }

  #step(
    stage: Stage,
    step: Step,
    at: readonly Affine[],
    lanes: number,
    along: number,
    values: readonly Value[],
    known: Known,
  ): Value {
    const { b } = this
    switch (step.kind) {
      case 'access': {
        const { node, offset } = step.access
        return b.load(
          this.buffer(node, 'read'),
          this.place(offset, at),
          lanes,
          lanes === 1 ? 1 : (offset.coefficients[along] ?? 0),
        )
      }
      case 'gather':
        return this.#gather(stage, step, at, lanes, along, values[step.row], known)
      case 'constant': {
        const { dtype, value } = step.node.attrs
        return b.number(value, { dtype: loadedAs(dtype), lanes })
      }
      case 'iota': {
        const index = b.index(this.place(step.at, at), lanes, lanes === 1 ? 0 : (step.at.coefficients[along] ?? 0))
        return b.convert(index, loadedAs(step.node.attrs.dtype))
      }
      case 'op':
        return elementwise(
          b,
          step.node,
          step.operands.map((i) => values[i]!),
          this.context.mode,
        )
    }
  }

  /** Lanes of one row where they all have the same; else each lane's from a row of its own. `number`: unless it is known. */
  #gather(
    stage: Stage,
    step: GatherStep,
    at: readonly Affine[],
    lanes: number,
    along: number,
    number: Value | undefined,
    known: Known,
  ): Value {
    const { b } = this
    const buffer = this.buffer(step.access.node, 'read')
    const index = this.place(step.access.offset, at)
    const stride = step.access.offset.coefficients[along] ?? 0
    const row = (one: Value): Row => b.row(one, step.extent, step.stride)
    const start = known.get(rowKey(step, stage))
    if (start) return b.load(buffer, index, lanes, stride, { start, furthest: (step.extent - 1) * step.stride })
    if (lanes === 1) return b.load(buffer, index, 1, 1, row(number!))
    if (rowNumber(step, stage, along)) return b.load(buffer, index, lanes, stride, row(b.extract(number!, 0)))
    const each = Array.from({ length: lanes }, (_, lane) =>
      b.load(buffer, addAffine(index, lane * stride), 1, 1, row(b.extract(number!, lane))),
    )
    return each.slice(1).reduce((vector, value, i) => b.insert(vector, i + 1, value), b.splat(each[0]!, lanes))
  }
}

/** How the start of a gather step's row is named among what is known: lanes along an axis that it does not move along. */
export const rowKey = (step: GatherStep, stage: Stage): string =>
  `row ${stage.steps[step.row]!.key} ${step.extent} ${step.stride}`

/** The places of the steps that a stage's value, or that of another step, takes; not what only leads to something known. */
export function neededSteps(stage: Stage, known: Known, last = stage.steps.length - 1): Set<number> {
  const needed = new Set([last])
  // Operands stand before what uses them.
  for (let i = last; i >= 0; i--) {
    const step = stage.steps[i]!
    if (!needed.has(i) || known.has(step.key)) continue
    if (step.kind === 'op') for (const operand of step.operands) needed.add(operand)
    else if (step.kind === 'gather' && !known.has(rowKey(step, stage))) needed.add(step.row)
  }
  return needed
}

/** A stage that computes the number of a gather step's row, where that is the same all along an axis. */
export function rowNumber(step: GatherStep, stage: Stage, along: number): Stage | undefined {
  const needed = [...neededSteps(stage, new Map(), step.row)].sort((a, b) => a - b)
  const steps = needed.map((i): Step => {
    const one = stage.steps[i]!
    if (one.kind === 'op') return { ...one, operands: one.operands.map((operand) => needed.indexOf(operand)) }
    return one.kind === 'gather' ? { ...one, row: needed.indexOf(one.row) } : one
  })
  const number: Stage = { ...stage, steps }
  return offsetsOf(number).every((offset) => (offset.coefficients[along] ?? 0) === 0) ? number : undefined
}

/** Dtypes that pass through a stage's registers. */
export function dtypesOf(stage: Stage): Set<ValueDType> {
  const dtypes = new Set<ValueDType>([loadedAs(stage.root.type.dtype)])
  for (const step of stage.steps) {
    if (step.kind === 'access' || step.kind === 'gather') dtypes.add(loadedAs(step.access.node.type.dtype))
    else {
      dtypes.add(loadedAs(step.node.type.dtype))
      if (step.kind === 'iota') dtypes.add('int32')
    }
  }
  return dtypes
}

/** Lanes of a full vector for these stages; 1 where widths differ, which vectors here do not mix. */
export function lanesFor(stages: readonly Stage[], { vectorBytes }: Target): number {
  const dtypes = new Set(stages.flatMap((stage) => [...dtypesOf(stage)]))
  if (!dtypes.has('float64')) return vectorBytes / 4
  return [...dtypes].every((dtype) => dtype === 'float64' || dtype === 'bool') ? vectorBytes / 8 : 1
}

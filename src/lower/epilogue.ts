/**
 * @file The epilogue of a contraction: stores finished totals, and what the fused elementwise stages make of them. Places are
 * indices along the contraction's (batch, m, n) axes, lanes along the last one. In: a total and its place. Out: stores.
 */
import { stridesOf } from '../base/shape.js'
import type { Node } from '../graph/node.js'
import { type Affine, affine, type Value } from '../kernel/loop.js'
import { type Contraction, mergeOffset } from './contraction.js'
import type { ContractGroup } from './fuse.js'
import { alongAxes } from './pack.js'
import { type KernelScope, type Known, lanesFor } from './scope.js'
import { accessKey, moveStep, type Offset, type Stage } from './stage.js'
import { widths } from './target.js'

/** Where an element of the result is stored. */
export function resultPlace({ batch, m, n }: Contraction, at: readonly Affine[]): Affine {
  const some = (axes: readonly number[]) => (axes.length === 0 ? [1] : axes)
  return alongAxes(at, stridesOf([...batch, ...some(m), ...some(n)]))
}

/** Columns `from` to `to` by vectors of `wide` lanes. */
interface Run {
  readonly wide: number
  readonly from: number
  readonly to: number
}
/** What is known at a place, by lanes. */
export type Still = ReadonlyMap<number, Known>

export class Epilogue {
  readonly #scope: KernelScope
  readonly #group: ContractGroup
  readonly #stages: readonly Stage[]
  readonly #rootKey: string
  readonly #made: ReadonlySet<Node>
  readonly #lanes: number
  readonly #runs: readonly Run[]

  /** Of rows of so many columns; `width`: lanes of a full vector of totals. */
  constructor(scope: KernelScope, group: ContractGroup, width: number, columns: number) {
    const { root, contraction, epilogue: stages } = group
    const { context } = scope
    this.#scope = scope
    this.#group = group
    this.#stages = stages.map((stage) => mergeStage(stage, contraction))
    this.#rootKey = stages[0] ? accessKey(context.ids.get(root), stages[0].store) : ''
    this.#made = new Set([root, ...stages.map((stage) => stage.root)])
    const lanes = stages.length === 0 ? width : lanesFor(stages, context.target)
    this.#lanes = lanes === width ? lanes : 1
    // Full vectors, halves of them, one by one.
    const runs: Run[] = []
    for (const wide of widths(this.#lanes, context.target)) {
      const from = runs.at(-1)?.to ?? 0
      const to = Math.floor(columns / wide) * wide
      if (from < to) runs.push({ wide, from, to })
    }
    this.#runs = runs
  }

  /** Calls `body` for each vector of a row, in a loop only where single columns are left over. */
  row(body: (column: Affine, wide: number) => void): void {
    for (const { wide, from, to } of this.#runs)
      if (wide === 1 && this.#lanes > 1) this.#scope.b.loop({ start: from, stop: to }, (c) => body(c, 1))
      else for (let c = from; c < to; c += wide) body(affine(c), wide)
  }

  /** Values of accesses that move along none of the axes from `axis` on, loaded at `at` and repeated in every lane. */
  still(at: readonly Affine[], axis: number, before?: Still): Still {
    return new Map(
      this.#runs.map(({ wide }) => {
        const known: Known = new Map(before?.get(wide))
        for (const stage of this.#stages)
          for (const step of stage.steps) {
            if (step.kind !== 'access' || known.has(step.key) || this.#made.has(step.access.node)) continue
            const { node, offset } = step.access
            if (offset.coefficients.slice(axis).some((c) => c !== 0)) continue
            const value = this.#scope.b.load(this.#scope.buffer(node, 'read'), this.#scope.place(offset, at))
            known.set(step.key, this.#scope.b.splat(value, wide))
          }
        return [wide, known]
      }),
    )
  }

  element(at: readonly Affine[], wide: number, total: Value, still: Still): void {
    const scope = this.#scope
    const { needsMemory } = scope.context
    const { root, contraction } = this.#group
    const known: Known = new Map([...still.get(wide)!, [this.#rootKey, total]])
    if (needsMemory(root)) scope.b.store(scope.buffer(root, 'write'), resultPlace(contraction, at), total)
    for (const stage of this.#stages) {
      const result = scope.evaluate(stage, at, wide, at.length - 1, known)
      known.set(stage.storeKey, result)
      if (needsMemory(stage.root))
        scope.b.store(scope.buffer(stage.root, 'write'), scope.place(stage.store, at), result)
    }
  }
}

/** A stage over the contraction's (batch, m, n) axes instead of the result's own. */
function mergeStage(stage: Stage, contraction: Contraction): Stage {
  const { batch, m } = contraction
  // Without a row or column axis places have an index for one all the same.
  const move = (offset: Offset): Offset => {
    const { constant, coefficients } = mergeOffset(contraction, offset)!
    const rows = coefficients.slice(batch.length, batch.length + m.length)
    const columns = coefficients.slice(batch.length + m.length)
    const filled = (list: readonly number[]) => (list.length === 0 ? [0] : list)
    return { constant, coefficients: [...coefficients.slice(0, batch.length), ...filled(rows), ...filled(columns)] }
  }
  return {
    ...stage,
    store: move(stage.store),
    steps: stage.steps.map((step) => moveStep(step, move)),
  }
}

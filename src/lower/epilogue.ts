/**
 * @file The epilogue of a contraction: stores finished totals, and what the fused elementwise stages make of them. Places are
 * indices along the contraction's (batch, m, n) axes; lanes go along the last one, or along the last row axis where stages store so.
 * In: a total and its place. Out: stores.
 */
import { stridesOf } from '../base/shape.js'
import type { Node } from '../graph/node.js'
import { type Affine, affine, type Value } from '../kernel/loop.js'
import { type Contraction, mergeOffset, product } from './contraction.js'
import type { ContractGroup } from './fuse.js'
import { alongAxes } from './pack.js'
import { type KernelScope, type Known, lanesFor } from './scope.js'
import { moveStep, type Offset, type Stage } from './stage.js'
import { widths } from './target.js'

/** Where an element of the result is stored. */
export function resultPlace({ batch, m, n }: Contraction, at: readonly Affine[]): Affine {
  const some = (axes: readonly number[]) => (axes.length === 0 ? [1] : axes)
  return alongAxes(at, stridesOf([...batch, ...some(m), ...some(n)]))
}

/** Elements `from` to `to` by vectors of `wide` lanes. */
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
  readonly #along: number
  readonly #lanes: number
  readonly #runs: readonly Run[]

  /**
   * Of `count` elements along the last row axis or the column axis, whichever lanes go along; `width`: lanes of a full vector of
   * totals.
   */
  constructor(
    scope: KernelScope,
    group: ContractGroup,
    width: number,
    count: number,
    along: 'rows' | 'columns' = 'columns',
  ) {
    const { root, contraction, epilogue: stages } = group
    const { context } = scope
    this.#scope = scope
    this.#group = group
    this.#stages = stages.map((stage) => mergeStage(stage, contraction))
    const reads = stages.flatMap((stage) => stage.steps.filter((step) => step.kind === 'access'))
    this.#rootKey = reads.find((step) => step.access.node === root)?.key ?? ''
    this.#made = new Set([root, ...stages.map((stage) => stage.root)])
    const axes = [
      contraction.batch.length,
      Math.max(1, contraction.m.length),
      Math.max(1, contraction.n.length),
    ] as const
    this.#along = along === 'rows' ? axes[0] + axes[1] - 1 : axes[0] + axes[1] + axes[2] - 1
    const lanes = stages.length === 0 ? width : lanesFor(stages, context.target)
    this.#lanes = lanes === width ? lanes : 1
    // Full vectors, halves of them, one by one.
    const runs: Run[] = []
    for (const wide of widths(this.#lanes, context.target)) {
      const from = runs.at(-1)?.to ?? 0
      const to = Math.floor(count / wide) * wide
      if (from < to) runs.push({ wide, from, to })
    }
    this.#runs = runs
  }

  /** Calls `body` for each vector, in a loop only where single elements are left over. */
  row(body: (at: Affine, wide: number) => void): void {
    for (const { wide, from, to } of this.#runs)
      if (wide === 1 && this.#lanes > 1) this.#scope.b.loop({ start: from, stop: to }, (c) => body(c, 1))
      else for (let c = from; c < to; c += wide) body(affine(c), wide)
  }

  /** Values of accesses that move along none of these axes, by default that of the lanes, loaded at `at` and repeated in every lane. */
  still(at: readonly Affine[], axes: readonly number[] = [this.#along], before?: Still): Still {
    return new Map(
      this.#runs.map(({ wide }) => {
        const known: Known = new Map(before?.get(wide))
        for (const stage of this.#stages)
          for (const step of stage.steps) {
            if (step.kind !== 'access' || known.has(step.key) || this.#made.has(step.access.node)) continue
            const { node, offset } = step.access
            if (axes.some((axis) => offset.coefficients[axis] !== 0)) continue
            const value = this.#scope.b.load(this.#scope.buffer(node, 'read'), this.#scope.place(offset, at))
            known.set(step.key, this.#scope.b.splat(value, wide))
          }
        return [wide, known]
      }),
    )
  }

  element(at: readonly Affine[], wide: number, total: Value, still: Still): void {
    const scope = this.#scope
    const { root, contraction } = this.#group
    const known: Known = new Map([...still.get(wide)!, [this.#rootKey, total]])
    if (scope.context.needsMemory(root)) {
      const stride = this.#along === at.length - 1 ? 1 : product(contraction.n)
      scope.storeApart(scope.buffer(root, 'write'), resultPlace(contraction, at), total, stride)
    }
    for (const stage of this.#stages) {
      const result = scope.evaluate(stage, at, wide, this.#along, known)
      known.set(stage.storeKey, result)
      scope.keep(stage, at, result, stage.store.coefficients[this.#along])
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

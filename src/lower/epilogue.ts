/**
 * @file The epilogue of a contraction: a loop over a block of finished totals that stores them, and what the fused
 * elementwise stages make of them.
 */
import type { Node } from '../graph/node.js'
import { type Affine, addAffine, affine, type Buffer, scaleAffine } from '../kernel/loop.js'
import { type Contraction, mergeOffset } from './contraction.js'
import type { ContractGroup } from './fuse.js'
import type { Rows } from './pack.js'
import { type KernelScope, type Known, lanesFor } from './scope.js'
import { accessKey, moveStep, type Offset, type Stage } from './stage.js'
import { widths } from './target.js'

/** Where element (i, j) of the result of a batch is stored. */
export const resultPlace = ({ m, n }: Contraction, batch: Affine, i: Affine, j: Affine): Affine =>
  addAffine(addAffine(scaleAffine(batch, m * n), scaleAffine(i, n)), j)

interface Totals {
  readonly buffer: Buffer
  /** Columns of a row of totals. */
  readonly panel: number
  /** Lanes of a full vector. */
  readonly width: number
}

/** Rows of the block, `columns` columns from j on. */
export function epilogue(
  scope: KernelScope,
  group: ContractGroup,
  totals: Totals,
  batch: Affine,
  block: Rows,
  j: Affine,
  columns: number,
): void {
  const { root, contraction, epilogue: stages } = group
  const { context } = scope
  const lanes = stages.length === 0 ? totals.width : lanesFor(stages, context.target)
  const width = lanes === totals.width ? lanes : 1
  const merged = stages.map((stage) => mergeStage(stage, contraction))
  const rootKey = stages[0] ? accessKey(context.ids.get(root), stages[0].store) : ''
  // Runs of columns by width: full vectors, halves of them, one by one.
  const runs: { wide: number; from: number; to: number }[] = []
  for (const wide of widths(width, context.target)) {
    const from = runs.at(-1)?.to ?? 0
    const to = Math.floor(columns / wide) * wide
    if (from < to) runs.push({ wide, from, to })
  }
  // What does not move along the columns is read once a row, what does not move at all once a panel.
  const made = new Set([root, ...stages.map((stage) => stage.root)])
  const still = (at: readonly Affine[], moves: (coefficients: readonly number[]) => boolean): Map<number, Known> =>
    new Map(runs.map(({ wide }) => [wide, stillValues(scope, merged, made, at, wide, moves)]))
  const fixed = still([batch, block.start, j], ([, m, n]) => m === 0 && n === 0)
  scope.b.loop({ start: block.start, stop: block.stop, limit: block.limit }, (i) => {
    const row = scaleAffine(addAffine(i, scaleAffine(block.start, -1)), totals.panel)
    const ofRow = still([batch, i, j], ([, m, n]) => m !== 0 && n === 0)
    const element = (c: Affine, wide: number) => {
      const value = scope.b.load(totals.buffer, addAffine(row, c), wide)
      const at = [batch, i, addAffine(j, c)]
      const known: Known = new Map([...fixed.get(wide)!, ...ofRow.get(wide)!, [rootKey, value]])
      if (context.needsMemory(root))
        scope.b.store(scope.buffer(root, 'write'), resultPlace(contraction, batch, i, addAffine(j, c)), value)
      for (const stage of merged) {
        const result = scope.evaluate(stage, at, wide, 2, known)
        known.set(stage.storeKey, result)
        if (context.needsMemory(stage.root))
          scope.b.store(scope.buffer(stage.root, 'write'), scope.place(stage.store, at), result)
      }
    }
    for (const { wide, from, to } of runs)
      if (wide === 1 && width > 1) scope.b.loop({ start: from, stop: to }, (c) => element(c, 1))
      else for (let c = from; c < to; c += wide) element(affine(c), wide)
  })
}

/** Values of accesses that move as `moves` says, loaded at `at` and repeated in every lane. */
function stillValues(
  scope: KernelScope,
  stages: readonly Stage[],
  made: ReadonlySet<Node>,
  at: readonly Affine[],
  width: number,
  moves: (coefficients: readonly number[]) => boolean,
): Known {
  const known: Known = new Map()
  for (const stage of stages)
    for (const step of stage.steps) {
      if (step.kind !== 'access' || known.has(step.key) || made.has(step.access.node)) continue
      const { node, offset } = step.access
      if (!moves(offset.coefficients)) continue
      const value = scope.b.load(scope.buffer(node, 'read'), scope.place(offset, at))
      known.set(step.key, scope.b.splat(value, width))
    }
  return known
}

/** A stage over (batch, m, n) instead of the result's own axes. */
function mergeStage(stage: Stage, contraction: Contraction): Stage {
  const move = (offset: Offset): Offset => {
    const { constant, batch, m, n } = mergeOffset(contraction, offset)!
    return { constant, coefficients: [batch, m, n] }
  }
  return {
    ...stage,
    store: move(stage.store),
    steps: stage.steps.map((step) => moveStep(step, move)),
  }
}

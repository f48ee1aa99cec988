/**
 * @file Accumulators of reductions: a variable that starts from the identity, and one step of it.
 */
import { isOp } from '../graph/node.js'
import type { ReduceKind } from '../graph/op.js'
import { type KernelBuilder, loadedAs } from '../kernel/builder.js'
import type { Value, Variable } from '../kernel/loop.js'
import type { Stage } from './stage.js'
import { combine, identity } from './values.js'

export function kindOf(stage: Stage): ReduceKind {
  if (!isOp(stage.root, 'reduce')) throw new Error(`${stage.root.op} is no reduction`)
  return stage.root.attrs.kind
}

/** How many elements of a reduction are one chain, or one set of lanes. */
export function segmentOf(stage: Stage): number {
  if (!isOp(stage.root, 'reduce')) throw new Error(`${stage.root.op} is no reduction`)
  return stage.root.attrs.order.segment
}

export const accumulator = (b: KernelBuilder, stage: Stage, lanes: number): Variable =>
  b.variable(identity(b, kindOf(stage), { dtype: loadedAs(stage.root.type.dtype), lanes }))

export function accumulate(b: KernelBuilder, stage: Stage, variable: Variable, next: Value): void {
  b.set(variable, combine(b, kindOf(stage), b.get(variable), next))
}

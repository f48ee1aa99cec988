/** @file Where a plan keeps something: for the planner and for the schedule of its launches. */
import type { DType } from '../base/dtype.js'

/**
 * A place: in the arena, the memory of a graph input that lives outside it, or a part of another place (an earlier slot),
 * which may move with the iterations of a loop: see Part in scope.ts.
 */
export type Slot =
  | { readonly kind: 'arena'; readonly dtype: DType; readonly length: number; readonly offset: number }
  | { readonly kind: 'outside'; readonly dtype: DType; readonly length: number; readonly input: number }
  | {
      readonly kind: 'part'
      readonly dtype: DType
      readonly length: number
      readonly of: number
      /** In elements, as the step. */
      readonly start: number
      /** `loop`: which of the plan's. */
      readonly step?: { readonly loop: number; readonly by: number; readonly alternating: boolean }
    }

/** The whole place that a slot is, or is a part of. */
export function wholeOf(slots: readonly Slot[], slot: Slot): Exclude<Slot, { kind: 'part' }> {
  let whole = slot
  while (whole.kind === 'part') whole = slots[whole.of]!
  return whole
}

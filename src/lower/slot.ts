/** @file Where a plan keeps something: for the planner and for the schedule of its launches. */
import type { DType } from '../base/dtype.js'

/** A place: in the arena, or the memory of a graph input that lives outside it. */
export type Slot =
  | { readonly kind: 'arena'; readonly dtype: DType; readonly length: number; readonly offset: number }
  | { readonly kind: 'outside'; readonly dtype: DType; readonly length: number; readonly input: number }

/**
 * @file Contractions of windows: convolutions and their gradients, without a copy of the windows. Which kernel: windows as columns
 * (window-columns.ts), as rows against columns that all samples share (window-shared.ts), or as rows of a long sum (window-rows.ts).
 */
import type { ContractGroup } from './fuse.js'
import type { LowerContext, Lowered } from './scope.js'
import { WindowColumns } from './window-columns.js'
import { WindowRows } from './window-rows.js'
import { SharedColumns } from './window-shared.js'

export function lowerWindowed(group: ContractGroup, context: LowerContext, name: string): Lowered {
  const { windows, rhs } = group.contraction
  if (windows === 'columns') return new WindowColumns(group, context).lower(name)
  const shared = rhs.batch.includes(0)
  return new (shared ? SharedColumns : WindowRows)(group, context).lower(name)
}

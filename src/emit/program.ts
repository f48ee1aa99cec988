/**
 * @file What emitters take: a plan without the places of its memory.
 */
import type { Kernel } from '../kernel/loop.js'

export interface Program {
  readonly kernels: readonly Kernel[]
  /** How many addresses the table has. */
  readonly pointers: number
  /** In order. `pointers`: places in the table of addresses, one per buffer of the kernel. */
  readonly launches: readonly {
    readonly kernel: number
    readonly pointers: readonly number[]
    /** See Launch in lower/plan.ts. */
    readonly shared?: boolean
    readonly wait?: boolean
  }[]
}

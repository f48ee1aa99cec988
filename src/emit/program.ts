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
    readonly loops?: readonly number[]
  }[]
  /** How often each loop is repeated. */
  readonly loops?: readonly number[]
  /** By pointer: what the iterations of loops add to the address in the table. */
  readonly moves?: ReadonlyMap<number, readonly Move[]>
}

/** Iteration i of a loop adds i · `bytes`, or (i mod 2) · `bytes`. */
export interface Move {
  readonly loop: number
  readonly bytes: number
  readonly alternating: boolean
}

/** A launch, by its number, or a loop over what it repeats. */
export type Step = number | { readonly loop: number; readonly steps: readonly Step[] }

/** Neighbours in one loop are its steps. */
export function stepsOf({ launches }: Pick<Program, 'launches'>, from = 0, to = launches.length, depth = 0): Step[] {
  const steps: Step[] = []
  for (let i = from; i < to; ) {
    const loop = launches[i]!.loops?.[depth]
    let end = i + 1
    if (loop === undefined) steps.push(i)
    else {
      while (end < to && launches[end]!.loops?.[depth] === loop) end++
      steps.push({ loop, steps: stepsOf({ launches }, i, end, depth + 1) })
    }
    i = end
  }
  return steps
}

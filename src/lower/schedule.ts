/**
 * @file Which launches threads share, and where they wait for each other. In: launches and the places they use.
 * Out: for each launch whether it is shared, and whether all threads wait before it.
 */
import { byteSize } from '../base/dtype.js'
import { type Access, isParallel, Pending } from '../kernel/barriers.js'
import type { Kernel } from '../kernel/loop.js'
import { touchedBytes } from '../kernel/traffic.js'
import type { Slot } from './slot.js'
import type { Target } from './target.js'

export interface Least {
  kernel: number
  program: number
}
/**
 * In seconds. Sharing a kernel costs a wait or two: shorter ones stay on the first thread. Threads may have to be woken:
 * programs with less to share than this stay on one. Tests set both to 0.
 */
export const leastShared: Least = { kernel: 2e-6, program: 20e-6 }

export interface Shares {
  readonly shared: boolean
  readonly wait: boolean
}

export function schedule(
  kernels: readonly Kernel[],
  launches: readonly { readonly kernel: number; readonly slots: readonly number[] }[],
  slots: readonly Slot[],
  target: Target,
  least: Least = leastShared,
): Shares[] {
  const alone = launches.map(() => ({ shared: false, wait: false }))
  if ((target.threads ?? 1) === 1) return alone
  const seconds = kernels.map((kernel) => (isParallel(kernel) ? secondsOf(kernel, target) : 0))
  const all = launches.reduce((sum, { kernel }) => sum + seconds[kernel]!, 0)
  if (all < least.program) return alone
  const pending = new Pending<'arena' | number>()
  return launches.map(({ kernel, slots: places }) => {
    const shared = isParallel(kernels[kernel]!) && seconds[kernel]! >= least.kernel
    const accesses = kernels[kernel]!.buffers.flatMap(({ access }, i): Access<'arena' | number>[] => {
      const slot = slots[places[i]!]!
      const low = slot.kind === 'arena' ? slot.offset : 0
      const high = low + slot.length * byteSize[slot.dtype] - 1
      return [{ of: slot.kind === 'arena' ? 'arena' : slot.input, low, high, write: access !== 'read', team: shared }]
    })
    return { shared, wait: pending.add(accesses) }
  })
}

/** A rough guess for one thread: a multiply-add a cycle, or memory as fast as a second-level cache. */
function secondsOf(kernel: Kernel, { vectorBytes }: Target): number {
  const bytes = touchedBytes(kernel).reduce((sum, one) => sum + one, 0)
  return Math.max(kernel.flops / (vectorBytes / 4) / 6e9, bytes / 30e9)
}

/**
 * @file Which launches threads share, and where they wait for each other. In: launches and the places they use.
 * Out: for each launch whether it is shared, and whether all threads wait before it.
 */
import { byteSize } from '../base/dtype.js'
import { type Access, isParallel, Pending } from '../kernel/barriers.js'
import type { Kernel } from '../kernel/loop.js'
import { touchedBytes } from '../kernel/traffic.js'
import { type Slot, wholeOf } from './slot.js'
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
  launches: readonly ScheduledLaunch[],
  slots: readonly Slot[],
  /** How often each loop is repeated. */
  loops: readonly number[],
  target: Target,
  least: Least = leastShared,
): Shares[] {
  const alone = launches.map(() => ({ shared: false, wait: false }))
  if ((target.threads ?? 1) === 1) return alone
  const seconds = kernels.map((kernel) => (isParallel(kernel) ? secondsOf(kernel, target) : 0))
  const times = (launch: ScheduledLaunch) => (launch.loops ?? []).reduce((n, loop) => n * loops[loop]!, 1)
  const all = launches.reduce((sum, launch) => sum + seconds[launch.kernel]! * times(launch), 0)
  if (all < least.program) return alone
  const shared = launches.map(({ kernel }) => isParallel(kernels[kernel]!) && seconds[kernel]! >= least.kernel)
  const wait = launches.map(() => false)
  const pending = new Pending<'arena' | number>()
  const visit = (i: number): void => {
    const { kernel, slots: places } = launches[i]!
    const accesses = kernels[kernel]!.buffers.map(({ access }, b): Access<'arena' | number> => {
      // Of a part that moves, the whole.
      const slot = wholeOf(slots, slots[places[b]!]!)
      const low = slot.kind === 'arena' ? slot.offset : 0
      const high = low + slot.length * byteSize[slot.dtype] - 1
      return { of: slot.kind === 'arena' ? 'arena' : slot.input, low, high, write: access !== 'read', team: shared[i]! }
    })
    if (pending.add(accesses)) wait[i] = true
  }
  // A loop goes on from its end at its beginning: twice is as good as often.
  const visitAll = (from: number, to: number, depth: number): void => {
    for (let i = from; i < to; ) {
      const loop = launches[i]!.loops?.[depth]
      let end = i + 1
      if (loop === undefined) visit(i)
      else {
        while (end < to && launches[end]!.loops?.[depth] === loop) end++
        visitAll(i, end, depth + 1)
        visitAll(i, end, depth + 1)
      }
      i = end
    }
  }
  visitAll(0, launches.length, 0)
  return launches.map((_, i) => ({ shared: shared[i]!, wait: wait[i]! }))
}

interface ScheduledLaunch {
  readonly kernel: number
  readonly slots: readonly number[]
  readonly loops?: readonly number[]
}

/** A rough guess for one thread: a multiply-add a cycle, or memory as fast as a second-level cache. */
function secondsOf(kernel: Kernel, { vectorBytes }: Target): number {
  const bytes = touchedBytes(kernel).reduce((sum, one) => sum + one, 0)
  return Math.max(kernel.flops / (vectorBytes / 4) / 6e9, bytes / 30e9)
}

/**
 * @file Where threads that share a kernel must wait for each other. In: a kernel with parallel loops.
 * Out: the statements of its body before which all of them wait.
 *
 * parallel for i { s[i] = ... }; parallel for i { b[i] = s[9 − i] }: before the second loop. Loops that touch other
 * elements, as the parts of an elementwise kernel do, need no wait.
 */
import type { Buffer, Kernel, Statement } from './loop.js'
import { LoopRanges } from './ranges.js'

/** What a statement does to elements `low` to `high` of `of`; `team`: all threads take part in it, not the first alone. */
export interface Access<B> {
  readonly of: B
  readonly low: number
  readonly high: number
  readonly write: boolean
  readonly team: boolean
}

/** What has been done since the threads last waited. */
export class Pending<B> {
  #accesses: Access<B>[] = []

  /** Adds what comes next; true if the threads must wait before it. */
  add(next: readonly Access<B>[]): boolean {
    const wait = next.some((b) =>
      this.#accesses.some(
        (a) => a.of === b.of && (a.write || b.write) && (a.team || b.team) && a.low <= b.high && b.low <= a.high,
      ),
    )
    if (wait) this.#accesses = []
    this.#accesses.push(...next)
    return wait
  }
}

export const isParallel = (kernel: Kernel): boolean => kernel.body.some((s) => s.kind === 'loop' && s.parallel)

export function barriers(kernel: Kernel): ReadonlySet<Statement> {
  const pending = new Pending<Buffer>()
  const ranges = new LoopRanges()
  const accesses = function* (s: Statement, team: boolean, depth: number): Generator<Access<Buffer>> {
    if (s.kind === 'loop') {
      if (ranges.enter(s, depth).longest <= 0) return
      for (const inner of s.body) yield* accesses(inner, team, depth + 1)
    } else if ((s.kind === 'load' || s.kind === 'store') && !s.buffer.perThread) {
      const furthest = (s.value.type.lanes - 1) * (s.kind === 'load' ? s.stride : 1)
      yield {
        of: s.buffer,
        low: ranges.low(s.index) + Math.min(0, furthest),
        high: ranges.high(s.index) + Math.max(0, furthest) + (s.row?.furthest ?? 0),
        write: s.kind === 'store',
        team,
      }
    }
  }
  // Loads that stand in no loop are done by every thread.
  const team = (s: Statement) => s.kind === 'load' || (s.kind === 'loop' && s.parallel === true)
  return new Set(kernel.body.filter((s) => pending.add([...accesses(s, team(s), 0)])))
}

/**
 * @file What kernels and programs have in common that a team of threads runs: each thread's part of a loop, and waiting.
 */
import type { Code } from './code.js'

/**
 * A thread's part of so many iterations: neighbouring ones, equally many, the rest one each to the first threads. `thread`
 * is the local with the thread's number, the next one has how many there are. The caller releases both locals.
 */
export function emitDivision(code: Code, iterations: number, thread: number): { first: number; count: number } {
  const [each, rest, first, count] = [0, 1, 2, 3].map(() => code.allocate('i32')) as [number, number, number, number]
  // each = iterations / threads, rest = iterations mod threads
  code.i32(iterations)
  code.get(thread + 1)
  code.instruction('i32.div_u')
  code.set(each)
  code.i32(iterations)
  code.get(each)
  code.get(thread + 1)
  code.instruction('i32.mul')
  code.instruction('i32.sub')
  code.set(rest)
  // first = each · thread + min(thread, rest)
  code.get(each)
  code.get(thread)
  code.instruction('i32.mul')
  code.get(thread)
  code.get(rest)
  code.get(thread)
  code.get(rest)
  code.instruction('i32.lt_u')
  code.instruction('select')
  code.instruction('i32.add')
  code.set(first)
  // count = each + (thread < rest)
  code.get(each)
  code.get(thread)
  code.get(rest)
  code.instruction('i32.lt_u')
  code.instruction('i32.add')
  code.set(count)
  code.release(each)
  code.release(rest)
  return { first, count }
}

/** Calls function `wait` with the number of threads in a local, if there are others. */
export function emitWait(code: Code, threads: number, wait: number): void {
  code.get(threads)
  code.i32(1)
  code.instruction('i32.gt_u')
  code.open('if')
  code.get(threads)
  code.call(wait)
  code.end()
}

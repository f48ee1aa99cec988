/**
 * @file How threads of WebAssembly wait for each other: a module of two functions over words of shared memory.
 * `wait(threads)` returns when so many threads have called it; `look(word, old)` returns when a word is no longer `old`.
 *
 * Who waits looks again and again for a while, then sleeps: waiting costs nothing while a step is under way, and a busy
 * neighbour gets the processor otherwise. Whoever sleeps in the middle of work calls `env.stalled()` ten times a second,
 * which may throw: a thread that died must not leave the others waiting.
 */
import { Code } from './code.js'
import { assemble, type EmitOptions } from './emit.js'

/**
 * Where the words are, in bytes from the start of a block of memory that begins as zeros. Words that different threads
 * write to at once are 128 bytes apart: neither in one line of cache nor in the one fetched along with it.
 */
export const words = {
  /** How often all threads have waited, and how many sleep until the next time. */
  phase: 0,
  sleepers: 4,
  /** Threads that have called `wait` since. */
  arrived: 128,
  /** How often a thread fell asleep in the middle of work. */
  slept: 256,
  /** Not 0: a thread has failed, and nobody goes on. */
  failed: 260,
  /** Of each worker, so many bytes after the last one's. */
  workers: 384,
  stride: 128,
} as const
/** Words of a worker: how many jobs it has been given, whether it sleeps until the next, how many it has done; the job. */
export const workerWords = {
  jobs: 0,
  asleep: 4,
  done: 8,
  kind: 12,
  place: 16,
  address: 20,
  size: 24,
  thread: 28,
} as const

/** About 50 µs, which is what passes between two steps, or between the ends of two threads' parts. */
const looks = 30_000
const nanoseconds = 100_000_000n

/** `control`: where the words are. */
export function emitThreads(control: number, options: EmitOptions): Uint8Array<ArrayBuffer> {
  const stalled = 0
  return assemble(
    [
      { name: 'wait', arity: 1, code: emitBarrier(control, stalled) },
      { name: 'look', arity: 2, code: emitLook() },
    ],
    [{ name: 'stalled', arity: 0 }],
    options,
  )
}

/** The last to arrive lets all go. */
function emitBarrier(control: number, stalled: number): Code {
  const code = new Code(1)
  const [threads, phase] = [0, code.allocate('i32')]
  const word = (name: 'phase' | 'sleepers' | 'arrived' | 'slept') => code.i32(control + words[name])
  const load = () => code.memory('i32.atomic.load', 2, 0)
  const count = (name: 'sleepers' | 'slept', by: 'add' | 'sub') => {
    word(name)
    code.i32(1)
    code.memory(`i32.atomic.rmw.${by}`, 2, 0)
    code.instruction('drop')
  }
  word('phase')
  load()
  code.set(phase)
  word('arrived')
  code.i32(1)
  code.memory('i32.atomic.rmw.add', 2, 0)
  code.i32(1)
  code.instruction('i32.add')
  code.get(threads)
  code.instruction('i32.eq')
  code.open('if')
  word('arrived')
  code.i32(0)
  code.memory('i32.atomic.store', 2, 0)
  word('phase')
  code.get(phase)
  code.i32(1)
  code.instruction('i32.add')
  code.memory('i32.atomic.store', 2, 0)
  // Either the sleeper sees the new phase, or it is seen here to sleep.
  word('sleepers')
  load()
  code.open('if')
  word('phase')
  code.i32(-1)
  code.memory('memory.atomic.notify', 2, 0)
  code.instruction('drop')
  code.end()
  code.instruction('return')
  code.end()

  emitSpin(code, () => word('phase'), phase)
  count('slept', 'add')
  count('sleepers', 'add')
  code.open('loop')
  word('phase')
  code.get(phase)
  code.i64(nanoseconds)
  code.memory('memory.atomic.wait32', 2, 0)
  code.instruction('drop')
  word('phase')
  load()
  code.get(phase)
  code.instruction('i32.eq')
  code.open('if')
  code.call(stalled)
  code.branch(1)
  code.end()
  code.end()
  count('sleepers', 'sub')
  return code
}

/** Of a worker that has nothing to do: it says that it sleeps in the word after. */
function emitLook(): Code {
  const code = new Code(2)
  const [address, old] = [0, 1]
  const asleep = (value: number) => {
    code.get(address)
    code.i32(value)
    code.memory('i32.atomic.store', 2, workerWords.asleep - workerWords.jobs)
  }
  emitSpin(code, () => code.get(address), old)
  asleep(1)
  code.open('loop')
  code.get(address)
  code.get(old)
  code.i64(-1n)
  code.memory('memory.atomic.wait32', 2, 0)
  code.instruction('drop')
  code.get(address)
  code.memory('i32.atomic.load', 2, 0)
  code.get(old)
  code.instruction('i32.eq')
  code.branchIf(0)
  code.end()
  asleep(0)
  return code
}

/** Returns from the function if the word is, or within a while becomes, another than local `old`. */
function emitSpin(code: Code, word: () => void, old: number): void {
  const left = code.allocate('i32')
  code.i32(looks)
  code.set(left)
  code.open('loop')
  word()
  code.memory('i32.atomic.load', 2, 0)
  code.get(old)
  code.instruction('i32.ne')
  code.open('if')
  code.instruction('return')
  code.end()
  code.get(left)
  code.i32(1)
  code.instruction('i32.sub')
  code.tee(left)
  code.branchIf(0)
  code.end()
  code.release(left)
}

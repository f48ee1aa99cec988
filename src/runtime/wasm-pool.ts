/**
 * @file The threads of WebAssembly: one pool of workers for the process, over the heap's shared memory.
 * In: programs whose module exports `share`. Out: how many threads are ready for one, and a call on all of them.
 *
 * Nobody waits for a worker to start or to compile: as long as one is not ready, the caller works alone, with the same
 * bits. Workers never keep the process alive. One that fails or dies in the middle of a step makes the step throw; one
 * that has ended between steps leaves the caller to go on alone.
 */
import { GradusError } from '../base/errors.js'
import { makeModule } from '../emit/wasm/features.js'
import { webAssembly } from '../emit/wasm/host.js'
import { emitThreads, words, workerWords } from '../emit/wasm/threads.js'
import { type Heap, maximumPages } from './heap.js'
import { noteOnce } from './note.js'
import { isGone, type PoolWorker, startWorker, type WorkerStart } from './wasm-worker.js'

/** What the pool knows a program by. */
export interface SharedProgram {
  readonly module: Uint8Array<ArrayBuffer>
  readonly share: (table: number, thread: number, threads: number) => void
}

/** `threads` is 64 at most. */
const mostWorkers = 63
/** So many programs are kept by the workers; who comes later takes the place of the one that came first. */
const places = 64
/** A worker that is not heard of while the others sleep so often (ten times a second) is taken for dead. */
const patience = 300

export class WasmPool {
  readonly #heap: Heap
  readonly #control: number
  readonly #states: Int32Array
  readonly #start: Omit<WorkerStart, 'own' | 'thread'>
  readonly #workers: PoolWorker[] = []
  /** Which program it is, counted from when workers were last hired; held weakly, so that what nobody uses any more goes. */
  #numbers = new WeakMap<SharedProgram, number>()
  #next = 0
  /** The bytes of a module that workers are compiling. */
  #loading: number | undefined
  #broken: string | undefined
  #stalls = 0
  #stalledPhase = 0
  /** The function of a program's import `wait`. */
  readonly wait: (threads: number) => void

  constructor(heap: Heap) {
    this.#heap = heap
    const bytes = words.workers + mostWorkers * words.stride
    this.#control = heap.allocate(bytes)
    this.#states = new Int32Array(heap.memory.buffer, this.#control, bytes / 4)
    this.#states.fill(0)
    const threads = emitThreads(this.#control, { shared: { maximum: maximumPages } })
    const env = { memory: heap.memory, stalled: () => this.#stalled() }
    const { exports } = new webAssembly.Instance(makeModule(threads), { env })
    this.wait = exports['wait'] as (threads: number) => void
    this.#start = { threads, memory: heap.memory, control: this.#control }
  }

  /** How many threads are ready to run the program, the caller included: `wanted`, or 1 and they are being prepared. */
  team(program: SharedProgram, wanted: number): number {
    if (this.#broken !== undefined) return 1
    if (this.#workers.length < wanted - 1) this.#hire(wanted - 1)
    for (let i = 0; i < this.#workers.length; i++)
      if (this.#get(i, 'done') !== this.#get(i, 'jobs') + 1)
        return Atomics.load(this.#states, words.failed / 4) ? this.#fail() : 1
    if (this.#loading !== undefined) {
      this.#heap.release(this.#loading)
      this.#loading = undefined
    }
    if (this.#placeOf(program) === undefined) {
      try {
        this.#load(program)
      } catch (error) {
        // No room for the module: the program itself has room enough.
        this.#end(String(error))
      }
      return 1
    }
    return wanted
  }

  /** Runs the program on a team that is ready. Returns how often threads fell asleep. */
  run(program: SharedProgram, table: number, threads: number): number {
    const states = this.#states
    states[words.slept / 4] = 0
    const place = this.#placeOf(program)!
    for (let i = 0; i < threads - 1; i++) this.#give(i, 2, place, table, threads)
    this.#stalls = 0
    program.share(table, 0, threads)
    return states[words.slept / 4]!
  }

  #index(worker: number, word: keyof typeof workerWords): number {
    return (words.workers + worker * words.stride + workerWords[word]) / 4
  }

  #get(worker: number, word: keyof typeof workerWords): number {
    return Atomics.load(this.#states, this.#index(worker, word))
  }

  #give(worker: number, kind: number, place: number, address: number, size: number): void {
    const states = this.#states
    const first = this.#index(worker, 'kind')
    states[first] = kind
    states[first + 1] = place
    states[first + 2] = address
    states[first + 3] = size
    const jobs = this.#index(worker, 'jobs')
    Atomics.add(states, jobs, 1)
    if (Atomics.load(states, this.#index(worker, 'asleep')) !== 0) Atomics.notify(states, jobs)
  }

  #hire(count: number): void {
    // Those that come later know none of the programs.
    this.#numbers = new WeakMap()
    try {
      while (this.#workers.length < count) {
        const thread = this.#workers.length + 1
        const own = this.#control + words.workers + (thread - 1) * words.stride
        const worker = startWorker({ ...this.#start, own, thread })
        worker.onEnd((reason) => this.#end(reason))
        this.#workers.push(worker)
      }
    } catch (error) {
      this.#end(String(error))
    }
  }

  #load(program: SharedProgram): void {
    const { module } = program
    this.#loading = this.#heap.allocate(module.length)
    new Uint8Array(this.#heap.memory.buffer, this.#loading, module.length).set(module)
    const number = this.#next++
    this.#numbers.set(program, number)
    for (let i = 0; i < this.#workers.length; i++) this.#give(i, 1, number % places, this.#loading, module.length)
  }

  /** Where the workers keep it, unless a later one has taken its place. */
  #placeOf(program: SharedProgram): number | undefined {
    const number = this.#numbers.get(program)
    return number === undefined || number < this.#next - places ? undefined : number % places
  }

  /** A worker has ended, seen between two steps: nothing is lost. */
  #end(reason: string): void {
    if (this.#broken !== undefined) return
    this.#stop(reason)
    noteOnce(`gradus: steps go on with one thread: a worker has stopped (${reason})`)
  }

  /** A worker has failed to compile or to start; seen between two steps. */
  #fail(): number {
    this.#end('it could not make its program')
    return 1
  }

  /** No worker may still write when the caller goes on with what it has saved; at most a second, where that can be seen. */
  #awaitEnds(): void {
    const alive = () => this.#workers.some((_, i) => this.#get(i, 'thread') !== 0 && !isGone(this.#get(i, 'thread')))
    for (let i = 0; i < 100 && alive(); i++)
      Atomics.wait(this.#states, words.slept / 4, this.#states[words.slept / 4]!, 10)
  }

  #stop(reason: string): void {
    this.#broken = reason
    Atomics.store(this.#states, words.failed / 4, 1)
    for (const worker of this.#workers) worker.terminate()
  }

  /** Called ten times a second while this thread sleeps in the middle of a step. */
  #stalled(): void {
    const phase = Atomics.load(this.#states, words.phase / 4)
    // Counted, not timed: while the whole process is stopped nobody is late.
    this.#stalls = phase === this.#stalledPhase ? this.#stalls + 1 : 1
    this.#stalledPhase = phase
    const gone = this.#workers.some((_, i) => isGone(this.#get(i, 'thread')))
    const failed = Atomics.load(this.#states, words.failed / 4) !== 0
    if (!gone && !failed && this.#stalls < patience) return
    const reason = failed ? 'a worker has failed' : gone ? 'a worker has died' : 'a worker does not answer'
    this.#stop(reason)
    this.#awaitEnds()
    throw new GradusError('threads', `${reason} in the middle of a step, whose updates may be half done`, {
      hint: 'Start again from saved values; steps go on with one thread (GRADUS_THREADS=1 does without workers).',
    })
  }
}

/**
 * @file The native engine: a plan becomes C, the system's compiler makes it a library, koffi calls it. It works in the
 * heap's memory, as WebAssembly does: the same addresses, so that a program may change from one to the other between
 * two calls and nothing moves.
 */
import type { TypedArray } from '../base/dtype.js'
import type { Storage } from '../base/storage.js'
import { emitC } from '../emit/c/emit.js'
import type { Plan } from '../lower/plan.js'
import { Binding, emittable, tableLength } from './binding.js'
import { type Engine, medianSeconds, type Runnable } from './engine.js'
import { sharedHeap } from './heap.js'
import { findCompiler, type Library, loadC } from './native-compiler.js'
import { koffi } from './native-host.js'
import { threadPool } from './native-pool.js'
import { forgetTable } from './wasm.js'

export const nativeEngine: Engine = {
  name: 'native',
  target: () => findCompiler().target,
  threads: (wanted) => wanted,
  load: (plan, storages, threads = 1) => new NativeProgram(plan, storages, loadC(sourceOf([plan])), threads),
}

/** The C of several programs in one file: one run of the compiler for all. */
export const sourceOf = (plans: readonly Plan[]): string => emitC(plans.map(emittable))

export class NativeProgram implements Runnable {
  readonly #binding: Binding
  readonly #run: (table: bigint) => unknown
  /** Where launches are shared: on how many threads. */
  readonly #share: ((table: bigint, threads: number, pool: bigint) => unknown) | undefined
  readonly #threads: number
  readonly #launch: (table: bigint, launch: number) => unknown
  /** Addresses for C, outside of what the garbage collector moves: buffers of their own, not small typed arrays. */
  readonly #table: BigInt64Array<ArrayBuffer>
  readonly #tableAddress: bigint
  #moved = false

  /** `index`: which of the library's programs this is. */
  constructor(plan: Plan, storages: readonly (Storage | undefined)[], library: Library, threads: number, index = 0) {
    this.#binding = new Binding(plan, storages, sharedHeap())
    this.#run = library.func(`void run${index}(void *t)`)
    const shared = threads > 1 && plan.launches.some((launch) => launch.shared)
    this.#share = shared ? library.func(`void share${index}(void *t, intptr_t threads, intptr_t pool)`) : undefined
    this.#threads = threads
    this.#launch = library.func(`void launch${index}(void *t, int l)`)
    this.#table = new BigInt64Array(new ArrayBuffer(8 * Math.max(64, tableLength(plan.slots.length))))
    this.#tableAddress = koffi().address(this.#table.buffer)
  }

  run(inputs: readonly (TypedArray | undefined)[], results: number): TypedArray[] {
    const binding = this.#binding
    if (binding.prepare() || this.#moved) this.#writeTable(1)
    binding.copyIn(inputs)
    this.#call()
    return binding.copyOut(results)
  }

  runMany(inputs: readonly (readonly (TypedArray | undefined)[])[], results: number): TypedArray[][] {
    const one = (values: (typeof inputs)[number]) => this.run(values, results)
    return this.#binding.many(inputs, results, one, (steps) => {
      this.#writeTable(steps)
      this.#call()
    })
  }

  #call(): void {
    // The arena begins with the table of WebAssembly's last program, which is overwritten now.
    forgetTable()
    if (this.#share) this.#share(this.#tableAddress, this.#threads, threadPool())
    else this.#run(this.#tableAddress)
  }

  time(inputs: readonly (TypedArray | undefined)[]): number[] {
    return this.#binding.keepingStorages(() => {
      this.run(inputs, 0)
      return this.#binding.plan.launches.map((_, l) => medianSeconds(() => this.#launch(this.#tableAddress, l)))
    })
  }

  /** The heap's memory may have grown, and stand elsewhere. */
  #writeTable(steps: number): void {
    const { heap, addresses, strides } = this.#binding
    // A view: koffi knows no shared memory.
    const base = koffi().address(new Uint8Array(heap.memory.buffer))
    addresses.forEach((address, slot) => {
      this.#table[slot] = base + BigInt(address)
      this.#table[addresses.length + slot] = BigInt(strides[slot]!)
    })
    this.#table[2 * addresses.length] = BigInt(steps)
    // A call of several steps moves addresses in the table.
    this.#moved = steps > 1
  }
}

/**
 * @file The WebAssembly engine: a plan becomes one module over the shared heap; a call copies arguments in, runs every
 * kernel, and copies results out. Where launches are shared, the pool's workers have the same module.
 */
import type { TypedArray } from '../base/dtype.js'
import type { Storage } from '../base/storage.js'
import { emitModule } from '../emit/wasm/emit.js'
import { compileModule } from '../emit/wasm/features.js'
import { webAssembly } from '../emit/wasm/host.js'
import type { Plan } from '../lower/plan.js'
import { wasmTarget } from '../lower/target.js'
import { Binding, emittable, tableLength } from './binding.js'
import { type Engine, medianSeconds, type Runnable } from './engine.js'
import { Habit } from './habit.js'
import { maximumPages, sharedHeap } from './heap.js'
import { noteOnce } from './note.js'
import { type SharedProgram, WasmPool } from './wasm-pool.js'

/** The program whose addresses stand in the table; the next call of the same need not write them again. */
let tableOf: object | undefined

export const wasmEngine: Engine = {
  name: 'wasm',
  target: () => wasmTarget,
  threads: (wanted) => {
    const why = wanted > 1 ? sharedHeap().whyAlone : undefined
    if (why !== undefined) noteOnce(`gradus: WebAssembly has one thread here: ${why}`)
    return why === undefined ? wanted : 1
  },
  load: (plan, storages, threads = 1) => new WasmProgram(plan, storages, threads),
}

/** After how many milliseconds a program is worth starting workers for, and how many calls were shared so far. */
export const sharing = { afterMs: 20, calls: 0 }

let pool: WasmPool | undefined

type KernelFunction = (...pointers: number[]) => void

class WasmProgram implements Runnable {
  readonly #binding: Binding
  readonly #exports: { readonly [name: string]: unknown }
  readonly #run: (table: number) => void
  readonly #threads: number
  readonly #shared: SharedProgram | undefined
  readonly #habit = new Habit()
  #spent = 0

  constructor(plan: Plan, storages: readonly (Storage | undefined)[], threads: number) {
    const heap = sharedHeap()
    this.#binding = new Binding(plan, storages, heap, tableLength(plan.slots.length) * 4)
    this.#threads = threads
    const module = emitModule(emittable(plan), heap.whyAlone === undefined ? { shared: { maximum: maximumPages } } : {})
    const shared = threads > 1 && plan.launches.some((launch) => launch.shared)
    if (shared) pool ??= new WasmPool(heap)
    const env = { memory: heap.memory, ...(shared ? { wait: pool!.wait } : {}) }
    const { exports } = new webAssembly.Instance(compileModule(module), { env })
    this.#exports = exports
    this.#run = exports['run'] as (table: number) => void
    this.#shared = shared ? { module, share: exports['share'] as SharedProgram['share'] } : undefined
  }

  run(inputs: readonly (TypedArray | undefined)[], results: number): TypedArray[] {
    const binding = this.#binding
    if (binding.prepare() || tableOf !== this) {
      this.#writeTable(1)
      tableOf = this
    }
    binding.copyIn(inputs)
    this.#call(binding.arena, 1)
    return binding.copyOut(results)
  }

  runMany(inputs: readonly (readonly (TypedArray | undefined)[])[], results: number): TypedArray[][] {
    const binding = this.#binding
    const one = (values: (typeof inputs)[number]) => this.run(values, results)
    return binding.many(inputs, results, one, (steps) => {
      this.#writeTable(steps)
      // The call moves addresses in the table.
      tableOf = undefined
      this.#call(binding.arena, steps)
    })
  }

  #call(table: number, steps: number): void {
    if (this.#shared) this.#share(this.#shared, table, steps)
    else this.#run(table)
  }

  /** On all threads, if they are ready, and if it is worth it. */
  #share(program: SharedProgram, table: number, steps: number): void {
    const start = performance.now()
    const alone = this.#spent < sharing.afterMs || this.#habit.prefersAlone
    const team = alone ? 1 : pool!.team(program, this.#threads)
    if (team > 1) {
      const sleeps = pool!.run(program, table, team)
      sharing.calls++
      this.#habit.together((performance.now() - start) / steps, steps, sleeps)
      return
    }
    this.#run(table)
    const ms = performance.now() - start
    this.#spent += ms
    if (this.#habit.prefersAlone) this.#habit.alone(ms / steps, steps)
  }

  time(inputs: readonly (TypedArray | undefined)[]): number[] {
    return this.#binding.keepingStorages(() => {
      this.run(inputs, 0)
      return this.#binding.plan.launches.map(({ kernel, slots }) => {
        const f = this.#exports[`k${kernel}`] as KernelFunction
        const pointers = slots.map((slot) => this.#binding.addresses[slot]!)
        // What threads share also takes which thread it is, and of how many.
        if (f.length > pointers.length) pointers.push(0, 1)
        return medianSeconds(() => f(...pointers))
      })
    })
  }

  /** The table stands where the arena begins, which all programs use in turn. */
  #writeTable(steps: number): void {
    const { heap, arena, addresses, strides } = this.#binding
    const table = new Int32Array(heap.memory.buffer, arena, tableLength(addresses.length))
    table.set(addresses)
    table.set(strides, addresses.length)
    table[2 * addresses.length] = steps
  }
}

/** Called by engines that use the arena without a table in it. */
export function forgetTable(): void {
  tableOf = undefined
}

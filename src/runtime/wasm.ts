/**
 * @file The WebAssembly engine: a plan becomes one module over the shared heap; a call copies arguments in, runs every
 * kernel, and copies results out.
 */
import { byteSize, type TypedArray } from '../base/dtype.js'
import type { Storage } from '../base/storage.js'
import { emitModule } from '../emit/wasm/emit.js'
import { compileModule } from '../emit/wasm/features.js'
import { webAssembly } from '../emit/wasm/host.js'
import type { Plan } from '../lower/plan.js'
import { wasmTarget } from '../lower/target.js'
import { Binding } from './binding.js'
import { type Engine, medianSeconds, type Runnable } from './engine.js'
import { sharedHeap } from './heap.js'

/** The program whose addresses stand in the table; the next call of the same need not write them again. */
let tableOf: object | undefined

export const wasmEngine: Engine = {
  name: 'wasm',
  target: () => wasmTarget,
  load: (plan, storages) => new WasmProgram(plan, storages),
}

type KernelFunction = (...pointers: number[]) => void

class WasmProgram implements Runnable {
  readonly #binding: Binding
  readonly #exports: { readonly [name: string]: unknown }
  readonly #run: (table: number) => void

  constructor(plan: Plan, storages: readonly (Storage | undefined)[]) {
    const heap = sharedHeap()
    this.#binding = new Binding(plan, storages, heap, plan.slots.length * 4)
    const bytes = emitModule({
      kernels: plan.kernels,
      launches: plan.launches.map(({ kernel, slots }) => ({ kernel, pointers: slots })),
    })
    const instance = new webAssembly.Instance(compileModule(bytes), { env: { memory: heap.memory } })
    this.#exports = instance.exports
    this.#run = instance.exports['run'] as (table: number) => void
  }

  run(inputs: readonly (TypedArray | undefined)[], results: number): TypedArray[] {
    const binding = this.#binding
    if (binding.prepare() || tableOf !== this) this.#writeTable()
    binding.copyIn(inputs)
    this.#run(binding.arena)
    return binding.copyOut(results)
  }

  time(inputs: readonly (TypedArray | undefined)[]): number[] {
    return this.#binding.keepingStorages(() => {
      this.run(inputs, 0)
      return this.#binding.plan.launches.map(({ kernel, slots }) => {
        const f = this.#exports[`k${kernel}`] as KernelFunction
        const pointers = slots.map((slot) => this.#binding.addresses[slot]!)
        return medianSeconds(() => f(...pointers))
      })
    })
  }

  /** The table stands where the arena begins, which all programs use in turn. */
  #writeTable(): void {
    const { heap, arena, addresses } = this.#binding
    new Int32Array(heap.memory.buffer, arena, addresses.length).set(addresses)
    tableOf = this
  }
}

/** Called by engines that use the arena without a table in it. */
export function forgetTable(): void {
  tableOf = undefined
}

/** Bytes a launch reads and writes, each buffer once. */
export function trafficOf(plan: Plan, launch: number): number {
  const { kernel } = plan.launches[launch]!
  return plan.kernels[kernel]!.buffers.reduce(
    (sum, { dtype, length, access }) => sum + byteSize[dtype] * length * (access === 'update' ? 2 : 1),
    0,
  )
}

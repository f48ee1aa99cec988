/**
 * @file The WebAssembly engine: a plan becomes one module over the shared heap; a call copies arguments in, runs every
 * kernel, and copies results out.
 */
import { byteSize, type TypedArray, viewOf } from '../base/dtype.js'
import type { Storage } from '../base/storage.js'
import { emitModule } from '../emit/wasm/emit.js'
import { compileModule } from '../emit/wasm/features.js'
import { webAssembly } from '../emit/wasm/host.js'
import type { Plan, Slot } from '../lower/plan.js'
import { type Engine, medianSeconds, type Runnable } from './engine.js'
import { Heap } from './heap.js'

let heap: Heap | undefined
/** The program whose addresses stand in the table; the next call of the same need not write them again. */
let tableOf: object | undefined

export const wasmEngine: Engine = {
  name: 'wasm',
  load: (plan, storages) => new WasmProgram(plan, storages, (heap ??= new Heap())),
}

type KernelFunction = (...pointers: number[]) => void

class WasmProgram implements Runnable {
  readonly #plan: Plan
  readonly #heap: Heap
  readonly #storages: readonly (Storage | undefined)[]
  readonly #exports: { readonly [name: string]: unknown }
  readonly #run: (table: number) => void
  readonly #tableBytes: number
  #epoch = -1
  #buffer: ArrayBuffer | undefined
  #table = 0
  #addresses = new Int32Array(0)
  #inputViews: (TypedArray | undefined)[] = []
  #outputViews: (TypedArray | undefined)[] = []

  constructor(plan: Plan, storages: readonly (Storage | undefined)[], heap: Heap) {
    this.#plan = plan
    this.#heap = heap
    this.#storages = storages
    const bytes = emitModule({
      kernels: plan.kernels,
      launches: plan.launches.map(({ kernel, slots }) => ({ kernel, pointers: slots })),
    })
    const instance = new webAssembly.Instance(compileModule(bytes), { env: { memory: heap.memory } })
    this.#exports = instance.exports
    this.#run = instance.exports['run'] as (table: number) => void
    this.#tableBytes = Math.ceil((plan.slots.length * 4) / 64) * 64
  }

  run(inputs: readonly (TypedArray | undefined)[], results: number): TypedArray[] {
    this.#prepare()
    this.#copyIn(inputs)
    this.#run(this.#table)
    const out = new Array<TypedArray>(results)
    for (let i = 0; i < results; i++) out[i] = this.#outputViews[i]!.slice() as TypedArray
    return out
  }

  time(inputs: readonly (TypedArray | undefined)[]): number[] {
    const saved = this.#storages.map((storage) => storage?.read())
    this.run(inputs, 0)
    const seconds = this.#plan.launches.map(({ kernel, slots }) => {
      const f = this.#exports[`k${kernel}`] as KernelFunction
      const pointers = slots.map((slot) => this.#addresses[slot]!)
      return medianSeconds(() => f(...pointers))
    })
    this.#storages.forEach((storage, i) => {
      storage?.write(saved[i]!)
    })
    return seconds
  }

  /** Addresses and views, made anew when anything in the heap has moved. */
  #prepare(): void {
    const heap = this.#heap
    if (this.#epoch === heap.epoch && this.#buffer === heap.memory.buffer) {
      if (tableOf !== this) this.#writeTable()
      return
    }
    const { slots, inputs, outputs, arenaBytes } = this.#plan
    const bound = this.#storages.filter((storage) => storage !== undefined)
    const pointers = heap.bind(bound)
    this.#table = heap.arena(this.#tableBytes + arenaBytes)
    const arena = this.#table + this.#tableBytes
    const addressOf = new Map<number, number>()
    let next = 0
    this.#storages.forEach((storage, i) => {
      if (storage) addressOf.set(i, pointers[next++]!)
    })
    const place = (slot: Slot) => (slot.kind === 'arena' ? arena + slot.offset : addressOf.get(slot.input)!)
    this.#addresses = Int32Array.from(slots, place)
    const buffer = heap.memory.buffer
    const view = (slot: number): TypedArray | undefined =>
      slot < 0 ? undefined : viewOf(slots[slot]!.dtype, buffer, place(slots[slot]!), slots[slot]!.length)
    this.#inputViews = inputs.map((slot, i) => (this.#storages[i] ? undefined : view(slot)))
    this.#outputViews = outputs.map(view)
    this.#buffer = buffer
    this.#epoch = heap.epoch
    this.#writeTable()
  }

  #writeTable(): void {
    new Int32Array(this.#heap.memory.buffer, this.#table, this.#addresses.length).set(this.#addresses)
    tableOf = this
  }

  #copyIn(inputs: readonly (TypedArray | undefined)[]): void {
    const views = this.#inputViews
    for (let i = 0; i < views.length; i++) views[i]?.set(inputs[i]! as Float32Array<ArrayBuffer>)
  }
}

/** Bytes a launch reads and writes, each buffer once. */
export function trafficOf(plan: Plan, launch: number): number {
  const { kernel } = plan.launches[launch]!
  return plan.kernels[kernel]!.buffers.reduce(
    (sum, { dtype, length, access }) => sum + byteSize[dtype] * length * (access === 'update' ? 2 : 1),
    0,
  )
}

/**
 * @file Where a program's slots are in the heap: the part that all engines share which run over its memory.
 * In: a plan, the Variables' storages, the heap. Out: addresses, and views through which arguments go in and results
 * come out; made anew whenever anything in the heap has moved.
 */
import { type TypedArray, viewOf } from '../base/dtype.js'
import type { Storage } from '../base/storage.js'
import type { Plan, Slot } from '../lower/plan.js'
import type { Heap } from './heap.js'

export class Binding {
  readonly plan: Plan
  readonly heap: Heap
  readonly #storages: readonly (Storage | undefined)[]
  readonly #headBytes: number
  #epoch = -1
  #buffer: ArrayBuffer | undefined
  /** The first byte of the arena: the engine's own room, `headBytes` rounded up, then the plan's. */
  arena = 0
  /** Of each slot, as an offset in the heap's memory. */
  addresses: readonly number[] = []
  #inputs: (TypedArray | undefined)[] = []
  #outputs: (TypedArray | undefined)[] = []

  /** `headBytes`: room at the start of the arena for the engine itself. */
  constructor(plan: Plan, storages: readonly (Storage | undefined)[], heap: Heap, headBytes = 0) {
    this.plan = plan
    this.heap = heap
    this.#storages = storages
    this.#headBytes = Math.ceil(headBytes / 64) * 64
  }

  /** To be called before each run. True if addresses may have changed since the last. */
  prepare(): boolean {
    const { heap } = this
    if (this.#epoch === heap.epoch && this.#buffer === heap.memory.buffer) return false
    const { slots, inputs, outputs, arenaBytes } = this.plan
    const pointers = heap.bind(this.#storages.filter((storage) => storage !== undefined))
    this.arena = heap.arena(this.#headBytes + arenaBytes)
    const first = this.arena + this.#headBytes
    const addressOf = new Map<number, number>()
    let next = 0
    this.#storages.forEach((storage, i) => {
      if (storage) addressOf.set(i, pointers[next++]!)
    })
    const place = (slot: Slot) => (slot.kind === 'arena' ? first + slot.offset : addressOf.get(slot.input)!)
    this.addresses = slots.map(place)
    const { buffer } = heap.memory
    const view = (slot: number): TypedArray | undefined =>
      slot < 0 ? undefined : viewOf(slots[slot]!.dtype, buffer, this.addresses[slot]!, slots[slot]!.length)
    this.#inputs = inputs.map((slot, i) => (this.#storages[i] ? undefined : view(slot)))
    this.#outputs = outputs.map(view)
    this.#buffer = buffer
    this.#epoch = heap.epoch
    return true
  }

  /** Copies the arguments into the arena. */
  copyIn(values: readonly (TypedArray | undefined)[]): void {
    const views = this.#inputs
    for (let i = 0; i < views.length; i++) views[i]?.set(values[i]! as Float32Array<ArrayBuffer>)
  }

  /** Copies of the first `count` results. */
  copyOut(count: number): TypedArray[] {
    const out = new Array<TypedArray>(count)
    for (let i = 0; i < count; i++) out[i] = this.#outputs[i]!.slice() as TypedArray
    return out
  }

  /** Runs `f`, after which every storage holds what it held before. */
  keepingStorages<T>(f: () => T): T {
    const saved = this.#storages.map((storage) => storage?.read())
    const result = f()
    this.#storages.forEach((storage, i) => {
      storage?.write(saved[i]!)
    })
    return result
  }
}

/**
 * @file Where a program's slots are in the heap: the part that all engines share which run over its memory.
 * In: a plan, the Variables' storages, the heap. Out: addresses, and views through which arguments go in and results
 * come out; made anew whenever anything in the heap has moved.
 */
import { byteSize, type TypedArray, viewOf } from '../base/dtype.js'
import type { Storage } from '../base/storage.js'
import type { Move, Program } from '../emit/program.js'
import type { Plan, Slot } from '../lower/plan.js'
import type { Heap } from './heap.js'

const align = (bytes: number): number => Math.ceil(bytes / 64) * 64

/** Of a program's table: the address of each slot, how far each moves from step to step, and how many steps to make. */
export const tableLength = (slots: number): number => 2 * slots + 1

/** The plan as emitters take it: a pointer for each slot. */
export const emittable = ({ kernels, launches, slots, loops }: Plan): Program => ({
  kernels,
  pointers: slots.length,
  launches: launches.map(({ slots, ...launch }) => ({ ...launch, pointers: slots })),
  loops,
  moves: new Map(slots.map((_, i) => [i, movesOf(slots, i)])),
})

/** A part of a part moves with both. */
function movesOf(slots: Plan['slots'], i: number): Move[] {
  const slot = slots[i]!
  if (slot.kind !== 'part') return []
  const { step } = slot
  const own = step ? [{ loop: step.loop, bytes: step.by * byteSize[slot.dtype], alternating: step.alternating }] : []
  return [...own, ...movesOf(slots, slot.of)]
}

export class Binding {
  readonly plan: Plan
  readonly heap: Heap
  readonly #storages: readonly (Storage | undefined)[]
  readonly #headBytes: number
  #epoch = -1
  #buffer: ArrayBuffer | undefined
  #steps = 0
  /** The first byte of the arena: the engine's own room, `headBytes` rounded up, then the plan's. */
  arena = 0
  /** Of each slot, as an offset in the heap's memory. */
  addresses: readonly number[] = []
  /** How far the slot's address moves with each step of a call: arguments and results have a place for each step. */
  strides: readonly number[] = []
  /** By step. */
  #inputs: (TypedArray | undefined)[][] = []
  #outputs: TypedArray[][] = []

  /** `headBytes`: room at the start of the arena for the engine itself. */
  constructor(plan: Plan, storages: readonly (Storage | undefined)[], heap: Heap, headBytes = 0) {
    this.plan = plan
    this.heap = heap
    this.#storages = storages
    this.#headBytes = align(headBytes)
  }

  /** To be called before each call of `steps` steps. True if addresses may have changed since the last. */
  prepare(steps = 1): boolean {
    const { heap } = this
    if (this.#epoch === heap.epoch && this.#buffer === heap.memory.buffer && this.#steps === steps) return false
    const { slots, inputs, outputs, arenaBytes } = this.plan
    const pointers = heap.bind(this.#storages.filter((storage) => storage !== undefined))
    const moving = new Set(steps > 1 ? this.#movingSlots() : [])
    const bytesOf = (slot: number) => align(slots[slot]!.length * byteSize[slots[slot]!.dtype])
    const movingBytes = [...moving].reduce((sum, slot) => sum + steps * bytesOf(slot), 0)
    this.arena = heap.arena(this.#headBytes + movingBytes + arenaBytes)
    let own = this.arena + this.#headBytes
    const first = own + movingBytes
    const addressOf = new Map<number, number>()
    let next = 0
    this.#storages.forEach((storage, i) => {
      if (storage) addressOf.set(i, pointers[next++]!)
    })
    const addresses: number[] = []
    const strides: number[] = []
    const addressAt = (slot: Slot, i: number): number => {
      if (slot.kind === 'part') return addresses[slot.of]! + slot.start * byteSize[slot.dtype]
      if (slot.kind === 'outside') return addressOf.get(slot.input)!
      if (!moving.has(i)) return first + slot.offset
      own += steps * bytesOf(i)
      return own - steps * bytesOf(i)
    }
    slots.forEach((slot, i) => {
      // What a slot is a part of stands before it.
      strides[i] = slot.kind === 'part' ? strides[slot.of]! : moving.has(i) ? bytesOf(i) : 0
      addresses[i] = addressAt(slot, i)
    })
    this.addresses = addresses
    this.strides = strides
    const { buffer } = heap.memory
    const view = (slot: number, step: number): TypedArray =>
      viewOf(slots[slot]!.dtype, buffer, this.addresses[slot]! + step * this.strides[slot]!, slots[slot]!.length)
    const each = <T>(f: (step: number) => T): T[] => Array.from({ length: steps }, (_, step) => f(step))
    this.#inputs = each((step) =>
      inputs.map((slot, i) => (this.#storages[i] || slot < 0 ? undefined : view(slot, step))),
    )
    this.#outputs = each((step) => outputs.map((slot) => view(slot, step)))
    this.#buffer = buffer
    this.#epoch = heap.epoch
    this.#steps = steps
    return true
  }

  /** Slots of arguments, and of results that are not Variables. */
  #movingSlots(): number[] {
    const { slots, inputs, outputs } = this.plan
    return [...inputs, ...outputs].filter((slot) => slot >= 0 && slots[slot]!.kind === 'arena')
  }

  /** Copies the arguments of a step into their places. */
  copyIn(values: readonly (TypedArray | undefined)[], step = 0): void {
    const views = this.#inputs[step]!
    for (let i = 0; i < views.length; i++) views[i]?.set(values[i]! as Float32Array<ArrayBuffer>)
  }

  /** Copies of a step's first `count` results. */
  copyOut(count: number, step = 0): TypedArray[] {
    const views = this.#outputs[step]!
    const out = new Array<TypedArray>(count)
    for (let i = 0; i < count; i++) out[i] = views[i]!.slice() as TypedArray
    return out
  }

  /**
   * Steps in one call, `call` making so many; one after another by `one` where a result has no place for each step (a
   * Variable has but one).
   */
  many(
    inputs: readonly (readonly (TypedArray | undefined)[])[],
    results: number,
    one: (inputs: readonly (TypedArray | undefined)[]) => TypedArray[],
    call: (steps: number) => void,
  ): TypedArray[][] {
    const { slots, outputs } = this.plan
    const movable = outputs.slice(0, results).every((slot) => slots[slot]!.kind === 'arena')
    if (inputs.length < 2 || !movable) return inputs.map(one)
    this.prepare(inputs.length)
    inputs.forEach((values, step) => {
      this.copyIn(values, step)
    })
    call(inputs.length)
    return inputs.map((_, step) => this.copyOut(results, step))
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

/**
 * @file The journal of a step: what its Variables were some time ago, and the calls since. In: calls, before they are made. Out: the
 * Variables as they were before any of these calls, bit for bit, by making the calls before it again.
 *
 * Copies are made so seldom that they take a few thousandths of the time; each of them is looked at first, so that what is kept is
 * always finite. Arguments are kept, not copied: tensors do not change.
 */
import { isFloat, type TypedArray } from '../base/dtype.js'
import type { Storage } from '../base/storage.js'
import type { Program } from '../compile.js'
import { allFinite } from './statistics.js'

/** A step for arguments of certain shapes. */
export interface Recordable {
  readonly program: Program
  /** How many outputs it gives: results, and what it tells besides. */
  readonly outputs: number
  /** Variables that it changes. */
  readonly updated: readonly Storage[]
  /** Variables that it only reads. */
  readonly read: readonly Storage[]
}

type Inputs = readonly (TypedArray | undefined)[]

/** A call of one step. */
export interface Entry<S extends Recordable> {
  readonly step: S
  readonly inputs: Inputs
  /** What the host wrote to small Variables before it, such as a learning rate. */
  readonly writes: readonly { readonly storage: Storage; readonly data: TypedArray }[]
}

/** Copies take less than this share of the time. */
const share = 1 / 1000
/** States that are larger are not copied, nor are arguments kept beyond as much. */
const mostStateBytes = 512 * 1024 * 1024
const mostArgumentBytes = 128 * 1024 * 1024
/** What the host writes to larger Variables is not noted, but calls for a new copy. */
const smallLength = 64

export class Journal<S extends Recordable> {
  /** The calls since the copy was made. */
  readonly entries: Entry<S>[] = []
  readonly #copies = new Map<Storage, TypedArray>()
  readonly #writes = new Map<Storage, number>()
  /** What is not finite from the beginning is meant so. */
  readonly #meant = new Set<Storage>()
  readonly #steps = new Set<S>()
  #hasTaken = false
  /** Milliseconds of a copy, and of a step: the least of late, since whoever is made to wait by others takes longer. */
  #cost = 0
  #pace = Number.POSITIVE_INFINITY
  /** Steps since the copy. */
  #since = 1
  #bytes = 0
  /** Whether arguments may be written over after a call, so that they must be copied. */
  readonly #copiesArguments: boolean

  constructor(copiesArguments: boolean) {
    this.#copiesArguments = copiesArguments
  }

  /** Whether there is a state to go back to. */
  get hasState(): boolean {
    return this.#copies.size > 0
  }

  /** Of a call that is about to be made. False where Variables turn out not to be finite: then it must not be made. */
  before(step: S, list: readonly Inputs[]): boolean {
    const isNew = !this.#steps.has(step)
    if (isNew) this.#steps.add(step)
    const isLate = this.#since * this.#pace > this.#cost / share
    const written = this.#written()
    if (isNew || isLate || written === undefined || this.#bytes > mostArgumentBytes) {
      if (!this.take()) return false
    }
    list.forEach((inputs, i) => {
      const kept = this.#copiesArguments ? inputs.map((data) => data?.slice() as TypedArray | undefined) : inputs
      for (const data of inputs) this.#bytes += data?.byteLength ?? 0
      this.entries.push({ step, inputs: kept, writes: i === 0 && this.entries.length > 0 ? (written ?? []) : [] })
    })
    return true
  }

  /** So many steps took so many milliseconds. */
  took(steps: number, milliseconds: number): void {
    this.#pace = Math.min(1.1 * this.#pace, milliseconds / steps)
    this.#since += steps
  }

  /** Copies the Variables as they are now, if they are finite; false where they are not. */
  take(): boolean {
    const start = performance.now()
    const all = [...new Set([...this.#steps].flatMap((step) => step.updated))]
    const isFirst = !this.#hasTaken
    for (const storage of all)
      if (isFloat(storage.dtype) && !this.#meant.has(storage) && !allFinite(storage.peek())) {
        // One that is seen for the first time was so before any of these steps.
        if (!isFirst && this.#copies.has(storage)) return false
        this.#meant.add(storage)
      }
    this.entries.length = 0
    this.#bytes = 0
    const read = [...this.#steps].flatMap((step) => step.read)
    for (const storage of [...all, ...read]) this.#writes.set(storage, storage.writes)
    if (all.reduce((sum, storage) => sum + storage.peek().byteLength, 0) > mostStateBytes) {
      this.#copies.clear()
    } else {
      // What is only read need not come back, but what the host wrote to it meanwhile is undone.
      for (const storage of [...all, ...read.filter(({ length }) => length <= smallLength)]) {
        const copy = this.#copies.get(storage)
        if (copy) copy.set(storage.peek() as Float32Array<ArrayBuffer>)
        else this.#copies.set(storage, storage.read())
      }
    }
    this.#hasTaken = true
    this.#since = 0
    const cost = performance.now() - start
    this.#cost = isFirst ? cost : Math.min(cost, 1.5 * this.#cost)
    return true
  }

  /** Whether the Variables are finite now, but for those that never were. */
  get isFinite(): boolean {
    for (const storage of this.#copies.size > 0 ? this.#copies.keys() : [...this.#steps].flatMap((one) => one.updated))
      if (isFloat(storage.dtype) && !this.#meant.has(storage) && storage.length > 0 && !allFinite(storage.peek()))
        return this.#isOnlyRead(storage)
    return true
  }

  /** Back to the copy, and from there through the calls before this one. */
  replay(until: number): void {
    this.restore()
    for (const entry of this.entries.slice(0, until)) this.run(entry)
  }

  restore(): void {
    for (const [storage, copy] of this.#copies) this.#write(storage, copy)
  }

  /** Makes one of the calls again, after what the host wrote before it. */
  run({ step, inputs, writes }: Entry<S>): TypedArray[] {
    for (const { storage, data } of writes) this.#write(storage, data)
    return step.program.runMany([inputs], step.outputs)[0]!
  }

  /** What is now, to be put back by the function that it gives. */
  hold(): () => void {
    const now = [...this.#copies.keys()].map((storage) => [storage, storage.read()] as const)
    return () => {
      for (const [storage, data] of now) this.#write(storage, data)
    }
  }

  /** Forgets the calls and the copy: the next call begins anew. */
  forget(): void {
    this.entries.length = 0
    this.#copies.clear()
    this.#steps.clear()
    this.#hasTaken = false
  }

  #isOnlyRead(storage: Storage): boolean {
    return ![...this.#steps].some(({ updated }) => updated.includes(storage))
  }

  #write(storage: Storage, data: TypedArray): void {
    storage.write(data)
    this.#writes.set(storage, storage.writes)
  }

  /** What the host has written since the last call; undefined where that is too much to note. */
  #written(): { storage: Storage; data: TypedArray }[] | undefined {
    const list: { storage: Storage; data: TypedArray }[] = []
    for (const [storage, writes] of this.#writes) {
      if (storage.writes === writes) continue
      if (storage.length > smallLength) return undefined
      this.#writes.set(storage, storage.writes)
      list.push({ storage, data: storage.read() })
    }
    return list
  }
}

/**
 * @file The memory of the WebAssembly and native engines: one linear memory for the process, blocks by first fit, and the storages
 * that live in it. Those unused for longest move back to the host when there are too many, so that nothing needs to be
 * freed by hand or by finalizers.
 */
import { byteSize, type TypedArray, viewOf } from '../base/dtype.js'
import { environment } from '../base/environment.js'
import { GradusError } from '../base/errors.js'
import type { Storage } from '../base/storage.js'
import { type WasmMemory, webAssembly } from '../emit/wasm/host.js'
import { whyNoWorkers } from './wasm-worker.js'

const pageBytes = 65536
/** Shared memory must say how large it may become: 4 GiB, what WebAssembly can address. */
export const maximumPages = 65536
const alignment = 64
/** Storages may hold this much beside what the running program needs, before the oldest go home. */
const idleBytes = 256 * 1024 * 1024

interface Block {
  offset: number
  bytes: number
}

let shared: Heap | undefined
/** The heap of the process: engines share it, so that changing the engine moves nothing. */
export const sharedHeap = (): Heap => (shared ??= new Heap())

export class Heap {
  readonly memory: WasmMemory
  /** Why its memory is not shared with workers; undefined where it is. */
  readonly whyAlone: string | undefined
  /** Changes whenever an address that a program may hold has changed. */
  epoch = 0
  /** Free blocks by ascending offset. The first bytes are never given out, so that no address is 0. */
  #free: Block[] = [{ offset: alignment, bytes: 16 * pageBytes - alignment }]
  readonly #sizes = new Map<number, number>()
  /** Least recently bound first. */
  readonly #residents = new Map<Storage, number>()
  #residentBytes = 0
  #arena = { offset: 0, bytes: 0 }

  constructor() {
    let why = environment('GRADUS_THREADS') === '1' ? 'GRADUS_THREADS is 1' : whyNoWorkers()
    let memory: WasmMemory | undefined
    if (why === undefined)
      try {
        memory = new webAssembly.Memory({ initial: 16, maximum: maximumPages, shared: true })
      } catch {
        why = 'there is no room for a shared memory of 4 GiB'
      }
    this.memory = memory ?? new webAssembly.Memory({ initial: 16 })
    this.whyAlone = why
  }

  allocate(bytes: number): number {
    const wanted = Math.max(alignment, Math.ceil(bytes / alignment) * alignment)
    let index = this.#free.findIndex((block) => block.bytes >= wanted)
    if (index < 0) {
      this.#grow(wanted)
      index = this.#free.length - 1
    }
    const block = this.#free[index]!
    const { offset } = block
    block.offset += wanted
    block.bytes -= wanted
    if (block.bytes === 0) this.#free.splice(index, 1)
    this.#sizes.set(offset, wanted)
    return offset
  }

  release(offset: number): void {
    const bytes = this.#sizes.get(offset)!
    this.#sizes.delete(offset)
    let index = this.#free.findIndex((block) => block.offset > offset)
    if (index < 0) index = this.#free.length
    this.#free.splice(index, 0, { offset, bytes })
    const merge = (i: number) => {
      const [a, b] = [this.#free[i], this.#free[i + 1]]
      if (!a || !b || a.offset + a.bytes !== b.offset) return
      a.bytes += b.bytes
      this.#free.splice(i + 1, 1)
    }
    merge(index)
    if (index > 0) merge(index - 1)
  }

  #grow(wanted: number): void {
    const size = this.memory.buffer.byteLength
    const last = this.#free[this.#free.length - 1]
    const tail = last && last.offset + last.bytes === size ? last.bytes : 0
    // Ahead by an eighth, so that many small requests do not grow many times.
    const pages = Math.ceil(Math.max(wanted - tail, size / 8) / pageBytes)
    const minimum = Math.ceil((wanted - tail) / pageBytes)
    for (const amount of [pages, minimum]) {
      try {
        this.memory.grow(amount)
      } catch {
        continue
      }
      const grown = this.memory.buffer.byteLength - size
      if (tail > 0) last!.bytes += grown
      else this.#free.push({ offset: size, bytes: grown })
      return
    }
    throw new GradusError(
      'memory',
      `cannot grow from ${Math.round(size / 2 ** 20)} MiB by ${Math.ceil(wanted / 2 ** 20)} MiB`,
      {
        hint: 'WebAssembly memory ends at 4 GiB: use a smaller batch or model.',
      },
    )
  }

  /** The one arena that all programs use in turn, at least so large. */
  arena(bytes: number): number {
    if (this.#arena.bytes < bytes) {
      if (this.#arena.bytes > 0) this.release(this.#arena.offset)
      this.#arena = { offset: 0, bytes: 0 }
      this.#arena = { offset: this.allocate(bytes), bytes }
      this.epoch++
    }
    return this.#arena.offset
  }

  /** Addresses of storages, moved here if they are elsewhere. */
  bind(storages: readonly Storage[]): number[] {
    const needed = new Set(storages)
    for (const storage of needed) {
      const offset = this.#residents.get(storage)
      if (offset === undefined) this.#moveIn(storage)
      else {
        this.#residents.delete(storage)
        this.#residents.set(storage, offset)
      }
    }
    let idle = this.#residentBytes
    for (const storage of needed) idle -= storage.length * byteSize[storage.dtype]
    for (const storage of this.#residents.keys()) {
      if (idle <= idleBytes) break
      if (needed.has(storage)) continue
      idle -= storage.length * byteSize[storage.dtype]
      storage.takeHome()
    }
    return storages.map((storage) => this.#residents.get(storage)!)
  }

  #moveIn(storage: Storage): void {
    const data = storage.takeHome()
    const bytes = storage.length * byteSize[storage.dtype]
    const offset = this.allocate(bytes)
    const view = (): TypedArray => viewOf(storage.dtype, this.memory.buffer, offset, storage.length)
    view().set(data as Float32Array<ArrayBuffer>)
    this.#residents.set(storage, offset)
    this.#residentBytes += bytes
    storage.moveTo({
      view,
      release: () => {
        this.#residents.delete(storage)
        this.#residentBytes -= bytes
        this.release(offset)
        this.epoch++
      },
    })
  }
}

/**
 * @file Storage: the bytes of a Variable, on the host or moved into an engine's memory.
 * The engine moves them; whoever reads them gets a copy. No finalizer is involved: storage an engine holds for long
 * without use is moved back to the host, where the garbage collector knows it.
 */
import { allocate, type DType, type TypedArray } from './dtype.js'

/** Where an engine keeps a storage. */
export interface Residence {
  /** A view of the live bytes; valid until the engine's memory next grows. */
  view(): TypedArray
  /** Gives the place back to the engine, whose contents are then lost. */
  release(): void
}

export class Storage {
  readonly dtype: DType
  readonly length: number
  /** What programs are told of it when they say what memory they need: data and constants, or what a model consists of. */
  holds: 'data' | 'model' = 'data'
  #host: TypedArray | undefined
  /** How often the host has written to it: whoever keeps a copy sees that it is old. */
  writes = 0
  /** Set by the engine that holds the bytes, which then are nowhere else. */
  residence: Residence | undefined

  constructor(dtype: DType, length: number, data?: TypedArray) {
    this.dtype = dtype
    this.length = length
    this.#host = data
  }

  /** The host's array, moved home first, made of zeros if there was none: the values themselves, not a copy. */
  takeHome(): TypedArray {
    if (this.residence) {
      this.#host = this.residence.view().slice() as TypedArray
      this.residence.release()
      this.residence = undefined
    }
    return (this.#host ??= allocate(this.dtype, this.length))
  }

  /** Hands the bytes to an engine, which has copied them. */
  moveTo(residence: Residence): void {
    this.residence = residence
    this.#host = undefined
  }

  /** Gives up the values, which are zeros from now on. */
  discard(): void {
    this.residence?.release()
    this.residence = undefined
    this.#host = undefined
  }

  /** A copy of the values. */
  read(): TypedArray {
    return this.peek().slice() as TypedArray
  }

  /** The values themselves, wherever they are: to be looked at, at once. */
  peek(): TypedArray {
    return this.residence ? this.residence.view() : this.takeHome()
  }

  /** Replaces all values. */
  write(data: TypedArray): void {
    if (data.length !== this.length) throw new RangeError(`storage of ${this.length} elements given ${data.length}`)
    this.writes++
    this.peek().set(data as Float32Array<ArrayBuffer>)
  }
}

/**
 * @file Strength reduction: which pointers a kernel keeps, where they start and how far each iteration moves them.
 * In: a kernel. Out: for every access a pointer and a constant offset, for every loop the pointers it moves.
 *
 * Indices are taken over counters (kernel/ranges.ts), so that a pointer starts a loop at its parent's value: the pointer
 * for the same terms without the innermost. Accesses whose indices differ by constants share a pointer.
 *
 * for i { for k { load a[8*i + k], a[8*i + k + 4] } }: one pointer in k for both accesses, offsets 0 and 16, which starts
 * at the pointer of 8*i, which starts at the argument.
 */
import { byteSize } from '../../base/dtype.js'
import type { Affine, Buffer, Kernel, LoopVariable, Statement } from '../../kernel/loop.js'
import { addAffine } from '../../kernel/loop.js'
import { LoopRanges } from '../../kernel/ranges.js'
import type { Liveness } from './liveness.js'

/** A local that holds base + size · (bias + Σ coefficient · counter). */
export interface Pointer {
  /** None: an integer of the kernel (a loop's counter, an index), whose base is 0. */
  readonly buffer: Buffer | undefined
  /** Innermost loop of the terms; none for a buffer's argument itself. */
  readonly loop: LoopVariable | undefined
  readonly parent: Pointer | undefined
  readonly bias: number
  /** Bytes (or units) per iteration of `loop`. */
  readonly move: number
  local: number
}

/** The address (or integer) `pointer + offset`, the offset in bytes (or units). */
export interface Address {
  readonly pointer: Pointer
  readonly offset: number
}

interface Group {
  readonly buffer: Buffer | undefined
  readonly terms: Affine['terms']
  readonly accesses: { readonly owner: object; readonly constant: number }[]
  /** The smallest constant of an access, lanes included. */
  lowest: number
  /** A lower bound of the sum of the terms. */
  least: number
}

export class AddressPlan {
  readonly ranges = new LoopRanges()
  readonly #groups = new Map<string, Group>()
  readonly #pointers = new Map<string, Pointer>()
  readonly #addresses = new Map<object, Address>()
  readonly #moved = new Map<LoopVariable, Pointer[]>()
  readonly #names = new Map<unknown, number>()

  constructor(kernel: Kernel, live: Liveness) {
    this.#collect(kernel.body, 0, live)
    for (const { buffer, terms, accesses } of this.#groups.values()) {
      const pointer = this.#pointer(buffer, terms, 0)
      for (const { owner, constant } of accesses)
        this.#addresses.set(owner, { pointer, offset: (constant - pointer.bias) * unit(buffer) })
    }
  }

  /** Of a load, a store, an index statement, or a length in `LoopRange.lengths`. */
  address(owner: object): Address {
    return this.#addresses.get(owner)!
  }

  /** The pointers that the loop moves. */
  moved(loop: LoopVariable): readonly Pointer[] {
    return this.#moved.get(loop) ?? []
  }

  /** The loop's own counter, if something needs it. */
  counter(loop: LoopVariable): Pointer | undefined {
    return this.#pointers.get(this.#key(undefined, [{ loop, coefficient: 1 }]))
  }

  #collect(block: readonly Statement[], depth: number, live: Liveness): void {
    for (const statement of block)
      switch (statement.kind) {
        case 'load':
          if (live.isDead(statement.value)) break
          this.#access(
            statement,
            statement.buffer,
            statement.index,
            (statement.value.type.lanes - 1) * statement.stride,
          )
          break
        case 'store':
          this.#access(statement, statement.buffer, statement.index, 0)
          break
        case 'index':
          if (!live.isDead(statement.value)) this.#access(statement, undefined, statement.index, 0)
          break
        case 'loop': {
          const range = this.ranges.enter(statement, depth)
          if (range.longest <= 0) break
          if (range.shortest !== range.longest) {
            for (const length of range.lengths) this.#join(length, undefined, length, 0, 0)
            const counter: Affine = { constant: 0, terms: [{ loop: statement.loop, coefficient: 1 }] }
            this.#join(counter, undefined, counter, 0, 0)
          }
          this.#collect(statement.body, depth + 1, live)
        }
      }
  }

  #access(owner: object, buffer: Buffer | undefined, index: Affine, furthest: number): void {
    const counters = this.ranges.counters(index)
    // Counters are not negative.
    const rises = counters.terms.every((term) => term.coefficient > 0)
    const least = rises ? 0 : this.ranges.low(addAffine(index, -counters.constant))
    this.#join(owner, buffer, counters, Math.min(0, furthest), least)
  }

  /** Adds an access over counters to its group. */
  #join(owner: object, buffer: Buffer | undefined, { constant, terms }: Affine, below: number, least: number): void {
    const key = this.#key(buffer, terms)
    const lowest = constant + below
    const group = this.#groups.get(key)
    if (!group) this.#groups.set(key, { buffer, terms, accesses: [{ owner, constant }], lowest, least })
    else {
      group.accesses.push({ owner, constant })
      group.lowest = Math.min(group.lowest, lowest)
      group.least = Math.max(group.least, least)
    }
  }

  /**
   * Offsets in instructions are not negative, and added to the pointer without wrapping: a pointer must not lie below
   * its buffer. With the lowest access's constant as its bias it does not, since that access is within the buffer.
   */
  #bias(key: string): number | undefined {
    const group = this.#groups.get(key)
    if (!group) return undefined
    return group.buffer && group.terms.length > 0 && (group.lowest < 0 || group.least < 0) ? group.lowest : 0
  }

  /** `wish`: the bias of a pointer that is nothing but a parent, so that its child starts as a copy. */
  #pointer(buffer: Buffer | undefined, terms: Affine['terms'], wish: number): Pointer {
    const key = this.#key(buffer, terms)
    const known = this.#pointers.get(key)
    if (known) return known
    const last = terms.at(-1)
    const bias = last ? (this.#bias(key) ?? wish) : 0
    const parent = last && this.#pointer(buffer, terms.slice(0, -1), bias)
    const move = last ? last.coefficient * this.ranges.of(last.loop).step * unit(buffer) : 0
    const pointer: Pointer = { buffer, loop: last?.loop, parent, bias, move, local: -1 }
    this.#pointers.set(key, pointer)
    if (last) {
      const moved = this.#moved.get(last.loop)
      if (moved) moved.push(pointer)
      else this.#moved.set(last.loop, [pointer])
    }
    return pointer
  }

  #key(buffer: Buffer | undefined, terms: Affine['terms']): string {
    let key = `${this.#name(buffer)}`
    for (const { loop, coefficient } of terms) key += ` ${this.#name(loop)}*${coefficient}`
    return key
  }

  #name(thing: unknown): number {
    let number = this.#names.get(thing)
    if (number === undefined) this.#names.set(thing, (number = this.#names.size))
    return number
  }
}

const unit = (buffer: Buffer | undefined): number => (buffer ? byteSize[buffer.dtype] : 1)

/** What a pointer is above its parent where its loop begins. */
export const startsAt = (pointer: Pointer): number =>
  (pointer.bias - (pointer.parent?.bias ?? 0)) * unit(pointer.buffer)

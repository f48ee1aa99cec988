/**
 * @file Tiers: a program that starts at once in one engine and goes on in a faster one when that is ready.
 * In: something that runs, and a way to get something faster. Out: something that runs. The change is between two calls;
 * bits are equal, so that nobody can tell but by the speed.
 */
import type { TypedArray } from '../base/dtype.js'
import type { Runnable } from './engine.js'

/** Asked now and then: what is faster, once it is ready. Throws where it never will be. */
export type Faster<R extends Runnable> = () => R | undefined

/** A program that has run for so long will probably run for longer than compiling takes. */
const worthwhileMs = 200
/** How often to ask whether the faster program is ready. */
const askEveryMs = 20

export class Tiered<R extends Runnable> implements Runnable {
  #now: R
  #begin: (() => Faster<R>) | undefined
  #faster: Faster<R> | undefined
  readonly #giveUp: (error: unknown) => void
  #spent = 0
  #asked = 0

  /** `begin` starts making the faster program; `giveUp` is told why there will be none. */
  constructor(start: R, begin: () => Faster<R>, giveUp: (error: unknown) => void) {
    this.#now = start
    this.#begin = begin
    this.#giveUp = giveUp
  }

  /** What runs at present. */
  get current(): R {
    return this.#now
  }

  run(inputs: readonly (TypedArray | undefined)[], results: number): TypedArray[] {
    return this.#timed((now) => now.run(inputs, results))
  }

  runMany(inputs: readonly (readonly (TypedArray | undefined)[])[], results: number): TypedArray[][] {
    return this.#timed((now) => now.runMany(inputs, results))
  }

  #timed<T>(call: (now: R) => T): T {
    if (!this.#begin && !this.#faster) return call(this.#now)
    const start = performance.now()
    const outputs = call(this.#now)
    const end = performance.now()
    this.#spent += end - start
    if (this.#begin ? this.#spent > worthwhileMs : end - this.#asked > askEveryMs) this.#advance(end)
    return outputs
  }

  time(inputs: readonly (TypedArray | undefined)[]): number[] {
    return this.#now.time(inputs)
  }

  #advance(now: number): void {
    this.#asked = now
    try {
      if (this.#begin) {
        this.#faster = this.#begin()
        this.#begin = undefined
        return
      }
      const next = this.#faster!()
      if (!next) return
      this.#now = next
      this.#faster = undefined
    } catch (error) {
      this.#begin = undefined
      this.#faster = undefined
      this.#giveUp(error)
    }
  }
}

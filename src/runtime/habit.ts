/**
 * @file When threads are in each other's way. A busy neighbour may keep one thread from its part while the others wait:
 * where calls together take longer so than they do alone, the caller works alone for a while. In: how long calls took,
 * by step, and whether threads fell asleep in the middle. Out: whether the next call is better made alone.
 * `runtime/native-pool.ts` has the same in C.
 */
const mostAloneMs = 250

export class Habit {
  /** Milliseconds a step of the best call alone; 0 while not known. */
  #alone = 0
  /** Steps to make alone from now on, and how many they were the last time. */
  #left = 0
  #last = 0
  /** Of the latest calls together: how many, how long, and how often threads slept. */
  #calls = 0
  #time = 0
  #sleeps = 0

  get prefersAlone(): boolean {
    return this.#left > 0
  }

  /** `ms`: by step, of a call of so many. */
  alone(ms: number, steps: number): void {
    this.#left -= steps
    if (this.#alone === 0 || ms < this.#alone) this.#alone = ms
  }

  together(ms: number, steps: number, sleeps: number): void {
    this.#time += ms
    this.#sleeps += sleeps
    if (++this.#calls < 16) return
    // After some calls together, if threads slept: alone three times to compare, then longer and longer while that is
    // faster, up to a quarter of a second.
    if (this.#sleeps > 0 && this.#alone === 0) this.#left = 3 * steps
    else if (this.#sleeps > 0 && this.#time / this.#calls > this.#alone * (1 + 1 / 16)) {
      const next = this.#last ? 2 * this.#last : 32
      this.#left = this.#last = Math.max(1, Math.min(next, Math.floor(mostAloneMs / this.#alone)))
      this.#alone = 0
    } else this.#last = 0
    this.#calls = this.#time = this.#sleeps = 0
  }
}

/**
 * @file A run of training: an async iterable of its epochs, and a promise of its history. It starts once, when it is first
 * iterated or awaited; each consumer sees every epoch; leaving the loop ends the run.
 *
 * for await (const epoch of run) if (epoch.train.loss < 0.1) break
 * const history = await run                                        // the epochs so far
 */
import type { History } from './types.js'

/** What the training itself sees of the run. */
export interface RunControl {
  /** Set when a consumer has left: the epoch under way is given up. */
  left: boolean
  /** While the run is held: resolves when it may go on. */
  held?: Promise<void>
  /** Called when the run has come to where it is held, or has saved what there is. */
  rested?: () => void
  /** Whether to save at the next opportunity. */
  saves?: boolean
}

/** A run of training: iterate it for its epochs, or await it for its history. Leaving the loop ends it. */
export class Run<E> implements AsyncIterable<E>, PromiseLike<History<E>> {
  readonly #epochs: E[]
  readonly #work: AsyncGenerator<E, void, void>
  readonly #control: RunControl
  readonly #describe: () => History<E>
  #pending: Promise<boolean> | undefined
  #over = false
  #release = () => {}
  #failure: { readonly error: unknown } | undefined

  /** `work` makes the epochs one by one, and puts things in order when it is ended early; `describe` gives the history. */
  constructor(epochs: E[], work: AsyncGenerator<E, void, void>, control: RunControl, describe: () => History<E>) {
    this.#epochs = epochs
    this.#work = work
    this.#control = control
    this.#describe = describe
  }

  /** What has been done so far; also after a failure. */
  get history(): History<E> {
    return this.#describe()
  }

  /** Whether the run is held. */
  get paused(): boolean {
    return this.#control.held !== undefined
  }

  /**
   * Holds the run between two calls of its program, also in the middle of an epoch; where it has checkpoints it is saved. The promise
   * resolves when it stands. Whoever awaits the run, or its next epoch, waits.
   */
  pause(): Promise<void> {
    if (this.#over) return Promise.resolve()
    this.#control.held ??= new Promise((resolve) => {
      this.#release = resolve
    })
    return this.#rest()
  }

  /** Lets a run that was held go on. */
  resume(): void {
    this.#control.held = undefined
    this.#release()
  }

  /** Writes a checkpoint between two calls of the program, where the run has checkpoints; the promise resolves when it is written. */
  save(): Promise<void> {
    if (this.#over) return Promise.resolve()
    this.#control.saves = true
    return this.#rest()
  }

  /** Ends the run between two calls of its program, as leaving the loop over it does. */
  leave(): void {
    this.#control.left = true
    this.resume()
  }

  /** Resolves when the run has come to where it can be held; at once where nothing is under way. */
  #rest(): Promise<void> {
    if (!this.#pending) return Promise.resolve()
    return Promise.race([
      this.#pending.then(
        () => {},
        () => {},
      ),
      new Promise<void>((resolve) => {
        const before = this.#control.rested
        this.#control.rested = () => {
          before?.()
          resolve()
        }
      }),
    ])
  }

  /** The epochs from the first on, each as soon as it is done. */
  async *[Symbol.asyncIterator](): AsyncGenerator<E, void, void> {
    let next = 0
    try {
      for (;;) {
        if (next < this.#epochs.length) yield this.#epochs[next++]!
        else if (!(await this.#advance())) return
      }
    } finally {
      await this.#leave()
    }
  }

  /** Awaits the end of the run for its history. */
  // biome-ignore lint/suspicious/noThenProperty: a run is awaited for its history
  then<A = History<E>, B = never>(
    fulfilled?: ((history: History<E>) => A | PromiseLike<A>) | null,
    rejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#finish().then(fulfilled, rejected)
  }

  async #finish(): Promise<History<E>> {
    while (await this.#advance());
    return this.#describe()
  }

  /** One more epoch; false when there are no more. All that wait share one. */
  #advance(): Promise<boolean> {
    if (this.#failure) return Promise.reject(this.#failure.error)
    if (this.#over) return Promise.resolve(false)
    this.#pending ??= this.#work
      .next()
      .then(
        ({ done, value }) => {
          if (done) this.#over = true
          else this.#epochs.push(value)
          return !done
        },
        (error: unknown) => {
          this.#over = true
          this.#failure = { error }
          throw error
        },
      )
      .finally(() => {
        this.#pending = undefined
      })
    return this.#pending
  }

  async #leave(): Promise<void> {
    if (this.#over) return
    this.#over = true
    this.leave()
    await this.#work.return()
  }
}

/** Tells `f` of every epoch of a run as it comes, first of those that were done before it went on from a checkpoint. */
export async function eachEpoch<E>(run: Run<E>, f: (epoch: E) => void): Promise<void> {
  let told = 0
  const tell = () => {
    const { epochs } = run.history
    for (const epoch of epochs.slice(told)) f(epoch)
    told = epochs.length
  }
  for await (const _ of run) tell()
  tell()
}

/**
 * @file Training in a worker, so that a page goes on drawing and answering. In: a worker whose file calls `serveTraining`. Out: a run
 * like that of `fit`: epochs as they come, a history, pause and resume.
 *
 * const remote = trainInWorker(new Worker(new URL('./training.js', import.meta.url), { type: 'module' }))
 * for await (const epoch of remote) show(epoch.train.loss)
 */
import { describeValue } from '../base/describe.js'
import { ArgumentError, GradusError, ValueError } from '../base/errors.js'
import { checkNames } from '../base/options.js'
import { checkSeed } from '../trace/seed.js'
import type { FitCheckpointOptions } from './fit-checkpoint-options.js'
import { type BatchNow, errorFrom, type FromWorker, type ToWorker } from './remote-messages.js'
import type { Epoch, History } from './types.js'
import { type Port, portTo, type WorkerLike } from './worker-port.js'

/** How a training in a worker begins. */
export interface TrainInWorkerOptions {
  /** What the training's function gets: anything that `structuredClone` copies. */
  readonly parameters?: unknown
  /** Draws parameters and the order of samples; 1 by default. */
  readonly seed?: number
  /** Aborting ends the run between two calls; awaiting it gives the history so far. */
  readonly signal?: AbortSignal
  /**
   * Saves the run under this name, after each epoch, and when the page is hidden or closed: in browsers in IndexedDB, elsewhere in
   * this folder. Or as the options say.
   */
  readonly checkpoint?: string | Omit<FitCheckpointOptions, 'also'>
  /** Goes on from what was saved, with the bits of a run that was never stopped; starts where there is nothing yet. */
  readonly resume?: boolean
  /** Told every few milliseconds where the run is. */
  readonly onBatch?: (now: BatchNow) => void
}

/**
 * Begins the training that a worker serves (`serveTraining`) and gives its run: iterate it for its epochs, await it for its history.
 * The training does not wait for the page; leaving the loop ends it. `worker` is a worker of the web or a thread of Node, or the
 * address of its file (which bundlers do not see: give them `new Worker(new URL('./training.js', import.meta.url), { type: 'module' })`).
 */
export function trainInWorker<E = Epoch>(
  worker: WorkerLike | URL | string,
  options: TrainInWorkerOptions = {},
): RemoteRun<E> {
  checkNames('trainInWorker', options, ['parameters', 'seed', 'signal', 'checkpoint', 'resume', 'onBatch'])
  const { signal, resume, onBatch, checkpoint, seed } = options
  if (signal !== undefined && !(signal instanceof AbortSignal))
    throw new ValueError('trainInWorker', `the signal is ${describeValue(signal)}`, {
      hint: 'Give that of an AbortController: controller.signal.',
    })
  if (onBatch !== undefined && typeof onBatch !== 'function')
    throw new ValueError('trainInWorker', `onBatch is ${describeValue(onBatch)}, not a function`)
  if (resume !== undefined && typeof resume !== 'boolean')
    throw new ValueError('trainInWorker', `resume is ${describeValue(resume)}`, { hint: 'It is true or false.' })
  if (resume && checkpoint === undefined)
    throw new ValueError('trainInWorker', 'resume is true, but there is no checkpoint', {
      hint: "Say under which name: checkpoint: 'spirals'.",
    })
  if (seed !== undefined) checkSeed('trainInWorker', seed)
  return new RemoteRun<E>(portTo(worker), options)
}

interface Waiting {
  resolve(value: unknown): void
  reject(error: Error): void
}

interface Page {
  readonly document?: { readonly visibilityState: string }
  addEventListener?(kind: string, listener: () => void, capture?: boolean): void
  removeEventListener?(kind: string, listener: () => void, capture?: boolean): void
}
const page = globalThis as unknown as Page
/** Milliseconds. */
const patience = 2000

/** A training in a worker; made by `trainInWorker`. */
export class RemoteRun<E = Epoch> implements AsyncIterable<E>, PromiseLike<History<E>> {
  readonly #port: Port
  readonly #epochs: E[] = []
  readonly #answers = new Map<number, Waiting>()
  #asked = 0
  #wake: (() => void)[] = []
  #state: 'waiting' | 'running' | 'paused' | 'over' = 'waiting'
  #pending: ToWorker[] = []
  #history: History<E> | undefined
  #error: Error | undefined
  #closed = false
  readonly #hidden = () => {
    if (page.document?.visibilityState !== 'visible') void this.save().catch(() => {})
  }

  constructor(port: Port, options: TrainInWorkerOptions) {
    const { parameters, seed = 1, signal, checkpoint, resume = false, onBatch } = options
    this.#port = port
    port.onMessage((data) => this.#hear(data as FromWorker, onBatch))
    port.onEnd((reason) => this.#lost(reason))
    this.#send({ kind: 'start', seed, parameters, checkpoint, resume, batches: onBatch !== undefined })
    if (signal?.aborted) this.#send({ kind: 'abort' })
    signal?.addEventListener('abort', () => this.#send({ kind: 'abort' }), { once: true })
    if (checkpoint !== undefined) this.#watch('addEventListener')
  }

  /** Whether it is under way, held, or done. */
  get state(): 'waiting' | 'running' | 'paused' | 'over' {
    return this.#state
  }

  /** All epochs so far, also those before a resume. */
  get epochs(): readonly E[] {
    return this.#epochs
  }

  /** Holds the run; the promise resolves when no step is being made, and all there is has been saved, where it is saved at all. */
  async pause(): Promise<void> {
    if (this.#state === 'over') return
    this.#state = 'paused'
    await this.#ask({ kind: 'pause', id: 0 })
  }

  /** Lets a run that was held go on. */
  resume(): void {
    if (this.#state !== 'paused') return
    this.#state = 'running'
    this.#send({ kind: 'resume' })
  }

  /** Saves the run as it is now, where it has a checkpoint; done by itself when the page is hidden. */
  async save(): Promise<void> {
    if (this.#state !== 'over') await this.#ask({ kind: 'save', id: 0 })
  }

  /**
   * Calls one of the functions that the worker offers (`serveTraining(training, { calls })`), also while it trains, is held, or is
   * done. Values are copied. Rejects with what the function throws.
   */
  async call<T = unknown>(name: string, ...values: readonly unknown[]): Promise<T> {
    return (await this.#ask({ kind: 'call', id: 0, name, values })) as T
  }

  /** The numbers of the network as a safetensors file: `loadBytes(net, bytes)` reads them here. */
  async weights(): Promise<Uint8Array> {
    return (await this.#ask({ kind: 'weights', id: 0 })) as Uint8Array
  }

  /** Ends the run, if it is not over, between two calls; awaiting it gives the history. The worker still answers. */
  leave(): void {
    if (this.#state !== 'over') this.#send({ kind: 'leave' })
  }

  /** Ends the run as `leave` does, and then the worker; one that does not answer for two seconds is ended all the same. */
  async close(): Promise<void> {
    this.#closed = true
    this.leave()
    const late = new Promise<void>((resolve) => setTimeout(resolve, patience))
    if (this.#state !== 'over') await Promise.race([late, this.#finish().catch(() => {})])
    this.#port.close()
    this.#lost('it was closed')
  }

  /** The epochs from the first on, also those before a resume, each as soon as it is done. */
  async *[Symbol.asyncIterator](): AsyncGenerator<E, void, void> {
    let next = 0
    try {
      for (;;) {
        if (next < this.#epochs.length) yield this.#epochs[next++]!
        else if (this.#error) throw this.#error
        else if (this.#state === 'over') return
        else await this.#change()
      }
    } finally {
      this.leave()
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
    while (this.#state !== 'over') await this.#change()
    if (this.#error) throw this.#error
    return this.#history!
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#wake.push(resolve))
  }

  #changed(): void {
    const wake = this.#wake
    this.#wake = []
    for (const resolve of wake) resolve()
  }

  #send(message: ToWorker): void {
    // Before it is ready a worker may not hear.
    if (this.#state === 'waiting') this.#pending.push(message)
    else this.#post(message)
  }

  /** Throws for what cannot be copied. */
  #post(message: ToWorker): void {
    try {
      this.#port.send(message)
    } catch (cause) {
      throw new ArgumentError('trainInWorker', `a value cannot be sent to the worker: ${(cause as Error).message}`, {
        cause,
        hint: 'Numbers, texts, arrays and plain objects of them can; functions, tensors and networks cannot.',
      })
    }
  }

  #ask(message: Extract<ToWorker, { readonly id: number }>): Promise<unknown> {
    if (this.#closed || (this.#error && this.#history === undefined))
      return Promise.reject(this.#error ?? new GradusError('trainInWorker', 'the worker was closed'))
    const id = ++this.#asked
    return new Promise((resolve, reject) => {
      this.#send({ ...message, id })
      this.#answers.set(id, { resolve, reject })
      this.#port.keepAlive(true)
    })
  }

  #hear(message: FromWorker, onBatch: ((now: BatchNow) => void) | undefined): void {
    switch (message?.kind) {
      case 'ready':
        if (this.#state === 'waiting') this.#state = 'running'
        try {
          for (const one of this.#pending.splice(0)) this.#post(one)
        } catch (error) {
          this.#error = error as Error
          this.#port.close()
          this.#end()
        }
        return
      case 'batch':
        onBatch?.(message.now)
        return
      case 'epochs':
        this.#epochs.push(...(message.epochs as readonly unknown[] as E[]))
        this.#changed()
        return
      case 'end':
        this.#history = message.history as unknown as History<E>
        this.#end()
        return
      case 'failed':
        this.#history = message.history as unknown as History<E> | undefined
        this.#error = errorFrom(message.error)
        this.#end()
        return
      case 'answer': {
        const waiting = this.#answers.get(message.id)
        this.#answers.delete(message.id)
        if (message.error) waiting?.reject(errorFrom(message.error))
        else waiting?.resolve(message.value)
        if (this.#state === 'over' && this.#answers.size === 0) this.#port.keepAlive(false)
      }
    }
  }

  #lost(reason: string): void {
    const error = new GradusError('trainInWorker', `the worker has ended: ${reason}`)
    for (const { reject } of this.#answers.values()) reject(error)
    this.#answers.clear()
    if (this.#state === 'over') return
    this.#error = error
    this.#end()
  }

  #end(): void {
    this.#state = 'over'
    this.#port.keepAlive(this.#answers.size > 0)
    this.#watch('removeEventListener')
    this.#changed()
  }

  #watch(how: 'addEventListener' | 'removeEventListener'): void {
    for (const kind of ['visibilitychange', 'pagehide', 'freeze']) page[how]?.(kind, this.#hidden, true)
  }
}

/**
 * @file One way to talk between a page and a worker, and between threads of Node. In: a worker, an address, or the thread itself.
 * Out: something that sends, and that tells what comes.
 *
 * const port = portTo(new Worker(new URL('./training.js', import.meta.url), { type: 'module' })); port.onMessage(show); port.send('go')
 */
import { describeValue } from '../base/describe.js'
import { ArgumentError, GradusError } from '../base/errors.js'

export interface Port {
  send(message: unknown, transfer?: readonly ArrayBuffer[]): void
  onMessage(listener: (message: unknown) => void): void
  /** Called when there will be no more messages, with the reason. */
  onEnd(listener: (reason: string) => void): void
  /** Whether the process is to wait for it; of no meaning in browsers. */
  keepAlive(on: boolean): void
  close(): void
}

/** A worker of the web: what `new Worker(...)` gives in browsers, Deno and Bun. */
export interface WebWorkerLike {
  /** Sends a copy. */
  postMessage(message: unknown, transfer?: never[]): void
  /** Ends it at once. */
  terminate(): void
  /** Hears what comes, and of faults. */
  addEventListener(kind: 'message' | 'messageerror' | 'error', listener: (event: never) => void): void
}

/** A thread of Node: what `new Worker(...)` of node:worker_threads gives. */
export interface NodeWorkerLike {
  /** Sends a copy. */
  postMessage(message: unknown, transfer?: never[]): void
  /** Ends it at once. */
  terminate(): Promise<unknown>
  /** Hears what comes, of faults and of its end. */
  on(event: string, listener: (value: never) => void): unknown
  /** The process waits for it. */
  ref?(): void
  /** The process does not wait for it. */
  unref(): void
}

/** What `trainInWorker` trains in. */
export type WorkerLike = WebWorkerLike | NodeWorkerLike

interface Host {
  readonly Worker?: new (url: URL | string, options: { type: 'module' }) => WebWorkerLike
  readonly process?: { getBuiltinModule?: (id: string) => unknown }
  postMessage?(message: unknown, transfer?: readonly ArrayBuffer[]): void
  addEventListener?(kind: string, listener: (event: { readonly data: unknown }) => void): void
  close?(): void
  readonly document?: unknown
}
const host = globalThis as unknown as Host
interface Threads {
  readonly Worker: new (url: URL | string) => NodeWorkerLike
  readonly parentPort: {
    postMessage(message: unknown, transfer?: readonly ArrayBuffer[]): void
    on(event: string, f: (value: unknown) => void): void
    close(): void
  } | null
}
const nodeThreads = () => host.process?.getBuiltinModule?.('node:worker_threads') as Threads | undefined

/** To a worker, or to a new one whose program is at an address. */
export function portTo(worker: WorkerLike | URL | string): Port {
  if (typeof worker === 'string' || worker instanceof URL) {
    if (host.Worker) return portTo(new host.Worker(worker, { type: 'module' }))
    const threads = nodeThreads()
    if (!threads) throw new GradusError('trainInWorker', 'there are no workers here')
    return portTo(new threads.Worker(worker))
  }
  if (typeof (worker as Partial<WorkerLike> | null)?.postMessage !== 'function')
    throw new ArgumentError('trainInWorker', `the worker is ${describeValue(worker)}`, {
      hint: "Write new Worker(new URL('./training.js', import.meta.url), { type: 'module' }).",
    })
  const ends: ((reason: string) => void)[] = []
  const end = (reason: string) => {
    for (const listener of ends) listener(reason)
  }
  const send: Port['send'] = (message, transfer) => worker.postMessage(message, transfer as never[] | undefined)
  const onEnd: Port['onEnd'] = (listener) => void ends.push(listener)
  if (!('addEventListener' in worker)) {
    worker.on('error', (error: Error) => end(error.message))
    worker.on('exit', (code: number) => end(`it ended with code ${code}`))
    return {
      send,
      onEnd,
      onMessage: (listener) => void worker.on('message', listener),
      keepAlive: (on) => (on ? worker.ref?.() : worker.unref()),
      close: () => void worker.terminate(),
    }
  }
  worker.addEventListener('error', (event: { message?: string; preventDefault?(): void }) => {
    event.preventDefault?.()
    end(event.message || 'its program cannot be loaded: is its address right, and may the page load it?')
  })
  return {
    send,
    onEnd,
    onMessage: (listener) => worker.addEventListener('message', (event: { data: unknown }) => listener(event.data)),
    keepAlive: () => {},
    close: () => worker.terminate(),
  }
}

/** From a worker to whoever started it. */
export function portToOwner(): Port {
  const parent = nodeThreads()?.parentPort
  if (parent)
    return {
      send: (message, transfer) => parent.postMessage(message, transfer),
      onMessage: (listener) => parent.on('message', listener),
      onEnd: () => {},
      keepAlive: () => {},
      close: () => parent.close(),
    }
  if (host.document !== undefined || !host.postMessage || !host.addEventListener)
    throw new GradusError('serveTraining', 'is called outside of a worker', {
      hint: "Call it in the worker's own file, and trainInWorker(new Worker(...)) in the page.",
    })
  return {
    send: (message, transfer) => host.postMessage!(message, transfer),
    onMessage: (listener) => host.addEventListener!('message', ({ data }) => listener(data)),
    onEnd: () => {},
    keepAlive: () => {},
    close: () => host.close!(),
  }
}

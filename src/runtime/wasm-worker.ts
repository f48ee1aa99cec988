/**
 * @file Workers of the pool (runtime/wasm-pool.ts): what one does, and how one is started in Node and in browsers.
 * A worker's program is a text, so that it needs no file of its own that a bundler would have to find. Where a page's
 * Content-Security-Policy forbids such workers, the same text stands in a file (`setThreadScript`).
 */

import type { WasmMemory } from '../emit/wasm/host.js'
import { words, workerWords } from '../emit/wasm/threads.js'

/** What a worker is told when it starts. */
export interface WorkerStart {
  /** The module of emit/wasm/threads.ts. */
  readonly threads: Uint8Array<ArrayBuffer>
  readonly memory: WasmMemory
  /** Where the pool's words are, and the worker's own. */
  readonly control: number
  readonly own: number
  /** The caller is thread 0. */
  readonly thread: number
}

export interface PoolWorker {
  /** Why it will not go on, when it has said so. */
  onEnd(listener: (reason: string) => void): void
  terminate(): void
}

/**
 * Jobs, one after another. Kind 1: the module at `address` of `size` bytes becomes program `place`. Kind 2: it runs, with
 * the table at `address`, on `size` threads. A worker never returns to its event loop: it sleeps where it waits.
 * In Node on Linux it says which thread of the system it is, so that others can see whether that thread exists.
 */
const program = `
function serve({ threads, memory, control, own, thread }, systemThread) {
  // Addresses may lie above 2 GiB, where shifts would make them negative.
  const at = (byte) => (own + byte) / 4
  const of = (byte) => (control + byte) / 4
  const states = new Int32Array(memory.buffer)
  const fail = () => {
    Atomics.store(states, of(${words.failed}), 1)
    Atomics.notify(states, of(${words.phase}))
  }
  try {
    const stalled = () => {
      if (Atomics.load(states, of(${words.failed}))) throw new Error('another thread has failed')
    }
    const env = { memory, stalled }
    const { wait, look } = new WebAssembly.Instance(new WebAssembly.Module(threads), { env }).exports
    const programs = []
    states[at(${workerWords.thread})] = systemThread
    for (let job = 0; ; job++) {
      Atomics.store(states, at(${workerWords.done}), job + 1)
      look(own, job)
      const [kind, place, address, size] = states.subarray(at(${workerWords.kind}), at(${workerWords.kind}) + 4)
      if (kind === 1) {
        // Growing by nothing makes the memory's buffer as large as other threads have made the memory.
        memory.grow(0)
        const bytes = new Uint8Array(memory.buffer, address >>> 0, size).slice()
        const module = new WebAssembly.Module(bytes)
        programs[place] = new WebAssembly.Instance(module, { env: { memory, wait } }).exports.share
      } else programs[place](address, thread, size)
    }
  } catch (error) {
    fail()
    throw error
  }
}
`

const nodeProgram = `${program}
let systemThread = 0
try {
  systemThread = Number(require('node:fs').readlinkSync('/proc/thread-self').split('/').at(-1))
} catch {}
serve(require('node:worker_threads').workerData, systemThread)
`
/** What dist/gradus-thread.js holds. */
export const webProgram = `${program}
onmessage = ({ data }) => {
  // The text has been read: whoever started this may forget where it stands.
  postMessage('started')
  serve(data, 0)
}
`

interface NodeWorker {
  on(event: string, listener: (value: unknown) => void): void
  unref(): void
  terminate(): Promise<number>
}
interface WebWorker {
  onerror: ((event: { readonly message?: string }) => void) | null
  onmessage: (() => void) | null
  postMessage(value: unknown): void
  terminate(): void
}
interface Host {
  readonly process?: { readonly getBuiltinModule?: (id: string) => unknown }
  readonly crossOriginIsolated?: boolean
  readonly document?: unknown
  readonly Worker?: new (url: string, options?: { readonly type: 'module' }) => WebWorker
  readonly Blob?: new (parts: string[], options: { type: string }) => object
  readonly URL?: { createObjectURL(blob: object): string; revokeObjectURL(url: string): void }
}

const host = globalThis as unknown as Host
const nodeThreads = () =>
  host.process?.getBuiltinModule?.('node:worker_threads') as
    | { readonly Worker: new (program: string, options: object) => NodeWorker }
    | undefined

/** Why this process cannot have workers over shared memory; undefined where it can. */
export function whyNoWorkers(): string | undefined {
  if (typeof SharedArrayBuffer === 'undefined')
    return 'there is no shared memory (a page must be cross-origin isolated)'
  // Not loaded yet: that takes a few milliseconds, and many programs never need workers.
  if (host.process?.getBuiltinModule) return undefined
  // The thread of a page must not wait.
  if (host.document !== undefined) return 'it runs on the thread of a page, not in a worker'
  return host.Worker ? undefined : 'there are no workers'
}

/** Throws where a worker cannot be started. */
export function startWorker(start: WorkerStart): PoolWorker {
  const node = nodeThreads()
  if (node) {
    const worker = new node.Worker(nodeProgram, {
      eval: true,
      workerData: start,
      // Options of the process, as --input-type is one, would change what the text means.
      execArgv: [],
    })
    worker.unref()
    return {
      onEnd: (listener) => {
        worker.on('error', (error) => listener(String(error)))
        worker.on('exit', (code) => listener(`it ended with code ${code}`))
      },
      terminate: () => void worker.terminate(),
    }
  }
  return new BrowserWorker(start)
}

let script: string | undefined

/**
 * Where threads find their program, a file of one's own site: needed where a page's Content-Security-Policy forbids workers
 * that are made of text (`worker-src blob:`). The file is `gradus/thread.js`. Example, with Vite:
 *
 * import url from 'gradus/thread.js?url&no-inline'; setThreadScript(url)
 */
export function setThreadScript(url: string | URL): void {
  script = String(url)
}

const refused =
  "the page's Content-Security-Policy may forbid it: allow worker-src blob:, or serve gradus/thread.js and name it by setThreadScript(url)"

/** A worker of a browser: from the file that was named, else from a text; one that does not start gives way to the next. */
class BrowserWorker implements PoolWorker {
  readonly #start: WorkerStart
  readonly #ways: ('file' | 'text')[] = script === undefined ? ['text'] : ['file', 'text']
  #worker: WebWorker | undefined
  #forget = () => {}
  #end = (_reason: string) => {}

  constructor(start: WorkerStart) {
    this.#start = start
    this.#try()
  }

  onEnd(listener: (reason: string) => void): void {
    this.#end = listener
  }

  terminate(): void {
    this.#ways.length = 0
    this.#forget()
    this.#worker?.terminate()
  }

  /** Throws where the last way fails at once. */
  #try(): void {
    const way = this.#ways.shift()!
    // The text stays in memory for as long as the address is valid: until the worker has read it, or will not.
    const url =
      way === 'file' ? script! : host.URL!.createObjectURL(new host.Blob!([webProgram], { type: 'text/javascript' }))
    this.#forget = () => way === 'text' && host.URL!.revokeObjectURL(url)
    let worker: WebWorker
    try {
      worker = new host.Worker!(url, way === 'file' ? { type: 'module' } : undefined)
    } catch (error) {
      this.#forget()
      if (this.#ways.length === 0) throw error
      this.#try()
      return
    }
    this.#worker = worker
    let begun = false
    worker.onmessage = () => {
      begun = true
      this.#forget()
    }
    worker.onerror = ({ message }) => {
      this.#forget()
      if (begun) this.#end(message ?? 'it failed')
      else this.#instead(message || 'it could not be started')
    }
    worker.postMessage(this.#start)
  }

  #instead(reason: string): void {
    try {
      if (this.#ways.length > 0) this.#try()
      else this.#end(`${reason}; ${refused}`)
    } catch (error) {
      this.#end(`${String(error)}; ${refused}`)
    }
  }
}

/** Whether a thread of the system is there no more, where that can be known. */
export function isGone(systemThread: number): boolean {
  if (systemThread === 0) return false
  const fs = host.process!.getBuiltinModule!('node:fs') as { existsSync(path: string): boolean }
  return !fs.existsSync(`/proc/self/task/${systemThread}`)
}

/**
 * @file A map whose function runs in worker threads: the module that exports it is loaded there. In: samples in order, the address of a
 * module. Out: its results, in the same order whichever worker was faster, so that the bits do not depend on the number of workers.
 *
 * dataset(files).mapInWorkers(new URL('./decode.js', import.meta.url), { workers: 2 })
 * decode.js: export default async function (file, { index, epoch, seed }) { ... return { input, target } }
 */
import { ArgumentError, ValueError } from '../base/errors.js'
import { RandomStream } from '../numerics/random.js'
import { isPromise, type LazyNode, marksOf, numbered, sampleError } from './lazy-node.js'

/** Of `mapInWorkers`. */
export interface MapInWorkersOptions {
  /** How many threads; 2 by default. */
  readonly workers?: number
  /** Samples sent at once: more where the function is quick; 8 by default. */
  readonly chunk?: number
  /** Draws the `seed` that the function gets for each sample and epoch; 0 by default. */
  readonly seed?: number
  /** Anything that can be sent to a thread: the function gets it as `options`. */
  readonly options?: unknown
}

/** What the function of `mapInWorkers` knows besides its sample. */
export interface WorkerContext {
  /** Of the sample, counted from 0 in the order in which it is asked for. */
  readonly index: number
  /** Counts from 1 in `fit`. */
  readonly epoch: number
  /** From 0 to 2³² − 1, another one for each sample and epoch: for a random generator of the function's own. */
  readonly seed: number
  /** As they were given. */
  readonly options: unknown
}

interface Job {
  readonly number: number
  readonly epoch: number
  readonly index: number
  readonly samples: readonly unknown[]
  readonly seeds: readonly number[]
}
type Answer =
  | { readonly number: number; readonly results: readonly unknown[] }
  | { readonly number: number; readonly failed: number; readonly message: string }
  | { readonly broken: string }

/** Worker programs are text, so that no bundler must find a file. Arrays go over without being copied, if they own their memory. */
const program = `
const start = async ({ module, options }, post, listen) => {
  let f
  try {
    f = (await import(module)).default
    if (typeof f !== 'function') throw new Error('its default export is no function')
  } catch (error) {
    post({ broken: String((error && error.message) || error) }, [])
    return
  }
  const buffersOf = (value, found) => {
    if (ArrayBuffer.isView(value)) {
      if (value.buffer instanceof ArrayBuffer && value.byteLength === value.buffer.byteLength) found.add(value.buffer)
    } else if (value && typeof value === 'object') for (const one of Object.values(value)) buffersOf(one, found)
    return found
  }
  let before = Promise.resolve()
  listen((job) => {
    before = before.then(async () => {
      const results = []
      for (let i = 0; i < job.samples.length; i++)
        try {
          results.push(await f(job.samples[i], { index: job.index + i, epoch: job.epoch, seed: job.seeds[i], options }))
        } catch (error) {
          post({ number: job.number, failed: job.index + i, message: String((error && error.message) || error) }, [])
          return
        }
      try {
        post({ number: job.number, results }, [...buffersOf(results, new Set())])
      } catch (error) {
        post({ number: job.number, failed: job.index, message: 'the result cannot be sent: ' + error.message }, [])
      }
    })
  })
}
`
const nodeProgram = `${program}
const { parentPort, workerData } = require('node:worker_threads')
start(workerData, (value, list) => parentPort.postMessage(value, list), (f) => parentPort.on('message', f))
`
const webProgram = `${program}
const waiting = []
let take = (job) => waiting.push(job)
onmessage = ({ data }) => {
  onmessage = ({ data: job }) => take(job)
  start(data, (value, list) => postMessage(value, list), (f) => {
    take = f
    waiting.forEach(f)
  })
}
`

interface Thread {
  send(job: Job): void
  end(): void
}
type Listen = (answer: Answer) => void

interface Host {
  readonly process?: { readonly getBuiltinModule?: (id: string) => unknown }
  readonly Worker?: new (
    url: string,
  ) => {
    onmessage: ((event: { readonly data: Answer }) => void) | null
    onerror: ((event: { readonly message?: string }) => void) | null
    postMessage(value: unknown): void
    terminate(): void
  }
}
interface NodeWorker {
  on(event: string, listener: (value: never) => void): void
  ref(): void
  unref(): void
  postMessage(value: unknown): void
  terminate(): Promise<number>
}

function startThread(module: string, options: unknown, listen: Listen): Thread {
  const host = globalThis as unknown as Host
  const node = host.process?.getBuiltinModule?.('node:worker_threads') as
    | { readonly Worker: new (program: string, options: object) => NodeWorker }
    | undefined
  if (node) {
    const worker = new node.Worker(nodeProgram, { eval: true, workerData: { module, options }, execArgv: [] })
    worker.on('message', (answer: Answer) => listen(answer))
    worker.on('error', (error: Error) => listen({ broken: error.message }))
    worker.on('exit', (code: number) => listen({ broken: `it ended with code ${code}` }))
    return { send: (job) => worker.postMessage(job), end: () => void worker.terminate() }
  }
  if (!host.Worker) throw new ValueError('mapInWorkers', 'there are no workers here', { hint: 'Use map.' })
  const url = URL.createObjectURL(new Blob([webProgram], { type: 'text/javascript' }))
  const worker = new host.Worker(url)
  worker.onmessage = ({ data }) => listen(data)
  worker.onerror = ({ message }) => listen({ broken: message ?? 'it could not be started' })
  worker.postMessage({ module, options })
  return {
    send: (job) => worker.postMessage(job),
    end: () => {
      worker.terminate()
      URL.revokeObjectURL(url)
    },
  }
}

/** Throws for what is no address of a module. */
export function moduleAddress(module: URL | string): string {
  if (!(module instanceof URL) && typeof module !== 'string')
    throw new ArgumentError('mapInWorkers', 'a function cannot be sent to a thread', {
      hint: "Put it in a module of its own, and give its address: new URL('./decode.js', import.meta.url).",
    })
  if (typeof module === 'string' && !/^[a-z]+:\/\//i.test(module))
    throw new ArgumentError('mapInWorkers', `'${module}' is no complete address`, {
      hint: "Write new URL('./decode.js', import.meta.url).",
    })
  return String(module)
}

export function workerNode<A, B>(
  node: LazyNode<A>,
  module: string,
  { workers = 2, chunk = 8, seed = 0, options }: MapInWorkersOptions,
): LazyNode<B> {
  const { at, reordered } = node
  const again = at
    ? (orderOf: (epoch: number) => Uint32Array) =>
        numbered(node.length!, (i, epoch) => at(orderOf(epoch)[i]!, epoch), node)
    : reordered
  return {
    length: node.length,
    ...marksOf(node),
    ...(again ? { reordered: (orderOf) => workerNode(again(orderOf), module, { workers, chunk, seed, options }) } : {}),
    async *iterate(epoch, from) {
      const source = node.iterate(epoch, from)
      const waiting = new Map<number, { resolve(results: readonly unknown[]): void; reject(error: unknown): void }>()
      let failure: unknown
      const fail = (error: unknown) => {
        failure ??= error
        for (const { reject } of waiting.values()) reject(failure)
        waiting.clear()
      }
      const listen: Listen = (answer) => {
        if ('broken' in answer)
          return fail(
            new ValueError('mapInWorkers', `the module ${module} does not work in a thread: ${answer.broken}`),
          )
        const one = waiting.get(answer.number)
        waiting.delete(answer.number)
        if ('failed' in answer) one?.reject(sampleError('mapInWorkers', answer.failed, new Error(answer.message)))
        else one?.resolve(answer.results)
      }
      const threads = Array.from({ length: workers }, () => startThread(module, options, listen))
      const begun: Promise<readonly unknown[]>[] = []
      let [index, number, done] = [from, 0, false]
      const begin = async (): Promise<boolean> => {
        const samples: A[] = []
        while (samples.length < chunk && !done) {
          const next = source.next()
          const { done: over, value } = isPromise(next) ? await next : next
          if (over) done = true
          else samples.push(value)
        }
        if (samples.length === 0) return false
        const seeds = samples.map((_, i) => new RandomStream(seed, `map.${epoch}.${index + i}`).nextWord())
        const job = { number, epoch, index, samples, seeds }
        const result = new Promise<readonly unknown[]>((resolve, reject) =>
          waiting.set(job.number, { resolve, reject }),
        )
        // It is reported when its turn comes.
        result.catch(() => {})
        begun.push(result)
        if (failure) fail(failure)
        else threads[number % workers]!.send(job)
        index += samples.length
        number++
        return true
      }
      try {
        for (;;) {
          while (begun.length < 2 * workers && !done && (await begin()));
          const next = begun.shift()
          if (!next) return
          yield* (await next) as readonly B[]
        }
      } finally {
        for (const thread of threads) thread.end()
        await source.return()
      }
    },
  }
}

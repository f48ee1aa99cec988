/**
 * @file Workers that decode images while steps run. In: lists of files. Out: their pixels, in the order of the lists, whatever the
 * number of workers and whichever is done first. One pool serves all folders of a process.
 *
 * const pool = imagePool(2); const { data, faults } = await pool.decode({ files, form })
 */
import { existsSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { GradusError } from '../base/errors.js'
import { type DecodedList, decodeList, type ImageTask } from './image-list.js'

/** One processor is for the steps; beyond four the disk or the step is what waits. */
export const usualWorkers = (): number => Math.max(1, Math.min(4, availableParallelism() - 1))

interface Job {
  readonly task: ImageTask
  readonly done: (result: DecodedList) => void
  readonly failed: (error: unknown) => void
}

export class ImagePool {
  readonly #size: number
  readonly #workers: { readonly worker: Worker; job: Job | undefined }[] = []
  readonly #waiting: Job[] = []
  #broken = false

  /** Without workers, lists are decoded where they are asked for. */
  constructor(size: number) {
    this.#size = size
  }

  /** How many lists are worth asking for at once. */
  get width(): number {
    return Math.max(1, 2 * this.#size)
  }

  decode(task: ImageTask): Promise<DecodedList> {
    if (this.#size === 0 || this.#broken || !program()) return decodeList(task)
    return new Promise((done, failed) => {
      this.#waiting.push({ task, done, failed })
      this.#next()
    })
  }

  #next(): void {
    while (this.#waiting.length > 0) {
      let free = this.#workers.find(({ job }) => !job)
      if (!free) {
        if (this.#workers.length >= this.#size || !(free = this.#start())) return
      }
      const job = this.#waiting.shift()!
      free.job = job
      // A process may end while workers have nothing to do, and not before they have done what they were asked for.
      free.worker.ref()
      free.worker.postMessage({ id: 0, files: job.task.files, form: job.task.form })
    }
  }

  #start(): { readonly worker: Worker; job: Job | undefined } | undefined {
    let worker: Worker
    try {
      // Flags of the process, such as a loader of TypeScript, are none of its business.
      worker = new Worker(program()!, { execArgv: [], stdout: false })
    } catch {
      this.#giveUp()
      return undefined
    }
    const own: { readonly worker: Worker; job: Job | undefined } = { worker, job: undefined }
    this.#workers.push(own)
    worker.on('message', ({ result, error }: { result?: DecodedList; error?: string }) => {
      const { job } = own
      own.job = undefined
      worker.unref()
      if (result) job?.done(result)
      else job?.failed(new Error(error))
      this.#next()
    })
    worker.on('error', (cause) => this.#lost(own, cause))
    worker.on('exit', () => this.#lost(own, undefined))
    worker.unref()
    return own
  }

  /** A worker has ended: of its list nobody knows at which file. */
  #lost(own: { readonly worker: Worker; job: Job | undefined }, cause: unknown): void {
    const at = this.#workers.indexOf(own)
    if (at < 0) return
    this.#workers.splice(at, 1)
    const { job } = own
    own.job = undefined
    job?.failed(
      new GradusError(
        'images',
        `a worker ended while it decoded ${job.task.files[0]} or one of the ${job.task.files.length - 1} files after it`,
        { cause, hint: 'Decode without workers to see at which: workers: 0.' },
      ),
    )
    this.#next()
  }

  /** Where there can be no workers everything is done here, with the same bytes. */
  #giveUp(): void {
    this.#broken = true
    for (const { task, done, failed } of this.#waiting.splice(0)) decodeList(task).then(done, failed)
  }

  /** Ends the workers. */
  async close(): Promise<void> {
    await Promise.all(this.#workers.splice(0).map(({ worker }) => worker.terminate()))
  }
}

const pools = new Map<number, ImagePool>()

/** The pool of so many workers, which all folders share. */
export function imagePool(size: number): ImagePool {
  let pool = pools.get(size)
  if (!pool) {
    pool = new ImagePool(size)
    pools.set(size, pool)
  }
  return pool
}

let found: string | undefined | null = null
/** The worker's file; of sources that a test runs, the one that was built of them. */
function program(): string | undefined {
  if (found === null) {
    const here = import.meta.url.replace(/\/src\/data\/[^/]*\.ts.*$/, '/dist/data/x')
    const path = fileURLToPath(new URL('./image-worker.js', here))
    found = existsSync(path) ? path : undefined
  }
  return found
}

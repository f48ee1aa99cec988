/**
 * @file The folder of runs, watched. In: a folder, which need not be there yet. Out: summaries of its runs, told as they appear,
 * grow, end, are resumed or deleted. It looks once a second, and only while somebody wants to know.
 *
 * const runs = new Runs('runs'); runs.listen((message, data) => ...); await runs.look(); runs.list().runs[0]?.name
 */
import { readdir, realpath } from 'node:fs/promises'
import { basename, dirname, join, resolve, sep } from 'node:path'
import type { LiveMessages, RunList } from './api.js'
import { Run, reason } from './run.js'

/** Folders in folders, as sweeps make them, but no further. */
const deepest = 3
/** Of the curves of all runs together; those that nobody looked at for longest go first. */
const mostBytes = 384 << 20
type Listener = <K extends keyof LiveMessages>(message: K, data: LiveMessages[K]) => void

export class Runs {
  /** As it was given. */
  readonly given: string
  #root: string
  /** Where `given` is one run itself, its name. */
  #only: string | undefined
  #problem: string | undefined
  #runs = new Map<string, Run>()
  #listeners = new Set<Listener>()
  #looking: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined
  #looked = false

  constructor(folder: string) {
    this.given = folder
    this.#root = resolve(folder)
  }

  get(name: string): Run | undefined {
    return this.#runs.get(name)
  }

  list(): RunList {
    const runs = [...this.#runs.values()].map((run) => run.summary())
    return { folder: this.given, ...(this.#problem ? { problem: this.#problem } : {}), runs }
  }

  /** Tells of changes, and looks for them every `interval` milliseconds, until the function that it gives is called. */
  listen(listener: Listener, interval = 1000): () => void {
    this.#listeners.add(listener)
    this.#timer ??= setInterval(() => void this.look(), interval)
    return () => {
      this.#listeners.delete(listener)
      if (this.#listeners.size > 0) return
      clearInterval(this.#timer)
      this.#timer = undefined
    }
  }

  /** Reads what is new in the folder. Never throws: what cannot be read is said in the summaries. */
  look(): Promise<void> {
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined
    })
    return this.#looking
  }

  #tell<K extends keyof LiveMessages>(message: K, data: LiveMessages[K]): void {
    for (const listener of this.#listeners) listener(message, data)
  }

  async #look(): Promise<void> {
    const problem = this.#problem
    const folders = await this.#find()
    for (const name of this.#runs.keys())
      if (!folders.has(name)) {
        this.#runs.delete(name)
        this.#tell('gone', { name })
      }
    if (problem !== this.#problem && this.#looked)
      this.#tell('folder', { folder: this.given, ...(this.#problem ? { problem: this.#problem } : {}) })
    this.#looked = true
    for (const [name, folder] of folders) {
      let run = this.#runs.get(name)
      if (!run) {
        run = new Run(name, folder)
        await run.read()
        this.#runs.set(name, run)
        this.#tell('run', run.summary())
      } else if (await run.read()) this.#tell('run', run.summary())
    }
    this.#forget()
  }

  /** Curves that nobody has asked for lately, when there are too many. */
  #forget(): void {
    const whole = [...this.#runs.values()].filter((run) => run.log.whole).sort((a, b) => b.used - a.used)
    let bytes = 0
    for (const [i, run] of whole.entries()) {
      bytes += run.log.bytes
      if (bytes > mostBytes && i > 0 && Date.now() - run.used > 10_000) {
        void run.forget()
      }
    }
  }

  /** Folders of runs by name. Links are not followed. */
  async #find(): Promise<Map<string, string>> {
    const found = new Map<string, string>()
    this.#problem = undefined
    try {
      this.#root = await realpath(resolve(this.given))
      if (await this.#isRun(this.#root)) {
        this.#only = basename(this.#root)
        this.#root = dirname(this.#root)
        found.set(this.#only, join(this.#root, this.#only))
      } else await this.#walk(this.#root, '', 1, found)
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      this.#problem =
        code === 'ENOENT'
          ? 'the folder is not there yet'
          : code === 'ENOTDIR'
            ? 'it is a file, not a folder'
            : `it cannot be read (${reason(error)})`
    }
    return found
  }

  async #isRun(folder: string): Promise<boolean> {
    return (await readdir(folder)).some((name) => name === 'events.jsonl' || name === 'run.json')
  }

  async #walk(folder: string, prefix: string, depth: number, found: Map<string, string>): Promise<void> {
    for (const entry of await readdir(folder, { withFileTypes: true })) {
      if (!entry.isDirectory() || entry.name.startsWith('.') || entry.name === 'node_modules') continue
      const name = prefix + entry.name
      const path = join(folder, entry.name)
      // Gone in the meantime, or not ours to read.
      const isRun = this.#runs.has(name) || (await this.#isRun(path).catch(() => undefined))
      if (isRun) found.set(name, path)
      else if (isRun === false && depth < deepest) await this.#walk(path, `${name}/`, depth + 1, found).catch(() => {})
    }
  }

  /** The path of a picture of a run, if it is a file that lies in the run's folder of pictures. */
  async picture(run: Run, file: string): Promise<string | undefined> {
    if (!/^[\w][\w.-]*(\/[\w][\w.-]*)*\.(png|jpe?g|gif|webp)$/i.test(file)) return undefined
    const folder = join(run.folder, 'pictures')
    const path = await realpath(join(folder, file)).catch(() => undefined)
    const inside = await realpath(folder).catch(() => undefined)
    // The folder of pictures may itself be a link that leads away.
    return path && inside === folder && path.startsWith(folder + sep) ? path : undefined
  }
}

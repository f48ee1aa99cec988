/**
 * @file One run of the watched folder: its description, its events, and both in one line. In: a folder. Out: a summary that
 * changes as the run does; all its points when they are asked for.
 *
 * const run = new Run('iris-001', 'runs/iris-001'); await run.read(); run.summary().best['validation.loss']?.value
 */
import { constants } from 'node:fs'
import { lstat, open } from 'node:fs/promises'
import { join } from 'node:path'
import { folderHolder } from '../io/lock.js'
import type { Best, Json, RunState, RunSummary } from './api.js'
import type { NetworkLog } from './network-log.js'
import { RunLog } from './run-log.js'

/** A run that no process of this machine writes to may be of another one: so long after its last news it is thought to run. */
const newsLast = 15_000
const largestDescription = 8 << 20

/** What a run's folder says of it, beside its events. */
export interface RunDescription {
  readonly created?: number
  readonly command?: string
  readonly configuration: Json
  readonly environment: Json
  readonly network?: string
  readonly parameters?: number
}

export class Run {
  readonly name: string
  readonly folder: string
  readonly log: RunLog
  description: RunDescription = { configuration: null, environment: null }
  problem: string | undefined
  version = 0
  /** When its curves were last asked for. */
  used = 0
  #described = ''
  #summary: RunSummary | undefined
  #reading: Promise<boolean> | undefined
  /** Whether all points are to be kept from the next reading on. */
  #wantsWhole = false
  #held = false
  #files = ''

  constructor(name: string, folder: string) {
    this.name = name
    this.folder = folder
    this.log = new RunLog(join(folder, 'events.jsonl'), { whole: false })
  }

  /** Reads what is new; true if the summary has changed. Calls at the same time are one. */
  read(): Promise<boolean> {
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined
    })
    return this.#reading
  }

  async #read(): Promise<boolean> {
    const before = this.problem
    let changed = false
    const again = this.log.whole !== this.#wantsWhole
    const files = await Promise.all(['events.jsonl', 'run.json'].map((name) => fingerprint(join(this.folder, name))))
    const same = files.join() === this.#files
    this.#files = files.join()
    // Of hundreds of runs most are over: to see that nothing has happened must cost little.
    if (same && !again && this.#summary && this.#summary.state !== 'running') return false
    if (again) this.log.reset(this.#wantsWhole)
    this.problem = undefined
    try {
      changed = await this.#describe()
    } catch (error) {
      this.problem = `run.json: ${reason(error)}`
    }
    try {
      if (await this.log.read()) changed = true
    } catch (error) {
      this.problem = `events.jsonl: ${reason(error)}`
    }
    // Whoever writes holds a lock; once that is gone, the last lines may tell how it ended.
    this.#held = this.log.end === undefined && (await folderHolder(this.folder).catch(() => undefined)) !== undefined
    if (this.#summary?.state !== this.state()) changed = true
    if (!changed && this.problem === before) return false
    this.version++
    this.#summary = undefined
    return true
  }

  /** The curves with all their points; reads the file again if they had not been kept. */
  async whole(): Promise<RunLog> {
    this.used = Date.now()
    this.#wantsWhole = true
    await this.read()
    // A reading that was under way may have begun without them.
    while (!this.log.whole) await this.read()
    return this.log
  }

  /** Gives the memory of its curves back. */
  async forget(): Promise<void> {
    this.#wantsWhole = false
    await this.read()
  }

  async #describe(): Promise<boolean> {
    const file = await open(join(this.folder, 'run.json'), constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0)).catch(
      (error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return undefined
        throw error
      },
    )
    try {
      const stat = await file?.stat()
      const identity = stat ? `${stat.ino}:${stat.size}:${stat.mtimeMs}` : 'none'
      if (identity === this.#described) return false
      if (stat && (!stat.isFile() || stat.size > largestDescription)) throw new Error('it is too large')
      this.description = describe(file ? ((JSON.parse(await file.readFile('utf8')) ?? {}) as Fields) : {})
      this.#described = identity
      return true
    } finally {
      await file?.close()
    }
  }

  state(): RunState {
    const { end, lastTime = 0, hasEvents } = this.log
    if (end) return endings.includes(end.reason) ? end.reason : 'finished'
    if (this.#held) return 'running'
    if (!hasEvents) return 'empty'
    return Date.now() - lastTime > newsLast ? 'interrupted' : 'running'
  }

  summary(): RunSummary {
    if (this.#summary) return this.#summary
    const { log, description } = this
    const created = description.created ?? log.firstTime
    const { latest } = log
    const loss = latest?.loss ?? latest?.epochs.last('train.loss')
    this.#summary = {
      name: this.name,
      state: this.state(),
      ...(created === undefined ? {} : { created }),
      ...(log.lastTime === undefined ? {} : { lastTime: log.lastTime }),
      epoch: latest?.epoch ?? 0,
      step: latest?.step ?? 0,
      seconds: log.seconds,
      ...(description.parameters === undefined ? {} : { parameters: description.parameters }),
      ...(loss === undefined ? {} : { loss: Number.isFinite(loss) ? loss : null }),
      best: bestScores(log.networks, description.configuration),
      configuration: flat(description.configuration),
      warnings: log.networks.reduce((count, network) => count + network.warnings.length, 0),
      ...(this.problem === undefined ? {} : { problem: this.problem }),
      version: this.version,
    }
    return this.#summary
  }
}

/** Changes whenever a file does. */
const fingerprint = async (path: string): Promise<string> => {
  const found = await lstat(path).catch(() => undefined)
  return found ? `${found.ino}:${found.size}:${found.mtimeMs}` : 'none'
}

const endings: readonly string[] = ['finished', 'stopped early', 'left', 'failed']
/** Of an error, for a summary. */
export const reason = (error: unknown) => (error as Error).message.slice(0, 200)

interface Fields {
  readonly [name: string]: unknown
}

function describe(fields: Fields): RunDescription {
  const network = (fields['network'] ?? {}) as Fields
  const created = typeof fields['created'] === 'string' ? Date.parse(fields['created']) : Number.NaN
  const { command } = fields
  return {
    ...(Number.isNaN(created) ? {} : { created }),
    ...(typeof command === 'string' ? { command } : {}),
    configuration: (fields['configuration'] ?? null) as Json,
    environment: (fields['environment'] ?? null) as Json,
    ...(typeof network['text'] === 'string' ? { network: network['text'] } : {}),
    ...(typeof network['parameters'] === 'number' ? { parameters: network['parameters'] } : {}),
  }
}

/** `{ optimizer: { learningRate: 1 } }` → `{ 'optimizer.learningRate': 1 }`; lists stay as they are. */
function flat(value: Json, prefix = '', into: { [name: string]: Json } = {}): { readonly [name: string]: Json } {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    if (prefix !== '') into[prefix] = value
  } else for (const [name, one] of Object.entries(value)) flat(one, prefix ? `${prefix}.${name}` : name, into)
  return into
}

/** Names of scores of which less is better, where the run does not say: of all others more is. */
const lessIsBetter = /loss|error|perplexity|divergence|entropy|distance|(^|[._])(mae|mse|rmse|mape|nll|brier)/i

/** What the configuration says of a metric: `{ better: 'lower' }`. */
function saidBetter(configuration: Json, score: string): unknown {
  const { metrics } = (configuration ?? {}) as { readonly metrics?: { readonly [name: string]: { better?: unknown } } }
  return metrics?.[score.replace(/^(train|validation)\./, '')]?.better
}

function bestScores(networks: readonly NetworkLog[], configuration: Json): { [name: string]: Best } {
  const best: { [name: string]: Best } = {}
  for (const { epochs } of networks)
    for (const name of epochs.names) {
      if (name.startsWith('epoch.')) continue
      const said = saidBetter(configuration, name)
      const least = said === 'lower' || (said !== 'higher' && lessIsBetter.test(name))
      const curve = epochs.curve(name, epochs.epochs, { points: epochs.length + 1 })!
      let found = best[name]
      for (const [i, value] of curve.y.entries())
        if (value !== null && (!found || (least ? value < found.value : value > found.value)))
          found = { value, epoch: curve.x[i]!, least }
      if (found) best[name] = found
    }
  return best
}

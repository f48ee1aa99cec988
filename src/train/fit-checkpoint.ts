/**
 * @file Checkpoints of `fit`: when they are due, what they hold, and whether one belongs to this run. In: options, the parts of a
 * run, where it stands. Out: files; or the place from which a run goes on as if it had never been stopped.
 *
 * fit(net, { ..., checkpoint: { folder: 'runs/a/checkpoints', every: { steps: 500 }, keep: 3 }, resume: true })
 */
import { ValueError } from '../base/errors.js'
import { isPlainOptions } from '../base/options.js'
import type { Dataset } from '../data/column.js'
import type { Score } from '../io/checkpoint-folder.js'
import { Sha256 } from '../io/sha256.js'
import { type Checkpoints, checkpoints } from './checkpoint.js'
import type { Checkpointable, CheckpointParts, PartState } from './checkpoint-parts.js'
import { modeOf, scoreAt } from './early-stopping.js'
import { type Every, everyOf, type FitCheckpointOptions } from './fit-checkpoint-options.js'
import type { RunLog } from './run-log.js'
import type { Epoch } from './types.js'

/** What a run must have in common with the one that it continues. */
export interface RunFacts {
  readonly seed: number
  readonly batchSize: number
  readonly shuffle: boolean
  /** Batches to an update. */
  readonly group: number
  readonly train: CheckedData
  readonly validation: CheckedData | undefined
}

/** What a checksum is of: data, or the first of them where they stream, which `note` says. */
interface CheckedData {
  readonly data: Dataset
  readonly note?: string
}

/** Where a run stands in the middle of an epoch. */
export interface Underway {
  readonly batch: number
  /** Of this epoch. */
  readonly seconds: number
  /** What its batches added up to. */
  readonly total: () => Required<PartState>
}

/** Where a run stands. */
export interface Position {
  readonly epochs: readonly Epoch[]
  readonly under: Underway | undefined
  /** Of the whole run. */
  readonly seconds: number
  /** Steps in the epochs that are done. */
  readonly before?: number
}

type Facts = { readonly [name: string]: unknown }
const factNames: { readonly [name: string]: string } = {
  seed: 'the seed',
  batchSize: 'the batch size',
  shuffle: 'shuffle',
  group: 'the number of accumulated batches',
  train: 'the training data (their checksum)',
  validation: 'the validation data (their checksum)',
}

/** The part of a checkpoint that says where the run stands. */
class RunPart implements Checkpointable {
  position: Position = { epochs: [], under: undefined, seconds: 0 }
  readonly #facts: Facts

  constructor(facts: Facts) {
    this.#facts = facts
  }

  saveState(): PartState {
    const { epochs, under, seconds, before } = this.position
    const { tensors, ...rest } = { ...under?.total(), batch: under?.batch, seconds: under?.seconds }
    return { values: { facts: this.#facts, epochs, seconds, before, under: under && rest }, tensors }
  }

  loadState({ values, tensors }: Required<PartState>): () => void {
    const { facts, epochs, seconds, before, under } = values as {
      facts: Facts
      epochs: Epoch[]
      seconds: number
      before: number | undefined
      under: { batch: number; seconds: number; values: PartState['values'] } | undefined
    }
    const different = Object.keys(factNames).filter((name) => facts[name] !== this.#facts[name])
    if (different.length > 0)
      throw new ValueError(
        'resume',
        different
          .map((name) => `${factNames[name]} was ${String(facts[name])} and is ${String(this.#facts[name])}`)
          .join('; '),
      )
    return () => {
      const total = () => ({ values: under!.values, tensors })
      this.position = { epochs, seconds, before, under: under && { batch: under.batch, seconds: under.seconds, total } }
    }
  }
}

export class FitCheckpoints {
  readonly #files: Checkpoints
  readonly #run: RunPart
  readonly #every: Every
  readonly #scoreOf: ((epoch: Epoch) => Score) | undefined
  #written = performance.now()
  #changed = false
  /** The checkpoint that is being written while training goes on. */
  #writing: Promise<void> | undefined
  #failure: { readonly error: unknown } | undefined

  private constructor(files: Checkpoints, run: RunPart, every: Every, scoreOf?: (epoch: Epoch) => Score) {
    this.#files = files
    this.#run = run
    this.#every = every
    this.#scoreOf = scoreOf
  }

  /** `metric`: what the best is by, unless said otherwise; `better`: of a metric's name in the scores, where that is known. */
  static async open(
    options: string | FitCheckpointOptions,
    resume: boolean,
    parts: CheckpointParts,
    facts: RunFacts,
    metric: string,
    better: (path: string) => 'lower' | 'higher' | undefined,
    log?: RunLog,
  ): Promise<FitCheckpoints> {
    const { folder, keep, keepBest = true, also, ...rest } = typeof options === 'string' ? { folder: options } : options
    const run = new RunPart(factsOf(facts))
    const files = await checkpoints(folder, { ...parts, ...also, run }, { keep, keepBest: keepBest !== false, log })
    if (files.size > 0 && !resume) {
      files.close()
      throw new ValueError('fit', `there are checkpoints in ${folder} already`, {
        hint: 'Go on from them by resume: true, or name another folder.',
      })
    }
    const every = everyOf({ folder, ...rest })
    if (keepBest === false) return new FitCheckpoints(files, run, every)
    const path = isPlainOptions(keepBest) ? keepBest.metric : keepBest === true ? metric : keepBest
    const mode = isPlainOptions(keepBest) ? keepBest.mode : undefined
    const direction = mode
      ? mode === 'min'
        ? 'lower'
        : 'higher'
      : (better(path) ?? (modeOf(path) === 'min' ? 'lower' : 'higher'))
    return new FitCheckpoints(files, run, every, (epoch) => {
      const value = scoreAt(epoch as object as Record<string, unknown>, path)
      return { metric: path, value, better: direction }
    })
  }

  /** Brings every part back; undefined where there is no checkpoint yet. */
  async resume(): Promise<Position | undefined> {
    if (this.#files.size === 0) return undefined
    await this.#files.resume()
    return this.#run.position
  }

  /** How many steps may be made before the next checkpoint, after so many of the run. */
  stepsLeft(steps: number): number {
    const { unit, count } = this.#every
    return unit === 'steps' ? count - (steps % count) : Number.POSITIVE_INFINITY
  }

  /** The run has gone on to here. */
  moved(position: Position): void {
    this.#run.position = position
    this.#changed = true
  }

  /** In the middle of an epoch, after so many steps of the run: writes if it is time. */
  async afterSteps(steps: number): Promise<void> {
    this.#check()
    const { unit, count } = this.#every
    const due = unit === 'steps' ? steps % count === 0 : unit === 'seconds' && this.#isLate
    if (due) await this.save()
  }

  async afterEpoch(): Promise<void> {
    this.#check()
    const { unit, count } = this.#every
    const due = unit === 'epochs' ? this.#run.position.epochs.length % count === 0 : unit === 'seconds' && this.#isLate
    if (due || this.#isBest) await this.save()
  }

  /** Whether the last epoch is better than all before it. */
  get #isBest(): boolean {
    if (!this.#scoreOf) return false
    const [last, ...before] = this.#run.position.epochs.map(this.#scoreOf).reverse()
    const { value, better } = last!
    return before.every(
      (one) => Number.isNaN(one.value) || (better === 'higher' ? value > one.value : value < one.value),
    )
  }

  /** Is called before anything is written, and may throw instead: what is not finite must not be the newest checkpoint. */
  ready: () => void = () => {}

  /**
   * Begins to write what the run is now, unless nothing has changed since; training may go on meanwhile. One at a time: waits for the one
   * before, and throws what that has thrown.
   */
  async save(): Promise<void> {
    await this.settled()
    if (!this.#changed) return
    this.ready()
    const { epochs, under } = this.#run.position
    const last = epochs[epochs.length - 1]
    // In the middle of an epoch nothing was validated.
    this.#writing = this.#files.save(undefined, { score: under || !last ? undefined : this.#scoreOf?.(last) }).then(
      () => {},
      (error: unknown) => {
        this.#failure = { error }
      },
    )
    this.#changed = false
    this.#written = performance.now()
  }

  /** What was begun is on the disk. Throws where it could not be written. */
  async settled(): Promise<void> {
    await this.#writing
    this.#check()
  }

  /** Lets other processes write to the folder. */
  async close(): Promise<void> {
    await this.#writing
    this.#files.close()
  }

  #check(): void {
    if (!this.#failure) return
    const { error } = this.#failure
    this.#failure = undefined
    throw error
  }

  get #isLate(): boolean {
    return performance.now() - this.#written >= 1000 * this.#every.count
  }
}

function factsOf({ train, validation, ...facts }: RunFacts): Facts {
  return { ...facts, train: checksum(train), validation: validation && checksum(validation) }
}

/** Bytes of a data set beyond which a checksum takes samples of it. */
const mostHashed = 1 << 26
const block = 1 << 16

/** A checksum of shapes, scales and values; of sets beyond 64 MiB of a thousand blocks of the values. */
function checksum({ data: { input, target, sampleWeight }, note }: CheckedData): string {
  const hash = new Sha256()
  if (note !== undefined) hash.update(note)
  for (const part of [input, target, sampleWeight]) {
    if (!part) continue
    const { data, shape, scale, offset } = part
    hash.update(JSON.stringify([data.constructor.name, shape, scale, offset]))
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    const stride = Math.max(block, Math.floor(bytes.length / (mostHashed / block)))
    for (let at = 0; at < bytes.length; at += stride) hash.update(bytes.subarray(at, at + block))
  }
  return hash.hex().slice(0, 16)
}

/**
 * @file Checkpoints of `fit`: when they are due, what they hold, and whether one belongs to this run. In: options, the parts of a
 * run, where it stands. Out: files; or the place from which a run goes on as if it had never been stopped.
 *
 * fit(net, { ..., checkpoint: { folder: 'runs/a/checkpoints', every: { steps: 500 }, keep: 3 }, resume: true })
 */
import { describeValue } from '../base/describe.js'
import { ValueError } from '../base/errors.js'
import { checkNames, isPlainOptions } from '../base/options.js'
import type { Dataset } from '../data/column.js'
import type { Score } from '../io/checkpoint-folder.js'
import { Optimizer } from '../optim/optimizer.js'
import { type Checkpoints, checkFolder, checkKeep, checkpoints } from './checkpoint.js'
import { type Checkpointable, type CheckpointParts, checkParts, type PartState } from './checkpoint-parts.js'
import { modeOf, scoreAt } from './early-stopping.js'
import type { Epoch } from './types.js'

/** Where checkpoints of a run go, how often, and which stay. */
export interface FitCheckpointOptions {
  /** Where; made if need be. Without `resume` it must hold no checkpoints yet. */
  readonly folder: string
  /**
   * How often: 1 (the default) after every epoch, 5 or { epochs: 5 } after each fifth; { steps: 500 } after so many batches, and
   * { seconds: 60 } after so much time, also in the middle of an epoch. Besides, an epoch that is the best so far is saved, where the best
   * is kept, and the end of a run that does not fail.
   */
  readonly every?: number | { readonly epochs: number } | { readonly steps: number } | { readonly seconds: number }
  /** How many of the newest stay; 3 by default. One alone has nothing to fall back on. */
  readonly keep?: number
  /**
   * Whether the one with the best score stays as well: true by default, by the metric of early stopping, else the validation
   * loss, else the training loss; or a metric, such as 'validation.accuracy'; or a metric and whether less or more is better.
   */
  readonly keepBest?: boolean | string | { readonly metric: string; readonly mode: 'min' | 'max' }
  /** Further parts by name: what a step of one's own keeps, such as a second optimizer or a random generator. */
  readonly also?: CheckpointParts
}

const hintEvery = 'Write 5, { epochs: 5 }, { steps: 500 } or { seconds: 60 }.'
const reserved = ['net', 'optimizer', 'average', 'random', 'earlyStopping', 'reduceOnPlateau', 'run']

/** Throws for options of checkpoints that are wrong by themselves. */
export function checkCheckpointOptions(options: {
  readonly checkpoint?: string | FitCheckpointOptions
  readonly resume?: boolean
  readonly step?: unknown
  readonly optimizer?: unknown
}): void {
  const { checkpoint, resume, step, optimizer } = options
  const fail = (fault: string, hint: string): never => {
    throw new ValueError('fit', fault, { hint })
  }
  if (resume !== undefined && typeof resume !== 'boolean')
    fail(`resume is ${describeValue(resume)}`, 'It is true or false.')
  if (checkpoint === undefined) {
    if (resume) fail('resume is true, but there is no checkpoint', "Say where: checkpoint: 'runs/digits/checkpoints'.")
    return
  }
  const given = typeof checkpoint === 'string' ? { folder: checkpoint } : checkpoint
  checkNames('fit: checkpoint', given, ['folder', 'every', 'keep', 'keepBest', 'also'])
  const { folder, keep, keepBest, also = {} } = given
  checkFolder('fit', folder)
  if (keep !== undefined) checkKeep('fit', keep)
  everyOf(given)
  const best = isPlainOptions(keepBest) ? keepBest.metric : keepBest
  if (best !== undefined && typeof best !== 'boolean' && typeof best !== 'string')
    fail(`keepBest is ${describeValue(keepBest)}`, "It is true, false, or a metric such as 'validation.accuracy'.")
  if (isPlainOptions(keepBest) && keepBest.mode !== 'min' && keepBest.mode !== 'max')
    fail(`the mode of keepBest is ${describeValue(keepBest.mode)}`, "It is 'min' or 'max'.")
  if (!isPlainOptions(also)) fail(`also is ${describeValue(also)}`, 'Write also: { generator }: parts by name.')
  checkParts('fit', also)
  const taken = Object.keys(also).find((name) => reserved.includes(name))
  if (taken) fail(`a part of also is named '${taken}', as one of fit's own is`, 'Choose another name.')
  if (step && !(optimizer instanceof Optimizer) && Object.keys(also).length === 0)
    fail(
      'the checkpoint would lack the optimizer, which only the step knows',
      'Give it beside the step: fit(net, { step, optimizer, checkpoint, ... }), or in checkpoint: { also: { ... } }.',
    )
}

interface Every {
  readonly unit: 'epochs' | 'steps' | 'seconds'
  readonly count: number
}

function everyOf({ every = 1 }: FitCheckpointOptions): Every {
  const entries =
    typeof every === 'number' ? [['epochs', every] as const] : isPlainOptions(every) ? Object.entries(every) : []
  const [unit, count] = entries[0] ?? []
  const whole = unit === 'seconds' ? count > 0 : Number.isInteger(count) && count! > 0
  if (entries.length !== 1 || !['epochs', 'steps', 'seconds'].includes(unit!) || !whole)
    throw new ValueError('fit', `every is ${JSON.stringify(every)}`, { hint: hintEvery })
  return { unit: unit as Every['unit'], count: count! }
}

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
  ): Promise<FitCheckpoints> {
    const { folder, keep, keepBest = true, also, ...rest } = typeof options === 'string' ? { folder: options } : options
    const run = new RunPart(await factsOf(facts))
    const files = await checkpoints(folder, { ...parts, ...also, run }, { keep, keepBest: keepBest !== false })
    if (files.size > 0 && !resume)
      throw new ValueError('fit', `there are checkpoints in ${folder} already`, {
        hint: 'Go on from them by resume: true, or name another folder.',
      })
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
    const { unit, count } = this.#every
    const due = unit === 'steps' ? steps % count === 0 : unit === 'seconds' && this.#isLate
    if (due) await this.save()
  }

  async afterEpoch(): Promise<void> {
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

  /** Writes, unless nothing has changed since. */
  async save(): Promise<void> {
    if (!this.#changed) return
    const { epochs, under } = this.#run.position
    const last = epochs[epochs.length - 1]
    // In the middle of an epoch nothing was validated.
    await this.#files.save(undefined, { score: under || !last ? undefined : this.#scoreOf?.(last) })
    this.#changed = false
    this.#written = performance.now()
  }

  get #isLate(): boolean {
    return performance.now() - this.#written >= 1000 * this.#every.count
  }
}

async function factsOf({ train, validation, ...facts }: RunFacts): Promise<Facts> {
  return { ...facts, train: await checksum(train), validation: validation && (await checksum(validation)) }
}

/** Bytes of a data set beyond which a checksum takes samples of it. */
const mostHashed = 1 << 26
const block = 1 << 16

/** A checksum of shapes, scales and values; of sets beyond 64 MiB of a thousand blocks of the values. */
async function checksum({ data: { input, target, sampleWeight }, note }: CheckedData): Promise<string> {
  const { createHash } = await import('node:crypto')
  const hash = createHash('sha256')
  if (note !== undefined) hash.update(note)
  for (const part of [input, target, sampleWeight]) {
    if (!part) continue
    const { data, shape, scale, offset } = part
    hash.update(JSON.stringify([data.constructor.name, shape, scale, offset]))
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    const stride = Math.max(block, Math.floor(bytes.length / (mostHashed / block)))
    for (let at = 0; at < bytes.length; at += stride) hash.update(bytes.subarray(at, at + block))
  }
  return hash.digest('hex').slice(0, 16)
}

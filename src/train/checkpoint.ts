/**
 * @file Checkpoints of a loop of one's own: everything that a run consists of, saved now and then, brought back after a crash.
 * In: a folder and parts. Out: files that are whole or not there; and the values and parts of the newest whole one.
 *
 * const saver = await checkpoints('runs/a/checkpoints', { net, optimizer, stopping }, { keep: 3 })
 * for (let epoch = (await saver.resume<{ epoch: number }>())?.epoch ?? 0; epoch < 20; epoch++) {
 *   ...; await saver.save({ epoch: epoch + 1 }, { score: { metric: 'validation.loss', value, better: 'lower' } }) }
 */
import { describeValue } from '../base/describe.js'
import { ArgumentError, ValueError } from '../base/errors.js'
import { checkNames, isPlainOptions } from '../base/options.js'
import type { CheckpointFolder, FoundCheckpoint, Score } from '../io/checkpoint-folder.js'
import { note } from '../runtime/note.js'
import { numericsMode } from '../settings.js'
import { checkFolder, checkKeep, checkParts } from './checkpoint-check.js'
import { type CheckpointParts, loadedParts, type SavedParts, savedParts } from './checkpoint-parts.js'
import type { RunLog } from './run-log.js'

/** Which checkpoints stay in a folder. */
export interface CheckpointsOptions {
  /** How many of the newest stay; 3 by default. One alone has nothing to fall back on. */
  readonly keep?: number
  /** Whether the one with the best score stays as well; true by default. */
  readonly keepBest?: boolean
  /** Its events are put on the disk before each checkpoint, so that a run that goes on from one has all events before it. */
  readonly log?: RunLog
}

/** What stands in a record beside checksums. */
interface Held {
  readonly state: unknown
  readonly parts: SavedParts['values']
  /** fused or portable: how multiply-adds were rounded. */
  readonly numerics: string
}

/**
 * Opens a folder of checkpoints, which is made if need be, for parts by name: networks, optimizers (after `init`), averages,
 * `random.RandomGenerator`s, early stopping, reduce-on-plateau, Variables, Maps of them, and objects with `saveState` and
 * `loadState`. Throws FileError where the folder cannot be written to, or another process writes to it.
 */
export async function checkpoints(
  folder: string,
  parts: CheckpointParts,
  options: CheckpointsOptions = {},
): Promise<Checkpoints> {
  checkFolder('checkpoints', folder)
  checkNames('checkpoints', options, ['keep', 'keepBest', 'log'])
  if (!isPlainOptions(parts))
    throw new ArgumentError('checkpoints', `the parts are ${describeValue(parts)}, not an object`, {
      hint: 'Write checkpoints(folder, { net, optimizer }).',
    })
  checkParts('checkpoints', parts)
  const { keep = 3, keepBest = true, log } = options
  checkKeep('checkpoints', keep)
  if (typeof keepBest !== 'boolean')
    throw new ValueError('checkpoints', `keepBest is ${describeValue(keepBest)}, not true or false`)
  if (log !== undefined && typeof log?.tryFlush !== 'function')
    throw new ArgumentError('checkpoints', `the log is ${describeValue(log)}`, {
      hint: 'Give what await runLog(folder) gives.',
    })
  const { CheckpointFolder } = await import('../io/checkpoint-folder.js')
  return new Checkpoints(await CheckpointFolder.open(folder, { keep, keepBest }), parts, log)
}

/** The checkpoints of a loop of one's own; made by `checkpoints`. */
export class Checkpoints {
  readonly #folder: CheckpointFolder
  readonly #parts: CheckpointParts
  readonly #log: RunLog | undefined

  constructor(folder: CheckpointFolder, parts: CheckpointParts, log?: RunLog) {
    this.#folder = folder
    this.#parts = parts
    this.#log = log
  }

  /** How many there are in the folder. */
  get size(): number {
    return this.#folder.size
  }

  /**
   * Writes what the parts are now, beside a state of one's own: plain data such as the number of the epoch. It is on the disk when
   * the promise resolves. A checkpoint with a score may be the best. Rejects with FileError (disk full, read-only); those written
   * before are still there.
   */
  async save(state: unknown = undefined, options: { readonly score?: Score } = {}): Promise<void> {
    checkNames('checkpoints.save', options, ['score'])
    const { score } = options
    if (score !== undefined) checkScore(score)
    const { tensors, values } = savedParts(this.#parts)
    const held: Held = { state, parts: values, numerics: numericsMode() }
    await this.#folder.write({ tensors, values: held }, score, async () => this.#log?.tryFlush({ sync: true }))
  }

  /** Lets other processes write to the folder, once nothing is to be saved any more; the end of the process does so too. */
  close(): void {
    this.#folder.close()
  }

  /**
   * Makes the parts what they were at the newest checkpoint that is whole, and gives the state that was saved with it; undefined
   * where there is none, so that the same loop begins and goes on. One line on standard error says where a damaged one was
   * passed over, or where numerics differ. Throws FileError where all are damaged, or the parts do not fit; then nothing has changed.
   */
  async resume<T = unknown>(): Promise<T | undefined> {
    const found = await this.#folder.newest()
    return found && (loadFound(this.#parts, found) as T)
  }
}

/**
 * Loads some of the parts of a checkpoint, such as the network alone, and gives the state saved with it. 'newest' is the newest
 * that is whole, 'best' the one with the best score. Example: await loadCheckpoint('runs/a/checkpoints', { net }, { which: 'best' })
 */
export async function loadCheckpoint<T = unknown>(
  folder: string,
  parts: CheckpointParts,
  options: { readonly which?: 'newest' | 'best' } = {},
): Promise<T> {
  checkFolder('loadCheckpoint', folder)
  checkNames('loadCheckpoint', options, ['which'])
  checkParts('loadCheckpoint', parts)
  const { which = 'newest' } = options
  if (which !== 'newest' && which !== 'best')
    throw new ValueError('loadCheckpoint', `which is 'newest' or 'best', not ${describeValue(which)}`)
  const { CheckpointFolder } = await import('../io/checkpoint-folder.js')
  const opened = await CheckpointFolder.read(folder)
  const found = which === 'best' ? await opened.best() : await opened.newest()
  if (!found) throw new ValueError('loadCheckpoint', `there is no checkpoint in ${folder}`)
  return loadFound(parts, found, true) as T
}

function loadFound(parts: CheckpointParts, { name, values, tensors }: FoundCheckpoint, some = false): unknown {
  const held = values as Held
  loadedParts(parts, { tensors, values: held.parts }, name, some)
  const mode = numericsMode()
  if (!some && held.numerics !== mode)
    note(
      `checkpoint: ${name} was written with numerics '${held.numerics}', this run has '${mode}': the bits will differ from those of a run that was never stopped. Set GRADUS_NUMERICS=${held.numerics}.`,
    )
  return held.state
}

function checkScore(score: Score): void {
  checkNames('checkpoints.save: score', score, ['metric', 'value', 'better'])
  const { metric, value, better } = score
  if (typeof metric !== 'string' || typeof value !== 'number' || (better !== 'lower' && better !== 'higher'))
    throw new ValueError('checkpoints.save', `the score is ${JSON.stringify(score)}`, {
      hint: "Write score: { metric: 'validation.loss', value: 0.31, better: 'lower' }, or better: 'higher'.",
    })
}

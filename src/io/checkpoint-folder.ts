/**
 * @file A folder of checkpoints: the last few and the best are kept, and a damaged one gives way to the one before.
 * In: contents, one after another. Out: the newest that is whole. A number is used once, so nothing is ever overwritten:
 * a process that dies between any two system calls leaves the checkpoints as they were, or one more.
 *
 * const folder = await CheckpointFolder.open('runs/a/checkpoints', { keep: 3, keepBest: true })
 * await folder.write({ values, tensors }, { value: 0.31, better: 'lower' }); (await folder.newest())?.values
 */
import { FileError } from '../base/errors.js'
import { note } from '../runtime/note.js'
import {
  type CheckpointContent,
  checkpointName,
  checkpointNumber,
  DamageError,
  decodeRecord,
  decodeTensors,
  encodeCheckpoint,
} from './checkpoint-file.js'
import { type CheckpointFiles, filesAt, openFiles } from './checkpoint-files.js'

/** What makes one checkpoint better than another. */
export interface Score {
  readonly metric: string
  readonly value: number
  readonly better: 'lower' | 'higher'
}

export interface KeepOptions {
  /** How many of the newest. */
  readonly keep: number
  /** Whether the one with the best score stays as well. */
  readonly keepBest: boolean
}

interface Entry {
  readonly number: number
  readonly score: Score | undefined
  /** The record cannot be read, or a file of it could not. */
  damage?: string
}

export interface FoundCheckpoint extends CheckpointContent {
  readonly name: string
}

export class CheckpointFolder {
  readonly #files: CheckpointFiles
  readonly #keep: KeepOptions
  /** Those that have a record, by number, ascending. */
  readonly #entries: Entry[]
  #last: number

  private constructor(files: CheckpointFiles, keep: KeepOptions, entries: Entry[], last: number) {
    this.#files = files
    this.#keep = keep
    this.#entries = entries
    this.#last = last
  }

  /** Makes the folder if need be, or finds what is in it. Throws FileError where it cannot be written to, or another process writes to it. */
  static async open(path: string, keep: KeepOptions): Promise<CheckpointFolder> {
    const files = await openFiles(path)
    try {
      return await CheckpointFolder.#found(files, keep)
    } catch (error) {
      files.close()
      throw error
    }
  }

  /** Lets other processes write to it. */
  close(): void {
    this.#files.close()
  }

  /** To read only. Throws FileError where there is no such folder. */
  static async read(path: string): Promise<CheckpointFolder> {
    return CheckpointFolder.#found(filesAt(path), { keep: 1, keepBest: false })
  }

  static async #found(files: CheckpointFiles, keep: KeepOptions): Promise<CheckpointFolder> {
    const names = await files.list()
    const numbers = (ending: 'json' | 'safetensors') =>
      names.flatMap((name) => checkpointNumber(name, ending) ?? []).sort((a, b) => a - b)
    const entries: Entry[] = []
    for (const number of numbers('json')) entries.push(await entryOf(files, number))
    // A number without a record was once about to be used.
    return new CheckpointFolder(files, keep, entries, Math.max(0, ...numbers('json'), ...numbers('safetensors')))
  }

  /** How many checkpoints there are, damaged ones among them. */
  get size(): number {
    return this.#entries.length
  }

  /**
   * The newest that is whole; undefined where there is none at all. One line says so where newer ones are damaged; throws
   * FileError where all are.
   */
  async newest(): Promise<FoundCheckpoint | undefined> {
    return this.#first([...this.#entries].reverse())
  }

  /** The one with the best score. Throws FileError where none has a score. */
  async best(): Promise<FoundCheckpoint> {
    const best = bestOf(this.#entries)
    if (!best) throw new FileError('checkpoint', `no checkpoint in ${this.#files.path} has a score`)
    return (await this.#first([best]))!
  }

  async #first(entries: readonly Entry[]): Promise<FoundCheckpoint | undefined> {
    const faults: string[] = []
    for (const entry of entries) {
      const name = checkpointName(entry.number)
      try {
        const content = await this.#content(entry)
        if (faults.length > 0)
          note(`checkpoint: ${faults.join('; ')}. Going on from ${name}, the newest that is whole.`)
        return { name, ...content }
      } catch (error) {
        if (!(error instanceof DamageError)) throw error
        entry.damage = error.sentence
        faults.push(`${error.operation} is damaged (${error.sentence})`)
      }
    }
    if (faults.length === 0) return undefined
    throw new FileError('checkpoint', `no checkpoint in ${this.#files.path} is whole: ${faults.join('; ')}`, {
      hint: 'Nothing was changed. Take the folder away to start from the beginning.',
    })
  }

  async #content({ number, damage }: Entry): Promise<CheckpointContent> {
    const name = checkpointName(number)
    const [file, tensorFile] = [`${name}.json`, `${name}.safetensors`]
    if (damage !== undefined) throw new DamageError(file, damage)
    const record = decodeRecord(name, await bytesOf(this.#files, file))
    const values = record.values as { readonly content: unknown }
    return { values: values.content, tensors: decodeTensors(record, await bytesOf(this.#files, tensorFile)) }
  }

  /**
   * Adds one, and then takes away what need not be kept. The content is what it is at the call; `before` is awaited before the first file is
   * written. Throws FileError; what was there before still is.
   */
  async write(content: CheckpointContent, score?: Score, before?: () => Promise<unknown>): Promise<string> {
    const number = ++this.#last
    const name = checkpointName(number)
    const bytes = encodeCheckpoint(name, { values: { score, content: content.values }, tensors: content.tensors })
    const tensorFile = `${name}.safetensors`
    await before?.()
    await this.#files.write(tensorFile, bytes.tensors)
    try {
      await this.#files.write(`${name}.json`, bytes.record)
    } catch (error) {
      // Without a record it is none; a full disk should not be filled by it.
      await this.#files.remove(tensorFile).catch(() => {})
      throw error
    }
    this.#entries.push({ number, score })
    await this.#prune()
    return name
  }

  /** Records go first: tensors without a record are no checkpoint. */
  async #prune(): Promise<void> {
    const whole = this.#entries.filter(({ damage }) => damage === undefined)
    const kept = new Set(whole.slice(-this.#keep.keep))
    const best = this.#keep.keepBest ? bestOf(whole) : undefined
    if (best) kept.add(best)
    for (const entry of this.#entries.filter((one) => !kept.has(one))) {
      await this.#files.remove(`${checkpointName(entry.number)}.json`)
      this.#entries.splice(this.#entries.indexOf(entry), 1)
    }
    const numbers = new Set([...kept].map(({ number }) => number))
    for (const file of await this.#files.list()) {
      const number = checkpointNumber(file, 'safetensors')
      const orphan = number !== undefined && !numbers.has(number)
      if (orphan || (file.startsWith('.checkpoint-') && this.#files.isLeftover(file))) await this.#files.remove(file)
    }
  }
}

async function entryOf(files: CheckpointFiles, number: number): Promise<Entry> {
  const name = checkpointName(number)
  try {
    const { values } = decodeRecord(name, await bytesOf(files, `${name}.json`))
    return { number, score: (values as { readonly score?: Score }).score }
  } catch (error) {
    if (error instanceof DamageError) return { number, score: undefined, damage: error.sentence }
    throw error
  }
}

/** A file that is gone or cannot be read is as good as damaged. */
async function bytesOf(files: CheckpointFiles, file: string): Promise<Uint8Array> {
  try {
    return await files.read(file)
  } catch (cause) {
    throw new DamageError(file, (cause as FileError).sentence, { cause })
  }
}

/** Of equal ones the first. */
function bestOf(entries: readonly Entry[]): Entry | undefined {
  let best: Entry | undefined
  for (const entry of entries) {
    const [now, before] = [entry.score, best?.score]
    if (!now || Number.isNaN(now.value)) continue
    if (!before || (now.better === 'higher' ? now.value > before.value : now.value < before.value)) best = entry
  }
  return best
}

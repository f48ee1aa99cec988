/**
 * @file One run's events, read as its file grows. In: events.jsonl, whose last line may be torn, which may be written anew or
 * deleted at any time. Out: curves in memory; events that are large (histograms, matrices, examples) stay in the file, and
 * are read from it when asked for.
 *
 * const log = new RunLog('runs/iris-001/events.jsonl'); await log.read(); log.epochs.last('train.loss')
 */
import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import type { EndEvent, ProfileEvent, WarningEvent } from '../train/events.js'
import type { StoredEvents } from './api.js'
import { Points } from './points.js'

export type StoredKind = keyof StoredEvents

/** Where in the file an event is. */
interface Stored {
  readonly kind: StoredKind
  readonly epoch: number
  readonly step: number | undefined
  readonly offset: number
  readonly length: number
}

interface Raw {
  readonly [name: string]: unknown
}

const chunkSize = 1 << 20
/** A line that is longer is none of ours. */
const longestLine = 1 << 26
/** So many bytes at the beginning of a file say whether it is still the same. */
const headSize = 256
const mostWarnings = 1000
const storedKinds: readonly string[] = ['confusion', 'wrong', 'histogram'] satisfies StoredKind[]

/** Numbers that JSON does not have are written as texts. */
export function readNumber(value: unknown): number | undefined {
  if (typeof value === 'number') return value
  if (value === 'NaN' || value === 'Infinity' || value === '-Infinity') return Number(value)
  return undefined
}

const numbersOf = (value: unknown, prefix: string): [string, number][] =>
  Object.entries((value ?? {}) as Raw).flatMap(([name, one]) => {
    const number = readNumber(one)
    return number === undefined ? [] : [[prefix + name, number]]
  })

/** Values of step events that have a curve. */
const stepValues = ['loss', 'learningRate', 'samplesPerSecond', 'gradientNorm', 'updateNorm']

export class RunLog {
  readonly path: string
  /** Whether step and layer events are kept; without them a run takes a few kilobytes. */
  #whole: boolean
  steps = new Points()
  epochs = new Points()
  layers = new Points()
  warnings: WarningEvent[] = []
  warningCount = 0
  profile: ProfileEvent | undefined
  end: EndEvent | undefined
  /** The last epoch and step that any event told of. */
  epoch = 0
  step = 0
  /** Of the last step event; those before it may not have been kept. */
  lastLoss: number | undefined
  firstTime: number | undefined
  lastTime: number | undefined
  badLines = 0
  stored: Stored[] = []
  #offset = 0
  #rest: Buffer<ArrayBufferLike> = Buffer.alloc(0)
  #head: Buffer<ArrayBufferLike> = Buffer.alloc(0)
  #identity = ''
  #begun: number | undefined
  #before = 0
  #lastStepLine: Raw | undefined

  constructor(path: string, { whole = true }: { readonly whole?: boolean } = {}) {
    this.path = path
    this.#whole = whole
  }

  get whole(): boolean {
    return this.#whole
  }
  get bytes(): number {
    return this.steps.bytes + this.layers.bytes
  }
  get hasEvents(): boolean {
    return this.#offset > 0
  }

  /** Forgets everything, to read it again; `whole` with all steps, otherwise without. */
  reset(whole = this.#whole): void {
    this.#whole = whole
    this.steps = new Points()
    this.epochs = new Points()
    this.layers = new Points()
    this.warnings = []
    this.warningCount = 0
    this.profile = undefined
    this.end = undefined
    this.epoch = this.step = this.badLines = this.#offset = this.#before = 0
    this.firstTime = this.lastTime = this.#begun = this.lastLoss = this.#lastStepLine = undefined
    this.stored = []
    this.#rest = this.#head = Buffer.alloc(0)
    this.#identity = ''
  }

  /** Reads what has come; true if anything has changed. A file that is not there has no events. */
  async read(): Promise<boolean> {
    let file: FileHandle
    try {
      // A link might lead out of the folder; a pipe would never end.
      file = await open(this.path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0))
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code !== 'ENOENT' && code !== 'ENOTDIR') throw error
      const had = this.#offset > 0
      if (had) this.reset()
      return had
    }
    try {
      return await this.#readFrom(file)
    } finally {
      await file.close()
    }
  }

  async #readFrom(file: FileHandle): Promise<boolean> {
    const stat = await file.stat()
    if (!stat.isFile()) throw new Error('events.jsonl is not a file')
    let changed = false
    const identity = `${stat.dev}:${stat.ino}`
    if (
      this.#offset > 0 &&
      (stat.size < this.#offset || identity !== this.#identity || !(await this.#sameHead(file)))
    ) {
      this.reset()
      changed = true
    }
    this.#identity = identity
    const buffer = Buffer.allocUnsafe(Math.min(chunkSize, Math.max(1, stat.size - this.#offset)))
    // What is written while this reads is read next time: a writer that is faster must not keep it for ever.
    while (this.#offset < stat.size) {
      const { bytesRead } = await file.read(buffer, 0, buffer.length, this.#offset)
      if (bytesRead === 0) break
      const bytes = Buffer.from(buffer.subarray(0, bytesRead))
      if (this.#head.length < headSize)
        this.#head = Buffer.concat([this.#head, bytes.subarray(0, headSize - this.#head.length)])
      this.#offset += bytesRead
      this.#take(bytes)
      changed = true
    }
    this.#keepLastStep()
    return changed
  }

  async #sameHead(file: FileHandle): Promise<boolean> {
    const now = Buffer.alloc(this.#head.length)
    const { bytesRead } = await file.read(now, 0, now.length, 0)
    return bytesRead === now.length && now.equals(this.#head)
  }

  /** Bytes that end at #offset. */
  #take(bytes: Buffer): void {
    const text = this.#rest.length > 0 ? Buffer.concat([this.#rest, bytes]) : bytes
    const base = this.#offset - text.length
    let from = 0
    for (let to = text.indexOf(10); to >= 0; to = text.indexOf(10, from)) {
      if (to > from) this.#line(text.subarray(from, to), base + from)
      from = to + 1
    }
    this.#rest = text.subarray(from)
    if (this.#rest.length > longestLine) {
      this.#rest = Buffer.alloc(0)
      this.badLines++
    }
  }

  #line(line: Buffer, offset: number): void {
    let event = parse(line)
    if (!event) {
      this.badLines++
      // A line that was torn by a crash, and written on after it: the second half is whole.
      const at = line.lastIndexOf('{"kind":')
      if (at > 0) {
        event = parse(line.subarray(at))
        offset += at
        line = line.subarray(at)
      }
    }
    if (event) this.#event(event, offset, line.length)
  }

  #event(event: Raw, offset: number, length: number): void {
    const { kind } = event
    const time = readNumber(event['time'])
    if (kind === 'start') this.#start(event, time)
    if (time !== undefined) {
      this.firstTime ??= time
      this.#begun ??= time
      this.lastTime = time
    }
    const step = readNumber(event['step'])
    const epoch = readNumber(event['epoch'])
    // A profile, or a matrix of the end, tells of no step of its own.
    if (step !== undefined && step > this.step) this.step = step
    if (epoch !== undefined && kind === 'epoch') this.epoch = epoch
    const place = { step: step ?? this.step, epoch: epoch ?? this.epoch, seconds: this.seconds }
    if (kind === 'step') {
      this.lastLoss = readNumber(event['loss'])
      if (this.#whole) this.steps.add(place, stepEntries(event))
      else this.#lastStepLine = event
    } else if (kind === 'epoch')
      this.epochs.add(place, [
        ...numbersOf(event['train'], 'train.'),
        ...numbersOf(event['validation'], 'validation.'),
        ...numbersOf({ learningRate: event['learningRate'], seconds: event['seconds'] }, 'epoch.'),
      ])
    else if (kind === 'layers') this.layers.add(place, layerEntries(event))
    else if (kind === 'warning') {
      this.warningCount++
      if (this.warnings.length < mostWarnings && typeof event['message'] === 'string')
        this.warnings.push(event as unknown as WarningEvent)
    } else if (kind === 'profile' && Array.isArray(event['kernels'])) this.profile = event as unknown as ProfileEvent
    else if (kind === 'end') this.end = event as unknown as EndEvent
    else if (typeof kind === 'string' && storedKinds.includes(kind))
      this.stored.push({ kind: kind as StoredKind, epoch: place.epoch, step, offset, length })
  }

  /** The run begins, or goes on from an earlier step than it had reached: what came after that is void. */
  #start(event: Raw, time: number | undefined): void {
    const step = readNumber(event['step']) ?? 0
    const epoch = readNumber(event['epoch']) ?? 0
    for (const points of [this.steps, this.epochs, this.layers]) points.removeAfter(step)
    this.stored = this.stored.filter((one) => (one.step === undefined ? one.epoch <= epoch : one.step <= step))
    this.warnings = this.warnings.filter((one) =>
      one.step === undefined ? (one.epoch ?? 0) <= epoch : one.step <= step,
    )
    this.warningCount = this.warnings.length
    this.end = undefined
    this.#lastStepLine = undefined
    const seconds = [this.steps, this.epochs].map((points) => points.seconds[points.length - 1] ?? 0)
    this.#before = Math.max(...seconds)
    this.#begun = time
    this.step = step
    this.epoch = epoch
    if (step === 0) this.firstTime = this.lastLoss = undefined
  }

  /** Without the other steps, the last one says how far the run is. */
  #keepLastStep(): void {
    if (!this.#lastStepLine) return
    this.lastLoss = readNumber(this.#lastStepLine['loss'])
    this.#lastStepLine = undefined
  }

  /** Of training, up to the last event. */
  get seconds(): number {
    return this.#before + Math.max(0, (this.lastTime ?? 0) - (this.#begun ?? this.lastTime ?? 0)) / 1000
  }

  /** The place of each step event on an axis of epochs: 2.5 is in the middle of the third. */
  stepEpochs(): Float64Array {
    const ends = this.epochs.steps
    const { steps, epochs } = this.steps
    const places = new Float64Array(steps.length)
    let done = 0
    for (let i = 0; i < steps.length; i++) {
      while (done < ends.length && ends[done]! < steps[i]!) done++
      const start = done > 0 ? ends[done - 1]! : 0
      // Of an epoch under way, only that it will be as long as the one before, if there is one, is known.
      const length =
        done < ends.length
          ? ends[done]! - start
          : done > 0
            ? start - (ends[done - 2] ?? 0)
            : Math.max(1, steps[steps.length - 1]!)
      const first = done > 0 ? this.epochs.epochs[done - 1]! : Math.max(0, (epochs[0] ?? 1) - 1)
      places[i] = first + Math.min(1, (steps[i]! - start) / Math.max(1, length))
    }
    return places
  }

  /** Stored events of a kind, one an epoch: the last of it. */
  storedOf(kind: StoredKind): Stored[] {
    const byEpoch = new Map<number, Stored>()
    for (const one of this.stored) if (one.kind === kind) byEpoch.set(one.epoch, one)
    return [...byEpoch.values()]
  }

  /** Reads a stored event from the file; undefined where the file has changed since. */
  async event<K extends StoredKind>({ offset, length }: Stored): Promise<StoredEvents[K] | undefined> {
    const file = await open(this.path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0)).catch(() => undefined)
    if (!file) return undefined
    try {
      const bytes = Buffer.alloc(length)
      const { bytesRead } = await file.read(bytes, 0, length, offset)
      return bytesRead === length ? (parse(bytes) as unknown as StoredEvents[K] | undefined) : undefined
    } finally {
      await file.close()
    }
  }
}

function parse(line: Buffer): Raw | undefined {
  try {
    const value: unknown = JSON.parse(line.toString('utf8'))
    return typeof value === 'object' && value !== null && typeof (value as Raw)['kind'] === 'string'
      ? (value as Raw)
      : undefined
  } catch {
    return undefined
  }
}

function* stepEntries(event: Raw): Generator<[string, number]> {
  for (const name of stepValues) {
    const value = readNumber(event[name])
    if (value !== undefined) yield [name, value]
  }
}

/** `gradient/0.weight`, `zero/1`: a measure, and whose it is. */
function* layerEntries(event: Raw): Generator<[string, number]> {
  for (const part of ['layers', 'activations'])
    for (const [path, values] of Object.entries((event[part] ?? {}) as Raw))
      for (const [measure, value] of numbersOf(values, '')) yield [`${measure}/${path}`, value]
}

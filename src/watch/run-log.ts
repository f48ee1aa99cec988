/**
 * @file One run's events, read as its file grows. In: events.jsonl, whose last line may be torn, which may be written anew or
 * deleted at any time. Out: points of its networks in memory; events that are large (histograms, matrices, examples) stay in the
 * file, and are read from it when asked for. io/run-reader.ts reads the same in bounded memory; here nothing is thinned before
 * it is known which part of a curve is to be seen.
 *
 * const log = new RunLog('runs/iris-001/events.jsonl'); await log.read(); log.networks[0]?.epochs.last('train.loss')
 */
import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { parseEvent } from '../io/event-lines.js'
import type { EndEvent } from '../train/events.js'
import type { StoredEvents } from './api.js'
import { NetworkLog, type Span, type Stored, type StoredKind } from './network-log.js'

const chunkSize = 1 << 20
/** A line that is longer is none of ours. */
const longestLine = 1 << 26
/** So many bytes at the beginning of a file say whether it is still the same. */
const headSize = 256
const mostNetworks = 200
/** How lines of step events begin. */
const stepMark = Buffer.from('{"kind":"step"')
const isStep = (text: Buffer, from: number, to: number) =>
  to - from > stepMark.length && text.compare(stepMark, 0, stepMark.length, from, from + stepMark.length) === 0
const nothing = (): Buffer<ArrayBufferLike> => Buffer.alloc(0)
/** A link might lead out of the folder, a pipe would never end. */
const flags = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0)

export class RunLog {
  readonly path: string
  #whole: boolean
  #networks = new Map<number, NetworkLog>()
  firstTime: number | undefined
  lastTime: number | undefined
  /** The last thing that was told, where it was an end. */
  end: EndEvent | undefined
  badLines = 0
  #offset = 0
  #rest = nothing()
  #head = nothing()
  #identity = ''
  /** The last step event of those that are passed over. */
  #passed: { readonly line: Buffer; readonly span: Span } | undefined

  constructor(path: string, { whole = true }: { readonly whole?: boolean } = {}) {
    this.path = path
    this.#whole = whole
  }

  /** Whether points of steps and layers are kept; without them a run takes a few kilobytes. */
  get whole(): boolean {
    return this.#whole
  }
  get networks(): NetworkLog[] {
    return [...this.#networks.values()]
  }
  /** The one that was trained last. What is told of an ensemble as a whole belongs to none of its networks. */
  get latest(): NetworkLog | undefined {
    return this.networks.findLast(({ steps, epochs, loss }) => steps.length + epochs.length > 0 || loss !== undefined)
  }
  /** Events of a kind, one an epoch, of the last that has any. */
  storedOf(kind: StoredKind): Stored[] {
    return this.networks.findLast(({ stored }) => stored.some((one) => one.kind === kind))?.storedOf(kind) ?? []
  }
  get bytes(): number {
    return this.networks.reduce((sum, network) => sum + network.bytes, 0)
  }
  get hasEvents(): boolean {
    return this.#networks.size > 0
  }
  get seconds(): number {
    return this.networks.reduce((sum, network) => sum + network.seconds, 0)
  }

  /** Forgets everything, to read it again. */
  reset(whole = this.#whole): void {
    this.#whole = whole
    this.#networks = new Map()
    this.firstTime = this.lastTime = this.end = undefined
    this.badLines = this.#offset = 0
    this.#rest = this.#head = nothing()
    this.#identity = ''
  }

  /** Reads what has come; true if anything has changed. A file that is not there has no events. */
  async read(): Promise<boolean> {
    let file: FileHandle
    try {
      file = await open(this.path, flags)
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
    if (!stat.isFile()) throw new Error('it is not a file')
    let changed = false
    const identity = `${stat.dev}:${stat.ino}`
    const other = stat.size < this.#offset || identity !== this.#identity || !(await this.#sameHead(file))
    if (this.#offset > 0 && other) {
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
      const span = { offset: base + from, length: to - from }
      // What is not kept need not be understood, but for the last of it, which says how far the run is.
      if (!this.#whole && isStep(text, from, to)) this.#passed = { line: text.subarray(from, to), span }
      else if (to > from) {
        this.#takePassed()
        this.#line(text.subarray(from, to), span)
      }
      from = to + 1
    }
    this.#takePassed()
    this.#rest = text.subarray(from)
    if (this.#rest.length <= longestLine) return
    this.#rest = nothing()
    this.badLines++
  }

  #takePassed(): void {
    const passed = this.#passed
    this.#passed = undefined
    if (passed) this.#line(passed.line, passed.span)
  }

  #line(line: Buffer, span: Span): void {
    const event = parseEvent(line.toString('utf8'))
    if (event) {
      this.#add(event, span)
      return
    }
    this.badLines++
    // A line that was torn by a crash, and written on after it: the second half is whole.
    const at = line.lastIndexOf('{"kind":')
    const second = at > 0 ? parseEvent(line.toString('utf8', at)) : undefined
    if (second) this.#add(second, { offset: span.offset + at, length: span.length - at })
  }

  #add(event: NonNullable<ReturnType<typeof parseEvent>>, span: Span): void {
    const { member = 0 } = event
    let network = this.#networks.get(member)
    if (!network) {
      if (this.#networks.size >= mostNetworks) return
      network = new NetworkLog(member || undefined)
      this.#networks.set(member, network)
    }
    network.add(event, span, this.#whole)
    this.firstTime ??= event.time
    this.lastTime = event.time
    // Results of an ensemble come after the end of its last network.
    if (event.kind === 'start' || event.kind === 'end') this.end = network.end
  }

  /** Reads a stored event from the file; undefined where the file has changed since. */
  async event<K extends StoredKind>({ offset, length }: Span): Promise<StoredEvents[K] | undefined> {
    const file = await open(this.path, flags).catch(() => undefined)
    if (!file) return undefined
    try {
      const bytes = Buffer.alloc(length)
      const { bytesRead } = await file.read(bytes, 0, length, offset)
      const event = bytesRead === length ? parseEvent(bytes.toString('utf8')) : undefined
      return event as unknown as StoredEvents[K] | undefined
    } finally {
      await file.close()
    }
  }
}

/**
 * @file Progress of a run: in a terminal one calm line that is drawn over, a table of epochs, and curves at the end; elsewhere one line an epoch.
 * In: what `fit` tells. Out: text on standard error. Any object with these methods may take its place.
 *
 *   epoch      loss  accuracy  val loss  val accuracy   time
 *     1/20   0.4105    0.8870    0.1934        0.9480  2.8 s
 *   epoch 2/20 ████████░░░░░░░░ 52%  loss 0.1234  accuracy 0.9712  14 s left  61,000/s  rate 0.001
 */
import { isLive, sparkline, type TextStream, visible, wantsColour } from '../base/terminal.js'
import { EpochTable, numberText, rateText, scoresText, timeText } from './epoch-table.js'
import type { Epoch, History } from './types.js'

export type { TextStream } from '../base/terminal.js'

/** Is told how a run goes on; every method may be left out. `batch` is called every few milliseconds at most. */
export interface Progress {
  /** `memory`: what a step needs, in words; not known of a step of one's own. */
  start?(run: {
    readonly epochs: number
    /** In an epoch, where that is known. */
    readonly batches?: number
    readonly memory?: string
    /** Of the epochs those that were done before the run went on from a checkpoint. */
    readonly done?: number
  }): void
  /** After some batches: where the run is. */
  batch?(now: {
    readonly epoch: number
    readonly epochs: number
    /** Batches done in this epoch. */
    readonly batch: number
    readonly batches?: number
    /** The mean training loss of the epoch so far. */
    readonly loss: number
    /** Samples that were used since the run began. */
    readonly samples?: number
    /** Metrics of the epoch so far, those that are numbers and cost nothing to ask for. */
    readonly metrics?: () => { readonly [name: string]: number }
    readonly learningRate?: () => number | undefined
  }): void
  /** After each epoch. */
  epoch?(epoch: Epoch): void
  /** When the run is over, also where it was stopped. */
  end?(history: History): void
}

/** Of `progressLine`. */
export interface ProgressLineOptions {
  /** Standard error by default. */
  readonly stream?: TextStream
  /** What each line begins with, such as the name of the run. */
  readonly prefix?: string
  /** Whether epochs are put in a table, in a terminal; true by default. At most five rows a second. */
  readonly table?: boolean
}

interface Host {
  readonly process?: { readonly stderr?: TextStream }
  readonly console?: { error(text: string): void }
}
const barWidth = 16
/** Milliseconds between two drawings, and between two rows. */
const [calm, calmRows] = [100, 200]

/**
 * Progress as a line that is drawn over in a terminal, above it a table of epochs, and in the end the curves; elsewhere one line an epoch.
 * Colours as NO_COLOR and FORCE_COLOR say. On standard error unless a stream is given.
 */
export function progressLine(options: ProgressLineOptions = {}): Progress {
  const host = globalThis as Host
  const stream = options.stream ??
    host.process?.stderr ?? { write: (text: string) => host.console?.error(text.trimEnd()) }
  return new ProgressLine(stream, options.prefix ?? '', options.table ?? true)
}

class ProgressLine implements Progress {
  readonly #stream: TextStream
  readonly #prefix: string
  readonly #live: boolean
  readonly #colour: boolean
  readonly #table: EpochTable | undefined
  /** When the run began, the line was drawn, and a row was written. */
  #begun = 0
  #drawn = 0
  #rowed = Number.NEGATIVE_INFINITY
  /** Characters of the line that stands there. */
  #length = 0
  #epochs = 1
  /** The share of the run that was done before. */
  #before = 0
  #validation = ''
  /** An epoch whose row was passed over. */
  #waiting: Epoch | undefined
  #speed = { time: 0, samples: 0, rate: Number.NaN }

  constructor(stream: TextStream, prefix: string, table: boolean) {
    this.#stream = stream
    this.#prefix = prefix
    this.#live = isLive(stream)
    this.#colour = wantsColour(stream)
    this.#table = table && this.#live ? new EpochTable() : undefined
  }

  start({ epochs, done = 0, memory }: Parameters<NonNullable<Progress['start']>>[0]): void {
    this.#begun = performance.now()
    this.#epochs = epochs
    this.#before = done / epochs
    this.#speed = { time: this.#begun, samples: 0, rate: Number.NaN }
    if (done) this.#say(this.#dim(`going on after epoch ${done}`))
    if (memory) this.#say(this.#dim(memory))
  }

  batch(now: Parameters<NonNullable<Progress['batch']>>[0]): void {
    const time = performance.now()
    if (!this.#live || time - this.#drawn < calm) return
    this.#drawn = time
    const { epoch, batch, batches, loss, samples } = now
    // Of a stream nobody knows, before its first end, how much is left.
    const share = batches === undefined ? 0 : batch / batches
    const done = batches === undefined ? Number.NaN : (epoch - 1 + share) / this.#epochs
    const left = done > this.#before ? ((time - this.#begun) / (done - this.#before)) * (1 - done) : Number.NaN
    const filled = Math.round(barWidth * share)
    const known = batches !== undefined
    const metrics = Object.entries(now.metrics?.() ?? {}).map(([name, value]) => `${name} ${numberText(value)}`)
    const rate = now.learningRate?.()
    // In the order in which they stand, each with the order in which it gets room.
    const parts: [rank: number, text: string, gap?: number][] = [
      [0, `${this.#prefix}epoch ${epoch}/${this.#epochs}`],
      [4, known ? '█'.repeat(filled) + this.#dim('░'.repeat(barWidth - filled)) : '', 1],
      [1, known ? `${String(Math.round(100 * share)).padStart(2)}%` : `batch ${batch}`, 1],
      [2, Number.isNaN(loss) ? '' : `loss ${numberText(loss)}`],
      [5, metrics.join('  ')],
      [6, this.#table ? '' : this.#validation],
      [3, timeLeft(left)],
      [7, this.#speedText(time, samples)],
      [8, rate === undefined ? '' : `rate ${rateText(rate)}`],
    ]
    this.#draw(arranged(parts, (this.#stream.columns ?? 80) - 1))
  }

  epoch(epoch: Epoch): void {
    this.#validation = epoch.validation ? `validation ${scoresText(epoch.validation)}` : ''
    if (!this.#live) {
      const { epoch: number, train } = epoch
      this.#say(`epoch ${number}/${this.#epochs}  ${scoresText(train)}${this.#validation && `  ${this.#validation}`}`)
      return
    }
    // The line goes, so that what the caller prints stands by itself.
    this.#clear()
    const now = performance.now()
    if (now - this.#rowed < calmRows) {
      this.#waiting = epoch
      return
    }
    this.#rowed = now
    this.#row(epoch)
  }

  end(history: History): void {
    this.#clear()
    if (this.#waiting) this.#row(this.#waiting)
    const { epochs, stopped, best, restored, seconds } = history
    const kept =
      restored && best ? `, parameters of epoch ${best.epoch} (${best.metric} ${numberText(best.value)})` : ''
    const why = stopped === 'earlyStopping' ? ', stopped early' : stopped === 'finished' ? '' : `, ${stopped}`
    const validation = this.#live && !this.#table && this.#validation ? `  ${this.#validation}` : ''
    this.#say(
      `${epochs.length} ${epochs.length === 1 ? 'epoch' : 'epochs'} in ${timeText(seconds)}${why}${kept}${validation}`,
    )
    if (this.#live)
      for (const line of curves(epochs, (this.#stream.columns ?? 80) - 1 - visible(this.#prefix))) this.#say(line)
  }

  #row(epoch: Epoch): void {
    this.#waiting = undefined
    for (const line of this.#table?.rows(epoch, this.#epochs, (this.#stream.columns ?? 80) - 1) ?? [])
      this.#stream.write(`${line.head ? this.#dim(line.text) : line.text}\n`)
  }

  #dim(text: string): string {
    return this.#colour ? `\u001b[2m${text}\u001b[22m` : text
  }

  #say(text: string): void {
    this.#stream.write(`${this.#prefix}${text}\n`)
  }

  #draw(text: string): void {
    this.#stream.write(`${this.#erasure()}${text}`)
    this.#length = visible(text)
  }

  #clear(): void {
    if (!this.#live || this.#length === 0) return
    this.#stream.write(this.#erasure())
    this.#length = 0
  }

  /** A line that no longer fits, since the terminal has become narrower, stands in several rows now. */
  #erasure(): string {
    const rows = Math.ceil(this.#length / Math.max(1, this.#stream.columns ?? 80))
    return rows > 1 ? `\r\u001b[${rows - 1}A\u001b[J` : '\r\u001b[K'
  }

  /** Samples a second, over the last second or so. */
  #speedText(time: number, samples: number | undefined): string {
    if (samples === undefined) return ''
    const { time: since, samples: before, rate } = this.#speed
    if (time - since >= 1000 || Number.isNaN(rate))
      if (time > since && samples > before)
        this.#speed = { time, samples, rate: (1000 * (samples - before)) / (time - since) }
    const now = this.#speed.rate
    if (Number.isNaN(now)) return ''
    // Three digits: the others would only flicker.
    return `${Number(now.toPrecision(3)).toLocaleString('en-US')}/s`
  }
}

/** As many whole parts as there is room for, the first ranks first. */
function arranged(parts: readonly [rank: number, text: string, gap?: number][], room: number): string {
  const there = parts.filter(([, text]) => text !== '')
  const chosen = new Set<number>()
  let used = -2
  for (const [rank, text, gap = 2] of [...there].sort((a, b) => a[0] - b[0])) {
    if (used + gap + visible(text) > room && rank > 0) continue
    used += gap + visible(text)
    chosen.add(rank)
  }
  return there
    .filter(([rank]) => chosen.has(rank))
    .map(([, text, gap = 2], i) => (i === 0 ? text : ' '.repeat(gap) + text))
    .join('')
}

/** The losses as blocks, where there are a few epochs. */
function curves(epochs: readonly Epoch[], room: number): string[] {
  if (epochs.length < 3) return []
  const lines: [string, number[]][] = [
    ['loss', epochs.map(({ train }) => train.loss)],
    ['validation loss', epochs.map(({ validation }) => validation?.loss ?? Number.NaN)],
  ]
  const told = lines.filter(([, values]) => values.some(Number.isFinite))
  const widest = Math.max(...told.map(([name]) => name.length))
  return told.map(([name, values]) => {
    const ends = `${numberText(values[0]!)} → ${numberText(values.at(-1)!)}`
    const width = Math.max(3, Math.min(40, room - widest - ends.length - 4))
    return `${name.padEnd(widest)}  ${sparkline(values, width)}  ${ends}`
  })
}

function timeLeft(milliseconds: number): string {
  if (!Number.isFinite(milliseconds)) return ''
  const seconds = Math.ceil(milliseconds / 1000)
  if (seconds < 120) return `${seconds} s left`
  const minutes = Math.ceil(seconds / 60)
  return minutes < 120 ? `${minutes} min left` : `${Math.ceil(minutes / 60)} h left`
}

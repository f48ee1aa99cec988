/**
 * @file Progress of a run: one calm line that is drawn over in a terminal, one line an epoch elsewhere.
 * In: what `fit` tells. Out: text on standard error. Any object with these methods may take its place.
 *
 *   memory 2.31 MiB: parameters and moments 2.02 MiB, arena 0.29 MiB (0.28 MiB live at once)
 *   epoch 3/20 ████████░░░░░░░░ 52%  loss 0.1234  validation loss 0.1041, accuracy 0.9712  14 s left
 */
import { environment } from '../base/environment.js'
import type { Epoch, History, Scores } from './types.js'

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
  }): void
  /** After each epoch. */
  epoch?(epoch: Epoch): void
  /** When the run is over, also where it was stopped. */
  end?(history: History): void
}

/** Where text goes; `process.stderr` is one. */
export interface TextStream {
  /** Writes a piece of text, with whatever ends its line. */
  write(text: string): unknown
  readonly isTTY?: boolean
  readonly columns?: number
}

interface Host {
  readonly process?: { readonly stderr?: TextStream }
  readonly console?: { error(text: string): void }
}
const width = 16
/** Milliseconds between two drawings. */
const calm = 100

/**
 * Progress as a line that is drawn over in a terminal, and as one line an epoch elsewhere; on standard error unless a
 * stream is given.
 */
export function progressLine(options: { readonly stream?: TextStream } = {}): Progress {
  const host = globalThis as Host
  const stream = options.stream ??
    host.process?.stderr ?? { write: (text: string) => host.console?.error(text.trimEnd()) }
  const terminal = stream.isTTY === true
  const dim = (text: string) => (terminal && !environment('NO_COLOR') ? `\u001b[2m${text}\u001b[22m` : text)
  let [start, drawn, epochs, before, last] = [0, 0, 1, 0, '']
  const clear = () => terminal && drawn > 0 && stream.write('\r\u001b[K')
  return {
    start(run) {
      start = performance.now()
      epochs = run.epochs
      before = (run.done ?? 0) / epochs
      if (run.done) stream.write(`${dim(`going on after epoch ${run.done}`)}\n`)
      if (run.memory) stream.write(`${dim(run.memory)}\n`)
    },
    batch({ epoch, batch, batches, loss }) {
      const now = performance.now()
      if (!terminal || now - drawn < calm) return
      drawn = now
      // Of a stream nobody knows, before its first end, how much is left.
      const share = batches === undefined ? 0 : batch / batches
      const done = batches === undefined ? Number.NaN : (epoch - 1 + share) / epochs
      const left = done > before ? ((now - start) / (done - before)) * (1 - done) : Number.NaN
      const filled = Math.round(width * share)
      const percent = batches === undefined ? '' : `${String(Math.round(100 * share)).padStart(2)}%`
      const bar = batches === undefined ? `batch ${batch}` : '█'.repeat(filled) + dim('░'.repeat(width - filled))
      const head = `epoch ${epoch}/${epochs} ${bar} ${percent}`.trimEnd()
      const headWidth = `epoch ${epoch}/${epochs} 100%`.length + width
      const parts = [Number.isNaN(loss) ? '' : `loss ${number(loss)}`, last, timeLeft(left)].filter(
        (part) => part !== '',
      )
      stream.write(`\r\u001b[K${head}${shorten(`  ${parts.join('  ')}`, (stream.columns ?? 80) - headWidth - 1)}`)
    },
    epoch(epoch) {
      last = epoch.validation ? `validation ${scoresText(epoch.validation)}` : ''
      // The line goes, so that what the caller prints stands by itself.
      if (terminal) clear()
      else stream.write(`epoch ${epoch.epoch}/${epochs}  ${scoresText(epoch.train)}${last && `  ${last}`}\n`)
    },
    end({ epochs: done, stopped, best, restored, seconds }) {
      clear()
      const kept = restored && best ? `, parameters of epoch ${best.epoch} (${best.metric} ${number(best.value)})` : ''
      const why = stopped === 'earlyStopping' ? ', stopped early' : stopped === 'finished' ? '' : `, ${stopped}`
      stream.write(
        `${done.length} epochs in ${seconds.toFixed(1)} s${why}${kept}${terminal && last ? `  ${last}` : ''}\n`,
      )
    },
  }
}

const number = (x: number): string => (Math.abs(x) >= 1e-3 && Math.abs(x) < 1e4 ? x.toPrecision(4) : x.toExponential(2))
const scoresText = (scores: Scores): string =>
  Object.entries(scores as { [name: string]: unknown })
    .flatMap(([name, value]) => (typeof value === 'number' ? [`${name} ${number(value)}`] : []))
    .join(', ')
const shorten = (text: string, room: number): string => (text.length > room ? text.slice(0, Math.max(0, room)) : text)

function timeLeft(milliseconds: number): string {
  if (!Number.isFinite(milliseconds)) return ''
  const seconds = Math.ceil(milliseconds / 1000)
  return seconds < 120 ? `${seconds} s left` : `${Math.ceil(seconds / 60)} min left`
}

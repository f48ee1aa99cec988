/**
 * @file What `fit` tells the log of a run: where it begins, the loss of some steps, the scores of each epoch, and in the end what it gets wrong.
 * In: a folder or a log, and what happens. Out: events; nothing where there is no log.
 *
 * fit(net, { ..., log: 'runs/a' })
 */
import type { Dataset } from '../data/column.js'
import type { Explanation } from '../explain.js'
import { parameters } from '../nn/module.js'
import { summary } from '../nn/summary.js'
import type { EndEvent, EventScores, RunEvent, RunObserver, StepEvent } from './events.js'
import { logMistakes, tellsClasses } from './mistakes.js'
import type { FitOptions } from './options.js'
import { plainConfiguration } from './run-info.js'
import { MemberLog, type RunLog, runLog } from './run-log.js'
import type { TrainingFeed } from './training-feed.js'
import type { Epoch, History, Net, Scores } from './types.js'

/** What a run of `fit` is, for its log. */
export interface FitFacts {
  readonly feed: Pick<TrainingFeed, 'kind' | 'size' | 'count' | 'batches'>
  /** In memory; none of a stream. */
  readonly validation: Dataset | undefined
  readonly seed: number
  /** At most. */
  readonly epochs: number
}

export class FitLog implements RunObserver {
  readonly log: RunLog
  readonly #observer: RunLog | MemberLog
  readonly #own: boolean
  readonly #facts: FitFacts
  readonly #every: number
  #since = 0
  #samples = 0

  private constructor(observer: RunLog | MemberLog, own: boolean, facts: FitFacts) {
    this.log = observer instanceof MemberLog ? observer.log : observer
    this.#observer = observer
    this.#own = own
    this.#facts = facts
    this.#every = this.log.stepsBetween(facts.feed.batches)
  }

  /** Opens it; nothing is written of a run that goes on before `start`. */
  static async open(net: Net, options: FitOptions, facts: FitFacts): Promise<FitLog> {
    const { log: given = '', resume } = options
    const own = typeof given === 'string'
    const opened = new FitLog(own ? await runLog(given, { resume }) : given, own, facts)
    opened.log.describe({ configuration: configurationOf(options, facts), network: networkOf(net, facts.feed.kind) })
    return opened
  }

  event(event: RunEvent): void {
    this.#observer.event(event)
  }

  /** The run begins, after so many epochs and steps. */
  start(epoch: number, step: number): void {
    this.event({ kind: 'start', time: Date.now(), epoch, step })
  }

  /** An epoch begins: what was between it and the one before is not counted in its rate. */
  epochBegins(): void {
    this.#since = performance.now()
    this.#samples = 0
  }

  /** How many steps may be made before the next event, after so many of the run. */
  stepsLeft(steps: number): number {
    return this.#every - (steps % this.#every)
  }

  /** A step was made. `further` is asked for where there is an event. */
  step(
    step: number,
    epoch: number,
    loss: number,
    samples: number,
    further: () => Pick<StepEvent, 'learningRate' | 'gradientNorm' | 'updateNorm'>,
  ): void {
    this.#samples += samples
    if (step % this.#every !== 0) return
    const now = performance.now()
    const samplesPerSecond = (1000 * this.#samples) / (now - this.#since)
    this.#since = now
    this.#samples = 0
    this.event({ kind: 'step', time: Date.now(), step, epoch, loss, samplesPerSecond, ...further() })
  }

  /** An epoch is done. Its lines are written beside what follows. */
  epoch({ epoch, train, validation, learningRate, seconds }: Epoch, step: number): void {
    const scores = { train: numbersOf(train), ...(validation ? { validation: numbersOf(validation) } : {}) }
    this.event({ kind: 'epoch', time: Date.now(), epoch, step, ...scores, learningRate, seconds })
    void this.log.tryFlush()
  }

  /** The run is over. `explain` times the step, where the log wants that. */
  async end(
    net: Net,
    history: History,
    step: number,
    explain: (() => Explanation) | undefined,
    error?: unknown,
  ): Promise<void> {
    const { stopped, best, restored } = history
    const epoch = history.epochs.length
    const reason = reasons[stopped] ?? 'left'
    try {
      if (reason !== 'failed' && stopped !== 'aborted' && epoch > 0) {
        const { validation } = this.#facts
        const most = this.log.examples
        if (most > 0 && validation && tellsClasses(net, validation))
          await logMistakes(this.#observer, net, validation, { epoch: restored && best ? best.epoch : epoch, most })
        // The step of one network is that of all members.
        const first = !(this.#observer instanceof MemberLog) || this.#observer.member === 1
        if (this.log.profiles && explain && first) this.event(profileEvent(explain()))
      }
    } finally {
      const message = error instanceof Error ? { message: error.message } : {}
      this.event({ kind: 'end', time: Date.now(), epoch, step, reason, ...message })
      if (this.#own) await this.log.close()
      else await this.log.tryFlush()
    }
  }

  /** Where nothing was begun: the log is closed as it was. */
  async abandon(): Promise<void> {
    if (this.#own) await this.log.close()
  }
}

const reasons: { readonly [stopped in History['stopped']]?: EndEvent['reason'] } = {
  finished: 'finished',
  earlyStopping: 'stopped early',
  failed: 'failed',
}

/** Scores that are numbers; others are tables, such as a confusion matrix. */
const numbersOf = (scores: Scores): EventScores =>
  Object.fromEntries(Object.entries(scores).filter(([, value]) => typeof value === 'number')) as EventScores

/** The time of each kernel of a step. */
export function profileEvent({ kernels }: Explanation): RunEvent {
  return {
    kind: 'profile',
    time: Date.now(),
    kernels: kernels.map(({ name, seconds = 0, share = 0, flopsPerSecond = 0, bytesPerSecond = 0 }) => ({
      name,
      milliseconds: 1000 * seconds,
      share,
      gflops: flopsPerSecond / 1e9,
      gigabytesPerSecond: bytesPerSecond / 1e9,
    })),
  }
}

/** What is data, or a matter of this process. */
const left = ['train', 'validation', 'step', 'signal', 'progress', 'log', 'resume']

function configurationOf(options: FitOptions, { feed, validation, seed, epochs }: FitFacts): object {
  const told = Object.entries(options).filter(([name]) => !left.includes(name))
  const samples = { train: feed.count, validation: validation?.input.shape[0] }
  const found = { seed, epochs, batchSize: feed.size, batches: feed.batches, samples }
  return plainConfiguration({ ...Object.fromEntries(told), ...found })
}

function networkOf(net: Net, { input }: Dataset): { text: string; parameters: number } {
  let count = 0
  for (const { shape } of parameters(net).values()) count += (shape as readonly number[]).reduce((a, b) => a * b, 1)
  try {
    return { text: String(summary(net, [1, ...input.shape.slice(1)])), parameters: count }
  } catch {
    // A network that only its own step can call has no table.
    return { text: '', parameters: count }
  }
}

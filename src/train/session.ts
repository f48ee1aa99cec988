/**
 * @file The work of `fit`: the epochs, their batches, validation, early stopping, and what is put in order at the end, however it
 * comes; `prepare.ts` does what comes before. In: network and options. Out: epochs, one by one.
 */
import { ValueError } from '../base/errors.js'
import { NonFiniteError } from '../base/non-finite.js'
import { breath } from '../base/pace.js'
import { LazyDataset } from '../data/lazy-dataset.js'
import { isPromise } from '../data/lazy-node.js'
import type { Metric } from '../metrics/metric.js'
import { checkSeed, defaultSeed } from '../trace/seed.js'
import type { CheckpointParts } from './checkpoint-parts.js'
import { bestOf, EarlyStopping } from './early-stopping.js'
import { Evaluator, type Judged } from './evaluate.js'
import type { FitCheckpoints, Underway } from './fit-checkpoint.js'
import type { FitLog } from './fit-log.js'
import { notFinite } from './not-finite.js'
import type { FitOptions } from './options.js'
import { ReduceOnPlateau } from './plateau.js'
import { checkWatched, type Prepared, prepare } from './prepare.js'
import { metricsOf, ScoreTotal } from './program.js'
import { type Progress, progressLine } from './progress.js'
import type { RunControl } from './run.js'
import type { FedBatch } from './training-feed.js'
import type { Epoch, History, Net, Scores } from './types.js'

export class Session {
  readonly #net: Net
  readonly #options: FitOptions
  readonly #control: RunControl
  readonly #metrics: ReadonlyMap<string, Metric>
  readonly #stopping: EarlyStopping | undefined
  readonly #plateau: ReduceOnPlateau | undefined
  readonly #progress: Progress | undefined
  readonly #seed: number
  readonly #limit: number
  readonly #start = performance.now()
  #seconds: number | undefined
  #stopped: History['stopped'] = 'running'
  #restored = false
  #checkpoints: FitCheckpoints | undefined
  #log: FitLog | undefined
  #error: unknown
  /** Made in the whole run; and samples that were used since it was begun or gone on with. */
  #steps = 0
  #samples = 0
  /** The epochs that were done before this run went on from a checkpoint, the time they took, and the start of the next. */
  #earlier: readonly Epoch[] = []
  #earlierSeconds = 0
  #underway: Underway | undefined
  /** Steps in the epochs that are done. */
  #before = 0
  /** The batches of the last call. */
  #fed: { readonly list: readonly FedBatch[]; readonly batch: number; readonly epoch: number } | undefined
  /** Batches in an epoch, where that is known or was seen. */
  #batches: number | undefined

  constructor(net: Net, options: FitOptions, control: RunControl) {
    const { earlyStopping, reduceOnPlateau: plateau, progress } = options
    this.#net = net
    this.#options = options
    this.#control = control
    this.#metrics = metricsOf('fit', options.metrics)
    this.#stopping =
      earlyStopping instanceof EarlyStopping ? earlyStopping : earlyStopping && new EarlyStopping(earlyStopping)
    this.#plateau = plateau instanceof ReduceOnPlateau ? plateau : plateau && new ReduceOnPlateau(plateau)
    this.#progress = progress === true ? progressLine() : progress || undefined
    this.#seed = checkSeed('fit', options.seed ?? defaultSeed())
    this.#limit = options.epochs ?? (this.#stopping ? 100 : 10)
    if (this.#stopping) checkWatched('earlyStopping', this.#stopping, options, this.#metrics)
    if (this.#plateau) checkWatched('reduceOnPlateau', this.#plateau, options, this.#metrics)
  }

  history<E>(epochs: readonly E[]): History<E> {
    const all = [...this.#earlier, ...(epochs as readonly Epoch[])]
    return {
      epochs: all as readonly unknown[] as readonly E[],
      best: this.#stopping?.best ?? bestOf(all),
      stopped: this.#stopped,
      restored: this.#restored,
      seed: this.#seed,
      seconds: this.#seconds ?? this.#time,
    }
  }

  async *epochs(): AsyncGenerator<Epoch, void, void> {
    const done: Epoch[] = []
    let prepared: Prepared | undefined
    try {
      prepared = await prepare({
        net: this.#net,
        options: this.#options,
        seed: this.#seed,
        metrics: this.#metrics,
        stopping: this.#stopping,
        observers: this.#options.log === undefined ? [] : [{ event: (event) => this.#log?.event(event) }],
      })
      const evaluator = prepared.validation && new Evaluator(this.#net, this.#options.loss, this.#metrics)
      await this.#open(prepared)
      const count = () => this.#earlier.length + done.length
      const { memory } = prepared
      this.#batches = prepared.feed.batches
      this.#progress?.start?.({
        epochs: this.#limit,
        batches: this.#batches,
        memory,
        ...(count() > 0 ? { done: count() } : {}),
      })
      // A checkpoint may be of the end.
      if (count() > 0 && prepared.stopping?.due) {
        this.#stopped = 'earlyStopping'
        return
      }
      while (count() < this.#limit) {
        const epoch = await this.#epoch(count() + 1, prepared, evaluator, done)
        if (!epoch) return
        done.push(epoch)
        if (prepared.optimizer) this.#plateau?.update(epoch as object as Record<string, unknown>, prepared.optimizer)
        const stop = prepared.stopping?.update(epoch as object as Record<string, unknown>, this.#net)
        this.#moved(done)
        this.#log?.epoch(epoch, this.#before)
        this.#progress?.epoch?.(epoch)
        if (stop) this.#stopped = 'earlyStopping'
        yield epoch
        if (stop) return
        await this.#checkpoints?.afterEpoch()
      }
      this.#stopped = 'finished'
    } catch (error) {
      this.#stopped = 'failed'
      this.#error = prepared ? this.#explained(error, prepared) : error
      throw this.#error
    } finally {
      if (this.#stopped === 'running') this.#stopped = this.#options.signal?.aborted ? 'aborted' : 'left'
      await this.#end(prepared, done)
    }
  }

  /** Puts things in order, however the run has ended. */
  async #end(prepared: Prepared | undefined, done: readonly Epoch[]): Promise<void> {
    try {
      if (this.#stopped !== 'failed') {
        await this.#checkpoints?.save()
        await this.#checkpoints?.settled()
      }
    } catch (error) {
      this.#stopped = 'failed'
      this.#error = error
      throw error
    } finally {
      await this.#checkpoints?.close()
      this.#showAverage(prepared)
      if (prepared && prepared.group > 1) prepared.optimizer!.accumulate = prepared.group
      if (this.#stopping?.restoreBest && this.#stopping.best) this.#restored = this.#stopping.restore()
      this.#seconds = this.#time
      try {
        const explain = prepared?.explain
        await this.#log?.end(this.#net, this.history(done), this.#steps, explain, this.#error)
      } finally {
        prepared?.feed.release()
        this.#progress?.end?.(this.history(done))
      }
    }
  }

  /** Seconds so far, those before a resume among them. */
  get #time(): number {
    return this.#earlierSeconds + (performance.now() - this.#start) / 1000
  }

  /** The log and the checkpoints, and where to go on. */
  async #open(prepared: Prepared): Promise<void> {
    const log = this.#options.log === undefined ? undefined : await this.#openLog(prepared)
    try {
      if (this.#options.checkpoint !== undefined) await this.#openCheckpoints(prepared, log)
    } catch (error) {
      await log?.abandon()
      throw error
    }
    this.#steps = this.#before + (this.#underway?.batch ?? 0)
    this.#log = log
    log?.start(this.#earlier.length, this.#steps)
  }

  async #openLog({ feed, validation }: Prepared): Promise<FitLog> {
    const { FitLog } = await import('./fit-log.js')
    const given = this.#options.validation
    // A stream is not read once more for its mistakes.
    const seen = given instanceof LazyDataset && !given.columns ? undefined : validation?.kind
    return FitLog.open(this.#net, this.#options, { feed, validation: seen, seed: this.#seed, epochs: this.#limit })
  }

  async #openCheckpoints(prepared: Prepared, log: FitLog | undefined): Promise<void> {
    const { checkpoint, resume = false, shuffle = true } = this.#options
    const { feed, validation, optimizer, stopping, average, random, group } = prepared
    const parts = {
      net: this.#net,
      optimizer,
      average,
      random,
      earlyStopping: stopping,
      reduceOnPlateau: this.#plateau,
    }
    const given = Object.fromEntries(Object.entries(parts).filter(([, part]) => part)) as CheckpointParts
    const train = await feed.facts()
    const judged = await validation?.facts()
    const facts = { seed: this.#seed, batchSize: feed.size, shuffle, group, train, validation: judged }
    const scored = validation && (this.#options.loss !== undefined || !this.#options.step)
    const metric = stopping?.metric ?? (scored ? 'validation.loss' : 'train.loss')
    const { FitCheckpoints } = await import('./fit-checkpoint.js')
    const better = (path: string) => {
      const name = path.split('.')[1]!
      return name === 'loss' ? 'lower' : this.#metrics.get(name)?.better
    }
    const opened = await FitCheckpoints.open(checkpoint!, resume, given, facts, metric, better, log?.log)
    let position: Awaited<ReturnType<FitCheckpoints['resume']>>
    try {
      position = resume ? await opened.resume() : undefined
    } catch (error) {
      await opened.close()
      throw error
    }
    this.#checkpoints = opened
    opened.ready = () => prepared.diagnosis?.check()
    if (!position) return
    this.#earlier = position.epochs
    this.#earlierSeconds = position.seconds
    this.#underway = position.under
    this.#before = position.before ?? position.epochs.length * (feed.batches ?? 0)
    prepared.diagnosis?.startAt(this.#before + (this.#underway?.batch ?? 0))
  }

  /** Tells the checkpoints where the run stands. */
  #moved(done: readonly Epoch[], under?: Underway): void {
    this.#checkpoints?.moved({ epochs: [...this.#earlier, ...done], under, seconds: this.#time, before: this.#before })
  }

  /** One epoch; undefined where it was given up. */
  async #epoch(
    number: number,
    prepared: Prepared,
    evaluator: Evaluator | undefined,
    done: readonly Epoch[],
  ): Promise<Epoch | undefined> {
    const { validation, optimizer, feed, calls, average, group } = prepared
    // A checkpoint may be of the middle of an epoch.
    const underway = this.#underway
    this.#underway = undefined
    const start = performance.now() - 1000 * (underway?.seconds ?? 0)
    if (average?.active) average.swap()
    prepared.diagnosis?.begin(number)
    const total = new ScoreTotal(this.#metrics)
    if (underway) total.loadState(underway.total())
    const pass = feed.pass(number, underway?.batch ?? 0)
    let batch = underway?.batch ?? 0
    this.#log?.epochBegins()
    try {
      for (;;) {
        if (breath.due) {
          const where = { epoch: number, epochs: this.#limit, batch, batches: this.#batches, samples: this.#samples }
          const asked = { metrics: () => total.numbers(), learningRate: () => optimizer?.learningRate }
          this.#progress?.batch?.({ ...where, ...asked, loss: total.loss })
          await breath.take()
        }
        if (this.#control.held || this.#control.saves) await this.#rest()
        if (this.#ended) return undefined
        const step = this.#before + batch
        const due = Math.min(this.#checkpoints?.stepsLeft(step) ?? mostSteps, this.#log?.stepsLeft(step) ?? mostSteps)
        let most = Math.min(calls?.steps ?? 1, due)
        if (group > 1) {
          // The last group of batches of an epoch may be smaller than the others.
          const within = batch % group
          const ahead = pass.left(Math.max(1, Math.floor((within + most) / group)) * group - within)
          const left = isPromise(ahead) ? await ahead : ahead
          const whole = Math.floor((within + left) / group) * group - within
          if (left > 0) optimizer!.accumulate = whole > 0 ? group : within + left
          most = Math.min(most, whole > 0 ? whole : left)
        }
        const taken = most > 0 ? pass.take(most) : []
        const fed = isPromise(taken) ? await taken : taken
        if (fed.length === 0) break
        this.#make(fed, prepared, total, number, batch)
        batch += fed.length
        if (this.#checkpoints) {
          this.#moved(done, { batch, seconds: (performance.now() - start) / 1000, total: () => total.saveState() })
          await this.#checkpoints.afterSteps(this.#before + batch)
        }
      }
    } finally {
      await pass.end()
    }
    if (batch === 0) throw new ValueError('fit', `epoch ${number} has no training data`, { hint: noData })
    this.#batches = batch
    prepared.diagnosis?.check()
    this.#before += batch
    const scores = total.scores(true)
    const seen = prepared.diagnosis?.end(scores.loss)
    const learningRate = optimizer?.learningRate
    this.#showAverage(prepared)
    const validated = validation && (await this.#validate(evaluator!, validation))
    if (validation && !validated) return undefined
    const seconds = (performance.now() - start) / 1000
    return { epoch: number, train: scores, validation: validated, learningRate, seconds, ...seen }
  }

  /** Makes steps on some batches, of which `batch` is the first. */
  #make(fed: readonly FedBatch[], prepared: Prepared, total: ScoreTotal, epoch: number, batch: number): void {
    const { steps, calls, diagnosis } = prepared
    this.#fed = { list: fed, batch, epoch }
    const call = () => steps(fed.map((one) => one.arguments))
    const results = calls ? calls.timed(fed.length, call) : call()
    const skipped = diagnosis?.skippedFrom(this.#before + batch + 1)
    for (const [i, result] of results.entries()) {
      // A skipped batch counts nowhere.
      if (skipped?.has(i)) continue
      const loss = total.add(result, fed[i]!.weight)
      this.#steps = this.#before + batch + i + 1
      this.#samples += fed[i]!.size
      this.#log?.step(this.#steps, epoch, loss, fed[i]!.size, () => ({
        learningRate: prepared.optimizer?.learningRate,
        ...diagnosis?.norms,
      }))
      if (!Number.isFinite(loss)) throw this.#notFinite(`the loss is ${loss}`, batch + i, prepared)
    }
  }

  /** The error of a watched step in the words of a run: epoch, batch, and what of the data explains it. */
  #explained(error: unknown, prepared: Prepared): unknown {
    if (!(error instanceof NonFiniteError) || error.operation !== 'step' || !prepared.diagnosis) return error
    const { fault } = error
    return this.#notFinite(`${fault.what} is ${fault.value}`, fault.step - this.#before - 1, prepared, error)
  }

  #notFinite(what: string, number: number, { optimizer }: Prepared, error?: NonFiniteError): Error {
    const { list, batch, epoch } = this.#fed!
    const of = this.#batches === undefined ? '' : ` of ${this.#batches}`
    const sentence = `${what} in epoch ${epoch}, batch ${number + 1}${of}`
    return notFinite(this.#net, sentence, list[number - batch], optimizer?.learningRate, error?.fault)
  }

  /** Outside training steps the network has the averages, if there are some. */
  #showAverage(prepared: Prepared | undefined): void {
    const average = prepared?.average
    if (average && !average.active && average.updates > 0 && this.#stopped !== 'failed') average.swap()
  }

  async #validate(evaluator: Evaluator, validation: Judged): Promise<Scores | undefined> {
    const { signal } = this.#options
    try {
      return await evaluator.run(validation, { signal })
    } catch (error) {
      if (signal?.aborted) return undefined
      throw error
    }
  }

  /** Saves what there is, and waits while the run is held. */
  async #rest(): Promise<void> {
    const { signal } = this.#options
    this.#control.saves = false
    await this.#checkpoints?.save()
    await this.#checkpoints?.settled()
    const { held, rested } = this.#control
    this.#control.rested = undefined
    rested?.()
    if (!held || this.#ended) return
    let wake = () => {}
    const aborted = new Promise<void>((resolve) => {
      wake = resolve
    })
    signal?.addEventListener('abort', wake)
    await Promise.race([held, aborted])
    signal?.removeEventListener('abort', wake)
  }

  get #ended(): boolean {
    return this.#control.left || this.#options.signal?.aborted === true
  }
}

const mostSteps = Number.POSITIVE_INFINITY
const noData = 'If it was a generator, give the generator function, which is called each epoch.'

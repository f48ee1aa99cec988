/**
 * @file The work of `fit`: preparation, the epochs, their batches, validation, early stopping, and what is put in order
 * at the end, however it comes. In: network and options. Out: epochs, one by one.
 */
import { ValueError } from '../base/errors.js'
import { NonFiniteError } from '../base/non-finite.js'
import { breath, CallSize } from '../base/pace.js'
import { checkLabels, type Dataset, sampleCount, subset } from '../data/column.js'
import { LazyDataset } from '../data/lazy-dataset.js'
import { isPromise } from '../data/lazy-node.js'
import { datasetOf, valueType } from '../data/source.js'
import { splitIndices } from '../data/split.js'
import { type Explanation, memoryText } from '../explain.js'
import { crossEntropy } from '../loss/cross-entropy.js'
import type { Metric } from '../metrics/metric.js'
import { initialize } from '../nn/module.js'
import { exponentialMovingAverage, ParameterAverage } from '../optim/average.js'
import { accumulate, Optimizer, type OptimizerSpec } from '../optim/optimizer.js'
import { RandomGenerator, sharedGenerator } from '../trace/random.js'
import { checkSeed, defaultSeed } from '../trace/seed.js'
import type { Tensor } from '../trace/tensor.js'
import type { CheckpointParts } from './checkpoint-parts.js'
import { bestOf, EarlyStopping } from './early-stopping.js'
import { Evaluator, type Judged, judgedOf } from './evaluate.js'
import type { RunEvent } from './events.js'
import type { FitCheckpoints, Underway } from './fit-checkpoint.js'
import { FitDiagnosis } from './fit-diagnosis.js'
import type { FitLog } from './fit-log.js'
import { notFinite } from './not-finite.js'
import type { FitOptions } from './options.js'
import { ReduceOnPlateau } from './plateau.js'
import { type BatchResult, metricsOf, outputShape, ownStep, ScoreTotal, watchedProgram } from './program.js'
import { type Progress, progressLine } from './progress.js'
import type { RunControl } from './run.js'
import { type FedBatch, HeldFeed, StreamFeed, type TrainingFeed } from './training-feed.js'
import type { Epoch, History, Net, Scores } from './types.js'

/** Makes steps on batches. */
type Steps = (batches: readonly (readonly Tensor[])[]) => BatchResult[]

/** What is made of the options once the run starts. */
interface Prepared {
  readonly feed: TrainingFeed
  readonly validation: Judged | undefined
  readonly optimizer: Optimizer | undefined
  /** What a step needs, in words. */
  readonly memory: string | undefined
  readonly steps: Steps
  /** Times the kernels of a step; none for a step of one's own. */
  readonly explain: (() => Explanation) | undefined
  /** How many to make in one call; always one of the user's own. */
  readonly calls: CallSize | undefined
  readonly stopping: EarlyStopping | undefined
  readonly average: ParameterAverage | undefined
  /** Batches to an update. */
  readonly group: number
  /** Dropout's and the like. */
  readonly random: RandomGenerator
  /** Not of a step of one's own. */
  readonly diagnosis: FitDiagnosis | undefined
}

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
    if (this.#stopping) this.#checkWatched('early stopping', 'earlyStopping', this.#stopping)
    if (this.#plateau) this.#checkWatched('reduceOnPlateau', 'reduceOnPlateau', this.#plateau)
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
      prepared = await this.#prepare()
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

  async #prepare(): Promise<Prepared> {
    const { loss, optimizer: given, step: own } = this.#options
    const net = this.#net
    const { feed, validation } = await this.#data()
    const { size, count } = feed
    initialize(net, { seed: this.#seed })
    const output = outputShape('fit', net, feed.kind.input, size, 'train')
    if (validation) outputShape('fit', net, validation.kind.input, 1, 'validation')
    for (const data of [feed, validation])
      if (data && !(data instanceof HeldFeed)) expectLabels(data, output, (loss as unknown) === crossEntropy)
    const train = feed.kind
    if ((loss as unknown) === crossEntropy) {
      const classes = output[output.length - 1]!
      for (const [name, { target }] of Object.entries(validation ? { train, validation: validation.kind } : { train }))
        if (target.shape.length === output.length - 1 && valueType(target, 'target') === 'int32')
          checkLabels(target, classes, name)
    }
    const { accumulateGradients: calls, average: averaged } = this.#options
    const spec = given && calls !== undefined && calls > 1 ? accumulate(calls, given as OptimizerSpec) : given
    const optimizer = spec instanceof Optimizer ? spec : spec?.init(net)
    const average =
      averaged instanceof ParameterAverage ? averaged : averaged && exponentialMovingAverage(net, averaged)
    const group = own ? 1 : optimizer!.accumulate
    const random = own ? sharedGenerator() : new RandomGenerator(this.#seed)
    const observers = this.#options.log === undefined ? [] : [{ event: (event: RunEvent) => this.#log?.event(event) }]
    const diagnosis = own ? undefined : new FitDiagnosis(net, this.#options, observers, !feed.keepsArguments)
    const common = { feed, validation, optimizer, stopping: this.#stopping, average, group, random, diagnosis }
    if (own) {
      const step = ownStep(own, train)
      return { ...common, memory: undefined, steps: (list) => list.map(step), explain: undefined, calls: undefined }
    }
    const { watching } = diagnosis!
    const watched = watchedProgram(net, train, feed, loss!, optimizer!, this.#metrics, random, average, watching)
    const program = watched.step
    diagnosis!.attach(watched.sentinel!)
    if (feed instanceof HeldFeed) diagnosis!.targets(train.target.data)
    // Both programs are made before the first step: the last, smaller batch must not be a surprise.
    const rest = count === undefined ? size : count - (feed.batches! - 1) * size
    const [whole] = [...new Set([size, rest])].map((one) => program.explain(feed.example(one)))
    const explain = () => program.explain(feed.example(size), { time: true, peak: false })
    return {
      ...common,
      memory: memoryText(whole!),
      steps: (list) => program.each(list),
      explain,
      calls: new CallSize(),
    }
  }

  async #data(): Promise<{ feed: TrainingFeed; validation: Judged | undefined }> {
    const { train, validation, validationSplit, batchSize = 32, shuffle, step } = this.#options
    const seed = this.#seed
    const judged = async () => (validation === undefined ? undefined : judgedOf(validation, 'validation'))
    if (train instanceof LazyDataset && !train.columns) {
      if (validationSplit !== undefined)
        throw new ValueError('fit', 'validationSplit is given, but the training data are a lazy data set', {
          hint: 'Split it before: const { train, validation } = await data.split({ train: 0.8, validation: 0.2 }).',
        })
      const feed = await StreamFeed.open(train, batchSize, { shuffle, seed })
      return { feed, validation: await judged() }
    }
    const whole = datasetOf(train instanceof LazyDataset ? train.columns! : train, 'train')
    const parts = validationSplit === undefined ? undefined : this.#split(whole, validationSplit)
    const order = { shuffle: shuffle ?? true, seed }
    const feed = new HeldFeed(parts?.train ?? whole, batchSize, order, step ? false : undefined)
    return { feed, validation: parts ? await judgedOf(parts.validation, 'validation') : await judged() }
  }

  #split(train: Dataset, share: number): { train: Dataset; validation: Dataset } {
    const labels = train.target.shape.length === 1 && valueType(train.target, 'target') === 'int32'
    const shares = { train: 1 - share, validation: share, test: 0 }
    const count = sampleCount(train)
    const stratify = labels ? train.target.data : undefined
    const parts = splitIndices({ count, shares, seed: this.#seed, stratify })
    if (parts.train.length === 0 || parts.validation.length === 0)
      throw new ValueError('fit', `${sampleCount(train)} samples are too few for a validationSplit of ${share}`)
    return { train: subset(train, parts.train), validation: subset(train, parts.validation) }
  }

  /** What looks at a score must find it, and know whether more of it is better. */
  #checkWatched(who: string, option: string, watcher: EarlyStopping | ReduceOnPlateau): void {
    const { validation, validationSplit, loss, step } = this.#options
    const [part, name] = watcher.metric.split('.')
    const hasValidation = validation !== undefined || validationSplit !== undefined
    if (part === 'validation' && !hasValidation)
      throw new ValueError('fit', `${who} looks at ${watcher.metric}, but there are no validation data`, {
        hint: `Give validation or validationSplit, or another metric: ${option}: { metric: 'train.loss' }.`,
      })
    if (part === 'validation' && name === 'loss' && !loss && step)
      throw new ValueError('fit', `${who} looks at validation.loss, but there is no loss`, {
        hint: 'Give the loss beside the step.',
      })
    const metric = name === undefined ? undefined : this.#metrics.get(name)
    const better = name === 'loss' ? 'lower' : metric?.better
    if (better) watcher.assume(better === 'higher' ? 'max' : 'min')
  }
}

/** Plain numbers are labels where the output has one axis more. */
function expectLabels(
  data: { readonly kind: Dataset; readonly plainTarget?: boolean; expectLabels?(classes: number | undefined): void },
  output: readonly number[],
  crossEntropyLoss: boolean,
): void {
  const { target } = data.kind
  if (target.shape.length !== output.length - 1) return
  if (data.plainTarget || valueType(target, 'target') === 'int32')
    data.expectLabels?.(crossEntropyLoss ? output.at(-1) : undefined)
}

const mostSteps = Number.POSITIVE_INFINITY
const noData = 'If it was a generator, give the generator function, which is called each epoch.'

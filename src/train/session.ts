/**
 * @file The work of `fit`: preparation, the epochs, their batches, validation, early stopping, and what is put in order
 * at the end, however it comes. In: network and options. Out: epochs, one by one.
 */
import { ValueError } from '../base/errors.js'
import { breath, CallSize } from '../base/pace.js'
import { batchSizeOf, permutation } from '../data/batches.js'
import { checkLabels, type Dataset, sampleCount, subset } from '../data/column.js'
import { datasetOf, valueType } from '../data/source.js'
import { splitIndices } from '../data/split.js'
import { memoryText } from '../explain.js'
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
import { Evaluator } from './evaluate.js'
import { Feed, type Range } from './feed.js'
import { FitCheckpoints, type Underway } from './fit-checkpoint.js'
import type { FitOptions } from './options.js'
import { ReduceOnPlateau } from './plateau.js'
import { type BatchResult, metricsOf, outputShape, ownStep, ScoreTotal, trainingProgram } from './program.js'
import { type Progress, progressLine } from './progress.js'
import type { RunControl } from './run.js'
import type { Epoch, History, Net, Scores } from './types.js'
import { unknownLabel, unknownNumber } from './unknown.js'

/** Makes steps on batches. */
type Steps = (batches: readonly (readonly Tensor[])[]) => BatchResult[]

/** What is made of the options once the run starts. */
interface Prepared {
  readonly train: Dataset
  readonly validation: Dataset | undefined
  readonly optimizer: Optimizer | undefined
  readonly feed: Feed
  /** What a step needs, in words. */
  readonly memory: string | undefined
  readonly steps: Steps
  /** How many to make in one call; always one of the user's own. */
  readonly calls: CallSize | undefined
  readonly size: number
  readonly batches: number
  readonly stopping: EarlyStopping | undefined
  readonly average: ParameterAverage | undefined
  /** Batches to an update. */
  readonly group: number
  /** Dropout's and the like. */
  readonly random: RandomGenerator
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
  /** The epochs that were done before this run went on from a checkpoint, the time they took, and the start of the next. */
  #earlier: readonly Epoch[] = []
  #earlierSeconds = 0
  #underway: Underway | undefined

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
      prepared = this.#prepare()
      const evaluator = prepared.validation && new Evaluator(this.#net, this.#options.loss, this.#metrics)
      if (this.#options.checkpoint !== undefined) await this.#openCheckpoints(prepared)
      const count = () => this.#earlier.length + done.length
      const { batches, memory } = prepared
      this.#progress?.start?.({ epochs: this.#limit, batches, memory, ...(count() > 0 ? { done: count() } : {}) })
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
        this.#progress?.epoch?.(epoch)
        if (stop) this.#stopped = 'earlyStopping'
        yield epoch
        if (stop) return
        await this.#checkpoints?.afterEpoch()
      }
      this.#stopped = 'finished'
    } catch (error) {
      this.#stopped = 'failed'
      throw error
    } finally {
      if (this.#stopped === 'running') this.#stopped = this.#options.signal?.aborted ? 'aborted' : 'left'
      await this.#end(prepared, done)
    }
  }

  /** Puts things in order, however the run has ended. */
  async #end(prepared: Prepared | undefined, done: readonly Epoch[]): Promise<void> {
    try {
      if (this.#stopped !== 'failed') await this.#checkpoints?.save()
    } catch (error) {
      this.#stopped = 'failed'
      throw error
    } finally {
      this.#showAverage(prepared)
      if (prepared && prepared.group > 1) prepared.optimizer!.accumulate = prepared.group
      if (this.#stopping?.restoreBest && this.#stopping.best) this.#restored = this.#stopping.restore()
      prepared?.feed.release()
      this.#seconds = this.#time
      this.#progress?.end?.(this.history(done))
    }
  }

  /** Seconds so far, those before a resume among them. */
  get #time(): number {
    return this.#earlierSeconds + (performance.now() - this.#start) / 1000
  }

  async #openCheckpoints(prepared: Prepared): Promise<void> {
    const { checkpoint, resume = false, shuffle = true } = this.#options
    const { train, validation, optimizer, stopping, average, random, size, group } = prepared
    const parts = {
      net: this.#net,
      optimizer,
      average,
      random,
      earlyStopping: stopping,
      reduceOnPlateau: this.#plateau,
    }
    const given = Object.fromEntries(Object.entries(parts).filter(([, part]) => part)) as CheckpointParts
    const facts = { seed: this.#seed, batchSize: size, shuffle, group, train, validation }
    const scored = validation && (this.#options.loss !== undefined || !this.#options.step)
    const metric = stopping?.metric ?? (scored ? 'validation.loss' : 'train.loss')
    const opened = await FitCheckpoints.open(checkpoint!, resume, given, facts, metric, (path) => {
      const name = path.split('.')[1]!
      return name === 'loss' ? 'lower' : this.#metrics.get(name)?.better
    })
    const position = resume ? await opened.resume() : undefined
    this.#checkpoints = opened
    if (!position) return
    this.#earlier = position.epochs
    this.#earlierSeconds = position.seconds
    this.#underway = position.under
  }

  /** Tells the checkpoints where the run stands. */
  #moved(done: readonly Epoch[], under?: Underway): void {
    this.#checkpoints?.moved({ epochs: [...this.#earlier, ...done], under, seconds: this.#time })
  }

  /** One epoch; undefined where it was given up. */
  async #epoch(
    number: number,
    prepared: Prepared,
    evaluator: Evaluator | undefined,
    done: readonly Epoch[],
  ): Promise<Epoch | undefined> {
    const { train, validation, optimizer, feed, steps, calls, size, batches, average, group } = prepared
    // A checkpoint may be of the middle of an epoch.
    const underway = this.#underway
    this.#underway = undefined
    const start = performance.now() - 1000 * (underway?.seconds ?? 0)
    if (average?.active) average.swap()
    // The last group of batches of an epoch may be smaller than the others.
    const last = batches - (batches % group)
    if (group > 1) optimizer!.accumulate = (underway?.batch ?? 0) > last ? batches - last : group
    const count = sampleCount(train)
    const shuffle = (this.#options.shuffle ?? true) && batches > 1
    const order = shuffle ? permutation(count, this.#seed, number) : undefined
    const total = new ScoreTotal(this.#metrics)
    if (underway) total.loadState(underway.total())
    const before = (number - 1) * batches
    for (let batch = underway?.batch ?? 0; batch < batches; ) {
      if (breath.due) {
        this.#progress?.batch?.({ epoch: number, epochs: this.#limit, batch, batches, loss: total.loss })
        await breath.take()
      }
      if (this.#ended) return undefined
      if (group > 1 && batch === last) optimizer!.accumulate = batches - last
      const left = this.#checkpoints?.stepsLeft(before + batch) ?? batches
      const made = Math.min(calls?.steps ?? 1, (batch < last ? last : batches) - batch, left)
      const ranges = Array.from({ length: made }, (_, i): Range => {
        return [(batch + i) * size, Math.min(count, (batch + i + 1) * size)]
      })
      const call = () => steps(feed.batches(order, ranges))
      const results = calls ? calls.timed(made, call) : call()
      for (const [i, result] of results.entries()) {
        const loss = total.add(result, feed.weight(order, ranges[i]!))
        if (!Number.isFinite(loss)) this.#notFinite(loss, number, batch + i, prepared, (i) => (order ? order[i]! : i))
      }
      batch += made
      if (this.#checkpoints) {
        this.#moved(done, { batch, seconds: (performance.now() - start) / 1000, total: () => total.saveState() })
        await this.#checkpoints.afterSteps(before + batch)
      }
    }
    const scores = total.scores(true)
    const learningRate = optimizer?.learningRate
    this.#showAverage(prepared)
    const validated = validation && (await this.#validate(evaluator!, validation))
    if (validation && !validated) return undefined
    const seconds = (performance.now() - start) / 1000
    return { epoch: number, train: scores, validation: validated, learningRate, seconds }
  }

  /** Outside training steps the network has the averages, if there are some. */
  #showAverage(prepared: Prepared | undefined): void {
    const average = prepared?.average
    if (average && !average.active && average.updates > 0 && this.#stopped !== 'failed') average.swap()
  }

  async #validate(evaluator: Evaluator, validation: Dataset): Promise<Scores | undefined> {
    const { signal } = this.#options
    try {
      return await evaluator.run(validation, { signal })
    } catch (error) {
      if (signal?.aborted) return undefined
      throw error
    }
  }

  get #ended(): boolean {
    return this.#control.left || this.#options.signal?.aborted === true
  }

  #prepare(): Prepared {
    const { loss, optimizer: given, step: own, batchSize = 32 } = this.#options
    const net = this.#net
    const { train, validation } = this.#data()
    const count = sampleCount(train)
    const size = batchSizeOf('fit', batchSize, count)
    const batches = Math.ceil(count / size)
    initialize(net, { seed: this.#seed })
    const output = outputShape('fit', net, train.input, size, 'train')
    if (validation) outputShape('fit', net, validation.input, 1, 'validation')
    if ((loss as unknown) === crossEntropy) {
      const classes = output[output.length - 1]!
      for (const [name, { target }] of Object.entries(validation ? { train, validation } : { train }))
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
    const common = { train, validation, optimizer, size, batches, stopping: this.#stopping, average, group, random }
    if (own) {
      const step = ownStep(own, train)
      const steps: Steps = (list) => list.map(step)
      return { ...common, feed: new Feed(train, false), memory: undefined, steps, calls: undefined }
    }
    const feed = new Feed(train)
    const program = trainingProgram(net, train, feed, loss!, optimizer!, this.#metrics, random, average)
    // Both programs are made before the first step: the last, smaller batch must not be a surprise.
    const rest = count - (batches - 1) * size
    const [whole] = [...new Set([size, rest])].map((one) => program.explain(feed.batches(undefined, [[0, one]])[0]!))
    return { ...common, feed, memory: memoryText(whole!), steps: (list) => program.each(list), calls: new CallSize() }
  }

  #data(): { train: Dataset; validation: Dataset | undefined } {
    const { validation, validationSplit } = this.#options
    const train = datasetOf(this.#options.train, 'train')
    if (validationSplit === undefined) return { train, validation: validation && datasetOf(validation, 'validation') }
    const labels = train.target.shape.length === 1 && valueType(train.target, 'target') === 'int32'
    const shares = { train: 1 - validationSplit, validation: validationSplit, test: 0 }
    const count = sampleCount(train)
    const stratify = labels ? train.target.data : undefined
    const parts = splitIndices({ count, shares, seed: this.#seed, stratify })
    if (parts.train.length === 0 || parts.validation.length === 0)
      throw new ValueError(
        'fit',
        `${sampleCount(train)} samples are too few for a validationSplit of ${validationSplit}`,
      )
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

  #notFinite(loss: number, epoch: number, batch: number, prepared: Prepared, rowOf: (i: number) => number): never {
    const { train, size, batches, optimizer } = prepared
    const [from, to] = [batch * size, Math.min(sampleCount(train), (batch + 1) * size)]
    const rows = Array.from({ length: to - from }, (_, i) => rowOf(from + i))
    const bad = unknownLabel(this.#net, train, from, to, rowOf) ?? unknownNumber(this.#net, train, rows)
    const rate = optimizer ? ` (it is ${optimizer.learningRate})` : ''
    throw new ValueError('fit', `the loss is ${loss} in epoch ${epoch}, batch ${batch + 1} of ${batches}`, {
      hint:
        bad ??
        `Lower the learning rate${rate}, standardise the inputs, or clip gradients: optim.chain(optim.clipByGlobalNorm(1), optim.adam(...)).`,
    })
  }
}

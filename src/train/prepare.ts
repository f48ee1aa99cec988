/**
 * @file What `fit` does before its first step: data are read, parameters drawn, the program is made and compiled, and everything is
 * checked that can be. In: network, options, seed. Out: what the epochs need.
 */
import { ValueError } from '../base/errors.js'
import { CallSize } from '../base/pace.js'
import { checkLabels, type Dataset, sampleCount, subset } from '../data/column.js'
import { LazyDataset } from '../data/lazy-dataset.js'
import { datasetOf, valueType } from '../data/source.js'
import { splitIndices } from '../data/split.js'
import { type Explanation, memoryText } from '../explain.js'
import { crossEntropy } from '../loss/cross-entropy.js'
import type { Metric } from '../metrics/metric.js'
import { initialize } from '../nn/module.js'
import { exponentialMovingAverage, ParameterAverage } from '../optim/average.js'
import { accumulate, Optimizer, type OptimizerSpec } from '../optim/optimizer.js'
import { RandomGenerator, sharedGenerator } from '../trace/random.js'
import type { Tensor } from '../trace/tensor.js'
import type { EarlyStopping } from './early-stopping.js'
import { type Judged, judgedOf } from './evaluate.js'
import type { RunObserver } from './events.js'
import { FitDiagnosis } from './fit-diagnosis.js'
import type { FitOptions } from './options.js'
import type { ReduceOnPlateau } from './plateau.js'
import { type BatchResult, outputShape, ownStep, watchedProgram } from './program.js'
import { HeldFeed, StreamFeed, type TrainingFeed } from './training-feed.js'
import type { Net } from './types.js'

/** Makes steps on batches. */
type Steps = (batches: readonly (readonly Tensor[])[]) => BatchResult[]

/** What is made of the options once the run starts. */
export interface Prepared {
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

export interface ToPrepare {
  readonly net: Net
  readonly options: FitOptions
  readonly seed: number
  readonly metrics: ReadonlyMap<string, Metric>
  readonly stopping: EarlyStopping | undefined
  /** Who is told what diagnosis sees. */
  readonly observers: readonly RunObserver[]
}

/** Reads the data, draws the parameters, makes and compiles the program. */
export async function prepare(given: ToPrepare): Promise<Prepared> {
  const { net, options, seed, metrics, stopping, observers } = given
  const { loss, optimizer: chosen, step: own } = options
  const { feed, validation } = await readData(options, seed)
  const { size, count } = feed
  initialize(net, { seed })
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
  const { accumulateGradients: calls, average: averaged } = options
  const spec = chosen && calls !== undefined && calls > 1 ? accumulate(calls, chosen as OptimizerSpec) : chosen
  const optimizer = spec instanceof Optimizer ? spec : spec?.init(net)
  const average = averaged instanceof ParameterAverage ? averaged : averaged && exponentialMovingAverage(net, averaged)
  const group = own ? 1 : optimizer!.accumulate
  const random = own ? sharedGenerator() : new RandomGenerator(seed)
  const diagnosis = own ? undefined : new FitDiagnosis(net, options, observers, !feed.keepsArguments)
  const common = { feed, validation, optimizer, stopping, average, group, random, diagnosis }
  if (own) {
    const step = ownStep(own, train)
    return { ...common, memory: undefined, steps: (list) => list.map(step), explain: undefined, calls: undefined }
  }
  const { watching } = diagnosis!
  const watched = watchedProgram(net, train, feed, loss!, optimizer!, metrics, random, average, watching)
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

async function readData(
  options: FitOptions,
  seed: number,
): Promise<{ feed: TrainingFeed; validation: Judged | undefined }> {
  const { train, validation, validationSplit, batchSize = 32, shuffle, step } = options
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
  const parts = validationSplit === undefined ? undefined : divided(whole, validationSplit, seed)
  const order = { shuffle: shuffle ?? true, seed }
  const feed = new HeldFeed(parts?.train ?? whole, batchSize, order, step ? false : undefined)
  return { feed, validation: parts ? await judgedOf(parts.validation, 'validation') : await judged() }
}

function divided(train: Dataset, share: number, seed: number): { train: Dataset; validation: Dataset } {
  const labels = train.target.shape.length === 1 && valueType(train.target, 'target') === 'int32'
  const shares = { train: 1 - share, validation: share, test: 0 }
  const count = sampleCount(train)
  const stratify = labels ? train.target.data : undefined
  const parts = splitIndices({ count, shares, seed, stratify })
  if (parts.train.length === 0 || parts.validation.length === 0)
    throw new ValueError('fit', `${sampleCount(train)} samples are too few for a validationSplit of ${share}`)
  return { train: subset(train, parts.train), validation: subset(train, parts.validation) }
}

/** What looks at a score must find it, and know whether more of it is better. */
export function checkWatched(
  option: 'earlyStopping' | 'reduceOnPlateau',
  watcher: EarlyStopping | ReduceOnPlateau,
  options: FitOptions,
  metrics: ReadonlyMap<string, Metric>,
): void {
  const who = option === 'earlyStopping' ? 'early stopping' : option
  const { validation, validationSplit, loss, step } = options
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
  const metric = name === undefined ? undefined : metrics.get(name)
  const better = name === 'loss' ? 'lower' : metric?.better
  if (better) watcher.assume(better === 'higher' ? 'max' : 'min')
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

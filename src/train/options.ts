/**
 * @file What `fit` may be told, and the checks that need nothing else. In: options. Out: an error, or nothing.
 */
import { describeValue } from '../base/describe.js'
import { ValueError } from '../base/errors.js'
import { checkNames, isPlainOptions } from '../base/options.js'
import type { TrainingData } from '../data/lazy-dataset.js'
import { type MovingAverageOptions, movingAverageRule, ParameterAverage } from '../optim/average.js'
import { Optimizer, type OptimizerSpec } from '../optim/optimizer.js'
import type { Tensor } from '../trace/tensor.js'
import type { EarlyStopping, EarlyStoppingOptions } from './early-stopping.js'

import { checkCheckpointOptions, type FitCheckpointOptions } from './fit-checkpoint-options.js'
import { checkDiagnosisOptions, type FitObserveOptions } from './fit-diagnosis.js'

import type { ReduceOnPlateau, ReduceOnPlateauOptions } from './plateau.js'
import type { Progress } from './progress.js'
import type { MemberLog, RunLog } from './run-log.js'
import type { Loss, Metrics } from './types.js'

/** What `fit` learns from, how, and for how long. */
export interface FitOptions<
  M extends Metrics = Metrics,
  V extends TrainingData | undefined = TrainingData | undefined,
  S extends number | undefined = number | undefined,
> {
  /** Must not change during a run: up to 256 MiB are copied when it starts, larger data are read before each call. A lazy data set is read as it is needed. */
  readonly train: TrainingData
  /** Looked at after each epoch, never learned from. */
  readonly validation?: V
  /** The share of the training data to set aside as validation data, chosen by the seed, equal for all classes. */
  readonly validationSplit?: S
  /** The mean error of a batch. Needed, unless `step` is given. */
  readonly loss?: Loss
  /** Needed, unless `step` is given. One that was initialised with some of the parameters trains only those. */
  readonly optimizer?: OptimizerSpec | Optimizer
  /** What is measured beside the loss, on training and validation data, by name. */
  readonly metrics?: M
  /** How often to go through the training data: 10 by default, at most 100 with early stopping. */
  readonly epochs?: number
  /** 32 by default; 1 is stochastic gradient descent, 'full' one step an epoch. */
  readonly batchSize?: number | 'full'
  /** Draws parameters that have no values yet, the order of the samples and dropout: the same seed, the same bits. */
  readonly seed?: number
  /** A new order each epoch; true by default. Of lazy data only where samples can be had by number: a stream comes as it is, or as its own `shuffle` says. */
  readonly shuffle?: boolean
  /** When to stop, and whether to go back to the best epoch; not at all unless given. */
  readonly earlyStopping?: EarlyStoppingOptions | EarlyStopping
  /** Lowers the learning rate when a score no longer improves; see `reduceOnPlateau`. */
  readonly reduceOnPlateau?: ReduceOnPlateauOptions | ReduceOnPlateau
  /**
   * Makes one update of the mean gradient of so many batches, and of what is left at the end of an epoch; 1 by default. Where
   * batches are as large as memory allows, this makes them larger.
   */
  readonly accumulateGradients?: number
  /**
   * Averages the parameters over the updates: `{ decay: 0.999 }`, or an object of `optim.exponentialMovingAverage(net)`. After
   * each epoch and in the end the network has the averages: they are validated, looked at by early stopping, and saved.
   */
  readonly average?: MovingAverageOptions | ParameterAverage
  /** Aborting ends the run between two calls, each a few milliseconds of steps; awaiting it gives the history so far. */
  readonly signal?: AbortSignal
  /** true: a line in the terminal, or one line an epoch where there is none; or an object that is told. */
  readonly progress?: boolean | Progress
  /**
   * Saves everything that the run consists of, after each epoch into this folder; or as the options say. A process that dies at any
   * moment leaves whole checkpoints behind. What a loop over the run does with an epoch is in the checkpoint of that epoch.
   */
  readonly checkpoint?: string | FitCheckpointOptions
  /**
   * Goes on from the newest whole checkpoint, with the bits of a run that was never stopped; starts where there is none yet. The
   * history has all epochs; a loop over the run sees the new ones.
   */
  readonly resume?: boolean
  /**
   * Writes run.json and events.jsonl into this folder: what was configured, where it ran, the loss of some steps, the scores of each epoch. A
   * folder that has a run is refused, unless `resume` is true. Or a log of `runLog`, which stays open.
   */
  readonly log?: string | RunLog | MemberLog
  /**
   * What becomes of a step whose loss or gradients turn NaN or infinite. 'stop' (the default): the run fails with a NonFiniteError, which
   * names the first operation, its layer and its inputs, and the network is as it was before that step. 'skip': the step leaves every
   * parameter, moment and statistic as it was, and the run goes on; `epoch.skipped` counts.
   */
  readonly onNonFinite?: 'stop' | 'skip'
  /**
   * Looks at every so many steps: gradients, updates, activations, by layer; warns of what looks wrong. true is every 100 steps, a
   * number every so many; see `FitObserveOptions`. The bits are those of a run that is not observed.
   */
  readonly observe?: boolean | number | FitObserveOptions
  /** A compiled step of one's own, called with each batch instead of one made of loss and optimizer. Returns its error. */
  readonly step?: (input: Tensor, target: Tensor) => Tensor
}

export const fitOptionNames: readonly (keyof FitOptions)[] = [
  'train',
  'validation',
  'validationSplit',
  'loss',
  'optimizer',
  'metrics',
  'epochs',
  'batchSize',
  'seed',
  'shuffle',
  'earlyStopping',
  'reduceOnPlateau',
  'accumulateGradients',
  'average',
  'signal',
  'progress',
  'checkpoint',
  'resume',
  'log',
  'onNonFinite',
  'observe',
  'step',
]

/** Throws for options that are unknown, missing or out of range. */
export function checkOptions(options: FitOptions): void {
  const fail = (fault: string, hint: string): never => {
    throw new ValueError('fit', fault, { hint })
  }
  checkNames('fit', options, fitOptionNames)
  const { train, validation, validationSplit, loss, optimizer, epochs, batchSize, step } = options
  if (train === undefined) fail('there are no training data', 'Give train: { input, target } or [inputs, targets].')
  if (validation !== undefined && validationSplit !== undefined)
    fail('both validation and validationSplit are given', 'Give one of them.')
  if (validationSplit !== undefined && !(validationSplit > 0 && validationSplit < 1))
    fail(
      `validationSplit is ${validationSplit}`,
      'It is a share of the training data, above 0 and below 1, such as 0.2.',
    )
  if (epochs !== undefined && (!Number.isInteger(epochs) || epochs < 1))
    fail(`epochs must be a whole number above 0, not ${epochs}`, 'How often to go through the data.')
  if (batchSize !== undefined && batchSize !== 'full' && (!Number.isInteger(batchSize) || batchSize < 1))
    fail(`the batch size must be a whole number above 0, or 'full', not ${String(batchSize)}`, '32 is usual.')
  const { signal, progress, shuffle } = options
  if (signal !== undefined && !(signal instanceof AbortSignal))
    fail(`the signal is ${describeValue(signal)}`, 'Give that of an AbortController: controller.signal.')
  if (progress !== undefined && typeof progress !== 'boolean' && !isPlainOptions(progress))
    fail(`progress is ${describeValue(progress)}`, 'It is true, false, or an object such as progressLine() gives.')
  if (shuffle !== undefined && typeof shuffle !== 'boolean')
    fail(`shuffle is ${describeValue(shuffle)}`, 'It is true or false.')
  const { accumulateGradients, average, reduceOnPlateau, log } = options
  if (log !== undefined && (typeof log === 'string' ? log === '' : typeof log?.event !== 'function'))
    fail(`log is ${describeValue(log)}`, "Give a folder, such as 'runs/a', or a log: await runLog('runs/a').")
  if (accumulateGradients !== undefined && (!Number.isInteger(accumulateGradients) || accumulateGradients < 1))
    fail(
      `accumulateGradients must be a whole number above 0, not ${accumulateGradients}`,
      'Of how many batches to average.',
    )
  if (accumulateGradients !== undefined && (step || optimizer instanceof Optimizer))
    fail(
      'accumulateGradients is given, but the optimizer exists already',
      'Make it so: optim.accumulate(4, optim.adam({ ... })).init(net).',
    )
  if (average !== undefined && !(average instanceof ParameterAverage)) {
    movingAverageRule(average)
    if (step) fail('the average is given by its options, but only the step can update it', averageHint)
  }
  if (reduceOnPlateau && step && !(optimizer instanceof Optimizer))
    fail('reduceOnPlateau has no optimizer', 'Give the optimizer of the step: fit(net, { step, optimizer, ... }).')
  if (step === undefined) {
    if (typeof loss !== 'function') fail('there is no loss', 'Give one, such as loss: loss.crossEntropy.')
    if (!(optimizer instanceof Optimizer) && typeof optimizer?.init !== 'function')
      fail('there is no optimizer', 'Give one, such as optimizer: optim.adam({ learningRate: 1e-3 }).')
  } else if (typeof step !== 'function')
    fail('step is no function', 'Give a compiled one: compile((input, target) => error).')
  checkCheckpointOptions(options)
  checkDiagnosisOptions(options)
}

const averageHint =
  'Make it by optim.exponentialMovingAverage(net), call average.update(optimizer.update(gradients)) in the step, and give it here.'

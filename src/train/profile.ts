/**
 * @file Profiles: where the time of a training step or of a prediction goes, kernel by kernel, beside what the machine can do
 * at most. In: what `fit` takes, or a model. Out: figures (plain data that JSON holds), and a picture of them.
 *
 * const profile = profileTraining(net, { train, loss: loss.crossEntropy, optimizer: optim.adam(), batchSize: 128 })
 * console.log(String(profile.explanation)); await writeFile('profile.svg', profileChart(profile, 'A step'))
 */
import { ValueError } from '../base/errors.js'
import { batchSizeOf } from '../data/batches.js'
import { sampleCount } from '../data/column.js'
import { type DataSource, datasetOf } from '../data/source.js'
import type { Explanation } from '../explain.js'
import { type ProfileBar, profileBars } from '../io/profile-chart.js'
import { initialize } from '../nn/module.js'
import { Optimizer, type OptimizerSpec } from '../optim/optimizer.js'
import { RandomGenerator } from '../trace/random.js'
import { evaluateTensor } from '../trace/value.js'
import { Feed } from './feed.js'
import type { Model } from './model.js'
import { predictionBatches } from './predict.js'
import { metricsOf, outputShape, trainingProgram } from './program.js'
import type { Loss, Metrics, Net } from './types.js'

export interface Profile {
  readonly batchSize: number
  /** Median time of a whole call from JavaScript: arguments copied in, all kernels, results copied out. */
  readonly callSeconds: number
  readonly explanation: Explanation
}

export interface ProfileTrainingOptions {
  readonly train: DataSource
  readonly loss: Loss
  readonly optimizer: Optimizer | OptimizerSpec
  readonly metrics?: Metrics
  /** 32 by default, as in `fit`. */
  readonly batchSize?: number | 'full'
  readonly seed?: number
}

/**
 * The training step that `fit` compiles, on the first batch of the data. The step is run some dozens of times, which trains the
 * network: give one that may change. Throws as `fit` does for data that do not suit the network.
 */
export function profileTraining(net: Net, options: ProfileTrainingOptions): Profile {
  const { loss, optimizer: given, metrics, batchSize = 32, seed = 1 } = options
  const train = datasetOf(options.train, 'train')
  const size = batchSizeOf('profileTraining', batchSize, sampleCount(train))
  initialize(net, { seed })
  outputShape('profileTraining', net, train.input, size, 'train')
  const optimizer = given instanceof Optimizer ? given : given.init(net)
  const names = metricsOf('profileTraining', metrics)
  const feed = new Feed(train)
  const program = trainingProgram(net, train, feed, loss, optimizer, names, new RandomGenerator(seed))
  const tensors = feed.batches(undefined, [[0, size]])[0]!
  const callSeconds = medianOfCalls(() => void evaluateTensor(program(...tensors).loss!))
  const explanation = program.explain(tensors, { time: true })
  feed.release()
  return { batchSize: size, callSeconds, explanation }
}

/** The program that predicts so many rows at once: 512 (the default), 64, 8 or 1, which are the batches of `predict`. */
export function profilePrediction(model: Model, options: { readonly batchSize?: number } = {}): Profile {
  const { batchSize = predictionBatches[0] } = options
  if (!(predictionBatches as readonly number[]).includes(batchSize))
    throw new ValueError('profilePrediction', `predictions are not made ${batchSize} rows at a time`, {
      hint: `Batches have ${predictionBatches.join(', ')} rows; take one of these as the batch size.`,
    })
  const { call } = model.explain(batchSize)
  const callSeconds = medianOfCalls(call)
  return { batchSize, callSeconds, explanation: model.explain(batchSize, { time: true }).explanation }
}

/** Bars by time, the longest first: full where the machine's peak would have been, pale where it was not reached. SVG text. */
export function profileChart(profile: Profile, title: string): string {
  const { kernels, engine, seconds = 0, peak } = profile.explanation
  const bars = kernels.map(
    ({ name, seconds = 0, share = 0, peakShare = 0, bound = 'memory', ...rest }, i): ProfileBar => {
      const { flopsPerSecond = 0, bytesPerSecond = 0 } = rest
      // Numbered as in the table: many kernels have the same name.
      return { name: `${i + 1} ${name}`, seconds, share, peakShare, bound, flopsPerSecond, bytesPerSecond }
    },
  )
  return profileBars({ title, engine, seconds, flopsPerSecond: peak?.flopsPerSecond ?? 0, bars })
}

/** At least ten calls and 50 milliseconds, after one that compiles and one that warms the caches. */
function medianOfCalls(call: () => void): number {
  call()
  call()
  const times: number[] = []
  const start = performance.now()
  while (times.length < 10 || (performance.now() - start < 50 && times.length < 5000)) {
    const before = performance.now()
    call()
    times.push(performance.now() - before)
  }
  times.sort((a, b) => a - b)
  return times[times.length >> 1]! / 1000
}

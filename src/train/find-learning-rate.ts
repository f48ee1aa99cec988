/**
 * @file The learning-rate range test: one short run whose rate grows from tiny to absurd, and the losses it meets.
 * In: a network, data, a loss, an optimizer. Out: a rate to begin with, and the picture from which to judge it; the network is
 * as it was.
 *
 * const found = await findLearningRate(net, train, { loss: loss.crossEntropy, optimizer: optim.adam() })
 * console.log(found.suggestion); await writeFile('learning-rate.svg', found.chart())
 */
import { ValueError } from '../base/errors.js'
import { checkNames, expectOptions } from '../base/options.js'
import { breath } from '../base/pace.js'
import { batchSizeOf, permutation } from '../data/batches.js'
import { sampleCount } from '../data/column.js'
import { type DataSource, datasetOf } from '../data/source.js'
import { lineChart } from '../io/chart.js'
import { initialize, state } from '../nn/module.js'
import type { OptimizerSpec } from '../optim/optimizer.js'
import { adam } from '../optim/optimizers.js'
import { RandomGenerator } from '../trace/random.js'
import { checkSeed, defaultSeed } from '../trace/seed.js'
import { evaluateTensor } from '../trace/value.js'
import { Feed } from './feed.js'
import { outputShape, trainingProgram } from './program.js'
import type { Loss, Net } from './types.js'

/** Of `findLearningRate`. */
export interface FindLearningRateOptions {
  /** That of the training to come. */
  readonly loss: Loss
  /** optim.adam() unless said otherwise. Its rates are replaced; those of its groups keep their proportions. */
  readonly optimizer?: OptimizerSpec
  /** The rates of the first and last step, 1e-7 and 10; between them the rate grows by the same factor each step. */
  readonly from?: number
  /** See `from`. */
  readonly to?: number
  /** How many steps at most; 100 by default. */
  readonly steps?: number
  /** As in the training to come; 32 by default. */
  readonly batchSize?: number | 'full'
  /** How much of the smoothed loss stays at each step; 0.9 by default. */
  readonly smoothing?: number
  /** Stops where the smoothed loss is more than so many times its lowest; 4 by default. */
  readonly divergence?: number
  /** Draws parameters that have no values yet, which they keep, and the order of the samples. */
  readonly seed?: number
  readonly signal?: AbortSignal
}
const names: readonly (keyof FindLearningRateOptions)[] = [
  'loss',
  'optimizer',
  'from',
  'to',
  'steps',
  'batchSize',
  'smoothing',
  'divergence',
  'seed',
  'signal',
]

/** One step of the test. */
export interface RatePoint {
  /** The rate of the step. */
  readonly learningRate: number
  /** Of its batch, before the update. */
  readonly loss: number
  /** Exponentially weighted mean of the losses so far, corrected for its beginning. */
  readonly smoothed: number
}

/** What `findLearningRate` found: a rate to begin with, and the curve to judge it by. */
export interface FoundLearningRate {
  /**
   * A rate to begin with: where the smoothed loss has come a tenth of the way from its highest to its lowest, and at most a tenth
   * of the rate at its lowest. (Where it falls most steeply, another rule, depends on how many steps were made.) undefined where
   * the loss never falls.
   */
  readonly suggestion: number | undefined
  /** The rate at which the smoothed loss was lowest: too high to train with. */
  readonly lowest: number
  /** Whether the loss ran away, so that the test ended before `to`. */
  readonly diverged: boolean
  /** The curve, a point a step. */
  readonly points: readonly RatePoint[]
  /** Loss over rate with the suggestion marked, as SVG. */
  chart(options?: { readonly title?: string; readonly width?: number; readonly height?: number }): string
}

/**
 * Trains for some steps while the learning rate grows exponentially, ηᵢ = from·(to / from)^(i / (steps − 1)), and watches the
 * loss: where it begins to fall is a good rate, where it runs away is too much. Ends there. All variables of the network have
 * afterwards, also after an error, the bits they had before.
 * Smith 2015, arXiv:1506.01186
 */
export async function findLearningRate(
  net: Net,
  data: DataSource,
  options: FindLearningRateOptions,
): Promise<FoundLearningRate> {
  expectOptions('findLearningRate', options, 'findLearningRate(net, train, { loss: loss.crossEntropy })')
  const { loss, optimizer: spec = adam(), from = 1e-7, to = 10, steps = 100, batchSize = 32 } = options
  const { smoothing = 0.9, divergence = 4, signal } = options
  check(options)
  const seed = checkSeed('findLearningRate', options.seed ?? defaultSeed())
  const dataset = datasetOf(data, 'data')
  const count = sampleCount(dataset)
  const size = Math.min(batchSizeOf('findLearningRate', batchSize, count), count)
  const whole = Math.floor(count / size)
  initialize(net, { seed })
  outputShape('findLearningRate', net, dataset.input, size, 'data')
  const before = [...state(net).values()].map((variable) => ({ variable, data: variable.storage.read() }))
  const feed = new Feed(dataset)
  const points: RatePoint[] = []
  let [mean, weight, lowest, diverged] = [0, 0, Number.POSITIVE_INFINITY, false]
  try {
    const optimizer = spec.init(net)
    const base = optimizer.learningRate
    const shares = optimizer.groups.map(({ learningRate }) => (base > 0 ? learningRate / base : 1))
    const program = trainingProgram(net, dataset, feed, loss, optimizer, new Map(), new RandomGenerator(seed))
    let order = permutation(count, seed, 1)
    for (let i = 0; i < steps; i++) {
      signal?.throwIfAborted()
      if (breath.due) await breath.take()
      const at = i % whole
      if (i > 0 && at === 0) order = permutation(count, seed, 1 + i / whole)
      const learningRate = from * (to / from) ** (i / (steps - 1))
      optimizer.groups.forEach((group, g) => {
        group.learningRate = learningRate * shares[g]!
      })
      const result = program(...feed.batches(order, [[at * size, (at + 1) * size]])[0]!)
      const now = evaluateTensor(result.loss!)[0]!
      mean = smoothing * mean + (1 - smoothing) * now
      weight = smoothing * weight + (1 - smoothing)
      const smoothed = mean / weight
      diverged = !Number.isFinite(now) || smoothed > divergence * lowest
      if (Number.isFinite(now)) points.push({ learningRate, loss: now, smoothed })
      if (diverged) break
      // Below 0 a multiple says nothing.
      lowest = Math.min(lowest, smoothed > 0 ? smoothed : Number.POSITIVE_INFINITY)
    }
  } finally {
    for (const { variable, data: values } of before) variable.storage.write(values)
    feed.release()
  }
  if (points.length === 0)
    throw new ValueError('findLearningRate', 'the loss of the first batch is not finite', {
      hint: 'Look for missing values in the data, and standardise the inputs.',
    })
  const found = { ...suggest(points), diverged, points }
  return { ...found, chart: (look) => chartOf(found, look) }
}

function check(options: FindLearningRateOptions): void {
  const fail = (fault: string, hint?: string): never => {
    throw new ValueError('findLearningRate', fault, { hint })
  }
  checkNames('findLearningRate', options, names)
  const { loss, optimizer, from = 1e-7, to = 10, steps = 100, smoothing = 0.9, divergence = 4 } = options
  if (typeof loss !== 'function') fail('there is no loss', 'Give one, such as loss: loss.crossEntropy.')
  if (optimizer !== undefined && typeof optimizer?.transform?.init !== 'function')
    fail('the optimizer is none, or was initialised', 'Give optim.adam(), not optim.adam().init(net).')
  if (!(from > 0 && from < to && Number.isFinite(to)))
    fail(`the rates must be 0 < from < to, not ${from} and ${to}`, 'from: 1e-7, to: 10 are usual.')
  if (!Number.isInteger(steps) || steps < 3) fail(`steps must be a whole number of 3 or more, not ${steps}`)
  if (!(smoothing >= 0 && smoothing < 1)) fail(`smoothing must be from 0 to below 1, not ${smoothing}`)
  if (!(divergence > 1)) fail(`divergence must be a number above 1, not ${divergence}`)
}

/** The first smoothed losses are means of few batches: by chance high or low. */
const unsettled = 5
/** The share of the whole fall at which learning has clearly begun, and is not yet about to end. */
const begun = 0.1

function suggest(points: readonly RatePoint[]): { suggestion: number | undefined; lowest: number } {
  const losses = points.map(({ smoothed }) => smoothed)
  const from = Math.min(unsettled, losses.length - 1)
  const settled = losses.slice(from)
  const bottom = from + settled.indexOf(Math.min(...settled))
  const high = Math.max(...losses.slice(from, bottom + 1))
  const mark = high - begun * (high - losses[bottom]!)
  const lowest = points[bottom]!.learningRate
  if (bottom === from) return { lowest, suggestion: undefined }
  let at = bottom
  while (at > from && losses[at - 1]! <= mark) at--
  return { lowest, suggestion: Math.min(points[at]!.learningRate, lowest / 10) }
}

function chartOf(
  { points, suggestion, lowest }: Omit<FoundLearningRate, 'chart'>,
  look: { readonly title?: string; readonly width?: number; readonly height?: number } = {},
): string {
  const top = 1.6 * Math.max(...points.slice(0, Math.ceil(points.length / 2)).map(({ loss }) => Math.abs(loss)))
  return lineChart({
    title: 'Loss over learning rate',
    ...look,
    xLabel: 'learning rate',
    yLabel: 'loss',
    logX: true,
    series: [
      // Beyond that only the runaway itself would be seen.
      { name: 'of each batch', points: points.map(({ learningRate, loss }) => [learningRate, Math.min(loss, top)]) },
      { name: 'smoothed', points: points.map(({ learningRate, smoothed }) => [learningRate, Math.min(smoothed, top)]) },
    ],
    marks: [
      ...(suggestion === undefined ? [] : [{ x: suggestion, label: `suggestion ${suggestion.toPrecision(2)}` }]),
      { x: lowest, label: 'lowest' },
    ],
  })
}

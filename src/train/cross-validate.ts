/**
 * @file crossValidate: how well a network learns, as k networks on k divisions of the data say. In: how to make a network, data, what `fit`
 * takes. Out: the scores of each fold, their mean and their deviation.
 *
 * const { mean, deviation } = await crossValidate(() => nn.linear(4, 3), iris, { folds: 5, loss: loss.crossEntropy, optimizer: optim.adam(), seed: 1 })
 */
import { describeValue } from '../base/describe.js'
import { ArgumentError, ValueError } from '../base/errors.js'
import { type KFoldOptions, kFold, kFoldNames } from '../data/folds.js'
import type { TrainingData } from '../data/lazy-dataset.js'
import { Optimizer } from '../optim/optimizer.js'
import { defaultSeed } from '../trace/seed.js'
import { evaluate } from './evaluate.js'
import { type FitOptions, fit } from './fit.js'
import type { Epoch, History, Metrics, Net, NoMetrics, Scores } from './types.js'

/** What `kFold` and `fit` take, but for what the folds give. */
export type CrossValidateOptions<M extends Metrics = Metrics> = KFoldOptions &
  Omit<
    FitOptions<M, undefined, undefined>,
    'train' | 'validation' | 'validationSplit' | 'checkpoint' | 'resume' | 'step' | 'average' | 'log'
  > & {
    /** Told of each fold when it is done. */
    readonly onFold?: (fold: CrossValidatedFold<M>) => void
  }

/** What came of one fold. */
export interface CrossValidatedFold<M extends Metrics = Metrics> {
  /** Counts from 1. */
  readonly fold: number
  /** On the samples that the network did not learn from, when the run had ended. */
  readonly scores: Scores<M>
  readonly history: History<Epoch<M, Scores<M>>>
  /** The trained network. */
  readonly net: Net
}

/** Numbers by the names of the scores. */
export interface ScoreNumbers {
  readonly loss: number
  readonly [name: string]: number
}

/** What came of all folds. */
export interface CrossValidation<M extends Metrics = Metrics> {
  readonly folds: readonly CrossValidatedFold<M>[]
  /** Over the folds, of every score that is a number. */
  readonly mean: ScoreNumbers
  /** √(Σ (sᵢ − s̄)² / (k − 1)): how much a fold differs from another; the mean is surer by about √k. */
  readonly deviation: ScoreNumbers
}

/**
 * Trains a network on each fold and scores it on the rest. `build` is called for each fold and must make a new network. One seed draws
 * the folds, another of it each network. With `earlyStopping` the fold that judges also says when to stop, which flatters the scores a
 * little. Throws as `kFold` and `fit` do.
 */
export async function crossValidate<M extends Metrics = NoMetrics>(
  build: (fold: number) => Net,
  data: TrainingData,
  options: CrossValidateOptions<M>,
): Promise<CrossValidation<M>> {
  if (typeof build !== 'function' || 'children' in build)
    throw new ArgumentError(
      'crossValidate',
      `is given ${typeof build === 'function' ? 'a network' : describeValue(build)}, not a function that makes one`,
      {
        hint: 'Write crossValidate(() => nn.linear(4, 3), data, { ... }).',
      },
    )
  const { onFold, ...rest } = options
  if (onFold !== undefined && typeof onFold !== 'function')
    throw new ArgumentError('crossValidate', `onFold is ${describeValue(onFold)}, not a function`)
  const division = Object.fromEntries(kFoldNames.flatMap((name) => (name in rest ? [[name, rest[name]]] : [])))
  const training = Object.fromEntries(
    Object.entries(rest).filter(([name]) => name === 'seed' || !(kFoldNames as readonly string[]).includes(name)),
  ) as unknown as FitOptions<M>
  for (const name of ['train', 'validation', 'validationSplit', 'checkpoint', 'resume', 'step', 'average'] as const)
    if (training[name] !== undefined)
      throw new ValueError(
        'crossValidate',
        `${name} is given, which ${name.startsWith('v') || name === 'train' ? 'the folds give' : 'it does not take'}`,
      )
  if (training.optimizer instanceof Optimizer)
    throw new ValueError('crossValidate', 'the optimizer belongs to a network already', {
      hint: 'Give optimizer: optim.adam(), without init.',
    })
  const seed = options.seed ?? defaultSeed()
  const folds: CrossValidatedFold<M>[] = []
  const nets = new Set<Net>()
  for (const { fold, train, validation } of await kFold(data, { ...division, seed })) {
    const net = build(fold)
    if (nets.has(net))
      throw new ValueError('crossValidate', 'build gave the same network twice', {
        hint: 'It must make a new one each time: () => nn.linear(4, 3).',
      })
    nets.add(net)
    const history = await fit(net, { ...training, train, validation, seed: seed + fold } as FitOptions<M, TrainingData>)
    const { loss, metrics } = training
    const scores = await evaluate(net, validation, { loss, metrics })
    const done = { fold, scores, history: history as CrossValidatedFold<M>['history'], net }
    folds.push(done)
    onFold?.(done)
  }
  return { folds, ...summarised(folds.map(({ scores }) => scores as { readonly [name: string]: unknown })) }
}

function summarised(scores: readonly { readonly [name: string]: unknown }[]): {
  mean: ScoreNumbers
  deviation: ScoreNumbers
} {
  const mean: { [name: string]: number } = {}
  const deviation: { [name: string]: number } = {}
  for (const [name, first] of Object.entries(scores[0]!)) {
    if (typeof first !== 'number') continue
    const values = scores.map((one) => one[name] as number)
    const average = values.reduce((sum, value) => sum + value, 0) / values.length
    mean[name] = average
    deviation[name] = Math.sqrt(values.reduce((sum, value) => sum + (value - average) ** 2, 0) / (values.length - 1))
  }
  return { mean: mean as unknown as ScoreNumbers, deviation: deviation as unknown as ScoreNumbers }
}

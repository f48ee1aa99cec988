/**
 * @file A training as a value: a network, data, and how it is to be trained, for a file that `gradus train` runs. In: what `fit`
 * takes, with the network. Out: the same, with its types checked.
 *
 * export default defineTraining({ network: nn.linear(2, 1), train, loss: loss.meanSquaredError, optimizer: optim.adam(), epochs: 5 })
 */
import { describeValue } from '../base/describe.js'
import { ValueError } from '../base/errors.js'
import { checkNames, isPlainOptions } from '../base/options.js'
import type { TrainingData } from '../data/lazy-dataset.js'
import { checkOptions, type FitOptions, fitOptionNames } from './options.js'
import type { Metrics, Net, NoMetrics } from './types.js'

/** What the command line says itself: whether and where to save, how to stop, what to print. */
type OfTheCommand = 'signal' | 'progress' | 'checkpoint' | 'resume' | 'log'

/** What is trained, on what, and how: the options of `fit`, and the network. */
export interface Training<M extends Metrics = Metrics> extends Omit<FitOptions<M>, OfTheCommand> {
  /** The network to train. */
  readonly network: Net
  /** Looked at once, after training. */
  readonly test?: TrainingData
  /** What the run's folder is called; the file's name by default. */
  readonly name?: string
}

/** A value of a parameter, as JSON has it. */
export type ParameterValue = number | string | boolean | null | readonly ParameterValue[]

/** What a training that is a function is told. */
export interface TrainingContext {
  /** Draws the parameters of the network and the order of the samples; --seed, or 1. */
  readonly seed: number
  /** What the command line's --set name=value, a configuration's `parameters` or a sweep say. */
  readonly parameters: { readonly [name: string]: ParameterValue }
}

/** A training, or a function that makes it of parameters. */
export type TrainingFile<M extends Metrics = Metrics> =
  | Training<M>
  | ((context: TrainingContext) => Training<M> | Promise<Training<M>>)

/**
 * Gives back what it is given: a training for `export default` in a file that `gradus train FILE.ts` runs, whose types the editor
 * then knows. A function is called with the seed and the parameters of the command line.
 */
export function defineTraining<M extends Metrics = NoMetrics>(training: Training<M>): Training<M>
export function defineTraining<M extends Metrics = NoMetrics>(
  training: (context: TrainingContext) => Training<M> | Promise<Training<M>>,
): (context: TrainingContext) => Training<M> | Promise<Training<M>>
export function defineTraining(training: TrainingFile): TrainingFile {
  if (typeof training !== 'function' || 'children' in training) checkTraining('defineTraining', training)
  return training
}

const ofTheCommand: readonly OfTheCommand[] = ['signal', 'progress', 'checkpoint', 'resume', 'log']

/** Throws for what is no training: a network that is none, options there are not or that are out of range. */
export function checkTraining(operation: string, training: unknown): asserts training is Training {
  if (!isPlainOptions(training))
    throw new ValueError(operation, `there is ${describeValue(training)} where a training is needed`, {
      hint: 'Give { network, train, loss, optimizer, epochs, ... }, or a function that returns it.',
    })
  for (const name of ofTheCommand)
    if (training[name] !== undefined)
      throw new ValueError(operation, `'${name}' is given, which the command line decides`, {
        hint: 'Leave it out: --output and --resume save and go on, Ctrl-C stops.',
      })
  const names = fitOptionNames.filter((name) => !ofTheCommand.includes(name as OfTheCommand))
  checkNames(operation, training, ['network', 'test', 'name', ...names])
  const { network, name } = training
  if (typeof network !== 'function')
    throw new ValueError(operation, `the network is ${describeValue(network)}`, {
      hint: 'Give network: nn.sequential(...), or another module.',
    })
  if (name !== undefined && (typeof name !== 'string' || !/^[\w.-]+$/.test(name)))
    throw new ValueError(operation, `the name is ${describeValue(name)}`, {
      hint: 'It becomes the name of a folder: letters, digits, dots, hyphens and underscores.',
    })
  const { network: _, test: _1, name: _2, ...options } = training
  checkOptions(options as unknown as FitOptions)
}

/**
 * @file How a network for a table is trained: what the user chose, and for the rest defaults by the size of the table.
 * In: some settings, the task, a number of rows. Out: all settings, checked, as JSON holds them; the loss and optimizer
 * they name.
 *
 * tableSettings({ hidden: [64] }, 'regression', 300).learningRate          // 0.002
 */
import { nearest, ValueError } from '../base/errors.js'
import type { Task } from '../data/preprocess-plan.js'
import * as losses from '../loss/index.js'
import {
  adagrad,
  adam,
  adamW,
  type LearningRate,
  momentum,
  nesterov,
  notBias,
  type OptimizerSpec,
  rmsprop,
  sgd,
} from '../optim/index.js'
import { checkSeed } from '../trace/seed.js'
import { type ActivationName, activations } from './mlp.js'
import type { Loss } from './types.js'

/** Losses by task. The target of a classification is a class, that of a regression a standardised number. */
export const tableLosses = {
  classification: { crossEntropy: losses.crossEntropy },
  regression: {
    meanSquaredError: losses.meanSquaredError,
    meanAbsoluteError: losses.meanAbsoluteError,
    huber: losses.huber,
  },
} as const

/** A loss by its name, as a plan has it. */
export type TableLossName = 'crossEntropy' | 'meanSquaredError' | 'meanAbsoluteError' | 'huber'
export const tableLossNames: readonly TableLossName[] = [
  'crossEntropy',
  'meanSquaredError',
  'meanAbsoluteError',
  'huber',
]

const optimizers = { adamW, adam, sgd, momentum, nesterov, adagrad, rmsprop } as const
export type OptimizerName = keyof typeof optimizers
export const optimizerNames = Object.keys(optimizers) as readonly OptimizerName[]

export interface TrainingSettings {
  readonly hidden: readonly number[]
  readonly activation: ActivationName
  readonly optimizer: OptimizerName
  readonly learningRate: number
  readonly batchSize: number | 'full'
  /** At most; early stopping ends sooner. */
  readonly epochs: number
  /** λ of the weights; biases are left out. Decoupled for adamW, else L2. */
  readonly weightDecay: number
  readonly dropout: number
  /** Epochs without a smaller validation loss after which to stop. */
  readonly patience: number
  readonly seed: number
}

/** How the networks of a table are built and trained. */
export interface TableSettings extends TrainingSettings {
  readonly loss: TableLossName
  /** How many networks are trained, each with other rows as validation data, and averaged. */
  readonly ensemble: number
}

/**
 * Fills in what is left out. Rows are those that may be learned from. Small tables get small
 * networks, more dropout and weight decay, and small steps. Throws for what is out of range or does not suit the task.
 */
export function tableSettings(chosen: Partial<TableSettings>, task: Task, rows: number): TableSettings {
  const given = Object.fromEntries(Object.entries(chosen).filter(([, value]) => value !== undefined))
  const settings: TableSettings = { ...defaultsFor(task, rows), ...given }
  checkSettings('tableSettings', settings)
  const { loss, ensemble } = settings
  if (!Object.hasOwn(tableLosses[task], loss))
    throw new ValueError('tableSettings', `the loss ${loss} is not for a ${task}`, {
      hint: `Choose ${Object.keys(tableLosses[task]).join(', ')}.`,
    })
  if (!Number.isInteger(ensemble) || ensemble < 1 || ensemble > 100)
    throw new ValueError('tableSettings', `ensemble must be a whole number from 1 to 100, not ${ensemble}`)
  return settings
}

function defaultsFor(task: Task, rows: number): TableSettings {
  const common = {
    activation: 'relu',
    loss: task === 'classification' ? 'crossEntropy' : 'meanSquaredError',
    optimizer: 'adamW',
    seed: 1,
    ensemble: 4,
  } as const
  if (rows < 2000)
    return {
      ...common,
      hidden: [64, 32],
      learningRate: 2e-3,
      batchSize: 32,
      epochs: 300,
      weightDecay: 0.05,
      dropout: 0.2,
      patience: 30,
    }
  return {
    ...common,
    hidden: [128, 64],
    learningRate: 2e-3,
    batchSize: rows < 10_000 ? 64 : 256,
    epochs: 100,
    weightDecay: 0.02,
    dropout: 0.1,
    patience: 10,
  }
}

/** Throws for the first setting that is out of range. */
export function checkSettings(operation: string, settings: TrainingSettings): void {
  const fail = (fault: string, hint?: string): never => {
    throw new ValueError(operation, fault, { hint })
  }
  const whole = (name: 'epochs' | 'patience') => {
    const value = settings[name]
    if (!Number.isInteger(value) || value < 1) fail(`${name} must be a whole number above 0, not ${value}`)
  }
  const { learningRate, batchSize, weightDecay, dropout, optimizer, activation, hidden } = settings
  if (!(learningRate > 0 && learningRate < Number.POSITIVE_INFINITY))
    fail(`the learning rate must be a number above 0, not ${learningRate}`)
  if (batchSize !== 'full' && !(Number.isInteger(batchSize) && batchSize > 0))
    fail(`the batch size must be a whole number above 0, or 'full', not ${String(batchSize)}`)
  if (!(weightDecay >= 0 && weightDecay < Number.POSITIVE_INFINITY))
    fail(`weightDecay must be a number of 0 or more, not ${weightDecay}`)
  if (!(dropout >= 0 && dropout < 1)) fail(`dropout must be from 0 to less than 1, not ${dropout}`)
  if (hidden.some((size) => !Number.isInteger(size) || size < 1))
    fail(`hidden sizes must be whole numbers above 0, not ${hidden.join(',')}`)
  whole('epochs')
  whole('patience')
  checkSeed(operation, settings.seed)
  unknownName('optimizer', optimizer, optimizerNames)
  unknownName('activation', activation, Object.keys(activations))

  function unknownName(what: string, name: string, names: readonly string[]): void {
    if (names.includes(name)) return
    const near = nearest(name, names)
    fail(`there is no ${what} '${name}'${near ? `; did you mean '${near}'?` : ''}`, `There are ${names.join(', ')}.`)
  }
}

/** The loss that settings name. */
export function lossOf(settings: TableSettings, task: Task): Loss {
  return (tableLosses[task] as { readonly [name: string]: unknown })[settings.loss] as Loss
}

/** The optimizer that settings name, with a learning rate that may be a schedule; its weight decay leaves out biases. */
export function optimizerOf(
  settings: TrainingSettings,
  learningRate: LearningRate = settings.learningRate,
): OptimizerSpec {
  const weightDecay = { rate: settings.weightDecay, where: notBias }
  return optimizers[settings.optimizer]({ learningRate, weightDecay })
}

/**
 * @file `gradus train digits`: a network on MNIST, from the images to a model folder, saying what it does.
 * In: options. Out: a run folder, a report; exit code.
 */

import { FileError } from '../base/errors.js'
import type { Dataset } from '../data/column.js'
import { mlp, mlpConfig } from '../train/mlp.js'
import { checkSettings, type TrainingSettings } from '../train/table-settings.js'
import { configurationOf } from './configuration.js'
import { type ImagePlan, trainImages } from './image-training.js'
import type { RunOptions } from './run.js'
import { digitsSettings } from './settings.js'

export { warmedUp as digitsOptimizer } from './image-training.js'

export type DigitsCommand = RunOptions & Partial<TrainingSettings>

/** 98.3 % in a dozen epochs: the rate rises for one epoch, then falls to zero along a cosine. */
export const digitsDefaults: TrainingSettings = {
  hidden: [256, 128],
  activation: 'relu',
  optimizer: 'adamW',
  learningRate: 2e-3,
  batchSize: 128,
  epochs: 12,
  weightDecay: 0.05,
  dropout: 0.2,
  patience: 5,
  seed: 1,
}

export async function trainDigits(command: DigitsCommand, words: string): Promise<number> {
  const { output: _, resume: __, json: ___, quiet: ____, progress: _____, ...given } = command
  const settings: TrainingSettings = {
    ...digitsDefaults,
    ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)),
  }
  checkSettings('train', settings)
  const { train, validation, test } = await loadDigits()
  const network = mlpConfig({
    inputs: [28, 28],
    outputs: 10,
    hidden: settings.hidden,
    activation: settings.activation,
    dropout: settings.dropout,
  })
  const plan: ImagePlan = {
    name: 'digits',
    title: 'Handwritten digits (MNIST)',
    about: ['MNIST: handwritten digits, 28×28 grey pixels, ten classes'],
    train,
    validation,
    test,
    classes: train.classes!,
    network,
    net: mlp(network),
    flags: '--hidden, --activation, --dropout',
    settings,
    configuration: configurationOf('digits', 'digits', {}, digitsSettings, settings),
  }
  return trainImages(plan, command, words)
}

export async function loadDigits(): Promise<{ train: Dataset; validation: Dataset; test: Dataset }> {
  // The name is not a literal, so that the library builds and runs without the package of data.
  const name: string = '@gradus/datasets'
  let module: { digits(): Promise<{ train: Dataset; validation: Dataset; test: Dataset }> }
  try {
    module = await import(name)
  } catch (cause) {
    throw new FileError('train digits', `the package ${name}, which holds the images, is not installed`, {
      cause,
      hint: 'It is part of the repository, not of the library: clone it and run npm ci. Tables need no package: gradus train FILE.csv --target COLUMN.',
    })
  }
  return module.digits()
}

/**
 * @file What a training on images may be told: rows as in settings.ts, and what is chosen where nothing is said.
 */
import { imageFits } from '../data/image-decode.js'
import type { TrainingSettings } from '../train/table-settings.js'
import { augmentValue } from './augment-setting.js'
import { networkSettings, type Setting, trainingSettings } from './settings.js'
import * as values from './values.js'

/** Settings of a training on images, as options have them. */
export interface ImageSettings extends TrainingSettings {
  readonly size?: readonly number[]
  readonly channels?: number
  readonly fit?: (typeof imageFits)[number]
  readonly background?: number
  readonly validationShare: number
  readonly testShare: number
  readonly skipDamaged?: boolean
  readonly filters?: readonly number[]
  readonly augment: readonly string[]
}

const side: values.Value = {
  schema: { type: 'array', items: { type: 'integer', minimum: 1, maximum: 8192 }, minItems: 1 },
  expected: 'a side in pixels such as 64, or height and width such as 48,64',
  expectedAsJson: 'a list: [64], or [height, width]',
  read: (text) => text.split(/[,x×]/).map(Number),
}

const inGroup = (group: string, rows: readonly Omit<Setting, 'group'>[]): readonly Setting[] =>
  rows.map((row) => ({ ...row, group }))

const reading: readonly Setting[] = inGroup('Images:', [
  {
    name: 'size',
    flags: '--size <pixels>',
    about: 'side, or height,width; by default that of the images',
    value: side,
  },
  {
    name: 'channels',
    flags: '--channels <n>',
    about: '1 grey or 3 colours; by default as the images are',
    value: { schema: { anyOf: [{ const: 1 }, { const: 3 }] }, expected: '1 or 3', read: Number },
  },
  {
    name: 'fit',
    flags: '--fit <how>',
    about: `images of other proportions: ${imageFits.join(', ')} (default crop)`,
    value: values.oneOf(...imageFits),
  },
  {
    name: 'background',
    flags: '--background <value>',
    about: 'seen through what is transparent: 0 black to 255 white (default)',
    value: values.wholeNumber(0, 255),
  },
  {
    name: 'validationShare',
    flags: '--validation-share <part>',
    about: 'of the training images, where there is no validation folder (default 0.15)',
    value: values.probability,
  },
  {
    name: 'testShare',
    flags: '--test-share <part>',
    about: 'of all images, where there is no test folder (default 0.15)',
    value: values.probability,
  },
  {
    name: 'skipDamaged',
    flags: '--skip-damaged',
    about: 'leave out files that cannot be read, and say which',
    value: values.boolean,
  },
  {
    name: 'augment',
    flags: '--augment <list>',
    about:
      'change images at random in training: flip,shift=2,rotate=10,scale,crop,noise,brightness,contrast,cutout,mixup',
    value: augmentValue,
  },
])

const filters: Setting = {
  name: 'filters',
  flags: '--filters <32,64>',
  about: 'of the convolutions, each of which halves the sides; by default by the size',
  value: { ...values.sizes, expected: 'numbers of filters such as 32,64' },
  group: 'The network:',
}

/** All that `gradus train FOLDER` may be told. */
export const imageSettings: readonly Setting[] = [...reading, filters, ...networkSettings, ...trainingSettings]

/** What is chosen for so many training images. */
export function imageDefaults(count: number): Omit<ImageSettings, 'size' | 'channels'> {
  const few = count < 2_000
  const many = count >= 20_000
  return {
    hidden: [128],
    activation: 'relu',
    optimizer: 'adamW',
    learningRate: few ? 1e-3 : 2e-3,
    batchSize: few ? 32 : many ? 128 : 64,
    epochs: few ? 60 : many ? 10 : 30,
    weightDecay: 0.05,
    dropout: 0.3,
    patience: few ? 15 : 5,
    seed: 1,
    validationShare: 0.15,
    testShare: 0.15,
    augment: [],
  }
}

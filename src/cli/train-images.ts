/**
 * @file `gradus train FOLDER`: a convolutional network on a folder of images by class, or of raw IDX files as MNIST's. In: a folder,
 * options. Out: a run folder, a report; exit code.
 */
import { readdir, stat } from 'node:fs/promises'
import { basename, resolve } from 'node:path'
import { ValueError } from '../base/errors.js'
import { splitDataset } from '../data/column.js'
import { hasIdxNames, readIdxFolder } from '../data/idx-folder.js'
import { type ImageFolder, imageFolder } from '../data/image-folder.js'
import { crossEntropy } from '../loss/index.js'
import { cnn, cnnConfig } from '../train/cnn.js'
import { checkSettings } from '../train/table-settings.js'
import { augmentationOf } from './augment-setting.js'
import { configurationOf } from './configuration.js'
import { type ImageSettings, imageDefaults, imageSettings } from './image-settings.js'
import { countOf, type ImageData, type ImagePlan, trainImages } from './image-training.js'
import { grouped } from './output.js'
import type { RunOptions } from './run.js'

export type ImagesCommand = RunOptions & Partial<ImageSettings>

/** Whether the word after `train` is a folder. */
export const isFolder = (source: string): Promise<boolean> =>
  stat(source).then(
    (found) => found.isDirectory(),
    () => false,
  )

/** What of a plan the data decide. */
interface Found extends Pick<ImagePlan, 'about' | 'classes' | 'train' | 'test'> {
  readonly validation: ImageData
  readonly images: NonNullable<ImagePlan['images']>
  /** What was chosen of how images are read. */
  readonly form: Partial<ImageSettings>
}

export async function trainOnImages(folder: string, command: ImagesCommand, words: string): Promise<number> {
  const { output: _, resume: __, json: ___, quiet: ____, progress: _____, ...options } = command
  const given = Object.fromEntries(
    Object.entries(options).filter(([, value]) => value !== undefined),
  ) as Partial<ImageSettings>
  const found = await dataOf(folder, given)
  const settings: ImageSettings = { ...imageDefaults(countOf(found.train)), ...given }
  checkSettings('train', settings)
  const { size, channels } = found.images
  const network = cnnConfig({
    inputs: [channels, size[0], size[1]],
    outputs: found.classes.length,
    filters: settings.filters,
    hidden: settings.hidden,
    activation: settings.activation,
    dropout: settings.dropout,
  })
  const net = cnn(network)
  const { wrap, loss } = augmentationOf(settings.augment)
  const plan: ImagePlan = {
    ...found,
    name: basename(resolve(folder)),
    title: `Images of ${found.classes.length} classes (${basename(resolve(folder))})`,
    network,
    net,
    flags: '--filters, --hidden, --activation, --dropout',
    training: {
      net: wrap(net),
      loss: loss(crossEntropy),
      words: settings.augment.length > 0 ? `images are changed at random first: ${settings.augment.join(', ')};` : '',
    },
    settings,
    configuration: configurationOf(folder, 'images', found.form, imageSettings, settings),
  }
  return trainImages(plan, command, words)
}

/** The data of a folder, and of what form they are; also for `gradus evaluate`, which needs the same parts. */
export async function dataOf(folder: string, given: Partial<ImageSettings>): Promise<Found> {
  const names = await readdir(folder)
  return hasIdxNames(names) ? idxData(folder, given) : folderData(folder, given)
}

const usual = imageDefaults(0)

async function idxData(folder: string, given: Partial<ImageSettings>): Promise<Found> {
  const foreign = (['size', 'channels', 'fit', 'background', 'skipDamaged'] as const).filter(
    (name) => given[name] !== undefined,
  )
  if (foreign.length > 0)
    throw new ValueError(
      'configuration',
      `${foreign.join(', ')} is for image files; IDX files have one size and are grey`,
      {
        hint: 'Leave it out.',
      },
    )
  const { validationShare = usual.validationShare, testShare = usual.testShare, seed = usual.seed } = given
  const { train: all, test: own, classes } = await readIdxFolder(folder)
  const aside = own ? 0 : testShare
  const parts = splitDataset(
    all,
    { train: 1 - validationShare - aside, validation: validationShare, test: aside },
    { seed, stratify: true },
  )
  const test = own ?? (aside > 0 ? parts.test : undefined)
  const [height, width] = all.input.shape.slice(2) as [number, number]
  return {
    about: [`IDX files: ${height}×${width} grey pixels, ${classes.length} classes`],
    classes,
    train: parts.train,
    validation: parts.validation,
    test,
    images: { size: [height, width], channels: 1, background: 0 },
    form: {},
  }
}

async function folderData(folder: string, given: Partial<ImageSettings>): Promise<Found> {
  const { validationShare = usual.validationShare, testShare = usual.testShare, seed = usual.seed } = given
  const { size, channels, fit, background, skipDamaged } = given
  if (size && size.length > 2)
    throw new ValueError('configuration', `the size has ${size.length} numbers`, {
      hint: 'Give a side, or height,width.',
    })
  const open = (shares: { readonly validationSplit?: number; readonly testSplit?: number }): Promise<ImageFolder> =>
    imageFolder(folder, {
      ...shares,
      seed,
      size: size && ([size[0]!, size[1] ?? size[0]!] as const),
      channels: channels as 1 | 3 | undefined,
      fit,
      background,
      onError: skipDamaged ? 'skip' : 'throw',
    })
  const { validation: hasValidation, test: hasTest } = await partsOf(folder)
  const found = await open({
    ...(hasValidation ? {} : { validationSplit: validationShare }),
    ...(hasTest || testShare === 0 ? {} : { testSplit: testShare }),
  })
  const { classes, form, skipped, warnings } = found
  const [height, width] = form.size
  const kind = form.channels === 1 ? 'grey' : 'RGB'
  const few = classes.length <= 8 ? `: ${classes.join(', ')}` : ''
  return {
    about: [
      `PNG and JPEG files, as ${height}×${width} ${kind} pixels (--size, --channels), ${classes.length} classes${few}`,
      ...warnings,
      ...(skipped.length > 0
        ? [
            `${grouped(skipped.length)} files cannot be read and are left out, such as ${skipped[0]!.file}: ${skipped[0]!.reason}`,
          ]
        : []),
    ],
    classes,
    train: found.train,
    validation: found.validation!,
    test: found.test,
    images: { size: form.size, channels: form.channels, fit: form.fit, background: form.background },
    form: { size: form.size, channels: form.channels, fit: form.fit, background: form.background },
  }
}

/** Which parts the folder has itself. */
async function partsOf(folder: string): Promise<{ readonly validation: boolean; readonly test: boolean }> {
  const { findImages } = await import('../data/image-files.js')
  const { parts } = await findImages(folder)
  return { validation: parts.validation !== undefined, test: parts.test !== undefined }
}

/**
 * @file Images in folders as data. In: a folder with a folder for each class, a form. Out: for each part (train, validation, test) a
 * lazy data set that workers decode while steps run.
 *
 * const { train, validation, classes } = await imageFolder('pets', { size: 64, validationSplit: 0.2 })
 * await fit(net, { train, validation, loss: loss.crossEntropy, optimizer: optim.adam() })
 */
import { ValueError } from '../base/errors.js'
import { checkNames } from '../base/options.js'
import type { Dataset } from './column.js'
import { checkForm, type ImageFit, type ImageForm } from './image-decode.js'
import type { ImageFiles, PartName } from './image-files.js'
import { type ImageHeader, imageHeader, mostPixels } from './image-header.js'
import { ImageSource, type ImageSourceParts, type SkippedImage } from './image-source.js'
import { splitIndices } from './split.js'

/** How `imageFolder` reads. */
export interface ImageFolderOptions {
  /** Side of a square, or [height, width]; that of the images, if all are alike. */
  readonly size?: number | readonly [height: number, width: number]
  /** 1 grey, 3 RGB; 1 by default where the images are grey, otherwise 3. */
  readonly channels?: 1 | 3
  /** Images of other proportions: 'crop' (the default) the middle, 'pad' with the background, or 'stretch'. */
  readonly fit?: ImageFit
  /** Seen through pixels that are not opaque, and around padded images: 0 black to 255 white, the default. */
  readonly background?: number
  /** Larger images are not decoded: 64 · 2²⁰ pixels by default. */
  readonly maxPixels?: number
  /**
   * What to do with a file that is damaged, too large or of another format: 'throw' (the default) names the first when it is needed;
   * 'skip' looks at all of them now, and lists in `skipped` what is left out.
   */
  readonly onError?: 'throw' | 'skip'
  /** The share of the training images to set aside, the same of each class; where the folder has no validation part. */
  readonly validationSplit?: number
  /** Likewise for a test part. */
  readonly testSplit?: number
  /** Draws what is set aside; 1 by default. */
  readonly seed?: number
  /** How many workers decode; one fewer than there are processors, at most 4, by default. 0: none. The bytes are the same. */
  readonly workers?: number
  /** Whether decoded images (a byte a channel) are kept in memory; by default where those of a part have at most 256 MiB together. */
  readonly cache?: boolean
}

/** What a folder of images holds. */
export interface ImageFolder {
  /** In order of their names, as text. */
  readonly classes: readonly string[]
  /** What all samples look like. */
  readonly form: Required<ImageForm>
  readonly train: ImageSource
  readonly validation?: ImageSource
  readonly test?: ImageSource
  /** What should be known, though it is no error: a class that a part does not have. */
  readonly warnings: readonly string[]
  /** Files that were left out, with `onError: 'skip'`. */
  readonly skipped: readonly SkippedImage[]
}

const optionNames = [
  'size',
  'channels',
  'fit',
  'background',
  'maxPixels',
  'onError',
  'validationSplit',
  'testSplit',
  'seed',
  'workers',
  'cache',
] as const

/**
 * Opens a folder of images by class: `folder/cat/1.png`, or `folder/train/cat/1.png` with folders for validation and test.
 * Lists files and looks at the headers of some; images are decoded when they are needed.
 * Throws for folders that cannot be read, classes without images or only in a later part, and sizes that differ where none is given.
 */
export async function imageFolder(folder: string, options: ImageFolderOptions = {}): Promise<ImageFolder> {
  checkNames('imageFolder', options, optionNames)
  // Loaded when they are needed: importing Gradus in a browser loads nothing of Node's.
  const [{ findImages }, { imagePool, usualWorkers }] = await Promise.all([
    import('./image-files.js'),
    import('./image-pool.js'),
  ])
  const { workers = usualWorkers() } = options
  const { onError = 'throw', validationSplit, testSplit, seed = 1 } = options
  if (onError !== 'throw' && onError !== 'skip')
    throw new ValueError('imageFolder', `onError is ${JSON.stringify(onError)}`, { hint: "It is 'throw' or 'skip'." })
  if (!Number.isInteger(workers) || workers < 0 || workers > 64)
    throw new ValueError('imageFolder', `workers is ${String(workers)}`, { hint: 'It is a whole number from 0 to 64.' })
  if (options.cache !== undefined && typeof options.cache !== 'boolean')
    throw new ValueError('imageFolder', `cache is ${JSON.stringify(options.cache)}`, { hint: 'It is true or false.' })
  if (options.size !== undefined) checkForm('imageFolder', formOf(options, squareOf(options.size), 3))
  const { classes, parts, warnings } = await findImages(folder)
  const split = splitParts(parts, { validation: validationSplit, test: testSplit }, seed)
  const form = await chooseForm(split.train!.files, options)
  const pool = imagePool(workers)
  const skipped: SkippedImage[] = []
  const source = async (name: PartName): Promise<{ [K in PartName]?: ImageSource }> => {
    const files = split[name]
    if (!files) return {}
    const parts = { classes, form, pool, cache: options.cache }
    return {
      [name]:
        onError === 'skip' ? await readable(name, files, parts, skipped) : new ImageSource({ ...files, ...parts }),
    }
  }
  const { train } = await source('train')
  return {
    classes,
    form,
    train: train!,
    ...(await source('validation')),
    ...(await source('test')),
    warnings,
    skipped,
  }
}

/** The files that can be read: all are decoded once to find that out, and kept if they are small. */
async function readable(
  name: PartName,
  { files, labels }: ImageFiles,
  parts: Pick<ImageSourceParts, 'classes' | 'form' | 'pool' | 'cache'>,
  skipped: SkippedImage[],
): Promise<ImageSource> {
  const own: SkippedImage[] = []
  const all = new ImageSource({ files, labels, ...parts, skipped: own })
  let dataset: Dataset | undefined
  if (all.keeps) dataset = await all.toDataset()
  else for await (const _ of all.chunks());
  skipped.push(...own)
  const bad = new Set(own.map(({ file }) => file))
  const kept = Array.from(files.keys()).filter((i) => !bad.has(files[i]!))
  const lost = parts.classes.filter((_, label) => name === 'train' && !kept.some((i) => labels[i] === label))
  if (kept.length === 0 || lost.length > 0)
    throw new ValueError(
      'imageFolder',
      `of ${lost.length > 0 ? lost.join(', ') : name} not a single image can be read`,
      {
        hint: "Leave out onError: 'skip' to see why.",
      },
    )
  return new ImageSource({
    files: kept.map((i) => files[i]!),
    labels: Int32Array.from(kept, (i) => labels[i]!),
    ...parts,
    dataset,
  })
}

type Parts = { readonly [K in PartName]?: ImageFiles }

function splitParts(
  parts: Parts,
  shares: { readonly validation: number | undefined; readonly test: number | undefined },
  seed: number,
): Parts {
  for (const name of ['validation', 'test'] as const) {
    const share = shares[name]
    if (share === undefined) continue
    if (!(share > 0 && share < 1))
      throw new ValueError('imageFolder', `${name}Split is ${share}`, {
        hint: 'It is a share of the images, such as 0.2.',
      })
    if (parts[name])
      throw new ValueError('imageFolder', `${name}Split is given, but the folder has ${name} data`, {
        hint: 'Leave it out, or move the images of that part to those of training.',
      })
  }
  const { validation = 0, test = 0 } = shares
  if (validation + test === 0) return parts
  if (validation + test >= 1)
    throw new ValueError('imageFolder', 'validationSplit and testSplit leave nothing to learn from')
  const { files, labels } = parts.train!
  const chosen = splitIndices({
    count: files.length,
    shares: { train: 1 - validation - test, validation, test },
    seed,
    stratify: labels,
  })
  const take = (indices: Uint32Array): ImageFiles => {
    // In the order of the folder, as everything else is.
    const order = indices.slice().sort()
    return { files: Array.from(order, (i) => files[i]!), labels: Int32Array.from(order, (i) => labels[i]!) }
  }
  for (const [name, share] of Object.entries({ validation, test }))
    if (share > 0 && chosen[name as PartName].length === 0)
      throw new ValueError('imageFolder', `${files.length} images are too few for a ${name}Split of ${share}`)
  return {
    train: take(chosen.train),
    ...(validation > 0
      ? { validation: take(chosen.validation) }
      : parts.validation
        ? { validation: parts.validation }
        : {}),
    ...(test > 0 ? { test: take(chosen.test) } : parts.test ? { test: parts.test } : {}),
  }
}

const squareOf = (size: number | readonly [number, number]): readonly [number, number] =>
  typeof size === 'number' ? [size, size] : size

const formOf = (
  { fit = 'crop', background = 255, maxPixels = mostPixels }: ImageFolderOptions,
  size: readonly [number, number],
  channels: 1 | 3,
): Required<ImageForm> => ({ size, channels, fit, background, maxPixels })

/** How many files are looked at to find out what they are like. */
const looks = 64

/** What is not given is as the images are, of which some, spread over all, are looked at. */
async function chooseForm(files: readonly string[], options: ImageFolderOptions): Promise<Required<ImageForm>> {
  const { readFile } = await import('node:fs/promises')
  const { size, channels } = options
  if (size !== undefined && channels !== undefined) {
    const form = formOf(options, squareOf(size), channels)
    checkForm('imageFolder', form)
    return form
  }
  const count = Math.min(looks, files.length)
  const seen: { readonly file: string; readonly header: ImageHeader }[] = []
  for (let i = 0; i < count; i++) {
    const file = files[Math.floor((i * files.length) / count)]!
    try {
      seen.push({ file, header: imageHeader(await readFile(file), file, options.maxPixels) })
    } catch (error) {
      if (options.onError !== 'skip') throw error
    }
  }
  const first = seen[0]
  if (!first)
    throw new ValueError('imageFolder', `none of the ${count} images looked at can be read`, {
      hint: "Leave out onError: 'skip' to see why.",
    })
  const grey = seen.every(({ header }) => header.channels <= 2)
  const { width, height } = first.header
  const other = seen.find(({ header }) => header.width !== width || header.height !== height)
  if (size === undefined && other)
    throw new ValueError(
      'imageFolder',
      `images have different sizes: ${first.file} is ${width} × ${height} pixels large, ${other.file} ${other.header.width} × ${other.header.height}`,
      { hint: 'Say which size they shall have: size: 64, or size: [height, width].' },
    )
  const form = formOf(options, size === undefined ? [height, width] : squareOf(size), channels ?? (grey ? 1 : 3))
  checkForm('imageFolder', form)
  return form
}

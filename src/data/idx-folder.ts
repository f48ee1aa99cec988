/**
 * @file A folder of raw IDX files, named as those of MNIST are, as data: images and labels for training and for the test, gzipped or not.
 * In: a path. Out: data sets of bytes [count, 1, height, width], int32 labels, classes by their numbers.
 *
 *   train-images-idx3-ubyte  train-labels-idx1-ubyte  t10k-images-idx3-ubyte  t10k-labels-idx1-ubyte          each perhaps with .gz
 *
 * const { train, test } = await readIdxFolder('mnist')                     // Fashion-MNIST, KMNIST and EMNIST as well
 */
import { FileError } from '../base/errors.js'
import { readIdx } from '../io/idx.js'
import type { Dataset } from './column.js'

/** What a folder of IDX files holds. */
export interface IdxFolder {
  readonly train: Dataset
  readonly test?: Dataset
  /** '0', '1', ..., up to the greatest label of the training data. */
  readonly classes: readonly string[]
}

const named = /^(.*?)(train|t10k|test)-(images|labels)[-.]idx([13])-ubyte(\.gz)?$/i
/** More is not unpacked from one file. */
const mostBytes = 2 ** 31 - 1

/** Whether any of these files is one of MNIST's, by its name. */
export const hasIdxNames = (names: readonly string[]): boolean => names.some((name) => named.test(name))

/** Throws FileError for a folder without a pair of training files, files that do not belong together, and damaged ones. */
export async function readIdxFolder(folder: string): Promise<IdxFolder> {
  const [{ readdir }, { join }] = await Promise.all([import('node:fs/promises'), import('node:path')])
  let names: string[]
  try {
    names = await readdir(folder)
  } catch (cause) {
    throw new FileError('readIdxFolder', `the folder ${folder} cannot be read (${(cause as Error).message})`, { cause })
  }
  const files = new Map<string, string>()
  for (const name of names.sort()) {
    const found = named.exec(name)
    if (!found) continue
    const key = `${found[2]!.toLowerCase() === 'train' ? 'train' : 'test'} ${found[3]!.toLowerCase()}`
    const other = files.get(key)
    // The same file packed and unpacked is one.
    if (other && other.replace(/\.gz$/i, '') !== name.replace(/\.gz$/i, ''))
      throw new FileError('readIdxFolder', `${folder} has both ${other} and ${name}, which are ${key}`, {
        hint: 'Put each data set into its own folder.',
      })
    files.set(key, other ?? name)
  }
  const pair = async (part: 'train' | 'test') => {
    const [images, labels] = [files.get(`${part} images`), files.get(`${part} labels`)]
    if (!images && !labels) return undefined
    if (!images || !labels)
      throw new FileError(
        'readIdxFolder',
        `${folder} has ${images ?? labels}, but no file of its ${images ? 'labels' : 'images'}`,
        {
          hint: `It is called ${part === 'train' ? 'train' : 't10k'}-${images ? 'labels-idx1' : 'images-idx3'}-ubyte, perhaps with .gz.`,
        },
      )
    return readPair(join(folder, images), join(folder, labels))
  }
  const train = await pair('train')
  if (!train)
    throw new FileError('readIdxFolder', `${folder} has no training images`, {
      hint: 'They are called train-images-idx3-ubyte, perhaps with .gz, their labels train-labels-idx1-ubyte.',
    })
  const test = await pair('test')
  let greatest = 0
  for (const label of train.target.data) greatest = Math.max(greatest, label)
  const classes = Array.from({ length: greatest + 1 }, (_, label) => String(label))
  const [side, other] = [train, test].map((data) => data?.input.shape.slice(1).join(' × '))
  if (test && side !== other)
    throw new FileError('readIdxFolder', `training images of ${folder} are ${side} large, test images ${other}`, {
      hint: 'They are of two data sets: put each into its own folder.',
    })
  const unknown = (test?.target.data as Int32Array | undefined)?.find((label) => label > greatest)
  if (unknown !== undefined)
    throw new FileError(
      'readIdxFolder',
      `the test labels of ${folder} have a class ${unknown}, which the training data do not have`,
    )
  return { train: { ...train, classes }, ...(test ? { test: { ...test, classes } } : {}), classes }
}

async function readPair(imagesFile: string, labelsFile: string): Promise<Dataset> {
  const [images, labels] = [await readOne(imagesFile), await readOne(labelsFile)]
  if (images.shape.length !== 3 || !(images.data instanceof Uint8Array))
    throw new FileError(imagesFile, `it has [${images.shape.join(',')}], not images of bytes [count,height,width]`)
  if (labels.shape.length !== 1 || !(labels.data instanceof Uint8Array))
    throw new FileError(labelsFile, `it has [${labels.shape.join(',')}], not one byte an image`)
  const [count, height, width] = images.shape as [number, number, number]
  if (labels.shape[0] !== count)
    throw new FileError(labelsFile, `there are ${labels.shape[0]} labels for ${count} images`, {
      hint: 'The two files are not of one data set, or one is damaged.',
    })
  if (count === 0) throw new FileError(imagesFile, 'there are no images in it')
  return {
    input: { data: images.data, shape: [count, 1, height, width], scale: 1 / 255 },
    target: { data: Int32Array.from(labels.data), shape: [count] },
  }
}

async function readOne(file: string): Promise<ReturnType<typeof readIdx>> {
  const [{ readFile }, { gunzip }, { promisify }] = await Promise.all([
    import('node:fs/promises'),
    import('node:zlib'),
    import('node:util'),
  ])
  let bytes: Uint8Array
  try {
    bytes = await readFile(file)
    if (bytes[0] === 0x1f && bytes[1] === 0x8b) bytes = await promisify(gunzip)(bytes, { maxOutputLength: mostBytes })
  } catch (cause) {
    throw new FileError(file, `cannot be read (${(cause as Error).message})`, {
      cause,
      hint: 'The file is damaged or cut short.',
    })
  }
  // What is cut out of a Buffer is a Buffer again, of which copies would be made the same way.
  return readIdx(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength), file)
}

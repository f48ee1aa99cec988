/**
 * @file MNIST: handwritten digits, 28×28 grey pixels, ten classes.
 * In: how many of the 60,000 training images to keep for validation. Out: train, validation and test sets; pixels stay
 * bytes (0..255) with scale 1/255, labels are int32.
 *
 * const { train, validation, test } = await digits()          // 50,000, 10,000 and 10,000 images
 */
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import type { Dataset } from './types.js'

const unzip = promisify(gunzip)
const SIDE = 28
const classes = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'] as const

export interface DigitsOptions {
  /** How many of the last training images make the validation set; 10,000 by default, 0 for none. */
  readonly validation?: number
}

export interface Digits {
  readonly train: Dataset
  readonly validation: Dataset
  readonly test: Dataset
}

/**
 * MNIST (LeCun, Cortes, Burges; CC BY-SA 3.0). `validation` is the last `validation` training images, in file order.
 * input: uint8 [N, 28, 28], scale 1/255; target: int32 [N].
 * Throws RangeError when `validation` is not an integer in 0..59,999.
 */
export async function digits({ validation = 10_000 }: DigitsOptions = {}): Promise<Digits> {
  if (!Number.isInteger(validation) || validation < 0 || validation >= 60_000)
    throw new RangeError(`digits: validation must be an integer from 0 to 59,999, got ${validation}`)
  const [trainImages, trainLabels, testImages, testLabels] = await Promise.all([
    read('train-images-idx3-ubyte.gz', [60_000, SIDE, SIDE]),
    read('train-labels-idx1-ubyte.gz', [60_000]),
    read('t10k-images-idx3-ubyte.gz', [10_000, SIDE, SIDE]),
    read('t10k-labels-idx1-ubyte.gz', [10_000]),
  ])
  const cut = 60_000 - validation
  return {
    train: part(trainImages, trainLabels, 0, cut),
    validation: part(trainImages, trainLabels, cut, 60_000),
    test: part(testImages, testLabels, 0, 10_000),
  }
}

function part(images: Uint8Array, labels: Uint8Array, from: number, to: number): Dataset {
  const pixels = SIDE * SIDE
  return {
    input: { data: images.subarray(from * pixels, to * pixels), shape: [to - from, SIDE, SIDE], scale: 1 / 255 },
    target: { data: Int32Array.from(labels.subarray(from, to)), shape: [to - from] },
    classes,
  }
}

/** The bytes of an IDX file of unsigned bytes, whose header must state exactly `shape`. */
async function read(name: string, shape: readonly number[]): Promise<Uint8Array> {
  const bytes = await unzip(await readFile(new URL(`../data/mnist/${name}`, import.meta.url)))
  const start = 4 + 4 * shape.length
  const size = shape.reduce((product, n) => product * n, 1)
  const whole = bytes.length === start + size && bytes.readUInt32BE(0) === 0x0800 + shape.length
  if (!whole || shape.some((n, axis) => bytes.readUInt32BE(4 + 4 * axis) !== n))
    throw new Error(`digits: ${name} is damaged (its header does not state [${shape.join(',')}])`)
  return new Uint8Array(bytes.buffer, bytes.byteOffset + start, size)
}

/**
 * @file The one structure all data have: dense arrays of samples, the first axis counting them.
 * In: typed arrays and shapes. Out: checked `Dataset`s, subsets of them, seeded splits.
 *
 * const { train, validation, test } = splitDataset(data, { train: 0.6, validation: 0.2, test: 0.2 }, { seed: 1, stratify: true })
 */
import { ShapeError, ValueError } from '../base/errors.js'
import { checkNames } from '../base/options.js'
import { type Split, type SplitFractions, splitIndices } from './split.js'

/** A dense array of samples: the first axis counts them. Bytes stay bytes until they are gathered into a batch. */

/** An array of samples in row-major order; the first axis counts them. */
export interface Samples {
  /** All numbers, sample by sample. */
  readonly data: Float32Array | Float64Array | Int32Array | Uint32Array | Uint8Array
  /** The first size is the number of samples. */
  readonly shape: readonly number[]
  /** value = data · scale + offset, applied when a batch is made float32; default 1 and 0. */
  readonly scale?: number
  readonly offset?: number
}

/** Samples and what is to be said of each: what `fit` learns from. */
export interface Dataset {
  /** What the network gets. */
  readonly input: Samples
  /** Class labels (integers, [N]) or values. */
  readonly target: Samples
  /** Names of the classes, in the order of the labels 0, 1, ... */
  readonly classes?: readonly string[]
  /** Names of the input columns. */
  readonly features?: readonly string[]
  /** How much each sample counts in the loss, [N]. */
  readonly sampleWeight?: Samples
}

/** How `splitDataset` draws. */
export interface SplitOptions {
  /** The same seed draws the same split. */
  readonly seed: number
  /** Keep the shares of the classes equal in all parts; needs integer labels of shape [N]. */
  readonly stratify?: boolean
}

/** How many samples a data set holds. */
export function sampleCount(dataset: Dataset): number {
  return dataset.input.shape[0]!
}

/** The samples at `indices`, in that order (an index may occur more than once). Data are copied. */
export function subset(dataset: Dataset, indices: ArrayLike<number>): Dataset {
  return {
    ...dataset,
    input: take(dataset.input, indices),
    target: take(dataset.target, indices),
    ...(dataset.sampleWeight ? { sampleWeight: take(dataset.sampleWeight, indices) } : {}),
  }
}

/** Splits a data set into three by seed; see `splitIndices`. */
export function splitDataset(dataset: Dataset, fractions: SplitFractions, options: SplitOptions): Split<Dataset> {
  checkNames('splitDataset', options, ['seed', 'stratify'])
  const { target } = dataset
  if (options.stratify && target.shape.length !== 1)
    throw new ShapeError('splitDataset', `stratify needs labels of shape [N], got [${target.shape.join(',')}]`)
  const indices = splitIndices({
    count: sampleCount(dataset),
    shares: fractions,
    seed: options.seed,
    ...(options.stratify ? { stratify: target.data } : {}),
  })
  return {
    train: subset(dataset, indices.train),
    validation: subset(dataset, indices.validation),
    test: subset(dataset, indices.test),
  }
}

/**
 * Throws when a data set cannot be trained on: lengths that differ, no samples, NaN in the data (row and column),
 * labels that are not integers or not in 0..classes−1 (row).
 */
export function checkDataset(dataset: Dataset, name = 'data'): void {
  const { input, target, sampleWeight, classes, features } = dataset
  checkSamples(input, `${name}: input`)
  checkSamples(target, `${name}: target`)
  const count = input.shape[0]!
  if (count === 0) throw new ValueError('dataset', `${name}: there are no samples`)
  if (target.shape[0] !== count)
    throw new ShapeError('dataset', `${name}: ${count} inputs but ${target.shape[0]} targets`)
  if (sampleWeight) {
    checkSamples(sampleWeight, `${name}: sampleWeight`)
    if (sampleWeight.shape[0] !== count)
      throw new ShapeError('dataset', `${name}: ${count} inputs but ${sampleWeight.shape[0]} sample weights`)
    checkNotNaN(sampleWeight, `${name}: sampleWeight`)
  }
  checkNotNaN(input, `${name}: input`, features)
  checkNotNaN(target, `${name}: target`)
  if (classes && target.shape.length === 1) checkLabels(target, classes.length, name)
}

/** Throws unless every value of `target` is an integer in 0..classes−1; the message names the first offending row. */
export function checkLabels(target: Samples, classes: number, name = 'data'): void {
  for (let row = 0; row < target.data.length; row++) {
    const label = target.data[row]!
    if (!Number.isInteger(label))
      throw new ValueError('dataset', `${name}: the label in row ${row} is ${label}, not an integer`, {
        hint: `Class labels are the integers 0..${classes - 1}.`,
      })
    if (label < 0 || label >= classes)
      throw new ValueError('dataset', `${name}: the label in row ${row} is ${label}, outside 0..${classes - 1}`, {
        hint: 'Labels start at 0.',
      })
  }
}

function checkSamples({ data, shape }: Samples, what: string): void {
  if (shape.length === 0) throw new ShapeError('dataset', `${what} has shape []; the first axis must count the samples`)
  const size = shape.reduce((product, n) => product * n, 1)
  if (size !== data.length)
    throw new ShapeError('dataset', `${what} has shape [${shape.join(',')}] = ${size} values but ${data.length} data`)
}

function checkNotNaN({ data, shape }: Samples, what: string, features?: readonly string[]): void {
  if (!(data instanceof Float32Array || data instanceof Float64Array)) return
  for (let i = 0; i < data.length; i++) {
    if (!Number.isNaN(data[i]!)) continue
    const stride = Math.max(1, data.length / shape[0]!)
    const column = i % stride
    const named = features?.[column] ? ` ('${features[column]}')` : ''
    throw new ValueError('dataset', `${what} is NaN in row ${Math.floor(i / stride)}, column ${column}${named}`, {
      hint: 'Replace missing values before training, or read the table with prepareTable, which does.',
    })
  }
}

function take(samples: Samples, indices: ArrayLike<number>): Samples {
  const { data, shape } = samples
  const count = shape[0]!
  const stride = count === 0 ? 0 : data.length / count
  const out = new (data.constructor as new (length: number) => typeof data)(indices.length * stride)
  for (let i = 0; i < indices.length; i++) {
    const index = indices[i]!
    if (!(Number.isInteger(index) && index >= 0 && index < count))
      throw new ValueError('subset', `index ${index} is outside 0..${count - 1}`)
    // A plain loop: for narrow rows it is far quicker than one `set` of a subarray each.
    if (stride < 32) for (let k = 0; k < stride; k++) out[i * stride + k] = data[index * stride + k]!
    else out.set(data.subarray(index * stride, (index + 1) * stride), i * stride)
  }
  return { ...samples, data: out, shape: [indices.length, ...shape.slice(1)] }
}

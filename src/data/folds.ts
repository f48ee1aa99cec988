/**
 * @file k-fold cross-validation: k divisions of data into what is learned from and what judges. In: data, how many folds, a seed, what the
 * folds must respect. Out: a list of folds, whose data are taken when they are asked for.
 *
 * for (const { train, validation } of await kFold(data, { folds: 5, seed: 1, stratify: true })) ...
 */
import { ShapeError, ValueError } from '../base/errors.js'
import { checkNames } from '../base/options.js'
import { type Dataset, sampleCount, subset } from './column.js'
import { LazyDataset, type TrainingData } from './lazy-dataset.js'
import { pickNode } from './lazy-node.js'
import { datasetOf, valueType } from './source.js'
import { foldIndices, type Keys } from './split.js'

/** How `kFold` divides. */
export interface KFoldOptions {
  /** How many folds; 5 by default. */
  readonly folds?: number
  /** The same seed draws the same folds; 0 by default. */
  readonly seed?: number
  /** Every fold gets its share of each class: true for the labels of the data (integers, [N]), or a class for each sample. */
  readonly stratify?: boolean | Keys
  /** What each sample belongs to (a patient, a user): no group is on both sides of a fold. */
  readonly groups?: Keys
  /** When each sample was taken: folds judge what came after what they learn from. */
  readonly time?: ArrayLike<number>
}

/** One division of data. */
export interface KFold {
  /** Counts from 1. */
  readonly fold: number
  /** The numbers of the samples. */
  readonly indices: { readonly train: Uint32Array; readonly validation: Uint32Array }
  /** What is learned from; of data in arrays a copy, made each time it is asked for. */
  readonly train: Dataset | LazyDataset<never>
  /** What judges. */
  readonly validation: Dataset | LazyDataset<never>
}

export const kFoldNames = ['folds', 'seed', 'stratify', 'groups', 'time'] as const

/**
 * Divides data `folds` times: each sample judges once and is learned from otherwise; see `foldIndices` for groups and time. Lazy data must be
 * such that samples can be had by number: for a stream, `await data.collect()` first. Throws for fewer samples than folds.
 */
export async function kFold(data: TrainingData, options: KFoldOptions = {}): Promise<KFold[]> {
  checkNames('kFold', options, kFoldNames)
  const { folds = 5, seed = 0, groups, time } = options
  if (data instanceof LazyDataset && !data.columns) {
    const { node } = data as LazyDataset<unknown>
    if (!node.at || node.shuffled)
      throw new ValueError(
        'kFold',
        node.shuffled ? 'the samples are shuffled anew each epoch' : 'the data are a stream',
        {
          hint: 'Read them into memory first: kFold(await data.collect(), ...).',
        },
      )
    if (options.stratify === true)
      throw new ValueError('kFold', 'stratify is true, but lazy data do not say their labels', {
        hint: 'Give stratify a list with the class of each sample.',
      })
    const stratify = options.stratify || undefined
    const found = foldIndices({ count: node.length!, folds, seed, stratify, groups, time })
    const part = (numbers: Uint32Array) => new LazyDataset(pickNode(node, numbers)) as LazyDataset<never>
    return found.map((indices, k) => foldOf(k, indices, part))
  }
  const dataset = datasetOf(data instanceof LazyDataset ? data.columns! : data, 'data')
  const { target } = dataset
  const stratify = options.stratify === true ? target.data : options.stratify || undefined
  if (options.stratify === true && (target.shape.length !== 1 || valueType(target, 'target') !== 'int32'))
    throw new ShapeError(
      'kFold',
      `stratify needs whole labels of shape [N], the targets are [${target.shape.join(',')}]`,
      {
        hint: 'Give it a list with the class of each sample.',
      },
    )
  const found = foldIndices({ count: sampleCount(dataset), folds, seed, stratify, groups, time })
  return found.map((indices, k) => foldOf(k, indices, (numbers) => subset(dataset, numbers)))
}

function foldOf<D extends Dataset | LazyDataset<never>>(
  k: number,
  indices: KFold['indices'],
  part: (numbers: Uint32Array) => D,
): KFold {
  return {
    fold: k + 1,
    indices,
    get train() {
      return part(indices.train)
    },
    get validation() {
      return part(indices.validation)
    },
  }
}

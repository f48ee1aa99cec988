/**
 * @file Batches: full-batch, stochastic (size 1) and mini-batch descent by one function. In: data, a size, a seed.
 * Out: [input, target] tensors, every sample once an epoch. What `fit` uses, and what loops of one's own do.
 *
 * for (const [input, target] of batches(train, { size: 64, shuffle: true, seed: epoch })) step(input, target)
 */
import { allocate, dtypeOf, type TypedArray } from '../base/dtype.js'
import { ValueError } from '../base/errors.js'
import { checkNames } from '../base/options.js'
import { RandomStream } from '../numerics/random.js'
import { leaf, type Tensor } from '../trace/tensor.js'
import { type Dataset, type Samples, sampleCount } from './column.js'
import { batchShape, converted, type DataSource, datasetOf, sampleSize, valueType } from './source.js'

/** How `batches` cuts a data set. */
export interface BatchesOptions {
  /** Samples in a batch: 1 is stochastic gradient descent, 'full' one batch of all. More than there are means all. */
  readonly size: number | 'full'
  /** In random order, as the seed says; by default in the order of the data. */
  readonly shuffle?: boolean
  /** The same seed gives the same order. Give the number of the epoch for a new order each epoch. */
  readonly seed?: number
  /** Leave out the last batch if it is smaller than the others. */
  readonly dropLast?: boolean
}

/** Batches of a data set; may be iterated more than once, always with the same order. */
export interface Batches extends Iterable<[input: Tensor, target: Tensor]> {
  /** How many there are. */
  readonly length: number
}

/**
 * The batches of one epoch. Bytes and scaled data become float32, labels int32; each batch has arrays of its own.
 * Throws for a size that is not a whole number above 0, and for data as `fit` does.
 */
export function batches(source: DataSource, options: BatchesOptions): Batches {
  checkNames('batches', options, ['size', 'shuffle', 'seed', 'dropLast'])
  const dataset = datasetOf(source, 'data')
  const count = sampleCount(dataset)
  const size = batchSizeOf('batches', options.size, count)
  const whole = Math.floor(count / size)
  const length = options.dropLast ? whole : Math.ceil(count / size)
  return {
    length,
    *[Symbol.iterator]() {
      const order = options.shuffle ? permutation(count, options.seed ?? 0) : undefined
      for (let b = 0; b < length; b++) {
        const [from, to] = [b * size, Math.min(count, (b + 1) * size)]
        yield [batch(dataset.input, 'input', order, from, to), batch(dataset.target, 'target', order, from, to)]
      }
    },
  }
}

/** A batch size as a number. Throws unless it is a whole number above 0 or 'full'. */
export function batchSizeOf(operation: string, size: number | 'full', count: number): number {
  if (size === 'full') return count
  if (!Number.isInteger(size) || size < 1)
    throw new ValueError(operation, `the batch size must be a whole number above 0, or 'full', not ${String(size)}`)
  return Math.min(size, count)
}

/** The order of the samples in an epoch: Fisher & Yates on the counter-based stream of a seed. */
export const permutation = (count: number, seed: number, epoch = 0): Uint32Array =>
  new RandomStream(seed, `shuffle.${epoch}`).permutation(count)

function batch(
  samples: Samples,
  role: 'input' | 'target',
  order: Uint32Array | undefined,
  from: number,
  to: number,
): Tensor {
  const stored = allocate(dtypeOf(samples.data)!, (to - from) * sampleSize(samples))
  gather(samples, order, from, to, stored)
  return leaf(converted(stored, samples, role), batchShape(samples, to - from), valueType(samples, role))
}

/** Copies the samples order[from..to − 1] (or from..to − 1) to the start of `out`, as they are stored. */
export function gather(
  samples: Samples,
  order: Uint32Array | undefined,
  from: number,
  to: number,
  out: TypedArray,
): void {
  const { data } = samples
  const width = sampleSize(samples)
  if (!order) {
    out.set(data.subarray(from * width, to * width) as Float32Array<ArrayBuffer>)
    return
  }
  for (let i = from, at = 0; i < to; i++, at += width) {
    const start = order[i]! * width
    // A plain loop: for narrow rows it is far quicker than one `set` of a subarray each.
    if (width < 32) for (let k = 0; k < width; k++) out[at + k] = data[start + k]!
    else out.set(data.subarray(start, start + width) as Float32Array<ArrayBuffer>, at)
  }
}

/** The parts of a data set that a program gets, in arrays that are used again for every batch of the same size. */
export class BatchBuffer {
  /** Input, target, and sample weights if there are some, as they are stored. */
  readonly tensors: readonly Tensor[]
  readonly #parts: readonly Samples[]
  readonly #arrays: readonly TypedArray[]

  constructor(dataset: Dataset, size: number) {
    const { input, target, sampleWeight } = dataset
    this.#parts = sampleWeight ? [input, target, sampleWeight] : [input, target]
    this.#arrays = this.#parts.map((part) => allocate(dtypeOf(part.data)!, size * sampleSize(part)))
    this.tensors = this.#parts.map((part, i) => leaf(this.#arrays[i]!, batchShape(part, size), dtypeOf(part.data)!))
  }

  fill(order: Uint32Array | undefined, from: number, to: number): void {
    for (let i = 0; i < this.#parts.length; i++) gather(this.#parts[i]!, order, from, to, this.#arrays[i]!)
  }
}

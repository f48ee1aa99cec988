/**
 * @file What a run of training gets its batches from, whether the data are arrays or a lazy data set. In: data, the size of a batch, an
 * order. Out: passes over the batches of an epoch, from any of them on; arguments for a program.
 *
 * const feed = new HeldFeed(dataset, 32, { shuffle: true, seed: 1 }); const pass = feed.pass(1, 0); pass.take(4)
 */
import { allocate, type DType, dtypeOf } from '../base/dtype.js'
import { ValueError } from '../base/errors.js'
import { BatchReader, type ReadBatch } from '../data/batch-reader.js'
import { batchSizeOf, permutation } from '../data/batches.js'
import { type Dataset, sampleCount } from '../data/column.js'
import type { LazyDataset } from '../data/lazy-dataset.js'
import { type Awaitable, isPromise } from '../data/lazy-node.js'
import { batchShape, sampleSize } from '../data/source.js'
import { leaf, type Tensor } from '../trace/tensor.js'
import { Feed, type Range } from './feed.js'

/** A batch as the program takes it. */
export interface FedBatch {
  readonly arguments: readonly Tensor[]
  /** What it counts: its samples, or their weights. */
  readonly weight: number
  readonly size: number
  /** For messages: where its samples are, and from which row to which (before `rowOf`). */
  readonly where: () => { data: Dataset; from: number; to: number; rowOf: (i: number) => number; first: number }
}

/** The batches of an epoch from one of them on. */
export interface FedPass {
  /** The next ones, at most so many; none at the end. The next call may write over their arguments. */
  take(most: number): Awaitable<readonly FedBatch[]>
  /** How many are left, as far as `most`. */
  left(most: number): Awaitable<number>
  /** Nobody asks for more. */
  end(): Awaitable<void>
}

export interface TrainingFeed {
  /** What samples are like; it may have none. */
  readonly kind: Dataset
  /** Samples in a batch. */
  readonly size: number
  /** Samples, and batches, in an epoch, where that is known. */
  readonly count: number | undefined
  readonly batches: number | undefined
  /** From batch number `from` of an epoch on. */
  pass(epoch: number, from: number): FedPass
  /** Whether nothing writes over the arguments of a batch later. */
  readonly keepsArguments: boolean
  /** Inside the program: input, target, and weights if there are some, as they are stored. */
  stored(batch: readonly Tensor[]): readonly Tensor[]
  /** Arguments of a batch of this size, for looking at the program. */
  example(size: number): readonly Tensor[]
  /** What a checksum is made of. */
  facts(): Awaitable<{ readonly data: Dataset; readonly note?: string }>
  release(): void
}

interface Order {
  readonly shuffle: boolean
  readonly seed: number
}

/** Of arrays. */
export class HeldFeed implements TrainingFeed {
  readonly kind: Dataset
  readonly size: number
  readonly count: number
  readonly batches: number
  readonly #feed: Feed
  readonly #order: Order

  /** `held`: whether the program holds the data; by their size unless said otherwise. */
  constructor(dataset: Dataset, batchSize: number | 'full', order: Order, held?: boolean) {
    this.kind = dataset
    this.count = sampleCount(dataset)
    this.size = batchSizeOf('fit', batchSize, this.count)
    this.batches = Math.ceil(this.count / this.size)
    this.#order = order
    this.#feed = new Feed(dataset, held)
  }

  get keepsArguments(): boolean {
    return this.#feed.isHeld
  }

  pass(epoch: number, from: number): FedPass {
    const { kind: data, count, size, batches } = this
    const order = this.#order.shuffle && batches > 1 ? permutation(count, this.#order.seed, epoch) : undefined
    const rowOf = (i: number) => (order ? order[i]! : i)
    let next = from
    return {
      take: (most) => {
        const ranges = Array.from({ length: Math.min(most, batches - next) }, (_, i): Range => {
          return [(next + i) * size, Math.min(count, (next + i + 1) * size)]
        })
        next += ranges.length
        return this.#feed.batches(order, ranges).map((tensors, i): FedBatch => {
          const [from, to] = ranges[i]!
          return {
            arguments: tensors,
            weight: this.#feed.weight(order, ranges[i]!),
            size: to - from,
            where: () => ({ data, from, to, rowOf, first: 0 }),
          }
        })
      },
      left: (most) => Math.min(most, batches - next),
      end: () => {},
    }
  }

  stored(batch: readonly Tensor[]): readonly Tensor[] {
    return this.#feed.stored(batch)
  }

  example(size: number): readonly Tensor[] {
    return this.#feed.batches(undefined, [[0, size]])[0]!
  }

  facts(): { data: Dataset } {
    return { data: this.kind }
  }

  release(): void {
    this.#feed.release()
  }
}

/** Of the weights of a batch. */
export function sumOf(weights: ArrayLike<number>): number {
  let sum = 0
  for (let i = 0; i < weights.length; i++) sum += weights[i]!
  return sum
}

/** Samples of a stream that its checksum is of. */
const mostLookedAt = 64

/** Of a lazy data set, which is read while steps are made. */
export class StreamFeed implements TrainingFeed {
  readonly #reader: BatchReader

  private constructor(reader: BatchReader) {
    this.#reader = reader
  }

  /** Looks at the first sample. */
  static async open(
    data: LazyDataset<unknown>,
    batchSize: number | 'full',
    order: { readonly shuffle: boolean | undefined; readonly seed: number },
  ): Promise<StreamFeed> {
    const size = batchSize === 'full' ? data.length : batchSize
    if (size === undefined)
      throw new ValueError('fit', "the batch size is 'full', but how many samples there are is not known", {
        hint: 'Give a number, such as 32.',
      })
    if (order.shuffle && !data.node.shuffled && !BatchReader.canShuffle(data))
      throw new ValueError('fit', 'shuffle is true, but the training data are a stream', {
        hint: 'Draw from a buffer: data.shuffle(1, { buffer: 10_000 }), or read it all into memory: await data.collect().',
      })
    const shuffles = (order.shuffle ?? true) && size !== data.length
    const known = data.node.batched === undefined && data.length ? Math.min(size, data.length) : size
    const reader = new BatchReader(data, known, 'train', shuffles ? order.seed : undefined)
    await reader.prepare()
    return new StreamFeed(reader)
  }

  /** Its arrays are used again. */
  readonly keepsArguments = false

  get kind(): Dataset {
    return this.#reader.kind
  }
  get size(): number {
    return this.#reader.size
  }
  get count(): number | undefined {
    return this.#reader.count
  }
  get batches(): number | undefined {
    return this.#reader.batches
  }
  get plainTarget(): boolean {
    return this.#reader.plainTarget
  }
  /** Targets are labels, below `classes` if they are given. */
  expectLabels(classes: number | undefined): void {
    this.#reader.expectLabels(classes)
  }

  pass(epoch: number, from: number): FedPass {
    const pass = this.#reader.pass(epoch, from)
    const made = (batches: readonly ReadBatch[]) => batches.map((batch) => this.#fed(batch))
    return {
      take: (most) => {
        const taken = pass.take(most)
        return isPromise(taken) ? taken.then((batches) => made(batches as readonly ReadBatch[])) : made(taken)
      },
      left: (most) => pass.left(most),
      end: () => pass.end(),
    }
  }

  #fed({ tensors, arrays, size, first }: ReadBatch): FedBatch {
    const weights = arrays[2]
    return {
      arguments: tensors,
      weight: weights ? sumOf(weights) : size,
      size,
      where: () => ({ data: filled(this.kind, arrays, size), from: 0, to: size, rowOf: (i) => i, first }),
    }
  }

  stored(batch: readonly Tensor[]): readonly Tensor[] {
    return batch
  }

  example(size: number): readonly Tensor[] {
    const { input, target, sampleWeight } = this.kind
    return (sampleWeight ? [input, target, sampleWeight] : [input, target]).map((part) => {
      const dtype: DType = dtypeOf(part.data)!
      return leaf(allocate(dtype, size * sampleSize(part)), batchShape(part, size), dtype)
    })
  }

  async facts(): Promise<{ data: Dataset; note: string }> {
    return { data: await this.#reader.sample(mostLookedAt), note: `first of ${this.count ?? 'a stream'}` }
  }

  release(): void {}
}

function filled(kind: Dataset, arrays: ReadBatch['arrays'], size: number): Dataset {
  const part = (samples: Dataset['input'], i: number) => ({
    ...samples,
    data: arrays[i] as Dataset['input']['data'],
    shape: [size, ...samples.shape.slice(1)],
  })
  return { ...kind, input: part(kind.input, 0), target: part(kind.target, 1) }
}

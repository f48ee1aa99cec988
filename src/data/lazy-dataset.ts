/**
 * @file dataset: samples that are made when they are asked for. In: arrays, tensors, `{ input, target }`, iterables, generator functions.
 * Out: a `LazyDataset`, which map, filter, shuffle, split, batch, cache and prefetch make others of; `fit` and `evaluate` take it.
 *
 * const data = dataset(files).shuffle(1).map(async (file) => ({ input: await pixels(file), target: labelOf(file) })).prefetch(64)
 * const { train, test } = await data.split({ train: 0.8, test: 0.2 }, { seed: 1 })
 */
import { describeValue } from '../base/describe.js'
import { ArgumentError, ValueError } from '../base/errors.js'
import { checkNames } from '../base/options.js'
import type { Tensor } from '../trace/tensor.js'
import { TensorValue } from '../trace/value.js'
import { Collator, type Sample } from './collate.js'
import type { Dataset, Samples } from './column.js'
import type { Awaitable, LazyNode, SampleContext } from './lazy-node.js'
import * as nodes from './lazy-node.js'
import { batchNode, dealtNode } from './lazy-parts.js'
import { type MapInWorkersOptions, moduleAddress, workerNode } from './map-workers.js'
import { type DataSource, datasetOf, isSamples, type SamplesLike, samplesOf } from './source.js'
import { type Keys, type SplitFractions, splitIndices } from './split.js'

/** A sample of a set that is held in arrays: its numbers, with their shape (without the axis of samples). */
export interface ColumnSample {
  readonly input: Samples
  readonly target: Samples
  readonly sampleWeight?: number
}

/** Samples one after another, as often as one likes. */
type Stream<T> = Iterable<T> | AsyncIterable<T>

/** How `LazyDataset.split` draws. */
export interface LazySplitOptions<T> {
  /** The same seed draws the same split; 0 by default. */
  readonly seed?: number
  /** Gives the class of a sample: each part has every class by its share. */
  readonly stratify?: (sample: T) => string | number
  /** Gives what samples have in common (a patient, a file): no group is in two parts. */
  readonly groups?: (sample: T) => string | number
  /** Gives the time of a sample: the first part is the earliest, the last the latest. */
  readonly time?: (sample: T) => number | Date
}

/** How samples are put together. */
export interface BatchOptions {
  /** Leave out a last batch that is smaller than the others. */
  readonly dropLast?: boolean
  /** What plain numbers are as targets: 'int32' where they are labels; 'float32' by default. */
  readonly targetType?: 'float32' | 'int32'
}

/** A buffer that `shuffle` draws from, where samples cannot be had by number. */
const usualBuffer = 10_000

/** Made by `dataset`. Nothing is read or computed before somebody iterates. */
export class LazyDataset<T> implements AsyncIterable<T> {
  /** Not for users. */
  readonly node: LazyNode<T>
  /** Not for users: the arrays, where nothing was done to them. */
  readonly columns: Dataset | undefined

  /** Not for users: `dataset` makes one. */
  constructor(node: LazyNode<T>, columns?: Dataset) {
    this.node = node
    this.columns = columns
  }

  /** How many samples (after `batch`: batches) there are; undefined where only reading them would tell. */
  get length(): number | undefined {
    return this.node.length
  }

  /** What a function makes of each sample; it may be asynchronous. Its errors name the sample. `seed` is that of `context.random`. */
  map<B>(
    f: (sample: T, context: SampleContext) => Awaitable<B>,
    options: { readonly seed?: number } = {},
  ): LazyDataset<B> {
    checkFunction('map', f)
    checkNames('map', options, ['seed'])
    return new LazyDataset(nodes.mapNode(this.node, f, seedOf('map', options.seed)))
  }

  /**
   * What the default export of a module makes of each sample, in threads of their own: `(sample, { index, epoch, seed, options }) => result`.
   * Samples and results are copied between threads. The order stays, so the bits do not depend on how many threads there are, which last as
   * long as an iteration.
   */
  mapInWorkers<B>(module: URL | string, options: MapInWorkersOptions = {}): LazyDataset<B> {
    checkNames('mapInWorkers', options, ['workers', 'chunk', 'seed', 'options'])
    for (const name of ['workers', 'chunk'] as const)
      if (options[name] !== undefined) checkCount('mapInWorkers', name, options[name], 1)
    seedOf('mapInWorkers', options.seed)
    return new LazyDataset(workerNode<T, B>(this.node, moduleAddress(module), options))
  }

  /** The samples of which a function says true; how many there are is then unknown. */
  filter(
    f: (sample: T, context: SampleContext) => Awaitable<boolean>,
    options: { readonly seed?: number } = {},
  ): LazyDataset<T> {
    checkFunction('filter', f)
    checkNames('filter', options, ['seed'])
    return new LazyDataset(nodes.filterNode(this.node, f, seedOf('filter', options.seed)))
  }

  /**
   * Another order each epoch. Samples that can be had by number (arrays, and what `map`, `take`, `skip`, `shuffle`, `cache` make of them)
   * are shuffled exactly. Of a stream, `buffer` samples are held (10,000 by default) and each next one is drawn from them: a sample comes
   * at most that much too early, so that a file sorted by class stays so in part. A buffer as long as the stream is exact.
   */
  shuffle(seed: number, options: { readonly buffer?: number } = {}): LazyDataset<T> {
    checkNames('shuffle', options, ['buffer'])
    const { buffer = usualBuffer } = options
    checkCount('shuffle', 'buffer', buffer, 1)
    if (seed === undefined) throw new ValueError('shuffle', 'there is no seed', { hint: 'Write shuffle(1).' })
    return new LazyDataset(nodes.shuffleNode(this.node, seedOf('shuffle', seed), buffer))
  }

  /** The first so many. */
  take(count: number): LazyDataset<T> {
    checkCount('take', 'the count', count, 0)
    return new LazyDataset(nodes.sliceNode(this.node, 0, count))
  }

  /** Without the first so many. */
  skip(count: number): LazyDataset<T> {
    checkCount('skip', 'the count', count, 0)
    return new LazyDataset(nodes.sliceNode(this.node, count, Number.POSITIVE_INFINITY))
  }

  /** Keeps what was made in the first epoch in memory; what is random on the way to here is then the same in each. */
  cache(): LazyDataset<T> {
    return new LazyDataset(nodes.cacheNode(this.node), this.columns)
  }

  /**
   * Begins to make the next `count` samples (after `batch`: batches) before they are asked for, while a step runs. It helps where making
   * one waits: for a file, a server, a thread of `mapInWorkers`. What computes in this thread only comes earlier.
   */
  prefetch(count: number): LazyDataset<T> {
    checkCount('prefetch', 'the count', count, 1)
    return new LazyDataset(nodes.prefetchNode(this.node, count))
  }

  /**
   * Batches: `[input, target]`, or `[input, target, sampleWeight]`, tensors whose first axis counts samples, as `batches` gives them. All samples must have one shape.
   * `fit` needs no batches, it makes its own; given some, it takes them as they are.
   */
  batch(size: number, options: BatchOptions = {}): LazyDataset<readonly [input: Tensor, target: Tensor]> {
    checkNames('batch', options, ['dropLast', 'targetType'])
    checkCount('batch', 'the size', size, 1)
    const { dropLast = false, targetType = 'float32' } = options
    if (targetType !== 'float32' && targetType !== 'int32')
      throw new ValueError('batch', `targetType is ${describeValue(targetType)}`, {
        hint: "It is 'float32' or 'int32'.",
      })
    if (this.node.batched !== undefined) throw new ValueError('batch', 'there are batches already')
    return new LazyDataset(batchNode(this.node, size, dropLast, targetType === 'int32'))
  }

  /**
   * Parts by their shares: `{ train: 0.8, test: 0.2 }`, or with `validation`. Drawn by seed, as `splitIndices` does; `stratify`, `groups`
   * and `time` are functions, which are asked for every sample now. Of a stream each sample, or each group, is dealt out by a draw, so that shares
   * hold on the average; `stratify` and `time` need `collect()` before.
   */
  async split<const P extends keyof SplitFractions>(
    shares: { readonly [part in P]: number },
    options: LazySplitOptions<T> = {},
  ): Promise<{ [part in P]: LazyDataset<T> }> {
    checkNames('split', options, ['seed', 'stratify', 'groups', 'time'])
    checkNames('split', shares, ['train', 'validation', 'test'])
    const { stratify, groups, time } = options
    const seed = seedOf('split', options.seed)
    for (const f of [stratify, groups, time]) if (f !== undefined) checkFunction('split', f)
    if (this.node.shuffled)
      throw new ValueError('split', 'the samples are shuffled anew each epoch, so that parts would overlap', {
        hint: 'Split first, and shuffle the parts.',
      })
    const all: SplitFractions = { train: 0, validation: 0, test: 0, ...shares }
    const { at, length } = this.node
    const of = async <V>(f: ((sample: T) => V) | undefined) => (f ? this.#each(f) : undefined)
    let nodeOf: (part: P) => LazyNode<T>
    if (at) {
      const parts = splitIndices({
        count: length!,
        shares: all,
        seed,
        stratify: (await of(stratify)) as Keys | undefined,
        groups: (await of(groups)) as Keys | undefined,
        time: (await of(time))?.map(Number),
      })
      nodeOf = (part) => nodes.pickNode(this.node, parts[part])
    } else {
      if (stratify || time)
        throw new ValueError('split', `${stratify ? 'stratify' : 'time'} needs all samples, this is a stream`, {
          hint: 'If they fit into memory: (await data.collect()).split(...).',
        })
      // Throws for shares that are none.
      splitIndices({ count: 1, shares: all, seed })
      const names = ['train', 'validation', 'test'] as const
      const list = names.map((name) => all[name])
      nodeOf = (part) => dealtNode(this.node, list, names.indexOf(part), seed, groups)
    }
    const names = Object.keys(shares) as P[]
    return Object.fromEntries(names.map((name) => [name, new LazyDataset(nodeOf(name))])) as {
      [part in P]: LazyDataset<T>
    }
  }

  async #each<V>(f: (sample: T) => V): Promise<V[]> {
    const values: V[] = []
    for await (const sample of this)
      try {
        values.push(f(sample))
      } catch (cause) {
        throw nodes.sampleError('split', values.length, cause)
      }
    return values
  }

  /** The samples as they come in an epoch: what is random depends on its number. Iterating the set itself gives epoch 1. */
  epoch(number: number): AsyncIterable<T> {
    checkCount('epoch', 'the number', number, 0)
    return { [Symbol.asyncIterator]: () => this.node.iterate(number, 0) }
  }

  /** The samples of epoch 1. */
  [Symbol.asyncIterator](): AsyncGenerator<T, void, void> {
    return this.node.iterate(1, 0)
  }

  /** All samples of epoch 1, in an array. */
  async toArray(): Promise<T[]> {
    const all: T[] = []
    for await (const sample of this) all.push(sample)
    return all
  }

  /** Reads all samples into memory: their number is then known, and each can be had by its number. */
  async collect(): Promise<LazyDataset<T>> {
    return new LazyDataset(nodes.listNode(await this.toArray()))
  }

  /** Reads all samples into arrays: what `batches`, `splitDataset` and `subset` take, and the fastest that `fit` can get. */
  async toDataset(options: Pick<BatchOptions, 'targetType'> = {}): Promise<Dataset> {
    checkNames('toDataset', options, ['targetType'])
    if (this.columns) return this.columns
    if (this.node.batched !== undefined)
      throw new ValueError('toDataset', 'there are batches', { hint: 'Call it before batch.' })
    const all: unknown[] = await this.toArray()
    if (all.length === 0) throw new ValueError('dataset', 'there are no samples')
    const collator = new Collator(all[0], 0, 'data')
    collator.labels = options.targetType === 'int32'
    const arrays = collator.allocate(all.length)
    collator.fill(all, 0, arrays)
    const { kind } = collator
    const part = (samples: Samples, i: number) => ({
      ...samples,
      data: arrays[i] as Samples['data'],
      shape: [all.length, ...samples.shape.slice(1)],
    })
    return {
      input: part(kind.input, 0),
      target: part(kind.target, 1),
      ...(kind.sampleWeight ? { sampleWeight: part(kind.sampleWeight, 2) } : {}),
    }
  }
}

/**
 * A lazy data set. Samples are the elements of an array or of anything iterable; the rows of a tensor; or those of `{ input, target }`.
 * A function, such as a generator function, is called each epoch, with its number, for what is then iterated. A stream's `length` may be announced.
 * What is to be trained on are samples `{ input, target }` or `[input, target]`; `map` makes such of others.
 */
export function dataset(source: Tensor | Samples): LazyDataset<Samples>
export function dataset<T>(source: readonly T[]): LazyDataset<T>
export function dataset<T>(source: LazyDataset<T>): LazyDataset<T>
export function dataset<T>(
  source: Stream<T> | ((epoch: number) => Stream<T> | PromiseLike<Stream<T>>),
  options?: { readonly length?: number },
): LazyDataset<T>
export function dataset(source: {
  readonly input: SamplesLike
  readonly target: SamplesLike
  readonly sampleWeight?: SamplesLike
}): LazyDataset<ColumnSample>
export function dataset(source: unknown, options: { readonly length?: number } = {}): unknown {
  checkNames('dataset', options, ['length'])
  const { length } = options
  if (length !== undefined) checkCount('dataset', 'the length', length, 0)
  if (source instanceof LazyDataset) return source
  if (source instanceof TensorValue || isSamples(source)) {
    const samples = samplesOf(source as Samples, 'data')
    return new LazyDataset(nodes.numbered(samples.shape[0]!, (i) => rowOf(samples, i), nodes.listNode([])))
  }
  if (Array.isArray(source)) return new LazyDataset(nodes.listNode(source))
  if (typeof source === 'function')
    return new LazyDataset(nodes.streamNode((epoch) => called(source as (epoch: number) => unknown, epoch), length))
  if (typeof source === 'object' && source !== null) {
    if (Symbol.iterator in source || Symbol.asyncIterator in source)
      return new LazyDataset(nodes.streamNode(opener(source as Stream<unknown>), length))
    if ('input' in source && 'target' in source) {
      const columns = datasetOf(source as DataSource, 'data')
      return new LazyDataset(
        nodes.numbered(columns.input.shape[0]!, (i) => columnSample(columns, i), nodes.listNode([])),
        columns,
      )
    }
  }
  throw new ArgumentError('dataset', `is given ${describeValue(source)}`, {
    hint: 'Give an array, { input, target }, a tensor, an iterable or a generator function.',
  })
}

/** A generator, unlike an array or a set, can be iterated once. */
function opener(source: Stream<unknown>): () => Stream<unknown> {
  const own = source as { [Symbol.iterator]?: () => unknown; [Symbol.asyncIterator]?: () => unknown; next?: unknown }
  let used = false
  return () => {
    if (used && typeof own.next === 'function')
      throw new ValueError('dataset', 'the generator was iterated before, and gives nothing more', {
        hint: 'Give the generator function, which is called each epoch: dataset(function* () { ... }).',
      })
    used = true
    return source
  }
}

async function called(source: (epoch: number) => unknown, epoch: number): Promise<Stream<unknown>> {
  const made = await source(epoch)
  if (typeof made === 'object' && made !== null && (Symbol.iterator in made || Symbol.asyncIterator in made))
    return made as Stream<unknown>
  throw new ValueError('dataset', `the function gave ${describeValue(made)}, which cannot be iterated`, {
    hint: 'Write a generator function: dataset(async function* () { yield { input, target } }).',
  })
}

function rowOf({ data, shape, scale, offset }: Samples, i: number): Samples {
  const inner = shape.slice(1)
  const width = inner.reduce((n, extent) => n * extent, 1)
  return {
    data: data.subarray(i * width, (i + 1) * width),
    shape: inner,
    ...(scale === undefined ? {} : { scale }),
    ...(offset === undefined ? {} : { offset }),
  }
}

const columnSample = ({ input, target, sampleWeight }: Dataset, i: number): ColumnSample => ({
  input: rowOf(input, i),
  target: rowOf(target, i),
  ...(sampleWeight ? { sampleWeight: sampleWeight.data[i]! } : {}),
})

function checkFunction(operation: string, f: unknown): void {
  if (typeof f !== 'function')
    throw new ArgumentError(operation, `is given ${describeValue(f)}, not a function of a sample`)
}

function checkCount(operation: string, what: string, count: number, least: number): void {
  if (!Number.isInteger(count) || count < least)
    throw new ValueError(operation, `${what} must be a whole number of ${least} or more, not ${describeValue(count)}`)
}

function seedOf(operation: string, seed = 0): number {
  if (typeof seed !== 'number' || !Number.isFinite(seed))
    throw new ValueError(operation, `the seed is ${describeValue(seed)}, not a number`)
  return seed
}

/** What `fit` and `evaluate` learn from and look at. */
export type TrainingData = DataSource | LazyDataset<Sample>

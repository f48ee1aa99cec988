/**
 * @file Reads batches from a lazy data set, as programs store them, an epoch at a time and from any batch on. In: a lazy data set, a size.
 * Out: what all samples are like, and passes over the batches; what needs no waiting is given at once.
 *
 * const reader = new BatchReader(data, 64, 'train'); await reader.prepare(); const pass = reader.pass(1, 0); await pass.take(4)
 */
import { describeValue } from '../base/describe.js'
import { allocate, type DType, type TypedArray } from '../base/dtype.js'
import { ShapeError, ValueError } from '../base/errors.js'
import { formatShape, type Shape } from '../base/shape.js'
import { leaf, type Tensor } from '../trace/tensor.js'
import { evaluateTensor, TensorValue } from '../trace/value.js'
import { Collator } from './collate.js'
import type { Dataset, Samples } from './column.js'
import type { LazyDataset } from './lazy-dataset.js'
import { type Awaitable, isPromise, type LazyNode, shuffleNode } from './lazy-node.js'

/** Some samples as a program takes them: input, target, and weights if there are some. */
export interface ReadBatch {
  readonly tensors: readonly Tensor[]
  readonly arrays: readonly TypedArray[]
  readonly size: number
  /** The number of its first sample in the epoch. */
  readonly first: number
}

export class BatchReader {
  readonly #node: LazyNode<unknown>
  readonly #name: string
  /** Samples in a batch; of batches made before, those of the first. */
  size: number
  #collator: Collator | undefined
  #kind: Dataset | undefined
  #opened: ReadPass | undefined
  readonly #pool = new Map<number, TypedArray[][]>()

  /** With a seed the samples come in another order each epoch, where they can be had by number. */
  constructor(data: LazyDataset<unknown>, size: number, name: string, seed?: number) {
    const { node } = data
    const shuffles = seed !== undefined && !node.shuffled && (node.at ?? node.reordered)
    this.#node = shuffles ? shuffleNode(node, seed, 1) : node
    this.#name = name
    this.size = size
  }

  /** Whether the samples can be had in another order. */
  static canShuffle({ node }: LazyDataset<unknown>): boolean {
    return !node.shuffled && (node.at ?? node.reordered) !== undefined
  }

  /** Samples in an epoch, where that is known. */
  get count(): number | undefined {
    const { length, batched } = this.#node
    return batched === undefined ? length : undefined
  }

  /** Batches in an epoch, where that is known. */
  get batches(): number | undefined {
    const { length, batched } = this.#node
    return length === undefined ? undefined : batched === undefined ? Math.ceil(length / this.size) : length
  }

  /** Looks at the first sample. Throws where there is none, or it is no sample. */
  async prepare(): Promise<void> {
    const pass = this.pass(1, 0)
    const reading = pass.read(1)
    if (isPromise(reading)) await reading
    const first = pass.items[0]
    if (first === undefined) throw new ValueError('dataset', `${this.#name}: there are no samples`)
    if (this.#node.batched === undefined) this.#collator = new Collator(first, 0, this.#name)
    else {
      this.#kind = this.#kindOf(first)
      this.size = (first as readonly Tensor[])[0]!.shape[0]!
    }
    this.#opened = pass
  }

  /** A data set of no samples that says what all are like. */
  get kind(): Dataset {
    return this.#collator?.kind ?? this.#kind!
  }

  /** Whether targets are plain numbers, of which `expectLabels` makes whole ones. */
  get plainTarget(): boolean {
    return this.#collator?.plainTarget === true
  }

  /** Targets are labels: plain numbers become int32, and each must be below `classes`, if they are given. */
  expectLabels(classes: number | undefined): void {
    if (!this.#collator) return
    this.#collator.labels = true
    this.#collator.classes = classes
  }

  /** From batch number `from` of an epoch on. */
  pass(epoch: number, from: number): ReadPass {
    const opened = this.#opened
    this.#opened = undefined
    if (opened && opened.epoch === epoch && opened.from === from) return opened
    void opened?.end()
    return new ReadPass(this, this.#node, epoch, from)
  }

  /** A batch of the first samples, at most so many, which a checksum may be of; the pass that was opened stays as it is. */
  async sample(most: number): Promise<Dataset> {
    const pass = this.#opened ?? this.pass(1, 0)
    this.#opened = pass
    const batched = this.#node.batched !== undefined
    const reading = pass.read(batched ? 1 : Math.min(most, this.size))
    if (isPromise(reading)) await reading
    const some = batched ? pass.items.slice(0, 1) : pass.items.slice(0, Math.min(most, this.size))
    const { arrays, size } = this.make(some, 0)
    const { input, target, sampleWeight } = this.kind
    const part = (samples: Samples, i: number): Samples => ({
      ...samples,
      data: arrays[i]!.slice() as Samples['data'],
      shape: [size, ...samples.shape.slice(1)],
    })
    return {
      input: part(input, 0),
      target: part(target, 1),
      ...(sampleWeight ? { sampleWeight: part(sampleWeight, 2) } : {}),
    }
  }

  /** For `ReadPass`: a batch of what was read. */
  make(items: readonly unknown[], first: number): ReadBatch {
    const collator = this.#collator
    if (!collator) return this.#made(items[0], first)
    const size = items.length
    const arrays = this.#pool.get(size)?.pop() ?? collator.allocate(size)
    collator.fill(items, first, arrays)
    const { dtypes } = collator
    const tensors = collator.shapes(size).map((shape, i) => leaf(arrays[i]!, shape, dtypes[i]!))
    return { tensors, arrays, size, first }
  }

  /** Arrays that nobody looks at any more. */
  recycle({ arrays, size }: ReadBatch): void {
    if (!this.#collator) return
    const list = this.#pool.get(size) ?? []
    this.#pool.set(size, list)
    list.push([...arrays])
  }

  #made(item: unknown, first: number): ReadBatch {
    const tensors = this.#batchOf(item, first)
    const { input, target, sampleWeight } = this.kind
    const kinds = sampleWeight ? [input, target, sampleWeight] : [input, target]
    const size = tensors[0]!.shape[0]!
    kinds.forEach(({ shape }, i) => {
      const own: Shape | undefined = tensors[i]?.shape
      if (
        !own ||
        own[0] !== size ||
        own.length !== shape.length ||
        shape.some((n, axis) => axis > 0 && n !== own[axis])
      )
        throw new ShapeError(
          'dataset',
          `${this.#name}: part ${i + 1} of the batch from sample ${first} on is ${own ? formatShape(own) : 'missing'}, unlike ${formatShape([size, ...shape.slice(1)])}`,
        )
    })
    return { tensors, arrays: tensors.map((one) => evaluateTensor(one)), size, first }
  }

  #kindOf(first: unknown): Dataset {
    const [input, target, sampleWeight] = this.#batchOf(first, 0).map(
      (tensor): Samples => ({
        data: allocate(tensor.dtype as DType, 0),
        shape: [0, ...(tensor.shape as Shape).slice(1)],
      }),
    )
    return { input: input!, target: target!, ...(sampleWeight ? { sampleWeight } : {}) }
  }

  #batchOf(item: unknown, first: number): readonly Tensor[] {
    if (!Array.isArray(item) || item.length < 2 || !item.every((one) => one instanceof TensorValue && one.rank > 0))
      throw new ValueError('dataset', `${this.#name}: the batch from sample ${first} on is ${describeValue(item)}`, {
        hint: 'What a map after batch gives must be [input, target], two tensors.',
      })
    return item as readonly Tensor[]
  }
}

/** The batches of an epoch from one of them on. */
export class ReadPass {
  readonly epoch: number
  readonly from: number
  /** What was read, and is not yet in a batch. */
  readonly items: unknown[] = []
  readonly #reader: BatchReader
  readonly #node: LazyNode<unknown>
  readonly #source: AsyncGenerator<unknown, void, void> | undefined
  readonly #begun: Awaitable<unknown>[] = []
  #next: number
  #first: number
  #ended = false
  #given: ReadBatch[] = []

  constructor(reader: BatchReader, node: LazyNode<unknown>, epoch: number, from: number) {
    this.#reader = reader
    this.#node = node
    this.epoch = epoch
    this.from = from
    this.#first = from * reader.size
    this.#next = node.batched === undefined ? this.#first : from
    if (!node.at) this.#source = node.iterate(epoch, this.#next)
  }

  get #width(): number {
    return this.#node.batched === undefined ? this.#reader.size : 1
  }

  /** Reads until there are so many items, or no more. */
  read(count: number): Awaitable<void> {
    const { at, length, ahead } = this.#node
    if (!at) return this.items.length >= count || this.#ended ? undefined : this.#readStream(count)
    while (this.items.length < count) {
      while (this.#begun.length <= ahead && this.#next < length!) {
        const value = at(this.#next++, this.epoch)
        // It is reported when its turn comes.
        if (isPromise(value)) value.then(undefined, () => {})
        this.#begun.push(value)
      }
      if (this.#begun.length === 0) {
        this.#ended = true
        return
      }
      const value = this.#begun[0]
      if (isPromise(value))
        return value.then((one) => {
          this.#begun[0] = one
          return this.read(count)
        })
      this.#begun.shift()
      this.items.push(value)
    }
  }

  async #readStream(count: number): Promise<void> {
    while (this.items.length < count) {
      const { done, value } = await this.#source!.next()
      if (done) {
        this.#ended = true
        return
      }
      this.items.push(value)
    }
  }

  /** How many batches are left, as far as `most`. */
  left(most: number): Awaitable<number> {
    const counted = () => Math.min(most, Math.ceil(this.items.length / this.#width))
    const reading = this.read(most * this.#width)
    return isPromise(reading) ? reading.then(counted) : counted()
  }

  /** The next batches, at most so many: none at the end. Their arrays are used again by the call after. */
  take(most: number): Awaitable<readonly ReadBatch[]> {
    for (const batch of this.#given) this.#reader.recycle(batch)
    this.#given = []
    const reading = this.read(most * this.#width)
    return isPromise(reading) ? reading.then(() => this.#take(most)) : this.#take(most)
  }

  #take(most: number): readonly ReadBatch[] {
    for (let i = 0; i < most && this.items.length > 0; i++) {
      const batch = this.#reader.make(this.items.splice(0, this.#width), this.#first)
      this.#first += batch.size
      this.#given.push(batch)
    }
    return this.#given
  }

  /** Nobody reads on. */
  async end(): Promise<void> {
    await this.#source?.return()
  }
}

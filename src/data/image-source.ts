/**
 * @file The images of one part of a folder. In: files, labels, a form, workers. Out: a lazy data set, decoded ahead of the steps that take
 * it, in any order; small ones are kept as bytes after the first epoch, and `toDataset` gives them whole.
 *
 * fit(net, { train: folder.train, ... });  for await (const [input, target] of folder.train.shuffle(1).batch(64)) step(input, target)
 */
import { FileError, ValueError } from '../base/errors.js'
import type { Dataset } from './column.js'
import type { ImageForm } from './image-decode.js'
import { filesAtATime } from './image-list.js'
import type { ImagePool } from './image-pool.js'
import { type ColumnSample, LazyDataset } from './lazy-dataset.js'
import type { LazyNode } from './lazy-node.js'

/** A file that was left out, and why. */
export interface SkippedImage {
  readonly file: string
  readonly reason: string
}

export interface ImageSourceParts {
  readonly files: readonly string[]
  readonly labels: Int32Array
  readonly classes: readonly string[]
  readonly form: Required<ImageForm>
  readonly pool: ImagePool
  /** Where to note files that cannot be read; without it they are errors. */
  readonly skipped?: SkippedImage[]
  /** Whether to keep what was decoded; by the size of all by default. */
  readonly cache: boolean | undefined
  /** The decoded files, if they are known already. */
  readonly dataset?: Dataset
}

/** Some images: pixels [count, channels, height, width], their labels and the numbers of their files. */
export interface ImageChunk {
  readonly data: Uint8Array<ArrayBuffer>
  readonly labels: Int32Array
  readonly numbers: Int32Array
}

/** More decoded images are not kept in memory at once. */
const mostBytes = 4 * 2 ** 30
/** Sets of fewer bytes are kept. */
const keptBytes = 256 * 2 ** 20
/** Decoded ahead, at most; and fewer lists than these would not fill two usual batches. */
const aheadBytes = 64 * 2 ** 20
const aheadLists = 16

/** The images of a part of a folder: a lazy data set of `{ input, target }`, which `fit` takes. */
export class ImageSource extends LazyDataset<ColumnSample> {
  /** In order of class and name. */
  readonly files: readonly string[]
  /** The number of each file's class. */
  readonly labels: Int32Array
  readonly classes: readonly string[]
  /** What all samples look like. */
  readonly form: Required<ImageForm>
  readonly #pool: ImagePool
  readonly #skipped: SkippedImage[] | undefined
  readonly #cache: boolean | undefined
  #dataset: Promise<Dataset> | undefined

  /** Not for users: `imageFolder` makes them. */
  constructor({ files, labels, classes, form, pool, skipped, cache, dataset }: ImageSourceParts) {
    // The node needs the source, which cannot be there before the node is.
    super(imageNode(files.length, (order) => this.#samples(order)))
    this.files = files
    this.labels = labels
    this.classes = classes
    this.form = form
    this.#pool = pool
    this.#skipped = skipped
    this.#cache = cache
    if (dataset) this.#dataset = Promise.resolve(dataset)
  }

  /** [channels, height, width] of a sample. */
  get shape(): readonly [channels: number, height: number, width: number] {
    return [this.form.channels, ...this.form.size]
  }

  get #size(): number {
    return this.shape.reduce((product, n) => product * n, 1)
  }

  /** Whether images are kept once they are decoded: as the option `cache` says, or where all together have at most 256 MiB. */
  get keeps(): boolean {
    return this.#cache ?? this.#size * this.files.length <= keptBytes
  }

  /**
   * All images as a data set: bytes [count, channels, height, width] with scale 1/255, int32 labels. Decoded once and kept.
   * Throws FileError naming a file that cannot be read, and ValueError for more than 4 GiB.
   */
  override toDataset(): Promise<Dataset> {
    this.#dataset ??= this.#load().catch((error: unknown) => {
      this.#dataset = undefined
      throw error
    })
    return this.#dataset
  }

  async #load(): Promise<Dataset> {
    const size = this.#size
    const most = this.files.length
    if (size * most > mostBytes)
      throw new ValueError(
        'imageFolder',
        `${most} images of ${this.shape.join(' × ')} bytes take ${((size * most) / 2 ** 30).toFixed(1)} GiB`,
        { hint: 'Give the source itself to fit, which reads as it goes, or take a smaller size.' },
      )
    const data = new Uint8Array(size * most)
    const labels = new Int32Array(most)
    let count = 0
    for await (const chunk of this.chunks()) {
      data.set(chunk.data, count * size)
      labels.set(chunk.labels, count)
      count += chunk.labels.length
    }
    if (count === 0) throw new ValueError('imageFolder', `none of ${most} images can be read`)
    return {
      input: { data: data.subarray(0, count * size), shape: [count, ...this.shape], scale: 1 / 255 },
      target: { data: labels.subarray(0, count), shape: [count] },
      classes: this.classes,
    }
  }

  /** One after another: from memory, where all have room there. */
  async *#samples(order: ArrayLike<number> | undefined): AsyncGenerator<ColumnSample, void, void> {
    const size = this.#size
    const sample = (data: Uint8Array, row: number, label: number): ColumnSample => ({
      input: { data: data.subarray(row * size, (row + 1) * size), shape: this.shape, scale: 1 / 255 },
      target: { data: Int32Array.of(label), shape: [] },
    })
    if (this.#dataset || this.keeps) {
      const { input } = await this.toDataset()
      for (let i = 0; i < (order?.length ?? this.files.length); i++) {
        const file = order ? order[i]! : i
        yield sample(input.data as Uint8Array, file, this.labels[file]!)
      }
      return
    }
    for await (const { data, labels } of this.chunks(order))
      for (let i = 0; i < labels.length; i++) yield sample(data, i, labels[i]!)
  }

  /**
   * Pixels and labels of some files after another, `order` saying which (all by default), decoded anew. Workers decode ahead of what is
   * taken, within 64 MiB.
   */
  async *chunks(order?: ArrayLike<number>): AsyncGenerator<ImageChunk, void, void> {
    const count = order?.length ?? this.files.length
    const underway: { readonly from: number; readonly list: ReturnType<ImagePool['decode']> }[] = []
    const indexOf = (i: number) => (order ? order[i]! : i)
    let next = 0
    const bytes = filesAtATime * this.#size
    const lists = Math.max(this.#pool.width, Math.min(aheadLists, Math.floor(aheadBytes / bytes)))
    const ask = () => {
      for (; next < count && underway.length < lists; next += filesAtATime) {
        const files: string[] = []
        for (let i = next; i < Math.min(count, next + filesAtATime); i++) files.push(this.files[indexOf(i)]!)
        const list = this.#pool.decode({ files, form: this.form })
        // Whoever takes it sees its error; one that is never taken must not end the process.
        list.catch(() => {})
        underway.push({ from: next, list })
      }
    }
    for (ask(); underway.length > 0; ask()) {
      const { from, list } = underway.shift()!
      const { data, faults } = await list
      ask()
      for (const { index, sentence } of faults) {
        const file = this.files[indexOf(from + index)]!
        if (!this.#skipped) throw new FileError(file, sentence)
        this.#skipped.push({ file, reason: sentence })
      }
      const bad = new Set(faults.map(({ index }) => index))
      const numbers: number[] = []
      for (let i = from; i < Math.min(count, from + filesAtATime); i++) if (!bad.has(i - from)) numbers.push(indexOf(i))
      if (numbers.length > 0)
        yield { data, labels: Int32Array.from(numbers, (i) => this.labels[i]!), numbers: Int32Array.from(numbers) }
    }
  }
}

/** Samples in the order of the files, or in one that is drawn; without any of them in memory. */
function imageNode(
  length: number,
  samples: (order: ArrayLike<number> | undefined) => AsyncGenerator<ColumnSample, void, void>,
  orderOf?: (epoch: number) => Uint32Array,
): LazyNode<ColumnSample> {
  return {
    length,
    shuffled: false,
    batched: undefined,
    ahead: 0,
    iterate: (epoch, from) => {
      if (!orderOf && from > 0) return samples(Uint32Array.from({ length: length - from }, (_, i) => from + i))
      return samples(orderOf?.(epoch).subarray(from))
    },
    reordered: (drawn) => imageNode(length, samples, drawn),
  }
}

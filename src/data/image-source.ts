/**
 * @file The images of one part of a folder. In: files, labels, a form, workers. Out: all of them as a `Dataset` of bytes, which is made
 * once; or batches in a seeded order, decoded ahead of the step that takes them.
 *
 * for await (const [input, target] of train.batches({ size: 64, shuffle: true, seed: epoch })) step(input, target)
 */
import { FileError, ValueError } from '../base/errors.js'
import { checkNames } from '../base/options.js'
import { leaf, type Tensor } from '../trace/tensor.js'
import { type BatchesOptions, batchSizeOf, permutation } from './batches.js'
import type { Dataset } from './column.js'
import type { ImageForm } from './image-decode.js'
import { filesAtATime } from './image-list.js'
import type { ImagePool } from './image-pool.js'
import { converted } from './source.js'

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
  readonly skipped: SkippedImage[] | undefined
}

/** Some images: pixels [count, channels, height, width] and their labels. */
export interface ImageChunk {
  readonly data: Uint8Array<ArrayBuffer>
  readonly labels: Int32Array
}

/** More decoded images are not kept in memory at once. */
const mostBytes = 4 * 2 ** 30

/** The images of a part of a folder, decoded as they are needed. */
export class ImageSource {
  /** In order of class and name. */
  readonly files: readonly string[]
  /** The number of each file's class. */
  readonly labels: Int32Array
  readonly classes: readonly string[]
  /** What all samples look like. */
  readonly form: Required<ImageForm>
  readonly #pool: ImagePool
  readonly #skipped: SkippedImage[] | undefined
  #dataset: Promise<Dataset> | undefined

  constructor({ files, labels, classes, form, pool, skipped }: ImageSourceParts) {
    this.files = files
    this.labels = labels
    this.classes = classes
    this.form = form
    this.#pool = pool
    this.#skipped = skipped
  }

  /** How many files there are. */
  get length(): number {
    return this.files.length
  }

  /** [channels, height, width] of a sample. */
  get shape(): readonly [channels: number, height: number, width: number] {
    return [this.form.channels, ...this.form.size]
  }

  /**
   * All images as a data set: bytes [count, channels, height, width] with scale 1/255, int32 labels. Decoded once and kept.
   * Throws FileError naming a file that cannot be read, and ValueError for more than 4 GiB.
   */
  load(): Promise<Dataset> {
    this.#dataset ??= this.#load().catch((error: unknown) => {
      this.#dataset = undefined
      throw error
    })
    return this.#dataset
  }

  async #load(): Promise<Dataset> {
    const size = this.shape.reduce((product, n) => product * n, 1)
    if (size * this.length > mostBytes)
      throw new ValueError(
        'imageFolder',
        `${this.length} images of ${this.shape.join(' × ')} bytes take ${(size * this.length) / 2 ** 30} GiB`,
        { hint: 'Take them batch by batch (source.batches), or give a smaller size.' },
      )
    const data = new Uint8Array(size * this.length)
    const labels = new Int32Array(this.length)
    let count = 0
    for await (const chunk of this.chunks()) {
      data.set(chunk.data, count * size)
      labels.set(chunk.labels, count)
      count += chunk.labels.length
    }
    if (count === 0) throw new ValueError('imageFolder', `none of ${this.length} images can be read`)
    return {
      input: { data: data.subarray(0, count * size), shape: [count, ...this.shape], scale: 1 / 255 },
      target: { data: labels.subarray(0, count), shape: [count] },
      classes: this.classes,
    }
  }

  /**
   * Pixels and labels of some files after another, `order` saying which (all by default), without a file more than once in memory.
   * Workers decode ahead of what is taken.
   */
  async *chunks(order?: ArrayLike<number>): AsyncGenerator<ImageChunk, void, void> {
    const count = order?.length ?? this.length
    const underway: { readonly from: number; readonly list: ReturnType<ImagePool['decode']> }[] = []
    const indexOf = (i: number) => (order ? order[i]! : i)
    let next = 0
    const ask = () => {
      for (; next < count && underway.length < this.#pool.width; next += filesAtATime) {
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
        if (!this.#skipped.some((one) => one.file === file)) this.#skipped.push({ file, reason: sentence })
      }
      const bad = new Set(faults.map(({ index }) => index))
      const labels: number[] = []
      for (let i = from; i < Math.min(count, from + filesAtATime); i++)
        if (!bad.has(i - from)) labels.push(this.labels[indexOf(i)]!)
      if (labels.length > 0) yield { data, labels: Int32Array.from(labels) }
    }
  }

  /**
   * The batches of one epoch as tensors: float32 [size, channels, height, width] from 0 to 1, and int32 labels. The order is that of
   * `batches` with the same seed, whatever the number of workers; images that are skipped make room for the next.
   */
  async *batches(options: BatchesOptions): AsyncGenerator<[input: Tensor, target: Tensor], void, void> {
    checkNames('batches', options, ['size', 'shuffle', 'seed', 'dropLast'])
    const size = batchSizeOf('batches', options.size, this.length)
    const order = options.shuffle ? permutation(this.length, options.seed ?? 0) : undefined
    const width = this.shape.reduce((product, n) => product * n, 1)
    let pixels = new Uint8Array(size * width)
    let labels = new Int32Array(size)
    let filled = 0
    const batch = (count: number): [Tensor, Tensor] => {
      const samples = { data: pixels, shape: [count, ...this.shape], scale: 1 / 255 }
      const input = leaf(converted(pixels.subarray(0, count * width), samples, 'input'), samples.shape, 'float32')
      return [input, leaf(labels.slice(0, count), [count], 'int32')]
    }
    for await (const chunk of this.chunks(order))
      for (let from = 0; from < chunk.labels.length; ) {
        const taken = Math.min(size - filled, chunk.labels.length - from)
        pixels.set(chunk.data.subarray(from * width, (from + taken) * width), filled * width)
        labels.set(chunk.labels.subarray(from, from + taken), filled)
        filled += taken
        from += taken
        if (filled < size) continue
        yield batch(size)
        pixels = new Uint8Array(size * width)
        labels = new Int32Array(size)
        filled = 0
      }
    if (filled > 0 && !options.dropLast) yield batch(filled)
  }
}

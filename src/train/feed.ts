/**
 * @file How batches reach a training program. Where the data fit beside it, the program holds them and is given the
 * numbers of the samples: it gathers rows itself, and a call costs a few integers. Larger data are gathered before each
 * call. In: a data set, an order of its samples. Out: arguments for a program; inside it, the batch as it is stored.
 */
import { dtypeOf, type TypedArray } from '../base/dtype.js'
import { BatchBuffer } from '../data/batches.js'
import type { Dataset, Samples } from '../data/column.js'
import { gather } from '../trace/functions.js'
import { leaf, type Tensor } from '../trace/tensor.js'
import { currentTrace } from '../trace/trace.js'
import { Variable } from '../trace/variable.js'

/** Data of more bytes are not copied into the memory of programs, which ends at 4 GiB. */
const mostHeldBytes = 256 * 1024 * 1024

/** Samples from..to − 1 of an order. */
export type Range = readonly [from: number, to: number]

const partNames = ['the training inputs', 'the training targets', 'the sample weights']

export class Feed {
  readonly #dataset: Dataset
  readonly #parts: readonly Samples[]
  readonly #held: readonly Variable[] | undefined
  /** Used again for every call: the buffers of its first batch, its second... by size. */
  readonly #buffers = new Map<number, BatchBuffer[]>()

  /** `held`: whether the program holds the data; by their size unless said otherwise. */
  constructor(dataset: Dataset, held?: boolean) {
    const { input, target, sampleWeight } = dataset
    this.#dataset = dataset
    this.#parts = sampleWeight ? [input, target, sampleWeight] : [input, target]
    const bytes = this.#parts.reduce((sum, { data }) => sum + data.byteLength, 0)
    if (held ?? bytes <= mostHeldBytes)
      this.#held = this.#parts.map(({ data, shape }) => {
        const variable = new Variable(shape, dtypeOf(data)!, () => data as TypedArray, false)
        variable.storage.holds = 'data'
        return variable
      })
  }

  /** Arguments for the program, of one batch a range. The next call may write over them. */
  batches(order: Uint32Array | undefined, ranges: readonly Range[]): (readonly Tensor[])[] {
    if (this.#held) return ranges.map(([from, to]) => [numbers(order, from, to)])
    const used = new Map<number, number>()
    return ranges.map(([from, to]) => {
      const size = to - from
      const index = used.get(size) ?? 0
      used.set(size, index + 1)
      const buffers = this.#buffers.get(size) ?? []
      if (index === buffers.length) buffers.push(new BatchBuffer(this.#dataset, size))
      this.#buffers.set(size, buffers)
      buffers[index]!.fill(order, from, to)
      return buffers[index]!.tensors
    })
  }

  /** Inside the program: input, target, and sample weights if there are some, as they are stored. */
  stored(batch: readonly Tensor[]): readonly Tensor[] {
    const trace = currentTrace()
    for (const [i, part] of (this.#held ?? []).entries()) trace?.names.set(part, partNames[i]!)
    return this.#held ? this.#held.map((part) => gather(part.value as Tensor, batch[0]!)) : batch
  }

  /** Whether the program holds the data, so that arguments are numbers of samples that nothing writes over. */
  get isHeld(): boolean {
    return this.#held !== undefined
  }

  /** What the batch counts: its samples, or their weights. */
  weight(order: Uint32Array | undefined, [from, to]: Range): number {
    const weights = this.#dataset.sampleWeight?.data
    if (!weights) return to - from
    let sum = 0
    for (let i = from; i < to; i++) sum += weights[order ? order[i]! : i]!
    return sum
  }

  /** Gives the memory of the data back. */
  release(): void {
    for (const part of this.#held ?? []) part.storage.discard()
  }
}

function numbers(order: Uint32Array | undefined, from: number, to: number): Tensor {
  const samples = order
    ? Int32Array.from(order.subarray(from, to))
    : Int32Array.from({ length: to - from }, (_, i) => from + i)
  return leaf(samples, [to - from], 'int32')
}

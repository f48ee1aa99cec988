/**
 * @file Single samples become batches. In: samples `{ input, target }` or `[input, target]`. Out: arrays as programs store them, all
 * samples of one shape and dtype; or an error that names the sample.
 *
 * const collator = new Collator(samples[0], 0, 'train'); collator.fill(samples, 0)          // [Uint8Array, Int32Array]
 */
import { describeValue } from '../base/describe.js'
import { allocate, type DType, dtypeOf, type TypedArray } from '../base/dtype.js'
import { ShapeError, ValueError } from '../base/errors.js'
import { formatShape, type Shape, sizeOf } from '../base/shape.js'
import type { NestedInput } from '../trace/creation.js'
import type { Tensor } from '../trace/tensor.js'
import { evaluateTensor, TensorValue } from '../trace/value.js'
import type { Dataset, Samples } from './column.js'
import { isSamples } from './source.js'

/**
 * The input or the target of one sample: a number, nested arrays, a typed array of one axis, a tensor, or data with a shape (without an
 * axis of samples) and perhaps a scale.
 */
export type SamplePart = number | boolean | NestedInput<number> | Samples | Samples['data'] | Tensor

/** One sample: what the network gets, and what is to be said of it. */
export type Sample =
  | readonly [input: SamplePart, target: SamplePart]
  | { readonly input: SamplePart; readonly target: SamplePart; readonly sampleWeight?: number }

interface Part {
  readonly data: ArrayLike<number>
  readonly shape: Shape
  readonly dtype: DType
  readonly scale?: number
  readonly offset?: number
  /** Plain numbers, whose dtype nobody has said. */
  readonly plain: boolean
}

const roles = ['input', 'target', 'sampleWeight'] as const
/** Elements that are looked at to tell nested arrays from anything else. */
type Fail = (fault: string, hint?: string) => never

function partOf(value: unknown, fail: Fail): Part {
  if (typeof value === 'number' || typeof value === 'boolean')
    return { data: [Number(value)], shape: [], dtype: 'float32', plain: true }
  if (value instanceof TensorValue)
    return { data: evaluateTensor(value), shape: value.shape, dtype: value.dtype, plain: false }
  if (isSamples(value)) {
    const { data, shape, scale, offset } = value
    if (sizeOf(shape) !== data.length) fail(`has ${data.length} numbers, which do not fill ${formatShape(shape)}`)
    return { data, shape, dtype: dtypeOf(data)!, scale, offset, plain: false }
  }
  if (ArrayBuffer.isView(value)) {
    const dtype = dtypeOf(value)
    if (!dtype)
      return fail(
        `is ${describeValue(value)}, which has no dtype here`,
        'Use Float32Array, Float64Array, Int32Array, Uint32Array or Uint8Array.',
      )
    return { data: value as TypedArray, shape: [(value as TypedArray).length], dtype, plain: false }
  }
  if (!Array.isArray(value))
    return fail(`is ${describeValue(value)}`, 'Give numbers, arrays of numbers, typed arrays or tensors.')
  const shape: number[] = []
  for (let level: unknown = value; Array.isArray(level); level = level[0]) shape.push(level.length)
  const data: number[] = []
  const visit = (item: unknown, axis: number): void => {
    if (Array.isArray(item) && item.length === shape[axis]) for (const one of item) visit(one, axis + 1)
    else if ((typeof item === 'number' || typeof item === 'boolean') && axis === shape.length) data.push(Number(item))
    else
      fail(`holds ${describeValue(item)} where ${axis < shape.length ? `${shape[axis]} items` : 'a number'} should be`)
  }
  visit(value, 0)
  return { data, shape, dtype: 'float32', plain: true }
}

/** Input, target, and weight if there is one. Throws for what is no sample. */
export function partsOf(sample: unknown, index: number, name: string): readonly unknown[] {
  if (Array.isArray(sample) && sample.length === 2) return sample
  const { input, target, sampleWeight } = (typeof sample === 'object' && sample !== null ? sample : {}) as {
    [K in (typeof roles)[number]]?: unknown
  }
  if (input === undefined || target === undefined)
    throw new ValueError('dataset', `${name}: sample ${index} is ${describeValue(sample)}`, {
      hint: 'A sample is { input, target } or [input, target]; make it so with map.',
    })
  return sampleWeight === undefined ? [input, target] : [input, target, sampleWeight]
}

/** Batches of samples that are like the first. */
export class Collator {
  readonly #name: string
  readonly #kinds: readonly (Omit<Part, 'data'> & { readonly size: number })[]
  /** Plain numbers as targets are labels: int32. */
  labels = false
  /** Labels must be below, where the loss is said to need classes. */
  classes: number | undefined

  /** `name` is for messages. */
  constructor(first: unknown, index: number, name: string) {
    this.#name = name
    this.#kinds = partsOf(first, index, name).map((value, role) => {
      const { data: _, ...kind } = partOf(value, this.#failing(index, role))
      return { ...kind, size: sizeOf(kind.shape) }
    })
  }

  /** Whether targets are plain numbers, one a sample or in arrays. */
  get plainTarget(): boolean {
    return this.#kinds[1]!.plain
  }

  #dtype(role: number): DType {
    return role === 1 && this.labels && this.#kinds[1]!.plain ? 'int32' : this.#kinds[role]!.dtype
  }

  /** A data set of no samples that says what all are like. */
  get kind(): Dataset {
    const empty = (role: number): Samples => {
      const { shape, scale, offset } = this.#kinds[role]!
      return { data: allocate(this.#dtype(role), 0), shape: [0, ...shape], scale, offset } as Samples
    }
    return {
      input: empty(0),
      target: empty(1),
      ...(this.#kinds.length > 2 ? { sampleWeight: empty(2) } : {}),
    }
  }

  /** Arrays for so many samples, as they are stored. */
  allocate(count: number): TypedArray[] {
    return this.#kinds.map(({ size }, role) => allocate(this.#dtype(role), count * size))
  }

  /** The shapes of such arrays. */
  shapes(count: number): Shape[] {
    return this.#kinds.map(({ shape }) => [count, ...shape])
  }

  get dtypes(): DType[] {
    return this.#kinds.map((_, role) => this.#dtype(role))
  }

  /** Writes samples one after another; `first` is the number of the first. Throws for one that is not like the others. */
  fill(samples: readonly unknown[], first: number, out: readonly TypedArray[]): void {
    samples.forEach((sample, i) => {
      const parts = partsOf(sample, first + i, this.#name)
      if (parts.length !== this.#kinds.length)
        throw new ValueError(
          'dataset',
          `${this.#name}: sample ${first + i} has ${parts.length > 2 ? 'a' : 'no'} sampleWeight, unlike the first`,
        )
      parts.forEach((value, role) => void this.#write(value, role, first + i, out[role]!, i))
    })
  }

  #write(value: unknown, role: number, index: number, out: TypedArray, i: number): void {
    const fail = this.#failing(index, role)
    const kind = this.#kinds[role]!
    const dtype = this.#dtype(role)
    if (typeof value === 'number' && kind.size === 1 && kind.plain && kind.shape.length === 0) out[i] = value
    else {
      const part = partOf(value, fail)
      if (part.shape.length !== kind.shape.length || part.shape.some((extent, axis) => extent !== kind.shape[axis]))
        throw new ShapeError(
          'dataset',
          `${this.#name}: the ${roles[role]} of sample ${index} is ${formatShape(part.shape)}, that of the first ${formatShape(kind.shape)}`,
          { hint: 'All samples of a set have one shape: cut or fill them up with map.' },
        )
      if (part.dtype !== kind.dtype || part.scale !== kind.scale || part.offset !== kind.offset)
        fail(`is ${part.dtype}${scaleText(part)}, that of the first ${kind.dtype}${scaleText(kind)}`)
      out.set(part.data as Float32Array<ArrayBuffer>, i * kind.size)
    }
    this.#check(out, i * kind.size, (i + 1) * kind.size, role, dtype, value, fail)
  }

  #check(out: TypedArray, from: number, to: number, role: number, dtype: DType, value: unknown, fail: Fail): void {
    if (dtype === 'float32' || dtype === 'float64') {
      for (let k = from; k < to; k++)
        if (Number.isNaN(out[k]!))
          fail(`is NaN${to - from > 1 ? ` at place ${k - from}` : ''}`, 'Replace missing values before training.')
      return
    }
    if (role !== 1) return
    if (this.labels && typeof value === 'number' && !Number.isInteger(value))
      fail(`is ${value}, not a whole number`, 'With this network and loss it must be the label of a class: 0, 1, ...')
    if (this.classes === undefined) return
    for (let k = from; k < to; k++)
      if (out[k]! < 0 || out[k]! >= this.classes) fail(`is ${out[k]}; the network has classes 0..${this.classes - 1}`)
  }

  #failing(index: number, role: number): Fail {
    return (fault, hint) => {
      throw new ValueError('dataset', `${this.#name}: the ${roles[role]} of sample ${index} ${fault}`, { hint })
    }
  }
}

const scaleText = ({ scale = 1, offset = 0 }: Pick<Part, 'scale' | 'offset'>): string =>
  scale === 1 && offset === 0 ? '' : ` · ${scale} + ${offset}`

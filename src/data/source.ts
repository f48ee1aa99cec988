/**
 * @file What may be given as data, and the one structure it becomes. In: a `Dataset`, or inputs and targets as tensors,
 * typed arrays or nested arrays. Out: a checked `Dataset`; how its numbers become float32.
 *
 * datasetOf([[[0, 0], [0, 1]], [[0], [1]]], 'train').input.shape             // [2, 2]
 */
import { allocate, type DType, dtypeOf, type TypedArray } from '../base/dtype.js'
import { ShapeError, ValueError } from '../base/errors.js'
import { formatShape, type Shape } from '../base/shape.js'
import { fmaFloat32 } from '../numerics/scalar.js'
import { numericsMode } from '../settings.js'
import { type NestedInput, tensor } from '../trace/creation.js'
import type { Tensor } from '../trace/tensor.js'
import { evaluateTensor, TensorValue } from '../trace/value.js'
import { checkDataset, type Dataset, type Samples } from './column.js'

/** Samples: nested arrays (float32), typed arrays of one axis, tensors, or data with a shape and perhaps a scale. */
export type SamplesLike = Samples | Tensor | NestedInput<number> | Samples['data']
/** A data set, or its inputs and targets; `sampleWeight` says how much each sample counts. */
export type DataSource =
  | Dataset
  | readonly [input: SamplesLike, target: SamplesLike]
  | { readonly input: SamplesLike; readonly target: SamplesLike; readonly sampleWeight?: SamplesLike }

/** What has been looked through already: a data set is checked once, however often it is used. */
const checked = new WeakSet<object>()

/** `name` is for messages. Throws for lengths that differ, no samples, NaN, labels outside the classes. */
export function datasetOf(source: DataSource, name: string): Dataset {
  if (typeof source !== 'object' || source === null)
    throw new ValueError('dataset', `${name} is ${source === null ? 'null' : typeof source}, not data`, {
      hint: 'Give { input, target } or [inputs, targets].',
    })
  if (checked.has(source)) return source as Dataset
  if (Symbol.asyncIterator in source)
    throw new ValueError('dataset', `${name} is a lazy data set, which is needed in arrays here`, {
      hint: 'Read it into memory: await data.toDataset().',
    })
  const parts = Array.isArray(source) ? { input: source[0], target: source[1] } : source
  const { input, target, sampleWeight } = parts as { [K in 'input' | 'target' | 'sampleWeight']?: SamplesLike }
  if (input === undefined || target === undefined)
    throw new ValueError('dataset', `${name} lacks ${input === undefined ? 'inputs' : 'targets'}`, {
      hint: 'Give { input, target } or [inputs, targets].',
    })
  const isDataset = !Array.isArray(source) && [input, target, sampleWeight ?? input].every(isSamples)
  const dataset: Dataset = isDataset
    ? (source as Dataset)
    : {
        ...(Array.isArray(source) ? {} : (source as Dataset)),
        input: samplesOf(input, `${name}: input`),
        target: samplesOf(target, `${name}: target`),
        ...(sampleWeight === undefined ? {} : { sampleWeight: samplesOf(sampleWeight, `${name}: sampleWeight`) }),
      }
  checkDataset(dataset, name)
  checked.add(dataset)
  return dataset
}

export const isSamples = (value: unknown): value is Samples =>
  typeof value === 'object' &&
  value !== null &&
  !(value instanceof TensorValue) &&
  ArrayBuffer.isView((value as { data?: unknown }).data) &&
  Array.isArray((value as { shape?: unknown }).shape)

/** `what` is for messages. */
export function samplesOf(value: SamplesLike, what: string): Samples {
  if (isSamples(value)) return value
  if (value instanceof TensorValue) {
    if (value.rank === 0) throw new ShapeError('dataset', `${what} is a scalar; the first axis must count the samples`)
    return { data: evaluateTensor(value), shape: value.shape as Shape }
  }
  if (typeof value === 'number' || value === undefined || value === null || typeof value !== 'object')
    throw new ValueError('dataset', `${what} is ${String(value)}, not a list of samples`)
  return samplesOf(tensor(value as NestedInput<number> | TypedArray) as Tensor, what)
}

/** How many numbers a sample has. */
export const sampleSize = ({ shape }: Samples): number => shape.slice(1).reduce((n, extent) => n * extent, 1)

/** Whether a scale or offset changes the numbers. */
export const isScaled = ({ scale = 1, offset = 0 }: Samples): boolean => scale !== 1 || offset !== 0

/**
 * The dtype in which samples reach a network. Inputs: bytes and what has a scale are float32, others stay as they are.
 * Targets: bytes and unsigned integers are labels, int32.
 */
export function valueType(samples: Samples, role: 'input' | 'target'): DType {
  const stored = dtypeOf(samples.data)!
  if (isScaled(samples)) return stored === 'float64' ? 'float64' : 'float32'
  if (role === 'input') return stored === 'uint8' ? 'float32' : stored
  return stored === 'uint8' || stored === 'uint32' ? 'int32' : stored
}

/** data · scale + offset of a traced batch as it is stored: what `converted` does, inside a program. */
export function convertedTensor(stored: Tensor, samples: Samples, role: 'input' | 'target'): Tensor {
  const { scale = 1, offset = 0 } = samples
  let values = stored.cast(valueType(samples, role)) as Tensor
  if (scale !== 1) values = values.mul(scale)
  return offset === 0 ? values : values.add(offset)
}

/** The numbers of a gathered batch as a network gets them, with the same bits as `convertedTensor` gives. */
export function converted(stored: TypedArray, samples: Samples, role: 'input' | 'target'): TypedArray {
  const dtype = valueType(samples, role)
  if (dtype === dtypeOf(stored) && !isScaled(samples)) return stored
  const out = allocate(dtype, stored.length)
  if (!isScaled(samples)) {
    out.set(stored as Float32Array<ArrayBuffer>)
    return out
  }
  const convert = converter(samples, dtype)
  if (stored instanceof Uint8Array) {
    const table = Float32Array.from({ length: 256 }, (_, byte) => convert(byte))
    for (let i = 0; i < stored.length; i++) out[i] = table[stored[i]!]!
  } else for (let i = 0; i < stored.length; i++) out[i] = convert(stored[i]!)
  return out
}

function converter({ scale = 1, offset = 0 }: Samples, dtype: DType): (x: number) => number {
  if (dtype === 'float64') return (x) => x * scale + offset
  const [s, o] = [Math.fround(scale), Math.fround(offset)]
  // A product alone is rounded once; adding 0 would turn −0 into 0.
  if (o === 0) return (x) => Math.fround(Math.fround(x) * s)
  if (s === 1) return (x) => Math.fround(Math.fround(x) + o)
  if (numericsMode() === 'fused') return (x) => fmaFloat32(Math.fround(x), s, o)
  return (x) => Math.fround(Math.fround(Math.fround(x) * s) + o)
}

/** The shape of a batch of samples. */
export const batchShape = (samples: Samples, size: number): Shape => [size, ...samples.shape.slice(1)]

/** 'uint8 [60000,28,28]', for messages. */
export const describeSamples = (samples: Samples): string => `${dtypeOf(samples.data)} ${formatShape(samples.shape)}`

/**
 * @file predict: what a network gives for inputs, in inference mode. In: network and samples. Out: nested arrays.
 * Batches have a few fixed sizes, the last one is padded, so that few programs serve any number of samples.
 *
 * const logits = await predict(net, [[5.1, 3.5, 1.4, 0.2], [6.2, 3.4, 5.4, 2.3]])         // number[][]
 */

import { allocate, type DType, dtypeOf, type TypedArray } from '../base/dtype.js'
import { breath } from '../base/pace.js'
import { type Shape, sizeOf } from '../base/shape.js'
import type { Samples } from '../data/column.js'
import { batchShape, type SamplesLike, sampleSize, samplesOf } from '../data/source.js'
import type { Explanation } from '../explain.js'
import { initialize } from '../nn/module.js'
import { type Compiled, compile } from '../step.js'
import { leaf, type Tensor } from '../trace/tensor.js'
import { evaluateTensor, type NestedNumbers } from '../trace/value.js'
import { netInput, outputShape } from './program.js'
import type { Net } from './types.js'

/** Sizes of batches, from the largest. A sample does not depend on its neighbours, nor its bits on how many there are. */
export const predictionBatches = [512, 64, 8, 1] as const

/** The outputs for all samples, the first axis of `inputs`, as nested arrays: logits where the network gives logits. */
export async function predict(net: Net, inputs: SamplesLike): Promise<NestedNumbers[]> {
  const samples = samplesOf(inputs, 'inputs')
  const count = samples.shape[0]!
  if (count === 0) return []
  outputShape('predict', net, samples, 1, 'inputs')
  const predictor = predictorFor(net, samples)
  const { data, shape } = await predictor.run(samples)
  return (await leaf(data, shape, dtypeOf(data)!).array()) as NestedNumbers[]
}

/** A network in inference mode for samples that are stored alike. */
export class Predictor {
  readonly #program: Compiled<readonly [Tensor], Tensor>
  readonly #buffers = new Map<number, { readonly array: TypedArray; readonly tensor: Tensor }>()

  /** `finish` is applied to the outputs inside the program: softmax, say. */
  constructor(
    net: Net,
    kind: Pick<Samples, 'scale' | 'offset'>,
    finish: (output: Tensor) => Tensor = (output) => output,
  ) {
    initialize(net)
    const { scale, offset } = kind
    this.#program = compile(
      (stored: Tensor) => {
        const samples = { data: allocate(stored.dtype as DType, 0), shape: stored.shape as Shape, scale, offset }
        return finish(net(netInput(net, stored, samples as Samples)))
      },
      { training: false },
    )
  }

  /** The array that holds `size` samples before `call`; it is used again. */
  buffer(
    samples: Pick<Samples, 'shape'>,
    size: number,
    dtype: DType,
  ): { readonly array: TypedArray; readonly tensor: Tensor } {
    let found = this.#buffers.get(size)
    const shape = batchShape(samples as Samples, size)
    if (found?.tensor.dtype !== dtype || String(found.tensor.shape) !== String(shape)) {
      const array = allocate(dtype, sizeOf(shape))
      found = { array, tensor: leaf(array, shape, dtype) }
      this.#buffers.set(size, found)
    }
    return found
  }

  /** One call of the program. The result is the caller's. */
  call(tensor: Tensor): { data: TypedArray; shape: Shape } {
    const result = this.#program(tensor)
    return { data: evaluateTensor(result), shape: result.shape as Shape }
  }

  /** What the program for this batch costs, and with `time` how long each kernel takes. */
  explain(tensor: Tensor, options?: { readonly time?: boolean }): Explanation {
    return this.#program.explain([tensor], options)
  }

  /** All samples, in batches; lets the event loop turn in between. */
  async run(samples: Samples): Promise<{ data: TypedArray; shape: Shape }> {
    const count = samples.shape[0]!
    const width = sampleSize(samples)
    let out: TypedArray | undefined
    let inner: Shape = []
    for (let from = 0; from < count; ) {
      if (breath.due) await breath.take()
      const left = count - from
      // The smallest batch that holds all that is left, or the largest there is.
      const size = predictionBatches.findLast((candidate) => candidate >= left) ?? predictionBatches[0]
      const filled = Math.min(size, left)
      const { array, tensor } = this.buffer(samples, size, dtypeOf(samples.data)!)
      array.set(samples.data.subarray(from * width, (from + filled) * width) as Float32Array<ArrayBuffer>)
      // Padding repeats the first sample, so that no sample is stranger than those given.
      for (let i = filled; i < size; i++) array.copyWithin(i * width, 0, width)
      const { data, shape } = this.call(tensor)
      inner = shape.slice(1)
      const stride = sizeOf(inner)
      out ??= allocate(dtypeOf(data)!, count * stride)
      out.set(data.subarray(0, filled * stride) as Float32Array<ArrayBuffer>, from * stride)
      from += filled
    }
    return { data: out!, shape: [count, ...inner] }
  }
}

const predictors = new WeakMap<Net, Map<string, Predictor>>()

function predictorFor(net: Net, { scale, offset }: Samples): Predictor {
  const known = predictors.get(net) ?? new Map<string, Predictor>()
  predictors.set(net, known)
  const kind = [scale, offset].join()
  let predictor = known.get(kind)
  if (!predictor) {
    predictor = new Predictor(net, { scale, offset }, undefined)
    known.set(kind, predictor)
  }
  return predictor
}

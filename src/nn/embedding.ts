/**
 * @file Embedding: a table of vectors, one for each number. In: how many numbers there are, and the size of a vector. Out: a
 * layer from int32 numbers to vectors, with PyTorch's name for the table, `weight`.
 *
 * nn.sequential(nn.embedding(65, 128), nn.learnedPositions(64, 128), nn.linear(128, 65))
 */
import type { FloatDType } from '../base/dtype.js'
import { DtypeError, ValueError } from '../base/errors.js'
import { formatShape } from '../base/shape.js'
import { gather } from '../trace/functions.js'
import { type Tensor, where } from '../trace/tensor.js'
import type { Initializer, Variable } from '../trace/variable.js'
import { checkCount, checkOptions, floatDtype } from './checks.js'
import { normal, parameter } from './initializers.js'
import { makeModule } from './module.js'
import type { Layer } from './shapes.js'

/** Of `embedding`. */
export interface EmbeddingOptions<D extends FloatDType = FloatDType> {
  /** The number that stands for no word: its vector is 0 at first and is not trained. Negative ones count from the end. */
  readonly paddingIndex?: number
  /** Draws the table; by default from the normal distribution, as PyTorch. */
  readonly initializer?: Initializer
  readonly dtype?: D
}

/** What embedding gives: from numbers of words to their vectors, the rows of `weight`. */
export type Embedding<N extends number, Size extends number, D extends FloatDType = 'float32'> = Layer<
  readonly [],
  readonly [Size],
  D,
  { readonly weight: Variable<readonly [N, Size], D> },
  'int32'
>

/**
 * y[..., :] = W[x[...], :]: each number's row of the table. x: int32 [...], y: [..., size], weight W: [count, size].
 * A number below 0 or not below `count` gives NaN (a compiled program cannot throw), where PyTorch throws. Tied weights, as
 * in most language models: `x.matmul(embedding.children.weight.value.transpose())` gives logits.
 * Bengio et al. 2003, jmlr.org/papers/v3/bengio03a.html; torch's Embedding
 */
export function embedding<const N extends number, const Size extends number, D extends FloatDType = 'float32'>(
  count: N,
  size: Size,
  options: EmbeddingOptions<D> = {},
): Embedding<N, Size, D> {
  checkOptions('nn.embedding', options, ['paddingIndex', 'initializer', 'dtype'])
  checkCount('nn.embedding', 'the number of vectors', count)
  checkCount('nn.embedding', 'the size of a vector', size)
  const { paddingIndex, initializer = normal() } = options
  if (paddingIndex !== undefined && !(Number.isInteger(paddingIndex) && paddingIndex >= -count && paddingIndex < count))
    throw new ValueError('nn.embedding', `the paddingIndex ${paddingIndex} is none of the ${count} numbers`)
  const padding = paddingIndex !== undefined && paddingIndex < 0 ? paddingIndex + count : paddingIndex
  const dtype = floatDtype('nn.embedding', options.dtype)
  const description = `embedding(${count}, ${size})`
  const children = {
    weight: parameter([count, size] as const, padding === undefined ? initializer : withoutRow(initializer, padding), {
      dtype,
    }),
  }
  const forward = (m: typeof children, numbers: Tensor): Tensor => {
    if (numbers.dtype !== 'int32')
      throw new DtypeError(
        'embedding',
        `takes whole numbers as int32, got ${numbers.dtype}${formatShape(numbers.shape)}`,
        {
          hint: "Convert with .cast('int32'), or make the tensor with { dtype: 'int32' }.",
        },
      )
    const of = (mask: Tensor) => mask.expandDims(-1)
    const rows: Tensor = gather(m.weight.value, numbers)
    const trained = padding === undefined ? rows : where(of(numbers.equal(padding)), rows.detach(), rows)
    return where(of(numbers.greaterEqual(0).and(numbers.less(count))), trained, Number.NaN)
  }
  return makeModule(description, children, forward, {
    takes: [],
    gives: [size],
    dtype,
    inputDtype: 'int32',
    // For messages: how many numbers have a row.
    vocabulary: count,
  }) as unknown as Embedding<N, Size, D>
}

/** The same values but for one row, which is 0. */
const withoutRow =
  (initializer: Initializer, row: number): Initializer =>
  (shape, dtype, draw) => {
    const values = initializer(shape, dtype, draw)
    return values.fill(0, row * shape[1]!, (row + 1) * shape[1]!)
  }

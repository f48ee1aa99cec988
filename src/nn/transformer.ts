/**
 * @file Transformer blocks: attention and a small network at each place, each with a residual connection, a norm and dropout.
 * In: sizes. Out: layers with the names of torch.nn.TransformerEncoderLayer and TransformerDecoderLayer, and stacks of them.
 *
 * const encoder = nn.transformerEncoder(6, () => nn.transformerEncoderLayer(512, 8))
 * const decoder = nn.transformerDecoder(6, () => nn.transformerDecoderLayer(512, 8))
 * decoder(target, encoder(source, { keyMask }), { causal: true, memoryKeyMask: keyMask })
 */
import type { FloatDType } from '../base/dtype.js'
import { ShapeError, ValueError } from '../base/errors.js'
import { formatShape, type Shape } from '../base/shape.js'
import type { Tensor } from '../trace/tensor.js'
import type { Variable } from '../trace/variable.js'
import { relu } from './activations.js'
import { checkCount, checkOptions, floatDtype } from './checks.js'
import { type Dropout, dropout as makeDropout } from './dropout.js'
import { type Linear, linear } from './layers.js'
import { type Children, type ModuleParts, makeModule } from './module.js'
import {
  type AttendOptions,
  type MultiHeadAttention,
  type MultiHeadAttentionOptions,
  multiHeadAttention,
} from './multi-head-attention.js'
import { type LayerNorm, layerNorm } from './normalization.js'
import type { Elementwise, Gives, ShapeOf, Takes } from './shapes.js'

/** Of `transformerEncoderLayer` and `transformerDecoderLayer`. */
export interface TransformerLayerOptions<D extends FloatDType = FloatDType> {
  /** Units of the network at each place; 2048 by default. */
  readonly feedForward?: number
  /** The share that dropout takes from attention weights, hidden units and what is added to the input; 0.1 by default. */
  readonly dropout?: number
  /** Of the network at each place; nn.relu by default. */
  readonly activation?: Elementwise
  /** Norms before attention and network, as in GPT-2 (Xiong et al. 2020, arXiv:2002.04745), not after the sum; false by default. */
  readonly normFirst?: boolean
  /** ε of the norms; 1e-5 by default. */
  readonly epsilon?: number
  /** Whether linear layers, attention and norms have biases; true by default. */
  readonly bias?: boolean
  /** Whether self-attention is causal, where a call does not say; false by default. */
  readonly causal?: boolean
  /** Of self-attention: see `nn.multiHeadAttention`. */
  readonly keyValueHeads?: number
  readonly rotary?: MultiHeadAttentionOptions['rotary']
  readonly dtype?: D
}

/** What a call of a decoder may say: of the target itself, and of the memory. */
export interface DecodeOptions extends AttendOptions {
  /** bool [batch, places of the memory]: true where there is something. */
  readonly memoryKeyMask?: Tensor
  /** Broadcast to [batch, heads, places, places of the memory]. */
  readonly memoryMask?: Tensor
}

/** The children of an encoder layer, in PyTorch’s names. */
export interface EncoderParts<Size extends number, D extends FloatDType> {
  readonly [name: string]:
    | MultiHeadAttention<Size, D>
    | Linear<number, number, D>
    | LayerNorm<readonly [Size], D>
    | Dropout
  readonly self_attn: MultiHeadAttention<Size, D>
  readonly linear1: Linear<Size, number, D>
  readonly linear2: Linear<number, Size, D>
  readonly norm1: LayerNorm<readonly [Size], D>
  readonly norm2: LayerNorm<readonly [Size], D>
}

/** The children of a decoder layer, in PyTorch’s names. */
export interface DecoderParts<Size extends number, D extends FloatDType> extends EncoderParts<Size, D> {
  readonly multihead_attn: MultiHeadAttention<Size, D>
  readonly norm3: LayerNorm<readonly [Size], D>
}

/** From sequences [batch, length, size] to sequences; the batch may be missing. */
export interface TransformerEncoder<
  Size extends number,
  D extends FloatDType = 'float32',
  C extends Children = Children,
> extends ModuleParts<C> {
  <X extends Tensor>(
    input: X & Takes<X, readonly [Size], D>,
    options?: AttendOptions,
  ): Tensor<Gives<ShapeOf<X>, readonly [Size], readonly [Size]>, D>
  readonly takes: readonly [Size]
  readonly gives: readonly [Size]
  readonly dtype: D
}

/** What transformerEncoderLayer gives: self-attention, then a network at each place. */
export type TransformerEncoderLayer<Size extends number, D extends FloatDType = 'float32'> = TransformerEncoder<
  Size,
  D,
  EncoderParts<Size, D>
>

/** From sequences [batch, length, size] and a memory [batch, places, size], such as an encoder's output, to sequences. */
export interface TransformerDecoder<
  Size extends number,
  D extends FloatDType = 'float32',
  C extends Children = Children,
> extends ModuleParts<C> {
  <X extends Tensor>(
    input: X & Takes<X, readonly [Size], D>,
    memory: Tensor,
    options?: DecodeOptions,
  ): Tensor<Gives<ShapeOf<X>, readonly [Size], readonly [Size]>, D>
  readonly takes: readonly [Size]
  readonly gives: readonly [Size]
  readonly dtype: D
}

/** What transformerDecoderLayer gives: self-attention, attention to a memory, then a network at each place. */
export type TransformerDecoderLayer<Size extends number, D extends FloatDType = 'float32'> = TransformerDecoder<
  Size,
  D,
  DecoderParts<Size, D>
>

/**
 * h = norm1(x + attention(x)), y = norm2(h + linear2(activation(linear1(h)))); with `normFirst` h = x + attention(norm1(x)),
 * y = h + linear2(activation(linear1(norm2(h)))). Dropout on attention weights, hidden units and both summands.
 * x, y: [batch, length, size]. Vaswani et al. 2017, arXiv:1706.03762; torch's TransformerEncoderLayer, batch first
 */
export function transformerEncoderLayer<const Size extends number, D extends FloatDType = 'float32'>(
  size: Size,
  heads: number,
  options: TransformerLayerOptions<D> = {},
): TransformerEncoderLayer<Size, D> {
  const { parts, normFirst, ahead, description, dtype } = common('transformerEncoderLayer', size, heads, options)
  type Parts = typeof parts
  const forward = (m: Parts, x: Tensor, call: AttendOptions = {}): Tensor => {
    const around = residualWith(normFirst)
    const attend = (h: Tensor): Tensor => m.dropout1(m.self_attn(h, call) as Tensor)
    const h = around(x, m.norm1 as Layers, attend)
    return around(h, m.norm2 as Layers, (z) => m.dropout2(ahead(m, z)))
  }
  return makeModule(description, parts, forward as never, {
    takes: [size],
    gives: [size],
    dtype,
  }) as unknown as TransformerEncoderLayer<Size, D>
}

/**
 * An encoder layer with attention to a memory between: h = norm1(x + selfAttention(x)), i = norm2(h + attention(h, memory)),
 * y = norm3(i + linear2(activation(linear1(i)))); with `normFirst` norms come before, as there. Self-attention is causal only
 * where it is told: build it, or call it, with { causal: true }.
 * x, y: [batch, length, size], memory: [batch, places, size]. Vaswani et al. 2017; torch's TransformerDecoderLayer, batch first
 */
export function transformerDecoderLayer<const Size extends number, D extends FloatDType = 'float32'>(
  size: Size,
  heads: number,
  options: TransformerLayerOptions<D> = {},
): TransformerDecoderLayer<Size, D> {
  const { parts, normFirst, ahead, description, dtype } = common('transformerDecoderLayer', size, heads, options)
  const { bias = true, dropout = 0.1, epsilon = 1e-5 } = options
  const { self_attn, linear1, linear2, ...rest } = parts
  const children = {
    self_attn,
    multihead_attn: multiHeadAttention(size as number, heads, { bias, dropout, dtype }),
    linear1,
    linear2,
    ...rest,
    norm3: layerNorm(size as number, { bias, epsilon, dtype }),
    dropout3: makeDropout(dropout),
  }
  type Parts = typeof children
  const forward = (m: Parts, x: Tensor, memory: Tensor, call: DecodeOptions = {}): Tensor => {
    const { memoryKeyMask, memoryMask, ...own } = call
    if (memory?.shape === undefined)
      throw new ValueError('transformerDecoderLayer', 'takes an input and a memory, such as the output of an encoder', {
        hint: 'Without a memory, take nn.transformerEncoderLayer with { causal: true }.',
      })
    const around = residualWith(normFirst)
    const attend = (h: Tensor): Tensor => m.dropout1(m.self_attn(h, own) as Tensor)
    const look = (h: Tensor): Tensor =>
      m.dropout2(m.multihead_attn(h, memory, memory, { keyMask: memoryKeyMask, mask: memoryMask }) as Tensor)
    const h = around(around(x, m.norm1 as Layers, attend), m.norm2 as Layers, look)
    return around(h, m.norm3 as Layers, (z) => m.dropout3(ahead(m, z)))
  }
  return makeModule(description, children, forward as never, {
    takes: [size],
    gives: [size],
    dtype,
  }) as unknown as TransformerDecoderLayer<Size, D>
}

type Layers = (x: Tensor) => Tensor

/** x + f(norm(x)), or norm(x + f(x)). */
const residualWith =
  (normFirst: boolean) =>
  (x: Tensor, norm: Layers, f: Layers): Tensor =>
    normFirst ? x.add(f(norm(x))) : norm(x.add(f(x)))

const optionNames = [
  'feedForward',
  'dropout',
  'activation',
  'normFirst',
  'epsilon',
  'bias',
  'causal',
  'keyValueHeads',
  'rotary',
  'dtype',
]

/** What both kinds of layer have, in PyTorch's order. */
function common(name: string, size: number, heads: number, options: TransformerLayerOptions) {
  checkOptions(`nn.${name}`, options, optionNames)
  const {
    feedForward = 2048,
    dropout = 0.1,
    activation = relu,
    normFirst = false,
    epsilon = 1e-5,
    bias = true,
  } = options
  const { causal, keyValueHeads, rotary } = options
  checkCount(`nn.${name}`, 'feedForward', feedForward)
  if (typeof activation !== 'function')
    throw new ValueError(`nn.${name}`, 'the activation is no function of a tensor, such as nn.gelu')
  const dtype = floatDtype(`nn.${name}`, options.dtype)
  const attention = { bias, dropout, causal, keyValueHeads, rotary, dtype }
  const parts = {
    self_attn: multiHeadAttention(size, heads, attention),
    linear1: linear(size, feedForward, { bias, dtype }),
    dropout: makeDropout(dropout),
    linear2: linear(feedForward, size, { bias, dtype }),
    norm1: layerNorm(size, { bias, epsilon, dtype }),
    norm2: layerNorm(size, { bias, epsilon, dtype }),
    dropout1: makeDropout(dropout),
    dropout2: makeDropout(dropout),
  }
  const ahead = (m: Pick<typeof parts, 'linear1' | 'linear2' | 'dropout'>, x: Tensor): Tensor =>
    m.linear2(m.dropout(activation(m.linear1(x) as Tensor)) as Tensor) as Tensor
  return { parts, normFirst, ahead, description: `${name}(${size}, ${heads})`, dtype }
}

/** Of `transformerEncoder` and `transformerDecoder`. */
export interface TransformerStackOptions<N> {
  /** After the last layer: with `normFirst` one is needed, since the layers end in a sum. Named `norm`. */
  readonly norm?: N
}

/**
 * As many layers as `count`, one after another, each called with the same options; the parameters are `layers.0.linear1.weight`
 * and so on. `layer(i)` makes the i-th (each with its own initial values, where PyTorch copies one). torch's TransformerEncoder
 */
export function transformerEncoder<Size extends number, D extends FloatDType = 'float32'>(
  count: number,
  layer: (i: number) => TransformerEncoderLayer<Size, D>,
  options: TransformerStackOptions<LayerNorm<readonly [Size], D>> = {},
): TransformerEncoder<Size, D, Stack<TransformerEncoderLayer<Size, D>, LayerNorm<readonly [Size], D>>> {
  return stackOf('transformerEncoder', count, layer, options) as never
}

/** As many decoder layers as `count`, each of which sees the same memory. torch's TransformerDecoder; see transformerEncoder. */
export function transformerDecoder<Size extends number, D extends FloatDType = 'float32'>(
  count: number,
  layer: (i: number) => TransformerDecoderLayer<Size, D>,
  options: TransformerStackOptions<LayerNorm<readonly [Size], D>> = {},
): TransformerDecoder<Size, D, Stack<TransformerDecoderLayer<Size, D>, LayerNorm<readonly [Size], D>>> {
  return stackOf('transformerDecoder', count, layer, options) as never
}

/** The children of a stack of layers. */
interface Stack<L extends ModuleParts & ((...inputs: never[]) => unknown), N extends (...inputs: never[]) => unknown> {
  readonly [name: string]: readonly L[] | N | Variable
  readonly layers: readonly L[]
  readonly norm: N
}

interface Sized extends ModuleParts {
  (x: Tensor, ...rest: unknown[]): Tensor
  readonly takes?: Shape
  readonly dtype?: FloatDType
}

function stackOf(
  name: string,
  count: number,
  make: (i: number) => unknown,
  { norm }: TransformerStackOptions<unknown>,
): ModuleParts {
  checkCount(`nn.${name}`, 'the number of layers', count)
  if (typeof make !== 'function')
    throw new ValueError(`nn.${name}`, 'takes a function that makes a layer', {
      hint: `Write nn.${name}(6, () => nn.${name}Layer(512, 8)).`,
    })
  const layers = Array.from({ length: count }, (_, i) => make(i) as Sized)
  const takes = layers[0]!.takes
  for (const { takes: other, description } of layers)
    if (String(other) !== String(takes))
      throw new ShapeError(`nn.${name}`, `${description} does not follow ${layers[0]!.description}`, {
        hint: `All layers take ${takes ? formatShape(takes) : 'the same size'}.`,
      })
  const children = { layers, ...(norm ? { norm: norm as Sized } : {}) }
  const forward = (m: typeof children, x: Tensor, ...rest: unknown[]): Tensor => {
    const y = m.layers.reduce((h, layer) => layer(h, ...rest), x)
    return m.norm ? m.norm(y) : y
  }
  return makeModule(`${name} of ${count}`, children, forward as never, {
    takes,
    gives: takes,
    dtype: layers[0]!.dtype,
  })
}

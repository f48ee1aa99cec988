/**
 * @file Attention, as a function of queries, keys and values. In: tensors [..., heads, length, size]. Out: for each query a
 * mean of the values, weighted by how well its key fits. The layer with projections is in multi-head-attention.ts.
 *
 * nn.attention(queries, keys, values, { causal: true })
 */

import { type DType, isFloat } from '../base/dtype.js'
import { DtypeError, ShapeError, ValueError } from '../base/errors.js'
import { formatShape, type Shape } from '../base/shape.js'
import { expectTensor } from '../trace/arguments.js'
import { iota } from '../trace/creation.js'
import { type Tensor, where } from '../trace/tensor.js'
import { checkOptions, checkProbability } from './checks.js'
import { dropped } from './dropout.js'
import type { DTypeOf, ShapeOf, Unknown } from './shapes.js'

/** Of `attention`. */
export interface AttentionOptions {
  /** A query sees its own place and those before it (query t keys 0..t); false by default. */
  readonly causal?: boolean
  /** Broadcast to [..., queries, keys]. bool: true where a query may look at a key; floats are added to the scores. */
  readonly mask?: Tensor
  /** What scores are multiplied by: 1/√size by default. */
  readonly scale?: number
  /** The share of weights that are 0 in training; 0 by default. */
  readonly dropout?: number
}

/** The queries' shape, with the values' size at the end. */
export type Attended<Q extends Shape, V extends Shape> =
  Unknown<Q> extends true
    ? // biome-ignore lint/suspicious/noExplicitAny: an unknown shape is accepted everywhere
      any
    : Unknown<V> extends true
      ? // biome-ignore lint/suspicious/noExplicitAny: an unknown shape is accepted everywhere
        any
      : Q extends readonly [...infer Lead extends Shape, number]
        ? V extends readonly [...Shape, infer Size extends number]
          ? readonly [...Lead, Size]
          : Shape
        : Shape

/**
 * softmax(Q Kᵀ · scale + mask) V. Q: [..., heads, queries, size], K: [..., heads, keys, size], V: [..., heads, keys, sizeᵥ];
 * the result [..., heads, queries, sizeᵥ]. Keys and values may have fewer heads, of which each serves as many neighbouring
 * heads of the queries (Ainslie et al. 2023, arXiv:2305.13245). Without a heads axis: [queries, size] and [keys, size]. A query that
 * may look at no key gives 0. Vaswani et al. 2017, arXiv:1706.03762; torch's scaled_dot_product_attention
 */
export function attention<Q extends Tensor, V extends Tensor>(
  query: Q,
  key: Tensor,
  value: V,
  options: AttentionOptions = {},
): Tensor<Attended<ShapeOf<Q>, ShapeOf<V>>, DTypeOf<Q>> {
  checkOptions('nn.attention', options, ['causal', 'mask', 'scale', 'dropout'])
  const { causal = false, mask, dropout = 0 } = options
  checkProbability('nn.attention', dropout)
  expectTensor('nn.attention', 'query', query)
  expectTensor('nn.attention', 'key', key)
  expectTensor('nn.attention', 'value', value)
  const { heads, groups } = checkShapes(query, key, value)
  const [queries, size] = (query.shape as Shape).slice(-2) as [number, number]
  const scale = options.scale ?? 1 / Math.sqrt(size)
  if (!Number.isFinite(scale)) throw new ValueError('nn.attention', `the scale must be a number, not ${scale}`)

  // Heads that share keys are more rows of one product: nothing is repeated.
  const share = (x: Tensor): Tensor => (groups === 1 ? x : refold(x, heads / groups, groups * queries))
  const unshare = (x: Tensor): Tensor => (groups === 1 ? x : refold(x, heads, queries))
  // The scale goes with what is made of a product's elements as they are written; scaled queries would be stored apart.
  const scores = unshare(share(query).matmul(key.transpose()).mul(scale))
  const weights = dropped('attention', weightsOf(scores, causal, mask), dropout)
  return unshare(share(weights).matmul(value)) as Tensor<Attended<ShapeOf<Q>, ShapeOf<V>>, DTypeOf<Q>>
}

/** [..., heads, rows, size] with the same rows under other heads. */
const refold = (x: Tensor, heads: number, rows: number): Tensor =>
  x.reshape([...(x.shape as Shape).slice(0, -3), heads, rows, x.shape[x.rank - 1]])

/** The softmax of scores [..., queries, keys] over the keys that each query may look at; 0 where there are none. */
function weightsOf(scores: Tensor, causal: boolean, mask: Tensor | undefined): Tensor {
  const masked = mask ? withMask(scores, mask) : scores
  const pair = (scores.shape as Shape).slice(-2)
  const seen = causal ? where(iota(pair, 0).greaterEqual(iota(pair, 1)), masked, Number.NEGATIVE_INFINITY) : masked
  const highest = seen.max(-1, { keepAxes: true }).detach()
  // Without a mask each query sees a key. With one, −∞ − (−∞) would be NaN.
  const powers = seen.sub(mask ? where(highest.equal(Number.NEGATIVE_INFINITY), 0, highest) : highest).exp()
  const sum = powers.sum(-1, { keepAxes: true })
  return powers.div(mask ? where(sum.equal(0), 1, sum) : sum)
}

function withMask(scores: Tensor, mask: Tensor): Tensor {
  const shape = scores.shape as Shape
  const given = mask.shape as Shape
  const fits =
    given.length <= shape.length && given.every((n, i) => n === 1 || n === shape[shape.length - given.length + i])
  if (!fits)
    throw new ShapeError('attention', `the mask ${formatShape(given)} does not fit the scores ${formatShape(shape)}`, {
      hint: 'It is broadcast to [..., queries, keys]. One of keys [batch, keys] is mask.reshape([batch, 1, 1, keys]).',
    })
  if (mask.dtype === 'bool') return where(mask, scores, Number.NEGATIVE_INFINITY)
  if (mask.dtype !== scores.dtype)
    throw new DtypeError('attention', `the mask must be bool or ${scores.dtype}, not ${mask.dtype}`)
  return scores.add(mask)
}

function checkShapes(query: Tensor, key: Tensor, value: Tensor): { heads: number; groups: number } {
  const [q, k, v] = [query, key, value].map((x) => x.shape as Shape) as [Shape, Shape, Shape]
  const shown = `queries ${formatShape(q)}, keys ${formatShape(k)}, values ${formatShape(v)}`
  const fail = (fault: string): never => {
    throw new ShapeError('attention', `${fault}: ${shown}`, {
      hint: 'They are [..., heads, queries, size], [..., heads, keys, size] and [..., heads, keys, size of a value].',
    })
  }
  if (q.length < 2 || k.length !== q.length || v.length !== q.length) fail('ranks do not fit')
  const at = (shape: Shape, fromEnd: number) => shape[shape.length - fromEnd]!
  if (at(q, 1) !== at(k, 1)) fail('queries and keys differ in size')
  if (at(k, 2) !== at(v, 2)) fail('there must be as many values as keys')
  if (!isFloat(query.dtype as DType) || key.dtype !== query.dtype || value.dtype !== query.dtype)
    throw new DtypeError('attention', `takes floats of one dtype, got ${query.dtype}, ${key.dtype} and ${value.dtype}`)
  if (q.length === 2) return { heads: 1, groups: 1 }
  if (q.slice(0, -3).some((n, i) => n !== k[i] || n !== v[i])) fail('batches differ')
  const [heads, shared] = [at(q, 3), at(k, 3)]
  if (shared !== at(v, 3) || shared === 0 || heads % shared !== 0)
    fail('heads of queries must be divided by those of keys')
  return { heads, groups: heads / shared }
}

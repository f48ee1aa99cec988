/**
 * @file Multi-head attention: projections, attention in each head, and one more projection. In: sizes. Out: a layer with the
 * names of torch.nn.MultiheadAttention, for self-attention, attention to another sequence, and heads that share keys.
 *
 * const self = nn.multiHeadAttention(128, 4, { causal: true }); self(x)
 * const cross = nn.multiHeadAttention(128, 4); cross(x, memory, memory, { keyMask })
 */
import type { FloatDType } from '../base/dtype.js'
import { DtypeError, ShapeError, ValueError } from '../base/errors.js'
import { formatShape, type Shape } from '../base/shape.js'
import { Tensor, where } from '../trace/tensor.js'
import type { Variable } from '../trace/variable.js'
import { attention } from './attention.js'
import { checkCount, checkDtype, checkOptions, checkProbability, floatDtype } from './checks.js'
import { parameter, uniformByFanIn, xavierUniform, zeros } from './initializers.js'
import { type Linear, linear } from './layers.js'
import { type Children, type ModuleParts, makeModule } from './module.js'
import { type RotaryOptions, rotary } from './positions.js'
import type { Gives, ShapeOf, Takes } from './shapes.js'

/** Of `multiHeadAttention`. */
export interface MultiHeadAttentionOptions<D extends FloatDType = FloatDType> {
  /** Whether projections have biases; true by default. */
  readonly bias?: boolean
  /** The share of attention weights that are 0 in training; 0 by default. */
  readonly dropout?: number
  /** Whether a query sees only its own place and those before it, where a call does not say; false by default. */
  readonly causal?: boolean
  /** Heads of keys and values, each of which serves as many neighbouring heads of queries; as many as those by default. */
  readonly keyValueHeads?: number
  /** Sizes of the vectors that keys and values are made of; that of the queries by default. */
  readonly keySize?: number
  readonly valueSize?: number
  /** Turns queries and keys by their positions: true, or the options of `nn.rotary`. */
  readonly rotary?: boolean | RotaryOptions
  readonly dtype?: D
}

/** What a call may say. */
export interface AttendOptions {
  /** bool [batch, keys]: true where there is a key, false where there is padding. PyTorch's key_padding_mask is the opposite. */
  readonly keyMask?: Tensor
  /** Broadcast to [batch, heads, queries, keys]. bool: true where a query may look at a key; floats are added to the scores. */
  readonly mask?: Tensor
  readonly causal?: boolean
}

/** The parameters of the plain case. With other sizes or fewer heads: q_proj_weight, k_proj_weight and v_proj_weight. */
export interface AttentionParts<Size extends number, D extends FloatDType> {
  readonly [name: string]: Variable | Linear<Size, Size, D>
  readonly in_proj_weight: Variable<readonly [number, Size], D>
  readonly in_proj_bias: Variable<readonly [number], D>
  readonly out_proj: Linear<Size, Size, D>
}

/** What multiHeadAttention gives: sequences look at themselves, or at others. */
export interface MultiHeadAttention<Size extends number, D extends FloatDType = 'float32'>
  extends ModuleParts<AttentionParts<Size, D>> {
  /** Attention of a sequence to itself. */
  <X extends Tensor>(
    input: X & Takes<X, readonly [Size], D>,
    options?: AttendOptions,
  ): Tensor<Gives<ShapeOf<X>, readonly [Size], readonly [Size]>, D>
  /** Attention to another sequence; the values are made of what the keys are made of, unless given. */
  <X extends Tensor>(
    query: X & Takes<X, readonly [Size], D>,
    key: Tensor,
    value?: Tensor,
    options?: AttendOptions,
  ): Tensor<Gives<ShapeOf<X>, readonly [Size], readonly [Size]>, D>
  readonly takes: readonly [Size]
  readonly gives: readonly [Size]
  readonly dtype: D
}

const separate = ['q_proj_weight', 'k_proj_weight', 'v_proj_weight'] as const
type Parts = {
  readonly [K in 'in_proj_weight' | 'in_proj_bias' | (typeof separate)[number]]?: Variable
} & { readonly out_proj: (x: Tensor) => Tensor }

const optionNames = ['bias', 'dropout', 'causal', 'keyValueHeads', 'keySize', 'valueSize', 'rotary', 'dtype']

/**
 * y = concat(attention(x Wqᵢᵀ, k Wkᵢᵀ, v Wvᵢᵀ) for each head i) Woᵀ + b. Queries x and y: [batch, queries, size]; keys and
 * values [batch, keys, size] (or `keySize`, `valueSize`): the batch is always the first axis, as with PyTorch's
 * batch_first=True, and may be missing. A head has size / heads elements.
 * in_proj_weight: [3·size, size], queries, keys and values one below the other; in_proj_bias: [3·size]; out_proj.weight:
 * [size, size]. Where keys or values differ in size or number of heads: q_proj_weight [size, size], k_proj_weight and v_proj_weight
 * [keyValueHeads · size / heads, their size]. Initial values are PyTorch's.
 * Vaswani et al. 2017, arXiv:1706.03762; fewer heads for keys: Ainslie et al. 2023, arXiv:2305.13245
 */
export function multiHeadAttention<const Size extends number, D extends FloatDType = 'float32'>(
  size: Size,
  heads: number,
  options: MultiHeadAttentionOptions<D> = {},
): MultiHeadAttention<Size, D> {
  checkOptions('nn.multiHeadAttention', options, optionNames)
  const { bias = true, dropout = 0, keyValueHeads = heads, keySize = size, valueSize = size } = options
  for (const [what, n] of Object.entries({ size, heads, keyValueHeads, keySize, valueSize }))
    checkCount('nn.multiHeadAttention', what, n)
  checkProbability('nn.multiHeadAttention', dropout)
  if (size % heads !== 0 || heads % keyValueHeads !== 0)
    throw new ValueError(
      'nn.multiHeadAttention',
      size % heads !== 0
        ? `a size of ${size} cannot be divided among ${heads} heads`
        : `${heads} heads cannot share ${keyValueHeads} heads of keys and values evenly`,
    )
  if (options.rotary && (size / heads) % 2 !== 0)
    throw new ValueError('nn.multiHeadAttention', `heads of ${size / heads} elements have no pairs for rotary to turn`)
  const dtype = floatDtype('nn.multiHeadAttention', options.dtype)
  const shared = keyValueHeads * (size / heads)
  const description = `multiHeadAttention(${size}, ${heads})`
  const weight = (rows: number, columns: number) => parameter([rows, columns], xavierUniform(), { dtype })
  const plain = keyValueHeads === heads && keySize === size && valueSize === size
  const children: Parts = {
    ...(plain
      ? { in_proj_weight: weight(3 * size, size) }
      : {
          q_proj_weight: weight(size, size),
          k_proj_weight: weight(shared, keySize),
          v_proj_weight: weight(shared, valueSize),
        }),
    ...(bias ? { in_proj_bias: parameter([size + 2 * shared], zeros, { dtype }) } : {}),
    out_proj: linear(size as number, size as number, {
      bias,
      initializer: uniformByFanIn(size),
      biasInitializer: zeros,
      dtype,
    }),
  }
  const turning = options.rotary === true ? {} : options.rotary || undefined
  const headsOf = [heads, keyValueHeads, keyValueHeads] as const
  const starts = [0, size, size + shared, size + 2 * shared] as const

  const forward = (m: Parts, query: Tensor, ...rest: unknown[]): Tensor => {
    const { key, value, call } = argumentsOf(query, rest)
    const inputs = [query, key, value] as const
    for (const [i, expected] of [size, keySize, valueSize].entries()) {
      const x = inputs[i]!
      if (x.rank < 2 || x.shape[x.rank - 1] !== expected)
        throw new ShapeError(
          'multiHeadAttention',
          `takes ${['queries', 'keys', 'values'][i]} [batch, length, ${expected}], got ${formatShape(x.shape)}`,
          { hint: `It was built as ${description}.` },
        )
      checkDtype('multiHeadAttention', x, dtype, description)
    }
    /** Projections `from` to `to` of what they are all made of, as one product, whose columns are heads. */
    const project = (x: Tensor, from: number, to: number): Tensor[] => {
      const weights = m.in_proj_weight
        ? m.in_proj_weight.value.slice([starts[from]!], [starts[to]!])
        : m[separate[from]!]!.value
      const product = x.matmul(weights.transpose())
      const all = m.in_proj_bias ? product.add(m.in_proj_bias.value.slice([starts[from]!], [starts[to]!])) : product
      return splitHeads(all, headsOf.slice(from, to))
    }
    const together = plain && key === value
    const [q, k, v] = (
      together && query === key
        ? project(query, 0, 3)
        : [
            ...project(query, 0, 1),
            ...(together ? project(key, 1, 3) : [...project(key, 1, 2), ...project(value, 2, 3)]),
          ]
    ) as [Tensor, Tensor, Tensor]
    const turned = (x: Tensor): Tensor => (turning ? rotary(x, turning) : x)
    const attended = attention(turned(q), turned(k), v, {
      causal: call.causal ?? options.causal ?? false,
      mask: maskOf(call, k),
      dropout,
    })
    return m.out_proj(joinHeads(attended))
  }
  return makeModule(description, children as Children, forward as never, {
    takes: [size],
    gives: [size],
    dtype,
  }) as unknown as MultiHeadAttention<Size, D>
}

/** (query), (query, options), (query, key, options) or (query, key, value, options). */
function argumentsOf(query: Tensor, rest: readonly unknown[]): { key: Tensor; value: Tensor; call: AttendOptions } {
  const tensors = rest.filter((x): x is Tensor => x instanceof Tensor)
  const others = rest.filter((x) => x !== undefined && !(x instanceof Tensor))
  const [call = {}] = others as [AttendOptions?]
  if (!(query instanceof Tensor) || tensors.length > 2 || others.length > 1 || typeof call !== 'object')
    throw new ValueError('multiHeadAttention', 'takes (query, key, value, options), of which only the query is needed')
  checkOptions('multiHeadAttention', call, ['keyMask', 'mask', 'causal'])
  const [key = query, value = key] = tensors
  return { key, value, call }
}

/** [..., length, heads · n] → [..., heads, length, n] for each number of heads, one after another. */
function splitHeads(x: Tensor, counts: readonly number[]): Tensor[] {
  const lead = (x.shape as Shape).slice(0, -1)
  const total = counts.reduce((sum, n) => sum + n, 0)
  const parted = x.reshape([...lead, total, x.shape[x.rank - 1] / total])
  let from = 0
  return counts.map((count) => {
    const start = [...lead.map(() => 0), from]
    from += count
    return swapped(count === total ? parted : parted.slice(start, [...lead, from]))
  })
}

/** [..., heads, length, n] → [..., length, heads · n]. */
function joinHeads(x: Tensor): Tensor {
  const together = swapped(x)
  const shape = together.shape as Shape
  return together.reshape([...shape.slice(0, -2), shape[shape.length - 2]! * shape[shape.length - 1]!])
}

/** The third and second axis from the end change places. */
const swapped = (x: Tensor): Tensor => {
  const axes = Array.from({ length: x.rank }, (_, i) => i)
  return x.transpose([...axes.slice(0, -3), x.rank - 2, x.rank - 3, x.rank - 1])
}

/** What a query may look at, by pair and by key. */
function maskOf({ mask, keyMask }: AttendOptions, keys: Tensor): Tensor | undefined {
  if (!keyMask) return mask
  // keys: [...batch, heads, length, n]
  const shape = keys.shape as Shape
  const batch = shape.slice(0, -3)
  const length = shape[shape.length - 2]!
  if (keyMask.dtype !== 'bool')
    throw new DtypeError(
      'multiHeadAttention',
      `the keyMask must be bool, true where there is a key, not ${keyMask.dtype}`,
    )
  if (formatShape(keyMask.shape as Shape) !== formatShape([...batch, length]))
    throw new ShapeError(
      'multiHeadAttention',
      `the keyMask is ${formatShape(keyMask.shape)}, the keys are ${formatShape([...batch, length])}`,
    )
  const present = keyMask.reshape([...batch, 1, 1, length])
  if (!mask) return present
  return mask.dtype === 'bool' ? mask.and(present) : where(present, mask, Number.NEGATIVE_INFINITY)
}

/**
 * @file Positions in a sequence, which attention alone does not see: a learned vector for each, sines of many wavelengths, or
 * a rotation of queries and keys. In: vectors [..., length, size]. Out: the same shape.
 *
 * nn.sequential(nn.embedding(65, 128), nn.sinusoidalPositions(128)); nn.rotary(queries)
 */

import type { FloatDType } from '../base/dtype.js'
import { isFloat } from '../base/dtype.js'
import { DtypeError, ShapeError, ValueError } from '../base/errors.js'
import { formatShape, type Shape } from '../base/shape.js'
import { expectTensor } from '../trace/arguments.js'
import { tensor } from '../trace/creation.js'
import { concatenate } from '../trace/functions.js'
import type { Tensor } from '../trace/tensor.js'
import type { Initializer, Variable } from '../trace/variable.js'
import { checkCount, checkDtype, checkOptions, floatDtype } from './checks.js'
import { normal, parameter } from './initializers.js'
import { makeModule } from './module.js'
import type { DTypeOf, Layer, ShapeOf } from './shapes.js'

/** Of `learnedPositions`. */
export interface LearnedPositionsOptions<D extends FloatDType = FloatDType> {
  /** Draws the vectors; by default from the normal distribution, as those of an embedding. */
  readonly initializer?: Initializer
  readonly dtype?: D
}

/** What learnedPositions gives: the vector of each place is a row of `weight`. */
export type LearnedPositions<Length extends number, Size extends number, D extends FloatDType = 'float32'> = Layer<
  readonly [Size],
  readonly [Size],
  D,
  { readonly weight: Variable<readonly [Length, Size], D> }
>

/**
 * y[..., t, :] = x[..., t, :] + W[t, :]. x, y: [..., t, size], t up to `length`; weight W: [length, size], as that of an
 * embedding of positions. Gehring et al. 2017, arXiv:1705.03122
 */
export function learnedPositions<const L extends number, const Size extends number, D extends FloatDType = 'float32'>(
  length: L,
  size: Size,
  options: LearnedPositionsOptions<D> = {},
): LearnedPositions<L, Size, D> {
  checkOptions('nn.learnedPositions', options, ['initializer', 'dtype'])
  checkCount('nn.learnedPositions', 'the length', length)
  checkCount('nn.learnedPositions', 'the size of a vector', size)
  const dtype = floatDtype('nn.learnedPositions', options.dtype)
  const description = `learnedPositions(${length}, ${size})`
  const children = { weight: parameter([length, size] as const, options.initializer ?? normal(), { dtype }) }
  const forward = (m: typeof children, x: Tensor): Tensor => {
    checkSequence('learnedPositions', x, size, dtype, description)
    const steps: number = x.shape[x.rank - 2]
    if (steps > length)
      throw new ShapeError(
        'learnedPositions',
        `has ${length} positions, the input ${formatShape(x.shape)} has ${steps}`,
        {
          hint: `It was built as ${description}.`,
        },
      )
    return x.add(m.weight.value.slice([0], [steps]))
  }
  return makeModule(description, children, forward, {
    takes: [size],
    gives: [size],
    dtype,
  }) as unknown as LearnedPositions<L, Size, D>
}

/** Of `sinusoidalPositions`. */
export interface SinusoidalOptions<D extends FloatDType = FloatDType> {
  /** The longest wavelength is 2π times this; 10,000 by default. */
  readonly base?: number
  readonly dtype?: D
}

/** What sinusoidalPositions gives; nothing in it is trained. */
export type SinusoidalPositions<Size extends number, D extends FloatDType = 'float32'> = Layer<
  readonly [Size],
  readonly [Size],
  D,
  Record<never, never>
>

/**
 * y[..., t, 2i] = x[..., t, 2i] + sin(t / base^(2i/size)), y[..., t, 2i + 1] = x[..., t, 2i + 1] + cos(t / base^(2i/size)),
 * for sequences of any length. x, y: [..., t, size]. Nothing is trained. Vaswani et al. 2017, arXiv:1706.03762
 */
export function sinusoidalPositions<const Size extends number, D extends FloatDType = 'float32'>(
  size: Size,
  options: SinusoidalOptions<D> = {},
): SinusoidalPositions<Size, D> {
  checkOptions('nn.sinusoidalPositions', options, ['base', 'dtype'])
  checkCount('nn.sinusoidalPositions', 'the size of a vector', size)
  const base = checkBase('nn.sinusoidalPositions', options.base)
  const dtype = floatDtype('nn.sinusoidalPositions', options.dtype)
  const description = `sinusoidalPositions(${size})`
  const forward = (_: object, x: Tensor): Tensor => {
    checkSequence('sinusoidalPositions', x, size, dtype, description)
    return x.add(
      table(x.shape[x.rank - 2], size, 0, dtype, `sines ${base}`, (t, i) => {
        const angle = t / base ** ((i - (i % 2)) / size)
        return i % 2 === 0 ? Math.sin(angle) : Math.cos(angle)
      }),
    )
  }
  return makeModule(description, {}, forward, {
    takes: [size],
    gives: [size],
    dtype,
  }) as unknown as SinusoidalPositions<Size, D>
}

/** Of `rotary`, and of attention that uses it. */
export interface RotaryOptions {
  /** The longest wavelength is 2π times this; 10,000 by default. */
  readonly base?: number
  /** The position of the first vector: how many came before, in generation; 0 by default. */
  readonly offset?: number
  /**
   * Which elements are one pair: i-th and (i + 1)-th, as in the paper and torchtune, or element i of the first half and of
   * the second, as in Hugging Face's LLaMA. 'neighbours' by default. What was trained with one does not work with the other.
   */
  readonly pairs?: 'neighbours' | 'halves'
}

/**
 * Turns pair i of the vector at position t by the angle θ = t / base^(2i/size): (a, b) → (a cos θ − b sin θ, a sin θ + b cos θ).
 * The product of a query and a key then depends on how far apart they are, not where. x, y: [..., t, size], size even: queries
 * and keys [batch, heads, t, size of a head], say. Su et al. 2021, arXiv:2104.09864
 */
export function rotary<X extends Tensor>(x: X, options: RotaryOptions = {}): Tensor<ShapeOf<X>, DTypeOf<X>> {
  expectTensor('nn.rotary', 'x', x)
  checkOptions('nn.rotary', options, ['base', 'offset', 'pairs'])
  const { offset = 0, pairs = 'neighbours' } = options
  const base = checkBase('nn.rotary', options.base)
  if (pairs !== 'neighbours' && pairs !== 'halves')
    throw new ValueError('nn.rotary', `pairs are 'neighbours' or 'halves', not '${String(pairs)}'`)
  if (!(Number.isInteger(offset) && offset >= 0))
    throw new ValueError('nn.rotary', `the offset must be a whole number of 0 or more, not ${offset}`)
  const shape = x.shape as Shape
  const size = shape[x.rank - 1]!
  if (x.rank < 2 || size % 2 !== 0)
    throw new ShapeError('rotary', `takes [..., length, size] with an even size, got ${formatShape(shape)}`)
  if (!isFloat(x.dtype)) throw new DtypeError('rotary', `takes floats, got ${x.dtype}${formatShape(shape)}`)
  const half = size / 2
  const steps = shape[x.rank - 2]!
  const of = (f: (angle: number) => number) =>
    table(steps, half, offset, x.dtype, `${f.name} ${base} ${size}`, (t, i) => f(t / base ** ((2 * i) / size)))
  const [cos, sin] = [of(Math.cos), of(Math.sin)]
  // [..., t, half, 2] or [..., t, 2, half]: one axis says which of a pair.
  const axis = pairs === 'neighbours' ? -1 : -2
  const paired: Tensor = x.reshape([...shape.slice(0, -1), ...(pairs === 'neighbours' ? [half, 2] : [2, half])])
  const member = (which: number): Tensor => {
    const start = paired.shape.map((_: number, i: number) => (i === paired.rank + axis ? which : 0))
    const limit = paired.shape.map((n: number, i: number) => (i === paired.rank + axis ? which + 1 : n))
    return paired.slice(start, limit).squeeze(axis)
  }
  const [a, b] = [member(0), member(1)]
  const turned = [a.mul(cos).sub(b.mul(sin)), a.mul(sin).add(b.mul(cos))]
  const together = concatenate(
    turned.map((part) => part.expandDims(axis)),
    axis,
  )
  return together.reshape(shape) as unknown as Tensor<ShapeOf<X>, DTypeOf<X>>
}

/** Tables of the last few lengths, so that the layers of a network share one. */
const tables = new Map<string, Tensor>()

/** f(t, i) for t from `offset` and i below `size`, computed in float64 and rounded once. */
function table(
  length: number,
  size: number,
  offset: number,
  dtype: FloatDType,
  name: string,
  f: (t: number, i: number) => number,
): Tensor {
  const key = [length, size, offset, dtype, name].join()
  let found = tables.get(key)
  if (!found) {
    const data = Float64Array.from({ length: length * size }, (_, k) => f(offset + Math.floor(k / size), k % size))
    found = tensor(data, { shape: [length, size], dtype }) as Tensor
    tables.set(key, found)
    if (tables.size > 16) tables.delete(tables.keys().next().value!)
  }
  return found
}

function checkSequence(operation: string, x: Tensor, size: number, dtype: FloatDType, description: string): void {
  if (x.rank < 2 || x.shape[x.rank - 1] !== size)
    throw new ShapeError(operation, `takes [..., length, ${size}], got ${formatShape(x.shape)}`, {
      hint: `It was built as ${description}.`,
    })
  checkDtype(operation, x, dtype, description)
}

function checkBase(operation: string, base = 10_000): number {
  if (!(base > 0)) throw new ValueError(operation, `the base must be above 0, not ${base}`)
  return base
}

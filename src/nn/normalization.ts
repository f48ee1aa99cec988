/**
 * @file Normalisation within a sample: layerNorm and rmsNorm over the last axes, groupNorm over groups of channels, instanceNorm over each. What
 * needs the whole batch is in batch-norm.ts. In: sizes. Out: a layer with PyTorch's names, `weight` (γ) and `bias` (β).
 *
 * nn.sequential(nn.linear(16, 64), nn.layerNorm(64), nn.gelu)
 */
import type { FloatDType } from '../base/dtype.js'
import { ShapeError, ValueError } from '../base/errors.js'
import { formatShape, type Shape, sizeOf } from '../base/shape.js'
import type { Tensor } from '../trace/tensor.js'
import type { Variable } from '../trace/variable.js'
import { checkCount, checkDtype, checkOptions, floatDtype } from './checks.js'
import { ones, parameter, zeros } from './initializers.js'
import { makeModule } from './module.js'
import type { ChannelLayer, Layer } from './shapes.js'

/** Of all norms. */
export interface NormOptions<D extends FloatDType = FloatDType> {
  /** ε, which keeps the divisor from 0. */
  readonly epsilon?: number
  /** Whether there are γ and β; true by default. */
  readonly affine?: boolean
  readonly dtype?: D
}

/** Of `layerNorm`. */
export interface LayerNormOptions<D extends FloatDType = FloatDType> extends NormOptions<D> {
  /** Whether there is a β beside γ; true by default. */
  readonly bias?: boolean
}

/** Sizes of the normalised axes: one number, or several. */
type SizesOf<N extends number | Shape> = N extends number ? readonly [N] : N extends Shape ? N : Shape

/** What layerNorm gives; what was left out is no child. */
export type LayerNorm<S extends Shape, D extends FloatDType = 'float32'> = Layer<
  S,
  S,
  D,
  { readonly weight: Variable<S, D>; readonly bias: Variable<S, D> }
>

/** What rmsNorm gives; what was left out is no child. */
export type RmsNorm<S extends Shape, D extends FloatDType = 'float32'> = Layer<
  S,
  S,
  D,
  { readonly weight: Variable<S, D> }
>
/** Children of a norm over channels. */
export interface ChannelScale<C extends number, D extends FloatDType> {
  readonly [name: string]: Variable
  readonly weight: Variable<readonly [C], D>
  readonly bias: Variable<readonly [C], D>
}

/** What groupNorm and instanceNorm give; what was left out is no child. */
export type GroupNorm<C extends number, D extends FloatDType = 'float32'> = ChannelLayer<C, D, ChannelScale<C, D>>

/**
 * y = (x − μ) / √(σ² + ε) · γ + β with the mean μ and the variance σ² (divided by n) of the last axes, which have the given
 * sizes. x, y: [..., ...sizes]; γ, β: sizes, at first 1 and 0; ε = 1e-5. Ba et al. 2016, arXiv:1607.06450; torch's LayerNorm
 */
export function layerNorm<const N extends number | Shape, D extends FloatDType = 'float32'>(
  sizes: N,
  options: LayerNormOptions<D> = {},
): LayerNorm<SizesOf<N>, D> {
  checkOptions('nn.layerNorm', options, ['epsilon', 'affine', 'bias', 'dtype'])
  const { epsilon = 1e-5, affine = true, bias = true } = options
  return overLastAxes('layerNorm', sizes, epsilon, options.dtype, affine, affine && bias, (x, axes) =>
    standardized(x, axes, epsilon),
  ) as unknown as LayerNorm<SizesOf<N>, D>
}

/**
 * y = x / √(mean(x²) + ε) · γ over the last axes, which have the given sizes: layerNorm without a mean and β.
 * x, y: [..., ...sizes]; γ: sizes, at first 1. ε: the distance from 1 to the next number of the dtype, as in PyTorch
 * (1.2e-7 for float32). Zhang & Sennrich 2019, arXiv:1910.07467; torch's RMSNorm
 */
export function rmsNorm<const N extends number | Shape, D extends FloatDType = 'float32'>(
  sizes: N,
  options: NormOptions<D> = {},
): RmsNorm<SizesOf<N>, D> {
  checkOptions('nn.rmsNorm', options, ['epsilon', 'affine', 'dtype'])
  const { affine = true } = options
  const epsilon = options.epsilon ?? (options.dtype === 'float64' ? 2 ** -52 : 2 ** -23)
  return overLastAxes('rmsNorm', sizes, epsilon, options.dtype, affine, false, (x, axes) =>
    x.mul(x.square().mean(axes, { keepAxes: true }).add(epsilon).sqrt().reciprocal()),
  ) as unknown as RmsNorm<SizesOf<N>, D>
}

function overLastAxes(
  name: string,
  size: number | Shape,
  epsilon: number,
  wanted: FloatDType | undefined,
  weight: boolean,
  bias: boolean,
  normalized: (x: Tensor, axes: readonly number[]) => Tensor,
) {
  const sizes: Shape = typeof size === 'number' ? [size] : size
  if (sizes.length === 0) throw new ValueError(`nn.${name}`, 'needs the size of at least one axis')
  for (const n of sizes) checkCount(`nn.${name}`, 'a size', n)
  checkEpsilon(`nn.${name}`, epsilon)
  const dtype = floatDtype(`nn.${name}`, wanted)
  const description = `${name}(${sizes.length === 1 ? sizes[0] : formatShape(sizes)})`
  const children = {
    ...(weight ? { weight: parameter(sizes, ones, { dtype }) } : {}),
    ...(bias ? { bias: parameter(sizes, zeros, { dtype }) } : {}),
  }
  const forward = (m: typeof children, x: Tensor): Tensor => {
    const last = (x.shape as Shape).slice(Math.max(0, x.rank - sizes.length))
    if (last.length !== sizes.length || last.some((n, i) => n !== sizes[i]))
      throw new ShapeError(name, `takes [...,${sizes.join(',')}], got ${formatShape(x.shape)}`, {
        hint: `It was built as ${description}.`,
      })
    checkDtype(name, x, dtype, description)
    const axes = sizes.map((_, i) => x.rank - sizes.length + i)
    return affineOf(normalized(x, axes), m.weight?.value, m.bias?.value)
  }
  return makeModule(description, children, forward, { takes: sizes, gives: sizes, dtype })
}

/**
 * Channels in groups of neighbours: y = (x − μ) / √(σ² + ε) · γ + β with mean and variance of each sample's group over its
 * channels and all further axes. x, y: [batch, channels, ...]; γ, β: [channels]; ε = 1e-5. One group is layer normalisation
 * of a whole sample, as many groups as channels instance normalisation. Wu & He 2018, arXiv:1803.08494; torch's GroupNorm
 */
export function groupNorm<const C extends number, D extends FloatDType = 'float32'>(
  groups: number,
  channels: C,
  options: NormOptions<D> = {},
): GroupNorm<C, D> {
  checkOptions('nn.groupNorm', options, ['epsilon', 'affine', 'dtype'])
  checkCount('nn.groupNorm', 'the number of groups', groups)
  checkCount('nn.groupNorm', 'the number of channels', channels)
  if (channels % groups !== 0)
    throw new ValueError('nn.groupNorm', `${channels} channels cannot be divided into ${groups} groups`)
  const { epsilon = 1e-5, affine = true } = options
  checkEpsilon('nn.groupNorm', epsilon)
  const dtype = floatDtype('nn.groupNorm', options.dtype)
  const description = `groupNorm(${groups}, ${channels})`
  const children = channelScale(channels, affine, dtype)
  const forward = (m: typeof children, x: Tensor): Tensor => {
    checkChannels('groupNorm', x, channels, dtype, description)
    const [batch, , ...rest] = x.shape as Shape
    const grouped = x.reshape([batch!, groups, (channels / groups) * sizeOf(rest)])
    return channelAffine(standardized(grouped, [2], epsilon).reshape(x.shape), m.weight?.value, m.bias?.value)
  }
  return makeModule(description, children, forward, {
    keepsShape: true as const,
    channels,
    dtype,
  }) as unknown as GroupNorm<C, D>
}

/**
 * y = (x − μ) / √(σ² + ε) · γ + β with mean and variance of each sample's channel over all further axes: groupNorm with as many
 * groups as channels, but without γ and β unless `affine` says so. x, y: [batch, channels, ...], of rank 3 or more; ε = 1e-5.
 * Ulyanov et al. 2016, arXiv:1607.08022; torch's InstanceNorm1d, 2d and 3d without running statistics
 */
export function instanceNorm<const C extends number, D extends FloatDType = 'float32'>(
  channels: C,
  options: NormOptions<D> = {},
): GroupNorm<C, D> {
  checkOptions('nn.instanceNorm', options, ['epsilon', 'affine', 'dtype'])
  checkCount('nn.instanceNorm', 'the number of channels', channels)
  const { epsilon = 1e-5, affine = false } = options
  checkEpsilon('nn.instanceNorm', epsilon)
  const dtype = floatDtype('nn.instanceNorm', options.dtype)
  const description = `instanceNorm(${channels})`
  const children = channelScale(channels, affine, dtype)
  const forward = (m: typeof children, x: Tensor): Tensor => {
    checkChannels('instanceNorm', x, channels, dtype, description)
    if (x.rank < 3)
      throw new ShapeError('instanceNorm', `takes [batch, channels, ...], got ${formatShape(x.shape)}`, {
        hint: 'One number a channel has no variance.',
      })
    const further = (x.shape as Shape).flatMap((_, axis) => (axis < 2 ? [] : [axis]))
    return channelAffine(standardized(x, further, epsilon), m.weight?.value, m.bias?.value)
  }
  return makeModule(description, children, forward, {
    keepsShape: true as const,
    channels,
    dtype,
  }) as unknown as GroupNorm<C, D>
}

/** (x − μ) / √(σ² + ε) over the given axes. */
export function standardized(x: Tensor, axes: readonly number[], epsilon: number): Tensor {
  const centred = x.sub(x.mean(axes, { keepAxes: true }))
  const variance = centred.square().mean(axes, { keepAxes: true })
  return centred.mul(variance.add(epsilon).sqrt().reciprocal())
}

/** γ and β of a norm over channels, where it has them. */
export const channelScale = (
  channels: number,
  affine: boolean,
  dtype: FloatDType,
): { readonly weight?: Variable; readonly bias?: Variable } =>
  affine ? { weight: parameter([channels], ones, { dtype }), bias: parameter([channels], zeros, { dtype }) } : {}

/** x · γ + β, one number a channel, the channels being axis 1. */
export function channelAffine(x: Tensor, weight: Tensor | undefined, bias: Tensor | undefined): Tensor {
  return affineOf(x, weight && perChannel(weight, x.rank), bias && perChannel(bias, x.rank))
}

/** [C] as [C, 1, ...]: broadcast along axis 1 of a tensor of that rank. */
export const perChannel = (values: Tensor, rank: number): Tensor =>
  values.reshape([values.size, ...new Array<number>(rank - 2).fill(1)])

function affineOf(x: Tensor, weight: Tensor | undefined, bias: Tensor | undefined): Tensor {
  const scaled = weight ? x.mul(weight) : x
  return bias ? scaled.add(bias) : scaled
}

/** Throws unless x is [batch, channels, ...] of the dtype. */
export function checkChannels(
  operation: string,
  x: Tensor,
  channels: number,
  dtype: FloatDType,
  description: string,
): void {
  if (x.rank < 2 || x.shape[1] !== channels)
    throw new ShapeError(operation, `takes [batch,${channels},...], got ${formatShape(x.shape)}`, {
      hint: `It was built as ${description}.`,
    })
  checkDtype(operation, x, dtype, description)
}

/** Throws for an ε that is negative or no number. */
export function checkEpsilon(operation: string, epsilon: number): void {
  if (!(epsilon >= 0)) throw new ValueError(operation, `epsilon must be 0 or more, not ${epsilon}`)
}

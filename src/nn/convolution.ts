/**
 * @file Convolutional layers: conv1d, conv2d, conv3d, and transposed ones. In: numbers of channels, a kernel's size, options
 * as in PyTorch. Out: a layer over [..., channels, ...space] whose weight and bias have PyTorch's layouts.
 *
 * nn.sequential(nn.conv2d(1, 32, 3, { padding: 'same' }), nn.relu, nn.maxPool2d(2), nn.flatten(), nn.linear(32 * 14 * 14, 10))
 */
import type { FloatDType } from '../base/dtype.js'
import { ShapeError, ValueError } from '../base/errors.js'
import { formatShape, type Shape, sizeOf } from '../base/shape.js'
import { convolution, convolutionTranspose } from '../trace/convolution.js'
import { type EdgeMode, edgeModes, padEdges } from '../trace/edges.js'
import { checkWindowOptions, type Padding, type PerAxis, paddingOf, perAxis } from '../trace/spatial.js'
import type { Tensor } from '../trace/tensor.js'
import type { Initializer, Variable } from '../trace/variable.js'
import { checkCount, checkDtype, checkOptions, floatDtype } from './checks.js'
import { parameter, uniformByFanIn } from './initializers.js'
import { makeModule } from './module.js'
import type { Layer } from './shapes.js'

interface CommonOptions<D extends FloatDType> {
  /** Distance of neighbouring windows; 1. */
  readonly stride?: PerAxis
  /** Distance of neighbours within a window; 1. */
  readonly dilation?: PerAxis
  /** Channels and outputs fall into so many groups that do not see each other; 1. As many as inputs: depthwise. */
  readonly groups?: number
  /** Whether there is a b. */
  readonly bias?: boolean
  /** Draws W; by default uniform in ±1/√fanIn, fanIn = (inputs / groups) · |kernel|, which is PyTorch's. */
  readonly initializer?: Initializer
  /** Draws b; by default as W, as PyTorch. */
  readonly biasInitializer?: Initializer
  readonly dtype?: D
}

/** Of `conv1d`, `conv2d` and `conv3d`. */
export interface ConvolutionLayerOptions<D extends FloatDType = FloatDType> extends CommonOptions<D> {
  /** Zeros around the input: a number, numbers or pairs [before, after] by axis, 'valid' (none, the default) or 'same'. */
  readonly padding?: Padding
  /** What the padding holds: zeros, or what `padEdges` makes of the input. */
  readonly paddingMode?: 'zeros' | EdgeMode
}

/** Of `convTranspose1d` and `convTranspose2d`. */
export interface TransposedConvolutionLayerOptions<D extends FloatDType = FloatDType> extends CommonOptions<D> {
  /** Elements left off at both ends of the output; 0. */
  readonly padding?: PerAxis
  /** Elements added at the end of the output, which several sizes lead to where stride > 1; 0. */
  readonly outputPadding?: PerAxis
}

/** Sizes that only the input knows. */
type Space<Rank extends 1 | 2 | 3> = Rank extends 1
  ? readonly [number]
  : Rank extends 2
    ? readonly [number, number]
    : readonly [number, number, number]

/** A convolutional layer over [..., In, ...space]; without a bias, `bias` is no child. */
export type Convolution<
  Rank extends 1 | 2 | 3,
  In extends number,
  Out extends number,
  D extends FloatDType = 'float32',
> = Layer<
  readonly [In, ...Space<Rank>],
  readonly [Out, ...Space<Rank>],
  D,
  {
    readonly weight: Variable<readonly [Out, number, ...Space<Rank>], D>
    readonly bias: Variable<readonly [Out], D>
  }
>
/** As Convolution, with a weight of [In, Out / groups, ...kernel]. */
export type TransposedConvolution<
  Rank extends 1 | 2 | 3,
  In extends number,
  Out extends number,
  D extends FloatDType = 'float32',
> = Layer<
  readonly [In, ...Space<Rank>],
  readonly [Out, ...Space<Rank>],
  D,
  {
    readonly weight: Variable<readonly [In, number, ...Space<Rank>], D>
    readonly bias: Variable<readonly [Out], D>
  }
>

/**
 * y = convolution(x, W) + b. x: [..., inputs, length], y: [..., outputs, places], W: [outputs, inputs / groups, kernel],
 * b: [outputs]. Throws for other numbers of channels, and where the kernel does not fit. torch.nn.Conv1d
 */
export function conv1d<const In extends number, const Out extends number, D extends FloatDType = 'float32'>(
  inputs: In,
  outputs: Out,
  kernel: PerAxis,
  options: ConvolutionLayerOptions<D> = {},
): Convolution<1, In, Out, D> {
  return layer('conv1d', 1, inputs, outputs, kernel, options) as unknown as Convolution<1, In, Out, D>
}

/**
 * y = convolution(x, W) + b. x: [..., inputs, height, width], y: [..., outputs, places down, places across],
 * W: [outputs, inputs / groups, kernel height, kernel width], b: [outputs]. With ⌊(extent + padding − dilation · (kernel − 1)
 * − 1) / stride⌋ + 1 places. Depthwise: `groups` as many as inputs. Throws for other numbers of channels, and where the
 * kernel does not fit. torch.nn.Conv2d; LeCun et al. 1989, doi:10.1162/neco.1989.1.4.541
 */
export function conv2d<const In extends number, const Out extends number, D extends FloatDType = 'float32'>(
  inputs: In,
  outputs: Out,
  kernel: PerAxis,
  options: ConvolutionLayerOptions<D> = {},
): Convolution<2, In, Out, D> {
  return layer('conv2d', 2, inputs, outputs, kernel, options) as unknown as Convolution<2, In, Out, D>
}

/** As conv2d, over [..., inputs, depth, height, width]. torch.nn.Conv3d */
export function conv3d<const In extends number, const Out extends number, D extends FloatDType = 'float32'>(
  inputs: In,
  outputs: Out,
  kernel: PerAxis,
  options: ConvolutionLayerOptions<D> = {},
): Convolution<3, In, Out, D> {
  return layer('conv3d', 3, inputs, outputs, kernel, options) as unknown as Convolution<3, In, Out, D>
}

/** As convTranspose2d, over [..., inputs, length]. torch.nn.ConvTranspose1d */
export function convTranspose1d<const In extends number, const Out extends number, D extends FloatDType = 'float32'>(
  inputs: In,
  outputs: Out,
  kernel: PerAxis,
  options: TransposedConvolutionLayerOptions<D> = {},
): TransposedConvolution<1, In, Out, D> {
  const made = layer('convTranspose1d', 1, inputs, outputs, kernel, options, true)
  return made as unknown as TransposedConvolution<1, In, Out, D>
}

/**
 * The transpose of a convolution, plus b: each pixel of x adds its multiple of the kernel to y. x: [..., inputs, height, width],
 * y: [..., outputs, ...] with (n − 1) · stride − 2 · padding + dilation · (kernel − 1) + outputPadding + 1 pixels along each
 * axis, W: [inputs, outputs / groups, kernel height, kernel width], b: [outputs]. PyTorch takes fanIn from W's axes as they
 * are, so that it is (outputs / groups) · |kernel|. torch.nn.ConvTranspose2d; Zeiler et al. 2010, doi:10.1109/CVPR.2010.5539957
 */
export function convTranspose2d<const In extends number, const Out extends number, D extends FloatDType = 'float32'>(
  inputs: In,
  outputs: Out,
  kernel: PerAxis,
  options: TransposedConvolutionLayerOptions<D> = {},
): TransposedConvolution<2, In, Out, D> {
  const made = layer('convTranspose2d', 2, inputs, outputs, kernel, options, true)
  return made as unknown as TransposedConvolution<2, In, Out, D>
}

const optionNames = ['stride', 'padding', 'dilation', 'groups', 'bias', 'initializer', 'biasInitializer', 'dtype']

function layer<D extends FloatDType>(
  name: string,
  rank: 1 | 2 | 3,
  inputs: number,
  outputs: number,
  kernel: PerAxis,
  options: ConvolutionLayerOptions<D> | TransposedConvolutionLayerOptions<D>,
  transposed = false,
) {
  const operation = `nn.${name}`
  checkCount(operation, 'the number of inputs', inputs)
  checkCount(operation, 'the number of outputs', outputs)
  checkOptions(operation, options, [...optionNames, transposed ? 'outputPadding' : 'paddingMode'])
  const sizes = perAxis(operation, 'the kernel', kernel, rank, 1)
  checkWindowOptions(operation, options, sizes)
  if (transposed)
    for (const name of ['padding', 'outputPadding'] as const)
      perAxis(operation, name, (options as TransposedConvolutionLayerOptions)[name] ?? 0, rank, 0)
  const { paddingMode = 'zeros' } = options as ConvolutionLayerOptions
  if (!['zeros', ...edgeModes].includes(paddingMode))
    throw new ValueError(
      operation,
      `paddingMode is 'zeros', '${edgeModes.join("' or '")}', not '${String(paddingMode)}'`,
    )
  const { groups = 1, bias = true } = options
  checkCount(operation, 'groups', groups)
  for (const [what, count] of [['inputs', inputs] as const, ['outputs', outputs] as const])
    if (count % groups !== 0) throw new ValueError(operation, `groups ${groups} must divide the ${what}, ${count}`)
  const dtype = floatDtype(operation, options.dtype)
  const shape = transposed ? [inputs, outputs / groups, ...sizes] : [outputs, inputs / groups, ...sizes]
  const drawn = uniformByFanIn(sizeOf(shape.slice(1)))
  const { initializer = drawn, biasInitializer = drawn } = options
  const described = describe(options)
  const description = `${name}(${inputs}, ${outputs}, ${JSON.stringify(kernel)}${described && `, { ${described} }`})`
  const children = {
    weight: parameter(shape, initializer, { dtype }),
    ...(bias ? { bias: parameter([outputs] as const, biasInitializer, { dtype }) } : {}),
  }
  const forward = (m: typeof children, x: Tensor): Tensor => {
    const given = x.shape as Shape
    if (given.length <= rank || given[given.length - rank - 1] !== inputs) {
      const space = ['depth', 'height', 'width'].slice(-rank).join(',')
      throw new ShapeError(name, `takes [...,${inputs},${rank === 1 ? 'length' : space}], got ${formatShape(given)}`, {
        hint: `It was built as ${description}.${inputs === 1 ? ' One channel needs an axis of its own: x.expandDims(1).' : ''}`,
      })
    }
    checkDtype(name, x, dtype, description)
    // All axes before the channels are one batch.
    const lead = given.slice(0, given.length - rank - 1)
    const batch = lead.length === 1 ? x : x.reshape([sizeOf(lead), ...given.slice(-rank - 1)])
    const weight = m.weight.value as Tensor
    const y = transposed
      ? convolutionTranspose(batch, weight, options as TransposedConvolutionLayerOptions)
      : paddingMode === 'zeros'
        ? convolution(batch, weight, options as ConvolutionLayerOptions)
        : convolution(continued(batch, sizes, options as ConvolutionLayerOptions), weight, { ...options, padding: 0 })
    const out = lead.length === 1 ? y : y.reshape([...lead, ...(y.shape as Shape).slice(1)])
    return m.bias ? out.add(m.bias.value.reshape([outputs, ...sizes.map(() => 1)])) : out
  }
  // What only the input knows is −1.
  const space = sizes.map(() => -1)
  return makeModule(description, children, forward, { takes: [inputs, ...space], gives: [outputs, ...space], dtype })
}

/** The input with its padding, where that is not zeros. */
function continued(x: Tensor, sizes: readonly number[], options: ConvolutionLayerOptions): Tensor {
  const of = (name: 'stride' | 'dilation') => perAxis('convolution', name, options[name] ?? 1, sizes.length, 1)
  const window = { sizes, strides: of('stride'), dilations: of('dilation') }
  const { low, high } = paddingOf('convolution', options.padding ?? 0, (x.shape as Shape).slice(2), window)
  return padEdges(
    x,
    low.map((n, i) => [n, high[i]!] as const),
    options.paddingMode as EdgeMode,
  )
}

/** Options as they were written, those that say where windows lie. */
function describe(options: object): string {
  const shown = ['stride', 'padding', 'paddingMode', 'outputPadding', 'dilation', 'groups', 'bias']
  return Object.entries(options)
    .filter(([key, value]) => shown.includes(key) && value !== undefined)
    .map(([key, value]) => `${key}: ${JSON.stringify(value).replaceAll('"', "'")}`)
    .join(', ')
}

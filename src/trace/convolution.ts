/**
 * @file Convolutions, transposed convolutions and windows over any number of axes of space. In: x [n, channels, ...space],
 * a weight. Out: tensors. Layouts and defaults are PyTorch's.
 *
 * convolution(images, weight, { padding: 'same' })     // [32, 1, 28, 28], [8, 1, 3, 3] → [32, 8, 28, 28]
 */
import type { DType } from '../base/dtype.js'
import { ShapeError, ValueError } from '../base/errors.js'
import { formatShape, type Shape } from '../base/shape.js'
import { convolve } from '../graph/convolution.js'
import * as ops from '../graph/ops.js'
import { expectNumbers, expectTensor } from './arguments.js'
import { checkFits, type Padding, type PerAxis, paddingOf, perAxis } from './spatial.js'
import { record, type Tensor } from './tensor.js'

/** Of `convolution`. One number goes for all axes of space; a list has one for each. */
export interface ConvolutionOptions {
  /** Distance of neighbouring windows; 1. */
  readonly stride?: PerAxis
  /** Zeros around x; 0. Negative numbers leave elements off. */
  readonly padding?: Padding
  /** Distance of neighbours within a window; 1. */
  readonly dilation?: PerAxis
  /** Distance of neighbours of x, zeros between them; 1. */
  readonly inputDilation?: PerAxis
  /** Channels and outputs fall into so many groups that do not see each other; 1. As many as channels: depthwise. */
  readonly groups?: number
}

/**
 * y[n, o, p] = Σ over c, k of w[o, c, k] · x[n, c, stride · p + dilation · k − padding]: what is called convolution, and is a
 * cross-correlation. x: [n, channels, ...space], w: [outputs, channels / groups, ...kernel], y: [n, outputs, ...places] with
 * ⌊(padded − dilation · (kernel − 1) − 1) / stride⌋ + 1 places along each axis. Floats of one dtype only.
 * Throws for shapes that do not fit, and where the kernel is larger than the padded input. torch.nn.functional.conv1d to 3d
 * LeCun et al. 1989, doi:10.1162/neco.1989.1.4.541
 */
export function convolution<D extends DType>(
  x: Tensor<Shape, D>,
  w: Tensor<Shape, D>,
  options: ConvolutionOptions = {},
): Tensor<Shape, D> {
  const { extents, kernel, groups } = checkOperands('convolution', x, w, options, 1)
  const rank = extents.length
  const of = (name: 'stride' | 'dilation' | 'inputDilation') =>
    perAxis('convolution', name, options[name] ?? 1, rank, 1)
  const inputDilations = of('inputDilation')
  const sizes = { sizes: kernel, strides: of('stride'), dilations: of('dilation') }
  const spread = extents.map((n, i) => Math.max(0, n - 1) * inputDilations[i]! + Math.min(1, n))
  const { low, high } = paddingOf('convolution', options.padding ?? 0, spread, sizes)
  checkFits('convolution', spread, low, high, sizes)
  const { strides, dilations } = sizes
  return record([x, w], (image, weight) =>
    convolve(image!, weight!, { strides, low, high, dilations, inputDilations, groups }),
  )
}

/** Of `convolutionTranspose`. */
export interface TransposedConvolutionOptions {
  /** Distance of neighbours of x in y; 1. */
  readonly stride?: PerAxis
  /** Elements left off at both ends of y; 0. */
  readonly padding?: PerAxis
  /** Elements added at the end of y, which several sizes lead to where stride > 1; 0, and below stride or dilation. */
  readonly outputPadding?: PerAxis
  /** Distance of neighbours within a window; 1. */
  readonly dilation?: PerAxis
  readonly groups?: number
}

/**
 * The transpose of a convolution, that is what its gradient by the input is: each element of x adds its multiple of the kernel
 * to y. x: [n, channels, ...space], w: [channels, outputs / groups, ...kernel], y: [n, outputs, ...] with
 * (n − 1) · stride − 2 · padding + dilation · (kernel − 1) + outputPadding + 1 elements along each axis. No zero is multiplied:
 * it is computed in stride phases. Throws for shapes that do not fit. torch.nn.functional.conv_transpose1d to 3d
 * Zeiler et al. 2010, doi:10.1109/CVPR.2010.5539957
 */
export function convolutionTranspose<D extends DType>(
  x: Tensor<Shape, D>,
  w: Tensor<Shape, D>,
  options: TransposedConvolutionOptions = {},
): Tensor<Shape, D> {
  const operation = 'convolutionTranspose'
  const { extents, kernel, groups } = checkOperands(operation, x, w, options, 0)
  const rank = extents.length
  const [strides, dilations] = (['stride', 'dilation'] as const).map((name) =>
    perAxis(operation, name, options[name] ?? 1, rank, 1),
  ) as [number[], number[]]
  const padding = perAxis(operation, 'padding', options.padding ?? 0, rank, 0)
  const added = perAxis(operation, 'outputPadding', options.outputPadding ?? 0, rank, 0)
  if (added.some((n, i) => n >= Math.max(strides[i]!, dilations[i]!)))
    throw new ValueError(operation, `outputPadding [${added}] must be below stride [${strides}] or dilation`, {
      hint: 'More would be outputs that no input reaches.',
    })
  const reaches = kernel.map((size, i) => (size - 1) * dilations[i]!)
  const low = reaches.map((n, i) => n - padding[i]!)
  const high = reaches.map((n, i) => n - padding[i]! + added[i]!)
  const places = extents.map((n, i) => (n - 1) * strides[i]! + 1 + low[i]! + high[i]! - reaches[i]!)
  if (places.some((n) => n < 1))
    throw new ShapeError(operation, `padding [${padding}] leaves nothing of the output, ${formatShape(places)}`)
  const [channels, each] = w.shape as readonly [number, number]
  const last = kernel.map((_, i) => i + 2)
  return record([x, w], (image, weight) => {
    // [channels, outputs / groups, ...] → [outputs, channels / groups, ...], turned around
    const turned = ops.reverse(weight!, last)
    const grouped = ops.reshape(turned, [groups, channels / groups, each, ...kernel])
    const swapped = ops.transpose(grouped, [0, 2, 1, ...last.map((axis) => axis + 1)])
    const kernels = ops.reshape(swapped, [groups * each, channels / groups, ...kernel])
    const strideOne = strides.map(() => 1)
    return convolve(image!, kernels, { strides: strideOne, low, high, dilations, inputDilations: strides, groups })
  })
}

/** Ranks and channels; `axis` is that of the weight with outputs, which groups divide. */
function checkOperands(
  operation: string,
  x: Tensor,
  w: Tensor,
  { groups = 1 }: { readonly groups?: number },
  axis: 0 | 1,
): { readonly extents: readonly number[]; readonly kernel: readonly number[]; readonly groups: number } {
  expectTensor(operation, 'x', x)
  expectTensor(operation, 'w', w)
  const [a, b] = [x.shape as Shape, w.shape as Shape]
  const both = `${formatShape(a)} and a weight of ${formatShape(b)}`
  if (a.length < 3 || b.length !== a.length)
    throw new ShapeError(operation, `takes [n, channels, ...space] and as many axes of weight, not ${both}`, {
      hint: 'One sample needs an axis in front, x.expandDims(0); one channel an axis of its own, x.expandDims(1).',
    })
  if (!Number.isInteger(groups) || groups < 1)
    throw new ValueError(operation, `groups must be a whole number above 0, not ${groups}`)
  const channels = axis === 1 ? b[1]! * groups : b[0]!
  if (a[1] !== channels || b[0]! % groups !== 0)
    throw new ShapeError(operation, `${both} do not fit: ${a[1]} channels in ${groups} groups`, {
      hint:
        axis === 1
          ? `The weight is [outputs, channels / groups, ...kernel], and ${groups} divides the outputs.`
          : `The weight is [channels, outputs / groups, ...kernel], and ${groups} divides the channels.`,
    })
  return { extents: a.slice(2), kernel: b.slice(2), groups }
}

/** Of `windows`. */
export interface WindowsOptions {
  /** Distance of neighbouring windows; 1. */
  readonly stride?: PerAxis
  /** Distance of neighbours within a window; 1. */
  readonly dilation?: PerAxis
}

/**
 * The windows over the last axes of x, as many axes as sizes: [..., ...extents] → [..., ...places, ...sizes], with
 * ⌊(extent − dilation · (size − 1) − 1) / stride⌋ + 1 places along each. Nothing is copied until something is computed of
 * them; an element's gradient is the sum over the windows that show it. Throws where no window fits.
 * Example: windows(arange(5), [3]) is [[0, 1, 2], [1, 2, 3], [2, 3, 4]]. torch.nn.functional.unfold, in another layout
 */
export function windows<D extends DType>(
  x: Tensor<Shape, D>,
  sizes: readonly number[],
  options: WindowsOptions = {},
): Tensor<Shape, D> {
  expectTensor('windows', 'x', x)
  expectNumbers('windows', 'sizes', sizes)
  const shape = x.shape as Shape
  const rank = sizes.length
  if (rank === 0 || rank > shape.length)
    throw new ShapeError('windows', `${rank} sizes for the last axes of ${formatShape(shape)}`)
  const attrs = {
    sizes: perAxis('windows', 'size', sizes, rank, 1),
    strides: perAxis('windows', 'stride', options.stride ?? 1, rank, 1),
    dilations: perAxis('windows', 'dilation', options.dilation ?? 1, rank, 1),
  }
  const extents = shape.slice(-rank)
  const none = extents.map(() => 0)
  checkFits('windows', extents, none, none, attrs)
  const axes = extents.map((_, i) => shape.length - rank + i)
  return record([x], (node) => ops.windows(node, { axes, ...attrs }))
}

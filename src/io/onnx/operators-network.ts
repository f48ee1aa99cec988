/**
 * @file ONNX operators of networks: products, convolutions, poolings, normalisations, reductions, softmax. In: a call.
 * Out: tensors.
 */
import type { Shape } from '../../base/shape.js'
import * as activations from '../../nn/activations.js'
import { dropout } from '../../nn/dropout.js'
import { convolution, convolutionTranspose } from '../../trace/convolution.js'
import { ones } from '../../trace/creation.js'
import { einsum } from '../../trace/einsum.js'
import { averagePool, maxPool } from '../../trace/pooling.js'
import type { Padding } from '../../trace/spatial.js'
import type { Tensor } from '../../trace/tensor.js'
import type { Call, Rule, Rules } from './call.js'
import { axisOf } from './operators-shape.js'

const shapeOf = (x: Tensor): number[] => [...(x.shape as Shape)]

function gemm(call: Call): Tensor {
  const a = call.flag('transA', false) ? call.input(0).transpose() : call.input(0)
  const b = call.flag('transB', false) ? call.input(1).transpose() : call.input(1)
  const [alpha, beta] = [call.float('alpha', 1), call.float('beta', 1)]
  const product = a.matmul(b)
  const scaled = alpha === 1 ? product : product.mul(alpha)
  const c = call.optional(2)
  return c && beta !== 0 ? scaled.add(beta === 1 ? c : c.mul(beta)) : scaled
}

/** Padding of a window operator: pairs, from `pads` or what `auto_pad` says. */
function padding(call: Call, extents: readonly number[], kernel: readonly number[]): [number, number][] {
  const auto = call.text('auto_pad', 'NOTSET')
  call.only('auto_pad', auto, 'NOTSET', 'VALID', 'SAME_UPPER', 'SAME_LOWER')
  if (auto === 'NOTSET') {
    const pads = call.ints('pads') ?? []
    return kernel.map((_, i) => [pads[i] ?? 0, pads[i + kernel.length] ?? 0])
  }
  if (auto === 'VALID') return kernel.map(() => [0, 0])
  const [strides, dilations] = [perAxis(call, 'strides', kernel), perAxis(call, 'dilations', kernel)]
  return kernel.map((size, i) => {
    const n = extents[i]!
    const total = Math.max(0, (Math.ceil(n / strides[i]!) - 1) * strides[i]! + (size - 1) * dilations[i]! + 1 - n)
    const less = Math.floor(total / 2)
    return auto === 'SAME_UPPER' ? [less, total - less] : [total - less, less]
  })
}

const perAxis = (call: Call, name: string, kernel: readonly number[]): number[] =>
  call.ints(name) ?? kernel.map(() => 1)

const withBias = (y: Tensor, bias: Tensor | undefined): Tensor =>
  bias
    ? y.add(
        bias.reshape([
          -1,
          ...shapeOf(y)
            .slice(2)
            .map(() => 1),
        ]),
      )
    : y

function conv(call: Call): Tensor {
  const [x, w] = [call.input(0), call.input(1)]
  const kernel = shapeOf(w).slice(2)
  const y = convolution(x, w, {
    stride: perAxis(call, 'strides', kernel),
    dilation: perAxis(call, 'dilations', kernel),
    padding: padding(call, shapeOf(x).slice(2), kernel),
    groups: call.int('group', 1),
  })
  return withBias(y, call.optional(2))
}

function convTranspose(call: Call): Tensor {
  const [x, w] = [call.input(0), call.input(1)]
  const kernel = shapeOf(w).slice(2)
  if (call.ints('output_shape')?.length) call.fail('has an output_shape', 'Export the model with pads instead.')
  const pads = padding(call, shapeOf(x).slice(2), kernel)
  const added = call.ints('output_padding') ?? kernel.map(() => 0)
  const y = convolutionTranspose(x, w, {
    stride: perAxis(call, 'strides', kernel),
    dilation: perAxis(call, 'dilations', kernel),
    groups: call.int('group', 1),
    // What is left off unequally is left off below.
    padding: pads.map(([low, high]) => Math.min(low, high)),
    outputPadding: added,
  })
  const uneven = pads.map(([low, high]) => [low - Math.min(low, high), high - Math.min(low, high)] as const)
  const cut = y.slice(
    [0, 0, ...uneven.map(([low]) => low)],
    shapeOf(y).map((n, i) => (i < 2 ? n : n - uneven[i - 2]![1])),
  )
  return withBias(uneven.some(([a, b]) => a + b > 0) ? cut : y, call.optional(2))
}

const pool =
  (kind: 'maximum' | 'mean'): Rule =>
  (call) => {
    if (call.outputs > 1) call.fail('gives the places of the maxima, which is not supported')
    let x = call.input(0)
    const kernel = call.ints('kernel_shape') ?? call.fail('has no kernel_shape')
    let pads = padding(call, shapeOf(x).slice(2), kernel)
    const stride = perAxis(call, 'strides', kernel)
    const dilations = perAxis(call, 'dilations', kernel)
    const ceilMode = call.flag('ceil_mode', false)
    const countIncludePad = call.flag('count_include_pad', false)
    // Poolings here pad by at most half a window, as PyTorch's; more is padded before.
    const large = pads.some(([low, high], i) => Math.max(low, high) * 2 > kernel[i]!)
    if (large) {
      if (ceilMode || (kind === 'mean' && !countIncludePad)) call.fail('pads by more than half a window')
      const value = kind === 'mean' ? 0 : Number.NEGATIVE_INFINITY
      x = x.pad([0, 0, ...pads.map(([low]) => low)], [0, 0, ...pads.map(([, high]) => high)], value)
      pads = pads.map(() => [0, 0])
    }
    const padded: Padding = pads
    if (kind === 'maximum') return maxPool(x, kernel, { stride, padding: padded, dilation: dilations, ceilMode })
    if (dilations.some((d) => d !== 1)) call.fail('has dilations, which averages do not support')
    return averagePool(x, kernel, { stride, padding: padded, ceilMode, countIncludePad })
  }

/** Axes of space: all but the first two. */
const spatial = (x: Tensor): number[] => shapeOf(x).flatMap((_, i) => (i < 2 ? [] : [i]))
/** One number a channel, against [n, channels, ...]. */
const perChannel = (v: Tensor, x: Tensor): Tensor => v.reshape([-1, ...spatial(x).map(() => 1)])

function normalized(x: Tensor, axes: readonly number[], epsilon: number): Tensor {
  const centred = x.sub(x.mean(axes, { keepAxes: true }))
  return centred.div(centred.square().mean(axes, { keepAxes: true }).add(epsilon).sqrt())
}

/** With the statistics that the model brings, in training too. */
function batchNormalization(call: Call): Tensor {
  const x = call.input(0)
  if (call.outputs > 1) call.fail('gives running statistics: it was exported in training mode')
  const [scale, bias, mean, variance] = [1, 2, 3, 4].map((i) => perChannel(call.input(i), x)) as [
    Tensor,
    Tensor,
    Tensor,
    Tensor,
  ]
  return x
    .sub(mean)
    .mul(scale.div(variance.add(call.float('epsilon', 1e-5)).sqrt()))
    .add(bias)
}

function layerNormalization(call: Call): Tensor {
  const x = call.input(0)
  if (call.outputs > 1) call.fail('gives the mean beside the result, which is not supported')
  const from = axisOf(call, call.int('axis', -1), x.rank)
  const axes = shapeOf(x).flatMap((_, i) => (i < from ? [] : [i]))
  const scaled = normalized(x, axes, call.float('epsilon', 1e-5)).mul(call.input(1))
  const bias = call.optional(2)
  return bias ? scaled.add(bias) : scaled
}

function rmsNormalization(call: Call): Tensor {
  const x = call.input(0)
  const from = axisOf(call, call.int('axis', -1), x.rank)
  const axes = shapeOf(x).flatMap((_, i) => (i < from ? [] : [i]))
  const size = x.square().mean(axes, { keepAxes: true }).add(call.float('epsilon', 1e-5)).sqrt()
  return x.div(size).mul(call.input(1))
}

function groupNormalization(call: Call): Tensor {
  const x = call.input(0)
  const groups = call.int('num_groups', 1)
  const [n, channels, ...space] = shapeOf(x) as [number, number, ...number[]]
  const apart = x.reshape([n, groups, channels / groups, ...space])
  const axes = shapeOf(apart).flatMap((_, i) => (i < 2 ? [] : [i]))
  const y = normalized(apart, axes, call.float('epsilon', 1e-5))
  // Before version 21 there is one scale a group.
  if (call.version < 21 && call.input(1).size === groups && groups !== channels) {
    const each = (v: Tensor) => v.reshape([groups, ...space.map(() => 1), 1])
    return y
      .mul(each(call.input(1)))
      .add(each(call.input(2)))
      .reshape(shapeOf(x))
  }
  return y
    .reshape(shapeOf(x))
    .mul(perChannel(call.input(1), x))
    .add(perChannel(call.input(2), x))
}

function instanceNormalization(call: Call): Tensor {
  const x = call.input(0)
  const y = normalized(x, spatial(x), call.float('epsilon', 1e-5))
  return y.mul(perChannel(call.input(1), x)).add(perChannel(call.input(2), x))
}

/** Along an axis; before version 13 over all axes from it on. */
const softmax =
  (f: (x: Tensor, options: { axis: number }) => Tensor): Rule =>
  (call) => {
    const x = call.input(0)
    if (call.version >= 13) return f(x, { axis: axisOf(call, call.int('axis', -1), x.rank) })
    const axis = axisOf(call, call.int('axis', 1), x.rank)
    const lead = shapeOf(x).slice(0, axis)
    return f(x.reshape([...lead, -1]), { axis: axis }).reshape(shapeOf(x))
  }

type Options = { readonly keepAxes: boolean }
const reduction =
  (f: (x: Tensor, axes: number[], options: Options) => Tensor): Rule =>
  (call) => {
    const x = call.input(0)
    const given = call.numbersOr(1, 'axes')
    if ((given === undefined || given.length === 0) && call.flag('noop_with_empty_axes', false)) return x
    const axes = given?.length ? given.map((axis) => axisOf(call, axis, x.rank)) : shapeOf(x).map((_, i) => i)
    if (axes.length === 0) return x
    return f(x, axes, { keepAxes: call.flag('keepdims', true) })
  }

/** One slice after another: right in every derivative, and products are over few. */
function product(x: Tensor, axes: readonly number[], { keepAxes }: Options): Tensor {
  const kept = shapeOf(x).map((n, i) => (axes.includes(i) ? 1 : n))
  let y = x
  for (const axis of axes) {
    const part = (k: number) =>
      y.slice(
        shapeOf(y).map((_, i) => (i === axis ? k : 0)),
        shapeOf(y).map((n, i) => (i === axis ? k + 1 : n)),
      )
    y = Array.from({ length: shapeOf(y)[axis]! }, (_, k) => part(k)).reduce((a, b) => a.mul(b) as Tensor)
  }
  return keepAxes ? y.reshape(kept) : y.reshape(kept.filter((_, i) => !axes.includes(i)))
}

const argument =
  (sign: 1 | -1): Rule =>
  (call) => {
    const x = call.input(0)
    const axis = axisOf(call, call.int('axis', 0), x.rank)
    call.only('select_last_index', call.int('select_last_index', 0), 0)
    const place = (sign === 1 ? x : x.neg()).argmax(axis)
    return call.flag('keepdims', true) ? place.expandDims(axis) : place
  }

function dropoutRule(call: Call): Tensor[] {
  const x = call.input(0)
  const ratio = call.numbers(1, 'ratio')?.[0] ?? call.float('ratio', 0.5)
  const y = dropout(ratio)(x) as Tensor
  return call.outputs > 1 ? [y, ones(shapeOf(x)).cast('bool') as Tensor] : [y]
}

const lpNormalization: Rule = (call) => {
  const x = call.input(0)
  const axis = axisOf(call, call.int('axis', -1), x.rank)
  call.only('p', call.int('p', 2), 1, 2)
  const options = { keepAxes: true }
  return x.div(call.int('p', 2) === 1 ? x.abs().sum(axis, options) : x.square().sum(axis, options).sqrt())
}

export const networkRules: Rules = {
  ArgMax: argument(1),
  ArgMin: argument(-1),
  AveragePool: pool('mean'),
  BatchNormalization: batchNormalization,
  Conv: conv,
  ConvTranspose: convTranspose,
  Dropout: dropoutRule,
  Einsum: (call) => einsum(call.text('equation', '').replaceAll(' ', ''), ...call.all()),
  Gemm: gemm,
  GlobalAveragePool: (call) => call.input(0).mean(spatial(call.input(0)), { keepAxes: true }),
  GlobalMaxPool: (call) => call.input(0).max(spatial(call.input(0)), { keepAxes: true }),
  GroupNormalization: groupNormalization,
  InstanceNormalization: instanceNormalization,
  LayerNormalization: layerNormalization,
  LogSoftmax: softmax(activations.logSoftmax as never),
  LpNormalization: lpNormalization,
  MatMul: (call) => call.input(0).matmul(call.input(1)),
  MaxPool: pool('maximum'),
  RMSNormalization: rmsNormalization,
  ReduceL1: reduction((x, axes, options) => x.abs().sum(axes, options)),
  ReduceL2: reduction((x, axes, options) => x.square().sum(axes, options).sqrt()),
  ReduceLogSum: reduction((x, axes, options) => x.sum(axes, options).log()),
  ReduceLogSumExp: reduction((x, axes, options) => x.logSumExp(axes, options)),
  ReduceMax: reduction((x, axes, options) => x.max(axes, options)),
  ReduceMean: reduction((x, axes, options) => x.mean(axes, options)),
  ReduceMin: reduction((x, axes, options) => x.min(axes, options)),
  ReduceProd: reduction(product),
  ReduceSum: reduction((x, axes, options) => x.sum(axes, options)),
  ReduceSumSquare: reduction((x, axes, options) => x.square().sum(axes, options)),
  Softmax: softmax(activations.softmax as never),
}

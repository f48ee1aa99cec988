/**
 * @file ONNX operators of networks: products, normalisations, reductions, softmax. In: a call.
 * Out: tensors.
 */
import type { Shape } from '../../base/shape.js'
import * as activations from '../../nn/activations.js'
import { dropout } from '../../nn/dropout.js'
import { windows } from '../../trace/convolution.js'
import { iota, ones } from '../../trace/creation.js'
import { einsum } from '../../trace/einsum.js'
import { type Tensor, where } from '../../trace/tensor.js'
import type { Call, Rule, Rules } from './call.js'
import { axisOf } from './operators-places.js'

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
  if (call.outputs > 1) call.fail('gives running statistics, which is not supported: it was exported in training mode')
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

function layerNormalization(call: Call): Tensor[] {
  const x = call.input(0)
  const from = axisOf(call, call.int('axis', -1), x.rank)
  const axes = shapeOf(x).flatMap((_, i) => (i < from ? [] : [i]))
  const epsilon = call.float('epsilon', 1e-5)
  const scaled = normalized(x, axes, epsilon).mul(call.input(1))
  const bias = call.optional(2)
  const y = bias ? scaled.add(bias) : scaled
  if (call.outputs === 1) return [y]
  const mean = x.mean(axes, { keepAxes: true })
  return [y, mean, x.variance(axes, { keepAxes: true }).add(epsilon).sqrt().reciprocal()]
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
    const parts = Array.from({ length: shapeOf(y)[axis]! }, (_, k) => part(k))
    const none = shapeOf(y).map((n, i) => (i === axis ? 1 : n))
    y = parts.length > 0 ? parts.reduce((a, b) => a.mul(b) as Tensor) : (ones(none, { dtype: x.dtype }) as Tensor)
  }
  return keepAxes ? y.reshape(kept) : y.reshape(kept.filter((_, i) => !axes.includes(i)))
}

const argument =
  (sign: 1 | -1): Rule =>
  (call) => {
    const x = call.input(0)
    const axis = axisOf(call, call.int('axis', 0), x.rank)
    const signed = sign === 1 ? x : x.neg()
    const last = call.flag('select_last_index', false)
    const place = last
      ? signed
          .reverse(axis)
          .argmax(axis)
          .neg()
          .add(shapeOf(x)[axis]! - 1)
      : signed.argmax(axis)
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
  const size = call.int('p', 2) === 1 ? x.abs().sum(axis, options) : x.square().sum(axis, options).sqrt()
  // What is zero throughout stays so.
  return x.div(where(size.equal(0), 1, size) as Tensor)
}

/** x over a power of the squares of its neighbours among the channels. Krizhevsky et al. 2012 */
const localResponse: Rule = (call) => {
  const x = call.input(0)
  const size = call.int('size', 1)
  const [low, high] = [Math.floor((size - 1) / 2), Math.ceil((size - 1) / 2)]
  const none = spatial(x).map(() => 0)
  const padded = x.square().pad([0, low, ...none], [0, high, ...none])
  const last = shapeOf(x).length - 1
  const channelsLast = [0, ...spatial(x), 1]
  const sums = windows(padded.transpose(channelsLast), [size]).sum(last + 1)
  const back = sums.transpose([0, last, ...spatial(x).map((axis) => axis - 1)])
  const base = back.mul(call.float('alpha', 1e-4) / size).add(call.float('bias', 1))
  return x.div(base.pow(call.float('beta', 0.75)))
}

export const networkRules: Rules = {
  ArgMax: argument(1),
  ArgMin: argument(-1),
  BatchNormalization: batchNormalization,
  Dropout: dropoutRule,
  Einsum: (call) => einsum(call.text('equation', '').replaceAll(' ', ''), ...call.all()),
  Gemm: gemm,
  GlobalAveragePool: (call) => call.input(0).mean(spatial(call.input(0)), { keepAxes: true }),
  GlobalMaxPool: (call) => call.input(0).max(spatial(call.input(0)), { keepAxes: true }),
  GroupNormalization: groupNormalization,
  Hardmax: (call) => {
    const x = call.input(0)
    const axis = axisOf(call, call.int('axis', call.version >= 13 ? -1 : 1), x.rank)
    if (call.version < 13 && axis !== x.rank - 1) call.fail('before version 13 is supported on the last axis')
    const first = x.argmax(axis).expandDims(axis)
    return first.equal(iota(shapeOf(x), axis)).cast(x.dtype as 'float32') as Tensor
  },
  InstanceNormalization: instanceNormalization,
  LRN: localResponse,
  LayerNormalization: layerNormalization,
  LogSoftmax: softmax(activations.logSoftmax as never),
  LpNormalization: lpNormalization,
  MatMul: (call) => call.input(0).matmul(call.input(1)),
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

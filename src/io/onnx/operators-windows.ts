/**
 * @file ONNX operators of windows: convolutions, transposed convolutions, poolings. In: a call. Out: tensors. Paddings are
 * those of the file, or what `auto_pad` and `output_shape` say.
 */
import type { Shape } from '../../base/shape.js'
import { padOrCut as padOrCutNode } from '../../graph/convolution.js'
import { convolution, convolutionTranspose, windows } from '../../trace/convolution.js'
import { tensor } from '../../trace/creation.js'
import { averagePool, maxPool } from '../../trace/pooling.js'
import type { Padding } from '../../trace/spatial.js'
import { record, type Tensor } from '../../trace/tensor.js'
import type { Call, Rule, Rules } from './call.js'

const shapeOf = (x: Tensor): number[] => [...(x.shape as Shape)]

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
  const pads = transposedPadding(call, shapeOf(x).slice(2), kernel)
  const added = call.ints('output_padding') ?? kernel.map(() => 0)
  if (pads.flat().some((n) => n < 0) || call.hasAttribute('output_shape')) {
    // Beyond what any input reaches there are zeros.
    const options = { stride: perAxis(call, 'strides', kernel), dilation: perAxis(call, 'dilations', kernel) }
    const whole = convolutionTranspose(x, w, { ...options, groups: call.int('group', 1) })
    const above = pads.map(([, high], i) => added[i]! - high)
    return withBias(padOrCut(whole, [0, 0, ...pads.map(([low]) => -low)], [0, 0, ...above]), call.optional(2))
  }
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
    // Bytes are exact as floats.
    if (x.dtype === 'uint8') return (pool(kind)(call.with([x.cast('float32')])) as Tensor).cast('uint8')
    const kernel = call.ints('kernel_shape') ?? call.fail('has no kernel_shape')
    let pads = padding(call, shapeOf(x).slice(2), kernel)
    const stride = perAxis(call, 'strides', kernel)
    const dilations = perAxis(call, 'dilations', kernel)
    const ceilMode = call.flag('ceil_mode', false)
    const countIncludePad = call.flag('count_include_pad', false)
    // Poolings here pad by at most half a window, as PyTorch's; more is padded before.
    const large = pads.some(([low, high], i) => Math.max(low, high) * 2 > kernel[i]!)
    if (kind === 'mean' && (large || dilations.some((d) => d !== 1))) return averageOfWindows(call, x, kernel, pads)
    if (large) {
      if (ceilMode) call.fail('pads by more than half a window, which with ceil_mode is not supported')
      const value = Number.NEGATIVE_INFINITY
      x = x.pad([0, 0, ...pads.map(([low]) => low)], [0, 0, ...pads.map(([, high]) => high)], value)
      pads = pads.map(() => [0, 0])
    }
    const padded: Padding = pads
    if (kind === 'maximum') return maxPool(x, kernel, { stride, padding: padded, dilation: dilations, ceilMode })
    return averagePool(x, kernel, { stride, padding: padded, ceilMode, countIncludePad })
  }

/** What a transposed convolution leaves off at both ends, so that its outputs have the size that is asked for. */
function transposedPadding(call: Call, extents: readonly number[], kernel: readonly number[]): [number, number][] {
  const auto = call.text('auto_pad', 'NOTSET')
  const sizes = call.ints('output_shape')?.slice(-kernel.length)
  const [strides, dilations] = [perAxis(call, 'strides', kernel), perAxis(call, 'dilations', kernel)]
  if (!sizes && !auto.startsWith('SAME')) return padding(call, extents, kernel)
  const added = call.ints('output_padding') ?? kernel.map(() => 0)
  return kernel.map((size, i) => {
    const [n, stride] = [extents[i]!, strides[i]!]
    const wanted = sizes?.[i] ?? n * stride
    const total = (n - 1) * stride + added[i]! + (size - 1) * dilations[i]! + 1 - wanted
    // What is missing is added at the end.
    if (total < 0) return [0, total]
    const half = Math.trunc(total / 2)
    return auto === 'SAME_UPPER' ? [half, total - half] : [total - half, half]
  })
}

const padOrCut = (x: Tensor, low: readonly number[], high: readonly number[]): Tensor =>
  record([x], (node) => padOrCutNode(node!, low, high))

/** The mean of windows for any padding and dilation: their sums, and how many of their elements count. */
function averageOfWindows(call: Call, x: Tensor, kernel: readonly number[], pads: readonly [number, number][]): Tensor {
  const [stride, dilation] = [perAxis(call, 'strides', kernel), perAxis(call, 'dilations', kernel)]
  const [ceilMode, counted] = [call.flag('ceil_mode', false), call.flag('count_include_pad', false)]
  const axes = kernel.map((size, i) => {
    const n = shapeOf(x)[i + 2]!
    const [low, high] = pads[i]!
    const reach = (size - 1) * dilation[i]! + 1
    const steps = (n + low + high - reach) / stride[i]!
    let places = (ceilMode ? Math.ceil(steps) : Math.floor(steps)) + 1
    // A last window begins within the input or before it.
    if (ceilMode && (places - 1) * stride[i]! >= n + low) places--
    const [first, end] = counted ? [-low, n + high] : [0, n]
    const counts = Array.from({ length: places }, (_, place) => {
      const at = (k: number) => place * stride[i]! + k * dilation[i]! - low
      return Array.from({ length: size }, (_, k) => at(k)).filter((k) => k >= first && k < end).length
    })
    return { low, high: (places - 1) * stride[i]! + reach - n - low, counts }
  })
  const padded = padOrCut(x, [0, 0, ...axes.map((a) => a.low)], [0, 0, ...axes.map((a) => a.high)])
  const sums = windows(padded, kernel, { stride, dilation }).sum(kernel.map((_, i) => x.rank + i))
  const all = axes.reduce<number[]>((list, { counts }) => list.flatMap((n) => counts.map((m) => n * m)), [1])
  return sums.div(tensor(all, { shape: axes.map(({ counts }) => counts.length), dtype: x.dtype as 'float32' }))
}

export const windowRules: Rules = {
  AveragePool: pool('mean'),
  Conv: conv,
  ConvTranspose: convTranspose,
  MaxPool: pool('maximum'),
}

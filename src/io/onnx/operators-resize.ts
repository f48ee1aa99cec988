/**
 * @file ONNX's Resize and Upsample: each axis by itself, the nearest element or between two neighbours. In: a call. Out: a
 * tensor. Coordinates: https://onnx.ai/onnx/operators/onnx__Resize.html
 */
import type { Shape } from '../../base/shape.js'
import { tensor } from '../../trace/creation.js'
import type { Tensor } from '../../trace/tensor.js'
import type { Call, Rules } from './call.js'
import { axisOf, take } from './operators-shape.js'

interface Axis {
  readonly extent: number
  readonly to: number
  readonly scale: number
}

/** The place in the input that an output's place comes from. */
const origins: { readonly [mode: string]: (place: number, axis: Axis) => number } = {
  half_pixel: (i, { scale }) => (i + 0.5) / scale - 0.5,
  pytorch_half_pixel: (i, { scale, to }) => (to > 1 ? (i + 0.5) / scale - 0.5 : 0),
  half_pixel_symmetric: (i, { scale, to, extent }) => {
    const center = extent / 2
    const offset = center * (1 - to / (scale * extent))
    return offset + (i + 0.5) / scale - 0.5
  },
  asymmetric: (i, { scale }) => i / scale,
  align_corners: (i, { extent, to }) => (to > 1 ? (i * (extent - 1)) / (to - 1) : 0),
}

const nearest: { readonly [mode: string]: (x: number) => number } = {
  round_prefer_floor: (x) => Math.ceil(x - 0.5),
  round_prefer_ceil: (x) => Math.floor(x + 0.5),
  floor: Math.floor,
  ceil: Math.ceil,
}

function resize(call: Call): Tensor {
  const x = call.input(0)
  const shape = [...(x.shape as Shape)]
  const old = call.opType === 'Upsample' || call.version < 11
  const mode = call.text('mode', 'nearest')
  call.only('mode', mode, 'nearest', 'linear', 'bilinear')
  const origin = old ? 'asymmetric' : call.text('coordinate_transformation_mode', 'half_pixel')
  call.only('coordinate_transformation_mode', origin, ...Object.keys(origins))
  const rounding = old ? 'floor' : call.text('nearest_mode', 'round_prefer_floor')
  call.only('nearest_mode', rounding, ...Object.keys(nearest))
  call.only('antialias', call.int('antialias', 0), 0)
  call.only('keep_aspect_ratio_policy', call.text('keep_aspect_ratio_policy', 'stretch'), 'stretch')
  const scales = old
    ? (call.numbers(1, 'scales') ?? call.floats('scales'))
    : (call.numbers(2, 'scales')?.length ?? 0) > 0
      ? call.numbers(2, 'scales')
      : undefined
  const sizes = old ? undefined : call.numbers(3, 'sizes')
  const given = scales ?? sizes ?? call.fail('has neither scales nor sizes')
  const axes = call.ints('axes')?.map((axis) => axisOf(call, axis, x.rank)) ?? given.map((_, i) => i)
  return axes.reduce<Tensor>((y, at, i) => {
    const extent = shape[at]!
    const to = sizes ? sizes[i]! : Math.floor(extent * given[i]!)
    const axis = { extent, to, scale: sizes ? to / extent : given[i]! }
    if (to === extent && axis.scale === 1) return y
    const from = Array.from({ length: to }, (_, place) => origins[origin]!(place, axis))
    const inside = (place: number) => Math.min(extent - 1, Math.max(0, place))
    if (mode === 'nearest') return take(y, at, places(from.map((place) => inside(nearest[rounding]!(place)))))
    const low = from.map(Math.floor)
    const share = tensor(
      from.map((place, k) => place - low[k]!),
      { shape: (y.shape as Shape).map((_, a) => (a === at ? to : 1)), dtype: y.dtype },
    )
    const a = take(y, at, places(low.map(inside)))
    const b = take(y, at, places(low.map((place) => inside(place + 1))))
    return a.add(b.sub(a).mul(share))
  }, x)
}

const places = (values: readonly number[]): Tensor => tensor(Int32Array.from(values), { shape: [values.length] })

export const resizeRules: Rules = { Resize: resize, Upsample: resize }

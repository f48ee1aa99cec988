/**
 * @file ONNX's Resize and Upsample: each axis by itself, the nearest element or between two neighbours. In: a call. Out: a
 * tensor. Coordinates: https://onnx.ai/onnx/operators/onnx__Resize.html
 */
import type { Shape } from '../../base/shape.js'
import { tensor } from '../../trace/creation.js'
import type { Tensor } from '../../trace/tensor.js'
import type { Call, Rules } from './call.js'
import { axisOf, take } from './operators-places.js'

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
  call.only('mode', mode, 'nearest', 'linear', 'bilinear', 'cubic')
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
    if (mode === 'cubic') return cubic(call, y, at, extent, from)
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

/** Between four neighbours: Keys 1981, doi:10.1109/TASSP.1981.1163711, with the coefficient a. */
function cubic(call: Call, x: Tensor, axis: number, extent: number, from: readonly number[]): Tensor {
  const a = call.float('cubic_coeff_a', -0.75)
  const excluded = call.flag('exclude_outside', false)
  const weight = (distance: number): number => {
    const d = Math.abs(distance)
    if (d <= 1) return ((a + 2) * d - (a + 3)) * d * d + 1
    return d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0
  }
  const rows = from.map((place) => {
    const first = Math.floor(place) - 1
    const taps = [0, 1, 2, 3].map((k) => ({ at: first + k, share: weight(place - first - k) }))
    const used = excluded ? taps.map((tap) => (tap.at < 0 || tap.at >= extent ? { ...tap, share: 0 } : tap)) : taps
    const total = excluded ? used.reduce((sum, { share }) => sum + share, 0) : 1
    return used.map(({ at, share }) => ({ at: Math.min(extent - 1, Math.max(0, at)), share: share / total }))
  })
  const shape = (x.shape as Shape).map((_, i) => (i === axis ? from.length : 1))
  const parts = [0, 1, 2, 3].map((k) => {
    const shares = tensor(
      rows.map((row) => row[k]!.share),
      { shape, dtype: x.dtype },
    )
    return take(x, axis, places(rows.map((row) => row[k]!.at))).mul(shares) as Tensor
  })
  return parts.reduce((sum, part) => sum.add(part))
}

const places = (values: readonly number[]): Tensor => tensor(Int32Array.from(values), { shape: [values.length] })

export const resizeRules: Rules = { Resize: resize, Upsample: resize }

/**
 * @file Derivatives of windows and convolutions: the gradient of a convolution is two convolutions. In: what a rule of
 * vjp.ts gets. Out: cotangents.
 */
import { sizeOf } from '../base/shape.js'
import { convolve } from '../graph/convolution.js'
import type { Node } from '../graph/node.js'
import type { OpAttrs } from '../graph/op.js'
import { add, fullLike, pad, reshape, reverse, slice, transpose } from '../graph/ops.js'

/** Each element of x gets the sum of g over the windows that show it. */
export function unwindow(g: Node, x: Node, { axes, sizes, strides, dilations }: OpAttrs['windows']): Node {
  const all = axes.map((axis, i) => ({ axis, size: sizes[i]!, stride: strides[i]!, dilation: dilations[i]!, place: i }))
  const [apart, overlapping] = [true, false].map((wanted) =>
    all.filter(({ size, stride, dilation }) => (dilation === 1 && stride >= size) === wanted),
  )
  // Axes of windows that lie side by side stand first, then one overlapping axis after another goes, the last one first.
  const rank = x.type.shape.length
  const order = [...range(0, rank), ...[...apart!, ...overlapping!].map(({ place }) => rank + place)]
  let result = transpose(g, order)
  for (const one of overlapping!.reverse()) result = sumOfWindows(result, { ...one, extent: x.type.shape[one.axis]! })
  return apart!.length === 0 ? result : sideBySide(result, x, apart!)
}

interface WindowAxis {
  readonly axis: number
  readonly size: number
  readonly stride: number
  readonly dilation: number
}

/** Windows without common elements are put next to each other, the gaps between them being zeros: one reshape for all axes. */
function sideBySide(g: Node, x: Node, axes: readonly WindowAxis[]): Node {
  const extents = x.type.shape
  const rank = extents.length
  const gaps = [...extents.map(() => 0), ...axes.map(({ size, stride }) => stride - size)]
  const filled = gaps.some((gap) => gap > 0)
    ? pad(
        g,
        gaps.map(() => 0),
        gaps,
      )
    : g
  const along = (axis: number) => axes.findIndex((one) => one.axis === axis)
  const order = extents.flatMap((_, axis) => (along(axis) < 0 ? [axis] : [axis, rank + along(axis)]))
  const shape = extents.map((_, axis) => g.type.shape[axis]! * (along(axis) < 0 ? 1 : axes[along(axis)]!.stride))
  return fitted(reshape(transpose(filled, order), shape), extents)
}

/** g has the places of overlapping windows along `axis` and the window's own elements along the last axis. */
function sumOfWindows(g: Node, { axis, size, stride, dilation, extent }: WindowAxis & { extent: number }): Node {
  const { shape } = g.type
  const rank = shape.length - 1
  const places = shape[axis]!
  const spread = places === 0 ? 0 : (places - 1) * stride + 1
  const total = Math.max(extent, spread + (size - 1) * dilation)
  let sum: Node | undefined
  for (let k = 0; k < size; k++) {
    const start = shape.map((_, i) => (i === rank ? k : 0))
    const one = slice(
      g,
      start,
      shape.map((n, i) => (i === rank ? k + 1 : n)),
    )
    const flat = reshape(one, shape.slice(0, rank))
    const low = k * dilation
    const moved = pad(
      flat,
      only(rank, axis, low),
      only(rank, axis, total - spread - low),
      0,
      only(rank, axis, stride - 1),
    )
    sum = sum ? add(sum, moved) : moved
  }
  const extents = shape.slice(0, rank)
  extents[axis] = extent
  return fitted(sum!, extents)
}

/** Cut to the extents where it is longer, with zeros at the end where it is shorter. */
function fitted(x: Node, extents: readonly number[]): Node {
  const { shape } = x.type
  const zeros = shape.map(() => 0)
  const limit = shape.map((n, i) => Math.min(n, extents[i]!))
  const cut = slice(x, zeros, limit)
  const missing = limit.map((n, i) => extents[i]! - n)
  return missing.some((n) => n > 0) ? pad(cut, zeros, missing) : cut
}

/** dx: g, dilated by the strides, with the kernel turned around and its channels swapped. dw: x with g as its kernel. */
export function convolutionOperands(
  g: Node,
  x: Node,
  w: Node,
  { strides, low, dilations, groups }: OpAttrs['convolution'],
): [Node, Node] {
  const [n, , ...spatial] = x.type.shape as [number, number, ...number[]]
  const [outputs, inputs, ...kernel] = w.type.shape as [number, number, ...number[]]
  const places = g.type.shape.slice(2)
  // Without an element of g there is nothing to sum.
  if (sizeOf(g.type.shape) === 0) return [fullLike(x, 0), fullLike(w, 0)]
  const rank = spatial.length
  const each = outputs / groups
  const ones = spatial.map(() => 1)
  const last = range(2, rank)

  const turned = reverse(w, last)
  const swapped =
    groups === 1
      ? transpose(turned, [1, 0, ...last])
      : reshape(transpose(reshape(turned, [groups, each, inputs, ...kernel]), [0, 2, 1, ...range(3, rank)]), [
          groups * inputs,
          each,
          ...kernel,
        ])
  const reach = kernel.map((size, d) => (size - 1) * dilations[d]!)
  const inputLow = reach.map((r, d) => r - low[d]!)
  const inputHigh = spatial.map((extent, d) => extent - (places[d]! - 1) * strides[d]! - 1 + low[d]!)
  const dx = convolve(g, swapped, {
    strides: ones,
    low: inputLow,
    high: inputHigh,
    dilations,
    inputDilations: strides,
    groups,
  })

  // x as [inputs, groups · n, ...], g as [outputs, n, ...]: the batch is what is summed over.
  const samples =
    groups === 1
      ? transpose(x, [1, 0, ...last])
      : reshape(transpose(reshape(x, [n, groups, inputs, ...spatial]), [2, 1, 0, ...range(3, rank)]), [
          inputs,
          groups * n,
          ...spatial,
        ])
  const kernelHigh = spatial.map((extent, d) => reach[d]! - extent - low[d]! + (places[d]! - 1) * strides[d]! + 1)
  const dw = convolve(samples, transpose(g, [1, 0, ...last]), {
    strides: dilations,
    low,
    high: kernelHigh,
    dilations: strides,
    inputDilations: ones,
    groups,
  })
  return [dx, transpose(dw, [1, 0, ...last])]
}

const range = (from: number, count: number): number[] => Array.from({ length: count }, (_, i) => from + i)
const only = (rank: number, axis: number, value: number): number[] =>
  Array.from({ length: rank }, (_, i) => (i === axis ? value : 0))

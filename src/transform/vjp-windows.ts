/**
 * @file Derivatives of windows and convolutions: the gradient of a convolution is two convolutions. In: what a rule of
 * vjp.ts gets. Out: cotangents.
 */
import { sizeOf } from '../base/shape.js'
import { convolve } from '../graph/convolution.js'
import type { Node } from '../graph/node.js'
import type { OpAttrs } from '../graph/op.js'
import { add, fullLike, pad, reshape, reverse, slice, transpose } from '../graph/ops.js'

/** Each element of x gets the sum of g over the windows that show it: one axis after another. */
export function unwindow(g: Node, x: Node, { axes, sizes, strides, dilations }: OpAttrs['windows']): Node {
  let result = g
  // The last window axis first: it is the last axis of what is left.
  for (let i = axes.length - 1; i >= 0; i--) {
    const extent = x.type.shape[axes[i]!]!
    result = unwindowAxis(result, axes[i]!, extent, sizes[i]!, strides[i]!, dilations[i]!)
  }
  return result
}

/** g has the places of the windows along `axis` and the window's own elements along the last axis. */
function unwindowAxis(g: Node, axis: number, extent: number, size: number, stride: number, dilation: number): Node {
  const { shape } = g.type
  const rank = shape.length - 1
  const places = shape[axis]!
  const fit = (x: Node): Node => {
    const have = x.type.shape[axis]!
    const start = x.type.shape.map(() => 0)
    const limit = x.type.shape.map((n, i) => (i === axis ? Math.min(n, extent) : n))
    const cut = have > extent ? slice(x, start, limit) : x
    return have < extent ? pad(cut, start, only(rank, axis, extent - have)) : cut
  }
  if (dilation === 1 && stride >= size) {
    // Windows side by side: the gaps between them are zeros.
    const zeros = shape.map(() => 0)
    const filled = stride === size ? g : pad(g, zeros, only(rank + 1, rank, stride - size))
    const order = [...range(0, axis + 1), rank, ...range(axis + 1, rank - axis - 1)]
    const side = transpose(filled, order)
    return fit(reshape(side, [...shape.slice(0, axis), places * stride, ...shape.slice(axis + 1, rank)]))
  }
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
  return fit(sum!)
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

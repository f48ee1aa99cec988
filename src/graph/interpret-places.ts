/**
 * @file What operations compute that only move elements: views, joins, gathers, orders; attributes' meanings stand in op.ts.
 */
import { sizeOf, stridesOf } from '../base/shape.js'
import { type Evaluate, rounding, unravel } from './interpret-rule.js'
import { chains } from './interpret-sums.js'
import type { Op } from './op.js'

export const placeRules = {
  iota: ({ node }) => {
    const at = unravel(node.type.shape)
    const round = rounding(node.type.dtype)
    return (i) => round(at(i)[node.attrs.axis]!)
  },
  reshape:
    ({ operands: [x] }) =>
    (i) =>
      x![i]!,
  broadcast: ({ node, operands: [x] }) => {
    const at = unravel(node.type.shape)
    const shape = node.operands[0]!.type.shape
    const strides = stridesOf(shape)
    return (i) => {
      const index = at(i)
      return x![node.attrs.axes.reduce((sum, axis, k) => sum + (shape[k] === 1 ? 0 : index[axis]! * strides[k]!), 0)]!
    }
  },
  transpose: ({ node, operands: [x] }) => {
    const at = unravel(node.type.shape)
    const strides = stridesOf(node.operands[0]!.type.shape)
    return (i) => {
      const index = at(i)
      return x![node.attrs.permutation.reduce((sum, from, k) => sum + index[k]! * strides[from]!, 0)]!
    }
  },
  slice: ({ node, operands: [x] }) => {
    const { start, stride } = node.attrs
    const at = unravel(node.type.shape)
    const strides = stridesOf(node.operands[0]!.type.shape)
    return (i) => x![at(i).reduce((sum, k, axis) => sum + (start[axis]! + k * stride[axis]!) * strides[axis]!, 0)]!
  },
  pad: ({ node, operands: [x] }) => {
    const { low, interior, value } = node.attrs
    const shape = node.operands[0]!.type.shape
    const at = unravel(node.type.shape)
    const strides = stridesOf(shape)
    return (i) => {
      let position = 0
      for (const [axis, k] of at(i).entries()) {
        const from = (k - low[axis]!) / (interior[axis]! + 1)
        if (!Number.isInteger(from) || from < 0 || from >= shape[axis]!) return value
        position += from * strides[axis]!
      }
      return x![position]!
    }
  },
  concatenate: ({ node, operands }) => {
    const { axis } = node.attrs
    const at = unravel(node.type.shape)
    return (i) => {
      const index = [...at(i)]
      let part = 0
      while (index[axis]! >= node.operands[part]!.type.shape[axis]!)
        index[axis]! -= node.operands[part++]!.type.shape[axis]!
      const strides = stridesOf(node.operands[part]!.type.shape)
      return operands[part]![index.reduce((sum, k, j) => sum + k * strides[j]!, 0)]!
    }
  },
  reverse: ({ node, operands: [x] }) => {
    const { shape } = node.type
    const at = unravel(shape)
    const strides = stridesOf(shape)
    return (i) =>
      x![
        at(i).reduce(
          (sum, k, axis) => sum + (node.attrs.axes.includes(axis) ? shape[axis]! - 1 - k : k) * strides[axis]!,
          0,
        )
      ]!
  },
  windows: ({ node, operands: [x] }) => {
    const { axes, strides: steps, dilations } = node.attrs
    const at = unravel(node.type.shape)
    const strides = stridesOf(node.operands[0]!.type.shape)
    return (i) => {
      const index = at(i)
      return x![
        strides.reduce((sum, stride, axis) => {
          const w = axes.indexOf(axis)
          const place = w < 0 ? index[axis]! : index[axis]! * steps[w]! + index[strides.length + w]! * dilations[w]!
          return sum + place * stride
        }, 0)
      ]!
    }
  },
  gather: ({ node, operands: [x, numbers] }) => {
    const [rows, ...rest] = node.operands[0]!.type.shape
    const width = sizeOf(rest)
    return (i) => {
      const row = Math.min(Math.max(numbers![Math.floor(i / width)]!, 0), rows! - 1)
      return x![row * width + (i % width)]!
    }
  },
  argsort: ({ node, operands: [x] }) => {
    const { axis, descending } = node.attrs
    const order = new Array<number>(x!.length)
    const less = (a: number, b: number) => a < b || (Number.isNaN(b) && !Number.isNaN(a))
    const sign = descending ? -1 : 1
    for (const places of chains(node.type.shape, axis)) {
      const value = (k: number) => x![places[k]!]!
      // The language's sort is stable.
      const sorted = places
        .map((_, k) => k)
        .sort((a, b) => {
          if (less(value(a), value(b))) return -sign
          return less(value(b), value(a)) ? sign : 0
        })
      sorted.forEach((k, i) => {
        order[places[i]!] = k
      })
    }
    return (i) => order[i]!
  },
} satisfies { readonly [O in Op]?: Evaluate<O> }

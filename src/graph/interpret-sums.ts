/**
 * @file What operations compute that sum: reductions, products, convolutions, running and scattered sums. Every sum goes in the
 * order its node states; attributes' meanings stand in op.ts.
 */
import type { DType } from '../base/dtype.js'
import { type Shape, sizeOf, stridesOf } from '../base/shape.js'
import { identityOf } from './identity.js'
import { type Evaluate, multiplyAdd, rounding, unravel } from './interpret-rule.js'
import type { Op, Order, ReduceKind } from './op.js'

export const sumRules = {
  scatterAdd: ({ node, operands: [x, numbers, updates] }) => {
    const [rows, ...rest] = node.type.shape
    const width = sizeOf(rest)
    const add = combiner('sum', node.type.dtype)
    const sums = Array.from(x!)
    numbers!.forEach((number, u) => {
      const row = Math.min(Math.max(number, 0), rows! - 1)
      for (let k = 0; k < width; k++) sums[row * width + k] = add(sums[row * width + k]!, updates![u * width + k]!)
    })
    return (i) => sums[i]!
  },
  cumulativeSum: ({ node, operands: [x] }) => {
    const { axis, reverse, exclusive } = node.attrs
    const add = combiner('sum', node.type.dtype)
    const sums = new Array<number>(x!.length)
    for (const places of chains(node.type.shape, axis)) {
      let sum = 0
      for (const place of reverse ? places.reverse() : places) {
        const before = sum
        sum = add(sum, x![place]!)
        sums[place] = exclusive ? before : sum
      }
    }
    return (i) => sums[i]!
  },
  reduce: ({ node, operands: [x] }) => {
    const { kind, axes, order } = node.attrs
    const { shape, dtype } = node.operands[0]!.type
    // The axes are neighbours, so the operand is [outer, count, inner] and the result [outer, inner].
    const count = axes.reduce((n, axis) => n * shape[axis]!, 1)
    const inner = sizeOf(shape.slice(axes[axes.length - 1]! + 1))
    const combine = combiner(kind, dtype)
    return (i) => {
      const start = Math.floor(i / inner) * count * inner + (i % inner)
      return fold(count, order, identityOf(kind, dtype), (sum, k) => combine(sum, x![start + k * inner]!), combine)
    }
  },
  contract: ({ node, operands: [lhs, rhs], mode }) => {
    const { lhsBatch, rhsBatch, lhsContract, rhsContract, order } = node.attrs
    const left = node.operands[0]!.type.shape
    const right = node.operands[1]!.type.shape
    const leftFree = otherAxes(left, [...lhsBatch, ...lhsContract])
    const rightFree = otherAxes(right, [...rhsBatch, ...rhsContract])
    const batchOffsets = [offsets(left, lhsBatch), offsets(right, rhsBatch)] as const
    const [leftOffsets, rightOffsets] = [offsets(left, leftFree), offsets(right, rightFree)]
    const innerOffsets = [offsets(left, lhsContract), offsets(right, rhsContract)] as const
    const { dtype } = node.type
    const fma = multiplyAdd(dtype, mode)
    const add = combiner('sum', dtype)
    return (i) => {
      const column = i % rightOffsets.length
      const row = Math.floor(i / rightOffsets.length) % leftOffsets.length
      const batch = Math.floor(i / (rightOffsets.length * leftOffsets.length))
      const a = batchOffsets[0][batch]! + leftOffsets[row]!
      const b = batchOffsets[1][batch]! + rightOffsets[column]!
      const step = (sum: number, k: number) => fma(lhs![a + innerOffsets[0][k]!]!, rhs![b + innerOffsets[1][k]!]!, sum)
      return fold(innerOffsets[0].length, order, 0, step, add)
    }
  },
  convolution: ({ node, operands: [x, w], mode }) => {
    const { strides, low, dilations, groups, order } = node.attrs
    const [input, kernel] = node.operands.map((operand) => operand.type.shape) as [Shape, Shape]
    const [at, inKernel] = [unravel(node.type.shape), unravel(kernel.slice(1))]
    const [inputStrides, inputs] = [stridesOf(input), kernel[1]!]
    const count = sizeOf(kernel.slice(1))
    const outputs = kernel[0]! / groups
    const { dtype } = node.type
    const fma = multiplyAdd(dtype, mode)
    return (i) => {
      const [n, o, ...place] = at(i) as [number, number, ...number[]]
      const step = (sum: number, k: number) => {
        const [c, ...inWindow] = inKernel(k) as [number, ...number[]]
        let position = n * inputStrides[0]! + (Math.floor(o / outputs) * inputs + c) * inputStrides[1]!
        let value: number | undefined
        for (const [d, p] of place.entries()) {
          const from = p * strides[d]! + inWindow[d]! * dilations[d]! - low[d]!
          if (from < 0 || from >= input[d + 2]!) value = 0
          position += from * inputStrides[d + 2]!
        }
        return fma(value ?? x![position]!, w![o * count + k]!, sum)
      }
      return fold(count, order, 0, step, combiner('sum', dtype))
    }
  },
} satisfies { readonly [O in Op]?: Evaluate<O> }

/** The positions along an axis, one list for each place on the other axes. */
export function* chains(shape: Shape, axis: number): Generator<number[]> {
  const stride = sizeOf(shape.slice(axis + 1))
  const count = shape[axis]!
  for (let outer = 0; outer < sizeOf(shape.slice(0, axis)); outer++)
    for (let inner = 0; inner < stride; inner++)
      yield Array.from({ length: count }, (_, k) => (outer * count + k) * stride + inner)
}

/** Sums (or maxima) over 0..count−1 in the stated order. `step` takes in one element, `combine` joins two results. */
function fold(
  count: number,
  order: Order,
  identity: number,
  step: (sum: number, k: number) => number,
  combine: (a: number, b: number) => number,
): number {
  let total: number | undefined
  for (let start = 0; start < count; start += order.segment) {
    const end = Math.min(count, start + order.segment)
    const lanes = new Array<number>(order.kind === 'lanes' ? order.lanes : 1).fill(identity)
    for (let k = start; k < end; k++) {
      const lane = (k - start) % lanes.length
      lanes[lane] = step(lanes[lane]!, k)
    }
    for (let half = lanes.length / 2; half >= 1; half /= 2)
      for (let i = 0; i < half; i++) lanes[i] = combine(lanes[i]!, lanes[i + half]!)
    total = total === undefined ? lanes[0]! : combine(total, lanes[0]!)
  }
  return total ?? identity
}

function combiner(kind: ReduceKind, dtype: DType): (a: number, b: number) => number {
  if (kind === 'maximum') return Math.max
  if (kind === 'minimum') return Math.min
  const round = rounding(dtype)
  return (a, b) => round(a + b)
}

const otherAxes = (shape: Shape, taken: readonly number[]): number[] =>
  shape.map((_, axis) => axis).filter((axis) => !taken.includes(axis))

/** Offsets of the elements met when walking these axes in row-major order, the last one fastest. */
function offsets(shape: Shape, axes: readonly number[]): number[] {
  const strides = stridesOf(shape)
  return axes.reduce<number[]>(
    (list, axis) =>
      list.flatMap((offset) => Array.from({ length: shape[axis]! }, (_, k) => offset + k * strides[axis]!)),
    [0],
  )
}

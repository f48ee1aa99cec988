/**
 * @file Products as programs, for the tests of each engine: sizes that cross tiles, panels, blocks and segments of the
 * contraction kernel, each operand as it lies and transposed.
 * products([[13, 33, 600]], [3]) → one program: xᵀ · yᵀ of 13 × 33 over k = 600, negated in the epilogue, and as it is.
 */
import type { FloatDType, TypedArray } from '../../src/base/dtype.js'
import { type Graph, input } from '../../src/graph/node.js'
import * as ops from '../../src/graph/ops.js'
import { patternInputs } from './pattern-programs.js'

/** Rows, columns, k, and of how many products at once if not of one. */
export type ProductSize = readonly [m: number, n: number, k: number, batch?: number]

export interface ProductProgram {
  readonly label: string
  readonly graph: Graph
  readonly inputs: TypedArray[]
}

/** Bit 0 of `turned`: the left operand is transposed, bit 1: the right one. With 0 the result has no epilogue. */
export function product([m, n, k, batch]: ProductSize, turned: number, dtype: FloatDType): ProductProgram {
  const [left, right] = [(turned & 1) === 1, (turned & 2) === 2]
  const axes = batch === undefined ? [] : [0]
  const outer = batch === undefined ? [] : [batch]
  const x = input(dtype, [...outer, ...(left ? [k, m] : [m, k])])
  const y = input(dtype, [...outer, ...(right ? [n, k] : [k, n])])
  const result = ops.contract(x, y, {
    lhsBatch: axes,
    rhsBatch: axes,
    lhsContract: [axes.length + (left ? 0 : 1)],
    rhsContract: [axes.length + (right ? 1 : 0)],
  })
  const graph = { inputs: [x, y], outputs: turned === 0 ? [result] : [ops.unary('negate', result), result] }
  const label = `${dtype} ${batch === undefined ? '' : `${batch} of `}${m}×${n}×${k}, turned ${turned}`
  return { label, graph, inputs: patternInputs(graph) }
}

export const products = (
  sizes: readonly ProductSize[],
  turns: readonly number[] = [0, 1, 2, 3],
  dtype: FloatDType = 'float32',
): ProductProgram[] => sizes.flatMap((size) => turns.map((turned) => product(size, turned, dtype)))

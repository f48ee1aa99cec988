/**
 * @file Convolutions as programs, for the tests of each engine: forward with bias and ReLU as its epilogue, and the gradients
 * of input, kernel and bias. Sizes cross tiles, panels and segments; rows of places are shorter and longer than a panel.
 * convolutionProgram({ x: [2, 3, 9, 9], w: [8, 3, 3, 3], stride: 2, padding: 1 }) → { label, graph, inputs }
 */
import type { FloatDType } from '../../src/base/dtype.js'
import type { Shape } from '../../src/base/shape.js'
import { input } from '../../src/graph/node.js'
import * as ops from '../../src/graph/ops.js'
import { gradients } from '../../src/transform/differentiate.js'
import { patternInputs } from './pattern-programs.js'
import type { ProductProgram } from './products.js'

export interface ConvolutionSize {
  /** [n, channels, ...spatial] */
  readonly x: Shape
  /** [outputs, channels / groups, ...kernel] */
  readonly w: Shape
  readonly stride?: number
  readonly padding?: number
  readonly dilation?: number
  readonly groups?: number
}

export function convolutionProgram(size: ConvolutionSize, dtype: FloatDType = 'float32'): ProductProgram {
  const { stride = 1, padding = 0, dilation = 1, groups = 1 } = size
  const each = (value: number) => size.x.slice(2).map(() => value)
  const x = input(dtype, size.x)
  const w = input(dtype, size.w)
  const bias = input(dtype, [size.w[0]!])
  const sums = ops.convolution(x, w, {
    strides: each(stride),
    low: each(padding),
    high: each(padding),
    dilations: each(dilation),
    groups,
  })
  const shifted = ops.add(sums, ops.broadcast(bias, sums.type.shape, [1]))
  const y = ops.binary('maximum', shifted, ops.fullLike(shifted, 0))
  const axes = y.type.shape.map((_, axis) => axis)
  const loss = ops.reduce('sum', ops.multiply(y, y), axes)
  const graph = { inputs: [x, w, bias], outputs: [y, ...gradients(loss, [x, w, bias])] }
  const label = `${dtype} convolution of [${size.x}] with [${size.w}], ${JSON.stringify({ stride, padding, dilation, groups })}`
  return { label, graph, inputs: patternInputs(graph) }
}

export const convolutionSizes: readonly ConvolutionSize[] = [
  // One channel, a row of places that does not fill its vectors; many outputs.
  { x: [3, 1, 28, 28], w: [20, 1, 5, 5] },
  // Two segments of k forward and backward, padding, rows of places packed together.
  { x: [2, 72, 7, 7], w: [17, 72, 3, 3], padding: 1 },
  // Places of one row longer than a panel, in one dimension.
  { x: [1, 5, 150], w: [9, 5, 4], padding: 2, dilation: 3 },
  // Strided: phases of the gradient; few places and many outputs: windows as rows.
  { x: [4, 6, 9, 10], w: [40, 6, 3, 2], stride: 2, padding: 1 },
  { x: [5, 8, 4, 4], w: [33, 8, 4, 4] },
  // Depthwise, grouped.
  { x: [2, 6, 11, 6], w: [6, 1, 3, 3], padding: 1, groups: 6 },
  { x: [2, 6, 8, 9], w: [10, 3, 2, 3], stride: 2, groups: 2 },
  // A product of matrices in disguise.
  { x: [2, 12, 6, 6], w: [19, 12, 1, 1] },
]

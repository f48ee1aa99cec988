/**
 * @file Padding by what is there: elements at the ends of an axis continued, mirrored or taken from the other end.
 * In: x, how much to add at the ends of its last axes. Out: a larger x.
 *
 * padEdges(tensor([1, 2, 3]), [[2, 1]], 'reflect')   // [3, 2, 1, 2, 3, 2]
 */
import type { DType } from '../base/dtype.js'
import { ShapeError, ValueError } from '../base/errors.js'
import { formatShape, type Shape } from '../base/shape.js'
import type { Node } from '../graph/node.js'
import * as ops from '../graph/ops.js'
import { expectTensor } from './arguments.js'
import { record, type Tensor } from './tensor.js'

/** The last element again ('replicate'), a mirror at the last element ('reflect'), or the other end ('circular'). */
export type EdgeMode = 'reflect' | 'replicate' | 'circular'
export const edgeModes: readonly EdgeMode[] = ['reflect', 'replicate', 'circular']

/**
 * Adds `before` and `after` elements to each of the last axes of x, as many as there are pairs. The gradient of an element is
 * the sum over its copies. Throws for more than the axis has: 'circular' takes up to n, 'reflect' up to n − 1 elements.
 * torch.nn.functional.pad
 */
export function padEdges<D extends DType>(
  x: Tensor<Shape, D>,
  pairs: readonly (readonly [before: number, after: number])[],
  mode: EdgeMode,
): Tensor<Shape, D> {
  expectTensor('padEdges', 'x', x)
  const shape = x.shape as Shape
  if (!edgeModes.includes(mode))
    throw new ValueError(
      'padEdges',
      `mode is ${edgeModes.map((one) => `'${one}'`).join(' or ')}, not '${String(mode)}'`,
    )
  if (!pairs.flat().every((n) => Number.isInteger(n) && n >= 0) || pairs.length > shape.length)
    throw new ShapeError(
      'padEdges',
      `${JSON.stringify(pairs)} are not pairs of whole numbers for ${formatShape(shape)}`,
    )
  return record([x], (node) =>
    pairs.reduce<Node>((result, [before, after], i) => {
      if (before === 0 && after === 0) return result
      const axis = shape.length - pairs.length + i
      const n = shape[axis]!
      const most = { reflect: n - 1, circular: n, replicate: n > 0 ? Number.POSITIVE_INFINITY : 0 }[mode]
      if (Math.max(before, after) > most)
        throw new ShapeError('padEdges', `an axis of ${n} has not enough elements for [${before},${after}], '${mode}'`)
      const parts = {
        replicate: () => [repeated(result, axis, 0, before), result, repeated(result, axis, n - 1, after)],
        reflect: () => [
          ops.reverse(part(result, axis, 1, before), [axis]),
          result,
          ops.reverse(part(result, axis, n - 1 - after, after), [axis]),
        ],
        circular: () => [part(result, axis, n - before, before), result, part(result, axis, 0, after)],
      }[mode]()
      return ops.concatenate(
        parts.filter((one) => one.type.shape[axis]! > 0),
        axis,
      )
    }, node),
  )
}

const part = (x: Node, axis: number, start: number, count: number): Node =>
  ops.slice(
    x,
    x.type.shape.map((_, i) => (i === axis ? start : 0)),
    x.type.shape.map((n, i) => (i === axis ? start + count : n)),
  )

const repeated = (x: Node, axis: number, at: number, times: number): Node =>
  ops.broadcastTo(
    part(x, axis, at, 1),
    x.type.shape.map((n, i) => (i === axis ? times : n)),
  )

/**
 * @file Functions over several tensors: joining and stacking.
 */
import { ShapeError } from '../base/errors.js'
import { normalizeAxis, type Shape } from '../base/shape.js'
import * as ops from '../graph/ops.js'
import { record, type Tensor } from './tensor.js'

/** Tensors end to end along an axis. */
export function concatenate(tensors: readonly Tensor[], axis = 0): Tensor<Shape> {
  if (tensors.length === 0) throw new ShapeError('concatenate', 'given no tensors')
  return record(tensors, (...nodes) =>
    ops.concatenate(nodes, normalizeAxis('concatenate', axis, nodes[0]!.type.shape.length)),
  )
}

/** Tensors of one shape along a new axis. */
export function stack(tensors: readonly Tensor[], axis = 0): Tensor<Shape> {
  return concatenate(
    tensors.map((tensor) => tensor.expandDims(axis)),
    axis,
  )
}

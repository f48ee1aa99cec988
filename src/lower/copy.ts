/**
 * @file Joins and paddings as stores at shifted places: one stage a part, so that no index ever needs a condition.
 */

import { stridesOf } from '../base/shape.js'
import { isOp, type Node } from '../graph/node.js'
import * as ops from '../graph/ops.js'
import { makeStage, type Offset, type Stage } from './stage.js'

/** One stage a part: its steps over its own shape, its store offset within the whole. */
export function copyStages(root: Node, stored: (node: Node) => boolean, ids: ReadonlyMap<Node, number>): Stage[] {
  const strides = stridesOf(root.type.shape)
  if (isOp(root, 'pad')) {
    const { low, high, interior, value } = root.attrs
    const spread = strides.map((stride, axis) => stride * (1 + interior[axis]!))
    const start = strides.reduce((sum, stride, axis) => sum + stride * low[axis]!, 0)
    const padded = [...low, ...high, ...interior].some((n) => n > 0)
    const fill = makeStage(ops.full(value, root.type.dtype, root.type.shape), () => false, ids)
    const part = partStage(root, root.operands[0]!, spread, start, stored, ids)
    return padded ? [{ ...fill, root }, part] : [part]
  }
  if (!isOp(root, 'concatenate')) throw new Error(`copyStages of ${root.op}`)
  const { axis } = root.attrs
  let before = 0
  return root.operands.map((operand) => {
    const stage = partStage(root, operand, strides, before * strides[axis]!, stored, ids)
    before += operand.type.shape[axis]!
    return stage
  })
}

/** A part of a node's memory, from element `start` on, by strides of the whole. */
export function partStage(
  root: Node,
  part: Node,
  strides: readonly number[],
  start: number,
  stored: (node: Node) => boolean,
  ids: ReadonlyMap<Node, number>,
): Stage {
  // A stored part is copied: seen through a view of itself, its stage reads it.
  const seen = stored(part) ? ops.reshape(part, [...part.type.shape, 1]) : part
  const stage = makeStage(seen, stored, ids)
  const coefficients = part.type.shape.flatMap((extent, axis) => (extent === 1 ? [] : [strides[axis]!]))
  const store: Offset = { constant: start, coefficients }
  return { ...stage, root, store }
}

/**
 * @file Shapes: sizes of axes, row-major strides, broadcasting by NumPy's rule.
 * broadcastShapes([32, 1], [10]) → [32, 10]
 */
import { describeValue } from './describe.js'
import { ShapeError, ValueError } from './errors.js'

/** Sizes of the axes: [] is a scalar, [64, 784] has 64 rows. */
export type Shape = readonly number[]

export const sizeOf = (shape: Shape): number => shape.reduce((product, extent) => product * extent, 1)

export const sameShape = (a: Shape, b: Shape): boolean =>
  a.length === b.length && a.every((extent, i) => extent === b[i])

export const formatShape = (shape: Shape): string => `[${shape.join(',')}]`

/** Distance in elements between neighbours along each axis of a contiguous row-major array. */
export function stridesOf(shape: Shape): number[] {
  const strides = new Array<number>(shape.length)
  let stride = 1
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = stride
    stride *= shape[axis]!
  }
  return strides
}

/** The shape both broadcast to: trailing axes are aligned, a size of 1 stretches. Throws a ShapeError naming `operation`. */
export function broadcastShapes(operation: string, a: Shape, b: Shape): Shape {
  const rank = Math.max(a.length, b.length)
  const out: number[] = []
  for (let i = 0; i < rank; i++) {
    const x = a[a.length - rank + i] ?? 1
    const y = b[b.length - rank + i] ?? 1
    if (x !== y && x !== 1 && y !== 1)
      throw new ShapeError(operation, `shapes ${formatShape(a)} and ${formatShape(b)} do not broadcast (${x} ≠ ${y})`, {
        hint: 'Aligned from the right, sizes must be equal or 1.',
      })
    out.push(x === 1 ? y : x)
  }
  return out
}

/** An axis counted from the front; negative ones count from the back. Throws when out of range. */
export function normalizeAxis(operation: string, axis: number, rank: number): number {
  const normal = axis < 0 ? axis + rank : axis
  if (!Number.isInteger(axis) || normal < 0 || normal >= rank)
    throw new ShapeError(operation, `axis ${axis} does not exist in a tensor of rank ${rank}`)
  return normal
}

/** Distinct axes in ascending order; `undefined` means all of them. */
export function normalizeAxes(operation: string, axes: number | readonly number[] | undefined, rank: number): number[] {
  if (axes === undefined) return Array.from({ length: rank }, (_, axis) => axis)
  if (typeof axes !== 'number' && !Array.isArray(axes))
    throw new ValueError(operation, `the axes are ${describeValue(axes)}, not a number or an array of numbers`)
  const list = (typeof axes === 'number' ? [axes] : (axes as readonly number[])).map((axis) =>
    normalizeAxis(operation, axis, rank),
  )
  if (new Set(list).size !== list.length) throw new ShapeError(operation, `an axis is named twice in [${list}]`)
  return list.sort((a, b) => a - b)
}

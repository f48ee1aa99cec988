/**
 * @file Functions over several tensors: choosing rows, joining and stacking.
 */
import type { DType } from '../base/dtype.js'
import { ShapeError } from '../base/errors.js'
import { normalizeAxis, type Shape } from '../base/shape.js'
import * as ops from '../graph/ops.js'
import { expectTensor, expectTensors } from './arguments.js'
import { record, type Tensor } from './tensor.js'

/** The shape of rows of S chosen by numbers of shape N; unknown where S is. */
export type Gathered<S extends Shape, N extends Shape> = S extends readonly [number, ...infer R extends Shape]
  ? readonly [...N, ...R]
  : Shape

/**
 * Rows by number: x [n, ...rest] and int32 numbers [...batch] give [...batch, ...rest]; numbers are clamped to 0..n − 1.
 * What StableHLO's gather does with whole rows, and NumPy's take along the first axis with mode 'clip'.
 * Throws for x without rows, and for numbers that are not int32.
 * Example: gather(tensor([[1, 2], [3, 4]]), tensor(Int32Array.of(1, 1, 0))) is [[3, 4], [3, 4], [1, 2]]
 */
export function gather<S extends Shape, N extends Shape, D extends DType>(
  x: Tensor<S, D> & (S extends readonly [] ? 'a scalar has no rows to choose from' : unknown),
  numbers: Tensor<N, 'int32'>,
): Tensor<Gathered<S, N>, D> {
  expectTensor('gather', 'x', x)
  expectTensor('gather', 'numbers', numbers)
  return record([x as Tensor, numbers as Tensor], (rows, which) => ops.gather(rows!, which!)) as never
}

/**
 * x with rows added to: updates [...batch, ...rest] are added to the rows of x [n, ...rest] that int32 numbers [...batch] name,
 * one after another in ascending order, so that a row named twice gets both. Numbers are clamped to 0..n − 1, as those of
 * `gather`, whose transpose this is. As torch.Tensor.index_add along the first axis.
 * Throws for x without rows, numbers that are not int32, and updates of another shape or dtype.
 * Example: scatterAdd(zeros([3]), tensor(Int32Array.of(0, 2, 0)), tensor([1, 2, 3])) is [4, 0, 2]
 */
export function scatterAdd<S extends Shape, D extends DType>(
  x: Tensor<S, D>,
  numbers: Tensor<Shape, 'int32'>,
  updates: Tensor<Shape, D>,
): Tensor<S, D> {
  expectTensor('scatterAdd', 'x', x)
  expectTensor('scatterAdd', 'numbers', numbers)
  expectTensor('scatterAdd', 'updates', updates)
  return record([x, numbers, updates], (rows, which, more) => ops.scatterAdd(rows!, which!, more!))
}

/** The same values, through which no gradient flows; `x.detach()`. */
export function stopGradient<S extends Shape, D extends DType>(x: Tensor<S, D>): Tensor<S, D> {
  expectTensor('stopGradient', 'x', x)
  return x.detach()
}

/** Tensors end to end along an axis. */
export function concatenate(tensors: readonly Tensor[], axis = 0): Tensor<Shape> {
  expectTensors('concatenate', 'tensors', tensors)
  if (tensors.length === 0) throw new ShapeError('concatenate', 'given no tensors')
  return record(tensors, (...nodes) =>
    ops.concatenate(nodes, normalizeAxis('concatenate', axis, nodes[0]!.type.shape.length)),
  )
}

/** Tensors of one shape along a new axis. */
export function stack(tensors: readonly Tensor[], axis = 0): Tensor<Shape> {
  expectTensors('stack', 'tensors', tensors)
  return concatenate(
    tensors.map((tensor) => tensor.expandDims(axis)),
    axis,
  )
}

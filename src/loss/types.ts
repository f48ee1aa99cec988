/**
 * @file Targets as types: what goes with an output, and readable messages where it does not. Types only, no code.
 */
import type { DType, FloatDType } from '../base/dtype.js'
import type { Shape } from '../base/shape.js'
import type { DTypeOf, ShapeOf, Show, Unknown } from '../nn/shapes.js'
import type { Tensor } from '../trace/tensor.js'

type IsAny<T> = 0 extends 1 & T ? true : false

/** Equal, where both are known. */
type SameShape<A extends Shape, B extends Shape> =
  Unknown<A> extends true
    ? true
    : Unknown<B> extends true
      ? true
      : A extends readonly [infer First, ...infer Rest extends Shape]
        ? B extends readonly [infer Other, ...infer Others extends Shape]
          ? number extends First
            ? SameShape<Rest, Others>
            : number extends Other
              ? SameShape<Rest, Others>
              : First extends Other
                ? SameShape<Rest, Others>
                : false
          : false
        : B extends readonly []
          ? true
          : false

type FloatOnly<D> = IsAny<D> extends true ? true : D extends FloatDType ? true : DType extends D ? true : false

/** For losses that compare element by element. */
export type LikeOutput<O, T> =
  FloatOnly<DTypeOf<T>> extends false
    ? `the target is ${DTypeOf<T> & string}, this loss takes numbers: convert it with .cast('float32')`
    : SameShape<ShapeOf<O>, ShapeOf<T>> extends true
      ? unknown
      : `the output is ${Show<ShapeOf<O>>}, the target must be too, not ${Show<ShapeOf<T>>}`

/** For cross-entropy over the last axis: class indices without that axis, or probabilities with it. */
export type ClassTarget<O, T> =
  Unknown<ShapeOf<O>> extends true
    ? unknown
    : Unknown<ShapeOf<T>> extends true
      ? unknown
      : ShapeOf<O> extends readonly [...infer Batch extends Shape, number]
        ? IsAny<DTypeOf<T>> extends true
          ? unknown
          : DTypeOf<T> extends 'int32' | 'uint32' | 'uint8'
            ? SameShape<Batch, ShapeOf<T>> extends true
              ? unknown
              : `the output is ${Show<ShapeOf<O>>}, so class indices must be ${Show<Batch>}, not ${Show<ShapeOf<T>>}`
            : DTypeOf<T> extends FloatDType
              ? SameShape<ShapeOf<O>, ShapeOf<T>> extends true
                ? unknown
                : SameShape<Batch, ShapeOf<T>> extends true
                  ? `class indices must be whole numbers, these are ${DTypeOf<T>}: convert them with .cast('int32')`
                  : `the output is ${Show<ShapeOf<O>>}, so probabilities must be too, not ${Show<ShapeOf<T>>}`
              : unknown
        : unknown

/** Outputs are floats. */
export type Output<O> =
  FloatOnly<DTypeOf<O>> extends true ? unknown : `the output is ${DTypeOf<O> & string}, not a float`
export type AnyTensor = Tensor

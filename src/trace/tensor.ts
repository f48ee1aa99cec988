/**
 * @file Tensor: what users hold. An immutable value with arithmetic as methods, each recording one or a few nodes.
 * x.matmul(w).add(b).maximum(0) - numbers take the tensor's dtype; shapes broadcast by NumPy's rule.
 */
import { checkDType, type DType, type TypedArray } from '../base/dtype.js'
import { ShapeError, ValueError } from '../base/errors.js'
import { checkNames } from '../base/options.js'
import { formatShape, normalizeAxes, normalizeAxis, type Shape, sizeOf } from '../base/shape.js'
import type { Node } from '../graph/node.js'
import type { Direction, ReduceKind } from '../graph/op.js'
import * as ops from '../graph/ops.js'
import { expectNumber, expectNumbers, expectOperand, expectTensor } from './arguments.js'
import { insideLoop } from './loops.js'
import { matmul } from './matmul.js'
import {
  argsort,
  type CumulativeOptions,
  cumsum,
  extremePlace,
  type SortOptions,
  type TopKOptions,
  takeAlongAxis,
  topPlaces,
} from './ordering.js'
import { currentTrace, type Trace } from './trace.js'
import { concreteNode, TensorValue } from './value.js'

/** Nodes recorded since the last leaf; a chain that nobody reads is evaluated when it gets longer than this. */
const longestChain = 256
const depths = new WeakMap<Node, number>()
let isRecording = false

/** Runs `f` with chains of any length left as they are: what differentiates or batches them needs the nodes. */
export function withoutEvaluation<T>(f: () => T): T {
  const before = isRecording
  isRecording = true
  try {
    return f()
  } finally {
    isRecording = before
  }
}

/** The shape after combining with `B`: kept where B is a number, worked out at run time where it is a tensor. */
// biome-ignore lint/suspicious/noExplicitAny: an unknown shape is accepted everywhere
export type Combined<S extends Shape, B> = B extends number ? S : any

/** Of sums, means and the like. */
export interface ReduceOptions {
  /** Keep reduced axes with size 1. */
  readonly keepAxes?: boolean
}

/** One axis or several; negative ones count from the end. */
export type Axes = number | readonly number[]

/**
 * An immutable array of numbers, and what can be computed from it. Inside a compiled function methods record what is to
 * be done; outside they are carried out when a value is read (`await t.array()`). Shapes broadcast by NumPy’s rule:
 * sizes are compared from the last axis on, and 1 is repeated.
 */
// biome-ignore lint/suspicious/noExplicitAny: a bare Tensor means unknown shape and dtype, accepted everywhere
export class Tensor<out S extends Shape = any, out D extends DType = any> extends TensorValue<S, D> {
  /** x + y. */
  add<B extends Tensor | number>(other: B): Tensor<Combined<S, B>, D> {
    return this.#binary('add', other)
  }
  /** x − y. */
  sub<B extends Tensor | number>(other: B): Tensor<Combined<S, B>, D> {
    return this.#binary('subtract', other)
  }
  /** x · y, element by element; `matmul` is the product of matrices. */
  mul<B extends Tensor | number>(other: B): Tensor<Combined<S, B>, D> {
    return this.#binary('multiply', other)
  }
  /** Floats only; cast integers first. */
  div<B extends Tensor | number>(other: B): Tensor<Combined<S, B>, D> {
    return this.#binary('divide', other)
  }
  /** x^y. Small whole exponents are products. */
  pow<B extends Tensor | number>(exponent: B): Tensor<Combined<S, B>, D> {
    if (exponent === 2) return this.square() as unknown as Tensor<Combined<S, B>, D>
    if (exponent === 0.5) return this.sqrt() as unknown as Tensor<Combined<S, B>, D>
    return this.#binary('power', exponent)
  }
  /** The greater of two; NaN if either is. */
  maximum<B extends Tensor | number>(other: B): Tensor<Combined<S, B>, D> {
    return this.#binary('maximum', other)
  }
  /** The less of two; NaN if either is. */
  minimum<B extends Tensor | number>(other: B): Tensor<Combined<S, B>, D> {
    return this.#binary('minimum', other)
  }
  /** Limits values to [low, high]; the gradient outside is zero. */
  clip(low: number, high: number): Tensor<S, D> {
    expectNumber('clip', 'low', low)
    expectNumber('clip', 'high', high)
    if (low > high) throw new ValueError('clip', `low ${low} is above high ${high}`)
    return record([this], (x) => {
      const [l, h] = [ops.fullLike(x, low), ops.fullLike(x, high)]
      return ops.select(ops.compare('less', x, l), l, ops.select(ops.compare('greater', x, h), h, x))
    })
  }

  /** −x. */
  neg(): Tensor<S, D> {
    return this.#unary('negate')
  }
  /** |x|; the gradient at 0 is 0. */
  abs(): Tensor<S, D> {
    return this.#unary('abs')
  }
  /** −1, 0 or 1; NaN stays. */
  sign(): Tensor<S, D> {
    return record([this], (x) => {
      const zero = ops.fullLike(x, 0)
      const negative = ops.select(ops.compare('less', x, zero), ops.fullLike(x, -1), x)
      return ops.unary('stopGradient', ops.select(ops.compare('greater', x, zero), ops.fullLike(x, 1), negative))
    })
  }
  /** eˣ. */
  exp(): Tensor<S, D> {
    return this.#unary('exp')
  }
  /** The natural logarithm; NaN below 0. */
  log(): Tensor<S, D> {
    return this.#unary('log')
  }
  /** eˣ − 1, accurate near 0. */
  expm1(): Tensor<S, D> {
    return this.#unary('expm1')
  }
  /** log(1 + x), accurate near 0. */
  log1p(): Tensor<S, D> {
    return this.#unary('log1p')
  }
  /** √x; NaN below 0. */
  sqrt(): Tensor<S, D> {
    return this.#unary('sqrt')
  }
  /** x². */
  square(): Tensor<S, D> {
    return record([this], (x) => ops.multiply(x, x))
  }
  /** 1/x. Floats only. */
  reciprocal(): Tensor<S, D> {
    return record([this], (x) => ops.divide(ops.fullLike(x, 1), x))
  }
  /** The hyperbolic tangent. */
  tanh(): Tensor<S, D> {
    return this.#unary('tanh')
  }
  /** The error function, 2/√π ∫₀ˣ e^(−t²) dt. */
  erf(): Tensor<S, D> {
    return this.#unary('erf')
  }
  /** The sine, of radians. */
  sin(): Tensor<S, D> {
    return this.#unary('sin')
  }
  /** The cosine, of radians. */
  cos(): Tensor<S, D> {
    return this.#unary('cos')
  }
  /** The greatest integer not above x; no gradient flows. */
  floor(): Tensor<S, D> {
    return this.#unary('floor')
  }
  /** The least integer not below x; no gradient flows. */
  ceil(): Tensor<S, D> {
    return record([this], (x) => ops.negate(ops.unary('floor', ops.negate(x))))
  }
  /** To the nearest integer, ties to even. */
  round(): Tensor<S, D> {
    return this.#unary('round')
  }

  /** Where x = y, as bool; nothing equals NaN. */
  equal<B extends Tensor | number>(other: B): Tensor<Combined<S, B>, 'bool'> {
    return this.#compare('equal', other)
  }
  /** Where x ≠ y, as bool; NaN differs from everything. */
  notEqual<B extends Tensor | number>(other: B): Tensor<Combined<S, B>, 'bool'> {
    return this.#compare('notEqual', other)
  }
  /** Where x < y, as bool. */
  less<B extends Tensor | number>(other: B): Tensor<Combined<S, B>, 'bool'> {
    return this.#compare('less', other)
  }
  /** Where x ≤ y, as bool. */
  lessEqual<B extends Tensor | number>(other: B): Tensor<Combined<S, B>, 'bool'> {
    return this.#compare('lessEqual', other)
  }
  /** Where x > y, as bool. */
  greater<B extends Tensor | number>(other: B): Tensor<Combined<S, B>, 'bool'> {
    return this.#compare('greater', other)
  }
  /** Where x ≥ y, as bool. */
  greaterEqual<B extends Tensor | number>(other: B): Tensor<Combined<S, B>, 'bool'> {
    return this.#compare('greaterEqual', other)
  }
  /** Both, of bools; of integers, bit by bit. */
  and(other: Tensor): Tensor<S, D> {
    return this.#binary('and', other) as Tensor<S, D>
  }
  /** Either or both, of bools; of integers, bit by bit. */
  or(other: Tensor): Tensor<S, D> {
    return this.#binary('or', other) as Tensor<S, D>
  }
  /** The opposite of bools; of integers, bit by bit. */
  not(): Tensor<S, D> {
    return this.#unary('not')
  }

  /** The same values in another dtype; float → integer truncates and saturates. */
  cast<E extends DType>(dtype: E): Tensor<S, E> {
    checkDType('cast', dtype)
    return record([this], (x) => ops.convert(x, dtype))
  }
  /** The same values, through which no gradient flows. */
  detach(): Tensor<S, D> {
    return this.#unary('stopGradient')
  }

  /** The same elements in another shape; one size may be −1, and is then worked out. */
  reshape<const T extends Shape>(shape: T): Tensor<T, D> {
    expectNumbers('reshape', 'the shape', shape)
    return record([this], (x) => ops.reshape(x, resolveShape(x.type.shape, shape)))
  }
  /** Axes from `from` on become one. */
  flatten(from = 0): Tensor<Shape, D> {
    const axis = from < 0 ? from + this.rank : from
    return this.reshape([...this.shape.slice(0, axis), sizeOf(this.shape.slice(axis))])
  }
  /** Axes in another order; without one, the last two change places. */
  transpose(permutation?: readonly number[]): Tensor<Shape, D> {
    if (permutation !== undefined) expectNumbers('transpose', 'the permutation', permutation)
    return record([this], (x) => {
      const rank = x.type.shape.length
      if (!permutation && rank < 2)
        throw new ShapeError('transpose', `needs two axes, ${formatShape(x.type.shape)} has ${rank}`)
      const natural = Array.from({ length: rank }, (_, i) => i)
      const order = permutation ?? [...natural.slice(0, -2), rank - 1, rank - 2]
      return ops.transpose(
        x,
        order.map((axis) => normalizeAxis('transpose', axis, rank)),
      )
    })
  }
  /** With one more axis of size 1, which has the number `axis` afterwards. */
  expandDims(axis: number): Tensor<Shape, D> {
    const at = normalizeAxis('expandDims', axis, this.rank + 1)
    return this.reshape([...this.shape.slice(0, at), 1, ...this.shape.slice(at)])
  }
  /** Without the named axes of size 1; without any of size 1 if none is named. */
  squeeze(axes?: Axes): Tensor<Shape, D> {
    const chosen =
      axes === undefined
        ? this.shape.flatMap((n: number, i: number) => (n === 1 ? [i] : []))
        : normalizeAxes('squeeze', axes, this.rank)
    for (const axis of chosen)
      if (this.shape[axis] !== 1)
        throw new ShapeError('squeeze', `axis ${axis} of ${formatShape(this.shape)} has size ${this.shape[axis]}`)
    return this.reshape(this.shape.filter((_: number, i: number) => !chosen.includes(i)))
  }
  /** Repeated along axes of size 1, and along new axes at the front, to a given shape. */
  broadcastTo<const T extends Shape>(shape: T): Tensor<T, D> {
    expectNumbers('broadcastTo', 'the shape', shape)
    return record([this], (x) => ops.broadcastTo(x, shape))
  }
  /** Elements start ≤ i < limit along each axis; negative positions count from the end; later axes whole. */
  slice(start: readonly number[], limit: readonly number[] = [], stride: readonly number[] = []): Tensor<Shape, D> {
    expectNumbers('slice', 'start', start)
    expectNumbers('slice', 'limit', limit)
    expectNumbers('slice', 'stride', stride)
    return record([this], (x) => {
      const at = (position: number, extent: number) =>
        Math.min(extent, Math.max(0, position < 0 ? position + extent : position))
      const starts = x.type.shape.map((n, i) => at(start[i] ?? 0, n))
      const limits = x.type.shape.map((n, i) => Math.max(starts[i]!, at(limit[i] ?? n, n)))
      return ops.slice(
        x,
        starts,
        limits,
        x.type.shape.map((_, i) => stride[i] ?? 1),
      )
    })
  }
  /** Adds elements of `value` before and after along each axis. */
  pad(low: readonly number[], high: readonly number[], value = 0): Tensor<Shape, D> {
    expectNumbers('pad', 'low', low)
    expectNumbers('pad', 'high', high)
    return record([this], (x) => ops.pad(x, low, high, value))
  }
  /** In the opposite order along the axes; along all if none is named. */
  reverse(axes?: Axes): Tensor<S, D> {
    return record([this], (x) => ops.reverse(x, normalizeAxes('reverse', axes, x.type.shape.length)))
  }

  /** The sum of all elements. */
  sum(): Tensor<readonly [], D>
  /** Sums over axes, which go unless `keepAxes`. */
  sum(axes: Axes | undefined, options?: ReduceOptions): Tensor<Shape, D>
  sum(axes?: Axes, options?: ReduceOptions): Tensor<Shape, D> {
    return this.#reduce('sum', axes, options)
  }
  /** The greatest element; NaN if there is one. Equal ones share the gradient. */
  max(): Tensor<readonly [], D>
  /** The greatest along axes, which go unless `keepAxes`. */
  max(axes: Axes | undefined, options?: ReduceOptions): Tensor<Shape, D>
  max(axes?: Axes, options?: ReduceOptions): Tensor<Shape, D> {
    return this.#reduce('maximum', axes, options)
  }
  /** The least element; NaN if there is one. Equal ones share the gradient. */
  min(): Tensor<readonly [], D>
  /** The least along axes, which go unless `keepAxes`. */
  min(axes: Axes | undefined, options?: ReduceOptions): Tensor<Shape, D>
  min(axes?: Axes, options?: ReduceOptions): Tensor<Shape, D> {
    return this.#reduce('minimum', axes, options)
  }
  /** The mean of all elements. Floats only. */
  mean(): Tensor<readonly [], D>
  /** Means over axes, which go unless `keepAxes`. Floats only. */
  mean(axes: Axes | undefined, options?: ReduceOptions): Tensor<Shape, D>
  mean(axes?: Axes, options?: ReduceOptions): Tensor<Shape, D> {
    const count = normalizeAxes('mean', axes, this.rank).reduce((n, axis) => n * this.shape[axis], 1)
    return this.#reduce('sum', axes, options).div(count)
  }
  /** Mean squared distance from the mean; divided by n − correction. */
  variance(axes?: Axes, options: ReduceOptions & { readonly correction?: number } = {}): Tensor<Shape, D> {
    const chosen = normalizeAxes('variance', axes, this.rank)
    const count = chosen.reduce((n, axis) => n * this.shape[axis], 1)
    const deviation = this.sub(this.mean(chosen, { keepAxes: true }))
    return deviation
      .square()
      .sum(chosen, options)
      .div(count - (options.correction ?? 0)) as Tensor<Shape, D>
  }
  /** Index of the greatest element along an axis, the first among equals, as int32. */
  argmax(axis = -1): Tensor<Shape, 'int32'> {
    return record([this], (x) => extremePlace('maximum', x, axis))
  }
  /** Index of the least element along an axis, the first among equals, as int32. */
  argmin(axis = -1): Tensor<Shape, 'int32'> {
    return record([this], (x) => extremePlace('minimum', x, axis))
  }
  /**
   * Sums along an axis from its beginning: yₖ = x₀ + … + xₖ, one after another. `reverse` sums from the end, `exclusive`
   * leaves xₖ out. Not for uint8 and bool; cast them first.
   */
  cumsum(axis: number, options: CumulativeOptions = {}): Tensor<S, D> {
    return record([this], (x) => cumsum(x, axis, options))
  }
  /**
   * The elements along an axis in ascending order, or descending: stable, and NaN counts as the greatest, as in
   * torch.sort(stable=True). Gradients go where the elements came from. n log n, whatever the values.
   */
  sort(axis = -1, options: SortOptions = {}): Tensor<S, D> {
    return record([this], (x) => takeAlongAxis(x, argsort(x, axis, options), axis))
  }
  /** The places of the elements in ascending order along an axis, or descending, as `sort` has them. */
  argsort(axis = -1, options: SortOptions = {}): Tensor<S, 'int32'> {
    return record([this], (x) => argsort(x, axis, options))
  }
  /**
   * The k greatest elements along an axis (the last unless said otherwise), greatest first, and their places as int32; the
   * least, least first, where `largest` is false. Equal elements come in their order.
   */
  topK(k: number, options: TopKOptions = {}): { values: Tensor<Shape, D>; indices: Tensor<Shape, 'int32'> } {
    const indices = record<Shape, 'int32'>([this], (x) => topPlaces(x, k, options))
    return { values: this.takeAlongAxis(indices, options.axis), indices }
  }
  /**
   * Along an axis the elements of these int32 numbers: y[i, j] = x[i, indices[i, j]] for the last of two axes. Other axes
   * have equal sizes, or 1. Numbers are clamped to 0..n − 1. As torch.take_along_dim; a gradient adds up what was taken.
   */
  takeAlongAxis(indices: Tensor, axis = -1): Tensor<Shape, D> {
    return record([this, indices], (x, numbers) => takeAlongAxis(x, numbers, axis))
  }
  /** log Σ eˣ along axes, by subtracting the maximum: right for values of any size. */
  logSumExp(axes?: Axes, options: ReduceOptions = {}): Tensor<Shape, D> {
    const chosen = normalizeAxes('logSumExp', axes, this.rank)
    const highest = this.max(chosen, { keepAxes: true }).detach()
    const safe = where(highest.abs().less(Number.POSITIVE_INFINITY), highest, 0)
    const sum = this.sub(safe).exp().sum(chosen, { keepAxes: true }).log().add(safe)
    return options.keepAxes ? sum : sum.reshape(this.shape.filter((_: number, i: number) => !chosen.includes(i)))
  }

  /** Matrix product over the last two axes, leading axes broadcast; a vector is a row on the left, a column on the right. */
  matmul(other: Tensor): Tensor<Shape, D> {
    expectTensor('matmul', 'the other matrix', other)
    return record([this, other], matmul)
  }
  /** int32 or uint32 class numbers → rows with a 1 at that place, `classes` wide, float32 or as said; out of range: all zeros. */
  oneHot<N extends number, E extends DType = 'float32'>(
    classes: N,
    options: { readonly dtype?: E } = {},
  ): Tensor<readonly [...S, N], E> {
    checkNames('oneHot', options, ['dtype'])
    const dtype = options.dtype ?? 'float32'
    checkDType('oneHot', dtype)
    return record([this], (x) => {
      const shape = [...x.type.shape, classes]
      const wanted = ops.broadcastTo(ops.reshape(ops.convert(x, 'int32'), [...x.type.shape, 1]), shape)
      return ops.convert(ops.compare('equal', wanted, ops.iota('int32', shape, shape.length - 1)), dtype)
    })
  }

  #unary(op: Parameters<typeof ops.unary>[0]): Tensor<S, D> {
    return record([this], (x) => ops.unary(op, x))
  }
  #binary<B extends Tensor | number>(op: Parameters<typeof ops.binary>[0], other: B): Tensor<Combined<S, B>, D> {
    expectOperand(op, 'the other operand', other)
    return typeof other === 'number'
      ? record([this], (x) => ops.binary(op, x, ops.fullLike(x, other)))
      : record([this, other], (x, y) => ops.binary(op, x, y))
  }
  #compare<B extends Tensor | number>(direction: Direction, other: B): Tensor<Combined<S, B>, 'bool'> {
    expectOperand(direction, 'the other operand', other)
    return typeof other === 'number'
      ? record([this], (x) => ops.compare(direction, x, ops.fullLike(x, other)))
      : record([this, other], (x, y) => ops.compare(direction, x, y))
  }
  #reduce(kind: ReduceKind, axes: Axes | undefined, options: ReduceOptions = {}): Tensor<Shape, D> {
    return record([this], (x) => {
      const chosen = normalizeAxes(kind, axes, x.type.shape.length)
      const reduced = ops.reduce(kind, x, chosen)
      return options.keepAxes ? ops.reshape(reduced, ops.keptShape(x.type.shape, chosen)) : reduced
    })
  }
}

/** Where the mask is true the one, elsewhere the other; numbers take the other operand's dtype. */
export function where<A extends Tensor | number, B extends Tensor | number>(
  mask: Tensor,
  whereTrue: A,
  whereFalse: B,
): A extends Tensor ? A : B extends Tensor ? B : Tensor {
  expectTensor('where', 'mask', mask)
  expectOperand('where', 'whereTrue', whereTrue)
  expectOperand('where', 'whereFalse', whereFalse)
  const operands = [whereTrue, whereFalse].filter((x): x is A & Tensor => typeof x !== 'number')
  const dtype = operands[0]?.dtype ?? 'float32'
  return record([mask, ...operands], (m, ...given) => {
    const next = (x: Tensor | number) => (typeof x === 'number' ? ops.constant(x, dtype) : given.shift()!)
    const first = next(whereTrue)
    return ops.select(m!, first, next(whereFalse))
  }) as unknown as A extends Tensor ? A : B extends Tensor ? B : Tensor
}

/** A concrete tensor around an array that nobody changes any more. */
export const leaf = <S extends Shape, D extends DType>(data: TypedArray, shape: S, dtype: D): Tensor<S, D> =>
  new Tensor<S, D>(concreteNode(data, shape, dtype), undefined)

/** Records an operation on tensors in the current context. */
// biome-ignore lint/suspicious/noExplicitAny: the caller states the result's type
export function record<S extends Shape = any, D extends DType = any>(
  operands: readonly Tensor[],
  build: (...nodes: Node[]) => Node,
): Tensor<S, D> {
  const trace: Trace | undefined = currentTrace()
  const nodes = operands.map((operand) => TensorValue.nodeOf(operand))
  const node = build(...nodes)
  const result = new Tensor<S, D>(node, trace)
  if (!trace) {
    const depth = 1 + nodes.reduce((most, operand) => Math.max(most, depths.get(operand) ?? 0), 0)
    depths.set(node, depth)
    if (depth > longestChain && !isRecording && !insideLoop()) TensorValue.evaluate([result])
  }
  return result
}

function resolveShape(from: Shape, to: Shape): Shape {
  const holes = to.filter((extent) => extent === -1).length
  if (holes === 0) return to
  const known = to.reduce((n, extent) => (extent === -1 ? n : n * extent), 1)
  if (holes > 1 || known === 0 || sizeOf(from) % known !== 0)
    throw new ShapeError('reshape', `${formatShape(from)} does not fit ${formatShape(to)}`, {
      hint: 'At most one size may be −1, and the others must divide the number of elements.',
    })
  return to.map((extent) => (extent === -1 ? sizeOf(from) / known : extent))
}

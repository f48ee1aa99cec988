/**
 * @file Variable: the only mutable thing. Parameters, optimizer moments, running statistics, random state.
 * Reading one in a trace makes it an input of the program, assigning one an output that is updated in place.
 *
 * const steps = variable(tensor(0, { dtype: 'int32' })); compile(() => steps.assign(steps.value.add(1)))
 */
import type { DType, TypedArray } from '../base/dtype.js'
import { allocate } from '../base/dtype.js'
import { ShapeError } from '../base/errors.js'
import { checkNames } from '../base/options.js'
import { formatShape, type Shape, sameShape, sizeOf } from '../base/shape.js'
import { Storage } from '../base/storage.js'
import { expectTensor } from './arguments.js'
import { scopePath } from './scope.js'
import { defaultSeed } from './seed.js'
import { leaf, Tensor } from './tensor.js'
import { currentTrace } from './trace.js'
import { evaluateTensor, liftInto } from './value.js'

/** Fills a new variable: its shape, and a seed and stream from which to draw. */
export type Initializer = (
  shape: Shape,
  dtype: DType,
  draw: { readonly seed: number; readonly stream: string },
) => TypedArray

/**
 * A tensor that a compiled step may change: parameters, moments, running statistics. `value` reads it, `assign` gives it
 * another.
 */
// biome-ignore lint/suspicious/noExplicitAny: a bare Variable holds a tensor of any shape
export class Variable<S extends Shape = any, D extends DType = any> {
  /** Sizes of the axes, which never change. */
  readonly shape: S
  /** What the elements are. */
  readonly dtype: D
  /** False for what a checkpoint must save but an optimizer must not touch. */
  readonly trainable: boolean
  readonly #initial: Initializer
  #storage: Storage | undefined

  constructor(shape: S, dtype: D, initial: Initializer, trainable: boolean) {
    this.shape = shape
    this.dtype = dtype
    this.trainable = trainable
    this.#initial = initial
  }

  /** Whether it has values yet; a parameter gets them when it is first needed, or by `initialize`. */
  get initialized(): boolean {
    return this.#storage !== undefined
  }

  /** Draws the initial values from a seed and a stream (the parameter's path), unless it has values already. */
  initialize(seed: number, stream: string): void {
    if (this.#storage) return
    const data = this.#initial(this.shape, this.dtype, { seed, stream })
    this.#storage = new Storage(this.dtype, sizeOf(this.shape), data)
    this.#storage.holds = 'model'
  }

  /** The bytes; for engines, files and checkpoints. */
  get storage(): Storage {
    if (!this.#storage) this.initialize(defaultSeed(), scopePath() || 'parameter')
    return this.#storage!
  }

  /** Its tensor: in a trace the latest assigned, outside a snapshot that later updates do not change. */
  get value(): Tensor<S, D> {
    const trace = currentTrace()
    if (trace) {
      void this.storage // gets its values here, where the path of modules is known
      return new Tensor<S, D>(trace.readVariable(this), trace)
    }
    return leaf<S, D>(this.storage.read(), this.shape, this.dtype)
  }

  /** Replaces the value: at the end of the step when traced, at once outside. */
  assign(value: Tensor): void {
    expectTensor('assign', 'the value', value)
    if (!sameShape(value.shape, this.shape) || value.dtype !== this.dtype)
      throw new ShapeError(
        'assign',
        `a ${value.dtype}${formatShape(value.shape)} given to a variable of ${this.dtype}${formatShape(this.shape)}`,
      )
    const trace = currentTrace()
    if (trace) trace.assignVariable(this, liftInto(trace, value))
    else this.storage.write(evaluateTensor(value))
  }
}

/** A variable with the given initial value. */
export function variable<S extends Shape, D extends DType>(
  initial: Tensor<S, D>,
  options: { trainable?: boolean } = {},
): Variable<S, D> {
  expectTensor('variable', 'the initial value', initial)
  checkNames('variable', options, ['trainable'])
  const data = evaluateTensor(initial)
  return new Variable(initial.shape, initial.dtype, () => data.slice() as TypedArray, options.trainable ?? false)
}

/** A variable of zeros that no optimizer touches: moments, counters. */
export const zerosVariable = <S extends Shape, D extends DType>(shape: S, dtype: D): Variable<S, D> =>
  new Variable(shape, dtype, () => allocate(dtype, sizeOf(shape)), false)

/**
 * @file What a tensor is, without its arithmetic: a node of a trace, or of the graph recorded lazily outside traces,
 * which reading compiles and runs. tensor.ts adds the methods.
 */

import { describeValue } from '../base/describe.js'
import type { DType, TypedArray } from '../base/dtype.js'
import { ArgumentError, ShapeError, TraceError } from '../base/errors.js'
import { formatShape, type Shape, sizeOf } from '../base/shape.js'
import { type Graph, input, type Node, topological } from '../graph/node.js'
import { currentTrace, type Trace } from './trace.js'

/** Values of concrete leaves. Held by the leaf, so that they live as long as something refers to it. */
const leafData = new WeakMap<Node, TypedArray>()

type Evaluator = (graph: Graph, inputs: readonly TypedArray[]) => TypedArray[]
let evaluator: Evaluator | undefined

/** compile.ts installs the way to run a graph; the facade does not know about engines. */
export function setEvaluator(evaluate: Evaluator): void {
  evaluator = evaluate
}

/** Nested arrays of the rank of a shape; of unknown rank where the shape is unknown. */
export type Nested<S extends Shape> = number extends S['length']
  ? NestedNumbers
  : S extends readonly []
    ? number
    : S extends readonly [number, ...infer Rest extends Shape]
      ? Nested<Rest>[]
      : NestedNumbers

/** A number, or arrays of arrays of numbers. */
export type NestedNumbers = number | NestedNumbers[]

// biome-ignore lint/suspicious/noExplicitAny: a bare tensor means unknown shape and dtype, accepted everywhere
export class TensorValue<out S extends Shape = any, out D extends DType = any> {
  #node: Node
  readonly #trace: Trace | undefined

  /** Not for users: wraps a node of a trace, or of the lazily recorded graph when `trace` is undefined. */
  constructor(node: Node, trace: Trace | undefined) {
    this.#node = node
    this.#trace = trace
  }

  /** Sizes of the axes. */
  get shape(): S {
    return this.#node.type.shape as S
  }
  /** What the elements are. */
  get dtype(): D {
    return this.#node.type.dtype as D
  }
  /** Number of axes. */
  get rank(): number {
    return this.#node.type.shape.length
  }
  /** Number of elements. */
  get size(): number {
    return sizeOf(this.#node.type.shape)
  }

  /** All values in row-major order. Throws inside a trace, where there are none yet. */
  async data(): Promise<TypedArray> {
    return evaluateTensor(this).slice() as TypedArray
  }

  /** Values as nested arrays; a scalar as a number. */
  async array<T extends Shape>(this: TensorValue<T, DType>): Promise<Nested<T>> {
    const data = evaluateTensor(this)
    const build = (axis: number, offset: number, stride: number): NestedNumbers => {
      if (axis === this.rank) return data[offset]!
      const extent = this.shape[axis]!
      const inner = extent === 0 ? 0 : stride / extent
      return Array.from({ length: extent }, (_, i) => build(axis + 1, offset + i * inner, inner))
    }
    return build(0, 0, this.size) as Nested<T>
  }

  /** The value of a tensor of one element. */
  async item(): Promise<number> {
    if (this.size !== 1)
      throw new ShapeError('item', `a tensor of shape ${formatShape(this.shape)} has ${this.size} elements, not one`)
    return evaluateTensor(this)[0]!
  }

  /** Raises where a tensor is used as a number: `a + b` is `a.add(b)`. */
  [Symbol.toPrimitive](hint: string): string {
    if (hint === 'string') return this.toString()
    throw new TraceError('tensor', 'arithmetic and comparison operators do not work on tensors', {
      hint: 'Write a.add(b), a.mul(2), a.less(b); to branch on a value use where(mask, a, b).',
    })
  }

  /** Raises: a tensor is no list. Use `slice`, or `await t.array()`. */
  [Symbol.iterator](): Iterator<never> {
    throw new TraceError('tensor', 'cannot be iterated', { hint: 'Use slice, or await t.array() outside a trace.' })
  }

  /** dtype, shape and the first eight values; inside a trace, where there are none yet, without values. */
  toString(): string {
    const type = `Tensor ${this.dtype}${formatShape(this.shape)}`
    if (this.#trace) return `${type} traced`
    const data = evaluateTensor(this)
    const shown = Array.from(data.subarray(0, 8), (x) => (Number.isInteger(x) ? String(x) : x.toPrecision(5)))
    return `${type} ${shown.join(' ')}${data.length > 8 ? ` … (${data.length} values)` : ''}`
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString()
  }

  /** For the library: the node in the context that is current, lifting concrete tensors into the trace. */
  static nodeOf(tensor: TensorValue): Node {
    if (!isTensor(tensor)) throw noTensor(tensor)
    const trace = currentTrace()
    return trace ? liftInto(trace, tensor) : tensor.#lazyNode()
  }

  /** For the library: node and trace as they are. */
  static parts(tensor: TensorValue): { node: Node; trace: Trace | undefined } {
    return { node: tensor.#node, trace: tensor.#trace }
  }

  /** For the library: the values, computed now if need be; later reads find them. */
  static evaluate(tensors: readonly TensorValue[]): TypedArray[] {
    const pending = tensors.filter((tensor) => !leafData.has(tensor.#lazyNode()))
    if (pending.length > 0) {
      const roots = pending.map((tensor) => tensor.#node)
      const inputs = topological(roots).filter((node) => node.op === 'input')
      if (!inputs.every((leaf) => leafData.has(leaf)))
        throw new TraceError('tensor', 'has no value while a function is mapped over samples or scanned', {
          hint: 'Return it from the function given to vmap or scan, and read the result.',
        })
      const values = evaluator!(
        { inputs, outputs: roots },
        inputs.map((leaf) => leafData.get(leaf)!),
      )
      pending.forEach((tensor, i) => {
        tensor.#node = leafNode(values[i]!, tensor.shape, tensor.dtype)
      })
    }
    return tensors.map((tensor) => leafData.get(tensor.#node)!)
  }

  #lazyNode(): Node {
    if (this.#trace)
      throw new TraceError(
        'tensor',
        this.#trace.closed ? 'belongs to a trace that is over' : 'has no value while it is being traced',
        {
          hint: this.#trace.closed
            ? 'Return it from the compiled function to get its value.'
            : 'Return it from the compiled function, and await the result there.',
        },
      )
    return this.#node
  }
}

export const isTensor = (value: unknown): value is TensorValue => value instanceof TensorValue

/** Where whoever asks does not know what the argument is called. */
const noTensor = (value: unknown): ArgumentError =>
  new ArgumentError('tensor', `there is ${describeValue(value)} where a tensor is needed`, {
    hint: tensorCure(value, 'values'),
  })

/** How to make a tensor of it; `what` is what it is called where it was given. */
export function tensorCure(value: unknown, what: string): string {
  const name = /^[\w$.[\]]+$/.test(what) ? what : typeof value === 'number' ? String(value) : 'values'
  if (value instanceof Promise) return 'Await it first.'
  if (typeof value === 'function') return 'Call it, and give what it returns.'
  if (ArrayBuffer.isView(value)) return `Make one: tensor(${name}, { shape: [...] }).`
  if (Array.isArray(value) || typeof value === 'number' || typeof value === 'boolean')
    return value === true || value === false
      ? `Make one: tensor(${name}, { dtype: 'bool' }).`
      : `Make one: tensor(${name}).`
  if (describeValue(value) === 'a Variable') return 'Take its value: .value.'
  return 'Make one by tensor([...]).'
}

function leafNode(data: TypedArray, shape: Shape, dtype: DType): Node {
  const node = input(dtype, shape)
  leafData.set(node, data)
  return node
}

/** A leaf around an array that nobody changes any more. */
export const concreteNode = leafNode

/** The values of a concrete leaf. */
export const leafValues = (node: Node): TypedArray => leafData.get(node)!

/** The node that stands for `tensor` in `trace`; a lazily recorded one is computed first and enters as a value. */
export function liftInto(trace: Trace, tensor: TensorValue): Node {
  const { node, trace: owner } = TensorValue.parts(tensor)
  if (owner === trace) return node
  if (owner)
    throw new TraceError('tensor', 'belongs to another trace', {
      hint: 'Return it from the function that made it, and pass the result in.',
    })
  if (!leafData.has(node)) TensorValue.evaluate([tensor])
  return trace.capture(TensorValue.parts(tensor).node)
}

/** The values, computed now if need be. Not a copy. */
export const evaluateTensor = (tensor: TensorValue): TypedArray => {
  if (!isTensor(tensor)) throw noTensor(tensor)
  return TensorValue.evaluate([tensor])[0]!
}

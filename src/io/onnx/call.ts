/**
 * @file One operator of an imported graph being carried out: its inputs as tensors, its attributes, and the values of inputs
 * that must be known while tracing (shapes, axes, places). In: a node and tensors by name. Out: what rules ask for.
 *
 * const axes = call.numbers(1, 'axes') ?? [0]; return call.input(0).sum(axes, { keepAxes: call.flag('keepdims', true) })
 */
import type { DType, TypedArray } from '../../base/dtype.js'
import { ValueError } from '../../base/errors.js'
import { type Shape, sizeOf } from '../../base/shape.js'
import { interpret } from '../../graph/interpret.js'
import { type Node, topological } from '../../graph/node.js'
import { tensor } from '../../trace/creation.js'
import type { Tensor } from '../../trace/tensor.js'
import { leafValues, TensorValue } from '../../trace/value.js'
import type { StoredTensor } from '../safetensors.js'
import type { Attribute, GraphMessage, NodeMessage } from './proto.js'
import { dtypeOfElement, readTensor } from './tensors.js'

/** What an operator does: one tensor, or one an output. */
export type Rule = (call: Call) => Tensor | readonly Tensor[]
export type Rules = { readonly [opType: string]: Rule }

/** Carries out a graph within the graph. */
export type RunGraph = (graph: GraphMessage, inputs: readonly Tensor[]) => Tensor[]

/** Leaves that are constants of a model: what is computed from them may be computed from their numbers. */
const constants = new WeakSet<Node>()

/** A constant of a model. */
export function constantTensor({ data, shape, dtype }: StoredTensor): Tensor {
  const made = tensor(data, { shape, dtype })
  constants.add(TensorValue.parts(made).node)
  return made
}

const decoder = new TextDecoder()

export class Call {
  readonly opType: string
  /** The version of the operator set. */
  readonly version: number
  readonly inputs: readonly (Tensor | undefined)[]
  /** How many results are wanted. */
  readonly outputs: number
  readonly #node: NodeMessage
  readonly #attributes: ReadonlyMap<string, Attribute>
  readonly #run: RunGraph | undefined

  constructor(node: NodeMessage, inputs: readonly (Tensor | undefined)[], version: number, run?: RunGraph) {
    this.#run = run
    this.opType = node.opType!
    this.version = version
    this.inputs = inputs
    this.outputs = node.output.length
    this.#node = node
    this.#attributes = new Map(node.attribute.map((attribute) => [attribute.name!, attribute]))
  }

  /** The same call of other inputs. */
  with(inputs: readonly (Tensor | undefined)[]): Call {
    return new Call(this.#node, inputs, this.version, this.#run)
  }

  /** Says what is wrong with this node. */
  fail(fault: string, hint?: string): never {
    const name = this.#node.name || this.#node.output[0]
    throw new ValueError(`ONNX ${this.opType}`, `${fault}, at the node '${name}'`, { hint })
  }

  has(i: number): boolean {
    return this.inputs[i] !== undefined
  }
  input(i: number): Tensor {
    return this.inputs[i] ?? this.fail(`has no input ${i}`)
  }
  optional(i: number): Tensor | undefined {
    return this.inputs[i]
  }
  /** All inputs of an operator that takes any number. */
  all(): Tensor[] {
    return this.inputs.map((_, i) => this.input(i))
  }

  hasAttribute(name: string): boolean {
    return this.#attributes.has(name)
  }
  int(name: string, otherwise: number): number {
    return this.#attributes.get(name)?.i ?? otherwise
  }
  flag(name: string, otherwise: boolean): boolean {
    return this.int(name, otherwise ? 1 : 0) !== 0
  }
  float(name: string, otherwise: number): number {
    return this.#attributes.get(name)?.f ?? otherwise
  }
  ints(name: string): number[] | undefined {
    return this.#attributes.get(name)?.ints
  }
  text(name: string, otherwise: string): string {
    const bytes = this.#attributes.get(name)?.s
    return bytes ? decoder.decode(bytes) : otherwise
  }
  /** Texts of an attribute. */
  texts(name: string): string[] | undefined {
    return this.#attributes.get(name)?.strings.map((bytes) => decoder.decode(bytes))
  }
  /** A tensor among the attributes. */
  tensor(name: string): Tensor | undefined {
    const message = this.#attributes.get(name)?.t
    if (!message) return undefined
    return constantTensor(readTensor(message, `ONNX ${this.opType}`))
  }
  /** A graph among the attributes, as a function of its inputs that sees what is around. */
  graph(name: string): (inputs: readonly Tensor[]) => Tensor[] {
    const graph = this.#attributes.get(name)?.g
    if (!graph || !this.#run) return this.fail(`has no graph '${name}'`)
    const run = this.#run
    return (inputs) => run(graph, inputs)
  }
  /** Floats of an attribute. */
  floats(name: string): number[] | undefined {
    return this.#attributes.get(name)?.floats
  }
  /** The dtype that an attribute names by its number. */
  dtype(name: string, otherwise: DType): DType {
    const element = this.#attributes.get(name)?.i
    if (element === undefined) return otherwise
    return dtypeOfElement(element) ?? this.fail(`has the element type ${element}, which Gradus does not know`)
  }
  /** Throws where an attribute has another value than those that are supported. */
  only(name: string, given: unknown, ...supported: readonly unknown[]): void {
    if (!supported.includes(given))
      this.fail(`has ${name} = ${String(given)}; supported is ${supported.map(String).join(', ')}`)
  }

  /** The numbers of an input, in order, which must not depend on what the network is given. Undefined where there is no input. */
  numbers(i: number, what: string): number[] | undefined {
    const given = this.inputs[i]
    if (!given) return undefined
    const values = knownValues(given)
    if (!values)
      this.fail(
        `computes its ${what} from the values of the network’s input`,
        'Such a model has no program of its own.',
      )
    return Array.from(values as TypedArray)
  }
  /** Numbers that newer versions take as an input and older ones as an attribute. */
  numbersOr(i: number, name: string): number[] | undefined {
    return this.numbers(i, name) ?? this.ints(name)
  }
  /** The number of an input that is a constant of the model of one element. */
  constant(i: number): number | undefined {
    const given = this.inputs[i]
    if (!given || sizeOf(given.shape as Shape) !== 1) return undefined
    const { node } = TensorValue.parts(given)
    return constants.has(node) ? leafValues(node)[0] : undefined
  }
}

/**
 * The values of a tensor that is computed from constants alone, also in the middle of a trace; undefined where it depends
 * on an argument or a variable. The interpreter computes them: they are few.
 */
export function knownValues(given: Tensor): TypedArray | undefined {
  const { node, trace } = TensorValue.parts(given)
  const inputs: Node[] = []
  const values: TypedArray[] = []
  for (const one of topological([node])) {
    if (one.op !== 'input') continue
    const binding = trace?.bindingOf(one)
    // What a loop's body is given has no values in any trace.
    const held = trace ? binding?.kind === 'captured' && leafValues(binding.leaf) : leafValues(one)
    if (!held) return undefined
    inputs.push(one)
    values.push(held)
  }
  return trace ? interpret({ inputs, outputs: [node] }, values, 'portable')[0] : TensorValue.evaluate([given])[0]
}

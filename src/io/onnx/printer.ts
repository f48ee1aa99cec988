/**
 * @file The ONNX graph being written. In: one node of a Gradus graph after another. Out: ONNX nodes and initializers.
 * Broadcasts are not carried out: a value may be smaller than its node, and is expanded where something needs all of it.
 *
 * printer.emit('MatMul', [x, w]) → 'matmul_1', the name of the result
 */
import type { DType } from '../../base/dtype.js'
import { allocate } from '../../base/dtype.js'
import { ValueError } from '../../base/errors.js'
import { type Node, topological } from '../../graph/node.js'
import { type Attribute, empty, type GraphMessage, type NodeMessage, type TensorMessage } from './proto.js'
import { type Family, fixed, isFixed, isOne, type Size, type Sizes, sameSizes } from './sizes.js'
import { elementTypes, INT64, writeInt64, writeTensor } from './tensors.js'

/** A value of the ONNX graph: its name, and a shape that broadcasts to its node's. */
export interface Value {
  readonly name: string
  readonly shape: Sizes
}

export type AttributeValue =
  | { int: number }
  | { ints: readonly number[] }
  | { float: number }
  | { text: string }
  | { graph: GraphMessage }
export type Attributes = { readonly [name: string]: AttributeValue }

/** Says what each node is: a row for each operation. */
export type PrintNode = (p: Printer, node: Node) => Value | string

export class Printer {
  readonly family: Family
  readonly nodes: NodeMessage[] = []
  readonly initializers = new Map<string, TensorMessage>()
  /** Loops that are printed: each by one of its nodes, with the names of all its results. */
  readonly loops: { readonly node: Node; readonly names: readonly string[] }[] = []
  readonly #print: PrintNode
  readonly #taken: Set<string>
  readonly #values = new Map<Node, Value>()
  readonly #expanded = new Map<Node, string>()
  readonly #uses = new Map<Node, number>()
  readonly #shared = new Map<string, string>()
  /** The input whose first axis is the batch. */
  readonly #batchInput: string | undefined

  /** `taken`: names of the whole model, to which those made here are added. */
  constructor(family: Family, print: PrintNode, taken: Set<string>, batchInput: string | undefined) {
    this.family = family
    this.#print = print
    this.#taken = taken
    this.#batchInput = batchInput
    for (const node of topological(family.first.outputs))
      for (const operand of isPassage(node) ? node.operands.slice(0, 1) : node.operands)
        this.#uses.set(operand, this.uses(operand) + 1)
    for (const node of family.first.outputs) this.#uses.set(node, this.uses(node) + 1)
  }

  /** A printer of a graph within this one, which sees this one's values by name. */
  inner(family: Family): Printer {
    return new Printer(family, this.#print, this.#taken, this.#batchInput)
  }

  /** Prints all nodes; inputs are defined already. */
  run(): void {
    for (const node of topological(this.family.first.outputs))
      if (!this.#values.has(node)) {
        // Runtimes fail here and there where nothing is to be computed.
        const empty = this.shape(node).some((size) => isFixed(size) && size.fixed === 0)
        this.define(node, empty ? this.filled(node, 0) : this.#print(this, node))
      }
  }

  /** How many operands and outputs a node is. */
  uses(node: Node): number {
    return this.#uses.get(node) ?? 0
  }

  shape(node: Node): Sizes {
    return this.family.shape(node)
  }

  /** Says what a node is; a name alone is all of it. */
  define(node: Node, value: Value | string): void {
    this.#values.set(node, typeof value === 'string' ? { name: value, shape: this.shape(node) } : value)
  }

  /** A node's value, perhaps not broadcast yet. */
  value(node: Node): Value {
    return this.#values.get(node)!
  }

  /** A node's value with all its elements. */
  full(node: Node): string {
    const value = this.value(node)
    const shape = this.shape(node)
    if (sameSizes(value.shape, shape)) return value.name
    let name = this.#expanded.get(node)
    if (name === undefined) {
      name = this.emit('Expand', [value.name, this.sizes(shape)])
      this.#expanded.set(node, name)
    }
    return name
  }

  /** Adds an operation; returns its result's name. Optional inputs that are not given are empty names. */
  emit(opType: string, inputs: readonly string[], attributes: Attributes = {}): string {
    return this.emitMany(opType, inputs, attributes, 1)[0]!
  }

  emitMany(opType: string, inputs: readonly string[], attributes: Attributes, results: number): string[] {
    const output = Array.from({ length: results }, () => this.unique(snake(opType)))
    const attribute = Object.entries(attributes).map(([name, value]) => attributeOf(name, value))
    this.nodes.push({ ...empty('Node'), opType, name: output[0]!, input: [...inputs], output, attribute })
    return output
  }

  /** A name that nothing else has. */
  unique(stem: string): string {
    for (let i = 1; ; i++) {
      const name = `${stem}_${i}`
      if (this.#taken.has(name)) continue
      this.#taken.add(name)
      return name
    }
  }

  initializer(tensor: TensorMessage): string {
    this.initializers.set(tensor.name!, tensor)
    return tensor.name!
  }

  /** Whole numbers as an int64 tensor; equal ones are one initializer. */
  int64(values: readonly number[], shape: readonly number[] = [values.length]): string {
    return this.#once(`int64[${shape}] ${values}`, () =>
      this.initializer(writeInt64(this.unique('sizes'), values, shape)),
    )
  }

  /** A scalar. */
  scalar(dtype: DType, value: number): string {
    return this.#once(`${dtype} ${Object.is(value, -0) ? '-0' : value}`, () => {
      const data = allocate(dtype, 1)
      data[0] = value
      return this.initializer(writeTensor(this.unique('constant'), dtype, [], data))
    })
  }

  /** A size as an int64 vector of one element. */
  size(size: Size): string {
    if (isFixed(size)) return this.int64([size.fixed])
    return this.#once(`size ${size.batch} ${size.fixed}`, () => {
      if (this.#batchInput === undefined) throw new ValueError('exportOnnx', 'no input has a batch axis')
      const batch = this.#once('batch', () =>
        this.emit('Shape', [this.#batchInput!], { start: { int: 0 }, end: { int: 1 } }),
      )
      const scaled = size.batch === 1 ? batch : this.emit('Mul', [batch, this.int64([size.batch])])
      return size.fixed === 0 ? scaled : this.emit('Add', [scaled, this.int64([size.fixed])])
    })
  }

  /** Sizes as an int64 vector, computed from the batch where it enters. */
  sizes(list: Sizes): string {
    if (list.every(isFixed)) return this.int64(list.map((size) => size.fixed))
    if (list.length === 1) return this.size(list[0]!)
    return this.#once(`sizes ${JSON.stringify(list)}`, () => {
      const parts: string[] = []
      for (let i = 0; i < list.length; ) {
        const from = i
        while (i < list.length && isFixed(list[i]!)) i++
        if (i > from) parts.push(this.int64(list.slice(from, i).map((size) => size.fixed)))
        else parts.push(this.size(list[i++]!))
      }
      return this.emit('Concat', parts, { axis: { int: 0 } })
    })
  }

  reshape(name: string, from: Sizes, to: Sizes): string {
    if (sameSizes(from, to)) return name
    const moving = to.filter((size) => !isFixed(size)).length
    const zero = to.some((size) => isFixed(size) && size.fixed === 0)
    // One size may be left to the reader of the file.
    const target =
      moving === 1 && !zero ? this.int64(to.map((size) => (isFixed(size) ? size.fixed : -1))) : this.sizes(to)
    return this.emit('Reshape', [name, target], zero ? { allowzero: { int: 1 } } : {})
  }

  /** All of a node, where every element is one number. */
  filled(node: Node, value: number): string {
    return this.emit('Expand', [this.scalar(node.type.dtype, value), this.sizes(this.shape(node))])
  }

  cast(name: string, dtype: DType | 'int64'): string {
    return this.emit('Cast', [name], { to: { int: dtype === 'int64' ? INT64 : elementTypes[dtype] } })
  }

  /**
   * A value whose axis i is to be axis `axes[i]` (ascending) of a shape of `rank` axes, by axes of size 1 between; its own
   * leading axes of size 1 may be absent.
   */
  aligned(value: Value, axes: readonly number[], rank: number): Value {
    const own = axes.slice(axes.length - value.shape.length)
    if (own.length === 0) return value
    const present = new Map(own.map((axis, i) => [axis - own[0]!, value.shape[i]!]))
    const shape = Array.from({ length: rank - own[0]! }, (_, i) => present.get(i) ?? fixed(1))
    const inserted = shape.flatMap((_, i) => (present.has(i) ? [] : [i]))
    return inserted.length === 0
      ? { name: value.name, shape }
      : { name: this.emit('Unsqueeze', [value.name, this.int64(inserted)]), shape }
  }

  /** A value with axes of size 1 in front up to a rank. */
  ranked(value: Value, rank: number): string {
    const missing = rank - value.shape.length
    if (missing === 0) return value.name
    return this.emit('Unsqueeze', [value.name, this.int64(Array.from({ length: missing }, (_, i) => i))])
  }

  /** Whether a value is a scalar or of ones throughout. */
  isScalar({ shape }: Value): boolean {
    return shape.every(isOne)
  }

  #once(key: string, make: () => string): string {
    let name = this.#shared.get(key)
    if (name === undefined) this.#shared.set(key, (name = make()))
    return name
  }
}

/** What gives its first operand; the others matter to derivatives and to the order of execution only. */
const isPassage = ({ op }: Node): boolean => op === 'custom' || op === 'barrier'

const snake = (opType: string): string => opType.replace(/(?<=[a-z])(?=[A-Z])/g, '_').toLowerCase()

/** AttributeProto's types. */
const attributeTypes = { float: 1, int: 2, text: 3, graph: 5, ints: 7 } as const

function attributeOf(name: string, value: AttributeValue): Attribute {
  const base = { ...empty('Attribute'), name }
  if ('int' in value) return { ...base, type: attributeTypes.int, i: value.int }
  if ('ints' in value) return { ...base, type: attributeTypes.ints, ints: [...value.ints] }
  if ('float' in value) return { ...base, type: attributeTypes.float, f: value.float }
  if ('text' in value) return { ...base, type: attributeTypes.text, s: new TextEncoder().encode(value.text) }
  return { ...base, type: attributeTypes.graph, g: value.graph }
}

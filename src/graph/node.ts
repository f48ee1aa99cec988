/**
 * @file Nodes: occurrences of ops, immutable, typed when made, interned within a trace (equal means identical).
 * make('add', [x, y], {}) → a Node whose type follows from its operands, or a ShapeError / DtypeError.
 */
import type { DType } from '../base/dtype.js'
import type { Shape } from '../base/shape.js'
import type { Op, OpAttrs } from './op.js'
import { type TensorType, typeRules } from './types.js'

export type { TensorType }

export interface Node<O extends Op = Op> {
  readonly op: O
  readonly operands: readonly Node[]
  readonly attrs: OpAttrs[O]
  readonly type: TensorType
}

/** A node of some op, with `op` discriminating `attrs`. */
export type AnyNode = { [O in Op]: Node<O> }[Op]

/** Whether a node is of one op, narrowing its attributes. */
export const isOp = <O extends Op>(node: Node, op: O): node is Node<O> => (node.op as Op) === op

/** A program: inputs in the order they are bound, outputs in the order they are returned. */
export interface Graph {
  readonly inputs: readonly Node[]
  readonly outputs: readonly Node[]
}

/** The intern table of one trace. Leaves bound at run time are never in it. */
export class NodeTable {
  readonly #nodes = new Map<string, Node>()
  readonly #ids = new Map<Node, number>()

  intern(node: Node): Node {
    if (node.op === 'input') return node
    const key = `${node.op} ${node.operands.map((operand) => this.#id(operand)).join(' ')} ${attrsKey(node.attrs)}`
    const known = this.#nodes.get(key)
    if (known) return known
    this.#nodes.set(key, node)
    return node
  }

  #id(node: Node): number {
    let id = this.#ids.get(node)
    if (id === undefined) this.#ids.set(node, (id = this.#ids.size))
    return id
  }
}

/** Attributes as text; −0 and NaN keep their identity. */
export function attrsKey(attrs: object): string {
  for (const _ in attrs) return 'value' in attrs ? JSON.stringify(attrs, exactNumbers) : JSON.stringify(attrs)
  return ''
}

/** Only attributes called `value` hold numbers that JSON would blur. */
const exactNumbers = (_: string, value: unknown): unknown =>
  typeof value === 'number' && (!Number.isFinite(value) || Object.is(value, -0))
    ? `#${Object.is(value, -0) ? '-0' : value}`
    : value

let table: NodeTable | undefined

/** Runs `f` with nodes interned in `next`. */
export function withTable<T>(next: NodeTable | undefined, f: () => T): T {
  const previous = table
  table = next
  try {
    return f()
  } finally {
    table = previous
  }
}

/** Take in every node made now. */
const watching: { add(node: Node): unknown }[] = []

/** What `f` returns, and the nodes that were made meanwhile and not known before. */
export function withMade<T>(f: () => T): { result: T; made: ReadonlySet<Node> } {
  const made = new Set<Node>()
  return { result: whileMaking(made, f), made }
}

/** Runs `f` while `listener` is given each node that is made, and was not known before. */
export function whileMaking<T>(listener: { add(node: Node): unknown }, f: () => T): T {
  watching.push(listener)
  try {
    return f()
  } finally {
    watching.splice(watching.indexOf(listener), 1)
  }
}

export function make<O extends Op>(op: O, operands: readonly Node[], attrs: OpAttrs[O]): Node<O> {
  const type = typeRules[op](
    operands.map((operand) => operand.type),
    attrs,
  )
  const node: Node = { op, operands, attrs, type } as Node
  const known = table ? table.intern(node) : node
  if (known === node) for (const made of watching) made.add(node)
  return known as Node<O>
}

/** A fresh leaf, to be bound when the program runs. */
export const input = (dtype: DType, shape: Shape): Node<'input'> => make('input', [], { dtype, shape })

/** Every node the roots depend on, operands first; iterative, so that depth is no limit. Stable: follows operand order. */
export function topological(roots: Iterable<Node>): Node[] {
  const order: Node[] = []
  const done = new Set<Node>()
  for (const root of roots) {
    const stack: { node: Node; next: number }[] = [{ node: root, next: 0 }]
    while (stack.length > 0) {
      const top = stack[stack.length - 1]!
      if (top.next === 0 && done.has(top.node)) {
        stack.pop()
        continue
      }
      const operand = top.node.operands[top.next++]
      if (operand) {
        if (!done.has(operand)) stack.push({ node: operand, next: 0 })
      } else {
        if (!done.has(top.node)) {
          done.add(top.node)
          order.push(top.node)
        }
        stack.pop()
      }
    }
  }
  return order
}

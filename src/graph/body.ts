/**
 * @file Bodies: graphs that an operation runs, as `scan` does. In: a graph. Out: a copy that shares no node with anything
 * else, and its text, by which equal bodies are known.
 *
 * bodyOf([h, x], [add(h, x)]).text → 'inputs %in0 : float32[4], ...'
 */
import { type Graph, input, make, type Node, NodeTable, withTable } from './node.js'
import { printGraph } from './print.js'

export class Body {
  readonly graph: Graph
  #text: string | undefined

  constructor(graph: Graph) {
    this.graph = graph
  }

  /** Canonical: equal for equal bodies. */
  get text(): string {
    return (this.#text ??= printGraph(this.graph))
  }

  /** What nodes with a body are interned by. */
  toJSON(): string {
    return this.text
  }
}

/** The body that computes `outputs` from `inputs`, whatever nodes these are; everything below must lead to them. */
export function bodyOf(inputs: readonly Node[], outputs: readonly Node[]): Body {
  return withTable(new NodeTable(), () => {
    const fresh = inputs.map(({ type }) => input(type.dtype, type.shape))
    return new Body({
      inputs: fresh,
      outputs: substitute(outputs, new Map(inputs.map((node, i) => [node, fresh[i]!]))),
    })
  })
}

/** A transformation of graphs, of bodies; each is transformed once, so that results of one loop stay that. */
export function eachBody(transform: (graph: Graph) => Graph): (body: Body) => Body {
  const known = new WeakMap<Body, Body>()
  return (body) => {
    let next = known.get(body)
    if (!next) {
      next = new Body(transform(body.graph))
      known.set(body, next)
    }
    return next
  }
}

/** The nodes with others in place of some; a replaced node's operands are not looked at. */
export function substitute(roots: readonly Node[], replacements: ReadonlyMap<Node, Node>): Node[] {
  const done = new Map<Node, Node>(replacements)
  for (const node of below(roots, replacements)) {
    const operands = node.operands.map((operand) => done.get(operand)!)
    const same = operands.every((operand, i) => operand === node.operands[i])
    // A leaf made elsewhere is made again, so that it is interned here.
    done.set(node, node.op === 'input' || (same && operands.length > 0) ? node : make(node.op, operands, node.attrs))
  }
  return roots.map((root) => done.get(root)!)
}

/** Every node that the roots depend on, operands first, but for `known` nodes and what only they depend on. */
export function below(roots: readonly Node[], known: { has(node: Node): boolean }): Node[] {
  const order: Node[] = []
  const done = new Set<Node>()
  for (const root of roots) {
    const stack: { node: Node; next: number }[] = [{ node: root, next: 0 }]
    while (stack.length > 0) {
      const top = stack[stack.length - 1]!
      if (done.has(top.node) || known.has(top.node)) {
        stack.pop()
        continue
      }
      const operand = top.node.operands[top.next++]
      if (operand) stack.push({ node: operand, next: 0 })
      else {
        done.add(top.node)
        order.push(top.node)
        stack.pop()
      }
    }
  }
  return order
}

/** The nodes of which some `sources` are below; the sources themselves included. */
export function dependents(order: readonly Node[], sources: Iterable<Node>): Set<Node> {
  const result = new Set<Node>(sources)
  for (const node of order) if (node.operands.some((operand) => result.has(operand))) result.add(node)
  return result
}

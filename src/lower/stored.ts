/**
 * @file Which nodes are stored, and which are recomputed inside their consumers.
 * Stored: inputs, results, contractions, reductions, joins; what two consumers need and is not cheap; what would be
 * recomputed for each element it is broadcast to.
 */
import { byteSize } from '../base/dtype.js'
import { sizeOf } from '../base/shape.js'
import { type Graph, isOp, type Node, topological } from '../graph/node.js'
import { dearOps, opInfo } from '../graph/op.js'
import { isView } from './stage.js'

/** The node below a chain of views, and whether a view on the way repeats elements. */
function below(node: Node): { base: Node; repeated: boolean } {
  let base = node
  let repeated = false
  while (isView(base)) {
    const operand = base.operands[0]!
    if (isOp(base, 'broadcast')) {
      const { shape, axes } = base.attrs
      const before = operand.type.shape
      repeated ||= shape.some(
        (extent, axis) => extent !== 1 && !(axes.includes(axis) && before[axes.indexOf(axis)] === extent),
      )
    }
    if (isOp(base, 'windows')) repeated ||= sizeOf(base.type.shape) > sizeOf(operand.type.shape)
    base = operand
  }
  return { base, repeated }
}

export function chooseStored(graph: Graph): Set<Node> {
  const order = topological(graph.outputs)
  const stored = new Set<Node>([...graph.inputs, ...graph.outputs])
  const users = new Map<Node, Set<Node>>()
  const weight = new Map<Node, number>()
  const constants = new Set<Node>()
  for (const node of order) {
    const { category } = opInfo[node.op]
    if (category === 'loop') {
      // A loop runs over memory.
      stored.add(node)
      for (const operand of node.operands) stored.add(operand)
    }
    if (category === 'copy' || category === 'reduce' || category === 'contract' || category === 'alone')
      stored.add(node)
    // What keeps a turned product in a layout of its own (graph/convolution.ts).
    if (node.op === 'stopGradient' && below(node.operands[0]!).base.op === 'contract') stored.add(node)
    if (node.op === 'constant' || node.op === 'iota') constants.add(node)
    else if (node.operands.length > 0 && node.operands.every((operand) => constants.has(operand)) && !stored.has(node))
      constants.add(node)
    if (isView(node) && !stored.has(node)) continue
    for (const operand of node.operands) {
      const { base, repeated } = below(operand)
      if (category === 'contract') stored.add(base)
      if (repeated && !constants.has(base)) stored.add(base)
      const list = users.get(base)
      if (list) list.add(node)
      else users.set(base, new Set([node]))
    }
  }
  /**
   * What a node is one cheap operation away from, if that has several users as well and is no larger: it serves all of them
   * where one stored value for each would be needed, as x does for the x/2 and x/√2 of GELU and its derivative.
   */
  const sourceOf = (node: Node): Node | undefined => {
    const [source, ...others] = node.operands.filter((operand) => !constants.has(below(operand).base))
    if (!source || others.length > 0 || dearOps.has(node.op) || isView(source) || stored.has(source)) return undefined
    const larger = byteSize[source.type.dtype] > byteSize[node.type.dtype]
    return (users.get(source)?.size ?? 0) >= 2 && !larger ? source : undefined
  }
  // A repeated base may stand under a view that is itself the root of the repetition; weights follow the same walk.
  for (const node of order) {
    if (stored.has(node) || node.operands.length === 0) {
      weight.set(node, 0)
      continue
    }
    let sum = isView(node) ? 0 : dearOps.has(node.op) ? 10 : 1
    for (const operand of node.operands) sum += weight.get(operand)!
    weight.set(node, sum)
    if (!isView(node) && sum >= 2 && (users.get(node)?.size ?? 0) >= 2 && !constants.has(node)) {
      const source = sourceOf(node)
      stored.add(source ?? node)
      weight.set(source ?? node, 0)
      if (source) weight.set(node, 1)
    }
  }
  storeWideSums(order, stored)
  return stored
}

/** So many stored values a stage may read: each is a parameter of its kernel, of which WebAssembly's engines take a thousand. */
const mostSources = 64
/** Those of all parts of a join together. */
const mostPartSources = 512

/** Stores what would read very many values, as a long sum of arguments does. */
function storeWideSums(order: readonly Node[], stored: Set<Node>): void {
  // Not more than so many: values that are read twice count twice, until it matters.
  const bound = new Map<Node, number>()
  for (const node of order) {
    let sum = 0
    for (const operand of node.operands) sum += stored.has(operand) ? 1 : bound.get(operand)!
    const isJoin = node.op === 'concatenate'
    if (sum > (isJoin ? mostPartSources : mostSources)) {
      if (isJoin) for (const operand of node.operands) stored.add(below(operand).base)
      else if (!isView(node)) {
        const exact = sourcesOf(node, stored)
        if (exact > mostSources) stored.add(node)
        sum = exact
      }
    }
    bound.set(node, sum)
  }
}

/** How many different stored values the node is computed of. */
function sourcesOf(node: Node, stored: ReadonlySet<Node>): number {
  const seen = new Set<Node>()
  const stack = [...node.operands]
  let count = 0
  while (stack.length > 0) {
    const next = stack.pop()!
    if (seen.has(next)) continue
    seen.add(next)
    if (stored.has(next)) count++
    else stack.push(...next.operands)
  }
  return count
}

/**
 * @file Multiply-adds. In: a Graph. Out: the Graph with a·b + c, where only the sum needs the product, as one fma.
 * Whether a product and a sum round once or twice is decided here and nowhere below. Run in fused mode only.
 *
 * add(multiply(a, b), c) → fma(a, b, c)
 */
import { eachBody } from '../graph/body.js'
import { replaced } from '../graph/lineage.js'
import { type Graph, isOp, make, type Node, NodeTable, topological, withTable } from '../graph/node.js'
import { broadcast, constant, negate } from '../graph/ops.js'
import { consumerCounts } from './rewrite.js'

export function formFma(graph: Graph): Graph {
  const inBody = eachBody(formFma)
  const order = topological(graph.outputs)
  const counts = consumerCounts(order, graph.outputs)
  const done = new Map<Node, Node>()
  const isProduct = (node: Node) => isOp(node, 'multiply') && node.type.dtype === 'float32' && counts.get(node) === 1

  /** The node as a multiply-add, or undefined. Its operands are old nodes; `done` has their replacements. */
  const formed = (node: Node): Node | undefined => {
    if (!isOp(node, 'add') && !isOp(node, 'subtract')) return undefined
    const [left, right] = node.operands as [Node, Node]
    const factors = (product: Node) => product.operands.map((factor) => done.get(factor)!) as [Node, Node]
    if (isProduct(left)) {
      const [a, b] = factors(left)
      const c = done.get(right)!
      return fma(a, b, isOp(node, 'add') ? c : negated(c)) // ab + c; ab − c = ab + (−c)
    }
    if (!isProduct(right)) return undefined
    const [a, b] = factors(right)
    const c = done.get(left)!
    if (isOp(node, 'add')) return fma(a, b, c) // c + ab
    return isCheap(b) && !isCheap(a) ? fma(a, negated(b), c) : fma(negated(a), b, c) // c − ab = (−a)b + c
  }

  return withTable(new NodeTable(), () => {
    for (const node of order) {
      const plain = () =>
        make(
          node.op,
          node.operands.map((operand) => done.get(operand)!),
          isOp(node, 'scan') ? { ...node.attrs, body: inBody(node.attrs.body) } : node.attrs,
        )
      done.set(node, isOp(node, 'input') ? node : (formed(node) ?? plain()))
      replaced(node, done.get(node)!)
    }
    return { inputs: graph.inputs, outputs: graph.outputs.map((output) => done.get(output)!) }
  })
}

const fma = (a: Node, b: Node, c: Node): Node => make('fma', [a, b, c], {})

/** What a negation costs nothing on: it moves into a constant, before a broadcast, or against another negation. */
const isCheap = (node: Node): boolean => isOp(node, 'constant') || isOp(node, 'broadcast') || isOp(node, 'negate')

/** −x, exactly, with the sign moved to where it is cheapest. */
function negated(x: Node): Node {
  if (isOp(x, 'constant')) return constant(-x.attrs.value, x.type.dtype)
  if (isOp(x, 'negate')) return x.operands[0]!
  if (isOp(x, 'broadcast')) return broadcast(negated(x.operands[0]!), x.attrs.shape, x.attrs.axes)
  return negate(x)
}

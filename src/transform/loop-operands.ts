/**
 * @file What loops read again and again, laid out for it. In: a graph. Out: an equal one, in which a matrix that every iteration
 * multiplies by stands before the loop the way products read it, rows of columns: it is transposed once, not packed each time.
 *
 * loop with h × Uᵀ in its body   becomes   V = transpose(U) before the loop, h × V in it
 */
import { bodyOf, eachBody, substitute } from '../graph/body.js'
import { replaced } from '../graph/lineage.js'
import { type Graph, isOp, make, type Node, NodeTable, topological, withTable } from '../graph/node.js'
import { contract, transpose } from '../graph/ops.js'
import { type Loop, loopOf, loopsAmong, scanResult } from '../graph/scan.js'

export function layOutLoopOperands(graph: Graph): Graph {
  const order = topological(graph.outputs)
  const loops = loopsAmong(order)
  if (loops.size === 0) return graph
  const inBody = eachBody(layOutLoopOperands)
  return withTable(new NodeTable(), () => {
    const done = new Map<Node, Node>()
    const now = (node: Node) => done.get(node)!
    for (const node of order) {
      if (done.has(node)) continue
      if (!isOp(node, 'scan')) {
        done.set(node, isOp(node, 'input') ? node : make(node.op, node.operands.map(now), node.attrs))
        continue
      }
      const before = loopOf(node)
      const loop = laidOut({
        ...before,
        body: inBody(before.body),
        carries: before.carries.map(now),
        slices: before.slices.map(now),
        invariants: before.invariants.map(now),
      })
      for (const one of loops.get(node)!) done.set(one, scanResult(loop, one.attrs.result))
    }
    for (const [node, next] of done) replaced(node, next)
    return { inputs: graph.inputs, outputs: graph.outputs.map(now) }
  })
}

function laidOut(loop: Loop): Loop {
  const { inputs, outputs } = loop.body.graph
  const first = loop.carries.length + loop.slices.length
  const products = topological(outputs).flatMap((node) => (isOp(node, 'contract') && isTurned(node) ? [node] : []))
  const turned = inputs.slice(first).filter((matrix) => products.some(({ operands }) => operands[1] === matrix))
  if (turned.length === 0) return loop
  // Other uses of the matrix keep it as it is.
  const columns = new Map(turned.map((matrix) => [matrix, make('input', [], transposedType(matrix))]))
  const replaced = new Map<Node, Node>()
  for (const product of products) {
    const matrix = columns.get(product.operands[1]!)
    if (matrix) replaced.set(product, productBy(product, substitute([product.operands[0]!], replaced)[0]!, matrix))
  }
  const results = substitute(outputs, replaced)
  const used = new Set(topological(results))
  const invariants = inputs.slice(first).flatMap((node, i) => {
    const own = used.has(node) ? [{ inside: node, outside: loop.invariants[i]! }] : []
    const other = columns.get(node)
    return other ? [...own, { inside: other, outside: transpose(loop.invariants[i]!, [1, 0]) }] : own
  })
  return {
    ...loop,
    invariants: invariants.map(({ outside }) => outside),
    body: bodyOf([...inputs.slice(0, first), ...invariants.map(({ inside }) => inside)], results),
  }
}

/** Whether a product goes along the rows of its second factor, a matrix. */
const isTurned = ({ operands, attrs }: Node<'contract'>): boolean =>
  operands[1]!.type.shape.length === 2 &&
  attrs.rhsBatch.length === 0 &&
  attrs.rhsContract.length === 1 &&
  attrs.rhsContract[0] === 1

const productBy = ({ attrs }: Node<'contract'>, lhs: Node, columns: Node): Node =>
  contract(lhs, columns, { ...attrs, rhsContract: [0] })

const transposedType = ({ type }: Node) => ({ dtype: type.dtype, shape: [...type.shape].reverse() })

/**
 * @file Loops written out, for formats without them. In: a graph. Out: an equal one in which each iteration of a loop stands by
 * itself.
 *
 * scan(h → [h', h'], xs of 3 slices) → h₁ = ..., h₂ = ..., h₃ = ..., concatenate(h₁, h₂, h₃)
 */
import { substitute } from '../graph/body.js'
import { type Graph, isOp, make, type Node, topological } from '../graph/node.js'
import { concatenate, full, reshape, slice } from '../graph/ops.js'
import { type Loop, loopOf, loopsAmong } from '../graph/scan.js'

export function unrollLoops(graph: Graph): Graph {
  const order = topological(graph.outputs)
  const loops = loopsAmong(order)
  if (loops.size === 0) return graph
  const done = new Map<Node, Node>()
  const now = (node: Node) => done.get(node)!
  for (const node of order) {
    if (done.has(node)) continue
    if (!isOp(node, 'scan'))
      done.set(node, isOp(node, 'input') ? node : make(node.op, node.operands.map(now), node.attrs))
    else {
      const loop = loopOf(node)
      const operands = {
        carries: loop.carries.map(now),
        slices: loop.slices.map(now),
        invariants: loop.invariants.map(now),
      }
      const results = unrolled({ ...loop, ...operands })
      for (const one of loops.get(node)!) done.set(one, results[one.attrs.result]!)
    }
  }
  return { inputs: graph.inputs, outputs: graph.outputs.map(now) }
}

function unrolled({ body, carries, slices, invariants, length, reverse }: Loop): Node[] {
  const { inputs, outputs } = unrollLoops(body.graph)
  let state: readonly Node[] = carries
  const stacks = outputs.slice(carries.length).map((): Node[] => [])
  for (let k = 0; k < length; k++) {
    const at = reverse ? length - 1 - k : k
    const given = [...state, ...slices.map((node) => sliceAt(node, at)), ...invariants]
    const next = substitute(outputs, new Map(inputs.map((node, i) => [node, given[i]!])))
    state = next.slice(0, carries.length)
    stacks.forEach((stack, i) => {
      const node = next[carries.length + i]!
      stack[at] = reshape(node, [1, ...node.type.shape])
    })
  }
  const stacked = stacks.map((stack, i) => {
    const { dtype, shape } = outputs[carries.length + i]!.type
    return stack.length === 0 ? full(0, dtype, [0, ...shape]) : concatenate(stack, 0)
  })
  return [...state, ...stacked]
}

function sliceAt(node: Node, at: number): Node {
  const [, ...shape] = node.type.shape
  return reshape(slice(node, [at, ...shape.map(() => 0)], [at + 1, ...shape]), shape)
}

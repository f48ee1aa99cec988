/**
 * @file Products of scanned inputs alone leave the loop: x W for all iterations at once, before it. In: a loop. Out: a loop
 * with the same results, to the bit, whose body has such products as further scanned inputs.
 *
 * h' = tanh(x Wᵀ + h Uᵀ)   becomes   z = xs Wᵀ before the loop, h' = tanh(z + h Uᵀ) in it
 */
import { bodyOf, dependents, substitute } from '../graph/body.js'
import { type Node, topological } from '../graph/node.js'
import { opInfo } from '../graph/op.js'
import type { Loop } from '../graph/scan.js'
import { batched } from './batch.js'
import { isPlainView } from './residuals.js'

export function hoisted(loop: Loop): Loop {
  const { inputs, outputs } = loop.body.graph
  const carries = inputs.slice(0, loop.carries.length)
  const slices = inputs.slice(carries.length, carries.length + loop.slices.length)
  const invariants = inputs.slice(carries.length + slices.length)
  const order = topological(outputs)
  const carried = dependents(order, carries)
  const scanned = dependents(order, slices)
  const costly = dependents(
    order,
    order.filter((node) => opInfo[node.op].category === 'contract' && scanned.has(node) && !carried.has(node)),
  )
  // What leaves: the last of such nodes, but for views, which cost nothing where they are.
  const leaving = new Set<Node>()
  const leave = (node: Node): void => {
    if (!costly.has(node) || carried.has(node)) return
    if (isPlainView(node)) leave(node.operands[0]!)
    else leaving.add(node)
  }
  for (const node of order) if (carried.has(node)) for (const operand of node.operands) leave(operand)
  for (const output of outputs) leave(output)
  if (leaving.size === 0) return loop
  const outside = substitute([...leaving], new Map(invariants.map((node, i) => [node, loop.invariants[i]!])))
  const before = batched(outside, new Map(slices.map((node, i) => [node, loop.slices[i]!])), loop.length)
  return {
    ...loop,
    slices: [...loop.slices, ...before.map(({ node }) => node)],
    body: bodyOf([...carries, ...slices, ...leaving, ...invariants], outputs),
  }
}

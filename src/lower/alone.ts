/**
 * @file Stages of the operations that have kernels of their own: their operands, computed where they are used. In: a node,
 * which nodes are stored. Out: its stages, whose domains the kernels walk in an order that the operation prescribes.
 */
import { stridesOf } from '../base/shape.js'
import { isOp, type Node } from '../graph/node.js'
import { partStage } from './copy.js'
import { domainOf, linearize, type Offset, type Stage, stepsFor } from './stage.js'

type Along = Node<'cumulativeSum' | 'argsort'>

export const aloneStages = (root: Node, stored: (node: Node) => boolean, ids: ReadonlyMap<Node, number>): Stage[] =>
  isOp(root, 'scatterAdd') ? scatterStages(root, stored, ids) : [alongStage(root as Along, stored, ids)]

/** A copy of x, the updates, the numbers of their rows: the last two over the domain of the updates. */
function scatterStages(root: Node, stored: (node: Node) => boolean, ids: ReadonlyMap<Node, number>): Stage[] {
  const [x, numbers, updates] = root.operands as readonly [Node, Node, Node]
  const fill = partStage(root, x, stridesOf(root.type.shape), 0, stored, ids)
  const { shape } = updates.type
  const { domain, coordinates } = domainOf(shape)
  const rank = numbers.type.shape.length
  const kept = shape.slice(0, rank).filter((extent) => extent !== 1).length
  const store = linearize(shape.slice(rank), coordinates.slice(rank), domain.length)
  const common = { root, kind: 'map', domain, kept, store, storeKey: `${ids.get(root)}` } as const
  return [
    fill,
    { ...common, steps: stepsFor(updates, coordinates, domain, stored, ids) },
    { ...common, steps: stepsFor(numbers, coordinates.slice(0, rank), domain, stored, ids) },
  ]
}

/** The operand, over a domain whose last axis is `axis`: `kept` axes come before it. */
function alongStage(root: Along, stored: (node: Node) => boolean, ids: ReadonlyMap<Node, number>): Stage {
  const { shape } = root.type
  const { axis } = root.attrs
  const order = shape.map((_, i) => i).filter((i) => i !== axis && shape[i] !== 1)
  const all = [...order, axis]
  const coordinates = shape.map(
    (_, i): Offset => ({ constant: 0, coefficients: all.map((other) => (other === i ? 1 : 0)) }),
  )
  const domain = all.map((i) => shape[i]!)
  const steps = stepsFor(root.operands[0]!, coordinates, domain, stored, ids)
  const store = linearize(shape, coordinates, domain.length)
  return { root, kind: 'map', domain, kept: order.length, steps, store, storeKey: `${ids.get(root)}` }
}

/**
 * @file Sizes that depend on the batch. In: the same network traced at several batch sizes. Out: each size of each node as
 * a·batch + b, or an error that names what is no such thing.
 *
 * At batches 1009, 1013 and 2029 a flattened axis is 8072, 8104 and 16232 long: { batch: 8, fixed: 0 }.
 */
import { ValueError } from '../../base/errors.js'
import { type Graph, type Node, topological } from '../../graph/node.js'

/** batch · (the number of samples) + fixed. */
export interface Size {
  readonly batch: number
  readonly fixed: number
}
export type Sizes = readonly Size[]

/**
 * The batch sizes at which networks are traced: symbols only, so that they cost nothing. Primes, which no other size of a
 * network is likely to equal, and a third to see whether what two of them suggest is so.
 */
export const traceBatches = [1009, 1013, 2029] as const

export const fixed = (n: number): Size => ({ batch: 0, fixed: n })
export const isFixed = (size: Size): boolean => size.batch === 0
export const isOne = (size: Size): boolean => size.batch === 0 && size.fixed === 1
export const sameSize = (a: Size, b: Size): boolean => a.batch === b.batch && a.fixed === b.fixed
export const sameSizes = (a: Sizes, b: Sizes): boolean => a.length === b.length && a.every((n, i) => sameSize(n, b[i]!))
export const formatSizes = (sizes: Sizes): string => `[${sizes.map(formatSize).join(',')}]`
export const formatSize = ({ batch, fixed }: Size): string =>
  batch === 0
    ? String(fixed)
    : `${batch === 1 ? '' : `${batch}*`}batch${fixed === 0 ? '' : fixed > 0 ? `+${fixed}` : fixed}`

/** What two shapes broadcast to, aligned from the right. */
export function broadcastSizes(a: Sizes, b: Sizes): Sizes {
  const rank = Math.max(a.length, b.length)
  return Array.from({ length: rank }, (_, i) => {
    const x = a[a.length - rank + i] ?? fixed(1)
    const y = b[b.length - rank + i] ?? fixed(1)
    return isOne(x) ? y : x
  })
}

/** The number of elements; undefined where the batch enters twice. */
export function product(sizes: Sizes): Size | undefined {
  let total: Size = fixed(1)
  for (const size of sizes) {
    if (!isFixed(size) && !isFixed(total)) return undefined
    total = isFixed(size)
      ? { batch: total.batch * size.fixed, fixed: total.fixed * size.fixed }
      : { batch: size.batch * total.fixed, fixed: size.fixed * total.fixed }
  }
  return total
}

/** Attributes that are sizes or follow from them; others must be equal at all batch sizes. */
const sized = ['shape', 'start', 'limit', 'value', 'low', 'high', 'interior', 'length', 'order', 'body', 'rule']
const otherAttributes = (node: Node): string =>
  JSON.stringify(node.attrs, (key, value) => (sized.includes(key) ? undefined : value))

/** One graph, traced at one or several batch sizes; nodes of the first trace stand for their twins in the others. */
export class Family {
  readonly first: Graph
  readonly #twins = new Map<Node, readonly Node[]>()
  readonly #batches: readonly number[]

  constructor(graphs: readonly Graph[], batches: readonly number[]) {
    this.first = graphs[0]!
    this.#batches = batches
    // Inputs that no output needs are bound as well.
    const orders = graphs.map((graph) => topological([...graph.inputs, ...graph.outputs]))
    const places = orders.map((order) => new Map(order.map((node, i) => [node, i] as const)))
    for (const [i, node] of orders[0]!.entries()) {
      const twins = orders.map((order) => order[i])
      const alike = twins.every(
        (twin, t) =>
          twin?.op === node.op &&
          (t === 0 || otherAttributes(twin) === otherAttributes(node)) &&
          twin.operands.length === node.operands.length &&
          twin.operands.every((operand, k) => places[t]!.get(operand) === places[0]!.get(node.operands[k]!)),
      )
      if (!alike || orders.some((order) => order.length !== orders[0]!.length))
        throw new ValueError('exportOnnx', 'the network does other operations at other batch sizes', {
          hint: 'Write { dynamicBatch: false } to export it for the batch size of the input.',
        })
      this.#twins.set(node, twins as readonly Node[])
    }
  }

  /** A number of a node, such as an axis's size. `what` is for the message. */
  size<N extends Node>(node: N, what: string, get: (node: N) => number): Size {
    const values = this.#twins.get(node)!.map((twin) => get(twin as N))
    const [x, y] = values as [number, number]
    const [m, n] = this.#batches as [number, number]
    if (values.every((value) => Object.is(value, x))) return fixed(x)
    const batch = (y - x) / (n - m)
    const base = x - batch * m
    if (
      !Number.isInteger(batch) ||
      !Number.isInteger(base) ||
      values.some((v, i) => batch * this.#batches[i]! + base !== v)
    )
      throw new ValueError(
        'exportOnnx',
        `${what} of ${node.op} is ${values.join(', ')} at batches of ${this.#batches.join(', ')}: no multiple of the batch and a constant`,
        { hint: 'Write { dynamicBatch: false } to export the network for the batch size of the input.' },
      )
    return { batch, fixed: base }
  }

  /** A number of a node that must not depend on the batch. */
  number<N extends Node>(node: N, what: string, get: (node: N) => number): number {
    const size = this.size(node, what, get)
    if (!isFixed(size))
      throw new ValueError('exportOnnx', `${what} of ${node.op} depends on the batch, which ONNX cannot say here`, {
        hint: 'Write { dynamicBatch: false } to export the network for the batch size of the input.',
      })
    return size.fixed
  }

  /** The family of a graph that a node has as an attribute. */
  inner<N extends Node>(node: N, get: (node: N) => Graph): Family {
    return new Family(
      this.#twins.get(node)!.map((twin) => get(twin as N)),
      this.#batches,
    )
  }

  shape(node: Node): Sizes {
    return node.type.shape.map((_, axis) => this.size(node, `the size of axis ${axis}`, (n) => n.type.shape[axis]!))
  }
}

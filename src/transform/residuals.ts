/**
 * @file Residuals: what the loop back needs of each iteration of a loop. In: a loop, and nodes in terms of its body and of
 * further leaves (cotangents). Out: those leaves of theirs that the body must stack, and where each is found outside.
 *
 * Stacked is what is dear (a product, a reduction, an exponential) and what else the body has; what is a few cheap steps
 * away from that, views, and what only derivatives compute is computed again. A carry or scanned input is there as it is.
 */
import { sizeOf } from '../base/shape.js'
import { below, bodyOf, dependents } from '../graph/body.js'
import { type Node, topological } from '../graph/node.js'
import { dearOps, isElementwise, opInfo } from '../graph/op.js'
import { type Loop, scanResult } from '../graph/scan.js'

/** A node of the body, and the stacked values, or the same value in each iteration, outside. */
export interface Source {
  readonly inside: Node
  readonly outside: Node
}

export class Residuals {
  readonly #invariants: ReadonlyMap<Node, Node>
  readonly #stacked = new Map<Node, Node>()
  readonly #back: ReadonlySet<Node>
  readonly #varying: ReadonlySet<Node>

  /** `roots`: whatever may be asked for. `leaves`: what they have besides the body's inputs. */
  constructor(loop: Loop, roots: readonly Node[], leaves: readonly Node[]) {
    const { inputs, outputs } = loop.body.graph
    const [first, last] = [loop.carries.length, loop.carries.length + loop.slices.length]
    this.#invariants = new Map(loop.invariants.map((node, i) => [inputs[last + i]!, node]))
    loop.slices.forEach((node, i) => {
      this.#stacked.set(inputs[first + i]!, node)
    })
    const order = topological([...outputs, ...roots])
    this.#back = dependents(order, leaves)
    this.#varying = dependents(order, inputs.slice(0, last))

    const body = new Set(topological(outputs))
    const wanted = new Set<Node>()
    const free = new Set<Node>([...inputs])
    const want = (from: Node): void => {
      // Depth is that of one iteration's expressions between residuals.
      if (!this.#varying.has(from) || this.#stacked.has(from) || wanted.has(from)) return
      if (free.has(from) || (body.has(from) && isKept(from))) wanted.add(from)
      else for (const operand of from.operands) want(operand)
    }
    for (const node of topological(roots))
      if (this.#back.has(node)) for (const operand of node.operands) if (!this.#back.has(operand)) want(operand)
    for (const root of roots) if (!this.#back.has(root)) want(root)

    // What takes few cheap steps from what is there need not be kept.
    const isLeaf = (node: Node): boolean =>
      !this.#varying.has(node) || wanted.has(node) || this.#stacked.has(node) || free.has(node)
    const stepsTo = (node: Node): number => {
      const cheap = isElementwise(node.op) && !dearOps.has(node.op)
      if (!cheap && !isPlainView(node)) return Number.POSITIVE_INFINITY
      const own = cheap ? 1 : 0
      return node.operands.reduce(
        (sum, operand) => sum + (isLeaf(operand) ? 0 : sum > mostSteps ? 1 : stepsTo(operand)),
        own,
      )
    }
    const wantLeaves = (node: Node): void => {
      for (const operand of node.operands)
        if (!isLeaf(operand)) wantLeaves(operand)
        else if (this.#varying.has(operand) && !this.#stacked.has(operand)) wanted.add(operand)
    }
    for (const node of [...wanted]) {
      if (free.has(node) || stepsTo(node) > mostSteps) continue
      wanted.delete(node)
      wantLeaves(node)
    }

    const residuals = [...wanted]
    const results = [...outputs]
    const at = residuals.map((node) => {
      const known = results.indexOf(node, first)
      return known >= 0 ? known : results.push(node) - 1
    })
    const more: Loop = results.length > outputs.length ? { ...loop, body: bodyOf(inputs, results) } : loop
    residuals.forEach((node, i) => {
      this.#stacked.set(node, scanResult(more, at[i]!))
    })
  }

  /** The values of a node in all iterations, where they are there. */
  stackOf(node: Node): Node | undefined {
    return this.#stacked.get(node)
  }

  /** Whether a node is the same in each iteration. */
  isInvariant(node: Node): boolean {
    return !this.#varying.has(node) && !this.#back.has(node)
  }

  get invariants(): ReadonlyMap<Node, Node> {
    return this.#invariants
  }

  /** What the nodes need of the iterations and of the invariants. */
  sourcesOf(roots: readonly Node[]): { slices: Source[]; invariants: Source[] } {
    const slices: Source[] = []
    const invariants: Source[] = []
    const seen = new Set<Node>()
    const look = (node: Node): boolean => {
      const stacked = this.#stacked.get(node)
      const outside = stacked ?? this.#invariants.get(node)
      if (!outside) return false
      if (!seen.has(node)) (stacked ? slices : invariants).push({ inside: node, outside })
      seen.add(node)
      return true
    }
    below(roots, { has: look })
    return { slices, invariants }
  }
}

/** Views are made again, but for what is a small part of its operand. */
const isKept = (node: Node): boolean =>
  !isPlainView(node) || (node.op === 'slice' && 2 * sizeOf(node.type.shape) <= sizeOf(node.operands[0]!.type.shape))

const mostSteps = 3

/** Other elements of its one operand, or the same in another order: nothing worth keeping. */
export const isPlainView = (node: Node): boolean => {
  const { category, arity } = opInfo[node.op]
  return category === 'view' && arity === 1
}

/**
 * @file Where the nodes of a step come from: layer, line, stage. In: a function that traces a step. Out: what it gives, and the
 * origin of each node, also of those that passes put in a node's place.
 *
 * const { result, originOf } = withOrigins(() => trace.record(body)); originOf(node)?.layer → 'layers.1'
 */
import { caller } from '../base/place.js'
import { differentiated } from '../graph/lineage.js'
import { type Node, whileMaking } from '../graph/node.js'
import { currentStage, innermost, scopePath } from '../trace/scope.js'

/** Where a node comes from. */
export interface Origin {
  /** Path of module calls; '' outside modules. */
  readonly layer: string
  /** What that layer is: `linear(784, 128)`. */
  readonly what: string | undefined
  /** Where the layer was made; outside layers, the caller's line. */
  readonly place: string | undefined
  /** The library's function that the caller called: `crossEntropy`. */
  readonly called: string | undefined
  /** As `withStage` says; undefined in forward propagation. */
  readonly stage: string | undefined
  /** The node whose derivative it is part of. */
  readonly of: Node | undefined
}

/** Stacks are cut at ten frames unless told otherwise, and the caller may stand behind more of the library's own. */
const frames = 80

/** Runs `f` and notes where each node comes from that it makes. */
export function withOrigins<T>(f: () => T): { result: T; originOf: (node: Node) => Origin | undefined } {
  const origins = new Map<Node, Origin>()
  const limit = Error.stackTraceLimit
  Error.stackTraceLimit = frames
  try {
    const listener = {
      add(node: Node) {
        const { what, place } = innermost()
        const { place: line, called } = caller()
        const [layer, stage, of] = [scopePath(), currentStage(), differentiated()]
        origins.set(node, { layer, what, place: layer ? place : line, called, stage, of })
      },
    }
    const result = whileMaking(listener, f)
    return { result, originOf: (node) => origins.get(node) }
  } finally {
    Error.stackTraceLimit = limit
  }
}

/**
 * Origins of the nodes of a graph after the passes: `latest` says what stands for each node of the graph before. What has none of
 * its own, because a pass made it on the way, has that of what uses it, or else of what it uses.
 */
export function originsAfter(
  before: readonly Node[],
  after: readonly Node[],
  originOf: (node: Node) => Origin | undefined,
  latest: (node: Node) => Node,
): Map<Node, { readonly origin: Origin; readonly node: Node }> {
  const found = new Map<Node, { readonly origin: Origin; readonly node: Node }>()
  for (const node of before) {
    const origin = originOf(node)
    const now = latest(node)
    if (origin && !found.has(now)) found.set(now, { origin, node })
  }
  for (const node of [...after].reverse())
    for (const operand of node.operands)
      if (!found.has(operand) && found.has(node)) found.set(operand, found.get(node)!)
  for (const node of after) {
    const operand = node.operands.find((one) => found.has(one))
    if (!found.has(node) && operand) found.set(node, found.get(operand)!)
  }
  return found
}

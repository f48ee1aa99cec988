/**
 * @file Where nodes come from, for those who ask: of which node a derivative is being taken, and what passes put in the place of
 * a node. Costs nothing where nobody asks. In: a function that makes nodes. Out: its result, and what was told meanwhile.
 *
 * const { result, latest } = followed(() => simplify(graph, mode)); latest(node) is what computes the node's value now
 */
import type { Node } from './node.js'

let about: Node | undefined

/** The node whose derivative is being taken. */
export const differentiated = (): Node | undefined => about

/** Runs `f`, which takes the derivative of `node`. */
export function differentiating<T>(node: Node, f: () => T): T {
  const before = about
  about = node
  try {
    return f()
  } finally {
    about = before
  }
}

let replacements: Map<Node, Node> | undefined

/** Tells that `next` stands for `node` from now on. */
export function replaced(node: Node, next: Node): void {
  if (replacements && node !== next) replacements.set(node, next)
}

/** Runs `f`, a pass over a graph, or several. `latest` of a node of the graph before is the node that has its value after. */
export function followed<T>(f: () => T): { result: T; latest: (node: Node) => Node } {
  const before = replacements
  const own = new Map<Node, Node>()
  replacements = own
  try {
    const result = f()
    return {
      result,
      latest: (node) => {
        // A node may have been made again by a later pass: no more steps than there are replacements.
        let now = node
        for (let left = own.size; left > 0 && own.has(now); left--) now = own.get(now)!
        return now
      },
    }
  } finally {
    replacements = before
  }
}

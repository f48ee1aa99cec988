/**
 * @file What a step tells besides its results. In: a step's graph after the passes over graphs, what it must keep finite, what is to be
 * observed. Out: a graph with further outputs, which stand after the results and before the Variables' new values.
 *
 * All of this is added after the passes that could decide otherwise because of it, so that a step that is looked at has the
 * bits of one that is not.
 */
import { isFloat } from '../base/dtype.js'
import type { Graph, Node } from '../graph/node.js'
import {
  add,
  binary,
  broadcastTo,
  compare,
  constant,
  convert,
  fullLike,
  multiply,
  reduce,
  select,
} from '../graph/ops.js'
import type { Updates } from '../lower/lower.js'

/** What to do with a step whose loss or gradients are not finite. */
export type OnNonFinite = 'stop' | 'skip'

/** A step after the passes over graphs. */
export interface StepParts {
  readonly graph: Graph
  /** How many of its outputs are results; the others are what Variables become. */
  readonly results: number
  /** The input that each of the others replaces. */
  readonly replaces: readonly number[]
  /** What was differentiated, and the gradients. */
  readonly errors: readonly Node[]
  readonly gradients: readonly Node[]
}

/** The step with a flag after its results, where it is checked, then what is observed, then the new values of Variables. */
export function instrumented(
  { graph, results, replaces, errors, gradients }: StepParts,
  check: OnNonFinite | undefined,
  observed: readonly Node[],
): { graph: Graph; updates: Updates; extras: number } {
  // Where a gradient is a product, the update is made as the product is written, and it is never stored: to look at it in each step
  // would cost a pass over it. Those of biases are sums that stand by themselves, and NaN goes into them as well.
  const looked = check === 'skip' ? gradients : gradients.filter(({ type }) => type.shape.length <= 1)
  const flag = check ? [allFiniteOf([...errors, ...looked])] : []
  const extras = [...flag, ...observed]
  const news = graph.outputs.slice(results)
  const kept = news.map((node, i) => {
    if (check !== 'skip') return node
    const before = graph.inputs[replaces[i]!]!
    return select(broadcastTo(flag[0]!, node.type.shape), node, before)
  })
  return {
    graph: { inputs: graph.inputs, outputs: [...graph.outputs.slice(0, results), ...extras, ...kept] },
    updates: new Map(replaces.map((input, i) => [results + extras.length + i, input])),
    extras: extras.length,
  }
}

/** Whether all elements of all nodes are finite: x · 0 is 0 for those, and NaN for all others. */
function allFiniteOf(nodes: readonly Node[]): Node {
  const sums = nodes
    .filter(({ type }) => isFloat(type.dtype))
    .map((node) => convert(totalOf(multiply(node, fullLike(node, 0))), 'float32'))
  const sum = sums.length === 0 ? constant(0, 'float32') : sums.reduce((a, b) => add(a, b))
  return compare('equal', sum, constant(0, 'float32'))
}

/** The sum over all axes. */
export function totalOf(node: Node): Node {
  const { length } = node.type.shape
  return length === 0 ? node : reduce('sum', node, [...Array(length).keys()])
}

export const divided = (node: Node, by: number): Node => binary('divide', node, fullLike(node, by))

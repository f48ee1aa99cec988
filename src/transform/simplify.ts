/**
 * @file Simplification: less work, the same bits (any NaN equals any NaN). In: a Graph. Out: an equal Graph with the
 * same inputs; dead nodes are gone, equal ones are one.
 *
 * simplify({ inputs: [x], outputs: [multiply(x, 1)] }, 'fused') → { inputs: [x], outputs: [x] }
 */
import { eachBody } from '../graph/body.js'
import { type Graph, make } from '../graph/node.js'
import type { NumericsMode } from '../numerics/arithmetic.js'
import { type Rule, rewrite, rule } from './rewrite.js'
import { arithmeticRules } from './rules-arithmetic.js'
import { layoutRules } from './rules-layout.js'

/** Layout first: arithmetic then meets scalars before they are broadcast. */
export const simplifyRules: readonly Rule[] = [...layoutRules, ...arithmeticRules]

/** A body that is simple is its own simplification. */
const simpleBody = { fused: eachBody(simpleGraph('fused')), portable: eachBody(simpleGraph('portable')) }
function simpleGraph(mode: NumericsMode): (graph: Graph) => Graph {
  return (graph) => rewrite(graph, allRules, mode)
}

const bodyRules: readonly Rule[] = [
  rule('scan', 'scan(body) → scan(simplified body)', ({ node, attrs, mode }) => {
    const body = simpleBody[mode](attrs.body)
    return body.text === attrs.body.text ? undefined : make('scan', node.operands, { ...attrs, body })
  }),
]
const allRules: readonly Rule[] = [...simplifyRules, ...bodyRules]

export const simplify = (graph: Graph, mode: NumericsMode): Graph => rewrite(graph, allRules, mode)

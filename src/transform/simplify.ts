/**
 * @file Simplification: less work, the same bits (any NaN equals any NaN). In: a Graph. Out: an equal Graph with the
 * same inputs; dead nodes are gone, equal ones are one.
 *
 * simplify({ inputs: [x], outputs: [multiply(x, 1)] }, 'fused') → { inputs: [x], outputs: [x] }
 */
import type { Graph } from '../graph/node.js'
import type { NumericsMode } from '../numerics/arithmetic.js'
import { type Rule, rewrite } from './rewrite.js'
import { arithmeticRules } from './rules-arithmetic.js'
import { layoutRules } from './rules-layout.js'

/** Layout first: arithmetic then meets scalars before they are broadcast. */
export const simplifyRules: readonly Rule[] = [...layoutRules, ...arithmeticRules]

export const simplify = (graph: Graph, mode: NumericsMode): Graph => rewrite(graph, simplifyRules, mode)

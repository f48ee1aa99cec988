/**
 * @file Rewriting: rules are data, the engine applies them. In: a Graph and rules. Out: an equal Graph to which no rule
 * applies any more. Operands come first; passes repeat until nothing changes, since a rule may leave new work below.
 *
 * rewrite(graph, [rule('negate', '−(−x) → x', ({ x: [x] }) => operandOf(x!, 'negate'))], 'fused')
 */
import { VerifyError } from '../base/errors.js'
import { sameShape } from '../base/shape.js'
import { replaced } from '../graph/lineage.js'
import { type Graph, isOp, make, type Node, NodeTable, topological, withTable } from '../graph/node.js'
import { type Op, type OpAttrs, opInfo } from '../graph/op.js'
import type { NumericsMode } from '../numerics/arithmetic.js'

export interface Match<O extends Op> {
  readonly node: Node<O>
  /** Its operands. */
  readonly x: readonly Node[]
  readonly attrs: OpAttrs[O]
  readonly mode: NumericsMode
  /** How many operands and outputs of the program are this node; 0 for one made during this pass. */
  consumers(node: Node): number
}

export interface Rule {
  readonly ops: readonly Op[]
  /** What is replaced by what, readable: `x · 1 → x`. */
  readonly identity: string
  /** The replacement, of the same type, or undefined where the rule does not apply. */
  readonly apply: (match: Match<Op>) => Node | undefined
}

export function rule<O extends Op>(
  ops: O | readonly O[],
  identity: string,
  apply: (match: Match<O>) => Node | undefined,
): Rule {
  return {
    ops: typeof ops === 'string' ? [ops] : ops,
    identity,
    apply: apply as unknown as Rule['apply'],
  }
}

/** Passes needed in practice: two to five. More than this means that two rules undo each other. */
const maximumPasses = 200

export function rewrite(
  graph: Graph,
  rules: readonly Rule[],
  mode: NumericsMode,
  /** Told of every application: for dumps, and for tests that want every rule to have fired. */
  observe?: (rule: Rule, before: Node, after: Node) => void,
): Graph {
  const byOp = new Map<Op, Rule[]>()
  for (const op of Object.keys(opInfo) as Op[])
    byOp.set(
      op,
      rules.filter((rule) => rule.ops.includes(op)),
    )

  const pass = (roots: readonly Node[], isFirst: boolean): Node[] => {
    const order = topological(roots)
    const counts = consumerCounts(order, roots)
    const consumers = (node: Node) => counts.get(node) ?? 0
    const done = new Map<Node, Node>()
    for (const node of order) {
      const operands = node.operands.map((operand) => done.get(operand)!)
      const isSame = !isFirst && operands.every((operand, i) => operand === node.operands[i])
      let current = isSame || isOp(node, 'input') ? node : make(node.op, operands, node.attrs)
      for (;;) {
        const next = applyFirst(byOp.get(current.op)!, current)
        if (!next) break
        current = next
      }
      done.set(node, current)
      replaced(node, current)
    }
    return roots.map((root) => done.get(root)!)

    function applyFirst(candidates: readonly Rule[], node: Node): Node | undefined {
      for (const rule of candidates) {
        const next = rule.apply({ node, x: node.operands, attrs: node.attrs, mode, consumers })
        if (!next || next === node) continue
        if (next.type.dtype !== node.type.dtype || !sameShape(next.type.shape, node.type.shape))
          throw new VerifyError('rewrite', `the rule ${rule.identity} changed the type of ${node.op}`)
        observe?.(rule, node, next)
        return next
      }
      return undefined
    }
  }

  return withTable(new NodeTable(), () => {
    let outputs = pass(graph.outputs, true)
    for (let count = 1; ; count++) {
      const next = pass(outputs, false)
      if (next.every((node, i) => node === outputs[i])) return { inputs: graph.inputs, outputs }
      if (count > maximumPasses) throw new VerifyError('rewrite', 'the rules do not come to an end')
      outputs = next
    }
  })
}

/** How often each node is used, as an operand or as an output. */
export function consumerCounts(order: readonly Node[], outputs: readonly Node[]): Map<Node, number> {
  const counts = new Map<Node, number>()
  const count = (node: Node) => counts.set(node, (counts.get(node) ?? 0) + 1)
  for (const node of order) node.operands.forEach(count)
  outputs.forEach(count)
  return counts
}

/**
 * @file Values of a loop's body after the loop: stacked over its iterations, or summed over them. In: nodes of the body, and
 * who stacks or adds up what must be. Out: functions that make the nodes outside, once the loop is there.
 *
 * Σₜ gₜᵀ × hₜ → one contraction of the stacked g and h over time and batch; Σₜ Σ over the batch of gₜ → one sum of the stacked g
 */
import { substitute } from '../graph/body.js'
import { isOp, make, type Node } from '../graph/node.js'
import { add, contract, reduce, subtract } from '../graph/ops.js'
import { batched } from './batch.js'
import { isPlainView, type Residuals } from './residuals.js'

export type Later = () => Node

export class OverTime {
  readonly #stack: (node: Node) => Later
  readonly #total: (node: Node) => Later
  readonly #residuals: Residuals
  readonly #length: number

  /** `stack` gives the values of all iterations, `total` their sum, added up one after another. */
  constructor(length: number, residuals: Residuals, stack: (node: Node) => Later, total: (node: Node) => Later) {
    this.#length = length
    this.#residuals = residuals
    this.#stack = stack
    this.#total = total
  }

  /** [length, ...]; of a view, what is below it is stacked. */
  stacked(node: Node): Later {
    const known = this.#residuals.stackOf(node)
    if (known) return () => known
    if (!isPlainView(node) || this.#residuals.isInvariant(node)) return this.#stack(node)
    const operand = node.operands[0]!
    const base = this.stacked(operand)
    return () => batched([node], new Map([[operand, base()]]), this.#length)[0]!.node
  }

  /** Linear operations are done on the sum. */
  summed(node: Node): Later {
    const [a, b] = node.operands
    if (isOp(node, 'add') || isOp(node, 'subtract')) {
      const [left, right] = [this.summed(a!), this.summed(b!)]
      return () => (isOp(node, 'add') ? add : subtract)(left(), right())
    }
    if (linear.has(node.op) || (isOp(node, 'pad') && node.attrs.value === 0)) {
      const operands = node.operands.map((operand) => this.summed(operand))
      return () =>
        make(
          node.op,
          operands.map((operand) => operand()),
          node.attrs,
        )
    }
    if (isOp(node, 'reduce') && node.attrs.kind === 'sum') {
      const operand = this.stacked(a!)
      return () => reduce('sum', operand(), [0, ...later(node.attrs.axes)])
    }
    if (isOp(node, 'contract')) return this.#summedProduct(node)
    return this.#total(node)
  }

  #summedProduct(node: Node<'contract'>): Later {
    const [lhs, rhs] = node.operands as [Node, Node]
    const { attrs } = node
    // What is the same in each iteration needs no time axis.
    if (this.#residuals.isInvariant(rhs)) {
      const left = this.summed(lhs)
      return () => contract(left(), this.#outside(rhs), attrs)
    }
    if (this.#residuals.isInvariant(lhs)) {
      const right = this.summed(rhs)
      return () => contract(this.#outside(lhs), right(), attrs)
    }
    const [left, right] = [this.stacked(lhs), this.stacked(rhs)]
    return () =>
      contract(left(), right(), {
        lhsBatch: later(attrs.lhsBatch),
        rhsBatch: later(attrs.rhsBatch),
        lhsContract: [0, ...later(attrs.lhsContract)],
        rhsContract: [0, ...later(attrs.rhsContract)],
      })
  }

  #outside(node: Node): Node {
    return substitute([node], this.#residuals.invariants)[0]!
  }
}

const linear: ReadonlySet<string> = new Set([
  'negate',
  'reshape',
  'broadcast',
  'transpose',
  'slice',
  'reverse',
  'concatenate',
])
const later = (axes: readonly number[]): number[] => axes.map((axis) => axis + 1)

/**
 * @file Recomputing instead of keeping. In: a function that makes nodes. Out: its results, whose derivative makes them again
 * from what went in, behind barriers, once their cotangent is there: what lies between is not kept until then.
 *
 * Chen, Xu, Zhang, Guestrin 2016, arXiv:1604.06174.
 */
import { isFloat } from '../base/dtype.js'
import { isOp, make, type Node, withMade } from '../graph/node.js'
import { CustomRule } from '../graph/op.js'
import { barrier, custom } from '../graph/ops.js'
import { pullback } from './differentiate.js'
import type { JointBackward } from './vjp.js'

/** `result`: what `build` returned; `wrap`: from nodes among its results those to use in their place. */
export function rematerialized<T>(build: () => T): { result: T; wrap: (nodes: readonly Node[]) => Node[] } {
  const { result, made } = withMade(build)
  const wrap = (nodes: readonly Node[]): Node[] => {
    const results = [...new Set(nodes)].filter((node) => isFloat(node.type.dtype) && isMade(node, made))
    const inside = madeOf(results, made)
    const own = new Set(inside)
    const given = [...new Set(inside.flatMap((node) => node.operands))].filter((operand) => !own.has(operand))
    if (!given.some(isVariable)) return [...nodes]
    const rule = recompute(results, inside, given)
    return nodes.map((node) => (results.includes(node) ? custom(node, given, rule, results.indexOf(node)) : node))
  }
  return { result, wrap }
}

/** What costs nothing to make again. */
const isFixed = (node: Node): boolean =>
  isOp(node, 'constant') || isOp(node, 'iota') || (isOp(node, 'broadcast') && isFixed(node.operands[0]!))
const isVariable = (node: Node): boolean => isFloat(node.type.dtype) && !isFixed(node)

const isMade = (node: Node, made: ReadonlySet<Node>): boolean => made.has(node) && !isOp(node, 'input')

/** The nodes that lead to the results and were made meanwhile, operands first. Inputs of the program are always given. */
function madeOf(results: readonly Node[], made: ReadonlySet<Node>): Node[] {
  const own: Node[] = []
  const state = new Map<Node, boolean>()
  for (const result of results) {
    const stack = [result]
    while (stack.length > 0) {
      const node = stack[stack.length - 1]!
      if (state.get(node) || !isMade(node, made)) stack.pop()
      else if (!state.has(node)) {
        state.set(node, false)
        stack.push(...node.operands.filter((operand) => !state.has(operand)))
      } else {
        state.set(node, true)
        own.push(node)
        stack.pop()
      }
    }
  }
  return own
}

/** The rule of results = f(given): f once more, after the cotangents, and its gradients. */
const recompute = (results: readonly Node[], inside: readonly Node[], given: readonly Node[]): CustomRule =>
  new CustomRule(({ x, g }: Parameters<JointBackward>[0]) => {
    const after = g.filter((one) => one !== undefined)
    const fresh = new Map<Node, Node>()
    given.forEach((node, i) => {
      fresh.set(node, isFixed(node) ? x[i]! : barrier(x[i]!, after))
    })
    for (const node of inside) {
      const operands = node.operands.map((operand) => fresh.get(operand)!)
      fresh.set(node, make(node.op, operands, node.attrs))
    }
    const floats = given.filter(isVariable)
    const again = (nodes: readonly Node[]) => nodes.map((node) => fresh.get(node)!)
    const slopes = pullback(
      again(results),
      results.map((_, k) => g[k]),
      again(floats),
    )
    return given.map((node) => slopes[floats.indexOf(node)])
  }, true)

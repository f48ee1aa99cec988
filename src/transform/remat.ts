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
import { gradients } from './differentiate.js'
import type { CustomBackward } from './vjp.js'

/** `result`: what `build` returned; `wrap`: for each node among its results the one to use in its place. */
export function rematerialized<T>(build: () => T): { result: T; wrap: (node: Node) => Node } {
  const { result, made } = withMade(build)
  const wrap = (y: Node): Node => {
    const inside = madeOf(y, made)
    if (inside.length === 0) return y
    const own = new Set(inside)
    const given = [...new Set(inside.flatMap((node) => node.operands))].filter((operand) => !own.has(operand))
    return given.some(isVariable) ? custom(y, given, recompute(y, inside, given)) : y
  }
  return { result, wrap }
}

/** What costs nothing to make again. */
const isFixed = (node: Node): boolean =>
  isOp(node, 'constant') || isOp(node, 'iota') || (isOp(node, 'broadcast') && isFixed(node.operands[0]!))
const isVariable = (node: Node): boolean => isFloat(node.type.dtype) && !isFixed(node)

/** The nodes that lead to y and were made meanwhile, operands first. Inputs of the program are always given. */
function madeOf(y: Node, made: ReadonlySet<Node>): Node[] {
  const own: Node[] = []
  const state = new Map<Node, boolean>()
  const stack = [y]
  while (stack.length > 0) {
    const node = stack[stack.length - 1]!
    if (state.get(node) || !made.has(node) || isOp(node, 'input')) stack.pop()
    else if (!state.has(node)) {
      state.set(node, false)
      stack.push(...node.operands.filter((operand) => !state.has(operand)))
    } else {
      state.set(node, true)
      own.push(node)
      stack.pop()
    }
  }
  return own
}

/** The rule of y = f(given): f once more, after the cotangent, and its gradients. */
const recompute = (y: Node, inside: readonly Node[], given: readonly Node[]): CustomRule =>
  new CustomRule(({ x, g }: Parameters<CustomBackward>[0]) => {
    const fresh = new Map<Node, Node>()
    given.forEach((node, i) => {
      fresh.set(node, isFixed(node) ? x[i]! : barrier(x[i]!, [g]))
    })
    for (const node of inside)
      fresh.set(
        node,
        make(
          node.op,
          node.operands.map((operand) => fresh.get(operand)!),
          node.attrs,
        ),
      )
    const floats = given.filter(isVariable)
    const slopes = gradients(
      fresh.get(y)!,
      floats.map((node) => fresh.get(node)!),
      g,
    )
    return given.map((node) => slopes[floats.indexOf(node)])
  })

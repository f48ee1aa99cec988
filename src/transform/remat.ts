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
  const shared: { now?: Again } = {}
  const wrap = (y: Node): Node => {
    const inside = madeOf(y, made)
    if (inside.length === 0) return y
    const own = new Set(inside)
    const given = [...new Set(inside.flatMap((node) => node.operands))].filter((operand) => !own.has(operand))
    return given.some(isVariable) ? custom(y, given, recompute(y, inside, given, shared)) : y
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

/** A second computation of what f made, which all results of f share whose cotangents are asked for in one go. */
interface Again {
  readonly given: Map<Node, Node>
  readonly fresh: Map<Node, Node>
  /** The cotangent that was there first. */
  readonly after: Node
  readonly served: Set<Node>
}

/** The rule of y = f(given): f once more, after a cotangent, and its gradients. */
const recompute = (y: Node, inside: readonly Node[], given: readonly Node[], shared: { now?: Again }): CustomRule =>
  new CustomRule(({ x, g }: Parameters<CustomBackward>[0]) => {
    const known = shared.now
    const fits = known && !known.served.has(y) && given.every((node, i) => (known.given.get(node) ?? x[i]!) === x[i]!)
    const again: Again = fits ? known : { given: new Map(), fresh: new Map(), after: g, served: new Set() }
    shared.now = again
    const { fresh, after } = again
    again.served.add(y)
    given.forEach((node, i) => {
      if (fresh.has(node)) return
      again.given.set(node, x[i]!)
      fresh.set(node, isFixed(node) ? x[i]! : barrier(x[i]!, [after]))
    })
    for (const node of inside)
      if (!fresh.has(node)) {
        const operands = node.operands.map((operand) => fresh.get(operand)!)
        fresh.set(node, make(node.op, operands, node.attrs))
      }
    const floats = given.filter(isVariable)
    const slopes = gradients(
      fresh.get(y)!,
      floats.map((node) => fresh.get(node)!),
      g,
    )
    return given.map((node) => slopes[floats.indexOf(node)])
  })

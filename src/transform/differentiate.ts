/**
 * @file Reverse-mode differentiation. In: an output node, the nodes to differentiate by. Out: one gradient node each,
 * of its node's type, made of ordinary ops: gradients of gradients are taken the same way.
 *
 * gradients(sum(multiply(x, x)), [x]) → [2x]
 */
import { isFloat } from '../base/dtype.js'
import { DtypeError, ShapeError } from '../base/errors.js'
import { formatShape, sameShape } from '../base/shape.js'
import { differentiating } from '../graph/lineage.js'
import { isOp, type Node, topological } from '../graph/node.js'
import { fullLike } from '../graph/ops.js'
import { loopOf, loopsAmong } from '../graph/scan.js'
import { formatType } from '../graph/types.js'
import { total } from './flows.js'
import { loopGradient } from './scan-gradient.js'
import { type JointBackward, type VjpContext, vjp } from './vjp.js'

/**
 * ∂output/∂wrt, or with a cotangent c of the output's type ∂⟨c, output⟩/∂wrt. Zero where the output does not depend.
 * A node reached along several paths gets the sum of what flows back, in reverse topological order of its users.
 */
export function gradients(output: Node, wrt: readonly Node[], cotangent?: Node): Node[] {
  checkDtypes(output, wrt)
  const seed = cotangent ?? unitCotangent(output)
  if (seed.type.dtype !== output.type.dtype || !sameShape(seed.type.shape, output.type.shape))
    throw new ShapeError(
      'gradients',
      `the cotangent is ${formatType(seed.type)}, the output ${formatType(output.type)}; they must be equal`,
    )

  return pullback([output], [seed], wrt).map((gradient, i) => gradient ?? fullLike(wrt[i]!, 0))
}

/** Of Σ ⟨cotangent, output⟩ the derivative by each of `wrt`; undefined where nothing flows. Outputs without a cotangent do not count. */
export function pullback(
  outputs: readonly Node[],
  seeds: readonly (Node | undefined)[],
  wrt: readonly Node[],
): (Node | undefined)[] {
  const order = topological(outputs)
  const leads = leadingTo(order, wrt)
  const loops = loopsAmong(order)
  const joints = jointsAmong(order)
  const flows = new Map<Node, Node[]>()
  const flow = (node: Node, g: Node | undefined): void => {
    if (!g || !leads.has(node)) return
    const known = flows.get(node)
    if (known) known.push(g)
    else flows.set(node, [g])
  }
  // Whatever uses a node has been visited when this is asked.
  const cotangent = (node: Node): Node | undefined => {
    const known = flows.get(node)
    return known && total(known)
  }
  outputs.forEach((output, i) => {
    flow(output, seeds[i])
  })
  for (let i = order.length - 1; i >= 0; i--) {
    const y = order[i]!
    const loop = loops.get(y)
    if (loop) {
      // Whoever uses a result comes after the first of them.
      const given = new Map(
        loop.flatMap((one) => {
          const g = cotangent(one)
          return g ? [[one.attrs.result, g] as const] : []
        }),
      )
      if (y !== loop[0] || given.size === 0) continue
      const wanted = y.operands.map((operand) => leads.has(operand))
      const back = differentiating(y, () => loopGradient(loopOf(loop[0]!), given, wanted, pullback))
      y.operands.forEach((operand, k) => {
        flow(operand, back[k])
      })
      continue
    }
    const joint = joints.get(y)
    if (joint) {
      const g: (Node | undefined)[] = []
      for (const one of joint) g[one.attrs.result] = cotangent(one)
      if (y !== joint[0] || g.every((one) => !one)) continue
      const [, ...x] = y.operands
      const back = differentiating(y, () => (joint[0]!.attrs.rule.backward as JointBackward)({ x, g }))
      x.forEach((operand, k) => {
        flow(operand, back[k])
      })
      continue
    }
    if (!leads.has(y)) continue
    const g = cotangent(y)
    if (!g) continue
    const back = differentiating(y, () => applyRule(y, g))
    y.operands.forEach((operand, k) => {
      flow(operand, back[k])
    })
  }
  return wrt.map(cotangent)
}

/** The results of joint rules, in order: of one rule, and of the same operands. */
function jointsAmong(order: readonly Node[]): Map<Node, readonly Node<'custom'>[]> {
  const joints = new Map<Node, Node<'custom'>[]>()
  const byRule = new Map<object, Node<'custom'>[][]>()
  for (const node of order) {
    if (!isOp(node, 'custom') || !node.attrs.rule.joint) continue
    const candidates = byRule.get(node.attrs.rule) ?? []
    byRule.set(node.attrs.rule, candidates)
    let joint = candidates.find(([first]) => first!.operands.every((x, i) => i === 0 || x === node.operands[i]))
    if (!joint) candidates.push((joint = []))
    joint.push(node)
    joints.set(node, joint)
  }
  return joints
}

/** The rule of y's op; the correlation between op and attributes is one that only the table knows. */
const applyRule = (y: Node, g: Node): readonly (Node | undefined)[] =>
  (vjp[y.op] as (context: VjpContext<typeof y.op>) => readonly (Node | undefined)[])({
    y,
    x: y.operands,
    attrs: y.attrs,
    g,
  })

/** The float nodes on paths to `wrt`: the only ones worth visiting. */
function leadingTo(order: readonly Node[], wrt: readonly Node[]): Set<Node> {
  const leads = new Set<Node>(wrt)
  for (const node of order)
    if (isFloat(node.type.dtype) && node.operands.some((operand) => leads.has(operand))) leads.add(node)
  return leads
}

function unitCotangent(output: Node): Node {
  if (output.type.shape.length > 0)
    throw new ShapeError('gradients', `the output must be a scalar, not ${formatShape(output.type.shape)}`, {
      hint: 'Reduce it with .sum() or .mean(), or give a cotangent of its shape.',
    })
  return fullLike(output, 1)
}

function checkDtypes(output: Node, wrt: readonly Node[]): void {
  for (const [name, node] of [['output', output] as const, ...wrt.map((x) => ['variable', x] as const)])
    if (!isFloat(node.type.dtype))
      throw new DtypeError('gradients', `the ${name} must be a float, not ${node.type.dtype}`, {
        hint: "Convert with .cast('float32').",
      })
}

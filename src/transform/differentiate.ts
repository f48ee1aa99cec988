/**
 * @file Reverse-mode differentiation. In: an output node, the nodes to differentiate by. Out: one gradient node each,
 * of its node's type, made of ordinary ops: gradients of gradients are taken the same way.
 *
 * gradients(sum(multiply(x, x)), [x]) → [2x]
 */
import { isFloat } from '../base/dtype.js'
import { DtypeError, ShapeError } from '../base/errors.js'
import { formatShape, sameShape } from '../base/shape.js'
import { type Node, topological } from '../graph/node.js'
import { add, fullLike } from '../graph/ops.js'
import { formatType } from '../graph/types.js'
import { type VjpContext, vjp } from './vjp.js'

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

  const order = topological([output])
  const leads = leadingTo(order, wrt)
  const cotangents = new Map<Node, Node>([[output, seed]])
  for (let i = order.length - 1; i >= 0; i--) {
    const y = order[i]!
    const g = cotangents.get(y)
    if (!g || !leads.has(y)) continue
    const flows = applyRule(y, g)
    y.operands.forEach((operand, k) => {
      const flow = flows[k]
      if (!flow || !leads.has(operand)) return
      const known = cotangents.get(operand)
      cotangents.set(operand, known ? add(known, flow) : flow)
    })
  }
  return wrt.map((node) => (leads.has(node) && cotangents.get(node)) || fullLike(node, 0))
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

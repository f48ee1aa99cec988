/**
 * @file The verifier: is this a program? In: a Graph. Out: nothing, or a VerifyError that shows the offending line.
 * Run between passes in every test: a pass that breaks the grammar is caught where it stands.
 */
import { isFloat, roundTo } from '../base/dtype.js'
import { VerifyError } from '../base/errors.js'
import { sameShape } from '../base/shape.js'
import { type Graph, isOp, type Node } from './node.js'
import { opInfo } from './op.js'
import { printNode } from './print.js'
import { formatType, typeRules } from './types.js'

export function verifyGraph(graph: Graph): void {
  const inputs = new Set<Node>()
  for (const node of graph.inputs) {
    if (!isOp(node, 'input')) fail(node, 'stands among the inputs but is no input')
    if (inputs.has(node)) fail(node, 'stands twice among the inputs')
    inputs.add(node)
    verifyNode(node)
  }
  for (const node of acyclicOrder(graph.outputs)) {
    if (isOp(node, 'input') && !inputs.has(node)) fail(node, 'is reached but not listed among the inputs')
    verifyNode(node)
  }
}

/** One node against the op table: arity, a type that follows from its operands, values its dtype can hold. */
function verifyNode(node: Node): void {
  const info = opInfo[node.op]
  if (info === undefined) fail(node, `'${node.op}' is not an op`)
  const count = node.operands.length
  if (info.arity < 0 ? count < 1 : count !== info.arity)
    fail(node, `takes ${info.arity < 0 ? 'one or more operands' : `${info.arity} operands`}, not ${count}`)
  let derived: Node['type']
  try {
    derived = typeRules[node.op](
      node.operands.map((operand) => operand.type),
      node.attrs as never,
    )
  } catch (cause) {
    fail(node, `breaks its type rule (${cause instanceof Error ? cause.message : String(cause)})`, cause)
  }
  if (derived.dtype !== node.type.dtype || !sameShape(derived.shape, node.type.shape))
    fail(node, `should have the type ${formatType(derived)}`)
  if (isOp(node, 'constant')) verifyValue(node, node.attrs.value)
  if (isOp(node, 'pad')) verifyValue(node, node.attrs.value)
  if (isOp(node, 'scan')) verifyGraph(node.attrs.body.graph)
}

function verifyValue(node: Node, value: number): void {
  const { dtype } = node.type
  const held = roundTo(dtype, value)
  if (isFloat(dtype) ? !Object.is(held, value) : held !== value)
    fail(node, `holds ${value}, which is no ${dtype} (${held} is)`)
}

/** Operands before users, as `topological`, but a cycle (which no constructor can make) is an error, not a hang. */
function acyclicOrder(roots: readonly Node[]): Node[] {
  const order: Node[] = []
  const state = new Map<Node, 'open' | 'done'>()
  const stack: { node: Node; next: number }[] = []
  const visit = (node: Node): void => {
    if (state.get(node) === 'done') return
    if (state.get(node) === 'open') fail(node, 'depends on itself')
    state.set(node, 'open')
    stack.push({ node, next: 0 })
  }
  for (const root of roots) {
    visit(root)
    while (stack.length > 0) {
      const top = stack[stack.length - 1]!
      const operand = top.node.operands[top.next++]
      if (operand) visit(operand)
      else {
        state.set(top.node, 'done')
        order.push(top.node)
        stack.pop()
      }
    }
  }
  return order
}

/** The line as it stands alone: operands are named by position and shown with their types. */
function fail(node: Node, fault: string, cause?: unknown): never {
  const name = (other: Node) => {
    const i = node.operands.indexOf(other)
    return other === node ? '%node' : `%operand${i} : ${formatType(other.type)}`
  }
  throw new VerifyError('verify', `${printNode(node, name)} ${fault}`, { cause })
}

/**
 * @file Programs as text. In: a Graph. Out: one line a node, operands before users, numbered within the program:
 *
 *   inputs %in0 : float32[32,10], %in1 : float32[10]
 *   %0 = broadcast %in1 axes=[1] : float32[32,10]
 *   %1 = add %in0, %0 : float32[32,10]
 *   return %1
 *
 * A body that nodes run stands before the first of them, indented, with a name. The text is complete and canonical: equal
 * text ⇔ equal program. Program caches key on it, so −0, NaN and ±Infinity are told apart and attributes stand in
 * alphabetical order, however they were built.
 */
import { type Graph, isOp, type Node, topological } from './node.js'
import { formatType } from './types.js'

export function printGraph(graph: Graph): string {
  const names = new Map<Node, string>()
  const bodies = new Map<string, string>()
  graph.inputs.forEach((node, i) => {
    names.set(node, `%in${i}`)
  })
  const lines = [`inputs ${graph.inputs.map((node, i) => `%in${i} : ${formatType(node.type)}`).join(', ')}`.trimEnd()]
  let count = 0
  let free = 0
  for (const node of topological(graph.outputs)) {
    if (names.has(node)) continue
    // A leaf that is not among the inputs: the verifier rejects it, the printer still has to show it.
    names.set(node, isOp(node, 'input') ? `%free${free++}` : `%${count++}`)
    const { body } = node.attrs as { body?: { text: string } }
    if (body && !bodies.has(body.text)) {
      bodies.set(body.text, `body${bodies.size}`)
      lines.push(`body${bodies.size - 1} {`, ...body.text.split('\n').map((line) => `  ${line}`), '}')
    }
    lines.push(printNode(node, (operand) => names.get(operand)!, bodies))
  }
  lines.push(`return ${graph.outputs.map((node) => names.get(node)).join(', ')}`)
  return lines.join('\n')
}

/** One line: `%2 = reduce %1 axes=[1] kind=sum order=chain(512) : float32[32]`. */
export function printNode(node: Node, name: (node: Node) => string, bodies?: ReadonlyMap<string, string>): string {
  const operands = node.operands.map(name).join(', ')
  const parts = [node.op, operands, printAttrs(node.attrs, bodies)].filter((part) => part !== '')
  return `${name(node)} = ${parts.join(' ')} : ${formatType(node.type)}`
}

/** `shape` and `dtype` are left out: wherever an op has them, they are its type, which is printed. */
function printAttrs(attrs: object, bodies?: ReadonlyMap<string, string>): string {
  return Object.entries(attrs)
    .filter(([key]) => key !== 'shape' && key !== 'dtype')
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${key === 'body' ? bodyName(value, bodies) : printValue(value)}`)
    .join(' ')
}

/** Its name where the graph around it is printed, which shows it once; else what goes in and comes out. */
function bodyName(value: { text: string; graph: Graph }, bodies: ReadonlyMap<string, string> | undefined): string {
  const types = (nodes: readonly Node[]) => nodes.map((node) => formatType(node.type)).join(', ')
  return bodies?.get(value.text) ?? `(${types(value.graph.inputs)}) → (${types(value.graph.outputs)})`
}

function printValue(value: unknown): string {
  if (typeof value === 'number') return printNumber(value)
  if (Array.isArray(value)) return `[${value.map(printValue).join(',')}]`
  if (typeof value === 'object' && value !== null && 'kind' in value) {
    const { kind, ...rest } = value
    return `${String(kind)}(${Object.entries(rest)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([, x]) => printValue(x))
      .join(',')})`
  }
  return String(value)
}

/** The shortest text that reads back as the same number; −0 keeps its sign. */
export const printNumber = (x: number): string => (Object.is(x, -0) ? '-0' : String(x))

/**
 * @file The end of a printed graph: its outputs get their names, and what nothing needs is left out. In: a printer that has
 * printed all nodes. Out: a GraphMessage.
 */
import type { DType } from '../../base/dtype.js'
import type { Printer } from './printer.js'
import { type Attribute, empty, type GraphMessage, type NodeMessage, type ValueInfo } from './proto.js'
import { formatSize, isFixed, type Size } from './sizes.js'
import { elementTypes, INT64 } from './tensors.js'

export function closeGraph(
  p: Printer,
  name: string,
  input: readonly ValueInfo[],
  outputs: readonly string[],
): GraphMessage {
  const results = p.family.first.outputs
  for (const [i, output] of outputs.entries())
    p.nodes.push({ ...empty('Node'), opType: 'Identity', name: output, input: [p.full(results[i]!)], output: [output] })
  const node = liveNodes(p.nodes, outputs)
  const read = new Set(node.flatMap(namesRead))
  return {
    ...empty('Graph'),
    name,
    node,
    initializer: [...p.initializers.values()].filter((tensor) => read.has(tensor.name!)),
    input: [...input],
    output: outputs.map((output, i) => valueInfo(output, results[i]!.type.dtype, p.shape(results[i]!))),
  }
}

/** All names that a node reads, also those that graphs within it read of the graph around. */
const namesRead = (node: NodeMessage): string[] => [
  ...node.input,
  ...node.attribute.flatMap(({ g }) => g?.node.flatMap(namesRead) ?? []),
]

/** What some output needs, and names passed through instead of identities where a node of its own makes the output. */
function liveNodes(nodes: readonly NodeMessage[], outputs: readonly string[]): NodeMessage[] {
  const needed = new Set(outputs)
  const live: NodeMessage[] = []
  for (const node of [...nodes].reverse()) {
    if (!node.output.some((name) => needed.has(name))) continue
    live.push(node)
    for (const name of namesRead(node)) needed.add(name)
  }
  live.reverse()
  const renamed = new Map<string, string>()
  const made = new Set(live.flatMap((node) => (node.opType === 'Identity' ? [] : node.output)))
  for (const node of live)
    if (node.opType === 'Identity' && made.has(node.input[0]!) && !renamed.has(node.input[0]!))
      renamed.set(node.input[0]!, node.output[0]!)
  return live
    .filter((node) => node.opType !== 'Identity' || renamed.get(node.input[0]!) !== node.output[0])
    .map((node) => renameIn(node, (name) => renamed.get(name) ?? name))
}

function renameIn(node: NodeMessage, rename: (name: string) => string): NodeMessage {
  const inner = (attribute: Attribute): Attribute =>
    attribute.g
      ? { ...attribute, g: { ...attribute.g, node: attribute.g.node.map((one) => renameIn(one, rename)) } }
      : attribute
  return {
    ...node,
    input: node.input.map(rename),
    output: node.output.map(rename),
    name: rename(node.name!),
    attribute: node.attribute.map(inner),
  }
}

export function valueInfo(name: string, dtype: DType | 'int64', shape: readonly Size[]): ValueInfo {
  const dim = shape.map((size) => (isFixed(size) ? { dimValue: size.fixed } : { dimParam: formatSize(size) }))
  return { name, type: { tensorType: { elemType: dtype === 'int64' ? INT64 : elementTypes[dtype], shape: { dim } } } }
}

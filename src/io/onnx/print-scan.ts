/**
 * @file Loops as ONNX's Scan: carries are its states, slices its scan inputs; what the body uses of the graph around it is
 * read there by name. All results of a loop are one operator.
 */
import type { Node } from '../../graph/node.js'
import { loopOf, ofOneLoop } from '../../graph/scan.js'
import { closeGraph, valueInfo } from './close.js'
import type { Printer } from './printer.js'
import { isFixed } from './sizes.js'

/** The name of the result that a node is. */
export function printScan(p: Printer, node: Node<'scan'>): string {
  const known = p.loops.find((loop) => ofOneLoop(loop.node as Node<'scan'>, node))
  if (known) return known.names[node.attrs.result]!
  const names = printLoop(p, node)
  p.loops.push({ node, names })
  return names[node.attrs.result]!
}

function printLoop(p: Printer, node: Node<'scan'>): string[] {
  const { body, carries, slices, invariants, reverse } = loopOf(node)
  const length = p.family.size(node, 'the length', (n) => n.attrs.length)
  if (isFixed(length) && length.fixed === 0) {
    // Runtimes do not go round zero times: states stay, and there are no results.
    const bodies = p.family.inner(node, (n) => n.attrs.body.graph)
    return body.graph.outputs.map((output, i) => {
      if (i < carries.length) return p.full(carries[i]!)
      return p.emit('Expand', [p.scalar(output.type.dtype, 0), p.sizes([length, ...bodies.shape(output)])])
    })
  }
  const inner = p.inner(p.family.inner(node, (n) => n.attrs.body.graph))
  const graph = body.graph
  const inputs = graph.inputs.slice(0, carries.length + slices.length).map((input, i) => {
    const name = p.unique(i < carries.length ? 'state' : 'slice')
    inner.define(input, name)
    return valueInfo(name, input.type.dtype, inner.shape(input))
  })
  for (const [i, outside] of invariants.entries())
    inner.define(graph.inputs[carries.length + slices.length + i]!, p.value(outside))
  const scanned = slices.map((slice) => p.full(slice))
  if (scanned.length === 0) {
    // Something must say how often it goes round.
    scanned.push(
      isFixed(length)
        ? p.int64(Array.from({ length: length.fixed }, (_, i) => i))
        : p.emit('ConstantOfShape', [p.size(length)]),
    )
    inputs.push(valueInfo(p.unique('slice'), isFixed(length) ? 'int64' : 'float32', []))
  }
  inner.run()
  const outputs = graph.outputs.map((_, i) => p.unique(i < carries.length ? 'next' : 'result'))
  const each = (count: number) => ({ ints: Array.from({ length: count }, () => (reverse ? 1 : 0)) })
  const results = graph.outputs.length - carries.length
  return p.emitMany(
    'Scan',
    [...carries.map((carry) => p.full(carry)), ...scanned],
    {
      body: { graph: closeGraph(inner, p.unique('body'), inputs, outputs) },
      num_scan_inputs: { int: scanned.length },
      scan_input_directions: each(scanned.length),
      ...(results > 0 ? { scan_output_directions: each(results) } : {}),
    },
    graph.outputs.length,
  )
}

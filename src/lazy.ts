/**
 * @file Reading a tensor outside compiled functions: the graph behind it becomes a program, kept for equal graphs.
 * Programs hold structure, never data; the least recently used are dropped.
 */
import type { TypedArray } from './base/dtype.js'
import { compileGraph, type Program } from './compile.js'
import { type Graph, make, type Node, NodeTable, topological, withTable } from './graph/node.js'
import type { OpAttrs } from './graph/op.js'
import { printGraph } from './graph/print.js'
import { setEvaluator } from './trace/value.js'

const kept = 64
const programs = new Map<string, Program>()

function evaluate(graph: Graph, inputs: readonly TypedArray[]): TypedArray[] {
  const { outputs } = interned(graph)
  const canonical = { inputs: graph.inputs, outputs }
  const key = printGraph(canonical)
  let program = programs.get(key)
  if (program) programs.delete(key)
  else
    program = compileGraph(
      canonical,
      new Map(),
      graph.inputs.map(() => undefined),
      { once: true },
    )
  programs.set(key, program)
  if (programs.size > kept) programs.delete(programs.keys().next().value!)
  return program.run(inputs, graph.outputs.length)
}

/** Tensors outside traces are recorded without a table; equal nodes become one here. */
function interned(graph: Graph): { outputs: Node[] } {
  return withTable(new NodeTable(), () => {
    const replaced = new Map<Node, Node>()
    for (const node of topological(graph.outputs))
      replaced.set(
        node,
        node.op === 'input'
          ? node
          : // Differentiation is over: rules, which have names of their own, would make equal graphs different.
            node.op === 'custom'
            ? replaced.get(node.operands[0]!)!
            : make(
                node.op,
                node.operands.map((operand) => replaced.get(operand)!),
                node.attrs as OpAttrs[typeof node.op],
              ),
      )
    return { outputs: graph.outputs.map((node) => replaced.get(node)!) }
  })
}

let installed = false

/** Makes reading tensors work. Called where `compile` and the public index load. */
export function installEvaluator(): void {
  if (installed) return
  installed = true
  setEvaluator(evaluate)
}

/**
 * @file A table of a network: its layers, the shapes they give, parameters and floating-point operations.
 * In: a module and an input shape. Out: rows, totals, and the table as text. Nothing is computed: the network is traced.
 *
 * console.log(String(summary(net, [1, 784])))
 */
import type { DType } from '../base/dtype.js'
import { ShapeError } from '../base/errors.js'
import { formatShape, type Shape, sizeOf } from '../base/shape.js'
import { isOp, type Node, topological } from '../graph/node.js'
import type { Op } from '../graph/op.js'
import { Tensor } from '../trace/tensor.js'
import { Trace } from '../trace/trace.js'
import { TensorValue } from '../trace/value.js'
import { Variable } from '../trace/variable.js'
import {
  type AnyFunction,
  type CallObserver,
  type Child,
  type Children,
  isModule,
  type ModuleParts,
  parameters,
  withObserver,
} from './module.js'

/** One layer in a summary. */
export interface SummaryRow {
  /** Key path of the layer; empty for the network itself, where it has parameters or work of its own. */
  readonly path: string
  /** What it is, as it was written: `linear(784, 128)`. */
  readonly layer: string
  /** What it gives. */
  readonly outputShape: Shape
  /** Trainable numbers of the layer, counted at its first use. */
  readonly parameters: number
  /** 2·m·n·k for a product, one for each element of other arithmetic. */
  readonly flops: number
}

/** The layers of a network with the shapes, parameters and operations of each; printed, it is a table. */
export interface Summary {
  /** The layers, in the order in which they are called. */
  readonly rows: readonly SummaryRow[]
  /** Trainable numbers of the network. */
  readonly parameters: number
  /** Operations of one forward pass. */
  readonly flops: number
  /** The table, columns aligned. */
  toString(): string
}

/** `inputShape` includes the batch axis; by default one sample, where the network's first layer knows its size. */
export function summary(
  net: ModuleParts & AnyFunction,
  inputShape?: Shape,
  options: { readonly dtype?: DType } = {},
): Summary {
  const { takes, dtype, inputDtype } = net as { takes?: Shape; dtype?: DType; inputDtype?: DType }
  // Extents of space are −1: any.
  const shape = inputShape ?? (takes?.every((n) => n >= 0) ? [1, ...takes] : undefined)
  if (!shape)
    throw new ShapeError('summary', `the input shape of ${net.description} is not known`, {
      hint: 'Give it, with the batch axis: summary(net, [1, 784]).',
    })
  const rows: SummaryRow[] = []
  const counted = new Set<Node>()
  const owned = new Set<Variable>()
  const trace = new Trace({ training: false })
  /** Work on what a layer was given, by the layer's path: that of the module which calls it. */
  const before = new Map<string, number>()
  const workOf = (values: readonly unknown[]) =>
    values.reduce<number>(
      (sum, value) => sum + (value instanceof TensorValue ? newWork(TensorValue.nodeOf(value), counted) : 0),
      0,
    )
  const observe: CallObserver = ({ path, layer, inputs, output }) => {
    const given = workOf(inputs)
    // A recurrent layer gives its outputs and its state.
    const results: readonly unknown[] = Array.isArray(output) ? output : [output]
    const [first] = results
    let flops = workOf(results)
    for (const [inner, work] of before)
      if (path === '' || inner.startsWith(`${path}.`)) {
        flops += work
        before.delete(inner)
      }
    if (given > 0) before.set(path, (before.get(path) ?? 0) + given)
    const own = isModule(layer) ? ownParameters(layer.children).filter((variable) => !owned.has(variable)) : []
    for (const variable of own) owned.add(variable)
    // What only chains others is no row of its own.
    if (isModule(layer) && own.length === 0 && flops === 0 && holdsFunctions(layer.children)) return
    rows.push({
      path,
      layer: isModule(layer) ? layer.description : layer.name || 'function',
      outputShape: first instanceof TensorValue ? first.shape : [],
      parameters: own.reduce((n, variable) => n + sizeOf(variable.shape as Shape), 0),
      flops,
    })
  }
  trace.record(() => {
    const input = new Tensor(trace.argument(options.dtype ?? inputDtype ?? dtype ?? 'float32', shape), trace)
    withObserver(observe, () => net(input))
    return []
  })
  const total = [...parameters(net).values()].reduce((n, variable) => n + sizeOf(variable.shape as Shape), 0)
  const flops = rows.reduce((n, row) => n + row.flops, 0)
  return { rows, parameters: total, flops, toString: () => table(rows, total, flops, shape) }
}

/** The trainable variables directly in a module, not those of modules in it. */
function ownParameters(child: Child | Children): Variable[] {
  if (child instanceof Variable) return child.trainable ? [child] : []
  if (typeof child === 'function') return []
  return Object.values(child as Children).flatMap(ownParameters)
}

const holdsFunctions = (child: Child | Children): boolean =>
  typeof child === 'function' || (!(child instanceof Variable) && Object.values(child as Children).some(holdsFunctions))

/** The operations of nodes that no earlier layer has been charged for. */
function newWork(output: Node, counted: Set<Node>): number {
  let flops = 0
  for (const node of topological([output])) {
    if (counted.has(node)) continue
    counted.add(node)
    if (!isOp(node, 'scan')) flops += flopsOf(node)
    else if (node.attrs.body.graph.outputs.some((inner) => !counted.has(inner)))
      // All results of a loop have one body.
      for (const inner of node.attrs.body.graph.outputs) flops += node.attrs.length * newWork(inner, counted)
  }
  return flops
}

/** Ops that move or make data, or only compare it. */
const free: ReadonlySet<Op> = new Set<Op>([
  'input',
  'constant',
  'iota',
  'convert',
  'stopGradient',
  'reshape',
  'broadcast',
  'transpose',
  'slice',
  'pad',
  'concatenate',
  'gather',
  'reverse',
  'windows',
])

/** Floating-point operations of a node: 2 an element for products and fma, else 1. */
export function flopsOf(node: Node): number {
  if (free.has(node.op)) return 0
  const size = sizeOf(node.type.shape)
  if (isOp(node, 'contract')) {
    const { shape } = node.operands[0]!.type
    return 2 * size * node.attrs.lhsContract.reduce((k, axis) => k * shape[axis]!, 1)
  }
  if (isOp(node, 'convolution')) return 2 * size * sizeOf(node.operands[1]!.type.shape.slice(1))
  if (isOp(node, 'reduce')) return sizeOf(node.operands[0]!.type.shape)
  return isOp(node, 'fma') ? 2 * size : size
}

function table(rows: readonly SummaryRow[], parameterCount: number, flops: number, inputShape: Shape): string {
  const grouped = (n: number) => n.toLocaleString('en-US')
  const lines = [
    ['', 'layer', 'output', 'parameters', 'flops'],
    ['', 'input', formatShape(inputShape), '', ''],
    ...rows.map((row) => [
      row.path,
      row.layer,
      formatShape(row.outputShape),
      grouped(row.parameters),
      grouped(row.flops),
    ]),
    ['', 'total', '', grouped(parameterCount), grouped(flops)],
  ]
  const widths = lines[0]!.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)))
  const format = (line: string[]) =>
    line
      .map((cell, column) => (column >= 3 ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!)))
      .join('  ')
      .trimEnd()
  const rule = '─'.repeat(widths.reduce((sum, width) => sum + width + 2, -2))
  return [format(lines[0]!), rule, ...lines.slice(1, -1).map(format), rule, format(lines[lines.length - 1]!)].join('\n')
}

/**
 * @file A contraction as every kernel sees it: four extents (batch, m, n, k) and, for each operand, a stored node and
 * its strides along them. Axes are merged; transposes and slices have become strides.
 */
import { asContraction } from '../graph/convolution.js'
import { type Graph, isOp, make, type Node, topological } from '../graph/node.js'
import * as ops from '../graph/ops.js'
import { type Access, MustStore, type Offset, offsetsOf, type Stage, viewOf } from './stage.js'

export interface Operand {
  readonly access: Access
  readonly batch: number
  /** Along m for the left operand, n for the right one. */
  readonly free: number
  readonly inner: number
}
export interface Contraction {
  readonly batch: number
  readonly m: number
  readonly n: number
  readonly k: number
  readonly lhs: Operand
  readonly rhs: Operand
  /** The result's domain (axes of size other than 1) and how many of its axes are batch, m and n. */
  readonly domain: readonly number[]
  readonly axes: readonly [number, number, number]
}

/** Axes in one ascending run, so that they may merge into one. */
const isRun = (axes: readonly number[]): boolean => axes.every((axis, i) => i === 0 || axis === axes[i - 1]! + 1)

/** Convolutions become contractions of windows; transposes stand where the axes of an operand are in no order that strides could express. */
export const canonicalContractions = (graph: Graph): Graph =>
  mapNodes(
    mapNodes(graph, (node) => (isOp(node, 'convolution') ? asContraction(node) : node)),
    (node) => (isOp(node, 'contract') ? canonical(node) : node),
  )

/** The graph with nodes replaced, operands first. */
function mapNodes(graph: Graph, replace: (node: Node) => Node): Graph {
  const replaced = new Map<Node, Node>()
  const current = (node: Node) => replaced.get(node) ?? node
  let changed = false
  for (const node of topological(graph.outputs)) {
    const again = node.operands.some((operand) => replaced.has(operand))
    const next = replace(again ? make(node.op, node.operands.map(current), node.attrs) : node)
    if (next !== node) {
      replaced.set(node, next)
      changed = true
    }
  }
  return changed ? { inputs: graph.inputs, outputs: graph.outputs.map(current) } : graph
}

function canonical(node: Node<'contract'>): Node {
  const { lhsBatch, rhsBatch, lhsContract, rhsContract } = node.attrs
  const [lhs, rhs] = [
    ordered(node.operands[0]!, lhsBatch, lhsContract),
    ordered(node.operands[1]!, rhsBatch, rhsContract),
  ]
  if (!lhs && !rhs) return node
  return ops.contract(lhs?.node ?? node.operands[0]!, rhs?.node ?? node.operands[1]!, {
    lhsBatch: lhs?.batch ?? lhsBatch,
    lhsContract: lhs?.inner ?? lhsContract,
    rhsBatch: rhs?.batch ?? rhsBatch,
    rhsContract: rhs?.inner ?? rhsContract,
    order: node.attrs.order,
  })
}

function ordered(
  node: Node,
  batch: readonly number[],
  inner: readonly number[],
): { node: Node; batch: number[]; inner: number[] } | undefined {
  const free = freeAxes(node, batch, inner)
  if (isRun(batch) && isRun(inner) && isRun(free)) return undefined
  const count = (from: number, length: number) => Array.from({ length }, (_, i) => from + i)
  return {
    node: ops.transpose(node, [...batch, ...free, ...inner]),
    batch: count(0, batch.length),
    inner: count(batch.length + free.length, inner.length),
  }
}

const freeAxes = (node: Node, batch: readonly number[], inner: readonly number[]): number[] =>
  node.type.shape.map((_, axis) => axis).filter((axis) => !batch.includes(axis) && !inner.includes(axis))

/** Extent and stride of several axes merged into one; undefined where they are not evenly spaced. */
function merge(
  axes: readonly number[],
  extents: readonly number[],
  strides: readonly number[],
): { extent: number; stride: number } | undefined {
  const real = axes.filter((axis) => extents[axis] !== 1)
  const extent = real.reduce((n, axis) => n * extents[axis]!, 1)
  if (extent === 0) return { extent, stride: 0 }
  for (let i = 0; i + 1 < real.length; i++)
    if (strides[real[i]!] !== strides[real[i + 1]!]! * extents[real[i + 1]!]!) return undefined
  return { extent, stride: real.length === 0 ? 0 : strides[real[real.length - 1]!]! }
}

/** Throws MustStore where an operand is no evenly spaced view of a stored node. */
export function contractionOf(
  root: Node<'contract'>,
  stored: (node: Node) => boolean,
  ids: ReadonlyMap<Node, number>,
): Contraction {
  const { lhsBatch, rhsBatch, lhsContract, rhsContract } = root.attrs
  const [left, right] = root.operands as [Node, Node]
  const read = (node: Node, batch: readonly number[], inner: readonly number[]) => {
    const view = viewOf(node, stored, ids)
    if (!view) throw new MustStore(node)
    const { shape } = node.type
    const merged = [batch, freeAxes(node, batch, inner), inner].map((axes) => merge(axes, shape, view.strides))
    const [b, f, k] = merged
    if (!b || !f || !k) throw new MustStore(node)
    return {
      extents: [b.extent, f.extent, k.extent] as const,
      operand: { access: view.access, batch: b.stride, free: f.stride, inner: k.stride },
    }
  }
  const lhs = read(left, lhsBatch, lhsContract)
  const rhs = read(right, rhsBatch, rhsContract)
  const real = (extents: readonly number[]) => extents.filter((extent) => extent !== 1)
  const batch = real(lhsBatch.map((axis) => left.type.shape[axis]!))
  const m = real(freeAxes(left, lhsBatch, lhsContract).map((axis) => left.type.shape[axis]!))
  const n = real(freeAxes(right, rhsBatch, rhsContract).map((axis) => right.type.shape[axis]!))
  return {
    batch: lhs.extents[0],
    m: lhs.extents[1],
    n: rhs.extents[1],
    k: lhs.extents[2],
    lhs: lhs.operand,
    rhs: rhs.operand,
    domain: [...batch, ...m, ...n],
    axes: [batch.length, m.length, n.length],
  }
}

/** An offset over the result's axes as one over (batch, m, n); undefined where its axes do not merge. */
export function mergeOffset(
  contraction: Contraction,
  offset: Offset,
): { constant: number; batch: number; m: number; n: number } | undefined {
  const [b, m, n] = contraction.axes
  const range = (from: number, length: number) => Array.from({ length }, (_, i) => from + i)
  const parts = [range(0, b), range(b, m), range(b + m, n)].map((axes) =>
    merge(axes, contraction.domain, offset.coefficients),
  )
  const [batch, rows, columns] = parts
  if (!batch || !rows || !columns) return undefined
  return { constant: offset.constant, batch: batch.stride, m: rows.stride, n: columns.stride }
}

/** Whether an elementwise stage over the result can be computed tile by tile, as the epilogue. */
export function epilogueFits(contraction: Contraction, stage: Stage): boolean {
  const same =
    stage.domain.length === contraction.domain.length &&
    stage.domain.every((extent, d) => extent === contraction.domain[d])
  return (
    same &&
    stage.steps.every((step) => step.kind !== 'gather') &&
    offsetsOf(stage).every((offset) => mergeOffset(contraction, offset) !== undefined)
  )
}

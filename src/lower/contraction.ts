/**
 * @file A contraction as every kernel sees it: extents of its batch, m, n and k axes and, for each operand, a stored node
 * and its strides along them. Transposes, slices and windows have become strides; neighbouring axes along which everything
 * moves evenly are one, so that a product of matrices has at most one axis of each kind.
 */
import { stridesOf } from '../base/shape.js'
import { asContraction } from '../graph/convolution.js'
import { type Graph, isOp, make, type Node, topological } from '../graph/node.js'
import * as ops from '../graph/ops.js'
import { segmentLoops } from './segments.js'
import { type Access, isView, MustStore, type Offset, offsetsOf, type Stage, viewOf } from './stage.js'
import { lanesOf, type Target } from './target.js'

export interface Operand {
  readonly access: Access
  /** Strides, one an axis. */
  readonly batch: readonly number[]
  /** Along m for the left operand, n for the right one. */
  readonly free: readonly number[]
  readonly inner: readonly number[]
}
export interface Contraction {
  /** Extents, without axes of size 1. */
  readonly batch: readonly number[]
  readonly m: readonly number[]
  readonly n: readonly number[]
  readonly k: readonly number[]
  readonly lhs: Operand
  readonly rhs: Operand
  /** Which operand shows windows, whose axes do not merge: the rows are windows, or the columns; neither in a product of matrices. */
  readonly windows?: 'rows' | 'columns'
  /** The result's domain (axes of size other than 1), and which of its axes each batch, m and n axis stands for. */
  readonly domain: readonly number[]
  readonly axes: readonly (readonly number[])[]
}

/** Axes in one ascending run, so that they may merge into one. */
const isRun = (axes: readonly number[]): boolean => axes.every((axis, i) => i === 0 || axis === axes[i - 1]! + 1)

/** Convolutions become contractions of windows; transposes stand where the axes of an operand are in no order that strides could express. */
export function canonicalContractions(graph: Graph, target: Target): Graph {
  const expanded = mapNodes(graph, (node) =>
    isOp(node, 'convolution') ? asContraction(node, lanesOf(node.type.dtype, target)) : node,
  )
  // What several read in one order, a transpose of the graph or another contraction, is put into that order once.
  const known = new Map<Node, Map<string, Node>>()
  const inOrder = (node: Node, permutation: readonly number[], made?: Node): Node => {
    const list = known.get(node) ?? new Map<string, Node>()
    known.set(node, list)
    const key = permutation.join()
    const found = list.get(key) ?? made ?? ops.transpose(node, permutation)
    list.set(key, found)
    return found
  }
  return mapNodes(expanded, (node) => {
    if (isOp(node, 'transpose')) return inOrder(node.operands[0]!, node.attrs.permutation, node)
    return isOp(node, 'contract') ? canonical(node, inOrder) : node
  })
}
type InOrder = (node: Node, permutation: readonly number[]) => Node

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

function canonical(node: Node<'contract'>, inOrder: InOrder): Node {
  const { lhsBatch, rhsBatch, lhsContract, rhsContract } = node.attrs
  const [lhs, rhs] = [
    ordered(node.operands[0]!, lhsBatch, lhsContract, inOrder),
    ordered(node.operands[1]!, rhsBatch, rhsContract, inOrder),
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

/** The last axis stays the last one of its kind, so that what is copied is copied by runs. */
function ordered(
  node: Node,
  batch: readonly number[],
  inner: readonly number[],
  inOrder: InOrder,
): { node: Node; batch: number[]; inner: number[] } | undefined {
  const free = freeAxes(node, batch, inner)
  if (isRun(batch) && isRun(inner) && isRun(free)) return undefined
  const count = (from: number, length: number) => Array.from({ length }, (_, i) => from + i)
  const freeLast = free.includes(node.type.shape.length - 1)
  return {
    node: inOrder(node, freeLast ? [...batch, ...inner, ...free] : [...batch, ...free, ...inner]),
    batch: count(0, batch.length),
    inner: count(batch.length + (freeLast ? 0 : free.length), inner.length),
  }
}

const freeAxes = (node: Node, batch: readonly number[], inner: readonly number[]): number[] =>
  node.type.shape.map((_, axis) => axis).filter((axis) => !batch.includes(axis) && !inner.includes(axis))

/** Extents of some axes, and the operands' strides along them. */
interface Axes {
  readonly extents: readonly number[]
  readonly strides: readonly (readonly number[])[]
}
interface Merged extends Axes {
  /** Of each axis that is left, which it stands for; axes of size 1 are dropped. */
  readonly groups: readonly (readonly number[])[]
}

/** Neighbouring axes become one where every operand moves evenly along them. */
function merge({ extents, strides }: Axes): Merged {
  const groups: number[][] = []
  extents.forEach((extent, axis) => {
    if (extent === 1) return
    const before = groups.at(-1)?.at(-1)
    const even = (list: readonly number[]) => list[before!] === list[axis]! * extent
    if (before !== undefined && strides.every(even)) groups.at(-1)!.push(axis)
    else groups.push([axis])
  })
  return {
    groups,
    extents: groups.map((group) => group.reduce((n, axis) => n * extents[axis]!, 1)),
    strides: strides.map((list) => groups.map((group) => list[group.at(-1)!]!)),
  }
}

/** Throws MustStore where an operand is no view of a stored node that some kernel can read in place. */
export function contractionOf(
  root: Node<'contract'>,
  stored: (node: Node) => boolean,
  ids: ReadonlyMap<Node, number>,
): Contraction {
  const { lhsBatch, rhsBatch, lhsContract, rhsContract } = root.attrs
  const [left, right] = root.operands as [Node, Node]
  const read = (node: Node) => {
    const view = viewOf(node, stored, ids)
    if (!view) throw new MustStore(node)
    const along = (axes: readonly number[]) => axes.map((axis) => view.strides[axis]!)
    const extents = (axes: readonly number[]) => axes.map((axis) => node.type.shape[axis]!)
    return { access: view.access, along, extents }
  }
  const [lhs, rhs] = [read(left), read(right)]
  const [leftFree, rightFree] = [freeAxes(left, lhsBatch, lhsContract), freeAxes(right, rhsBatch, rhsContract)]
  const batch = merge({ extents: lhs.extents(lhsBatch), strides: [lhs.along(lhsBatch), rhs.along(rhsBatch)] })
  const m = merge({ extents: lhs.extents(leftFree), strides: [lhs.along(leftFree)] })
  const n = merge({ extents: rhs.extents(rightFree), strides: [rhs.along(rightFree)] })
  const k = merge({ extents: lhs.extents(lhsContract), strides: [lhs.along(lhsContract), rhs.along(rhsContract)] })
  const isSingle = (node: Node, axes: readonly number[], along: (axes: readonly number[]) => readonly number[]) =>
    merge({ extents: axes.map((axis) => node.type.shape[axis]!), strides: [along(axes)] }).extents.length <= 1

  const plain = m.extents.length <= 1 && n.extents.length <= 1 && k.extents.length <= 1
  const [leftWindows, rightWindows] = [showsWindows(left, stored), showsWindows(right, stored)]
  const windows = plain ? undefined : leftWindows ? 'rows' : 'columns'
  if (!plain) {
    if (leftWindows && rightWindows) throw new MustStore(right)
    // A matrix product of what does not lie evenly: the uneven operand is copied.
    const even = windows === 'rows' ? n : m
    const other = windows === 'rows' ? right : left
    if (!leftWindows && !rightWindows) {
      const uneven = m.extents.length > 1 || !isSingle(left, lhsContract, lhs.along) ? left : right
      throw new MustStore(uneven)
    }
    if (even.extents.length > 1) throw new MustStore(other)
    if (!segmentLoops(k.extents, root.attrs.order.segment)) throw new MustStore(leftWindows ? left : right)
  }
  const domains = [lhs.extents(lhsBatch), lhs.extents(leftFree), rhs.extents(rightFree)]
  const real = domains.map((extents) => extents.filter((extent) => extent !== 1))
  // Groups name axes of their own kind: here they become axes of the domain.
  let start = 0
  const axes = [batch, m, n].flatMap(({ groups }, kind) => {
    const all = domains[kind]!
    const place = (axis: number) => start + all.slice(0, axis).filter((extent) => extent !== 1).length
    const placed = groups.map((group) => group.map(place))
    start += real[kind]!.length
    return placed
  })
  return {
    batch: batch.extents,
    m: m.extents,
    n: n.extents,
    k: k.extents,
    lhs: { access: lhs.access, batch: batch.strides[0]!, free: m.strides[0]!, inner: k.strides[0]! },
    rhs: { access: rhs.access, batch: batch.strides[1]!, free: n.strides[0]!, inner: k.strides[1]! },
    ...(windows ? { windows } : {}),
    domain: real.flat(),
    axes,
  }
}

/** Whether a view of a stored node shows it through windows. */
function showsWindows(node: Node, stored: (node: Node) => boolean): boolean {
  let view = node
  while (!stored(view) && isView(view)) {
    if (isOp(view, 'windows') && view.attrs.sizes.some((size) => size > 1)) return true
    view = view.operands[0]!
  }
  return false
}

/** An offset over the result's axes as one over the contraction's (batch, m, n); undefined where axes do not merge. */
export function mergeOffset({ axes, domain }: Contraction, { constant, coefficients }: Offset): Offset | undefined {
  const merged: number[] = []
  for (const group of axes) {
    for (let i = 0; i + 1 < group.length; i++)
      if (coefficients[group[i]!] !== coefficients[group[i + 1]!]! * domain[group[i + 1]!]!) return undefined
    merged.push(coefficients[group.at(-1)!]!)
  }
  return { constant, coefficients: merged }
}

/** Of each axis of the result, which axis of a stage that reads it element by element that is; undefined if it does not. */
export function orderOfResult({ domain }: Contraction, root: Node, stage: Stage): readonly number[] | undefined {
  const read = stage.steps.find((step) => step.kind === 'access' && step.access.node === root)
  if (read?.kind !== 'access' || stage.domain.length !== domain.length) return undefined
  const order = stridesOf(domain).map((stride, axis) =>
    stage.domain.findIndex((extent, d) => extent === domain[axis] && read.access.offset.coefficients[d] === stride),
  )
  return order.includes(-1) ? undefined : order
}

/** Whether an elementwise stage over the result can be computed tile by tile, as the epilogue. */
export function epilogueFits(contraction: Contraction, stage: Stage): boolean {
  const same =
    stage.domain.length === contraction.domain.length &&
    stage.domain.every((extent, d) => extent === contraction.domain[d])
  return (
    same &&
    stage.steps.every((step) => step.kind !== 'gather') &&
    [stage.store, ...offsetsOf(stage)].every((offset) => mergeOffset(contraction, offset) !== undefined)
  )
}

export const product = (extents: readonly number[]): number => extents.reduce((n, extent) => n * extent, 1)

/**
 * @file Fusion: which stages share a kernel, and which loops within it. In: a graph. Out: groups in the order they run.
 *
 * Elementwise stages over equal domains share a loop body; stages that only need their own row of what came before
 * share the loop over rows (softmax, cross-entropy and norms become one kernel); elementwise stages over the result of
 * a contraction become its epilogue.
 */
import { stridesOf } from '../base/shape.js'
import { type Graph, isOp, type Node, topological } from '../graph/node.js'
import { opInfo } from '../graph/op.js'
import { loopsAmong } from '../graph/scan.js'
import { aloneStages } from './alone.js'
import { checkReducible } from './collapse.js'
import { type Contraction, canonicalContractions, contractionOf, epilogueFits, orderOfResult } from './contraction.js'
import { copyStages } from './copy.js'
import { accesses, isElement, joinLoops, joinParts, type LoopGroup, sameList } from './fuse-loops.js'
import { type Access, MustStore, makeStage, type Offset, type Stage, turnedStage } from './stage.js'
import { chooseStored } from './stored.js'
import type { Target } from './target.js'

/** Reductions over axes that are not innermost: lanes along the last kept axis. */
export interface ColumnGroup {
  readonly kind: 'columns'
  readonly stages: Stage[]
}
/** Joins and paddings: each part is stored at its place. */
export interface CopyGroup {
  readonly kind: 'copy'
  readonly root: Node
  readonly parts: readonly Stage[]
}
export interface ContractGroup {
  readonly kind: 'contract'
  readonly root: Node<'contract'>
  readonly contraction: Contraction
  /** With their axes in the order of the result's. */
  readonly epilogue: Stage[]
  /** Which axes of the epilogue's stages those were. */
  turn?: readonly number[]
}
/** An operation with a kernel of its own, into which its operands are fused: scatterAdd, cumulativeSum, argsort. */
export interface AloneGroup {
  readonly kind: 'alone'
  readonly root: Node
  readonly stages: readonly Stage[]
}
/** Results of one loop over a body of its own. */
export interface ScanGroup {
  readonly kind: 'scan'
  readonly results: readonly Node<'scan'>[]
}
export type Group = LoopGroup | ColumnGroup | CopyGroup | ContractGroup | AloneGroup | ScanGroup

export interface Fused {
  readonly graph: Graph
  readonly groups: readonly Group[]
  /** Numbers of nodes in topological order; they name buffers and order everything. */
  readonly ids: ReadonlyMap<Node, number>
  /** What must have run before a group because of barriers, though it reads nothing of it. */
  readonly after: ReadonlyMap<Group, ReadonlySet<Group>>
}

/** `updates`: the outputs that replace Variables; they are computed as late as possible, when the old values are done with. */
export function fuse(original: Graph, updates: ReadonlySet<number>, target: Target): Fused {
  const graph = canonicalContractions(original, target)
  const order = topological(graph.outputs)
  const ids = new Map(order.map((node, i) => [node, i]))
  for (const node of graph.inputs) if (!ids.has(node)) ids.set(node, ids.size)
  const stored = chooseStored(graph)
  const hasBarriers = order.some((node) => isOp(node, 'barrier'))
  const loops = loopsAmong(order)
  for (;;) {
    try {
      const units = order
        // All results of a loop are one unit, that of the first.
        .filter((node) => stored.has(node) && node.op !== 'input' && (loops.get(node)?.[0] ?? node) === node)
        .map((node) => {
          const results = loops.get(node)
          const unit = results ? scanUnit(results) : makeUnit(node, stored, ids)
          return { ...unit, after: hasBarriers ? waitsOf(node, stored) : [] }
        })
      return { graph, ...group(units, graph, updates), ids }
    } catch (error) {
      if (!(error instanceof MustStore) || stored.has(error.node)) throw error
      stored.add(error.node)
    }
  }
}

interface Unit {
  readonly root: Node
  readonly stages: readonly Stage[]
  readonly contraction?: Contraction
  /** Of a loop. */
  readonly results?: readonly Node<'scan'>[]
  readonly reads: readonly Access[]
  /** Stored nodes that barriers in it wait for. */
  readonly after: readonly Node[]
}

function scanUnit(results: readonly Node<'scan'>[]): Omit<Unit, 'after'> {
  const root = results[0]!
  const reads = root.operands.map((node): Access => ({ node, offset: { constant: 0, coefficients: [] }, anyRow: true }))
  return { root, stages: [], results, reads }
}

function makeUnit(root: Node, stored: ReadonlySet<Node>, ids: ReadonlyMap<Node, number>): Omit<Unit, 'after'> {
  const has = (node: Node) => stored.has(node)
  if (isOp(root, 'contract')) {
    const contraction = contractionOf(root, has, ids)
    return { root, stages: [], contraction, reads: [contraction.lhs.access, contraction.rhs.access] }
  }
  if (opInfo[root.op].category === 'alone') {
    const stages = aloneStages(root, has, ids)
    return { root, stages, reads: stages.flatMap(accesses) }
  }
  const stages =
    root.op === 'pad' || root.op === 'concatenate' ? copyStages(root, has, ids) : [makeStage(root, has, ids)]
  for (const stage of stages) checkReducible(stage)
  return { root, stages, reads: stages.flatMap(accesses) }
}

/** Each may be a buffer, and so a parameter of the kernel, of which WebAssembly's engines take a thousand at most. */
const mostNodes = 100

function group(
  units: readonly Unit[],
  graph: Graph,
  updates: ReadonlySet<number>,
): { groups: Group[]; after: Map<Group, Set<Group>> } {
  const after = new Map<Group, Set<Group>>()
  const groups: Group[] = []
  const place = new Map<Node, number>()
  const touched = new Map<Group, Set<Node>>()
  // Where memory counts more than time, what reads nothing in common stays apart: it would keep all of it until the last.
  const saves = units.some((unit) => unit.after.length > 0)
  for (const unit of withUpdatesLast(units, graph, updates)) {
    let earliest = 0
    for (const read of unit.reads) earliest = Math.max(earliest, place.get(read.node) ?? 0)
    for (const node of unit.after) earliest = Math.max(earliest, place.get(node) ?? 0)
    const hasRoom = (group: Group): boolean => {
      const others = touched.get(group)!
      const shares = !saves || unit.reads.some(({ node }) => others.has(node))
      return shares && others.size <= mostNodes
    }
    const at = findHome(unit, groups, earliest, hasRoom)
    const nodes = touched.get(groups[at]!) ?? new Set<Node>()
    touched.set(groups[at]!, nodes)
    for (const root of unit.results ?? [unit.root]) {
      place.set(root, at)
      nodes.add(root)
    }
    for (const read of unit.reads) nodes.add(read.node)
    const before = unit.after.flatMap((node) => (place.has(node) ? [groups[place.get(node)!]!] : []))
    if (before.length > 0) after.set(groups[at]!, new Set([...(after.get(groups[at]!) ?? []), ...before]))
  }
  return { groups, after }
}

/** The stored nodes that must be there before a unit may run: those below what the barriers in it wait for. */
function waitsOf(root: Node, stored: ReadonlySet<Node>): Node[] {
  const found = new Set<Node>()
  const walk = (starts: readonly Node[], visit: (node: Node) => readonly Node[]) => {
    const seen = new Set<Node>()
    const stack = [...starts]
    while (stack.length > 0) {
      const node = stack.pop()!
      if (seen.has(node)) continue
      seen.add(node)
      stack.push(...visit(node))
    }
  }
  const awaited: Node[] = []
  walk([root], (node) => {
    if (node !== root && stored.has(node)) return []
    if (!isOp(node, 'barrier')) return node.operands
    awaited.push(...node.operands.slice(1))
    return [node.operands[0]!]
  })
  walk(awaited, (node) => {
    if (!stored.has(node)) return node.operands
    found.add(node)
    return []
  })
  return [...found]
}

/** Stages of updates that nothing but updates needs move to the end; otherwise the order is kept. */
function withUpdatesLast(units: readonly Unit[], graph: Graph, updates: ReadonlySet<number>): Unit[] {
  const updated = new Set(graph.outputs.filter((_, i) => updates.has(i)))
  const results = new Set(graph.outputs.filter((_, i) => !updates.has(i)))
  const early = new Set<Node>()
  for (let i = units.length - 1; i >= 0; i--) {
    const { root, reads, after, results: loop } = units[i]!
    if (!loop && updated.has(root) && !results.has(root) && !early.has(root)) continue
    for (const read of reads) early.add(read.node)
    for (const node of after) early.add(node)
  }
  const late = (unit: Unit) =>
    !unit.results && updated.has(unit.root) && !results.has(unit.root) && !early.has(unit.root)
  return [...units.filter((unit) => !late(unit)), ...units.filter(late)]
}

function findHome(unit: Unit, groups: Group[], earliest: number, hasRoom: (group: Group) => boolean): number {
  const [stage] = unit.stages
  if (stage && unit.stages.length === 1 && opInfo[unit.root.op].category !== 'alone')
    for (let i = earliest; i < groups.length; i++) if (hasRoom(groups[i]!) && join(groups[i]!, stage)) return i
  if (isOp(unit.root, 'concatenate'))
    for (let i = earliest; i < groups.length; i++) {
      const group = groups[i]!
      if (group.kind === 'loops' && hasRoom(group) && joinParts(group, unit.stages)) return i
    }
  return groups.push(newGroup(unit)) - 1
}

function newGroup(unit: Unit): Group {
  const { root, stages, contraction, results } = unit
  if (results) return { kind: 'scan', results }
  if (contraction && isOp(root, 'contract')) return { kind: 'contract', root, contraction, epilogue: [] }
  if (opInfo[root.op].category === 'alone') return { kind: 'alone', root, stages }
  const stage = stages[0]
  if (stages.length !== 1 || !stage || root.op === 'pad' || root.op === 'concatenate')
    return { kind: 'copy', root, parts: stages }
  if (stage.kind === 'columnReduce') return { kind: 'columns', stages: [stage] }
  return { kind: 'loops', rows: stage.kept, passes: [{ stages: [stage], domain: stage.domain, kept: stage.kept }] }
}

function join(group: Group, stage: Stage): boolean {
  switch (group.kind) {
    case 'loops':
      return stage.kind !== 'columnReduce' && joinLoops(group, stage)
    case 'columns': {
      const first = group.stages[0]!
      const fits = stage.kind === 'columnReduce' && stage.kept === first.kept && sameList(stage.domain, first.domain)
      const independent = !accesses(stage).some((read) => group.stages.some((other) => other.root === read.node))
      if (!fits || !independent) return false
      group.stages.push(stage)
      return true
    }
    case 'contract': {
      const { contraction, root, epilogue } = group
      const turn = group.turn ?? orderOfResult(contraction, root, stage)
      if (!turn || stage.kind !== 'map' || turn.length !== stage.domain.length) return false
      const turned = turnedStage(stage, turn)
      if (!epilogueFits(contraction, turned)) return false
      const made = new Map<Node, Offset>([
        [root, { constant: 0, coefficients: stridesOf(contraction.domain) }],
        ...epilogue.map((other) => [other.root, other.store] as const),
      ])
      const inside = accesses(turned).filter((read) => made.has(read.node))
      if (inside.length === 0 || !inside.every((read) => isElement(read, made.get(read.node)!))) return false
      epilogue.push(turned)
      group.turn = turn
      return true
    }
    case 'copy':
    case 'alone':
    case 'scan':
      return false
  }
}

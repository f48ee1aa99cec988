/**
 * @file Graph → kernels: fuse, then write each group's loops. In: a graph and which inputs its outputs replace.
 * Out: kernels with their arguments, in the order they run.
 */
import { type Graph, isOp, make, type Node } from '../graph/node.js'
import type { NumericsMode } from '../numerics/arithmetic.js'
import { lowerColumns } from './columns.js'
import { lowerContract } from './contract.js'
import { lowerCumulate } from './cumulate.js'
import { type AloneGroup, type Fused, fuse, type Group } from './fuse.js'
import { accesses } from './fuse-loops.js'
import { lowerCopy, lowerLoops } from './loops.js'
import { lowerScan, ScanMemory } from './scan.js'
import { lowerScatter } from './scatter.js'
import type { LowerContext, Lowered } from './scope.js'
import { lowerSort } from './sort.js'
import type { Stage } from './stage.js'
import { type Target, wasmTarget } from './target.js'
import { lowerWindowed } from './windows.js'

/** Output → input it replaces: a Variable's new value and its old one. */
export type Updates = ReadonlyMap<number, number>

export interface LoweredGraph {
  readonly graph: Graph
  readonly updates: Updates
  readonly groups: readonly Group[]
  readonly launches: readonly Lowered[]
  /** Of each group, its first launch. */
  readonly firstLaunch: readonly number[]
  /** Of each launch, those that must have run before it though it reads nothing of theirs. */
  readonly after: readonly (readonly number[])[]
  readonly ids: ReadonlyMap<Node, number>
  readonly target: Target
}

export function lower(graph: Graph, updates: Updates, mode: NumericsMode, target: Target = wasmTarget): LoweredGraph {
  return lowerSeparated(separateOutputs(graph, updates), updates, mode, target)
}

function lowerSeparated(separated: Graph, updates: Updates, mode: NumericsMode, target: Target): LoweredGraph {
  const fused = fuse(separated, new Set(updates.keys()), target)
  const { graph, groups, ids } = fused
  const context: LowerContext = { mode, target, ids, needsMemory: memoryNeeds(fused) }
  const lowerBody = (body: Graph) => lowerSeparated(separateResults(body), new Map(), mode, target)
  const loops = new ScanMemory(graph)
  const lists = groups.map((group) =>
    group.kind === 'scan' ? lowerScan(group, loops, lowerBody, target) : lowerGroup(group, context),
  )
  const firstLaunch: number[] = []
  let count = 0
  for (const list of lists) {
    firstLaunch.push(count)
    count += list.length
  }
  const launches = lists.flat().map((launch) => ({ ...launch, arguments: launch.arguments.map(loops.found) }))
  const after = groups.flatMap((group, i) => {
    const others = [...(fused.after.get(group) ?? [])].map((other) => groups.indexOf(other))
    const waits = others.flatMap((other) => lists[other]!.map((_, at) => firstLaunch[other]! + at))
    return lists[i]!.map(() => waits)
  })
  return { graph, updates, groups, launches, firstLaunch, after, ids, target }
}

/** Results of a body must be nodes of their own that it computes. */
function separateResults(graph: Graph): Graph {
  const taken = new Set<Node>()
  const outputs = graph.outputs.map((node) => {
    let own = node
    while (own.op === 'input' || own.op === 'scan' || taken.has(own)) own = make('stopGradient', [own], {})
    taken.add(own)
    return own
  })
  return { inputs: graph.inputs, outputs }
}

/** What a variable or result is copied from must be a node of its own where that is an input, or shared by two. */
function separateOutputs(graph: Graph, updates: Updates): Graph {
  const replaced = new Set([...updates.values()].map((input) => graph.inputs[input]!))
  const taken = new Set<Node>()
  const outputs = graph.outputs.map((node, i) => {
    const update = updates.has(i)
    // A carry of a loop stands where the loop left it.
    const carry = isOp(node, 'scan') && node.attrs.result < node.attrs.carries
    const copy = carry || (update ? node.op === 'input' || taken.has(node) : replaced.has(node))
    const own = copy ? make('stopGradient', [node], {}) : node
    if (update) taken.add(own)
    return own
  })
  return { inputs: graph.inputs, outputs }
}

function lowerGroup(group: Exclude<Group, { kind: 'scan' }>, context: LowerContext): Lowered[] {
  const name = nameOf(group)
  switch (group.kind) {
    case 'loops':
      return [{ ...lowerLoops(group, context, name), plain: true }]
    case 'columns':
      return [{ ...lowerColumns(group, context, name), plain: true }]
    case 'copy':
      return [lowerCopy(group, context, name)]
    case 'contract':
      return [group.contraction.windows ? lowerWindowed(group, context, name) : lowerContract(group, context, name)]
    case 'alone':
      return [lowerAlone(group, context, name)]
  }
}

function lowerAlone(group: AloneGroup, context: LowerContext, name: string): Lowered {
  switch (group.root.op) {
    case 'scatterAdd':
      return lowerScatter(group, context, name)
    case 'cumulativeSum':
      return lowerCumulate(group, context, name)
    case 'argsort':
      return lowerSort(group, context, name)
    default:
      throw new Error(`${group.root.op} has no kernel of its own`)
  }
}

/** What the kernel does, for people: the ops it computes, each named once. */
function nameOf(group: Group): string {
  const stages = stagesOf(group)
  const words = new Set<string>()
  if (group.kind === 'contract') words.add('contract')
  for (const stage of stages) {
    for (const step of stage.steps) {
      if (step.kind === 'gather') words.add('gather')
      if (step.kind === 'op' && step.node.op !== 'convert') words.add(step.node.op)
    }
    if (stage.kind !== 'map') words.add((stage.root as Node<'reduce'>).attrs.kind)
  }
  if (group.kind === 'copy' || group.kind === 'alone') words.add(group.root.op)
  if (words.size === 0) words.add('copy')
  const list = [...words]
  return list.length > 5 ? `${list.slice(0, 4).join('_')}_and_${list.length - 4}_more` : list.join('_')
}

export function stagesOf(group: Group): readonly Stage[] {
  switch (group.kind) {
    case 'loops':
      return group.passes.flatMap((pass) => pass.stages)
    case 'columns':
    case 'alone':
      return group.stages
    case 'copy':
      return group.parts
    case 'contract':
      return group.epilogue
    case 'scan':
      return []
  }
}

/** A node needs memory if it is a result, or is read by another kernel or by another loop of its own. */
function memoryNeeds({ graph, groups }: Fused): (node: Node) => boolean {
  const needs = new Set<Node>(graph.outputs)
  for (const group of groups) {
    const passes = group.kind === 'loops' ? group.passes.map((pass) => pass.stages) : [stagesOf(group)]
    const made = new Map<Node, number>(group.kind === 'contract' ? [[group.root, 0]] : [])
    passes.forEach((stages, i) => {
      for (const stage of stages) made.set(stage.root, i)
    })
    const rowScalars = new Set<Node>()
    if (group.kind === 'loops' && group.passes.length > 1)
      for (const stage of stagesOf(group)) if (stage.kept === group.rows) rowScalars.add(stage.root)
    passes.forEach((stages, i) => {
      for (const stage of stages)
        for (const { node } of accesses(stage)) {
          const pass = made.get(node)
          if (pass === undefined || (pass !== i && !rowScalars.has(node))) needs.add(node)
        }
    })
    if (group.kind === 'contract') {
      needs.add(group.contraction.lhs.access.node)
      needs.add(group.contraction.rhs.access.node)
    }
    if (group.kind === 'copy' || group.kind === 'alone') needs.add(group.root)
    if (group.kind === 'scan') for (const node of [...group.results, ...group.results[0]!.operands]) needs.add(node)
  }
  return (node) => needs.has(node)
}

/**
 * @file Which stages share loops: one body, or the loop over rows around several. In: a group of loops, and a stage that might
 * join. Out: whether it has.
 *
 * exp(x − max) joins the loop over rows in which the maximum of each row was taken; a sum over columns does not.
 */
import { isOp, type Node } from '../graph/node.js'
import { collapse } from './collapse.js'
import type { Access, Offset, Stage } from './stage.js'

export interface Pass {
  readonly stages: Stage[]
  readonly domain: readonly number[]
  /** Where reductions of this pass end their kept axes; the domain's rank without any. */
  readonly kept: number
}
/** Loops over the first `rows` axes, in them the passes one after another. */
export interface LoopGroup {
  readonly kind: 'loops'
  rows: number
  readonly passes: Pass[]
}

export const accesses = (stage: Stage): Access[] =>
  stage.steps.flatMap((step) => (step.kind === 'access' || step.kind === 'gather' ? [step.access] : []))

/**
 * Parts put end to end are stored where they are computed: the gates' gradients of a recurrent layer need no memory of their
 * own. All in one loop body, of which they read something, or none.
 */
export function joinParts(group: LoopGroup, parts: readonly Stage[]): boolean {
  const made = new Set(group.passes.flatMap((pass) => pass.stages.map((stage) => stage.root)))
  const reads = parts.some((part) => accesses(part).some(({ node }) => made.has(node)))
  if (!reads || parts.some((part) => part.kind !== 'map' || !sameList(part.domain, parts[0]!.domain))) return false
  const before = { rows: group.rows, passes: group.passes.map((pass) => ({ ...pass, stages: [...pass.stages] })) }
  const { root } = parts[0]!
  const isHome = ({ stages }: Pass) => stages.some((stage) => stage.root === root)
  const together =
    parts.every((part) => joinLoops(group, part)) &&
    group.passes.length === before.passes.length &&
    group.passes.filter(isHome).length === 1
  if (!together) {
    group.rows = before.rows
    group.passes.splice(0, group.passes.length, ...before.passes)
  }
  return together
}

export function joinLoops(group: LoopGroup, stage: Stage): boolean {
  const home = new Map<Node, { pass: number; stage: Stage }>()
  group.passes.forEach((pass, i) => {
    for (const other of pass.stages) home.set(other.root, { pass: i, stage: other })
  })
  const inside = accesses(stage).flatMap((read) => {
    const producer = home.get(read.node)
    return producer ? [{ read, ...producer }] : []
  })
  const latest = inside.reduce((most, { pass }) => Math.max(most, pass), 0)
  for (let i = latest; i < group.passes.length; i++) {
    const pass = group.passes[i]!
    if (!sharesBody(pass, stage)) continue
    const local = inside.every((need) =>
      need.pass === i
        ? need.stage.kind === 'map' && isElement(need.read, need.stage.store)
        : ownRow(need.read, stage.domain, need.stage, group.rows),
    )
    if (!local || !reducesStayWhole(pass, stage)) continue
    if (stage.kind === 'rowReduce') {
      group.passes[i] = { ...pass, kept: stage.kept }
      group.rows = Math.min(group.rows, stage.kept)
    }
    pass.stages.push(stage)
    return true
  }
  if (inside.length === 0 && !isRowScalar(group, stage)) return false
  // A pass of its own, in the same loop over rows.
  const first = group.passes[0]!
  let rows = 0
  while (rows < Math.min(group.rows, stage.kept) && stage.domain[rows] === first.domain[rows]) rows++
  for (; rows > 0 || stage.domain.length === 0; rows--) {
    if (rows < 0) return false
    if (inside.every(({ read, stage: producer }) => ownRow(read, stage.domain, producer, rows))) {
      group.rows = rows
      group.passes.push({ stages: [stage], domain: stage.domain, kept: stage.kept })
      return true
    }
  }
  return false
}

/**
 * Whether a stage that reads nothing of the group gives one number a row and reads what the group reads: what comes of it
 * and of the rows can then join too, as the weights of a loss do between its softmax and its gradient.
 */
function isRowScalar(group: LoopGroup, stage: Stage): boolean {
  const { rows, passes } = group
  if (stage.kind !== 'map' || rows === 0 || !sameList(stage.domain, passes[0]!.domain.slice(0, rows))) return false
  const read = new Set(passes.flatMap((pass) => pass.stages.flatMap(accesses)).map(({ node }) => node))
  return accesses(stage).some(({ node }) => read.has(node))
}

/** Whether a stage can stand in the innermost loop of a pass. */
function sharesBody(pass: Pass, stage: Stage): boolean {
  if (!sameList(pass.domain, stage.domain)) return false
  const reduces = pass.stages.filter((other) => other.kind === 'rowReduce')
  if (stage.kind === 'map') return !reduces.some(isChain)
  if (reduces.length > 0) return pass.kept === stage.kept && isChain(stage) === isChain(reduces[0]!)
  // Short chains go element by element: they would keep the maps of this pass from using lanes.
  return !isChain(stage)
}

/** Whether the reduced axes of a pass still merge into one when a stage joins. */
function reducesStayWhole(pass: Pass, stage: Stage): boolean {
  const stages = [...pass.stages, stage]
  if (stages.every((other) => other.kind === 'map')) return true
  const merged = collapse(stages, 0, Math.min(pass.kept, stage.kept))
  return merged.domain.length - merged.kept <= 1
}

export const isChain = (stage: Stage): boolean => isOp(stage.root, 'reduce') && stage.root.attrs.order.kind === 'chain'

/** Whether a read stays, for each row, within what that row of the producer stored. */
function ownRow(read: Access, domain: readonly number[], producer: Stage, rows: number): boolean {
  const { offset } = read
  if (read.anyRow || rows > producer.kept) return false
  for (let d = 0; d < rows; d++) if (offset.coefficients[d] !== producer.store.coefficients[d]) return false
  if (rows === 0) return true
  // Beyond the rows the reader's own axes move the offset; it must not leave the row.
  const span = producer.store.coefficients[rows - 1]!
  let low = offset.constant
  let high = offset.constant
  for (let d = rows; d < offset.coefficients.length; d++) {
    const reach = offset.coefficients[d]! * (domain[d]! - 1)
    low += Math.min(0, reach)
    high += Math.max(0, reach)
  }
  return low >= 0 && high < span
}

export const sameList = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((x, i) => x === b[i])
/** Whether the read is of the very element that is stored there. */
export const isElement = (read: Access, store: Offset): boolean =>
  !read.anyRow && read.offset.constant === store.constant && sameList(read.offset.coefficients, store.coefficients)

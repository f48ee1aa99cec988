/**
 * @file Loops with less in them. In: a graph. Out: an equal one in which loops over the same operands are one (a loop, and the
 * same with residuals for its derivative), and no loop computes, carries, reads or stacks what nobody uses.
 *
 * scan(h → [h', h']) and scan(h → [h', h', tanh z]) of the same operands become one loop, that of the second
 */
import { type Body, bodyOf, eachBody, substitute } from '../graph/body.js'
import { replaced } from '../graph/lineage.js'
import { type Graph, input, isOp, make, type Node, NodeTable, topological, withTable } from '../graph/node.js'
import { type Loop, loopOf, loopsAmong, scanResult } from '../graph/scan.js'

export function tidyLoops(graph: Graph): Graph {
  const order = topological(graph.outputs)
  const loops = loopsAmong(order)
  if (loops.size === 0) return graph
  const inBody = eachBody(tidyLoops)
  const merged = mergeLoops([...new Set(loops.values())])
  return withTable(new NodeTable(), () => {
    const done = new Map<Node, Node>()
    const now = (node: Node) => done.get(node)!
    for (const node of order) {
      if (done.has(node)) continue
      if (!isOp(node, 'scan')) {
        done.set(node, isOp(node, 'input') ? node : make(node.op, node.operands.map(now), node.attrs))
        continue
      }
      const { body, results } = merged.get(loops.get(node)!)!
      const before = loopOf(node)
      const operands = {
        carries: before.carries.map(now),
        slices: before.slices.map(now),
        invariants: before.invariants.map(now),
      }
      const pruned = prune({ ...before, ...operands, body }, [...new Set(results.values())])
      const loop = pruned.loop && { ...pruned.loop, body: inBody(pruned.loop.body) }
      // All results of loops that are one, at the first of them: their operands are the same.
      for (const [one, result] of results) {
        const found = pruned.results.get(result)!
        done.set(one, typeof found === 'number' ? scanResult(loop!, found) : found)
      }
    }
    for (const [node, next] of done) replaced(node, next)
    return { inputs: graph.inputs, outputs: graph.outputs.map(now) }
  })
}

interface Merged {
  readonly body: Body
  /** Of every result of the loops that are one, which result of the body it is. */
  readonly results: ReadonlyMap<Node, number>
}

/** By the results of a loop: the body that does what all loops of these operands do, if their carries are the same. */
function mergeLoops(loops: readonly (readonly Node<'scan'>[])[]): Map<readonly Node<'scan'>[], Merged> {
  const classes: (readonly Node<'scan'>[])[][] = []
  const byOperand = new Map<Node, (readonly Node<'scan'>[])[][]>()
  for (const loop of loops) {
    const candidates = byOperand.get(loop[0]!.operands[0]!) ?? []
    byOperand.set(loop[0]!.operands[0]!, candidates)
    const same = candidates.find(([other]) => sameOperands(other![0]!, loop[0]!))
    if (same) same.push(loop)
    else {
      candidates.push([loop])
      classes.push(candidates[candidates.length - 1]!)
    }
  }
  const merged = new Map<readonly Node<'scan'>[], Merged>()
  for (const list of classes) {
    // Those whose carries turn out to differ stay apart.
    for (let left = list; left.length > 0; ) {
      const [together, results, body] = mergeBodies(left)
      for (const loop of together) merged.set(loop, { body, results })
      left = left.filter((loop) => !together.includes(loop))
    }
  }
  return merged
}

const sameOperands = (a: Node<'scan'>, b: Node<'scan'>): boolean =>
  a.attrs.carries === b.attrs.carries &&
  a.attrs.slices === b.attrs.slices &&
  a.attrs.length === b.attrs.length &&
  a.attrs.reverse === b.attrs.reverse &&
  a.operands.length === b.operands.length &&
  a.operands.every((operand, i) => operand === b.operands[i])

function mergeBodies(
  loops: readonly (readonly Node<'scan'>[])[],
): [together: (readonly Node<'scan'>[])[], results: Map<Node, number>, body: Body] {
  const first = loops[0]![0]!
  const { carries } = first.attrs
  return withTable(new NodeTable(), () => {
    const inputs = first.attrs.body.graph.inputs.map(({ type }) => input(type.dtype, type.shape))
    const together: (readonly Node<'scan'>[])[] = []
    const results = new Map<Node, number>()
    let outputs: Node[] = []
    for (const loop of loops) {
      const { graph } = loop[0]!.attrs.body
      const own = substitute(graph.outputs, new Map(graph.inputs.map((node, i) => [node, inputs[i]!])))
      if (together.length > 0 && !own.slice(0, carries).every((node, k) => node === outputs[k])) continue
      if (together.length === 0) outputs = own.slice(0, carries)
      together.push(loop)
      for (const node of loop) {
        const value = own[node.attrs.result]!
        const known = outputs.indexOf(value, carries)
        const isCarry = node.attrs.result < carries
        results.set(node, isCarry ? node.attrs.result : known >= 0 ? known : outputs.push(value) - 1)
      }
    }
    return [together, results, bodyOf(inputs, outputs)]
  })
}

/** The loop that gives these results and nothing else; of each, which result it is now, or the node that it equals. */
function prune(loop: Loop, used: readonly number[]): { loop: Loop | undefined; results: Map<number, number | Node> } {
  const { inputs, outputs } = loop.body.graph
  const carries = loop.carries.length
  const operands = [...loop.carries, ...loop.slices, ...loop.invariants]
  const results = new Map<number, number | Node>()
  // Carries that never change are invariants.
  const isFixed = (k: number) => outputs[k] === inputs[k]
  for (const result of used) {
    const slice = inputs.indexOf(outputs[result]!, carries) - carries
    if (result < carries ? isFixed(result) : slice >= 0 && slice < loop.slices.length)
      results.set(result, result < carries ? loop.carries[result]! : loop.slices[slice]!)
  }
  const wanted = used.filter((result) => !results.has(result))
  if (wanted.length === 0) return { loop: undefined, results }

  const kept = new Set(wanted.filter((result) => result < carries))
  let reached = new Set<Node>()
  for (let count = -1; count !== kept.size; ) {
    count = kept.size
    const roots = [...kept, ...wanted.filter((result) => result >= carries)].map((result) => outputs[result]!)
    reached = new Set(topological(roots))
    inputs.slice(0, carries).forEach((node, k) => {
      if (reached.has(node) && !isFixed(k)) kept.add(k)
    })
  }
  const carried = [...kept].sort((a, b) => a - b)
  // What is given twice is taken once.
  const scanned: number[] = []
  const constant: number[] = []
  const replaced = new Map<Node, Node>()
  inputs.forEach((node, i) => {
    if (!reached.has(node) || kept.has(i)) return
    const list = i >= carries && i < carries + loop.slices.length ? scanned : constant
    const same = list.find((other) => operands[other] === operands[i])
    if (same === undefined) list.push(i)
    else replaced.set(node, inputs[same]!)
  })
  // A loop goes along something, if it is only to count.
  if (carried.length + scanned.length + constant.length === 0)
    (carries === 0 && loop.slices.length > 0 ? scanned : constant).push(0)
  const order = [...carried, ...wanted.filter((result) => result >= carries)]
  order.forEach((result, at) => {
    results.set(result, at)
  })
  const at = (list: readonly number[]) => list.map((i) => operands[i]!)
  const own = [...carried, ...scanned, ...constant].map((i) => inputs[i]!)
  const values = substitute(
    order.map((result) => outputs[result]!),
    new Map([...own.map((node) => [node, node] as const), ...replaced]),
  )
  return {
    loop: { ...loop, carries: at(carried), slices: at(scanned), invariants: at(constant), body: bodyOf(own, values) },
    results,
  }
}

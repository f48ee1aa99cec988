/**
 * @file The derivative of a loop is a loop that goes back. In: a loop, cotangents of its results. Out: one cotangent an
 * operand.
 *
 * Forward, the loop also stacks what its derivative needs of each iteration (residuals.ts). Back, the cotangents of the
 * carries are carried, those of the scanned inputs are stacked. The cotangent of an invariant is a sum over iterations:
 * Σₜ Aₜᵀ × Bₜ leaves the loop, which stacks A and B (if they are not stacked anyway), as one contraction over time and batch.
 */
import { isFloat } from '../base/dtype.js'
import { bodyOf } from '../graph/body.js'
import { input, type Node } from '../graph/node.js'
import { add, fullLike } from '../graph/ops.js'
import { type Loop, scan } from '../graph/scan.js'
import { hoisted } from './hoist.js'
import { type Later, OverTime } from './over-time.js'
import { Residuals } from './residuals.js'

type Pullback = (
  outputs: readonly Node[],
  seeds: readonly (Node | undefined)[],
  wrt: readonly Node[],
) => (Node | undefined)[]

/** `given`: cotangents by number of the result. `wanted`: of which operands. */
export function loopGradient(
  loop: Loop,
  given: ReadonlyMap<number, Node>,
  wanted: readonly boolean[],
  pullback: Pullback,
): (Node | undefined)[] {
  const { inputs, outputs } = loop.body.graph
  const carries = loop.carries.length
  const isSmooth = (i: number) => isFloat(inputs[i]!.type.dtype)

  // One iteration's derivative, in terms of the body's own nodes and of the cotangents of what it gives.
  const carried = [...loop.carries.keys()].filter(isSmooth)
  const stackedResults = [...outputs.keys()].filter((k) => k >= carries && given.has(k))
  const cotangents = new Map([...carried, ...stackedResults].map((k) => [k, leafLike(outputs[k]!)]))
  const wrt = [...inputs.keys()].filter((i) => isSmooth(i) && (i < carries || wanted[i]))
  const flows = pullback(
    outputs,
    outputs.map((_, k) => cotangents.get(k)),
    wrt.map((i) => inputs[i]!),
  )
  const flowOf = new Map(wrt.map((i, at) => [i, flows[at]]))
  const leaves = [...cotangents.values()]
  const residuals = new Residuals(
    loop,
    flows.filter((flow) => flow !== undefined),
    leaves,
  )

  // What the loop back gives: cotangents of the carries, sums, and what is stacked.
  const next = carried.map((k) => flowOf.get(k) ?? fullLike(inputs[k]!, 0))
  const sums: Node[] = []
  const stacks: Node[] = []
  const place = (list: Node[], node: Node): number => (list.includes(node) ? list.indexOf(node) : list.push(node) - 1)
  const overTime = new OverTime(
    loop.length,
    residuals,
    (node) => {
      const at = place(stacks, node)
      return () => back()[next.length + sums.length + at]!
    },
    (node) => {
      const at = place(sums, node)
      return () => back()[next.length + at]!
    },
  )
  const results = [...inputs.keys()].map((i): Later | undefined => {
    const flow = flowOf.get(i)
    if (i < carries) return wanted[i] && isSmooth(i) ? () => back()[carried.indexOf(i)]! : undefined
    if (!flow) return undefined
    return i < carries + loop.slices.length ? overTime.stacked(flow) : overTime.summed(flow)
  })

  let made: readonly Node[] | undefined
  const back = (): readonly Node[] => (made ??= scan(hoisted(loopBack())))
  const loopBack = (): Loop => {
    const totals = sums.map(leafLike)
    const all = [...next, ...sums.map((node, i) => add(totals[i]!, node)), ...stacks]
    const sources = residuals.sourcesOf(all)
    const slices = stackedResults.map((k) => ({ inside: cotangents.get(k)!, outside: given.get(k)! }))
    const scanned = [...slices, ...sources.slices]
    const inside = (list: readonly { readonly inside: Node }[]) => list.map((one) => one.inside)
    const outside = (list: readonly { readonly outside: Node }[]) => list.map((one) => one.outside)
    return {
      body: bodyOf(
        [...carried.map((k) => cotangents.get(k)!), ...totals, ...inside(scanned), ...inside(sources.invariants)],
        all,
      ),
      carries: [
        ...carried.map((k) => given.get(k) ?? fullLike(outputs[k]!, 0)),
        ...totals.map((one) => fullLike(one, 0)),
      ],
      slices: outside(scanned),
      invariants: outside(sources.invariants),
      length: loop.length,
      reverse: !loop.reverse,
    }
  }
  return results.map((result) => result?.())
}

const leafLike = (node: Node): Node => input(node.type.dtype, node.type.shape)

/**
 * @file Loops of a program: the launches of a body, repeated. In: the results of one loop. Out: its launches, their
 * arguments parts of memory that move with the iterations.
 *
 * A carry has two rows, of which iterations read and write one each in turn; or, where all its values are wanted afterwards, a
 * row for each iteration and one more: results that are a carry, before or after each iteration, are those rows.
 */
import { sizeOf } from '../base/shape.js'
import { type Graph, type Node, topological } from '../graph/node.js'
import { loopOf } from '../graph/scan.js'
import { copyKernel } from './copy-kernel.js'
import type { ScanGroup } from './fuse.js'
import type { Argument, Loop, Lowered, Part, Scratch } from './scope.js'
import type { Target } from './target.js'

/** Nodes whose memory is part of a loop's, and what may become so. */
export class ScanMemory {
  readonly #parts = new Map<Node, Part>()
  readonly #outputs: ReadonlySet<Node>
  readonly #users = new Map<Node, Node[]>()

  constructor(graph: Graph) {
    this.#outputs = new Set(graph.outputs)
    for (const node of topological(graph.outputs))
      for (const operand of node.operands) {
        const list = this.#users.get(operand)
        if (list) list.push(node)
        else this.#users.set(operand, [node])
      }
  }

  /** Where an argument is. */
  readonly found = (argument: Argument): Argument =>
    argument.kind === 'node'
      ? (this.#parts.get(argument.node) ?? argument)
      : argument.kind === 'part'
        ? this.#within(argument)
        : argument

  readonly #moved = new Map<Part, Part>()
  #within(part: Part): Part {
    const of = this.found(part.of)
    if (of === part.of) return part
    const known = this.#moved.get(part) ?? { ...part, of }
    this.#moved.set(part, known)
    return known
  }

  /** Results of the program have memory of their own. */
  mayBePart(node: Node): boolean {
    return node.op !== 'input' && !this.#outputs.has(node) && !this.#parts.has(node)
  }

  /** Whether nothing but the loop uses a node, and once. */
  isOwn(node: Node, results: readonly Node<'scan'>[]): boolean {
    const users = this.#users.get(node) ?? []
    const once = results[0]!.operands.filter((operand) => operand === node).length === 1
    return (
      once &&
      this.mayBePart(node) &&
      node.op !== 'scan' &&
      users.every((user) => results.includes(user as Node<'scan'>))
    )
  }

  put(node: Node, part: Part): void {
    this.#parts.set(node, part)
  }
}

/** Its launches, and the nodes that hold its results, one each. */
type LowerBody = (body: Graph) => { readonly launches: readonly Lowered[]; readonly graph: Graph }

export function lowerScan({ results }: ScanGroup, memory: ScanMemory, lowerBody: LowerBody, target: Target): Lowered[] {
  const loop = loopOf(results[0]!)
  const { inputs, outputs } = loop.body.graph
  const { length, reverse } = loop
  const carries = loop.carries.length
  const repeated: Loop = { count: length }
  const resultOf = new Map(results.map((node) => [node.attrs.result, node]))
  const before: Lowered[] = []
  /** By node of the body. */
  const places = new Map<Node, Argument>()
  /** What the body computes, one for each place it writes. */
  const written: { readonly node: Node; readonly place: Argument }[] = []
  const rowsKept = new Set<number>()

  loop.carries.forEach((initial, k) => {
    const { dtype, shape } = initial.type
    const size = sizeOf(shape)
    const isRow = (node: Node, j: number): boolean => {
      const result = resultOf.get(j)
      return j >= carries && !rowsKept.has(j) && outputs[j] === node && !!result && memory.mayBePart(result)
    }
    const after = [...outputs.keys()].filter((j) => isRow(outputs[k]!, j))
    const ahead = [...outputs.keys()].filter((j) => isRow(inputs[k]!, j) && !after.includes(j))
    const kept = after.length + ahead.length > 0
    for (const j of [...after, ...ahead]) rowsKept.add(j)
    const rows: Scratch = { kind: 'scratch', dtype, length: size * (kept ? length + 1 : 2) }
    const part = (start: number, count = 1): Part => ({
      kind: 'part',
      of: rows,
      dtype,
      length: count * size,
      start: start * size,
    })
    const moving = (start: number, by: number): Part => ({
      ...part(start),
      step: { loop: repeated, by: by * size, alternating: !kept },
    })
    // Rows stand in the order of the slices.
    const backwards = kept && reverse
    const first = part(backwards ? length : 0)
    if (memory.isOwn(initial, results)) memory.put(initial, first)
    else
      before.push({
        kernel: copyKernel(dtype, size, target, 'carry'),
        arguments: [{ kind: 'node', node: initial }, first],
        plain: true,
      })
    places.set(inputs[k]!, kept ? moving(backwards ? length : 0, backwards ? -1 : 1) : moving(0, 1))
    const next = kept ? moving(backwards ? length - 1 : 1, backwards ? -1 : 1) : moving(1, -1)
    written.push({ node: outputs[k]!, place: next })
    const last = resultOf.get(k)
    if (last) memory.put(last, part(kept ? (backwards ? 0 : length) : length % 2))
    for (const j of after) memory.put(resultOf.get(j)!, part(backwards ? 0 : 1, length))
    for (const j of ahead) memory.put(resultOf.get(j)!, part(backwards ? 1 : 0, length))
  })

  const slice = (of: Argument, { type }: Node): Part => {
    const size = sizeOf(type.shape)
    const step = { loop: repeated, by: reverse ? -size : size, alternating: false }
    return { kind: 'part', of, dtype: type.dtype, length: size, start: reverse ? (length - 1) * size : 0, step }
  }
  loop.slices.forEach((node, i) => {
    const inside = inputs[carries + i]!
    places.set(inside, slice({ kind: 'node', node }, inside))
  })
  loop.invariants.forEach((node, i) => {
    places.set(inputs[carries + loop.slices.length + i]!, { kind: 'node', node })
  })
  outputs.forEach((node, j) => {
    const result = resultOf.get(j)
    if (j >= carries && result && !rowsKept.has(j))
      written.push({ node, place: slice({ kind: 'node', node: result }, node) })
  })
  if (length === 0) return before

  const body = { inputs, outputs: written.map(({ node }) => node) }
  return [
    ...before,
    ...repeat(
      body,
      written.map(({ place }) => place),
      places,
      repeated,
      lowerBody,
    ),
  ]
}

/** The launches of a body, with what it takes and gives in place of its own nodes. */
function repeat(
  body: Graph,
  results: readonly Argument[],
  places: ReadonlyMap<Node, Argument>,
  loop: Loop,
  lowerBody: LowerBody,
): Lowered[] {
  const { launches, graph } = lowerBody(body)
  const known = new Map<Node | Argument, Argument>(places)
  graph.outputs.forEach((node, i) => {
    known.set(node, results[i]!)
  })
  const outer = (argument: Argument): Argument => {
    const key = argument.kind === 'node' ? argument.node : argument
    let found = known.get(key)
    if (found) return found
    if (argument.kind === 'node') {
      const { dtype, shape } = argument.node.type
      found = { kind: 'scratch', dtype, length: sizeOf(shape), loop }
    } else if (argument.kind === 'scratch') found = argument.loop ? argument : { ...argument, loop }
    else found = { ...argument, of: outer(argument.of) }
    known.set(key, found)
    return found
  }
  return launches.map((launch) => ({
    ...launch,
    arguments: launch.arguments.map(outer),
    loops: [loop, ...(launch.loops ?? [])],
  }))
}

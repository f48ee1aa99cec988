/**
 * @file Loops: a body run again and again, its carries going from iteration to iteration. In: a Loop. Out: one node for
 * each of its results; nodes of the same body and operands are results of one loop, which runs once.
 *
 * scan({ body, carries: [h0], slices: [xs], invariants: [w], length: 10, reverse: false }) → [last h, all ys]
 */
import { type Body, bodyOf, dependents } from './body.js'
import { make, type Node, topological } from './node.js'
import { opInfo } from './op.js'

export interface Loop {
  /** (carries..., slices..., invariants...) → (carries..., results' slices...) */
  readonly body: Body
  /** Before the first iteration. */
  readonly carries: readonly Node[]
  /** [length, ...]: iteration i gets slice i, or length − 1 − i where the loop is reversed. */
  readonly slices: readonly Node[]
  readonly invariants: readonly Node[]
  readonly length: number
  readonly reverse: boolean
}

/** The carries after the last iteration, then the stacked results. */
export const scan = (loop: Loop): Node[] => loop.body.graph.outputs.map((_, result) => scanResult(loop, result))

export const scanResult = (
  { body, carries, slices, invariants, length, reverse }: Loop,
  result: number,
): Node<'scan'> =>
  make('scan', [...carries, ...slices, ...invariants], {
    body,
    carries: carries.length,
    slices: slices.length,
    length,
    reverse,
    result,
  })

/** The loop that a node is a result of. */
export function loopOf({ operands, attrs }: Node<'scan'>): Loop {
  const { body, carries, slices, length, reverse } = attrs
  return {
    body,
    carries: operands.slice(0, carries),
    slices: operands.slice(carries, carries + slices),
    invariants: operands.slice(carries + slices),
    length,
    reverse,
  }
}

/** Whether two nodes are results of one loop. */
export const ofOneLoop = (a: Node<'scan'>, b: Node<'scan'>): boolean =>
  a === b ||
  (a.attrs.carries === b.attrs.carries &&
    a.attrs.slices === b.attrs.slices &&
    a.attrs.length === b.attrs.length &&
    a.attrs.reverse === b.attrs.reverse &&
    a.operands.length === b.operands.length &&
    a.operands.every((operand, i) => operand === b.operands[i]) &&
    (a.attrs.body === b.attrs.body || a.attrs.body.text === b.attrs.body.text))

/** Of each result of a loop, all results of that loop that are among the nodes, in their order. */
export function loopsAmong(nodes: Iterable<Node>): Map<Node, readonly Node<'scan'>[]> {
  const loops = new Map<Node, Node<'scan'>[]>()
  const byOperand = new Map<Node, Node<'scan'>[][]>()
  for (const node of nodes) {
    if (node.op !== 'scan') continue
    const one = node as Node<'scan'>
    const candidates = byOperand.get(one.operands[0]!) ?? []
    byOperand.set(one.operands[0]!, candidates)
    let loop = candidates.find(([first]) => ofOneLoop(first!, one))
    if (!loop) candidates.push((loop = []))
    loop.push(one)
    loops.set(one, loop)
  }
  return loops
}

/**
 * A loop from nodes: `outputs` in terms of `inputs` (one for each carry, then one for each slice) and of anything else. What
 * does not depend on the inputs is computed once, before the loop: it becomes an invariant. Views stay in the body, where
 * they cost nothing, and so do constants.
 */
export function closeLoop(
  inputs: readonly Node[],
  outputs: readonly Node[],
  operands: Omit<Loop, 'body' | 'invariants'>,
): Loop {
  const order = topological(outputs)
  const inside = dependents(order, inputs)
  const values = dependents(order, [...order.filter((node) => node.op === 'input'), ...inputs])
  const invariants = new Set<Node>()
  const add = (outer: Node): void => {
    let node = outer
    while (opInfo[node.op].category === 'view' && node.operands.length === 1) node = node.operands[0]!
    if (values.has(node) || !isCheap(node)) invariants.add(node)
    else for (const operand of node.operands) add(operand)
  }
  for (const node of order)
    if (inside.has(node)) for (const operand of node.operands) if (!inside.has(operand)) add(operand)
  for (const output of outputs) if (!inside.has(output)) add(output)
  return { ...operands, invariants: [...invariants], body: bodyOf([...inputs, ...invariants], outputs) }
}

/** Made of constants, this may as well be made where it is used. */
const isCheap = (node: Node): boolean =>
  ['leaf', 'unary', 'binary', 'ternary', 'view'].includes(opInfo[node.op].category) && node.op !== 'input'

/**
 * @file The first node whose operands are finite and whose value is not. In: a graph after all passes over graphs, what its
 * inputs are, the nodes that were found not to be finite. Out: that node, with the values that went in and came out.
 *
 * All values of the step are computed once more, by programs that only count: the bits are those of the step itself. The search
 * then goes back from what was found, from a node that is not finite to an operand that is not: so an infinity that is meant,
 * as in a mask, and that went nowhere, is passed by.
 */
import { isFloat, type TypedArray } from '../base/dtype.js'
import type { ValueStatistics } from '../base/non-finite.js'
import { compilePrepared } from '../compile.js'
import { relaxedMadd } from '../emit/wasm/features.js'
import { type Graph, isOp, type Node, topological } from '../graph/node.js'
import type { Op } from '../graph/op.js'
import { compare, convert, full, reduce, unary } from '../graph/ops.js'
import type { NumericsMode } from '../numerics/arithmetic.js'
import { statisticsOf } from './statistics.js'

/** Where a value was first not finite. */
export interface Located {
  readonly node: Node
  /** Statistics of its operands, and of its value. */
  readonly inputs: readonly ValueStatistics[]
  readonly output: ValueStatistics
  /** The root from which it was found, and whether there is NaN in it, or only infinities. */
  readonly root: Node
  readonly value: 'NaN' | 'infinite'
}

/** Elements that are not finite. */
interface Bad {
  readonly nan: number
  readonly infinite: number
}

/** Ops whose elements are those of their first operand. */
const views: ReadonlySet<Op> = new Set<Op>(['reshape', 'broadcast', 'transpose', 'reverse', 'barrier', 'stopGradient'])
/** Ops that move elements: an infinity that was written down is still one after them. */
const moves: ReadonlySet<Op> = new Set<Op>([
  ...views,
  'select',
  'concatenate',
  'pad',
  'slice',
  'gather',
  'windows',
  'add',
  'maximum',
  'minimum',
])
/** A program that counts gives two numbers a node: more nodes than this go into several. */
const mostAtOnce = 400

/** Runs parts of a step on given inputs. */
class Values {
  readonly #graph: Graph
  readonly #inputs: ReadonlyMap<Node, TypedArray>
  readonly #mode: NumericsMode

  constructor(graph: Graph, inputs: readonly TypedArray[], mode: NumericsMode) {
    this.#graph = graph
    this.#inputs = new Map(graph.inputs.map((node, i) => [node, inputs[i]!]))
    this.#mode = mode
  }

  of(outputs: readonly Node[]): TypedArray[] {
    const needed = new Set(topological(outputs))
    const inputs = this.#graph.inputs.filter((node) => needed.has(node))
    const engine = this.#mode === 'fused' && !relaxedMadd() ? 'interpreter' : 'wasm'
    const settings = { once: true, engine, numerics: this.#mode } as const
    const none = inputs.map(() => undefined)
    const program = compilePrepared({ inputs, outputs }, new Map(), none, settings)
    return program.run(
      inputs.map((node) => this.#inputs.get(node)!),
      outputs.length,
    )
  }

  /** An input's value is at hand. */
  given(node: Node): TypedArray | undefined {
    return this.#inputs.get(node)
  }
}

/**
 * `groups`: nodes of which some are not finite, in order of interest: the loss, the gradients, what the step assigns. Undefined
 * where all are finite.
 */
export function locate(
  graph: Graph,
  inputs: readonly TypedArray[],
  groups: readonly (readonly Node[])[],
  mode: NumericsMode,
): Located | undefined {
  const values = new Values(graph, inputs, mode)
  const known = new Map<Node, Bad | undefined>()
  for (const group of groups) {
    const order = topological(group)
    count(values, order, known)
    // Of gradients the last: backpropagation came to it first.
    const root = [...group].reverse().find((node) => known.get(node))
    if (!root) continue
    const node = search(root, order, known)
    const operands = node.operands.map(seenThrough)
    const wanted = [...new Set([...operands, node])].filter((one) => !values.given(one) && !isOp(one, 'constant'))
    const computed = wanted.length > 0 ? values.of(wanted) : []
    const statistics = (one: Node): ValueStatistics => {
      const constant = isOp(one, 'constant') ? Float64Array.of(one.attrs.value) : undefined
      return statisticsOf(one.type, values.given(one) ?? constant ?? computed[wanted.indexOf(one)]!)
    }
    const value = known.get(root)!.nan > 0 ? 'NaN' : 'infinite'
    return { node, inputs: operands.map(statistics), output: statistics(node), root, value }
  }
  return undefined
}

/** Below broadcasts and reshapes, where there are as many elements as were computed. */
function seenThrough(node: Node): Node {
  let now = node
  while (isOp(now, 'broadcast') || isOp(now, 'reshape')) now = now.operands[0]!
  return now
}

/** Fills in what is not finite in each node of a group. */
function count(values: Values, order: readonly Node[], known: Map<Node, Bad | undefined>): void {
  const counted: Node[] = []
  for (const node of order) {
    if (known.has(node) || !isFloat(node.type.dtype) || views.has(node.op)) continue
    const given = values.given(node) ?? (isOp(node, 'constant') ? Float64Array.of(node.attrs.value) : undefined)
    if (given) known.set(node, badOf(statisticsOf(node.type, given)))
    else counted.push(node)
  }
  for (let from = 0; from < counted.length; from += mostAtOnce) {
    const some = counted.slice(from, from + mostAtOnce)
    const numbers = values.of(
      some.flatMap((node) => [howMany(compare('notEqual', node, node)), howMany(infinite(node))]),
    )
    some.forEach((node, i) => {
      known.set(node, badOf({ nan: numbers[2 * i]![0]!, infinite: numbers[2 * i + 1]![0]! }))
    })
  }
  for (const node of order) if (!known.has(node) && views.has(node.op)) known.set(node, known.get(node.operands[0]!))
}

const badOf = ({ nan, infinite }: Bad): Bad | undefined => (nan + infinite > 0 ? { nan, infinite } : undefined)
const infinite = (node: Node): Node =>
  compare('equal', unary('abs', node), full(Number.POSITIVE_INFINITY, node.type.dtype, node.type.shape))

function howMany(mask: Node): Node {
  const ones = convert(mask, 'int32')
  const { length } = mask.type.shape
  return length === 0 ? ones : reduce('sum', ones, [...Array(length).keys()])
}

/** Back from what is not finite to what made it so. */
function search(root: Node, order: readonly Node[], known: ReadonlyMap<Node, Bad | undefined>): Node {
  const place = new Map(order.map((node, i) => [node, i]))
  // Infinities that were written down, and only moved since; NaN that was, until it is chosen.
  const meant = new Set<Node>()
  for (const node of order) {
    const bad = known.get(node)
    if (!bad) continue
    const from = node.operands.filter((operand) => known.get(operand))
    const isMove = (bad.nan > 0 ? views : moves).has(node.op) || (isOp(node, 'reduce') && node.attrs.kind !== 'sum')
    const isMoved = isMove && from.every((one) => meant.has(one))
    if (isOp(node, 'constant') || (isMoved && from.length > 0)) meant.add(node)
  }
  let now = root
  for (;;) {
    const bad = now.operands.filter((operand) => known.get(operand) && !meant.has(operand))
    const nan = known.get(now)!.nan > 0 ? bad.filter((operand) => known.get(operand)!.nan > 0) : []
    const candidates = nan.length > 0 ? nan : bad
    if (candidates.length === 0) return now
    now = candidates.reduce((first, one) => (place.get(one)! < place.get(first)! ? one : first))
  }
}

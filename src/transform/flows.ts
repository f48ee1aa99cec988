/**
 * @file The sum of what flows back to a node. In: cotangents of one type. Out: one node.
 *
 * What flows back through a slice is a piece among zeros. The pieces of q, k and v, or of an LSTM's gates, together fill the
 * whole: put end to end they are written once, where their sum would write the whole for each of them, and read it again.
 * total([pad(a, [0], [2]), pad(b, [2], [0])]) → concatenate([a, b])
 */
import { isOp, type Node } from '../graph/node.js'
import { add, concatenate, pad } from '../graph/ops.js'

/** Elements `from` to `to` along an axis, among zeros. */
interface Piece {
  readonly whole: Node
  readonly inner: Node
  readonly axis: number
  readonly from: number
  readonly to: number
}

/** The sum in the given order, pieces last; a piece is joined with the one that begins where it ends, along the same axis. */
export function total(flows: readonly Node[]): Node {
  const pieces = flows.length > 1 ? flows.map(pieceOf) : []
  const axes = new Set(pieces.flatMap((piece) => (piece ? [piece.axis] : [])))
  const joined = [...axes].flatMap((axis) => runsOf(pieces.filter((piece) => piece?.axis === axis) as Piece[], axis))
  const others = flows.filter((_, i) => !pieces[i])
  return [...others, ...joined].reduce((sum, flow) => add(sum, flow))
}

function runsOf(pieces: readonly Piece[], axis: number): Node[] {
  const left = [...pieces].sort((a, b) => a.from - b.from)
  const result: Node[] = []
  while (left.length > 0) {
    const run = [left.shift()!]
    for (;;) {
      const next = left.findIndex((piece) => piece.from === run[run.length - 1]!.to)
      if (next < 0) break
      run.push(...left.splice(next, 1))
    }
    result.push(run.length === 1 ? run[0]!.whole : endToEnd(run, axis))
  }
  return result
}

function pieceOf(flow: Node): Piece | undefined {
  if (!isOp(flow, 'pad') || flow.attrs.value !== 0 || flow.attrs.interior.some((n) => n !== 0)) return undefined
  const { low, high } = flow.attrs
  const [axis, ...others] = low.flatMap((n, i) => (n !== 0 || high[i] !== 0 ? [i] : []))
  if (axis === undefined || others.length > 0) return undefined
  const inner = flow.operands[0]!
  const extent = inner.type.shape[axis]!
  return extent > 0 ? { whole: flow, inner, axis, from: low[axis]!, to: low[axis]! + extent } : undefined
}

function endToEnd(run: readonly Piece[], axis: number): Node {
  const { shape } = run[0]!.whole.type
  const along = (n: number) => shape.map((_, i) => (i === axis ? n : 0))
  const inner = concatenate(
    run.map((piece) => piece.inner),
    axis,
  )
  const [low, high] = [run[0]!.from, shape[axis]! - run[run.length - 1]!.to]
  return low === 0 && high === 0 ? inner : pad(inner, along(low), along(high))
}

/**
 * @file einsum: sums of products, told by letters. In: an equation and operands. Out: contractions, two operands at a time
 * from left to right, each after what only it has and nobody needs is summed.
 *
 * einsum('bqd,bkd->bqk', queries, keys) is queries · keysᵀ for each b.
 */
import { describeValue } from '../base/describe.js'
import { isFloat } from '../base/dtype.js'
import { DtypeError, ShapeError, ValueError } from '../base/errors.js'
import { formatShape, type Shape } from '../base/shape.js'
import type { Node } from '../graph/node.js'
import * as ops from '../graph/ops.js'
import { expectTensor } from './arguments.js'
import { record, type Tensor } from './tensor.js'

/**
 * Σ of products of elements, by Einstein's convention: each operand's axes are named by letters, equal letters go together,
 * and letters that the result does not name are summed over. As torch.einsum:
 * - without `->` the result has, in alphabetical order, the letters that stand once;
 * - `...` stands for axes that are not named, which are aligned from the right and broadcast, and come first without `->`;
 * - a letter twice in one operand takes its diagonal;
 * - an axis of size 1 goes with any size.
 * Sums go in the order of contractions (segments of 512). Throws, pointing into the equation, where it does not fit.
 * Examples: 'ij,jk->ik' matrix product, 'ii->' trace, 'i,j->ij' outer product, '...ij->...ji' transpose, 'bij,bij->b' dot products.
 */
export function einsum(equation: string, ...operands: readonly Tensor[]): Tensor<Shape> {
  if (typeof equation !== 'string')
    throw new ValueError('einsum', `the equation is ${describeValue(equation)}, not a text`, {
      hint: "Write einsum('ij,jk->ik', a, b).",
    })
  operands.forEach((operand, i) => {
    expectTensor('einsum', `operand ${i + 1}`, operand)
  })
  return record(operands, (...nodes) => einsumNodes(equation, nodes))
}

/** A node whose axes have labels: letters, or `.0`, `.1`, … for axes of an ellipsis, counted from the right. */
interface Labelled {
  readonly node: Node
  readonly labels: readonly string[]
}

function einsumNodes(equation: string, nodes: readonly Node[]): Node {
  const { terms, result } = parse(equation, nodes)
  const sizes = new Map<string, number>()
  const fault = (message: string, at: number, length = 1) => faultAt(equation, message, at, length)
  for (const [k, { labels, places }] of terms.entries())
    labels.forEach((label, axis) => {
      const extent = nodes[k]!.type.shape[axis]!
      const known = sizes.get(label) ?? 1
      if (known !== 1 && extent !== 1 && known !== extent)
        throw new ShapeError(
          'einsum',
          fault(
            `${nameOf(label)} is ${known} and, in operand ${k + 1} ${formatShape(nodes[k]!.type.shape)}, ${extent}`,
            places[axis]!,
          ),
        )
      if (!sizes.has(label) || known === 1) sizes.set(label, extent)
    })
  for (const { dtype } of nodes.map(({ type }) => type))
    if (dtype !== nodes[0]!.type.dtype || !isFloat(dtype))
      throw new DtypeError(
        'einsum',
        `operands must all be float32 or all float64, not ${nodes.map((n) => n.type.dtype).join(', ')}`,
        {
          hint: "Convert with .cast('float32').",
        },
      )

  const ready = terms.map(({ labels }, k) => stretchless(diagonals({ node: nodes[k]!, labels }), sizes))
  let left = ready[0]!
  for (let k = 1; k < ready.length; k++) {
    const later = new Set([...result, ...ready.slice(k + 1).flatMap((other) => other.labels)])
    left = contractPair(left, ready[k]!, later)
  }
  left = keepOnly(left, new Set(result))
  // A label of size 1 everywhere, or one that an operand lacks by now, comes back as a stretched axis.
  const ordered = result.filter((label) => left.labels.includes(label))
  const moved = ops.transpose(
    left.node,
    ordered.map((label) => left.labels.indexOf(label)),
  )
  const shape = result.map((label) => sizes.get(label)!)
  return ops.broadcast(
    moved,
    shape,
    ordered.map((label) => result.indexOf(label)),
  )
}

interface Term {
  readonly labels: readonly string[]
  /** Where in the equation each label stands. */
  readonly places: readonly number[]
}

function parse(equation: string, nodes: readonly Node[]): { terms: Term[]; result: string[] } {
  const fault = (message: string, at: number, length = 1) => faultAt(equation, message, at, length)
  const arrow = equation.indexOf('->')
  const inputs = arrow < 0 ? equation : equation.slice(0, arrow)
  let at = 0
  const texts = inputs.split(',').map((text) => {
    const start = at
    at += text.length + 1
    return { text, start }
  })
  if (texts.length !== nodes.length)
    throw new ValueError('einsum', `'${equation}' names ${texts.length} operands, and ${nodes.length} are given`)
  const symbols = (text: string, start: number): { symbol: string; at: number }[] => {
    const list: { symbol: string; at: number }[] = []
    for (let i = 0; i < text.length; i++) {
      const symbol = text.startsWith('...', i) ? '...' : text[i]!
      if (symbol === ' ') continue
      if (symbol !== '...' && !/[A-Za-z]/.test(symbol))
        throw new ValueError('einsum', fault(`'${symbol}' is no letter`, start + i), {
          hint: "Axes are letters, operands stand between commas, and '...' is for axes without names.",
        })
      if (symbol === '...' && list.some((other) => other.symbol === '...'))
        throw new ValueError('einsum', fault('there is a second ellipsis in one term', start + i, 3))
      list.push({ symbol, at: start + i })
      i += symbol.length - 1
    }
    return list
  }

  let widest = 0
  const terms = texts.map(({ text, start }, k): Term => {
    const list = symbols(text, start)
    const { shape } = nodes[k]!.type
    const named = list.filter(({ symbol }) => symbol !== '...').length
    const hidden = shape.length - named
    const hasEllipsis = named < list.length
    if (hidden < 0 || (hidden > 0 && !hasEllipsis))
      throw new ShapeError(
        'einsum',
        fault(
          `operand ${k + 1} is ${formatShape(shape)}, and ${named} axes are named`,
          start,
          Math.max(1, text.length),
        ),
        hidden > 0 ? { hint: "'...' stands for axes without names." } : {},
      )
    widest = Math.max(widest, hidden)
    const labels: string[] = []
    const places: number[] = []
    for (const { symbol, at } of list)
      for (const label of symbol === '...' ? ellipsis(hidden) : [symbol]) {
        labels.push(label)
        places.push(at)
      }
    return { labels, places }
  })

  const counts = new Map<string, number>()
  for (const label of terms.flatMap(({ labels }) => labels)) counts.set(label, (counts.get(label) ?? 0) + 1)
  if (arrow < 0) {
    const once = [...counts].filter(([label, count]) => count === 1 && !label.startsWith('.')).map(([label]) => label)
    return { terms, result: [...ellipsis(widest), ...once.sort()] }
  }
  const result: string[] = []
  for (const { symbol, at } of symbols(equation.slice(arrow + 2), arrow + 2)) {
    if (symbol !== '...' && !counts.has(symbol))
      throw new ValueError('einsum', fault(`'${symbol}' is in no operand`, at))
    if (result.includes(symbol)) throw new ValueError('einsum', fault(`'${symbol}' stands twice in the result`, at))
    result.push(...(symbol === '...' ? ellipsis(widest) : [symbol]))
  }
  if (widest > 0 && !result.includes('.0'))
    throw new ValueError('einsum', fault("the axes of '...' are missing from the result", arrow + 2, equation.length), {
      hint: "Write '...' there too, and sum afterwards.",
    })
  return { terms, result }
}

const ellipsis = (count: number): string[] => Array.from({ length: count }, (_, i) => `.${count - 1 - i}`)
const nameOf = (label: string): string => (label.startsWith('.') ? "an axis of '...'" : `'${label}'`)

/** The message, and the equation with what is meant in brackets: `'q' is in no operand: ij,jk->i[q]`. */
const faultAt = (equation: string, message: string, at: number, length: number): string =>
  `${message}: ${equation.slice(0, at)}[${equation.slice(at, at + length)}]${equation.slice(at + length)}`

/** One axis for labels that stand twice: rows and columns next to each other, of which every (n + 1)st element is taken. */
function diagonals({ node, labels }: Labelled): Labelled {
  const twice = labels.find((label, i) => labels.indexOf(label) !== i)
  if (twice === undefined) return { node, labels }
  const [a, b] = [labels.indexOf(twice), labels.indexOf(twice, labels.indexOf(twice) + 1)]
  const others = labels.map((_, i) => i).filter((i) => i !== a && i !== b)
  // An axis of size 1 goes with any other: it is stretched.
  const n = Math.max(node.type.shape[a]!, node.type.shape[b]!)
  const square = ops.broadcastTo(
    node,
    node.type.shape.map((extent, i) => (i === a || i === b ? n : extent)),
  )
  const moved = ops.transpose(square, [...others, a, b])
  const rest = others.map((i) => node.type.shape[i]!)
  const flat = ops.reshape(moved, [...rest, n * n])
  const zeros = rest.map(() => 0)
  const taken = ops.slice(flat, [...zeros, 0], [...rest, n * n], [...rest.map(() => 1), n + 1])
  return diagonals({ node: taken, labels: [...others.map((i) => labels[i]!), twice] })
}

/** Without axes of size 1 whose label is longer elsewhere. */
function stretchless({ node, labels }: Labelled, sizes: ReadonlyMap<string, number>): Labelled {
  const kept = labels.map((_, i) => i).filter((i) => node.type.shape[i] === sizes.get(labels[i]!))
  return {
    node: ops.reshape(
      node,
      kept.map((i) => node.type.shape[i]!),
    ),
    labels: kept.map((i) => labels[i]!),
  }
}

/** Summed over all labels but these. */
function keepOnly({ node, labels }: Labelled, wanted: ReadonlySet<string>): Labelled {
  const summed = labels.map((_, i) => i).filter((i) => !wanted.has(labels[i]!))
  return { node: ops.reduce('sum', node, summed), labels: labels.filter((label) => wanted.has(label)) }
}

/** The product of two, summed over what they share and nobody needs later. */
function contractPair(a: Labelled, b: Labelled, later: ReadonlySet<string>): Labelled {
  const left = keepOnly(a, new Set([...b.labels, ...later]))
  const right = keepOnly(b, new Set([...left.labels, ...later]))
  const common = left.labels.filter((label) => right.labels.includes(label))
  const batch = common.filter((label) => later.has(label))
  const inner = common.filter((label) => !later.has(label))
  const axes = (of: Labelled, labels: readonly string[]) => labels.map((label) => of.labels.indexOf(label))
  const free = (of: Labelled) => of.labels.filter((label) => !common.includes(label))
  return {
    node: ops.contract(left.node, right.node, {
      lhsBatch: axes(left, batch),
      rhsBatch: axes(right, batch),
      lhsContract: axes(left, inner),
      rhsContract: axes(right, inner),
    }),
    labels: [...batch, ...free(left), ...free(right)],
  }
}

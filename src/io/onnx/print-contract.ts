/**
 * @file Products and convolutions as ONNX operators: Gemm where both sides are matrices, MatMul elsewhere, Conv; a bias that
 * is added to one becomes its third input.
 */
import { ValueError } from '../../base/errors.js'
import { isOp, type Node } from '../../graph/node.js'
import { perChannel } from './print-norm.js'
import type { Printer, Value } from './printer.js'
import { broadcastSizes, formatSizes, isFixed, isOne, product, type Size, type Sizes, sameSize } from './sizes.js'

const others = (rank: number, taken: readonly number[]): number[] =>
  Array.from({ length: rank }, (_, axis) => axis).filter((axis) => !taken.includes(axis))
const isNatural = (axes: readonly number[]): boolean => axes.every((axis, i) => axis === i)

export function printContract(p: Printer, node: Node<'contract'>): Value | string {
  const gemm = asGemm(p, node, undefined)
  if (gemm !== undefined) return gemm
  const [lhs, rhs] = node.operands as [Node, Node]
  const { lhsBatch, rhsBatch, lhsContract, rhsContract } = node.attrs
  const [left, right] = [lhs.type.shape.length, rhs.type.shape.length]
  if (lhsBatch.length === 0 && lhsContract.length === 1 && right === 2) {
    const [inner] = lhsContract as [number]
    const a = permuted(p, lhs, [...others(left, [inner]), inner])
    const b = permuted(p, rhs, rhsContract[0] === 0 ? [0, 1] : [1, 0])
    return p.emit('MatMul', [a, b])
  }
  const lhsFree = others(left, [...lhsBatch, ...lhsContract])
  const rhsFree = others(right, [...rhsBatch, ...rhsContract])
  const a = operand(p, lhs, lhsBatch, lhsFree, lhsContract)
  const b = operand(p, rhs, rhsBatch, rhsContract, rhsFree)
  const name = p.emit('MatMul', [a.name, b.name])
  const [m, n] = [a.shape[a.shape.length - 2]!, b.shape[b.shape.length - 1]!]
  const shape = [...broadcastSizes(a.shape.slice(0, -2), b.shape.slice(0, -2)), m, n]
  if (lhsFree.length === 1 && rhsFree.length === 1) return { name, shape }
  // The batch axes are whole here: what has several free axes was not left unbroadcast.
  return p.reshape(name, shape, p.shape(node))
}

/** A product of matrices, with each side as it is stored, and what is to be added. */
export function asGemm(p: Printer, node: Node<'contract'>, bias: Value | undefined): string | undefined {
  const [lhs, rhs] = node.operands as [Node, Node]
  const { lhsBatch, lhsContract, rhsContract } = node.attrs
  if (lhsBatch.length > 0 || lhsContract.length !== 1) return undefined
  if (lhs.type.shape.length !== 2 || rhs.type.shape.length !== 2) return undefined
  const a = stored(lhs, lhsContract[0] === 0)
  const b = stored(rhs, rhsContract[0] === 1)
  return p.emit('Gemm', [p.full(a.node), p.full(b.node), ...(bias ? [bias.name] : [])], {
    ...(a.flipped ? { transA: { int: 1 } } : {}),
    ...(b.flipped ? { transB: { int: 1 } } : {}),
  })
}

/** A matrix through its transposes. */
function stored(node: Node, flipped: boolean): { node: Node; flipped: boolean } {
  while (isOp(node, 'transpose')) {
    node = node.operands[0]!
    flipped = !flipped
  }
  return { node, flipped }
}

function permuted(p: Printer, node: Node, axes: readonly number[]): string {
  return isNatural(axes) ? p.full(node) : p.emit('Transpose', [p.full(node)], { perm: { ints: axes } })
}

/** [...batch, ...rows, ...columns] with one axis each of rows and columns, as MatMul takes it. */
function operand(
  p: Printer,
  node: Node,
  batch: readonly number[],
  rows: readonly number[],
  columns: readonly number[],
): Value {
  const axes = [...batch, ...rows, ...columns]
  const shape = p.shape(node)
  if (isNatural(axes) && rows.length === 1 && columns.length === 1) {
    // Batches that are only broadcast need not be made: MatMul broadcasts too.
    const value = p.value(node)
    const whole = value.shape.length >= 2 && [1, 2].every((i) => sameSize(value.shape.at(-i)!, shape.at(-i)!))
    return whole ? value : { name: p.full(node), shape }
  }
  const name = permuted(p, node, axes)
  const sizes = axes.map((axis) => shape[axis]!)
  const together = (part: readonly number[]): Size => {
    const size = product(part.map((axis) => shape[axis]!))
    if (!size)
      throw new ValueError('exportOnnx', `a product over axes [${part}] of ${formatSizes(shape)} has the batch twice`, {
        hint: 'Write { dynamicBatch: false } to export the network for the batch size of the input.',
      })
    return size
  }
  const wanted: Sizes = [...batch.map((axis) => shape[axis]!), together(rows), together(columns)]
  return { name: p.reshape(name, sizes, wanted), shape: wanted }
}

/** x · w + b, or a convolution's, where b is one number a column or channel and nothing else needs the product. */
export function withBias(p: Printer, node: Node<'add'>): string | undefined {
  for (const [i, operand] of node.operands.entries()) {
    const other = node.operands[1 - i]!
    if (p.uses(operand) !== 1 || operand === other) continue
    const bias = p.value(other)
    const shape = p.shape(node)
    if (isOp(operand, 'contract') && bias.shape.length <= 2 && !p.isScalar(bias)) {
      const fits = sameSize(bias.shape.at(-1)!, shape.at(-1)!) && bias.shape.slice(0, -1).every(isOne)
      const gemm = fits ? asGemm(p, operand, bias) : undefined
      if (gemm !== undefined) return gemm
    }
    if (isOp(operand, 'convolution')) {
      const source = perChannel(other, 1)
      if (source) return printConvolution(p, operand, p.full(source))
    }
  }
  return undefined
}

export function printConvolution(p: Printer, node: Node<'convolution'>, bias: string | undefined): string {
  const [x, w] = node.operands as [Node, Node]
  const { strides, dilations, groups } = node.attrs
  const spatial = strides.map((_, i) => i)
  const at = (what: 'low' | 'high') =>
    spatial.map((i) => p.family.number(node, 'the padding', (n) => n.attrs[what][i]!))
  const [low, high] = [at('low'), at('high')]
  let name = p.full(x)
  if ([...low, ...high].some((n) => n < 0)) {
    const shape = p.shape(x)
    const cut = spatial.filter((i) => low[i]! < 0 || high[i]! < 0)
    const starts = cut.map((i) => Math.max(0, -low[i]!))
    const ends = cut.map((i) => {
      const extent = shape[i + 2]!
      if (!isFixed(extent)) throw new ValueError('exportOnnx', 'a convolution over the batch cannot be exported')
      return extent.fixed - Math.max(0, -high[i]!)
    })
    name = p.emit('Slice', [name, p.int64(starts), p.int64(ends), p.int64(cut.map((i) => i + 2))])
  }
  const pads = [...low, ...high].map((n) => Math.max(0, n))
  return p.emit('Conv', [name, p.full(w), ...(bias ? [bias] : [])], {
    kernel_shape: { ints: w.type.shape.slice(2) },
    strides: { ints: strides },
    pads: { ints: pads },
    dilations: { ints: dilations },
    group: { int: groups },
  })
}

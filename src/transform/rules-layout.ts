/**
 * @file Rules about where elements are: views of views, views that change nothing, empty tensors, transposes that a
 * contraction can read through. None touches a value.
 */
import { type Shape, sizeOf } from '../base/shape.js'
import { identityOf } from '../graph/identity.js'
import { isOp, type Node } from '../graph/node.js'
import { type Op, opInfo } from '../graph/op.js'
import { broadcast, concatenate, contract, full, reduce, reshape, reverse, slice, transpose } from '../graph/ops.js'
import { type Rule, rule } from './rewrite.js'
import { uniformValue } from './rules-arithmetic.js'

const computed = (Object.keys(opInfo) as Op[]).filter((op) => op !== 'input')

export const layoutRules: readonly Rule[] = [
  rule(computed, 'no elements → zeros', ({ node }) => {
    if (sizeOf(node.type.shape) > 0 || uniformValue(node) !== undefined) return undefined
    return full(0, node.type.dtype, node.type.shape)
  }),
  rule('iota', 'index along an axis of size 1 → 0', ({ node, attrs }) =>
    attrs.shape[attrs.axis] === 1 ? full(0, node.type.dtype, attrs.shape) : undefined,
  ),

  rule('reshape', 'reshape(reshape x) → reshape x', ({ x: [x], attrs }) =>
    isOp(x!, 'reshape') ? reshape(x.operands[0]!, attrs.shape) : undefined,
  ),
  rule('reshape', 'reshape(scalar) → broadcast(scalar)', ({ x: [x], attrs }) =>
    x!.type.shape.length === 0 ? broadcast(x!, attrs.shape, []) : undefined,
  ),
  rule('reshape', 'reshape(broadcast of one element) → broadcast', ({ x: [x], attrs }) =>
    isOp(x!, 'broadcast') && sizeOf(x.operands[0]!.type.shape) === 1
      ? broadcast(reshape(x.operands[0]!, []), attrs.shape, [])
      : undefined,
  ),

  rule('broadcast', 'broadcast(broadcast x) → broadcast x', ({ x: [x], attrs }) =>
    isOp(x!, 'broadcast')
      ? broadcast(
          x.operands[0]!,
          attrs.shape,
          x.attrs.axes.map((axis) => attrs.axes[axis]!),
        )
      : undefined,
  ),
  rule('broadcast', 'broadcast that adds axes of size 1 only → reshape', ({ x: [x], attrs }) =>
    x!.type.shape.length > 0 && sizeOf(x!.type.shape) === sizeOf(attrs.shape) ? reshape(x!, attrs.shape) : undefined,
  ),
  rule('broadcast', 'broadcast(reshape x) → broadcast x, where axes of size 1 come and go', ({ x: [x], attrs }) =>
    isOp(x!, 'reshape') ? broadcastThrough(x, attrs.shape, attrs.axes) : undefined,
  ),

  rule('transpose', 'transpose(transpose x) → transpose x', ({ x: [x], attrs }) =>
    isOp(x!, 'transpose')
      ? transpose(
          x.operands[0]!,
          attrs.permutation.map((axis) => x.attrs.permutation[axis]!),
        )
      : undefined,
  ),
  rule('transpose', 'transpose that moves axes of size 1 only → reshape', ({ node, x: [x], attrs }) => {
    const moved = attrs.permutation.filter((axis) => x!.type.shape[axis] !== 1)
    return isAscending(moved) ? reshape(x!, node.type.shape) : undefined
  }),
  rule('transpose', 'transpose(broadcast x) → broadcast(transpose x)', ({ node, x: [x], attrs }) => {
    if (!isOp(x!, 'broadcast')) return undefined
    const axes = x.attrs.axes.map((axis) => attrs.permutation.indexOf(axis))
    const order = axes.map((_, i) => i).sort((i, j) => axes[i]! - axes[j]!)
    return broadcast(
      transpose(x.operands[0]!, order),
      node.type.shape,
      order.map((i) => axes[i]!),
    )
  }),
  rule('transpose', '(A × B)ᵀ → B × A, where free axes trade places and nothing else needs A × B', (match) => {
    const { x, attrs, consumers } = match
    const product = x[0]!
    if (!isOp(product, 'contract') || consumers(product) !== 1) return undefined
    const [lhs, rhs] = product.operands as [Node, Node]
    const { lhsBatch, lhsContract, rhsBatch, rhsContract } = product.attrs
    const rank = product.type.shape.length
    const batch = lhsBatch.length
    const middle = lhs.type.shape.length - lhsContract.length
    const swapped = [...range(0, batch), ...range(middle, rank), ...range(batch, middle)]
    if (!swapped.every((axis, i) => attrs.permutation[i] === axis)) return undefined
    return contract(rhs, lhs, {
      lhsBatch: rhsBatch,
      rhsBatch: lhsBatch,
      lhsContract: rhsContract,
      rhsContract: lhsContract,
    })
  }),

  rule('slice', 'slice of all → x', ({ x: [x], attrs }) =>
    x!.type.shape.every((n, i) => attrs.start[i] === 0 && attrs.limit[i] === n && (attrs.stride[i] === 1 || n <= 1))
      ? x
      : undefined,
  ),
  rule('slice', 'slice(slice x) → slice x', ({ node, x: [x], attrs }) => {
    if (!isOp(x!, 'slice')) return undefined
    const inner = x.attrs
    const start = inner.start.map((s, i) => s + attrs.start[i]! * inner.stride[i]!)
    const stride = inner.stride.map((s, i) => s * attrs.stride[i]!)
    const limit = start.map((s, i) => s + (node.type.shape[i]! - 1) * stride[i]! + 1)
    return slice(x.operands[0]!, start, limit, stride)
  }),
  rule('slice', 'slice(broadcast x) → broadcast(slice x)', ({ node, x: [x], attrs }) => {
    if (!isOp(x!, 'broadcast')) return undefined
    const source = x.operands[0]!
    const { axes } = x.attrs
    const pick = (list: readonly number[], whole: number) =>
      axes.map((axis, i) => (source.type.shape[i] === 1 ? whole : list[axis]!))
    const part = slice(source, pick(attrs.start, 0), pick(attrs.limit, 1), pick(attrs.stride, 1))
    return broadcast(part, node.type.shape, axes)
  }),
  rule('reverse', 'reverse of axes of size 1, or of copies → x', ({ x: [x], attrs }) => {
    const axes = attrs.axes.filter((axis) => x!.type.shape[axis]! > 1 && !isCopied(x!, axis))
    return axes.length < attrs.axes.length ? reverse(x!, axes) : undefined
  }),
  rule('reverse', 'reverse(reverse x) → reverse x', ({ x: [x], attrs }) => {
    if (!isOp(x!, 'reverse')) return undefined
    const inner = x.attrs.axes
    return reverse(x.operands[0]!, [
      ...inner.filter((axis) => !attrs.axes.includes(axis)),
      ...attrs.axes.filter((axis) => !inner.includes(axis)),
    ])
  }),
  rule('pad', 'pad by nothing → x', ({ x: [x], attrs }) =>
    x!.type.shape.every((n, i) => attrs.low[i] === 0 && attrs.high[i] === 0 && (attrs.interior[i] === 0 || n <= 1))
      ? x
      : undefined,
  ),
  rule('pad', 'pad c with c → c', ({ node, x: [x], attrs }) =>
    sizeOf(x!.type.shape) === 0 || Object.is(uniformValue(x!), attrs.value)
      ? full(attrs.value, node.type.dtype, node.type.shape)
      : undefined,
  ),
  rule('concatenate', 'concatenate leaves out empty parts', ({ x, attrs }) => {
    const parts = x.filter((part) => part.type.shape[attrs.axis]! > 0)
    return parts.length < x.length || x.length === 1 ? concatenate(parts, attrs.axis) : undefined
  }),

  rule('reduce', 'an empty reduction → its identity', ({ node, x: [x], attrs }) =>
    sizeOf(x!.type.shape) === 0
      ? full(identityOf(attrs.kind, node.type.dtype), node.type.dtype, node.type.shape)
      : undefined,
  ),
  rule('reduce', 'reduce over axes of size 1 → reshape (−0 + x = x)', ({ x: [x], attrs }) => {
    const { shape } = x!.type
    const axes = attrs.axes.filter((axis) => shape[axis] !== 1)
    if (axes.length === attrs.axes.length) return undefined
    const isDropped = (axis: number) => attrs.axes.includes(axis) && shape[axis] === 1
    const kept = shape.map((_, axis) => axis).filter((axis) => !isDropped(axis))
    const squeezed = reshape(
      x!,
      kept.map((axis) => shape[axis]!),
    )
    return axes.length === 0
      ? squeezed
      : reduce(
          attrs.kind,
          squeezed,
          axes.map((axis) => kept.indexOf(axis)),
        )
  }),
  rule('contract', 'an empty product → 0', ({ node, x: [lhs], attrs }) =>
    attrs.lhsContract.some((axis) => lhs!.type.shape[axis] === 0)
      ? full(0, node.type.dtype, node.type.shape)
      : undefined,
  ),
  rule('contract', 'Aᵀ × B → A × B with other axes, where free axes keep their order', ({ x: [lhs, rhs], attrs }) => {
    const left = throughTranspose(lhs!, attrs.lhsBatch, attrs.lhsContract)
    const right = throughTranspose(rhs!, attrs.rhsBatch, attrs.rhsContract)
    if (!left && !right) return undefined
    return contract(left?.x ?? lhs!, right?.x ?? rhs!, {
      lhsBatch: left?.batch ?? attrs.lhsBatch,
      rhsBatch: right?.batch ?? attrs.rhsBatch,
      lhsContract: left?.inner ?? attrs.lhsContract,
      rhsContract: right?.inner ?? attrs.rhsContract,
    })
  }),
]

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i)

const isAscending = (list: readonly number[]): boolean => list.every((n, i) => i === 0 || n > list[i - 1]!)

/** Whether all elements along an axis are copies of one. */
function isCopied(x: Node, axis: number): boolean {
  if (!isOp(x, 'broadcast')) return false
  const from = x.attrs.axes.indexOf(axis)
  return from < 0 || x.operands[0]!.type.shape[from] === 1
}

/**
 * Broadcasts x where a reshape of x that only adds or drops axes of size 1 was to be broadcast. An axis of size 1 that
 * x has and the reshape lacks needs a place between its neighbours in the result; without one there is no such broadcast.
 */
function broadcastThrough(view: Node<'reshape'>, shape: Shape, axes: readonly number[]): Node | undefined {
  const x = view.operands[0]!
  const targets = axes.filter((_, i) => view.type.shape[i] !== 1)
  const extents = view.type.shape.filter((n) => n !== 1)
  const isVarying = x.type.shape.filter((n) => n !== 1)
  if (isVarying.length !== extents.length || isVarying.some((n, i) => n !== extents[i])) return undefined
  const result: number[] = []
  let next = 0
  for (const extent of x.type.shape) {
    const last = result[result.length - 1] ?? -1
    const place = extent === 1 ? last + 1 : targets[next++]!
    if (place <= last || place >= shape.length) return undefined
    result.push(place)
  }
  return broadcast(x, shape, result)
}

/** The axes of x that a contraction of transpose(x) works on; undefined where its free axes would change places. */
function throughTranspose(x: Node, batch: readonly number[], inner: readonly number[]) {
  if (!isOp(x, 'transpose')) return undefined
  const { permutation } = x.attrs
  const free = permutation.filter((_, axis) => !batch.includes(axis) && !inner.includes(axis))
  if (!isAscending(free)) return undefined
  const before = (axes: readonly number[]) => axes.map((axis) => permutation[axis]!)
  return { x: x.operands[0]!, batch: before(batch), inner: before(inner) }
}

/**
 * @file Reductions and windows as ONNX operators. A reduction over the windows of the last axes is a pooling; windows that
 * are anything else's operand are gathered axis by axis.
 */
import { ValueError } from '../../base/errors.js'
import { isOp, type Node } from '../../graph/node.js'
import type { ReduceKind } from '../../graph/op.js'
import type { Printer, Value } from './printer.js'
import { fixed, isFixed, type Size } from './sizes.js'

const reductions: { readonly [K in ReduceKind]: string } = {
  sum: 'ReduceSum',
  maximum: 'ReduceMax',
  minimum: 'ReduceMin',
}

export function printReduce(p: Printer, node: Node<'reduce'>, keepAxes: boolean): string {
  const { kind, axes } = node.attrs
  const x = node.operands[0]!
  const attributes = { keepdims: { int: keepAxes ? 1 : 0 } }
  if (node.type.dtype !== 'bool') return p.emit(reductions[kind], [p.full(x), p.int64(axes)], attributes)
  const numbers = p.cast(p.full(x), 'int32')
  return p.cast(p.emit(reductions[kind], [numbers, p.int64(axes)], attributes), 'bool')
}

/** A pooling, where the node reduces the windows of the last axes of floats; else undefined. */
export function unpooled(p: Printer, node: Node<'reduce'>): Value | string | undefined {
  const reduced = node.operands[0]!
  // Windows' axes may have been brought to the front.
  const windows = isOp(reduced, 'transpose') ? reduced.operands[0]! : reduced
  if (!isOp(windows, 'windows') || p.uses(reduced) !== 1 || p.uses(windows) !== 1) return undefined
  const x = windows.operands[0]!
  const { axes, sizes, strides, dilations } = windows.attrs
  const rank = x.type.shape.length
  const first = rank - axes.length
  const order = isOp(reduced, 'transpose') ? reduced.attrs.permutation : windows.type.shape.map((_, axis) => axis)
  const gone = node.attrs.axes.map((axis) => order[axis]!)
  const left = order.filter((axis) => !gone.includes(axis))
  const ofWindows =
    gone.length === axes.length && gone.every((axis) => axis >= rank) && left.every((axis, i) => axis === i)
  if (!ofWindows || axes.some((axis, i) => axis !== first + i) || node.type.dtype !== 'float32') return undefined
  // ONNX pools [n, channels, ...places]: other leading axes become these.
  const shape = p.shape(x)
  const lead = [...shape.slice(0, first)]
  let name = p.full(x)
  if (lead.length !== 2) {
    const pair: Size[] =
      lead.length < 2 ? [...Array.from({ length: 2 - lead.length }, () => fixed(1)), ...lead] : twoOf(lead)
    name = p.reshape(name, shape, [...pair, ...shape.slice(first)])
  }
  const pooled = pool(p, node.attrs.kind, name, { sizes, strides, dilations })
  const result = p.shape(node)
  return lead.length === 2 ? pooled : p.reshape(pooled, [], result)
}

/** [a, b, c, ...] as [a, b·c·...]; the batch, if it is there, is the first. */
function twoOf(lead: readonly Size[]): Size[] {
  const rest = lead.slice(1)
  if (!rest.every(isFixed))
    throw new ValueError('exportOnnx', 'a pooling whose second axis is the batch cannot be exported')
  return [lead[0]!, fixed(rest.reduce((n, size) => n * size.fixed, 1))]
}

interface Windows {
  readonly sizes: readonly number[]
  readonly strides: readonly number[]
  readonly dilations: readonly number[]
}

function pool(p: Printer, kind: ReduceKind, name: string, windows: Windows): string {
  const { sizes, strides, dilations } = windows
  const attributes = { kernel_shape: { ints: sizes }, strides: { ints: strides } }
  const dilated = { ...attributes, dilations: { ints: dilations } }
  if (kind === 'maximum') return p.emit('MaxPool', [name], dilated)
  if (kind === 'minimum') return p.emit('Neg', [p.emit('MaxPool', [p.emit('Neg', [name])], dilated)])
  const count = sizes.reduce((n, size) => n * size, 1)
  if (dilations.every((d) => d === 1))
    return p.emit('Mul', [p.emit('AveragePool', [name], attributes), p.scalar('float32', count)])
  throw new ValueError('exportOnnx', 'an average pooling with dilation cannot be exported')
}

/** Each axis in turn: the places and sizes of its windows by their positions, then all windows' axes last. */
export function printWindows(p: Printer, node: Node<'windows'>): string {
  const x = node.operands[0]!
  const { axes, sizes, strides, dilations } = node.attrs
  const rank = x.type.shape.length
  const places = p.shape(node)
  let name = p.full(x)
  // From the last axis to the first, so that the axes before keep their places.
  for (const w of axes.map((_, i) => i).sort((a, b) => axes[b]! - axes[a]!)) {
    const count = places[axes[w]!]!
    if (!isFixed(count)) throw new ValueError('exportOnnx', 'windows over the batch cannot be exported')
    const positions = Array.from({ length: count.fixed * sizes[w]! }, (_, i) => {
      const [place, k] = [Math.floor(i / sizes[w]!), i % sizes[w]!]
      return place * strides[w]! + k * dilations[w]!
    })
    name = p.emit('Gather', [name, p.int64(positions, [count.fixed, sizes[w]!])], { axis: { int: axes[w]! } })
  }
  // Axis a is now followed by its window's axis.
  const at = (axis: number) => axis + axes.filter((other) => other < axis).length
  const permutation = [...Array.from({ length: rank }, (_, axis) => at(axis)), ...axes.map((axis) => at(axis) + 1)]
  return p.emit('Transpose', [name], { perm: { ints: permutation } })
}

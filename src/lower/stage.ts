/**
 * @file Stages: what computes one stored node. In: a root node, and which nodes are stored. Out: its iteration domain
 * and a straight list of steps that computes one element from elements of stored nodes, views having become affine
 * offsets. `relu(transpose(x) + b)` is three steps and two accesses, whatever the shapes.
 */
import { type Shape, sizeOf, stridesOf } from '../base/shape.js'
import { isOp, type Node } from '../graph/node.js'
import { isElementwise, opInfo } from '../graph/op.js'

/** constant + Σ coefficients[d] · (index of domain axis d) */
export interface Offset {
  readonly constant: number
  readonly coefficients: readonly number[]
}

/** An element of a stored node, at a row-major offset. */
export interface Access {
  readonly node: Node
  readonly offset: Offset
  /** The element is in a row that is known when the program runs: any element of the node may be meant. */
  readonly anyRow?: true
}

export type Step =
  | { readonly kind: 'access'; readonly access: Access; readonly key: string }
  /** An element of a row: `row` is the step that gives its number, clamped to 0..extent − 1, `stride` its length. */
  | {
      readonly kind: 'gather'
      readonly access: Access
      readonly row: number
      readonly extent: number
      readonly stride: number
      readonly key: string
    }
  | { readonly kind: 'constant'; readonly node: Node<'constant'>; readonly key: string }
  | { readonly kind: 'iota'; readonly node: Node<'iota'>; readonly at: Offset; readonly key: string }
  | { readonly kind: 'op'; readonly node: Node; readonly operands: readonly number[]; readonly key: string }

export interface Stage {
  readonly root: Node
  readonly kind: 'map' | 'rowReduce' | 'columnReduce'
  /** Extents of the loops, without axes of size 1. Of a reduction: kept axes, then reduced ones. */
  readonly domain: readonly number[]
  /** How many of the domain's axes are kept; all of them for a map. */
  readonly kept: number
  /** The last step is the value to store, or to reduce. */
  readonly steps: readonly Step[]
  /** Where the result is stored, over the kept axes. */
  readonly store: Offset
  /** How a step over the same domain that reads the result is named. */
  readonly storeKey: string
}

/** Thrown when an index is not affine; the named node must be stored for its consumer to be lowered. */
export class MustStore {
  readonly node: Node
  constructor(node: Node) {
    this.node = node
  }
}

const zero = (rank: number): Offset => ({ constant: 0, coefficients: new Array<number>(rank).fill(0) })

const add = (a: Offset, b: Offset): Offset => ({
  constant: a.constant + b.constant,
  coefficients: a.coefficients.map((c, d) => c + b.coefficients[d]!),
})
const scale = (a: Offset, by: number, plus = 0): Offset => ({
  constant: a.constant * by + plus,
  coefficients: a.coefficients.map((c) => c * by || 0),
})

/** The step with its offsets changed. */
export function moveStep(step: Step, move: (offset: Offset) => Offset): Step {
  if (step.kind === 'access' || step.kind === 'gather')
    return { ...step, access: { ...step.access, offset: move(step.access.offset) } }
  return step.kind === 'iota' ? { ...step, at: move(step.at) } : step
}

/** The stage with its domain's axes in another order: axis i is its axis order[i]. */
export function turnedStage(stage: Stage, order: readonly number[]): Stage {
  const turn = <T>(list: readonly T[]): T[] => order.map((axis) => list[axis]!)
  const move = ({ constant, coefficients }: Offset): Offset => ({ constant, coefficients: turn(coefficients) })
  return {
    ...stage,
    domain: turn(stage.domain),
    store: move(stage.store),
    steps: stage.steps.map((step) => moveStep(step, move)),
  }
}

/** The offsets of a stage's steps. */
export const offsetsOf = (stage: Stage): Offset[] =>
  stage.steps.flatMap((step) =>
    step.kind === 'access' || step.kind === 'gather' ? [step.access.offset] : step.kind === 'iota' ? [step.at] : [],
  )

const keyOf = (offset: Offset): string => `${offset.constant}+${offset.coefficients.join(',')}`

/** How a step that reads an element of a numbered node is named. */
export const accessKey = (id: number | undefined, offset: Offset): string => `${id}[${keyOf(offset)}]`

/** Domain axes for a shape: those of size other than 1, and each axis's coordinate in terms of them. */
export function domainOf(shape: Shape): { domain: number[]; coordinates: Offset[] } {
  const axes = shape.flatMap((extent, axis) => (extent === 1 ? [] : [axis]))
  const coordinates = shape.map((_, axis) => {
    const at = zero(axes.length)
    const d = axes.indexOf(axis)
    return d < 0 ? at : { constant: 0, coefficients: at.coefficients.map((_, i) => (i === d ? 1 : 0)) }
  })
  return { domain: axes.map((axis) => shape[axis]!), coordinates }
}

export const linearize = (shape: Shape, coordinates: readonly Offset[], rank: number): Offset =>
  stridesOf(shape).reduce((sum, stride, axis) => add(sum, scale(coordinates[axis]!, stride)), zero(rank))

/** Coordinates of a row-major offset in another shape, where each quotient is affine over the domain; else undefined. */
function delinearize(linear: Offset, shape: Shape, domain: readonly number[]): Offset[] | undefined {
  let rest = linear
  const coordinates: Offset[] = []
  for (const [axis, stride] of stridesOf(shape).entries()) {
    if (shape[axis] === 1) {
      coordinates.push(zero(domain.length))
      continue
    }
    const whole = rest.coefficients.map((c) => (c % stride === 0 ? c / stride : 0))
    const remainder: Offset = {
      constant: ((rest.constant % stride) + stride) % stride,
      coefficients: rest.coefficients.map((c) => (c % stride === 0 ? 0 : c)),
    }
    const highest = remainder.coefficients.reduce(
      (sum, c, d) => sum + Math.max(0, c) * (domain[d]! - 1),
      remainder.constant,
    )
    const lowest = remainder.coefficients.reduce(
      (sum, c, d) => sum + Math.min(0, c) * (domain[d]! - 1),
      remainder.constant,
    )
    if (highest >= stride || lowest < 0) return undefined
    coordinates.push({ constant: (rest.constant - remainder.constant) / stride, coefficients: whole })
    rest = remainder
  }
  return coordinates
}

/** The coordinates of an operand's element that a view reads for an element of its result. */
function through(view: Node, at: readonly Offset[], domain: readonly number[]): Offset[] | undefined {
  const operand = view.operands[0]!
  const shape = operand.type.shape
  if (isOp(view, 'broadcast'))
    return shape.map((extent, i) => (extent === 1 ? zero(domain.length) : at[view.attrs.axes[i]!]!))
  if (isOp(view, 'transpose')) {
    const out: Offset[] = []
    view.attrs.permutation.forEach((axis, i) => {
      out[axis] = at[i]!
    })
    return out
  }
  if (isOp(view, 'barrier') || isOp(view, 'custom')) return [...at]
  if (isOp(view, 'slice')) return at.map((c, i) => scale(c, view.attrs.stride[i]!, view.attrs.start[i]!))
  if (isOp(view, 'windows')) {
    const { axes, strides, dilations } = view.attrs
    return shape.map((_, axis) => {
      const w = axes.indexOf(axis)
      return w < 0 ? at[axis]! : add(scale(at[axis]!, strides[w]!), scale(at[shape.length + w]!, dilations[w]!))
    })
  }
  if (isOp(view, 'reverse')) return at.map((c, i) => (view.attrs.axes.includes(i) ? scale(c, -1, shape[i]! - 1) : c))
  return delinearize(linearize(view.type.shape, at, domain.length), shape, domain)
}

export const isView = (node: Node): boolean => opInfo[node.op].category === 'view'

/**
 * The steps that compute `node` at `coordinates` over `domain`; nodes for which `stored` holds are read.
 * Iterative: chains may be as long as they like. Throws MustStore where a reshape is not affine.
 */
export function stepsFor(
  node: Node,
  coordinates: readonly Offset[],
  domain: readonly number[],
  stored: (node: Node) => boolean,
  ids: ReadonlyMap<Node, number>,
): Step[] {
  const steps: Step[] = []
  const known = new Map<string, number>()
  interface Visit {
    readonly node: Node
    readonly at: readonly Offset[]
    readonly key: string
    operands: string[] | undefined
  }
  // Elementwise nodes pass on their coordinates: the text is made once.
  const texts = new Map<readonly Offset[], string>()
  const textOf = (at: readonly Offset[]): string => {
    let text = texts.get(at)
    if (text === undefined) texts.set(at, (text = at.map(keyOf).join(';')))
    return text
  }
  const visit = (of: Node, at: readonly Offset[]): Visit => ({
    node: of,
    at,
    key: `${ids.get(of)}@${textOf(at)}`,
    operands: undefined,
  })
  const push = (key: string, step: Step) => known.set(key, steps.push(step) - 1)
  const stack = [visit(node, coordinates)]
  while (stack.length > 0) {
    const top = stack[stack.length - 1]!
    const { node: now, at, key } = top
    if (known.has(key)) {
      stack.pop()
    } else if (stored(now)) {
      const offset = linearize(now.type.shape, at, domain.length)
      const name = accessKey(ids.get(now), offset)
      push(key, { kind: 'access', access: { node: now, offset }, key: name })
      stack.pop()
    } else if (isOp(now, 'constant')) {
      push(key, { kind: 'constant', node: now, key })
      stack.pop()
    } else if (isOp(now, 'iota')) {
      push(key, { kind: 'iota', node: now, at: at[now.attrs.axis]!, key })
      stack.pop()
    } else if (isOp(now, 'gather')) {
      const [rows, numbers] = now.operands as readonly [Node, Node]
      let operand = rows
      // Rows of another shape stand where they stood.
      while (!stored(operand) && isOp(operand, 'reshape') && operand.operands[0]!.type.shape[0] === rows.type.shape[0])
        operand = operand.operands[0]!
      if (!stored(operand)) throw new MustStore(operand)
      const rank = numbers.type.shape.length
      if (!top.operands) {
        const next = visit(numbers, at.slice(0, rank))
        top.operands = [next.key]
        stack.push(next)
        continue
      }
      const [extent, ...rest] = rows.type.shape as [number, ...number[]]
      const access: Access = { node: operand, offset: linearize(rest, at.slice(rank), domain.length), anyRow: true }
      push(key, { kind: 'gather', access, row: known.get(top.operands[0]!)!, extent, stride: sizeOf(rest), key })
      stack.pop()
    } else if (top.operands) {
      const operands = top.operands.map((operand) => known.get(operand)!)
      if (isView(now)) known.set(key, operands[0]!)
      else push(key, { kind: 'op', node: now, operands, key })
      stack.pop()
    } else if (isView(now)) {
      const operand = now.operands[0]!
      if (isOp(now, 'reshape') && stored(operand)) {
        // A stored operand needs only the offset, which a reshape leaves alone.
        const offset = linearize(now.type.shape, at, domain.length)
        const name = accessKey(ids.get(operand), offset)
        push(key, { kind: 'access', access: { node: operand, offset }, key: name })
        stack.pop()
        continue
      }
      const inner = through(now, at, domain)
      if (!inner) throw new MustStore(operand)
      const next = visit(operand, inner)
      top.operands = [next.key]
      stack.push(next)
    } else {
      if (!isElementwise(now.op)) throw new MustStore(now)
      const next = now.operands.map((operand) => visit(operand, at))
      top.operands = next.map((operand) => operand.key)
      stack.push(...next.reverse())
    }
  }
  // The value of the node itself must come last.
  const last = known.get(`${ids.get(node)}@${textOf(coordinates)}`)!
  if (last !== steps.length - 1) steps.push({ ...steps[last]! })
  return steps
}

/** The stage that computes an elementwise node, a view to be copied, or a reduction. */
export function makeStage(root: Node, stored: (node: Node) => boolean, ids: ReadonlyMap<Node, number>): Stage {
  // The root itself is to be computed, not read.
  const others = (node: Node) => node !== root && stored(node)
  if (isOp(root, 'reduce')) {
    const operand = root.operands[0]!
    const shape = operand.type.shape
    const { axes } = root.attrs
    const inner = axes[axes.length - 1]! + 1
    const column = shape.slice(inner).some((extent) => extent !== 1)
    const keptAxes = shape.map((_, axis) => axis).filter((axis) => !axes.includes(axis))
    const order = [...keptAxes, ...axes].filter((axis) => shape[axis] !== 1)
    const domain = order.map((axis) => shape[axis]!)
    const unit = (axis: number): Offset => ({
      constant: 0,
      coefficients: order.map((other) => (other === axis ? 1 : 0)),
    })
    const kept = keptAxes.filter((axis) => shape[axis] !== 1).length
    const store = linearize(
      root.type.shape,
      keptAxes.map((axis) => unit(axis)),
      order.length,
    )
    const steps = stepsFor(
      operand,
      shape.map((_, axis) => unit(axis)),
      domain,
      others,
      ids,
    )
    return {
      root,
      kind: column ? 'columnReduce' : 'rowReduce',
      domain,
      kept,
      steps,
      store,
      storeKey: accessKey(ids.get(root), store),
    }
  }
  const { domain, coordinates } = domainOf(root.type.shape)
  const steps = stepsFor(root, coordinates, domain, others, ids)
  const store = linearize(root.type.shape, coordinates, domain.length)
  return { root, kind: 'map', domain, kept: domain.length, steps, store, storeKey: accessKey(ids.get(root), store) }
}

/** An affine view of a stored node: what a contraction reads in place. Undefined where the chain is not a pure view. */
export function viewOf(
  node: Node,
  stored: (node: Node) => boolean,
  ids: ReadonlyMap<Node, number>,
): { access: Access; strides: number[] } | undefined {
  const shape = node.type.shape
  const coordinates = shape.map((_, axis) => ({ constant: 0, coefficients: shape.map((_, i) => (i === axis ? 1 : 0)) }))
  const steps = stepsFor(node, coordinates, shape, stored, ids)
  const step = steps[steps.length - 1]!
  if (steps.length !== 1 || step.kind !== 'access') return undefined
  return { access: step.access, strides: [...step.access.offset.coefficients] }
}

/**
 * @file Batching: a program for one sample as a program for many. In: nodes, and for some of the nodes they depend on others
 * that have a batch axis in front. Out: the nodes with that axis. Each rule keeps the order of every sum: a batch has the bits
 * of its samples.
 *
 * batched([negate(x)], new Map([[x, xs]]), 5) → negate(xs), where x is [3] and xs [5,3]
 */
import type { Shape } from '../base/shape.js'
import { sizeOf } from '../base/shape.js'
import { bodyOf, substitute } from '../graph/body.js'
import { input, isOp, make, type Node, topological } from '../graph/node.js'
import { CustomRule, type Op, type OpAttrs } from '../graph/op.js'
import {
  add,
  argsort,
  barrier,
  binary,
  broadcast,
  concatenate,
  contract,
  convolution,
  cumulativeSum,
  custom,
  full,
  gather,
  iota,
  multiply,
  pad,
  reduce,
  reshape,
  reverse,
  scatterAdd,
  slice,
  transpose,
} from '../graph/ops.js'
import { loopOf } from '../graph/scan.js'
import type { CustomBackward, JointBackward } from './vjp.js'

export interface Batched {
  readonly node: Node
  /** Whether it has the axis; otherwise it is the same for the whole batch. */
  readonly isBatched: boolean
}

export function batched(outputs: readonly Node[], known: ReadonlyMap<Node, Node>, size: number): Batched[] {
  const done = new Map<Node, Node>(known)
  const shared: BatchedRules = new Map()
  // What waits for a sample though it does not depend on one.
  const waiting = new Map<Node, Node>()
  for (const node of topological(outputs)) {
    if (done.has(node)) continue
    const isBatched = node.operands.map((operand) => done.has(operand))
    const x = node.operands.map((operand) => done.get(operand) ?? waiting.get(operand) ?? operand)
    if (!isBatched.includes(true) || (isOp(node, 'barrier') && !isBatched[0])) {
      if (x.some((operand, i) => operand !== node.operands[i])) waiting.set(node, make(node.op, x, node.attrs))
      continue
    }
    const all = () => x.map((operand, i) => (isBatched[i] ? operand : stretched(operand, size)))
    const rule = rules[node.op] as BatchRule<Op>
    done.set(node, rule({ node, attrs: node.attrs, x, isBatched, all, size, shared }))
  }
  return outputs.map((node) => ({ node: done.get(node) ?? waiting.get(node) ?? node, isBatched: done.has(node) }))
}

/** With a batch axis of copies. */
export const stretched = (x: Node, size: number): Node =>
  broadcast(
    x,
    [size, ...x.type.shape],
    x.type.shape.map((_, axis) => axis + 1),
  )

interface Context<O extends Op> {
  /** As it was, without the axis. */
  readonly node: Node<O>
  readonly attrs: OpAttrs[O]
  /** Its operands, one of them at least with the axis. */
  readonly x: readonly Node[]
  readonly isBatched: readonly boolean[]
  /** Its operands, all with the axis. */
  readonly all: () => readonly Node[]
  readonly size: number
  readonly shared: BatchedRules
}
type BatchRule<O extends Op> = (context: Context<O>) => Node

const never = ({ node }: { readonly node: Node }): Node => {
  throw new Error(`${node.op} has no operands`)
}
const elementwise = ({ node, all }: Context<Op>): Node => make(node.op, all(), node.attrs)
const further = (axes: readonly number[]): number[] => axes.map((axis) => axis + 1)

const elementwiseRules = {
  negate: elementwise,
  abs: elementwise,
  floor: elementwise,
  round: elementwise,
  sqrt: elementwise,
  exp: elementwise,
  log: elementwise,
  expm1: elementwise,
  log1p: elementwise,
  tanh: elementwise,
  erf: elementwise,
  sin: elementwise,
  cos: elementwise,
  not: elementwise,
  stopGradient: elementwise,
  convert: elementwise,
  shiftLeft: elementwise,
  shiftRight: elementwise,
  add: elementwise,
  subtract: elementwise,
  multiply: elementwise,
  divide: elementwise,
  maximum: elementwise,
  minimum: elementwise,
  power: elementwise,
  and: elementwise,
  or: elementwise,
  xor: elementwise,
  compare: elementwise,
  select: elementwise,
  fma: elementwise,
  randomBits: elementwise,
}

const rules: { readonly [O in Op]: BatchRule<O> } = {
  ...(elementwiseRules as { readonly [O in keyof typeof elementwiseRules]: BatchRule<O> }),
  input: never,
  constant: never,
  iota: never,

  reshape: ({ x: [x], attrs, size }) => reshape(x!, [size, ...attrs.shape]),
  broadcast: ({ x: [x], attrs, size }) => broadcast(x!, [size, ...attrs.shape], [0, ...further(attrs.axes)]),
  transpose: ({ x: [x], attrs }) => transpose(x!, [0, ...further(attrs.permutation)]),
  slice: ({ x: [x], attrs, size }) => slice(x!, [0, ...attrs.start], [size, ...attrs.limit], [1, ...attrs.stride]),
  pad: ({ x: [x], attrs }) => pad(x!, [0, ...attrs.low], [0, ...attrs.high], attrs.value, [0, ...attrs.interior]),
  concatenate: ({ all, attrs }) => concatenate(all(), attrs.axis + 1),
  reverse: ({ x: [x], attrs }) => reverse(x!, further(attrs.axes)),
  windows: ({ x: [x], attrs }) => make('windows', [x!], { ...attrs, axes: further(attrs.axes) }),
  barrier: ({ x: [x, ...after] }) => barrier(x!, after),

  gather: ({ node, x, isBatched, all, size }) => {
    const [rows, numbers] = x as [Node, Node]
    if (!isBatched[0]) return gather(rows, numbers)
    const [count] = node.operands[0]!.type.shape
    const [xs, which] = all() as [Node, Node]
    return gather(joined(xs), ownRows(which, count!, size))
  },
  scatterAdd: ({ node, all, size }) => {
    const [x, numbers, updates] = all() as [Node, Node, Node]
    const [count] = node.type.shape
    return reshape(scatterAdd(joined(x), ownRows(numbers, count!, size), updates), x.type.shape)
  },
  cumulativeSum: ({ x: [x], attrs }) => cumulativeSum(x!, attrs.axis + 1, attrs.reverse, attrs.exclusive),
  argsort: ({ x: [x], attrs }) => argsort(x!, attrs.axis + 1, attrs.descending),
  custom: (context) => {
    const { x, isBatched, size } = context
    const [y, ...operands] = x as [Node, ...Node[]]
    const whole = isBatched[0] ? y : stretched(y, size)
    return custom(whole, operands, ruleFor(context), context.attrs.result)
  },

  reduce: ({ x: [x], attrs }) => reduce(attrs.kind, x!, further(attrs.axes)),
  contract: ({ x: [lhs, rhs], isBatched, attrs }) => {
    const { lhsBatch, rhsBatch, lhsContract, rhsContract } = attrs
    const left = isBatched[0] ? further : same
    const right = isBatched[1] ? further : same
    const both = isBatched[0] && isBatched[1] ? [0] : []
    const product = contract(lhs!, rhs!, {
      lhsBatch: [...both, ...left(lhsBatch)],
      rhsBatch: [...both, ...right(rhsBatch)],
      lhsContract: left(lhsContract),
      rhsContract: right(rhsContract),
    })
    if (both.length > 0) return product
    // The axis is the first free one of its operand.
    const before = isBatched[0] ? 0 : lhs!.type.shape.length - lhsBatch.length - lhsContract.length
    return toFront(product, lhsBatch.length + before)
  },
  // The loop of a batch: every carry has the axis, as it may have it after an iteration.
  scan: ({ node, x, isBatched, size }) => {
    const loop = loopOf(node)
    const { inputs, outputs } = loop.body.graph
    const [first, last] = [loop.carries.length, loop.carries.length + loop.slices.length]
    const has = inputs.map((_, i) => i < first || isBatched[i]!)
    const inside = inputs.map(({ type }, i) => input(type.dtype, has[i] ? [size, ...type.shape] : type.shape))
    const known = new Map(inputs.flatMap((one, i) => (has[i] ? [[one, inside[i]!] as const] : [])))
    const constant = new Map(inputs.flatMap((one, i) => (has[i] ? [] : [[one, inside[i]!] as const])))
    const all = batched(substitute(outputs, constant), known, size)
    const body = bodyOf(
      inside,
      all.map((one) => (one.isBatched ? one.node : stretched(one.node, size))),
    )
    const operands = x.map((operand, i) => {
      if (i >= first && i < last && has[i]) return swapped(operand)
      return i < first && !isBatched[i] ? stretched(operand, size) : operand
    })
    const result = make('scan', operands, { ...node.attrs, body })
    return node.attrs.result < first ? result : swapped(result)
  },
  convolution: ({ node, x, isBatched, all, attrs, size }) => {
    const { order: _, ...rest } = attrs
    const shape = [size, ...node.type.shape]
    // Samples of a batch are samples; kernels of a batch are groups of channels.
    if (!isBatched[1]) return reshape(convolution(joined(x[0]!), x[1]!, rest), shape)
    const [xs, ws] = all() as [Node, Node]
    const [, count, channels, ...spatial] = xs.type.shape as [number, number, number, ...number[]]
    const beside = reshape(toPlace(xs, 1), [count, size * channels, ...spatial])
    const out = convolution(beside, joined(ws), { ...rest, groups: size * attrs.groups })
    const [, features, ...places] = node.type.shape as [number, number, ...number[]]
    return toFront(reshape(out, [count, size, features, ...places]), 1)
  },
}

const same = (axes: readonly number[]): number[] => [...axes]

/** [size, n, ...rest] → [size · n, ...rest] */
function joined(x: Node): Node {
  const [size, n, ...rest] = x.type.shape as [number, number, ...number[]]
  return reshape(x, [size * n, ...rest])
}

/** Numbers of rows of each sample's own part of `joined`. */
function ownRows(numbers: Node, count: number, size: number): Node {
  const { shape } = numbers.type
  const whole = (value: number) => full(value, 'int32', shape)
  const clamped = binary('minimum', binary('maximum', numbers, whole(0)), whole(count - 1))
  return sizeOf(shape) === 0 || size === 1 ? clamped : add(clamped, multiply(iota('int32', shape, 0), whole(count)))
}

/** Another axis first, the others in their order. */
export const toFront = (x: Node, axis: number): Node => transpose(x, [axis, ...others(x.type.shape, axis)])

/** The first axis elsewhere. */
export function toPlace(x: Node, axis: number): Node {
  const order = others(x.type.shape, 0)
  return transpose(x, [...order.slice(0, axis), 0, ...order.slice(axis)])
}

const others = (shape: Shape, axis: number): number[] => shape.map((_, i) => i).filter((i) => i !== axis)

/** Rules of custom derivatives for one batch, by what they were made of: results of a joint one stay together. */
type BatchedRules = Map<CustomRule, { readonly x: readonly Node[]; readonly made: CustomRule }[]>

function ruleFor({ node, attrs: { rule }, isBatched, size, shared }: Context<'custom'>): CustomRule {
  const x = node.operands.slice(1)
  const has = isBatched.slice(1)
  if (!rule.joint) return batchedRule(rule, has, size)
  const others = shared.get(rule) ?? []
  shared.set(rule, others)
  const known = others.find((other) => other.x.every((operand, i) => operand === x[i]))
  if (known) return known.made
  const made = batchedRule(rule, has, size)
  others.push({ x, made })
  return made
}

/** A rule for a batch: what a sample's operand gets is summed where all samples share it. */
function batchedRule(rule: CustomRule, has: readonly boolean[], size: number): CustomRule {
  const whole = (known: Map<Node, Node>, flows: readonly (Node | undefined)[]) =>
    flows.map((flow, k) => {
      if (!flow) return undefined
      const [one] = batched([flow], known, size)
      const copies = one!.isBatched ? one!.node : stretched(one!.node, size)
      return has[k] ? copies : reduce('sum', copies, [0])
    })
  /** A leaf for one sample of what has the axis. */
  const sampleOf = (known: Map<Node, Node>, all: Node): Node => {
    const leaf = input(all.type.dtype, all.type.shape.slice(1))
    known.set(leaf, all)
    return leaf
  }
  const samples = (known: Map<Node, Node>, all: readonly Node[]) =>
    all.map((operand, k) => (has[k] ? sampleOf(known, operand) : operand))
  if (rule.joint)
    return new CustomRule((context: Parameters<JointBackward>[0]) => {
      const known = new Map<Node, Node>()
      const g = context.g.map((one) => one && sampleOf(known, one))
      return whole(known, (rule.backward as JointBackward)({ x: samples(known, context.x), g }))
    }, true)
  return new CustomRule((context: Parameters<CustomBackward>[0]) => {
    const known = new Map<Node, Node>()
    const [y, g] = [sampleOf(known, context.y), sampleOf(known, context.g)]
    return whole(known, (rule.backward as CustomBackward)({ x: samples(known, context.x), y, g }))
  })
}

/** The first two axes in each other's place. */
const swapped = (x: Node): Node => transpose(x, [1, 0, ...x.type.shape.slice(2).map((_, i) => i + 2)])

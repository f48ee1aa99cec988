/**
 * @file The interpreter: what a program means, to the last bit. In: a Graph and one typed array an input. Out: one
 * typed array an output. Slow and obvious; every engine is checked against it. Sums go in the order each node states.
 *
 * interpret({ inputs: [x], outputs: [exp(x)] }, [new Float32Array([0, 1])], 'fused') → [Float32Array [1, 2.7182817]]
 */
import { allocate, type DType, isFloat, roundTo, type TypedArray } from '../base/dtype.js'
import { ValueError } from '../base/errors.js'
import { type Shape, sizeOf, stridesOf } from '../base/shape.js'
import type { FloatArithmetic, NumericsMode } from '../numerics/arithmetic.js'
import * as elementary from '../numerics/elementary.js'
import { fmaFloat32, roundEven, scalarArithmetic, words } from '../numerics/scalar.js'
import { rounds, threefry2x32 } from '../numerics/threefry.js'
import type { Body } from './body.js'
import { type Graph, type Node, topological } from './node.js'
import type { Direction, Op, OpAttrs, Order, ReduceKind } from './op.js'
import { formatType } from './types.js'

export function interpret(graph: Graph, inputs: readonly TypedArray[], mode: NumericsMode): TypedArray[] {
  const values = new Map<Node, TypedArray>()
  const loops = new Map<Body, Known[]>()
  if (inputs.length !== graph.inputs.length)
    throw new ValueError('interpret', `the program takes ${graph.inputs.length} inputs, not ${inputs.length}`)
  graph.inputs.forEach((node, i) => {
    const expected = allocate(node.type.dtype, 0)
    const array = inputs[i]!
    if (array.constructor !== expected.constructor || array.length !== sizeOf(node.type.shape))
      throw new ValueError('interpret', `input ${i} is ${formatType(node.type)}, not ${describe(array)}`)
    values.set(node, isFloat(node.type.dtype) ? array.map(canonical) : array)
  })
  for (const node of topological(graph.outputs)) {
    if (values.has(node)) continue
    values.set(
      node,
      evaluate(
        node,
        node.operands.map((operand) => values.get(operand)!),
        mode,
        loops,
      ),
    )
  }
  return graph.outputs.map((node) => values.get(node)!.slice())
}

const describe = (array: TypedArray): string => `${array.constructor.name} of ${array.length}`

/** The value of one node, given its operands' values. */
export function evaluate(
  node: Node,
  operands: readonly TypedArray[],
  mode: NumericsMode,
  loops: Map<Body, Known[]> = new Map(),
): TypedArray {
  const rule = rules[node.op] as Evaluate
  const element = rule({ node, operands, mode, loops })
  const size = sizeOf(node.type.shape)
  const out = allocate(node.type.dtype, size)
  for (let i = 0; i < size; i++) {
    out[i] = canonical(element(i))
  }
  return out
}

/** One NaN for all: no op exposes payloads. */
const canonical = (x: number): number => (Number.isNaN(x) ? Number.NaN : x)

/** Prepares a node's evaluation and returns the element at a row-major position. */
type Evaluate<O extends Op = Op> = (context: {
  readonly node: Node<O>
  readonly operands: readonly TypedArray[]
  readonly mode: NumericsMode
  /** Loops that have run on some operands: their other results need not run them again. */
  readonly loops: Map<Body, Known[]>
}) => (position: number) => number

interface Known {
  readonly operands: readonly TypedArray[]
  readonly results: readonly TypedArray[]
}

/** What each op computes; attributes' meanings stand in op.ts. */
const rules: { readonly [O in Op]: Evaluate<O> } = {
  input: ({ node }) => {
    throw new ValueError('interpret', `an input of type ${formatType(node.type)} is not bound`)
  },
  constant:
    ({ node }) =>
    () =>
      node.attrs.value,
  iota: ({ node }) => {
    const at = unravel(node.type.shape)
    const round = rounding(node.type.dtype)
    return (i) => round(at(i)[node.attrs.axis]!)
  },

  negate: unary((x, round) => round(-x)),
  abs: unary((x, round) => round(Math.abs(x))),
  floor: unary(Math.floor),
  round: unary(roundEven),
  sqrt: unary((x, round) => round(Math.sqrt(x))),
  exp: elementaryUnary(elementary.exp),
  log: elementaryUnary(elementary.log),
  expm1: elementaryUnary(elementary.expm1),
  log1p: elementaryUnary(elementary.log1p),
  tanh: elementaryUnary(elementary.tanh),
  erf: elementaryUnary(elementary.erf),
  sin: elementaryUnary(elementary.sin),
  cos: elementaryUnary(elementary.cos),
  not: ({ node, operands: [x] }) =>
    node.type.dtype === 'bool' ? (i) => +!x![i] : (i) => roundTo(node.type.dtype, ~x![i]!),
  stopGradient: unary((x) => x),
  convert: ({ node, operands: [x] }) => {
    const from = node.operands[0]!.type.dtype
    return (i) => convertValue(x![i]!, from, node.type.dtype)
  },
  shiftLeft:
    ({ node, operands: [x] }) =>
    (i) =>
      words.shiftLeft(x![i]!, node.attrs.by),
  shiftRight:
    ({ node, operands: [x] }) =>
    (i) =>
      words.shiftRight(x![i]!, node.attrs.by),

  add: binary((a, b, round) => round(a + b)),
  subtract: binary((a, b, round) => round(a - b)),
  multiply: ({ node, operands: [a, b] }) => {
    const { dtype } = node.type
    const round = rounding(dtype)
    // Integers wrap: only the low 32 bits of the product count.
    return isFloat(dtype) ? (i) => round(a![i]! * b![i]!) : (i) => round(Math.imul(a![i]!, b![i]!))
  },
  divide: binary((a, b, round) => round(a / b)),
  maximum: binary((a, b) => Math.max(a, b)),
  minimum: binary((a, b) => Math.min(a, b)),
  power: ({ node, operands: [a, b], mode }) => {
    const arithmetic = scalarArithmetic(floatDtype(node), mode)
    return (i) => elementary.power(arithmetic, a![i]!, b![i]!)
  },
  and: binary((a, b, round) => round(a & b)),
  or: binary((a, b, round) => round(a | b)),
  xor: binary((a, b, round) => round(a ^ b)),
  compare: ({ node, operands: [a, b] }) => {
    const holds = comparisons[node.attrs.direction]
    return (i) => +holds(a![i]!, b![i]!)
  },
  select:
    ({ operands: [mask, a, b] }) =>
    (i) =>
      mask![i] ? a![i]! : b![i]!,
  fma: ({ node, operands: [a, b, c], mode }) => {
    const fma = multiplyAdd(node.type.dtype, mode)
    return (i) => fma(a![i]!, b![i]!, c![i]!)
  },
  randomBits:
    ({ operands: [key0, key1, counter, stream] }) =>
    (i) =>
      threefry2x32(words, [key0![i]!, key1![i]!], [counter![i]!, stream![i]!], rounds)[0],

  reshape:
    ({ operands: [x] }) =>
    (i) =>
      x![i]!,
  broadcast: ({ node, operands: [x] }) => {
    const at = unravel(node.type.shape)
    const shape = node.operands[0]!.type.shape
    const strides = stridesOf(shape)
    return (i) => {
      const index = at(i)
      return x![node.attrs.axes.reduce((sum, axis, k) => sum + (shape[k] === 1 ? 0 : index[axis]! * strides[k]!), 0)]!
    }
  },
  transpose: ({ node, operands: [x] }) => {
    const at = unravel(node.type.shape)
    const strides = stridesOf(node.operands[0]!.type.shape)
    return (i) => {
      const index = at(i)
      return x![node.attrs.permutation.reduce((sum, from, k) => sum + index[k]! * strides[from]!, 0)]!
    }
  },
  slice: ({ node, operands: [x] }) => {
    const { start, stride } = node.attrs
    const at = unravel(node.type.shape)
    const strides = stridesOf(node.operands[0]!.type.shape)
    return (i) => x![at(i).reduce((sum, k, axis) => sum + (start[axis]! + k * stride[axis]!) * strides[axis]!, 0)]!
  },
  pad: ({ node, operands: [x] }) => {
    const { low, interior, value } = node.attrs
    const shape = node.operands[0]!.type.shape
    const at = unravel(node.type.shape)
    const strides = stridesOf(shape)
    return (i) => {
      let position = 0
      for (const [axis, k] of at(i).entries()) {
        const from = (k - low[axis]!) / (interior[axis]! + 1)
        if (!Number.isInteger(from) || from < 0 || from >= shape[axis]!) return value
        position += from * strides[axis]!
      }
      return x![position]!
    }
  },
  concatenate: ({ node, operands }) => {
    const { axis } = node.attrs
    const at = unravel(node.type.shape)
    return (i) => {
      const index = [...at(i)]
      let part = 0
      while (index[axis]! >= node.operands[part]!.type.shape[axis]!)
        index[axis]! -= node.operands[part++]!.type.shape[axis]!
      const strides = stridesOf(node.operands[part]!.type.shape)
      return operands[part]![index.reduce((sum, k, j) => sum + k * strides[j]!, 0)]!
    }
  },
  gather: ({ node, operands: [x, numbers] }) => {
    const [rows, ...rest] = node.operands[0]!.type.shape
    const width = sizeOf(rest)
    return (i) => {
      const row = Math.min(Math.max(numbers![Math.floor(i / width)]!, 0), rows! - 1)
      return x![row * width + (i % width)]!
    }
  },
  scatterAdd: ({ node, operands: [x, numbers, updates] }) => {
    const [rows, ...rest] = node.type.shape
    const width = sizeOf(rest)
    const add = combiner('sum', node.type.dtype)
    const sums = Array.from(x!)
    numbers!.forEach((number, u) => {
      const row = Math.min(Math.max(number, 0), rows! - 1)
      for (let k = 0; k < width; k++) sums[row * width + k] = add(sums[row * width + k]!, updates![u * width + k]!)
    })
    return (i) => sums[i]!
  },
  cumulativeSum: ({ node, operands: [x] }) => {
    const { axis, reverse, exclusive } = node.attrs
    const add = combiner('sum', node.type.dtype)
    const sums = new Array<number>(x!.length)
    for (const places of chains(node.type.shape, axis)) {
      let sum = 0
      for (const place of reverse ? places.reverse() : places) {
        const before = sum
        sum = add(sum, x![place]!)
        sums[place] = exclusive ? before : sum
      }
    }
    return (i) => sums[i]!
  },
  argsort: ({ node, operands: [x] }) => {
    const { axis, descending } = node.attrs
    const order = new Array<number>(x!.length)
    const less = (a: number, b: number) => a < b || (Number.isNaN(b) && !Number.isNaN(a))
    const sign = descending ? -1 : 1
    for (const places of chains(node.type.shape, axis)) {
      const value = (k: number) => x![places[k]!]!
      // The language's sort is stable.
      const sorted = places
        .map((_, k) => k)
        .sort((a, b) => {
          if (less(value(a), value(b))) return -sign
          return less(value(b), value(a)) ? sign : 0
        })
      sorted.forEach((k, i) => {
        order[places[i]!] = k
      })
    }
    return (i) => order[i]!
  },
  barrier:
    ({ operands: [x] }) =>
    (i) =>
      x![i]!,
  custom:
    ({ operands: [y] }) =>
    (i) =>
      y![i]!,
  reverse: ({ node, operands: [x] }) => {
    const { shape } = node.type
    const at = unravel(shape)
    const strides = stridesOf(shape)
    return (i) =>
      x![
        at(i).reduce(
          (sum, k, axis) => sum + (node.attrs.axes.includes(axis) ? shape[axis]! - 1 - k : k) * strides[axis]!,
          0,
        )
      ]!
  },

  windows: ({ node, operands: [x] }) => {
    const { axes, strides: steps, dilations } = node.attrs
    const at = unravel(node.type.shape)
    const strides = stridesOf(node.operands[0]!.type.shape)
    return (i) => {
      const index = at(i)
      return x![
        strides.reduce((sum, stride, axis) => {
          const w = axes.indexOf(axis)
          const place = w < 0 ? index[axis]! : index[axis]! * steps[w]! + index[strides.length + w]! * dilations[w]!
          return sum + place * stride
        }, 0)
      ]!
    }
  },

  reduce: ({ node, operands: [x] }) => {
    const { kind, axes, order } = node.attrs
    const { shape, dtype } = node.operands[0]!.type
    // The axes are neighbours, so the operand is [outer, count, inner] and the result [outer, inner].
    const count = axes.reduce((n, axis) => n * shape[axis]!, 1)
    const inner = sizeOf(shape.slice(axes[axes.length - 1]! + 1))
    const combine = combiner(kind, dtype)
    return (i) => {
      const start = Math.floor(i / inner) * count * inner + (i % inner)
      return fold(count, order, identityOf(kind, dtype), (sum, k) => combine(sum, x![start + k * inner]!), combine)
    }
  },
  contract: ({ node, operands: [lhs, rhs], mode }) => {
    const { lhsBatch, rhsBatch, lhsContract, rhsContract, order } = node.attrs
    const left = node.operands[0]!.type.shape
    const right = node.operands[1]!.type.shape
    const leftFree = otherAxes(left, [...lhsBatch, ...lhsContract])
    const rightFree = otherAxes(right, [...rhsBatch, ...rhsContract])
    const batchOffsets = [offsets(left, lhsBatch), offsets(right, rhsBatch)] as const
    const [leftOffsets, rightOffsets] = [offsets(left, leftFree), offsets(right, rightFree)]
    const innerOffsets = [offsets(left, lhsContract), offsets(right, rhsContract)] as const
    const { dtype } = node.type
    const fma = multiplyAdd(dtype, mode)
    const add = combiner('sum', dtype)
    return (i) => {
      const column = i % rightOffsets.length
      const row = Math.floor(i / rightOffsets.length) % leftOffsets.length
      const batch = Math.floor(i / (rightOffsets.length * leftOffsets.length))
      const a = batchOffsets[0][batch]! + leftOffsets[row]!
      const b = batchOffsets[1][batch]! + rightOffsets[column]!
      const step = (sum: number, k: number) => fma(lhs![a + innerOffsets[0][k]!]!, rhs![b + innerOffsets[1][k]!]!, sum)
      return fold(innerOffsets[0].length, order, 0, step, add)
    }
  },
  convolution: ({ node, operands: [x, w], mode }) => {
    const { strides, low, dilations, groups, order } = node.attrs
    const [input, kernel] = node.operands.map((operand) => operand.type.shape) as [Shape, Shape]
    const [at, inKernel] = [unravel(node.type.shape), unravel(kernel.slice(1))]
    const [inputStrides, inputs] = [stridesOf(input), kernel[1]!]
    const count = sizeOf(kernel.slice(1))
    const outputs = kernel[0]! / groups
    const { dtype } = node.type
    const fma = multiplyAdd(dtype, mode)
    return (i) => {
      const [n, o, ...place] = at(i) as [number, number, ...number[]]
      const step = (sum: number, k: number) => {
        const [c, ...inWindow] = inKernel(k) as [number, ...number[]]
        let position = n * inputStrides[0]! + (Math.floor(o / outputs) * inputs + c) * inputStrides[1]!
        let value: number | undefined
        for (const [d, p] of place.entries()) {
          const from = p * strides[d]! + inWindow[d]! * dilations[d]! - low[d]!
          if (from < 0 || from >= input[d + 2]!) value = 0
          position += from * inputStrides[d + 2]!
        }
        return fma(value ?? x![position]!, w![o * count + k]!, sum)
      }
      return fold(count, order, 0, step, combiner('sum', dtype))
    }
  },
  scan: ({ node, operands, mode, loops }) => {
    const known = loops.get(node.attrs.body) ?? []
    loops.set(node.attrs.body, known)
    const same = known.find((one) => one.operands.every((operand, i) => operand === operands[i]))
    const results = same?.results ?? runLoop(node.attrs, operands, mode)
    if (!same) known.push({ operands, results })
    const result = results[node.attrs.result]!
    return (i) => result[i]!
  },
}

/** All results of a loop: carries after the last iteration, then what is stacked. */
function runLoop(
  { body, carries, slices, length, reverse }: OpAttrs['scan'],
  operands: readonly TypedArray[],
  mode: NumericsMode,
): TypedArray[] {
  const { inputs, outputs } = body.graph
  const stacked = outputs.slice(carries).map(({ type }) => allocate(type.dtype, length * sizeOf(type.shape)))
  let state: readonly TypedArray[] = operands.slice(0, carries)
  for (let k = 0; k < length; k++) {
    const at = reverse ? length - 1 - k : k
    const given = operands.slice(carries).map((operand, i) => {
      const size = sizeOf(inputs[carries + i]!.type.shape)
      return i < slices ? operand.subarray(at * size, (at + 1) * size) : operand
    })
    const next = interpret(body.graph, [...state, ...given], mode)
    state = next.slice(0, carries)
    stacked.forEach((all, i) => {
      const slice = next[carries + i]!
      all.set(slice as Float32Array<ArrayBuffer>, at * slice.length)
    })
  }
  return [...state, ...stacked]
}

/** The positions along an axis, one list for each place on the other axes. */
function* chains(shape: Shape, axis: number): Generator<number[]> {
  const stride = sizeOf(shape.slice(axis + 1))
  const count = shape[axis]!
  for (let outer = 0; outer < sizeOf(shape.slice(0, axis)); outer++)
    for (let inner = 0; inner < stride; inner++)
      yield Array.from({ length: count }, (_, k) => (outer * count + k) * stride + inner)
}

/** Sums (or maxima) over 0..count−1 in the stated order. `step` takes in one element, `combine` joins two results. */
function fold(
  count: number,
  order: Order,
  identity: number,
  step: (sum: number, k: number) => number,
  combine: (a: number, b: number) => number,
): number {
  let total: number | undefined
  for (let start = 0; start < count; start += order.segment) {
    const end = Math.min(count, start + order.segment)
    const lanes = new Array<number>(order.kind === 'lanes' ? order.lanes : 1).fill(identity)
    for (let k = start; k < end; k++) {
      const lane = (k - start) % lanes.length
      lanes[lane] = step(lanes[lane]!, k)
    }
    for (let half = lanes.length / 2; half >= 1; half /= 2)
      for (let i = 0; i < half; i++) lanes[i] = combine(lanes[i]!, lanes[i + half]!)
    total = total === undefined ? lanes[0]! : combine(total, lanes[0]!)
  }
  return total ?? identity
}

function combiner(kind: ReduceKind, dtype: DType): (a: number, b: number) => number {
  if (kind === 'maximum') return Math.max
  if (kind === 'minimum') return Math.min
  const round = rounding(dtype)
  return (a, b) => round(a + b)
}

/** What an empty reduction gives: e with e ⊕ x = x for every x. */
export function identityOf(kind: ReduceKind, dtype: DType): number {
  if (kind === 'sum') return isFloat(dtype) ? -0 : 0
  const [least, greatest] = isFloat(dtype)
    ? [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY]
    : dtype === 'int32'
      ? [-(2 ** 31), 2 ** 31 - 1]
      : dtype === 'uint32'
        ? [0, 2 ** 32 - 1]
        : [0, 1]
  return kind === 'maximum' ? least : greatest
}

const comparisons: { readonly [D in Direction]: (a: number, b: number) => boolean } = {
  equal: (a, b) => a === b,
  notEqual: (a, b) => a !== b,
  less: (a, b) => a < b,
  lessEqual: (a, b) => a <= b,
  greater: (a, b) => a > b,
  greaterEqual: (a, b) => a >= b,
}

/** Float → integer truncates and saturates, NaN → 0; integer → narrower integer wraps; to bool is ≠ 0 (NaN: true). */
export function convertValue(x: number, from: DType, to: DType): number {
  if (to === 'bool') return +(x !== 0)
  if (isFloat(to) || !isFloat(from)) return roundTo(to, x)
  const [least, greatest] = to === 'int32' ? [-(2 ** 31), 2 ** 31 - 1] : to === 'uint32' ? [0, 2 ** 32 - 1] : [0, 255]
  return Number.isNaN(x) ? 0 : Math.min(greatest, Math.max(least, Math.trunc(x))) + 0
}

type Round = (x: number) => number

const rounding =
  (dtype: DType): Round =>
  (x) =>
    roundTo(dtype, x)

function unary<O extends Op>(f: (x: number, round: Round) => number): Evaluate<O> {
  return ({ node, operands: [x] }) => {
    const round = rounding(node.type.dtype)
    return (i) => f(x![i]!, round)
  }
}

function binary<O extends Op>(f: (a: number, b: number, round: Round) => number): Evaluate<O> {
  return ({ node, operands: [a, b] }) => {
    const round = rounding(node.type.dtype)
    return (i) => f(a![i]!, b![i]!, round)
  }
}

function elementaryUnary<O extends Op>(f: <V>(arithmetic: FloatArithmetic<V>, x: V) => V): Evaluate<O> {
  return ({ node, operands: [x], mode }) => {
    const arithmetic = scalarArithmetic(floatDtype(node), mode)
    return (i) => f(arithmetic, x![i]!)
  }
}

const floatDtype = (node: Node) => (node.type.dtype === 'float64' ? 'float64' : 'float32')

/** a·b + c: rounded once for float32 in fused mode, else after the product and after the sum. */
function multiplyAdd(dtype: DType, mode: NumericsMode): (a: number, b: number, c: number) => number {
  if (dtype === 'float32' && mode === 'fused') return fmaFloat32
  const round = rounding(dtype)
  return (a, b, c) => round(round(a * b) + c)
}

/** The index along each axis of a row-major position. */
function unravel(shape: Shape): (position: number) => number[] {
  const strides = stridesOf(shape)
  return (position) => strides.map((stride, axis) => Math.floor(position / stride) % shape[axis]!)
}

const otherAxes = (shape: Shape, taken: readonly number[]): number[] =>
  shape.map((_, axis) => axis).filter((axis) => !taken.includes(axis))

/** Offsets of the elements met when walking these axes in row-major order, the last one fastest. */
function offsets(shape: Shape, axes: readonly number[]): number[] {
  const strides = stridesOf(shape)
  return axes.reduce<number[]>(
    (list, axis) =>
      list.flatMap((offset) => Array.from({ length: shape[axis]! }, (_, k) => offset + k * strides[axis]!)),
    [0],
  )
}

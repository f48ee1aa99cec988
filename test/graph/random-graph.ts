/**
 * @file Seeded random programs over all ops, dtypes and awkward shapes, for differential tests.
 * randomGraph(7, { nodes: 20 }) → { graph, inputs }; reproducer(graph, inputs) → the same as source text to paste.
 */
import { allocate, type DType, type FloatDType, roundTo, type TypedArray } from '../../src/base/dtype.js'
import { type Shape, sizeOf } from '../../src/base/shape.js'
import { Body } from '../../src/graph/body.js'
import { type Graph, input, isOp, make, type Node, NodeTable, topological, withTable } from '../../src/graph/node.js'
import { CustomRule, type Direction, type Op, opInfo, type ReduceKind } from '../../src/graph/op.js'
import {
  argsort,
  barrier,
  binary,
  broadcast,
  broadcastTo,
  compare,
  concatenate,
  constant,
  contract,
  convert,
  convolution,
  cumulativeSum,
  custom,
  full,
  gather,
  iota,
  pad,
  randomBits,
  reduce,
  reshape,
  reverse,
  scatterAdd,
  select,
  slice,
  transpose,
  unary,
  windows,
} from '../../src/graph/ops.js'

import { closeLoop, scan } from '../../src/graph/scan.js'
import { hoisted } from '../../src/transform/hoist.js'

export interface RandomGraphOptions {
  /** How many nodes to add to the inputs; some become several. */
  readonly nodes: number
  /** The float dtypes to use, by default both. */
  readonly floats?: readonly FloatDType[]
  /** Elements a tensor may have; a few reductions and contractions are long enough to be cut into segments. */
  readonly maximumSize?: number
}

export interface RandomGraph {
  readonly graph: Graph
  readonly inputs: TypedArray[]
}

export function randomGraph(seed: number, options: RandomGraphOptions): RandomGraph {
  const random = generator(seed)
  return withTable(new NodeTable(), () => new Builder(random, options).build())
}

/** Mulberry32: a small generator of numbers in [0, 1). */
export function generator(seed: number): () => number {
  let state = Math.imul(seed, 0x9e3779b1) ^ 0x5bd1e995
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

const extents = [1, 1, 2, 3, 4, 5, 7, 8, 9, 16, 17, 33]
const longShapes: readonly Shape[] = [[70], [513], [3, 130], [600, 2], [1, 4097], [2, 1100], [8200]]
/** Ops that other passes treat specially come more often. */
const weights: { readonly [O in Op]?: number } = {
  add: 3,
  multiply: 3,
  subtract: 2,
  broadcast: 2,
  reduce: 3,
  contract: 3,
  gather: 2,
  scatterAdd: 2,
  cumulativeSum: 2,
  argsort: 2,
  barrier: 2,
  scan: 2,
}
const anyRule = new CustomRule(() => [])
const directions: readonly Direction[] = ['equal', 'notEqual', 'less', 'lessEqual', 'greater', 'greaterEqual']
const kinds: readonly ReduceKind[] = ['sum', 'maximum', 'minimum']

class Builder {
  readonly #random: () => number
  readonly #options: RandomGraphOptions
  readonly #maximumSize: number
  readonly #pool: Node[] = []
  readonly #inputs: Node[] = []
  readonly #values: TypedArray[] = []
  readonly #withSpecials: boolean
  #depth = 0

  constructor(random: () => number, options: RandomGraphOptions) {
    this.#random = random
    this.#options = options
    this.#maximumSize = options.maximumSize ?? 400
    this.#withSpecials = this.chance(0.3)
  }

  build(): RandomGraph {
    for (let i = 1 + this.below(4); i > 0; i--) this.leaf(this.anyDtype(), this.shape())
    const ops = (Object.keys(opInfo) as Op[]).flatMap((op) => new Array<Op>(weights[op] ?? 1).fill(op))
    let op: Op = 'input'
    for (let added = 0, tries = 0; added < this.#options.nodes && tries < 50 * this.#options.nodes; tries++) {
      // Now and then the same op again: slices of slices, negations of negations.
      if (!this.chance(0.2)) op = this.choose(ops)
      const node = this.#generate[op]()
      if (!node || sizeOf(node.type.shape) > 20 * this.#maximumSize) continue
      this.#pool.push(node)
      added++
    }
    const used = new Set(topological(this.#pool).flatMap((node) => node.operands))
    const sinks = this.#pool.filter((node) => !used.has(node))
    const outputs = new Set(sinks)
    outputs.add(this.choose(this.#pool))
    return { graph: { inputs: this.#inputs, outputs: [...outputs] }, inputs: this.#values }
  }

  /** One way to add each op; undefined where nothing in the pool suits. */
  readonly #generate: { readonly [O in Op]: () => Node | undefined } = {
    input: () => this.leaf(this.anyDtype(), this.shape()),
    constant: () => {
      const dtype = this.anyDtype()
      return constant(this.value(dtype), dtype)
    },
    iota: () => {
      const shape = this.shape()
      if (shape.length === 0) return undefined
      return iota(this.arithmeticDtype(), shape, this.below(shape.length))
    },
    negate: () => this.unary('negate', this.arithmeticDtype()),
    abs: () => this.unary('abs', this.choose<DType>([this.float(), 'int32'])),
    floor: () => this.unary('floor', this.float()),
    round: () => this.unary('round', this.float()),
    sqrt: () => this.unary('sqrt', this.float()),
    exp: () => this.unary('exp', this.float()),
    log: () => this.unary('log', this.float()),
    expm1: () => this.unary('expm1', this.float()),
    log1p: () => this.unary('log1p', this.float()),
    tanh: () => this.unary('tanh', this.float()),
    erf: () => this.unary('erf', this.float()),
    sin: () => this.unary('sin', this.float()),
    cos: () => this.unary('cos', this.float()),
    not: () => this.unary('not', this.choose<DType>(['int32', 'uint32', 'bool'])),
    stopGradient: () => unary('stopGradient', this.any()),
    convert: () => convert(this.any(), this.anyDtype()),
    shiftLeft: () => make('shiftLeft', [this.tensor('uint32')], { by: this.below(32) }),
    shiftRight: () => make('shiftRight', [this.tensor('uint32')], { by: this.below(32) }),
    add: () => this.binary('add', this.arithmeticDtype()),
    subtract: () => this.binary('subtract', this.arithmeticDtype()),
    multiply: () => this.binary('multiply', this.arithmeticDtype()),
    divide: () => this.binary('divide', this.float()),
    maximum: () => this.binary('maximum', this.orderedDtype()),
    minimum: () => this.binary('minimum', this.orderedDtype()),
    power: () => this.binary('power', this.float()),
    and: () => this.binary('and', this.choose<DType>(['int32', 'uint32', 'bool'])),
    or: () => this.binary('or', this.choose<DType>(['int32', 'uint32', 'bool'])),
    xor: () => this.binary('xor', this.choose<DType>(['int32', 'uint32', 'bool'])),
    compare: () => {
      const a = this.tensor(this.orderedDtype())
      return compare(this.choose(directions), a, this.like(a))
    },
    select: () => {
      const a = this.tensor(this.orderedDtype())
      const mask = this.tensor('bool', a.type.shape)
      return select(this.chance(0.2) ? unary('not', mask) : mask, a, this.like(a))
    },
    fma: () => {
      if (!this.floats().includes('float32')) return undefined
      const a = this.tensor('float32')
      return make('fma', [a, this.like(a), this.like(a)], {})
    },
    randomBits: () => {
      const counter = this.tensor('uint32')
      return randomBits(this.like(counter), this.like(counter), counter, this.like(counter))
    },
    reshape: () => {
      const x = this.any()
      return reshape(x, this.refactored(x.type.shape))
    },
    broadcast: () => this.broadcast(),
    transpose: () => {
      const x = this.any()
      return transpose(x, this.shuffle(x.type.shape.map((_, axis) => axis)))
    },
    slice: () => {
      const x = this.any()
      const start = x.type.shape.map((n) => (this.chance(0.5) ? 0 : this.below(n + 1)))
      const limit = x.type.shape.map((n, i) => (this.chance(0.5) ? n : start[i]! + this.below(n - start[i]! + 1)))
      return slice(
        x,
        start,
        limit,
        x.type.shape.map(() => (this.chance(0.6) ? 1 : 1 + this.below(3))),
      )
    },
    pad: () => {
      const x = this.any()
      const amounts = () => x.type.shape.map(() => (this.chance(0.5) ? 0 : this.below(3)))
      const value = this.chance(0.5) ? 0 : roundTo(x.type.dtype, this.value(x.type.dtype))
      return pad(x, amounts(), amounts(), value, amounts())
    },
    concatenate: () => {
      const x = this.any()
      if (x.type.shape.length === 0) return undefined
      const axis = this.below(x.type.shape.length)
      const parts = [x]
      for (let i = this.below(3); i >= 0; i--) {
        const extent = this.chance(0.2) ? 0 : this.choose(extents)
        const shape = x.type.shape.map((n, k) => (k === axis ? extent : n))
        parts.push(this.tensor(x.type.dtype, shape))
      }
      return concatenate(this.shuffle(parts), axis)
    },
    reverse: () => {
      const x = this.any()
      return reverse(
        x,
        x.type.shape.map((_, axis) => axis).filter(() => this.chance(0.5)),
      )
    },
    gather: () => {
      const x = this.any()
      if (x.type.shape.length === 0 || x.type.shape[0] === 0) return undefined
      return gather(x, this.tensor('int32'))
    },
    scatterAdd: () => {
      const x = this.tensor(this.arithmeticDtype())
      if (x.type.shape.length === 0 || x.type.shape[0] === 0) return undefined
      const numbers = this.tensor('int32')
      return scatterAdd(x, numbers, this.tensor(x.type.dtype, [...numbers.type.shape, ...x.type.shape.slice(1)]))
    },
    cumulativeSum: () => {
      const x = this.tensor(this.arithmeticDtype(), this.chance(0.1) ? this.choose(longShapes) : undefined)
      const rank = x.type.shape.length
      return rank === 0 ? undefined : cumulativeSum(x, this.below(rank), this.chance(0.4), this.chance(0.4))
    },
    argsort: () => {
      const x = this.chance(0.1) ? this.tensor(this.orderedDtype(), this.choose(longShapes)) : this.any()
      const rank = x.type.shape.length
      return rank === 0 ? undefined : argsort(x, this.below(rank), this.chance(0.5))
    },
    barrier: () => barrier(this.any(), this.chance(0.7) ? [this.any()] : []),
    custom: () => custom(this.any(), [this.any()], anyRule),
    reduce: () => {
      const kind = this.choose(kinds)
      const x = this.tensor(
        kind === 'sum' ? this.arithmeticDtype() : this.orderedDtype(),
        this.chance(0.25) ? this.choose(longShapes) : undefined,
      )
      const axes = x.type.shape.map((_, axis) => axis).filter(() => this.chance(0.6))
      return axes.length === 0 ? undefined : reduce(kind, x, axes)
    },
    contract: () => this.contract(),
    windows: () => {
      const x = this.any()
      const axes = this.shuffle(x.type.shape.flatMap((n, axis) => (n > 0 && this.chance(0.6) ? [axis] : []))).slice(
        0,
        2,
      )
      const some = (most: number) => axes.map(() => 1 + this.below(most))
      const y = windows(x, { axes, sizes: some(3), strides: some(3), dilations: some(2) })
      return axes.length === 0 || sizeOf(y.type.shape) > 2 * this.#maximumSize ? undefined : y
    },
    convolution: () => this.convolution(),
    scan: () => this.scan(),
  }

  /** A loop over what these ops make of carries, slices, and tensors from outside. */
  scan(): Node | undefined {
    if (this.#depth > 1) return undefined
    const outside = this.#pool.splice(0)
    const length = this.choose([0, 1, 1, 2, 3, 3, 4, 5])
    const scannable = outside.filter((node) => node.type.shape[0] === length)
    const slices = length > 0 && scannable.length > 0 && this.chance(0.7) ? [this.recent(scannable)] : []
    const carries = slices.length === 0 || this.chance(0.8) ? [this.recent(outside)] : []
    if (this.chance(0.3)) carries.push(this.recent(outside))
    if (slices.length === 0 || this.chance(0.3)) {
      slices.push(this.leaf(this.anyDtype(), [length, ...this.shape().slice(0, 2)]))
      this.#pool.length = 0
    }
    const like = ({ type }: Node, shape = type.shape) => input(type.dtype, shape)
    const given = [...carries.map((node) => like(node)), ...slices.map((node) => like(node, node.type.shape.slice(1)))]
    this.#pool.push(...given, this.choose(outside))
    this.#depth++
    const ops = Object.keys(opInfo) as Op[]
    for (let i = this.below(8); i > 0; i--) {
      const node = this.#generate[this.choose(ops)]()
      if (node && sizeOf(node.type.shape) <= 4 * this.#maximumSize) this.#pool.push(node)
    }
    const next = carries.map(({ type }) => this.tensor(type.dtype, type.shape))
    const results = Array.from({ length: 1 + this.below(3) }, () => this.recent(this.#pool))
    this.#depth--
    const made = this.#pool.splice(0)
    this.#pool.push(...outside, ...made.filter((node) => node.op === 'input' && this.#inputs.includes(node)))
    const loop = closeLoop(given, [...next, ...results], { carries, slices, length, reverse: this.chance(0.4) })
    const all = scan(this.chance(0.5) ? hoisted(loop) : loop)
    for (const node of all) if (this.chance(0.3)) this.#pool.push(node)
    return this.choose(all)
  }

  convolution(): Node {
    const rank = this.choose([1, 1, 2, 2, 2, 3])
    const each = (f: () => number) => Array.from({ length: rank }, f)
    const groups = this.choose([1, 1, 1, 2, 3])
    const inputs = this.choose([1, 2, 3, 5])
    const outputs = groups * this.choose([1, 2, 7, 13])
    const dtype = this.float()
    const spatial = each(() => (rank === 1 ? this.choose([3, 9, 40, 530]) : 2 + this.below(rank === 2 ? 9 : 4)))
    const x = this.tensor(dtype, [this.choose([1, 1, 2, 3]), groups * inputs, ...spatial])
    const isTall = rank === 1 && this.chance(0.3)
    const w = this.tensor(dtype, [outputs, inputs, ...each(() => (isTall ? spatial[0]! : 1 + this.below(3)))])
    return convolution(x, w, {
      strides: each(() => this.choose([1, 1, 2, 3])),
      low: each(() => this.choose([0, 1, 2, -1])),
      high: each(() => this.choose([0, 1, 2, -1])),
      dilations: each(() => this.choose([1, 1, 2])),
      groups,
    })
  }

  contract(): Node {
    const dtype = this.float()
    const isLong = this.chance(0.15)
    const group = (rank: number, maximum: number) =>
      Array.from({ length: rank }, () => (this.chance(0.04) ? 0 : 1 + this.below(maximum)))
    const batch = group(this.choose([0, 0, 0, 1, 1, 2]), 3)
    const inner = isLong ? [this.choose([513, 1030, 2, 600])] : group(this.choose([0, 1, 1, 1, 2]), 9)
    const left = group(this.choose([0, 1, 1, 1, 2]), isLong ? 3 : 7)
    const right = group(this.choose([0, 1, 1, 1, 2]), isLong ? 3 : 9)
    const operand = (free: Shape) => {
      const all = [...batch, ...inner, ...free]
      const places = this.shuffle(all.map((_, i) => i))
      const shape = new Array<number>(all.length)
      all.forEach((extent, i) => {
        shape[places[i]!] = extent
      })
      return {
        x: this.transposed(dtype, shape),
        batch: places.slice(0, batch.length),
        inner: places.slice(batch.length, batch.length + inner.length),
      }
    }
    const [a, b] = [operand(left), operand(right)]
    const y = contract(a.x, b.x, { lhsBatch: a.batch, rhsBatch: b.batch, lhsContract: a.inner, rhsContract: b.inner })
    if (this.chance(0.8)) return y
    // Free axes trade places: rewriting exchanges the operands.
    const axes = y.type.shape.map((_, axis) => axis)
    const [rows, columns] = [batch.length, batch.length + left.length]
    return transpose(y, [...axes.slice(0, rows), ...axes.slice(columns), ...axes.slice(rows, columns)])
  }

  /** A tensor of this shape, sometimes a transpose of another: contractions read through those. */
  transposed(dtype: DType, shape: Shape): Node {
    if (this.chance(0.7)) return this.tensor(dtype, shape)
    const permutation = this.shuffle(shape.map((_, axis) => axis))
    const before = new Array<number>(shape.length)
    permutation.forEach((axis, i) => {
      before[axis] = shape[i]!
    })
    return transpose(this.tensor(dtype, before), permutation)
  }

  broadcast(): Node | undefined {
    const x = this.any()
    const shape: number[] = []
    const axes: number[] = []
    x.type.shape.forEach((extent) => {
      while (shape.length < 4 && this.chance(0.3)) shape.push(this.choose([1, 2, 3, 5]))
      axes.push(shape.length)
      shape.push(extent === 1 && this.chance(0.6) ? this.choose(extents) : extent)
    })
    if (this.chance(0.3)) shape.push(this.choose([1, 2, 3, 5]))
    return sizeOf(shape) > 2 * this.#maximumSize ? undefined : broadcast(x, shape, axes)
  }

  unary(op: Parameters<typeof unary>[0], dtype: DType): Node {
    return unary(op, this.tensor(dtype))
  }

  binary(op: Parameters<typeof binary>[0], dtype: DType): Node {
    const a = this.tensor(dtype)
    return this.chance(0.5) ? binary(op, a, this.like(a)) : binary(op, this.like(a), a)
  }

  like(x: Node): Node {
    return this.tensor(x.type.dtype, x.type.shape)
  }

  /** Some node of a type: from the pool, by conversion or broadcasting from it, a constant, or a new leaf. */
  tensor(dtype: DType, shape?: Shape): Node {
    if (!shape) {
      const known = this.#pool.filter((node) => node.type.dtype === dtype)
      return known.length > 0 && this.chance(0.8) ? this.recent(known) : this.tensor(dtype, this.shape())
    }
    const same = this.#pool.filter((node) => node.type.shape.join() === shape.join())
    const exact = same.filter((node) => node.type.dtype === dtype)
    if (exact.length > 0 && this.chance(0.7)) return this.recent(exact)
    if (same.length > 0 && this.chance(0.3)) return convert(this.choose(same), dtype)
    const stretched = this.#pool.filter((node) => node.type.dtype === dtype && broadcasts(node.type.shape, shape))
    if (stretched.length > 0 && this.chance(0.5)) return broadcastTo(this.choose(stretched), shape)
    if (this.chance(0.3)) return full(this.chance(0.5) ? this.choose(neutral) : this.value(dtype), dtype, shape)
    return this.leaf(dtype, shape)
  }

  leaf(dtype: DType, shape: Shape): Node {
    const node = input(dtype, shape)
    const values = allocate(dtype, sizeOf(shape))
    const areSpecial = this.#withSpecials && this.chance(0.5)
    for (let i = 0; i < values.length; i++) values[i] = this.value(dtype, areSpecial)
    this.#inputs.push(node)
    this.#values.push(values)
    this.#pool.push(node)
    return node
  }

  value(dtype: DType, isSpecial = this.#withSpecials): number {
    if (dtype === 'bool') return this.below(2)
    if (dtype === 'uint8') return this.below(256)
    if (dtype === 'uint32') return this.chance(0.3) ? this.below(2 ** 32) : this.below(9)
    if (dtype === 'int32') return this.chance(0.3) ? this.below(2 ** 32) - 2 ** 31 : this.below(9) - 4
    if (isSpecial && this.chance(0.2)) return this.choose(specials)
    return this.chance(0.25) ? this.below(9) - 4 : (this.#random() * 2 - 1) * this.choose([0.1, 1, 3])
  }

  any(): Node {
    return this.#pool.length > 0 ? this.recent(this.#pool) : this.leaf(this.anyDtype(), this.shape())
  }
  /** The newest more often than others: ops pile up on one another. */
  recent(list: readonly Node[]): Node {
    return this.chance(0.3) ? list[list.length - 1]! : this.choose(list)
  }

  shape(): number[] {
    for (;;) {
      const rank = this.choose([0, 1, 1, 2, 2, 2, 3, 4])
      const shape = Array.from({ length: rank }, () => (this.chance(0.03) ? 0 : this.choose(extents)))
      if (sizeOf(shape) <= this.#maximumSize) return shape
    }
  }

  /** Another shape of the same size: axes joined, split or accompanied by axes of size 1. */
  refactored(shape: Shape): Shape {
    const size = sizeOf(shape)
    if (size === 0 || this.chance(0.4)) {
      const joined = this.chance(0.5) ? shape.filter((n) => n !== 1) : [...shape]
      if (this.chance(0.5)) joined.splice(this.below(joined.length + 1), 0, 1)
      return joined
    }
    const result: number[] = []
    let rest = size
    for (const factor of [2, 3, 5, 7, 11, 17])
      if (rest % factor === 0 && this.chance(0.5)) {
        result.push(factor)
        rest /= factor
      }
    return this.shuffle([...result, rest])
  }

  floats(): readonly FloatDType[] {
    return this.#options.floats ?? ['float32', 'float64']
  }
  float(): FloatDType {
    const floats = this.floats()
    return this.chance(0.75) ? floats[0]! : this.choose(floats)
  }
  arithmeticDtype(): DType {
    return this.chance(0.7) ? this.float() : this.choose<DType>(['int32', 'uint32'])
  }
  orderedDtype(): DType {
    return this.chance(0.7) ? this.float() : this.choose<DType>(['int32', 'uint32', 'bool'])
  }
  anyDtype(): DType {
    return this.chance(0.6) ? this.float() : this.choose<DType>(['int32', 'uint32', 'bool', 'uint8'])
  }

  chance(p: number): boolean {
    return this.#random() < p
  }
  below(n: number): number {
    return Math.floor(this.#random() * n)
  }
  choose<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!
  }
  shuffle<T>(list: readonly T[]): T[] {
    const result = [...list]
    for (let i = result.length - 1; i > 0; i--) {
      const j = this.below(i + 1)
      ;[result[i], result[j]] = [result[j]!, result[i]!]
    }
    return result
  }
}

/** What rewrite rules look for. */
const neutral = [0, -0, 1, -1, 2]
const specials = [
  0,
  -0,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  1e-40,
  -1e-45,
  3e38,
  -1e-20,
  1e10,
]

function broadcasts(from: Shape, to: Shape): boolean {
  const offset = to.length - from.length
  return offset >= 0 && from.every((n, i) => n === 1 || n === to[i + offset])
}

/** The program as source text: paste it after imports of `input`, `make` from graph/node.js and `Body` from graph/body.js. */
export function reproducer(graph: Graph, inputs: readonly TypedArray[] = []): string {
  const names = new Map<Node, string>()
  const lines = topological([...graph.inputs, ...graph.outputs]).map((node, i) => {
    names.set(node, `n${i}`)
    const operands = node.operands.map((operand) => names.get(operand)).join(', ')
    return isOp(node, 'input')
      ? `const n${i} = input('${node.type.dtype}', [${node.type.shape}])`
      : `const n${i} = make('${node.op}', [${operands}], ${literal(node.attrs)})`
  })
  const list = (nodes: readonly Node[]) => nodes.map((node) => names.get(node)).join(', ')
  lines.push(`const graph = { inputs: [${list(graph.inputs)}], outputs: [${list(graph.outputs)}] }`)
  const arrays = inputs.map((array) => `new ${array.constructor.name}(${literal([...array])})`)
  if (arrays.length > 0) lines.push(`const inputs = [\n  ${arrays.join(',\n  ')},\n]`)
  return lines.join('\n')
}

function literal(value: unknown): string {
  if (typeof value === 'number') return Object.is(value, -0) ? '-0' : String(value)
  if (typeof value === 'string') return `'${value}'`
  if (Array.isArray(value)) return `[${value.map(literal).join(', ')}]`
  if (typeof value === 'boolean') return String(value)
  if (value instanceof Body) return `new Body((() => {\n${reproducer(value.graph)}\nreturn graph\n})())`
  return `{ ${Object.entries(value as object)
    .map(([key, item]) => `${key}: ${literal(item)}`)
    .join(', ')} }`
}

/** The program up to the first node that still fails, inputs unchanged: a smaller case of the same fault. */
export function shrink(graph: Graph, fails: (graph: Graph) => boolean): Graph {
  for (const node of topological(graph.outputs)) {
    const part = { inputs: graph.inputs, outputs: [node] }
    if (fails(part)) return part
  }
  return graph
}

/** The first difference between two lists of results, as text; undefined if equal to the bit (NaN = NaN). */
export function difference(expected: readonly TypedArray[], actual: readonly TypedArray[]): string | undefined {
  for (const [i, a] of expected.entries()) {
    const b = actual[i]
    if (a.constructor !== b?.constructor || a.length !== b.length)
      return `output ${i}: ${a.constructor.name} of ${a.length} ≠ ${b?.constructor.name} of ${b?.length}`
    for (let k = 0; k < a.length; k++)
      if (!Object.is(a[k], b[k])) return `output ${i}, element ${k}: ${literal(a[k])} ≠ ${literal(b[k])}`
  }
  return expected.length === actual.length ? undefined : `${expected.length} outputs ≠ ${actual.length}`
}

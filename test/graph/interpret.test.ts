/**
 * @file The interpreter defines the bits, so it is checked against computations written out here by hand.
 */
import { describe, expect, test } from 'vitest'
import type { DType, TypedArray } from '../../src/base/dtype.js'
import { interpret } from '../../src/graph/interpret.js'
import { input, make, type Node } from '../../src/graph/node.js'
import {
  binary,
  broadcast,
  compare,
  concatenate,
  contract,
  convert,
  gather,
  iota,
  pad,
  randomBits,
  reduce,
  reverse,
  slice,
  transpose,
  unary,
} from '../../src/graph/ops.js'
import { generator } from './random-graph.js'

const f = Math.fround
const nan = Number.NaN
const inf = Number.POSITIVE_INFINITY

/** Runs f on inputs given as [dtype, values, shape = a vector]. */
function run(
  build: (...x: Node[]) => Node,
  inputs: readonly (readonly [DType, TypedArray, (readonly number[])?])[],
  mode: 'fused' | 'portable' = 'fused',
): TypedArray {
  const nodes = inputs.map(([dtype, values, shape]) => input(dtype, shape ?? [values.length]))
  const arrays = inputs.map(([, values]) => values)
  return interpret({ inputs: nodes, outputs: [build(...nodes)] }, arrays, mode)[0]!
}
const f32 = (...values: number[]) => ['float32', Float32Array.from(values)] as const
const randomFloats = (length: number, seed: number) => {
  const random = generator(seed)
  return Float32Array.from({ length }, () => random() * 2 - 1)
}

describe('gather', () => {
  const table = ['float32', Float32Array.from({ length: 12 }, (_, i) => i), [3, 2, 2]] as const
  test('whole rows; numbers below the first and beyond the last take those', () => {
    const numbers = ['int32', Int32Array.of(2, -1, 0, 3, 2 ** 31 - 1, -(2 ** 31)), [2, 3]] as const
    const rows = run((x, i) => gather(x!, i!), [table, numbers])
    expect([...rows]).toEqual([2, 0, 0, 2, 2, 0].flatMap((row) => [0, 1, 2, 3].map((j) => 4 * row + j)))
  })
  test('shapes: a scalar takes one row, none takes none', () => {
    const shapeOf = (x: readonly number[], i: readonly number[]) => {
      const { type } = gather(input('uint8', x), input('int32', i))
      expect(type.dtype).toBe('uint8')
      return type.shape
    }
    expect(shapeOf([5, 3], [])).toEqual([3])
    expect(shapeOf([5], [2, 4])).toEqual([2, 4])
    expect(shapeOf([5, 0, 2], [4])).toEqual([4, 0, 2])
    expect(shapeOf([5, 2], [0])).toEqual([0, 2])
  })
  test('what it refuses', () => {
    const numbers = input('int32', [2])
    expect(() => gather(input('float32', []), numbers)).toThrow(/gather: \[\] has no rows to choose from/)
    expect(() => gather(input('float32', [0, 4]), numbers)).toThrow(/gather: \[0,4\] has no rows to choose from/)
    expect(() => gather(input('float32', [4]), input('float32', [2]))).toThrow(/by int32, not float32.*cast\('int32'\)/)
  })
})

describe('order', () => {
  test('a chain: ascending from the identity within 512, segments added in ascending order', () => {
    const x = randomFloats(1300 * 2, 1)
    const sums = run((node) => reduce('sum', node!, [0]), [['float32', x, [1300, 2]]])
    for (const column of [0, 1]) {
      const parts: number[] = []
      for (let start = 0; start < 1300; start += 512) {
        let sum = -0
        for (let k = start; k < Math.min(1300, start + 512); k++) sum = f(sum + x[2 * k + column]!)
        parts.push(sum)
      }
      expect(sums[column]).toBe(f(f(parts[0]! + parts[1]!) + parts[2]!))
    }
  })
  test('lanes: element k to lane k mod 16, a tree of halves, segments of 4096 in ascending order', () => {
    for (let seed = 0; seed < 8; seed++) {
      const x = randomFloats(9000, seed)
      const parts: number[] = []
      for (let start = 0; start < 9000; start += 4096) {
        const lane = (l: number) => {
          let sum = -0
          for (let k = start + l; k < Math.min(9000, start + 4096); k += 16) sum = f(sum + x[k]!)
          return sum
        }
        const pair = (l: number) => f(lane(l) + lane(l + 8))
        const four = (l: number) => f(pair(l) + pair(l + 4))
        const eight = (l: number) => f(four(l) + four(l + 2))
        parts.push(f(eight(0) + eight(1)))
      }
      const expected = f(f(parts[0]! + parts[1]!) + parts[2]!)
      expect([...run((node) => reduce('sum', node!, [0]), [['float32', x]])]).toEqual([expected])
    }
  })
  test('63 elements are a chain, 64 are lanes', () => {
    const chain = (x: Float32Array) => x.reduce((sum, value) => f(sum + value), -0)
    // 2²⁴ swallows every 1 that follows in a chain; lanes keep fifteen sixteenths of them.
    const x = new Float32Array(64).fill(1)
    x[0] = 2 ** 24
    const sum = (values: Float32Array<ArrayBuffer>) =>
      run((node) => reduce('sum', node!, [0]), [['float32', values]])[0]
    expect(sum(x.slice(0, 63))).toBe(chain(x.slice(0, 63)))
    expect(sum(x)).toBe(2 ** 24 + 60)
  })
  test('a contraction: multiply-adds from +0 in ascending K, segments of 512 added', () => {
    const [a, b] = [randomFloats(1100, 3), randomFloats(1100, 4)]
    const dot = (mode: 'fused' | 'portable') =>
      run(
        (x, y) => contract(x!, y!, { lhsBatch: [], rhsBatch: [], lhsContract: [0], rhsContract: [0] }),
        [
          ['float32', a],
          ['float32', b],
        ],
        mode,
      )[0]
    const parts = [0, 512, 1024].map((start) => {
      let sum = 0
      for (let k = start; k < Math.min(1100, start + 512); k++) sum = f(f(a[k]! * b[k]!) + sum)
      return sum
    })
    expect(dot('portable')).toBe(f(f(parts[0]! + parts[1]!) + parts[2]!))
    expect(dot('fused')).not.toBe(dot('portable'))
  })
  test('K runs over the contracted axes as listed, the last fastest', () => {
    // Terms 2²⁴, 1, 1, −2²⁴ in the order of the axes as listed: 1 + 1 is lost unless it is added first.
    const x = ['float32', Float32Array.of(2 ** 24, 1, 1, -(2 ** 24)), [2, 2]] as const
    const y = ['float32', Float32Array.of(1, 1, 1, 1), [2, 2]] as const
    const z = ['float32', Float32Array.of(2 ** 24, -(2 ** 24), 1, 1), [2, 2]] as const
    const sum = (axes: number[]) => (a?: Node, b?: Node) =>
      contract(a!, b!, { lhsBatch: [], rhsBatch: [], lhsContract: axes, rhsContract: axes })
    expect(run(sum([0, 1]), [x, y])[0]).toBe(0)
    expect(run(sum([0, 1]), [z, y])[0]).toBe(2)
    expect(run(sum([1, 0]), [z, y])[0]).toBe(1)
  })
  test('identities', () => {
    const empty = (dtype: DType, values: TypedArray, kind: 'sum' | 'maximum' | 'minimum') =>
      run((x) => reduce(kind, x!, [0]), [[dtype, values]])[0]
    expect(empty('float32', new Float32Array(0), 'sum')).toBe(-0)
    expect(empty('float64', new Float64Array(0), 'maximum')).toBe(-inf)
    expect(empty('float32', new Float32Array(0), 'minimum')).toBe(inf)
    expect(empty('int32', new Int32Array(0), 'sum')).toBe(0)
    expect(empty('int32', new Int32Array(0), 'maximum')).toBe(-2147483648)
    expect(empty('int32', new Int32Array(0), 'minimum')).toBe(2147483647)
    expect(empty('uint32', new Uint32Array(0), 'maximum')).toBe(0)
    expect(empty('uint32', new Uint32Array(0), 'minimum')).toBe(4294967295)
    expect(empty('bool', new Uint8Array(0), 'maximum')).toBe(0)
    expect(empty('bool', new Uint8Array(0), 'minimum')).toBe(1)
    expect(run((x) => reduce('sum', x!, [0]), [f32(-0, -0)])[0]).toBe(-0)
    const product = (x?: Node) => contract(x!, x!, { lhsBatch: [], rhsBatch: [], lhsContract: [0], rhsContract: [0] })
    expect(run(product, [f32()])[0]).toBe(0)
  })
})

describe('rounding', () => {
  test('fma rounds once in fused mode, twice in portable mode', () => {
    const inputs = [f32(1 + 2 ** -12), f32(1 + 2 ** -12), f32(-1)]
    const fma = (a?: Node, b?: Node, c?: Node) => make('fma', [a!, b!, c!], {})
    expect(run(fma, inputs, 'fused')[0]).toBe(2 ** -11 + 2 ** -24)
    expect(run(fma, inputs, 'portable')[0]).toBe(2 ** -11)
  })
  test('fma is not float64 arithmetic rounded to float32: it would round twice', () => {
    // 1 + 2⁻²⁴ + 2⁻⁷⁰ lies above the midpoint of two float32s by less than float64 can hold.
    const inputs = [f32(2 ** -35), f32(2 ** -35), f32(1)]
    const shifted = [f32(1 + 2 ** -23), f32(1 + 2 ** -23), f32(2 ** -60)]
    const fma = (a?: Node, b?: Node, c?: Node) => make('fma', [a!, b!, c!], {})
    expect(run(fma, inputs)[0]).toBe(1)
    // (1 + 2⁻²³)² = 1 + 2⁻²² + 2⁻⁴⁶, far from a midpoint; with 2⁻²⁴ as addend it is just above one.
    expect(run(fma, shifted)[0]).toBe(f(1 + 2 ** -22))
    const a = f(1 + 2 ** -12)
    const c = f(2 ** -78)
    // a·a = 1 + 2⁻¹¹ + 2⁻²⁴ is a midpoint; the tie goes to even (down) unless c, lost in float64, breaks it.
    expect(f(a * a + c)).toBe(f(1 + 2 ** -11))
    expect(run(fma, [f32(a), f32(a), f32(c)])[0]).toBe(f(1 + 2 ** -11 + 2 ** -23))
    expect(run(fma, [f32(a), f32(a), f32(-c)])[0]).toBe(f(1 + 2 ** -11))
  })
  test('float64 multiplies, then adds, in both modes', () => {
    const a = 1 + 2 ** -30
    const product = (x?: Node, y?: Node) =>
      contract(x!, y!, { lhsBatch: [], rhsBatch: [], lhsContract: [0], rhsContract: [0] })
    const inputs = [
      ['float64', Float64Array.of(-1, a)],
      ['float64', Float64Array.of(1, a)],
    ] as const
    for (const mode of ['fused', 'portable'] as const) expect(run(product, inputs, mode)[0]).toBe(2 ** -29)
  })
})

describe('elements', () => {
  test('maximum and minimum: NaN wins, −0 < 0', () => {
    const [a, b] = [f32(nan, 1, -0, 0, 2), f32(1, nan, 0, -0, 3)]
    expect([...run((x, y) => binary('maximum', x!, y!), [a, b])]).toEqual([nan, nan, 0, 0, 3])
    expect([...run((x, y) => binary('minimum', x!, y!), [a, b])]).toEqual([nan, nan, -0, -0, 2])
  })
  test('round goes to even at ties', () => {
    expect([...run((x) => unary('round', x!), [f32(0.5, 1.5, 2.5, -0.5, -1.5, 0.4, -0.4)])]).toEqual([
      0, 2, 2, -0, -2, 0, -0,
    ])
  })
  test('floats to integers truncate and saturate, NaN → 0', () => {
    const x = f32(1.9, -1.9, 3e9, -3e9, nan, inf, 255.9, 300)
    expect([...run((node) => convert(node!, 'int32'), [x])]).toEqual([
      1, -1, 2147483647, -2147483648, 0, 2147483647, 255, 300,
    ])
    expect([...run((node) => convert(node!, 'uint32'), [x])]).toEqual([1, 0, 3e9, 0, 0, 4294967295, 255, 300])
    expect([...run((node) => convert(node!, 'uint8'), [x])]).toEqual([1, 0, 255, 0, 0, 255, 255, 255])
    expect([...run((node) => convert(node!, 'bool'), [f32(0, -0, nan, 0.5)])]).toEqual([0, 0, 1, 1])
  })
  test('integers wrap', () => {
    const max = ['int32', Int32Array.of(2147483647, 65537, -2147483648)] as const
    expect([...run((x) => binary('add', x!, x!), [max])]).toEqual([-2, 131074, 0])
    expect([...run((x) => binary('multiply', x!, x!), [max])]).toEqual([1, 131073, 0])
    expect([...run((x) => unary('negate', x!), [max])]).toEqual([-2147483647, -65537, -2147483648])
    expect([...run((x) => convert(x!, 'uint32'), [max])]).toEqual([2147483647, 65537, 2147483648])
    const words = ['uint32', Uint32Array.of(4294967295, 3)] as const
    expect([...run((x) => binary('multiply', x!, x!), [words])]).toEqual([1, 9])
    expect([...run((x) => unary('not', x!), [words])]).toEqual([0, 4294967292])
    expect([...run((x) => make('shiftRight', [x!], { by: 31 }), [words])]).toEqual([1, 0])
    expect([...run((x) => make('shiftLeft', [x!], { by: 31 }), [words])]).toEqual([2147483648, 2147483648])
  })
  test('comparisons are false of NaN, except ≠', () => {
    const x = f32(nan)
    const results = (['equal', 'notEqual', 'less', 'lessEqual', 'greater', 'greaterEqual'] as const).map(
      (direction) => run((a) => compare(direction, a!, a!), [x])[0],
    )
    expect(results).toEqual([0, 1, 0, 0, 0, 0])
  })
  test('random bits are Threefry-2×32 with 13 rounds: the published vectors', () => {
    // Random123 1.14, tests/kat_vectors, threefry2x32 13: counter and key of zeros, of ones, of digits of π.
    const words = (...values: number[]) => ['uint32', Uint32Array.from(values)] as const
    const bits = run(
      (key0, key1, counter, stream) => randomBits(key0!, key1!, counter!, stream!),
      [
        words(0, 0xffffffff, 0x13198a2e),
        words(0, 0xffffffff, 0x03707344),
        words(0, 0xffffffff, 0x243f6a88),
        words(0, 0xffffffff, 0x85a308d3),
      ],
    )
    expect([...bits].map((word) => word.toString(16))).toEqual(['9d1c5ec6', 'fd36d048', 'ba3e4725'])
  })
})

describe('places', () => {
  const x = ['float32', Float32Array.of(1, 2, 3, 4, 5, 6), [2, 3]] as const
  test('views and copies', () => {
    expect([...run((a) => transpose(a!, [1, 0]), [x])]).toEqual([1, 4, 2, 5, 3, 6])
    expect([...run((a) => slice(a!, [0, 0], [2, 3], [1, 2]), [x])]).toEqual([1, 3, 4, 6])
    expect([...run((a) => reverse(a!, [1]), [x])]).toEqual([3, 2, 1, 6, 5, 4])
    expect([...run((a) => pad(a!, [0, 1], [1, 0], 9, [0, 1]), [x])]).toEqual([
      9, 1, 9, 2, 9, 3, 9, 4, 9, 5, 9, 6, 9, 9, 9, 9, 9, 9,
    ])
    expect([...run((a) => concatenate([a!, a!], 1), [x])]).toEqual([1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6])
    expect([...run((a) => broadcast(a!, [2, 2, 3], [0, 2]), [x])]).toEqual([1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6])
    expect([...run(() => iota('int32', [2, 3], 1), [])]).toEqual([0, 1, 2, 0, 1, 2])
    expect([...run(() => iota('int32', [2, 3], 0), [])]).toEqual([0, 0, 0, 1, 1, 1])
  })
  test('a product with batch, free and contracted axes in other places than the usual', () => {
    // y[b, i, j] = Σₖ lhs[k, b, i] · rhs[j, k, b]
    const shape = { k: 2, b: 2, i: 3, j: 2 }
    const lhs = Float32Array.from({ length: 12 }, (_, n) => n + 1)
    const rhs = Float32Array.from({ length: 8 }, (_, n) => n * n - 3)
    const result = run(
      (a, c) => contract(a!, c!, { lhsBatch: [1], rhsBatch: [2], lhsContract: [0], rhsContract: [1] }),
      [
        ['float32', lhs, [2, 2, 3]],
        ['float32', rhs, [2, 2, 2]],
      ],
    )
    const expected: number[] = []
    for (let b = 0; b < shape.b; b++)
      for (let i = 0; i < shape.i; i++)
        for (let j = 0; j < shape.j; j++)
          expected.push(lhs[b * 3 + i]! * rhs[j * 4 + b]! + lhs[6 + b * 3 + i]! * rhs[j * 4 + 2 + b]!)
    expect([...result]).toEqual(expected)
  })
  test('inputs are checked', () => {
    const node = input('float32', [2])
    const graph = { inputs: [node], outputs: [node] }
    expect(() => interpret(graph, [], 'fused')).toThrow(/takes 1 inputs, not 0/)
    expect(() => interpret(graph, [new Float32Array(3)], 'fused')).toThrow(/float32\[2\], not Float32Array of 3/)
    expect(() => interpret(graph, [new Int32Array(2)], 'fused')).toThrow(/not Int32Array/)
    const array = Float32Array.of(1, 2)
    expect(interpret(graph, [array], 'fused')[0]).not.toBe(array)
  })
})

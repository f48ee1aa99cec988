/**
 * @file Every op's derivative against central differences, in float64, and its second derivative against differences
 * of the first. Rows are a total record over the op table: an op without a row is a type error.
 */

import { describe, expect, test } from 'vitest'
import { allocate, type DType, isFloat } from '../../src/base/dtype.js'
import { type Shape, sizeOf } from '../../src/base/shape.js'
import { convolve } from '../../src/graph/convolution.js'
import { interpret } from '../../src/graph/interpret.js'
import { type Graph, input, make, type Node, NodeTable, withTable } from '../../src/graph/node.js'
import { CustomRule, type Op, type OpAttrs, opInfo } from '../../src/graph/op.js'
import {
  add,
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
  multiply,
  pad,
  randomBits,
  reduce,
  reshape,
  reverse,
  scatterAdd,
  select,
  slice,
  sumTo,
  transpose,
  unary,
  windows,
} from '../../src/graph/ops.js'
import { closeLoop, scan } from '../../src/graph/scan.js'
import { verifyGraph } from '../../src/graph/verify.js'
import { gradients } from '../../src/transform/differentiate.js'
import type { CustomBackward } from '../../src/transform/vjp.js'
import { generator, randomGraph } from '../graph/random-graph.js'

type Range = readonly [least: number, greatest: number]
interface Case {
  /** One float64 variable a shape. */
  readonly shapes: readonly Shape[]
  readonly f: (...x: Node[]) => Node
  /** Where the variables are drawn from, by default (−2, 2); values stay 0.05 away from whole numbers. */
  readonly ranges?: readonly Range[]
}

const vectorShapes: readonly Shape[] = [[], [1], [0], [5], [3, 7], [2, 0, 3], [1, 33]]
const unaryCases = (op: Parameters<typeof unary>[0], range?: Range): Case[] =>
  vectorShapes.map((shape) => ({ shapes: [shape], f: (x) => unary(op, x!), ranges: range && [range] }))
const pairs: readonly (readonly Shape[])[] = [
  [[], []],
  [
    [3, 5],
    [3, 5],
  ],
  [[3, 5], [5]],
  [
    [3, 1],
    [1, 7],
  ],
  [[0, 3], [3]],
  [[2, 3, 1], [33]],
]
const binaryCases = (op: Parameters<typeof binary>[0], ranges?: readonly Range[]): Case[] =>
  pairs.map((shapes) => ({ shapes, f: (a, b) => binary(op, a!, b!), ranges }))
/** Through a dtype that has no derivative: the result is differentiated as a constant. */
const through = (dtype: DType, f: (...x: Node[]) => Node, count = 1): Case[] => [
  {
    shapes: new Array<Shape>(count).fill([3, 2]),
    f: (...x) => add(convert(f(...x.map((node) => convert(node, dtype))), 'float64'), x[0]!),
  },
]
/** x + a leaf without operands. */
const leaf = (node: () => Node): Case[] => [{ shapes: [[2, 3]], f: (x) => multiply(x!, convert(node(), 'float64')) }]

const product = (lhs: Shape, rhs: Shape, axes: readonly (readonly number[])[]): Case => ({
  shapes: [lhs, rhs],
  f: (a, b) =>
    contract(a!, b!, {
      lhsBatch: axes[0]!,
      rhsBatch: axes[1]!,
      lhsContract: axes[2]!,
      rhsContract: axes[3]!,
    }),
})

type Correlation = Partial<Parameters<typeof convolution>[2]>
const correlation = (x: Shape, w: Shape, given: Correlation = {}): Case => {
  const each = (value: number) => x.slice(2).map(() => value)
  const attrs = { strides: each(1), low: each(0), high: each(0), dilations: each(1), groups: 1, ...given }
  return { shapes: [x, w], f: (a, b) => convolution(a!, b!, attrs) }
}
const transposedCorrelation = (x: Shape, w: Shape, stride: number, dilation: number): Case => ({
  shapes: [x, w],
  f: (a, b) =>
    convolve(a!, b!, {
      strides: [1],
      low: [1],
      high: [2],
      dilations: [dilation],
      inputDilations: [stride],
      groups: 1,
    }),
})

/** As a node that depends on no input. */
const numbers = (list: readonly number[]): Node =>
  concatenate(
    list.map((x) => reshape(constant(x, 'float64'), [1])),
    0,
  )

const cases: { readonly [O in Op]: readonly Case[] } = {
  input: [{ shapes: [[3]], f: (x) => x! }],
  constant: leaf(() => constant(3, 'float64')),
  iota: leaf(() => iota('float64', [2, 3], 1)),
  negate: unaryCases('negate'),
  abs: unaryCases('abs'),
  floor: unaryCases('floor').map(({ shapes, f }) => ({ shapes, f: (x) => multiply(f(x!), x!) })),
  round: unaryCases('round', [0.6, 1.4]).map((c) => ({ ...c, f: (x) => multiply(c.f(x!), x!) })),
  sqrt: unaryCases('sqrt', [0.1, 4]),
  exp: unaryCases('exp'),
  log: unaryCases('log', [0.1, 4]),
  expm1: unaryCases('expm1'),
  log1p: unaryCases('log1p', [-0.8, 4]),
  tanh: unaryCases('tanh'),
  erf: unaryCases('erf'),
  sin: unaryCases('sin', [-10, 10]),
  cos: unaryCases('cos', [-10, 10]),
  not: through('bool', (x) => unary('not', x!)),
  stopGradient: [
    // The interpreter sees x², differentiation sees c·x: checked by hand below, here only that nothing flows.
    { shapes: [[3]], f: (x) => add(x!, multiply(unary('stopGradient', x!), full(0, 'float64', [3]))) },
  ],
  convert: [
    ...through('int32', (x) => x!),
    { shapes: [[3]], f: (x) => convert(multiply(convert(x!, 'float64'), x!), 'float64') },
  ],
  shiftLeft: through('uint32', (x) => make('shiftLeft', [x!], { by: 1 })),
  shiftRight: through('uint32', (x) => make('shiftRight', [x!], { by: 1 })),
  add: binaryCases('add'),
  subtract: binaryCases('subtract'),
  multiply: binaryCases('multiply'),
  divide: binaryCases('divide', [
    [-2, 2],
    [0.5, 2],
  ]),
  maximum: binaryCases('maximum'),
  minimum: binaryCases('minimum'),
  power: [
    ...binaryCases('power', [
      [0.2, 2],
      [-2, 3],
    ]),
    // A whole exponent allows negative bases; as a constant it has no gradient of its own.
    { shapes: [[4]], f: (a) => binary('power', a!, full(3, 'float64', [4])) },
  ],
  and: through('bool', (a, b) => binary('and', a!, b!), 2),
  or: through('bool', (a, b) => binary('or', a!, b!), 2),
  xor: through('int32', (a, b) => binary('xor', a!, b!), 2),
  compare: [{ shapes: [[3], [3]], f: (a, b) => add(convert(compare('less', a!, b!), 'float64'), a!) }],
  select: pairs.map((shapes) => ({
    shapes,
    f: (a, b) => select(compare('less', a!, b!), multiply(a!, a!), multiply(b!, a!)),
  })),
  // fma is float32 only: its rule is checked on float32 in a test of its own.
  fma: [{ shapes: [[3], [3], [3]], f: (a, b, c) => add(multiply(a!, b!), c!) }],
  randomBits: leaf(() => {
    const words = iota('uint32', [2, 3], 1)
    return multiply(
      convert(randomBits(constant(1, 'uint32'), constant(2, 'uint32'), words, words), 'float64'),
      full(2 ** -32, 'float64', [2, 3]),
    )
  }),
  reshape: [
    { shapes: [[2, 6]], f: (x) => reshape(x!, [3, 1, 4]) },
    { shapes: [[]], f: (x) => reshape(x!, [1, 1]) },
    { shapes: [[0, 3]], f: (x) => reshape(x!, [0]) },
  ],
  broadcast: [
    { shapes: [[]], f: (x) => broadcastTo(x!, [2, 3]) },
    { shapes: [[3, 1]], f: (x) => broadcast(x!, [2, 3, 5], [1, 2]) },
    { shapes: [[3, 1, 5]], f: (x) => broadcast(x!, [3, 7, 1, 5], [0, 1, 3]) },
    { shapes: [[1]], f: (x) => broadcast(x!, [0, 3], [0]) },
    { shapes: [[3]], f: (x) => broadcast(x!, [3, 2], [0]) },
  ],
  transpose: [
    { shapes: [[2, 3, 5]], f: (x) => transpose(x!, [2, 0, 1]) },
    { shapes: [[3, 0]], f: (x) => transpose(x!, [1, 0]) },
  ],
  slice: [
    { shapes: [[7, 5]], f: (x) => slice(x!, [1, 0], [6, 5], [2, 3]) },
    { shapes: [[7]], f: (x) => slice(x!, [6], [7], [4]) },
    { shapes: [[7]], f: (x) => slice(x!, [3], [3], [2]) },
    { shapes: [[0, 2]], f: (x) => slice(x!, [0, 1], [0, 2]) },
  ],
  pad: [
    { shapes: [[3, 2]], f: (x) => pad(x!, [1, 0], [0, 2], 3, [2, 1]) },
    { shapes: [[1]], f: (x) => pad(x!, [2], [1], -1, [3]) },
    { shapes: [[0, 2]], f: (x) => pad(x!, [1, 0], [1, 1], 0.5, [2, 0]) },
  ],
  concatenate: [
    {
      shapes: [
        [2, 3],
        [2, 1],
        [2, 0],
      ],
      f: (...x) => concatenate(x, 1),
    },
    { shapes: [[3], [4]], f: (a, b) => concatenate([a!, b!, a!], 0) },
  ],
  reverse: [
    { shapes: [[3, 4, 5]], f: (x) => reverse(x!, [0, 2]) },
    { shapes: [[0]], f: (x) => reverse(x!, [0]) },
  ],
  // Rows taken twice, rows left out, numbers beyond the first and the last row.
  gather: [
    { shapes: [[3, 2, 2]], f: (x) => gather(x!, convert(numbers([-2, 0, 5, 0, 1, 9]), 'int32')) },
    { shapes: [[4]], f: (x) => gather(multiply(x!, x!), reshape(convert(numbers([3, 3, 0, 2]), 'int32'), [2, 2])) },
    { shapes: [[1, 3]], f: (x) => gather(x!, constant(0, 'int32')) },
  ],
  scatterAdd: [
    {
      shapes: [
        [3, 2, 2],
        [6, 2, 2],
      ],
      f: (x, u) => scatterAdd(x!, convert(numbers([-2, 0, 5, 0, 1, 9]), 'int32'), multiply(u!, u!)),
    },
    {
      shapes: [[4], [2, 2]],
      f: (x, u) => scatterAdd(multiply(x!, x!), reshape(convert(numbers([3, 3, 0, 2]), 'int32'), [2, 2]), u!),
    },
    { shapes: [[2, 3], [3]], f: (x, u) => scatterAdd(x!, constant(1, 'int32'), u!) },
    {
      shapes: [
        [2, 3],
        [0, 3],
      ],
      f: (x, u) => scatterAdd(x!, iota('int32', [0], 0), u!),
    },
  ],
  cumulativeSum: [true, false].flatMap((reverse) =>
    [true, false].flatMap((exclusive) => [
      { shapes: [[5]], f: (x: Node) => cumulativeSum(multiply(x, x), 0, reverse, exclusive) },
      { shapes: [[3, 4, 2]], f: (x: Node) => cumulativeSum(multiply(x, x), 1, reverse, exclusive) },
      { shapes: [[0, 2]], f: (x: Node) => cumulativeSum(x, 0, reverse, exclusive) },
    ]),
  ),
  // Where elements stand has no slope, where they came from has.
  argsort: [
    { shapes: [[7]], f: (x) => gather(multiply(x!, x!), argsort(x!, 0)) },
    { shapes: [[4, 3]], f: (x) => multiply(convert(argsort(x!, 1, true), 'float64'), x!) },
  ],
  barrier: [{ shapes: [[3], [2]], f: (x, y) => multiply(barrier(x!, [y!]), x!) }],
  // A rule of one's own, which here is the true one: x³ as x · x².
  custom: [
    {
      shapes: [[3]],
      f: (x) =>
        custom(
          multiply(x!, multiply(x!, x!)),
          [x!],
          new CustomRule(({ x: [of], g }: Parameters<CustomBackward>[0]) => [
            multiply(g, multiply(full(3, 'float64', [3]), multiply(of!, of!))),
          ]),
        ),
    },
  ],
  reduce: (['sum', 'maximum', 'minimum'] as const).flatMap((kind) => [
    { shapes: [[3, 5]], f: (x: Node) => reduce(kind, x, [1]) },
    { shapes: [[3, 5, 2]], f: (x: Node) => reduce(kind, multiply(x, x), [0, 2]) },
    { shapes: [[70]], f: (x: Node) => reduce(kind, x, [0]) },
    { shapes: [[1, 1]], f: (x: Node) => reduce(kind, x, [0, 1]) },
    { shapes: [[3, 0]], f: (x: Node) => reduce(kind, x, [0]) },
  ]),
  contract: [
    product([3, 5], [5, 7], [[], [], [1], [0]]),
    product([5, 3], [7, 5], [[], [], [0], [1]]),
    product([3, 5], [7, 5], [[], [], [1], [1]]),
    product([5, 3], [5, 7], [[], [], [0], [0]]),
    product([5], [5], [[], [], [0], [0]]),
    product([2], [3], [[], [], [], []]),
    product([2, 3, 4], [2, 4, 5], [[0], [0], [2], [1]]),
    product([4, 2, 3, 5], [3, 5, 2, 6], [[1], [2], [3, 2], [1, 0]]),
    product(
      [2, 3, 2, 5, 4],
      [4, 3, 2, 5, 2],
      [
        [2, 1],
        [4, 1],
        [4, 3],
        [0, 3],
      ],
    ),
    product([0, 3], [3, 2], [[], [], [1], [0]]),
    product([2, 0], [0, 3], [[], [], [1], [0]]),
    product([1, 1], [1, 1], [[0], [0], [1], [1]]),
    product([2, 3], [2, 3], [[0, 1], [0, 1], [], []]),
  ],
  windows: [
    { shapes: [[7]], f: (x) => windows(x!, { axes: [0], sizes: [3], strides: [1], dilations: [1] }) },
    { shapes: [[2, 8, 5]], f: (x) => windows(x!, { axes: [1, 2], sizes: [2, 2], strides: [2, 3], dilations: [1, 1] }) },
    { shapes: [[9, 7]], f: (x) => windows(x!, { axes: [1, 0], sizes: [3, 2], strides: [2, 1], dilations: [2, 3] }) },
    { shapes: [[2, 3]], f: (x) => windows(x!, { axes: [1], sizes: [4], strides: [1], dilations: [1] }) },
  ],
  convolution: [
    correlation([2, 3, 5, 6], [4, 3, 3, 2]),
    correlation([1, 2, 7], [3, 2, 3], { strides: [2], low: [1], high: [1] }),
    correlation([2, 1, 7, 6], [2, 1, 3, 3], { strides: [2, 3], low: [2, 0], high: [1, 1], dilations: [2, 1] }),
    correlation([1, 4, 6, 5], [6, 2, 2, 3], { strides: [1, 2], low: [0, 1], high: [1, 0], groups: 2 }),
    correlation([2, 3, 6], [3, 1, 3], { strides: [3], dilations: [2], groups: 3 }),
    correlation([1, 2, 8], [1, 2, 3], { low: [-1], high: [-2] }),
    correlation([2, 1, 3, 3, 4], [2, 1, 2, 2, 2], { strides: [1, 2, 2] }),
    correlation([2, 3], [4, 3]),
    correlation([1, 1, 2], [1, 1, 5]),
    ...[1, 2, 3].flatMap((stride) =>
      [1, 2].map((dilation) => transposedCorrelation([1, 2, 4], [3, 2, 3], stride, dilation)),
    ),
  ],
  scan: [
    // h' = tanh(x W + h U + b), all h and the last
    ...[false, true].map((reverse) =>
      loop([[2, 3], [4, 2, 3], [3, 3], [3, 3], [3]], 1, 1, 4, reverse, ([h, x, w, u, b]) => {
        const z = add(add(matmul(x!, w!), matmul(h!, u!)), broadcastTo(b!, [2, 3]))
        const next = unary('tanh', z)
        return [next, next]
      }),
    ),
    // two carries that change places, what came in as a result, a factor that is neither product nor sum
    loop([[3], [3], [3, 3], [3]], 2, 1, 3, false, ([a, b, x, w]) => [b!, add(multiply(a!, x!), multiply(w!, b!)), a!]),
    // no carry, a product of slices alone, which leaves the loop
    loop(
      [
        [3, 2, 2],
        [2, 2],
      ],
      0,
      1,
      3,
      true,
      ([x, w]) => [unary('sin', matmul(unary('tanh', x!), w!))],
    ),
    // a slice of an invariant, a product of a carry and its own reduction
    loop([[2], [5, 4]], 1, 0, 3, false, ([h, w]) => {
      const part = slice(w!, [1, 1], [3, 3])
      return [unary('tanh', matmul(reshape(h!, [1, 2]), part)), reduce('sum', w!, [0])].map((y, i) =>
        i === 0 ? reshape(y, [2]) : multiply(y, broadcastTo(reduce('sum', h!, [0]), [4])),
      )
    }),
    // a loop in a loop
    loop([[2], [3, 2, 2]], 1, 1, 3, false, ([h, x]) => {
      const inner = loop([[2], [2, 2]], 1, 1, 2, true, ([s, y]) => {
        const next = unary('sin', add(multiply(s!, y!), s!))
        return [next, unary('cos', next)]
      })
      return [unary('tanh', inner.f(h!, x!)), h!]
    }),
    loop([[2], [0, 2], [2]], 1, 1, 0, false, ([h, x, w]) => [multiply(add(h!, x!), w!), h!]),
    loop([[2], [1, 2], [2]], 1, 1, 1, false, ([h, x, w]) => [multiply(add(h!, x!), w!), h!]),
  ],
}

/** The sum of all that a loop gives, in parts of different weights. */
function loop(
  shapes: readonly Shape[],
  carries: number,
  slices: number,
  length: number,
  reverse: boolean,
  body: (x: Node[]) => Node[],
): Case {
  return {
    shapes,
    f: (...given) => {
      const x = given as Node[]
      const inside = x
        .slice(0, carries + slices)
        .map(({ type }, i) => input('float64', i < carries ? type.shape : type.shape.slice(1)))
      const outputs = body([...inside, ...x.slice(carries + slices)])
      const operands = { carries: x.slice(0, carries), slices: x.slice(carries, carries + slices), length, reverse }
      const results = scan(closeLoop(inside, outputs, operands))
      const sums = results.map((node, i) => multiply(sumTo(unary('sin', node), []), constant(i + 1, 'float64')))
      return add(x[0]!, broadcastTo(total(sums), x[0]!.type.shape))
    },
  }
}

const matmul = (a: Node, b: Node): Node =>
  contract(a, b, { lhsBatch: [], rhsBatch: [], lhsContract: [1], rhsContract: [0] })

/** A program over float64 inputs: run with other values than those it was drawn with. */
function evaluateAt(outputs: readonly Node[], variables: readonly Node[], values: readonly Float64Array[]) {
  const graph: Graph = { inputs: variables, outputs }
  verifyGraph(graph)
  return interpret(
    graph,
    values.map((array) => new Float64Array(array)),
    'fused',
  ) as Float64Array[]
}

const dot = (a: Node, b: Node): Node => sumTo(multiply(a, b), [])
const total = (nodes: readonly Node[]): Node => nodes.reduce(add)

function check(op: Op, { shapes, f, ranges }: Case, seed: number): void {
  const random = generator(seed)
  const draw = ([least, greatest]: Range): number => {
    for (;;) {
      const x = least + random() * (greatest - least)
      if (Math.abs(x - Math.round(x)) > 0.05 && Math.abs(x - Math.round(x)) < 0.45) return x
    }
  }
  const sample = (shape: Shape, range: Range = [-2, 2]) =>
    Float64Array.from({ length: sizeOf(shape) }, () => draw(range))

  withTable(new NodeTable(), () => {
    const x = shapes.map((shape) => input('float64', shape))
    const y = f(...x)
    expect(isFloat(y.type.dtype)).toBe(true)
    // The weights of the outputs are variables as well, so that linear ops have second derivatives.
    const weights = input('float64', y.type.shape)
    const variables = [...x, weights]
    const values = variables.map((node, i) => sample(node.type.shape, i < x.length ? ranges?.[i] : undefined))
    const scalar = dot(y, weights)

    const directions = [0, 1].map(() => variables.map((node) => input('float64', node.type.shape)))
    const directionValues = directions.map((list) => list.map((node) => sample(node.type.shape)))
    const all = [...variables, ...directions.flat()]
    const slopeAlong = (output: Node, direction: readonly Node[]) => {
      const slopes = gradients(output, variables)
      slopes.forEach((slope, i) => {
        expect(slope.type).toEqual(variables[i]!.type)
      })
      return total(slopes.map((slope, i) => dot(slope, direction[i]!)))
    }
    const first = slopeAlong(scalar, directions[0]!)
    const second = slopeAlong(first, directions[1]!)

    const h = 1e-5
    const at = (output: Node, along: readonly Float64Array[], step: number) =>
      evaluateAt([output], all, [
        ...values.map((array, i) => array.map((value, k) => value + step * along[i]![k]!)),
        ...directionValues.flat(),
      ])[0]![0]!
    const difference = (output: Node, along: readonly Float64Array[]) =>
      (at(output, along, h) - at(output, along, -h)) / (2 * h)
    const near = (actual: number, expected: number) => {
      const isNear = Math.abs(actual - expected) <= 1e-6 * (1 + Math.abs(actual) + Math.abs(expected))
      if (!isNear) expect.fail(`${op} of ${JSON.stringify(shapes)}: gradient ${actual}, difference ${expected}`)
    }
    near(at(first, directionValues[0]!, 0), difference(scalar, directionValues[0]!))
    near(at(second, directionValues[1]!, 0), difference(first, directionValues[1]!))
  })
}

describe('derivatives against differences', () => {
  test.each(Object.keys(opInfo) as Op[])('%s', (op) => {
    expect(cases[op].length).toBeGreaterThan(0)
    cases[op].forEach((one, i) => {
      for (let seed = 0; seed < 3; seed++) check(op, one, 100 * i + seed)
    })
  })
})

/** Gradients of the sum of f at given values. */
function slopes(f: (...x: Node[]) => Node, ...values: number[][]): number[][] {
  const x = values.map((list) => input('float64', [list.length]))
  const scalar = sumTo(f(...x), [])
  const arrays = values.map((list) => Float64Array.from(list))
  return evaluateAt(gradients(scalar, x), x, arrays).map((array) => [...array])
}

describe('where the derivative is a convention', () => {
  test('the greater gets it, equals share it, as torch.maximum', () => {
    expect(slopes((a, b) => binary('maximum', a!, b!), [1, 2, 3], [2, 2, 2])).toEqual([
      [0, 0.5, 1],
      [1, 0.5, 0],
    ])
    expect(slopes((a, b) => binary('minimum', a!, b!), [1, 2, 3], [2, 2, 2])).toEqual([
      [1, 0.5, 0],
      [0, 0.5, 1],
    ])
  })
  test('reduce spreads evenly among the greatest, as torch.amax', () => {
    expect(slopes((x) => reduce('maximum', x!, [0]), [3, 1, 3, 3, 0])).toEqual([[1 / 3, 0, 1 / 3, 1 / 3, 0]])
    expect(slopes((x) => reduce('minimum', x!, [0]), [0, 1, 0])).toEqual([[0.5, 0, 0.5]])
  })
  test('|x| has slope 0 at 0', () => {
    expect(slopes((x) => unary('abs', x!), [-2, 0, 3])).toEqual([[-1, 0, 1]])
  })
  test('select(x > 0, x, 0) has slope 0 at 0, as torch.relu', () => {
    const relu = (x: Node) => select(compare('greater', x, full(0, 'float64', [3])), x, full(0, 'float64', [3]))
    expect(slopes((x) => relu(x!), [-1, 0, 2])).toEqual([[0, 0, 1]])
  })
  test('power is free of NaN at base 0', () => {
    const [base, exponent] = slopes((a, b) => binary('power', a!, b!), [0, 0, 0, 2], [0, 1, 2, 0])
    expect(base).toEqual([0, 1, 0, 0])
    expect(exponent![3]).toBeCloseTo(Math.LN2, 14)
    expect(exponent!.slice(0, 3)).toEqual([0, 0, 0])
  })
  test('power has second and third derivatives at base 0', () => {
    const cube = (x: Node) => binary('power', x, full(3, 'float64', x.type.shape))
    const slope = (f: (x: Node) => Node) => (x: Node) => gradients(sumTo(f(x), []), [x])[0]!
    expect(slopes((x) => slope(cube)(x!), [0, 2])[0]).toEqual([0, 12])
    expect(slopes((x) => slope(slope(cube))(x!), [0, 2])[0]).toEqual([6, 6])
  })
  test('second derivatives of power are free of NaN where the first are conventions', () => {
    const slope = (of: 0 | 1) => (a?: Node, b?: Node) => gradients(sumTo(binary('power', a!, b!), []), [a!, b!])[of]!
    // ∂²/∂a² of a⁰ and a³ at a = 0, and ∂²/∂a∂b of a³ there.
    expect(slopes(slope(0), [0, 0], [0, 3])[0]).toEqual([0, 0])
    expect(slopes(slope(1), [0], [3])).toEqual([[0], [0]])
  })
  test('nothing flows through stopGradient', () => {
    expect(slopes((x) => multiply(x!, unary('stopGradient', x!)), [3, 4])).toEqual([[3, 4]])
  })
  test('fma', () => {
    const x = [2, 3, 5].map(() => input('float32', []))
    const [a, b, c] = x as [Node, Node, Node]
    const y = make('fma', [a, b, c], {})
    const graph: Graph = { inputs: x, outputs: gradients(y, x) }
    const result = interpret(
      graph,
      [2, 3, 5].map((value) => Float32Array.of(value)),
      'fused',
    )
    expect(result.map((array) => array[0])).toEqual([3, 2, 1])
  })
})

describe('gradients', () => {
  test('are zero where the output does not depend', () => {
    const [x, y] = [input('float64', [2]), input('float32', [3])]
    const [gx, gy] = gradients(sumTo(multiply(x, x), []), [x, y])
    expect(gy!.type).toEqual({ dtype: 'float32', shape: [3] })
    expect(evaluateAt([gx!], [x], [Float64Array.of(1, 2)])).toEqual([Float64Array.of(2, 4)])
    const graph: Graph = { inputs: [], outputs: [gy!] }
    expect(interpret(graph, [], 'fused')).toEqual([new Float32Array(3)])
  })
  test('of a node inside the program, and of the output itself', () => {
    const x = input('float64', [])
    const inner = multiply(x, x)
    const output = multiply(inner, inner)
    const result = gradients(output, [x, inner, output])
    expect(evaluateAt(result, [x], [Float64Array.of(3)]).map((array) => array[0])).toEqual([108, 18, 1])
  })
  test('a vector needs a cotangent, and the message says what to do', () => {
    const x = input('float32', [3])
    expect(() => gradients(x, [x])).toThrow(/scalar, not \[3\].*\.sum\(\) or \.mean\(\)/)
    expect(() => gradients(x, [x], input('float32', [2]))).toThrow(/float32\[2\].*float32\[3\]/)
    expect(() => gradients(input('int32', []), [x])).toThrow(/float, not int32/)
    expect(() => gradients(input('float32', []), [input('bool', [])])).toThrow(/variable must be a float, not bool/)
    expect(gradients(x, [x], full(2, 'float32', [3]))[0]!.type.shape).toEqual([3])
  })

  const attrsOf = (shape: Shape): OpAttrs['input'] => ({ dtype: 'float32', shape })
  test.each(Array.from({ length: 30 }, (_, i) => i))('are well-typed programs on random programs, %i', (seed) => {
    for (let i = 0; i < 10; i++) {
      const { graph, inputs } = randomGraph(50_000 + 10 * seed + i, { nodes: 20 })
      withTable(new NodeTable(), () => {
        const wrt = graph.inputs.filter((node) => isFloat(node.type.dtype))
        for (const output of graph.outputs.filter((node) => isFloat(node.type.dtype))) {
          const cotangent = make('input', [], { ...attrsOf(output.type.shape), dtype: output.type.dtype })
          const program: Graph = { inputs: [...graph.inputs, cotangent], outputs: gradients(output, wrt, cotangent) }
          verifyGraph(program)
          program.outputs.forEach((node, k) => {
            expect(node.type).toEqual(wrt[k]!.type)
          })
          interpret(program, [...inputs, allocate(output.type.dtype, sizeOf(output.type.shape))], 'fused')
        }
      })
    }
  })
})

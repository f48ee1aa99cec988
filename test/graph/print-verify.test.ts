import { describe, expect, test } from 'vitest'
import { interpret } from '../../src/graph/interpret.js'
import { type Graph, input, make, type Node, NodeTable, topological, withTable } from '../../src/graph/node.js'
import type { OpAttrs } from '../../src/graph/op.js'
import { add, broadcastTo, constant, contract, multiply, reduce, sumTo, unary } from '../../src/graph/ops.js'
import { printGraph } from '../../src/graph/print.js'
import { verifyGraph } from '../../src/graph/verify.js'
import { gradients } from '../../src/transform/differentiate.js'
import { formFma } from '../../src/transform/fma.js'
import { simplify } from '../../src/transform/simplify.js'
import { randomGraph } from './random-graph.js'

/** mean((tanh(x W + b))²) and its gradients by W and b. */
function layer(): Graph {
  return withTable(new NodeTable(), () => {
    const [x, w, b] = [input('float32', [4, 3]), input('float32', [3, 2]), input('float32', [2])]
    const product = contract(x, w, { lhsBatch: [], rhsBatch: [], lhsContract: [1], rhsContract: [0] })
    const y = unary('tanh', add(product, b))
    const error = multiply(sumTo(multiply(y, y), []), constant(1 / 8, 'float32'))
    return { inputs: [x, w, b], outputs: [error, ...gradients(error, [w, b])] }
  })
}

describe('print', () => {
  test('a layer with its gradients, as traced', () => {
    expect(printGraph(layer())).toMatchInlineSnapshot(`
      "inputs %in0 : float32[4,3], %in1 : float32[3,2], %in2 : float32[2]
      %0 = contract %in0, %in1 lhsBatch=[] lhsContract=[1] order=chain(512) rhsBatch=[] rhsContract=[0] : float32[4,2]
      %1 = broadcast %in2 axes=[1] : float32[4,2]
      %2 = add %0, %1 : float32[4,2]
      %3 = tanh %2 : float32[4,2]
      %4 = multiply %3, %3 : float32[4,2]
      %5 = reduce %4 axes=[0,1] kind=sum order=chain(512) : float32[]
      %6 = constant value=0.125 : float32[]
      %7 = multiply %5, %6 : float32[]
      %8 = constant value=1 : float32[]
      %9 = multiply %8, %6 : float32[]
      %10 = broadcast %9 axes=[] : float32[4,2]
      %11 = multiply %10, %3 : float32[4,2]
      %12 = add %11, %11 : float32[4,2]
      %13 = broadcast %8 axes=[] : float32[4,2]
      %14 = subtract %13, %4 : float32[4,2]
      %15 = multiply %12, %14 : float32[4,2]
      %16 = contract %in0, %15 lhsBatch=[] lhsContract=[0] order=chain(512) rhsBatch=[] rhsContract=[0] : float32[3,2]
      %17 = reduce %15 axes=[0] kind=sum order=chain(512) : float32[2]
      return %7, %16, %17"
    `)
  })
  test('the same, simplified and with fma', () => {
    expect(printGraph(formFma(simplify(layer(), 'fused')))).toMatchInlineSnapshot(`
      "inputs %in0 : float32[4,3], %in1 : float32[3,2], %in2 : float32[2]
      %0 = contract %in0, %in1 lhsBatch=[] lhsContract=[1] order=chain(512) rhsBatch=[] rhsContract=[0] : float32[4,2]
      %1 = broadcast %in2 axes=[1] : float32[4,2]
      %2 = add %0, %1 : float32[4,2]
      %3 = tanh %2 : float32[4,2]
      %4 = multiply %3, %3 : float32[4,2]
      %5 = reduce %4 axes=[0,1] kind=sum order=chain(512) : float32[]
      %6 = constant value=0.125 : float32[]
      %7 = multiply %5, %6 : float32[]
      %8 = broadcast %6 axes=[] : float32[4,2]
      %9 = multiply %8, %3 : float32[4,2]
      %10 = add %9, %9 : float32[4,2]
      %11 = constant value=1 : float32[]
      %12 = broadcast %11 axes=[] : float32[4,2]
      %13 = subtract %12, %4 : float32[4,2]
      %14 = multiply %10, %13 : float32[4,2]
      %15 = contract %in0, %14 lhsBatch=[] lhsContract=[0] order=chain(512) rhsBatch=[] rhsContract=[0] : float32[3,2]
      %16 = reduce %14 axes=[0] kind=sum order=chain(512) : float32[2]
      return %7, %15, %16"
    `)
  })
  test('equal programs print equally, whatever else was traced and however attributes were written', () => {
    const first = printGraph(layer())
    randomGraph(1, { nodes: 50 })
    expect(printGraph(layer())).toBe(first)
    const x = input('float32', [2, 2])
    const forward = contract(x, x, { lhsBatch: [], rhsBatch: [], lhsContract: [1], rhsContract: [0] })
    const backward = contract(x, x, { rhsContract: [0], lhsContract: [1], rhsBatch: [], lhsBatch: [] })
    expect(text(x, forward)).toBe(text(x, backward))
  })
  test('different programs print differently', () => {
    const x = input('float32', [2])
    const y = input('float32', [2])
    const values = [0, -0, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1, 1e-45, 0.1]
    const programs: Graph[] = [
      ...values.map((value) => ({ inputs: [x], outputs: [constant(value, 'float64')] })),
      ...values.map((value) => ({
        inputs: [x],
        outputs: [make('pad', [x], { low: [1], high: [0], interior: [0], value })],
      })),
      ...(['float32', 'int32', 'bool'] as const).map((dtype) => ({ inputs: [x], outputs: [constant(1, dtype)] })),
      { inputs: [x, y], outputs: [make('subtract', [x, y], {})] },
      { inputs: [y, x], outputs: [make('subtract', [x, y], {})] },
      { inputs: [x], outputs: [make('subtract', [x, x], {})] },
      { inputs: [x, y], outputs: [make('subtract', [x, x], {})] },
      { inputs: [x, y], outputs: [x, y] },
      { inputs: [x, y], outputs: [y, x] },
      { inputs: [x], outputs: [make('compare', [x, x], { direction: 'less' })] },
      { inputs: [x], outputs: [make('compare', [x, x], { direction: 'lessEqual' })] },
      {
        inputs: [x],
        outputs: [make('reduce', [x], { kind: 'sum', axes: [0], order: { kind: 'chain', segment: 512 } })],
      },
    ]
    expect(new Set(programs.map(printGraph)).size).toBe(programs.length)
  })
})

const text = (x: Node, output: Node) => printGraph({ inputs: [x], outputs: [output] })

describe('verify', () => {
  const x = input('float32', [2, 3])
  const forged = (node: Partial<Node> & Pick<Node, 'op'>): Node =>
    ({ operands: [], attrs: {}, type: { dtype: 'float32', shape: [2, 3] }, ...node }) as Node
  const cyclic = forged({ op: 'negate' }) as { operands: Node[] } & Node
  cyclic.operands.push(forged({ op: 'negate', operands: [cyclic] }))
  const order: OpAttrs['reduce']['order'] = { kind: 'lanes', lanes: 16, segment: 4096 }

  const faults: Record<string, [Graph, RegExp]> = {
    'a type that does not follow': [
      { inputs: [x], outputs: [forged({ op: 'negate', operands: [x], type: { dtype: 'float32', shape: [3, 2] } })] },
      /%node = negate %operand0 : float32\[2,3\] : float32\[3,2\] should have the type float32\[2,3\]/,
    ],
    'a dtype that does not follow': [
      { inputs: [x], outputs: [forged({ op: 'negate', operands: [x], type: { dtype: 'float64', shape: [2, 3] } })] },
      /should have the type float32\[2,3\]/,
    ],
    'operands that do not agree': [
      { inputs: [x], outputs: [forged({ op: 'add', operands: [x, constant(1, 'float32')] })] },
      /breaks its type rule/,
    ],
    'too few operands': [{ inputs: [x], outputs: [forged({ op: 'add', operands: [x] })] }, /takes 2 operands, not 1/],
    'nothing to concatenate': [
      { inputs: [x], outputs: [forged({ op: 'concatenate', attrs: { axis: 0 } })] },
      /takes one or more operands, not 0/,
    ],
    'a leaf that is not listed': [{ inputs: [], outputs: [unary('exp', x)] }, /not listed among the inputs/],
    'an input listed twice': [{ inputs: [x, x], outputs: [x] }, /twice among the inputs/],
    'an input that is none': [{ inputs: [unary('exp', x)], outputs: [] }, /is no input/],
    'a cycle': [{ inputs: [], outputs: [cyclic] }, /depends on itself/],
    'another order': [
      {
        inputs: [x],
        outputs: [
          forged({
            op: 'reduce',
            operands: [x],
            attrs: { kind: 'sum', axes: [1], order },
            type: { dtype: 'float32', shape: [2] },
          }),
        ],
      },
      /order does not follow from the shape/,
    ],
    'a constant its dtype cannot hold': [
      { inputs: [], outputs: [make('constant', [], { dtype: 'float32', value: 0.1 })] },
      /holds 0.1, which is no float32/,
    ],
    'a padding its dtype cannot hold': [
      {
        inputs: [x],
        outputs: [make('pad', [x], { low: [0, 0], high: [0, 1], interior: [0, 0], value: 0.1 })],
      },
      /holds 0.1, which is no float32/,
    ],
  }
  test.each(Object.keys(faults))('rejects %s', (name) => {
    const [graph, message] = faults[name]!
    expect(() => verifyGraph(graph)).toThrow(message)
  })
  test('accepts a layer', () => verifyGraph(layer()))
})

test('a chain of 100,000 nodes overflows nothing', () => {
  withTable(new NodeTable(), () => {
    const x = input('float32', [1])
    const half = broadcastTo(constant(0.5, 'float32'), [1])
    let y: Node = x
    for (let i = 0; i < 100_000; i++) y = i % 20 === 0 ? unary('tanh', y) : add(y, half)
    const [slope] = gradients(reduce('sum', y, [0]), [x])
    const graph: Graph = { inputs: [x], outputs: [y, slope!] }
    expect(topological(graph.outputs).length).toBeGreaterThan(100_000)
    verifyGraph(graph)
    expect(printGraph(graph).split('\n').length).toBeGreaterThan(100_000)
    const simpler = formFma(simplify(graph, 'fused'))
    verifyGraph(simpler)
    const inputs = [Float32Array.of(0.5)]
    const [value] = interpret(simpler, inputs, 'portable')
    expect(value).toEqual(interpret(graph, inputs, 'portable')[0])
  })
})

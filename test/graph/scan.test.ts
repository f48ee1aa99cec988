/** @file Loops in the graph: as text, what the verifier refuses, what the interpreter gives, what tidying leaves. */
import { expect, test } from 'vitest'
import { Body } from '../../src/graph/body.js'
import { interpret } from '../../src/graph/interpret.js'
import { type Graph, input, isOp, type Node, NodeTable, topological, withTable } from '../../src/graph/node.js'
import { add, multiply, unary } from '../../src/graph/ops.js'
import { printGraph } from '../../src/graph/print.js'
import { closeLoop, scan } from '../../src/graph/scan.js'
import { verifyGraph } from '../../src/graph/verify.js'
import { tidyLoops } from '../../src/transform/tidy-loops.js'

/** h' = h + w x, results h' and h x; over xs of three slices. */
function loop(reverse = false) {
  const [h0, xs, w] = [input('float32', [2]), input('float32', [3, 2]), input('float32', [2])]
  const [h, x] = [input('float32', [2]), input('float32', [2])]
  const next = add(h, multiply(unary('exp', w), x))
  const operands = { carries: [h0], slices: [xs], length: 3, reverse }
  return { inputs: [h0, xs, w], results: scan(closeLoop([h, x], [next, next, multiply(h, x)], operands)) }
}
const inTable = <T>(f: () => T): T => withTable(new NodeTable(), f)
const loopsIn = (graph: Graph) => topological(graph.outputs).filter((node) => isOp(node, 'scan'))

test('results of a loop share its body, which stands before the first; what does not depend on the loop stands outside', () =>
  inTable(() => {
    const { inputs, results } = loop()
    expect(printGraph({ inputs, outputs: results.slice(0, 2) })).toBe(
      [
        'inputs %in0 : float32[2], %in1 : float32[3,2], %in2 : float32[2]',
        '%0 = exp %in2 : float32[2]',
        'body0 {',
        '  inputs %in0 : float32[2], %in1 : float32[2], %in2 : float32[2]',
        '  %0 = multiply %in2, %in1 : float32[2]',
        '  %1 = add %in0, %0 : float32[2]',
        '  %2 = multiply %in0, %in1 : float32[2]',
        '  return %1, %1, %2',
        '}',
        '%1 = scan %in0, %in1, %0 body=body0 carries=1 length=3 result=0 reverse=false slices=1 : float32[2]',
        '%2 = scan %in0, %in1, %0 body=body0 carries=1 length=3 result=1 reverse=false slices=1 : float32[3,2]',
        'return %1, %2',
      ].join('\n'),
    )
    verifyGraph({ inputs, outputs: results })
  }))

test('equal loops are one node; another direction is another', () =>
  inTable(() => {
    const { results, inputs } = loop()
    const again = (node: Node<'scan'>, body: Body) =>
      scan({
        body,
        carries: [inputs[0]!],
        slices: [inputs[1]!],
        invariants: [node.operands[2]!],
        length: 3,
        reverse: false,
      })
    const node = results[0] as Node<'scan'>
    expect(again(node, new Body(node.attrs.body.graph))[0]).toBe(node)
    expect(printGraph({ inputs, outputs: results })).not.toBe(printGraph({ inputs, outputs: loop(true).results }))
  }))

test('carries go along, backwards from the last slice; results stand at their slices', () => {
  const run = (reverse: boolean) => {
    const { inputs, results } = loop(reverse)
    const given = [
      [1, 2],
      [1, 1, 2, 2, 3, 3],
      [0, 0],
    ].map((list) => Float32Array.from(list))
    return interpret({ inputs, outputs: results }, given, 'fused').map((array) => [...array])
  }
  expect(run(false)).toEqual([
    [7, 8],
    [2, 3, 4, 5, 7, 8],
    [1, 2, 4, 6, 12, 15],
  ])
  expect(run(true)).toEqual([
    [7, 8],
    [7, 8, 6, 7, 4, 5],
    [6, 7, 8, 10, 3, 6],
  ])
})

test('types that do not fit, and bodies that are no programs, are refused', () => {
  const [h, x, xs] = [input('float32', [2]), input('float32', [2]), input('float32', [3, 2])]
  const body = new Body({ inputs: [h, x], outputs: [add(h, x)] })
  const make = (carries: Node[], slices: Node[], length = 3, of = body) =>
    scan({ body: of, carries, slices, invariants: [], length, reverse: false })
  expect(() => make([h], [])).toThrow(/takes 2 values, not 1/)
  expect(() => make([h], [h])).toThrow(/operand 1 is float32\[2\], where 3 iterations take slices of float32\[2\]/)
  expect(() => make([h], [xs], 4)).toThrow(/operand 1 is float32\[3,2\], where 4 iterations/)
  const grows = new Body({ inputs: [h, x], outputs: [unary('not', input('bool', [2]))] })
  expect(() => make([h], [xs], 3, grows)).toThrow(/carry 0 goes in as float32\[2\] and comes out as bool\[2\]/)
  const leaks = new Body({ inputs: [h, x], outputs: [add(h, input('float32', [2]))] })
  const h0 = input('float32', [2])
  expect(() => verifyGraph({ inputs: [h0, xs], outputs: make([h0], [xs], 3, leaks) })).toThrow(/reached but not listed/)
})

test('tidying: loops over the same operands are one, and have only what is used', () =>
  inTable(() => {
    const { inputs, results } = loop()
    const [h0, xs] = inputs as [Node, Node, Node]
    const node = results[0] as Node<'scan'>
    const { graph } = node.attrs.body
    const more = new Body({ inputs: graph.inputs, outputs: [...graph.outputs, unary('tanh', graph.inputs[0]!)] })
    const other = scan({
      body: more,
      carries: [h0],
      slices: [xs],
      invariants: [node.operands[2]!],
      length: 3,
      reverse: false,
    })
    const both = tidyLoops({ inputs, outputs: [results[0]!, other[3]!] })
    const [one, two] = loopsIn(both) as [Node<'scan'>, Node<'scan'>]
    expect(one.attrs.body).toBe(two.attrs.body)
    expect(one.attrs.body.graph.outputs).toHaveLength(2)
    // A carry that nobody reads and a product that nobody uses are gone.
    const plain = tidyLoops({ inputs, outputs: [results[1]!] })
    expect((loopsIn(plain)[0] as Node<'scan'>).attrs.body.graph.outputs).toHaveLength(2)
  }))

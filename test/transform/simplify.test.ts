/** @file What simplification and fma formation achieve; that they keep the bits is checked on random programs. */
import { describe, expect, test } from 'vitest'
import { input, make, type Node } from '../../src/graph/node.js'
import {
  add,
  broadcast,
  broadcastTo,
  constant,
  contract,
  convert,
  divide,
  full,
  multiply,
  negate,
  pad,
  reduce,
  reshape,
  select,
  subtract,
  transpose,
  unary,
} from '../../src/graph/ops.js'
import { printGraph } from '../../src/graph/print.js'
import { formFma } from '../../src/transform/fma.js'
import { simplify } from '../../src/transform/simplify.js'

const body = (text: string): string[] => text.split('\n').slice(1)
const simplified = (inputs: Node[], output: Node): string[] =>
  body(printGraph(simplify({ inputs, outputs: [output] }, 'fused')))
const fused = (inputs: Node[], ...outputs: Node[]): string[] => body(printGraph(formFma({ inputs, outputs })))

const x = input('float32', [32, 10])
const y = input('float32', [32, 10])
const s = input('float32', [])
const filled = (value: number) => full(value, 'float32', [32, 10])

describe('simplify', () => {
  const same: Record<string, Node> = {
    'x · 1': multiply(x, filled(1)),
    'x + −0': add(x, filled(-0)),
    'x − 0': subtract(x, filled(0)),
    'x / 1': divide(x, filled(1)),
    '−(x · −1)': negate(multiply(filled(-1), x)),
    'transposes that cancel': transpose(transpose(x, [1, 0]), [1, 0]),
    'a round trip of shapes': reshape(reshape(reshape(x, [320]), [4, 80]), [32, 10]),
    'a round trip of dtypes': convert(convert(x, 'float64'), 'float32'),
    'a decided select': select(full(1, 'bool', [32, 10]), x, y),
    'axes of size 1 reduced': reduce('sum', reshape(x, [32, 1, 10, 1]), [1, 3]),
    stopGradient: unary('stopGradient', x),
  }
  test.each(Object.keys(same))('%s is x', (name) => {
    expect(simplified([x, y], same[name]!)).toEqual(['return %in0'])
  })

  const different: Record<string, Node> = {
    'x + 0 (−0 would stay −0)': add(x, filled(0)),
    'x − −0': subtract(x, filled(-0)),
    'x · 0 (NaN)': multiply(x, filled(0)),
    'x / 3': divide(x, filled(3)),
    'x − x': subtract(x, x),
    '−0 padded with 0': pad(filled(-0), [0, 0], [1, 0], 0),
    'a float64 round trip through float32': convert(convert(convert(x, 'float64'), 'float32'), 'float64'),
  }
  test.each(Object.keys(different))('%s stays', (name) => {
    const output = different[name]!
    expect(simplified([x, y], output).join()).toContain(` ${output.op} `)
  })

  test('a schedule of scalars is computed on one element, constants before the program runs', () => {
    // x · √(1 − 0.75²) · exp(−s), all written with full tensors
    const correction = unary('sqrt', subtract(filled(1), multiply(filled(0.75), filled(0.75))))
    const decay = unary('exp', negate(broadcastTo(s, [32, 10])))
    expect(simplified([x, s], multiply(x, multiply(correction, decay)))).toEqual([
      '%0 = constant value=0.6614378094673157 : float32[]',
      '%1 = negate %in1 : float32[]',
      '%2 = exp %1 : float32[]',
      '%3 = multiply %0, %2 : float32[]',
      '%4 = broadcast %3 axes=[] : float32[32,10]',
      '%5 = multiply %in0, %4 : float32[32,10]',
      'return %5',
    ])
  })
  test('work on rows is done before the rows are repeated', () => {
    const [a, b] = [input('float32', [32]), input('float32', [32, 1])]
    const output = add(broadcast(a, [32, 10], [0]), divide(broadcastTo(b, [32, 10]), filled(4)))
    expect(simplified([a, b], output)).toEqual([
      '%0 = reshape %in1 : float32[32]',
      '%1 = constant value=0.25 : float32[]',
      '%2 = broadcast %1 axes=[] : float32[32]',
      '%3 = multiply %0, %2 : float32[32]',
      '%4 = add %in0, %3 : float32[32]',
      '%5 = broadcast %4 axes=[0] : float32[32,10]',
      'return %5',
    ])
  })
  test('axes kept by a reduction and broadcast again are one broadcast', () => {
    const sums = reshape(reduce('sum', x, [1]), [32, 1])
    expect(simplified([x], divide(x, broadcastTo(sums, [32, 10])))).toEqual([
      '%0 = reduce %in0 axes=[1] kind=sum order=chain(512) : float32[32]',
      '%1 = broadcast %0 axes=[0] : float32[32,10]',
      '%2 = divide %in0, %1 : float32[32,10]',
      'return %2',
    ])
  })
  test('contractions read through transposes, also of their results', () => {
    const product = contract(transpose(x, [1, 0]), transpose(y, [1, 0]), {
      lhsBatch: [],
      rhsBatch: [],
      lhsContract: [0],
      rhsContract: [0],
    })
    expect(simplified([x, y], transpose(product, [1, 0]))).toEqual([
      '%0 = contract %in1, %in0 lhsBatch=[] lhsContract=[1] order=chain(512) rhsBatch=[] rhsContract=[1] : float32[32,32]',
      'return %0',
    ])
    // Needed as it stands as well, the product is not computed twice.
    const both = printGraph(simplify({ inputs: [x, y], outputs: [product, transpose(product, [1, 0])] }, 'fused'))
    expect(both.match(/contract/g)).toHaveLength(1)
  })
  test('inputs keep their places, used or not', () => {
    const { inputs, outputs } = simplify({ inputs: [x, s, y], outputs: [multiply(y, filled(1))] }, 'fused')
    expect(inputs).toEqual([x, s, y])
    expect(outputs).toEqual([y])
  })
})

describe('formFma', () => {
  const z = input('float32', [32, 10])
  const fma = (a: string, b: string, c: string, n = 0) => `%${n} = fma ${a}, ${b}, ${c} : float32[32,10]`
  test('a·b + c and c + a·b', () => {
    expect(fused([x, y, z], add(multiply(x, y), z))).toEqual([fma('%in0', '%in1', '%in2'), 'return %0'])
    expect(fused([x, y, z], add(z, multiply(x, y)))).toEqual([fma('%in0', '%in1', '%in2'), 'return %0'])
  })
  test('of two products the first', () => {
    expect(fused([x, y, z], add(multiply(x, y), multiply(y, z)))).toEqual([
      '%0 = multiply %in1, %in2 : float32[32,10]',
      fma('%in0', '%in1', '%0', 1),
      'return %1',
    ])
  })
  test('a·b − c and c − a·b', () => {
    expect(fused([x, y, z], subtract(multiply(x, y), z))).toEqual([
      '%0 = negate %in2 : float32[32,10]',
      fma('%in0', '%in1', '%0', 1),
      'return %1',
    ])
    expect(fused([x, y, z], subtract(z, multiply(x, y)))).toEqual([
      '%0 = negate %in0 : float32[32,10]',
      fma('%0', '%in1', '%in2', 1),
      'return %1',
    ])
  })
  test('the sign moves into a constant: p − 0.1 g', () => {
    expect(fused([x, y], subtract(x, multiply(y, filled(0.5))))).toEqual([
      '%0 = constant value=-0.5 : float32[]',
      '%1 = broadcast %0 axes=[] : float32[32,10]',
      fma('%in1', '%1', '%in0', 2),
      'return %2',
    ])
  })
  test('not where the product is needed elsewhere, twice, as an output, or in another dtype', () => {
    const product = multiply(x, y)
    expect(fused([x, y, z], add(product, z), negate(product)).join()).not.toContain('fma')
    expect(fused([x, y, z], add(product, z), product).join()).not.toContain('fma')
    expect(fused([x, y, z], add(product, product)).join()).not.toContain('fma')
    const [a, b] = [input('float64', []), input('int32', [])]
    expect(fused([a], add(multiply(a, a), a)).join()).not.toContain('fma')
    expect(fused([b], add(multiply(b, b), b)).join()).not.toContain('fma')
  })
  test('a product of two uses in one sum each is not duplicated', () => {
    const product = multiply(x, y)
    expect(fused([x, y, z, s], add(product, z), add(product, make('negate', [z], {}))).join()).not.toContain('fma')
    expect(fused([s], add(multiply(s, constant(2, 'float32')), s)).join()).toContain('fma')
  })
})

/** @file Programs that fusion rearranges most; for the tests of each engine. */
import type { TypedArray } from '../../src/base/dtype.js'
import { allocate, isFloat } from '../../src/base/dtype.js'
import { sizeOf } from '../../src/base/shape.js'
import { type Graph, input, type Node } from '../../src/graph/node.js'
import * as ops from '../../src/graph/ops.js'
import { gradients } from '../../src/transform/differentiate.js'
import { generator } from '../graph/random-graph.js'

const f = (shape: number[]) => input('float32', shape)
const over = (x: Node, axes: number[], kind: 'sum' | 'maximum' = 'sum') =>
  ops.reshape(ops.reduce(kind, x, axes), ops.keptShape(x.type.shape, axes))

function softmax(x: Node): Node {
  const last = [x.type.shape.length - 1]
  const e = ops.unary('exp', ops.subtract(x, over(x, last, 'maximum')))
  return ops.divide(e, over(e, last))
}

function layerNorm(x: Node): Node {
  const last = [x.type.shape.length - 1]
  const n = ops.constant(x.type.shape[last[0]!]!, 'float32')
  const d = ops.subtract(x, ops.divide(over(x, last), n))
  const variance = ops.divide(over(ops.multiply(d, d), last), n)
  return ops.divide(d, ops.unary('sqrt', ops.add(variance, ops.constant(1e-5, 'float32'))))
}

const matmul = (x: Node, y: Node) =>
  ops.contract(x, y, { lhsBatch: [], rhsBatch: [], lhsContract: [x.type.shape.length - 1], rhsContract: [0] })

/** name → [graph, kernels at the most] */
export const patterns: { [name: string]: () => [Graph, number] } = {
  'softmax of short rows': () => one(f([7, 10]), softmax, 1),
  'softmax of long rows': () => one(f([5, 131]), softmax, 1),
  'softmax of a stack': () => one(f([2, 3, 70]), softmax, 1),
  'softmax of one row': () => one(f([1, 200]), softmax, 3),
  'softmax of very long rows': () => one(f([2, 9001]), softmax, 1),
  'layer norm': () => one(f([6, 96]), layerNorm, 1),
  'layer norm of columns of one': () => one(f([6, 1]), layerNorm, 2),
  'layer norm and its gradient': () => {
    const x = f([6, 96])
    const y = ops.reduce('sum', ops.multiply(layerNorm(x), ops.iota('float32', [6, 96], 1)), [0, 1])
    return [{ inputs: [x], outputs: [y, ...gradients(y, [x])] }, 5]
  },
  'rows that read other rows do not share a loop': () => {
    const x = f([8, 70])
    const total = over(x, [1])
    return [
      { inputs: [x], outputs: [ops.add(ops.reverse(total, [0]), x), ops.multiply(ops.reverse(x, [0]), total)] },
      3,
    ]
  },
  'a row that reads the next row': () => {
    const x = f([9, 80])
    const e = ops.unary('exp', x)
    const shifted = ops.concatenate([ops.slice(e, [1, 0], [9, 80]), ops.slice(e, [0, 0], [1, 80])], 0)
    return [{ inputs: [x], outputs: [ops.subtract(shifted, over(e, [1]))] }, 4]
  },
  'rows added to by number, columns and rows of any length': () => {
    const numbers = input('int32', [2, 9])
    const graphs = [[], [1], [3], [37], [130], [4, 5], [3, 2, 33]].map((rest) => {
      const x = f([6, ...rest])
      const updates = f([2, 9, ...rest])
      return {
        inputs: [x, updates],
        output: ops.scatterAdd(ops.unary('exp', x), numbers, ops.multiply(updates, updates)),
      }
    })
    return [
      { inputs: [numbers, ...graphs.flatMap((one) => one.inputs)], outputs: graphs.map(({ output }) => output) },
      7,
    ]
  },
  'sums and orders along each axis': () => {
    const [x, y] = [f([3, 40, 37]), f([1025])]
    const along = [0, 1, 2].flatMap((axis) => [
      ops.cumulativeSum(ops.unary('exp', x), axis, axis === 1),
      ops.argsort(ops.multiply(x, x), axis, axis === 1),
    ])
    return [{ inputs: [x, y], outputs: [...along, ops.cumulativeSum(y, 0, true, true), ops.argsort(y, 0)] }, 9]
  },
  'column sums of what is also kept': () => {
    const x = f([33, 50])
    const y = ops.unary('tanh', x)
    return [{ inputs: [x], outputs: [y, ops.reduce('sum', y, [0])] }, 2]
  },
  'long column sums': () => one(f([1300, 21]), (x) => ops.reduce('sum', x, [0]), 1),
  'a product with bias, activation and residual': () => {
    const [x, w, b] = [f([37, 20]), f([20, 45]), f([45])]
    const y = ops.unary('tanh', ops.add(matmul(x, w), ops.broadcastTo(b, [37, 45])))
    return [{ inputs: [x, w, b], outputs: [ops.add(y, y), y] }, 1]
  },
  'products of many segments and odd sizes': () => {
    const [x, w] = [f([13, 1201]), f([1201, 19])]
    return [{ inputs: [x, w], outputs: [matmul(x, w)] }, 1]
  },
  'products of transposed operands': () => {
    const [x, w] = [f([64, 30]), f([45, 64])]
    return [{ inputs: [x, w], outputs: [matmul(ops.transpose(x, [1, 0]), ops.transpose(w, [1, 0]))] }, 1]
  },
  'tall products cross blocks of rows': () => {
    const [x, w] = [f([530, 300]), f([300, 72])]
    return [{ inputs: [x, w], outputs: [matmul(x, w)] }, 1]
  },
  'a stack of products over split axes': () => {
    const [x, y] = [f([3, 4, 5, 6]), f([3, 6, 4, 7])]
    const product = ops.contract(x, y, { lhsBatch: [0, 1], rhsBatch: [0, 2], lhsContract: [3], rhsContract: [1] })
    return [{ inputs: [x, y], outputs: [product] }, 2]
  },
  'a gradient through relu and dropout of a product': () => {
    const [x, w] = [f([16, 40]), f([40, 24])]
    const h = matmul(x, w)
    const zero = ops.fullLike(h, 0)
    const bits = ops.randomBits(
      ops.constant(3, 'uint32'),
      ops.constant(4, 'uint32'),
      ops.reshape(ops.iota('uint32', [16 * 24], 0), [16, 24]),
      ops.constant(5, 'uint32'),
    )
    const mask = ops.compare('less', ops.shift('shiftRight', bits, 8), ops.full(2 ** 23, 'uint32', [16, 24]))
    const y = ops.select(mask, ops.select(ops.compare('greater', h, zero), h, zero), zero)
    const error = ops.reduce('sum', ops.multiply(y, y), [0, 1])
    return [{ inputs: [x, w], outputs: [error, ...gradients(error, [w])] }, 4]
  },
  'a batch of bytes by number, as floats': () => {
    const [x, i] = [input('uint8', [20, 131]), input('int32', [7])]
    const y = ops.convert(ops.gather(x, i), 'float32')
    const scaled = ops.subtract(ops.multiply(y, ops.fullLike(y, 1 / 255)), ops.fullLike(y, 0.5))
    return [{ inputs: [x, i], outputs: [scaled] }, 1]
  },
  'rows of tables of different lengths by the same numbers': () => {
    const [x, y, i] = [f([17, 36]), f([3, 36]), input('int32', [5])]
    return [{ inputs: [x, y, i], outputs: [ops.add(ops.gather(x, i), ops.gather(y, i))] }, 1]
  },
  'labels by number, and by numbers that are looked up': () => {
    const [x, next, i] = [f([19]), input('int32', [11]), input('int32', [3, 5])]
    return [{ inputs: [x, next, i], outputs: [ops.gather(x, i), ops.gather(x, ops.gather(next, i))] }, 1]
  },
  'rows by numbers that are computed': () => {
    const [x, next, i] = [f([19, 4, 9]), input('int32', [11]), input('int32', [6])]
    const two = ops.add(ops.gather(next, i), ops.full(2, 'int32', [6]))
    return [{ inputs: [x, next, i], outputs: [ops.gather(x, two), ops.gather(ops.reshape(x, [19, 36]), i)] }, 2]
  },
  'rows across axes that trade places': () => {
    const [x, i] = [f([9, 5, 33]), input('int32', [2, 6])]
    return [{ inputs: [x, i], outputs: [ops.transpose(ops.gather(x, i), [3, 1, 0, 2])] }, 1]
  },
  'sums of rows by number, over rows and over numbers': () => {
    const [x, i] = [f([9, 70]), input('int32', [8])]
    const y = ops.gather(x, i)
    return [{ inputs: [x, i], outputs: [ops.reduce('sum', y, [1]), ops.reduce('sum', y, [0])] }, 2]
  },
  'rows of what is computed before, and a softmax of them': () => {
    const [x, i] = [f([9, 20]), input('int32', [8])]
    return [{ inputs: [x, i], outputs: [softmax(ops.gather(ops.unary('exp', x), i))] }, 2]
  },
  'an embedding and its gradient': () => {
    const [x, w, i] = [f([13, 16]), f([16, 20]), input('int32', [2, 7])]
    const y = ops.unary('tanh', matmul(ops.reshape(ops.gather(x, i), [14, 16]), w))
    const error = ops.reduce('sum', ops.multiply(y, y), [0, 1])
    return [{ inputs: [x, w, i], outputs: [error, ...gradients(error, [x, w])] }, 7]
  },
}

function one(x: Node, build: (x: Node) => Node, kernels: number): [Graph, number] {
  return [{ inputs: [x], outputs: [build(x)] }, kernels]
}

/** Seeded inputs between −2 and 2; integers between −20 and 20, so that numbers of rows are often none. */
export function patternInputs(graph: Graph): TypedArray[] {
  const random = generator(7)
  return graph.inputs.map(({ type }): TypedArray => {
    const data = allocate(type.dtype, sizeOf(type.shape))
    const span = isFloat(type.dtype) ? 4 : 40
    for (let i = 0; i < data.length; i++) data[i] = (random() - 0.5) * span
    return data
  })
}

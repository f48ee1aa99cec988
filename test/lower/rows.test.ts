/**
 * Rows by number are read as quickly as any others: where one begins is found once, before the loop along it, and lanes
 * stand side by side in memory; also where the number is computed, or looked up itself.
 */
import { expect, test } from 'vitest'
import { compileGraph } from '../../src/compile.js'
import { type Graph, input, type Node } from '../../src/graph/node.js'
import * as ops from '../../src/graph/ops.js'
import type { Statement } from '../../src/kernel/loop.js'

const table = input('float32', [50, 132])
const bytes = input('uint8', [50, 132])
const next = input('int32', [9])
const numbers = input('int32', [7])
const two = ops.full(2, 'int32', [7])
const softmaxed = (x: Node): Node => {
  const e = ops.unary('exp', x)
  return ops.divide(e, ops.broadcast(ops.reduce('sum', e, [1]), x.type.shape, [0]))
}

const programs: { readonly [name: string]: Node } = {
  'as they are given': ops.gather(table, numbers),
  'bytes, made floats': ops.convert(ops.gather(bytes, numbers), 'float32'),
  computed: ops.gather(table, ops.binary('multiply', ops.add(numbers, two), two)),
  'looked up': ops.gather(table, ops.gather(next, numbers)),
  'looked up in two tables': ops.add(
    ops.gather(table, ops.gather(next, numbers)),
    ops.convert(ops.gather(bytes, ops.gather(next, numbers)), 'float32'),
  ),
  'one for all': ops.gather(table, ops.full(3, 'int32', [7])),
  'in a row of numbers': ops.gather(table, ops.iota('int32', [7], 0)),
  'of which a softmax is made': softmaxed(ops.gather(table, ops.add(numbers, two))),
}

test.each(Object.entries(programs))('%s', (_, output) => {
  const inputs = [table, bytes, next, numbers]
  const graph: Graph = { inputs, outputs: [output] }
  const { plan } = compileGraph(graph, new Map(), [undefined, undefined, undefined, undefined], { engine: 'wasm' })
  let [rows, vectors] = [0, 0]
  const walk = (body: readonly Statement[], innermost: boolean): void => {
    for (const s of body) {
      if (s.kind === 'loop') walk(s.body, !s.body.some((inner) => inner.kind === 'loop'))
      if (s.kind === 'let' && s.op === 'rowStart') {
        rows++
        expect(innermost, 'a row is looked for in an innermost loop').toBe(false)
      }
      if (s.kind === 'load' && s.row && innermost) {
        vectors++
        expect(s.stride).toBe(1)
        expect(s.value.type.lanes).toBe(4)
      }
    }
  }
  for (const kernel of plan.kernels) walk(kernel.body, false)
  expect(rows).toBeGreaterThan(0)
  expect(vectors).toBeGreaterThan(0)
})

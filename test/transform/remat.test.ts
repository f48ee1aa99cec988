/**
 * Computing once more: on random programs the gradients have the bits of those that keep everything, and what is computed again
 * is not taken for what was computed first.
 */
import { expect, test } from 'vitest'
import { isFloat } from '../../src/base/dtype.js'
import { compileGraph } from '../../src/compile.js'
import { interpret } from '../../src/graph/interpret.js'
import { isOp, type Node, NodeTable, topological, withTable } from '../../src/graph/node.js'
import { fullLike } from '../../src/graph/ops.js'
import { verifyGraph } from '../../src/graph/verify.js'
import { gradients } from '../../src/transform/differentiate.js'
import { rematerialized } from '../../src/transform/remat.js'
import { simplify } from '../../src/transform/simplify.js'
import { difference, randomGraph, reproducer } from '../graph/random-graph.js'

const count = Number(process.env['GRAPHS'] ?? 150)

test('gradients of random programs', () => {
  let compared = 0
  let repeated = 0
  for (let seed = 0; seed < count; seed++) {
    const { result, wrap } = rematerialized(() => randomGraph(seed, { nodes: 12, floats: ['float64'] }))
    const { graph, inputs } = result
    const by = graph.inputs.filter(({ type }) => isFloat(type.dtype))
    for (const output of graph.outputs) {
      if (!isFloat(output.type.dtype) || isOp(output, 'input')) continue
      const [plain, again] = withTable(new NodeTable(), () =>
        [output, wrap([output])[0]!].map((y) => [y, ...gradients(y, by, fullLike(y, 1.5))]),
      ) as [Node[], Node[]]
      const [expected, actual] = [plain, again].map((outputs) => {
        const program = { inputs: graph.inputs, outputs }
        verifyGraph(program)
        return interpret(program, inputs, 'fused')
      })
      const fault = difference(expected!, actual!)
      if (fault) expect.fail(`seed ${seed}: ${fault}\n${reproducer(graph)}`)
      compared++

      const simple = simplify({ inputs: graph.inputs, outputs: again }, 'portable')
      if (topological(simple.outputs).some((node) => isOp(node, 'barrier'))) repeated++
      expect(topological(simple.outputs).some((node) => isOp(node, 'custom'))).toBe(false)
      if (seed % 3 > 0) continue
      const storages = graph.inputs.map(() => undefined)
      const program = compileGraph(simple, new Map(), storages, { engine: 'wasm', numerics: 'portable' })
      const compiled = program.run(inputs, again.length)
      const wrong = difference(interpret(program.graph, inputs, 'portable'), compiled)
      if (wrong) expect.fail(`seed ${seed}, compiled: ${wrong}\n${reproducer(graph)}`)
    }
  }
  expect(compared).toBeGreaterThan(count)
  expect(repeated).toBeGreaterThan(count / 4)
})

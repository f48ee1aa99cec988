/**
 * Random programs: compiled to WebAssembly and run by the kernel interpreter, they give the graph interpreter's bits.
 * GRAPHS=5000 SEED=1 npx vitest run test/engines/random-graphs.test.ts is the soak.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { compileGraph } from '../../src/compile.js'
import { interpret } from '../../src/graph/interpret.js'
import { leastFreed } from '../../src/lower/order.js'
import { numericsMode } from '../../src/settings.js'
import { randomGraph, reproducer } from '../graph/random-graph.js'
import { sameBits } from '../support/bits.js'

const count = Number(process.env['GRAPHS'] ?? 300)
const first = Number(process.env['SEED'] ?? 0)

const { bytes } = leastFreed
beforeAll(() => {
  leastFreed.bytes = 1
})
afterAll(() => {
  leastFreed.bytes = bytes
})

describe.each(['fused', 'portable'] as const)('%s', (numerics) => {
  test(`${count} random graphs give equal bits in every engine`, () => {
    if (numerics === 'fused' && numericsMode() !== 'fused') return
    for (let seed = first; seed < first + count; seed++) {
      const { graph, inputs } = randomGraph(seed, { nodes: 5 + (seed % 40) })
      for (const engine of ['interpreter', 'wasm'] as const) {
        let actual: ReturnType<typeof interpret>
        let expected: typeof actual
        try {
          const program = compileGraph(
            graph,
            new Map(),
            graph.inputs.map(() => undefined),
            { engine, numerics },
          )
          actual = program.run(inputs, graph.outputs.length)
          expected = interpret(program.graph, inputs, numerics)
        } catch (error) {
          throw new Error(`seed ${seed}, ${engine}: ${(error as Error).stack}\n${reproducer(graph)}`)
        }
        graph.outputs.forEach((_, i) => {
          const difference = sameBits(actual[i]!, expected[i]!)
          if (difference) expect.fail(`seed ${seed}, ${engine}, output ${i}: ${difference}\n${reproducer(graph)}`)
        })
      }
    }
  })
})

/**
 * Programs that fusion rearranges most: every engine gives the graph interpreter's bits for them, and the number of
 * kernels says that they were fused.
 */
import { describe, expect, test } from 'vitest'
import { compileGraph } from '../../src/compile.js'
import { interpret } from '../../src/graph/interpret.js'
import { sameBits } from '../support/bits.js'
import { patternInputs, patterns } from './pattern-programs.js'

describe.each(['fused', 'portable'] as const)('%s', (numerics) => {
  test.each(Object.entries(patterns))('%s', (_, make) => {
    const [graph, most] = make()
    const inputs = patternInputs(graph)
    for (const engine of ['interpreter', 'wasm'] as const) {
      const program = compileGraph(
        graph,
        new Map(),
        graph.inputs.map(() => undefined),
        { engine, numerics },
      )
      const expected = interpret(program.graph, inputs, numerics)
      const actual = program.run(inputs, graph.outputs.length)
      graph.outputs.forEach((_, i) => {
        expect(sameBits(actual[i]!, expected[i]!)).toBeUndefined()
      })
      expect(program.plan.launches.length).toBeLessThanOrEqual(most)
    }
  })
})

import { describe, expect, test } from 'vitest'
import { interpret } from '../../src/graph/interpret.js'
import type { Graph, Node } from '../../src/graph/node.js'
import { printGraph } from '../../src/graph/print.js'
import { verifyGraph } from '../../src/graph/verify.js'
import { formFma } from '../../src/transform/fma.js'
import { rewrite } from '../../src/transform/rewrite.js'
import { simplify, simplifyRules } from '../../src/transform/simplify.js'
import { difference, randomGraph, reproducer, shrink } from '../graph/random-graph.js'

const seeds = Array.from({ length: 40 }, (_, i) => i)
/** More of them for a longer soak: GRADUS_SOAK=500 npx vitest run test/transform/random.test.ts */
const programsPerSeed = Number(process.env['GRADUS_SOAK'] ?? 10)

/** Fails with a program that can be pasted, cut down to the first node that differs. */
function expectSameBits(
  seed: number,
  transform: (graph: Graph) => Graph,
  run: (graph: Graph, inputs: ReturnType<typeof randomGraph>['inputs']) => ReturnType<typeof interpret>,
): void {
  const { graph, inputs } = randomGraph(seed, { nodes: 14 })
  verifyGraph(graph)
  const compare = (part: Graph) => {
    const result = transform(part)
    verifyGraph(result)
    return difference(run(part, inputs), run(result, inputs))
  }
  if (compare(graph) === undefined) return
  const small = shrink(graph, (part) => compare(part) !== undefined)
  expect.fail(
    `seed ${seed}: ${compare(small)}\n${printGraph(small)}\n→\n${printGraph(transform(small))}\n${reproducer(small, inputs)}`,
  )
}

describe('on random programs', () => {
  test.each(seeds)('simplify keeps the bits, %i', (seed) => {
    for (let i = 0; i < programsPerSeed; i++) {
      const mode = i % 2 === 0 ? 'fused' : 'portable'
      expectSameBits(
        seed * programsPerSeed + i,
        (graph) => simplify(graph, mode),
        (graph, inputs) => interpret(graph, inputs, mode),
      )
    }
  })

  test.each(seeds)('fma formed from products and sums is the same in portable mode, %i', (seed) => {
    for (let i = 0; i < programsPerSeed; i++)
      expectSameBits(seed * programsPerSeed + i + 10_000, formFma, (graph, inputs) =>
        interpret(graph, inputs, 'portable'),
      )
  })

  test('every simplification rule applies somewhere, and keeps the bits each time', () => {
    const wanted = 8
    const counts = new Map(simplifyRules.map((rule) => [rule, 0]))
    const isOpen = () => [...counts.values()].some((count) => count < wanted)
    for (let seed = 0; seed < 2000 && isOpen(); seed++) {
      const { graph, inputs } = randomGraph(seed, { nodes: 30 })
      rewrite(graph, simplifyRules, 'fused', (rule, before, after) => {
        const count = counts.get(rule)!
        if (count >= wanted) return
        counts.set(rule, count + 1)
        const run = (node: Node) => interpret({ inputs: graph.inputs, outputs: [node] }, inputs, 'fused')
        const fault = difference(run(before), run(after))
        if (fault)
          expect.fail(
            `${rule.identity}, seed ${seed}: ${fault}\n${printGraph({ inputs: graph.inputs, outputs: [before, after] })}`,
          )
      })
    }
    expect([...counts].filter(([, count]) => count === 0).map(([rule]) => rule.identity)).toEqual([])
  })
})

/**
 * Random programs and those that fusion rearranges most, as C at every width of vectors, and
 * on several threads: the graph interpreter's bits.
 * GRAPHS=2000 SEED=1 npx vitest run test/native/graphs.test.ts is the soak.
 */
import { afterAll, describe, expect, test } from 'vitest'
import { target256 } from '../../src/lower/target.js'
import { patternInputs, patterns } from '../engines/pattern-programs.js'
import { products } from '../engines/products.js'
import { randomGraph } from '../graph/random-graph.js'
import { type Case, expectNativeBits, missing, ownCache, targets } from './harness.js'

const count = Number(process.env['GRAPHS'] ?? 30)
const first = Number(process.env['SEED'] ?? 0)
afterAll(ownCache())

const all = [...targets, ['32 bytes, 3 threads', { ...target256, threads: 3 }]] as const

describe.skipIf(missing() !== undefined).each(all)('%s', (_, target) => {
  describe.each(['fused', 'portable'] as const)('%s', (mode) => {
    test(`${count} random graphs`, () => {
      for (let from = first; from < first + count; from += 40) {
        const seeds = Array.from({ length: Math.min(40, first + count - from) }, (_, i) => from + i)
        expectNativeBits(
          seeds.map((seed) => ({ label: `seed ${seed}`, ...randomGraph(seed, { nodes: 5 + (seed % 40) }) })),
          target,
          mode,
        )
      }
    })

    test('patterns of fusion', () => {
      const all = Object.entries(patterns).map(([label, make]): Case & { most: number } => {
        const [graph, most] = make()
        return { label, graph, inputs: patternInputs(graph), most }
      })
      expectNativeBits(all, target, mode).forEach((plan, i) => {
        expect(plan.launches.length, all[i]!.label).toBeLessThanOrEqual(all[i]!.most)
      })
    })

    // Both modes take the same loops; only the multiply-add differs.
    test.skipIf(mode === 'portable')('products cross tiles, panels, blocks and segments', () => {
      const sizes = [
        [1, 64, 130],
        [2, 33, 40],
        [4, 10, 20],
        [13, 33, 600],
        [25, 130, 70],
        [32, 128, 100],
        [64, 300, 33],
        [150, 130, 530],
      ] as const
      const all = [...products(sizes), ...products(sizes, [2], 'float64')]
      expectNativeBits(all, target, mode)
    })
  })
})

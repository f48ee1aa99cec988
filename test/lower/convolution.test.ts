/**
 * Convolutions without copies of windows: in no plan, forward or backward, is a buffer larger than the tensors of the layer and a
 * panel of columns; and the text of the kernels of a small one.
 */
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { sizeOf } from '../../src/base/shape.js'
import { compileGraph } from '../../src/compile.js'
import type { Graph } from '../../src/graph/node.js'
import { printKernel } from '../../src/kernel/print.js'
import type { Contraction } from '../../src/lower/contraction.js'
import { lower } from '../../src/lower/lower.js'
import { makePlan } from '../../src/lower/plan.js'
import { type Target, target256, target512, wasmTarget } from '../../src/lower/target.js'
import { type ConvolutionSize, convolutionProgram, convolutionSizes } from '../engines/convolutions.js'

const lowered = ({ inputs, outputs }: Graph, target: Target) => {
  const storages = inputs.map(() => undefined)
  const { graph } = compileGraph({ inputs, outputs }, new Map(), storages, { engine: 'interpreter', numerics: 'fused' })
  return lower(graph, new Map(), 'fused', target)
}

/** Which kernel lower/windows.ts takes. */
const kindOf = ({ windows, rhs }: Contraction) => (windows === 'rows' && rhs.batch.includes(0) ? 'shared' : windows)

/** Layers whose windows are nine or more times as large as what they show. */
const layers: readonly ConvolutionSize[] = [
  { x: [16, 32, 28, 28], w: [64, 32, 3, 3], padding: 1 },
  { x: [16, 16, 14, 14], w: [32, 16, 5, 5], padding: 2 },
  { x: [16, 32, 28, 28], w: [32, 32, 3, 3], padding: 1, stride: 2 },
  { x: [16, 64, 28, 28], w: [64, 1, 3, 3], padding: 1, groups: 64 },
]

test.each(
  [wasmTarget, target256, target512].flatMap((target) => [1, 3].map((threads) => ({ ...target, threads }))),
)('no copies of windows: $vectorBytes bytes, $threads threads', (target) => {
  for (const layer of layers) {
    const { graph, label } = convolutionProgram(layer)
    const plan = makePlan(lowered(graph, target), new Set())
    const largest = Math.max(...plan.slots.map(({ length }) => length))
    const { padding = 0, stride = 1 } = layer
    const places = sizeOf(layer.x) / stride ** 2
    const [n, channels, ...spatial] = layer.x as [number, number, ...number[]]
    const outputs = (places / channels) * layer.w[0]!
    // The input of the layer, or of its gradient, with zeros around it.
    const padded = spatial.reduce((size, extent) => size * (extent + 4 * padding), n * Math.max(channels, layer.w[0]!))
    expect(largest, label).toBeLessThanOrEqual(Math.max(padded, outputs))
  }
})

test.each([
  ['columns', { x: [2, 3, 6, 6], w: [2, 3, 3, 3] }],
  ['rows', { x: [2, 3, 6, 6], w: [8, 3, 3, 3] }],
  ['shared', { x: [2, 3, 6, 6], w: [8, 3, 3, 3] }],
] as const)('the kernel with windows as %s', async (kind, size) => {
  const { groups, launches } = lowered(convolutionProgram(size).graph, wasmTarget)
  const at = groups.findIndex((group) => group.kind === 'contract' && kindOf(group.contraction) === kind)
  const text = printKernel(launches[at]!.kernel, { names: true })
  await expect(`${text}\n`).toMatchFileSnapshot(
    fileURLToPath(new URL(`../fixtures/fusions/windows-as-${kind}.txt`, import.meta.url)),
  )
})

test('sizes of the bit matrix cover every kernel of windows', () => {
  const kinds = convolutionSizes.flatMap((size) =>
    lowered(convolutionProgram(size).graph, target512).groups.flatMap((group) =>
      group.kind === 'contract' ? [kindOf(group.contraction)] : [],
    ),
  )
  expect(new Set(kinds)).toEqual(new Set(['rows', 'columns', 'shared', undefined]))
})

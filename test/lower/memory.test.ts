/**
 * Memory of plans: what lives at once is counted again from the launches, nothing that lives at once overlaps, and the
 * order of launches keeps no gradient longer than it is read.
 */
import { expect, test } from 'vitest'
import { byteSize } from '../../src/base/dtype.js'
import { compileGraph } from '../../src/compile.js'
import { loss, nn, optim } from '../../src/index.js'
import { lower } from '../../src/lower/lower.js'
import { freeEarly, leastFreed } from '../../src/lower/order.js'
import { makePlan, type Plan } from '../../src/lower/plan.js'
import { type Target, target512, wasmTarget } from '../../src/lower/target.js'
import type { OptimizerSpec } from '../../src/optim/optimizer.js'
import { training } from '../engines/trainings.js'

/** The plan of a step of a multi-layer perceptron with cross-entropy. */
function planOf(
  sizes: readonly number[],
  batch: number,
  optimizer: OptimizerSpec,
  target: Target,
  activation: typeof nn.relu = nn.relu,
): Plan {
  const layers = sizes.slice(1).flatMap((width, i) => {
    const linear = nn.linear(sizes[i]!, width)
    return i + 2 < sizes.length ? [linear, activation] : [linear]
  })
  const made = training({
    name: sizes.join('-'),
    net: () => nn.sequential(...(layers as [(typeof layers)[0]])),
    loss: loss.crossEntropy as never,
    optimizer,
    input: [batch, sizes[0]!],
    target: sizes[sizes.length - 1]!,
  }).trace()
  const storages = made.graph.inputs.map(() => undefined)
  const { graph } = compileGraph(made.graph, made.updates, storages, { engine: 'interpreter', numerics: 'fused' })
  const outside = new Set(made.initial.flatMap((values, i) => (values ? [i] : [])))
  return makePlan(lower(graph, made.updates, 'fused', target), outside)
}

/** Places of the arena alive at each launch, arguments from the start and results to the end. */
function aliveAt(plan: Plan): { offset: number; bytes: number }[][] {
  const uses = new Map<number, number[]>()
  const use = (slot: number, at: number) => uses.set(slot, [...(uses.get(slot) ?? []), at])
  for (const slot of plan.inputs) if (slot >= 0) use(slot, 0)
  plan.launches.forEach(({ slots }, at) => {
    for (const slot of slots) use(slot, at)
  })
  for (const slot of plan.outputs) use(slot, plan.launches.length - 1)
  return plan.launches.map((_, at) =>
    [...uses].flatMap(([i, all]) => {
      const slot = plan.slots[i]!
      const alive = Math.min(...all) <= at && at <= Math.max(...all)
      return slot.kind === 'arena' && alive ? [{ offset: slot.offset, bytes: slot.length * byteSize[slot.dtype] }] : []
    }),
  )
}

const adam = optim.adam({ learningRate: 0.001 })

test.each([
  ['native', target512],
  ['WebAssembly', wasmTarget],
] as const)('W3 takes little more than must live at once: %s', (_, target) => {
  const plan = planOf([784, 1024, 1024, 1024, 10], 256, adam, target)
  const updated = new Set(plan.outputs)
  const variables = plan.slots.reduce(
    (sum, slot, i) => sum + (slot.kind === 'outside' && updated.has(i) ? slot.length * byteSize[slot.dtype] : 0),
    0,
  )
  // Weights, biases and two moments of each; Adam counts its steps.
  const weights = 784 * 1024 + 2 * 1024 * 1024 + 1024 * 10 + 3 * 1024 + 10
  expect(variables - 3 * 4 * weights).toBeLessThan(64)
  const alive = aliveAt(plan)
  expect(plan.liveBytes).toBe(Math.max(...alive.map((places) => places.reduce((sum, { bytes }) => sum + bytes, 0))))
  expect((variables + plan.arenaBytes) / (variables + plan.liveBytes)).toBeLessThan(1.15)
  for (const places of alive) {
    const sorted = places.sort((a, b) => a.offset - b.offset)
    for (const [i, { offset }] of sorted.slice(1).entries())
      expect(offset).toBeGreaterThanOrEqual(sorted[i]!.offset + sorted[i]!.bytes)
  }
})

// ReLU: its result, and a byte that says where it is 0. tanh: its result. GELU: x, 1 + erf(x/√2) and the result.
test.each([
  ['relu', 4 + 1],
  ['tanh', 4],
  ['gelu', 12],
] as const)('each layer more adds what its derivative reads to what must live at once, and no gradient: %s', (name, bytes) => {
  const [batch, width] = [192, 128]
  const live = (depth: number) =>
    planOf([width, ...Array<number>(depth).fill(width), 10], batch, adam, wasmTarget, nn[name]).liveBytes
  const [four, eight] = [live(4), live(8)]
  expect((eight - four) / 4 / (batch * width)).toBeCloseTo(bytes, 1)
})

test('launches that meet keep their order, whatever frees most', () => {
  const { bytes } = leastFreed
  leastFreed.bytes = 1
  try {
    let [state, moved] = [1, 0]
    const random = (n: number) => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0
      return Math.floor((state / 2 ** 32) * n)
    }
    for (let round = 0; round < 200; round++) {
      const launches = Array.from({ length: 12 }, (_, number) => {
        const touched = [...new Set(Array.from({ length: 1 + random(4) }, () => random(20)))]
        const buffers = touched.map(() => ({ access: (['read', 'read', 'write', 'update'] as const)[random(4)]! }))
        return { number, kernel: { buffers }, owners: touched }
      })
      const order = freeEarly(launches, {
        placeOf: (owner: number) => owner % 16,
        bytesOf: (place) => (place < 3 ? 0 : 1 << place),
        given: new Set([3, 4]),
        kept: new Set([5]),
      })
      expect([...order].sort((a, b) => a.number - b.number)).toEqual(launches)
      const writes = ({ kernel, owners }: (typeof launches)[0], place: number) =>
        kernel.buffers.some(({ access }, i) => access !== 'read' && owners[i]! % 16 === place)
      order.forEach((later, i) => {
        for (const earlier of order.slice(0, i)) {
          const shared = earlier.owners.map((o) => o % 16).filter((p) => later.owners.some((o) => o % 16 === p))
          if (shared.some((place) => writes(earlier, place) || writes(later, place)))
            expect(earlier.number).toBeLessThan(later.number)
          if (earlier.number > later.number) moved++
        }
      })
    }
    expect(moved).toBeGreaterThan(1000)
  } finally {
    leastFreed.bytes = bytes
  }
})

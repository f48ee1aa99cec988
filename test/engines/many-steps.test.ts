/** Several steps in one call give what as many calls give: the results of each step, and Variables after the last. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { compile, random, type Tensor, tensor, type Variable, variable } from '../../src/index.js'
import { leastShared } from '../../src/lower/schedule.js'
import { sharedHeap } from '../../src/runtime/heap.js'
import { sharing } from '../../src/runtime/wasm.js'
import { missing, ownCache } from '../native/harness.js'
import { sameBits } from '../support/bits.js'

const before = { ...leastShared, afterMs: sharing.afterMs }
const removeCache = ownCache()
beforeAll(() => {
  Object.assign(leastShared, { kernel: 0, program: 0 })
  sharing.afterMs = 0
})
afterAll(() => {
  Object.assign(leastShared, { kernel: before.kernel, program: before.program })
  sharing.afterMs = before.afterMs
  removeCache()
})

/** Arguments and results of odd sizes, an argument that is a result too, random numbers, a Variable read and updated. */
function steps(settings: { engine: 'wasm' | 'native' | 'interpreter'; threads: number }) {
  const total: Variable = variable(tensor([0, 0, 0, 0, 0, 0, 0]))
  const step = compile(
    (x: Tensor, y: Tensor) => {
      const noisy = x.mul(random.uniform(x.shape)).add(total.value)
      total.assign(noisy.sum(0).add(y))
      return { noisy, y, old: total.value.mul(1), product: noisy.matmul(x.transpose()) }
    },
    { random: 5, ...settings },
  )
  return { step, total }
}

const list = (count: number, rows: number, from = 0): [Tensor, Tensor][] =>
  Array.from({ length: count }, (_, i) => [
    tensor(
      Float32Array.from({ length: 7 * rows }, (_, j) => Math.sin(1.3 * (i + from) + j)),
      { shape: [rows, 7] },
    ),
    tensor(Float32Array.from({ length: 7 }, (_, j) => j - i - from)),
  ])

const columns = (['interpreter', 'wasm', 'native'] as const).flatMap((engine) =>
  (engine === 'interpreter' ? [1] : [1, 2]).map((threads) => ({ engine, threads })),
)

test.each(columns)('$engine, $threads threads', async (column) => {
  if (column.engine === 'native' && missing()) return
  // Of two shapes, in calls of different lengths; single calls between them.
  const all = [...list(3, 5), ...list(40, 5, 3), ...list(2, 6, 50), ...list(1, 5, 60), ...list(33, 5, 70)]
  const one = steps({ engine: 'interpreter', threads: 1 })
  const many = steps(column)
  const expected = all.map((args) => one.step(...args))
  const actual: (typeof expected)[number][] = []
  for (const [from, to] of [
    [0, 3],
    [3, 44],
    [44, 79],
  ] as const) {
    // Workers start meanwhile.
    if (column.engine === 'wasm' && column.threads > 1) await new Promise((resolve) => setTimeout(resolve, 200))
    actual.push(...many.step.each(all.slice(from, to)))
  }
  expect(actual).toHaveLength(all.length)
  for (const [i, results] of actual.entries())
    for (const [name, value] of Object.entries(results))
      expect(
        sameBits(await value.data(), await expected[i]![name as keyof typeof results].data()),
        `step ${i}, ${name}`,
      ).toBeUndefined()
  expect(sameBits(many.total.storage.read(), one.total.storage.read())).toBeUndefined()
})

test('many gives the last result, and stops where it is told to', async () => {
  const { step, total } = steps({ engine: 'wasm', threads: 1 })
  const other = steps({ engine: 'wasm', threads: 1 })
  const all = list(50, 5)
  const last = await step.many(all)
  const results = all.map((args) => other.step(...args))
  expect(await last!.product.data()).toEqual(await results.at(-1)!.product.data())
  const stop = new AbortController()
  const stopping = function* () {
    for (const [i, args] of list(50, 5).entries()) {
      if (i === 20) stop.abort()
      yield args
    }
  }
  await expect(step.many(stopping(), { signal: stop.signal })).rejects.toThrow(/abort/i)
  expect(total.storage.read()).not.toEqual(other.total.storage.read())
})

test('many uses what it was given before its source fails, and does not keep slow items waiting', async () => {
  const { step, total } = steps({ engine: 'wasm', threads: 1 })
  const other = steps({ engine: 'wasm', threads: 1 })
  // The total grows fivefold a step: not so many that it becomes infinite.
  const all = list(37, 5)
  const failing = function* () {
    yield* all
    throw new Error('no more')
  }
  await expect(step.many(failing())).rejects.toThrow('no more')
  for (const args of all) other.step(...args)
  expect(sameBits(total.storage.read(), other.total.storage.read())).toBeUndefined()

  const patient = steps({ engine: 'wasm', threads: 1 })
  const slow = async function* () {
    yield* list(10, 5)
    for (const args of list(2, 5)) {
      await new Promise((resolve) => setTimeout(resolve, 30))
      const before = patient.total.storage.read()
      yield args
      // Asked for the next one: the step has been made.
      expect(sameBits(patient.total.storage.read(), before)).toBeDefined()
    }
  }
  await patient.step.many(slow())
})

test('large arguments are not held 32 times at once', () => {
  const step = compile((x: Tensor) => x.sum(), { engine: 'wasm', threads: 1 })
  const large = tensor(new Float32Array(3_000_000), { shape: [3_000_000] })
  const before = sharedHeap().memory.buffer.byteLength
  step.each(Array.from({ length: 32 }, () => [large] as [Tensor]))
  // Three times 12 MB of arguments at most, with what the heap grows ahead.
  expect(sharedHeap().memory.buffer.byteLength - before).toBeLessThan(60e6)
})

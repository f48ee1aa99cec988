/** @file Networks that train badly on purpose: each is warned of once, with the layer; histograms; what fit tells its observers. */

import fc from 'fast-check'
import {
  backpropagate,
  compile,
  fit,
  histogramOf,
  initialize,
  loss,
  nn,
  type Observation,
  optim,
  parameters as parameterMap,
  type RunEvent,
  type Tensor,
  type TrainingMonitor,
  tensor,
  trainingMonitor,
  type Variable,
} from 'gradus'
import { describe, expect, test, vi } from 'vitest'
import { RandomStream } from '../../src/numerics/random.js'

const random = new RandomStream(1, 'monitor')
const x = tensor(
  Float32Array.from({ length: 64 * 8 }, () => random.normal()),
  { shape: [64, 8] },
)
const y = tensor(
  Int32Array.from({ length: 64 }, () => random.integer(3)),
  { shape: [64], dtype: 'int32' },
)

/** Some steps on one batch, each observed, as one epoch. */
function watch(net: ReturnType<typeof nn.sequential>, spec = optim.sgd({ learningRate: 1e-2 }), steps = 8) {
  initialize(net, { seed: 2 })
  const seen: Observation[] = []
  const monitor = trainingMonitor({ warn: () => {} })
  const optimizer = spec.init(net)
  const observe = {
    every: 1,
    to: (one: Observation) => {
      seen.push(one)
      monitor.observe(one)
    },
  }
  const step = compile(
    (input: Tensor, target: Tensor) => {
      const error = loss.crossEntropy((net as unknown as (x: Tensor) => Tensor)(input), target)
      optimizer.update(backpropagate(error, net))
      return error
    },
    { training: true, observe },
  )
  for (let i = 0; i < steps; i++) step(x, y)
  monitor.epoch()
  return { monitor, seen, net, step }
}
const kinds = (monitor: TrainingMonitor) => monitor.warnings.map(({ what, layer }) => `${what} ${layer ?? ''}`.trim())

describe('warnings', () => {
  test('dead units: the layer and how many', () => {
    const net = nn.sequential(nn.linear(8, 16), nn.relu, nn.linear(16, 8), nn.relu, nn.linear(8, 3))
    initialize(net, { seed: 2 })
    // Ten of sixteen can never be above 0.
    const bias = (
      net.children as unknown as { 0: { children: { bias: { storage: { write(x: Float32Array): void } } } } }
    )[0]
    bias.children.bias.storage.write(Float32Array.from({ length: 16 }, (_, i) => (i < 10 ? -1e3 : 0.1)))
    const { monitor } = watch(net)
    expect(kinds(monitor)).toEqual(['deadUnits 1'])
    expect(monitor.warnings[0]!.message).toMatch(/10 of 16 units of the ReLU layer 1 .*leakyRelu/)
    // Not again while it lasts.
    monitor.epoch()
    expect(monitor.warnings.length).toBe(1)
  })

  test('twelve layers of sigmoid: the gradient vanishes', () => {
    const layers = Array.from({ length: 12 }, () => [nn.linear(8, 8), nn.sigmoid]).flat()
    const net = nn.sequential(...(layers as [])) as ReturnType<typeof nn.sequential>
    const { monitor } = watch(nn.sequential(net as never, nn.linear(8, 3) as never))
    expect(kinds(monitor)).toContain('vanishingGradients 0.0.weight')
  })

  test('a healthy network is left in peace', () => {
    const net = nn.sequential(nn.linear(8, 32), nn.relu, nn.linear(32, 32), nn.tanh, nn.linear(32, 3))
    expect(kinds(watch(net, optim.adam({ learningRate: 1e-3 }), 40).monitor)).toEqual([])
  })

  test('updates that are too large and too small, saturated units', () => {
    const net = () => nn.sequential(nn.linear(8, 16), nn.tanh, nn.linear(16, 3))
    const large = kinds(watch(net(), optim.sgd({ learningRate: 1e3 })).monitor)
    expect(large).toContain('largeUpdates 0.weight')
    expect(large).toContain('saturatedUnits 1')
    expect(kinds(watch(net(), optim.sgd({ learningRate: 1e-7 })).monitor)).toContain('smallUpdates 0.weight')
  })

  test('a gradient that explodes, said once and again only after it was over', () => {
    const monitor = trainingMonitor({ warn: () => {} })
    const at = (gradient: number, step: number) =>
      monitor.observe({
        step,
        skipped: false,
        parameters: { 'a.weight': { gradient, update: 1e-3, parameter: 1 } },
        activations: {},
      })
    let step = 0
    for (const gradient of [1, 1.1, 0.9, 1, 1, 500, 600, 1, 700]) at(gradient, ++step)
    expect(monitor.warnings.map((one) => [one.what, one.step])).toEqual([
      ['explodingGradients', 6],
      ['explodingGradients', 9],
    ])
  })

  test('a loss that does not move; targets that are all equal', () => {
    const monitor = trainingMonitor({ warn: () => {} })
    for (let i = 0; i < 6; i++) monitor.epoch(1.2)
    monitor.targets(Int32Array.of(4, 4, 4))
    const falling = trainingMonitor({ warn: () => {} })
    for (let i = 0; i < 6; i++) falling.epoch(2 / (i + 1))
    // One that has fallen and now stays is none either.
    for (let i = 0; i < 6; i++) falling.epoch(0.2)
    falling.targets(Int32Array.of(4, 4, 5))
    expect(kinds(monitor)).toEqual(['lossStuck', 'constantTargets'])
    expect(kinds(falling)).toEqual([])
  })

  test('options', () => {
    expect(() => trainingMonitor({ deadshare: 1 } as never)).toThrow(/did you mean 'deadShare'/)
    expect(() => trainingMonitor({ deadShare: 0 })).toThrow(/deadShare must be a number above 0/)
  })
})

test('observations are what plain arithmetic gives', async () => {
  const net = nn.sequential(nn.linear(8, 4), nn.relu, nn.linear(4, 3))
  initialize(net, { seed: 2 })
  const before = Array.from(await (net as unknown as (x: Tensor) => Tensor)(x).data())
  const [weight] = [...parameterMap(net).values()] as [Variable]
  const old = weight.storage.read()
  const { seen } = watch(net, optim.sgd({ learningRate: 0.5 }), 1)
  const { parameters, activations } = seen[0]!
  const now = weight.storage.read()
  const norm = (values: ArrayLike<number>) => Math.sqrt(Array.from(values).reduce((sum, one) => sum + one * one, 0))
  const { gradient, update, parameter } = parameters['0.weight']!
  expect(parameter).toBeCloseTo(norm(old), 5)
  expect(update).toBeCloseTo(norm(old.map((one, i) => now[i]! - one)), 5)
  expect(update).toBeCloseTo(0.5 * gradient, 5)
  const { mean, deviation, zero } = activations['2']!
  const average = before.reduce((sum, one) => sum + one, 0) / before.length
  expect(mean).toBeCloseTo(average, 5)
  expect(deviation).toBeCloseTo(norm(before.map((one) => one - average)) / Math.sqrt(before.length), 5)
  expect(zero).toBe(0)
  expect(activations['1']!.zero).toBeGreaterThan(0.1)
  expect(activations['1']!.alive!.length).toBe(4)
})

test('fit tells its observer, and the epochs', async () => {
  const events: RunEvent[] = []
  const data = (n: number) => ({
    input: { data: Float32Array.from({ length: n * 8 }, () => random.normal()), shape: [n, 8] as const },
    target: { data: new Int32Array(n).fill(1), shape: [n] as const },
  })
  const history = await fit(nn.sequential(nn.linear(8, 16), nn.relu, nn.linear(16, 3)), {
    train: data(60),
    loss: loss.crossEntropy,
    optimizer: optim.adam({ learningRate: 1e-3 }),
    epochs: 2,
    batchSize: 10,
    seed: 1,
    observe: { every: 4, histograms: true, to: { event: (event) => events.push(event) } },
  })
  expect(events.map((event) => `${event.kind} ${'step' in event ? event.step : ''}`.trim())).toEqual([
    'warning',
    'layers 4',
    'histogram 6',
    'layers 8',
    'layers 12',
    'histogram 12',
  ])
  expect(events[0]).toMatchObject({ what: 'constantTargets' })
  const [, layers, histogram] = events as [RunEvent, RunEvent, RunEvent]
  expect(layers.kind === 'layers' && Object.keys(layers.layers)).toEqual(['0.weight', '0.bias', '2.weight', '2.bias'])
  expect(layers.kind === 'layers' && Object.keys(layers.activations!)).toEqual(['0', '1', '2'])
  expect(history.epochs.map(({ layers }) => layers?.step)).toEqual([4, 12])
  if (histogram.kind !== 'histogram') throw new Error('no histogram')
  expect(histogram.layers['0.weight']!.counts.reduce((a, b) => a + b)).toBe(128)
  expect(histogram.gradients!['2.bias']!.counts.reduce((a, b) => a + b)).toBe(3)
  const warn = vi.spyOn(console, 'warn').mockImplementation(() => {})
  const usual = { train: data(20), loss: loss.crossEntropy, optimizer: optim.adam(), epochs: 1 } as const
  await fit(nn.sequential(nn.linear(8, 3)), { ...usual, observe: 2 })
  expect(warn.mock.calls[0]![0]).toMatch(/^gradus: all 20 targets of the training data are 1/)
  warn.mockRestore()
  for (const [observe, message] of [
    [0, /every must be a whole number above 0/],
    ['yes', /observe is the text 'yes'/],
    [{ ever: 3 }, /did you mean 'every'/],
    [{ to: {} }, /which has no method event/],
    [{ warnings: { deadShare: -1 } }, /deadShare must be a number above 0/],
  ] as const)
    expect(() => fit(nn.sequential(nn.linear(8, 3)), { ...usual, observe: observe as never })).toThrow(message)
  const step = compile(() => x)
  expect(() => fit(nn.sequential(nn.linear(8, 3)), { train: data(20), step, onNonFinite: 'skip' })).toThrow(
    /onNonFinite is given beside a step of your own/,
  )
})

test('histograms count every finite value once', () => {
  expect(histogramOf([0, 1, 1, 4], 2)).toEqual({ edges: [0, 2, 4], counts: [3, 1] })
  expect(histogramOf([3, 3], 2)).toEqual({ edges: [2.5, 3, 3.5], counts: [0, 2] })
  expect(histogramOf([Number.NaN], 1)).toEqual({ edges: [0, 1], counts: [0] })
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.double({ min: -1e300, max: 1e300 }), fc.constant(Number.POSITIVE_INFINITY))),
      fc.integer({ min: 1, max: 40 }),
      (values, bins) => {
        const { edges, counts } = histogramOf(values, bins)
        expect(counts.reduce((a, b) => a + b, 0)).toBe(values.filter(Number.isFinite).length)
        expect(edges.length).toBe(bins + 1)
        expect(edges.every((edge, i) => Number.isFinite(edge) && (i === 0 || edge >= edges[i - 1]!))).toBe(true)
      },
    ),
  )
})

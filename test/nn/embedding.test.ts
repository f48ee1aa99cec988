/**
 * @file Embeddings, positions, and activations with parameters or draws: against PyTorch and the papers' formulas.
 */
import { describe, expect, test } from 'vitest'
import * as loss from '../../src/loss/index.js'
import * as nn from '../../src/nn/index.js'
import { initialize } from '../../src/nn/module.js'
import { summary } from '../../src/nn/summary.js'
import * as optim from '../../src/optim/index.js'
import { tensor } from '../../src/trace/creation.js'
import { gradientsOf } from '../../src/trace/grad.js'
import * as random from '../../src/trace/random.js'
import type { Tensor } from '../../src/trace/tensor.js'
import { variable } from '../../src/trace/variable.js'
import { fit } from '../../src/train/fit.js'
import { predict } from '../../src/train/predict.js'
import { numbers, runTraced } from '../support/run.js'
import { layersMatch, single } from './layer-fixtures.js'

layersMatch('layers-embeddings.json', {
  embedding: (dtype) => single(nn.embedding(7, 3, { dtype })),
  'embedding, padding': (dtype) => single(nn.embedding(7, 3, { paddingIndex: 1, dtype })),
  'embedding, padding from the end': (dtype) => single(nn.embedding(7, 2, { paddingIndex: -1, dtype })),
  learnedPositions: (dtype) => single(nn.learnedPositions(5, 4, { dtype })),
  'sinusoidalPositions of 4': (dtype) => single(nn.sinusoidalPositions(4, { dtype })),
  'sinusoidalPositions of 5': (dtype) => single(nn.sinusoidalPositions(5, { dtype })),
  'sinusoidalPositions, base 20': (dtype) => single(nn.sinusoidalPositions(4, { base: 20, dtype })),
  rotary: () => ({ call: (x) => nn.rotary(x) }),
  'rotary, offset and base': () => ({ call: (x) => nn.rotary(x, { offset: 1000, base: 50 }) }),
  'rotary of halves': () => ({ call: (x) => nn.rotary(x, { pairs: 'halves' }) }),
  prelu: (dtype) => single(nn.prelu({ dtype })),
  'prelu of channels': (dtype) => single(nn.prelu({ channels: 3, dtype })),
  glu: () => ({ call: nn.glu as (x: Tensor) => Tensor }),
  'glu along an axis': () => ({ call: nn.glu.with({ axis: 1 }) }),
  threshold: () => ({ call: nn.threshold.with({ threshold: 0.3, value: -2 }) }),
  'softplus, beta 3': () => ({ call: nn.softplus.with({ beta: 3 }) }),
  'rrelu, inference': () => ({ call: nn.rrelu }),
})

const ids = (...values: number[]): Tensor => tensor(values, { dtype: 'int32' })

describe('embedding', () => {
  test('a number that has no row gives NaN, not the vector of another', () => {
    const net = nn.embedding(3, 2)
    const rows = numbers(net(ids(0, 2, 3, -1)))
    expect(rows.slice(0, 4).every(Number.isFinite)).toBe(true)
    expect(rows.slice(4)).toEqual([Number.NaN, Number.NaN, Number.NaN, Number.NaN])
  })

  test('fit says which number has no row', async () => {
    const input = { data: Int32Array.of(0, 1, 2, 4, 3, 7), shape: [3, 2] }
    const options = {
      train: { input, target: { data: Int32Array.of(0, 1, 0), shape: [3] } },
      loss: loss.crossEntropy,
      optimizer: optim.sgd({ learningRate: 0.1 }),
    }
    const of = (count: number) =>
      nn.module({ words: nn.embedding(count, 4), head: nn.linear(4, 2) }, (m, x: Tensor) =>
        m.head(m.words(x).mean(1) as Tensor),
      )
    await expect(fit(of(7), options)).rejects.toThrow(
      /the loss is NaN.*Row 2 of the inputs has the number 7, the embedding 'words' has rows for 0\.\.6\./s,
    )
    expect((await fit(of(8), options)).epochs.at(-1)!.train.loss).toBeGreaterThan(0)
  })

  test('the vector of padding is 0 at first, wherever it stands; others are normal', () => {
    const net = nn.embedding(400, 50, { paddingIndex: -2 })
    initialize(net, { seed: 1 })
    const rows = Array.from(net.children.weight.storage.read())
    expect(rows.slice(398 * 50, 399 * 50)).toEqual(new Array(50).fill(0))
    expect(rows.reduce((s, x) => s + x * x, 0) / (399 * 50)).toBeCloseTo(1, 1)
  })

  test('whole numbers and bytes reach it as such through fit and predict; its sizes are known', async () => {
    const net = nn.sequential(nn.embedding(5, 8), nn.flatten(), nn.linear(24, 5))
    expect(summary(net, [1, 3]).parameters).toBe(5 * 8 + 24 * 5 + 5)
    const words = Int32Array.from({ length: 300 }, (_, i) => (i * i + (i >> 2)) % 5)
    const labels = Int32Array.from({ length: 100 }, (_, i) => words[3 * i + 1]!)
    const history = await fit(net, {
      train: { input: { data: words, shape: [100, 3] }, target: { data: labels, shape: [100] } },
      loss: loss.crossEntropy,
      optimizer: optim.adam({ learningRate: 0.05 }),
      epochs: 20,
      seed: 3,
    })
    expect(history.epochs.at(-1)!.train.loss).toBeLessThan(0.1)
    const bytes = { data: Uint8Array.from(words), shape: [100, 3] }
    expect(await predict(net, bytes)).toEqual(await predict(net, { data: words, shape: [100, 3] }))
    await expect(predict(net, [[1, 2, 3]])).rejects.toThrow(
      /takes whole numbers as int32, got float32\[1,3\].*dtype: 'int32'/s,
    )
  })
})

test('rotary positions: the product of query and key depends on their distance alone', () => {
  const [q, k] = [tensor([[0.3, -1, 2, 0.5]]) as Tensor, tensor([[1, 0.7, -0.2, 1.5]]) as Tensor]
  const product = (a: number, b: number) =>
    numbers(
      nn
        .rotary(q, { offset: a })
        .mul(nn.rotary(k, { offset: b }))
        .sum(),
    )[0]!
  expect(product(107, 103)).toBeCloseTo(product(4, 0), 4)
  expect(product(4, 0)).not.toBeCloseTo(product(3, 0), 2)
})

describe('draws', () => {
  const x = tensor(new Float32Array(6000).fill(-1), { shape: [2, 30, 100] }) as Tensor
  const run = (f: (t: Tensor) => Tensor, input: Tensor, seed = 1) =>
    numbers(runTraced(f, [input], { training: true, random: new random.RandomGenerator(seed) })[0]!)
  const mean = (values: readonly number[]) => values.reduce((s, v) => s + v, 0) / values.length

  test('dropout2d drops whole channels', () => {
    const y = run((t) => nn.dropout2d(0.5)(t), x)
    const channels = Array.from({ length: 60 }, (_, i) => new Set(y.slice(100 * i, 100 * i + 100)))
    expect(channels.every((values) => values.size === 1)).toBe(true)
    const dropped = channels.filter((values) => values.has(0)).length
    expect(dropped).toBeGreaterThan(15)
    expect(dropped).toBeLessThan(45)
    expect(new Set(y)).toEqual(new Set([0, -2]))
    expect(numbers(nn.dropout2d(0.5)(x))).toEqual(numbers(x))
  })

  test('alphaDropout keeps mean and variance of what selu gives', () => {
    const drawn = runTraced(() => nn.selu(random.normal([200, 100])), [], { random: new random.RandomGenerator(3) })[0]!
    const y = run((t) => nn.alphaDropout(0.2)(t), drawn)
    const variance = mean(y.map((v) => v * v)) - mean(y) ** 2
    expect([mean(y), variance].map((v) => Math.round(v * 10))).toEqual([0, 10])
    const limit = -1.7580993408473766
    const a = (0.8 * (1 + 0.2 * limit ** 2)) ** -0.5
    const dropped = Math.fround(a * limit - a * 0.2 * limit)
    const share = y.filter((v) => Math.abs(v - dropped) < 1e-5).length / y.length
    expect(Math.abs(share - 0.2)).toBeLessThan(0.015)
    expect(numbers(nn.alphaDropout(0.2)(x))).toEqual(numbers(x))
  })

  test('rrelu draws slopes evenly, a new one for each element', () => {
    const y = run((t) => nn.rrelu(t, { low: 0.2, high: 0.6 }), x)
    expect(new Set(y).size).toBeGreaterThan(5900)
    expect(mean(y)).toBeCloseTo(-0.4, 2)
    expect([Math.min(...y) > -0.6, Math.max(...y) <= -0.2]).toEqual([true, true])
  })

  test('gumbelSoftmax draws classes with the probabilities of softmax; hard ones have the gradient of soft ones', () => {
    const logits = tensor([0, 1, 2]).broadcastTo([4000, 3]) as Tensor
    const hard = run((t) => nn.gumbelSoftmax(t, { hard: true, temperature: 0.5 }), logits)
    const total = 1 + Math.E + Math.E ** 2
    for (const i of [0, 1, 2]) {
      const share = mean(hard.filter((_, at) => at % 3 === i))
      expect(Math.abs(share - Math.E ** i / total)).toBeLessThan(0.03)
    }
    const v = variable(tensor([[0.1, 0.2, -0.3]]) as Tensor, { trainable: true })
    const gradient = (isHard: boolean) =>
      runTraced(
        () =>
          gradientsOf(
            nn
              .gumbelSoftmax(v.value as Tensor, { hard: isHard })
              .mul(tensor([1, 2, 4]))
              .sum(),
            [v],
          ),
        [],
        { training: true, random: new random.RandomGenerator(5) },
      ).flatMap(numbers)
    expect(gradient(true)).toEqual(gradient(false))
    expect(gradient(true).some((g) => Math.abs(g) > 0.01)).toBe(true)
  })
})

test.each([
  [() => nn.embedding(3, 2, { paddingIndex: 3 }), /paddingIndex 3 is none of the 3 numbers/],
  [() => nn.embedding(3, 2)(tensor([1]) as Tensor), /takes whole numbers as int32, got float32\[1\]/],
  [
    () =>
      nn.learnedPositions(
        3,
        2,
      )(
        tensor([
          [1, 2],
          [1, 2],
          [1, 2],
          [1, 2],
        ]) as Tensor,
      ),
    /has 3 positions, the input \[4,2\] has 4/,
  ],
  [() => nn.sinusoidalPositions(3)(tensor([[1, 2]]) as Tensor), /takes \[\.\.\., length, 3\], got \[1,2\]/],
  [() => nn.sinusoidalPositions(3, { base: 0 }), /base must be above 0/],
  [() => nn.rotary(tensor([[1, 2, 3]]) as Tensor), /even size, got \[1,3\]/],
  [() => nn.rotary(tensor([[1, 2]]) as Tensor, { pairs: 'half' as 'halves' }), /'neighbours' or 'halves', not 'half'/],
  [() => nn.prelu({ channels: 3 })(tensor([[1, 2]]) as Tensor), /takes \[batch,3,\.\.\.\], got \[1,2\]/],
  [() => nn.glu(tensor([1, 2, 3]) as Tensor), /cannot halve axis 0 of \[3\]/],
  [() => nn.dropout2d(0.5)(tensor([[1, 2]]) as Tensor), /takes \[batch, channels, \.\.\.\], got \[1,2\].*nn\.dropout/s],
  [() => nn.softplus(tensor([1]) as Tensor, { beta: 0 }), /beta must be above 0/],
  [() => nn.gumbelSoftmax(tensor([1]) as Tensor, { temperature: 0 }), /temperature must be above 0/],
])('what is wrong says so: %s', (f, message) => {
  expect(f as () => unknown).toThrow(message)
})

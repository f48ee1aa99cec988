/**
 * @file Transformer blocks against PyTorch; what causal ones and padding see, dropout, a training; errors.
 */
import { describe, expect, test } from 'vitest'
import * as loss from '../../src/loss/index.js'
import { backpropagate } from '../../src/nn/backpropagate.js'
import * as nn from '../../src/nn/index.js'
import { initialize, parameters } from '../../src/nn/module.js'
import * as optim from '../../src/optim/index.js'
import { compile } from '../../src/step.js'
import { tensor } from '../../src/trace/creation.js'
import { RandomGenerator } from '../../src/trace/random.js'
import type { Tensor } from '../../src/trace/tensor.js'
import { distance, numbers, runTraced } from '../support/run.js'
import { type Built, type Float, layersMatch } from './layer-fixtures.js'

/** A network, and how it is called. */
const called = <N extends nn.ModuleParts>(net: N, call: (net: N, ...inputs: Tensor[]) => Tensor): Built => ({
  net,
  call: (...inputs) => call(net, ...inputs),
})
const small = (dtype: Float) => ({ feedForward: 5, dtype })
layersMatch('layers-transformers.json', {
  transformerEncoderLayer: (dtype) => called(nn.transformerEncoderLayer(4, 2, small(dtype)), (net, x) => net(x!)),
  'transformerEncoderLayer, norm first, gelu, causal': (dtype) =>
    called(
      nn.transformerEncoderLayer(4, 2, {
        ...small(dtype),
        normFirst: true,
        activation: nn.gelu,
        bias: false,
        epsilon: 0.01,
        causal: true,
      }),
      (net, x, keyMask) => net(x!, { keyMask }),
    ),
  transformerDecoderLayer: (dtype) =>
    called(nn.transformerDecoderLayer(4, 2, small(dtype)), (net, x, y, memoryKeyMask) =>
      net(x!, y!, { causal: true, memoryKeyMask }),
    ),
  'transformerDecoderLayer, norm first, masks': (dtype) =>
    called(nn.transformerDecoderLayer(4, 2, { ...small(dtype), normFirst: true }), (net, x, y, mask, memoryMask) =>
      net(x!, y!, { mask, memoryMask }),
    ),
  transformerEncoder: (dtype) =>
    called(
      nn.transformerEncoder(2, () => nn.transformerEncoderLayer(4, 2, { feedForward: 3, normFirst: true, dtype }), {
        norm: nn.layerNorm(4, { dtype }),
      }),
      (net, x, keyMask) => net(x!, { keyMask }),
    ),
  transformerDecoder: (dtype) =>
    called(
      nn.transformerDecoder(2, () => nn.transformerDecoderLayer(4, 2, { feedForward: 3, dtype })),
      (net, x, y) => net(x!, y!, { causal: true }),
    ),
})

const wave = (shape: readonly number[], step = 1.3): Tensor =>
  tensor(
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(step * i)),
    { shape },
  ) as Tensor

test('what a causal query sees does not change with what comes later, nor with padding', () => {
  const net = nn.transformerEncoderLayer(4, 2, { feedForward: 8, causal: true })
  initialize(net, { seed: 1 })
  const longer = runTraced((t) => net(t), [wave([2, 5, 4])])[0]!
  const first = runTraced((t) => net(t), [wave([2, 5, 4]).slice([0, 0], [2, 3])])[0]!
  expect(distance(numbers(longer.slice([0, 0], [2, 3])), numbers(first))).toBeLessThan(1e-6)
  const keyMask = tensor([true, true, true, false, false], { dtype: 'bool' }).broadcastTo([2, 5]) as Tensor
  const padded = runTraced((t) => net(t, { causal: false, keyMask }), [wave([2, 5, 4])])[0]!
  const whole = runTraced((t) => net(t, { causal: false }), [wave([2, 5, 4]).slice([0, 0], [2, 3])])[0]!
  expect(distance(numbers(padded.slice([0, 0], [2, 3])), numbers(whole))).toBeLessThan(1e-6)
})

describe('training', () => {
  test('dropout stands in attention, in the network and at both sums, each with draws of its own', () => {
    const net = nn.transformerEncoder(2, () => nn.transformerEncoderLayer(4, 2, { feedForward: 8, dropout: 0.5 }))
    initialize(net, { seed: 1 })
    const x = wave([2, 3, 4])
    const run = (training: boolean, seed: number) =>
      numbers(runTraced((t) => net(t), [x], { training, random: new RandomGenerator(seed) })[0]!)
    expect(run(true, 1)).toEqual(run(true, 1))
    expect(run(true, 1)).not.toEqual(run(true, 2))
    expect(run(false, 1)).toEqual(run(false, 2))
    expect(() => runTraced((t) => [...backpropagate(net(t).sum(), net).values()], [x])).toThrow(
      /behaves differently in training/,
    )
  })

  test('a small language model learns to copy what stood two places before', () => {
    const [words, length] = [7, 12]
    const net = nn.module(
      {
        words: nn.embedding(words, 16),
        positions: nn.learnedPositions(length, 16),
        blocks: nn.transformerEncoder(
          2,
          () => nn.transformerEncoderLayer(16, 2, { feedForward: 32, dropout: 0, normFirst: true, causal: true }),
          { norm: nn.layerNorm(16) },
        ),
        head: nn.linear(16, words),
      },
      (m, ids: Tensor) => m.head(m.blocks(m.positions(m.words(ids)))),
    )
    initialize(net, { seed: 1 })
    const optimizer = optim.adam({ learningRate: 0.01 }).init(net)
    const step = compile(
      (ids: Tensor) => {
        const logits = net(ids).slice([0, 2]) as Tensor
        const error = loss.crossEntropy(logits.reshape([-1, words]), ids.slice([0, 0], [ids.shape[0], -2]).flatten())
        optimizer.update(backpropagate(error, net))
        return error
      },
      { training: true },
    )
    let state = 1
    const draw = () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0
      return (state >>> 8) % words
    }
    const losses = Array.from({ length: 200 }, () => {
      const ids = tensor(Int32Array.from({ length: 16 * length }, draw), { shape: [16, length] }) as Tensor
      return numbers(step(ids))[0]!
    })
    expect(losses[0]).toBeGreaterThan(1.7)
    expect(losses.at(-1)).toBeLessThan(0.1)
  })
})

test('one block in each place shares its parameters', () => {
  const layer = nn.transformerEncoderLayer(4, 2, { feedForward: 8 })
  expect(parameters(nn.transformerEncoder(6, () => layer)).size).toBe(parameters(layer).size)
})

const decoder = nn.transformerDecoderLayer(4, 2)
test.each([
  [
    () => (decoder as unknown as (x: Tensor) => Tensor)(wave([2, 3, 4])),
    /takes an input and a memory.*transformerEncoderLayer/s,
  ],
  [() => nn.transformerEncoder(0, () => nn.transformerEncoderLayer(4, 2)), /whole number above 0/],
  [
    () => nn.transformerEncoder<number>(2, (i) => nn.transformerEncoderLayer(4 + 4 * i, 2)),
    /transformerEncoderLayer\(8, 2\) does not follow transformerEncoderLayer\(4, 2\)/,
  ],
])('what is wrong says so: %s', (f, message) => {
  expect(f as () => unknown).toThrow(message)
})

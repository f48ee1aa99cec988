/**
 * @file Normalisation against PyTorch; its errors; batch normalisation in fit, evaluate, save and load.
 */
import { describe, expect, test } from 'vitest'
import { sizeOf } from '../../src/base/shape.js'
import { loadBytes, modelBytes } from '../../src/io/model.js'
import { readSafetensors } from '../../src/io/safetensors.js'
import * as loss from '../../src/loss/index.js'
import { backpropagate } from '../../src/nn/backpropagate.js'
import * as nn from '../../src/nn/index.js'
import { state } from '../../src/nn/module.js'
import { RandomStream } from '../../src/numerics/random.js'
import * as optim from '../../src/optim/index.js'
import { compile } from '../../src/step.js'
import { tensor } from '../../src/trace/creation.js'
import type { Tensor } from '../../src/trace/tensor.js'
import { evaluate } from '../../src/train/evaluate.js'
import { fit } from '../../src/train/fit.js'
import { predict } from '../../src/train/predict.js'
import { distance, numbers, runTraced } from '../support/run.js'
import { layersMatch, single } from './layer-fixtures.js'

const batchNorms = (mode: string): Parameters<typeof layersMatch>[1] => ({
  [`batchNorm, ${mode}`]: (dtype) => single(nn.batchNorm(4, { dtype })),
  [`batchNorm of images, ${mode}`]: (dtype) => single(nn.batchNorm(3, { epsilon: 0.01, momentum: 0.3, dtype })),
  [`batchNorm of series, cumulative, ${mode}`]: (dtype) =>
    single(nn.batchNorm(3, { momentum: 'cumulative', affine: false, dtype })),
  [`batchNorm without running statistics, ${mode}`]: (dtype) =>
    single(nn.batchNorm(2, { trackRunningStatistics: false, dtype })),
})

layersMatch('layers-norms.json', {
  layerNorm: (dtype) => single(nn.layerNorm(5, { dtype })),
  'layerNorm of two axes': (dtype) => single(nn.layerNorm([3, 4], { epsilon: 0.01, dtype })),
  'layerNorm without bias': (dtype) => single(nn.layerNorm(6, { bias: false, dtype })),
  'layerNorm without weights': (dtype) => single(nn.layerNorm(6, { affine: false, dtype })),
  rmsNorm: (dtype) => single(nn.rmsNorm(5, { dtype })),
  'rmsNorm of two axes': (dtype) => single(nn.rmsNorm([3, 4], { epsilon: 0.01, dtype })),
  groupNorm: (dtype) => single(nn.groupNorm(2, 6, { dtype })),
  'groupNorm of one group': (dtype) => single(nn.groupNorm(1, 4, { dtype })),
  'groupNorm without weights': (dtype) => single(nn.groupNorm(3, 3, { epsilon: 0.1, affine: false, dtype })),
  ...batchNorms('training'),
  ...batchNorms('inference'),
})

const random = (shape: readonly number[], seed: number): Tensor => {
  const stream = new RandomStream(seed, 'test')
  const data = Float32Array.from({ length: sizeOf(shape) }, () => 3 + 2 * stream.normal())
  return tensor(data, { shape })
}

describe('batch normalisation in a training', () => {
  const make = () => nn.sequential(nn.linear(3, 8), nn.batchNorm(8), nn.relu, nn.linear(8, 1))
  const input = random([90, 3], 1)
  const target = input.sum(1, { keepAxes: true })
  const data = { input, target }
  const options = { train: data, loss: loss.meanSquaredError, optimizer: optim.adam({ learningRate: 0.05 }), seed: 7 }
  const values = (net: nn.ModuleParts) => new Map([...state(net)].map(([name, v]) => [name, [...v.storage.read()]]))

  test('one step moves the running statistics as PyTorch does; inference reads them and leaves them', async () => {
    const net = nn.batchNorm(3)
    const step = compile((x: Tensor) => net(x).sum(), { training: true })
    step(input)
    const [mean, variance] = [numbers(input.mean(0)), numbers(input.variance(0, { correction: 1 }))]
    const after = values(net)
    expect(
      distance(
        after.get('running_mean')!,
        mean.map((m) => 0.1 * m),
      ),
    ).toBeLessThan(1e-6)
    expect(
      distance(
        after.get('running_var')!,
        variance.map((v) => 0.9 + 0.1 * v),
      ),
    ).toBeLessThan(1e-6)
    expect(after.get('num_batches_tracked')).toEqual([1])
    numbers(net(input))
    compile((x: Tensor) => net(x).sum(), { training: false })(input)
    expect(values(net)).toEqual(after)
  })

  test('fit counts batches, many steps a call, the last batch smaller; evaluate changes nothing; the seed decides', async () => {
    const [a, b] = [make(), make()]
    const history = await fit(a, { ...options, epochs: 30, batchSize: 16 })
    await fit(b, { ...options, epochs: 30, batchSize: 16 })
    expect(values(a).get('1.num_batches_tracked')).toEqual([30 * 6])
    expect(values(b)).toEqual(values(a))
    expect(history.epochs.at(-1)!.train.loss).toBeLessThan(history.epochs[0]!.train.loss / 10)
    const before = values(a)
    const scores = await evaluate(a, data, { loss: loss.meanSquaredError })
    expect(scores.loss).toBeLessThan(1)
    expect((await evaluate(a, data, { loss: loss.meanSquaredError, batchSize: 7 })).loss).toBeCloseTo(scores.loss, 5)
    expect(await predict(a, input.slice([0], [1]))).toEqual((await predict(a, input)).slice(0, 1))
    expect(values(a)).toEqual(before)
  })

  test('early stopping brings back the statistics of the best epoch', async () => {
    const net = make()
    const history = await fit(net, {
      ...options,
      validation: data,
      optimizer: optim.adam({ learningRate: 0.5 }),
      epochs: 12,
      batchSize: 30,
      earlyStopping: { patience: 12 },
    })
    expect(history.restored).toBe(true)
    expect(values(net).get('1.num_batches_tracked')).toEqual([3 * history.best!.epoch])
    expect((await evaluate(net, data, { loss: loss.meanSquaredError })).loss).toBeCloseTo(history.best!.value, 6)
  })

  test('files hold them under the names of PyTorch', async () => {
    const [net, other] = [make(), make()]
    await fit(net, { ...options, epochs: 2 })
    const bytes = modelBytes(net)
    expect([...readSafetensors(bytes).tensors.keys()].filter((name) => name.startsWith('1.')).sort()).toEqual([
      '1.bias',
      '1.num_batches_tracked',
      '1.running_mean',
      '1.running_var',
      '1.weight',
    ])
    loadBytes(other, bytes)
    expect(values(other)).toEqual(values(net))
    expect(await predict(other, input)).toEqual(await predict(net, input))
  })

  test('backpropagation needs to know whether it trains', () => {
    const net = make()
    expect(() => runTraced((x) => [...backpropagate(net(x).mean(), net).values()], [input])).toThrow(
      /batchNorm behaves differently.*training: true/s,
    )
  })
})

test.each([
  [() => nn.layerNorm(4)(random([2, 5], 1)), /layerNorm: takes \[\.\.\.,4\], got \[2,5\].*built as layerNorm\(4\)/],
  [() => nn.layerNorm([2, 4])(random([4], 1)), /takes \[\.\.\.,2,4\], got \[4\]/],
  [() => nn.layerNorm(4, { eps: 1 } as object), /no option 'eps'.*epsilon, affine, bias, dtype/s],
  [() => nn.layerNorm(4, { epsilon: -1 }), /epsilon must be 0 or more, not -1/],
  [() => nn.layerNorm([]), /size of at least one axis/],
  [
    () => nn.rmsNorm(4)(random([2, 4], 1).cast('float64') as Tensor),
    /rmsNorm: computes in float32, got float64\[2,4\]/,
  ],
  [() => nn.groupNorm(2, 5), /5 channels cannot be divided into 2 groups/],
  [() => nn.groupNorm(2, 4)(random([4], 1)), /takes \[batch,4,\.\.\.\], got \[4\]/],
  [() => nn.instanceNorm(4)(random([2, 4], 1)), /takes \[batch, channels, \.\.\.\], got \[2,4\]/],
  [() => nn.batchNorm(0), /whole number above 0, not 0/],
  [() => nn.batchNorm(3, { momentum: 2 }), /momentum must be from 0 to 1 or 'cumulative', not 2/],
  [() => nn.batchNorm(3)(random([2, 4], 1)), /takes \[batch,3,\.\.\.\], got \[2,4\]/],
  [
    () => runTraced((x) => nn.batchNorm(3)(x), [random([1, 3], 1)], { training: true }),
    /cannot train on \[1,3\]: one number a channel/,
  ],
])('what is wrong says so: %s', (f, message) => {
  expect(f as () => unknown).toThrow(message)
})

/** @file k-fold cross-validation: every sample judges once, also of lazy data; scores, mean and deviation are those of loops of one's own. */
import { crossValidate, type Dataset, dataset, evaluate, fit, kFold, loss, metrics, nn, optim } from 'gradus'
import { expect, test } from 'vitest'
import { RandomStream } from '../../src/numerics/random.js'

const count = 60
const random = new RandomStream(1, 'clouds')
const labels = Int32Array.from({ length: count }, (_, i) => (i < 20 ? 1 : 0))
const inputs = Float32Array.from({ length: 2 * count }, (_, i) => labels[i >> 1]! + random.normal())
const data: Dataset = { input: { data: inputs, shape: [count, 2] }, target: { data: labels, shape: [count] } }

test('each sample judges once; classes, groups and lazy data are respected', async () => {
  const lazy = dataset(Array.from({ length: count }, (_, i) => ({ input: [i, 0], target: labels[i]! })))
  for (const [folds, isLazy] of [
    [await kFold(data, { folds: 4, seed: 1, stratify: true }), false],
    [await kFold(lazy, { folds: 4, seed: 1, stratify: labels }), true],
  ] as const) {
    expect(folds.map(({ fold }) => fold)).toEqual([1, 2, 3, 4])
    expect(folds.flatMap(({ indices }) => [...indices.validation]).sort((a, b) => a - b)).toEqual([...labels.keys()])
    for (const { indices } of folds) {
      expect([...indices.train, ...indices.validation].sort((a, b) => a - b)).toEqual([...labels.keys()])
      expect(indices.validation.reduce((sum, i) => sum + labels[i]!, 0)).toBe(5)
    }
    const [{ train, indices }] = folds as unknown as [(typeof folds)[0]]
    if (isLazy) {
      const rows = (await (train as unknown as typeof lazy).toArray()).map(({ input }) => input[0])
      expect(rows).toEqual([...indices.train])
    } else expect((train as Dataset).target.data).toEqual(labels.filter((_, i) => indices.train.includes(i)))
  }
  const groups = Array.from(labels, (_, i) => `user ${i % 7}`)
  for (const { indices } of await kFold(data, { groups })) {
    const learned = new Set([...indices.train].map((i) => groups[i]))
    expect([...indices.validation].some((i) => learned.has(groups[i]))).toBe(false)
  }
})

test('scores of a fold are those of fit and evaluate; mean and deviation are theirs', async () => {
  const options = {
    loss: loss.crossEntropy,
    optimizer: optim.adam({ learningRate: 0.05 }),
    metrics: { accuracy: metrics.accuracy },
    epochs: 3,
    batchSize: 8,
  }
  const told: number[] = []
  const result = await crossValidate(() => nn.linear(2, 2), data, {
    ...options,
    folds: 3,
    seed: 4,
    onFold: ({ fold }) => told.push(fold),
  })
  expect(told).toEqual([1, 2, 3])
  const accuracies: number[] = []
  for (const { fold, train, validation } of await kFold(data, { folds: 3, seed: 4 })) {
    const net = nn.linear(2, 2)
    await fit(net, { ...options, train, seed: 4 + fold })
    const scores = await evaluate(net, validation, { loss: options.loss, metrics: options.metrics })
    expect(result.folds[fold - 1]!.scores).toEqual(scores)
    expect(result.folds[fold - 1]!.history.epochs).toHaveLength(3)
    accuracies.push((scores as unknown as { accuracy: number }).accuracy)
  }
  const mean = accuracies.reduce((sum, x) => sum + x, 0) / 3
  expect(result.mean['accuracy']).toBeCloseTo(mean, 12)
  expect(result.deviation['accuracy']).toBeCloseTo(
    Math.sqrt(accuracies.reduce((sum, x) => sum + (x - mean) ** 2, 0) / 2),
    12,
  )
})

const one = nn.linear(2, 2)
test.each([
  [() => kFold(data, { folds: 61 }), /60 samples are too few for 61 folds/],
  [() => kFold(data, { stratify: [1, 2] }), /stratify has 2 values for 60 samples/],
  [() => kFold({ input: data.input, target: data.input }, { stratify: true }), /stratify needs whole labels/],
  [() => kFold(dataset(function* () {} as () => Iterable<never>), {}), /the data are a stream.*collect/],
  [() => kFold(data, { fold: 3 } as never), /there is no option 'fold'; did you mean 'folds'/],
  [() => crossValidate(one as never, data, {} as never), /is given a network, not a function that makes one/],
  [
    () => crossValidate(() => one, data, { loss: loss.crossEntropy, optimizer: optim.adam(), epochs: 1 }),
    /the same network twice/,
  ],
  [
    () => crossValidate(() => nn.linear(2, 2), data, { optimizer: optim.adam().init(nn.linear(2, 2)) } as never),
    /belongs to a network already/,
  ],
  [() => crossValidate(() => nn.linear(2, 2), data, { train: data } as never), /train is given, which the folds give/],
])('%s is an error', async (f, message) => {
  await expect((f as () => Promise<unknown>)()).rejects.toThrow(message)
})

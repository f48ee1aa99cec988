/** Data that a program holds and data gathered before each call: the same batches, the same bits, whole and ragged. */
import { expect, test } from 'vitest'
import { permutation } from '../../src/data/batches.js'
import type { Dataset } from '../../src/data/column.js'
import { datasetOf } from '../../src/data/source.js'
import { initialize, loss, nn, optim, state } from '../../src/index.js'
import { RandomGenerator } from '../../src/trace/random.js'
import { evaluateTensor } from '../../src/trace/value.js'
import { Feed, type Range } from '../../src/train/feed.js'
import { metricsOf, trainingProgram } from '../../src/train/program.js'
import type { Loss, Net } from '../../src/train/types.js'

const count = 75
const wave = (length: number) => Float32Array.from({ length }, (_, i) => Math.sin(1.3 * i))
const sets: { [name: string]: Dataset } = {
  'bytes with a scale, labels': {
    input: {
      data: new Uint8Array(count * 70).map((_, i) => (i * 37) % 256),
      shape: [count, 7, 10],
      scale: 1 / 255,
      offset: -0.5,
    },
    target: { data: new Uint8Array(count).map((_, i) => i % 3), shape: [count] },
  },
  'floats and weights': {
    input: { data: wave(count * 70), shape: [count, 70] },
    target: { data: Int32Array.from({ length: count }, (_, i) => (i * i) % 3), shape: [count] },
    sampleWeight: { data: wave(count).map((x) => 1 + x), shape: [count] },
  },
}

/** Losses and weights of batches, then the weights of the net. */
function train(dataset: Dataset, held: boolean): number[][] {
  const net = nn.sequential(nn.flatten(), nn.linear(70, 12), nn.relu, nn.dropout(0.2), nn.linear(12, 3))
  initialize(net, { seed: 4 })
  const optimizer = optim.adam({ learningRate: 0.01 }).init(net)
  const feed = new Feed(dataset, held)
  const random = new RandomGenerator(5)
  const program = trainingProgram(
    net as Net,
    dataset,
    feed,
    loss.crossEntropy as Loss,
    optimizer,
    metricsOf('test'),
    random,
  )
  const losses: number[] = []
  for (const order of [undefined, permutation(count, 1, 1), permutation(count, 1, 2)]) {
    const ranges = [0, 32, 64].map((from): Range => [from, Math.min(count, from + 32)])
    for (const result of program.each(feed.batches(order, ranges))) losses.push(evaluateTensor(result.loss!)[0]!)
    losses.push(...ranges.map((range) => feed.weight(order, range)))
  }
  feed.release()
  return [losses, ...[...state(net).values()].map((variable) => [...variable.storage.read()])]
}

test.each(Object.entries(sets))('%s', (_, given) => {
  const dataset = datasetOf(given, 'train')
  const held = train(dataset, true)
  expect(held.flat().every(Number.isFinite)).toBe(true)
  expect(train(dataset, false)).toEqual(held)
})

/**
 * @file Lazy data sets: any chain of stations read from any place equals the whole read from the start; streams train and resume with
 * the bits of arrays; threads keep the order; faults name the sample.
 */
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import fc from 'fast-check'
import * as gradus from 'gradus'
import { dataset, evaluate, fit, type LazyDataset, loss, metrics, nn, optim, tensor } from 'gradus'
import { afterAll, describe, expect, test } from 'vitest'
import { RandomStream } from '../../src/numerics/random.js'

const base = mkdtempSync(join(tmpdir(), 'gradus-lazy-'))
afterAll(() => rmSync(base, { recursive: true }))
const range = (n: number) => Array.from({ length: n }, (_, i) => i)

/** Stations by name, and what they do to the numbers of an epoch, said in another way; undefined where that is random. */
const stations: {
  readonly [name: string]: {
    readonly lazy: (data: LazyDataset<number>, k: number) => LazyDataset<number>
    readonly plain?: (list: readonly number[], k: number) => number[]
  }
} = {
  map: { lazy: (data, k) => data.map((x) => x + k), plain: (list, k) => list.map((x) => x + k) },
  later: { lazy: (data, k) => data.map(async (x) => x * k), plain: (list, k) => list.map((x) => x * k) },
  filter: {
    lazy: (data, k) => data.filter((x) => x % (k + 2) !== 0),
    plain: (l, k) => l.filter((x) => x % (k + 2) !== 0),
  },
  take: { lazy: (data, k) => data.take(3 * k), plain: (list, k) => list.slice(0, 3 * k) },
  skip: { lazy: (data, k) => data.skip(k), plain: (list, k) => list.slice(k) },
  cache: { lazy: (data) => data.cache(), plain: (list) => [...list] },
  prefetch: { lazy: (data, k) => data.prefetch(k + 1), plain: (list) => [...list] },
  shuffle: { lazy: (data, k) => data.shuffle(k, { buffer: k + 1 }) },
  noise: { lazy: (data, k) => data.map((x, { random }) => x + random.integer(50), { seed: k }) },
}

test('any chain, from any place, in any epoch', async () => {
  const chain = fc.array(fc.tuple(fc.constantFrom(...Object.keys(stations)), fc.nat(5)), { maxLength: 5 })
  await fc.assert(
    fc.asyncProperty(chain, fc.nat(20), fc.boolean(), fc.nat(25), async (chain, count, streams, from) => {
      const source = streams
        ? dataset(function* () {
            yield* range(count)
          })
        : dataset(range(count))
      const make = () => chain.reduce((data, [name, k]) => stations[name]!.lazy(data, k), source)
      const data = make()
      const [first, third] = [await data.toArray(), [] as number[]]
      for await (const x of data.epoch(3)) third.push(x)
      // Anew: nothing may depend on what was read before.
      const again: number[] = []
      for await (const x of make().node.iterate(3, from) as AsyncGenerator<number>) again.push(x)
      expect(again).toEqual(third.slice(from))
      expect(await data.toArray()).toEqual(first)
      if (data.length !== undefined) expect(first.length).toBe(data.length)
      if (chain.every(([name]) => stations[name]!.plain))
        expect(first).toEqual(chain.reduce((list, [name, k]) => stations[name]!.plain!(list, k), range(count)))
      const random = chain.some(([name]) => name === 'noise' || name === 'filter' || name === 'take' || name === 'skip')
      const plain = chain.filter(([name]) => name !== 'shuffle')
      if (!random)
        expect([...first].sort()).toEqual(
          plain.reduce((l, [name, k]) => stations[name]!.plain!(l, k), range(count)).sort(),
        )
    }),
    { numRuns: 150, seed: 6 },
  )
})

test('a shuffle is exact by number, and of a stream with a buffer that holds it; orders differ by epoch', async () => {
  const stream = dataset(function* () {
    yield* range(40)
  })
  for (const data of [dataset(range(40)).shuffle(1), stream.shuffle(1, { buffer: 40 })]) {
    const orders = new Set<string>()
    const places = new Map<number, number>()
    for (let epoch = 1; epoch <= 400; epoch++) {
      const order: number[] = []
      for await (const x of data.epoch(epoch)) order.push(x)
      orders.add(String(order))
      places.set(order.indexOf(0), (places.get(order.indexOf(0)) ?? 0) + 1)
      if (epoch === 1) expect([...order].sort((a, b) => a - b)).toEqual(range(40))
    }
    expect(orders.size).toBe(400)
    // The first sample comes anywhere, about 10 times each.
    expect(Math.max(...places.values())).toBeLessThan(28)
    expect(places.size).toBe(40)
  }
  const near: number[] = []
  for await (const x of stream.shuffle(1, { buffer: 5 })) near.push(x)
  expect(near.every((x, i) => x - i < 5)).toBe(true)
})

const count = 90
const random = new RandomStream(1, 'clouds')
const labels = Int32Array.from({ length: count }, () => random.integer(3))
const inputs = Float32Array.from({ length: 2 * count }, (_, i) => labels[i >> 1]! + random.normal())
const arrays = { input: { data: inputs, shape: [count, 2] }, target: { data: labels, shape: [count] } }
const samples = range(count).map((i) => ({ input: [inputs[2 * i]!, inputs[2 * i + 1]!], target: labels[i]! }))
const newNet = () => nn.sequential(nn.linear(2, 8), nn.batchNorm(8), nn.relu, nn.dropout(0.3), nn.linear(8, 3))
const settings = () => ({
  loss: loss.crossEntropy,
  optimizer: optim.adam({ learningRate: 0.05 }),
  metrics: { accuracy: metrics.accuracy },
  epochs: 4,
  batchSize: 16,
  seed: 5,
})
function bits(net: gradus.ModuleParts, history: gradus.History): string {
  const hash = createHash('sha256')
  for (const [name, { storage }] of gradus.state(net)) hash.update(name).update(storage.read())
  return `${hash.digest('hex')} ${JSON.stringify(history.epochs.map(({ seconds, ...epoch }) => epoch))}`
}
async function trained(train: gradus.TrainingData, more: Partial<gradus.FitOptions> = {}): Promise<string> {
  const net = newNet()
  return bits(net, await fit(net, { ...settings(), train, ...more }))
}

describe('fit', () => {
  test('lazy data and arrays give the same bits: labels as they are, plain, from threads, in batches', async () => {
    const whole = await trained(arrays, { validation: arrays })
    expect(await trained(dataset(arrays), { validation: dataset(arrays) })).toBe(whole)
    const lazy = dataset(samples)
    expect(await trained(lazy, { validation: lazy })).toBe(whole)
    const later = dataset(range(count)).map(async (i) => samples[i]!)
    expect(await trained(later.prefetch(20), { validation: later })).toBe(whole)
    const file = join(base, 'identity.mjs')
    writeFileSync(file, 'export default (sample) => sample')
    expect(await trained(lazy.mapInWorkers(pathToFileURL(file)), { validation: arrays })).toBe(whole)
    const batched = lazy.shuffle(5).batch(16, { targetType: 'int32' })
    expect(await trained(batched, { validation: lazy.batch(512, { targetType: 'int32' }) })).toBe(whole)
    // Unshuffled, and from a stream.
    const stream = dataset(function* () {
      yield* samples
    })
    const plain = await trained(arrays, { shuffle: false, accumulateGradients: 4 })
    expect(await trained(stream, { accumulateGradients: 4 })).toBe(plain)
    expect(await trained(dataset(samples), { shuffle: false, accumulateGradients: 4 })).toBe(plain)
    expect(plain).not.toBe(whole)
  })

  test.each([
    ['random maps of arrays', () => dataset(samples).map(noisy, { seed: 2 }), {}],
    [
      'a filtered stream through a buffer',
      () =>
        stream()
          .filter((s) => s.target !== 1)
          .shuffle(3, { buffer: 20 }),
      {},
    ],
    ['accumulated batches of a stream', () => stream().map(noisy), { accumulateGradients: 4 }],
    ['batches that are changed', () => batches(), {}],
  ] as const)('resumes with equal bits: %s', async (name, train, more) => {
    const validation = () => dataset(samples).take(40)
    const whole = await trained(train(), { ...more, validation: validation() })
    const draw = new RandomStream(9, name)
    for (const every of [{ steps: 3 }, 1]) {
      const checkpoint = { folder: join(base, `${name}-${JSON.stringify(every)}`), every }
      for (let times = 0; ; times++) {
        expect(times).toBeLessThan(90)
        const net = newNet()
        const signal = abortsAt(4 + draw.integer(8))
        const options = {
          ...settings(),
          ...more,
          train: train(),
          validation: validation(),
          checkpoint,
          resume: true,
          signal,
        }
        const history = await fit(net, options)
        if (history.stopped === 'aborted') continue
        expect(bits(net, history)).toBe(whole)
        expect(times).toBeGreaterThan(0)
        break
      }
    }
  })

  test('other data are refused when a run is to go on; so is a shuffle that cannot be', async () => {
    const checkpoint = join(base, 'other')
    await trained(stream(), { checkpoint, epochs: 1 })
    const other = stream().map((s) => ({ ...s, input: [0, 0] }))
    await expect(trained(other, { checkpoint, resume: true })).rejects.toThrow(/training data .* was .* and is/)
    await expect(trained(stream(), { shuffle: true })).rejects.toThrow(/training data are a stream. .*shuffle\(1, /)
    await expect(trained(dataset(samples), { validationSplit: 0.2 })).rejects.toThrow(/Split it before/)
  })

  test('a stream is not held: of a long one few samples are alive at once', async () => {
    let made = 0
    const long = dataset(function* () {
      for (let i = 0; i < 6_000; i++) yield { input: new Float32Array(2).fill(made++ % 7), target: i % 3 }
    })
    let most = 0
    const watch = { batch: ({ batch }: { batch: number }) => void (most = Math.max(most, made - 64 * batch)) }
    const net = newNet()
    const { epochs } = await fit(net, { ...settings(), train: long, epochs: 1, batchSize: 64, progress: watch })
    expect(epochs).toHaveLength(1)
    expect(made).toBe(6_000)
    expect(most).toBeLessThan(64 * 40)
  })
})

const stream = () =>
  dataset(async function* () {
    yield* samples
  })
const noisy = (sample: (typeof samples)[0], { random }: gradus.SampleContext) => ({
  ...sample,
  input: sample.input.map((x) => x + 0.1 * random.normal()),
})
const batches = () =>
  stream()
    .shuffle(4)
    .batch(16, { targetType: 'int32' })
    .map(([x, y], { random }) => [x.mul(1 + 0.1 * random.normal()), y] as const)
    .prefetch(2)

function abortsAt(n: number): AbortSignal {
  let asked = 0
  return Object.create(AbortSignal.prototype, {
    aborted: { get: () => ++asked > n },
    throwIfAborted: {
      value() {
        if (this.aborted) throw new Error('aborted')
      },
    },
  }) as AbortSignal
}

test('threads keep the order, know their sample, and say where they fail', async () => {
  const file = join(base, 'slow.mjs')
  writeFileSync(
    file,
    `export default async (x, { index, epoch, seed, options }) => {
      if (x === options.bad) throw new Error('a bad one')
      await new Promise((done) => setTimeout(done, (x * 7) % 5))
      return { x, index, epoch, seed, array: new Float32Array([x]) }
    }`,
  )
  const url = pathToFileURL(file)
  const [one, three] = await Promise.all(
    [1, 3].map((workers) =>
      dataset(range(50))
        .shuffle(1)
        .mapInWorkers<{ x: number; index: number; seed: number }>(url, {
          workers,
          chunk: 4,
          seed: 3,
          options: { bad: -1 },
        })
        .toArray(),
    ),
  )
  expect(three).toEqual(one)
  expect(one!.map(({ x }) => x)).toEqual(await dataset(range(50)).shuffle(1).toArray())
  expect(one!.map(({ index }) => index)).toEqual(range(50))
  expect(new Set(one!.map(({ seed }) => seed)).size).toBe(50)
  const failing = dataset(range(50)).mapInWorkers(url, { options: { bad: 37 } })
  await expect(failing.toArray()).rejects.toThrow('mapInWorkers: sample 37: a bad one')
  await expect(
    dataset([1])
      .mapInWorkers(pathToFileURL(join(base, 'no.mjs')))
      .toArray(),
  ).rejects.toThrow(/does not work in a thread/)
  expect(() => dataset([1]).mapInWorkers((() => 1) as never)).toThrow(/cannot be sent to a thread/)
})

test('prefetch begins early; cache makes once', async () => {
  let running = 0
  let most = 0
  const slow = dataset(range(12)).map(async (x) => {
    most = Math.max(most, ++running)
    await new Promise((done) => setTimeout(done, 2))
    running--
    return x
  })
  await slow.prefetch(4).toArray()
  expect(most).toBe(5)
  let made = 0
  const cached = dataset(range(5))
    .map((x) => x + made++ * 0)
    .cache()
  await Promise.all([cached.toArray(), cached.toArray()])
  for await (const _ of cached.epoch(2)) void 0
  expect(made).toBe(5)
})

test('split: exact by number, on the average of a stream, by class, group and time; parts are disjoint and whole', async () => {
  const sizes: number[][] = []
  for (const data of [dataset(samples), stream()]) {
    const parts = await data.split({ train: 0.7, validation: 0.1, test: 0.2 }, { seed: 3 })
    const lists = await Promise.all(Object.values(parts).map((part) => part.toArray()))
    expect(new Set(lists.flat()).size).toBe(count)
    sizes.push(lists.map(({ length }) => length))
  }
  expect(sizes[0]).toEqual([63, 9, 18])
  expect(Math.abs(sizes[1]![0]! - 63)).toBeLessThan(15)
  const byClass = await dataset(samples).split({ train: 0.5, test: 0.5 }, { stratify: ({ target }) => target })
  const ofClass = async (data: LazyDataset<{ target: number }>) =>
    (await data.toArray()).filter((s) => s.target === 2).length
  expect(Math.abs((await ofClass(byClass.train)) - (await ofClass(byClass.test)))).toBeLessThan(2)
  for (const data of [dataset(range(count)), dataset(() => range(count))]) {
    const { train, test: rest } = await data.split({ train: 0.6, test: 0.4 }, { groups: (i) => `patient ${i % 9}` })
    const groups = new Set((await train.toArray()).map((i) => i % 9))
    expect((await rest.toArray()).some((i) => groups.has(i % 9))).toBe(false)
    expect(groups.size).toBeGreaterThan(0)
  }
  const { train, test: late } = await dataset(range(10)).split({ train: 0.8, test: 0.2 }, { time: (i) => new Date(-i) })
  expect([await train.toArray(), await late.toArray()]).toEqual([
    [9, 8, 7, 6, 5, 4, 3, 2],
    [1, 0],
  ])
  await expect(stream().split({ train: 0.8, test: 0.2 }, { stratify: () => 1 })).rejects.toThrow(/collect\(\)/)
  await expect(dataset(samples).shuffle(1).split({ train: 0.8, test: 0.2 })).rejects.toThrow(/Split first/)
})

test('evaluate, toDataset, sample weights, batches with scale and shape', async () => {
  const net = newNet()
  const scores = { loss: loss.crossEntropy, metrics: { accuracy: metrics.accuracy } }
  const plain = await evaluate(net, arrays, scores)
  for (const data of [
    dataset(samples),
    stream(),
    dataset(arrays).map((s) => s),
    stream().batch(7, { targetType: 'int32' }),
  ])
    expect((await evaluate(net, data, scores)).loss).toBeCloseTo(plain.loss, 6)
  expect(await dataset(samples).toDataset({ targetType: 'int32' })).toEqual(arrays)
  const weighted = dataset({
    ...arrays,
    sampleWeight: Float32Array.from({ length: count }, (_, i) => (i < 10 ? 1 : 0)),
  })
  const few = await evaluate(net, dataset(samples).take(10), scores)
  expect(
    (
      await evaluate(
        net,
        weighted.map((s) => s),
        scores,
      )
    ).loss,
  ).toBeCloseTo(few.loss, 5)
  const bytes = { data: Uint8Array.from(range(24)), shape: [2, 3, 4], scale: 0.5 }
  const [batch] = await dataset({ input: bytes, target: tensor([[1], [2]]) })
    .batch(2)
    .toArray()
  expect(await batch![0].array()).toEqual(
    [range(12), range(24).slice(12)].map((l) => range(3).map((r) => l.slice(4 * r, 4 * r + 4).map((x) => x / 2))),
  )
})

test.each([
  [
    () =>
      dataset(samples)
        .map((_, { index }) => (index === 17 ? fails() : 1))
        .toArray(),
    'map: sample 17: no file of that name',
  ],
  [
    () =>
      dataset(samples)
        .map(async (s, { index }) => (index === 17 ? fails() : s))
        .batch(4)
        .toArray(),
    'map: sample 17: no file of that name',
  ],
  [
    () =>
      stream()
        .filter((_, { index }) => index < 3 || fails())
        .toArray(),
    'filter: sample 3: no file of that name',
  ],
  [
    () => trained(stream().map((s, { index }) => ({ ...s, input: index === 40 ? [1] : s.input }))),
    'train: the input of sample 40 is [1], that of the first [2]',
  ],
  [
    () => trained(stream().map((s, { index }) => ({ ...s, input: index === 40 ? [1, NaN] : s.input }))),
    'the input of sample 40 is NaN at place 1',
  ],
  [
    () => trained(stream().map((s, { index }) => ({ ...s, target: index === 40 ? 3 : 0 }))),
    'the target of sample 40 is 3; the network has classes 0..2',
  ],
  [
    () => trained(stream().map((s, { index }) => ({ ...s, target: index === 40 ? 0.5 : 0 }))),
    'the target of sample 40 is 0.5, not a whole number',
  ],
  [() => trained(stream().filter(() => false)), 'train: there are no samples'],
  [() => trained(dataset([1, 2, 3]) as never), 'train: sample 0 is the number 1. A sample is { input, target }'],
  [() => trained(dataset(samples.values())), 'the generator was iterated before'],
  [() => trained(dataset(() => 3 as never)), 'the function gave the number 3, which cannot be iterated'],
  [() => dataset(samples.values(), { length: 91 }).toArray(), 'there are 90 samples, not the 91 that were announced'],
  [async () => dataset(7 as never), 'dataset: is given the number 7'],
  [async () => dataset([1]).shuffle(1, { bufer: 3 } as never), "there is no option 'bufer'; did you mean 'buffer'?"],
  [async () => dataset([1]).take(-1), 'the count must be a whole number of 0 or more'],
  [async () => dataset(samples).batch(2).batch(2), 'there are batches already'],
  [
    async () => gradus.batches(dataset(samples) as never, { size: 2 }),
    'data is a lazy data set, which is needed in arrays here',
  ],
])('%s is an error', async (f, message) => {
  await expect(f as () => Promise<unknown>).rejects.toThrow(message)
})
function fails(): never {
  throw new Error('no file of that name')
}

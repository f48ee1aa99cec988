/**
 * @file fit with accumulated gradients, averaged parameters and rates reduced on a plateau: the same bits as a loop of one's
 * own, and what a run leaves behind, however it ends. Then the learning-rate range test.
 */
import * as gradus from 'gradus'
import { backpropagate, batches, compile, evaluate, findLearningRate, fit, loss, nn, optim, type Tensor } from 'gradus'
import { describe, expect, test } from 'vitest'
import { RandomStream } from '../../src/numerics/random.js'
import { evaluateTensor } from '../../src/trace/value.js'

function clouds(count: number, seed = 1): gradus.Dataset {
  const random = new RandomStream(seed, 'clouds')
  const input = new Float32Array(count * 2)
  const target = new Int32Array(count)
  for (let i = 0; i < count; i++) {
    target[i] = random.integer(3)
    const angle = (2 * Math.PI * target[i]!) / 3
    input[2 * i] = Math.cos(angle) + 0.5 * random.normal()
    input[2 * i + 1] = Math.sin(angle) + 0.5 * random.normal()
  }
  return { input: { data: input, shape: [count, 2] }, target: { data: target, shape: [count] } }
}
const small = (dropout = 0) => nn.sequential(nn.linear(2, 16), nn.tanh, nn.dropout(dropout), nn.linear(16, 3))
const numbers = (net: gradus.ModuleParts) => [...gradus.state(net).values()].map(({ storage }) => [...storage.read()])
const [train, validation] = [clouds(200), clouds(90, 2)]
const usual = { loss: loss.crossEntropy, optimizer: optim.adam({ learningRate: 0.01 }) }

/** A loop of one's own over batches in order. */
function ownLoop(net: ReturnType<typeof small>, calls: number, size: number, epochs: number, average?: boolean) {
  gradus.initialize(net, { seed: 5 })
  const optimizer = optim.accumulate(calls, usual.optimizer).init(net)
  const mean = average ? optim.exponentialMovingAverage(net, { decay: 0.8 }) : undefined
  const step = compile(
    (x: Tensor, y: Tensor) => {
      const error = loss.crossEntropy(net(x), y)
      const changed = optimizer.update(backpropagate(error, net))
      mean?.update(changed)
      return error
    },
    { training: true },
  )
  const count = Math.ceil(200 / size)
  for (let epoch = 0; epoch < epochs; epoch++) {
    let batch = 0
    for (const [x, y] of batches(train, { size })) {
      optimizer.accumulate = batch < count - (count % calls) ? calls : count % calls
      step(x, y)
      batch++
    }
  }
  return { optimizer, mean }
}

describe('accumulateGradients', () => {
  test.each([
    [3, 16],
    [4, 50],
    [7, 64],
  ])('groups of %i batches of %i: a loop of one’s own, with what is left of an epoch as a group', async (calls, size) => {
    const [byFit, own] = [small(), small()]
    const options = { train, ...usual, epochs: 3, batchSize: size, seed: 5, shuffle: false } as const
    await fit(byFit, { ...options, accumulateGradients: calls })
    const { optimizer } = ownLoop(own, calls, size, 3)
    expect(optimizer.steps).toBe(3 * Math.ceil(Math.ceil(200 / size) / calls))
    expect(numbers(byFit)).toEqual(numbers(own))
  })

  test('four batches of 50 are one of 200, but for rounding', async () => {
    const [parts, whole] = [small(), small()]
    const options = { train, ...usual, epochs: 5, seed: 1 }
    const a = await fit(parts, { ...options, batchSize: 50, accumulateGradients: 4 })
    const b = await fit(whole, { ...options, batchSize: 'full' })
    numbers(whole).forEach((values, i) => {
      values.forEach((value, k) => {
        expect(numbers(parts)[i]![k]).toBeCloseTo(value, 4)
      })
    })
    expect(a.epochs[4]!.train.loss).toBeCloseTo(b.epochs[4]!.train.loss, 5)
  })

  test('an optimizer of one’s own keeps its number', async () => {
    const net = small()
    gradus.initialize(net, { seed: 1 })
    const optimizer = optim.accumulate(3, usual.optimizer).init(net)
    for await (const _ of fit(net, { train, ...usual, optimizer, epochs: 4, batchSize: 40 })) break
    expect([optimizer.accumulate, optimizer.steps]).toEqual([3, 2])
  })
})

describe('average', () => {
  test('is what is validated, kept by early stopping, and left in the end; the last values are in the object', async () => {
    const options = { train, validation, ...usual, epochs: 6, seed: 5, shuffle: false, batchSize: 16 } as const
    const [net, plain, own] = [small(), small(), small()]
    gradus.initialize(net, { seed: 5 })
    const average = optim.exponentialMovingAverage(net, { decay: 0.8 })
    const seen: number[][][] = []
    const run = fit(net, { ...options, average })
    for await (const { validation: scores } of run) {
      expect(average.active).toBe(true)
      seen.push(numbers(net))
      expect((await evaluate(net, validation, { loss: loss.crossEntropy })).loss).toBe(scores.loss)
    }
    await fit(plain, options)
    const { mean } = ownLoop(own, 1, 16, 6, true)
    expect(numbers(net)).toEqual([...mean!.variables.values()].map(({ storage }) => [...storage.read()]))
    average.swap()
    expect(numbers(net)).toEqual(numbers(plain))
    const byOptions = small()
    await fit(byOptions, { ...options, average: { decay: 0.8 } })
    expect(numbers(byOptions)).toEqual(seen[5])

    const stopped = small()
    const { best } = await fit(stopped, {
      ...options,
      average: { decay: 0.8 },
      earlyStopping: { patience: 1, metric: 'validation.loss', mode: 'max' },
    })
    expect(numbers(stopped)).toEqual(seen[best!.epoch - 1])
  })

  test('a step of one’s own updates it; training goes on from the last values', async () => {
    const options = { train, epochs: 2, batchSize: 50, seed: 5, shuffle: false, loss: loss.crossEntropy } as const
    const run = async (parts: readonly number[]) => {
      const net = small()
      gradus.initialize(net, { seed: 5 })
      const optimizer = usual.optimizer.init(net)
      const average = optim.stochasticWeightAverage(net)
      const step = compile(
        (x: Tensor, y: Tensor) => {
          const error = loss.crossEntropy(net(x), y)
          average.update(optimizer.update(backpropagate(error, net)))
          return error
        },
        { training: true },
      )
      for (const epochs of parts) await fit(net, { ...options, epochs, step, average })
      return numbers(net)
    }
    expect(await run([1, 1, 2])).toEqual(await run([4]))
  })

  test('a run that is left in the middle of an epoch has the average', async () => {
    const net = small()
    gradus.initialize(net, { seed: 1 })
    const average = optim.exponentialMovingAverage(net)
    const controller = new AbortController()
    let epochs = 0
    const progress = { batch: () => void (epochs > 0 && controller.abort()), epoch: () => void epochs++ }
    const data = clouds(20_000)
    await fit(net, { train: data, ...usual, average, batchSize: 4, epochs: 50, signal: controller.signal, progress })
    expect(average.active).toBe(true)
  })
})

describe('reduceOnPlateau', () => {
  test('lowers the rate of the epochs after it, as the object says', async () => {
    const options = { factor: 0.5, patience: 1, metric: 'validation.loss', threshold: 0.01 }
    const optimizer = optim.adam({ learningRate: 0.1 })
    const { epochs } = await fit(small(), {
      train,
      validation,
      loss: loss.crossEntropy,
      optimizer,
      epochs: 15,
      seed: 1,
      reduceOnPlateau: options,
    })
    const watcher = gradus.reduceOnPlateau(options)
    const dummy = optimizer.init(small())
    const expected = epochs.map((epoch) => {
      const now = dummy.learningRate
      watcher.update(epoch as never, dummy)
      return now
    })
    expect(epochs.map(({ learningRate }) => learningRate)).toEqual(expected)
    expect(expected[14]).toBeLessThan(0.1)
    expect(expected[0]).toBe(0.1)
  })
})

test.each<[object, RegExp]>([
  [{ accumulateGradients: 0 }, /accumulateGradients must be a whole number above 0, not 0/],
  [{ accumulateGradients: 2, step: () => undefined }, /the optimizer exists already/],
  [
    { accumulateGradients: 2, optimizer: usual.optimizer.init(small()) },
    /the optimizer exists already.*optim\.accumulate/,
  ],
  [{ average: { decay: 2 } }, /the decay must be from 0 to 1, not 2/],
  [{ average: { decay: 0.9 }, step: () => undefined }, /only the step can update it/],
  [{ reduceOnPlateau: { patience: 3 } }, /reduceOnPlateau looks at validation.loss, but there are no validation data/],
  [{ reduceOnPlateau: { factor: 1 } }, /factor must be from 0 to below 1, not 1/],
  [{ reduceOnPlateau: { cooldown: 0.5 } }, /cooldown must be a whole number of 0 or more/],
  [{ reduceOnPlateau: { patients: 3 } }, /did you mean 'patience'/],
  [{ reduceOnPlateau: {}, step: () => undefined, optimizer: undefined }, /reduceOnPlateau has no optimizer/],
])('fit refuses %o', (options, message) => {
  expect(() => fit(small(), { train, ...usual, ...options } as never)).toThrow(message)
})

describe('findLearningRate', () => {
  const options = { loss: loss.crossEntropy, seed: 1, batchSize: 20 }

  test('finds a rate that trains well, and draws it', async () => {
    const net = small()
    const found = await findLearningRate(net, train, options)
    expect(found.points.length).toBeLessThanOrEqual(100)
    const rates = found.points.map(({ learningRate }) => learningRate)
    expect(rates[0]).toBe(1e-7)
    expect(rates[11]! / rates[10]!).toBeCloseTo(1e8 ** (1 / 99), 10)
    expect(found.suggestion).toBeGreaterThan(1e-3)
    expect(found.suggestion).toBeLessThan(found.lowest / 5)
    const lossAt = async (learningRate: number) =>
      (await fit(small(), { train, ...usual, optimizer: optim.adam({ learningRate }), epochs: 5, seed: 1 })).epochs[4]!
        .train.loss
    const good = await lossAt(found.suggestion!)
    expect(good).toBeLessThan(await lossAt(found.suggestion! / 100))
    expect(good).toBeLessThan(await lossAt(found.lowest * 10))
    const picture = found.chart({ title: 'Which rate?' })
    expect(picture).toMatch(/^<svg[\s\S]*Which rate\?[\s\S]*suggestion [\s\S]*<\/svg>\s*$/)
    expect(picture).not.toMatch(/NaN|Infinity/)
  })

  test('ends where the loss runs away', async () => {
    const found = await findLearningRate(small(), train, {
      ...options,
      optimizer: optim.sgd({ learningRate: 1 }),
      to: 1e6,
    })
    expect(found.diverged).toBe(true)
    expect(found.points.length).toBeLessThan(100)
    expect(found.points.every(({ loss: value }) => Number.isFinite(value))).toBe(true)
  })

  test('leaves every bit of the network, also after an error, and the run to come as it is', async () => {
    const count = nn.parameter([1], nn.init.zeros, { trainable: false })
    const make = () => {
      const inner = small(0.2)
      return nn.module({ inner, count }, (m, x: Tensor) => {
        m.count.assign(m.count.value.add(1))
        return m.inner(x)
      })
    }
    const net = make()
    gradus.initialize(net, { seed: 1 })
    const before = numbers(net)
    const found = await findLearningRate(net, train, options)
    expect(found.points.length).toBeGreaterThan(10)
    expect(numbers(net)).toEqual(before)
    let calls = 0
    const broken = (...args: Parameters<typeof loss.crossEntropy>) => {
      calls++
      throw new Error(String(args.length))
    }
    await expect(findLearningRate(net, train, { ...options, loss: broken as never })).rejects.toThrow('3')
    await expect(
      findLearningRate(net, train, { ...options, signal: AbortSignal.abort(new Error('enough')) }),
    ).rejects.toThrow('enough')
    expect(calls).toBe(1)
    expect(numbers(net)).toEqual(before)
    const [tested, plain] = [small(0.2), small(0.2)]
    await findLearningRate(tested, train, options)
    await fit(tested, { train, ...usual, epochs: 2, seed: 1 })
    await fit(plain, { train, ...usual, epochs: 2, seed: 1 })
    expect(numbers(tested)).toEqual(numbers(plain))
    expect(evaluateTensor(count.value)[0]).toBe(0)
  })

  test('groups keep their proportions', async () => {
    const spec = optim.sgd({ learningRate: 1, groups: [{ match: /^0/, learningRate: 0.1 }] })
    let optimizer: optim.Optimizer | undefined
    const seen: optim.OptimizerSpec = {
      transform: spec.transform,
      init: (source) => {
        optimizer = spec.init(source)
        return optimizer
      },
    }
    const found = await findLearningRate(small(), train, { ...options, optimizer: seen, steps: 5, to: 1 })
    const last = found.points[found.points.length - 1]!.learningRate
    expect(optimizer!.groups[1]!.learningRate).toBeCloseTo(last * 0.1, 12)
    expect(optimizer!.groups[0]!.learningRate).toBe(last)
  })

  test.each<[object, RegExp]>([
    [{ loss: undefined }, /there is no loss/],
    [{ from: 1, to: 0.1 }, /0 < from < to, not 1 and 0.1/],
    [{ steps: 2 }, /steps must be a whole number of 3 or more/],
    [{ smoothing: 1 }, /smoothing must be from 0 to below 1/],
    [{ divergence: 1 }, /divergence must be a number above 1/],
    [{ optimizer: usual.optimizer.init(small()) }, /was initialised/],
    [{ step: 3 }, /did you mean 'steps'/],
  ])('refuses %o', async (wrong, message) => {
    await expect(findLearningRate(small(), train, { ...options, ...wrong } as never)).rejects.toThrow(message)
  })
})

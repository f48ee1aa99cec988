/** @file fit: seeds and bits, ways to stop, histories, exact scores, errors that name the place. */
import { createHash } from 'node:crypto'
import * as gradus from 'gradus'
import {
  backpropagate,
  batches,
  compile,
  type Dataset,
  evaluate,
  fit,
  loss,
  metrics,
  nn,
  optim,
  type Tensor,
} from 'gradus'
import { describe, expect, test, vi } from 'vitest'
import { RandomStream } from '../../src/numerics/random.js'
import { evaluateTensor } from '../../src/trace/value.js'

/** Three clouds of points in the plane. */
function clouds(count: number, seed = 1, spread = 0.5): Dataset & { target: { data: Int32Array } } {
  const random = new RandomStream(seed, 'clouds')
  const input = new Float32Array(count * 2)
  const target = new Int32Array(count)
  for (let i = 0; i < count; i++) {
    target[i] = random.integer(3)
    const angle = (2 * Math.PI * target[i]!) / 3
    input[2 * i] = Math.cos(angle) + spread * random.normal()
    input[2 * i + 1] = Math.sin(angle) + spread * random.normal()
  }
  return { input: { data: input, shape: [count, 2] }, target: { data: target, shape: [count] } }
}
const small = (dropout = 0.1) => nn.sequential(nn.linear(2, 16), nn.relu, nn.dropout(dropout), nn.linear(16, 3))
const hash = (net: gradus.ModuleParts): string => {
  const sum = createHash('sha256')
  for (const [name, variable] of gradus.state(net)) sum.update(name).update(variable.storage.read())
  return sum.digest('hex')
}
const usual = { loss: loss.crossEntropy, optimizer: optim.adam({ learningRate: 0.01 }) }
const train = clouds(200)
const validation = clouds(90, 2)

describe('learning', () => {
  test('learns, and reports exact scores', async () => {
    const net = small()
    const history = await fit(net, {
      train,
      validation,
      ...usual,
      metrics: { accuracy: metrics.accuracy, confusion: metrics.confusionMatrix() },
      epochs: 8,
      seed: 1,
    })
    expect(history.epochs.map(({ epoch }) => epoch)).toEqual([1, 2, 3, 4, 5, 6, 7, 8])
    expect(history.stopped).toBe('finished')
    const last = history.epochs[7]!
    expect(last.validation.accuracy).toBeGreaterThan(0.8)
    expect(last.train.loss).toBeLessThan(0.6 * history.epochs[0]!.train.loss)
    expect(last.learningRate).toBe(0.01)
    expect(last.train.confusion.flat().reduce((a, b) => a + b)).toBe(200)
    // The same scores computed by hand, one sample at a time.
    let [sum, right] = [0, 0]
    const logits = (await gradus.predict(net, validation.input)) as number[][]
    logits.forEach((z, i) => {
      const label = validation.target.data[i]!
      sum += Math.log(z.reduce((total, x) => total + Math.exp(x), 0)) - z[label]!
      right += Number(z.indexOf(Math.max(...z)) === label)
    })
    expect(last.validation.accuracy).toBe(right / 90)
    expect(last.validation.loss).toBeCloseTo(sum / 90, 6)
    expect(JSON.parse(JSON.stringify(history))).toEqual(history)
  })

  test('the same seed gives the same bits, another does not; nothing else matters', async () => {
    const run = async (seed: number, extra: object = {}) => {
      const net = small()
      await fit(net, { train, validation, ...usual, epochs: 3, batchSize: 48, seed, ...extra })
      return hash(net)
    }
    const first = await run(1)
    gradus.setSeed(99)
    expect(await run(1)).toBe(first)
    gradus.setSeed(0)
    expect(await run(1, { metrics: { accuracy: metrics.accuracy }, validation: undefined })).toBe(first)
    expect(await run(1, { progress: { batch() {} } })).toBe(first)
    expect(await run(2)).not.toBe(first)
    expect(await run(1, { shuffle: false })).not.toBe(first)
    expect(await run(1, { batchSize: 47 })).not.toBe(first)
  })

  test('the seed makes the order of samples and dropout, each by itself', async () => {
    const run = async (seed: number, dropout: number, shuffle: boolean) => {
      const net = small(dropout)
      gradus.initialize(net, { seed: 7 })
      await fit(net, { train, ...usual, epochs: 2, seed, shuffle })
      return hash(net)
    }
    for (const [dropout, shuffle, differs] of [
      [0, true, true],
      [0.5, false, true],
      [0, false, false],
    ] as const) {
      const first = await run(1, dropout, shuffle)
      expect(await run(1, dropout, shuffle)).toBe(first)
      expect((await run(2, dropout, shuffle)) !== first).toBe(differs)
    }
  })

  test('equals a loop of one’s own, and fit({ step })', async () => {
    const options = { train, epochs: 2, batchSize: 64, seed: 5, shuffle: false } as const
    const plain = () => small(0)
    const byFit = plain()
    const history = await fit(byFit, { ...options, ...usual })

    const own = plain()
    gradus.initialize(own, { seed: 5 })
    const stepOf = (net: ReturnType<typeof plain>) => {
      const optimizer = usual.optimizer.init(net)
      return compile(
        (x: Tensor, y: Tensor) => {
          const error = loss.crossEntropy(net(x), y)
          optimizer.update(backpropagate(error, net))
          return error
        },
        { training: true },
      )
    }
    const step = stepOf(own)
    for (let epoch = 0; epoch < 2; epoch++) for (const [x, y] of batches(train, { size: 64 })) step(x, y)
    expect(hash(own)).toBe(hash(byFit))

    const byStep = plain()
    gradus.initialize(byStep, { seed: 5 })
    const same = await fit(byStep, { ...options, step: stepOf(byStep), loss: loss.crossEntropy, validation })
    expect(hash(byStep)).toBe(hash(byFit))
    expect(same.epochs.map((epoch) => epoch.train.loss)).toEqual(history.epochs.map((epoch) => epoch.train.loss))
    expect(same.epochs[1]!.validation.loss).toBeGreaterThan(0)
  })

  test('bytes are scaled inside the program as batches scales them', async () => {
    const random = new RandomStream(7, 'bytes')
    const bytes = Uint8Array.from({ length: 100 * 12 }, () => random.integer(256))
    const set: Dataset = {
      input: { data: bytes, shape: [100, 3, 4], scale: 1 / 127.5, offset: -1 },
      target: { data: Uint8Array.from({ length: 100 }, () => random.integer(2)), shape: [100] },
    }
    const all = [...batches(set, { size: 'full' })][0]!
    const make = () => nn.sequential(nn.flatten(), nn.linear(12, 4), nn.tanh, nn.linear(4, 2))
    const [a, b] = [make(), make()]
    await fit(a, { train: set, ...usual, epochs: 2, seed: 3 })
    await fit(b, { train: all, ...usual, epochs: 2, seed: 3 })
    expect(hash(a)).toBe(hash(b))
  })

  test('full batch, single samples, and an optimizer for some parameters', async () => {
    const net = small()
    gradus.initialize(net, { seed: 1 })
    const frozen = evaluateTensor(net.children[0].children.weight.value).join()
    const head = optim.sgd({ learningRate: 0.1 }).init(gradus.parameters(net, /^3\./))
    const full = await fit(net, { train, loss: loss.crossEntropy, optimizer: head, epochs: 5, batchSize: 'full' })
    expect(head.steps).toBe(5)
    expect(evaluateTensor(net.children[0].children.weight.value).join()).toBe(frozen)
    expect(full.epochs[4]!.train.loss).toBeLessThan(full.epochs[0]!.train.loss)
    const single = await fit(small(), { train: clouds(20), ...usual, epochs: 2, batchSize: 1, validationSplit: 0.25 })
    expect(single.epochs[1]!.validation.loss).toBeGreaterThan(0)
  })

  test('sample weights: two of weight 1 are one of weight 2', async () => {
    const twice: Dataset = {
      input: { data: Float32Array.of(1, 2, 1, 2, 3, -1), shape: [3, 2] },
      target: { data: Int32Array.of(0, 0, 1), shape: [3] },
    }
    const weighted: Dataset = {
      input: { data: Float32Array.of(1, 2, 3, -1), shape: [2, 2] },
      target: { data: Int32Array.of(0, 1), shape: [2] },
      sampleWeight: { data: Float32Array.of(2, 1), shape: [2] },
    }
    const losses = async (set: Dataset) => {
      const options = { ...usual, epochs: 3, batchSize: 'full', seed: 1, validation: set } as const
      const { epochs } = await fit(small(0), { train: set, ...options })
      return epochs.flatMap((epoch) => [epoch.train.loss, epoch.validation.loss])
    }
    const [a, b] = [await losses(twice), await losses(weighted)]
    a.forEach((x, i) => {
      expect(b[i]).toBeCloseTo(x, 5)
    })
    await expect(
      fit(small(), { train: weighted, ...usual, loss: (z, y) => loss.crossEntropy(z, y), epochs: 1 }).then(),
    ).rejects.toThrow('the data have sample weights, which the loss does not use')
  })
})

describe('the run', () => {
  const options = { train, validation, ...usual, epochs: 6, seed: 1 } as const

  test('starts once, at the first iteration or await', async () => {
    const net = small()
    const run = fit(net, options)
    expect(gradus.state(net).get('0.weight')!.initialized).toBe(false)
    expect(run.history.epochs).toEqual([])
    const seen: number[] = []
    const [history] = await Promise.all([
      run,
      (async () => {
        for await (const { epoch } of run) seen.push(epoch)
      })(),
    ])
    expect(seen).toEqual([1, 2, 3, 4, 5, 6])
    expect(await run).toEqual(history)
    const again: number[] = []
    for await (const { epoch } of run) again.push(epoch)
    expect(again).toEqual(seen)
    const reference = small()
    await fit(reference, options)
    expect(hash(reference)).toBe(hash(net))
  })

  test('break stops; awaiting gives the history so far', async () => {
    const net = small()
    const run = fit(net, options)
    for await (const { epoch } of run) if (epoch === 2) break
    const history = await run
    expect([history.epochs.length, history.stopped, run.history.stopped]).toEqual([2, 'left', 'left'])
    const two = small()
    await fit(two, { ...options, epochs: 2 })
    expect(hash(two)).toBe(hash(net))
    for await (const _ of run) void _
    expect(hash(two)).toBe(hash(net))
  })

  test('an error in the loop’s body ends it too', async () => {
    const run = fit(small(), options)
    const body = async () => {
      for await (const { epoch } of run) if (epoch === 1) throw new Error('mine')
    }
    await expect(body()).rejects.toThrow('mine')
    expect((await run).epochs.length).toBe(1)
  })

  test('aborts between steps, also before the first, and timers run meanwhile', async () => {
    const controller = new AbortController()
    const run = fit(small(), { ...options, epochs: 100_000, batchSize: 1, signal: controller.signal })
    setTimeout(() => controller.abort(), 60)
    const start = performance.now()
    const history = await run
    expect(performance.now() - start).toBeLessThan(1000)
    expect(history.stopped).toBe('aborted')
    const long = new AbortController()
    const inEpoch = fit(small(), { train: clouds(200_000), ...usual, batchSize: 1, signal: long.signal })
    setTimeout(() => long.abort(), 400)
    expect(await inEpoch).toMatchObject({ stopped: 'aborted', epochs: [] })
    const never = await fit(small(), { ...options, signal: AbortSignal.abort() })
    expect([never.epochs.length, never.stopped]).toEqual([0, 'aborted'])
  })

  test('progress is told everything', async () => {
    const calls: string[] = []
    const spy = vi.fn()
    const progress = {
      start: (run: { epochs: number; batches: number; memory?: string }) =>
        calls.push(`start ${run.epochs}×${run.batches}`, run.memory!),
      batch: spy,
      epoch: ({ epoch }: { epoch: number }) => calls.push(`epoch ${epoch}`),
      end: ({ stopped }: { stopped: string }) => calls.push(stopped),
    }
    await fit(small(), { ...options, epochs: 2, batchSize: 1, progress })
    const memory = /^memory [\d.]+ \w+: parameters and moments [\d.]+ \w+, arena [\d.]+ \w+ \([\d.]+ \w+ live at once\)/
    expect(calls).toEqual(['start 2×200', expect.stringMatching(memory), 'epoch 1', 'epoch 2', 'finished'])
  })
})

describe('early stopping in fit', () => {
  const noisy = clouds(40, 3, 1.5)
  test('stops, restores the best parameters exactly, and says so', async () => {
    for (const rule of ['patience', 'consistentIncrease'] as const) {
      const net = nn.sequential(nn.linear(2, 64), nn.tanh, nn.linear(64, 64), nn.tanh, nn.linear(64, 3))
      const run = fit(net, {
        train: noisy,
        validation: clouds(60, 4, 1.5),
        loss: loss.crossEntropy,
        optimizer: optim.adam({ learningRate: 0.02 }),
        epochs: 300,
        seed: 2,
        earlyStopping: { patience: 4, rule },
      })
      const hashes: string[] = []
      for await (const epoch of run) hashes[epoch.epoch] = hash(net)
      const history = await run
      expect(history.stopped).toBe('earlyStopping')
      expect(history.epochs.length).toBeLessThan(300)
      expect(history.restored).toBe(true)
      const losses = history.epochs.map((epoch) => epoch.validation.loss)
      const { best } = history
      expect(best).toEqual({
        epoch: 1 + losses.indexOf(Math.min(...losses)),
        metric: 'validation.loss',
        value: Math.min(...losses),
      })
      if (rule === 'patience') expect(history.epochs.length).toBe(best!.epoch + 4)
      else expect(losses.slice(-5)).toEqual(losses.slice(-5).sort((a, b) => a - b))
      expect(hash(net)).toBe(hashes[best!.epoch])
      expect(hash(net)).not.toBe(hashes[history.epochs.length])
      const now = await evaluate(net, clouds(60, 4, 1.5), { loss: loss.crossEntropy })
      expect(now.loss).toBe(best!.value)
    }
  })

  test('looks at any metric, in its own direction; break restores as well', async () => {
    const net = small()
    const run = fit(net, {
      train: noisy,
      validation,
      ...usual,
      metrics: { accuracy: metrics.accuracy },
      epochs: 12,
      seed: 1,
      earlyStopping: { metric: 'validation.accuracy', patience: 100 },
    })
    const seen: { accuracy: number; hash: string }[] = []
    for await (const { epoch, validation: scores } of run) {
      seen.push({ accuracy: scores.accuracy, hash: hash(net) })
      if (epoch === 10) break
    }
    const { best, restored } = await run
    const most = Math.max(...seen.map(({ accuracy }) => accuracy))
    expect(best!.value).toBe(most)
    expect(best!.epoch).toBe(1 + seen.findIndex(({ accuracy }) => accuracy === most))
    expect(restored).toBe(true)
    expect(hash(net)).toBe(seen[best!.epoch - 1]!.hash)
  })

  test('errors', async () => {
    expect(() => fit(small(), { train, ...usual, earlyStopping: {} })).toThrow('there are no validation data')
    const misspelled = {
      ...usual,
      metrics: { accuracy: metrics.accuracy },
      earlyStopping: { metric: 'validation.acuracy' },
    }
    await expect(fit(small(), { train, validation, ...misspelled }).then()).rejects.toThrow(
      'did you mean validation.accuracy?',
    )
  })
})

describe('errors', () => {
  const run = (options: object, net: gradus.Net = small()) => fit(net, { train, ...usual, ...options }).then()
  test('options', () => {
    const attempt = (options: object) => () => fit(small(), { train, ...usual, ...options })
    expect(attempt({ epoch: 3 })).toThrow("there is no option 'epoch'; did you mean 'epochs'?")
    expect(attempt({ epochs: 0 })).toThrow('epochs must be a whole number above 0, not 0')
    expect(attempt({ batchSize: 0 })).toThrow("the batch size must be a whole number above 0, or 'full', not 0")
    expect(attempt({ batchSize: -8 })).toThrow('not -8')
    expect(attempt({ validationSplit: 1 })).toThrow('validationSplit is 1')
    expect(attempt({ validation, validationSplit: 0.2 })).toThrow('both validation and validationSplit')
    expect(attempt({ loss: undefined })).toThrow('there is no loss')
    expect(attempt({ optimizer: undefined })).toThrow('there is no optimizer')
    expect(attempt({ train: undefined })).toThrow('there are no training data')
    expect(attempt({ seed: -1 })).toThrow('the seed must be')
    expect(attempt({ metrics: { loss: metrics.accuracy } })).toThrow("a metric cannot be named 'loss'")
    expect(attempt({ metrics: { accuracy: 'accuracy' } })).toThrow("'accuracy' is no metric")
    expect(attempt({ earlyStopping: { patiance: 3 } })).toThrow("did you mean 'patience'?")
  })

  test('data that do not fit the network', async () => {
    const wide: Dataset = { ...train, input: { data: new Float32Array(200 * 6), shape: [200, 3, 2] } }
    const net = nn.sequential(nn.linear(6, 3))
    await expect(run({ train: wide }, net)).rejects.toThrow(
      'fit: the network takes samples of [6], those of train are [3,2]. Put nn.flatten() in front.',
    )
    await expect(run({ validation: wide, train: { ...train } }, net)).rejects.toThrow('those of train are [2]')
    await expect(
      run({ validation: { ...wide, input: { data: new Float32Array(600), shape: [200, 3] } } }),
    ).rejects.toThrow('takes samples of [2], those of validation are [3]')
    const bad = {
      ...train,
      target: { ...train.target, data: train.target.data.map((label, i) => (i === 17 ? 3 : label)) },
    }
    await expect(run({ train: bad })).rejects.toThrow('train: the label in row 17 is 3, outside 0..2')
    await expect(run({ validation: bad })).rejects.toThrow('validation: the label in row 17')
    // A loss that is not crossEntropy itself may know what to do with such a label; if not, the loss is NaN.
    await expect(run({ train: bad, loss: (z: Tensor, y: Tensor) => loss.crossEntropy(z, y) })).rejects.toThrow(
      'The label in row 17 is 3, the network has classes 0..2.',
    )
    await expect(
      run({ loss: (z: Tensor, y: Tensor) => loss.crossEntropy(z, y, { reduction: 'none' }) }),
    ).rejects.toThrow('the loss gives [32]')
  })

  test('a loss that explodes names epoch and batch, and keeps the best parameters', async () => {
    const net = small(0)
    gradus.initialize(net, { seed: 1 })
    const optimizer = optim.sgd({ learningRate: 0.01 }).init(net)
    const options = { train, validation, loss: loss.crossEntropy, optimizer, epochs: 5 }
    const steady = fit(net, { ...options, earlyStopping: { patience: 3 } })
    let good = ''
    const loop = async () => {
      for await (const _ of steady) {
        good ||= hash(net)
        optimizer.learningRate = 1e30
      }
    }
    await expect(loop()).rejects.toThrow(
      /the (loss|gradient of .*) is (NaN|infinite) in epoch 2, batch [2-7] of 7\. First not finite is .*ower the learning rate \(it is 1e\+30\)/,
    )
    expect(steady.history.stopped).toBe('failed')
    expect(steady.history.epochs.length).toBe(1)
    expect(hash(net)).toBe(good)
    await expect(steady.then()).rejects.toThrow('the loss is')
  })
})

describe('evaluate', () => {
  test('does not depend on the batch size', async () => {
    const net = small(0.5)
    gradus.initialize(net, { seed: 4 })
    const options = {
      loss: loss.crossEntropy,
      metrics: { accuracy: metrics.accuracy, top2: metrics.topK(2), f1: metrics.f1() },
    }
    const whole = await evaluate(net, train, { ...options, batchSize: 'full' })
    for (const batchSize of [1, 7, 64, 199, 200, 512]) {
      const scores = await evaluate(net, train, { ...options, batchSize })
      expect(scores.loss).toBeCloseTo(whole.loss, 6)
      expect({ ...scores, loss: 0 }).toEqual({ ...whole, loss: 0 })
    }
    const { accuracy } = await evaluate(net, train, { metrics: { accuracy: metrics.accuracy } })
    expect(accuracy).toBe(whole.accuracy)
  })

  test('collects samples for the area under the curve', async () => {
    const net = nn.sequential(nn.linear(2, 1))
    gradus.initialize(net, { seed: 1 })
    const yes = Float32Array.from(train.target.data, (label) => Number(label === 0))
    const data: Dataset = { input: train.input, target: { data: yes, shape: [200, 1] } }
    const scores = ((await gradus.predict(net, train.input)) as number[][]).map(([score]) => score!)
    let [pairs, right] = [0, 0]
    scores.forEach((a, i) => {
      scores.forEach((b, j) => {
        if (yes[i] !== 1 || yes[j] !== 0) return
        pairs++
        right += a > b ? 1 : a === b ? 0.5 : 0
      })
    })
    for (const batchSize of [32, 200]) {
      const { auc } = await evaluate(net, data, { metrics: { auc: metrics.rocAuc }, batchSize })
      expect(auc).toBeCloseTo(right / pairs, 12)
    }
  })

  test('errors', async () => {
    await expect(evaluate(small(), train, {})).rejects.toThrow('has nothing to compute')
    await expect(evaluate(small(), train, { loss: loss.crossEntropy, batchSize: 0 })).rejects.toThrow('batch size')
    await expect(evaluate(small(), [[[1, 2, 3]], [0]], { loss: loss.crossEntropy })).rejects.toThrow(
      'takes samples of [2], those of the data are [3]',
    )
  })
})

describe('predict', () => {
  test('rows do not depend on how many there are', async () => {
    const net = small()
    gradus.initialize(net, { seed: 1 })
    const all = (await gradus.predict(net, train.input)) as number[][]
    expect(all.length).toBe(200)
    for (const count of [1, 2, 8, 9, 65]) {
      const rows = Array.from({ length: count }, (_, i) => [train.input.data[2 * i]!, train.input.data[2 * i + 1]!])
      expect(await gradus.predict(net, rows)).toEqual(all.slice(0, count))
    }
    const many = clouds(1100).input
    const each = (await gradus.predict(net, many)) as number[][]
    for (const i of [0, 511, 512, 1024, 1099])
      expect(await gradus.predict(net, [[...many.data.subarray(2 * i, 2 * i + 2)]])).toEqual([each[i]])
    expect(await gradus.predict(net, [])).toEqual([])
    await expect(gradus.predict(net, [[1, 2, 3]])).rejects.toThrow('takes samples of [2], those of inputs are [3]')
  })
})

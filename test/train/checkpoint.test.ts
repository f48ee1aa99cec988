/**
 * @file Checkpoints of fit and of loops of one's own: a run that was stopped anywhere, in any way, and resumed has the bits of the run
 * that was not. Then what is kept, what is refused, and what happens when a write fails at any system call.
 */
import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as gradus from 'gradus'
import { backpropagate, checkpoints, compile, fit, loadCheckpoint, loss, metrics, nn, optim, type Tensor } from 'gradus'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { watchCalls } from '../../src/io/atomic.js'
import { RandomStream } from '../../src/numerics/random.js'

const base = mkdtempSync(join(tmpdir(), 'gradus-checkpoint-'))
let folders = 0
const newFolder = () => join(base, `run-${++folders}`, 'checkpoints')
afterAll(() => rmSync(base, { recursive: true }))
afterEach(() => watchCalls(undefined))

function clouds(count: number, seed: number): gradus.Dataset {
  const random = new RandomStream(seed, 'clouds')
  const target = Int32Array.from({ length: count }, () => random.integer(2))
  const input = Float32Array.from({ length: 2 * count }, (_, i) => target[i >> 1]! + random.normal())
  return { input: { data: input, shape: [count, 2] }, target: { data: target, shape: [count] } }
}
const [train, validation] = [clouds(70, 1), clouds(40, 2)]
const mlp = () => nn.sequential(nn.linear(2, 8), nn.batchNorm(8), nn.relu, nn.dropout(0.3), nn.linear(8, 2))
type Options = Omit<gradus.FitOptions<{ accuracy: gradus.Metrics['']; auc: gradus.Metrics[''] }>, 'train'>

/** Everything that is made anew in a process that resumes. */
const settings: { readonly [name: string]: () => Options } = {
  'momentum, cosine, early stopping': () => ({
    loss: loss.crossEntropy,
    optimizer: optim.momentum({ learningRate: optim.schedules.cosine({ learningRate: 0.5, steps: 60 }) }),
    earlyStopping: { patience: 2 },
    epochs: 9,
  }),
  'adam, plateau, accumulated, averaged, early stopping': () => ({
    loss: loss.crossEntropy,
    optimizer: optim.adamW({ learningRate: 0.1, groups: [{ match: /bias$/, learningRate: 0.3 }] }),
    accumulateGradients: 2,
    average: { decay: 0.7 },
    reduceOnPlateau: { patience: 0, factor: 0.5, threshold: 0.05 },
    earlyStopping: { patience: 3, rule: 'consistentIncrease' },
    epochs: 5,
  }),
}
const common = {
  batchSize: 16,
  seed: 3,
  validation,
  metrics: { accuracy: metrics.accuracy, auc: metrics.rocAuc },
} as const

/** The bits of a network and of a history but for its times. */
function bits(net: gradus.ModuleParts, history: gradus.History): string {
  const hash = createHash('sha256')
  for (const [name, { storage }] of gradus.state(net)) hash.update(name).update(storage.read())
  const epochs = history.epochs.map(({ seconds, ...epoch }) => epoch)
  const { best, stopped, restored, seed } = history
  return `${hash.digest('hex')} ${JSON.stringify({ epochs, best, stopped, restored, seed })}`
}

/** A signal that aborts when it is asked for the n-th time: between any two steps. */
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

describe.each(Object.keys(settings))('%s', (name) => {
  const options = settings[name]!
  const random = new RandomStream(7, name)
  let whole = ''
  let epochs = 0
  beforeAll(async () => {
    const net = mlp()
    const history = await fit(net, { train, ...common, ...options() })
    whole = bits(net, history)
    epochs = history.epochs.length
    expect(epochs).toBeGreaterThan(2)
  })
  const run = (folder: string, every: gradus.FitCheckpointOptions['every'], more: Partial<Options> = {}) => {
    const net = mlp()
    return {
      net,
      run: fit(net, { train, ...common, ...options(), checkpoint: { folder, every }, resume: true, ...more }),
    }
  }

  test('checkpoints change nothing, and a finished run resumes as finished', async () => {
    const folder = newFolder()
    for (const every of [1, { steps: 2 }]) {
      const { net, run: training } = run(folder, every)
      expect(bits(net, await training)).toBe(whole)
    }
  })

  test.each([{ epochs: 2 }, { steps: 3 }, { seconds: 1e-9 }])('aborted again and again, every %j', async (every) => {
    const folder = newFolder()
    for (let times = 0; ; times++) {
      const { net, run: training } = run(folder, every, { signal: abortsAt(2 + random.integer(5)) })
      const history = await training
      if (history.stopped === 'aborted') continue
      expect(bits(net, history)).toBe(whole)
      expect(times).toBeGreaterThan(0)
      return
    }
  })

  test('resumed by other engines and numbers of threads', async () => {
    const folder = newFolder()
    const engines: [string, string][] = [
      ['interpreter', '1'],
      ['wasm', '2'],
      ['auto', '1'],
      ['wasm', '1'],
    ]
    const before = [process.env['GRADUS_ENGINE'], process.env['GRADUS_THREADS']]
    try {
      for (const [engine, threads] of engines) {
        process.env['GRADUS_ENGINE'] = engine
        process.env['GRADUS_THREADS'] = threads
        const signal = engine === 'wasm' && threads === '1' ? undefined : abortsAt(3)
        const { net, run: training } = run(folder, { steps: 4 }, { signal })
        const history = await training
        if (!signal) expect(bits(net, history)).toBe(whole)
        else expect(history.stopped).toBe('aborted')
      }
    } finally {
      process.env['GRADUS_ENGINE'] = before[0]
      if (before[1] === undefined) delete process.env['GRADUS_THREADS']
      else process.env['GRADUS_THREADS'] = before[1]
    }
  })

  test('left after each epoch, which the loop over the run sees once', async () => {
    const folder = newFolder()
    const seen: number[] = []
    for (;;) {
      const { net, run: training } = run(folder, { epochs: 4 })
      let stopped = ''
      for await (const { epoch } of training) {
        seen.push(epoch)
        stopped = training.history.stopped
        break
      }
      if (seen.length < epochs || stopped === '') continue
      const again = run(folder, 1)
      expect(bits(again.net, await again.run)).toBe(whole)
      expect(seen).toEqual(Array.from({ length: epochs }, (_, i) => i + 1))
      expect(net).toBeDefined()
      return
    }
  })

  test('a disk that is full at any system call: a clear error, and nothing lost', async () => {
    const folder = newFolder()
    for (let at = random.integer(6); ; at = random.integer(80)) {
      let calls = 0
      let failed = ''
      watchCalls((call) => {
        // Whether a folder can be synced is up to the system; failing to is no error.
        if (calls++ < at || call === 'sync folder') return
        failed = call
        throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })
      }, 1000)
      const { net, run: training } = run(folder, { steps: 2 })
      try {
        const history = await training
        expect(bits(net, history)).toBe(whole)
        return
      } catch (error) {
        expect(error).toBeInstanceOf(gradus.FileError)
        expect((error as Error).message).toMatch(/^write: cannot write .*: the disk is full/)
        expect(failed).not.toBe('')
        expect(training.history.stopped).toBe('failed')
      }
      watchCalls(undefined)
      expect(readdirSync(folder).filter((file) => file.endsWith('.tmp'))).toEqual([])
    }
  })
})

describe('folders', () => {
  const quick = { train, validation, loss: loss.crossEntropy, optimizer: optim.adam(), batchSize: 32, seed: 1 } as const
  const names = (folder: string) => readdirSync(folder).filter((file) => file.endsWith('.json'))

  test('the last three and the best are kept, and nothing else', async () => {
    const sgd = optim.sgd({ learningRate: 3 })
    for (const every of [1, { epochs: 5 }, { steps: 2 }]) {
      const folder = newFolder()
      const history = await fit(mlp(), { ...quick, epochs: 9, optimizer: sgd, checkpoint: { folder, every } })
      const best = history.epochs.reduce((a, b) => (b.validation.loss < a.validation.loss ? b : a)).epoch
      expect(best).toBeLessThan(7)
      if (every === 1) {
        const numbers = [...new Set([best, 7, 8, 9])].sort((a, b) => a - b)
        const wanted = numbers.flatMap((n) => [`checkpoint-00000${n}.json`, `checkpoint-00000${n}.safetensors`])
        expect(readdirSync(folder)).toEqual(wanted)
      }
      const net = mlp()
      await loadCheckpoint(folder, { net }, { which: 'best' })
      const { loss: value } = await gradus.evaluate(net, validation, { loss: loss.crossEntropy })
      expect(value).toBe(history.epochs[best - 1]!.validation.loss)
    }
  })

  test('a run that is longer goes on where the shorter one ended', async () => {
    const folder = newFolder()
    const [once, twice] = [mlp(), mlp()]
    const whole = bits(once, await fit(once, { ...quick, epochs: 4 }))
    await fit(mlp(), { ...quick, epochs: 2, checkpoint: folder })
    expect(bits(twice, await fit(twice, { ...quick, epochs: 4, checkpoint: folder, resume: true }))).toBe(whole)
  })

  test('what would be another run is refused, and changes nothing', async () => {
    const folder = newFolder()
    await fit(mlp(), { ...quick, epochs: 1, checkpoint: folder })
    const before = names(folder)
    const resumed = (more: object, net: gradus.Net = mlp()) =>
      fit(net, { ...quick, epochs: 2, checkpoint: folder, resume: true, ...more } as never).then(
        () => 'resumed',
        (error: unknown) => (error as Error).message,
      )
    await expect(fit(mlp(), { ...quick, checkpoint: folder })).rejects.toThrow(/there are checkpoints in .* already/)
    expect(await resumed({ seed: 2 })).toMatch(/the seed was 1 and is 2/)
    expect(await resumed({ batchSize: 16 })).toMatch(/the batch size was 32 and is 16/)
    expect(await resumed({ shuffle: false })).toMatch(/shuffle was true and is false/)
    expect(await resumed({ train: clouds(70, 9) })).toMatch(/the training data \(their checksum\)/)
    expect(await resumed({ validation: train })).toMatch(/the validation data/)
    expect(await resumed({ optimizer: optim.sgd({ learningRate: 1 }) })).toMatch(/'optimizer\.[^']*' is unexpected/)
    const net = nn.sequential(nn.linear(2, 4), nn.linear(4, 2))
    gradus.initialize(net, { seed: 5 })
    const values = () => [...gradus.state(net).values()].map(({ storage }) => [...storage.read()])
    const old = values()
    expect(await resumed({}, net)).toMatch(
      /'net.0.weight' is float32\[8,2\], here it is float32\[4,2\][\s\S]*'net.4.bias' is unexpected/,
    )
    expect(values()).toEqual(old)
    expect(names(folder)).toEqual(before)
  })

  test('another mode of numerics warns', async () => {
    const folder = newFolder()
    await fit(mlp(), { ...quick, epochs: 1, checkpoint: folder })
    const says = vi.spyOn(console, 'error').mockImplementation(() => {})
    const other = process.env['GRADUS_NUMERICS']
    process.env['GRADUS_NUMERICS'] = 'portable'
    try {
      await fit(mlp(), { ...quick, epochs: 2, checkpoint: folder, resume: true })
      expect(says.mock.calls.map(([line]) => line)).toEqual([
        expect.stringMatching(/numerics 'fused', this run has 'portable'/),
      ])
    } finally {
      if (other === undefined) delete process.env['GRADUS_NUMERICS']
      else process.env['GRADUS_NUMERICS'] = other
      says.mockRestore()
    }
  })

  test('a folder that cannot be written to is found before training begins', async () => {
    writeFileSync(join(base, 'file'), '')
    const started = vi.fn()
    for (const folder of ['/proc/checkpoints', join(base, 'file'), join(base, 'file/inside')])
      await expect(fit(mlp(), { ...quick, checkpoint: folder, progress: { start: started } })).rejects.toThrow(
        /^write: cannot write/,
      )
    expect(started).not.toHaveBeenCalled()
  })

  test('wrong options say what is right', () => {
    const wrong = (more: object, message: RegExp) =>
      expect(() => fit(mlp(), { ...quick, ...more } as never)).toThrow(message)
    wrong({ resume: true }, /resume is true, but there is no checkpoint/)
    wrong({ checkpoint: 3 }, /the options are the number 3/)
    wrong({ checkpoint: { folder: 'a', evry: 2 } }, /there is no option 'evry'; did you mean 'every'/)
    wrong({ checkpoint: { folder: 'a', every: 0 } }, /every is 0/)
    wrong({ checkpoint: { folder: 'a', every: { steps: 1, epochs: 2 } } }, /every is/)
    wrong({ checkpoint: { folder: 'a', keep: 0 } }, /keep must be a whole number/)
    wrong({ checkpoint: { folder: 'a', keepBest: 4 } }, /keepBest is the number 4/)
    wrong({ checkpoint: { folder: 'a', also: { net: mlp() } } }, /named 'net'/)
    wrong({ checkpoint: { folder: 'a', also: { other: 3 } } }, /the part 'other' is the number 3/)
    const step = compile((x: Tensor, _: Tensor) => x.sum())
    wrong({ step, loss: undefined, optimizer: undefined, checkpoint: 'a' }, /would lack the optimizer/)
  })
})

describe("loops of one's own", () => {
  /** A loop with a step of its own, stopped after `most` epochs. */
  async function loop(folder: string | undefined, most = Number.POSITIVE_INFINITY) {
    const net = mlp()
    gradus.initialize(net, { seed: 4 })
    const generator = new gradus.random.RandomGenerator(9)
    const optimizer = optim.adam({ learningRate: 0.05 }).init(net)
    const average = optim.exponentialMovingAverage(net, { decay: 0.8 })
    const stopping = gradus.earlyStopping({ patience: 2 })
    const step = compile(
      (x: Tensor, y: Tensor) => {
        const error = loss.crossEntropy(net(x), y)
        average.update(optimizer.update(backpropagate(error, net)))
        return error
      },
      { training: true, random: generator },
    )
    const parts = { net, optimizer, average, stopping, generator }
    const saver = folder === undefined ? undefined : await checkpoints(folder, parts)
    const state = (await saver?.resume<{ epoch: number; losses: number[] }>()) ?? { epoch: 0, losses: [] }
    for (let made = 0; state.epoch < 6 && made < most && !stopping.due; made++) {
      let value: Tensor | undefined
      for (const [x, y] of gradus.batches(train, { size: 16, shuffle: true, seed: state.epoch })) value = step(x!, y!)
      state.losses.push(await value!.item(), made === 0 ? Number.NaN : -0)
      state.losses.length = ++state.epoch
      await average.use(async () => {
        const scores = await gradus.evaluate(net, validation, { loss: loss.crossEntropy })
        stopping.update({ validation: scores }, net)
        // In the middle of `use` the average stands in the network: it is saved as it trains all the same.
        await saver?.save(state, { score: { metric: 'validation.loss', value: scores.loss, better: 'lower' } })
      })
    }
    stopping.restore()
    const values = [...gradus.state(net), ...average.variables, ...optimizer.state]
    return { losses: state.losses, values: values.map(([name, { storage }]) => [name, [...storage.read()]]) }
  }

  test('go on with the same bits', async () => {
    const whole = await loop(undefined)
    const folder = newFolder()
    for (let i = 0; i < 3; i++) await loop(folder, 1)
    expect(await loop(folder)).toEqual(whole)
  })

  test("fit with a step of one's own and what it keeps beside", async () => {
    const make = () => {
      const net = mlp()
      gradus.initialize(net, { seed: 2 })
      const optimizer = optim.momentum({ learningRate: 0.1 }).init(net)
      const generator = new gradus.random.RandomGenerator(5)
      const step = compile(
        (x: Tensor, y: Tensor) => {
          const error = loss.crossEntropy(net(x), y)
          optimizer.update(backpropagate(error, net))
          return error
        },
        { training: true, random: generator },
      )
      return { net, optimizer, generator, step }
    }
    const one = make()
    const options = { train, validation, loss: loss.crossEntropy, epochs: 3, batchSize: 16 }
    const whole = bits(one.net, await fit(one.net, { ...options, optimizer: one.optimizer, step: one.step }))
    const folder = newFolder()
    for (;;) {
      const { net, optimizer, generator, step } = make()
      const checkpoint = { folder, every: { steps: 2 }, also: { generator } }
      const more = { optimizer, step, checkpoint, resume: true, signal: abortsAt(5) }
      const history = await fit(net, { ...options, ...more })
      if (history.stopped === 'finished') return expect(bits(net, history)).toBe(whole)
    }
  })

  test('plain data are kept exactly; what is none is refused', async () => {
    const saver = await checkpoints(newFolder(), {})
    const state = {
      a: [Number.NaN, -0, Number.NEGATIVE_INFINITY, undefined, null],
      $: 'x',
      b: { $: { c: 1e-300 } },
      d: Float32Array.of(1, Number.NaN),
    }
    await saver.save(state)
    expect(await saver.resume()).toStrictEqual(state)
    await expect(saver.save(1, { score: { metric: 'loss', value: 1, better: 'less' } } as never)).rejects.toThrow(
      /the score is .*"less".*better: 'higher'/,
    )
    await expect(saver.save({ f: () => 1 })).rejects.toThrow(/it\.state\.f|which a checkpoint cannot hold/)
    await expect(checkpoints(newFolder(), { 'a.b': mlp() })).rejects.toThrow(/have no dot/)
    await expect(checkpoints(newFolder(), { adam: optim.adam() } as never)).rejects.toThrow(/the part 'adam' is/)
  })
})

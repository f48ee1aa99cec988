/**
 * @file Several optimizers, rates, batches or averages at a time, against PyTorch over 20 steps of a network of two layers:
 * every optimizer in float64 within 1e-10; Muon, groups, accumulation and averages in float32 within 1e-5 and float64.
 */
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { meanSquaredError } from '../../src/loss/index.js'
import { backpropagate } from '../../src/nn/backpropagate.js'
import { parameter } from '../../src/nn/initializers.js'
import { module } from '../../src/nn/module.js'
import * as optim from '../../src/optim/index.js'
import { compile } from '../../src/step.js'
import type { Tensor } from '../../src/trace/tensor.js'
import { reduceOnPlateau } from '../../src/train/plateau.js'
import { distance, type FixtureArray, fixtureTensor, setVariable } from '../support/run.js'

type Values = { w: number[]; b: number[]; v: number[] }
type Steps = { step: number; parameters: Values; averages?: Values }[]
type Options = Record<string, number & boolean & number[] & string>
interface Problem {
  x: FixtureArray
  y: FixtureArray
  w: FixtureArray
  b: FixtureArray
  v: FixtureArray
}
interface Build {
  muon?: Options
  groups?: 'adam' | 'sgd' | 'adamW'
  accumulate?: number[]
  average?: 'mean' | optim.MovingAverageOptions
}
const read = <T>(name: string): T =>
  JSON.parse(readFileSync(new URL(`../fixtures/torch/${name}.json`, import.meta.url), 'utf8')) as T
const each = read<Problem & { cases: { optimizer: string; options: Options; steps: Steps }[] }>('optimizers-float64')
const parts = read<
  Problem & {
    cases: { name: string; dtype: 'float32' | 'float64'; build: Build; steps: Steps }[]
    rounded: { name: string; build: Build; steps: Steps }[]
    schedules: { name: string; rates: number[] }[]
    plateaus: { options: Options; scores: number[]; rates: number[][] }[]
  }
>('optimizers-parts')

function problem(dtype: 'float32' | 'float64') {
  const net = module(
    {
      w: parameter([3, 4], undefined, { dtype }),
      b: parameter([4], undefined, { dtype }),
      v: parameter([4, 2], undefined, { dtype }),
    },
    (m, x: Tensor) => x.matmul(m.w.value).add(m.b.value).tanh().matmul(m.v.value),
  )
  for (const name of ['w', 'b', 'v'] as const) setVariable(net.children[name], Float32Array.from(parts[name].data))
  return net
}

/** How far the parameters, and the averages, are from PyTorch's at worst. */
function furthest(
  dtype: 'float32' | 'float64',
  spec: optim.OptimizerSpec,
  expected: Steps,
  rows: readonly number[] = [8],
  averageOf?: (net: ReturnType<typeof problem>) => optim.ParameterAverage,
): number {
  const net = problem(dtype)
  const optimizer = spec.init(net)
  const average = averageOf?.(net)
  const step = compile(
    (x: Tensor, y: Tensor) => {
      const error = meanSquaredError(net(x), y)
      const changed = optimizer.update(backpropagate(error, net))
      average?.update(changed)
      return error
    },
    { training: true },
  )
  const [x, y] = [fixtureTensor(parts.x, dtype), fixtureTensor(parts.y, dtype)]
  let worst = 0
  for (let i = 1; i <= 20; i++) {
    let from = 0
    for (const count of rows) {
      step(x.slice([from], [from + count]), y.slice([from], [from + count]))
      from += count
    }
    const wanted = expected.find((one) => one.step === i)
    for (const name of ['w', 'b', 'v'] as const) {
      if (!wanted) continue
      worst = Math.max(worst, distance(net.children[name].storage.read(), wanted.parameters[name]))
      if (wanted.averages)
        worst = Math.max(worst, distance(average!.variables.get(name)!.storage.read(), wanted.averages[name]))
    }
  }
  expect(optimizer.steps).toBe(20)
  return worst
}

const builders: { readonly [name: string]: (o: Options) => optim.OptimizerSpec } = {
  SGD: ({ lr, weight_decay, ...o }) => optim.sgd({ learningRate: lr!, weightDecay: weight_decay, ...o }),
  Adagrad: (o) =>
    optim.adagrad({
      learningRate: optim.schedules.inverseTime({ learningRate: o.lr!, rate: o.lr_decay! }),
      initialAccumulator: o.initial_accumulator_value,
    }),
  RMSprop: ({ lr, weight_decay, ...o }) => optim.rmsprop({ learningRate: lr, weightDecay: weight_decay, ...o }),
  Adam: (o) => optim.adam({ ...adam(o), amsgrad: o.amsgrad }),
  AdamW: (o) => optim.adamW(adam(o)),
  Adamax: (o) => optim.adamax(adam(o)),
  Adadelta: (o) => optim.adadelta({ learningRate: o.lr, decay: o.rho, epsilon: o.eps, weightDecay: o.weight_decay }),
  NAdam: (o) => optim.nadam({ ...adam(o), momentumDecay: o.momentum_decay }),
  RAdam: (o) => optim.radam(adam(o)),
  Lion: (o) => optim.lion({ learningRate: o.lr, beta1: o.betas![0], beta2: o.betas![1], weightDecay: o.weight_decay }),
}
const adam = (o: Options) => ({
  learningRate: o.lr,
  beta1: o.betas?.[0],
  beta2: o.betas?.[1],
  epsilon: o.eps,
  weightDecay: o.weight_decay,
})

test.each(each.cases)('$optimizer in float64 $options', ({ optimizer, options, steps }) => {
  expect(furthest('float64', builders[optimizer]!(options), steps)).toBeLessThan(1e-10)
})

const adjustments = { match_rms_adamw: 'matchRmsAdamW', spectral_unclamped: 'spectral' } as const

function build({ muon, groups, accumulate, average }: Build): optim.OptimizerSpec {
  if (muon)
    return optim.muon({
      learningRate: muon.lr,
      weightDecay: muon.weight_decay,
      momentum: muon.momentum,
      nesterov: muon.nesterov,
      coefficients: muon.ns_coefficients as unknown as [number, number, number] | undefined,
      iterations: muon.ns_steps,
      adjustment: muon.adjust_lr_fn && adjustments[muon.adjust_lr_fn as keyof typeof adjustments],
      others: optim.adamW({ learningRate: 0.01 }),
    })
  if (groups === 'adam')
    return optim.chain(
      optim.clipByGlobalNorm(0.5),
      optim.adam({
        learningRate: 0.05,
        groups: [
          { match: /^v$/, learningRate: 0.01, weightDecay: 0.1 },
          { match: (_, { shape }) => shape.length === 1, freeze: true },
        ],
      }),
    )
  if (groups === 'sgd')
    return optim.momentum({
      learningRate: optim.schedules.step({ learningRate: 0.1, every: 5, factor: 0.5 }),
      groups: [{ match: /^v$/, learningRateFactor: 0.2 }],
    })
  if (groups === 'adamW')
    return optim.adamW({
      learningRate: 0.05,
      weightDecay: 0.1,
      groups: [
        { match: /^b$/, weightDecay: 0 },
        { match: /v/, beta1: 0.5, beta2: 0.9 },
      ],
    })
  if (accumulate?.length === 2)
    return optim.chain(optim.clipByGlobalNorm(0.5), optim.accumulate(2, optim.adam({ learningRate: 0.05 })))
  if (accumulate) return optim.accumulate(3, optim.momentum({ learningRate: 0.05 }))
  expect(average).toBeDefined()
  return optim.adam({ learningRate: 0.05 })
}

const averageOf = ({ average }: Build) =>
  average &&
  ((net: ReturnType<typeof problem>) =>
    average === 'mean' ? optim.stochasticWeightAverage(net) : optim.exponentialMovingAverage(net, average))

test.each(parts.cases)('$name in $dtype', ({ dtype, build: how, steps }) => {
  const far = furthest(dtype, build(how), steps, how.accumulate, averageOf(how))
  expect(far).toBeLessThan(dtype === 'float32' ? 1e-5 : 1e-10)
})

test.each(parts.rounded)('$name, where torch rounds to bfloat16', ({ build: how, steps }) => {
  const far = furthest('float32', build(how), steps)
  expect(far).toBeLessThan(2e-2)
  expect(far).toBeGreaterThan(1e-5)
})

describe('schedules in a row and at once', () => {
  const { schedules } = optim
  const [constant, exponential] = [
    schedules.join([0.025, 0.1], [4]),
    schedules.exponential({ learningRate: 0.1, factor: 0.9 }),
  ]
  const known: { readonly [name: string]: optim.Schedule } = {
    ConstantLR: constant,
    ChainedScheduler: schedules.chain([
      exponential,
      schedules.step({ learningRate: 1, every: 5, factor: 0.5 }),
      schedules.join([0.1, 1], [3]),
    ]),
    SequentialLR: schedules.warmup({
      steps: 5,
      startFactor: 0.1,
      after: schedules.exponential({ learningRate: 0.1, factor: 0.8 }),
    }),
    CosineAnnealingWarmRestarts: schedules.cosineRestarts({ learningRate: 0.1, period: 3, growth: 2, final: 0.01 }),
    'CyclicLR triangular': schedules.cyclic({ learningRate: 0.3, low: 0.1, rising: 4, falling: 3 }),
    'CyclicLR triangular2': schedules.cyclic({ learningRate: 0.3, low: 0.1, rising: 3, cycleFactor: 0.5 }),
    'CyclicLR exp_range': schedules.cyclic({ learningRate: 0.3, low: 0.1, rising: 2, falling: 5, stepFactor: 0.9 }),
    OneCycleLR: schedules.oneCycle({ learningRate: 0.2, steps: 20 }),
    PolynomialLR: schedules.polynomial({ learningRate: 0.1, steps: 15, power: 2 }),
    MultiStepLR: schedules.multiStep({ learningRate: 0.1, milestones: [3, 4, 11], factor: 0.3 }),
  }
  test.each(parts.schedules)('$name', ({ name, rates }) => {
    rates.forEach((rate, t) => {
      expect(optim.learningRateAt(known[name]!, t)).toBeCloseTo(rate, 14)
    })
  })
})

test.each(parts.plateaus)('ReduceLROnPlateau $options', ({ options: o, scores, rates }) => {
  const net = problem('float32')
  const optimizer = optim.sgd({ learningRate: 0.1, groups: [{ match: /w/, learningRate: 0.02 }] }).init(net)
  const plateau = reduceOnPlateau({
    mode: (o.mode ?? 'min') as 'min' | 'max',
    factor: o.factor,
    patience: o.patience,
    threshold: o.threshold,
    thresholdMode: o.threshold_mode && 'absolute',
    cooldown: o.cooldown,
    minimumLearningRate: o.min_lr,
    epsilon: o.eps,
  })
  scores.forEach((score, i) => {
    const [before] = [optimizer.learningRate]
    const reduced = plateau.update(score, optimizer)
    expect(optimizer.groups.map(({ learningRate }) => learningRate)).toEqual(rates[i])
    if (!reduced) expect(optimizer.learningRate).toBe(before)
  })
})

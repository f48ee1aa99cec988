/**
 * @file Optimizers and schedules against PyTorch: 20 steps each, parameters within 1e-6, both from PyTorch's gradients
 * and from our own.
 */
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { meanSquaredError } from '../../src/loss/index.js'
import { backpropagate } from '../../src/nn/backpropagate.js'
import { module } from '../../src/nn/module.js'
import { parameter } from '../../src/nn/initializers.js'
import * as optim from '../../src/optim/index.js'
import type { Tensor } from '../../src/trace/tensor.js'
import { distance, type FixtureArray, fixtureTensor, numbers, runTraced, setVariable } from '../support/run.js'

interface Pair {
  w: number[]
  b: number[]
}
interface Case {
  name: string
  optimizer: string
  options: Record<string, number & boolean & number[]>
  clip?: [string, number] | { function: string; bound: number }
  schedule?: { name: string; options: Record<string, number> }
  steps: { loss: number; gradients: Pair; gradientNorm?: number; clippedGradients?: Pair; learningRate: number; parameters: Pair }[]
}
const fixture = JSON.parse(readFileSync(new URL('../fixtures/torch/optimizers.json', import.meta.url), 'utf8')) as {
  x: FixtureArray
  y: FixtureArray
  w: FixtureArray
  b: FixtureArray
  cases: Case[]
}

function schedule(learningRate: number, given: Case['schedule']): optim.LearningRate {
  if (!given) return learningRate
  const o = given.options
  const schedules: Record<string, () => optim.Schedule> = {
    StepLR: () => optim.schedules.step({ learningRate, every: o.step_size!, factor: o.gamma }),
    ExponentialLR: () => optim.schedules.exponential({ learningRate, factor: o.gamma! }),
    CosineAnnealingLR: () => optim.schedules.cosine({ learningRate, steps: o.T_max!, final: o.eta_min }),
    LinearLR: () => optim.schedules.warmup({ steps: o.total_iters!, startFactor: o.start_factor, then: learningRate }),
  }
  return schedules[given.name]!()
}

function build(c: Case): optim.OptimizerSpec {
  const o = c.options
  const weightDecay = o.weight_decay
  const learningRate = o.lr === undefined ? undefined : schedule(o.lr, c.schedule)
  const adam = { learningRate, beta1: o.betas?.[0], beta2: o.betas?.[1], epsilon: o.eps, weightDecay }
  const kinds: Record<string, () => optim.OptimizerSpec> = {
    SGD: () =>
      optim.sgd({ learningRate: learningRate!, momentum: o.momentum, dampening: o.dampening, nesterov: o.nesterov, weightDecay }),
    Adagrad: () =>
      optim.adagrad({
        learningRate: o.lr_decay ? optim.schedules.inverseTime({ learningRate: o.lr!, rate: o.lr_decay }) : learningRate,
        initialAccumulator: o.initial_accumulator_value,
        weightDecay,
      }),
    RMSprop: () => optim.rmsprop({ learningRate, centered: o.centered, momentum: o.momentum, weightDecay }),
    Adam: () => optim.adam(adam),
    AdamW: () => optim.adamW(adam),
  }
  const spec = kinds[c.optimizer]!()
  if (!c.clip) return spec
  const [name, bound] = Array.isArray(c.clip) ? c.clip : [c.clip.function, c.clip.bound]
  const clip = name === 'clip_grad_norm_' ? optim.clipByGlobalNorm(bound) : optim.clipByValue(bound)
  return optim.optimizer(optim.chain(clip, spec.transform))
}

function problem() {
  const net = module({ w: parameter([3, 4]), b: parameter([4]) }, (m, x: Tensor) =>
    x.matmul(m.w.value).add(m.b.value).tanh(),
  )
  setVariable(net.children.w, fixture.w.data)
  setVariable(net.children.b, fixture.b.data)
  return { net, w: net.children.w, b: net.children.b }
}

describe.each(fixture.cases)('$name', (c) => {
  test('from given gradients', () => {
    const { net, w, b } = problem()
    const optimizer = build(c).init(net)
    let worst = 0
    for (const step of c.steps) {
      expect(optimizer.learningRate).toBeCloseTo(step.learningRate * (c.options.lr_decay ? lrDecay(c, step) : 1), 12)
      const gw = fixtureTensor({ shape: [3, 4], dtype: 'float32', data: step.gradients.w })
      const gb = fixtureTensor({ shape: [4], dtype: 'float32', data: step.gradients.b })
      runTraced((dw, db) => (optimizer.update(new Map([[w, dw], [b, db]] as const)), []), [gw, gb])
      worst = Math.max(worst, distance(w.storage.read(), step.parameters.w), distance(b.storage.read(), step.parameters.b))
    }
    expect(optimizer.steps).toBe(20)
    expect(worst).toBeLessThan(1e-6)
  })

  test('from our own gradients', () => {
    const { net, w, b } = problem()
    const optimizer = build(c).init(net)
    let worst = 0
    for (const step of c.steps) {
      const [error] = runTraced(
        (x, y) => {
          const e = meanSquaredError(net(x), y)
          optimizer.update(backpropagate(e, net))
          return e
        },
        [fixtureTensor(fixture.x), fixtureTensor(fixture.y)],
        { training: true },
      )
      worst = Math.max(
        worst,
        distance(numbers(error!), [step.loss]),
        distance(w.storage.read(), step.parameters.w),
        distance(b.storage.read(), step.parameters.b),
      )
    }
    expect(worst).toBeLessThan(1e-6)
  })
})

const lrDecay = (c: Case, step: Case['steps'][number]): number => 1 / (1 + c.options.lr_decay! * c.steps.indexOf(step))

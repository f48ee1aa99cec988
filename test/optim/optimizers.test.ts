/**
 * @file Optimizers beyond PyTorch's trajectories: they converge, compile once, take a new rate without a recompile,
 * decay what they are told to; schedules mean the same on the host and in a program; options out of range are refused.
 */
import { describe, expect, test } from 'vitest'
import { backpropagate } from '../../src/nn/backpropagate.js'
import * as optim from '../../src/optim/index.js'
import { compile } from '../../src/step.js'
import { full, tensor } from '../../src/trace/creation.js'
import type { Tensor } from '../../src/trace/tensor.js'
import { type Variable, variable } from '../../src/trace/variable.js'
import { numbers } from '../support/run.js'

const weights = (...values: number[]): Variable => variable(tensor(values), { trainable: true })
const values = (v: Variable): number[] => [...v.storage.read()]

/** A step that minimises f of one variable. */
function descent(v: Variable, spec: optim.OptimizerSpec, f: (x: Tensor) => Tensor) {
  const optimizer = spec.init([v])
  const step = compile(
    () => {
      const error = f(v.value)
      optimizer.update(backpropagate(error, [v]))
      return error
    },
    { training: true },
  )
  return { optimizer, step }
}

const parabola = (x: Tensor): Tensor =>
  x
    .sub(tensor([3, -1]))
    .square()
    .mul(tensor([1, 10]))
    .sum()
const rosenbrock = (x: Tensor): Tensor => {
  const [a, b] = [x.slice([0], [1]), x.slice([1], [2])]
  return b.sub(a.square()).square().mul(100).add(a.mul(-1).add(1).square()).sum()
}

describe.each<[string, optim.OptimizerSpec, optim.OptimizerSpec]>([
  ['sgd', optim.sgd({ learningRate: 0.04 }), optim.sgd({ learningRate: 1e-3 })],
  ['momentum', optim.momentum({ learningRate: 0.01 }), optim.momentum({ learningRate: 3e-4 })],
  ['nesterov', optim.nesterov({ learningRate: 0.01 }), optim.nesterov({ learningRate: 3e-4 })],
  ['adagrad', optim.adagrad({ learningRate: 0.5 }), optim.adagrad({ learningRate: 0.5 })],
  [
    'rmsprop',
    optim.rmsprop({ learningRate: optim.schedules.inverseTime({ learningRate: 0.05, rate: 0.05 }) }),
    optim.rmsprop({ learningRate: 1e-3 }),
  ],
  ['adam', optim.adam({ learningRate: 0.1 }), optim.adam({ learningRate: 0.02 })],
  ['adamW', optim.adamW({ learningRate: 0.1, weightDecay: 0 }), optim.adamW({ learningRate: 0.02, weightDecay: 0 })],
  [
    'adadelta',
    optim.adadelta({ learningRate: 10 }),
    optim.adadelta({ learningRate: optim.schedules.cosine({ learningRate: 1, steps: 6000 }), decay: 0.99 }),
  ],
  ['adamax', optim.adamax({ learningRate: 0.1 }), optim.adamax({ learningRate: 0.02 })],
  ['nadam', optim.nadam({ learningRate: 0.1 }), optim.nadam({ learningRate: 0.02 })],
  // Its first steps are those of momentum, however steep the wall.
  [
    'radam',
    optim.radam({ learningRate: 0.1 }),
    optim.chain(optim.clipByGlobalNorm(1), optim.radam({ learningRate: 0.02 })),
  ],
  [
    'lion',
    optim.lion({ learningRate: optim.schedules.inverseTime({ learningRate: 0.05, rate: 0.05 }) }),
    optim.lion({ learningRate: optim.schedules.cosine({ learningRate: 2e-3, steps: 6000 }) }),
  ],
])('%s', (_, forParabola, forRosenbrock) => {
  test('finds the bottom of a parabola', () => {
    const v = weights(0, 0)
    const { step } = descent(v, forParabola, parabola)
    for (let i = 0; i < 600; i++) step()
    expect(Math.hypot(values(v)[0]! - 3, values(v)[1]! + 1)).toBeLessThan(1e-2)
    expect(step.programs).toBe(1)
  })

  test("follows Rosenbrock's valley", () => {
    const v = weights(-1, 1)
    const { step } = descent(v, forRosenbrock, rosenbrock)
    const [start] = numbers(step())
    for (let i = 0; i < 6000; i++) step()
    const [end] = numbers(step())
    expect(start).toBeCloseTo(4, 5)
    expect(end).toBeLessThan(0.02)
  })
})

describe('learning rate', () => {
  test('setting it acts at the next step, without a recompile', () => {
    const v = weights(1)
    const { optimizer, step } = descent(v, optim.sgd({ learningRate: 0.5 }), (x) => x.sum())
    step()
    expect(values(v)).toEqual([0.5])
    optimizer.learningRate = 0.25
    expect(optimizer.learningRate).toBe(0.25)
    step()
    expect(values(v)).toEqual([0.25])
    expect(step.programs).toBe(1)
    expect(() => {
      optimizer.learningRate = -1
    }).toThrow(/0 or more, not -1/)
  })

  test('a schedule is followed until a rate is set', () => {
    const v = weights(0)
    const rate = optim.schedules.step({ learningRate: 1, every: 2, factor: 0.5 })
    const { optimizer, step } = descent(v, optim.sgd({ learningRate: rate }), (x) => x.neg().sum())
    const seen = [1, 2, 3].map(() => {
      const next = optimizer.learningRate
      step()
      return next
    })
    expect(seen).toEqual([1, 1, 0.5])
    expect(values(v)).toEqual([2.5])
    optimizer.learningRate = 4
    step()
    expect(values(v)).toEqual([6.5])
    expect(optimizer.steps).toBe(4)
  })

  test('the rate is not read inside a step', () => {
    const v = weights(0)
    const optimizer = optim.adam().init([v])
    expect(() => compile(() => full([], optimizer.learningRate))()).toThrow(/between steps.*schedule/s)
  })
})

const { schedules, learningRateAt } = optim
describe.each<[string, optim.Schedule, [number, number][]]>([
  [
    'constant',
    schedules.constant(0.1),
    [
      [0, 0.1],
      [1e9, 0.1],
    ],
  ],
  [
    'step',
    schedules.step({ learningRate: 1, every: 3 }),
    [
      [0, 1],
      [2, 1],
      [3, 0.1],
      [6, 0.01],
    ],
  ],
  [
    'exponential',
    schedules.exponential({ learningRate: 2, factor: 0.5, every: 4 }),
    [
      [0, 2],
      [2, Math.SQRT2],
      [8, 0.5],
    ],
  ],
  [
    'inverseTime',
    schedules.inverseTime({ learningRate: 1, rate: 0.5 }),
    [
      [0, 1],
      [2, 0.5],
      [6, 0.25],
    ],
  ],
  [
    'cosine',
    schedules.cosine({ learningRate: 1, steps: 10, final: 0.2 }),
    [
      [0, 1],
      [5, 0.6],
      [10, 0.2],
      [99, 0.2],
    ],
  ],
  [
    'linear',
    schedules.linear({ from: 1, to: 0, steps: 4 }),
    [
      [0, 1],
      [1, 0.75],
      [4, 0],
      [5, 0],
    ],
  ],
  [
    'warmup',
    schedules.warmup({ steps: 4, startFactor: 0.5, after: schedules.linear({ from: 1, to: 0, steps: 2 }) }),
    [
      [0, 0.5],
      [2, 0.75],
      [4, 1],
      [5, 0.5],
      [6, 0],
      [9, 0],
    ],
  ],
  [
    'multiStep',
    schedules.multiStep({ learningRate: 1, milestones: [2, 3], factor: 0.5 }),
    [
      [1, 1],
      [2, 0.5],
      [3, 0.25],
      [99, 0.25],
    ],
  ],
  [
    'polynomial',
    schedules.polynomial({ learningRate: 1, steps: 10, power: 2, final: 0.2 }),
    [
      [0, 1],
      [5, 0.4],
      [10, 0.2],
      [11, 0.2],
    ],
  ],
  [
    'cosineRestarts',
    schedules.cosineRestarts({ learningRate: 1, period: 2, growth: 2 }),
    [
      [0, 1],
      [1, 0.5],
      [2, 1],
      [4, 0.5],
      [6, 1],
      [10, 0.5],
      [13.999999999, 0],
    ],
  ],
  [
    'oneCycle',
    schedules.oneCycle({ learningRate: 1, steps: 11, risingShare: 0.5, startDivisor: 5, finalDivisor: 2 }),
    [
      [0, 0.2],
      [2.25, 0.6],
      [4.5, 1],
      [10, 0.1],
      [12, 0.1],
    ],
  ],
  [
    'cyclic',
    schedules.cyclic({ learningRate: 1, low: 0.2, rising: 4, falling: 2, cycleFactor: 0.5 }),
    [
      [0, 0.2],
      [2, 0.6],
      [4, 1],
      [5, 0.6],
      [6, 0.2],
      [10, 0.6],
      [16, 0.4],
    ],
  ],
  [
    'chain',
    schedules.chain([
      schedules.linear({ from: 2, to: 0, steps: 4 }),
      schedules.step({ learningRate: 1, every: 2, factor: 0.5 }),
    ]),
    [
      [0, 2],
      [1, 1.5],
      [2, 0.5],
      [5, 0],
    ],
  ],
  [
    'inverseSquareRoot',
    schedules.inverseSquareRoot({ learningRate: 1, steps: 4 }),
    [
      [0, 1],
      [4, 1],
      [16, 0.5],
    ],
  ],
  [
    'join',
    schedules.join([0.5, schedules.linear({ from: 1, to: 0, steps: 4 }), 2], [3, 9]),
    [
      [2, 0.5],
      [3, 1],
      [5, 0.5],
      [8, 0],
      [9, 2],
    ],
  ],
])('schedule %s', (_, schedule, points) => {
  test('is what its formula says', () => {
    for (const [t, rate] of points) expect(learningRateAt(schedule, t)).toBeCloseTo(rate, 12)
  })

  test('means the same in a program as on the host, and survives JSON', () => {
    const copy = JSON.parse(JSON.stringify(schedule)) as optim.Schedule
    const count = variable(tensor(0, { dtype: 'float64' }))
    const rate = compile(() => {
      const t = count.value
      count.assign(t.add(1))
      const at = learningRateAt(copy, t as never) as unknown as Tensor | number
      return typeof at === 'number' ? full([], at, { dtype: 'float64' }) : at
    })
    for (let t = 0; t < 14; t++) expect(numbers(rate() as Tensor)[0]).toBeCloseTo(learningRateAt(schedule, t), 14)
  })
})

describe('regularisation', () => {
  const still = (x: Tensor): Tensor => x.mul(0).sum()

  test('weight decay by parameter: biases can be left out', () => {
    const [w, b] = [variable(tensor([[2]]), { trainable: true }), weights(2)]
    const decay = { rate: 0.5, where: optim.notBias }
    for (const spec of [
      optim.sgd({ learningRate: 0.1, weightDecay: decay }),
      optim.adamW({ learningRate: 0.1, weightDecay: decay }),
    ]) {
      const before = w.storage.read()[0]!
      const optimizer = spec.init(
        new Map([
          ['w', w],
          ['b', b],
        ]),
      )
      compile(() =>
        optimizer.update(
          new Map([
            [w, still(w.value).mul(w.value)],
            [b, still(b.value).mul(b.value)],
          ] as const),
        ),
      )()
      expect(values(w)[0]).toBeCloseTo(before * (1 - 0.1 * 0.5), 6)
      expect(values(b)).toEqual([2])
    }
  })

  test('L1 pulls by a constant towards 0, and leaves 0 alone', () => {
    const v = weights(1, -2, 0)
    const spec = optim.optimizer(optim.chain(optim.addL1({ coefficient: 0.5 }), optim.scaleByLearningRate(0.25)))
    descent(v, spec, still).step()
    expect(values(v)).toEqual([0.875, -1.875, 0])
  })

  test('clipping by global norm looks at all parameters together', () => {
    const [a, b] = [weights(0), weights(0)]
    const spec = optim.chain(optim.clipByGlobalNorm(1), optim.sgd({ learningRate: 1 }))
    const optimizer = spec.init([a, b])
    compile(() =>
      optimizer.update(
        new Map([
          [a, tensor([3])],
          [b, tensor([4])],
        ]),
      ),
    )()
    expect(values(a)[0]).toBeCloseTo(-0.6, 6)
    expect(values(b)[0]).toBeCloseTo(-0.8, 6)
  })
})

test('state has names, and with it another optimizer goes on with the same bits', () => {
  const run = (v: Variable) => descent(v, optim.adam({ learningRate: 0.1 }), (x) => x.square().sum())
  const [v, u] = [weights(1, 2), weights(1, 2)]
  const whole = run(v)
  for (let i = 0; i < 6; i++) whole.step()
  const first = run(u)
  for (let i = 0; i < 3; i++) first.step()
  const second = run(u)
  expect([...first.optimizer.state.keys()]).toEqual(['step', 'learningRate', 'mean/0', 'squares/0'])
  for (const [name, variable] of first.optimizer.state)
    second.optimizer.state.get(name)!.storage.write(variable.storage.read())
  for (let i = 0; i < 3; i++) second.step()
  expect(values(u)).toEqual(values(v))
  const twice = optim.chain(optim.traceMomentum({ momentum: 0.5 }), optim.traceMomentum({ momentum: 0.5 }))
  expect([...twice.init(new Map([['w', v]])).state.keys()]).toEqual(['velocity/w', 'velocity.2/w'])
})

test.each<[() => unknown, RegExp]>([
  [() => optim.sgd({ learningRate: -0.1 }), /learningRate must be a number of 0 or more, not -0.1/],
  [() => optim.adam({ learningRate: Number.NaN }), /not NaN/],
  [() => optim.adam({ beta1: 1 }), /beta1 must be from 0 to below 1, not 1/],
  [() => optim.sgd({ learningRate: 1, weightDecay: -1 }), /weightDecay must be a number of 0 or more/],
  [() => optim.sgd({ learningRate: 1, nesterov: true }), /nesterov needs a momentum above 0/],
  [() => optim.schedules.cosine({ learningRate: 1, steps: 0 }), /steps must be a number above 0, not 0/],
  [() => optim.clipByGlobalNorm(-1), /0 or more, not -1/],
  [() => optim.schedules.multiStep({ learningRate: 1, milestones: [3, 3] }), /milestones must be ascending/],
  [() => optim.schedules.join([1, 2], [3, 4]), /2 schedules need one boundary less, not 2/],
  [
    () => optim.schedules.oneCycle({ learningRate: 1, steps: 4, startDivisor: 0 }),
    /startDivisor must be a number above 0/,
  ],
  [() => optim.chain(), /is given nothing/],
  [() => optim.chain(optim.adam(), optim.sgd({ learningRate: 1 })), /2 of its parts scale by a learning rate/],
  [() => optim.chain(optim.clipByGlobalNorm(1), optim.adam as never), /part 2 is no transform/],
  [() => optim.lion({ beta2: 1 }), /beta2 must be from 0 to below 1/],
  [() => optim.adadelta({ decay: -1 }), /the decay must be from 0/],
  [() => optim.sgd({ learningRate: 1 }).init([]), /given no parameters/],
  [() => optim.adam({ lr: 1 } as never), /adam: there is no option 'lr'/],
  [() => optim.sgd({ learningrate: 1 } as never), /did you mean 'learningRate'/],
  [() => optim.schedules.chain([]), /is given no schedules/],
  [
    () => optim.schedules.chain([1, { kind: 'step', learningRate: 1, every: 0, factor: 1 }]),
    /every must be .* above 0/,
  ],
])('refused: %s', (f, message) => {
  expect(f).toThrow(message)
})

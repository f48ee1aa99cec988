/**
 * @file Optimizers by parts: groups of parameters, partitions, Muon beside another, accumulated gradients, and averages.
 * What they compute is compared with PyTorch in parts.test.ts; here is what they leave alone, count, keep and refuse.
 */
import { describe, expect, test } from 'vitest'
import { backpropagate, initialize, nn, optim, parameters, state, type Tensor, type Variable } from '../../src/index.js'
import { compile } from '../../src/step.js'
import { tensor } from '../../src/trace/creation.js'
import { numbers } from '../support/run.js'

const network = () => {
  const net = nn.sequential(nn.linear(3, 4), nn.tanh, nn.linear(4, 2))
  initialize(net, { seed: 1 })
  return net
}
type Net = ReturnType<typeof network>
const values = (variables: ReadonlyMap<string, Variable>) =>
  new Map([...variables].map(([name, { storage }]) => [name, [...storage.read()]]))
const x = tensor([1, -2, 3, 0.5, 0.25, -1], { shape: [2, 3] })

function stepOf(net: Net, spec: optim.OptimizerSpec, average?: optim.ParameterAverage) {
  const optimizer = spec.init(net)
  const step = compile(
    (scale: Tensor) => {
      const error = net(x).square().mean().mul(scale)
      const changed = optimizer.update(backpropagate(error, net))
      average?.update(changed)
      return error
    },
    { training: true },
  )
  return { optimizer, step: (scale = 1) => step(tensor(scale)), programs: () => step.programs }
}

describe('groups', () => {
  test('frozen parameters stay, are no part of a norm, and need no gradient', () => {
    const net = network()
    const before = values(state(net))
    const groups = [{ match: /^0\./, freeze: true }]
    const spec = optim.chain(optim.clipByGlobalNorm(1e-3), optim.sgd({ learningRate: 1, groups }))
    const optimizer = spec.init(net)
    expect([...optimizer.parameters.keys()]).toEqual(['2.weight', '2.bias'])
    compile(() => optimizer.update(backpropagate(net(x).square().mean(), optimizer.parameters)))()
    const after = values(state(net))
    for (const name of ['0.weight', '0.bias']) expect(after.get(name)).toEqual(before.get(name))
    const moved = ['2.weight', '2.bias'].flatMap((name) =>
      after.get(name)!.map((value, i) => value - before.get(name)![i]!),
    )
    expect(Math.hypot(...moved)).toBeCloseTo(1e-3, 6)
  })

  test('rates are read and set by group, without a recompile, and are state', () => {
    const groups = [
      { match: /^2\.bias/, learningRate: optim.schedules.step({ learningRate: 1, every: 2, factor: 0.5 }) },
      { match: /^0\./, learningRateFactor: 0.5 },
    ]
    const make = () => stepOf(network(), optim.sgd({ learningRate: 0.1, momentum: 0.9, groups }))
    const { optimizer, step, programs } = make()
    expect(optimizer.groups.map(({ parameters: own }) => [...own.keys()])).toEqual([
      ['0.weight', '0.bias', '2.weight'],
      ['2.bias'],
    ])
    const rates = () => optimizer.groups.map(({ learningRate }) => learningRate)
    const seen = [1, 2, 3].map(() => {
      const now = rates()
      step()
      return now
    })
    expect(seen).toEqual([
      [0.1, 1],
      [0.1, 1],
      [0.1, 0.5],
    ])
    optimizer.learningRate = 0.2
    optimizer.groups[1]!.learningRate = 0.3
    expect(rates()).toEqual([0.2, 0.3])
    expect(programs()).toBe(1)
    const before = values(optimizer.parameters)
    optimizer.learningRate = 0
    step()
    const after = values(optimizer.parameters)
    for (const name of before.keys())
      if (name === '2.bias') expect(after.get(name)).not.toEqual(before.get(name))
      else expect(after.get(name)).toEqual(before.get(name))
    expect([...optimizer.state.keys()].filter((name) => name.startsWith('learningRate'))).toEqual([
      'learningRate',
      'learningRate/group',
    ])
  })

  test.each<[string, () => optim.OptimizerSpec]>([
    ['groups', () => optim.adam({ groups: [{ match: /^2/, learningRate: 0.02, beta1: 0.5 }] })],
    ['nadam with scalars in each group', () => optim.nadam({ groups: [{ match: /bias/, momentumDecay: 0.1 }] })],
    ['partition', () => optim.partition([{ match: /bias/, optimizer: optim.lion() }, { optimizer: optim.rmsprop() }])],
    ['muon', () => optim.muon({ others: optim.adamW({ groups: [{ match: /^2/, learningRate: 0.1 }] }) })],
    ['accumulate', () => optim.accumulate(3, optim.adam({ learningRate: 0.1 }))],
  ])('%s: with its state another optimizer goes on with the same bits', (_, spec) => {
    const [whole, halves] = [network(), network()]
    const [all, first] = [stepOf(whole, spec()), stepOf(halves, spec())]
    for (let i = 0; i < 8; i++) all.step(1 + (i % 3))
    for (let i = 0; i < 4; i++) first.step(1 + (i % 3))
    const second = stepOf(halves, spec())
    expect([...second.optimizer.state.keys()]).toEqual([...first.optimizer.state.keys()])
    for (const [name, variable] of first.optimizer.state)
      second.optimizer.state.get(name)!.storage.write(variable.storage.read())
    for (let i = 4; i < 8; i++) second.step(1 + (i % 3))
    expect(values(state(halves))).toEqual(values(state(whole)))
    expect(second.optimizer.steps).toBe(all.optimizer.steps)
  })

  test('a partition is each optimizer by itself', () => {
    const [one, two] = [network(), network()]
    const parts = stepOf(
      one,
      optim.partition([{ match: /weight/, optimizer: optim.adam({ learningRate: 0.1 }) }, { optimizer: optim.lion() }]),
    )
    const optimizers = [
      optim.adam({ learningRate: 0.1 }).init(parameters(two, /weight/)),
      optim.lion().init(parameters(two, /bias/)),
    ]
    const step = compile(() => {
      const gradients = backpropagate(net2(), two)
      for (const optimizer of optimizers) optimizer.update(gradients)
    })
    const net2 = () => two(x).square().mean().mul(1)
    for (let i = 0; i < 5; i++) {
      parts.step()
      step()
    }
    expect(values(state(one))).toEqual(values(state(two)))
    expect(parts.optimizer.groups.map(({ learningRate }) => learningRate)).toEqual([0.1, 1e-4])
  })

  test('Muon takes kernels of more axes as matrices, and finds the bottom', () => {
    const kernel = nn.parameter([4, 3, 2, 2], nn.init.normal(0, 1))
    const optimizer = optim
      .muon({
        learningRate: optim.schedules.linear({ from: 0.2, to: 0, steps: 200 }),
        weightDecay: 0,
        where: (_, { shape }) => shape.length > 1,
        others: 'frozen',
      })
      .init(new Map([['kernel', kernel]]))
    const step = compile(() => {
      const error = kernel.value.sub(0.5).square().mean()
      optimizer.update(backpropagate(error, [kernel]))
      return error
    })
    const [first] = numbers(step())
    for (let i = 0; i < 200; i++) step()
    expect(first).toBeGreaterThan(0.5)
    expect(numbers(step())[0]).toBeLessThan(1e-3)
  })
})

describe('accumulated gradients', () => {
  test('nothing changes until the last call of a group; the group may be made smaller', () => {
    const net = network()
    const { optimizer, step, programs } = stepOf(net, optim.accumulate(3, optim.adam({ learningRate: 0.1 })))
    expect(optimizer.accumulate).toBe(3)
    const all = () => new Map([...values(state(net)), ...values(optimizer.state)])
    const watched = () => [...all()].filter(([name]) => !/^(gradients|accumulated)/.test(name))
    const before = watched()
    const changes = Array.from({ length: 6 }, () => {
      const last = watched()
      step()
      return JSON.stringify(watched()) !== JSON.stringify(last)
    })
    expect(changes).toEqual([false, false, true, false, false, true])
    expect(optimizer.steps).toBe(2)
    optimizer.accumulate = 1
    step()
    expect(optimizer.steps).toBe(3)
    expect(watched()).not.toEqual(before)
    expect(programs()).toBe(1)
    expect(
      all()
        .get('gradients/0.weight')!
        .every((value) => value === 0),
    ).toBe(true)
  })

  test('one call to a group is as without; a power of two equal calls too', () => {
    const bits = (spec: optim.OptimizerSpec, calls: number) => {
      const net = network()
      const { step } = stepOf(net, spec)
      for (let i = 0; i < 4 * calls; i++) step()
      return values(state(net))
    }
    const spec = optim.chain(optim.clipByGlobalNorm(0.1), optim.adamW({ learningRate: 0.1 }))
    const plain = bits(spec, 1)
    expect(bits(optim.accumulate(1, spec), 1)).toEqual(plain)
    expect(bits(optim.accumulate(4, spec), 4)).toEqual(plain)
  })

  test('update says whether the parameters changed', () => {
    const net = network()
    const optimizer = optim.accumulate(2, optim.sgd({ learningRate: 0.1 })).init(net)
    const step = compile(() => {
      const changed = optimizer.update(backpropagate(net(x).square().mean(), net))
      return (changed as Tensor).cast('int32')
    })
    expect([1, 2, 3, 4].map(() => numbers(step())[0])).toEqual([0, 1, 0, 1])
  })
})

describe('averages', () => {
  const averaged = (options: optim.MovingAverageOptions = { decay: 0.5 }) => {
    const net = network()
    const average = optim.exponentialMovingAverage(net, options)
    return { net, average, ...stepOf(net, optim.sgd({ learningRate: 0.1 }), average) }
  }

  test('swaps there and back bit for bit, also after an error', async () => {
    const { net, average, step } = averaged()
    expect(() => average.swap()).toThrow(/there is no average yet/)
    for (let i = 0; i < 3; i++) step()
    const [live, means] = [values(state(net)), values(average.variables)]
    expect(live).not.toEqual(means)
    const result = await average.use(async () => {
      expect(average.active).toBe(true)
      expect(values(state(net))).toEqual(means)
      expect(() => average.update()).toThrow(/the averages are swapped in/)
      return average.use(() => 7)
    })
    expect(result).toBe(7)
    await expect(average.use(() => Promise.reject(new Error('mine')))).rejects.toThrow('mine')
    expect(average.active).toBe(false)
    expect(values(state(net))).toEqual(live)
    expect(values(average.variables)).toEqual(means)
    step()
    expect(average.updates).toBe(4)
    expect(() => compile(() => average.swap())()).toThrow(/between steps/)
  })

  test('outside a step it does what it does inside, and goes on from its state', () => {
    const one = averaged({ decay: 0.9, warmup: true })
    const net = network()
    const spec = optim.sgd({ learningRate: 0.1 })
    const { step } = stepOf(net, spec)
    const outside = optim.exponentialMovingAverage(net, { decay: 0.9, warmup: true })
    for (let i = 0; i < 4; i++) {
      one.step()
      step()
      outside.update()
    }
    expect(values(outside.variables)).toEqual(values(one.average.variables))
    const later = optim.exponentialMovingAverage(net, { decay: 0.9, warmup: true })
    for (const [name, variable] of outside.state) later.state.get(name)!.storage.write(variable.storage.read())
    one.step()
    step()
    later.update()
    expect(values(later.variables)).toEqual(values(one.average.variables))
  })

  test('counts updates, not calls, where gradients are accumulated', () => {
    const net = network()
    const average = optim.stochasticWeightAverage(net)
    const { step } = stepOf(net, optim.accumulate(2, optim.sgd({ learningRate: 0.1 })), average)
    step()
    expect(average.updates).toBe(0)
    step()
    const first = values(state(net))
    expect(values(average.variables)).toEqual(first)
    step()
    expect(average.updates).toBe(1)
    step()
    const second = values(state(net))
    for (const [name, mean] of values(average.variables))
      mean.forEach((value, i) => {
        expect(value).toBeCloseTo((first.get(name)![i]! + second.get(name)![i]!) / 2, 6)
      })
  })

  test('buffers are averaged where asked', () => {
    const running = nn.parameter([1], nn.init.zeros, { trainable: false })
    const counter = nn.parameter([1], nn.init.zeros, { trainable: false, dtype: 'int32' })
    const net = nn.module({ inner: nn.linear(2, 2), running, counter }, (m, input: Tensor) => m.inner(input))
    initialize(net, { seed: 1 })
    const names = (options: optim.AverageOptions) => [...optim.stochasticWeightAverage(net, options).variables.keys()]
    expect(names({})).toEqual(['inner.weight', 'inner.bias'])
    expect(names({ buffers: true })).toEqual(['inner.weight', 'inner.bias', 'running'])
  })
})

const adam = optim.adam()
const hidden = () => network()
test.each<[string, () => unknown, RegExp]>([
  ['no match', () => optim.adam({ groups: [{} as never] }), /group 1 has no match/],
  [
    'a wrong match',
    () => optim.adam({ groups: [{ match: 'head' as never }] }),
    /match is a pattern or a function, not string/,
  ],
  [
    'an option of a group',
    () => optim.adam({ groups: [{ match: /a/, momentum: 1 } as never] }),
    /there is no option 'momentum'/,
  ],
  [
    'a frozen group with options',
    () => optim.adam({ groups: [{ match: /a/, freeze: true, beta1: 0 }] }),
    /is frozen, and has further options/,
  ],
  [
    'a rate and a factor',
    () => optim.adam({ groups: [{ match: /a/, learningRate: 1, learningRateFactor: 1 }] }),
    /a learningRate and a learningRateFactor/,
  ],
  [
    'a factor below 0',
    () => optim.adam({ groups: [{ match: /a/, learningRateFactor: -1 }] }),
    /learningRateFactor must be a number of 0 or more/,
  ],
  [
    'a pattern without parameters',
    () => optim.adam({ groups: [{ match: /^head/ }] }).init(hidden()),
    /group 1 matches no parameter.*There are 0\.weight, 0\.bias/,
  ],
  [
    'a frozen pattern without parameters',
    () => optim.adam({ groups: [{ match: /^head/, freeze: true }] }).init(hidden()),
    /group 1 matches no parameter/,
  ],
  [
    'all frozen',
    () => optim.adam({ groups: [{ match: /./, freeze: true }] }).init(hidden()),
    /all parameters are frozen/,
  ],
  ['a partition of nothing', () => optim.partition([]), /is given no parts/],
  ['a part without optimizer', () => optim.partition([{ match: /a/ } as never]), /part 1 has no optimizer/],
  ['a partition of frozen parts', () => optim.partition([{ optimizer: 'frozen' }]), /all parts are frozen/],
  [
    'parameters of no part',
    () => optim.partition([{ match: /weight/, optimizer: adam }]).init(hidden()),
    /no part takes '0\.bias', '2\.bias'/,
  ],
  [
    'accumulation of a part',
    () => optim.partition([{ optimizer: optim.accumulate(2, adam) }]),
    /accumulated for all parameters/,
  ],
  ['accumulation twice', () => optim.accumulate(2, optim.accumulate(2, adam)), /accumulates 2 gradients already/],
  ['accumulation of a half', () => optim.accumulate(1.5, adam), /whole number above 0, not 1.5/],
  ['accumulation of nothing', () => optim.accumulate(2, optim.adam as never), /is given no optimizer/],
  [
    'a number without accumulation',
    () => Object.assign(adam.init(hidden()), { accumulate: 2 }),
    /does not accumulate gradients/,
  ],
  ['Muon for vectors', () => optim.muon().init(hidden()), /'0\.bias' is \[4\], no matrix.*others: optim\.adamW/],
  ['Muon for some alone', () => optim.muon({ where: () => true }), /nothing trains the others/],
  ['an unknown adjustment', () => optim.muon({ adjustment: 'other' as never }), /there is no adjustment 'other'/],
  ['no iterations', () => optim.muon({ iterations: 0 }), /iterations must be a whole number from 1 to 99/],
  [
    'a decay above 1',
    () => optim.exponentialMovingAverage(hidden(), { decay: 1.1 }),
    /decay must be from 0 to 1, not 1.1/,
  ],
  [
    'a wrong warm-up',
    () => optim.exponentialMovingAverage(hidden(), { warmup: { gamma: 0, power: 1 } }),
    /gamma, power } above 0/,
  ],
  ['an unknown option', () => optim.exponentialMovingAverage(hidden(), { decays: 1 } as never), /did you mean 'decay'/],
])('refused: %s', (_, f, message) => {
  expect(f).toThrow(message)
})

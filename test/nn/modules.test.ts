/**
 * @file Modules: names, sharing, tied weights, places in errors, dropout, initialisers, summary, ten losses of whole
 * models against PyTorch.
 */
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import * as loss from '../../src/loss/index.js'
import { backpropagate } from '../../src/nn/backpropagate.js'
import * as nn from '../../src/nn/index.js'
import { type Child, initialize, parameters, state } from '../../src/nn/module.js'
import { summary } from '../../src/nn/summary.js'
import * as optim from '../../src/optim/index.js'
import { compile } from '../../src/step.js'
import { tensor } from '../../src/trace/creation.js'
import { RandomGenerator } from '../../src/trace/random.js'
import type { Tensor } from '../../src/trace/tensor.js'
import type { Initializer, Variable } from '../../src/trace/variable.js'
import { distance, numbers, runTraced, setVariable } from '../support/run.js'

const draw = (initializer: Initializer, shape: readonly number[], seed = 1) =>
  Array.from(initializer(shape, 'float64', { seed, stream: 'w' }))
const mean = (x: number[]) => x.reduce((s, v) => s + v, 0) / x.length
const deviation = (x: number[]) => {
  const center = mean(x)
  return Math.sqrt(mean(x.map((v) => (v - center) ** 2)))
}

describe('names', () => {
  test('parameters are named by key paths, in the order of the model', () => {
    const net = nn.module(
      {
        stem: nn.sequential(nn.flatten(), nn.linear(4, 3), nn.relu),
        blocks: [nn.linear(3, 3), nn.residual(nn.linear(3, 3, { bias: false }))],
        scale: nn.parameter([3]),
        count: nn.parameter([], nn.init.zeros, { dtype: 'int32', trainable: false }),
      },
      (m, x: Tensor) => x.mul(m.scale.value),
    )
    const names = ['stem.1.weight', 'stem.1.bias', 'blocks.0.weight', 'blocks.0.bias', 'blocks.1.0.weight', 'scale']
    expect([...parameters(net).keys()]).toEqual(names)
    expect([...state(net).keys()]).toEqual([...names, 'count'])
    expect([...parameters(net, /^blocks\.1\./).keys()]).toEqual(['blocks.1.0.weight'])
    expect(net.children.stem.children[1].children.weight.shape).toEqual([3, 4])
  })

  test('any name is allowed that can be in a path', () => {
    const net = nn.module({ name: nn.linear(1, 1), length: nn.linear(1, 1) }, (m, x: Tensor) => m.length(m.name(x)))
    expect([...parameters(net).keys()]).toEqual(['name.weight', 'name.bias', 'length.weight', 'length.bias'])
    expect(() => nn.module({ 'a.b': nn.relu }, (_, x: Tensor) => x)).toThrow(/cannot be named 'a\.b'/)
    expect(() => nn.module({ a: 3 as unknown as Child }, (_, x: Tensor) => x)).toThrow(/'a' is no module/)
  })

  test('each parameter has its own numbers, by its path and the seed, however the model is run', () => {
    const make = () => nn.sequential(nn.linear(2, 3), nn.tanh, nn.linear(3, 2))
    const [a, b, c] = [make(), make(), make()]
    runTraced((x) => a(x), [tensor([[1, 2]])])
    initialize(b, { seed: 0 })
    initialize(c, { seed: 1 })
    const values = (net: nn.ModuleParts) => [...parameters(net).values()].map((v) => [...v.storage.read()])
    expect(values(b)).toEqual(values(a))
    expect(values(c)).not.toEqual(values(a))
    expect(new Set(values(a).flat()).size).toBe(values(a).flat().length)
  })
})

describe('sharing', () => {
  const x = tensor([
    [1, -2],
    [0.5, 3],
  ])

  test('a module used twice is one parameter: saved once, its gradients add up', () => {
    const shared = nn.linear(2, 2)
    const net = nn.sequential(shared, nn.tanh, shared)
    expect([...state(net).keys()]).toEqual(['0.weight', '0.bias'])
    const apart = nn.sequential(nn.linear(2, 2), nn.tanh, nn.linear(2, 2))
    initialize(net)
    for (const [i, name] of [0, 2].flatMap((k) => [[k, 'weight'] as const, [k, 'bias'] as const]))
      setVariable(state(apart).get(`${i}.${name}`)!, shared.children[name].storage.read())
    const gradients = (f: nn.ModuleParts & ((t: Tensor) => Tensor)) =>
      runTraced((t) => [...backpropagate(f(t).square().sum(), f).values()], [x], { training: true }).map(numbers)
    const [w, b] = gradients(net)
    const [w0, b0, w2, b2] = gradients(apart)
    expect(
      distance(
        w!,
        w0!.map((v, i) => v + w2![i]!),
      ),
    ).toBeLessThan(1e-6)
    expect(
      distance(
        b!,
        b0!.map((v, i) => v + b2![i]!),
      ),
    ).toBeLessThan(1e-6)
  })

  test('tied weights with a transpose: an autoencoder', () => {
    const net = nn.module({ encoder: nn.linear(2, 3) }, (m, input: Tensor) =>
      m.encoder(input).matmul(m.encoder.children.weight.value),
    )
    expect([...state(net).keys()]).toEqual(['encoder.weight', 'encoder.bias'])
    const w = net.children.encoder.children.weight
    const loss = () => numbers(runTraced((t) => net(t).square().sum(), [x])[0]!)[0]!
    const before = loss()
    const [g] = runTraced((t) => [backpropagate(net(t).square().sum(), net).get(w)!], [x], { training: true }).map(
      numbers,
    )
    const at = Float64Array.from(w.storage.read())
    const step = 1e-3
    setVariable(
      w,
      at.map((v, i) => v - step * g![i]!),
    )
    const expected = before - step * g!.reduce((s, v) => s + v * v, 0)
    expect(Math.abs(loss() - expected) / Math.abs(expected - before)).toBeLessThan(0.1)
  })

  test('part of a model: others have no gradient and do not move', () => {
    const net = nn.module({ body: nn.linear(2, 2), head: nn.linear(2, 1) }, (m, t: Tensor) => m.head(m.body(t)))
    initialize(net)
    const head = parameters(net, /^head\./)
    const optimizer = optim.sgd({ learningRate: 0.1 }).init(head)
    const body = [...net.children.body.children.weight.storage.read()]
    const before = [...net.children.head.children.weight.storage.read()]
    const train = (source: Parameters<typeof backpropagate>[1]) =>
      compile((t: Tensor) => optimizer.update(backpropagate(net(t).square().mean(), source)), { training: true })(x)
    train(head)
    expect([...net.children.body.children.weight.storage.read()]).toEqual(body)
    expect([...net.children.head.children.weight.storage.read()]).not.toEqual(before)
    expect(() => parameters(net, /^tail/) && optim.sgd({ learningRate: 1 }).init(parameters(net, /^tail/))).toThrow(
      /no parameters.*pattern/s,
    )
    expect(() => train(parameters(net, /^body/))).toThrow(/no gradient for 'head\.weight'/)
  })

  test('a layer that is called but is no child would not be trained: an error', () => {
    const hidden: nn.ModuleParts & ((t: Tensor) => Tensor) = nn.linear(2, 2)
    const net = nn.module({}, (_, t: Tensor) => hidden(t))
    expect(() => runTraced((t) => net(t), [x])).toThrow(/linear\(2, 2\): is called in a module that does not have it/)
  })
})

test('errors say where: the path in the model, and the line where the layer was made', () => {
  const net = nn.module({ layers: nn.sequential(nn.linear(2, 3), nn.relu, nn.linear(4 as 3, 1)) }, (m, x: Tensor) =>
    m.layers(x),
  )
  expect(() => runTraced((x) => net(x), [tensor([[1, 2]])])).toThrow(
    /^linear: takes \[\.\.\.,4\], got \[1,3\], in layers\.2 \(modules\.test\.ts:\d+\)\. It was built as linear\(4, 1\)\.$/,
  )
  const bytes = tensor([1, 2], { dtype: 'uint8', shape: [1, 2] }) as Tensor
  expect(() => runTraced((x) => nn.linear(2, 1)(x), [bytes])).toThrow(/computes in float32, got uint8\[1,2\].*cast/s)
  expect(() => nn.linear(0, 3)).toThrow(/whole number above 0, not 0/)
})

describe('dropout', () => {
  const x = tensor(new Float32Array(4000).fill(1), { shape: [4, 1000] })
  const run = (p: number, options: object) => numbers(runTraced((t) => nn.dropout(p)(t), [x], options)[0]!)

  test('in training a share p is 0 and the mean stays; in inference nothing happens', () => {
    const y = run(0.2, { training: true, random: new RandomGenerator(1) })
    const zeros = y.filter((v) => v === 0).length
    expect(Math.abs(zeros / y.length - 0.2)).toBeLessThan(4 * Math.sqrt((0.2 * 0.8) / y.length))
    expect(new Set(y)).toEqual(new Set([0, Math.fround(1.25)]))
    expect(run(0.2, { training: false })).toEqual(numbers(x))
    expect(run(1, { training: true })).toEqual(numbers(x.mul(0)))
  })

  test('two dropouts draw apart, and each step anew; the same seed draws the same', () => {
    const net = nn.sequential(nn.dropout(0.5), nn.dropout(0.5))
    const steps = (seed: number) => {
      const random = new RandomGenerator(seed)
      return [0, 1].map(() => numbers(runTraced((t) => net(t), [x], { training: true, random })[0]!))
    }
    const [a, b] = steps(1)
    expect(Math.abs(a!.filter((v) => v === 0).length / a!.length - 0.75)).toBeLessThan(0.04)
    expect(b).not.toEqual(a)
    expect(steps(1)).toEqual([a, b])
    expect(steps(2)[0]).not.toEqual(a)
  })

  test('backpropagation through it needs to know whether it trains', () => {
    const net = nn.sequential(nn.linear(1000, 1), nn.dropout(0.5))
    expect(() => runTraced((t) => [...backpropagate(net(t).mean(), net).values()], [x])).toThrow(/training: true/)
  })
})

describe('initialisers', () => {
  const shape = [300, 400]
  const cases: [string, Initializer, number, 'uniform' | 'normal'][] = [
    ['uniform', nn.init.uniform(-3, 1), 4 / Math.sqrt(12), 'uniform'],
    ['normal', nn.init.normal(1, 2), 2, 'normal'],
    ['xavierUniform', nn.init.xavierUniform(), Math.sqrt(2 / 700), 'uniform'],
    ['xavierNormal', nn.init.xavierNormal({ gain: 5 / 3 }), (5 / 3) * Math.sqrt(2 / 700), 'normal'],
    ['kaimingUniform', nn.init.kaimingUniform({ nonlinearity: 'relu' }), Math.sqrt(2 / 400), 'uniform'],
    ['kaimingNormal, fan out', nn.init.kaimingNormal({ mode: 'fanOut', slope: 1 }), Math.sqrt(1 / 300), 'normal'],
    ["linear's default", nn.init.kaimingUniform({ slope: Math.sqrt(5) }), 1 / Math.sqrt(3 * 400), 'uniform'],
  ]
  test.each(cases)('%s', (_, initializer, sigma, kind) => {
    const x = draw(initializer, shape)
    expect(Math.abs(deviation(x) / sigma - 1)).toBeLessThan(0.01)
    const center = mean(x)
    const fourth = mean(x.map((v) => ((v - center) / sigma) ** 4))
    expect(Math.abs(fourth - (kind === 'uniform' ? 1.8 : 3))).toBeLessThan(0.08)
    expect(draw(initializer, shape)).toEqual(x)
    expect(draw(initializer, shape, 2)).not.toEqual(x)
  })

  test('kernels count: [out, in, kH, kW]', () => {
    expect(nn.init.fans([8, 4, 3, 3])).toEqual({ fanIn: 36, fanOut: 72 })
  })

  test('a linear layer is ±1/√in, weight and bias', () => {
    const layer = nn.linear(16, 2000)
    initialize(layer)
    for (const v of [layer.children.weight, layer.children.bias]) {
      const x = [...v.storage.read()]
      expect(Math.max(...x)).toBeLessThanOrEqual(0.25)
      expect(Math.max(...x)).toBeGreaterThan(0.249)
      expect(Math.min(...x)).toBeLessThan(-0.249)
    }
  })

  test.each([[[5, 9]], [[9, 5]], [[6, 3, 2]], [[1, 1]]])('orthogonal %j', (size) => {
    const [rows, columns] = [size[0]!, size.slice(1).reduce((a, b) => a * b)]
    const q = draw(nn.init.orthogonal({ gain: 2 }), size)
    const line = (i: number) =>
      rows <= columns
        ? q.slice(i * columns, (i + 1) * columns)
        : Array.from({ length: rows }, (_, r) => q[r * columns + i]!)
    for (let i = 0; i < Math.min(rows, columns); i++)
      for (let j = 0; j <= i; j++)
        expect(line(i).reduce((s, v, k) => s + v * line(j)[k]!, 0)).toBeCloseTo(i === j ? 4 : 0, 12)
  })
})

test('summary: layers, shapes, parameters, operations', () => {
  const net = nn.sequential(
    nn.flatten(),
    nn.linear(784, 128),
    nn.relu,
    nn.dropout(0.2),
    nn.residual(nn.linear(128, 128), nn.tanh),
    nn.linear(128, 10, { bias: false }),
  )
  const table = summary(net, [32, 28, 28])
  expect(table.parameters).toBe(784 * 128 + 128 + 128 * 128 + 128 + 1280)
  expect(table.toString()).toMatchInlineSnapshot(`
    "     layer             output      parameters      flops
    ────────────────────────────────────────────────────────
         input             [32,28,28]
    0    flatten()         [32,784]             0          0
    1    linear(784, 128)  [32,128]       100,480  6,426,624
    2    relu              [32,128]             0      8,192
    3    dropout(0.2)      [32,128]             0          0
    4.0  linear(128, 128)  [32,128]        16,512  1,052,672
    4.1  tanh              [32,128]             0      4,096
    4    residual of 2     [32,128]             0      4,096
    5    linear(128, 10)   [32,10]          1,280     81,920
    ────────────────────────────────────────────────────────
         total                            118,272  7,577,600"
  `)
  expect(summary(nn.sequential(nn.relu, nn.linear(3, 1))).flops).toBe(6 + 2 * 3 + 1)
  expect(() => summary(nn.sequential(nn.flatten(), nn.linear(3, 1)))).toThrow(
    /input shape.*summary\(net, \[1, 784\]\)/s,
  )
})

test('summary: what a module does before it calls a layer is the module’s work, not the layer’s', () => {
  const inner = nn.module({ last: nn.linear(4, 2) }, (m, x: Tensor) => m.last(x.mul(3).add(1)))
  const net = nn.sequential(nn.linear(3, 4), inner)
  const flops = (path: string) => summary(net, [5, 3]).rows.find((row) => row.path === path)!.flops
  expect([flops('0'), flops('1.last'), flops('1')]).toEqual([5 * 4 * 7, 5 * 2 * 9, 5 * 4 * 2])
  const attention = summary(nn.sequential(nn.multiHeadAttention(8, 2)), [1, 6, 8])
  expect(attention.rows.find((row) => row.path === '0.out_proj')!.flops).toBe(6 * 8 * 17)
  expect(attention.rows.find((row) => row.path === '0')!.flops).toBeGreaterThan(6 * 24 * 17 + 2 * 2 * 6 * 6 * 2 * 4)
})

interface Whole {
  name: string
  sizes: number[]
  activation: 'relu' | 'tanh'
  task: 'classes' | 'numbers'
  batchSize: number
  seed: number
  optimizer: 'SGD' | 'Adam'
  options: { lr: number; momentum?: number }
  losses: { data: number[] }
  lossesFloat64: { data: number[] }
}
const { cases: whole } = JSON.parse(readFileSync(new URL('../fixtures/torch/mlp.json', import.meta.url), 'utf8')) as {
  cases: Whole[]
}

/** The fixture's generator: see scripts/fixtures/README.md. */
function generator(seed: number) {
  let state = seed
  const bits = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state >>> 8
  }
  const fill = (n: number, f: (value: number) => number) => Float64Array.from({ length: n }, () => f(bits() / 2 ** 24))
  return { bits, fill }
}

describe.each(whole)('ten losses in a row: $name', (c) => {
  test.each(['float32', 'float64'] as const)('%s', (dtype) => {
    const random = generator(c.seed)
    const act = c.activation === 'relu' ? nn.relu : nn.tanh
    const layers = c.sizes
      .slice(1)
      .flatMap((out, i) => [
        ...(i > 0 ? [act] : []),
        nn.linear(c.sizes[i]!, out, { dtype }) as nn.ModuleParts & ((t: Tensor) => Tensor),
      ])
    const net = nn.sequential(...(layers as ((t: Tensor) => Tensor)[]))
    for (const v of parameters(net).values()) {
      const fanIn = c.sizes[[...parameters(net).values()].indexOf(v) >> 1]!
      setVariable(
        v,
        random.fill(
          v.shape.reduce((a: number, b: number) => a * b),
          (x) => (2 * x - 1) / Math.sqrt(fanIn),
        ),
      )
    }
    const spec =
      c.optimizer === 'SGD'
        ? optim.sgd({ learningRate: c.options.lr, momentum: c.options.momentum })
        : optim.adam({ learningRate: c.options.lr })
    const optimizer = spec.init(net)
    const step = compile(
      (input: Tensor, target: Tensor) => {
        const output = net(input) as Tensor
        const e = c.task === 'classes' ? loss.crossEntropy(output, target) : loss.meanSquaredError(output, target)
        optimizer.update(backpropagate(e, net))
        return e
      },
      { training: true },
    )
    const losses = Array.from({ length: 10 }, () => {
      const inputs = random.fill(c.batchSize * c.sizes[0]!, (x) => x)
      const x: Tensor = tensor(inputs, { shape: [c.batchSize, c.sizes[0]!], dtype })
      const y: Tensor =
        c.task === 'classes'
          ? tensor(Int32Array.from({ length: c.batchSize }, () => random.bits() % 10))
          : tensor(
              random.fill(c.batchSize, (v) => v),
              { shape: [c.batchSize, 1], dtype },
            )
      return numbers(step(x, y))[0]!
    })
    expect(step.programs).toBe(1)
    expect(distance(losses, (dtype === 'float32' ? c.losses : c.lossesFloat64).data)).toBeLessThan(
      dtype === 'float32' ? 1e-5 : 1e-12,
    )
  })
})

test('a gradient may be read by name', () => {
  const net = nn.sequential(nn.linear(1, 1))
  const [w, b] = runTraced(
    (x) => {
      const named = backpropagate(net(x).sum(), net).named()
      expect([...named.keys()]).toEqual(['0.weight', '0.bias'])
      return [named.get('0.weight')!, named.get('0.bias')!]
    },
    [tensor([[3], [4]])],
    { training: true },
  )
  expect([numbers(w!), numbers(b!)]).toEqual([[7], [2]])
  expect((net.children[0].children.weight satisfies Variable).shape).toEqual([1, 1])
})

/**
 * @file Recurrent layers for users: parts of a sequence, dropout, a training, what is refused, types. Numbers, derivatives and
 * bits beside PyTorch's are in the conformance table.
 */
import { describe, expect, test } from 'vitest'
import {
  backpropagate,
  compile,
  initialize,
  loss,
  nn,
  optim,
  parameters,
  summary,
  type Tensor,
  tensor,
  zeros,
} from '../../src/index.js'
import { RandomGenerator } from '../../src/trace/random.js'
import { distance, numbers, runTraced } from '../support/run.js'

const wave = (...shape: number[]): Tensor =>
  tensor(
    Float32Array.from({ length: shape.reduce((n, extent) => n * extent, 1) }, (_, i) => Math.sin(1.3 * i)),
    { shape },
  ) as Tensor
type Layer = (x: Tensor, state?: object) => [Tensor, Record<string, Tensor>]
const make = { rnn: nn.rnn, gru: nn.gru, lstm: nn.lstm }
const made = (kind: keyof typeof make, options: nn.RecurrentOptions = {}) => {
  const net = make[kind](3, 4, options)
  initialize(net, { seed: 2 })
  return net as unknown as Layer & nn.ModuleParts
}

describe.each(['rnn', 'gru', 'lstm'] as const)('%s', (kind) => {
  test('a sequence in two parts, with the state handed on, is the sequence', () => {
    const net = made(kind, { layers: 2 })
    const x = wave(2, 7, 3)
    const whole = runTraced(
      (x: Tensor) => {
        const [outputs, state] = net(x)
        return [outputs, ...Object.values(state)]
      },
      [x],
    )
    const parts = runTraced(
      (x: Tensor) => {
        const [first, state] = net(x.slice([0, 0], [2, 3]))
        const [second, last] = net(x.slice([0, 3]), state)
        return [first, second, ...Object.values(last)]
      },
      [x],
    )
    expect(whole.map((y) => y.shape)).toEqual([[2, 7, 4], ...Array(kind === 'lstm' ? 2 : 1).fill([2, 2, 4])])
    const rows = (y: Tensor, time: number) => {
      const all = numbers(y)
      return [0, 1].map((n) => all.slice(n * time * 4, (n + 1) * time * 4))
    }
    const joined = rows(parts[0]!, 3).map((row, n) => [...row, ...rows(parts[1]!, 4)[n]!])
    expect(distance(numbers(whole[0]!), joined.flat())).toBeLessThan(1e-6)
    whole.slice(1).forEach((y, i) => {
      expect(distance(numbers(y), numbers(parts[i + 2]!))).toBeLessThan(1e-6)
    })
  })
  test('dropout is between layers, and in training only', () => {
    const net = made(kind, { layers: 2, dropout: 0.5 })
    const plain = made(kind, { layers: 2 })
    const f = (one: Layer) => (x: Tensor) => one(x)[0]
    const run = (one: Layer, training: boolean) =>
      numbers(runTraced(f(one), [wave(2, 5, 3)], { training, random: new RandomGenerator(1) })[0]!)
    expect(run(net, false)).toEqual(run(plain, false))
    expect(run(net, true)).not.toEqual(run(plain, true))
    const single = made(kind, { dropout: 0.5 })
    expect(run(single, true)).toEqual(run(made(kind), true))
  })
  test('learns which of its inputs came first', () => {
    const net = nn.module({ cell: make[kind](2, 8), head: nn.linear(8, 2) }, (m, x: Tensor) => {
      const [outputs] = m.cell(x as never) as unknown as [Tensor]
      return m.head(outputs.slice([0, 5]).reshape([16, 8]))
    })
    initialize(net, { seed: 4 })
    const optimizer = optim.adam({ learningRate: 0.03 }).init(net)
    const step = compile(
      (x: Tensor, y: Tensor) => {
        const error = loss.crossEntropy(net(x) as never, y as never)
        optimizer.update(backpropagate(error as never, net))
        return error
      },
      { training: true },
    )
    const labels = Int32Array.from({ length: 16 }, (_, n) => (n * 7) % 2)
    const x = new Float32Array(16 * 6 * 2)
    labels.forEach((label, n) => {
      x[n * 12 + label] = 1
      for (let t = 1; t < 6; t++) x[n * 12 + 2 * t] = Math.sin(n + t)
    })
    const given = [tensor(x, { shape: [16, 6, 2] }), tensor(labels)] as unknown as [Tensor, Tensor]
    let last = 0
    for (let i = 0; i < 80; i++) last = numbers(step(...given) as Tensor)[0]!
    expect(last).toBeLessThan(0.05)
  })
  test('is refused what does not fit', () => {
    const net = made(kind)
    expect(() => net(wave(2, 5, 4))).toThrow(/takes \[batch, time, 3\], got \[2,5,4\]/)
    expect(() => net(wave(3))).toThrow(/got \[3\]/)
    expect(() => net(wave(2, 5, 3).cast('int32'))).toThrow(/computes in float32, got int32/)
    expect(() => net(wave(2, 5, 3), wave(1, 2, 4))).toThrow(/the state is no object \{ hidden/)
    expect(() => net(wave(2, 5, 3), {})).toThrow(/the state has no tensor 'hidden'/)
    const cell = kind === 'lstm' ? { cell: zeros([1, 2, 4]) } : {}
    expect(() => net(wave(2, 5, 3), { hidden: zeros([2, 2, 4]), ...cell })).toThrow(
      /the state's hidden is \[2,2,4\], not \[1,2,4\]/,
    )
    expect(() => make[kind](3, 0)).toThrow(/size of the state must be a whole number above 0/)
    expect(() => make[kind](3, 4, { numLayers: 2 } as never)).toThrow(/numLayers/)
    expect(() => make[kind](3, 4, { dropout: 2 })).toThrow(/probability/)
  })
})

test('an rnn has no other nonlinearity, a gru none to choose', () => {
  expect(() => nn.rnn(3, 4, { nonlinearity: 'sigmoid' as never })).toThrow(/tanh or relu, not sigmoid/)
  expect(() => nn.gru(3, 4, { nonlinearity: 'relu' } as never)).toThrow(/nonlinearity/)
})

test('a sequence of no time gives no outputs and the state as it was', () => {
  const net = made('lstm')
  const given = { hidden: wave(1, 2, 4), cell: wave(1, 2, 4).mul(2) }
  const [outputs, hidden, cell] = runTraced(
    (x: Tensor, h: Tensor, c: Tensor) => {
      const [y, state] = net(x, { hidden: h, cell: c })
      return [y, state['hidden']!, state['cell']!]
    },
    [zeros([2, 0, 3]) as Tensor, given.hidden, given.cell],
  )
  expect(outputs!.shape).toEqual([2, 0, 4])
  expect(numbers(hidden!)).toEqual(numbers(given.hidden))
  expect(numbers(cell!)).toEqual(numbers(given.cell))
})

test("parameters are PyTorch's, for each layer and direction", () => {
  const net = nn.lstm(3, 4, { layers: 2, bidirectional: true })
  const shapes = Object.fromEntries([...parameters(net)].map(([name, v]) => [name, v.shape]))
  expect(Object.keys(shapes)).toHaveLength(16)
  expect([shapes['weight_ih_l0'], shapes['weight_ih_l1_reverse'], shapes['bias_hh_l1']]).toEqual([
    [16, 3],
    [16, 8],
    [16],
  ])
})

test('in a sequential net the outputs go on', () => {
  const gru = nn.gru(3, 4, { bidirectional: true })
  const net = nn.sequential(gru, nn.linear(8, 2))
  initialize(net, { seed: 1 })
  const [y, outputs] = runTraced((x: Tensor) => [net(x as never), gru(x as never)[0] as Tensor], [wave(2, 5, 3)])
  expect([y!.shape, outputs!.shape]).toEqual([
    [2, 5, 2],
    [2, 5, 8],
  ])
  expect([...parameters(net).keys()]).toContain('0.weight_hh_l0_reverse')
  expect(() => nn.sequential((x: Tensor) => [x] as never, nn.relu)(wave(2))).toThrow(
    /layer 0, a function, gives no tensor/,
  )
})

test('a loop is explained with how often its kernels run', () => {
  const net = nn.gru(3, 4)
  initialize(net, { seed: 1 })
  const step = compile((x: Tensor) => net(x as never)[0] as Tensor, { engine: 'wasm' })
  const { kernels, flops } = step.explain([wave(2, 7, 3)])
  expect(kernels.map(({ times }) => times ?? 1).filter((times) => times > 1)).toEqual([7, 7])
  expect(flops).toBe(kernels.reduce((sum, kernel) => sum + kernel.flops, 0))
  expect(String(step.explain([wave(2, 7, 3)]))).toMatch(/7 × contract/)
})

test('the summary counts the work of all times', () => {
  const { rows, parameters: count } = summary(nn.gru(8, 16) as never, [1, 10, 8])
  expect(count).toBe(3 * 16 * (8 + 16 + 2))
  const products = 2 * 10 * 3 * 16 * (8 + 16)
  expect(rows[0]!.flops).toBeGreaterThan(products)
  expect(rows[0]!.flops).toBeLessThan(1.5 * products)
})

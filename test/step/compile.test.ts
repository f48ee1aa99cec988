/** What compile promises about Variables, results, tracing rules and programs. */
import { describe, expect, test, vi } from 'vitest'
import { compileGraph } from '../../src/compile.js'
import { emitModule } from '../../src/emit/wasm/emit.js'
import { input } from '../../src/graph/node.js'
import * as ops from '../../src/graph/ops.js'
import { backpropagate, concatenate, grad, initialize, nn, optim, stack, where } from '../../src/index.js'
import { compile } from '../../src/step.js'
import { tensor, zeros } from '../../src/trace/creation.js'
import type { Tensor } from '../../src/trace/tensor.js'
import { variable } from '../../src/trace/variable.js'

const list = async (t: Tensor) => Array.from(await t.data())

describe('variables', () => {
  test('are read, assigned, and read again within a step', async () => {
    const v = variable(tensor([1, 2, 3]))
    const step = compile((x: Tensor) => {
      const before = v.value
      v.assign(before.add(x))
      return { before, after: v.value.mul(10) }
    })
    const { before, after } = step(tensor([1, 1, 1]))
    expect(await list(before)).toEqual([1, 2, 3])
    expect(await list(after)).toEqual([20, 30, 40])
    expect(await list(v.value)).toEqual([2, 3, 4])
  })

  test('change places without a temporary in sight', async () => {
    const [a, b] = [variable(tensor([1, 2])), variable(tensor([3, 4]))]
    const swap = compile(() => {
      const [x, y] = [a.value, b.value]
      a.assign(y)
      b.assign(x)
    })
    swap()
    swap()
    swap()
    expect([await list(a.value), await list(b.value)]).toEqual([
      [3, 4],
      [1, 2],
    ])
  })

  test('that all take one value are separate afterwards', async () => {
    const [a, b] = [variable(tensor([1, 2])), variable(tensor([3, 4]))]
    compile(() => {
      const sum = a.value.add(b.value)
      a.assign(sum)
      b.assign(sum)
    })()
    compile(() => a.assign(a.value.mul(2)))()
    expect([await list(a.value), await list(b.value)]).toEqual([
      [8, 12],
      [4, 6],
    ])
  })

  test('that are read out of place are not overwritten too early', async () => {
    const v = variable(tensor([1, 2, 3, 4, 5]))
    const step = compile(() => {
      const turned = v.value.reverse()
      v.assign(v.value.mul(2).add(turned))
      return v.value.sum()
    })
    expect(await step().item()).toBe(45)
    expect(await list(v.value)).toEqual([7, 8, 9, 10, 11])
  })

  test('keep their values when tracing throws', async () => {
    const v = variable(tensor([1]))
    const step = compile(() => {
      v.assign(v.value.add(1))
      throw new Error('in the middle')
    })
    expect(step).toThrow('in the middle')
    expect(await list(v.value)).toEqual([1])
  })

  test('give snapshots that later updates leave alone', async () => {
    const v = variable(tensor([1]))
    const step = compile(() => v.assign(v.value.add(1)))
    step()
    const snapshot = v.value
    step()
    expect(await list(snapshot)).toEqual([2])
  })

  test('move between engines with their values', async () => {
    const v = variable(zeros([3]))
    const add = () => v.assign(v.value.add(1))
    const [wasm, interpreter] = [compile(add, { engine: 'wasm' }), compile(add, { engine: 'interpreter' })]
    wasm()
    interpreter()
    wasm()
    expect(await list(v.value)).toEqual([3, 3, 3])
  })
})

describe('results', () => {
  test('belong to the caller', async () => {
    const step = compile((x: Tensor) => x.add(1))
    const first = step(tensor([1, 2]))
    step(tensor([10, 20]))
    expect(await list(first)).toEqual([2, 3])
  })

  test('and arguments are trees', async () => {
    const step = compile(
      (batch: { x: Tensor; pair: [Tensor, Tensor] }) =>
        [batch.x.add(batch.pair[1]), { sum: batch.pair[0].sum() }] as const,
    )
    const [a, { sum }] = step({ x: tensor([1]), pair: [tensor([1, 2]), tensor([5])] })
    expect(await list(a)).toEqual([6])
    expect(await sum.item()).toBe(3)
  })

  test('captured tensors are inputs, captured numbers constants', async () => {
    const captured = tensor([1, 2]).mul(3)
    let factor = 2
    const step = compile((x: Tensor) => x.add(captured).mul(factor))
    expect(await list(step(tensor([0, 0])))).toEqual([6, 12])
    factor = 5
    expect(await list(step(tensor([0, 0])))).toEqual([6, 12])
  })
})

describe('rules of tracing', () => {
  test.each<[string, (x: Tensor) => unknown, RegExp]>([
    ['an operator', (x) => (x as unknown as number) * 2, /a\.add\(b\)/],
    ['iterating', (x) => [...(x as unknown as Iterable<number>)], /cannot be iterated/],
    ['an async function', async (x) => x, /async/],
    ['compile inside', (x) => compile((y: Tensor) => y)(x), /inside a trace/],
  ])('%s says how to do it', (_, body, message) => {
    expect(() => compile(body as (x: Tensor) => Tensor)(tensor([1]))).toThrow(message)
  })

  test('a value has none while it is traced, nor afterwards', async () => {
    let leaked: Tensor | undefined
    const step = compile((x: Tensor) => {
      leaked = x.add(1)
      return leaked
    })
    step(tensor([1]))
    await expect(leaked!.data()).rejects.toThrow(/trace that is over/)
    expect(() => compile((x: Tensor) => x.add(leaked!))(tensor([1]))).toThrow(/another trace/)
    expect(String(leaked)).toBe('Tensor float32[1] traced')
  })
})

test('one program a shape, and a warning when there are many', () => {
  const warn = vi.spyOn(console, 'warn').mockImplementation(() => {})
  const step = compile((x: Tensor, y: Tensor) => x.sum().add(y.sum()))
  for (const n of [4, 4, 3, 4, 3]) step(tensor(new Float32Array(n)), tensor([1]))
  expect(step.programs).toBe(2)
  expect(warn).not.toHaveBeenCalled()
  for (let n = 5; n < 14; n++) step(tensor(new Float32Array(n)), tensor([1]))
  expect(warn).toHaveBeenCalledTimes(1)
  expect(warn.mock.calls[0]![0]).toContain('argument 0 varies')
  warn.mockRestore()
})

test('the emitted bytes do not depend on what was traced before', () => {
  const bytes = () => {
    const x = input('float32', [4, 4])
    const y = ops.contract(x, ops.transpose(x, [1, 0]), {
      lhsBatch: [],
      rhsBatch: [],
      lhsContract: [1],
      rhsContract: [0],
    })
    const graph = { inputs: [x], outputs: [ops.unary('exp', ops.reduce('sum', y, [1]))] }
    const { kernels, launches, slots } = compileGraph(graph, new Map(), [undefined]).plan
    return emitModule({
      kernels,
      pointers: slots.length,
      launches: launches.map(({ kernel, slots }) => ({ kernel, pointers: slots })),
    })
  }
  const before = bytes()
  for (let i = 0; i < 1000; i++) compile((x: Tensor) => x.mul(i).exp().sum())
  for (let i = 0; i < 50; i++) compile((x: Tensor) => x.mul(i).exp().sum())(tensor([1, 2]))
  expect(bytes()).toEqual(before)
})

test('outside compile, tensors are computed when read', async () => {
  const x = tensor([
    [1, 2],
    [3, 4],
  ])
  expect(await x.matmul(x).array()).toEqual([
    [7, 10],
    [15, 22],
  ])
  let total = tensor(0)
  for (let i = 0; i < 1000; i++) total = total.add(1)
  expect(await total.item()).toBe(1000)
  expect(String(x.add(1))).toBe('Tensor float32[2,2] 2 3 4 5')
})

test.each(['clipped', 'plain'])('a network of 160 layers, %s: kernels stay within what engines take', async (kind) => {
  const net = nn.sequential(...Array.from({ length: 160 }, () => nn.linear(4, 4)))
  initialize(net, { seed: 1 })
  const adam = optim.adam({ learningRate: 1e-3 })
  const optimizer = (kind === 'clipped' ? optim.chain(optim.clipByGlobalNorm(1), adam) : adam).init(net)
  const step = compile(
    (x: Tensor) => {
      const error = net(x as never)
        .square()
        .mean() as Tensor
      optimizer.update(backpropagate(error as never, net))
      return error
    },
    { training: true },
  )
  expect(Number.isFinite(await step(tensor([[1, 2, 3, 4]])).item())).toBe(true)
})

describe('more than a thousand tensors at once: kernels stay within what engines take', () => {
  const count = 1100
  const many = Array.from({ length: count }, (_, i) => tensor([i, i + 0.5]))
  const ends = async (t: Tensor) => [t.shape, ...(await list(t)).slice(-2)]

  test.each<[string, (...xs: Tensor[]) => Tensor, readonly number[], readonly [number, number]]>([
    ['concatenated', (...xs) => concatenate(xs), [2 * count], [count - 1, count - 0.5]],
    ['stacked', (...xs) => stack(xs, 1), [2, count], [count - 1.5, count - 0.5]],
    // Each part reads three values: together more than one kernel may.
    [
      'concatenated sums',
      (...xs) => concatenate(xs.map((x, i) => x.add(xs[(i + 1) % count]!).add(xs[(i + 2) % count]!))),
      [2 * count],
      [count, count + 1.5],
    ],
    [
      'added in a chain',
      (...xs) => xs.reduce((a, b) => a.add(b)),
      [2],
      [(count * (count - 1)) / 2, (count * count) / 2],
    ],
    ['selected', (...xs) => xs.reduce((a, b, i) => where(a.less(i), b, a)), [2], [count - 1, count - 0.5]],
  ])('%s', async (_, f, shape, last) => {
    expect(await ends(compile(f)(...many))).toEqual([shape, ...last])
  })

  test('outside compile, and in the other direction', async () => {
    expect(await ends(concatenate(many))).toEqual([[2 * count], count - 1, count - 0.5])
    const gradient = grad((x: Tensor) => concatenate(many.map((_, i) => x.mul(i))).sum())(tensor([1, 2]))
    expect(await list(gradient)).toEqual([(count * (count - 1)) / 2, (count * (count - 1)) / 2])
  })
})

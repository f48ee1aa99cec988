/**
 * @file Layers over space (convolution, pooling, upsampling) against PyTorch: values, gradients by input and parameters,
 * second derivatives, in float32 and float64; their errors, and their first values.
 */
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import {
  averagePool,
  convolution,
  initialize,
  maxPool,
  nn,
  padEdges,
  parameters,
  tensor,
  windows,
  zeros,
} from '../../src/index.js'
import type { ModuleParts } from '../../src/nn/module.js'
import { gradientsOf } from '../../src/trace/grad.js'
import type { Tensor } from '../../src/trace/tensor.js'
import { variable } from '../../src/trace/variable.js'
import { type FixtureArray, numbers, runTraced, setVariable } from '../support/run.js'

interface Case {
  seed: number
  layer: string
  arguments: (number | number[])[]
  options: object
  input: number[]
  value: FixtureArray
  first: Record<string, FixtureArray>
  second: Record<string, FixtureArray>
}
const read = (name: string) =>
  (JSON.parse(readFileSync(new URL(`../fixtures/torch/${name}.json`, import.meta.url), 'utf8')) as { cases: Case[] })
    .cases

type Net = ((x: Tensor) => Tensor) & ModuleParts
const layers = nn as unknown as Record<string, (...args: unknown[]) => Net>

/** The generator of mlp.json: 2 value − 1. */
function generator(seed: number) {
  let state = seed
  return (shape: readonly number[]): number[] =>
    Array.from({ length: shape.reduce((n, extent) => n * extent, 1) }, () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0
      return 2 * ((state >>> 8) / 2 ** 24) - 1
    })
}

/** The greatest |a − b|, relative to the greatest |b|. */
function error(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a.length).toBe(b.length)
  const scale = Math.max(1, ...Array.from(b, Math.abs))
  return Math.max(...Array.from(b, (y, i) => Math.abs(a[i]! - y))) / scale
}

const cases = [...read('convolution'), ...read('pooling')]
describe.each(['float32', 'float64'] as const)('%s', (dtype) => {
  const unit = dtype === 'float32' ? 1e-5 : 1e-10
  test.each(
    cases.map((c) => [`${c.layer} ${JSON.stringify(c.arguments)} ${JSON.stringify(c.options)}`, c] as const),
  )('%s', (_, c) => {
    const isConvolution = c.layer.startsWith('conv')
    const options = isConvolution ? { ...c.options, dtype } : c.options
    const net = layers[c.layer]!(...c.arguments, ...(c.layer.startsWith('adaptive') ? [] : [options]))
    const draw = generator(c.seed)
    const x = variable(tensor(draw(c.input), { shape: c.input, dtype }), { trainable: true })
    initialize(net, { seed: 0 })
    const own = parameters(net)
    for (const one of own.values()) setVariable(one, draw(one.shape as number[]))
    const cotangent = tensor(draw(c.value.shape), { shape: c.value.shape, dtype })
    const direction = tensor(draw(c.input), { shape: c.input, dtype })
    const all = [x, ...own.values()]
    const [value, ...derivatives] = runTraced(
      () => {
        const y = net(x.value)
        const first = gradientsOf(y.square().mul(cotangent).sum(), all)
        return [y, ...first, ...gradientsOf(first[0]!.mul(direction).sum(), all)]
      },
      [],
      { training: true },
    )
    expect(value!.shape).toEqual(c.value.shape)
    expect(error(numbers(value!), c.value.data), 'value').toBeLessThan(unit)
    for (const [i, name] of ['input', ...own.keys()].entries()) {
      const [first, second] = [derivatives[i]!, derivatives[all.length + i]!]
      expect(first.shape).toEqual(c.first[name]!.shape)
      expect(error(numbers(first), c.first[name]!.data), `gradient of ${name}`).toBeLessThan(unit)
      expect(error(numbers(second), c.second[name]!.data), `second derivative, ${name}`).toBeLessThan(unit)
    }
  })
})

test('parameters begin as PyTorch draws them: uniform in ±1/√fanIn', () => {
  for (const [net, fanIn] of [
    [nn.conv2d(6, 40, [3, 5], { groups: 2 }), 45],
    [nn.conv1d(8, 40, 4), 32],
    [nn.convTranspose2d(20, 6, 3), 54],
  ] as const) {
    initialize(net, { seed: 1 })
    for (const [name, one] of parameters(net)) {
      const values = numbers(one.value)
      const bound = 1 / Math.sqrt(fanIn)
      expect(Math.max(...values.map(Math.abs)), name).toBeLessThanOrEqual(bound)
      expect(Math.max(...values.map(Math.abs)), name).toBeGreaterThan(0.6 * bound)
    }
  }
})

test('leading axes: one sample, and several batches', () => {
  const net = nn.sequential(nn.conv2d(1, 2, 3), nn.maxPool2d(2), nn.globalAveragePool2d())
  initialize(net, { seed: 1 })
  const x = tensor(generator(3)([2, 3, 1, 8, 8]), { shape: [2, 3, 1, 8, 8] })
  const y = numbers(net(x))
  expect(net(x).shape).toEqual([2, 3, 2])
  expect(numbers(net(x.reshape([6, 1, 8, 8])))).toEqual(y)
  expect(numbers(net(x.reshape([6, 1, 8, 8]).slice([4], [5]).reshape([1, 8, 8])))).toEqual(y.slice(8, 10))
})

test('ties: the first of the greatest has the gradient', () => {
  const x = variable(tensor([1, 1, 0, 2, 2, 2], { shape: [1, 1, 2, 3] }), { trainable: true })
  const gradient = (sizes: number[], stride: number[]) =>
    numbers(
      runTraced(() => gradientsOf(maxPool(x.value, sizes, { stride }).sum(), [x]) as Tensor[], [], {
        training: true,
      })[0]!,
    )
  expect(gradient([1, 2], [1, 2])).toEqual([1, 0, 0, 1, 0, 0])
  expect(gradient([2, 2], [1, 1])).toEqual([0, 0, 0, 1, 1, 0])
  expect(gradient([2, 3], [1, 1])).toEqual([0, 0, 0, 1, 0, 0])
})

test('NaN and −∞ in a window', () => {
  const x = tensor([Number.NaN, 1, Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY])
  expect(numbers(maxPool(x, [2]))).toEqual([Number.NaN, Number.NEGATIVE_INFINITY])
})

test('functions: windows, "same" with a stride, negative padding, dilated input', () => {
  expect(numbers(windows(tensor([0, 1, 2, 3, 4]), [3], { stride: 2 }))).toEqual([0, 1, 2, 2, 3, 4])
  const x = tensor([1, 2, 3, 4, 5], { shape: [1, 1, 5] })
  const w = tensor([1, 10], { shape: [1, 1, 2] })
  // 3 places of 5 elements: one zero, at the end
  expect(numbers(convolution(x, w, { stride: 2, padding: 'same' }))).toEqual([21, 43, 5])
  expect(numbers(convolution(x, w, { padding: [[-1, -2]] }))).toEqual([32])
  expect(numbers(convolution(x, w, { padding: [[1, 0]], inputDilation: 2 }))).toEqual([10, 1, 20, 2, 30, 3, 40, 4, 50])
})

test('edges: mirrored, continued, from the other end', () => {
  const x = tensor([1, 2, 3])
  expect(numbers(padEdges(x, [[2, 1]], 'reflect'))).toEqual([3, 2, 1, 2, 3, 2])
  expect(numbers(padEdges(x, [[2, 0]], 'replicate'))).toEqual([1, 1, 1, 2, 3])
  expect(numbers(padEdges(x, [[1, 3]], 'circular'))).toEqual([3, 1, 2, 3, 1, 2, 3])
  expect(() => padEdges(x, [[3, 0]], 'reflect')).toThrow(/an axis of 3 has not enough elements for \[3,0\]/)
  expect(() => padEdges(x, [[1, 0]], 'mirror' as never)).toThrow(/'reflect' or 'replicate' or 'circular'/)
  expect(() => nn.conv2d(1, 1, 3, { paddingMode: 'mirror' as never })).toThrow(/paddingMode is 'zeros', 'reflect'/)
})

describe('errors say what to do', () => {
  const image = zeros([2, 3, 8, 8])
  const bare = (x: unknown) => x as never
  test.each<[string, () => unknown, RegExp]>([
    [
      'channels',
      () => nn.conv2d(4, 8, 3)(bare(image)),
      /^conv2d: takes \[\.\.\.,4,height,width\], got \[2,3,8,8\].*built as conv2d\(4, 8, 3\)/,
    ],
    ['no channel axis', () => nn.conv2d(1, 8, 3)(bare(zeros([2, 8, 8]))), /x\.expandDims\(1\)/],
    [
      'dtype',
      () => nn.conv2d(3, 8, 3)(bare(zeros([2, 3, 8, 8], { dtype: 'float64' }))),
      /computes in float32, got float64/,
    ],
    ['kernel', () => nn.conv2d(3, 8, 9)(image), /a window of \[9,9\] does not fit into \[8,8\]/],
    ['groups', () => nn.conv2d(3, 8, 3, { groups: 2 }), /groups 2 must divide the inputs, 3/],
    ['an option', () => nn.conv2d(3, 8, 3, { strides: 2 } as never), /did you mean 'stride'/],
    ['stride', () => nn.conv2d(3, 8, 3, { stride: 0 }), /stride must be a whole number, 1 or more, not 0/],
    ['padding', () => nn.conv2d(3, 8, 3, { padding: 'full' as never }), /padding "full" does not fit/],
    ['per axis', () => nn.conv2d(3, 8, [3, 3, 3]), /one number or 2, one an axis, not \[3,3,3\]/],
    ['weight', () => convolution(image, zeros([8, 4, 3, 3])), /\[outputs, channels \/ groups/],
    ['no tensor', () => convolution([[1]] as never, image), /x is an array, not a tensor/],
    ['no list', () => maxPool(image, 2 as never), /sizes is the number 2, not an array of whole numbers. Write \[2\]/],
    ['output padding', () => nn.convTranspose2d(3, 4, 3, { outputPadding: 1 })(image), /must be below stride/],
    ['pool stride', () => nn.maxPool2d(2, { stride: [2, 2, 2] }), /nn.maxPool2d: stride is one number or 2/],
    ['pool padding', () => nn.maxPool2d(2, { padding: 2 })(image), /from 0 to half a window of 2/],
    ['pool of bytes', () => averagePool(zeros([4], { dtype: 'uint8' }), [2]), /takes floats/],
    ['pool without channels', () => nn.maxPool2d(2)(bare(zeros([8, 8]))), /\[\.\.\.,channels,height,width\]/],
    ['upsample', () => nn.upsample2d({}), /either size or scaleFactor/],
    ['upsample mode', () => nn.upsample2d({ size: 3, mode: 'cubic' as never }), /'nearest' or 'bilinear'/],
  ])('%s', (_, f, message) => {
    expect(f).toThrow(message)
  })
})

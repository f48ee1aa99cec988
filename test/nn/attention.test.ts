/**
 * @file Attention against PyTorch; masks, initial values, errors.
 */
import { describe, expect, test } from 'vitest'
import { backpropagate } from '../../src/nn/backpropagate.js'
import * as nn from '../../src/nn/index.js'
import { initialize, state } from '../../src/nn/module.js'
import { tensor } from '../../src/trace/creation.js'
import type { Tensor } from '../../src/trace/tensor.js'
import { numbers, runTraced } from '../support/run.js'
import { type Built, type Float, layersMatch } from './layer-fixtures.js'

/** A network, and how it is called. */
const called = <N extends nn.ModuleParts>(net: N, call: (net: N, ...inputs: Tensor[]) => Tensor): Built => ({
  net,
  call: (...inputs) => call(net, ...inputs),
})
const mha = (dtype: Float, options: Omit<nn.MultiHeadAttentionOptions, 'dtype'> = {}) =>
  nn.multiHeadAttention(4, 2, { ...options, dtype }) as unknown as nn.MultiHeadAttention<4>

layersMatch('layers-attention.json', {
  attention: () => ({ call: (q, k, v) => nn.attention(q!, k!, v!) }),
  'attention, causal': () => ({ call: (q, k, v) => nn.attention(q!, k!, v!, { causal: true }) }),
  'attention, causal, more queries': () => ({ call: (q, k, v) => nn.attention(q!, k!, v!, { causal: true }) }),
  'attention, mask': () => ({ call: (q, k, v, mask) => nn.attention(q!, k!, v!, { mask }) }),
  'attention, mask of numbers and scale': () => ({
    call: (q, k, v, mask) => nn.attention(q!, k!, v!, { mask, scale: 0.7 }),
  }),
  'attention, grouped': () => ({ call: (q, k, v) => nn.attention(q!, k!, v!, { causal: true }) }),
  multiHeadAttention: (dtype) => called(mha(dtype), (net, x) => net(x!)),
  'multiHeadAttention, causal, no bias': (dtype) =>
    called(mha(dtype, { causal: true, bias: false }), (net, x) => net(x!)),
  'multiHeadAttention, another sequence': (dtype) =>
    called(mha(dtype), (net, x, y, keyMask) => net(x!, y!, y!, { keyMask })),
  'multiHeadAttention, keys and values apart, mask': (dtype) =>
    called(mha(dtype), (net, x, y, z, mask) => net(x!, y!, z!, { mask })),
  'multiHeadAttention, sizes': (dtype) =>
    called(mha(dtype, { keySize: 3, valueSize: 5 }), (net, x, y, z) => net(x!, y!, z!)),
  'multiHeadAttention, causal and keys': (dtype) =>
    called(mha(dtype), (net, x, keyMask) => net(x!, { causal: true, keyMask })),
  'multiHeadAttention, grouped': (dtype) =>
    called(nn.multiHeadAttention(4, 4, { keyValueHeads: 2, causal: true, dtype }), (net, x) => net(x!)),
  'multiHeadAttention, rotary': (dtype) =>
    called(nn.multiHeadAttention(8, 2, { keyValueHeads: 1, causal: true, rotary: true, dtype }), (net, x) => net(x!)),
})

const wave = (shape: readonly number[], step = 1.3): Tensor =>
  tensor(
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(step * i)),
    { shape },
  ) as Tensor

describe('masks', () => {
  const x = wave([2, 3, 4])

  test('a query that may look at nothing gives 0, with gradients that are numbers', () => {
    const mask = tensor([true, true, false, false, false, false, false, false, true], { dtype: 'bool' }).reshape([3, 3])
    const net = nn.multiHeadAttention(4, 2)
    initialize(net, { seed: 1 })
    const y = numbers(nn.attention(x, x, x, { mask }))
    expect(y.slice(4, 8)).toEqual([0, 0, 0, 0])
    expect(y.slice(16, 20)).toEqual([0, 0, 0, 0])
    const gradients = runTraced(
      (t) => [...backpropagate(net(t, { mask }).square().sum() as Tensor<readonly []>, net).values()],
      [x],
      { training: true },
    ).flatMap(numbers)
    expect(gradients.every(Number.isFinite)).toBe(true)
  })
})

test('initial values are those of PyTorch: Xavier for projections, zero biases', () => {
  const net = nn.multiHeadAttention(64, 4)
  initialize(net, { seed: 2 })
  const values = new Map([...state(net)].map(([name, v]) => [name, Array.from(v.storage.read())]))
  expect([...values.keys()]).toEqual(['in_proj_weight', 'in_proj_bias', 'out_proj.weight', 'out_proj.bias'])
  const largest = (name: string) => Math.max(...values.get(name)!.map(Math.abs))
  expect(largest('in_proj_weight')).toBeCloseTo(Math.sqrt(6 / (64 + 192)), 2)
  expect(largest('out_proj.weight')).toBeCloseTo(1 / 8, 2)
  expect([largest('in_proj_bias'), largest('out_proj.bias')]).toEqual([0, 0])
})

const x = wave([2, 3, 4])
const net = nn.multiHeadAttention(4, 2)
const keys = (...shape: number[]): Tensor => tensor([true], { dtype: 'bool' }).broadcastTo(shape) as Tensor
test.each([
  [() => nn.multiHeadAttention(5, 2), /size of 5 cannot be divided among 2 heads/],
  [() => nn.multiHeadAttention(8, 4, { keyValueHeads: 3 }), /4 heads cannot share 3/],
  [() => nn.multiHeadAttention(6, 2, { rotary: true }), /heads of 3 elements have no pairs/],
  [() => nn.multiHeadAttention(8, 4, { kdim: 3 } as object), /no option 'kdim'/],
  [() => net(wave([2, 3, 5])), /takes queries \[batch, length, 4\], got \[2,3,5\].*multiHeadAttention\(4, 2\)/],
  [() => net(x, { keyMask: keys(2, 4) }), /keyMask is \[2,4\], the keys are \[2,3\]/],
  [() => net(x, { keyMask: wave([2, 3]) }), /keyMask must be bool/],
  [() => net(x, { isCausal: true } as object), /no option 'isCausal'/],
  [() => net(x, { mask: keys(4, 4) }), /mask \[4,4\] does not fit the scores \[2,2,3,3\]/],
  [() => nn.attention(x, wave([2, 3, 5]), x), /queries and keys differ in size: queries \[2,3,4\]/],
  [() => nn.attention(x, wave([2, 5, 4]), x), /as many values as keys/],
  [() => nn.attention(wave([1, 3, 2, 4]), wave([1, 2, 2, 4]), wave([1, 2, 2, 4])), /heads of queries must be divided/],
  [() => nn.attention(x, x, wave([3, 4])), /ranks do not fit/],
  [() => nn.attention(x, x, x, { scale: Number.NaN }), /scale must be a number/],
])('what is wrong says so: %s', (f, message) => {
  expect(f as () => unknown).toThrow(message)
})

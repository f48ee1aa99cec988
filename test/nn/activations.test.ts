/**
 * @file Activations against PyTorch: values, first and second derivatives, in float32 and float64; far out and at NaN.
 */
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import * as nn from '../../src/nn/index.js'
import { tensor } from '../../src/trace/creation.js'
import { gradientsOf } from '../../src/trace/grad.js'
import type { Tensor } from '../../src/trace/tensor.js'
import { variable } from '../../src/trace/variable.js'
import { type FixtureArray, fixtureTensor, numbers, runTraced } from '../support/run.js'

interface Case {
  name: string
  dtype: 'float32' | 'float64'
  options: {
    negative_slope?: number
    alpha?: number
    approximate?: 'none' | 'tanh'
    axis?: number
    low?: number
    high?: number
    lambda?: number
  }
  input: 'points' | 'matrix'
  value: FixtureArray
  first: FixtureArray
  second: FixtureArray
}
const fixture = JSON.parse(readFileSync(new URL('../fixtures/torch/activations.json', import.meta.url), 'utf8')) as {
  [name in 'points' | 'matrix' | 'cotangent' | 'direction']: FixtureArray
} & { cases: Case[] }

const further = JSON.parse(
  readFileSync(new URL('../fixtures/torch/activations-further.json', import.meta.url), 'utf8'),
) as { points: FixtureArray; cases: Case[] }
/** Each case with its points. */
const cases = [
  ...fixture.cases.map((c) => ({ ...c, at: fixture[c.input] })),
  ...further.cases.map((c) => ({ ...c, at: c.input === 'points' ? further.points : fixture[c.input] })),
]

const functions: Record<string, (c: Case) => (x: Tensor) => Tensor> = {
  sigmoid: () => nn.sigmoid,
  tanh: () => nn.tanh,
  relu: () => nn.relu,
  leakyRelu: (c) => nn.leakyRelu.with({ slope: c.options.negative_slope }),
  elu: (c) => nn.elu.with({ alpha: c.options.alpha }),
  gelu: (c) => (x) => nn.gelu(x, { approximate: c.options.approximate }),
  silu: () => nn.silu,
  softplus: () => nn.softplus,
  softmax: () => nn.softmax,
  logSoftmax: (c) => nn.logSoftmax.with({ axis: c.options.axis }),
  logSigmoid: () => nn.logSigmoid,
  relu6: () => nn.relu6,
  hardTanh: (c) => nn.hardTanh.with(c.options),
  hardSigmoid: () => nn.hardSigmoid,
  hardSwish: () => nn.hardSwish,
  selu: () => nn.selu,
  celu: (c) => nn.celu.with({ alpha: c.options.alpha }),
  mish: () => nn.mish,
  softSign: () => nn.softSign,
  tanhShrink: () => nn.tanhShrink,
  softShrink: (c) => nn.softShrink.with({ lambda: c.options.lambda }),
  hardShrink: () => nn.hardShrink,
  softmin: () => nn.softmin,
}

const conventions: Record<string, number> = { elu: 0, selu: 0, celu: 0, softplus: 20 }
/** PyTorch's sixth is a float32 here, also in float64. */
const roundSixth = (c: Case): boolean => c.name === 'hardSigmoid' && c.dtype === 'float64'

/** |a − b| against a tolerance that is relative to b and absolute near 0; the reference rounds as well. */
function worst(a: ArrayLike<number>, b: ArrayLike<number>, unit: number): number {
  return Math.max(...Array.from(b, (y, i) => Math.abs(a[i]! - y) / (unit * Math.max(0.1, Math.abs(y)))))
}

describe.each(cases)('$name $dtype', (c) => {
  test('value, first and second derivative', () => {
    const f = functions[c.name.split(' ')[0]!]!(c)
    const x = variable(fixtureTensor(c.at, c.dtype), { trainable: true })
    const [value, first, second] = runTraced(
      () => {
        const y = f(x.value)
        const [a] = gradientsOf((c.input === 'matrix' ? y.mul(fixtureTensor(fixture.cotangent, c.dtype)) : y).sum(), [
          x,
        ])
        const [b] = gradientsOf((c.input === 'matrix' ? a!.mul(fixtureTensor(fixture.direction, c.dtype)) : a!).sum(), [
          x,
        ])
        return [y, a!, b!]
      },
      [],
      { training: true },
    )
    const unit = c.dtype === 'float32' || roundSixth(c) ? 1e-6 : 1e-14
    expect(worst(numbers(value!), c.value.data, unit)).toBeLessThan(3)
    expect(worst(numbers(first!), c.first.data, unit)).toBeLessThan(10)
    // Where PyTorch's second derivative is a convention: elu at its corner, softplus from 20 on, which it takes for x.
    const known = (values: ArrayLike<number>) =>
      Array.from(values, (v, i) => (c.at.data[i] === conventions[c.name.split(' ')[0]!] ? 0 : v))
    expect(worst(known(numbers(second!)), known(c.second.data), unit)).toBeLessThan(40)
  })
})

const at = (f: (x: Tensor) => Tensor, ...x: number[]): number[] => {
  const v = variable(tensor(x), { trainable: true })
  return runTraced(() => [f(v.value), gradientsOf(f(v.value).sum(), [v])[0]!], [], { training: true }).flatMap(numbers)
}

test('far out: no NaN where there is a limit', () => {
  expect(at(nn.sigmoid, -1e4, 1e4)).toEqual([0, 1, 0, 0])
  expect(at(nn.softplus, -1e4, 1e4)).toEqual([0, 1e4, 0, 1])
  expect(at(nn.elu, -1e4, 1e4)).toEqual([-1, 1e4, 0, 1])
  expect(at(nn.tanh, -1e4, 1e4)).toEqual([-1, 1, 0, 0])
  expect(at(nn.gelu, 1e4)).toEqual([1e4, 1])
  expect(at(nn.softmax, -1e4, 1e4)).toEqual([0, 1, 0, 0])
  expect(at(nn.logSoftmax, -1e4, 1e4)).toEqual([-2e4, 0, 1, -1])
})

test('NaN stays NaN', () => {
  for (const [name, f] of Object.entries(functions)) {
    const c = { options: {} } as Case
    expect(at(f(c), Number.NaN)[0], name).toBeNaN()
  }
})

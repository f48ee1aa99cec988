/**
 * @file Whole networks trained beside PyTorch's: ten losses in a row with batch normalisation and with attention, and what they
 * give afterwards, in inference mode. The state is set by PyTorch's names.
 */
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import * as loss from '../../src/loss/index.js'
import { backpropagate } from '../../src/nn/backpropagate.js'
import * as nn from '../../src/nn/index.js'
import { type AnyFunction, state } from '../../src/nn/module.js'
import * as optim from '../../src/optim/index.js'
import { compile } from '../../src/step.js'
import type { Tensor } from '../../src/trace/tensor.js'
import { type FixtureArray, fixtureTensor, numbers, setVariable } from '../support/run.js'
import type { Float } from './layer-fixtures.js'

interface Case {
  readonly name: 'gpt' | 'batch norm'
  readonly state: Readonly<Record<string, FixtureArray>>
  readonly inputs: FixtureArray
  readonly targets: FixtureArray
  readonly losses: FixtureArray
  readonly output: FixtureArray
}
const { cases } = JSON.parse(readFileSync(new URL('../fixtures/torch/trainings.json', import.meta.url), 'utf8')) as {
  cases: Case[]
}

const networks: { readonly [N in Case['name']]: (dtype: Float) => nn.ModuleParts & AnyFunction } = {
  gpt: (dtype) =>
    nn.module(
      {
        words: nn.embedding(7, 8, { paddingIndex: 0, dtype }),
        positions: nn.learnedPositions(5, 8, { dtype }),
        blocks: nn.transformerEncoder(
          2,
          () => {
            const options = { feedForward: 12, dropout: 0, activation: nn.gelu, normFirst: true, causal: true, dtype }
            return nn.transformerEncoderLayer(8, 2, options)
          },
          { norm: nn.layerNorm(8, { dtype }) },
        ),
        head: nn.linear(8, 7, { dtype }),
      },
      (m, ids: Tensor) => m.head(m.blocks(m.positions(m.words(ids) as Tensor) as Tensor) as Tensor),
    ),
  'batch norm': (dtype) =>
    nn.sequential(
      nn.linear(4, 6, { dtype }),
      nn.batchNorm(6, { dtype }),
      nn.prelu({ channels: 6, dtype }),
      nn.linear(6, 6, { bias: false, dtype }),
      nn.groupNorm(2, 6, { dtype }),
      nn.silu,
      nn.linear(6, 3, { dtype }),
    ) as nn.ModuleParts & AnyFunction,
}
const optimizers = {
  gpt: optim.adamW({ learningRate: 0.01 }),
  'batch norm': optim.momentum({ learningRate: 0.1, momentum: 0.9 }),
}

describe.each(cases)('$name', (c) => {
  test.each([
    ['float32', 1e-5],
    ['float64', 1e-10],
  ] as const)('%s', (dtype, tolerance) => {
    const net = networks[c.name](dtype)
    const variables = state(net)
    expect(new Set(variables.keys())).toEqual(new Set(Object.keys(c.state)))
    // Nine digits name a float32, but are not all of its digits.
    for (const [name, v] of variables) setVariable(v, Float32Array.from(c.state[name]!.data))
    const optimizer = optimizers[c.name].init(net)
    const step = compile(
      (input: Tensor, target: Tensor) => {
        const logits: Tensor = net(input)
        const error = loss.crossEntropy(logits.reshape([-1, logits.shape[logits.rank - 1]]), target.flatten())
        optimizer.update(backpropagate(error, net))
        return error
      },
      { training: true },
    )
    const at = (all: FixtureArray, i: number): Tensor => {
      const size = all.data.length / all.shape[0]!
      const part = { ...all, shape: all.shape.slice(1), data: all.data.slice(i * size, (i + 1) * size) }
      const exact = fixtureTensor(part)
      return all.dtype === 'int64' ? exact : (exact.cast(dtype) as Tensor)
    }
    const losses = c.losses.data.map((_, i) => numbers(step(at(c.inputs, i), at(c.targets, i)))[0]!)
    const output = compile((input: Tensor) => net(input) as Tensor, { training: false })(at(c.inputs, 0))
    const far = (got: readonly number[], wanted: readonly number[]) =>
      Math.max(...wanted.map((w, i) => Math.abs(got[i]! - w))) / Math.max(...wanted.map(Math.abs))
    expect(far(losses, c.losses.data)).toBeLessThan(tolerance)
    expect(far(numbers(output), c.output.data)).toBeLessThan(10 * tolerance)
  })
})

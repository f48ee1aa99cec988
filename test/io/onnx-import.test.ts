/** @file Models that PyTorch exported, imported here: equal outputs at another batch size, equal gradients by parameter. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { flatten } from '../../src/base/tree.js'
import { backpropagate, compile, importOnnx, parameters, Tensor, tensor } from '../../src/index.js'
import type { PlainArray } from '../interop/networks.js'

const folder = fileURLToPath(new URL('../fixtures/torch/onnx', import.meta.url))
interface Case {
  readonly name: string
  readonly files: readonly string[]
  readonly input: PlainArray
  readonly outputs: readonly PlainArray[]
  readonly gradients: { readonly [name: string]: PlainArray }
}
const { cases } = JSON.parse(await readFile(join(folder, 'models.json'), 'utf8')) as { cases: readonly Case[] }
const isTensor = (value: unknown): value is Tensor => value instanceof Tensor

const expectNear = (got: ArrayLike<number>, wanted: readonly number[], within: number, what: string): void => {
  const size = Math.max(1, ...wanted.map(Math.abs))
  expect(got.length).toBe(wanted.length)
  for (const [i, value] of wanted.entries())
    expect(Math.abs(got[i]! - value), `${what}[${i}]`).toBeLessThanOrEqual(within * size)
}

describe('exported by PyTorch', () => {
  for (const one of cases)
    for (const file of one.files)
      test(file, async () => {
        const net = await importOnnx<unknown>(join(folder, `${file}.onnx`))
        const input = tensor(one.input.data, { shape: one.input.shape, dtype: one.input.dtype })
        const traced = compile((x: Tensor) => flatten<Tensor>(net(x), isTensor).leaves, { training: false })
        const outputs = traced(input)
        expect(outputs.map((y) => y.shape)).toEqual(one.outputs.map((y) => y.shape))
        for (const [i, y] of outputs.entries()) expectNear(await y.data(), one.outputs[i]!.data, 1e-5, `output ${i}`)
        // Reading without compiling gives the same.
        const eager = flatten<Tensor>(net(input), isTensor).leaves
        for (const [i, y] of eager.entries()) expectNear(await y.data(), one.outputs[i]!.data, 1e-5, `output ${i}`)

        const known = [...parameters(net)].filter(([name]) => one.gradients[name])
        if (known.length === 0) return
        const step = compile(
          (x: Tensor) => {
            const error = flatten<Tensor>(net(x), isTensor).leaves[0]!.square().sum()
            const gradients = backpropagate(error, new Map(known))
            return known.map(([, variable]) => gradients.get(variable)!)
          },
          { training: true },
        )
        for (const [i, gradient] of step(input).entries()) {
          const [name] = known[i]!
          expectNear(await gradient.data(), one.gradients[name]!.data, 1e-4, name)
        }
      })
})

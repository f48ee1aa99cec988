/**
 * @file What PyTorch wrote, read here: checkpoints of safetensors, and models of torch.onnx.export. In: a folder as
 * scripts/fixtures/checkpoints.py or onnx_models.py fill it, and one of its cases. Out: an expectation that fails. The files committed
 * in test/fixtures are read so in every run (test/io), those that a PyTorch writes at the moment where there is one (torch.test.ts).
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import { flatten } from '../../src/base/tree.js'
import { backpropagate, compile, importOnnx, load, parameters, Tensor, tensor } from '../../src/index.js'
import { networks, type PlainArray } from './networks.js'

export interface CheckpointCase {
  readonly name: string
  readonly network: string
  readonly input: PlainArray
  readonly output: PlainArray
}
export interface ModelCase {
  readonly name: string
  readonly files: readonly string[]
  readonly input: PlainArray
  readonly outputs: readonly PlainArray[]
  readonly gradients: { readonly [name: string]: PlainArray }
}

const casesOf = <C>(folder: string, file: string): readonly C[] =>
  (JSON.parse(readFileSync(join(folder, file), 'utf8')) as { cases: readonly C[] }).cases
export const checkpointCases = (folder: string) =>
  casesOf<CheckpointCase>(folder, 'networks.json').filter((one) => networks[one.network])
export const modelCases = (folder: string) => casesOf<ModelCase>(folder, 'models.json')

const values = ({ data, shape, dtype }: PlainArray): Tensor => tensor(data, { shape, dtype })
const isTensor = (value: unknown): value is Tensor => value instanceof Tensor

/** Equal to within a part of the greatest. */
export function expectNear(got: ArrayLike<number>, wanted: readonly number[], within: number, what: string): void {
  const size = Math.max(1, ...wanted.map(Math.abs))
  expect(got.length).toBe(wanted.length)
  for (const [i, value] of wanted.entries())
    expect(Math.abs(got[i]! - value), `${what}[${i}]`).toBeLessThanOrEqual(within * size)
}

/** NAME.safetensors, loaded into the network of that name, gives PyTorch's output. */
export async function expectCheckpoint(
  folder: string,
  { name, network, input, output }: CheckpointCase,
): Promise<void> {
  const dtype = name.endsWith('float64') ? 'float64' : 'float32'
  const net = networks[network]!.net(dtype)
  await load(net, join(folder, `${name}.safetensors`))
  const y = net(values(input))
  expect(y.shape).toEqual(output.shape)
  const within = dtype === 'float64' ? 1e-12 : 1e-6
  for (const [i, value] of (await y.data()).entries())
    expect(Math.abs(value - output.data[i]!)).toBeLessThan(within * (1 + Math.abs(output.data[i]!)))
}

/** A model gives PyTorch's outputs at another batch size, compiled and not, and its gradients by parameter. */
export async function expectModel(folder: string, one: ModelCase, file: string): Promise<void> {
  const net = await importOnnx<unknown>(join(folder, `${file}.onnx`))
  const input = values(one.input)
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
}

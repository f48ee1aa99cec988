/**
 * @file Every case of the conformance table that is in inference, exported and run in onnxruntime, against PyTorch's results: each
 * public layer, activation and loss goes out.
 */
import * as onnxruntime from 'onnxruntime-web'
import { beforeAll, describe, expect, test } from 'vitest'
import { exportOnnx, initialize, state, type Tensor, type Variable } from '../../src/index.js'
import { build, exported, type FunctionCase, families, functionCases } from '../conformance/fixture.js'
import { type Call, call, flat, tensorOf } from '../conformance/programs.js'
import { setVariable } from '../support/run.js'

beforeAll(() => {
  onnxruntime.env.wasm.numThreads = 1
  onnxruntime.env.logLevel = 'fatal'
})

function netOf(c: FunctionCase): Call {
  const net = (c.make ? build(c.make, 'float32') : exported(c.row)) as Call & { children?: object }
  if (!net.children) return net
  initialize(net as never, { seed: 1 })
  const variables: ReadonlyMap<string, Variable> = state(net as never)
  for (const [path, values] of Object.entries({ ...c.parameters, ...c.buffers }))
    setVariable(variables.get(path)!, values.data.map(Number))
  return net
}

async function run(c: FunctionCase): Promise<void> {
  const net = netOf(c)
  const inputs = c.inputs.map((values) => tensorOf(values, 'float32'))
  // Options may name inputs, which the call then takes out of the list: all are given, in order.
  const model = await exportOnnx((...given: Tensor[]) => flat(call(net, c, given)), {
    input: inputs,
    dynamicBatch: false,
  })
  const session = await onnxruntime.InferenceSession.create(model)
  const names = inputs.length === 1 ? ['input'] : inputs.map((_, i) => `input_${i}`)
  const feeds: { [name: string]: onnxruntime.Tensor } = {}
  for (const [i, name] of names.entries())
    feeds[name] = new onnxruntime.Tensor(inputs[i]!.dtype as 'float32', (await inputs[i]!.data()) as never, [
      ...inputs[i]!.shape,
    ])
  const results = await session.run(feeds)
  await session.release()
  for (const [i, name] of session.outputNames.entries()) {
    const [got, wanted] = [results[name]!, c.outputs[i]!]
    expect([...got.dims]).toEqual(wanted.shape)
    const numbers = wanted.data.map(Number)
    const size = Math.max(1, ...numbers.map(Math.abs))
    const within = (1e-5 + (c.rounding ?? 0)) * size
    for (const [k, value] of numbers.entries())
      expect(Math.abs(Number((got.data as Float32Array)[k]) - value), `${name}[${k}]`).toBeLessThanOrEqual(within)
  }
}

describe.each(families)('%s', (family) => {
  const cases = functionCases(family).filter(({ training }) => !training)
  test.each(cases.map((c) => [`${c.row}, ${c.name}`, c] as const))('%s', (_, c) => run(c))
})

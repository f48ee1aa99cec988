/**
 * @file Exported networks in onnxruntime, at several batch sizes: in its WebAssembly build always; in Python's, and by
 * onnx.checker, where there is a Python that has onnx and onnxruntime (python.ts).
 */
import { spawnSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as onnxruntime from 'onnxruntime-web'
import { beforeAll, describe, expect, test } from 'vitest'
import { flatten } from '../../src/base/tree.js'
import { compile, exportOnnx, importOnnx, setSeed, Tensor, tensor } from '../../src/index.js'
import { exports } from './exports.js'
import { type PlainArray, plain } from './networks.js'
import { pythonWith } from './python.js'

const python = pythonWith(
  'GRADUS_ONNX_PYTHON',
  ['onnx', 'onnxruntime', 'numpy'],
  'onnx.checker and Python’s onnxruntime',
)
const script = fileURLToPath(new URL('../../scripts/interop/onnx_models.py', import.meta.url))
const isTensor = (value: unknown): value is Tensor => value instanceof Tensor

interface Run {
  readonly inputs: PlainArray[]
  readonly outputs: PlainArray[]
}
interface Case {
  readonly name: string
  readonly within: number
  readonly model: Uint8Array
  readonly runs: Run[]
}
const cases: Case[] = []

beforeAll(async () => {
  onnxruntime.env.wasm.numThreads = 1
  onnxruntime.env.logLevel = 'error'
  setSeed(1)
  for (const [name, { net, inputs, within = 1e-5 }] of Object.entries(exports)) {
    const model = await exportOnnx(net, { input: inputs(2) })
    const step = compile((...tensors: Tensor[]) => net(...tensors) as unknown, {
      training: false,
      engine: 'interpreter',
    })
    const runs: Run[] = []
    for (const batch of [3, 1]) {
      const given = inputs(batch)
      const outputs = flatten<Tensor>(step(...given), isTensor).leaves
      runs.push({ inputs: await Promise.all(given.map(plain)), outputs: await Promise.all(outputs.map(plain)) })
    }
    cases.push({ name, within, model, runs })
  }
})

describe('in onnxruntime', () => {
  for (const name of Object.keys(exports))
    test(name, async () => {
      const { model, runs, within } = cases.find((one) => one.name === name)!
      const session = await onnxruntime.InferenceSession.create(model)
      for (const { inputs, outputs } of runs) {
        const feeds = Object.fromEntries(session.inputNames.map((input, i) => [input, toOnnx(inputs[i]!)]))
        const results = await session.run(feeds)
        expect(session.outputNames).toHaveLength(outputs.length)
        for (const [i, output] of session.outputNames.entries()) {
          const [got, wanted] = [results[output]!, outputs[i]!]
          expect({ dtype: got.type, shape: [...got.dims] }).toEqual({ dtype: wanted.dtype, shape: wanted.shape })
          const size = Math.max(1, ...wanted.data.map(Math.abs))
          const data = got.data as ArrayLike<number>
          expect(data).toHaveLength(wanted.data.length)
          for (const [k, value] of wanted.data.entries())
            expect(Math.abs(Number(data[k]) - value), `${output}[${k}]`).toBeLessThanOrEqual(within * size)
        }
      }
      await session.release()
    })
})

describe('read back here', () => {
  for (const name of Object.keys(exports))
    test(name, async () => {
      const { model, runs, within } = cases.find((one) => one.name === name)!
      const net = await importOnnx<unknown>(model)
      for (const { inputs, outputs } of runs) {
        const given = inputs.map(({ data, shape, dtype }) => tensor(data, { shape, dtype }))
        const results = compile((...tensors: Tensor[]) => flatten<Tensor>(net(...tensors), isTensor).leaves, {
          engine: 'interpreter',
        })(...given)
        expect(results.map(({ dtype, shape }) => ({ dtype, shape }))).toEqual(
          outputs.map(({ dtype, shape }) => ({ dtype, shape })),
        )
        for (const [i, result] of results.entries()) {
          const wanted = outputs[i]!
          const size = Math.max(1, ...wanted.data.map(Math.abs))
          for (const [k, value] of (await result.data()).entries())
            expect(Math.abs(value - wanted.data[k]!), `${i}[${k}]`).toBeLessThanOrEqual(within * size)
        }
      }
    })
})

const toOnnx = ({ dtype, data, shape }: PlainArray): onnxruntime.Tensor =>
  new onnxruntime.Tensor(dtype as 'float32', data as never, shape)

test.skipIf(!python)(
  'by onnx.checker and in Python’s onnxruntime',
  async () => {
    const folder = await mkdtemp(join(tmpdir(), 'gradus-onnx-'))
    try {
      for (const { name, model } of cases) await writeFile(join(folder, `${name}.onnx`), model)
      await writeFile(
        join(folder, 'cases.json'),
        JSON.stringify(cases.map(({ name, within, runs }) => ({ name, within, runs }))),
      )
      const { stdout, stderr } = spawnSync(python!, [script, folder], { encoding: 'utf8' })
      console.log(stdout, stderr)
      expect(stdout.match(/^FAILED.*$/gm) ?? []).toEqual([])
      expect(stdout.match(/^ok /gm)).toHaveLength(cases.length)
    } finally {
      await rm(folder, { recursive: true })
    }
  },
  120_000,
)

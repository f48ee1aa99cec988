/** @file What exported models look like, as text; and what cannot be exported. Their numbers: test/interop/onnx.test.ts. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { exportOnnx, importOnnx, nn, random, state, type Tensor, tensor, zeros } from '../../src/index.js'
import { type Attribute, decodeModel, type GraphMessage, type ValueInfo } from '../../src/io/onnx/proto.js'
import { readTensor } from '../../src/io/onnx/tensors.js'
import { networks } from '../interop/networks.js'

/** A graph as text: a line an input, an initializer, a node, an output. */
function printOnnx(bytes: Uint8Array): string {
  const { graph, opsetImport, irVersion } = decodeModel(bytes)
  const lines = [`ir ${irVersion}, opset ${opsetImport.map(({ domain, version }) => `${domain}${version}`)}`]
  const info = ({ name, type }: ValueInfo) =>
    `${name} : ${type!.tensorType!.elemType}[${type!.tensorType!.shape!.dim.map((d) => d.dimValue ?? d.dimParam)}]`
  const attribute = (a: Attribute) =>
    `${a.name}=${a.type === 1 ? a.f : a.type === 2 ? a.i : a.type === 3 ? new TextDecoder().decode(a.s) : `[${a.ints}]`}`
  const body = ({ input, output, initializer, node }: GraphMessage) => {
    for (const one of input) lines.push(`input ${info(one)}`)
    for (const one of initializer) {
      const { data, shape, dtype } = readTensor(one, 'test')
      // Small whole numbers say what a graph does; weights are random.
      const shown = data.length < 9 && [...data].every((x) => !Number.isFinite(x) || x === Math.round(x * 8) / 8)
      lines.push(`${one.name} = ${one.dataType === 7 ? 'int64' : dtype}[${shape}]${shown ? ` ${[...data]}` : ''}`)
    }
    for (const { opType, input: from, output: to, attribute: attributes } of node)
      lines.push(`${to} = ${[`${opType}(${from.join(', ')})`, ...attributes.map(attribute)].join(' ')}`)
    for (const one of output) lines.push(`output ${info(one)}`)
  }
  body(graph!)
  return `${lines.join('\n')}\n`
}

describe('golden text', () => {
  const golden = async (name: string, net: Parameters<typeof exportOnnx>[0], shape: number[]) => {
    const text = printOnnx(await exportOnnx(net, { input: { shape } }))
    const file = fileURLToPath(new URL(`../fixtures/onnx/${name}.txt`, import.meta.url))
    await expect(text).toMatchFileSnapshot(file)
  }

  test('a classifier of digits: Gemm with the bias, Relu, parameters under their paths', () =>
    golden(
      'digits',
      nn.sequential(nn.flatten(), nn.linear(784, 128), nn.relu, nn.dropout(0.2), nn.linear(128, 10)),
      [1, 28, 28],
    ))
  test('convolution and pooling: Conv with the bias, MaxPool', () =>
    golden(
      'convolution',
      nn.sequential(nn.conv2d(1, 4, 3, { padding: 1 }), nn.relu, nn.maxPool2d(2), nn.flatten(), nn.linear(16, 2)),
      [8, 1, 4, 4],
    ))
  test('layer norm and softmax: reductions that keep their axes, nothing expanded', () =>
    golden('layer-norm', nn.sequential(nn.layerNorm(6), nn.softmax), [2, 5, 6]))
  test('sizes that depend on the batch in two axes', () =>
    golden('batch-twice', (x: Tensor) => x.matmul(x.transpose()).reshape([x.shape[0] as number, -1]), [2, 3]))
})

describe('inputs and outputs', () => {
  test('an example tensor, names, a fixed batch, a file', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'gradus-onnx-'))
    try {
      const file = join(folder, 'sum.onnx')
      const net = (x: Tensor, y: Tensor) => ({ total: x.add(y), parts: [x, y.cast('float32')] })
      const input = [tensor([[1, 2]]), { shape: [1, 2], dtype: 'float32', name: 'other' }] as const
      await exportOnnx(net, { input, file, dynamicBatch: false, outputNames: ['sum', 'first', 'second'] })
      const { inputs, outputs } = await importOnnx(file)
      expect(inputs).toEqual([
        { name: 'input_0', dtype: 'float32', shape: [1, 2] },
        { name: 'other', dtype: 'float32', shape: [1, 2] },
      ])
      expect(outputs.map(({ name }) => name)).toEqual(['sum', 'first', 'second'])
      const again = await importOnnx<object>(await exportOnnx(net, { input }))
      expect(again.outputs.map(({ name, shape }) => [name, shape])).toEqual([
        ['total', ['batch', 2]],
        ['parts.0', ['batch', 2]],
        ['parts.1', ['batch', 2]],
      ])
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  test('a parameter that is used in two places is one initializer; names come back', async () => {
    const twice = nn.linear(3, 3)
    const net = nn.module({ a: twice, b: [twice, nn.linear(3, 2)] }, (m, x: Tensor) => m.b[1](m.b[0](m.a(x))))
    const back = await importOnnx(await exportOnnx(net, { input: { shape: [1, 3] } }))
    const values = (of: Parameters<typeof state>[0]) =>
      new Map([...state(of)].map(([name, v]) => [name, [...v.storage.read()]]))
    expect([...state(net).keys()]).toEqual(['a.weight', 'a.bias', 'b.1.weight', 'b.1.bias'])
    expect(values(back)).toEqual(values(net))
  })
})

describe('parameters of every network come back under their names, with their numbers', () => {
  for (const [name, { net: make, input }] of Object.entries(networks))
    for (const loops of ['scan', 'unrolled'] as const)
      test(`${name}, loops ${loops}`, async () => {
        const net = make()
        const back = await importOnnx(await exportOnnx(net, { input: input(2), loops }))
        const numbers = (of: Parameters<typeof state>[0], trained: boolean) =>
          Object.fromEntries(
            [...state(of)].filter(([, v]) => v.trainable === trained).map(([path, v]) => [path, [...v.storage.read()]]),
          )
        expect(numbers(back, true)).toEqual(numbers(net, true))
        const x = input(3)
        const [got, wanted] = [await back(x).data(), await net(x).data()]
        for (const [i, value] of wanted.entries()) expect(got[i]).toBeCloseTo(value, 5)
      })
})

describe('what cannot be exported says so', () => {
  const fails = (net: Parameters<typeof exportOnnx>[0], options: object, message: RegExp) =>
    expect(exportOnnx(net, options as never)).rejects.toThrow(message)

  test.each<[string, (x: Tensor) => unknown, RegExp]>([
    ['random numbers', (x) => x.add(random.normal(x.shape)), /changes variables in inference.*draws no random numbers/],
    ['no tensor', () => 3, /gives no tensor/],
    ['half of the batch', (x) => x.slice([0], [], [2]), /at batches of 1009, 1013, 2029.*dynamicBatch: false/],
    [
      'as many operations as samples',
      (x) => {
        let y = x
        for (let i = 0; i < (x.shape[0] as number) % 10; i++) y = y.mul(2).sin()
        return y
      },
      /other operations at other batch sizes.*dynamicBatch: false/,
    ],
    [
      'a captured tensor as long as the batch',
      (x) => x.add(tensor(new Float32Array(x.shape[0] as number)).expandDims(1)),
      /depends on the batch/,
    ],
  ])('%s', (_, net, message) => fails(net, { input: { shape: [4, 3] } }, message))

  test('options', async () => {
    const net = nn.linear(3, 2)
    await fails(net, {}, /input 0 is neither a tensor nor/)
    await fails(net, { input: { shape: [1, 3] }, loops: 'while' }, /loops are 'scan' or 'unrolled', not 'while'/)
    await fails(net, { input: [] }, /given no input/)
    await fails(net, { input: { shape: [1, 3] }, fil: 'x' }, /there is no option 'fil'; did you mean 'file'\?/)
    await fails(net, { input: { shape: [1, 3], dtype: 'float16' } }, /no dtype 'float16'/)
    await fails(net, { input: { shape: [1, 4] } }, /takes \[...,3\], got \[1,4\]/)
    await fails(net, { input: { shape: [1, 3] }, outputNames: [] }, /gives 1 outputs, not 0/)
    await fails(net, { input: { shape: [1, 3], name: 'output' } }, /two inputs or outputs are named 'output'/)
    await fails(
      (x: Tensor, y: Tensor) => x.add(y),
      { input: [zeros([2, 3]), zeros([1, 3])] },
      /batches of different sizes/,
    )
  })
})

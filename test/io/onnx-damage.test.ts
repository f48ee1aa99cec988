/** @file ONNX files that are damaged, hostile, or ask for what there is not: clear errors, nothing half done. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  compile,
  exportOnnx,
  FileError,
  GradusError,
  importOnnx,
  nn,
  parameters,
  tensor,
  zeros,
} from '../../src/index.js'
import {
  decodeModel,
  empty,
  encodeModel,
  type Model,
  type NodeMessage,
  type TensorMessage,
} from '../../src/io/onnx/proto.js'
import { writeInt64, writeTensor } from '../../src/io/onnx/tensors.js'

const fixture = (name: string) =>
  readFile(fileURLToPath(new URL(`../fixtures/torch/onnx/${name}.onnx`, import.meta.url)))
const mlp = new Uint8Array(await fixture('mlp'))
const image = new Uint8Array(await fixture('image'))

const node = (opType: string, input: string[], output: string[], more: Partial<NodeMessage> = {}): NodeMessage => ({
  ...empty('Node'),
  opType,
  input,
  output,
  ...more,
})
const info = (name: string, dim: object[], elemType = 1) => ({
  name,
  type: { tensorType: { elemType, shape: { dim } } },
})
/** A model from x: float32[batch,3] to y. */
const model = (nodes: NodeMessage[], initializer: TensorMessage[] = [], change: Partial<Model> = {}): Uint8Array =>
  encodeModel({
    ...empty('Model'),
    opsetImport: [{ domain: '', version: 18 }],
    graph: {
      ...empty('Graph'),
      node: nodes,
      initializer,
      input: [info('x', [{ dimParam: 'batch' }, { dimValue: 3 }])],
      output: [info('y', [])],
    },
    ...change,
  })
const weight = (change: Partial<TensorMessage> = {}): TensorMessage => ({
  ...writeTensor('w', 'float32', [3], Float32Array.of(1, 2, 3)),
  ...change,
})
const fails = (bytes: Uint8Array, message: RegExp) => expect(importOnnx(bytes)).rejects.toThrow(message)

describe('files', () => {
  test('every truncation is a FileError', async () => {
    for (let n = 0; n < mlp.length; n++)
      await expect(importOnnx(mlp.subarray(0, n)), `${n} bytes`).rejects.toThrow(FileError)
  })

  test('changed bytes: an error of ours or a model, and never much memory', async () => {
    const change = fc.record({ at: fc.nat(image.length - 1), to: fc.nat(255) })
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 4 }), async (changes) => {
        const bytes = image.slice()
        for (const { at, to } of changes) bytes[at] = to
        try {
          const net = await importOnnx<unknown>(bytes)
          if (net.inputs.length === 1) net(zeros([1, 3, 13, 12]))
        } catch (error) {
          if (!(error instanceof GradusError)) throw error
        }
      }),
      { numRuns: 400 },
    )
  })

  test('random bytes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (bytes) => {
        await expect(importOnnx(bytes)).rejects.toThrow(FileError)
      }),
      { numRuns: 300 },
    )
  })

  test('nested deeper than any model is', async () => {
    let graph = empty('Graph')
    for (let i = 0; i < 40; i++)
      graph = {
        ...empty('Graph'),
        node: [node('If', ['x'], ['y'], { attribute: [{ ...empty('Attribute'), name: 'g', g: graph }] })],
      }
    await fails(encodeModel({ ...empty('Model'), graph }), /nested too deep/)
  })

  test('a length of 4 GB, a wrong wire type, no file', async () => {
    await fails(Uint8Array.of(0x3a, 0xff, 0xff, 0xff, 0xff, 0x0f, 0), /reaches beyond its message/)
    await fails(Uint8Array.of(0x38, 1), /Model.graph has the wire type 0/)
    await expect(importOnnx('/no/such/model.onnx')).rejects.toThrow(/there is no file/)
    await expect(importOnnx(3 as never)).rejects.toThrow(/takes a path or the bytes/)
  })

  test('what is read is what was written', () => {
    for (const bytes of [mlp, image]) expect(decodeModel(encodeModel(decodeModel(bytes)))).toEqual(decodeModel(bytes))
  })
})

describe('models', () => {
  test('all operators that are not supported, at once', () =>
    fails(
      model([
        node('NonMaxSuppression', ['x'], ['a']),
        node('Loop', ['a'], ['b']),
        node('Loop', ['b'], ['c']),
        node('Relu', ['c'], ['d'], { domain: 'com.acme' }),
        node('Relu', ['d'], ['y']),
      ]),
      /cannot be imported: NonMaxSuppression, Loop \(2 times\), com.acme::Relu\./,
    ))

  test('names, versions, functions', async () => {
    const relu = [node('Relu', ['x'], ['y'])]
    await fails(
      model([node('Relu', ['z'], ['y'], { name: 'first' })]),
      /the node 'first' uses 'z', which nothing before it defines/,
    )
    await fails(model([...relu, ...relu]), /defines 'y' once more/)
    await fails(model([node('Relu', ['x'], ['z'])]), /nothing defines the output 'y'/)
    await fails(model(relu, [weight(), weight()]), /two initializers are named 'w'/)
    await fails(model(relu, [], { opsetImport: [] }), /which version/)
    await fails(
      model(relu, [], { opsetImport: [{ domain: '', version: 6 }] }),
      /version 6 of the operators.*version_converter/,
    )
    await fails(model(relu, [], { functions: [{ name: 'Block', domain: 'local' }] }), /the function local::Block/)
  })

  test('tensors that are not what they say', async () => {
    const add = [node('Add', ['x', 'w'], ['y'])]
    await fails(model(add, [weight({ dims: [2] })]), /'w' holds 3 elements, its shape \[2\] has 2/)
    await fails(model(add, [weight({ dims: [2 ** 40, 2 ** 40] })]), /holds 3 elements/)
    await fails(model(add, [weight({ dims: [-3] })]), /has the shape \[-3\]/)
    await fails(model(add, [weight({ dataType: 8 })]), /has the element type 8; known are float, uint8/)
    await fails(model(add, [weight({ rawData: undefined, floatData: [1, 2] })]), /holds 2 elements/)
    const half = weight({ dataType: 10, rawData: undefined, int32Data: [0x3c00, 0x4000, 0xc200] })
    const net = await importOnnx(model(add, [half]))
    expect(await net(zeros([1, 3])).array()).toEqual([[1, 2, -3]])
  })

  test('inputs that do not fit, shapes that depend on values, attributes that are not supported', async () => {
    const net = await importOnnx(model([node('Reshape', ['x', 'shape'], ['y'])], [writeInt64('shape', [3, -1])]))
    expect((await net(zeros([2, 3]))).shape).toEqual([3, 2])
    expect(() => net(zeros([2, 4]))).toThrow(/takes 'x' float32\[batch,3\]; 'x' is \[2,4\]/)
    expect(() => net(zeros([2, 3]).cast('float64') as never)).toThrow(/'x' is float32, not float64/)
    expect(() => net()).toThrow(/takes 1 tensors, 'x' float32\[batch,3\]; 0 are given/)
    const data = await importOnnx(
      model([
        node('Cast', ['x'], ['s'], { attribute: [{ ...empty('Attribute'), name: 'to', i: 7 }] }),
        node('Expand', ['x', 's'], ['y']),
      ]),
    )
    expect(() => compile(data)(zeros([1, 3]))).toThrow(
      /ONNX Expand: computes its shape from the values of the network’s input, at the node 'y'/,
    )
    const resize = await importOnnx(
      model(
        [
          node('Resize', ['x', '', 's'], ['y'], {
            attribute: [{ ...empty('Attribute'), name: 'mode', s: new TextEncoder().encode('lanczos') }],
          }),
        ],
        [writeTensor('s', 'float32', [2], Float32Array.of(1, 2))],
      ),
    )
    expect(() => resize(zeros([1, 3]))).toThrow(/ONNX Resize: has mode = lanczos; supported is nearest, linear/)
  })
})

describe('names and parameters', () => {
  test('which numbers are parameters, and which of them are trained', async () => {
    const bytes = model(
      [
        node('MatMul', ['x', 'a.weight'], ['h']),
        node('Add', ['h', 'a'], ['i']),
        node('Mul', ['i', 'two'], ['j']),
        node('Clip', ['j', '', 'limit'], ['y']),
      ],
      [
        writeTensor('a.weight', 'float32', [3, 3], new Float32Array(9).fill(1)),
        writeTensor('a', 'float32', [3], Float32Array.of(1, 2, 3)),
        writeTensor('two', 'float32', [1], Float32Array.of(2)),
        writeTensor('limit', 'float32', [], Float32Array.of(13)),
      ],
    )
    const net = await importOnnx(bytes)
    // A name that is a parameter and a module; numbers alone and limits are no parameters.
    expect([...parameters(net).keys()]).toEqual(['a.weight', 'a_'])
    expect(await net(tensor([[1, 1, 1]])).array()).toEqual([[8, 10, 12]])
    const frozen = await importOnnx(bytes, { trainable: /bias$/ })
    expect(parameters(frozen).size).toBe(0)
    await expect(importOnnx(bytes, { trainble: /x/ } as object)).rejects.toThrow(/did you mean 'trainable'/)
  })
})

describe('tensors in files beside the model', () => {
  let folder = ''
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'gradus-external-'))
    await writeFile(join(folder, 'weights.bin'), new Uint8Array(Float32Array.of(9, 1, 2, 3).buffer))
  })
  afterAll(() => rm(folder, { recursive: true }))
  const external = async (entries: Record<string, string>) => {
    const externalData = Object.entries(entries).map(([key, value]) => ({ key, value }))
    const bytes = model(
      [node('Add', ['x', 'w'], ['y'])],
      [weight({ rawData: undefined, dataLocation: 1, externalData })],
    )
    const file = join(folder, 'model.onnx')
    await writeFile(file, bytes)
    return { bytes, file }
  }

  test('are read at their places', async () => {
    const { bytes, file } = await external({ location: 'weights.bin', offset: '4', length: '12' })
    expect(await (await importOnnx(file))(zeros([1, 3])).array()).toEqual([[1, 2, 3]])
    await fails(bytes, /is stored in the file 'weights.bin'.*by its path/)
  })

  test.each<[Record<string, string>, RegExp]>([
    [{ location: '../weights.bin' }, /stored outside the model's folder/],
    [{ location: '/etc/passwd' }, /stored outside the model's folder/],
    [{ location: 'none.bin' }, /there is no file/],
    [{ location: 'weights.bin', offset: '8', length: '12' }, /outside its file of 16 bytes/],
    [{ location: 'weights.bin', offset: '-4', length: '12' }, /outside its file/],
    [{ location: 'weights.bin' }, /holds 4 elements, its shape \[3\] has 3/],
  ])('%j', async (entries, message) => {
    const { file } = await external(entries)
    await expect(importOnnx(file)).rejects.toThrow(message)
  })
})

test('an imported network is exported again', async () => {
  const net = nn.sequential(nn.linear(3, 4), nn.gelu, nn.linear(4, 2))
  const once = await importOnnx(await exportOnnx(net, { input: { shape: [1, 3] } }))
  const twice = await importOnnx(await exportOnnx(once, { input: { shape: [1, 3] } }))
  const x = tensor([[1, -2, 3]])
  expect(await twice(x).array()).toEqual(await once(x).array())
  expect([...parameters(twice).keys()]).toEqual([...parameters(net).keys()])
})

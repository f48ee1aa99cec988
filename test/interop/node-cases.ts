/**
 * @file One case of the onnx package's tests of operators, on the import. In: a model and its data. Out: 'ok', 'unsupported ...',
 * or what went wrong.
 */
import { flatten } from '../../src/base/tree.js'
import { GradusError, importOnnx, Tensor, tensor } from '../../src/index.js'
import { decodeModel } from '../../src/io/onnx/proto.js'
import { readTensor } from '../../src/io/onnx/tensors.js'

const isTensor = (value: unknown): value is Tensor => value instanceof Tensor

export interface Case {
  readonly name: string
  readonly rtol: number
  readonly atol: number
}

/** Cases that cannot be met, and why. */
export const exceptions: { readonly [name: string]: string } = {
  test_training_dropout: 'the outputs are those of another random generator',
  test_training_dropout_default: 'the outputs are those of another random generator',
  test_training_dropout_default_mask: 'the outputs are those of another random generator',
  test_training_dropout_mask: 'the outputs are those of another random generator',
  test_resize_downsample_scales_linear_align_corners:
    'the last element is at a size that is no whole number; onnxruntime and PyTorch round it',
  test_resize_downsample_scales_cubic_align_corners: 'as the one before',
  test_bitwise_not_3d: 'uint16 is held as int32',
}

export async function run({ name, rtol, atol }: Case, model: Uint8Array, data: Uint8Array): Promise<string> {
  const given = decodeModel(data).graph!.initializer
  // What is half precision there is float32 here.
  const more = /16/.test(name) ? 1e-3 : 0
  const values = (kind: string) => given.filter((one) => one.name!.startsWith(kind)).map((one) => readTensor(one, name))
  try {
    const net = await importOnnx<unknown>(model)
    const inputs = values('input').map(({ data, shape, dtype }) => tensor(data, { shape, dtype }))
    const results = flatten<Tensor>(net(...inputs), isTensor).leaves
    for (const [i, wanted] of values('output').entries()) {
      const result = results[i]!
      if (String(result.shape) !== String(wanted.shape))
        return `WRONG ${i}: [${result.shape}] instead of [${wanted.shape}]`
      const got = await result.data()
      for (const [k, w] of wanted.data.entries()) {
        const g = got[k]!
        const near =
          Object.is(g, w) ||
          Math.abs(g - w) <= more + atol + (more + rtol) * Math.abs(w) ||
          (Number.isNaN(g) && Number.isNaN(w))
        if (!near) return `WRONG ${i}[${k}]: ${g} instead of ${w}`
      }
    }
    return 'ok'
  } catch (error) {
    if (!(error instanceof GradusError)) return `CRASHED ${String(error)}`
    return `${/cannot be imported|not supported|supported is|supported are|known are|version \d of the operators|element type/.test(error.message) ? 'unsupported' : 'REFUSED'} ${error.message.slice(0, 300)}`
  }
}

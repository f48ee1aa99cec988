/**
 * @file The networks that go between PyTorch and Gradus, under the names of scripts/fixtures/checkpoints.py, with an input each.
 */
import { type DType, type Module, nn, random, type Tensor } from '../../src/index.js'

export type Net = Module & ((x: Tensor) => Tensor)
export interface Interop {
  readonly net: (dtype?: 'float32' | 'float64') => Net
  readonly input: (batch?: number) => Tensor
}

export const networks: { readonly [name: string]: Interop } = {
  mlp: {
    net: (dtype = 'float32') =>
      nn.sequential(nn.linear(6, 8, { dtype }), nn.tanh, nn.dropout(0.5), nn.linear(8, 3, { dtype })) as Net,
    input: (batch = 4) => random.normal([batch, 6]),
  },
}

/** As the fixtures write arrays. */
export interface PlainArray {
  readonly shape: number[]
  readonly dtype: DType
  readonly data: number[]
}
export const plain = async (t: Tensor): Promise<PlainArray> => ({
  shape: [...t.shape],
  dtype: t.dtype as DType,
  data: [...(await t.data())],
})

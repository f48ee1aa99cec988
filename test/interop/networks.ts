/**
 * @file The networks that go between PyTorch and Gradus, under the names of scripts/fixtures/checkpoints.py, with an input each.
 */
import { type DType, type Module, nn, random, type Tensor } from '../../src/index.js'
import type { AnyFunction } from '../../src/nn/module.js'

export type Net = Module & ((x: Tensor) => Tensor)
export interface Interop {
  readonly net: (dtype?: 'float32' | 'float64') => Net
  readonly input: (batch?: number) => Tensor
}

const residualBlock = () => nn.sequential(nn.linear(6, 6), nn.gelu)

/** A recurrent layer on embedded numbers, of which the last output is read. */
const recurrent = (rnn: AnyFunction, width: number) =>
  nn.module({ embedding: nn.embedding(9, 4), rnn, out: nn.linear(width, 2) }, (m, x: Tensor) => {
    const [outputs] = m.rnn(m.embedding(x as never)) as [Tensor]
    const last = outputs.slice([0, -1]).reshape([x.shape[0] as number, width])
    return m.out(last as never)
  }) as unknown as Net
const numbers = (batch: number) => random.uniform([batch, 6], 0, 9).floor().cast('int32') as Tensor

export const networks: { readonly [name: string]: Interop } = {
  mlp: {
    net: (dtype = 'float32') =>
      nn.sequential(nn.linear(6, 8, { dtype }), nn.tanh, nn.dropout(0.5), nn.linear(8, 3, { dtype })) as Net,
    input: (batch = 4) => random.normal([batch, 6]),
  },
  residual: {
    net: () =>
      nn.module(
        {
          blocks: [residualBlock(), residualBlock()],
          head: nn.module({ norm: nn.layerNorm(6), out: nn.linear(6, 3) }, (m, x: Tensor) => m.out(m.norm(x))),
        },
        (m, x: Tensor) => m.head(m.blocks.reduce<Tensor>((h, block) => h.add(block(h)), x)),
      ) as unknown as Net,
    input: (batch = 4) => random.normal([batch, 6]),
  },
  cnn: {
    net: () =>
      nn.sequential(
        nn.conv2d(2, 4, 3, { padding: 1, bias: false }),
        nn.batchNorm(4),
        nn.relu,
        nn.maxPool2d(2),
        nn.conv2d(4, 6, 3, { stride: 2, groups: 2 }),
        nn.groupNorm(3, 6),
        nn.silu,
        nn.flatten(),
        nn.linear(6, 5),
      ) as unknown as Net,
    input: (batch = 2) => random.normal([batch, 2, 8, 8]),
  },
  gru: { net: () => recurrent(nn.gru(4, 5, { layers: 2 }), 5), input: (batch = 3) => numbers(batch) },
  lstm: { net: () => recurrent(nn.lstm(4, 5, { bidirectional: true }), 10), input: (batch = 3) => numbers(batch) },
  transformer: {
    net: () => nn.transformerEncoderLayer(8, 2, { feedForward: 12, activation: nn.gelu }) as unknown as Net,
    input: (batch = 2) => random.normal([batch, 5, 8]),
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

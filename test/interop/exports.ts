/**
 * @file What is exported and run elsewhere: networks, and each operation of the graph language by itself. In: a batch size.
 * Out: inputs for a function of tensors whose first axis is the batch.
 */

import * as ops from '../../src/graph/ops.js'
import {
  concatenate,
  gather,
  nn,
  random,
  scan,
  stack,
  type Tensor,
  tensor,
  variable,
  where,
  zeros,
} from '../../src/index.js'
import type { AnyFunction } from '../../src/nn/module.js'
import { record } from '../../src/trace/tensor.js'
import { networks } from './networks.js'

export interface Export {
  readonly net: AnyFunction
  readonly inputs: (batch: number) => Tensor[]
  /** Relative to the greatest output; 1e-5 unless said otherwise. */
  readonly within?: number
}

const floats =
  (...rest: number[]) =>
  (batch: number) => [random.normal([batch, ...rest])]
const whole = (low: number, high: number, ...rest: number[]) => random.uniform(rest, low, high).floor().cast('int32')
const wholes =
  (low: number, high: number, ...rest: number[]) =>
  (batch: number) => [whole(low, high, batch, ...rest)]

const layer = (width: number, bias = true) => nn.linear(width, width, { bias })
const table = variable(random.normal([7, 3]), { trainable: true })
const captured = random.normal([4, 5])

const kernel = random.normal([6, 2, 3, 3])
const window = { axes: [2, 3], sizes: [2, 3], strides: [2, 1], dilations: [1, 1] }

/** Functions of an image [batch, 4, 6, 7]. */
const images: { readonly [name: string]: (x: Tensor) => unknown } = {
  convolution: (x) =>
    record([x, kernel], (a, w) =>
      ops.convolution(a!, w!, { strides: [2, 1], low: [1, 0], high: [2, -1], dilations: [1, 2], groups: 2 }),
    ),
  convolutionAndBias: (x) =>
    record([x, kernel], (a, w) =>
      ops.convolution(a!, w!, { strides: [1, 1], low: [-1, 1], high: [0, 1], dilations: [1, 1], groups: 2 }),
    ).add(tensor([1, 2, 3, 4, 5, 6]).reshape([6, 1, 1])),
  maxPool: (x) =>
    record([x], (a) =>
      ops.reduce('maximum', ops.windows(ops.pad(a!, [0, 0, 1, 1], [0, 0, 1, 1], -Infinity), window), [4, 5]),
    ),
  sumPool: (x) => record([x], (a) => ops.reduce('sum', ops.windows(a!, window), [4, 5])),
  minPool: (x) => record([x], (a) => ops.reduce('minimum', ops.windows(a!, { ...window, dilations: [3, 2] }), [4, 5])),
  poolOfRows: (x) =>
    record([x], (a) =>
      ops.reduce('maximum', ops.windows(a!, { axes: [3], sizes: [3], strides: [2], dilations: [1] }), [4]),
    ),
  windows: (x) => record([x], (a) => ops.windows(a!, { ...window, axes: [1, 3], dilations: [2, 1] })),
  interior: (x) => record([x], (a) => ops.pad(a!, [0, 0, 1, 0], [0, 0, 0, 2], 7, [0, 0, 1, 2])),
}

/** Functions of one float tensor [batch, 4, 5]. */
const functions: { readonly [name: string]: (x: Tensor) => unknown } = {
  unary: (x) => [
    x.neg(),
    x.abs(),
    x.floor(),
    x.round(),
    x.sin(),
    x.cos(),
    x.tanh(),
    x.erf(),
    x.exp(),
    x.sign(),
    x.ceil(),
  ],
  positive: (x) => [x.abs().log(), x.abs().sqrt(), x.expm1(), x.abs().log1p(), x.abs().pow(1.3), x.clip(-0.5, 0.25)],
  binary: (x) => [x.add(1), x.sub(x.mul(2)), x.div(x.square().add(1)), x.maximum(0.1), x.minimum(x.neg())],
  compare: (x) => [x.less(0), x.lessEqual(0), x.greater(0), x.greaterEqual(0), x.equal(x), x.notEqual(x.abs())],
  logic: (x) => [
    x.less(0).and(x.greater(-1)),
    x.less(0).or(x.greater(1)),
    x.less(0).not(),
    where(x.less(0), x, x.mul(3)),
  ],
  bools: (x) => [
    where(x.less(0), x.greater(-1), x.less(2)),
    x.less(0).less(x.greater(-1)),
    x.less(0).maximum(x.less(1)),
    x.less(0).max(2),
  ],
  convert: (x) => [
    x.cast('int32'),
    x.cast('bool'),
    x.cast('int32').cast('float32').div(2),
    x.mul(9).cast('int32').mul(3),
  ],
  broadcast: (x) =>
    x
      .add(tensor([1, 2, 3, 4, 5]))
      .mul(tensor([[1], [2], [3], [4]]))
      .add(x.sum([1, 2], { keepAxes: true })),
  broadcastAll: (x) => [zeros([4, 5]).add(2).add(x), x.mul(0).add(tensor([[[1]]])), captured.broadcastTo(x.shape)],
  constants: (x) => zeros([x.shape[0] as number, 3]),
  iota: (x) =>
    x
      .mul(0)
      .add(tensor([0, 1, 2, 3, 4]))
      .argmax(-1),
  reduce: (x) => [x.sum(2), x.sum([1, 2]), x.max(1), x.min(2, { keepAxes: true }), x.mean([0]), x.sum(), x.variance(2)],
  shape: (x) => [
    x.flatten(1),
    x.reshape([-1, 10]),
    x.reshape([x.shape[0] as number, 5, 4]),
    x.expandDims(1),
    x.reshape([-1]),
  ],
  transpose: (x) => [x.transpose(), x.transpose([1, 0, 2]), x.transpose([1, 0, 2]).reshape([4, -1])],
  slice: (x) => [
    x.slice([0, 1], [x.shape[0] as number, 3]),
    x.slice([0, 0, 1], [], [1, 1, 2]),
    x.slice([1]),
    x.slice([0], [-1]),
  ],
  pad: (x) => [x.pad([0, 1, 0], [0, 0, 2], -1), x.pad([1, 0, 0], [0, 0, 0])],
  join: (x) => [
    concatenate([x, x.mul(2)], 1),
    concatenate([x, x], 0),
    stack([x, x.neg()], 1),
    x.reverse([1, 2]),
    x.reverse(0),
  ],
  gather: (x) => [gather(table.value, x.cast('int32')), gather(x, tensor(Int32Array.of(1, 0, 99)))],
  oneHot: (x) => x.abs().mul(3).cast('int32').oneHot(6),
  products: (x) => [
    x.matmul(captured.transpose()),
    x.matmul(x.transpose()),
    tensor([[1, 2, 3, 4]]).matmul(x),
    x
      .reshape([-1, 20])
      .transpose()
      .matmul(x.reshape([-1, 20])),
    x
      .sum(1)
      .matmul(captured.transpose())
      .add(tensor([1, 2, 3, 4])),
    x.sum([0, 1]).matmul(captured.transpose()),
  ],
  softmax: (x) => [nn.softmax(x), nn.logSoftmax(x, { axis: 1 }), x.logSumExp(2)],
  activations: (x) => [
    ...[nn.relu, nn.leakyRelu, nn.elu, nn.gelu, nn.silu, nn.sigmoid, nn.softplus, nn.relu6, nn.selu, nn.mish].map((f) =>
      f(x),
    ),
    nn.gelu(x, { approximate: 'tanh' }),
    nn.hardSwish(x),
  ],
}

export const exports: { readonly [name: string]: Export } = {
  ...Object.fromEntries(Object.entries(images).map(([name, net]) => [name, { net, inputs: floats(4, 6, 7) }])),
  cumulativeSum: {
    net: (x: Tensor) => [
      record([x], (a) => ops.cumulativeSum(a!, 1)),
      record([x], (a) => ops.cumulativeSum(a!, 2, true, true)),
      record([x], (a) => ops.cumulativeSum(a!, 0)),
    ],
    inputs: floats(3, 4),
  },
  argsort: {
    net: (x: Tensor) => [
      record([x], (a) => ops.argsort(a!, 1)),
      record([x.round()], (a) => ops.argsort(a!, 1, true)),
      record([x], (a) => ops.argsort(a!, 0)),
    ],
    inputs: floats(9),
  },
  scatterAdd: {
    net: (x: Tensor) => [
      record(
        [
          tensor([
            [1, 2],
            [3, 4],
            [5, 6],
          ]),
          x.cast('int32'),
          x.expandDims(2).mul(tensor([1, 2])),
        ],
        (a, n, u) => ops.scatterAdd(a!, n!, u!),
      ),
      record([x, tensor(Int32Array.of(0, 0, 99)), x.slice([0], [1]).broadcastTo([3, 4])], (a, n, u) =>
        ops.scatterAdd(a!, n!, u!),
      ),
    ],
    inputs: floats(4),
  },
  norms: {
    net: nn.sequential(
      nn.layerNorm(5),
      nn.rmsNorm(5),
      nn.sequential(nn.groupNorm(2, 4), nn.batchNorm(4)) as AnyFunction,
    ),
    inputs: floats(4, 5),
  },
  ...Object.fromEntries(Object.entries(functions).map(([name, net]) => [name, { net, inputs: floats(4, 5) }])),
  ...Object.fromEntries(
    Object.entries(networks).map(([name, { net, input }]) => [
      name,
      { net: net(), inputs: (batch: number) => [input(batch)] },
    ]),
  ),
  linear: { net: layer(5), inputs: floats(5) },
  linearOfStacks: { net: layer(5), inputs: floats(4, 5) },
  linearWithoutBias: { net: layer(5, false), inputs: floats(5) },
  upAgain: {
    net: nn.sequential(
      nn.convTranspose2d(4, 6, 3, { stride: 2, padding: 1, outputPadding: 1 }),
      nn.prelu({ channels: 6 } as object),
      nn.upsample2d({ scaleFactor: 2 }),
      nn.conv2d(6, 2, 3, { padding: 'same', dilation: 2 }),
      nn.averagePool2d(2, { padding: 1 }),
    ) as AnyFunction,
    inputs: floats(4, 3, 4),
  },
  pools: {
    net: (x: Tensor) => [
      nn.maxPool2d(3, { stride: 2, padding: 1, dilation: 2 })(x),
      nn.averagePool2d(3, { stride: 2, padding: 1, countIncludePad: false })(x),
      nn.adaptiveAveragePool2d([3, 1])(x),
      nn.globalAveragePool2d()(x),
    ],
    inputs: floats(2, 7, 8),
  },
  language: {
    net: (() => {
      const attention = nn.multiHeadAttention(8, 2, { rotary: true, causal: true } as object)
      return nn.module(
        { token: nn.embedding(11, 8), position: nn.learnedPositions(6, 8), attention, head: nn.linear(8, 11) },
        (m, x: Tensor) => m.head(m.attention(m.position(m.token(x) as never)) as never),
      ) as unknown as AnyFunction
    })(),
    inputs: wholes(0, 11, 5),
  },
  loops: {
    net: (x: Tensor) => {
      const weights = tensor([
        [0.5, -1, 0.25],
        [1, 0.5, -0.5],
        [0.25, 1, 0.5],
      ])
      const steps = x.transpose([1, 0, 2])
      const [last, all] = scan(
        (h: Tensor, slice: Tensor) => {
          const next = h.matmul(weights).add(slice).add(x.sum(1)).tanh()
          return [next, next.mul(2)] as const
        },
        zeros([x.shape[0] as number, 3]) as Tensor,
        steps as Tensor,
      )
      const [, back] = scan(
        (h: Tensor, slice: Tensor) => [h.add(slice), h] as const,
        x.sum(1) as Tensor,
        steps as Tensor,
        { reverse: true },
      )
      const [power] = scan((h: Tensor) => [h.mul(1.5), undefined] as const, x.sum(1) as Tensor, undefined, {
        length: 3,
      })
      const [inBatch] = scan(
        (h: Tensor, slice: Tensor) => [h.add(slice), undefined] as const,
        zeros([4, 3]) as Tensor,
        x,
      )
      return [last, all, back, power, inBatch]
    },
    inputs: floats(4, 3),
  },
  shared: {
    net: (() => {
      const twice = nn.linear(5, 5)
      return nn.sequential(twice, nn.relu, twice)
    })(),
    inputs: floats(5),
  },
  digits: {
    net: nn.sequential(nn.flatten(), nn.linear(36, 8), nn.relu, nn.dropout(0.2), nn.linear(8, 3), nn.softmax),
    inputs: floats(6, 6),
  },
  bytes: {
    net: (x: Tensor) => x.cast('float32').div(255).sum(1),
    inputs: (batch) => [whole(0, 256, batch, 3).cast('uint8')],
  },
  indices: { net: (x: Tensor) => gather(table.value, x), inputs: wholes(0, 7, 2) },
  several: {
    net: (x: Tensor, y: Tensor) => ({ sum: x.add(y), parts: [x.sub(y), x] }),
    inputs: (batch) => [random.normal([batch, 3]), random.normal([batch, 3])],
  },
}

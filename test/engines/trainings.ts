/**
 * @file Trainings for the bit matrix: the benchmark's workloads, in shapes small enough for the interpreter that still cross
 * tiles, panels, lanes and segments. In: a network, a loss, an optimizer. Out: a traced step, as data.
 */
import type { DType, TypedArray } from '../../src/base/dtype.js'
import type { Shape } from '../../src/base/shape.js'
import type { Graph } from '../../src/graph/node.js'
import {
  backpropagate,
  einsum,
  gather,
  initialize,
  loss,
  nn,
  optim,
  remat,
  scan,
  scatterAdd,
  Tensor,
  tensor,
  variable,
  vmap,
  zeros,
} from '../../src/index.js'
import type { Updates } from '../../src/lower/lower.js'
import type { ModuleParts } from '../../src/nn/module.js'
import type { OptimizerSpec } from '../../src/optim/optimizer.js'
import { RandomGenerator } from '../../src/trace/random.js'
import { Trace } from '../../src/trace/trace.js'
import { leafValues, TensorValue } from '../../src/trace/value.js'

export interface Traced {
  readonly graph: Graph
  readonly updates: Updates
  /** Of each input that is no argument: its first values. */
  readonly initial: readonly ({ readonly dtype: DType; readonly data: TypedArray } | undefined)[]
  /** How many of the outputs are results. */
  readonly results: number
}

export interface Training {
  readonly name: string
  trace(): Traced
  /** The arguments of each step. */
  steps(count: number): TypedArray[][]
}

interface Parts {
  readonly name: string
  readonly net: () => unknown
  readonly loss: (output: Tensor, target: Tensor) => Tensor
  readonly optimizer: OptimizerSpec
  /** Whether a moving average of the parameters is kept. */
  readonly averaged?: boolean
  readonly input: Shape
  /** Labels of so many classes, or numbers of this shape. */
  readonly target: number | Shape
  /** Samples that the program holds: arguments are their numbers, and are taken beyond the last one too. */
  readonly held?: number
}

const wave = (length: number, from: number) => Float32Array.from({ length }, (_, i) => Math.sin(1.7 * i + 0.3 * from))
const size = (shape: Shape) => shape.reduce((n, extent) => n * extent, 1)

export function training(parts: Parts): Training {
  const [batch] = parts.input as readonly [number]
  const targets = (count: number, from: number): TypedArray =>
    typeof parts.target === 'number'
      ? Int32Array.from({ length: count }, (_, i) => (i * i + from) % (parts.target as number))
      : wave(count * (size(parts.target) / batch), from + 50)
  const types = parts.held
    ? [{ dtype: 'int32', shape: [batch] } as const]
    : [
        { dtype: 'float32', shape: parts.input } as const,
        typeof parts.target === 'number'
          ? ({ dtype: 'int32', shape: [batch] } as const)
          : ({ dtype: 'float32', shape: parts.target } as const),
      ]
  return {
    name: parts.name,
    trace() {
      const net = parts.net() as ModuleParts & ((x: Tensor) => Tensor)
      initialize(net, { seed: 3 })
      const optimizer = parts.optimizer.init(net)
      const average = parts.averaged && optim.exponentialMovingAverage(net, { decay: 0.9, warmup: true })
      const width = size(parts.input) / batch
      const samples = parts.held ?? 0
      const bytes = Uint8Array.from({ length: samples * width }, (_, i) => (i * 37) % 251)
      const held = variable(tensor(bytes, { shape: [samples, ...parts.input.slice(1)] }))
      const labels = variable(tensor(targets(samples, 0) as Int32Array<ArrayBuffer>, { shape: [samples] }))
      const trace = new Trace({ training: true, random: new RandomGenerator(11) })
      const traced = trace.record(() => {
        const [first, second] = types.map(({ dtype, shape }) => new Tensor(trace.argument(dtype, shape), trace))
        const x = parts.held
          ? gather(held.value, first as Tensor)
              .cast('float32')
              .mul(1 / 250)
          : first!
        const y = parts.held ? gather(labels.value, first as Tensor) : second!
        const error = parts.loss(net(x as Tensor), y as Tensor)
        const changed = optimizer.update(backpropagate(error as never, net))
        if (average) average.update(changed)
        return [TensorValue.nodeOf(error)]
      })
      const inputs = new Map(
        traced.bindings.flatMap((binding, i) => (binding.kind === 'variable' ? [[binding.variable, i] as const] : [])),
      )
      return {
        graph: traced.graph,
        updates: new Map(traced.updates.map((one, i) => [traced.results + i, inputs.get(one)!])),
        initial: traced.bindings.map((binding) => {
          if (binding.kind === 'argument') return undefined
          if (binding.kind === 'variable')
            return { dtype: binding.variable.dtype, data: binding.variable.storage.read() }
          return { dtype: binding.leaf.type.dtype, data: leafValues(binding.leaf).slice() as TypedArray }
        }),
        results: traced.results,
      }
    },
    steps: (count) =>
      Array.from({ length: count }, (_, i) => {
        const { held } = parts
        return held
          ? [Int32Array.from({ length: batch }, (_, j) => ((j * 7 + i * 13) % (held + 6)) - 3)]
          : [wave(size(parts.input), i), targets(batch, i)]
      }),
  }
}

export const trainings: readonly Training[] = [
  training({
    name: 'W1: tanh, squared error, SGD',
    net: () => nn.sequential(nn.linear(13, 32), nn.tanh, nn.linear(32, 1)),
    loss: loss.meanSquaredError as never,
    optimizer: optim.sgd({ learningRate: 0.01 }),
    input: [16, 13],
    target: [16, 1],
  }),
  training({
    name: 'W2: ReLU, cross-entropy, Adam',
    net: () => nn.sequential(nn.linear(67, 41), nn.relu, nn.linear(41, 24), nn.relu, nn.linear(24, 10)),
    loss: loss.crossEntropy as never,
    optimizer: optim.adam({ learningRate: 0.001 }),
    input: [32, 67],
    target: 10,
  }),
  training({
    name: 'W3: deeper, k over one segment, dropout, clipping, decay',
    net: () =>
      nn.sequential(nn.linear(530, 37), nn.relu, nn.dropout(0.2), nn.linear(37, 40), nn.relu, nn.linear(40, 10)),
    loss: loss.crossEntropy as never,
    optimizer: optim.chain(optim.clipByGlobalNorm(0.5), optim.adamW({ learningRate: 0.01, weightDecay: 0.05 })),
    input: [9, 530],
    target: 10,
  }),
  training({
    name: 'a batch over one segment, momentum, L1',
    net: () => nn.sequential(nn.linear(5, 7), nn.sigmoid, nn.linear(7, 2)),
    loss: loss.meanAbsoluteError as never,
    optimizer: optim.momentum({ learningRate: 0.05 }),
    input: [600, 5],
    target: [600, 2],
  }),
  training({
    name: 'bytes gathered by number, GELU, Adagrad',
    net: () => nn.sequential(nn.linear(70, 33), nn.gelu, nn.linear(33, 17)),
    loss: loss.crossEntropy as never,
    optimizer: optim.adagrad({ learningRate: 0.01 }),
    input: [21, 70],
    target: 17,
    held: 50,
  }),
  training({
    name: 'W4: convolutions, padded and strided, max pooling, Adam',
    net: () =>
      nn.sequential(
        nn.conv2d(2, 5, 3, { padding: 1 }),
        nn.relu,
        nn.maxPool2d(2),
        nn.conv2d(5, 19, [3, 2], { stride: [2, 1] }),
        nn.relu,
        nn.flatten(),
        nn.linear(19 * 3, 10),
      ),
    loss: loss.crossEntropy as never,
    optimizer: optim.adam({ learningRate: 0.001 }),
    input: [3, 2, 7, 9],
    target: 10,
  }),
  training({
    name: 'depthwise, dilated, k over one segment, overlapping pools, momentum',
    net: () =>
      nn.sequential(
        nn.conv2d(33, 33, 2, { groups: 33, padding: 'same' }),
        nn.maxPool2d([2, 3], { stride: 1, padding: [0, 1] }),
        nn.conv2d(33, 5, 4, { padding: [3, 2], dilation: [2, 1] }),
        nn.averagePool2d(3, { stride: 2, padding: 1, countIncludePad: false }),
        nn.gelu,
        nn.globalAveragePool2d(),
        nn.linear(5, 5),
      ),
    loss: loss.crossEntropy as never,
    optimizer: optim.momentum({ learningRate: 0.05 }),
    input: [2, 33, 5, 4],
    target: 5,
  }),
  training({
    name: 'transposed, in groups, upsampled, adaptive pools, SGD',
    net: () =>
      nn.sequential(
        nn.convTranspose2d(4, 6, [2, 3], { stride: 2, groups: 2, outputPadding: [1, 0] }),
        nn.tanh,
        nn.upsample2d({ size: [7, 9], mode: 'bilinear' }),
        nn.adaptiveMaxPool2d([4, 3]),
        nn.conv2d(6, 3, 2, {
          padding: [
            [1, 0],
            [0, 1],
          ],
          bias: false,
        }),
        nn.upsample2d({ scaleFactor: 2 }),
      ),
    loss: loss.meanSquaredError as never,
    optimizer: optim.sgd({ learningRate: 0.05 }),
    input: [2, 4, 3, 3],
    target: [2, 3, 8, 6],
  }),
  training({
    name: 'Muon for matrices, wide and tall, AdamW for biases',
    net: () => nn.sequential(nn.linear(19, 11), nn.gelu, nn.linear(11, 23)),
    loss: loss.crossEntropy as never,
    optimizer: optim.muon({ learningRate: 0.02, others: optim.adamW({ learningRate: 0.003 }) }),
    input: [13, 19],
    target: 23,
  }),
  training({
    name: 'gradients of three batches, groups by a schedule, a moving average',
    net: () => nn.sequential(nn.linear(21, 14), nn.relu, nn.linear(14, 10)),
    loss: loss.crossEntropy as never,
    optimizer: optim.chain(
      optim.clipByGlobalNorm(0.5),
      optim.accumulate(
        3,
        optim.adam({
          learningRate: optim.schedules.cosine({ learningRate: 0.02, steps: 20 }),
          groups: [
            { match: /bias/, freeze: true },
            { match: /^2/, learningRateFactor: 0.3, weightDecay: 0.1 },
          ],
        }),
      ),
    ),
    averaged: true,
    input: [7, 21],
    target: 10,
  }),
  training({
    name: 'batch and group norm, dropped channels, running statistics, PReLU, AdamW',
    net: () =>
      nn.sequential(
        nn.batchNorm(6),
        nn.prelu({ channels: 6 }),
        nn.dropout2d(0.3),
        nn.groupNorm(2, 6),
        nn.flatten(),
        nn.linear(78, 33),
        nn.batchNorm(33, { momentum: 'cumulative' }),
        nn.layerNorm(33),
        nn.glu.with({ axis: 0 }),
        nn.linear(33, 10),
      ),
    loss: ((output: Tensor, target: Tensor) => loss.crossEntropy(output, target.slice([0], [4]) as never)) as never,
    optimizer: optim.adamW({ learningRate: 0.01 }),
    input: [8, 6, 13],
    target: 10,
  }),
  training({
    name: 'W5: embedding, positions, causal transformer of grouped and turned heads, padding, Adam',
    net: () =>
      nn.module(
        {
          words: nn.embedding(11, 20, { paddingIndex: 0 }),
          positions: nn.learnedPositions(19, 20),
          first: nn.transformerEncoderLayer(20, 4, {
            feedForward: 37,
            normFirst: true,
            activation: nn.gelu,
            causal: true,
          }),
          second: nn.transformerEncoderLayer(20, 2, { feedForward: 24, keyValueHeads: 1, rotary: true }),
          norm: nn.rmsNorm(20),
          head: nn.linear(20, 11),
        },
        (m, x: Tensor) => {
          const ids: Tensor = x.add(1).mul(5).cast('int32')
          const h: Tensor = m.second(m.first(m.positions(m.words(ids)) as Tensor) as Tensor, {
            keyMask: ids.notEqual(0),
          })
          return m.head(m.norm(h)).mean(1)
        },
      ),
    loss: loss.crossEntropy as never,
    optimizer: optim.adam({ learningRate: 0.01 }),
    input: [2, 11],
    target: 11,
  }),
  training({
    name: 'sorted, summed along, scattered, contracted by letters, one sample at a time, computed again, AdamW',
    net: () =>
      nn.module({ first: nn.linear(11, 37), head: nn.linear(37, 7) }, (m, x: Tensor) => {
        const again = remat((x: Tensor) => m.first(x).tanh())
        const y: Tensor = again(again(x).slice([0, 0], [9, 11]))
        const along = y
          .sort(0)
          .cumsum(1)
          .mul(0.1)
          .add(y.sort(1, { descending: true }).cumsum(0, { exclusive: true }))
        const rows = scatterAdd(along, y.argmax(1), y.topK(37, { largest: false }).values)
        const alone = vmap((row: Tensor) => row.sub(row.mean()).mul(row.square().sum().sqrt()))(rows)
        return m.head(
          einsum('bi,ij,bj->bi', alone, einsum('bi,bj->ij', y, y).tanh(), y)
            .mul(0.01)
            .add(y),
        )
      }),
    loss: loss.crossEntropy as never,
    optimizer: optim.adamW({ learningRate: 0.01 }),
    input: [9, 11],
    target: 7,
  }),
  training({
    name: 'W6: two layers of GRU, dropout between them, Adam',
    net: () =>
      nn.module({ gru: nn.gru(9, 21, { layers: 2, dropout: 0.2 }), head: nn.linear(21, 10) }, (m, x: Tensor) =>
        m.head(
          m
            .gru(x as never)[0]
            .slice([0, 6])
            .reshape([5, 21]),
        ),
      ),
    loss: loss.crossEntropy as never,
    optimizer: optim.adam({ learningRate: 0.01 }),
    input: [5, 7, 9],
    target: 10,
  }),
  training({
    name: 'LSTM in both directions, a loop in a loop with dropout, a loop over all steps but the last, clipping, SGD',
    net: () =>
      nn.module(
        { lstm: nn.lstm(6, 17, { bidirectional: true }), mix: nn.linear(34, 34), drop: nn.dropout(0.3) },
        (m, x: Tensor) => {
          const [, state] = m.lstm(x.slice([0, 0], [3, 4]) as never)
          const [outputs] = m.lstm(x as never, state)
          const [last] = scan(
            (h: Tensor, row: Tensor) => {
              const [inner, kept] = scan(
                (g: Tensor, one: Tensor) => [g.add(m.drop(m.mix(one.expandDims(0)).squeeze([0]).mul(g))).tanh(), g],
                h,
                row,
              )
              return [inner.add(kept.mean(0)), undefined] as const
            },
            zeros([34]) as Tensor,
            outputs as Tensor,
            { reverse: true },
          )
          return last.reshape([17, 2])
        },
      ),
    loss: loss.meanSquaredError as never,
    optimizer: optim.chain(optim.clipByGlobalNorm(0.3), optim.momentum({ learningRate: 0.1 })),
    input: [3, 5, 6],
    target: [17, 2],
  }),
]

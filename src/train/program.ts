/**
 * @file The programs of training and of evaluation, and what reads their results. In: network, loss, metrics, data.
 * Out: compiled functions of a batch as it is stored: bytes are cast and scaled inside the program.
 */
import { describeValue } from '../base/describe.js'
import { type DType, isFloat } from '../base/dtype.js'
import { ShapeError, ValueError } from '../base/errors.js'
import { isPlainOptions } from '../base/options.js'
import { formatShape, type Shape, sameShape } from '../base/shape.js'
import type { Dataset, Samples } from '../data/column.js'
import { batchShape, converted, convertedTensor, isScaled, valueType } from '../data/source.js'
import type { Sentinel, Watching } from '../diagnosis/sentinel.js'
import { topological } from '../graph/node.js'
import type { StoredTensor } from '../io/safetensors.js'
import { asMetric, type Metric, MetricTotal, type Sums } from '../metrics/metric.js'
import { backpropagate } from '../nn/backpropagate.js'
import type { ParameterAverage } from '../optim/average.js'
import type { Optimizer } from '../optim/optimizer.js'
import { type Compiled, compile, compileWatched } from '../step.js'
import type { RandomGenerator } from '../trace/random.js'
import { withStage } from '../trace/scope.js'
import { leaf, Tensor } from '../trace/tensor.js'
import { Trace } from '../trace/trace.js'
import { evaluateTensor, TensorValue } from '../trace/value.js'
import type { PartState } from './checkpoint-parts.js'
import type { Feed } from './feed.js'
import type { Loss, Metrics, Net, Scores } from './types.js'

/** What a program gives for a batch. */
export interface BatchResult {
  readonly loss?: Tensor
  readonly sums: { readonly [metric: string]: { readonly [name: string]: Tensor } }
  /** For metrics that collect samples. */
  readonly output?: Tensor
  readonly target?: Tensor
}
/** Takes a batch as it is stored: input, target, and sample weights if there are some. */
export type BatchProgram = Compiled<readonly Tensor[], BatchResult>

/** Metrics by name, in order; functions have become metrics. */
export function metricsOf(operation: string, metrics: Metrics = {}): ReadonlyMap<string, Metric> {
  if (!isPlainOptions(metrics))
    throw new ValueError(operation, `the metrics are ${describeValue(metrics)}, not an object`, {
      hint: 'Each has a name: metrics: { accuracy: metrics.accuracy }.',
    })
  return new Map(
    Object.entries(metrics).map(([name, metric]) => {
      if (name === 'loss') throw new ValueError(operation, "a metric cannot be named 'loss'", { hint: 'Rename it.' })
      if (typeof metric !== 'function' && typeof metric?.compute !== 'function')
        throw new ValueError(operation, `'${name}' is no metric`, {
          hint: 'Take one of metrics, such as metrics.accuracy, or a function (output, target) => a scalar.',
        })
      return [name, asMetric(name, metric)]
    }),
  )
}

/** The four stages: forward propagation, error computation, backpropagation, parameter update. It takes what `feed` gives. */
export function trainingProgram(
  net: Net,
  data: Dataset,
  feed: Pick<Feed, 'stored'>,
  loss: Loss,
  optimizer: Optimizer,
  metrics: ReadonlyMap<string, Metric>,
  random: RandomGenerator,
  average?: ParameterAverage,
): BatchProgram {
  return watchedProgram(net, data, feed, loss, optimizer, metrics, random, average, undefined).step
}

/** The same, watched: that it stays finite, and what its layers do. */
export function watchedProgram(
  net: Net,
  data: Dataset,
  feed: Pick<Feed, 'stored'>,
  loss: Loss,
  optimizer: Optimizer,
  metrics: ReadonlyMap<string, Metric>,
  random: RandomGenerator,
  average: ParameterAverage | undefined,
  watching: (Watching & { readonly gradients?: boolean }) | undefined,
): { readonly step: BatchProgram; readonly sentinel: Sentinel | undefined } {
  return compileWatched(
    (...batch: readonly Tensor[]) => {
      const { error, result } = forward(net, data, loss, metrics, feed.stored(batch))
      const changed = optimizer.update(backpropagate(error!, optimizer.parameters))
      average?.update(changed)
      return result
    },
    { training: true, random },
    watching,
  )
}

/** Forward propagation and scores, in inference mode. */
export function evaluationProgram(
  net: Net,
  data: Dataset,
  loss: Loss | undefined,
  metrics: ReadonlyMap<string, Metric>,
): BatchProgram {
  return compile((...batch: readonly Tensor[]) => forward(net, data, loss, metrics, batch).result, { training: false })
}

function forward(
  net: Net,
  data: Dataset,
  loss: Loss | undefined,
  metrics: ReadonlyMap<string, Metric>,
  [input, target, weight]: readonly Tensor[],
): { error: Tensor | undefined; result: BatchResult } {
  const output = net(netInput(net, input!, data.input))
  const values = targetFor(output, convertedTensor(target!, data.target, 'target'))
  const error = loss && withStage('error computation', () => errorOf(loss, output, values, weight))
  const sums: { [metric: string]: { readonly [name: string]: Tensor } } = {}
  let collects = false
  for (const [name, metric] of metrics) {
    if (metric.collect) collects = true
    else sums[name] = metric.update(output, values)
  }
  return {
    error,
    result: { ...(error ? { loss: error } : {}), sums, ...(collects ? { output, target: values } : {}) },
  }
}

/** A stored batch as the network takes it: scaled, and in the dtype the network computes in. */
export function netInput(net: Net, stored: Tensor, samples: Samples): Tensor {
  const x = convertedTensor(stored, samples, 'input')
  const { dtype, inputDtype, takes } = net as { dtype?: DType; inputDtype?: DType; takes?: Shape }
  // Bytes may number words as well; what is no whole number never does, and the layer says so.
  if (inputDtype) return isFloat(stored.dtype as DType) || isScaled(samples) ? x : x.cast(inputDtype)
  // Whole numbers may be indices; they are numbers only where the first layer says what it takes.
  const isNumber = isFloat(x.dtype as DType) || takes !== undefined
  return dtype && isNumber && x.dtype !== dtype ? x.cast(dtype) : x
}

const targetFor = (output: Tensor, target: Tensor): Tensor =>
  isFloat(target.dtype as DType) && isFloat(output.dtype as DType) && target.dtype !== output.dtype
    ? target.cast(output.dtype as DType)
    : target

function errorOf(loss: Loss, output: Tensor, target: Tensor, weight: Tensor | undefined): Tensor {
  const sampleWeight = weight?.cast(output.dtype as DType)
  const error: Tensor = loss(output, target, sampleWeight ? { sampleWeight } : {})
  if (!(error instanceof Tensor) || error.rank !== 0)
    throw new ShapeError('fit', `the loss gives ${error instanceof Tensor ? formatShape(error.shape) : typeof error}`, {
      hint: 'It must give one number, such as the mean over the samples.',
    })
  if (sampleWeight && !topological([TensorValue.nodeOf(error)]).includes(TensorValue.nodeOf(sampleWeight)))
    throw new ValueError('fit', 'the data have sample weights, which the loss does not use', {
      hint: 'Write (output, target, options) => loss.crossEntropy(output, target, { ...options, labelSmoothing: 0.1 }).',
    })
  return error
}

/** The shape the network gives for `count` of these samples. Throws where it does not take them. */
export function outputShape(operation: string, net: Net, samples: Samples, count: number, name: string): Shape {
  const { takes } = net as { takes?: Shape }
  const shape = samples.shape.slice(1)
  const last = takes && shape.slice(Math.max(0, shape.length - takes.length))
  // Extents below 0 are not known: the height of images, say.
  if (
    takes &&
    last &&
    !sameShape(takes, last.length === takes.length ? last.map((n, i) => (takes[i]! < 0 ? takes[i]! : n)) : last)
  )
    throw new ShapeError(
      operation,
      `the network takes samples of [${takes.map((n) => (n < 0 ? 'any' : n)).join(',')}], those of ${name} are ${formatShape(shape)}`,
      {
        hint:
          shape.length > 1 && shape.reduce((n, extent) => n * extent, 1) === takes[0]
            ? 'Put nn.flatten() in front.'
            : `It was built as ${net.description}.`,
      },
    )
  const trace = new Trace({ training: false })
  let output: Shape = []
  trace.record(() => {
    const stored = new Tensor(trace.argument(storedType(samples), batchShape(samples, count)), trace)
    const result: Tensor = net(netInput(net, stored, samples))
    if (!(result instanceof Tensor))
      throw new ValueError(operation, 'the network gives no tensor', { hint: 'Return one tensor from its function.' })
    output = result.shape
    return []
  })
  return output
}

const storedType = ({ data }: Samples): DType =>
  data instanceof Float32Array
    ? 'float32'
    : data instanceof Float64Array
      ? 'float64'
      : data instanceof Int32Array
        ? 'int32'
        : data instanceof Uint32Array
          ? 'uint32'
          : 'uint8'

/** The scores of the batches so far: exact means over samples, whatever the sizes of the batches. */
export class ScoreTotal {
  readonly #metrics: ReadonlyMap<string, Metric>
  readonly #totals: ReadonlyMap<string, MetricTotal>
  #loss = 0
  #weight = 0

  constructor(metrics: ReadonlyMap<string, Metric>) {
    this.#metrics = metrics
    this.#totals = new Map([...metrics].map(([name, metric]) => [name, new MetricTotal(metric)]))
  }

  /** `weight`: the number of samples, or the sum of their weights. Returns the loss of the batch. */
  add(result: BatchResult, weight: number): number {
    const loss = result.loss ? evaluateTensor(result.loss)[0]! : Number.NaN
    this.#loss += loss * weight
    this.#weight += weight
    for (const [name, total] of this.#totals) {
      if (this.#metrics.get(name)!.collect) total.collect(plain(result.output!), plain(result.target!))
      else {
        const sums: { [name: string]: ArrayLike<number> } = {}
        for (const key in result.sums[name]) sums[key] = evaluateTensor(result.sums[name][key]!)
        total.add(sums)
      }
    }
    return loss
  }

  /** For checkpoints in the middle of an epoch. */
  saveState(): Required<PartState> {
    const sums: { [metric: string]: unknown } = {}
    const tensors = new Map<string, StoredTensor>()
    for (const [name, total] of this.#totals) {
      const { sums: own, outputs, targets } = total.saved
      sums[name] = own
      for (const [role, part] of Object.entries({ outputs, targets }))
        if (part) tensors.set(`${role}.${name}`, { dtype: 'float64', ...part })
    }
    return { values: { loss: this.#loss, weight: this.#weight, sums }, tensors }
  }

  loadState({ values, tensors }: Required<PartState>): void {
    const { loss, weight, sums } = values as { loss: number; weight: number; sums: { [metric: string]: Sums } }
    this.#loss = loss
    this.#weight = weight
    const part = (path: string) => tensors.get(path) as { data: Float64Array<ArrayBuffer>; shape: Shape } | undefined
    for (const [name, total] of this.#totals)
      total.saved = { sums: sums[name], outputs: part(`outputs.${name}`), targets: part(`targets.${name}`) }
  }

  /** The mean loss so far. */
  get loss(): number {
    return this.#loss / this.#weight
  }

  /** Metrics so far, those that are numbers and need no look at all samples again. */
  numbers(): { [name: string]: number } {
    const found: { [name: string]: number } = {}
    for (const [name, total] of this.#totals) {
      const value = this.#metrics.get(name)!.collect || this.#weight === 0 ? undefined : total.result()
      if (typeof value === 'number') found[name] = value
    }
    return found
  }

  scores(withLoss: boolean): Scores {
    const scores: { [name: string]: unknown } = withLoss ? { loss: this.loss } : {}
    for (const [name, total] of this.#totals) scores[name] = total.result()
    return scores as Scores
  }
}

const plain = (tensor: Tensor) => ({ data: evaluateTensor(tensor), shape: tensor.shape as Shape })

/** Calls a step of the user's with what `batches` would give. */
export function ownStep(
  step: (input: Tensor, target: Tensor) => Tensor,
  { input, target }: Dataset,
): (batch: readonly Tensor[]) => BatchResult {
  return (tensors) => {
    const [x, y] = [[tensors[0], input, 'input'] as const, [tensors[1], target, 'target'] as const].map(
      ([tensor, samples, role]) => {
        const stored = evaluateTensor(tensor!)
        const values = converted(stored, samples, role)
        // What the step keeps must not change with the next batch.
        return leaf(
          values === stored ? (stored.slice() as typeof stored) : values,
          tensor!.shape,
          valueType(samples, role),
        )
      },
    )
    return { loss: step(x!, y!), sums: {} }
  }
}

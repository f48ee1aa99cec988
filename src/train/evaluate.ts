/**
 * @file evaluate: the scores of a network on data, in inference mode; exact means over samples, whatever the batches.
 * In: network, data, a loss and metrics. Out: { loss, ...metrics }.
 *
 * await evaluate(net, test, { loss: loss.crossEntropy, metrics: { accuracy: metrics.accuracy } })
 */
import { describeValue } from '../base/describe.js'
import { ArgumentError, ValueError } from '../base/errors.js'
import { checkNames } from '../base/options.js'
import { breath } from '../base/pace.js'
import { BatchReader } from '../data/batch-reader.js'
import { batchSizeOf } from '../data/batches.js'
import { type Dataset, sampleCount } from '../data/column.js'
import { LazyDataset, type TrainingData } from '../data/lazy-dataset.js'
import { isPromise } from '../data/lazy-node.js'
import { datasetOf } from '../data/source.js'
import type { Metric } from '../metrics/metric.js'
import { initialize } from '../nn/module.js'
import type { Tensor } from '../trace/tensor.js'
import { Feed } from './feed.js'
import { type BatchProgram, evaluationProgram, metricsOf, outputShape, ScoreTotal } from './program.js'
import { sumOf } from './training-feed.js'
import type { Loss, Metrics, Net, NoMetrics, Scores } from './types.js'

/** What `evaluate` measures. */
export interface EvaluateOptions<M extends Metrics = Metrics> {
  /** Its mean over all samples is `loss` in the scores. */
  readonly loss?: Loss
  /** What else is measured, by name. */
  readonly metrics?: M
  /** Samples in a batch; 512 by default. It changes nothing but the time. */
  readonly batchSize?: number | 'full'
  /** Ends it early, with an error. */
  readonly signal?: AbortSignal
}

/** Samples at a time where nothing is learned: enough to keep the matrix products busy. */
export const evaluationBatch = 512

/**
 * The mean loss and the metrics over all samples, without dropout. Without a loss there is no `loss` in the scores.
 * Equal networks, losses and metrics share a compiled program. Rejects when the signal aborts.
 */
export async function evaluate<M extends Metrics = NoMetrics>(
  net: Net,
  data: TrainingData,
  options: EvaluateOptions<M>,
): Promise<Scores<M>> {
  checkNames('evaluate', options, ['loss', 'metrics', 'batchSize', 'signal'])
  if (typeof net !== 'function')
    throw new ArgumentError('evaluate', `there is ${describeValue(net)} where a network is needed`, {
      hint: 'Write evaluate(net, test, { loss: loss.crossEntropy }).',
    })
  if (options.loss !== undefined && typeof options.loss !== 'function')
    throw new ValueError('evaluate', `the loss is ${describeValue(options.loss)}`, {
      hint: 'Give a function, such as loss.crossEntropy.',
    })
  const judged = await judgedOf(data, 'data')
  const metrics = metricsOf('evaluate', options.metrics)
  if (!options.loss && metrics.size === 0)
    throw new ValueError('evaluate', 'has nothing to compute', { hint: 'Give a loss, or metrics.' })
  const output = outputShape('evaluate', net, judged.kind.input, 1, 'the data')
  if (judged.plainTarget && judged.kind.target.shape.length === output.length - 1) judged.expectLabels(undefined)
  const evaluator = evaluatorFor(net, options.loss, options.metrics ?? {}, metrics)
  return (await evaluator.run(judged, options)) as Scores<M>
}

/** A network, a loss and metrics, compiled once for all data that are stored alike. */
export class Evaluator {
  readonly #net: Net
  readonly #loss: Loss | undefined
  readonly #metrics: ReadonlyMap<string, Metric>
  readonly #programs = new Map<string, BatchProgram>()

  constructor(net: Net, loss: Loss | undefined, metrics: ReadonlyMap<string, Metric>) {
    this.#net = net
    this.#loss = loss
    this.#metrics = metrics
    initialize(net)
  }

  async run(judged: Judged, options: { batchSize?: number | 'full'; signal?: AbortSignal } = {}): Promise<Scores> {
    const program = this.#program(judged.kind)
    const total = new ScoreTotal(this.#metrics)
    for await (const [tensors, weight] of judged.batches(options.batchSize ?? evaluationBatch)) {
      if (breath.due) await breath.take()
      options.signal?.throwIfAborted()
      total.add(program(...tensors), weight)
    }
    return total.scores(this.#loss !== undefined)
  }

  #program(dataset: Dataset): BatchProgram {
    const { input, target } = dataset
    const kind = [input.scale, input.offset, target.scale, target.offset].join()
    let program = this.#programs.get(kind)
    if (!program) {
      program = evaluationProgram(this.#net, withoutData(dataset), this.#loss, this.#metrics)
      this.#programs.set(kind, program)
    }
    return program
  }
}

/** Data that are looked at, arrays or lazy. */
export interface Judged {
  /** What samples are like; it may have none. */
  readonly kind: Dataset
  /** Whether targets are plain numbers, of which `expectLabels` makes whole ones. */
  readonly plainTarget: boolean
  expectLabels(classes: number | undefined): void
  batches(size: number | 'full'): Iterable<Weighed> | AsyncIterable<Weighed>
  /** What a checksum is made of. */
  facts(): Promise<{ readonly data: Dataset; readonly note?: string }>
}
type Weighed = readonly [tensors: readonly Tensor[], weight: number]

/** `name` is for messages. */
export async function judgedOf(data: TrainingData, name: string): Promise<Judged> {
  if (data instanceof LazyDataset && !data.columns) return judgedStream(data, name)
  const dataset = datasetOf(data instanceof LazyDataset ? data.columns! : data, name)
  return {
    kind: dataset,
    plainTarget: false,
    expectLabels: () => {},
    *batches(batchSize) {
      const count = sampleCount(dataset)
      const size = batchSizeOf('evaluate', batchSize, count)
      const feed = new Feed(dataset, false)
      for (let from = 0; from < count; from += size) {
        const range = [from, Math.min(count, from + size)] as const
        yield [feed.batches(undefined, [range])[0]!, feed.weight(undefined, range)]
      }
    },
    facts: async () => ({ data: dataset }),
  }
}

async function judgedStream(data: LazyDataset<unknown>, name: string): Promise<Judged> {
  const reader = new BatchReader(data, evaluationBatch, name)
  await reader.prepare()
  return {
    get kind() {
      return reader.kind
    },
    get plainTarget() {
      return reader.plainTarget
    },
    expectLabels: (classes) => reader.expectLabels(classes),
    async *batches(batchSize) {
      // Made batches come as they are.
      if (data.node.batched === undefined)
        reader.size = batchSizeOf('evaluate', batchSize, data.length ?? Number.POSITIVE_INFINITY)
      const pass = reader.pass(1, 0)
      try {
        for (;;) {
          const taken = pass.take(1)
          const [batch] = isPromise(taken) ? await taken : taken
          if (!batch) return
          const weights = batch.arrays[2]
          const weight = weights ? sumOf(weights) : batch.size
          yield [batch.tensors, weight]
        }
      } finally {
        await pass.end()
      }
    },
    facts: async () => ({ data: await reader.sample(64), note: `first of ${data.length ?? 'a stream'}` }),
  }
}

/** A program keeps what it was traced with; that should not be the data themselves. */
function withoutData(dataset: Dataset): Dataset {
  const bare = ({ data, shape, scale, offset }: Dataset['input']) => ({
    data: data.subarray(0, 0),
    shape,
    scale,
    offset,
  })
  return { input: bare(dataset.input), target: bare(dataset.target) }
}

interface Known {
  readonly loss: Loss | undefined
  readonly metrics: Metrics
  readonly evaluator: Evaluator
}
const known = new WeakMap<Net, Known[]>()
/** Evaluators kept for a network: validation in a loop of one's own should not compile every time. */
const kept = 4

function evaluatorFor(
  net: Net,
  loss: Loss | undefined,
  metrics: Metrics,
  prepared: ReadonlyMap<string, Metric>,
): Evaluator {
  const list = known.get(net) ?? []
  known.set(net, list)
  const names = Object.keys(metrics)
  const index = list.findIndex(
    (one) =>
      one.loss === loss &&
      Object.keys(one.metrics).length === names.length &&
      names.every((name) => one.metrics[name] === metrics[name]),
  )
  const found = index < 0 ? undefined : list.splice(index, 1)[0]!
  const entry = found ?? { loss, metrics: { ...metrics }, evaluator: new Evaluator(net, loss, prepared) }
  list.unshift(entry)
  list.length = Math.min(list.length, kept)
  return entry.evaluator
}

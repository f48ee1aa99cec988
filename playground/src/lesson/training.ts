/**
 * @file A training of the playground, in small pieces: the four steps of the lecture as one compiled program, called a few updates at
 * a time, and pictures of where it stands. In: settings. Out: snapshots. Nothing here knows of pages or workers.
 *
 * const training = new Training(settings)
 * await training.advance(50)             // 50 updates, or fewer where an epoch ends the training
 * draw(await training.snapshot())
 */
import {
  backpropagate,
  batches,
  type Compiled,
  compile,
  EarlyStopping,
  initialize,
  loss,
  nn,
  optim,
  stack,
  type Tensor,
  tensor,
} from 'gradus'
import { makeData, type PlaygroundData, reach, type Samples } from './data.js'
import { buildNetwork, type PlaygroundNetwork } from './network.js'
import type { OptimizerName, Settings, TrainingSettings } from './settings.js'

/** What stands at the end of an epoch. */
export interface EpochPoint {
  readonly epoch: number
  readonly train: number
  readonly validation: number
  /** Share of right classes; NaN of curves. */
  readonly trainAccuracy: number
  readonly validationAccuracy: number
}

export interface LayerState {
  /** Norm of the gradient of the layer's weight, at the last update. */
  readonly gradientNorm: number
  /** What the layer gives for the training samples; the output layer has none. */
  readonly activations?: {
    readonly mean: number
    readonly deviation: number
    readonly dead: number
    readonly histogram: number[]
  }
}

/** 'diverged': the loss is no longer a number; 'stopped': early stopping. */
export type Status = 'running' | 'finished' | 'stopped' | 'diverged'

export interface Snapshot {
  readonly status: Status
  readonly update: number
  readonly epoch: number
  /** The loss of the last batches, newest last; at most 500. */
  readonly batchLosses: readonly number[]
  readonly epochs: readonly EpochPoint[]
  readonly best?: { readonly epoch: number; readonly loss: number }
  readonly layers: readonly LayerState[]
  /** Classes: how sure of class 1, row by row from the lower left, `side` × `side` over -1.2 to 1.2. Curves: the values at `side` places. */
  readonly picture: Float32Array
  readonly side: number
}

export const pictureSide = { classes: 48, curves: 121 } as const
const optimizers: Record<OptimizerName, (learningRate: number, weightDecay: number) => optim.OptimizerSpec> = {
  sgd: (learningRate, rate) => optim.sgd({ learningRate, weightDecay: { rate, where: optim.notBias } }),
  momentum: (learningRate, rate) => optim.momentum({ learningRate, weightDecay: { rate, where: optim.notBias } }),
  adagrad: (learningRate, rate) => optim.adagrad({ learningRate, weightDecay: { rate, where: optim.notBias } }),
  adam: (learningRate, rate) => optim.adam({ learningRate, weightDecay: { rate, where: optim.notBias } }),
}
export const makeOptimizer = ({ optimizer, learningRate, weightDecay }: TrainingSettings): optim.OptimizerSpec =>
  optimizers[optimizer](learningRate, weightDecay)

/** The error of a batch. Of classes L2 and L1 compare what softmax gives with 1 for the right class and 0 for the other. */
export function errorOf(
  settings: Settings,
  isClasses: boolean,
): (output: Tensor, target: Tensor) => Tensor<readonly []> {
  const { loss: name } = settings.training
  if (name === 'crossEntropy') return (output, target) => loss.crossEntropy(output, target)
  const error = name === 'L2' ? loss.meanSquaredError : loss.meanAbsoluteError
  if (!isClasses) return (output, target) => error(output, target)
  return (output, target) => {
    const isOne = target.cast('float32')
    return error(nn.softmax(output), stack([isOne.mul(-1).add(1), isOne], 1))
  }
}

/** Networks as small as these gain nothing from threads. */
const alone = { threads: 1 } as const

interface Tensors {
  readonly input: Tensor
  readonly target: Tensor
}

export class Training {
  readonly data: PlaygroundData
  readonly settings: Settings
  readonly #network: PlaygroundNetwork
  readonly #optimizer: optim.Optimizer
  readonly #train: Tensors
  readonly #validation: Tensors
  readonly #step: Compiled<readonly [Tensor, Tensor], Tensor>
  readonly #score: Compiled<readonly [Tensor, Tensor], Tensor>
  readonly #draw: Compiled<readonly [Tensor], Tensor>
  readonly #look: Compiled<readonly [Tensor], Tensor[]>
  readonly #stopping: EarlyStopping | undefined
  readonly #epochs: EpochPoint[] = []
  #queue: Iterator<readonly [Tensor, Tensor]> | undefined
  #waiting: readonly [Tensor, Tensor] | undefined
  #status: Status = 'running'
  #update = 0
  #epoch = 0
  #batchLosses: number[] = []
  #norms: number[] = []

  constructor(settings: Settings) {
    this.settings = settings
    this.data = makeData(settings.data, settings.seed)
    const { isClasses, width, train, validation } = this.data
    this.#network = buildNetwork(settings.network, width, isClasses ? 2 : 1)
    const { net, look, weights } = this.#network
    initialize(net, { seed: settings.seed })
    const optimizer = makeOptimizer(settings.training).init(net)
    this.#optimizer = optimizer
    this.#train = this.#tensors(train)
    this.#validation = this.#tensors(validation)
    const error = errorOf(settings, isClasses)
    this.#step = compile(
      (input: Tensor, target: Tensor) => {
        const value = error(net(input), target)
        const gradients = backpropagate(value, net)
        optimizer.update(gradients)
        const named = gradients.named()
        return stack([value, ...weights.map((name) => named.get(name)!.square().sum().sqrt())])
      },
      { training: true, random: settings.seed, ...alone },
    )
    this.#score = compile((input: Tensor, target: Tensor) => {
      const output = net(input)
      const right = isClasses ? output.argmax(1).equal(target).cast('float32').mean() : tensor(Number.NaN)
      return stack([error(output, target), right])
    }, alone)
    this.#draw = compile((input: Tensor) => {
      const output = net(input)
      return isClasses ? nn.softmax(output).slice([0, 1], [output.shape[0]!, 2]) : output
    }, alone)
    this.#look = compile((input: Tensor) => look(input).activations, alone)
    const { patience } = settings.training
    if (patience > 0) this.#stopping = new EarlyStopping({ patience, mode: 'min' })
  }

  #tensors({ count, inputs, targets }: Samples): Tensors {
    const { isClasses, width } = this.data
    return {
      input: tensor(inputs, { shape: [count, width] }),
      target: isClasses ? tensor(Int32Array.from(targets)) : tensor(targets, { shape: [count, 1] }),
    }
  }

  get status(): Status {
    return this.#status
  }

  set learningRate(rate: number) {
    this.#optimizer.learningRate = rate
  }

  /** Updates in an epoch. */
  get updatesPerEpoch(): number {
    const { batchSize } = this.settings.training
    return batchSize === 'full' ? 1 : Math.ceil(this.data.train.count / batchSize)
  }

  /** Makes up to `updates` updates, less at the end of the training; how many it made. */
  async advance(updates: number): Promise<number> {
    const before = this.#update
    for (let left = updates; left > 0 && this.#status === 'running'; ) {
      const { list, isLast } = this.#next(left)
      left -= list.length
      const results = await Promise.all(this.#step.each(list).map((result) => result.data()))
      for (const [value, ...norms] of results) {
        this.#batchLosses.push(value!)
        this.#norms = norms
      }
      this.#update += list.length
      if (!results.every(([value]) => Number.isFinite(value))) this.#status = 'diverged'
      if (isLast) await this.#endEpoch()
    }
    this.#batchLosses = this.#batchLosses.slice(-500)
    return this.#update - before
  }

  /** Batches of one size that follow each other, and whether the epoch ends with them. */
  #next(most: number): { list: (readonly [Tensor, Tensor])[]; isLast: boolean } {
    const { batchSize } = this.settings.training
    const { seed } = this.settings
    this.#queue ??= batches(this.#train, {
      size: batchSize === 'full' ? 'full' : Math.min(batchSize, this.data.train.count),
      shuffle: true,
      seed: seed * 100_003 + this.#epoch,
    })[Symbol.iterator]() as Iterator<readonly [Tensor, Tensor]>
    const list: (readonly [Tensor, Tensor])[] = []
    for (;;) {
      const batch = this.#waiting ?? this.#queue.next().value
      this.#waiting = undefined
      if (!batch) {
        this.#queue = undefined
        return { list, isLast: true }
      }
      const sizeOf = ([input]: readonly [Tensor, Tensor]) => input.shape[0]
      if (list.length === most || (list.length > 0 && sizeOf(list[0]!) !== sizeOf(batch))) {
        this.#waiting = batch
        return { list, isLast: false }
      }
      list.push(batch)
    }
  }

  async #endEpoch(): Promise<void> {
    this.#epoch++
    const [onTrain, onValidation] = await Promise.all(
      [this.#train, this.#validation].map(({ input, target }) => this.#score(input, target).data()),
    )
    const [train, trainAccuracy] = onTrain! as unknown as [number, number]
    const [validation, validationAccuracy] = onValidation! as unknown as [number, number]
    this.#epochs.push({ epoch: this.#epoch, train, validation, trainAccuracy, validationAccuracy })
    if (!Number.isFinite(train)) this.#status = 'diverged'
    if (this.#status !== 'running') return
    if (this.#stopping?.update(validation, this.#network.net)) {
      this.#stopping.restore()
      this.#status = 'stopped'
    } else if (this.#epoch >= this.settings.training.epochs) {
      this.#stopping?.restore()
      this.#status = 'finished'
    }
  }

  async snapshot(): Promise<Snapshot> {
    const { isClasses } = this.data
    const side = isClasses ? pictureSide.classes : pictureSide.curves
    const at = (i: number) => reach * ((2 * i) / (side - 1) - 1)
    const places = isClasses
      ? tensor(
          Float32Array.from({ length: 2 * side * side }, (_, i) => {
            const place = i >> 1
            return at(i % 2 === 0 ? place % side : Math.floor(place / side))
          }),
          { shape: [side * side, 2] },
        )
      : tensor(
          Float32Array.from({ length: side }, (_, i) => at(i)),
          { shape: [side, 1] },
        )
    const seen = await Promise.all(this.#look(this.#train.input).map((layer) => layer.data()))
    const best = this.#stopping?.best
    return {
      status: this.#status,
      update: this.#update,
      epoch: this.#epoch,
      batchLosses: this.#batchLosses,
      epochs: this.#epochs,
      ...(best ? { best: { epoch: best.epoch, loss: best.value } } : {}),
      layers: this.#network.weights.map((_, i) => ({
        gradientNorm: this.#norms[i] ?? Number.NaN,
        ...(seen[i]
          ? { activations: activationsOf(seen[i] as Float32Array, this.settings.network.layers[i]!.width) }
          : {}),
      })),
      picture: (await this.#draw(places).data()) as Float32Array,
      side,
    }
  }
}

/** Statistics of [samples, width] numbers; `dead`: the share of units that give 0 for every sample. */
function activationsOf(values: Float32Array, width: number): NonNullable<LayerState['activations']> {
  let [sum, squares, low, high] = [0, 0, -1, 1]
  const lives = new Uint8Array(width)
  for (const [i, value] of values.entries()) {
    sum += value
    squares += value * value
    low = Math.min(low, value)
    high = Math.max(high, value)
    if (value !== 0) lives[i % width] = 1
  }
  const mean = sum / values.length
  const histogram = new Array<number>(24).fill(0)
  for (const value of values) histogram[Math.min(23, Math.floor((24 * (value - low)) / (high - low)))]!++
  const dead = lives.reduce((count, one) => count + 1 - one, 0) / width
  return { mean, deviation: Math.sqrt(Math.max(0, squares / values.length - mean * mean)), dead, histogram }
}

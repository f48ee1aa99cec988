/**
 * @file Averages of parameters over the steps of training, which often generalise better than the last values do.
 * In: a network, whose parameters change. Out: their averages beside them, to be swapped in for evaluation, saving, or good.
 *
 * const average = optim.exponentialMovingAverage(net, { decay: 0.999 })
 * const step = compile((x, y) => { ...; average.update(optimizer.update(gradients)) }, { training: true })
 * await average.use(() => evaluate(net, test, { loss }))
 */
import { isFloat } from '../base/dtype.js'
import { TraceError, ValueError } from '../base/errors.js'
import { checkNames, isPlainOptions } from '../base/options.js'
import { initialize, isModule, namedParameters, type ParameterSource, state } from '../nn/module.js'
import { type Tensor, where } from '../trace/tensor.js'
import { currentTrace } from '../trace/trace.js'
import { type Variable, zerosVariable } from '../trace/variable.js'
import { scalarVariable } from './rate.js'
import { asTensor, least, minus, over, plus, powerOf, type Scalar, type ScalarTensor } from './scalar.js'
import { scaledBy } from './transform.js'

/** Of `stochasticWeightAverage`. */
export interface AverageOptions {
  /** Also average floats that are not trained, such as running statistics: PyTorch's use_buffers. Needs a module. */
  readonly buffers?: boolean
}

/** Of `exponentialMovingAverage`. */
export interface MovingAverageOptions extends AverageOptions {
  /** d, how much of the average stays at each update: it reaches back some 1 / (1 − d) of them. 0.999 unless said otherwise. */
  readonly decay?: number
  /**
   * A smaller d at first, so that the beginning is soon forgotten; t counts the updates after the first.
   * true: min(d, (1 + t) / (10 + t)), as TensorFlow has it; { gamma, power }: min(d, 1 − (1 + t / gamma)^−power), as timm.
   */
  readonly warmup?: boolean | { readonly gamma: number; readonly power: number }
}

/**
 * a ← d·a + (1 − d)·p after each step; the first makes a = p. Polyak & Juditsky 1992, doi:10.1137/0330046;
 * torch.optim.swa_utils.AveragedModel with get_ema_avg_fn, whose d is 0.999 as well
 * Example: optim.exponentialMovingAverage(net, { decay: 0.9999, warmup: true })
 */
export function exponentialMovingAverage(
  source: ParameterSource,
  options: MovingAverageOptions = {},
): ParameterAverage {
  return new ParameterAverage(source, movingAverageRule(options), options.buffers)
}

/**
 * a ← a + (p − a) / n at the n-th update: the mean of all, usually of one a epoch late in training at a high rate.
 * Izmailov et al. 2018, arXiv:1803.05407; torch.optim.swa_utils.AveragedModel
 * Example: const average = optim.stochasticWeightAverage(net); for await (const { epoch } of run) if (epoch > 10) average.update()
 */
export function stochasticWeightAverage(source: ParameterSource, options: AverageOptions = {}): ParameterAverage {
  checkNames('stochasticWeightAverage', options, ['buffers'])
  return new ParameterAverage(source, (count) => over(1, plus(count, 1)), options.buffers)
}

/** The share with which a parameter enters after `count` updates, one or more. */
export type Share = (count: Scalar) => Scalar

/** Throws where the options are none. */
export function movingAverageRule(options: MovingAverageOptions): Share {
  const name = 'exponentialMovingAverage'
  checkNames(name, options, ['decay', 'warmup', 'buffers'])
  const { decay = 0.999, warmup = false } = options
  if (!(decay >= 0 && decay <= 1)) throw new ValueError(name, `the decay must be from 0 to 1, not ${decay}`)
  if (warmup === false) return () => minus(1, decay)
  if (warmup === true) return (t) => minus(1, least(over(plus(1, t), plus(10, t)), decay))
  if (!isPlainOptions(warmup) || !(warmup.gamma > 0) || !(warmup.power > 0))
    throw new ValueError(name, 'warmup is true, or { gamma, power } above 0', {
      hint: 'Such as { gamma: 1, power: 2 / 3 }: the decay reaches 0.99 after 1,000 updates.',
    })
  const { gamma, power } = warmup
  return (t) => minus(1, least(minus(1, powerOf(over(1, plus(1, over(t, gamma))), power)), decay))
}

/** Averages of parameters, kept beside them: `update` after each step of the optimizer; `swap` and `use` put them in. */
export class ParameterAverage {
  /** The averages by the names of what they average; while they are swapped in, the values in training. */
  readonly variables: ReadonlyMap<string, Variable>
  /** Everything a checkpoint must save to go on with the same bits, by name. */
  readonly state: ReadonlyMap<string, Variable>
  readonly #originals: readonly Variable[]
  readonly #share: Share
  readonly #count = scalarVariable(0)
  #active = false

  constructor(source: ParameterSource, share: Share, buffers = false) {
    this.#share = share
    if (buffers && !isModule(source))
      throw new ValueError('average', 'buffers are averaged of a module, not of a list of parameters')
    if (isModule(source)) initialize(source)
    const originals = new Map(
      [...(buffers ? state(source as never) : namedParameters('average', source))].filter(([, one]) =>
        isFloat(one.dtype),
      ),
    )
    this.#originals = [...originals.values()]
    this.variables = new Map([...originals].map(([name, { shape, dtype }]) => [name, zerosVariable(shape, dtype)]))
    this.state = new Map<string, Variable>([
      ['count', this.#count],
      ...[...this.variables].map(([name, variable]) => [`average/${name}`, variable] as const),
    ])
  }

  /**
   * Takes the parameters as they are now into the averages: in a step after `optimizer.update`, whose result says whether they
   * have changed, or outside, such as after an epoch.
   */
  update(changed: boolean | Tensor = true): void {
    if (changed === false) return
    if (this.#active && !currentTrace())
      throw new ValueError('average.update', 'the averages are swapped in', { hint: 'Swap them back: average.swap().' })
    const count = this.#count.value as ScalarTensor
    const share = asTensor(this.#share(count))
    // The averages are 0 before the first update, which then gives the parameters themselves.
    const first = where(count.equal(0), 1, share) as ScalarTensor
    const weight = changed === true ? first : (where(changed, first, 0) as ScalarTensor)
    const averages = [...this.variables.values()]
    this.#originals.forEach((original, i) => {
      const [average, now] = [averages[i]!.value as Tensor, original.value as Tensor]
      averages[i]!.assign(average.add(scaledBy(now.sub(average), weight)).detach())
    })
    this.#count.assign(changed === true ? count.add(1) : where(changed, count.add(1), count))
  }

  /** Updates so far. */
  get updates(): number {
    return this.#count.storage.read()[0]!
  }

  /** Whether the network holds the averages at the moment. */
  get active(): boolean {
    return this.#active
  }

  /** The averages and the network's values change places; a second call puts them back, bit for bit. Throws before the first update. */
  swap(): void {
    if (currentTrace()) throw new TraceError('average.swap', 'works between steps, not inside one')
    if (this.updates === 0)
      throw new ValueError('average.swap', 'there is no average yet', {
        hint: 'Call average.update(optimizer.update(gradients)) in the step.',
      })
    const averages = [...this.variables.values()]
    this.#originals.forEach((original, i) => {
      const values = original.storage.read()
      original.storage.write(averages[i]!.storage.read())
      averages[i]!.storage.write(values)
    })
    this.#active = !this.#active
  }

  /** Runs `f` while the network holds the averages: `await average.use(() => save(net, 'averaged.safetensors'))`. */
  async use<T>(f: () => T | Promise<T>): Promise<T> {
    if (this.#active) return f()
    this.swap()
    try {
      return await f()
    } finally {
      if (this.#active) this.swap()
    }
  }
}

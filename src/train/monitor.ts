/**
 * @file What looks wrong in training, said once, with the cure. In: observations of steps, the loss of each epoch. Out: warnings:
 * dead units, gradients that vanish or explode, updates of the wrong size, saturated units, a loss that does not move.
 *
 * const monitor = trainingMonitor()
 * const step = compile(f, { training: true, observe: { every: 100, to: (observation) => monitor.observe(observation) } })
 * ...; monitor.epoch(loss)
 */
import { describeValue } from '../base/describe.js'
import { ValueError } from '../base/errors.js'
import { checkNames } from '../base/options.js'
import type { Observation } from '../diagnosis/observe.js'
import { short } from '../diagnosis/statistics.js'

/** What there are warnings of. */
export type WarningKind =
  | 'deadUnits'
  | 'vanishingGradients'
  | 'explodingGradients'
  | 'largeUpdates'
  | 'smallUpdates'
  | 'saturatedUnits'
  | 'lossStuck'
  | 'constantTargets'

/** Something that looks wrong. */
export interface MonitorWarning {
  readonly what: WarningKind
  /** The layer or parameter it is about, where it is about one. */
  readonly layer?: string
  /** In which step, where it was a step. */
  readonly step?: number
  /** What was seen, and the cure. */
  readonly message: string
}

/** When to warn. Each threshold has the source of its default. */
export interface MonitorOptions {
  /** Is told of each warning; console.warn unless given. */
  readonly warn?: (warning: MonitorWarning) => void
  /** The share of a ReLU layer's units that are 0 for every sample seen in an epoch; 0.4: Stanford CS231n, "ReLU". */
  readonly deadShare?: number
  /** The share of a sigmoid's or tanh's values that are within a twentieth of the range from its ends; 0.5, after Glorot & Bengio 2010. */
  readonly saturatedShare?: number
  /** Root mean square of the first weight's gradient by that of the last; 1e-4: less than 0.4 a layer over ten, Glorot & Bengio 2010. */
  readonly vanishingRatio?: number
  /** The gradient's norm by the median of those before; 100. Pascanu et al. 2013, arXiv:1211.5063 */
  readonly explodingFactor?: number
  /** Norm of the update by that of the parameter, which should be near 1e-3: above 0.1 ... Stanford CS231n, "Ratio of weights:updates" */
  readonly largeUpdate?: number
  /** ... or below 1e-5, where it never was more. */
  readonly smallUpdate?: number
  /** Epochs in which the loss does not change by a thousandth, and did not since the first; 3. */
  readonly stuckEpochs?: number
}

const defaults = {
  deadShare: 0.4,
  saturatedShare: 0.5,
  vanishingRatio: 1e-4,
  explodingFactor: 100,
  largeUpdate: 0.1,
  smallUpdate: 1e-5,
  stuckEpochs: 3,
} as const

/** Observations in a row before something that may be chance is said. */
const inARow = 3
/** Gradient norms that the median is of. */
const remembered = 30

/** Warns of what looks wrong in training, each thing once until it was right again; usable in any loop. */
export const trainingMonitor = (options: MonitorOptions = {}): TrainingMonitor => new TrainingMonitor(options)

/**
 * Looks at observations and losses and warns of what looks wrong; made by `trainingMonitor`. A warning comes once a layer and kind, and
 * again only after its cause was clearly gone: below half, or twice, the threshold.
 */
export class TrainingMonitor {
  /** Those so far. */
  readonly warnings: MonitorWarning[] = []
  readonly #options: Required<Omit<MonitorOptions, 'warn'>>
  readonly #warn: (warning: MonitorWarning) => void
  /** Said, by kind and layer, until it is right again. */
  readonly #said = new Set<string>()
  readonly #rows = new Map<string, number>()
  readonly #norms: number[] = []
  readonly #wasLarger = new Set<string>()
  /** Units that were alive in this epoch. */
  readonly #alive = new Map<string, boolean[]>()
  readonly #losses: number[] = []

  constructor(options: MonitorOptions = {}) {
    checkNames('trainingMonitor', options, ['warn', ...Object.keys(defaults)])
    const { warn, ...thresholds } = options
    if (warn !== undefined && typeof warn !== 'function')
      throw new ValueError('trainingMonitor', `warn is ${describeValue(warn)}, not a function`)
    for (const [name, value] of Object.entries(thresholds))
      if (value !== undefined && !(typeof value === 'number' && value > 0))
        throw new ValueError('trainingMonitor', `${name} must be a number above 0, not ${describeValue(value)}`)
    this.#options = {
      ...defaults,
      ...Object.fromEntries(Object.entries(thresholds).filter(([, one]) => one !== undefined)),
    }
    this.#warn = warn ?? (({ message }) => console.warn(`gradus: ${message}`))
  }

  /** Looks at one step. */
  observe(observation: Observation): void {
    if (observation.skipped) return
    this.#lookAtGradients(observation)
    this.#lookAtUpdates(observation)
    this.#lookAtActivations(observation)
  }

  /** An epoch is over: judges the units that were never alive in it, and whether the loss moves. */
  epoch(loss?: number): void {
    for (const [layer, alive] of this.#alive) {
      const share = alive.filter((one) => !one).length / alive.length
      const count = alive.filter((one) => !one).length
      this.#judge('deadUnits', layer, share >= this.#options.deadShare, share < this.#options.deadShare / 2, () => ({
        message: `${count} of ${alive.length} units of the ReLU layer ${layer} were 0 for every sample seen in this epoch: nothing flows back through them, and they will not learn again. Lower the learning rate, start biases at 0 and weights by nn.init.kaimingNormal, or take nn.leakyRelu.`,
      }))
    }
    this.#alive.clear()
    if (loss !== undefined) this.#lookAtLoss(loss)
  }

  /** Looks at the targets of the training data: there is nothing to learn where all are equal. */
  targets(values: ArrayLike<number>): void {
    for (let i = 1; i < values.length; i++) if (values[i] !== values[0]) return
    if (values.length > 1)
      this.#judge('constantTargets', '', true, false, () => ({
        message: `all ${values.length} targets of the training data are ${values[0]}: there is nothing to learn. Look at how they were read, and at the column that they come from.`,
      }))
  }

  #lookAtGradients({ parameters, step }: Observation): void {
    const norms = Object.values(parameters).map(({ gradient }) => gradient)
    const norm = Math.hypot(...norms)
    const median = [...this.#norms].sort((a, b) => a - b)[this.#norms.length >> 1]
    if (median !== undefined && this.#norms.length >= 5 && median > 0)
      this.#judge('explodingGradients', '', norm > this.#options.explodingFactor * median, norm < 10 * median, () => ({
        step,
        message: `the gradient's norm is ${short(norm)} in step ${step}, ${short(norm / median)} times the median of those before. Clip it: optim.chain(optim.clipByGlobalNorm(${short(2 * median)}), optim.adam(...)), or lower the learning rate.`,
      }))
    if (Number.isFinite(norm) && this.#norms.push(norm) > remembered) this.#norms.shift()

    // Biases stand beside weights; a ratio is of like and like.
    const weights = Object.entries(parameters).filter(([name]) => /(^|\.)weight$/.test(name))
    if (weights.length < 2) return
    const [first, last] = [weights[0]!, weights[weights.length - 1]!]
    // Relative to the parameters: layers differ in size.
    const relative = ({ gradient, parameter }: { gradient: number; parameter: number }) => gradient / (parameter || 1)
    const ratio = relative(first[1]) / relative(last[1])
    const { vanishingRatio } = this.#options
    if (Number.isFinite(ratio))
      this.#judge(
        'vanishingGradients',
        first[0],
        ratio < vanishingRatio,
        ratio > 2 * vanishingRatio,
        () => ({
          step,
          message: `the gradient of ${first[0]} is ${short(ratio)} times that of ${last[0]}, each by its parameter's size: it vanishes on its way back, and the first layers hardly learn. Take nn.relu or nn.gelu instead of nn.sigmoid or nn.tanh, nn.residual blocks, a normalisation between layers, or fewer of them.`,
        }),
        inARow,
      )
  }

  #lookAtUpdates({ parameters, step }: Observation): void {
    const { largeUpdate, smallUpdate } = this.#options
    for (const [name, { update, parameter, gradient }] of Object.entries(parameters)) {
      // Biases begin at 0: any update is large for them.
      if (!/(^|\.)weight$/.test(name) || !(parameter > 0)) continue
      const ratio = update / parameter
      if (ratio > smallUpdate) this.#wasLarger.add(name)
      this.#judge(
        'largeUpdates',
        name,
        ratio > largeUpdate,
        ratio < largeUpdate / 2,
        () => ({
          step,
          message: `updates of ${name} are ${short(ratio)} times its size, where about 0.001 is usual: it is thrown about. Lower the learning rate, or raise it slowly: optim.schedules.warmup.`,
        }),
        inARow,
      )
      // A schedule may well end near 0.
      const small = ratio < smallUpdate && gradient > 0 && !this.#wasLarger.has(name)
      this.#judge(
        'smallUpdates',
        name,
        small,
        ratio > 2 * smallUpdate,
        () => ({
          step,
          message: `updates of ${name} are ${short(ratio)} times its size, where about 0.001 is usual: it hardly learns. Raise the learning rate; findLearningRate suggests one.`,
        }),
        inARow,
      )
    }
  }

  #lookAtActivations({ activations, step }: Observation): void {
    const { saturatedShare } = this.#options
    const entries = Object.entries(activations)
    entries.forEach(([layer, { alive, saturated, layer: name }], i) => {
      if (alive) {
        const known = this.#alive.get(layer)
        this.#alive.set(layer, known?.length === alive.length ? alive.map((one, k) => one || known[k]!) : [...alive])
      }
      // The last layer of a classifier should be sure of itself.
      if (saturated !== undefined && i < entries.length - 1)
        this.#judge(
          'saturatedUnits',
          layer,
          saturated > saturatedShare,
          saturated < saturatedShare / 2,
          () => ({
            step,
            message: `${Math.round(100 * saturated)} % of the values of the ${name} layer ${layer} are near the ends of its range, where its slope is almost 0: gradients hardly pass. Standardise the inputs, start with smaller weights (nn.init.xavierNormal), lower the learning rate, or take nn.relu.`,
          }),
          inARow,
        )
    })
  }

  #lookAtLoss(loss: number): void {
    this.#losses.push(loss)
    const { stuckEpochs } = this.#options
    const [first] = this.#losses
    const latest = this.#losses.slice(-stuckEpochs)
    if (this.#losses.length <= stuckEpochs || !latest.every(Number.isFinite)) return
    const [low, high] = [Math.min(...latest), Math.max(...latest)]
    const isStuck = high - low <= 1e-3 * Math.abs(high) && low >= 0.99 * first! && high > 1e-6
    this.#judge('lossStuck', '', isStuck, low < 0.95 * first!, () => ({
      message: `the training loss is ${short(loss)} and has not moved for ${stuckEpochs} epochs, nor since the first. Look whether inputs and targets belong together; raise or lower the learning rate (findLearningRate suggests one); try whether the network can learn ten samples by heart.`,
    }))
  }

  /** Warns where it is bad for the so-manieth time in a row and was not said yet; once it is clearly good it may be said again. */
  #judge(
    what: WarningKind,
    layer: string,
    isBad: boolean,
    isGood: boolean,
    make: () => Pick<MonitorWarning, 'message' | 'step'>,
    needed = 1,
  ): void {
    const key = `${what} ${layer}`
    const row = isBad ? (this.#rows.get(key) ?? 0) + 1 : 0
    this.#rows.set(key, row)
    if (isGood) this.#said.delete(key)
    if (row < needed || this.#said.has(key)) return
    this.#said.add(key)
    const warning = { what, ...(layer ? { layer } : {}), ...make() }
    this.warnings.push(warning)
    this.#warn(warning)
  }
}

/**
 * @file Learning-rate schedules: data, so that they can be saved and sent, and one function that says what they mean,
 * for the program (in float64, from the step count) and for the host (to draw a curve). Steps count from 0.
 *
 * optim.adam({ learningRate: optim.schedules.warmup({ steps: 100, after: optim.schedules.cosine({ learningRate: 1e-3, steps: 5000 }) }) })
 */
import { ValueError } from '../base/errors.js'
import {
  below,
  cosine as cos,
  floor,
  greatest,
  least,
  minus,
  over,
  plus,
  power,
  powerOf,
  type Scalar,
  squareRoot,
  times,
} from './scalar.js'

/**
 * A learning rate as a function of the step, as data: it can be saved, and sent to a worker. Made by the functions of
 * this namespace.
 */
export type Schedule =
  | { readonly kind: 'constant'; readonly learningRate: number }
  | { readonly kind: 'step'; readonly learningRate: number; readonly every: number; readonly factor: number }
  | { readonly kind: 'exponential'; readonly learningRate: number; readonly factor: number; readonly every: number }
  | { readonly kind: 'inverseTime'; readonly learningRate: number; readonly rate: number }
  | { readonly kind: 'cosine'; readonly learningRate: number; readonly steps: number; readonly final: number }
  | { readonly kind: 'linear'; readonly from: number; readonly to: number; readonly steps: number }
  | { readonly kind: 'warmup'; readonly steps: number; readonly startFactor: number; readonly after: Schedule }
  | {
      readonly kind: 'multiStep'
      readonly learningRate: number
      readonly milestones: readonly number[]
      readonly factor: number
    }
  | {
      readonly kind: 'polynomial'
      readonly learningRate: number
      readonly steps: number
      readonly power: number
      readonly final: number
    }
  | {
      readonly kind: 'cosineRestarts'
      readonly learningRate: number
      readonly period: number
      readonly growth: number
      readonly final: number
    }
  | {
      readonly kind: 'oneCycle'
      readonly learningRate: number
      readonly steps: number
      readonly risingShare: number
      readonly startDivisor: number
      readonly finalDivisor: number
    }
  | {
      readonly kind: 'cyclic'
      readonly learningRate: number
      readonly low: number
      readonly rising: number
      readonly falling: number
      readonly cycleFactor: number
      readonly stepFactor: number
    }
  | { readonly kind: 'inverseSquareRoot'; readonly learningRate: number; readonly steps: number }
  | { readonly kind: 'join'; readonly schedules: readonly Schedule[]; readonly boundaries: readonly number[] }
  | { readonly kind: 'chain'; readonly schedules: readonly Schedule[] }

/** A learning rate: a number, or a schedule. */
export type LearningRate = number | Schedule

/** The same rate at every step. */
export const constant = (learningRate: number): Schedule => checked({ kind: 'constant', learningRate })

/** η·factor^⌊t / every⌋: drops by a factor (0.1) every so many steps. torch's StepLR */
export const step = (options: { learningRate: number; every: number; factor?: number }): Schedule =>
  checked({ kind: 'step', factor: 0.1, ...given(options) })

/** η·factor^(t / every): falls by a factor over each `every` steps (1), smoothly. torch's ExponentialLR */
export const exponential = (options: { learningRate: number; factor: number; every?: number }): Schedule =>
  checked({ kind: 'exponential', every: 1, ...given(options) })

/** η / (1 + rate·t): the `lr_decay` of torch's Adagrad. Robbins & Monro 1951 ask for a rate that falls as 1/t. */
export const inverseTime = (options: { learningRate: number; rate: number }): Schedule =>
  checked({ kind: 'inverseTime', ...options })

/**
 * final + (η − final)(1 + cos(πt / steps)) / 2 up to `steps`, and `final` (0) after that.
 * Loshchilov & Hutter 2016, arXiv:1608.03983; torch's CosineAnnealingLR, which would rise again
 */
export const cosine = (options: { learningRate: number; steps: number; final?: number }): Schedule =>
  checked({ kind: 'cosine', final: 0, ...given(options) })

/** From one rate to another in a straight line over `steps`, then the latter. */
export const linear = (options: { from: number; to: number; steps: number }): Schedule =>
  checked({ kind: 'linear', ...options })

/**
 * Linear warm-up: over `steps` the rate grows from startFactor (0.01) of what `after` starts with to all of it; then follows
 * `after`, a number or schedule whose steps count from there. torch's LinearLR, whose startFactor is 1/3 by default
 */
export const warmup = (options: { steps: number; after: LearningRate; startFactor?: number }): Schedule =>
  checked({ kind: 'warmup', startFactor: 0.01, ...given(options), after: asSchedule(options.after) })

/** η·factor^(how many milestones are reached): drops by a factor (0.1) at the given steps. torch's MultiStepLR */
export const multiStep = (options: {
  learningRate: number
  milestones: readonly number[]
  factor?: number
}): Schedule => checked({ kind: 'multiStep', factor: 0.1, ...given(options) })

/** final + (η − final)·(1 − t / steps)^power up to `steps`, then `final` (0); power 1. torch's PolynomialLR */
export const polynomial = (options: {
  learningRate: number
  steps: number
  power?: number
  final?: number
}): Schedule => checked({ kind: 'polynomial', power: 1, final: 0, ...given(options) })

/**
 * Cosines from η down to `final` (0), one after another: the first takes `period` steps, each next one `growth` times as many (1).
 * Loshchilov & Hutter 2016, arXiv:1608.03983; torch's CosineAnnealingWarmRestarts
 */
export const cosineRestarts = (options: {
  learningRate: number
  period: number
  growth?: number
  final?: number
}): Schedule => checked({ kind: 'cosineRestarts', growth: 1, final: 0, ...given(options) })

/**
 * Up from η / startDivisor (25) to η by a cosine over risingShare (0.3) of `steps`, then down to the start's rate / finalDivisor
 * (10,000). Smith & Topin 2017, arXiv:1708.07120; torch's OneCycleLR, without its momentum
 */
export const oneCycle = (options: {
  learningRate: number
  steps: number
  risingShare?: number
  startDivisor?: number
  finalDivisor?: number
}): Schedule => checked({ kind: 'oneCycle', risingShare: 0.3, startDivisor: 25, finalDivisor: 1e4, ...given(options) })

/**
 * Up from `low` to η in a straight line over `rising` steps and down again over `falling` (as many), for ever. The height of the
 * n-th cycle is multiplied by cycleFactor^(n − 1) (1; 0.5 is torch's triangular2), that of step t by stepFactor^t (1; else torch's
 * exp_range). Smith 2015, arXiv:1506.01186; torch's CyclicLR, without its momentum
 */
export const cyclic = (options: {
  learningRate: number
  low: number
  rising: number
  falling?: number
  cycleFactor?: number
  stepFactor?: number
}): Schedule => checked({ kind: 'cyclic', falling: options.rising, cycleFactor: 1, stepFactor: 1, ...given(options) })

/** η for `steps`, then η·√(steps / t); after a `warmup` of as many it is the Transformer's. Vaswani et al. 2017, arXiv:1706.03762 */
export const inverseSquareRoot = (options: { learningRate: number; steps: number }): Schedule =>
  checked({ kind: 'inverseSquareRoot', ...options })

/** The first schedule up to the first boundary, the second up to the second...; each counts its steps from where it begins. */
export const join = (schedules: readonly LearningRate[], boundaries: readonly number[]): Schedule =>
  checked({ kind: 'join', schedules: schedules.map(asSchedule), boundaries })

/**
 * All at once: the product of a rate, the first, and of factors, schedules whose own rate is 1:
 * `chain([cosine({ learningRate: 1e-3, steps: 5000 }), step({ learningRate: 1, every: 1000, factor: 0.5 })])`.
 * torch's ChainedScheduler
 */
export const chain = (schedules: readonly LearningRate[]): Schedule =>
  checked({ kind: 'chain', schedules: schedules.map(asSchedule) })

/** The options that were given: undefined is left to the default. */
const given = <T extends object>(options: T): T =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T

/** A number as the schedule that it is; a schedule as it is, once its numbers are checked. */
export const asSchedule = (rate: LearningRate): Schedule => (typeof rate === 'number' ? constant(rate) : checked(rate))

/** The learning rate of step t (0, 1, ...), as a number or inside a program. */
export function learningRateAt(schedule: Schedule, t: number): number
export function learningRateAt(schedule: Schedule, t: Scalar): Scalar
export function learningRateAt(schedule: Schedule, t: Scalar): Scalar {
  switch (schedule.kind) {
    case 'constant':
      return schedule.learningRate
    case 'step':
      return times(schedule.learningRate, power(schedule.factor, floor(over(t, schedule.every))))
    case 'exponential':
      return times(schedule.learningRate, power(schedule.factor, over(t, schedule.every)))
    case 'inverseTime':
      return over(schedule.learningRate, plus(1, times(schedule.rate, t)))
    case 'cosine': {
      const { learningRate, steps, final } = schedule
      const angle = times(Math.PI / steps, least(t, steps))
      return plus(final, times((learningRate - final) / 2, plus(1, cos(angle))))
    }
    case 'linear': {
      const { from, to, steps } = schedule
      return plus(from, times((to - from) / steps, least(t, steps)))
    }
    case 'warmup': {
      const { steps, startFactor, after } = schedule
      const growing = times(learningRateAt(after, 0), plus(startFactor, times((1 - startFactor) / steps, t)))
      return below(t, steps, growing, learningRateAt(after, greatest(minus(t, steps), 0)))
    }
    case 'multiStep': {
      const { learningRate, milestones, factor } = schedule
      const reached = milestones.reduce<Scalar>((sum, milestone) => plus(sum, below(t, milestone, 0, 1)), 0)
      return times(learningRate, power(factor, reached))
    }
    case 'polynomial': {
      const { learningRate, steps, final } = schedule
      const left = minus(1, over(least(t, steps), steps))
      return plus(final, times(learningRate - final, powerOf(left, schedule.power)))
    }
    case 'cosineRestarts': {
      const { learningRate, period, growth, final } = schedule
      const fall = (since: Scalar, length: number) => cosineBetween(learningRate, final, over(since, length))
      if (growth === 1) return fall(minus(t, times(period, floor(over(t, period)))), period)
      let rate = fall(t, period)
      for (let [start, length] = [period, period * growth]; start < mostSteps; start += length, length *= growth)
        rate = below(t, start, rate, fall(minus(t, start), length))
      return rate
    }
    case 'oneCycle': {
      const { learningRate, steps, risingShare, startDivisor, finalDivisor } = schedule
      const first = learningRate / startDivisor
      const [top, end] = [risingShare * steps - 1, steps - 1]
      const rising = cosineBetween(first, learningRate, over(t, top))
      const falling = cosineBetween(learningRate, first / finalDivisor, over(minus(least(t, end), top), end - top))
      return top <= 0 ? falling : below(t, top, rising, falling)
    }
    case 'cyclic': {
      const { learningRate, low, rising, falling, cycleFactor, stepFactor } = schedule
      const length = rising + falling
      const cycle = floor(over(t, length))
      const since = minus(t, times(cycle, length))
      const height = below(since, rising, over(since, rising), over(minus(length, since), falling))
      const damped = times(times(power(cycleFactor, cycle), power(stepFactor, t)), height)
      return plus(low, times(learningRate - low, damped))
    }
    case 'inverseSquareRoot': {
      const { learningRate, steps } = schedule
      return times(learningRate, squareRoot(over(steps, greatest(t, steps))))
    }
    case 'chain':
      return schedule.schedules.reduce<Scalar>((product, one) => times(product, learningRateAt(one, t)), 1)
    case 'join': {
      const { schedules, boundaries } = schedule
      return boundaries.reduce<Scalar>(
        (rate, boundary, i) =>
          below(t, boundary, rate, learningRateAt(schedules[i + 1]!, greatest(minus(t, boundary), 0))),
        learningRateAt(schedules[0]!, t),
      )
    }
  }
}

const aboveZero: ReadonlySet<string> = new Set([
  'steps',
  'every',
  'period',
  'growth',
  'startDivisor',
  'finalDivisor',
  'rising',
  'falling',
])

/** Restarts beyond this many steps are left out. */
const mostSteps = 1e7

/** From a to b along half a cosine as x goes from 0 to 1. */
const cosineBetween = (a: number, b: number, x: Scalar): Scalar =>
  plus(b, times((a - b) / 2, plus(1, cos(times(Math.PI, x)))))

function checked(schedule: Schedule): Schedule {
  const name = `schedules.${schedule.kind}`
  for (const [option, value] of Object.entries(schedule) as [string, unknown][]) {
    if (option === 'kind') continue
    if (option === 'after') {
      checked(value as Schedule)
      continue
    }
    if (option === 'schedules') {
      for (const one of value as readonly Schedule[]) checked(one)
      if (schedule.kind === 'chain') {
        if ((value as Schedule[]).length === 0) throw new ValueError(name, 'is given no schedules')
        continue
      }
      const count = (schedule as Extract<Schedule, { kind: 'join' }>).boundaries?.length
      if ((value as Schedule[]).length !== count + 1)
        throw new ValueError(name, `${(value as Schedule[]).length} schedules need one boundary less, not ${count}`)
      continue
    }
    if (option === 'milestones' || option === 'boundaries') {
      const list = value as readonly number[]
      if (!Array.isArray(list) || list.some((at, i) => !(at >= 0) || (i > 0 && at <= list[i - 1]!)))
        throw new ValueError(name, `${option} must be ascending numbers of steps, not ${String(value)}`)
      continue
    }
    const positive = aboveZero.has(option)
    if (typeof value !== 'number' || !Number.isFinite(value) || value < 0 || (positive && value === 0))
      throw new ValueError(
        name,
        `${option} must be a number ${positive ? 'above 0' : 'of 0 or more'}, not ${String(value)}`,
      )
  }
  return schedule
}

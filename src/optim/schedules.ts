/**
 * @file Learning-rate schedules: data, so that they can be saved and sent, and one function that says what they mean,
 * for the program (in float64, from the step count) and for the host (to draw a curve). Steps count from 0.
 *
 * optim.adam({ learningRate: optim.schedules.warmup({ steps: 100, after: optim.schedules.cosine({ learningRate: 1e-3, steps: 5000 }) }) })
 */
import { ValueError } from '../base/errors.js'
import { below, cosine as cos, floor, greatest, least, minus, over, plus, power, type Scalar, times } from './scalar.js'

export type Schedule =
  | { readonly kind: 'constant'; readonly learningRate: number }
  | { readonly kind: 'step'; readonly learningRate: number; readonly every: number; readonly factor: number }
  | { readonly kind: 'exponential'; readonly learningRate: number; readonly factor: number; readonly every: number }
  | { readonly kind: 'inverseTime'; readonly learningRate: number; readonly rate: number }
  | { readonly kind: 'cosine'; readonly learningRate: number; readonly steps: number; readonly final: number }
  | { readonly kind: 'linear'; readonly from: number; readonly to: number; readonly steps: number }
  | { readonly kind: 'warmup'; readonly steps: number; readonly startFactor: number; readonly after: Schedule }

/** A learning rate: a number, or a schedule. */
export type LearningRate = number | Schedule

/** The same rate at every step. */
export const constant = (learningRate: number): Schedule => checked({ kind: 'constant', learningRate })

/** η·factor^⌊t / every⌋: drops by a factor (0.1) every so many steps. torch's StepLR */
export const step = (options: { learningRate: number; every: number; factor?: number }): Schedule =>
  checked({ kind: 'step', factor: 0.1, ...options })

/** η·factor^(t / every): falls by a factor over each `every` steps (1), smoothly. torch's ExponentialLR */
export const exponential = (options: { learningRate: number; factor: number; every?: number }): Schedule =>
  checked({ kind: 'exponential', every: 1, ...options })

/** η / (1 + rate·t): the `lr_decay` of torch's Adagrad. Robbins & Monro 1951 ask for a rate that falls as 1/t. */
export const inverseTime = (options: { learningRate: number; rate: number }): Schedule =>
  checked({ kind: 'inverseTime', ...options })

/**
 * final + (η − final)(1 + cos(πt / steps)) / 2 up to `steps`, and `final` (0) after that.
 * Loshchilov & Hutter 2016, arXiv:1608.03983; torch's CosineAnnealingLR, which would rise again
 */
export const cosine = (options: { learningRate: number; steps: number; final?: number }): Schedule =>
  checked({ kind: 'cosine', final: 0, ...options })

/** From one rate to another in a straight line over `steps`, then the latter. */
export const linear = (options: { from: number; to: number; steps: number }): Schedule =>
  checked({ kind: 'linear', ...options })

/**
 * Linear warm-up: over `steps` the rate grows from startFactor (0.01) of what `after` starts with to all of it; then follows
 * `after`, a number or schedule whose steps count from there. torch's LinearLR, whose startFactor is 1/3 by default
 */
export const warmup = (options: { steps: number; after: LearningRate; startFactor?: number }): Schedule =>
  checked({ kind: 'warmup', startFactor: 0.01, ...options, after: asSchedule(options.after) })

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
  }
}

function checked(schedule: Schedule): Schedule {
  const name = `schedules.${schedule.kind}`
  for (const [option, value] of Object.entries(schedule) as [string, unknown][]) {
    if (option === 'kind') continue
    if (option === 'after') {
      checked(value as Schedule)
      continue
    }
    const positive = option === 'steps' || option === 'every'
    if (typeof value !== 'number' || !Number.isFinite(value) || value < 0 || (positive && value === 0))
      throw new ValueError(
        name,
        `${option} must be a number ${positive ? 'above 0' : 'of 0 or more'}, not ${String(value)}`,
      )
  }
  return schedule
}

/**
 * @file A learning rate at work: a schedule until a number is set, which acts at the next step without a recompile.
 * In: a number or a schedule, and how many updates there were. Out: the rate of the next one, on the host or in a program.
 *
 * const rate = new Rate(schedules.cosine({ learningRate: 1e-3, steps: 5000 })); rate.at(0) → 1e-3
 */
import { ValueError } from '../base/errors.js'
import { where } from '../trace/tensor.js'
import { Variable } from '../trace/variable.js'
import { asTensor, type ScalarTensor } from './scalar.js'
import { asSchedule, type LearningRate, learningRateAt, type Schedule } from './schedules.js'

/** A float64 number that a program reads and the host may set. */
export const scalarVariable = (value: number): Variable<readonly [], 'float64'> =>
  new Variable([] as const, 'float64', () => Float64Array.of(value), false)

/** A learning rate: as a schedule says, until it is set. */
export class Rate {
  /** NaN: as the schedule says; else the rate that was set. */
  readonly variable: Variable<readonly [], 'float64'>
  readonly #schedule: Schedule

  constructor(rate: LearningRate) {
    this.#schedule = asSchedule(rate)
    this.variable = scalarVariable(this.#schedule.kind === 'constant' ? this.#schedule.learningRate : Number.NaN)
  }

  /** The rate after `count` updates. */
  at(count: number): number {
    const set = this.variable.storage.read()[0]!
    return Number.isNaN(set) ? learningRateAt(this.#schedule, count) : set
  }

  /** From the next step on this rate, instead of the schedule. */
  set(value: number): void {
    if (!(value >= 0) || value === Number.POSITIVE_INFINITY)
      throw new ValueError('optimizer', `the learning rate must be a number of 0 or more, not ${value}`)
    this.variable.storage.write(Float64Array.of(value))
  }

  /** The same inside a program. */
  traced(count: ScalarTensor): ScalarTensor {
    const set = this.variable.value as ScalarTensor
    if (this.#schedule.kind === 'constant') return set
    const scheduled = asTensor(learningRateAt(this.#schedule, count))
    return where(set.equal(set), set, scheduled) as ScalarTensor
  }
}

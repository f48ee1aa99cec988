/**
 * @file A curve in bounded memory: however many values come, at most so many points are kept, each the lowest, the highest and the last
 * value of its stretch of steps. In: values in the order of their steps. Out: points, in columns.
 *
 * const series = new Series(1000); for (let step = 1; step <= 1e6; step++) series.add(step, 1, 0, Math.random()); series.points.step.length
 */

/** Points of a curve, in columns of the same length; stretches without a finite value have NaN, or an infinity. */
export interface SeriesPoints {
  /** The last step of each stretch. */
  readonly step: readonly number[]
  /** Its epoch. */
  readonly epoch: readonly number[]
  /** When it was, in milliseconds since 1970. */
  readonly time: readonly number[]
  readonly min: readonly number[]
  readonly max: readonly number[]
  readonly last: readonly number[]
}

type Columns = { readonly [K in keyof SeriesPoints]: number[] }

/** Stretches are as long as a power of two, and begin at its multiples: the same values give the same points, however they come. */
export class Series {
  readonly #most: number
  readonly #columns: Columns = { step: [], epoch: [], time: [], min: [], max: [], last: [] }
  #width = 1
  #count = 0

  /** `most`: how many points there may be. */
  constructor(most: number) {
    this.#most = most
  }

  /** How many values came. */
  get count(): number {
    return this.#count
  }

  get points(): SeriesPoints {
    return this.#columns
  }

  /** Steps must not fall. */
  add(step: number, epoch: number, time: number, value: number): void {
    this.#count++
    this.#put(step, epoch, time, value, value, value)
    while (this.#columns.step.length > this.#most) {
      const { step, epoch, time, min, max, last } = this.#columns
      const old = { step: [...step], epoch: [...epoch], time: [...time], min: [...min], max: [...max], last: [...last] }
      for (const column of Object.values(this.#columns)) column.length = 0
      this.#width *= 2
      for (let i = 0; i < old.step.length; i++)
        this.#put(old.step[i]!, old.epoch[i]!, old.time[i]!, old.min[i]!, old.max[i]!, old.last[i]!)
    }
  }

  #put(step: number, epoch: number, time: number, min: number, max: number, last: number): void {
    const columns = this.#columns
    const i = columns.step.length - 1
    if (i >= 0 && Math.floor(columns.step[i]! / this.#width) === Math.floor(step / this.#width)) {
      columns.step[i] = step
      columns.epoch[i] = epoch
      columns.time[i] = time
      // A comparison with NaN is false: what is known stays.
      if (!(columns.min[i]! <= min) && !Number.isNaN(min)) columns.min[i] = min
      if (!(columns.max[i]! >= max) && !Number.isNaN(max)) columns.max[i] = max
      columns.last[i] = last
      return
    }
    columns.step.push(step)
    columns.epoch.push(epoch)
    columns.time.push(time)
    columns.min.push(min)
    columns.max.push(max)
    columns.last.push(last)
  }
}

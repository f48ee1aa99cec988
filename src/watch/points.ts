/**
 * @file Points of curves in little memory: rows that have a step, an epoch and a time, and values by name, each for some of the rows.
 * In: rows, one by one. Out: for a name, an axis and a range, a thinned curve that keeps every peak, for a million rows in
 * some milliseconds.
 *
 * const points = new Points(); points.add({ step: 1, epoch: 1, seconds: 0.1 }, { loss: 2.3 }); points.curve('loss', points.steps, { points: 400 })
 */

/** Numbers that grow; 8 bytes each. */
class Numbers {
  length = 0
  #values = new Float64Array(64)

  push(value: number): void {
    if (this.length === this.#values.length) {
      const larger = new Float64Array(2 * this.length)
      larger.set(this.#values)
      this.#values = larger
    }
    this.#values[this.length++] = value
  }
  get all(): Float64Array {
    return this.#values.subarray(0, this.length)
  }
  get last(): number | undefined {
    return this.length > 0 ? this.#values[this.length - 1] : undefined
  }
  get bytes(): number {
    return this.#values.byteLength
  }
}

interface Column {
  readonly rows: Numbers
  readonly values: Numbers
  notFinite: number
  firstNotFinite: number | undefined
}

/** Where in a run a row is. */
export interface Place {
  readonly step: number
  readonly epoch: number
  /** Of training, since its beginning. */
  readonly seconds: number
}

export interface CurveOptions {
  /** The part of the axis to be seen; all of it by default. */
  readonly from?: number
  readonly to?: number
  /** About how many points to give; fewer rows are given whole. */
  readonly points: number
  /** Weight of the past in the moving average, from 0 (none) to less than 1. */
  readonly smooth?: number
}

export interface ThinCurve {
  readonly x: number[]
  readonly y: (number | null)[]
  readonly smooth?: (number | null)[]
  readonly total: number
  readonly notFinite: number
  readonly firstNotFinite?: number
}

export class Points {
  readonly #steps = new Numbers()
  readonly #epochs = new Numbers()
  readonly #seconds = new Numbers()
  readonly #columns = new Map<string, Column>()

  add({ step, epoch, seconds }: Place, values: Iterable<readonly [string, number]>): void {
    const row = this.#steps.length
    this.#steps.push(step)
    this.#epochs.push(epoch)
    this.#seconds.push(seconds)
    for (const [name, value] of values) {
      let column = this.#columns.get(name)
      if (!column) {
        column = { rows: new Numbers(), values: new Numbers(), notFinite: 0, firstNotFinite: undefined }
        this.#columns.set(name, column)
      }
      column.rows.push(row)
      column.values.push(value)
      if (!Number.isFinite(value) && column.notFinite++ === 0) column.firstNotFinite = step
    }
  }

  /** Takes away the rows at the end that are of later steps. */
  removeAfter(step: number): void {
    let rows = this.#steps.length
    const steps = this.#steps.all
    while (rows > 0 && steps[rows - 1]! > step) rows--
    if (rows === this.#steps.length) return
    for (const list of [this.#steps, this.#epochs, this.#seconds]) list.length = rows
    for (const [name, column] of this.#columns) {
      let length = column.rows.length
      while (length > 0 && column.rows.all[length - 1]! >= rows) length--
      column.rows.length = length
      column.values.length = length
      if (length === 0) {
        this.#columns.delete(name)
        continue
      }
      const bad = column.values.all.reduce((count, value) => (Number.isFinite(value) ? count : count + 1), 0)
      column.notFinite = bad
      if (bad === 0) column.firstNotFinite = undefined
    }
  }

  get length(): number {
    return this.#steps.length
  }
  get names(): string[] {
    return [...this.#columns.keys()]
  }
  get steps(): Float64Array {
    return this.#steps.all
  }
  get epochs(): Float64Array {
    return this.#epochs.all
  }
  get seconds(): Float64Array {
    return this.#seconds.all
  }
  /** Memory in use. */
  get bytes(): number {
    let sum = this.#steps.bytes + this.#epochs.bytes + this.#seconds.bytes
    for (const { rows, values } of this.#columns.values()) sum += rows.bytes + values.bytes
    return sum
  }
  last(name: string): number | undefined {
    return this.#columns.get(name)?.values.last
  }

  /** `axis` has the place of each row, ascending. Undefined for a name that has no values. */
  curve(name: string, axis: Float64Array, options: CurveOptions): ThinCurve | undefined {
    const column = this.#columns.get(name)
    if (!column) return undefined
    const rows = column.rows.all
    const values = column.values.all
    const { from = -Infinity, to = Infinity, points, smooth = 0 } = options
    // A point outside on either side, so that lines go to the edge.
    const begin = Math.max(0, firstFrom(rows, axis, from) - 1)
    const end = Math.min(rows.length, firstFrom(rows, axis, to) + 1)
    const chosen = thin(rows, values, axis, begin, end, points)
    const averages = smooth > 0 ? movingAverage(values, end, smooth) : undefined
    const finite = (value: number) => (Number.isFinite(value) ? value : null)
    return {
      x: chosen.map((i) => axis[rows[i]!]!),
      y: chosen.map((i) => finite(values[i]!)),
      ...(averages ? { smooth: chosen.map((i) => (Number.isFinite(values[i]!) ? finite(averages[i]!) : null)) } : {}),
      total: end - begin,
      notFinite: column.notFinite,
      ...(column.firstNotFinite === undefined ? {} : { firstNotFinite: column.firstNotFinite }),
    }
  }
}

/** The first of `rows` whose place is at least `from`. */
function firstFrom(rows: Float64Array, axis: Float64Array, from: number): number {
  let [low, high] = [0, rows.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (axis[rows[middle]!]! < from) low = middle + 1
    else high = middle
  }
  return low
}

/**
 * Which of the values begin..end to draw: all, if there are few; otherwise, of equal parts of the axis, the least and the
 * greatest of each, a value that is no number if there is one, and the ends.
 */
function thin(
  rows: Float64Array,
  values: Float64Array,
  axis: Float64Array,
  begin: number,
  end: number,
  points: number,
): number[] {
  if (end - begin <= points) return Array.from({ length: end - begin }, (_, i) => begin + i)
  const left = axis[rows[begin]!]!
  const width = axis[rows[end - 1]!]! - left
  const parts = Math.max(1, Math.floor(points / 2))
  const chosen: number[] = [begin]
  const keep = (i: number) => i > chosen[chosen.length - 1]! && chosen.push(i)
  let i = begin
  for (let part = 0; part < parts && i < end; part++) {
    const edge = part === parts - 1 ? Infinity : left + (width * (part + 1)) / parts
    let [least, greatest, odd] = [-1, -1, -1]
    for (; i < end && axis[rows[i]!]! < edge; i++) {
      const value = values[i]!
      if (!Number.isFinite(value)) odd = i
      else {
        if (least < 0 || value < values[least]!) least = i
        if (greatest < 0 || value > values[greatest]!) greatest = i
      }
    }
    for (const one of [least, greatest, odd].sort((a, b) => a - b)) if (one >= 0) keep(one)
  }
  keep(end - 1)
  return chosen
}

/** Exponential moving average of the finite values, unbiased at the beginning: Σ wᵏ x / Σ wᵏ, as TensorBoard's. */
function movingAverage(values: Float64Array, end: number, weight: number): Float64Array {
  const averages = new Float64Array(end)
  let [sum, weights] = [0, 0]
  for (let i = 0; i < end; i++) {
    const value = values[i]!
    if (Number.isFinite(value)) {
      sum = sum * weight + value
      weights = weights * weight + 1
    }
    averages[i] = weights > 0 ? sum / weights : Number.NaN
  }
  return averages
}

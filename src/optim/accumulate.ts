/**
 * @file Gradient accumulation: one update from the mean gradient of several batches, which together would not fit, or not be
 * worth, the memory. In: the gradients of one batch a call. Out: every n-th call an update; the others only add up.
 *
 * const optimizer = optim.accumulate(4, optim.adam({ learningRate: 1e-3 })).init(net)   // and the step as ever
 */
import type { DType } from '../base/dtype.js'
import { ValueError } from '../base/errors.js'
import { type Tensor, where } from '../trace/tensor.js'
import { TensorValue } from '../trace/value.js'
import { type Variable, zerosVariable } from '../trace/variable.js'
import { scalarVariable } from './rate.js'
import type { ScalarTensor } from './scalar.js'

export class Accumulation {
  /** For a checkpoint in the middle of a group. */
  readonly state: ReadonlyMap<string, Variable>
  readonly #every: Variable<readonly [], 'float64'>
  /** Gradients added up so far. */
  readonly #count = scalarVariable(0)
  readonly #sums: readonly Variable[]

  constructor(calls: number, parameters: ReadonlyMap<string, Variable>) {
    this.#every = scalarVariable(calls)
    this.#sums = [...parameters.values()].map(({ shape, dtype }) => zerosVariable(shape, dtype))
    this.state = new Map<string, Variable>([
      ['accumulate', this.#every],
      ['accumulated', this.#count],
      ...[...parameters.keys()].map((name, i) => [`gradients/${name}`, this.#sums[i]!] as const),
    ])
  }

  get every(): number {
    return this.#every.storage.read()[0]!
  }
  set every(calls: number) {
    checkCalls(calls)
    this.#every.storage.write(Float64Array.of(calls))
  }

  /** Adds gradients up; what `update` does to `variables` with the mean is kept where it is time. Gives whether it is. */
  update(
    gradients: readonly Tensor[],
    variables: readonly Variable[],
    update: (means: readonly Tensor[]) => void,
  ): Tensor<readonly [], 'bool'> {
    const every = this.#every.value as ScalarTensor
    const count = (this.#count.value as ScalarTensor).add(1)
    const due = count.greaterEqual(every) as Tensor<readonly [], 'bool'>
    const sums = gradients.map((gradient, i) => this.#sums[i]!.value.add(gradient) as Tensor)
    const before = variables.map((variable) => variable.value)
    update(sums.map((sum) => sum.div(every.cast(sum.dtype as DType)) as Tensor))
    variables.forEach((variable, i) => {
      const [now, old] = [variable.value, before[i]!]
      if (TensorValue.nodeOf(now) === TensorValue.nodeOf(old)) return
      variable.assign(where(due.broadcastTo(now.shape), now, old))
    })
    sums.forEach((sum, i) => {
      this.#sums[i]!.assign(where(due.broadcastTo(sum.shape), 0, sum).detach())
    })
    this.#count.assign(where(due, 0, count))
    return due
  }
}

export function checkCalls(calls: number): void {
  if (!Number.isInteger(calls) || calls < 1)
    throw new ValueError('accumulate', `the number of batches must be a whole number above 0, not ${calls}`)
}

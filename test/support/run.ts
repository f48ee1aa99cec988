/**
 * @file Helpers for tests of the model side: run a function once, numbers of tensors, fixtures.
 */
import type { Shape } from '../../src/base/shape.js'
import { type CompileOptions, compile } from '../../src/step.js'
import { tensor } from '../../src/trace/creation.js'
import type { Tensor } from '../../src/trace/tensor.js'
import { evaluateTensor } from '../../src/trace/value.js'
import type { Variable } from '../../src/trace/variable.js'

/** Compiles f, runs it once and gives its results as a list; variables that it assigned are updated. */
export function runTraced<A extends readonly Tensor[]>(
  f: (...args: A) => Tensor | readonly Tensor[],
  args: A,
  options: CompileOptions = {},
): Tensor[] {
  return compile((...inputs: A) => [f(...inputs)].flat(), options)(...args) as Tensor[]
}

/** A tensor as numbers. */
export const numbers = (value: Tensor): number[] => Array.from(evaluateTensor(value))

/** Sets a variable to given numbers. */
export function setVariable(variable: Variable, values: ArrayLike<number>): void {
  variable.assign(tensor(Array.from(values), { shape: variable.shape as Shape, dtype: variable.dtype }))
}

export interface FixtureArray {
  readonly shape: number[]
  readonly dtype: 'float32' | 'float64' | 'int64'
  readonly data: number[]
}
/** A fixture's array as a tensor; int64 becomes int32. */
export const fixtureTensor = ({ shape, dtype, data }: FixtureArray, as?: 'float32' | 'float64'): Tensor =>
  tensor(dtype === 'float32' ? Float32Array.from(data) : data, {
    shape,
    dtype: as ?? (dtype === 'int64' ? 'int32' : dtype),
  }) as Tensor

/** The greatest |a − b| / max(1, |b|). */
export function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) throw new Error(`${a.length} numbers against ${b.length}`)
  let most = 0
  for (let i = 0; i < b.length; i++) {
    const d = Math.abs(a[i]! - b[i]!) / Math.max(1, Math.abs(b[i]!))
    if (!(d <= most)) most = Number.isNaN(d) && Number.isNaN(a[i]!) === Number.isNaN(b[i]!) ? most : d
  }
  return most
}

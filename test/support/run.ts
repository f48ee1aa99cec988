/**
 * @file Runs traced functions on the graph interpreter: tests of the model side need no engine.
 */
import type { TypedArray } from '../../src/base/dtype.js'
import type { Shape } from '../../src/base/shape.js'
import { interpret } from '../../src/graph/interpret.js'
import { tensor } from '../../src/trace/creation.js'
import { leaf, Tensor } from '../../src/trace/tensor.js'
import { Trace, type TraceOptions } from '../../src/trace/trace.js'
import { evaluateTensor, leafValues, setEvaluator, TensorValue } from '../../src/trace/value.js'
import type { Variable } from '../../src/trace/variable.js'

setEvaluator((graph, inputs) => interpret(graph, inputs, 'fused'))

/** Traces f and runs it; variables that it assigned are updated. Returns one tensor a result. */
export function runTraced<A extends readonly Tensor[]>(
  f: (...args: A) => Tensor | readonly Tensor[],
  args: A,
  options: TraceOptions = {},
): Tensor[] {
  const trace = new Trace(options)
  let types: Tensor[] = []
  const traced = trace.record(() => {
    const inputs = args.map((arg) => new Tensor(trace.argument(arg.dtype, arg.shape), trace)) as unknown as A
    const result = f(...inputs)
    types = (Array.isArray(result) ? result : [result]) as Tensor[]
    return types.map((each) => TensorValue.nodeOf(each))
  })
  const data = traced.bindings.map((binding): TypedArray => {
    if (binding.kind === 'argument') return evaluateTensor(args[binding.index]!)
    if (binding.kind === 'variable') return binding.variable.storage.read()
    return leafValues(binding.leaf)
  })
  const outputs = interpret(traced.graph, data, 'fused')
  traced.updates.forEach((variable, i) => (variable as Variable).storage.write(outputs[traced.results + i]!))
  return types.map((each, i) => leaf(outputs[i]!, each.shape as Shape, each.dtype))
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
  tensor(data, { shape, dtype: as ?? (dtype === 'int64' ? 'int32' : dtype) }) as Tensor

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


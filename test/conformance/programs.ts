/**
 * @file Cases of the conformance table as programs for the engines. In: a case and a dtype. Out: a row of the bit matrix, and
 * what each of its results should be. A program of a layer gives its values, what its buffers become, first derivatives and
 * second ones; that of an optimizer gives all parameters after a step.
 */
import type { TypedArray } from '../../src/base/dtype.js'
import { type optim, Tensor, tensor, type Variable, variable } from '../../src/index.js'
import { initialize, parameters, state } from '../../src/nn/module.js'
import type { OptimizerSpec } from '../../src/optim/optimizer.js'
import { gradientsOf } from '../../src/trace/grad.js'
import { RandomGenerator } from '../../src/trace/random.js'
import { Trace } from '../../src/trace/trace.js'
import { leafValues, TensorValue } from '../../src/trace/value.js'
import type { Row } from '../engines/matrix.js'
import { setVariable } from '../support/run.js'
import {
  build,
  exported,
  type FunctionCase,
  type OptimizerCase,
  type OptimizerFixture,
  type Values,
} from './fixture.js'

export type Float = 'float32' | 'float64'

export interface Program {
  readonly row: Row
  /** Of each result, in the order of the program and over all steps: what it is called, and what PyTorch has for it. */
  readonly expected: readonly { readonly name: string; readonly values: ArrayLike<number> }[]
}

export type Call = (...inputs: unknown[]) => unknown

/** The program of a layer, an activation or a loss. Throws where parameters are not those of PyTorch. */
export function functionProgram(c: FunctionCase, dtype: Float): Program {
  const net = (c.make ? build(c.make, dtype) : exported(c.row)) as Call & { children?: object }
  const variables = net.children ? state(net as never) : new Map<string, Variable>()
  if (net.children) {
    initialize(net as never, { seed: 1 })
    const [ours, theirs] = [[...parameters(net as never).keys()], Object.keys(c.parameters ?? {})]
    if (String(ours.sort()) !== String(theirs.sort()))
      throw new Error(`${c.row}, ${c.name}: its parameters are ${ours.join(', ')}, PyTorch's are ${theirs.join(', ')}`)
  }
  for (const [path, values] of Object.entries({ ...c.parameters, ...c.buffers })) {
    const held = variables.get(path)
    if (!held) throw new Error(`${c.row}, ${c.name}: there is no '${path}', only ${[...variables.keys()].join(', ')}`)
    if (String(held.shape) !== String(values.shape))
      throw new Error(`${c.row}, ${c.name}: '${path}' is [${held.shape}], PyTorch's is [${values.shape}]`)
    setVariable(held, values.data.map(Number))
  }
  const inputs = c.inputs.map((values) => {
    const given = tensorOf(values, dtype)
    return values.dtype === 'float64' ? variable(given, { trainable: true }) : given
  })
  const leaves = Object.keys(c.gradients).map((path) => {
    const place = /^input (\d+)$/.exec(path)?.[1]
    return (place === undefined ? variables.get(path) : inputs[Number(place)]) as Variable
  })

  const trace = new Trace({
    ...(c.training === undefined ? {} : { training: c.training }),
    random: new RandomGenerator(11),
  })
  const traced = trace.record(() => {
    const outputs = flat(call(net, c, inputs))
    if (outputs.length !== c.outputs.length)
      throw new Error(`${c.row}, ${c.name}: ${outputs.length} results, PyTorch has ${c.outputs.length}`)
    outputs.forEach((y, i) => {
      if (String(y.shape) !== String(c.outputs[i]!.shape))
        throw new Error(`${c.row}, ${c.name}: result ${i} is [${y.shape}], PyTorch's is [${c.outputs[i]!.shape}]`)
    })
    const after = Object.keys(c.buffersAfter ?? {}).map((path) => variables.get(path)!.value)
    const weigh = (values: readonly Tensor[], weights: readonly (readonly number[])[]): Tensor =>
      values
        .map((y, i) => y.mul(tensor(weights[i]!, { shape: y.shape as number[], dtype })).sum())
        .reduce((sum, one) => sum.add(one))
    const first = leaves.length > 0 ? gradientsOf(weigh(outputs, c.cotangents), leaves) : []
    const second =
      Object.keys(c.second).length > 0 ? gradientsOf(weigh(first, Object.values(c.directions)), leaves) : []
    return [...outputs, ...after, ...first, ...second].map((y) => TensorValue.nodeOf(y))
  })
  const named = (kind: string, values: Readonly<Record<string, readonly number[]>> = {}) =>
    Object.entries(values).map(([path, data]) => ({ name: `${kind} of ${path}`, values: data }))
  return {
    row: rowOf(traced, `${c.row}, ${c.name}, ${dtype}`, [[]]),
    expected: [
      ...c.outputs.map(({ data }, i) => ({ name: `result ${i}`, values: data.map(Number) })),
      ...named('buffer', c.buffersAfter),
      ...named('gradient', c.gradients),
      ...named('second derivative', c.second),
    ],
  }
}

/** Calls it with its inputs in order, but for those that options name: '$2' is the third. */
export function call(net: Call, c: FunctionCase, inputs: readonly (Variable | Tensor)[]): unknown {
  const at = inputs.map((one) => (one instanceof Tensor ? one : one.value))
  const used = new Set<number>()
  const given = (value: unknown): unknown => {
    const place = typeof value === 'string' ? /^\$(\d+)$/.exec(value)?.[1] : undefined
    if (place === undefined) return value
    used.add(Number(place))
    return at[Number(place)]
  }
  const options = c.options && Object.fromEntries(Object.entries(c.options).map(([k, v]) => [k, given(v)]))
  return net(...at.filter((_, i) => !used.has(i)), ...(options ? [options] : []))
}

/** Tensors in the order of nested arrays and of the keys of objects. */
export function flat(value: unknown): Tensor[] {
  if (value instanceof Tensor) return [value]
  if (typeof value !== 'object' || value === null) throw new Error(`a result is no tensor, but ${String(value)}`)
  return Object.values(value).flatMap(flat)
}

export function tensorOf({ shape, dtype, data }: Values, float: Float): Tensor {
  const as = { float64: float, float32: float, int64: 'int32', bool: 'bool' } as const
  return tensor(data.map(Number), { shape, dtype: as[dtype!] }) as Tensor
}

/** The program of an optimizer: given gradients, parameters (or their averages) after each step. */
export function optimizerProgram(c: OptimizerCase, fixture: OptimizerFixture, dtype: Float): Program {
  const names = c.only ?? Object.keys(fixture.start)
  const held = new Map(
    names.map((name) => [name, variable(tensorOf(fixture.start[name]!, dtype), { trainable: true })]),
  )
  const spec = build(c.make, dtype) as OptimizerSpec
  const average = c.average && (exported(`optim.${c.average.optim}`) as Averaging)(held, c.average.options)
  return stepProgram(`${c.row}, ${c.name}, ${dtype}`, held, spec, fixture.steps, c.after, average)
}
type Averaging = (source: ReadonlyMap<string, Variable>, options: object) => optim.ParameterAverage

type Numbers = readonly Readonly<Record<string, readonly number[]>>[]

/** `after`: what the parameters are after each step, or their averages. */
export function stepProgram(
  label: string,
  held: ReadonlyMap<string, Variable>,
  spec: OptimizerSpec,
  gradients: Numbers,
  after: Numbers,
  average?: optim.ParameterAverage,
): Program {
  const optimizer = spec.init(held)
  const trace = new Trace({ training: true, random: new RandomGenerator(11) })
  const traced = trace.record(() => {
    const given = new Map([...held.values()].map((v) => [v, new Tensor(trace.argument(v.dtype, v.shape), trace)]))
    const changed = optimizer.update(given)
    average?.update(changed)
    return [...(average?.variables ?? held).values()].map((v) => TensorValue.nodeOf(v.value))
  })
  const names = [...held.keys()]
  const array = held.values().next().value!.dtype === 'float64' ? Float64Array : Float32Array
  return {
    row: rowOf(
      traced,
      label,
      gradients.map((step) => names.map((name) => array.from(step[name]!))),
    ),
    expected: after.flatMap((step, i) =>
      names.map((name) => ({ name: `${name} after step ${i + 1}`, values: step[name]! })),
    ),
  }
}

/** What was traced as a row; `steps`: the arguments of each step. */
function rowOf(traced: ReturnType<Trace['record']>, label: string, steps: readonly TypedArray[][]): Row {
  const inputs = new Map(
    traced.bindings.flatMap((binding, i) => (binding.kind === 'variable' ? [[binding.variable, i] as const] : [])),
  )
  const initial = traced.bindings.map((binding) => {
    if (binding.kind === 'argument') return undefined
    if (binding.kind === 'variable') return { dtype: binding.variable.dtype, data: binding.variable.storage.read() }
    return { dtype: binding.leaf.type.dtype, data: leafValues(binding.leaf).slice() as TypedArray }
  })
  return {
    label,
    graph: traced.graph,
    updates: new Map(traced.updates.map((one, i) => [traced.results + i, inputs.get(one)!])),
    initial,
    results: traced.results,
    steps: steps.map((values) => {
      const left = [...values]
      return initial.map((one) => (one ? undefined : left.shift()))
    }),
  }
}

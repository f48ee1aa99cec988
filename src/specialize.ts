/**
 * @file A step for arguments of certain shapes: traced, compiled, and on request watched. In: a function, the arguments' types,
 * how to compile. Out: a program and how arguments and results go in and out of it; and the same step once more with what is
 * observed, or traced again with the origin of every node.
 */
import type { TypedArray } from './base/dtype.js'
import { debugLevel } from './base/environment.js'
import { TraceError, ValueError } from './base/errors.js'
import { sizeOf } from './base/shape.js'
import { Storage } from './base/storage.js'
import { flatten } from './base/tree.js'
import { compileGraph, compilePrepared, type Program, prepareGraph } from './compile.js'
import { instrumented, type StepParts } from './diagnosis/instrument.js'
import { isObservable, type ObservedLayer, type ObservedParameter, probe } from './diagnosis/observe.js'
import { withOrigins } from './diagnosis/origins.js'
import type { Guarded, Watching } from './diagnosis/sentinel.js'
import { type Node, type TensorType, topological } from './graph/node.js'
import { type CallObserver, isModule, withObserver } from './nn/module.js'
import { type CompileSettings, numericsMode } from './settings.js'
import { blameArguments, parameterNames } from './trace/arguments.js'
import type { RandomGenerator } from './trace/random.js'
import { Tensor } from './trace/tensor.js'
import { Trace, type Traced } from './trace/trace.js'
import { leafValues, TensorValue } from './trace/value.js'

/** A step for arguments of certain types. */
export interface Specialization extends Guarded {
  readonly types: readonly TensorType[]
  readonly structure: string
  readonly program: Program
  /** Which argument feeds each input, −1 where a storage does. */
  readonly feeds: readonly number[]
  readonly results: readonly TensorType[]
  readonly rebuild: (leaves: readonly unknown[]) => unknown
  /** The result is one tensor, not a tree of them. */
  readonly single: boolean
  /** GRADUS_DEBUG=2: the times of its kernels are to be printed after its first run. */
  report: boolean
}

/** How a step is traced and compiled. */
export interface SpecializeOptions extends CompileSettings {
  readonly training?: boolean
  readonly random?: RandomGenerator
  /** What it is watched for. */
  readonly watching?: Watching
  /** Whether observations have the gradients themselves. */
  readonly wholeGradients?: boolean
}

const isTensor = (value: unknown): value is Tensor => value instanceof Tensor

interface TracedFunction {
  readonly trace: Trace
  readonly traced: Traced
  readonly result: ReturnType<typeof flatten<Tensor>>
  readonly single: boolean
  readonly layers: readonly ObservedLayer[]
}

/** Calls the function that is traced; where it fails by its arguments, the error says so. */
function callPlain<A extends readonly unknown[], R>(f: (...args: A) => R, args: A): R {
  try {
    return f(...args)
  } catch (error) {
    throw blameArguments({ operation: 'step', f: f as unknown as () => R }, args, error)
  }
}

function traceFunction<A extends readonly unknown[], R>(
  f: (...args: A) => R,
  types: readonly TensorType[],
  rebuild: (leaves: readonly unknown[]) => unknown,
  options: SpecializeOptions,
): TracedFunction {
  const trace = new Trace({ training: options.training, random: options.random })
  const layers: ObservedLayer[] = []
  const observe: CallObserver = ({ path, layer, output }) => {
    const [value] = Array.isArray(output) ? (output as unknown[]) : [output]
    // What other layers were called in is seen in those.
    if (path === '' || !isTensor(value) || layers.some((one) => one.path === path || one.path.startsWith(`${path}.`)))
      return
    const name = isModule(layer) ? layer.description : layer.name || 'function'
    if (isObservable(value.dtype, value.shape)) layers.push({ path, layer: name, value: TensorValue.nodeOf(value) })
  }
  let result: ReturnType<typeof flatten<Tensor>> | undefined
  let single = false
  const traced = trace.record(() => {
    const symbols = types.map(({ dtype, shape }) => new Tensor(trace.argument(dtype, shape), trace))
    const call = () => callPlain(f, rebuild(symbols) as A)
    const returned = options.watching?.every ? withObserver(observe, call) : call()
    if (returned instanceof Promise)
      throw new TraceError('compile', 'the function is async', {
        hint: 'A step records operations; it has nothing to await. Read results after the call.',
      })
    single = isTensor(returned)
    result = flatten<Tensor>(returned, isTensor)
    return result.leaves.map((tensor) => TensorValue.nodeOf(tensor))
  })
  return { trace, traced, result: result!, single, layers }
}

/** Traces and compiles a function for arguments as they are given, flat. */
export function specialize<A extends readonly unknown[], R>(
  f: (...args: A) => R,
  flat: ReturnType<typeof flatten<Tensor>>,
  structure: string,
  options: SpecializeOptions,
): Specialization {
  const types = flat.leaves.map((tensor): TensorType => ({ dtype: tensor.dtype, shape: tensor.shape }))
  const { watching } = options
  const first = traceFunction(f, types, flat.rebuild, options)
  const { trace, traced, result, single } = first
  const { graph, bindings, updates } = traced
  if (watching && trace.watched.length === 0)
    throw new ValueError('compile', 'nothing is differentiated in the step, so that there is nothing to watch', {
      hint: 'onNonFinite and observe look at what backpropagate(error, net) is given and gives: call it in the step, or leave them out.',
    })
  const results = graph.outputs.slice(0, traced.results).map((node) => node.type)
  const inputOf = new Map(
    bindings.flatMap((binding, i) => (binding.kind === 'variable' ? [[binding.variable, i] as const] : [])),
  )
  const replaces = updates.map((variable) => inputOf.get(variable)!)
  const storages = bindings.map((binding) => {
    if (binding.kind === 'variable') return binding.variable.storage
    if (binding.kind === 'argument') return undefined
    const { dtype, shape } = binding.leaf.type
    return new Storage(dtype, sizeOf(shape), leafValues(binding.leaf).slice() as TypedArray)
  })
  const mode = numericsMode(options)
  const prepared = watching && prepareGraph(graph, mode)
  const parts = prepared && partsOf(first, prepared, replaces)
  const watched = (observed: readonly Node[]) => {
    const { graph: whole, updates: places, extras } = instrumented(parts!, watching!.onNonFinite, observed)
    return { program: compilePrepared(whole, places, storages, options), extras }
  }
  const plain = () =>
    compileGraph(graph, new Map(replaces.map((input, i) => [traced.results + i, input])), storages, options)
  const changed = new Set<Storage>(updates.map(({ storage }) => storage))
  const variables = bindings.flatMap((binding) =>
    binding.kind === 'variable' && binding.variable.storage.holds === 'model' ? [binding.variable.storage] : [],
  )
  let observed: ReturnType<Guarded['observed']> | undefined
  return {
    types,
    structure,
    program: watching?.onNonFinite ? watched([]).program : plain(),
    feeds: bindings.map((binding) => (binding.kind === 'argument' ? binding.index : -1)),
    results,
    rebuild: result.rebuild,
    single,
    report: debugLevel() >= 2,
    updated: [...changed],
    read: variables.filter((storage) => !changed.has(storage)),
    observed: () => {
      if (observed) return observed
      const flags = watching!.onNonFinite ? 1 : 0
      const { nodes, read } = probe(
        parametersOf(first, prepared!.latest, prepared!.graph.outputs),
        layersOf(first, prepared!.latest),
        options.wholeGradients ?? false,
      )
      observed = {
        ...watched(nodes),
        read: (outputs) => ({
          ...read(outputs.slice(flags)),
          step: 0,
          skipped: flags === 1 && watching!.onNonFinite === 'skip' && outputs[0]![0] === 0,
        }),
      }
      return observed
    },
    retrace: (inputs) => {
      const { result: again, originOf } = withOrigins(() => traceFunction(f, types, flat.rebuild, options))
      const { graph: after, latest } = prepareGraph(again.traced.graph, mode)
      const values = again.traced.bindings.map((binding, i) => {
        if (binding.kind === 'argument') return inputs[i]!
        return binding.kind === 'variable' ? binding.variable.storage.read() : leafValues(binding.leaf)
      })
      const argumentNames = flat.paths.map((path) => nameOfArgument(path, parameterNames(f)))
      const { watched: roots, names } = again.trace
      const prepared = { graph: after, latest }
      return {
        step: { traced: again.traced, prepared, originOf, watched: roots, names, mode, argumentNames },
        inputs: values,
      }
    },
  }
}

/** `[0].x` of (input) is `input.x`. */
const nameOfArgument = (path: string, names: readonly string[]): string =>
  path.replace(/^\[?(\d+)\]?/, (whole, index) => names[Number(index)] ?? whole)

function partsOf(
  { trace, traced }: TracedFunction,
  { graph, latest }: ReturnType<typeof prepareGraph>,
  replaces: readonly number[],
): StepParts {
  const gradients = trace.watched.flatMap((one) => [...one.gradients.values()])
  return {
    graph,
    results: traced.results,
    replaces,
    errors: trace.watched.map(({ error }) => latest(error)),
    gradients: [...new Set(gradients.map(latest))],
  }
}

function parametersOf(
  { trace, traced }: TracedFunction,
  latest: (node: Node) => Node,
  outputs: readonly Node[],
): ObservedParameter[] {
  const byName = new Map([...trace.names].map(([variable, name]) => [name, variable]))
  const seen = new Map<string, ObservedParameter>()
  for (const { gradients } of trace.watched)
    for (const [name, gradient] of gradients) {
      const variable = byName.get(name)!
      const input = traced.bindings.findIndex((one) => one.kind === 'variable' && one.variable === variable)
      const update = traced.updates.indexOf(variable)
      const after = update < 0 ? undefined : outputs[traced.results + update]!
      seen.set(name, { name, gradient: latest(gradient), before: traced.graph.inputs[input]!, after })
    }
  return [...seen.values()]
}

/** Layers whose values are computed by the step itself, not within a loop of it. */
function layersOf({ traced, layers }: TracedFunction, latest: (node: Node) => Node): ObservedLayer[] {
  const computed = new Set(topological(traced.graph.outputs))
  return layers
    .filter(({ value }) => computed.has(value))
    .map(({ path, layer, value }) => ({ path, layer, value: latest(value) }))
}

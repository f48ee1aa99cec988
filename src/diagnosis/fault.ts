/**
 * @file What is said of a step that is not finite. In: the step, traced once more with the origin of every node, and what its inputs
 * were. Out: the fault: operation, layer, stage, values, cure; and it as text.
 *
 * faultText(fault) → "First not finite: log in the loss (train.ts:12), forward propagation: 3 of float32[8] are NaN, first at [2]; ..."
 */
import type { TypedArray } from '../base/dtype.js'
import type { NonFiniteFault } from '../base/non-finite.js'
import { formatShape } from '../base/shape.js'
import { isOp, type Node, topological } from '../graph/node.js'
import type { NumericsMode } from '../numerics/arithmetic.js'
import type { Binding, Traced, VariableLike } from '../trace/trace.js'
import { cureFor, operationName } from './cure.js'
import { locate } from './locate.js'
import { type Origin, originsAfter } from './origins.js'
import { statisticsText } from './statistics.js'

/** A step that was traced with the origin of every node. */
export interface TracedStep {
  readonly traced: Traced
  /** After the passes over graphs. */
  readonly prepared: {
    readonly graph: { inputs: readonly Node[]; outputs: readonly Node[] }
    readonly latest: (node: Node) => Node
  }
  readonly originOf: (node: Node) => Origin | undefined
  readonly watched: readonly { readonly error: Node; readonly gradients: ReadonlyMap<string, Node> }[]
  readonly names: ReadonlyMap<VariableLike, string>
  readonly mode: NumericsMode
  /** The names of the step's arguments. */
  readonly argumentNames: readonly string[]
}

/** Finds the first operation that was not finite; `inputs` are those of the graph, in order. */
export function faultOf(step: TracedStep, inputs: readonly TypedArray[], count: number): NonFiniteFault {
  const { traced, prepared, watched, names, mode } = step
  const { graph, latest } = prepared
  const errors = watched.map(({ error }) => latest(error))
  const gradients = watched.flatMap((one) => [...one.gradients].map(([name, node]) => [name, latest(node)] as const))
  const updates = graph.outputs.slice(traced.results)
  const found = locate(graph, inputs, [errors, gradients.map(([, node]) => node), updates], mode)
  if (!found) return notFound(count)
  const { node, root } = found
  const gradient = gradients.find(([, one]) => one === root)
  const assigned = traced.updates[updates.indexOf(root)]
  const what = errors.includes(root)
    ? 'the loss'
    : gradient
      ? `the gradient of ${gradient[0]}`
      : `the new value of ${nameOf(assigned, names)}`
  const common = { what, value: found.value, step: count, inputs: found.inputs, output: found.output }
  const binding = traced.bindings[graph.inputs.indexOf(node)]
  if (binding) {
    const cure = 'Look at the data: find the row, and mend it or leave it out.'
    const name = inputName(binding, step)
    const poisoned = 'It was so before the step: look at what was loaded or assigned.'
    return { ...common, operation: name, stage: 'input', cure: isData(binding) ? cure : poisoned, inputs: [] }
  }
  const all = topological(traced.graph.outputs)
  const origins = originsAfter(all, topological(graph.outputs), step.originOf, latest)
  const entry = origins.get(node)
  const origin = entry?.origin
  const forward = origin?.of
  const layerOf = forward ? (step.originOf(forward) ?? origin) : origin
  const own = isOp(node, 'fma') && entry && !isOp(entry.node, 'fma') ? operationName(entry.node) : operationName(node)
  return {
    ...common,
    operation: forward ? `${own} in the derivative of ${operationName(forward)}` : own,
    stage: origin?.stage ?? 'forward propagation',
    ...(layerOf?.layer ? { layer: `${layerOf.layer}${layerOf.what ? ` (${layerOf.what})` : ''}` } : {}),
    ...placeOf(layerOf),
    cure: cureFor(node, found.inputs, forward),
  }
}

/** Where a layer was made, or by which of the library's functions and in which line of the caller's an operation came about. */
function placeOf(origin: Origin | undefined): { place?: string } {
  if (!origin) return {}
  const { layer, place, called } = origin
  const text = layer ? place : [called, place].filter((part) => part !== undefined).join(', ')
  return text ? { place: text } : {}
}

const isData = (binding: Binding): boolean =>
  binding.kind === 'argument' || (binding.kind === 'variable' && binding.variable.storage.holds === 'data')

function inputName(binding: Binding, { names, argumentNames }: TracedStep): string {
  if (binding.kind === 'argument') return `the argument '${argumentNames[binding.index] ?? binding.index}'`
  if (binding.kind === 'captured') return 'a tensor that the step uses'
  return nameOf(binding.variable, names)
}

const nameOf = (variable: VariableLike | undefined, names: ReadonlyMap<VariableLike, string>): string =>
  variable ? (names.get(variable) ?? `a Variable of ${variable.dtype}${formatShape(variable.shape)}`) : 'a Variable'

const notFound = (step: number): NonFiniteFault => ({
  what: 'a value',
  value: 'not finite',
  step,
  inputs: [],
  cure: 'Lower the learning rate, standardise the inputs, or clip gradients.',
})

/** The fault in words, without the cure. */
export function faultText({ operation, stage, layer, place, inputs, output }: NonFiniteFault): string {
  if (!operation || !output) return 'The operation was not found'
  const { nan, infinite, first } = output
  const bad = [nan > 0 ? `${nan} NaN` : '', infinite > 0 ? `${infinite} infinite` : ''].filter(Boolean).join(' and ')
  const at = first && first.length > 0 ? `, first at [${first.join(', ')}]` : ''
  const gives = `${bad} in ${output.dtype}${formatShape(output.shape)}${at}`
  if (stage === 'input') return `${operation} has ${gives}, as it goes into the step`
  const where = layer ? `, in ${layer}${place ? ` (${place})` : ''}` : place ? `, outside layers (${place})` : ''
  const of = inputs.length > 0 ? `, of ${inputs.map(statisticsText).join(' and ')}` : ''
  return `First not finite is ${operation}${where}, ${stage}: ${gives}${of}`
}

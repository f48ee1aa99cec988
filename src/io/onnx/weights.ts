/**
 * @file Which numbers of an ONNX file are parameters. The format does not say: they are what stands where layers have their
 * weights, perhaps through reshapes; everything else is a constant (scales of a resizing, masks, limits).
 * In: a graph. Out: the names of trained initializers, and of those that are state but not trained.
 */
import type { StoredTensor } from '../safetensors.js'
import { allNodes, type GraphMessage } from './proto.js'

/** Inputs that are weights. */
const weightInputs: { readonly [opType: string]: readonly number[] } = {
  Add: [0, 1],
  BatchNormalization: [1, 2],
  Conv: [1, 2],
  ConvTranspose: [1, 2],
  Div: [0, 1],
  Einsum: [0, 1, 2, 3],
  Gather: [0],
  Gemm: [0, 1, 2],
  GroupNormalization: [1, 2],
  GRU: [1, 2, 3],
  InstanceNormalization: [1, 2],
  LayerNormalization: [1, 2],
  LSTM: [1, 2, 3, 7],
  MatMul: [0, 1],
  Mul: [0, 1],
  PRelu: [1],
  RMSNormalization: [1],
  RNN: [1, 2, 3],
  Sub: [0, 1],
}
/** Inputs that are saved with a network but not trained. */
const stateInputs: { readonly [opType: string]: readonly number[] } = { BatchNormalization: [3, 4] }
/** Operators whose input is the same numbers in other places. */
const carriers = [
  'Cast',
  'Concat',
  'Expand',
  'Flatten',
  'Identity',
  'Reshape',
  'Slice',
  'Split',
  'Squeeze',
  'Transpose',
  'Unsqueeze',
]

export interface Weights {
  readonly trained: ReadonlySet<string>
  readonly state: ReadonlySet<string>
}

export function findWeights(graph: GraphMessage, initializers: ReadonlyMap<string, StoredTensor>): Weights {
  const trained = new Set<string>()
  const state = new Set<string>()
  for (const { opType, input, output } of [...allNodes(graph)].reverse()) {
    for (const i of weightInputs[opType!] ?? []) if (input[i]) trained.add(input[i])
    for (const i of stateInputs[opType!] ?? []) if (input[i]) state.add(input[i])
    if (!carriers.includes(opType!)) continue
    // What is carried; the inputs after the first are shapes and axes.
    const carried = opType === 'Concat' ? input : input.slice(0, 1)
    for (const set of [trained, state])
      if (output.some((name) => set.has(name))) for (const name of carried) set.add(name)
  }
  // Exporters write a group norm as an instance norm with neither: ones and zeros.
  for (const { opType, input } of graph.node) {
    if (opType !== 'InstanceNormalization') continue
    const all = (i: number, value: number) => initializers.get(input[i]!)?.data.every((x) => x === value)
    if (all(1, 1) && all(2, 0)) for (const i of [1, 2]) trained.delete(input[i]!)
  }
  const isParameter = (name: string) => {
    const given = initializers.get(name)
    // A number alone is a constant of the formula.
    return (
      given !== undefined &&
      (given.dtype === 'float32' || given.dtype === 'float64') &&
      given.shape.length > 0 &&
      given.data.length > 1
    )
  }
  return {
    trained: new Set([...trained].filter((name) => isParameter(name) && !state.has(name))),
    state: new Set([...state].filter((name) => isParameter(name))),
  }
}

/**
 * @file ONNX export: a network for inference, any batch size. In: a network and what it takes. Out: the bytes of a .onnx file.
 *
 * await exportOnnx(net, { input: { shape: [1, 784] }, file: 'digits.onnx' })       // input: float32[batch,784]
 */
import { type DType, dtypes } from '../../base/dtype.js'
import { DtypeError, ShapeError, ValueError } from '../../base/errors.js'
import { formatShape, type Shape } from '../../base/shape.js'
import { flatten } from '../../base/tree.js'
import { gradusVersion } from '../../base/version.js'
import { topological, withTable } from '../../graph/node.js'
import { checkOptions } from '../../nn/checks.js'
import { type AnyFunction, isModule, state } from '../../nn/module.js'
import { Tensor } from '../../trace/tensor.js'
import { type Binding, Trace, type Traced } from '../../trace/trace.js'
import { leafValues, TensorValue } from '../../trace/value.js'
import type { Variable } from '../../trace/variable.js'
import { unrollLoops } from '../../transform/unroll.js'
import { writeFile } from '../files.js'
import { closeGraph, valueInfo } from './close.js'
import { printNode } from './print-ops.js'
import { Printer } from './printer.js'
import { empty, encodeModel, type GraphMessage } from './proto.js'
import { Family, fixed, traceBatches } from './sizes.js'
import { writeTensor } from './tensors.js'

/** What an input is like: a tensor, or a shape (the batch axis first) and a dtype, float32 unless given. */
export type OnnxInput = Tensor | { readonly shape: Shape; readonly dtype?: DType; readonly name?: string }

/** What `exportOnnx` must know besides the network. */
export interface OnnxExportOptions {
  /** What the network takes: one input, or a list of them. Values of tensors do not matter. */
  readonly input: OnnxInput | readonly OnnxInput[]
  /** Where to write the model. */
  readonly file?: string
  /** Whether the first axis of every input may have any size when the model runs; true unless said otherwise. */
  readonly dynamicBatch?: boolean
  /**
   * Loops (`scan`, and so recurrent layers) as ONNX's Scan, of any length; or 'unrolled', each step written out, for
   * runtimes that have no Scan or are slow at it. 'scan' unless said otherwise.
   */
  readonly loops?: 'scan' | 'unrolled'
  /** Names of the outputs; `output`, or the keys of the object or list that the network gives. */
  readonly outputNames?: readonly string[]
}

/** ONNX's opset of 2022, which every runtime of today knows; IR version 8 came with it. */
export const opset = 18
const irVersion = 8

/**
 * The network as an ONNX model (opset 18), and a file of it. It is traced in inference mode; parameters become initializers
 * under their paths (`0.weight`). Results agree with those here up to rounding: sums go in the runtime's order, and eˣ − 1
 * and ln(1 + x) are computed as they are written.
 * Throws ValueError for what ONNX cannot say: random numbers in inference, variables that inference changes, sizes that are
 * no multiple of the batch and a constant.
 */
export async function exportOnnx(net: AnyFunction, options: OnnxExportOptions): Promise<Uint8Array<ArrayBuffer>> {
  checkOptions('exportOnnx', options, ['input', 'file', 'dynamicBatch', 'loops', 'outputNames'])
  const bytes = encodeModel({
    ...empty('Model'),
    irVersion,
    producerName: 'gradus',
    producerVersion: gradusVersion,
    opsetImport: [{ domain: '', version: opset }],
    graph: graphOf(net, options),
  })
  if (options.file !== undefined) await writeFile(options.file, bytes)
  return bytes
}

interface Named {
  readonly name: string
  readonly dtype: DType
  readonly shape: Shape
}

function inputsOf({ input }: OnnxExportOptions): Named[] {
  const list = (Array.isArray(input) ? input : [input]) as readonly OnnxInput[]
  if (list.length === 0) throw new ValueError('exportOnnx', 'the network is given no input')
  return list.map((one, i) => {
    if (!(one instanceof Tensor) && (typeof one !== 'object' || one === null || !Array.isArray(one.shape)))
      throw new ValueError('exportOnnx', `input ${i} is neither a tensor nor { shape, dtype }`, {
        hint: 'Write { input: { shape: [1, 784] } }.',
      })
    const { shape, dtype = 'float32' } = one as { shape: Shape; dtype?: DType }
    if (!dtypes.includes(dtype)) throw new DtypeError('exportOnnx', `input ${i} has no dtype '${String(dtype)}'`)
    const name = (one as { name?: string }).name ?? (list.length === 1 ? 'input' : `input_${i}`)
    return { name, dtype, shape }
  })
}

interface Result {
  readonly traced: Traced
  readonly paths: readonly string[]
}

function traceOnce(net: AnyFunction, inputs: readonly Named[], loops: 'scan' | 'unrolled'): Result {
  const trace = new Trace({ training: false })
  let paths: readonly string[] = []
  const traced = trace.record(() => {
    const symbols = inputs.map(({ dtype, shape }) => new Tensor(trace.argument(dtype, shape), trace))
    const result = flatten<Tensor>(net(...symbols), (value): value is Tensor => value instanceof Tensor)
    if (result.leaves.length === 0)
      throw new ValueError('exportOnnx', 'the network gives no tensor', { hint: 'Return what the model is to give.' })
    paths = result.paths
    return result.leaves.map((tensor) => TensorValue.nodeOf(tensor))
  })
  if (traced.updates.length > 0)
    throw new ValueError('exportOnnx', 'the network changes variables in inference', {
      hint: 'A model in a file has no state, and draws no random numbers: pass these in and out.',
    })
  if (loops === 'scan') return { traced, paths }
  const graph = withTable(trace.table, () => unrollLoops(traced.graph))
  return { traced: { ...traced, graph }, paths }
}

function graphOf(net: AnyFunction, options: OnnxExportOptions): GraphMessage {
  const inputs = inputsOf(options)
  const { dynamicBatch = true, loops = 'scan' } = options
  if (loops !== 'scan' && loops !== 'unrolled')
    throw new ValueError('exportOnnx', `loops are 'scan' or 'unrolled', not '${String(loops)}'`)
  const batched = inputs.filter(({ shape }) => shape.length > 0)
  const dynamic = dynamicBatch && batched.length > 0
  for (const { name, shape } of dynamic ? batched : [])
    if (shape[0] !== batched[0]!.shape[0])
      throw new ShapeError(
        'exportOnnx',
        `inputs '${batched[0]!.name}' and '${name}' have batches of different sizes, ${formatShape(batched[0]!.shape)} and ${formatShape(shape)}`,
        { hint: 'The first axis is the batch; write { dynamicBatch: false } where it is not.' },
      )
  const at = (batch: number) =>
    inputs.map((one) => (one.shape.length > 0 ? { ...one, shape: [batch, ...one.shape.slice(1)] } : one))
  // As given, so that what does not fit is said in the user's own sizes.
  const given = traceOnce(net, inputs, loops)
  const results = dynamic ? traceBatches.map((batch) => traceOnce(net, at(batch), loops)) : [given]
  const family = new Family(
    results.map(({ traced }) => traced.graph),
    traceBatches,
  )
  return printGraph(
    net,
    family,
    results[0]!.traced.bindings,
    inputs,
    outputNames(given.paths, options),
    dynamic ? batched[0]!.name : undefined,
  )
}

function outputNames(paths: readonly string[], { outputNames: wanted }: OnnxExportOptions): string[] {
  if (wanted && wanted.length !== paths.length)
    throw new ValueError('exportOnnx', `the network gives ${paths.length} outputs, not ${wanted.length}`)
  return paths.map((path, i) => wanted?.[i] ?? (path === '' ? 'output' : /^\d+$/.test(path) ? `output_${path}` : path))
}

function printGraph(
  net: AnyFunction,
  family: Family,
  bindings: readonly Binding[],
  inputs: readonly Named[],
  outputs: readonly string[],
  batchInput: string | undefined,
): GraphMessage {
  const graph = family.first
  const nodes = topological(graph.outputs)
  const paths = new Map<unknown, string>(isModule(net) ? [...state(net)].map(([path, v]) => [v, path]) : [])
  const names = [...inputs.map(({ name }) => name), ...outputs]
  const twice = names.find((name, i) => names.indexOf(name) !== i)
  if (twice !== undefined) throw new ValueError('exportOnnx', `two inputs or outputs are named '${twice}'`)
  const p = new Printer(family, printNode, new Set([...names, ...paths.values()]), batchInput)
  const needed = new Set(nodes)
  for (const [i, node] of graph.inputs.entries()) {
    const binding = bindings[i]!
    if (binding.kind === 'argument') p.define(node, inputs[binding.index]!.name)
    else if (needed.has(node)) {
      const { dtype } = node.type
      // Where a captured tensor grows with the batch this throws.
      const shape = node.type.shape.map((_, axis) => family.number(node, 'the size', (n) => n.type.shape[axis]!))
      const path = binding.kind === 'variable' ? paths.get(binding.variable as Variable) : undefined
      // A name that an input or output has as well is changed.
      const name = path !== undefined && !names.includes(path) ? path : p.unique(path ?? binding.kind)
      const data = binding.kind === 'variable' ? binding.variable.storage.read() : leafValues(binding.leaf)
      p.define(node, p.initializer(writeTensor(name, dtype, shape, data)))
    }
  }
  p.run()
  const given = inputs.map(({ name, dtype, shape }) =>
    valueInfo(
      name,
      dtype,
      shape.map((n, axis) => (axis === 0 && batchInput !== undefined ? { batch: 1, fixed: 0 } : fixed(n))),
    ),
  )
  return closeGraph(p, 'gradus', given, outputs)
}

/**
 * @file ONNX import: a model made elsewhere as a network of ours, to be run, trained further, saved. In: a .onnx file or its
 * bytes. Out: a module whose parameters are the file's weights under their names.
 *
 * const net = await importOnnx('resnet.onnx'); net(images); await fit(net, { train, loss: loss.crossEntropy, ... })
 */
import { type DType, isFloat } from '../../base/dtype.js'
import { DtypeError, FileError, ShapeError, ValueError } from '../../base/errors.js'
import { formatShape, type Shape } from '../../base/shape.js'
import { checkOptions } from '../../nn/checks.js'
import { type Children, type Module, makeModule } from '../../nn/module.js'
import { withScope } from '../../trace/scope.js'
import { Tensor } from '../../trace/tensor.js'
import { Variable } from '../../trace/variable.js'
import { readBytes } from '../files.js'
import type { StoredTensor } from '../safetensors.js'
import { Call, constantTensor, type Rules } from './call.js'
import { attentionRules } from './operators-attention.js'
import { elementwiseRules } from './operators-elementwise.js'
import { networkRules } from './operators-network.js'
import { placeRules } from './operators-places.js'
import { recurrentRules } from './operators-recurrent.js'
import { resizeRules } from './operators-resize.js'
import { scanRules } from './operators-scan.js'
import { shapeRules } from './operators-shape.js'
import { windowRules } from './operators-windows.js'
import {
  allNodes,
  decodeModel,
  type GraphMessage,
  type Model,
  type NodeMessage,
  type TensorMessage,
  type ValueInfo,
} from './proto.js'
import { dtypeOfElement, readTensor } from './tensors.js'
import { findWeights } from './weights.js'

/** Every operator that can be imported. */
export const importRules: Rules = {
  ...attentionRules,
  ...elementwiseRules,
  ...shapeRules,
  ...windowRules,
  ...networkRules,
  ...placeRules,
  ...recurrentRules,
  ...resizeRules,
  ...scanRules,
}

/** How `importOnnx` reads a file. */
export interface OnnxImportOptions {
  /**
   * Which of the model's weights are trained, by name; all of them unless said otherwise. Weights are floats of more than one
   * element that stand where layers have theirs: in products, convolutions, normalisations, look-ups, and what is added or
   * multiplied.
   */
  readonly trainable?: RegExp | ((name: string) => boolean)
}

/** An input or output: sizes are numbers, names of sizes that vary, or undefined where the file does not say. */
export interface OnnxValue {
  readonly name: string
  readonly dtype: DType
  readonly shape: readonly (number | string | undefined)[] | undefined
}

/** An imported network: a function of its inputs in the file's order. */
export type OnnxModule<R = Tensor> = Module<Children, (...inputs: Tensor[]) => R> & {
  readonly inputs: readonly OnnxValue[]
  readonly outputs: readonly OnnxValue[]
}

/**
 * The network of an ONNX file, by path or bytes. It gives a tensor, or an object of them by name where it has several outputs.
 * Parameters are named as the file's initializers are (`0.weight`), so that `parameters`, `save`, `load` and optimizers find them.
 * int64 becomes int32 and half precision float32. Batch normalisation keeps the file's statistics, in training too; dropout
 * is active in training where the file still has it.
 * Throws FileError for what is no ONNX model, and with all operators that are not supported, at once; attributes that are
 * not supported are named when the network is first called.
 */
export async function importOnnx<R = Tensor>(
  source: string | Uint8Array,
  options: OnnxImportOptions = {},
): Promise<OnnxModule<R>> {
  checkOptions('importOnnx', options, ['trainable'])
  const path = typeof source === 'string' ? source : undefined
  const bytes = typeof source === 'string' ? await readBytes(source) : source
  if (!(bytes instanceof Uint8Array)) throw new ValueError('importOnnx', 'takes a path or the bytes of a file')
  const name = path ?? 'onnx'
  const model = decodeModel(bytes, name)
  const external = await readExternal(model, path, name)
  return moduleOf(model, name, external, options) as OnnxModule<R>
}

function moduleOf(
  model: Model,
  source: string,
  external: (message: TensorMessage) => Uint8Array,
  options: OnnxImportOptions,
): OnnxModule<unknown> {
  const graph = model.graph!
  const version = checkModel(model, source)
  const stored = new Map<string, StoredTensor>()
  for (const message of graph.initializer) {
    if (!message.name || stored.has(message.name))
      throw new FileError(source, `two initializers are named '${message.name ?? ''}'`)
    stored.set(message.name, readTensor(message, source, external))
  }
  const inputs = graph.input.filter(({ name }) => !stored.has(name!)).map((info) => describeValue(info, source))
  const outputs = graph.output.map((info) => describeValue(info, source))
  checkOrder(graph, [...stored.keys(), ...inputs.map(({ name }) => name)], source)

  const weights = findWeights(graph, stored)
  const { trainable = () => true } = options
  const isTrained = (name: string) => (typeof trainable === 'function' ? trainable(name) : name.search(trainable) >= 0)
  const variables = new Map<string, Variable>()
  const constants = new Map<string, Tensor>()
  for (const [name, { dtype, shape, data }] of stored) {
    const trained = weights.trained.has(name)
    if (trained || weights.state.has(name)) {
      const variable = new Variable(shape, dtype, () => data, trained && isTrained(name))
      variable.initialize(0, name)
      variables.set(name, variable)
    } else constants.set(name, constantTensor({ dtype, shape, data }))
  }
  const nodes = graph.node.filter((node) => {
    if (node.opType !== 'Constant') return true
    constants.set(node.output[0]!, importRules['Constant']!(new Call(node, [], version)) as Tensor)
    return false
  })
  const forward = (_: Children, ...given: Tensor[]) => {
    const values = new Map(constants)
    checkInputs(given, inputs)
    for (const [i, { name }] of inputs.entries()) values.set(name, given[i]!)
    const read: Read = (name) => values.get(name) ?? variables.get(name)!.value
    for (const node of nodes) runNode(node, version, read, values)
    return outputs.length === 1
      ? read(outputs[0]!.name)
      : Object.fromEntries(outputs.map(({ name }) => [name, read(name)]))
  }
  const name = source.replace(/^.*[\\/]/, '')
  return makeModule(`onnx ${name}`, tree(variables), forward as never, { inputs, outputs }) as never
}

type Read = (name: string) => Tensor

function runNode(node: NodeMessage, version: number, read: Read, values: Map<string, Tensor>): void {
  const call = new Call(
    node,
    node.input.map((name) => (name === '' ? undefined : read(name))),
    version,
    (graph, inputs) => runGraph(graph, inputs, version, read),
  )
  const given = withScope(node.name || node.output[0]!, undefined, () => importRules[node.opType!]!(call))
  const results = given instanceof Tensor ? [given] : given
  for (const [i, name] of node.output.entries()) {
    if (name === '') continue
    if (!results[i]) call.fail(`gives ${results.length} results here, not ${node.output.length}`)
    values.set(name, results[i]!)
  }
}

/** A graph within a graph, whose values it sees. */
function runGraph(graph: GraphMessage, inputs: readonly Tensor[], version: number, outer: Read): Tensor[] {
  const values = new Map<string, Tensor>()
  for (const message of graph.initializer) {
    values.set(message.name!, constantTensor(readTensor(message, 'onnx')))
  }
  for (const [i, { name }] of graph.input.entries()) values.set(name!, inputs[i]!)
  const read: Read = (name) => values.get(name) ?? outer(name)
  for (const node of graph.node) runNode(node, version, read, values)
  return graph.output.map(({ name }) => read(name!))
}

/** The version of the operators; throws for what cannot be imported. */
function checkModel(model: Model, source: string): number {
  const graph = model.graph!
  const standard = (domain = '') => domain === '' || domain === 'ai.onnx'
  const set = model.opsetImport.find(({ domain }) => standard(domain))
  const faults = new Map<string, number>()
  const unknown = (what: string) => faults.set(what, (faults.get(what) ?? 0) + 1)
  for (const { opType = '', domain } of allNodes(graph)) {
    if (!standard(domain)) unknown(`${domain}::${opType}`)
    else if (!Object.hasOwn(importRules, opType)) unknown(opType)
  }
  for (const { name, domain } of model.functions) unknown(`the function ${domain ? `${domain}::` : ''}${name}`)
  if (graph.sparseInitializer.length > 0) unknown('sparse initializers')
  if (faults.size > 0) {
    const list = [...faults].map(([what, count]) => (count === 1 ? what : `${what} (${count} times)`))
    throw new FileError(source, `uses what cannot be imported: ${list.join(', ')}`, {
      hint: `${Object.keys(importRules).length} operators are supported: docs/files.md lists them.`,
    })
  }
  if (set?.version === undefined) throw new FileError(source, 'does not say which version of the operators it uses')
  if (set.version < 7)
    throw new FileError(source, `uses version ${set.version} of the operators`, {
      hint: 'Supported are those from 7 on: convert it with onnx.version_converter.',
    })
  return set.version
}

/** Every name is defined once, before it is used. */
function checkOrder(graph: GraphMessage, defined: readonly string[], source: string): void {
  const known = new Set(defined)
  for (const node of graph.node) {
    const where = `the node '${node.name || node.output[0]}'`
    for (const name of node.input)
      if (name !== '' && !known.has(name))
        throw new FileError(source, `${where} uses '${name}', which nothing before it defines`)
    for (const { g } of node.attribute)
      if (g)
        checkOrder(
          g,
          [...known, ...g.input.map(({ name }) => name!), ...g.initializer.map(({ name }) => name!)],
          source,
        )
    for (const name of node.output) {
      if (name !== '' && known.has(name)) throw new FileError(source, `${where} defines '${name}' once more`)
      known.add(name)
    }
  }
  for (const { name } of graph.output)
    if (!known.has(name!)) throw new FileError(source, `nothing defines the output '${name}'`)
}

function describeValue({ name, type }: ValueInfo, source: string): OnnxValue {
  const { elemType = 0, shape } = type?.tensorType ?? {}
  const dtype = dtypeOfElement(elemType)
  if (!name || !dtype)
    throw new FileError(source, `'${name ?? ''}' is no tensor, or its element type ${elemType} is unknown`)
  return { name, dtype, shape: shape?.dim.map(({ dimValue, dimParam }) => dimValue ?? (dimParam || undefined)) }
}

function checkInputs(given: readonly Tensor[], inputs: readonly OnnxValue[]): void {
  const wanted = inputs
    .map(({ name, dtype, shape }) => `'${name}' ${dtype}[${shape?.map((n) => n ?? '?') ?? '...'}]`)
    .join(', ')
  if (given.length !== inputs.length || !given.every((one) => one instanceof Tensor))
    throw new ValueError('onnx', `takes ${inputs.length} tensors, ${wanted}; ${given.length} are given`)
  const sizes = new Map<string, number>()
  for (const [i, { name, dtype, shape }] of inputs.entries()) {
    const x = given[i]!
    if (x.dtype !== dtype)
      throw new DtypeError('onnx', `'${name}' is ${dtype}, not ${x.dtype}`, {
        hint: `Convert with .cast('${dtype}')${isFloat(dtype) ? '' : ', if it holds whole numbers'}.`,
      })
    const got = x.shape as Shape
    const fits =
      !shape ||
      (shape.length === got.length &&
        shape.every((size, axis) => {
          if (typeof size !== 'string') return size === undefined || size === got[axis]
          if (!sizes.has(size)) sizes.set(size, got[axis]!)
          return sizes.get(size) === got[axis]
        }))
    if (!fits) throw new ShapeError('onnx', `takes ${wanted}; '${name}' is ${formatShape(got)}`)
  }
}

/** Modules within modules, as the dots of the names say; names that would be both a parameter and a module lose their dots. */
function tree(variables: ReadonlyMap<string, Variable>): Children {
  interface Group {
    [name: string]: Variable | Group
  }
  const root: Group = {}
  const isGroup = (value: Variable | Group | undefined): value is Group =>
    value !== undefined && !(value instanceof Variable)
  for (const [name, variable] of variables) {
    const parts = name.split('.')
    let at = root
    const fits =
      parts.every((part) => part !== '' && part !== '__proto__') &&
      parts.every((part, i) => {
        const next = Object.hasOwn(at, part) ? at[part] : undefined
        if (i === parts.length - 1) return next === undefined
        if (next === undefined) return true
        if (!isGroup(next)) return false
        at = next
        return true
      })
    if (!fits) {
      let plain = name.replaceAll('.', '_') || '_'
      while (Object.hasOwn(root, plain)) plain += '_'
      root[plain] = variable
      continue
    }
    at = root
    for (const part of parts.slice(0, -1)) at = (Object.hasOwn(at, part) ? at[part] : (at[part] = {})) as Group
    at[parts[parts.length - 1]!] = variable
  }
  const close = (group: Group): Children =>
    Object.fromEntries(
      Object.entries(group).map(([name, value]) => [
        name,
        isGroup(value) ? makeModule('parameters', close(value), holdsOnly) : value,
      ]),
    )
  return close(root)
}

const holdsOnly = () => {
  throw new ValueError('onnx', 'this part of an imported network holds parameters and is no function')
}

/** Reads the files beside the model in which large tensors are kept. */
async function readExternal(
  model: Model,
  path: string | undefined,
  source: string,
): Promise<(message: TensorMessage) => Uint8Array> {
  const field = (message: TensorMessage, key: string) => message.externalData.find((entry) => entry.key === key)?.value
  const files = new Map<string, Uint8Array>()
  for (const message of model.graph!.initializer) {
    if (message.dataLocation !== 1) continue
    const location = field(message, 'location') ?? ''
    if (path === undefined)
      throw new FileError(source, `'${message.name}' is stored in the file '${location}'`, {
        hint: 'Import the model by its path, with that file beside it.',
      })
    // A model must not read what is not its own.
    if (location === '' || /^([\\/]|[A-Za-z]:)/.test(location) || location.split(/[\\/]/).includes('..'))
      throw new FileError(source, `'${message.name}' is stored outside the model's folder, in '${location}'`)
    if (!files.has(location)) files.set(location, await readBytes(path.replace(/[^\\/]*$/, '') + location))
  }
  return (message) => {
    const bytes = files.get(field(message, 'location')!)!
    const offset = Number(field(message, 'offset') ?? 0)
    const length = Number(field(message, 'length') ?? bytes.length - offset)
    if (
      !(
        Number.isSafeInteger(offset) &&
        Number.isSafeInteger(length) &&
        offset >= 0 &&
        length >= 0 &&
        offset + length <= bytes.length
      )
    )
      throw new FileError(
        source,
        `'${message.name}' lies at ${offset}..${offset + length}, outside its file of ${bytes.length} bytes`,
      )
    return bytes.subarray(offset, offset + length)
  }
}

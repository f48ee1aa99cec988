/**
 * @file The messages of an ONNX file and their encoding. In: bytes. Out: plain objects; and the other way round. One table says
 * every field's number and type; what it does not name (documentation, training information) is skipped in reading.
 * Source: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto, whose numbers and names these are (in camel case).
 *
 * decodeModel(bytes).graph?.node[0]?.opType       // 'Gemm'
 */
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import { FileError } from '../../base/errors.js'

export interface Model {
  irVersion?: number
  producerName?: string
  producerVersion?: string
  graph?: GraphMessage
  opsetImport: OperatorSet[]
  metadataProps: Entry[]
  functions: FunctionMessage[]
}
export interface OperatorSet {
  domain?: string
  version?: number
}
export interface Entry {
  key?: string
  value?: string
}
export interface GraphMessage {
  node: NodeMessage[]
  name?: string
  initializer: TensorMessage[]
  sparseInitializer: SparseMessage[]
  input: ValueInfo[]
  output: ValueInfo[]
}
export interface NodeMessage {
  input: string[]
  output: string[]
  name?: string
  opType?: string
  domain?: string
  attribute: Attribute[]
}
/** Named only, so that a file that has some is refused rather than misread. */
export interface FunctionMessage {
  name?: string
  domain?: string
}
export interface SparseMessage {
  dims: number[]
}
export interface Attribute {
  name?: string
  type?: number
  f?: number
  i?: number
  s?: Uint8Array
  t?: TensorMessage
  g?: GraphMessage
  floats: number[]
  ints: number[]
  strings: Uint8Array[]
}
export interface TensorMessage {
  dims: number[]
  dataType?: number
  name?: string
  floatData: number[]
  int32Data: number[]
  int64Data: number[]
  doubleData: number[]
  uint64Data: number[]
  rawData?: Uint8Array
  externalData: Entry[]
  dataLocation?: number
}
export interface ValueInfo {
  name?: string
  type?: TypeMessage
}
export interface TypeMessage {
  tensorType?: TensorTypeMessage
}
export interface TensorTypeMessage {
  elemType?: number
  shape?: ShapeMessage
}
export interface ShapeMessage {
  dim: Dimension[]
}
export interface Dimension {
  dimValue?: number
  dimParam?: string
}

interface Messages {
  Model: Model
  OperatorSet: OperatorSet
  Entry: Entry
  Graph: GraphMessage
  Node: NodeMessage
  Function: FunctionMessage
  Sparse: SparseMessage
  Attribute: Attribute
  Tensor: TensorMessage
  ValueInfo: ValueInfo
  Type: TypeMessage
  TensorType: TensorTypeMessage
  Shape: ShapeMessage
  Dimension: Dimension
}
type MessageName = keyof Messages
type Scalar = 'string' | 'bytes' | 'int32' | 'int64' | 'uint64' | 'float' | 'double'
/** Number, type, and whether it is repeated. */
type Field = readonly [number: number, type: Scalar | MessageName, repeated?: 'repeated']

/** Every field that is read or written. `satisfies` makes an interface and its row agree. */
const fields = {
  Model: {
    irVersion: [1, 'int64'],
    producerName: [2, 'string'],
    producerVersion: [3, 'string'],
    graph: [7, 'Graph'],
    opsetImport: [8, 'OperatorSet', 'repeated'],
    metadataProps: [14, 'Entry', 'repeated'],
    functions: [25, 'Function', 'repeated'],
  },
  OperatorSet: { domain: [1, 'string'], version: [2, 'int64'] },
  Entry: { key: [1, 'string'], value: [2, 'string'] },
  Graph: {
    node: [1, 'Node', 'repeated'],
    name: [2, 'string'],
    initializer: [5, 'Tensor', 'repeated'],
    sparseInitializer: [15, 'Sparse', 'repeated'],
    input: [11, 'ValueInfo', 'repeated'],
    output: [12, 'ValueInfo', 'repeated'],
  },
  Node: {
    input: [1, 'string', 'repeated'],
    output: [2, 'string', 'repeated'],
    name: [3, 'string'],
    opType: [4, 'string'],
    domain: [7, 'string'],
    attribute: [5, 'Attribute', 'repeated'],
  },
  Function: { name: [1, 'string'], domain: [10, 'string'] },
  Sparse: { dims: [3, 'int64', 'repeated'] },
  Attribute: {
    name: [1, 'string'],
    type: [20, 'int32'],
    f: [2, 'float'],
    i: [3, 'int64'],
    s: [4, 'bytes'],
    t: [5, 'Tensor'],
    g: [6, 'Graph'],
    floats: [7, 'float', 'repeated'],
    ints: [8, 'int64', 'repeated'],
    strings: [9, 'bytes', 'repeated'],
  },
  Tensor: {
    dims: [1, 'int64', 'repeated'],
    dataType: [2, 'int32'],
    name: [8, 'string'],
    floatData: [4, 'float', 'repeated'],
    int32Data: [5, 'int32', 'repeated'],
    int64Data: [7, 'int64', 'repeated'],
    doubleData: [10, 'double', 'repeated'],
    uint64Data: [11, 'uint64', 'repeated'],
    rawData: [9, 'bytes'],
    externalData: [13, 'Entry', 'repeated'],
    dataLocation: [14, 'int32'],
  },
  ValueInfo: { name: [1, 'string'], type: [2, 'Type'] },
  Type: { tensorType: [1, 'TensorType'] },
  TensorType: { elemType: [1, 'int32'], shape: [2, 'Shape'] },
  Shape: { dim: [1, 'Dimension', 'repeated'] },
  Dimension: { dimValue: [1, 'int64'], dimParam: [2, 'string'] },
} satisfies { [M in MessageName]: { [F in keyof Required<Messages[M]>]: Field } }

const isMessage = (type: Scalar | MessageName): type is MessageName => Object.hasOwn(fields, type)

interface Entries {
  readonly list: readonly (readonly [key: string, field: Field])[]
  readonly byNumber: ReadonlyMap<number, readonly [key: string, field: Field]>
}
const tables = Object.fromEntries(
  Object.entries(fields).map(([message, row]) => {
    const list = Object.entries(row) as unknown as [string, Field][]
    return [message, { list, byNumber: new Map(list.map((entry) => [entry[1][0], entry])) } satisfies Entries]
  }),
) as unknown as { readonly [M in MessageName]: Entries }

/** An empty message: repeated fields are there, others not. */
export function empty<M extends MessageName>(message: M): Messages[M] {
  const made: Record<string, unknown> = {}
  for (const [key, [, , repeated]] of tables[message].list) if (repeated) made[key] = []
  return made as unknown as Messages[M]
}

/** All nodes, also those of graphs within. */
export const allNodes = ({ node }: GraphMessage): NodeMessage[] =>
  node.flatMap((one) => [one, ...one.attribute.flatMap(({ g }) => (g ? allNodes(g) : []))])

/** Subgraphs of attributes may be nested this deep; deeper ones are an attack on the stack. */
const deepest = 32

/** Reads a whole model. Throws FileError for bytes that are no such message: cut short, wrong types of fields. */
export function decodeModel(bytes: Uint8Array, source = 'onnx'): Model {
  const fail = (fault: string, cause?: unknown): never => {
    throw new FileError(source, fault, { hint: 'The file is damaged, cut short, or no ONNX model.', cause })
  }
  let model: Model
  try {
    const reader = new BinaryReader(bytes)
    model = decode(reader, bytes.length, 'Model', 0)
  } catch (cause) {
    return fail(`cannot be read (${(cause as Error).message})`, cause)
  }
  if (!model.graph) fail('holds no graph')
  return model
}

function decode<M extends MessageName>(reader: BinaryReader, end: number, message: M, depth: number): Messages[M] {
  if (depth > deepest) throw new RangeError('messages are nested too deep')
  const made = empty(message) as unknown as Record<string, unknown>
  while (reader.pos < end) {
    const [number, wire] = reader.tag()
    const known = tables[message].byNumber.get(number)
    if (!known) {
      reader.skip(wire, number)
      continue
    }
    const [key, [, type, repeated]] = known
    const packed = repeated && wire === WireType.LengthDelimited && wireTypes(type) !== wire
    if (packed) {
      const until = reader.uint32() + reader.pos
      if (until > end) throw new RangeError(`${message}.${key} reaches beyond its message`)
      const list = made[key] as unknown[]
      while (reader.pos < until) list.push(scalar(reader, type as Scalar))
      if (reader.pos !== until) throw new RangeError(`${message}.${key} does not end where it should`)
      continue
    }
    if (wire !== wireTypes(type)) throw new TypeError(`${message}.${key} has the wire type ${wire}`)
    let value: unknown
    if (isMessage(type)) {
      const until = reader.uint32() + reader.pos
      if (until > end) throw new RangeError(`${message}.${key} reaches beyond its message`)
      value = decode(reader, until, type, depth + 1)
    } else value = scalar(reader, type)
    if (repeated) (made[key] as unknown[]).push(value)
    else made[key] = value
  }
  if (reader.pos !== end) throw new RangeError(`${message} does not end where it should`)
  return made as unknown as Messages[M]
}

function wireTypes(type: Scalar | MessageName): WireType {
  if (type === 'float') return WireType.Bit32
  if (type === 'double') return WireType.Bit64
  return type === 'int32' || type === 'int64' || type === 'uint64' ? WireType.Varint : WireType.LengthDelimited
}

/** Whole numbers beyond 2⁵³ are rounded; ONNX has them only as "to the end", which they stay. */
function scalar(reader: BinaryReader, type: Scalar): unknown {
  if (type === 'int64') return Number(reader.int64())
  if (type === 'uint64') return Number(reader.uint64())
  return reader[type]()
}

export function encodeModel(model: Model): Uint8Array<ArrayBuffer> {
  const writer = new BinaryWriter()
  encode(writer, 'Model', model)
  return writer.finish() as Uint8Array<ArrayBuffer>
}

function encode<M extends MessageName>(writer: BinaryWriter, message: M, value: Messages[M]): void {
  for (const [key, [number, type, repeated]] of tables[message].list) {
    const given = (value as unknown as Record<string, unknown>)[key]
    if (given === undefined) continue
    const items = (repeated ? given : [given]) as unknown[]
    if (repeated && items.length > 0 && wireTypes(type) !== WireType.LengthDelimited) {
      writer.tag(number, WireType.LengthDelimited).fork()
      for (const item of items) write(writer, type as Scalar, item)
      writer.join()
      continue
    }
    for (const item of items) {
      writer.tag(number, wireTypes(type))
      if (isMessage(type)) {
        writer.fork()
        encode(writer, type, item as Messages[typeof type])
        writer.join()
      } else write(writer, type, item)
    }
  }
}

function write(writer: BinaryWriter, type: Scalar, value: unknown): void {
  if (type === 'string') writer.string(value as string)
  else if (type === 'bytes') writer.bytes(value as Uint8Array)
  else writer[type](value as number)
}

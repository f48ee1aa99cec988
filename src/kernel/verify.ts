/**
 * @file The rules of the loop IR, checked: scoping, single assignment, operand types, access to buffers, and that every
 * index lies within its buffer, by interval arithmetic over the ranges of the loops.
 * In: a kernel. Out: nothing, or a VerifyError that quotes the statement.
 */
import { VerifyError } from '../base/errors.js'
import { loadedAs } from './builder.js'
import type {
  Affine,
  Buffer,
  Kernel,
  Statement,
  Value,
  ValueDType,
  ValueOp,
  ValueOpAttrs,
  ValueType,
  Variable,
} from './loop.js'
import { printKernel } from './print.js'
import { LoopRanges } from './ranges.js'

export function verifyKernel(kernel: Kernel): void {
  new Verifier(kernel).block(kernel.body, 0)
}

/** What `op` may be applied to: a fault in words, or nothing. */
type Rule<O extends ValueOp> = (
  result: ValueType,
  operands: readonly ValueType[],
  attrs: ValueOpAttrs[O],
) => string | undefined

const floats: readonly ValueDType[] = ['float32', 'float64']
const words: readonly ValueDType[] = ['int32', 'uint32']
const numbers: readonly ValueDType[] = [...floats, ...words]
const bits: readonly ValueDType[] = ['bool', ...words]
const every: readonly ValueDType[] = ['bool', ...numbers]

const same = (a: ValueType, b: ValueType): boolean => a.dtype === b.dtype && a.lanes === b.lanes
const show = ({ dtype, lanes }: ValueType): string => (lanes === 1 ? dtype : `${dtype}x${lanes}`)

/** All operands and the result have one type, of these dtypes. */
const uniform =
  (arity: number, dtypes: readonly ValueDType[]) =>
  (result: ValueType, operands: readonly ValueType[]): string | undefined => {
    if (operands.length !== arity) return `takes ${arity} operands, not ${operands.length}`
    if (!operands.every((operand) => same(operand, result))) return 'operands and result differ in type'
    return dtypes.includes(result.dtype) ? undefined : `is not defined for ${result.dtype}`
  }
const comparison = (result: ValueType, operands: readonly ValueType[]): string | undefined => {
  const [a, b] = operands
  if (operands.length !== 2 || !same(a!, b!)) return 'needs two operands of one type'
  return same(result, { dtype: 'bool', lanes: a!.lanes }) ? undefined : 'results in bools, a lane each'
}
const between =
  (from: ValueDType, to: ValueDType) =>
  (result: ValueType, operands: readonly ValueType[]): string | undefined =>
    operands.length === 1 && same(operands[0]!, { ...result, dtype: from }) && result.dtype === to
      ? undefined
      : `goes from ${from} to ${to}`
const shift = (result: ValueType, operands: readonly ValueType[], { by }: { readonly by: number }) =>
  by >= 0 && by < 32 && Number.isInteger(by) ? uniform(1, ['uint32'])(result, operands) : `shifts by 0 to 31, not ${by}`
const laneOf = (vector: ValueType, lane: number): string | undefined =>
  vector.lanes > 1 && Number.isInteger(lane) && lane >= 0 && lane < vector.lanes
    ? undefined
    : `has no lane ${lane} in ${show(vector)}`

const rules: { readonly [O in ValueOp]: Rule<O> } = {
  number: (result, operands, { value }) => {
    if (operands.length > 0) return 'takes no operands'
    const exact: { readonly [D in ValueDType]: boolean } = {
      float32: Object.is(Math.fround(value), value),
      float64: true,
      int32: (value | 0) === value,
      uint32: value >>> 0 === value,
      bool: value === 0 || value === 1,
    }
    return exact[result.dtype] ? undefined : `${value} is no ${result.dtype}`
  },
  splat: (result, [from]) =>
    from && result.lanes > 1 && same(from, { ...result, lanes: 1 }) ? undefined : 'goes from one lane to several',
  extract: (result, [vector], { lane }) =>
    vector && same(result, { ...vector, lanes: 1 }) ? laneOf(vector, lane) : 'goes from a vector to one lane',
  shuffle: (result, [a, b], { lanes }) =>
    a && b && same(a, result) && same(b, result)
      ? lanes.length === a.lanes && lanes.every((lane) => Number.isInteger(lane) && lane >= 0 && lane < 2 * a.lanes)
        ? undefined
        : 'names lanes that are not there'
      : 'takes two vectors of one type',
  insert: (result, [vector, scalar], { lane }) =>
    vector && scalar && same(vector, result) && same(scalar, { ...vector, lanes: 1 })
      ? laneOf(vector, lane)
      : 'takes a vector and a scalar',
  add: uniform(2, numbers),
  subtract: uniform(2, numbers),
  multiply: uniform(2, numbers),
  divide: uniform(2, floats),
  sqrt: uniform(1, floats),
  floor: uniform(1, floats),
  round: uniform(1, floats),
  fma: uniform(3, ['float32']),
  negate: uniform(1, numbers),
  abs: uniform(1, [...floats, 'int32']),
  maximum: uniform(2, every),
  minimum: uniform(2, every),
  and: uniform(2, bits),
  or: uniform(2, bits),
  xor: uniform(2, bits),
  not: uniform(1, bits),
  shiftLeft: shift,
  shiftRight: shift,
  equal: comparison,
  notEqual: comparison,
  less: comparison,
  lessEqual: comparison,
  select: (result, operands) => {
    const [mask, a, b] = operands
    if (operands.length !== 3 || !same(mask!, { dtype: 'bool', lanes: result.lanes })) return 'chooses by a bool'
    return same(a!, result) && same(b!, result) ? undefined : 'alternatives and result differ in type'
  },
  convert: (result, [from], { dtype }) =>
    from && from.lanes === result.lanes && result.dtype === dtype ? undefined : 'changes the dtype, not the lanes',
  pow2: uniform(1, floats),
  exponent: uniform(1, floats),
  mantissa: uniform(1, floats),
  rowStart: (result, [number], { extent, stride }) => {
    if (!Number.isInteger(extent) || extent < 1) return `${extent} rows`
    if (!Number.isInteger(stride) || stride < 0 || extent * stride >= 2 ** 31) return `rows of ${stride} elements`
    return number && same(number, result) && same(result, { dtype: 'int32', lanes: 1 })
      ? undefined
      : 'goes from int32 to int32'
  },
  toBits: between('float32', 'uint32'),
  fromBits: between('uint32', 'float32'),
}

class Verifier {
  readonly #kernel: Kernel
  readonly #buffers: ReadonlySet<Buffer>
  readonly #ranges = new LoopRanges()
  /** In scope now. */
  readonly #values = new Set<Value>()
  readonly #variables = new Set<Variable>()
  readonly #loops = new Set<unknown>()
  /** Variables of the kernel's body, and values that depend on them: only the first thread knows them. */
  readonly #serial = new Set<unknown>()
  /** What a rowStart gives at most. */
  readonly #rows = new Map<Value, number>()
  #parallel = false
  /** Ever defined. */
  readonly #valueIds = new Set<number>()
  readonly #variableIds = new Set<number>()

  constructor(kernel: Kernel) {
    this.#kernel = kernel
    this.#buffers = new Set(kernel.buffers)
    if (this.#buffers.size !== kernel.buffers.length) this.#fail('the same buffer is listed twice')
  }

  #fail(fault: string, statement?: Statement): never {
    // Printed alone: the numbers are not those of the whole kernel, the operation and the types are what helps.
    const quoted =
      statement && printKernel({ ...this.#kernel, buffers: [...this.#buffers], body: [shallow(statement)] })
    const line = quoted?.split('\n')[1]?.trim()
    throw new VerifyError(`kernel ${this.#kernel.name}`, line ? `${fault}, in '${line}'` : fault)
  }

  block(body: readonly Statement[], depth: number): void {
    const values: Value[] = []
    const variables: Variable[] = []
    for (const statement of body) {
      this.#statement(statement, depth)
      if ('value' in statement && statement.kind !== 'store' && statement.kind !== 'set') {
        const { value } = statement
        if (this.#valueIds.has(value.id)) this.#fail('a value is assigned twice', statement)
        if (![1, 2, 4, 8, 16].includes(value.type.lanes)) this.#fail(`${value.type.lanes} lanes`, statement)
        this.#valueIds.add(value.id)
        this.#values.add(value)
        values.push(value)
        if (statement.kind === 'let' && statement.op === 'rowStart') {
          const { extent, stride } = statement.attrs as ValueOpAttrs['rowStart']
          this.#rows.set(value, (extent - 1) * stride)
        }
        const from: readonly unknown[] =
          statement.kind === 'get'
            ? [statement.variable]
            : statement.kind === 'let'
              ? statement.operands
              : statement.kind === 'load' && statement.row
                ? [statement.row.start]
                : []
        if (from.some((one) => this.#serial.has(one))) this.#serial.add(value)
      } else if (statement.kind === 'variable') {
        if (this.#variableIds.has(statement.variable.id)) this.#fail('a variable is declared twice', statement)
        this.#variableIds.add(statement.variable.id)
        if (depth === 0) this.#serial.add(statement.variable)
        this.#variables.add(statement.variable)
        variables.push(statement.variable)
      }
    }
    for (const value of values) this.#values.delete(value)
    for (const variable of variables) this.#variables.delete(variable)
  }

  #statement(s: Statement, depth: number): void {
    switch (s.kind) {
      case 'let': {
        for (const operand of s.operands) this.#use(operand, s)
        const rule = rules[s.op] as Rule<ValueOp> | undefined
        if (!rule) this.#fail(`unknown operation ${s.op}`, s)
        const operands = s.operands.map((operand) => operand.type)
        const fault = rule(s.value.type, operands, s.attrs as ValueOpAttrs[ValueOp])
        if (fault) this.#fail(`${s.op}(${operands.map(show).join(', ')}) → ${show(s.value.type)}: ${fault}`, s)
        break
      }
      case 'load': {
        const { dtype, lanes } = s.value.type
        if (s.buffer.access === 'write') this.#fail('a load from a buffer that is only written', s)
        if (dtype !== loadedAs(s.buffer.dtype)) this.#fail(`${s.buffer.dtype} loads as ${loadedAs(s.buffer.dtype)}`, s)
        if (!Number.isInteger(s.stride)) this.#fail(`stride ${s.stride}`, s)
        this.#row(s)
        this.#access(s, s.buffer, s.index, (lanes - 1) * s.stride, s.row?.furthest)
        break
      }
      case 'store': {
        this.#use(s.value, s)
        const { dtype, lanes } = s.value.type
        if (s.buffer.access === 'read') this.#fail('a store to a buffer that is only read', s)
        if (dtype !== loadedAs(s.buffer.dtype)) this.#fail(`${s.buffer.dtype} holds ${loadedAs(s.buffer.dtype)}`, s)
        this.#row(s)
        this.#access(s, s.buffer, s.index, lanes - 1, s.row?.furthest)
        break
      }
      case 'index':
        if (s.value.type.dtype !== 'int32') this.#fail('an index is an int32', s)
        this.#affine(s.index, s)
        break
      case 'variable':
        this.#use(s.initial, s)
        if (!same(s.initial.type, s.variable.type)) this.#fail('the initial value has another type', s)
        break
      case 'get':
        if (!this.#variables.has(s.variable)) this.#fail('a variable is read outside its scope', s)
        this.#known(s.variable, s)
        if (!same(s.value.type, s.variable.type)) this.#fail('the variable has another type', s)
        break
      case 'set':
        this.#use(s.value, s)
        if (!this.#variables.has(s.variable)) this.#fail('a variable is written outside its scope', s)
        this.#known(s.variable, s)
        if (!same(s.value.type, s.variable.type)) this.#fail('the variable has another type', s)
        break
      case 'loop':
        this.#affine(s.start, s)
        this.#affine(s.stop, s)
        if (!Number.isInteger(s.step) || s.step < 1) this.#fail(`step ${s.step}`, s)
        if (s.limit !== undefined && !Number.isInteger(s.limit)) this.#fail(`limit ${s.limit}`, s)
        if (this.#ranges.has(s.loop)) this.#fail('a loop variable belongs to two loops', s)
        if (s.parallel && depth > 0) this.#fail('a parallel loop inside another loop', s)
        // A body that never runs has no indices to check.
        if (this.#ranges.enter(s, depth).longest <= 0) break
        this.#loops.add(s.loop)
        this.#parallel ||= s.parallel === true
        this.block(s.body, depth + 1)
        if (depth === 0) this.#parallel = false
        this.#loops.delete(s.loop)
    }
  }

  #use(value: Value, s: Statement): void {
    if (!this.#values.has(value)) this.#fail(`value ${value.id} is used before its definition or outside its block`, s)
    this.#known(value, s)
  }

  #row(s: Extract<Statement, { kind: 'load' | 'store' }>): void {
    if (!s.row) return
    this.#use(s.row.start, s)
    if (this.#rows.get(s.row.start) !== s.row.furthest) this.#fail('the row is not what a rowStart gives', s)
  }

  /** Inside a parallel loop, what only the first thread knows is out of reach. */
  #known(used: Value | Variable, s: Statement): void {
    if (this.#parallel && this.#serial.has(used)) this.#fail('a parallel loop uses a variable from outside', s)
  }

  #affine(index: Affine, s: Statement): void {
    if (!Number.isInteger(index.constant)) this.#fail(`the constant ${index.constant} is no integer`, s)
    const seen = new Set<unknown>()
    for (const { loop, coefficient } of index.terms) {
      if (!this.#loops.has(loop)) this.#fail(`loop variable ${loop.name} is used outside its loop`, s)
      if (seen.has(loop)) this.#fail(`two terms of loop variable ${loop.name}`, s)
      if (!Number.isInteger(coefficient) || coefficient === 0) this.#fail(`coefficient ${coefficient}`, s)
      seen.add(loop)
    }
  }

  /** `furthest`: the last lane's distance; `row`: the last row's. */
  #access(s: Statement, buffer: Buffer, index: Affine, furthest: number, row = 0): void {
    if (!this.#buffers.has(buffer)) this.#fail(`buffer ${buffer.name} is no argument of the kernel`, s)
    this.#affine(index, s)
    const low = this.#ranges.low(index) + Math.min(0, furthest)
    const high = this.#ranges.high(index) + Math.max(0, furthest) + row
    if (low < 0 || high >= buffer.length)
      this.#fail(`elements ${low} to ${high} of ${buffer.name}, which has ${buffer.length}`, s)
  }
}

const shallow = (statement: Statement): Statement =>
  statement.kind === 'loop' ? { ...statement, body: [] } : statement

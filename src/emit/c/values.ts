/**
 * @file What each operation on values is in C: one row per ValueOp, checked for completeness by tsc.
 * In: names of the operands, the types. Out: an expression. Operands are names, so that an expression may repeat them.
 *
 * bool is 0 or 1 as a scalar, and a mask of integers 0 and −1 as a vector, as wide as the floats beside it.
 */
import { VerifyError } from '../../base/errors.js'
import type { Value, ValueDType, ValueOp, ValueOpAttrs, ValueType } from '../../kernel/loop.js'
import { bits, extreme, floor, fma, fromBits, round, sqrt, toInteger } from './helpers.js'
import {
  bytesOf,
  type CTypes,
  type Element,
  elementFor,
  elementIn,
  type MaskElements,
  signedFor,
  unsignedFor,
} from './types.js'

/** One operation to print. */
export interface Operation<O extends ValueOp> {
  readonly op: ValueOp
  readonly type: ValueType
  readonly operands: readonly Value[]
  readonly attrs: ValueOpAttrs[O]
  /** The operands' names. */
  readonly names: readonly string[]
  /** The numbers of operands that are constants. */
  readonly constants: readonly (number | undefined)[]
  readonly types: CTypes
  readonly masks: MaskElements
}
type Row<O extends ValueOp> = (x: Operation<O>) => string

function unsupported(x: Operation<ValueOp>): never {
  const types = x.operands.map(({ type }) => `${type.dtype}x${type.lanes}`).join(', ')
  throw new VerifyError('emit c', `${x.op}(${types}) → ${x.type.dtype}x${x.type.lanes} has no C`)
}

export const isFloat = (dtype: ValueDType): dtype is 'float32' | 'float64' => dtype === 'float32' || dtype === 'float64'

/** The C type of a value. */
export const typeName = (type: ValueType, types: CTypes, masks: MaskElements): string =>
  type.lanes === 1 ? types.scalar(elementIn(type, masks)) : types.vector(elementIn(type, masks), type.lanes)

/** A number as a C constant of one lane. */
export function literal(dtype: ValueDType, value: number): string {
  if (isFloat(dtype)) {
    const f = dtype === 'float32' ? 'f' : ''
    if (Number.isNaN(value)) return `__builtin_nan${f}("")`
    if (!Number.isFinite(value)) return `${value < 0 ? '-' : ''}__builtin_inf${f}()`
    const text = Object.is(value, -0) ? '-0' : `${value}`
    return `${/[.e]/.test(text) ? text : `${text}.0`}${f}`
  }
  if (dtype === 'uint32') return `${value}u`
  return value === -(2 ** 31) ? '(-2147483647 - 1)' : `${value}`
}

export const splat = (name: string, type: ValueType, types: CTypes, masks: MaskElements): string => {
  const element = elementIn(type, masks)
  const x = type.dtype === 'bool' ? (element === 'i64' ? `-(long long)${name}` : `-${name}`) : name
  return `${types.splat(element, type.lanes)}(${x})`
}

/** A mask of `from` elements as one of `to` elements. */
const widen = (x: Operation<ValueOp>, mask: string, from: Element, to: Element, lanes: number): string =>
  from === to ? mask : `__builtin_convertvector(${mask}, ${x.types.vector(to, lanes)})`

const name = (x: Operation<ValueOp>): string => typeName(x.type, x.types, x.masks)
const operator =
  (symbol: string): Row<ValueOp> =>
  ({ names: [a, b] }) =>
    `${a} ${symbol} ${b}`
/** int32 wraps: it is computed without a sign. */
const wrapping =
  (symbol: string): Row<ValueOp> =>
  (x) => {
    if (x.type.dtype !== 'int32') return operator(symbol)(x)
    const unsigned = x.type.lanes === 1 ? 'unsigned' : x.types.vector('u32', x.type.lanes)
    return `(${name(x)})((${unsigned})${x.names[0]} ${symbol} (${unsigned})${x.names[1]})`
  }
const call =
  (helper: (types: CTypes, element: 'f32' | 'f64', lanes: number) => string): Row<ValueOp> =>
  (x) => {
    if (!isFloat(x.type.dtype)) unsupported(x)
    return `${helper(x.types, elementFor(x.type.dtype) as 'f32' | 'f64', x.type.lanes)}(${x.names.join(', ')})`
  }

/** Vectors: (mask & a) | (~mask & b), which compilers know as a blend; there is no ?: for vectors in C. */
function choose(x: Operation<ValueOp>, mask: string, maskElement: Element, a: string, b: string): string {
  if (x.type.lanes === 1) return `${mask} ? ${a} : ${b}`
  const element = elementIn(x.type, x.masks)
  const integer = signedFor(element)
  const wide = widen(x, mask, maskElement, integer, x.type.lanes)
  const as = x.types.vector(integer, x.type.lanes)
  return `(${name(x)})((${wide} & (${as})${a}) | (~${wide} & (${as})${b}))`
}

const extremeOf =
  (op: 'maximum' | 'minimum'): Row<ValueOp> =>
  (x) => {
    const [a, b] = x.names as [string, string]
    const { dtype, lanes } = x.type
    const beats = op === 'maximum' ? '>' : '<'
    if (dtype === 'bool') return op === 'maximum' ? `${a} | ${b}` : `${a} & ${b}`
    if (!isFloat(dtype)) {
      if (lanes === 1) return `${a} ${beats} ${b} ? ${a} : ${b}`
      return choose(x, `(${a} ${beats} ${b})`, 'i32', a, b)
    }
    const at = x.constants.findIndex((value) => value !== undefined && !Number.isNaN(value))
    if (at < 0) return `${extreme(x.types, op, elementFor(dtype) as 'f32' | 'f64', lanes)}(${a}, ${b})`
    // Against a number one comparison is enough: the other operand stays where it wins or is NaN; of two zeros the
    // comparison takes or leaves the equal one.
    const [variable, number] = at === 0 ? [b, a] : [a, b]
    const takesEqual = Object.is(x.constants[at], -0) === (op === 'minimum')
    const loses = `${op === 'maximum' ? '<' : '>'}${takesEqual ? '=' : ''}`
    return choose(x, `(${variable} ${loses} ${number})`, signedFor(elementFor(dtype)), number, variable)
  }

/** `bools`: the same on masks. */
const comparison =
  (symbol: string, bools: (a: string, b: string) => string): Row<ValueOp> =>
  (x) => {
    const { dtype, lanes } = x.operands[0]!.type
    const [a, b] = x.names as [string, string]
    if (lanes === 1) return `${a} ${symbol} ${b}`
    if (dtype === 'bool') return bools(a, b)
    return widen(x, `(${a} ${symbol} ${b})`, signedFor(elementFor(dtype)), elementIn(x.type, x.masks), lanes)
  }

const convert: Row<'convert'> = (x) => {
  const from = x.operands[0]!.type.dtype
  const to = x.type.dtype
  const { lanes } = x.type
  const [a] = x.names as [string]
  if (from === to) return a
  if (isFloat(from) && (to === 'int32' || to === 'uint32'))
    return `${toInteger(x.types, elementFor(from) as 'f32' | 'f64', elementFor(to) as 'i32' | 'u32', lanes)}(${a})`
  if (lanes === 1) return to === 'bool' ? `${a} != 0` : `(${name(x)})${a}`
  if (to === 'bool') return widen(x, `(${a} != 0)`, signedFor(elementFor(from)), elementIn(x.type, x.masks), lanes)
  if (from === 'bool') {
    const element = signedFor(elementFor(to))
    const mask = widen(x, a, elementIn({ dtype: 'bool', lanes }, x.masks), element, lanes)
    const one = to === 'float32' ? '0x3f800000' : to === 'float64' ? '0x3ff0000000000000LL' : '1'
    return `(${name(x)})(${mask} & ${one})`
  }
  return isFloat(from) || isFloat(to) ? `__builtin_convertvector(${a}, ${name(x)})` : `(${name(x)})${a}`
}

/** Constants of the formats: bits of the mantissa, of the exponent field, its bias, the bits of 1, and 1.5 · 2^mantissa. */
const formats = {
  float32: { shift: 23, field: '255u', bias: '127u', one: '0x3f800000u', low: '0x007fffffu', magic: '12582912.0f' },
  float64: {
    shift: 52,
    field: '2047ull',
    bias: '1023ull',
    one: '0x3ff0000000000000ull',
    low: '0x000fffffffffffffull',
    magic: '6755399441055744.0',
  },
} as const
const float =
  (row: (x: Operation<ValueOp>, f: (typeof formats)['float32' | 'float64'], to: Cast, from: Cast) => string) =>
  (x: Operation<ValueOp>): string => {
    const { dtype, lanes } = x.type
    if (!isFloat(dtype)) unsupported(x)
    const element = elementFor(dtype) as 'f32' | 'f64'
    if (lanes === 1) {
      const [to, from] = [bits(x.types, element), fromBits(x.types, element)]
      return row(
        x,
        formats[dtype],
        (a) => `${to}(${a})`,
        (a) => `${from}(${a})`,
      )
    }
    const integer = x.types.vector(unsignedFor(element), lanes)
    const floats = x.types.vector(element, lanes)
    return row(
      x,
      formats[dtype],
      (a) => `(${integer})(${a})`,
      (a) => `(${floats})(${a})`,
    )
  }
type Cast = (expression: string) => string

export const valueRows: { readonly [O in ValueOp]: Row<O> } = {
  number: (x) => {
    const { dtype, lanes } = x.type
    const one = literal(dtype, x.attrs.value)
    return lanes === 1 ? one : splat(one, x.type, x.types, x.masks)
  },
  splat: (x) => splat(x.names[0]!, x.type, x.types, x.masks),
  extract: (x) => `${x.names[0]}[${x.attrs.lane}]${x.type.dtype === 'bool' ? ' & 1' : ''}`,
  shuffle: (x) => {
    const indices = x.types.vector(signedFor(elementIn(x.type, x.masks)), x.type.lanes)
    return `SHUFFLE(${x.names[0]}, ${x.names[1]}, ${indices}, ${x.attrs.lanes.join(', ')})`
  },
  insert: (x) => {
    const scalar = x.type.dtype === 'bool' ? `-${x.names[1]}` : x.names[1]
    return `({ ${name(x)} r = ${x.names[0]}; r[${x.attrs.lane}] = ${scalar}; r; })`
  },

  add: wrapping('+'),
  subtract: wrapping('-'),
  multiply: wrapping('*'),
  divide: operator('/'),
  sqrt: call(sqrt),
  floor: call(floor),
  round: call(round),
  fma: (x) => {
    if (x.type.dtype !== 'float32') unsupported(x)
    return `${fma(x.types, x.type.lanes)}(${x.names.join(', ')})`
  },
  negate: (x) => {
    if (x.type.dtype !== 'int32') return `-${x.names[0]}`
    const unsigned = x.type.lanes === 1 ? 'unsigned' : x.types.vector('u32', x.type.lanes)
    return `(${name(x)})-(${unsigned})${x.names[0]}`
  },
  abs: (x) => {
    const [a] = x.names as [string]
    if (x.type.dtype === 'int32') {
      const unsigned = x.type.lanes === 1 ? 'unsigned' : x.types.vector('u32', x.type.lanes)
      return `(${name(x)})(((${unsigned})${a} ^ (${unsigned})(${a} >> 31)) - (${unsigned})(${a} >> 31))`
    }
    return float((_, f, to, from) => from(`${to(a)} & ${f.shift === 23 ? '0x7fffffffu' : '0x7fffffffffffffffull'}`))(x)
  },
  maximum: extremeOf('maximum'),
  minimum: extremeOf('minimum'),

  and: operator('&'),
  or: operator('|'),
  xor: operator('^'),
  not: (x) => (x.type.dtype === 'bool' && x.type.lanes === 1 ? `!${x.names[0]}` : `~${x.names[0]}`),
  shiftLeft: (x) => `${x.names[0]} << ${x.attrs.by}`,
  shiftRight: (x) => `${x.names[0]} >> ${x.attrs.by}`,

  equal: comparison('==', (a, b) => `~(${a} ^ ${b})`),
  notEqual: comparison('!=', (a, b) => `${a} ^ ${b}`),
  less: comparison('<', (a, b) => `~${a} & ${b}`),
  lessEqual: comparison('<=', (a, b) => `~${a} | ${b}`),
  select: (x) =>
    choose(x, x.names[0]!, elementIn({ dtype: 'bool', lanes: x.type.lanes }, x.masks), x.names[1]!, x.names[2]!),

  convert,
  // Adding 1.5 · 2^mantissa puts an integer into the low bits; the shift drops what stands above it.
  pow2: float((x, f, to, from) => from(`(${to(`${x.names[0]} + ${f.magic}`)} + ${f.bias}) << ${f.shift}`)),
  // The field becomes the low bits of 2^mantissa, which is subtracted again: there is no conversion from 64-bit lanes.
  exponent: float((x, f, to, from) => {
    const [base, off] = f.shift === 23 ? ['0x4b000000u', '8388735.0f'] : ['0x4330000000000000ull', '4503599627371519.0']
    return `${from(`((${to(x.names[0]!)} >> ${f.shift}) & ${f.field}) | ${base}`)} - ${off}`
  }),
  mantissa: float((x, f, to, from) => from(`(${to(x.names[0]!)} & ${f.low}) | ${f.one}`)),
  rowStart: ({ names: [a], attrs: { extent, stride } }) =>
    `(${a} < 0 ? 0 : ${a} < ${extent - 1} ? ${a} : ${extent - 1}) * ${stride}`,
  toBits: (x) => (x.type.lanes === 1 ? `${bits(x.types, 'f32')}(${x.names[0]})` : `(${name(x)})${x.names[0]}`),
  fromBits: (x) => (x.type.lanes === 1 ? `${fromBits(x.types, 'f32')}(${x.names[0]})` : `(${name(x)})${x.names[0]}`),
}

/** How wide the masks of each number of lanes are: as the floats and words of so many lanes, 64 bits if any is. */
export const maskBytes = (types: Iterable<ValueType>): MaskElements => {
  const masks = new Map<number, Element>()
  for (const { dtype, lanes } of types) {
    if (lanes === 1 || dtype === 'bool') continue
    if (bytesOf(elementFor(dtype)) === 8) masks.set(lanes, 'i64')
    else if (!masks.has(lanes)) masks.set(lanes, 'i32')
  }
  return masks
}

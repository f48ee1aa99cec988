/**
 * @file What each operation on values is in WebAssembly: one row per ValueOp, checked for completeness by tsc.
 * In: operands to push, the types. Out: instructions that leave the result on the operand stack.
 *
 * bool is 0 or 1 as a scalar, and a mask of 32 (four lanes) or 64 (two lanes) equal bits as a vector.
 */
import { VerifyError } from '../../base/errors.js'
import type { Value, ValueDType, ValueOp, ValueOpAttrs, ValueType } from '../../kernel/loop.js'
import type { Code } from './code.js'
import { exponent, type FloatBits, mantissa, pow2 } from './float-bits.js'
import { valtypeOf } from './memory.js'
import type { Instruction } from './opcodes.js'

/** One operation to emit. */
export interface Operation<O extends ValueOp> {
  readonly op: ValueOp
  /** The result's type. */
  readonly type: ValueType
  readonly operands: readonly Value[]
  readonly attrs: ValueOpAttrs[O]
  /** Pushes an operand. An operand pushed twice must come from a local: see `twice`. */
  push(operand: number): void
}

type Row<O extends ValueOp> = (code: Code, x: Operation<O>) => void

/** Scalar instruction, vector instruction. */
type Pair = readonly [scalar: Instruction, vector: Instruction]

function unsupported(x: Operation<ValueOp>): never {
  const types = x.operands.map(({ type }) => `${type.dtype}x${type.lanes}`).join(', ')
  throw new VerifyError('emit wasm', `${x.op}(${types}) → ${x.type.dtype}x${x.type.lanes} has no instruction`)
}

const pushAll = (x: Operation<ValueOp>): void => {
  for (let i = 0; i < x.operands.length; i++) x.push(i)
}

/** All operands, then the instruction for the first operand's dtype. */
const by =
  (table: { readonly [D in ValueDType]?: Pair | ((code: Code, x: Operation<ValueOp>) => void) }) =>
  (code: Code, x: Operation<ValueOp>): void => {
    const { dtype, lanes } = x.operands[0]!.type
    const entry = table[dtype]
    if (!entry) unsupported(x)
    if (typeof entry === 'function') {
      entry(code, x)
      return
    }
    pushAll(x)
    code.instruction(entry[lanes === 1 ? 0 : 1])
  }

const integers = (pair: Pair) => ({ int32: pair, uint32: pair })
const words = (pair: Pair) => ({ int32: pair, uint32: pair, bool: pair })
const floats = (name: string): { float32: Pair; float64: Pair } => ({
  float32: [`f32.${name}`, `f32x4.${name}`] as unknown as Pair,
  float64: [`f64.${name}`, `f64x2.${name}`] as unknown as Pair,
})

/** Puts the operands into locals for the time of `body`, which may read each any number of times. */
function twice(code: Code, x: Operation<ValueOp>, body: (...get: (() => void)[]) => void): void {
  const locals = x.operands.map(({ type }, i) => {
    x.push(i)
    const local = code.allocate(valtypeOf(type))
    code.set(local)
    return local
  })
  body(...locals.map((local) => () => code.get(local)))
  for (const local of locals) code.release(local)
}

/** Integers of either sign: `greater` decides in scalars, which have no maximum. */
const extreme = (compare: Instruction, vector: Instruction) => (code: Code, x: Operation<ValueOp>) => {
  if (x.type.lanes > 1) {
    pushAll(x)
    code.instruction(vector)
  } else
    twice(code, x, (a, b) => {
      a!()
      b!()
      a!()
      b!()
      code.instruction(compare)
      code.instruction('select')
    })
}

/** a ∧ ¬b on booleans of either form, operands in the order given. */
const boolLess = (code: Code, x: Operation<ValueOp>) => {
  if (x.type.lanes === 1) {
    pushAll(x)
    code.instruction('i32.lt_u')
  } else {
    x.push(1)
    x.push(0)
    code.instruction('v128.andnot')
  }
}
const boolEqual = (code: Code, x: Operation<ValueOp>) => {
  pushAll(x)
  if (x.type.lanes === 1) code.instruction('i32.eq')
  else {
    code.instruction('v128.xor')
    code.instruction('v128.not')
  }
}
const boolLessEqual = (code: Code, x: Operation<ValueOp>) => {
  if (x.type.lanes === 1) {
    pushAll(x)
    code.instruction('i32.le_u')
  } else {
    x.push(1)
    x.push(0)
    code.instruction('v128.not')
    code.instruction('v128.or')
  }
}

/** 0 and 1 → no or all bits. */
const negated = (code: Code, push: () => void): void => {
  code.i32(0)
  push()
  code.instruction('i32.sub')
}

const convert: Row<'convert'> = (code, x) => {
  const from = x.operands[0]!.type.dtype
  const to = x.type.dtype
  const vector = x.type.lanes > 1
  x.push(0)
  if (from === to) return
  const run = (pair: readonly [Instruction | undefined, Instruction | undefined]): void => {
    const instruction = pair[vector ? 1 : 0]
    if (!instruction) unsupported(x)
    code.instruction(instruction)
  }
  if (to === 'bool') {
    constant(code, { ...x.operands[0]!.type }, 0)
    run(notEqual[from]!)
  } else if (from === 'bool') {
    if (vector) {
      constant(code, x.type, 1)
      code.instruction('v128.and')
    } else if (to === 'float32') code.instruction('f32.convert_i32_s')
    else if (to === 'float64') code.instruction('f64.convert_i32_s')
  } else if (!(isWord(from) && isWord(to))) run(conversions[`${from}→${to}`]!)
}
const isWord = (dtype: ValueDType): boolean => dtype === 'int32' || dtype === 'uint32'
const conversions: Record<string, readonly [Instruction, Instruction | undefined]> = {
  'float32→float64': ['f64.promote_f32', undefined],
  'float64→float32': ['f32.demote_f64', undefined],
  'float32→int32': ['i32.trunc_sat_f32_s', 'i32x4.trunc_sat_f32x4_s'],
  'float32→uint32': ['i32.trunc_sat_f32_u', 'i32x4.trunc_sat_f32x4_u'],
  'float64→int32': ['i32.trunc_sat_f64_s', undefined],
  'float64→uint32': ['i32.trunc_sat_f64_u', undefined],
  'int32→float32': ['f32.convert_i32_s', 'f32x4.convert_i32x4_s'],
  'uint32→float32': ['f32.convert_i32_u', 'f32x4.convert_i32x4_u'],
  'int32→float64': ['f64.convert_i32_s', undefined],
  'uint32→float64': ['f64.convert_i32_u', undefined],
}
const notEqual: { readonly [D in ValueDType]?: Pair } = {
  ...floats('ne'),
  ...integers(['i32.ne', 'i32x4.ne']),
}

function constant(code: Code, { dtype, lanes }: ValueType, value: number): void {
  if (lanes === 1) {
    if (dtype === 'float32') code.f32(value)
    else if (dtype === 'float64') code.f64(value)
    else code.i32(value)
  } else if (dtype === 'float32') code.floats(value)
  else if (dtype === 'float64') code.doubles(value)
  else code.words(dtype === 'bool' ? -value : value)
}

/** Pushes the float, then reads or builds its bits. */
const floatBits =
  (rows: FloatBits) =>
  (code: Code, x: Operation<ValueOp>): void => {
    const { dtype, lanes } = x.type
    pushAll(x)
    if (dtype === 'float32') rows[lanes === 1 ? 'f32' : 'f32x4'](code)
    else if (dtype === 'float64') rows[lanes === 1 ? 'f64' : 'f64x2'](code)
    else unsupported(x)
  }

export const valueRows: { readonly [O in ValueOp]: Row<O> } = {
  number: (code, x) => constant(code, x.type, x.attrs.value),
  splat: (code, x) => {
    const { dtype } = x.type
    if (dtype === 'bool') negated(code, () => x.push(0))
    else x.push(0)
    code.instruction(dtype === 'float32' ? 'f32x4.splat' : dtype === 'float64' ? 'f64x2.splat' : 'i32x4.splat')
  },
  extract: (code, x) => {
    const { dtype, lanes } = x.operands[0]!.type
    x.push(0)
    if (dtype === 'float32') code.lane('f32x4.extract_lane', x.attrs.lane)
    else if (dtype === 'float64') code.lane('f64x2.extract_lane', x.attrs.lane)
    else if (dtype === 'bool') {
      code.lane('i32x4.extract_lane', (4 / lanes) * x.attrs.lane)
      code.i32(1)
      code.instruction('i32.and')
    } else code.lane('i32x4.extract_lane', x.attrs.lane)
  },
  shuffle: (code, x) => {
    x.push(0)
    x.push(1)
    const bytes = 16 / x.type.lanes
    code.shuffle(x.attrs.lanes.flatMap((lane) => Array.from({ length: bytes }, (_, i) => lane * bytes + i)))
  },
  insert: (code, x) => {
    const { dtype, lanes } = x.type
    x.push(0)
    if (dtype === 'bool') negated(code, () => x.push(1))
    else x.push(1)
    if (dtype === 'float32') code.lane('f32x4.replace_lane', x.attrs.lane)
    else if (dtype === 'float64') code.lane('f64x2.replace_lane', x.attrs.lane)
    else if (dtype === 'bool' && lanes === 2) {
      code.instruction('i64.extend_i32_s')
      code.lane('i64x2.replace_lane', x.attrs.lane)
    } else code.lane('i32x4.replace_lane', x.attrs.lane)
  },

  add: by({ ...floats('add'), ...integers(['i32.add', 'i32x4.add']) }),
  subtract: by({ ...floats('sub'), ...integers(['i32.sub', 'i32x4.sub']) }),
  multiply: by({ ...floats('mul'), ...integers(['i32.mul', 'i32x4.mul']) }),
  divide: by(floats('div')),
  sqrt: by(floats('sqrt')),
  floor: by(floats('floor')),
  round: by(floats('nearest')),
  fma: (code, x) => {
    if (x.type.dtype !== 'float32') unsupported(x)
    for (let i = 0; i < 3; i++) {
      x.push(i)
      if (x.type.lanes === 1) code.instruction('f32x4.splat')
    }
    code.instruction('f32x4.relaxed_madd')
    if (x.type.lanes === 1) code.lane('f32x4.extract_lane', 0)
  },
  negate: (code, x) => {
    const { dtype, lanes } = x.type
    if (lanes === 1 && isWord(dtype)) negated(code, () => x.push(0))
    else by({ ...floats('neg'), ...integers(['i32.sub', 'i32x4.neg']) })(code, x)
  },
  abs: by({
    ...floats('abs'),
    int32: (code, x) => {
      if (x.type.lanes > 1) {
        pushAll(x)
        code.instruction('i32x4.abs')
      } else
        twice(code, x, (a) => {
          const sign = () => {
            a!()
            code.i32(31)
            code.instruction('i32.shr_s')
          }
          a!()
          sign()
          code.instruction('i32.xor')
          sign()
          code.instruction('i32.sub')
        })
    },
  }),
  maximum: by({
    ...floats('max'),
    int32: extreme('i32.gt_s', 'i32x4.max_s'),
    uint32: extreme('i32.gt_u', 'i32x4.max_u'),
    bool: ['i32.or', 'v128.or'],
  }),
  minimum: by({
    ...floats('min'),
    int32: extreme('i32.lt_s', 'i32x4.min_s'),
    uint32: extreme('i32.lt_u', 'i32x4.min_u'),
    bool: ['i32.and', 'v128.and'],
  }),

  and: by(words(['i32.and', 'v128.and'])),
  or: by(words(['i32.or', 'v128.or'])),
  xor: by(words(['i32.xor', 'v128.xor'])),
  not: (code, x) => {
    if (x.type.dtype === 'float32' || x.type.dtype === 'float64') unsupported(x)
    x.push(0)
    if (x.type.lanes > 1) code.instruction('v128.not')
    else if (x.type.dtype === 'bool') code.instruction('i32.eqz')
    else {
      code.i32(-1)
      code.instruction('i32.xor')
    }
  },
  shiftLeft: (code, x) => {
    x.push(0)
    code.i32(x.attrs.by)
    code.instruction(x.type.lanes === 1 ? 'i32.shl' : 'i32x4.shl')
  },
  shiftRight: (code, x) => {
    x.push(0)
    code.i32(x.attrs.by)
    code.instruction(x.type.lanes === 1 ? 'i32.shr_u' : 'i32x4.shr_u')
  },

  equal: by({ ...floats('eq'), ...integers(['i32.eq', 'i32x4.eq']), bool: boolEqual }),
  notEqual: by({ ...notEqual, bool: ['i32.xor', 'v128.xor'] }),
  less: by({ ...floats('lt'), int32: ['i32.lt_s', 'i32x4.lt_s'], uint32: ['i32.lt_u', 'i32x4.lt_u'], bool: boolLess }),
  lessEqual: by({
    ...floats('le'),
    int32: ['i32.le_s', 'i32x4.le_s'],
    uint32: ['i32.le_u', 'i32x4.le_u'],
    bool: boolLessEqual,
  }),
  select: (code, x) => {
    x.push(1)
    x.push(2)
    x.push(0)
    code.instruction(x.type.lanes === 1 ? 'select' : 'v128.bitselect')
  },

  convert,
  pow2: floatBits(pow2),
  exponent: floatBits(exponent),
  mantissa: floatBits(mantissa),
  rowStart: (code, x) => {
    const { extent, stride } = x.attrs
    const number = code.allocate('i32')
    const bound = (limit: number, keeps: Instruction) => {
      code.set(number)
      code.get(number)
      code.i32(limit)
      code.get(number)
      code.i32(limit)
      code.instruction(keeps)
      code.instruction('select')
    }
    x.push(0)
    bound(0, 'i32.gt_s')
    bound(extent - 1, 'i32.lt_s')
    code.i32(stride)
    code.instruction('i32.mul')
    code.release(number)
  },
  toBits: (code, x) => {
    x.push(0)
    if (x.type.lanes === 1) code.instruction('i32.reinterpret_f32')
  },
  fromBits: (code, x) => {
    x.push(0)
    if (x.type.lanes === 1) code.instruction('f32.reinterpret_i32')
  },
}

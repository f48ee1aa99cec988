/**
 * @file The loop IR on JavaScript numbers: slow, obvious, and the bits that every target must give.
 * In: a kernel and one typed array per buffer. Out: the arrays, written. Also the engine named `interpreter`.
 *
 * Statements become closures over one array of numbers, in which each value has a place per lane: float32 values are
 * rounded by Math.fround, words are 0..2³² − 1, bools 0 and 1.
 */
import { roundTo, type TypedArray } from '../base/dtype.js'
import { VerifyError } from '../base/errors.js'
import { fmaFloat32, roundEven, scalarArithmetic, words } from '../numerics/scalar.js'
import type {
  Affine,
  Kernel,
  LoopVariable,
  Statement,
  Value,
  ValueDType,
  ValueOp,
  ValueOpAttrs,
  Variable,
} from './loop.js'

/** Runs the kernel once. */
export function interpretKernel(kernel: Kernel, buffers: readonly TypedArray[]): void {
  compileInterpreter(kernel)(buffers)
}

/** The kernel as a function of its buffers: compiled once, run many times. */
export function compileInterpreter(kernel: Kernel): (buffers: readonly TypedArray[]) => void {
  const machine = new Machine(kernel)
  return (buffers) => machine.run(buffers)
}

type Scalar = (a: number, b: number, c: number) => number
/** From the operand's and the result's dtype to a function of one lane of each operand. */
type Row<O extends ValueOp> = (operand: ValueDType, attrs: ValueOpAttrs[O], result: ValueDType) => Scalar

const float32 = scalarArithmetic('float32', 'fused')
const float64 = scalarArithmetic('float64', 'fused')

/** Rows by dtype; operations on floats take scalar.ts's definitions. */
const by =
  (rows: { readonly [D in ValueDType]?: Scalar }) =>
  (dtype: ValueDType): Scalar => {
    const row = rows[dtype]
    if (!row) throw new VerifyError('interpret', `an operation is not defined for ${dtype}`)
    return row
  }
const floats = (op: 'add' | 'subtract' | 'multiply' | 'divide' | 'sqrt' | 'pow2' | 'exponent' | 'mantissa') => ({
  float32: float32[op] as Scalar,
  float64: float64[op] as Scalar,
})
const all = (f: Scalar): { readonly [D in ValueDType]: Scalar } => ({
  float32: f,
  float64: f,
  int32: f,
  uint32: f,
  bool: f,
})
const int32 = (f: Scalar): Scalar => {
  return (a, b, c) => f(a, b, c) | 0
}
const uint32 = (f: Scalar): Scalar => {
  return (a, b, c) => f(a, b, c) >>> 0
}
/** Bitwise operations agree on all of them, up to the sign. */
const bitwise = (f: Scalar) => by({ bool: f, int32: f, uint32: uint32(f) })
const saturate = (x: number, low: number, high: number): number =>
  Number.isNaN(x) ? 0 : Math.trunc(Math.min(Math.max(x, low), high)) + 0

/** Operations on lanes alone; those on whole vectors (splat, extract, insert) and numbers are statements below. */
const rows: { readonly [O in Exclude<ValueOp, 'number' | 'splat' | 'extract' | 'insert' | 'shuffle'>]: Row<O> } = {
  add: by({ ...floats('add'), int32: (a, b) => (a + b) | 0, uint32: words.add }),
  subtract: by({ ...floats('subtract'), int32: (a, b) => (a - b) | 0, uint32: words.subtract }),
  multiply: by({ ...floats('multiply'), int32: Math.imul, uint32: words.multiply }),
  divide: by(floats('divide')),
  sqrt: by(floats('sqrt')),
  floor: by({ float32: Math.floor, float64: Math.floor }),
  round: by({ float32: roundEven, float64: roundEven }),
  fma: by({ float32: fmaFloat32 }),
  negate: by({ float32: (a) => -a, float64: (a) => -a, int32: int32((a) => -a), uint32: uint32((a) => -a) }),
  abs: by({ float32: Math.abs, float64: Math.abs, int32: int32(Math.abs) }),
  maximum: by(all((a, b) => Math.max(a, b))),
  minimum: by(all((a, b) => Math.min(a, b))),
  and: bitwise((a, b) => a & b),
  or: bitwise((a, b) => a | b),
  xor: bitwise((a, b) => a ^ b),
  not: by({ bool: (a) => 1 - a, int32: (a) => ~a, uint32: (a) => ~a >>> 0 }),
  shiftLeft: (_, { by }) => {
    return (a) => words.shiftLeft(a, by)
  },
  shiftRight: (_, { by }) => {
    return (a) => words.shiftRight(a, by)
  },
  equal: by(all((a, b) => +(a === b))),
  notEqual: by(all((a, b) => +(a !== b))),
  less: by(all((a, b) => +(a < b))),
  lessEqual: by(all((a, b) => +(a <= b))),
  select: () => (mask, a, b) => (mask ? a : b),
  convert: (from, _, to) => {
    if (to === 'bool') return (a) => +(a !== 0)
    if (from === 'float32' || from === 'float64') {
      if (to === 'int32') return (a) => saturate(a, -(2 ** 31), 2 ** 31 - 1)
      if (to === 'uint32') return (a) => saturate(a, 0, 2 ** 32 - 1)
    }
    return (a) => roundTo(to, a)
  },
  pow2: by(floats('pow2')),
  exponent: by(floats('exponent')),
  mantissa: by(floats('mantissa')),
  rowStart: (_, { extent, stride }) => {
    return (a) => Math.min(Math.max(a, 0), extent - 1) * stride
  },
  toBits: () => float32.toBits as Scalar,
  fromBits: () => float32.fromBits as Scalar,
}

class Machine {
  readonly #kernel: Kernel
  #buffers: readonly TypedArray[] = []
  /** Of all values and variables, lane by lane. */
  #registers = new Float64Array(64)
  #used = 0
  readonly #places = new Map<Value | Variable, number>()
  readonly #counters: Float64Array
  readonly #loops = new Map<LoopVariable, number>()
  readonly #body: () => void

  constructor(kernel: Kernel) {
    this.#kernel = kernel
    const measure = (body: readonly Statement[]): void => {
      for (const s of body) {
        if (s.kind === 'loop') {
          this.#loops.set(s.loop, this.#loops.size)
          measure(s.body)
        } else if (s.kind === 'variable') this.#place(s.variable)
        else if (s.kind !== 'store' && s.kind !== 'set') this.#place(s.value)
      }
    }
    measure(kernel.body)
    this.#registers = new Float64Array(this.#used)
    this.#counters = new Float64Array(this.#loops.size)
    this.#body = this.#block(kernel.body)
  }

  run(buffers: readonly TypedArray[]): void {
    this.#kernel.buffers.forEach(({ name, length }, i) => {
      if (buffers[i]?.length !== length)
        throw new VerifyError(
          `kernel ${this.#kernel.name}`,
          `${name} has ${buffers[i]?.length} elements, not ${length}`,
        )
    })
    this.#buffers = buffers
    this.#body()
    this.#buffers = []
  }

  #place(thing: Value | Variable): void {
    this.#places.set(thing, this.#used)
    this.#used += thing.type.lanes
  }

  #block(body: readonly Statement[]): () => void {
    const steps = body.map((statement) => this.#statement(statement))
    return () => {
      for (let i = 0; i < steps.length; i++) steps[i]!()
    }
  }

  #affine({ constant, terms }: Affine): () => number {
    const counters = this.#counters
    const [a, b] = terms.map(({ loop, coefficient }) => ({ at: this.#loops.get(loop)!, coefficient }))
    if (!a) return () => constant
    if (!b) return () => constant + a.coefficient * counters[a.at]!
    if (terms.length === 2) return () => constant + a.coefficient * counters[a.at]! + b.coefficient * counters[b.at]!
    const ats = terms.map(({ loop }) => this.#loops.get(loop)!)
    const coefficients = terms.map(({ coefficient }) => coefficient)
    return () => {
      let sum = constant
      for (let i = 0; i < ats.length; i++) sum += coefficients[i]! * counters[ats[i]!]!
      return sum
    }
  }

  #statement(s: Statement): () => void {
    const registers = this.#registers
    switch (s.kind) {
      case 'let':
        return this.#let(s)
      case 'load': {
        const { at, lanes } = this.#of(s.value)
        const buffer = this.#kernel.buffers.indexOf(s.buffer)
        const index = this.#affine(s.index)
        const { stride } = s
        const row = s.row ? this.#of(s.row.start).at : undefined
        return () => {
          const array = this.#buffers[buffer]!
          const first = index() + (row === undefined ? 0 : registers[row]!)
          for (let lane = 0; lane < lanes; lane++) {
            const element = array[first + lane * stride]
            if (element === undefined) this.#outside(s, first + lane * stride)
            registers[at + lane] = element!
          }
        }
      }
      case 'store': {
        const { at, lanes } = this.#of(s.value)
        const buffer = this.#kernel.buffers.indexOf(s.buffer)
        const index = this.#affine(s.index)
        const row = s.row ? this.#of(s.row.start).at : undefined
        return () => {
          const array = this.#buffers[buffer]!
          const first = index() + (row === undefined ? 0 : registers[row]!)
          if (first < 0 || first + lanes > array.length) this.#outside(s, first)
          for (let lane = 0; lane < lanes; lane++) array[first + lane] = registers[at + lane]!
        }
      }
      case 'index': {
        const { at, lanes } = this.#of(s.value)
        const index = this.#affine(s.index)
        return () => {
          const first = index()
          for (let lane = 0; lane < lanes; lane++) registers[at + lane] = (first + lane * s.stride) | 0
        }
      }
      case 'variable':
        return this.#copy(s.initial, s.variable)
      case 'get':
        return this.#copy(s.variable, s.value)
      case 'set':
        return this.#copy(s.value, s.variable)
      case 'loop': {
        const start = this.#affine(s.start)
        const stop = this.#affine(s.stop)
        const limit = s.limit ?? Infinity
        const { step } = s
        const counter = this.#loops.get(s.loop)!
        const body = this.#block(s.body)
        return () => {
          const end = Math.min(stop(), limit)
          for (let i = start(); i < end; i += step) {
            this.#counters[counter] = i
            body()
          }
        }
      }
    }
  }

  #let(s: Extract<Statement, { kind: 'let' }>): () => void {
    const registers = this.#registers
    const { at, lanes } = this.#of(s.value)
    const from = s.operands.map((operand) => this.#places.get(operand)!)
    const [a = 0, b = 0, c = 0] = from
    switch (s.op) {
      case 'number': {
        const { value } = s.attrs as ValueOpAttrs['number']
        return () => registers.fill(value, at, at + lanes)
      }
      case 'splat':
        return () => registers.fill(registers[a]!, at, at + lanes)
      case 'extract': {
        const { lane } = s.attrs as ValueOpAttrs['extract']
        return () => {
          registers[at] = registers[a + lane]!
        }
      }
      case 'shuffle': {
        const picks = (s.attrs as ValueOpAttrs['shuffle']).lanes
        return () => {
          picks.forEach((pick, lane) => {
            registers[at + lane] = registers[pick < lanes ? a + pick : b + pick - lanes]!
          })
        }
      }
      case 'insert': {
        const { lane } = s.attrs as ValueOpAttrs['insert']
        return () => {
          registers.copyWithin(at, a, a + lanes)
          registers[at + lane] = registers[b]!
        }
      }
      default: {
        const row = rows[s.op] as Row<'add'>
        const f = row(s.operands[0]!.type.dtype, s.attrs as ValueOpAttrs['add'], s.value.type.dtype)
        return () => {
          for (let lane = 0; lane < lanes; lane++)
            registers[at + lane] = f(registers[a + lane]!, registers[b + lane]!, registers[c + lane]!)
        }
      }
    }
  }

  #of(thing: Value | Variable): { at: number; lanes: number } {
    return { at: this.#places.get(thing)!, lanes: thing.type.lanes }
  }

  #copy(from: Value | Variable, to: Value | Variable): () => void {
    const registers = this.#registers
    const source = this.#places.get(from)!
    const { at, lanes } = this.#of(to)
    return () => {
      for (let lane = 0; lane < lanes; lane++) registers[at + lane] = registers[source + lane]!
    }
  }

  #outside(s: Extract<Statement, { kind: 'load' | 'store' }>, index: number): never {
    throw new VerifyError(`kernel ${this.#kernel.name}`, `${s.kind} of element ${index} of ${s.buffer.name}`)
  }
}

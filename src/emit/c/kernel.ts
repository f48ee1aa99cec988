/**
 * @file One kernel → one C function: a line a statement, loops over indices, which the compiler turns into pointers.
 * In: a verified kernel and the file's types. Out: the function's text.
 *
 * for i0 = 0 to 64 step 4 { store b1[i0], negate(load b0[i0]) } becomes
 *   for (Index i0 = 0; i0 < 64; i0 += 4) {
 *     const f32x4 v0 = *(const f32x4m *)(b0 + i0);
 *     const f32x4 v1 = -v0;
 *     *(f32x4m *)(b1 + i0) = v1;
 *   }
 */
import type { DType } from '../../base/dtype.js'
import { barriers } from '../../kernel/barriers.js'
import {
  type Affine,
  type Buffer,
  type Kernel,
  type LoopVariable,
  type Statement,
  threadStride,
  type Value,
  type ValueOp,
  type ValueOpAttrs,
} from '../../kernel/loop.js'
import { widenBytes } from './helpers.js'
import { type CTypes, type Element, elementIn, type MaskElements } from './types.js'
import { maskBytes, type Operation, splat, typeName, valueRows } from './values.js'

const memoryElements: { readonly [D in DType]: Element } = {
  float32: 'f32',
  float64: 'f64',
  int32: 'i32',
  uint32: 'u32',
  bool: 'u8',
  uint8: 'u8',
}

/** The C type of a buffer's elements. */
export const bufferType = (buffer: Buffer, types: CTypes): string => types.scalar(memoryElements[buffer.dtype])

/** `shared`: the function is called by every thread of a team at once. */
export function printFunction(kernel: Kernel, name: string, types: CTypes, shared = false): string {
  return new FunctionPrinter(kernel, types).print(name, shared)
}

class FunctionPrinter {
  readonly #kernel: Kernel
  readonly #types: CTypes
  readonly #masks: MaskElements
  readonly #lines: string[] = []
  readonly #buffers: ReadonlyMap<Buffer, string>
  readonly #loops = new Map<LoopVariable, string>()
  readonly #constants = new Map<Value, number>()

  constructor(kernel: Kernel, types: CTypes) {
    this.#kernel = kernel
    this.#types = types
    this.#buffers = new Map(kernel.buffers.map((buffer, i) => [buffer, `b${i}`]))
    this.#masks = maskBytes(valueTypes(kernel.body))
  }

  print(name: string, shared: boolean): string {
    const parameters = this.#kernel.buffers.map((buffer, i) => `${bufferType(buffer, this.#types)} *b${i}`)
    if (shared) {
      parameters.push('Index thread', 'const Team *team')
      this.#share()
    } else this.#block(this.#kernel.body, '  ')
    return [
      `/* ${this.#kernel.name} */`,
      `static __attribute__((noinline)) void ${name}(${parameters.join(', ') || 'void'}) {`,
      ...this.#lines,
      '}',
    ].join('\n')
  }

  /** Every thread has its iterations of parallel loops, and all values; the first one does the rest. */
  #share(): void {
    const waits = barriers(this.#kernel)
    for (const [buffer, name] of this.#buffers)
      if (buffer.perThread) this.#lines.push(`  ${name} += thread * ${threadStride(buffer.length)};`)
    for (const s of this.#kernel.body) {
      if (waits.has(s)) this.#lines.push('  WAIT();')
      const first = s.kind === 'store' || s.kind === 'set' || (s.kind === 'loop' && !s.parallel)
      if (s.kind === 'loop' && s.parallel) this.#part(s)
      else if (first) {
        this.#lines.push('  if (thread == 0) {')
        this.#statement(s, '    ')
        this.#lines.push('  }')
      } else this.#statement(s, '  ')
    }
  }

  /** A parallel loop stands in no other: its bounds are constants. Threads take neighbouring iterations, equally many. */
  #part({ loop, start, stop, limit, step, body }: Extract<Statement, { kind: 'loop' }>): void {
    const name = `i${this.#loops.size}`
    this.#loops.set(loop, name)
    const end = Math.min(stop.constant, limit ?? Infinity)
    const count = Math.ceil((end - start.constant) / step)
    const from = (thread: string) => `${start.constant} + ${step} * (${count} * ${thread} / team->threads)`
    this.#lines.push(
      `  for (Index ${name} = ${from('thread')}, e${name} = MIN(${from('(thread + 1)')}, ${end}); ${name} < e${name}; ${name} += ${step}) {`,
    )
    this.#block(body, '    ')
    this.#lines.push('  }')
  }

  #block(body: readonly Statement[], indent: string): void {
    for (const s of body) this.#statement(s, indent)
  }

  #statement(s: Statement, indent: string): void {
    const line = (text: string) => this.#lines.push(indent + text)
    const define = (value: Value, expression: string) =>
      line(`const ${typeName(value.type, this.#types, this.#masks)} v${value.id} = ${expression};`)
    switch (s.kind) {
      case 'let':
        if (s.op === 'number') this.#constants.set(s.value, (s.attrs as ValueOpAttrs['number']).value)
        define(s.value, this.#operation(s))
        break
      case 'load':
        define(s.value, this.#load(s))
        break
      case 'store':
        line(this.#store(s))
        break
      case 'index': {
        const { lanes } = s.value.type
        const first = this.#affine(s.index)
        if (lanes === 1) define(s.value, `(int)(${first})`)
        else {
          const steps = Array.from({ length: lanes }, (_, lane) => `${(lane * s.stride) >>> 0}u`)
          define(
            s.value,
            `(${this.#types.vector('i32', lanes)})((unsigned)(${first}) + (${this.#types.vector('u32', lanes)}){${steps.join(', ')}})`,
          )
        }
        break
      }
      case 'variable':
        line(`${typeName(s.variable.type, this.#types, this.#masks)} a${s.variable.id} = v${s.initial.id};`)
        break
      case 'get':
        define(s.value, `a${s.variable.id}`)
        break
      case 'set':
        line(`a${s.variable.id} = v${s.value.id};`)
        break
      case 'loop': {
        const name = `i${this.#loops.size}`
        const start = this.#affine(s.start)
        const stop = this.#affine(s.stop)
        this.#loops.set(s.loop, name)
        if (s.limit === undefined) line(`for (Index ${name} = ${start}; ${name} < ${stop}; ${name} += ${s.step}) {`)
        else
          line(
            `for (Index ${name} = ${start}, e${name} = MIN(${stop}, ${s.limit}); ${name} < e${name}; ${name} += ${s.step}) {`,
          )
        this.#block(s.body, `${indent}  `)
        line('}')
      }
    }
  }

  #affine({ constant, terms }: Affine): string {
    const parts = terms.map(({ loop, coefficient }) => {
      const name = this.#loops.get(loop)!
      return coefficient === 1 ? name : coefficient < 0 ? `(${coefficient}) * ${name}` : `${coefficient} * ${name}`
    })
    if (constant !== 0 || parts.length === 0) parts.push(constant < 0 ? `(${constant})` : `${constant}`)
    return parts.join(' + ')
  }

  #operation(s: Extract<Statement, { kind: 'let' }>): string {
    const operation: Operation<ValueOp> = {
      op: s.op,
      type: s.value.type,
      operands: s.operands,
      attrs: s.attrs as ValueOpAttrs[ValueOp],
      names: s.operands.map((operand) => `v${operand.id}`),
      constants: s.operands.map((operand) => this.#constants.get(operand)),
      types: this.#types,
      masks: this.#masks,
    }
    return (valueRows[s.op] as (x: Operation<ValueOp>) => string)(operation)
  }

  #load({ value, buffer, index, stride, row }: Extract<Statement, { kind: 'load' }>): string {
    const types = this.#types
    const { lanes } = value.type
    const base = this.#buffers.get(buffer)!
    const at = row ? `${this.#affine(index)} + v${row.start.id}` : this.#affine(index)
    if (lanes === 1) return `${base}[${at}]`
    if (stride === 0) return splat(`${base}[${at}]`, value.type, types, this.#masks)
    const element = elementIn(value.type, this.#masks)
    const memory = memoryElements[buffer.dtype]
    const sign = buffer.dtype === 'bool' ? '0 - ' : ''
    if (stride === 1) {
      if (memory !== 'u8') return `*(const ${types.inMemory(memory, lanes)} *)(${base} + ${at})`
      const type = types.vector(element, lanes)
      if (element === 'i64')
        return `${sign}__builtin_convertvector(*(const ${types.inMemory('u8', lanes)} *)(${base} + ${at}), ${type})`
      return `${sign}(${type})${widenBytes(types, lanes)}(${base} + ${at})`
    }
    const lane = (i: number) => `${sign}${base}[${at}${i * stride < 0 ? ' - ' : ' + '}${Math.abs(i * stride)}]`
    return `(${types.vector(element, lanes)}){${Array.from({ length: lanes }, (_, i) => lane(i)).join(', ')}}`
  }

  #store({ value, buffer, index, row }: Extract<Statement, { kind: 'store' }>): string {
    const types = this.#types
    const { lanes } = value.type
    const base = this.#buffers.get(buffer)!
    const at = row ? `${this.#affine(index)} + v${row.start.id}` : this.#affine(index)
    if (lanes === 1) return `${base}[${at}] = v${value.id};`
    const memory = memoryElements[buffer.dtype]
    const to = `*(${types.inMemory(memory, lanes)} *)(${base} + ${at})`
    if (memory !== 'u8') return `${to} = v${value.id};`
    const mask = buffer.dtype === 'bool' ? 1 : 255
    return `${to} = __builtin_convertvector(v${value.id} & ${mask}, ${types.vector('u8', lanes)});`
  }
}

function* valueTypes(body: readonly Statement[]): Generator<Value['type']> {
  for (const s of body) {
    if (s.kind === 'loop') yield* valueTypes(s.body)
    else if (s.kind !== 'store' && s.kind !== 'set' && s.kind !== 'variable') yield s.value.type
  }
}

/**
 * @file One kernel → one function body: values and variables in locals, loops over strength-reduced pointers.
 * In: a verified kernel. Out: code whose parameters are the buffers' byte addresses, in order.
 *
 * for i0 = 0 to 64 step 4 { store b1[i0], negate(load b0[i0]) } becomes
 *   p = b1; q = b0; end = p + 256; loop { v128.store(p, f32x4.neg(v128.load(q))); q += 16; p += 16; br_if p != end }
 */
import { byteSize } from '../../base/dtype.js'
import { barriers } from '../../kernel/barriers.js'
import {
  type Buffer,
  type Kernel,
  type Statement,
  threadStride,
  type Value,
  type ValueOp,
  type ValueOpAttrs,
  type Variable,
} from '../../kernel/loop.js'
import type { Loop } from '../../kernel/ranges.js'
import { type Address, AddressPlan, type Pointer, startsAt } from './address.js'
import { Code } from './code.js'
import { type Definition, defines, type Liveness, liveness } from './liveness.js'
import { load, store, valtypeOf } from './memory.js'
import { emitDivision, emitWait } from './team.js'
import { type Operation, valueRows } from './values.js'

export function emitKernel(kernel: Kernel): Code {
  return new KernelEmitter(kernel, 0).emit()
}

/**
 * A function that every thread of a team calls at once, with two more parameters: which thread it is, and how many there
 * are. Threads wait for each other by calling function `wait` with their number.
 */
export function emitSharedKernel(kernel: Kernel, wait: number): Code {
  return new KernelEmitter(kernel, 2).emitShared(wait)
}

class KernelEmitter {
  readonly #kernel: Kernel
  readonly #code: Code
  readonly #live: Liveness
  readonly #plan: AddressPlan
  /** By the value's number: what defines it, and its local. */
  readonly #definitions: Definition[] = []
  readonly #values: number[] = []
  readonly #variables = new Map<Variable, number>()
  readonly #arguments: ReadonlyMap<unknown, number>

  /** `more`: parameters after the buffers. */
  constructor(kernel: Kernel, more: number) {
    this.#kernel = kernel
    this.#code = new Code(kernel.buffers.length + more)
    this.#live = liveness(kernel)
    this.#plan = new AddressPlan(kernel, this.#live)
    this.#arguments = new Map(kernel.buffers.map((buffer, i) => [buffer, i]))
  }

  emit(): Code {
    this.#block(this.#kernel.body)
    return this.#code
  }

  /** Every thread has its iterations of parallel loops, and all values; the first one does the rest. */
  emitShared(wait: number): Code {
    const code = this.#code
    const { buffers, body } = this.#kernel
    const thread = buffers.length
    const waits = barriers(this.#kernel)
    for (const [i, buffer] of buffers.entries())
      if (buffer.perThread) {
        code.get(i)
        code.get(thread)
        code.i32(threadStride(buffer.length) * byteSize[buffer.dtype])
        code.instruction('i32.mul')
        code.instruction('i32.add')
        code.set(i)
      }
    for (const s of body) {
      if (waits.has(s)) emitWait(code, thread + 1, wait)
      if (s.kind === 'loop' && s.parallel) this.#part(s, thread)
      else if (s.kind === 'store' || s.kind === 'set' || s.kind === 'loop') {
        code.get(thread)
        code.instruction('i32.eqz')
        code.open('if')
        this.#block([s])
        code.end()
      } else this.#statement(s, [])
    }
    return code
  }

  /** Locals of a block are free again after it. */
  #block(block: readonly Statement[]): void {
    const locals: number[] = []
    for (const statement of block) this.#statement(statement, locals)
    for (const local of locals) this.#code.release(local)
  }

  #statement(statement: Statement, locals: number[]): void {
    const code = this.#code
    if (defines(statement)) {
      const { value } = statement
      this.#definitions[value.id] = statement
      if (this.#live.isDead(value) || this.#live.isInline(value)) return
      this.#compute(statement)
      const local = code.allocate(valtypeOf(value.type))
      locals.push(local)
      this.#values[value.id] = local
      code.set(local)
    } else if (statement.kind === 'store') {
      const { buffer, value, row } = statement
      const { pointer, offset } = this.#plan.address(statement)
      store(
        code,
        buffer,
        value.type,
        () => this.#place(pointer, buffer, row?.start),
        offset,
        () => this.#push(value),
      )
    } else if (statement.kind === 'variable') {
      this.#push(statement.initial)
      const local = code.allocate(valtypeOf(statement.variable.type))
      locals.push(local)
      this.#variables.set(statement.variable, local)
      code.set(local)
    } else if (statement.kind === 'set') {
      this.#push(statement.value)
      code.set(this.#variables.get(statement.variable)!)
    } else if (statement.kind === 'loop') this.#loop(statement)
  }

  #push(value: Value): void {
    if (this.#live.isInline(value)) this.#compute(this.#definitions[value.id]!)
    else this.#code.get(this.#values[value.id]!)
  }

  /** Leaves the statement's value on the stack. */
  #compute(statement: Definition): void {
    const code = this.#code
    switch (statement.kind) {
      case 'let': {
        const { op, operands, attrs, value } = statement
        const operation: Operation<ValueOp> = {
          op,
          type: value.type,
          operands,
          attrs: attrs as ValueOpAttrs[ValueOp],
          push: (i) => this.#push(operands[i]!),
        }
        valtypeOf(value.type)
        const row = valueRows[op] as (code: Code, x: Operation<ValueOp>) => void
        row(code, operation)
        break
      }
      case 'load': {
        const { pointer, offset } = this.#plan.address(statement)
        const { row, buffer } = statement
        const push = () => this.#place(pointer, buffer, row?.start)
        load(code, buffer, statement.value.type, statement.stride, push, offset)
        break
      }
      case 'index': {
        this.#integer(this.#plan.address(statement))
        const { type } = statement.value
        if (type.lanes > 1) {
          const { stride } = statement
          code.instruction('i32x4.splat')
          code.words(0, stride, 2 * stride, 3 * stride)
          code.instruction('i32x4.add')
        }
        break
      }
      case 'get':
        code.get(this.#variables.get(statement.variable)!)
    }
  }

  /** Where the pointer points, or so many elements further as a row begins. */
  #place(pointer: Pointer, buffer: Buffer, row: Value | undefined): void {
    this.#pointer(pointer)
    if (!row) return
    const bytes = byteSize[buffer.dtype]
    this.#push(row)
    if (bytes > 1) {
      this.#code.i32(Math.log2(bytes))
      this.#code.instruction('i32.shl')
    }
    this.#code.instruction('i32.add')
  }

  #pointer(pointer: Pointer): void {
    if (pointer.loop) this.#code.get(pointer.local)
    else if (pointer.buffer) this.#code.get(this.#arguments.get(pointer.buffer)!)
    else this.#code.i32(0)
  }

  #integer({ pointer, offset }: Address): void {
    const code = this.#code
    if (!pointer.loop) code.i32(offset)
    else {
      this.#pointer(pointer)
      this.#add(offset)
    }
  }

  #add(amount: number): void {
    if (amount === 0) return
    this.#code.i32(amount)
    this.#code.instruction('i32.add')
  }

  /**
   * A loop tests at its bottom, behind a guard where it might be empty. A loop of constant length is tested by one of
   * the pointers that it moves anyway, others by their counter.
   */
  #loop({ loop, step, body }: Loop): void {
    const code = this.#code
    const { shortest, longest, lengths } = this.#plan.ranges.of(loop)
    if (longest <= 0) return
    const constant = shortest === longest
    const pointers = this.#plan.moved(loop)
    const locals: number[] = []
    const allocate = (): number => {
      const local = code.allocate('i32')
      locals.push(local)
      return local
    }

    let end = -1
    if (!constant) {
      end = allocate()
      this.#integer(this.#plan.address(lengths[0]!))
      code.set(end)
      for (const length of lengths.slice(1)) {
        const other = code.allocate('i32')
        this.#integer(this.#plan.address(length))
        code.tee(other)
        code.get(end)
        code.get(other)
        code.get(end)
        code.instruction('i32.lt_s')
        code.instruction('select')
        code.set(end)
        code.release(other)
      }
    }
    const guarded = shortest <= 0
    if (guarded) {
      code.get(end)
      code.i32(0)
      code.instruction('i32.gt_s')
      code.open('if')
    }
    for (const pointer of pointers) {
      pointer.local = allocate()
      if (pointer.parent) this.#pointer(pointer.parent)
      this.#add(startsAt(pointer))
      code.set(pointer.local)
    }

    if (longest <= step) this.#block(body)
    else {
      const iterations = Math.ceil(longest / step)
      const counter = this.#plan.counter(loop)
      const tester = counter ?? pointers.find((pointer) => pointer.move !== 0)
      let count = -1
      if (!tester) {
        count = allocate()
        code.i32(iterations)
        code.set(count)
      } else if (tester !== counter) {
        end = allocate()
        code.get(tester.local)
        this.#add(iterations * tester.move)
        code.set(end)
      }
      this.#repeat(body, pointers, tester, count, () => {
        if (constant && tester === counter) code.i32(longest)
        else code.get(end)
        code.instruction(tester === counter ? 'i32.lt_s' : 'i32.ne')
      })
    }
    if (guarded) code.end()
    for (const local of locals) code.release(local)
  }

  /** A parallel loop stands in no other: its bounds are constants. Threads take neighbouring iterations, equally many. */
  #part({ loop, step, body }: Loop, thread: number): void {
    const code = this.#code
    const { longest } = this.#plan.ranges.of(loop)
    if (longest <= 0) return
    const iterations = Math.ceil(longest / step)
    const locals: number[] = []
    const allocate = (): number => {
      const local = code.allocate('i32')
      locals.push(local)
      return local
    }
    const { first, count } = emitDivision(code, iterations, thread)
    locals.push(first, count)
    code.get(count)
    code.open('if')
    const pointers = this.#plan.moved(loop)
    for (const pointer of pointers) {
      pointer.local = allocate()
      if (pointer.parent) this.#pointer(pointer.parent)
      this.#add(startsAt(pointer))
      if (pointer.move !== 0) {
        code.get(first)
        code.i32(pointer.move)
        code.instruction('i32.mul')
        code.instruction('i32.add')
      }
      code.set(pointer.local)
    }
    this.#repeat(body, pointers, undefined, count, () => {})
    code.end()
    for (const local of locals) code.release(local)
  }

  /** The body, again and again: `test` leaves whether the tester goes on, or a count goes down to 0. */
  #repeat(
    body: readonly Statement[],
    pointers: readonly Pointer[],
    tester: Pointer | undefined,
    count: number,
    test: () => void,
  ): void {
    const code = this.#code
    code.open('loop')
    this.#block(body)
    for (const pointer of pointers) if (pointer !== tester) this.#move(pointer)
    if (!tester) {
      code.get(count)
      this.#add(-1)
      code.tee(count)
    } else {
      code.get(tester.local)
      this.#add(tester.move)
      code.tee(tester.local)
      test()
    }
    code.branchIf(0)
    code.end()
  }

  #move(pointer: Pointer): void {
    if (pointer.move === 0) return
    this.#code.get(pointer.local)
    this.#add(pointer.move)
    this.#code.set(pointer.local)
  }
}

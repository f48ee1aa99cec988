/**
 * @file A function body under construction: instructions in order, and locals that are handed out and taken back.
 * Out: the bytes of one entry of the code section.
 */
import { Bytes, memarg, sized, type Valtype, valtypes, vec } from './encode.js'
import { type Instruction, opcodes } from './opcodes.js'

const emptyBlock = 0x40

export class Code {
  readonly #bytes = new Bytes()
  readonly #parameters: number
  readonly #locals: Valtype[] = []
  readonly #free = new Map<Valtype, number[]>()

  /** `parameters` locals exist already: the function's arguments. */
  constructor(parameters: number) {
    this.#parameters = parameters
  }

  /** A local of this type, with any contents. */
  allocate(type: Valtype): number {
    const free = this.#free.get(type)?.pop()
    return free ?? this.#parameters + this.#locals.push(type) - 1
  }

  /** The local may be handed out again. */
  release(local: number): void {
    const type = this.#locals[local - this.#parameters]!
    const free = this.#free.get(type)
    if (free) free.push(local)
    else this.#free.set(type, [local])
  }

  instruction(instruction: Instruction): void {
    const opcode: number = opcodes[instruction]
    if (opcode > 0xff) {
      this.#bytes.byte(opcode >> 16)
      this.#bytes.u32(opcode & 0xffff)
    } else this.#bytes.byte(opcode)
  }

  #indexed(instruction: Instruction, index: number): void {
    this.instruction(instruction)
    this.#bytes.u32(index)
  }

  get(local: number): void {
    this.#indexed('local.get', local)
  }
  set(local: number): void {
    this.#indexed('local.set', local)
  }
  tee(local: number): void {
    this.#indexed('local.tee', local)
  }
  call(functionIndex: number): void {
    this.#indexed('call', functionIndex)
  }
  branch(depth: number): void {
    this.#indexed('br', depth)
  }
  branchIf(depth: number): void {
    this.#indexed('br_if', depth)
  }

  /** `block`, `loop` or `if` without results. */
  open(instruction: 'block' | 'loop' | 'if'): void {
    this.instruction(instruction)
    this.#bytes.byte(emptyBlock)
  }

  end(): void {
    this.instruction('end')
  }

  i32(value: number): void {
    this.instruction('i32.const')
    this.#bytes.s32(value)
  }
  i64(value: bigint): void {
    this.instruction('i64.const')
    this.#bytes.s64(value)
  }
  f32(value: number): void {
    this.instruction('f32.const')
    this.#bytes.f32(value)
  }
  f64(value: number): void {
    this.instruction('f64.const')
    this.#bytes.f64(value)
  }

  /** v128.const of four words, or of one repeated. */
  words(...bits: [number] | [number, number, number, number]): void {
    this.instruction('v128.const')
    for (let lane = 0; lane < 4; lane++) this.#bytes.fixed32(bits.length === 1 ? bits[0] : bits[lane]!)
  }
  /** v128.const of one 64-bit pattern in both lanes. */
  longs(bits: bigint): void {
    const low = Number(bits & 0xffffffffn)
    const high = Number((bits >> 32n) & 0xffffffffn)
    this.words(low, high, low, high)
  }
  floats(value: number): void {
    this.instruction('v128.const')
    for (let lane = 0; lane < 4; lane++) this.#bytes.f32(value)
  }
  doubles(value: number): void {
    this.instruction('v128.const')
    for (let lane = 0; lane < 2; lane++) this.#bytes.f64(value)
  }

  /** An access to memory; `align` is the exponent of the access's natural alignment. */
  memory(instruction: Instruction, align: number, offset: number, lane?: number): void {
    this.instruction(instruction)
    memarg(this.#bytes, align, offset)
    if (lane !== undefined) this.#bytes.byte(lane)
  }

  /** i8x16.shuffle: sixteen places in two vectors end to end. */
  shuffle(bytes: readonly number[]): void {
    this.instruction('i8x16.shuffle')
    for (const byte of bytes) this.#bytes.byte(byte)
  }

  lane(instruction: Instruction, lane: number): void {
    this.instruction(instruction)
    this.#bytes.byte(lane)
  }

  /** Ends the function and writes its size, locals and instructions. */
  finish(out: Bytes): void {
    const runs: [number, Valtype][] = []
    for (const type of this.#locals) {
      const last = runs.at(-1)
      if (last?.[1] === type) last[0]++
      else runs.push([1, type])
    }
    const body = vec(runs, (bytes, [count, type]) => {
      bytes.u32(count)
      bytes.byte(valtypes[type])
    })
    body.append(this.#bytes)
    body.byte(opcodes.end)
    sized(out, body)
  }
}

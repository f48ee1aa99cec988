/**
 * @file Loads and stores: from a buffer's dtype in memory to values on the operand stack and back.
 * Vectors are v128: four lanes of 32 bits or two of 64; bool is a byte in memory and a mask in a vector.
 */
import { byteSize } from '../../base/dtype.js'
import { VerifyError } from '../../base/errors.js'
import type { Buffer, ValueType } from '../../kernel/loop.js'
import type { Code } from './code.js'
import type { Valtype } from './encode.js'
import type { Instruction } from './opcodes.js'

/** The WebAssembly type of a value; throws for vectors that do not fill v128. */
export function valtypeOf({ dtype, lanes }: ValueType): Valtype {
  if (lanes === 1) return dtype === 'float32' ? 'f32' : dtype === 'float64' ? 'f64' : 'i32'
  const fits = dtype === 'bool' ? lanes === 2 || lanes === 4 : lanes === (dtype === 'float64' ? 2 : 4)
  if (!fits) throw new VerifyError('emit wasm', `${dtype}x${lanes} does not fill a vector of 128 bits`)
  return 'v128'
}

const scalarLoads: { readonly [D in Buffer['dtype']]: Instruction } = {
  float32: 'f32.load',
  float64: 'f64.load',
  int32: 'i32.load',
  uint32: 'i32.load',
  bool: 'i32.load8_u',
  uint8: 'i32.load8_u',
}
const scalarStores: { readonly [D in Buffer['dtype']]: Instruction } = {
  float32: 'f32.store',
  float64: 'f64.store',
  int32: 'i32.store',
  uint32: 'i32.store',
  bool: 'i32.store8',
  uint8: 'i32.store8',
}
const alignment = (bytes: number): number => Math.log2(bytes)

/** Leaves the value on the stack. `pointer()` pushes the pointer; `offset` is lane 0's. */
export function load(
  code: Code,
  buffer: Buffer,
  type: ValueType,
  stride: number,
  pointer: () => void,
  offset: number,
): void {
  valtypeOf(type)
  const { lanes } = type
  const bytes = byteSize[buffer.dtype]
  const align = alignment(bytes)
  if (lanes === 1) {
    pointer()
    code.memory(scalarLoads[buffer.dtype], align, offset)
  } else if (bytes === 1) loadBytes(code, buffer, lanes, stride, pointer, offset)
  else if (stride === 1) {
    pointer()
    code.memory('v128.load', align, offset)
  } else if (stride === 0) {
    pointer()
    code.memory(bytes === 4 ? 'v128.load32_splat' : 'v128.load64_splat', align, offset)
  } else {
    for (let lane = 0; lane < lanes; lane++) pointer()
    code.memory(bytes === 4 ? 'v128.load32_zero' : 'v128.load64_zero', align, offset)
    for (let lane = 1; lane < lanes; lane++)
      code.memory(bytes === 4 ? 'v128.load32_lane' : 'v128.load64_lane', align, offset + lane * stride * bytes, lane)
  }
}

/** Bytes in lanes of 32 or 64 bits: zero-extended, or 0 and 1 negated to a mask. */
function loadBytes(
  code: Code,
  buffer: Buffer,
  lanes: number,
  stride: number,
  pointer: () => void,
  offset: number,
): void {
  if (stride === 1 && lanes === 4) {
    pointer()
    code.memory('v128.load32_zero', 0, offset)
    code.instruction('i16x8.extend_low_i8x16_u')
    code.instruction('i32x4.extend_low_i16x8_u')
  } else if (stride === 0) {
    pointer()
    code.memory('i32.load8_u', 0, offset)
    code.instruction('i32x4.splat')
    if (lanes === 2) code.instruction('i64x2.extend_low_i32x4_u')
  } else {
    for (let lane = 0; lane < lanes; lane++) pointer()
    code.words(0)
    for (let lane = 0; lane < lanes; lane++)
      code.memory('v128.load8_lane', 0, offset + lane * stride, (16 / lanes) * lane)
  }
  if (buffer.dtype === 'bool') code.instruction(lanes === 4 ? 'i32x4.neg' : 'i64x2.neg')
}

/** `pointer()` and `value()` push. */
export function store(
  code: Code,
  buffer: Buffer,
  type: ValueType,
  pointer: () => void,
  offset: number,
  value: () => void,
): void {
  valtypeOf(type)
  const bytes = byteSize[buffer.dtype]
  if (type.lanes === 2 && bytes === 1) {
    const mask = code.allocate('v128')
    value()
    code.longs(1n)
    code.instruction('v128.and')
    code.set(mask)
    for (const lane of [0, 1]) {
      pointer()
      code.get(mask)
      code.memory('v128.store8_lane', 0, offset + lane, 8 * lane)
    }
    code.release(mask)
    return
  }
  pointer()
  value()
  if (type.lanes === 1) code.memory(scalarStores[buffer.dtype], alignment(bytes), offset)
  else if (bytes === 1) {
    code.words(buffer.dtype === 'bool' ? 1 : 255)
    code.instruction('v128.and')
    code.words(0)
    code.instruction('i16x8.narrow_i32x4_u')
    code.words(0)
    code.instruction('i8x16.narrow_i16x8_u')
    code.memory('v128.store32_lane', 0, offset, 0)
  } else code.memory('v128.store', alignment(bytes), offset)
}

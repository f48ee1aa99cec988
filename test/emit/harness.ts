/** @file Runs a kernel in the interpreter and in WebAssembly, and compares every bit of what they write. */
import { expect } from 'vitest'
import { byteSize, type DType, type TypedArray, viewOf } from '../../src/base/dtype.js'
import { emitModule } from '../../src/emit/wasm/emit.js'
import { compileModule, relaxedMadd } from '../../src/emit/wasm/features.js'
import { webAssembly } from '../../src/emit/wasm/host.js'
import { interpretKernel } from '../../src/kernel/interpret.js'
import type { Kernel } from '../../src/kernel/loop.js'
import { printKernel } from '../../src/kernel/print.js'
import { verifyKernel } from '../../src/kernel/verify.js'

relaxedMadd()

/** Runs the kernel's module on the arrays, in place, through `run` and its table. */
export function runWasm(kernel: Kernel, arrays: readonly TypedArray[]): void {
  const bytes = emitModule({
    kernels: [kernel],
    launches: [{ kernel: 0, pointers: arrays.map((_, i) => i) }],
    pointers: arrays.length,
  })
  expect(webAssembly.validate(bytes), printKernel(kernel)).toBe(true)
  let end = 8 * arrays.length
  const offsets = arrays.map((array) => {
    const offset = Math.ceil(end / 16) * 16
    end = offset + array.byteLength
    return offset
  })
  const memory = new webAssembly.Memory({ initial: Math.ceil(end / 65536) + 1 })
  const { exports } = new webAssembly.Instance(compileModule(bytes), { env: { memory } })
  const views = kernel.buffers.map((buffer, i) => viewOf(buffer.dtype, memory.buffer, offsets[i]!, buffer.length))
  arrays.forEach((array, i) => {
    views[i]!.set(array)
  })
  // The table lies above the data, so that a stray write is seen.
  const table = Math.ceil(end / 16) * 16
  new Int32Array(memory.buffer, table).set(offsets)
  ;(exports['run'] as (table: number) => void)(table)
  arrays.forEach((array, i) => {
    array.set(views[i]!)
  })
  expect([...new Int32Array(memory.buffer, table, offsets.length)]).toEqual(offsets)
}

/** Bits as words, all NaNs alike. */
export function bitsOfArray(dtype: DType, array: TypedArray): Uint32Array | Uint8Array {
  const copy = array.slice()
  if (dtype === 'float32' || dtype === 'float64')
    for (let i = 0; i < copy.length; i++) if (Number.isNaN(copy[i])) copy[i] = Number.NaN
  return byteSize[dtype] === 1 ? new Uint8Array(copy.buffer) : new Uint32Array(copy.buffer)
}

/** Verifies the kernel, runs both engines on copies, compares, and gives the interpreter's arrays. */
export function expectSameBits(kernel: Kernel, arrays: readonly TypedArray[], label = ''): TypedArray[] {
  verifyKernel(kernel)
  const wanted = arrays.map((array) => array.slice())
  const got = arrays.map((array) => array.slice())
  interpretKernel(kernel, wanted)
  runWasm(kernel, got)
  kernel.buffers.forEach(({ dtype, name }, i) => {
    const a = bitsOfArray(dtype, got[i]!)
    const b = bitsOfArray(dtype, wanted[i]!)
    const at = a.findIndex((word, j) => word !== b[j])
    if (at === -1) return
    const element = Math.floor((at * a.BYTES_PER_ELEMENT) / byteSize[dtype])
    const inputs = arrays.map((array) => array[element]).join(', ')
    throw new Error(
      `${label} ${name}[${element}]: wasm ${got[i]![element]}, interpreter ${wanted[i]![element]} (element ${element} ` +
        `of the buffers: ${inputs})\n${printKernel(kernel, { names: true })}`,
    )
  })
  return wanted
}

/** A seeded generator of uniform numbers in [0, 1): xorshift32. */
export function generator(seed: number): () => number {
  let state = (seed * 2654435761 + 1) >>> 0 || 1
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    state >>>= 0
    return state / 2 ** 32
  }
}

/** Values at which arithmetic is special. */
export const special: { readonly [D in Exclude<DType, 'uint8'>]: readonly number[] } = {
  float32: [
    0,
    -0,
    1,
    -1,
    0.5,
    -0.5,
    1.5,
    2.5,
    -1.5,
    -2.5,
    0.1,
    3,
    1e-3,
    123.75,
    -2147483648,
    2147483648,
    4294967296,
    4294967040,
    8388607.5,
    16777216,
    1e20,
    -1e20,
    3.4028234663852886e38,
    -3.4028234663852886e38,
    1.1754943508222875e-38,
    1.401298464324817e-45,
    -1.401298464324817e-45,
    1e-40,
    Infinity,
    -Infinity,
    NaN,
  ],
  float64: [
    0,
    -0,
    1,
    -1,
    0.5,
    -0.5,
    1.5,
    2.5,
    -1.5,
    -2.5,
    0.1,
    3,
    2147483647.5,
    -2147483648.5,
    4294967295.5,
    4294967296,
    1e20,
    -1e300,
    1.7976931348623157e308,
    2.2250738585072014e-308,
    5e-324,
    -5e-324,
    4503599627370495.5,
    Infinity,
    -Infinity,
    NaN,
  ],
  int32: [0, 1, -1, 2, -2, 7, 255, 256, 65536, 2147483647, -2147483648, -2147483647, 16777217, 123456789],
  uint32: [0, 1, 2, 7, 255, 256, 65535, 65536, 2147483647, 2147483648, 4294967295, 16777217, 3000000001],
  bool: [0, 1],
}

/** Specials, and random values over the dtype's whole range of magnitudes. */
export function samples(dtype: Exclude<DType, 'uint8'>, count: number, seed: number): number[] {
  const random = generator(seed)
  const list = [...special[dtype]]
  while (list.length < count) {
    if (dtype === 'float32') list.push(Math.fround((random() - 0.5) * 2 ** Math.floor(80 * random() - 40)))
    else if (dtype === 'float64') list.push((random() - 0.5) * 2 ** Math.floor(400 * random() - 200))
    else if (dtype === 'bool') list.push(Math.floor(2 * random()))
    else if (dtype === 'uint32') list.push(Math.floor(random() * 2 ** Math.floor(33 * random())) >>> 0)
    else list.push(Math.floor((random() - 0.5) * 2 ** Math.floor(33 * random())) | 0)
  }
  return list
}

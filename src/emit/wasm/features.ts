/**
 * @file What the engine underneath can do, and how to have it compile well.
 * In Node, V8 is told through `v8.setFlagsFromString`; elsewhere nothing is needed or possible.
 */
import { GradusError } from '../../base/errors.js'
import { KernelBuilder } from '../../kernel/builder.js'
import { affine, type Buffer } from '../../kernel/loop.js'
import { emitModule } from './emit.js'
import { type WasmModule, webAssembly } from './host.js'

interface Host {
  readonly process?: { readonly getBuiltinModule?: (id: string) => unknown }
}

interface V8 {
  setFlagsFromString(flags: string): void
}

/** Loaded along with this file: it takes Node 5 ms, which the first step should not wait for. */
const v8 = (globalThis as Host).process?.getBuiltinModule?.('node:v8') as V8 | undefined

/** Sets flags of V8 where this is Node; other engines have none, or a function that refuses. */
function setFlags(...flags: string[]): void {
  try {
    for (const flag of flags) v8?.setFlagsFromString(flag)
  } catch {
    // The flags only hurry: without them the module is compiled in the engine's own time.
  }
}

let fuses: boolean | undefined

/**
 * Whether `f32x4.relaxed_madd` exists and rounds once. The specification allows it to round twice, so it is tried on
 * numbers whose product loses its last bit: (1 + 2⁻¹²)² − (1 + 2⁻¹¹) is 2⁻²⁴ rounded once, and 0 rounded twice.
 */
export function relaxedMadd(): boolean {
  fuses ??= probe()
  return fuses
}

function probe(): boolean {
  if (!webAssembly)
    throw new GradusError('compile', 'this browser has no WebAssembly', {
      hint: 'Some have it switched off for safety (lockdown mode): allow it for this page.',
    })
  const buffers: Buffer[] = ['a', 'b', 'c'].map((name) => ({ name, dtype: 'float32', length: 4, access: 'read' }))
  const out: Buffer = { name: 'out', dtype: 'float32', length: 4, access: 'write' }
  const b = new KernelBuilder()
  const [x, y, z] = buffers.map((buffer) => b.load(buffer, affine(0), 4))
  b.store(out, affine(0), b.op('fma', x!, y!, z!))
  const bytes = emitModule({ kernels: [b.finish('probe', [...buffers, out], 8)], launches: [], pointers: 0 })
  // Node 20 hides relaxed SIMD behind a flag; newer ones know it without, and the flag no longer.
  if (!webAssembly.validate(bytes)) setFlags('--experimental-wasm-relaxed-simd')
  if (!webAssembly.validate(bytes)) return false
  const memory = new webAssembly.Memory({ initial: 1 })
  const { exports } = new webAssembly.Instance(makeModule(bytes), { env: { memory } })
  const numbers = new Float32Array(memory.buffer)
  numbers.fill(1 + 2 ** -12, 0, 8)
  numbers.fill(-(1 + 2 ** -11), 8, 12)
  const kernel = exports['k0'] as (...pointers: number[]) => void
  kernel(0, 16, 32, 48)
  return numbers.subarray(12, 16).every((result) => result === 2 ** -24)
}

/**
 * Compiles at once and with the optimising compiler, where V8 can be told to. Otherwise V8 compiles a function when it
 * is first called, with its baseline compiler, and optimises it between later calls. For 40 kernels in Node 20 (a loaded
 * machine): compiling took 43 ms and the first call 1.3 ms, as every later one; without the flags, 24 ms for the first
 * call and 23 ms for the second. `--no-liftoff` alone compiles lazily still (26 ms, then up to 170). Inlining must be off
 * with it: V8 14 (Node 26) inlines by what the baseline compiler has observed, and ends the process where there is nothing.
 */
export function compileModule(bytes: Uint8Array<ArrayBuffer>): WasmModule {
  setFlags('--no-liftoff', '--no-wasm-lazy-compilation', ...(inlines() ? ['--no-wasm-inlining'] : []))
  try {
    return makeModule(bytes)
  } finally {
    setFlags('--liftoff', '--wasm-lazy-compilation', ...(inlines() ? ['--wasm-inlining'] : []))
  }
}

/** A function that gives a vector: what engines from before 2023 do not know. */
const vectors = Uint8Array.of(
  ...[0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 8, 1, 6, 0, 65, 0, 253, 15, 11],
)

/** Compiles, and says what is missing where that is not allowed or not possible. */
export function makeModule(bytes: Uint8Array<ArrayBuffer>): WasmModule {
  try {
    return new webAssembly.Module(bytes)
  } catch (cause) {
    if (/content security policy|blocked by CSP/i.test(String(cause)))
      throw new GradusError('compile', "this page's Content-Security-Policy forbids WebAssembly", {
        cause,
        hint: "Allow it: Content-Security-Policy: script-src 'self' 'wasm-unsafe-eval'.",
      })
    if (!webAssembly.validate(vectors))
      throw new GradusError('compile', "this browser's WebAssembly has no vectors (SIMD)", {
        cause,
        hint: 'Chrome has them since 91, Firefox since 89, Safari since 16.4.',
      })
    throw cause
  }
}

/** Whether this V8 inlines WebAssembly functions unless told otherwise. */
const inlines = (): boolean => {
  const version = (globalThis as { process?: { versions?: { v8?: string } } }).process?.versions?.v8
  return Number.parseInt(version ?? '0', 10) >= 13
}

/**
 * @file Loop IR → a WebAssembly module.
 * In: kernels, and the launches that make up a program. Out: the module's bytes. It imports `env.memory` and exports
 * `k0`, `k1`... (one byte address per buffer) and `run(table)`, which reads the address of pointer p at table + 4 · p.
 *
 * const module = new WebAssembly.Module(emitModule({ kernels: [kernel], launches: [{ kernel: 0, pointers: [0, 1] }] }))
 */
import type { Kernel } from '../../kernel/loop.js'
import { Code } from './code.js'
import {
  Bytes,
  externkinds,
  functype,
  limits,
  name,
  preamble,
  section,
  sectionIds,
  type Valtype,
  vec,
} from './encode.js'
import { emitKernel } from './kernel.js'

export interface Program {
  readonly kernels: readonly Kernel[]
  /** In order. `pointers`: places in the table of addresses, one per buffer of the kernel. */
  readonly launches: readonly { readonly kernel: number; readonly pointers: readonly number[] }[]
}

export interface EmitOptions {
  /** Import a shared memory of at most so many pages. */
  readonly shared?: { readonly maximum: number }
}

export function emitModule({ kernels, launches }: Program, options: EmitOptions = {}): Uint8Array<ArrayBuffer> {
  const arities = [...new Set([1, ...kernels.map((kernel) => kernel.buffers.length)])]
  const typeOf = (arity: number): number => arities.indexOf(arity)
  const out = new Bytes()
  preamble(out)
  section(
    out,
    sectionIds.type,
    vec(arities, (bytes, arity) => functype(bytes, Array<Valtype>(arity).fill('i32'), [])),
  )
  section(
    out,
    sectionIds.import,
    vec([options.shared], (bytes, shared) => {
      name(bytes, 'env')
      name(bytes, 'memory')
      bytes.byte(externkinds.memory)
      limits(bytes, 1, shared)
    }),
  )
  section(
    out,
    sectionIds.function,
    vec([...kernels.map((kernel) => kernel.buffers.length), 1], (bytes, arity) => bytes.u32(typeOf(arity))),
  )
  section(
    out,
    sectionIds.export,
    vec([...kernels.map((_, i) => `k${i}`), 'run'], (bytes, text, i) => {
      name(bytes, text)
      bytes.byte(externkinds.func)
      bytes.u32(i)
    }),
  )
  const bodies = [...kernels.map(emitKernel), emitRun(launches)]
  section(
    out,
    sectionIds.code,
    vec(bodies, (bytes, code) => code.finish(bytes)),
  )
  return out.finish()
}

/** Addresses that several launches use are read once, as long as there are few. */
const localAddresses = 64

function emitRun(launches: Program['launches']): Code {
  const code = new Code(1)
  const read = (pointer: number): void => {
    code.get(0)
    code.memory('i32.load', 2, 4 * pointer)
  }
  const used = new Set(launches.flatMap((launch) => launch.pointers))
  const locals = new Map<number, number>()
  if (used.size <= localAddresses)
    for (const pointer of used) {
      read(pointer)
      const local = code.allocate('i32')
      code.set(local)
      locals.set(pointer, local)
    }
  for (const { kernel, pointers } of launches) {
    for (const pointer of pointers) {
      const local = locals.get(pointer)
      if (local === undefined) read(pointer)
      else code.get(local)
    }
    code.call(kernel)
  }
  return code
}

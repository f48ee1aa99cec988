/**
 * @file What programs run on, and what looks at them while they are compiled: everything here that is for Node, for tests and for
 * debugging stays out of bundles for browsers, where package.json puts engines.browser.ts in this file's place.
 * In: names. Out: engines, the change from WebAssembly to native code, verifiers, printers.
 */
import { GradusError } from '../base/errors.js'
import type { Storage } from '../base/storage.js'
import type { Graph } from '../graph/node.js'
import { printGraph } from '../graph/print.js'
import { verifyGraph } from '../graph/verify.js'
import { printKernel } from '../kernel/print.js'
import { verifyKernel } from '../kernel/verify.js'
import type { LoweredGraph } from '../lower/lower.js'
import type { Plan } from '../lower/plan.js'
import type { Engine, Runnable } from './engine.js'
import { interpreterEngine } from './interpreter.js'
import { NativeProgram, nativeEngine, sourceOf } from './native.js'
import { cacheFolder } from './native-cache.js'
import { compileInBackground, findCompiler } from './native-compiler.js'
import { isNode, koffi } from './native-host.js'
import { noteOnce } from './note.js'
import { type Faster, Tiered } from './tiered.js'
import { wasmEngine } from './wasm.js'

const engines: { readonly [N in Engine['name']]: Engine } = {
  wasm: wasmEngine,
  native: nativeEngine,
  interpreter: interpreterEngine,
}

/** Throws where it cannot run here. */
export const engineNamed = (name: Engine['name']): Engine => engines[name]

/** Throws for what native code lacks here. */
export function checkNative(): void {
  koffi()
  findCompiler()
  cacheFolder()
}

/** A program lowered for another engine, all but what loads it. */
export interface LoweredProgram<P> {
  readonly plan: Plan
  /** The program on what was loaded. */
  finish(runnable: Runnable): P
}

/**
 * Native code, compiled meanwhile by another process, takes over from a program that has run for a while. Undefined where there
 * is none.
 */
export function startTiers<P extends Runnable>(
  start: P,
  threads: number,
  storages: readonly (Storage | undefined)[],
  lowerFor: (engine: Engine) => LoweredProgram<P>,
): Tiered<P> | undefined {
  if (!isNode()) return undefined
  const begin = (): Faster<P> => {
    const { plan, finish } = lowerFor(nativeEngine)
    const ready = compileInBackground(sourceOf([plan]))
    noteOnce(
      `gradus: native code is compiled in the background and kept in ${cacheFolder()}; GRADUS_ENGINE=wasm does without`,
    )
    return () => {
      const library = ready()
      return library && finish(new NativeProgram(plan, storages, library, threads))
    }
  }
  return new Tiered(start, begin, (error) => {
    // Whatever it is (a full disk, a folder that nothing may be run from), the program goes on as it began.
    const why = error instanceof GradusError ? error.sentence : error instanceof Error ? error.message : error
    noteOnce(`gradus: WebAssembly runs on instead of native code: ${why}`)
  })
}

export const verifies = {
  graph: verifyGraph as (graph: Graph) => void,
  lowered({ launches }: LoweredGraph): void {
    for (const { kernel } of launches) verifyKernel(kernel)
  },
}

export const prints = {
  graph: printGraph,
  lowered: ({ launches }: LoweredGraph): string =>
    launches.map(({ kernel }) => printKernel(kernel, { names: true })).join('\n'),
}

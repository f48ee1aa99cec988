/**
 * @file What native code needs of the host: Node's own modules, and koffi, which loads libraries.
 * In: nothing. Out: the modules, or NativeUnavailable, which says what is missing.
 *
 * node().fs.readFileSync(file); koffi().load(file).func('int number()')()
 */
import type * as ChildProcess from 'node:child_process'
import type * as Crypto from 'node:crypto'
import type * as Fs from 'node:fs'
import type * as Module from 'node:module'
import type * as Os from 'node:os'
import type * as Path from 'node:path'
import type * as Url from 'node:url'
import { GradusError } from '../base/errors.js'

/** No compiler, no koffi, or a compiler that fails: the message says which, the hint what to do. */
export class NativeUnavailable extends GradusError {
  override name = 'NativeUnavailable'
}

/** Whether this is Node, where alone native code is possible. */
export const isNode = (): boolean =>
  typeof (globalThis as { process?: { getBuiltinModule?: unknown } }).process?.getBuiltinModule === 'function'

/** What is used of koffi. */
interface Koffi {
  load(path: string): { func(declaration: string): (...args: unknown[]) => unknown }
  address(value: ArrayBufferLike | ArrayBufferView): bigint
}
interface Modules {
  readonly crypto: typeof Crypto
  readonly childProcess: typeof ChildProcess
  readonly fs: typeof Fs
  readonly os: typeof Os
  readonly path: typeof Path
  readonly module: typeof Module
  readonly url: typeof Url
}

let loadedModules: Modules | undefined
/** Node's own modules, without an import that a bundler for browsers would follow. */
export function node(): Modules {
  if (loadedModules) return loadedModules
  const get = (globalThis as { process?: { getBuiltinModule?: (id: string) => unknown } }).process?.getBuiltinModule
  if (!get) throw new NativeUnavailable('native', 'native code needs Node', { hint: "Use engine: 'wasm'." })
  loadedModules = {
    crypto: get('node:crypto') as typeof Crypto,
    childProcess: get('node:child_process') as typeof ChildProcess,
    fs: get('node:fs') as typeof Fs,
    os: get('node:os') as typeof Os,
    path: get('node:path') as typeof Path,
    module: get('node:module') as typeof Module,
    url: get('node:url') as typeof Url,
  }
  return loadedModules
}

let koffiModule: Koffi | undefined
/** koffi is an optional dependency: found at run time or not at all. */
export function koffi(): Koffi {
  if (koffiModule) return koffiModule
  try {
    const require = node().module.createRequire(import.meta.url)
    koffiModule = require('koffi') as Koffi
  } catch (cause) {
    throw new NativeUnavailable('native', 'the package koffi cannot be loaded', {
      hint: "Install it with 'npm install koffi', or use engine: 'wasm'.",
      cause,
    })
  }
  return koffiModule
}

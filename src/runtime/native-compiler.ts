/**
 * @file C text → functions in this process: the system's compiler, a private cache of what it made, and koffi to load it.
 * In: text. Out: a library. Node only; everywhere else, and where something is missing, NativeUnavailable says what.
 *
 * Code from a file is code that runs: the cache folder must be ours alone, and each object is checked against the
 * checksum beside it before it is loaded. What fails the check is made anew.
 */

import type * as ChildProcess from 'node:child_process'
import type * as Crypto from 'node:crypto'
import type * as Fs from 'node:fs'
import type * as Module from 'node:module'
import type * as Os from 'node:os'
import type * as Path from 'node:path'
import { environment } from '../base/environment.js'
import { GradusError } from '../base/errors.js'
import { requiredFlags } from '../emit/c/emit.js'
import { type Target, target128, target256, target512 } from '../lower/target.js'

/** No compiler, no koffi, or a compiler that fails: the message says which, the hint what to do. */
export class NativeUnavailable extends GradusError {
  override name = 'NativeUnavailable'
}

const warned = new Set<string>()
/** One line, once. */
export function warnOnce(line: string): void {
  if (warned.has(line)) return
  warned.add(line)
  console.warn(line)
}

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
}

let loadedModules: Modules | undefined
/** Node's own modules, without an import that a bundler for browsers would follow. */
function node(): Modules {
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

/** -O2 is enough: the text is vectorised already. */
const flags = ['-O2', '-march=native', ...requiredFlags, '-fPIC', '-shared', '-w', '-x', 'c']

export interface Compiler {
  readonly command: string
  /** What it says about itself and about the processor: a part of every key. */
  readonly identity: string
  readonly target: Target
}

const found = new Map<string, Compiler>()

/** The compiler: CC if it is set, else the first of cc, gcc and clang that runs. */
export function findCompiler(): Compiler {
  const wanted = environment('CC')
  const key = wanted ?? ''
  const known = found.get(key)
  if (known) return known
  const candidates = wanted ? [wanted] : ['cc', 'gcc', 'clang']
  const reasons: string[] = []
  for (const command of candidates) {
    const version = run(command, ['--version'])
    const macros = run(command, ['-march=native', '-dM', '-E', '-x', 'c', '-'], '')
    if (version.status === 0 && macros.status === 0) {
      const compiler = {
        command,
        identity: `${version.stdout}\n${macros.stdout}`,
        target: targetOf(macros.stdout),
      }
      found.set(key, compiler)
      return compiler
    }
    reasons.push(`${command}: ${(version.error ?? macros.error ?? `${version.stderr}${macros.stderr}`).trim()}`)
  }
  throw new NativeUnavailable('native', `no C compiler runs (${reasons.join('; ')})`, {
    hint: "Install gcc or clang, or name one in CC; engine: 'wasm' needs none.",
  })
}

/** The compiler's macros say what -march=native may use. */
export function targetOf(macros: string): Target {
  const has = (macro: string) => new RegExp(`^#define ${macro} `, 'm').test(macros)
  if (has('__AVX512F__') && has('__AVX512DQ__') && has('__AVX512BW__')) return target512
  return has('__AVX2__') ? target256 : target128
}

function run(
  command: string,
  args: readonly string[],
  input = '',
): { status: number | null; stdout: string; stderr: string; error?: string } {
  const result = node().childProcess.spawnSync(command, args, {
    input,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
    env: { ...process.env, LC_ALL: 'C' },
  })
  return {
    status: result.status,
    stdout: result.stdout ?? '',
    stderr: result.stderr ?? '',
    ...(result.error ? { error: result.error.message } : {}),
  }
}

/** The folder of compiled objects: GRADUS_CACHE, or `gradus` in the user's cache folder. Made if it is missing. */
export function cacheFolder(): string {
  const { fs, os, path } = node()
  const base = environment('XDG_CACHE_HOME') ?? path.join(os.homedir(), '.cache')
  const folder = environment('GRADUS_CACHE') ?? path.join(base, 'gradus')
  const refuse = (fault: string): never => {
    throw new NativeUnavailable('native', `the cache folder ${folder} ${fault}`, {
      hint: 'Code is loaded from it: it must belong to you alone (chmod 700). Name another in GRADUS_CACHE.',
    })
  }
  try {
    fs.mkdirSync(folder, { recursive: true, mode: 0o700 })
  } catch (error) {
    refuse(`cannot be made: ${(error as Error).message}`)
  }
  const stat = fs.lstatSync(folder)
  if (!stat.isDirectory()) refuse('is no folder')
  const user = process.getuid?.()
  if (user !== undefined && stat.uid !== user) refuse('belongs to somebody else')
  if (user !== undefined && (stat.mode & 0o077) !== 0) refuse('is open to others')
  return folder
}

/** What a compiled text can do. */
export interface Library {
  /** A function by its C declaration. */
  func(declaration: string): (...args: unknown[]) => unknown
  /** The object's file. */
  readonly path: string
  /** Whether the compiler ran for it. */
  readonly compiled: boolean
}

/** Compiles the text, or finds it compiled, and loads it. */
export function loadC(text: string): Library {
  const { fs, crypto, path } = node()
  const ffi = koffi()
  const compiler = findCompiler()
  const folder = cacheFolder()
  const sha256 = (data: string | Uint8Array) => crypto.createHash('sha256').update(data).digest('hex')
  const key = sha256(JSON.stringify([text, compiler.command, compiler.identity, flags]))
  const object = path.join(folder, `${key}.so`)
  const checksum = path.join(folder, `${key}.sha256`)
  const compiled = !isIntact(object, checksum, sha256)
  if (compiled) compileInto(compiler, text, object, checksum, sha256)
  const library = ffi.load(object)
  return { path: object, compiled, func: (declaration) => library.func(declaration) }

  /** Ours, a plain file, and with the checksum that was written beside it. */
  function isIntact(file: string, sum: string, hash: (data: Uint8Array) => string): boolean {
    try {
      const user = process.getuid?.()
      for (const one of [file, sum]) {
        const stat = fs.lstatSync(one)
        if (!stat.isFile() || (user !== undefined && (stat.uid !== user || (stat.mode & 0o022) !== 0))) return false
      }
      return fs.readFileSync(sum, 'utf8') === hash(fs.readFileSync(file))
    } catch {
      return false
    }
  }
}

/** Writes to files of its own and renames: processes that compile the same text at once do not disturb each other. */
function compileInto(
  compiler: Compiler,
  text: string,
  object: string,
  checksum: string,
  sha256: (data: Uint8Array) => string,
): void {
  const { fs, crypto } = node()
  const own = `${object}.${process.pid}.${crypto.randomBytes(6).toString('hex')}`
  const args = [...flags, '-o', own, '-', '-lm']
  // Below other work, where there is `nice`.
  let result = run('nice', ['-n', '10', compiler.command, ...args], text)
  if (result.error) result = run(compiler.command, args, text)
  try {
    if (result.status !== 0)
      throw new NativeUnavailable(
        'native',
        `${compiler.command} failed: ${(result.error ?? result.stderr).trim().split('\n').slice(0, 5).join('\n')}`,
        { hint: "Use engine: 'wasm', or another compiler by CC." },
      )
    fs.chmodSync(own, 0o600)
    fs.writeFileSync(`${own}.sha256`, sha256(fs.readFileSync(own)), { mode: 0o600 })
    // The checksum last: without it the object counts as absent. What stands in the way goes first.
    fs.rmSync(checksum, { force: true, recursive: true })
    fs.rmSync(object, { force: true, recursive: true })
    fs.renameSync(own, object)
    fs.renameSync(`${own}.sha256`, checksum)
  } finally {
    fs.rmSync(own, { force: true })
    fs.rmSync(`${own}.sha256`, { force: true })
  }
}

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
import type * as Url from 'node:url'
import { environment } from '../base/environment.js'
import { GradusError } from '../base/errors.js'
import { requiredFlags } from '../emit/c/emit.js'
import { type Target, target128, target256, target512 } from '../lower/target.js'

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

/** -O2 is enough: the text is vectorised already. */
const flags = ['-O2', '-march=native', ...requiredFlags, '-fPIC', '-shared', '-pthread', '-w', '-x', 'c']

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
  const ffi = koffi()
  const { object, compiled } = compileC(text)
  const library = ffi.load(object)
  return { path: object, compiled, func: (declaration) => library.func(declaration) }
}

/** Where the object of a text is, or will be. */
function placeOf(text: string, compiler: Compiler): { object: string; checksum: string } {
  const { path } = node()
  const key = sha256(JSON.stringify([text, compiler.command, compiler.identity, flags]))
  const folder = cacheFolder()
  return { object: path.join(folder, `${key}.so`), checksum: path.join(folder, `${key}.sha256`) }
}

const sha256 = (data: string | Uint8Array): string => node().crypto.createHash('sha256').update(data).digest('hex')

/** Makes the object of a text, unless it is there and intact. */
export function compileC(text: string): { object: string; compiled: boolean } {
  const compiler = findCompiler()
  const { object, checksum } = placeOf(text, compiler)
  const compiled = !isIntact(object, checksum)
  if (compiled) compileInto(compiler, text, object, checksum)
  return { object, compiled }
}

/** Ours, a plain file, and with the checksum that was written beside it. */
function isIntact(file: string, sum: string): boolean {
  const { fs } = node()
  try {
    const user = process.getuid?.()
    for (const one of [file, sum]) {
      const stat = fs.lstatSync(one)
      if (!stat.isFile() || (user !== undefined && (stat.uid !== user || (stat.mode & 0o022) !== 0))) return false
    }
    return fs.readFileSync(sum, 'utf8') === sha256(fs.readFileSync(file))
  } catch {
    return false
  }
}

/** Another process has this long to compile; then it has failed. */
const backgroundSeconds = 120

/**
 * Compiles the text in another process, which does not keep this one alive. The result is asked for its library, and
 * has it once the object is there; it throws NativeUnavailable when there will be none.
 */
export function compileInBackground(text: string): () => Library | undefined {
  const { fs, path, childProcess, crypto } = node()
  koffi()
  const { object, checksum } = placeOf(text, findCompiler())
  if (isIntact(object, checksum)) return () => loadC(text)
  // A file, not a pipe: writing to a pipe would need turns of the event loop, which the caller may not give.
  const source = path.join(cacheFolder(), `${process.pid}.${crypto.randomBytes(6).toString('hex')}.c`)
  fs.writeFileSync(source, text, { mode: 0o600 })
  const script = node().url.fileURLToPath(new URL('./native-background.js', import.meta.url))
  const child = childProcess.spawn(process.execPath, [script, source], { stdio: 'ignore', detached: true })
  let failed = false
  child.on('error', () => {
    failed = true
  })
  child.on('exit', (code) => {
    failed ||= code !== 0
  })
  child.unref()
  const deadline = performance.now() + 1000 * backgroundSeconds
  return () => {
    if (fs.existsSync(checksum)) return loadC(text)
    // The source is removed last: without it, and without an object, the compiler has failed.
    if (!failed && fs.existsSync(source) && performance.now() < deadline) return undefined
    if (fs.existsSync(checksum)) return loadC(text)
    throw new NativeUnavailable('native', 'compiling in the background failed', {
      hint: "GRADUS_ENGINE=native shows the compiler's message.",
    })
  }
}

/** Writes to files of its own and renames: processes that compile the same text at once do not disturb each other. */
function compileInto(compiler: Compiler, text: string, object: string, checksum: string): void {
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

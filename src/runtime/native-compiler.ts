/**
 * @file C text → functions in this process: the system's compiler, the cache of what it made (native-cache.ts), and koffi
 * to load it. In: text. Out: a library. Node only; everywhere else, and where something is missing, NativeUnavailable
 * says what.
 *
 * loadC('int number(void) { return 3; }').func('int number()')() is 3
 */
import { environment } from '../base/environment.js'
import { requiredFlags } from '../emit/c/emit.js'
import { type Target, target128, target256, target512 } from '../lower/target.js'
import { isIntact, type Place, placeOf, sha256, store } from './native-cache.js'
import { koffi, NativeUnavailable, node } from './native-host.js'

/**
 * -O2 is enough: the text is vectorised already. Predictive commoning keeps the elements that neighbouring windows share in registers,
 * which the sums of a tile need: a convolution's forward pass ran at 93 GFLOP/s with it, at 104 without.
 */
const flags = [
  ...['-O2', '-fno-predictive-commoning', '-march=native', ...requiredFlags],
  ...['-fPIC', '-shared', '-pthread', '-w', '-x', 'c'],
]

export interface Compiler {
  readonly command: string
  /** What CC has after the command. */
  readonly options: readonly string[]
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
  const candidates = wanted ? [commandOf(wanted)] : [['cc'], ['gcc'], ['clang']]
  const reasons: string[] = []
  for (const [command = '', ...options] of candidates) {
    const version = run(command, [...options, '--version'])
    const macros = run(command, [...options, '-march=native', '-dM', '-E', '-x', 'c', '-'], '')
    if (version.status === 0 && macros.status === 0) {
      const compiler = {
        command,
        options,
        identity: `${version.stdout}\n${macros.stdout}`,
        target: targetOf(macros.stdout),
      }
      found.set(key, compiler)
      return compiler
    }
    const why = version.error ?? macros.error ?? `${version.stderr}${macros.stderr}`
    reasons.push(`${command}: ${why.trim().split('\n')[0] || `it ended with code ${version.status}`}`)
  }
  if (wanted)
    throw new NativeUnavailable('environment', `CC names a C compiler that does not run (${reasons.join('; ')})`, {
      hint: "Name gcc or clang in CC, or nothing; engine: 'wasm' needs none.",
    })
  throw new NativeUnavailable('native', `no C compiler runs (${reasons.join('; ')})`, {
    hint: "Install gcc or clang, or name one in CC; engine: 'wasm' needs none.",
  })
}

/** CC as a command and its options (`ccache gcc`, `gcc -m64`), or the path of one program. */
const commandOf = (text: string): string[] => (node().fs.existsSync(text) ? [text] : text.trim().split(/\s+/))

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

/** What a compiled text can do. */
export interface Library {
  /** A function by its C declaration. */
  func(declaration: string): (...args: unknown[]) => unknown
  /** The object's file. */
  readonly path: string
  /** Whether the compiler ran for it. */
  readonly compiled: boolean
}

/** Compiles the text, or finds it compiled, and loads it. One that cannot be loaded is compiled once more. */
export function loadC(text: string): Library {
  const ffi = koffi()
  const compiler = findCompiler()
  const place = placeOf(keyOf(text, compiler))
  const load = (compiled: boolean): Library => {
    const library = ffi.load(place.object)
    return { path: place.object, compiled, func: (declaration) => library.func(declaration) }
  }
  if (isIntact(place))
    try {
      return load(false)
    } catch {
      // Made for another machine, or removed by another process since the look.
    }
  compileInto(compiler, text, place)
  try {
    return load(true)
  } catch (cause) {
    throw new NativeUnavailable(
      'native',
      `what ${compiler.command} made cannot be loaded: ${(cause as Error).message}`,
      {
        hint: 'Programs must be allowed to run from the cache folder, which GRADUS_CACHE names.',
        cause,
      },
    )
  }
}

const keyOf = (text: string, { command, options, identity }: Compiler): string =>
  sha256(JSON.stringify([text, command, options, identity, flags]))

/** Makes the object of a text, unless it is there and intact. */
export function compileC(text: string): void {
  const compiler = findCompiler()
  const place = placeOf(keyOf(text, compiler))
  if (!isIntact(place)) compileInto(compiler, text, place)
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
  const place = placeOf(keyOf(text, findCompiler()))
  if (isIntact(place)) return () => loadC(text)
  const { checksum } = place
  // What is damaged must not be taken for the result.
  fs.rmSync(checksum, { force: true, recursive: true })
  // A file, not a pipe: writing to a pipe would need turns of the event loop, which the caller may not give.
  const source = path.join(path.dirname(checksum), `${process.pid}.${crypto.randomBytes(6).toString('hex')}.c`)
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

function compileInto(compiler: Compiler, text: string, place: Place): void {
  store(place, (file) => {
    const args = [...compiler.options, ...flags, '-o', file, '-', '-lm']
    // Below other work, where there is `nice`.
    let result = run('nice', ['-n', '10', compiler.command, ...args], text)
    if (result.error) result = run(compiler.command, args, text)
    if (result.status !== 0)
      throw new NativeUnavailable(
        'native',
        `${compiler.command} failed: ${(result.error ?? result.stderr).trim().split('\n').slice(0, 5).join('\n')}`,
        { hint: "Use engine: 'wasm', or another compiler by CC." },
      )
  })
}

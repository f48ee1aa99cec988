/**
 * @file How programs are compiled and run: what a caller chose, else what the environment says, else what suits the machine.
 * In: settings. Out: engine, threads, numerics; or an error that names the option or the variable.
 * docs/settings.md lists the variables of the environment.
 *
 * engineName({}) is 'native' where GRADUS_ENGINE=native, and 'auto' where it says nothing
 */
import { describeValue } from './base/describe.js'
import { debugLevel, environment, processors } from './base/environment.js'
import { nearest, ValueError } from './base/errors.js'
import { relaxedMadd } from './emit/wasm/features.js'
import type { NumericsMode } from './numerics/arithmetic.js'
import { checkNative } from './runtime/engines.js'

const engineNames = ['wasm', 'native', 'interpreter'] as const
export type EngineName = (typeof engineNames)[number]

export interface CompileSettings {
  /**
   * `auto` unless said otherwise, here or by GRADUS_ENGINE: it starts in WebAssembly and goes on in native code once
   * another process has compiled it, if the program runs for long and there is a C compiler and koffi. `native` waits
   * for the compiler, and throws where there is none. Bits are equal in all engines.
   */
  readonly engine?: EngineName | 'auto'
  /**
   * How many threads share a step; bits do not depend on it. As many as there are processors, at most 8, unless said
   * otherwise, here or by GRADUS_THREADS. WebAssembly has one where memory cannot be shared, the interpreter always.
   */
  readonly threads?: number
  /** The program will run once or a few times: compiling C would not pay, so that an engine from the environment yields to `wasm`. */
  readonly once?: boolean
  /** Whether float32 multiply-adds round once. `fused` where the processor's WebAssembly does. A run must not mix modes. */
  readonly numerics?: NumericsMode
}

/** Throws for settings that are not possible, before anything is compiled. */
export function checkSettings(settings: CompileSettings): void {
  if (settings.engine !== undefined) engineName(settings)
  if (settings.threads !== undefined) threadCount(settings)
  if (settings.numerics !== undefined) numericsName(settings)
}

/**
 * Throws for values of the environment's variables that are not possible, naming the variable; and where native code is
 * asked for, for what it lacks.
 */
export function checkEnvironment(): void {
  if (engineName({}) === 'native') checkNative()
  threadCount({})
  numericsMode({})
  debugLevel()
}

/** What was chosen, where it came from for messages, and the operation to blame. */
function chosen(option: string, variable: string, given: unknown): { value: unknown; what: string; operation: string } {
  if (given !== undefined) return { value: given, what: `${option} is ${describeValue(given)}`, operation: 'compile' }
  const value = environment(variable)
  return { value, what: `${variable} is '${value}'`, operation: 'environment' }
}

export function engineName(settings: CompileSettings): EngineName | 'auto' {
  const { value, what, operation } = chosen('engine', 'GRADUS_ENGINE', settings.engine)
  const names = [...engineNames, 'auto'] as const
  const name = value === undefined ? 'auto' : names.find((one) => one === value)
  if (name === undefined) {
    const near = nearest(String(value), names)
    throw new ValueError(operation, `${what}, which is no engine${near ? `; did you mean '${near}'?` : ''}`, {
      hint: `Choose ${names.join(', ')}.`,
    })
  }
  const compiled = name === 'native' || name === 'auto'
  return settings.once && !settings.engine && compiled ? 'wasm' : name
}

/** Threads wanted. */
export function threadCount(settings: CompileSettings): number {
  const { value, what, operation } = chosen('threads', 'GRADUS_THREADS', settings.threads)
  if (value === undefined) return Math.min(8, processors())
  const wanted = operation === 'environment' ? Number(value) : value
  if (typeof wanted !== 'number' || !Number.isInteger(wanted) || wanted < 1 || wanted > 64)
    throw new ValueError(operation, `${what}, not a whole number from 1 to 64`, {
      hint: 'Leave it out: as many threads are used as there are processors, at most 8.',
    })
  return wanted
}

function numericsName(settings: CompileSettings): { mode: NumericsMode | undefined; what: string; operation: string } {
  const { value, what, operation } = chosen('numerics', 'GRADUS_NUMERICS', settings.numerics)
  if (value !== undefined && value !== 'fused' && value !== 'portable')
    throw new ValueError(operation, `${what}, not fused or portable`, { hint: 'Leave it out.' })
  return { mode: value, what, operation }
}

/** Fused where WebAssembly's multiply-adds are: all engines follow what it does here, so that bits agree. */
export function numericsMode(settings: CompileSettings = {}): NumericsMode {
  const { mode, what, operation } = numericsName(settings)
  // Also where the mode was chosen: to ask is what makes Node 20 know the instruction.
  const fuses = relaxedMadd()
  const emulated = engineName(settings) === 'interpreter' || engineName(settings) === 'native'
  if (mode === 'fused' && !fuses && !emulated)
    throw new ValueError(operation, `${what}, but this WebAssembly has no fused multiply-add`, {
      hint: "Leave it out, or choose 'portable'.",
    })
  return mode ?? (fuses ? 'fused' : 'portable')
}

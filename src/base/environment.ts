/**
 * @file Settings from the environment; in browsers, which have none, from properties of globalThis that have the same names.
 */
import { ValueError } from './errors.js'

interface Host {
  readonly process?: { readonly env?: { readonly [name: string]: string | undefined } }
}

/** The value of an environment variable; undefined when unset or empty. */
export function environment(name: string): string | undefined {
  const env = (globalThis as Host).process?.env
  const value = env ? env[name] : (globalThis as { readonly [name: string]: unknown })[name]
  return value === undefined || value === '' ? undefined : String(value)
}

/**
 * GRADUS_DEBUG: 1 what was compiled, 2 the time of each kernel of a step after its first call, 3 graph and plan, 4 loops,
 * 5 every pass. Each includes those before it.
 */
export function debugLevel(): number {
  const text = environment('GRADUS_DEBUG') ?? '0'
  const level = Number(text)
  if (!Number.isInteger(level) || level < 0 || level > 5)
    throw new ValueError('environment', `GRADUS_DEBUG is '${text}', not a whole number from 0 to 5`, {
      hint: '1 says what was compiled, 2 the time of each kernel, 3 graph and plan, 4 loops, 5 every pass.',
    })
  return level
}

/** GRADUS_VERIFY: whether what each pass of the compiler makes is verified. */
export const verifies = (): boolean => (environment('GRADUS_VERIFY') ?? '0') !== '0'

/** How many threads the machine runs at once; 1 where that cannot be known. */
export function processors(): number {
  const host = globalThis as {
    process?: { getBuiltinModule?: (id: string) => unknown }
    navigator?: { hardwareConcurrency?: number }
  }
  const os = host.process?.getBuiltinModule?.('node:os') as { availableParallelism(): number } | undefined
  return os?.availableParallelism() ?? host.navigator?.hardwareConcurrency ?? 1
}

/**
 * @file Settings from the environment, where there is one (not in browsers).
 */
interface Host {
  readonly process?: { readonly env?: { readonly [name: string]: string | undefined } }
}

/** The value of an environment variable; undefined when unset or empty. */
export const environment = (name: string): string | undefined => (globalThis as Host).process?.env?.[name] || undefined

/**
 * GRADUS_DEBUG: 1 what was compiled, 2 the time of each kernel of a step after its first call, 3 graph and plan, 4 loops,
 * 5 every pass. Each includes those before it.
 */
export const debugLevel = (): number => Number(environment('GRADUS_DEBUG') ?? 0) || 0

/**
 * @file How Node reads a model file: `gradus` is the library of this command, './x.js' may be './x.ts', and where Node does not read
 * TypeScript its types are taken away, as newer Nodes do it. In: what Node asks of its module hooks. Out: addresses and sources.
 *
 * registerTypescript()                                     // before import('./model.ts')
 */
import { readFileSync } from 'node:fs'
import { createRequire, register } from 'node:module'
import { fileURLToPath } from 'node:url'

/** Of Node 22.15 and newer: hooks in the same thread. */
type Sync = {
  registerHooks?: (hooks: {
    resolve: (specifier: string, context: Context, next: Next<Resolved>) => Resolved
    load: (url: string, context: object, next: Next<Loaded>) => Loaded
  }) => void
}
interface Context {
  readonly parentURL?: string
}
type Next<T> = (what: string, context: Context) => T
type Resolved = { readonly url: string; readonly shortCircuit?: boolean }
type Loaded = { readonly format?: string | null; readonly source?: unknown; readonly shortCircuit?: boolean }

/** What the stripping of types throws. */
interface StripError {
  readonly message: string
  readonly startLine: number
  readonly startColumn: number
}

/** One library in a process: two would not know one another's tensors. The command line runs from the bundle (main.ts). */
const library = new URL('../bundle/index.js', import.meta.url).href
const isTypescript = (url: string | undefined): boolean => /\.m?ts$/.test(new URL(url ?? 'file:///').pathname)

/** Whether this Node takes types away by itself. */
export const readsTypescript = (): boolean =>
  Boolean((process.features as { readonly typescript?: unknown }).typescript)

/** The file that is meant where a module of TypeScript names the JavaScript that would be made of it. */
function typescriptOf(specifier: string, { parentURL }: Context): string | undefined {
  if (!/^\.\.?\/.*\.m?js$/.test(specifier) || !parentURL?.startsWith('file:') || !isTypescript(parentURL))
    return undefined
  return specifier.replace(/js$/, 'ts')
}

const isMissing = (error: unknown): boolean => (error as { code?: string }).code === 'ERR_MODULE_NOT_FOUND'

/** Called by Node in the thread of its hooks, where it has no others. */
export async function resolve(specifier: string, context: Context, next: Next<Promise<Resolved>>): Promise<Resolved> {
  if (specifier === 'gradus') return { url: library, shortCircuit: true }
  try {
    return await next(specifier, context)
  } catch (error) {
    const other = typescriptOf(specifier, context)
    if (other === undefined || !isMissing(error)) throw error
    return next(other, context)
  }
}

/** Called by Node as `resolve` is. */
export async function load(url: string, context: Context, next: Next<Promise<Loaded>>): Promise<Loaded> {
  return isTypescript(url) && !readsTypescript() ? withoutTypes(url) : next(url, context)
}

function withoutTypes(url: string): Loaded {
  const { transformSync } = createRequire(import.meta.url)('@swc/wasm-typescript') as {
    transformSync: (source: string, options: object) => { code: string }
  }
  const filename = fileURLToPath(url)
  try {
    const { code } = transformSync(readFileSync(filename, 'utf8'), { mode: 'strip-only', module: true, filename })
    return { format: 'module', source: code, shortCircuit: true }
  } catch (error) {
    // What comes from there is an object or a text, and is to cross from one thread to another.
    const { message = String(error), startLine, startColumn } = error as Partial<StripError>
    const place = startLine === undefined ? '' : `line ${startLine}, column ${startColumn! + 1}: `
    throw new SyntaxError(`${filename}: ${place}${message}`)
  }
}

let registered = false
/** Teaches this process to import model files. */
export function registerTypescript(nodeModule: Sync = createRequire(import.meta.url)('node:module') as Sync): void {
  if (registered) return
  registered = true
  if (!nodeModule.registerHooks) {
    register(import.meta.url)
    return
  }
  nodeModule.registerHooks({
    resolve: (specifier, context, next) => {
      if (specifier === 'gradus') return { url: library, shortCircuit: true }
      try {
        return next(specifier, context)
      } catch (error) {
        const other = typescriptOf(specifier, context)
        if (other === undefined || !isMissing(error)) throw error
        return next(other, context)
      }
    },
    load: (url, context, next) => (isTypescript(url) && !readsTypescript() ? withoutTypes(url) : next(url, context)),
  })
}

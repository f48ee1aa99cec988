/**
 * @file Trees: arrays and plain objects nested to any depth, with leaves of one kind.
 * flatten({ a: x, b: [y, z] }, isTensor) → leaves [x, y, z] and a structure that puts replacements back.
 */
export type Tree<T> = T | readonly Tree<T>[] | { readonly [key: string]: Tree<T> }

export interface Flattened<T> {
  readonly leaves: T[]
  /** Key paths, one a leaf: `a`, `b.0`, `b.1`; the root leaf has the empty path. */
  readonly paths: string[]
  /** The same structure around other leaves. Values that were not leaves (numbers, strings, undefined) are kept. */
  rebuild(leaves: readonly unknown[]): unknown
  /** A string equal for equal structures (keys, lengths and kept values, functions and other objects by identity). */
  readonly structure: string
}

/** `other` sees each object that is neither a leaf nor a tree, with its path. */
export function flatten<T>(
  tree: unknown,
  isLeaf: (value: unknown) => value is T,
  other?: (path: string, value: object) => void,
): Flattened<T> {
  const leaves: T[] = []
  const paths: string[] = []
  const visit = (value: unknown, path: string): { build: (next: () => unknown) => unknown; text: string } => {
    if (isLeaf(value)) {
      leaves.push(value)
      paths.push(path)
      return { build: (next) => next(), text: '*' }
    }
    const join = (key: string) => (path ? `${path}.${key}` : key)
    if (Array.isArray(value)) {
      const parts = value.map((item, i) => visit(item, join(String(i))))
      return { build: (next) => parts.map((part) => part.build(next)), text: `[${parts.map((p) => p.text).join(',')}]` }
    }
    if (isPlainObject(value)) {
      const parts = Object.entries(value).map(([key, item]) => [key, visit(item, join(key))] as const)
      return {
        build: (next) => Object.fromEntries(parts.map(([key, part]) => [key, part.build(next)])),
        text: `{${parts.map(([key, p]) => `${JSON.stringify(key)}:${p.text}`).join(',')}}`,
      }
    }
    const isObject = (typeof value === 'object' && value !== null) || typeof value === 'function'
    if (isObject) other?.(path, value)
    return { build: () => value, text: isObject ? `#${identityOf(value)}` : textOf(value) }
  }
  const { build, text } = visit(tree, '')
  return {
    leaves,
    paths,
    structure: text,
    rebuild: (replacements) => {
      let i = 0
      return build(() => replacements[i++])
    },
  }
}

/** As JSON, texts cannot be taken for structure; −0 is not 0. */
const textOf = (value: unknown): string =>
  typeof value === 'string' ? JSON.stringify(value) : `${typeof value}:${Object.is(value, -0) ? '-0' : String(value)}`

const identities = new WeakMap<object, number>()
let count = 0

/** A number for each object, the same whenever it is asked for. */
function identityOf(value: object): number {
  let identity = identities.get(value)
  if (identity === undefined) identities.set(value, (identity = ++count))
  return identity
}

export function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false
  const prototype = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

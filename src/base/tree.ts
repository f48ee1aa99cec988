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
  /** A string equal for equal structures (keys, lengths and kept values). */
  readonly structure: string
}

export function flatten<T>(tree: unknown, isLeaf: (value: unknown) => value is T): Flattened<T> {
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
    return {
      build: () => value,
      text: typeof value === 'object' && value !== null ? '#' : `${typeof value}:${String(value)}`,
    }
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

export function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false
  const prototype = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

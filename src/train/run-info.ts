/**
 * @file What a run says of itself beside its events: where it runs, and its options as plain data. In: the machine; options of `fit`.
 * Out: objects that JSON holds.
 *
 * (await runEnvironment()).engine                                             // 'auto'
 * plainConfiguration({ loss: crossEntropy, epochs: 3 })                       // { loss: 'crossEntropy', epochs: 3 }
 */
import { gradusVersion } from '../base/version.js'
import { engineName, numericsMode, threadCount } from '../settings.js'
import type { RunEnvironment } from './events.js'

/** Where this program runs. */
export async function runEnvironment(): Promise<RunEnvironment> {
  const os = await import('node:os')
  return {
    gradus: gradusVersion,
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    cpu: os.cpus()[0]?.model.trim() ?? 'unknown',
    threads: threadCount({}),
    engine: engineName({}),
    numerics: numericsMode(),
  }
}

/** Deeper than this an object is only named. */
const deepest = 6
/** Longer arrays are only counted. */
const longest = 64

/** Options as plain data: functions by their names, objects of classes by those of their classes, data by their sizes. */
export function plainConfiguration(options: object): { [name: string]: unknown } {
  return plain(options, 0) as { [name: string]: unknown }
}

function plain(value: unknown, depth: number): unknown {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value)
  if (typeof value === 'bigint') return String(value)
  if (typeof value === 'function') return value.name || 'function'
  if (typeof value !== 'object') return undefined
  if (ArrayBuffer.isView(value)) return `${value.constructor.name} of ${value.byteLength} bytes`
  if (depth >= deepest) return Array.isArray(value) ? `${value.length} values` : 'object'
  if (Array.isArray(value))
    return value.length > longest ? `${value.length} values` : value.map((item) => plain(item, depth + 1) ?? null)
  const prototype = Object.getPrototypeOf(value) as object | null
  if (prototype !== null && prototype !== Object.prototype) return prototype.constructor?.name ?? 'object'
  // An optimizer is its transform; what has a name needs no functions beside it.
  const { transform, name: named } = value as { readonly transform?: unknown; readonly name?: unknown }
  if (typeof transform === 'object' && transform !== null) return plain(transform, depth)
  const entries = Object.entries(value).flatMap(([name, item]): [string, unknown][] => {
    if (typeof named === 'string' && typeof item === 'function') return []
    const made = plain(item, depth + 1)
    return made === undefined ? [] : [[name, made]]
  })
  return Object.fromEntries(entries)
}

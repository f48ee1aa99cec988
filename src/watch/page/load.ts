/**
 * @file Data of runs, asked for again when the runs change. In: what is wanted of which runs. Out: the last answer, which stays
 * on the page until the next one is there. A busy server or page is asked less often.
 *
 * const curves = useCurves(shown, '/api/curves', { axis, points: 800 }); const detail = useOfRun<RunDetail>('/api/run', name)
 */
import { useEffect, useRef, useState } from 'preact/hooks'
import type { Curve, Curves } from '../api.js'
import { ask, query } from './live.js'
import { get, useStore } from './store.js'

type Settings = { readonly [name: string]: string | number | undefined }

const versionOf = (name: string) => get().runs.find((run) => run.name === name)?.version ?? -1
/** At least so long between two answers that only new events ask for. */
const restBetween = 700

const firstAtOnce = 4

/** Curves by run. */
export type CurvesByRun = ReadonlyMap<string, readonly Curve[]>

class CurveLoader {
  readonly #path: string
  readonly #tell: () => void
  data: Map<string, readonly Curve[]> = new Map()
  failed: string | undefined
  #have = new Map<string, string>()
  #names: readonly string[] = []
  #settings: Settings = {}
  #key = ''
  #running: AbortController | undefined
  #timer: ReturnType<typeof setTimeout> | undefined
  #next = 0

  constructor(path: string, tell: () => void) {
    this.#path = path
    this.#tell = tell
  }

  want(names: readonly string[], settings: Settings): void {
    const key = JSON.stringify(settings)
    const other = key !== this.#key || names.some((name) => !this.#have.has(name))
    this.#names = names
    this.#settings = settings
    this.#key = key
    for (const name of this.data.keys())
      if (!names.includes(name)) {
        this.data.delete(name)
        this.#have.delete(name)
      }
    // A choice of the user does not wait.
    if (other) this.#next = 0
    this.#plan()
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#running?.abort()
  }

  #stale(): string[] {
    return this.#names.filter((name) => this.#have.get(name) !== `${this.#key} ${versionOf(name)}`)
  }

  #plan(): void {
    clearTimeout(this.#timer)
    if (this.#running || this.#stale().length === 0) return
    this.#timer = setTimeout(() => void this.#load(), Math.max(0, this.#next - performance.now()))
  }

  async #load(): Promise<void> {
    // Runs that are new are long files, perhaps: some are drawn while others are read.
    const stale = this.#stale()
    const unread = stale.filter((name) => !this.#have.has(name))
    const names = unread.length > 0 ? unread.slice(0, firstAtOnce) : stale
    const key = this.#key
    if (names.length === 0 || get().connection !== 'live') return
    this.#running = new AbortController()
    const began = performance.now()
    try {
      const answer = await ask<Curves>(query(this.#path, { run: names, ...this.#settings }), this.#running.signal)
      for (const name of names) {
        this.data.set(
          name,
          (answer?.curves ?? []).filter(({ run }) => run === name),
        )
        this.#have.set(name, `${key} ${answer?.versions[name] ?? versionOf(name)}`)
      }
      this.data = new Map(this.data)
      this.failed = undefined
    } catch (error) {
      if ((error as Error).name === 'AbortError') return
      this.failed = (error as Error).message
      for (const name of names) this.#have.set(name, `${key} ${versionOf(name)}`)
    } finally {
      this.#running = undefined
    }
    this.#tell()
    const more = this.#names.some((name) => !this.#have.has(name))
    this.#next = more ? 0 : performance.now() + Math.max(restBetween, 3 * (performance.now() - began))
    this.#plan()
  }
}

/** Curves of runs, kept up to date. */
export function useCurves(names: readonly string[], path: string, settings: Settings): CurvesByRun {
  const [, again] = useState(0)
  const loader = useRef<CurveLoader | undefined>(undefined)
  loader.current ??= new CurveLoader(path, () => again((count) => count + 1))
  const runs = useStore((all) => all.runs)
  const connection = useStore((all) => all.connection)
  const key = JSON.stringify([names, settings])
  useEffect(() => loader.current!.want(names, settings), [key, runs, connection])
  useEffect(() => () => loader.current!.stop(), [])
  return loader.current.data
}

/** One answer about one run, kept up to date; `more` are further parts of the query. */
export function useOfRun<T>(path: string, name: string | undefined, more: Settings = {}): T | undefined {
  const [data, setData] = useState<{ readonly key: string; readonly value: T | undefined }>()
  const version = useStore((all) => all.runs.find((run) => run.name === name)?.version)
  const connection = useStore((all) => all.connection)
  const key = name === undefined ? '' : query(path, { run: name, ...more })
  const last = useRef(0)
  useEffect(() => {
    if (!key || connection !== 'live') return
    const control = new AbortController()
    const wait = data?.key === key ? Math.max(0, last.current + restBetween - performance.now()) : 0
    const timer = setTimeout(async () => {
      last.current = performance.now()
      const value = await ask<T>(key, control.signal).catch(() => undefined)
      if (!control.signal.aborted) setData({ key, value })
    }, wait)
    return () => {
      clearTimeout(timer)
      control.abort()
    }
  }, [key, version, connection])
  // What another run had must not stand under this one's name.
  return data && key && sameRun(data.key, key) ? data.value : undefined
}

const sameRun = (a: string, b: string) =>
  new URLSearchParams(a.split('?')[1]).get('run') === new URLSearchParams(b.split('?')[1]).get('run')

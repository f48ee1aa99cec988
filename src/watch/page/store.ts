/**
 * @file What the page knows and what its user has chosen, in one place. In: messages of the server, choices. Out: a state that
 * views draw, told to them when it changes; choices are kept in the address, so that loading the page again keeps them.
 *
 * const state = useStore((all) => all.axis); set({ axis: 'epoch' })
 */
import { useEffect, useState } from 'preact/hooks'
import type { Axis, RunSummary } from '../api.js'
import { keepColours } from './palette.js'

export const views = ['curves', 'compare', 'results', 'layers', 'step', 'about'] as const
export type View = (typeof views)[number]
export type Theme = 'auto' | 'light' | 'dark'

export interface Zoom {
  readonly from: number
  readonly to: number
}

export interface State {
  readonly connection: 'connecting' | 'live' | 'lost'
  /** Whether the server has told of any runs, or that there are none. */
  readonly known: boolean
  readonly folder: string
  readonly problem: string | undefined
  /** The newest first. */
  readonly runs: readonly RunSummary[]
  /** Names of the runs that are drawn. */
  readonly shown: readonly string[]
  /** The run whose details are shown. */
  readonly focus: string | undefined
  readonly view: View
  readonly axis: Axis
  readonly smooth: number
  readonly log: boolean
  readonly zoom: Zoom | undefined
  readonly filter: string
  readonly theme: Theme
  readonly dark: boolean
  readonly help: boolean
  readonly drawer: boolean
}

const systemDark = matchMedia('(prefers-color-scheme: dark)')
const isDark = (theme: Theme) => (theme === 'auto' ? systemDark.matches : theme === 'dark')

/** Runs that are drawn at first, and the most that are drawn. */
const shownAtFirst = 6
export const mostShown = 40

function readTheme(): Theme {
  try {
    const kept = localStorage.getItem('gradus-theme')
    return kept === 'light' || kept === 'dark' ? kept : 'auto'
  } catch {
    return 'auto'
  }
}

function fromAddress(): Partial<State> {
  const query = new URLSearchParams(location.hash.slice(1))
  const view = views.find((one) => one === query.get('view'))
  const axis = (['step', 'epoch', 'time'] as const).find((one) => one === query.get('axis'))
  const smooth = Number(query.get('smooth') ?? 0)
  const focus = query.get('focus')
  return {
    ...(view ? { view } : {}),
    ...(axis ? { axis } : {}),
    ...(smooth > 0 && smooth < 1 ? { smooth } : {}),
    log: query.get('log') === '1',
    ...(focus === null ? {} : { focus }),
    shown: query.getAll('run').slice(0, mostShown),
  }
}

function toAddress(all: State): void {
  const query = new URLSearchParams()
  if (all.view !== 'curves') query.set('view', all.view)
  if (all.axis !== 'step') query.set('axis', all.axis)
  if (all.smooth > 0) query.set('smooth', String(all.smooth))
  if (all.log) query.set('log', '1')
  if (all.focus !== undefined) query.set('focus', all.focus)
  for (const name of all.shown) query.append('run', name)
  const text = `#${query}`
  if (text !== location.hash) history.replaceState(null, '', text)
}

const theme = readTheme()
let state: State = {
  connection: 'connecting',
  known: false,
  folder: '',
  problem: undefined,
  runs: [],
  shown: [],
  focus: undefined,
  view: 'curves',
  axis: 'step',
  smooth: 0,
  log: false,
  zoom: undefined,
  filter: '',
  theme,
  dark: isDark(theme),
  help: false,
  drawer: false,
  ...fromAddress(),
}
let chosen = state.shown.length > 0

const listeners = new Set<() => void>()
let told = false

export const get = (): State => state

/** Changes some of the state; views are told once, before the next picture. */
export function set(change: Partial<State>): void {
  state = { ...state, ...change }
  if (change.shown) keepColours(change.shown)
  if (change.theme !== undefined) {
    state = { ...state, dark: isDark(state.theme) }
    try {
      localStorage.setItem('gradus-theme', state.theme)
    } catch {
      // Private windows may have no storage.
    }
  }
  if (told) return
  told = true
  queueMicrotask(() => {
    told = false
    document.documentElement.dataset['theme'] = state.dark ? 'dark' : 'light'
    if (state.known) toAddress(state)
    for (const listener of [...listeners]) listener()
  })
}
systemDark.addEventListener('change', () => set({ dark: isDark(state.theme) }))
document.documentElement.dataset['theme'] = state.dark ? 'dark' : 'light'

/** A part of the state; the component is drawn again when that part is another. */
export function useStore<T>(part: (all: State) => T): T {
  const [, again] = useState(0)
  const value = part(state)
  useEffect(() => {
    let seen = value
    const listener = () => {
      const now = part(state)
      if (Object.is(now, seen)) return
      seen = now
      again((count) => count + 1)
    }
    listeners.add(listener)
    listener()
    return () => void listeners.delete(listener)
  })
  return value
}

const newestFirst = (a: RunSummary, b: RunSummary) =>
  (b.created ?? 0) - (a.created ?? 0) || a.name.localeCompare(b.name, 'en', { numeric: true })

/** All runs, as they are when the page connects. */
export function takeAll(folder: string, problem: string | undefined, list: readonly RunSummary[]): void {
  const runs = [...list].sort(newestFirst)
  const there = new Set(runs.map(({ name }) => name))
  let shown = state.shown.filter((name) => there.has(name))
  if (!chosen && shown.length === 0) shown = runs.slice(0, shownAtFirst).map(({ name }) => name)
  const focus = state.focus !== undefined && there.has(state.focus) ? state.focus : (shown[0] ?? runs[0]?.name)
  set({ connection: 'live', known: true, folder, problem, runs, shown, focus })
}

/** A run that is new or has changed. One that appears while the page is open is drawn at once. */
export function takeRun(run: RunSummary): void {
  const at = state.runs.findIndex(({ name }) => name === run.name)
  const runs = at < 0 ? [...state.runs, run] : state.runs.with(at, run)
  const shown = at < 0 && !state.shown.includes(run.name) && state.shown.length < mostShown
  set({
    runs: [...runs].sort(newestFirst),
    ...(shown ? { shown: [run.name, ...state.shown] } : {}),
    focus: state.focus ?? run.name,
  })
}

export function dropRun(name: string): void {
  const runs = state.runs.filter((run) => run.name !== name)
  const shown = state.shown.filter((one) => one !== name)
  set({ runs, shown, focus: state.focus === name ? (shown[0] ?? runs[0]?.name) : state.focus })
}

export function toggleShown(name: string): void {
  chosen = true
  const on = state.shown.includes(name)
  if (!on && state.shown.length >= mostShown) return
  set({ shown: on ? state.shown.filter((one) => one !== name) : [...state.shown, name] })
}

export function showOnly(names: readonly string[]): void {
  chosen = true
  set({ shown: names.slice(0, mostShown) })
}

export const nextTheme = (): void =>
  set({ theme: state.theme === 'auto' ? (state.dark ? 'light' : 'dark') : state.theme === 'dark' ? 'light' : 'auto' })

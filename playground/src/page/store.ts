/**
 * @file What the page knows: where it is, the settings of one or two trainings, what the worker has said. In: changes. Out: the same
 * for every component that reads it. Where the page is, and all settings, are in the URL.
 */
import { useEffect, useState } from 'preact/hooks'
import { chapters } from '../chapters/index.js'
import type { Verdict } from '../lesson/chapter.js'
import type { PlaygroundData } from '../lesson/data.js'
import { type Changes, changed, defaults, fromHash, type Settings, toHash } from '../lesson/settings.js'
import type { Path } from '../lesson/surface.js'
import type { Snapshot } from '../lesson/training.js'
import type { Answer, Request, Speed, TrainingId } from '../worker/messages.js'

export type Place =
  | { readonly view: 'play' }
  | { readonly view: 'chapters'; readonly chapter: string }
  | { readonly view: 'digits' }

export interface Shown {
  readonly data: PlaygroundData
  readonly snapshot?: Snapshot
  readonly updatesPerSecond: number
}

export interface Trial {
  /** What is running now, with the epoch it has come to; undefined when all is done. */
  readonly progress?: { readonly label: string; readonly epoch: number } | undefined
  readonly verdict?: Verdict
  readonly seed: number
}

export interface State {
  readonly place: Place
  readonly settings: Settings
  /** A second training beside the first. */
  readonly other: Settings | undefined
  readonly shown: { readonly [id in TrainingId]?: Shown }
  readonly playing: boolean
  readonly speed: Speed
  readonly paths: { readonly [label: string]: Path }
  readonly trials: { readonly [chapter: string]: Trial }
  readonly failure: string | undefined
  readonly theme: 'auto' | 'light' | 'dark'
}

function placeOf(hash: string): Pick<State, 'place' | 'settings' | 'other'> {
  const [path = '', query = ''] = hash.replace(/^#\/?/, '').split('?')
  const [view, id] = path.split('/')
  const [first = '', second] = query.split('~')
  const settings = fromHash(first)
  const other = second === undefined ? undefined : fromHash(second)
  if (view === 'chapters') {
    const chapter = chapters.find((one) => one.id === id) ?? chapters[0]!
    return { place: { view, chapter: chapter.id }, settings, other }
  }
  return { place: view === 'digits' ? { view } : { view: 'play' }, settings, other }
}

/** The URL of a place in the playground, which others can open. */
export function hashOf(settings: Settings, other?: Settings): string {
  return `#/play?${toHash(settings)}${other ? `~${toHash(other)}` : ''}`
}

const worker = new Worker(new URL('worker.js', import.meta.url), { type: 'module' })
export const ask = (request: Request): void => worker.postMessage(request)

function themeBefore(): State['theme'] {
  const kept = localStorage.getItem('theme')
  return kept === 'light' || kept === 'dark' ? kept : 'auto'
}

let state: State = {
  ...placeOf(location.hash),
  shown: {},
  playing: false,
  speed: 'full',
  paths: {},
  trials: {},
  failure: undefined,
  theme: themeBefore(),
}
const listeners = new Set<() => void>()

export function set(changes: Partial<State>): void {
  state = { ...state, ...changes }
  for (const listener of listeners) listener()
}
export const get = (): State => state

/** A part of the state; the component is drawn anew when it changes. */
export function useStore<T>(part: (all: State) => T): T {
  const [value, setValue] = useState(() => part(state))
  useEffect(() => {
    const update = () => setValue(() => part(state))
    update()
    listeners.add(update)
    return () => {
      listeners.delete(update)
    }
  }, [])
  return value
}

export const systemIsDark = matchMedia('(prefers-color-scheme: dark)')
export const isDark = ({ theme }: State): boolean => theme === 'dark' || (theme === 'auto' && systemIsDark.matches)
systemIsDark.addEventListener('change', () => set({}))

export function nextTheme(): void {
  const order = ['auto', 'light', 'dark'] as const
  const theme = order[(order.indexOf(state.theme) + 1) % order.length]!
  localStorage.setItem('theme', theme)
  document.documentElement.dataset['theme'] = theme
  set({ theme })
}

/** Begins both trainings anew, as the settings say. */
export function restart(): void {
  set({ shown: { ...state.shown, ...(state.other ? {} : { b: undefined }) }, playing: false, failure: undefined })
  ask({ kind: 'start', id: 'a', settings: state.settings })
  if (state.other) ask({ kind: 'start', id: 'b', settings: state.other })
  else ask({ kind: 'stop', id: 'b' })
}

function writeHash(): void {
  history.replaceState(null, '', hashOf(state.settings, state.other))
}

/** Changes a training's settings. A new learning rate acts at once; anything else begins anew. */
export function change(id: TrainingId, changes: Changes): void {
  const before = id === 'a' ? state.settings : state.other!
  const after = changed(before, changes)
  set(id === 'a' ? { settings: after } : { other: after })
  // Both learn from the same data, so that they can be compared.
  if (id === 'a' && state.other && (changes.data || changes.seed !== undefined))
    set({ other: { ...state.other, data: after.data, seed: after.seed } })
  writeHash()
  const keys = Object.keys(changes.training ?? {})
  const isRate = keys.length === 1 && keys[0] === 'learningRate' && !changes.data && !changes.network
  if (isRate && changes.seed === undefined) ask({ kind: 'rate', id, learningRate: after.training.learningRate })
  else restart()
}

export function compareWith(other: Settings | undefined): void {
  set({ other })
  writeHash()
  restart()
}

export function play(): void {
  set({ playing: true })
  ask({ kind: 'play', speed: state.speed })
}
export function pause(): void {
  ask({ kind: 'pause' })
}

export function test(chapter: string, seed: number): void {
  set({ trials: { ...state.trials, [chapter]: { seed, progress: { label: '', epoch: 0 } } } })
  ask({ kind: 'verify', chapter, seed })
}

worker.addEventListener('message', ({ data }: MessageEvent<Answer>) => {
  switch (data.kind) {
    case 'started':
      return set({ shown: { ...state.shown, [data.id]: { data: data.data, updatesPerSecond: Number.NaN } } })
    case 'snapshot': {
      const shown = state.shown[data.id]
      if (!shown) return
      const { snapshot, updatesPerSecond } = data
      return set({ shown: { ...state.shown, [data.id]: { ...shown, snapshot, updatesPerSecond } } })
    }
    case 'paused':
      return set({ playing: false })
    case 'path':
      return set({ paths: { ...state.paths, [data.label]: data.path } })
    case 'progress': {
      const { chapter, label, epoch } = data
      const trial = state.trials[chapter]
      return trial && set({ trials: { ...state.trials, [chapter]: { ...trial, progress: { label, epoch } } } })
    }
    case 'verdict': {
      const { chapter, seed, verdict } = data
      return set({ trials: { ...state.trials, [chapter]: { seed, verdict } } })
    }
    case 'failed':
      return set({ failure: data.message, playing: false, trials: {} })
  }
})
worker.addEventListener('error', ({ message }) =>
  set({ failure: `The worker that trains failed: ${message || 'its script could not be loaded'}.`, playing: false }),
)

addEventListener('hashchange', () => {
  const next = placeOf(location.hash)
  const same =
    toHash(next.settings) === toHash(state.settings) &&
    hashOf(next.settings, next.other) === hashOf(state.settings, state.other)
  if (next.place.view !== 'play') pause()
  if (next.place.view === 'play' && !same) {
    set(next)
    restart()
  } else set({ place: next.place })
})

export { defaults }

/**
 * @file Keys of the whole page. In: key events that no field wants. Out: changes of the store.
 */
import type { Axis } from '../api.js'
import { matching } from './runs-list.js'
import { get, nextTheme, set, showOnly, toggleShown, views } from './store.js'

/** What is listed under `?`. */
export const shortcuts: readonly (readonly [keys: string, what: string])[] = [
  ['1 … 6', 'the views, from Curves to About'],
  ['j k', 'next and previous run'],
  ['x', 'draw the run, or do not'],
  ['o', 'draw only this run'],
  ['/', 'find a run'],
  ['a', 'axis: step, epoch, time'],
  ['l', 'log scale'],
  ['s S', 'smooth more, less'],
  ['z', 'the whole range again'],
  ['t', 'theme: as the system, dark, light'],
  ['↑ ↓', 'in the list: from run to run; Space draws it'],
  ['← →', 'on a chart: read values; + − 0 zoom'],
  ['?', 'this list'],
]

const axes: readonly Axis[] = ['step', 'epoch', 'time']

function move(by: number): void {
  const { runs, filter, focus } = get()
  const found = matching(runs, filter)
  const now = found.findIndex(({ name }) => name === focus)
  const next = found[Math.max(0, Math.min(found.length - 1, now + by))]
  if (!next) return
  set({ focus: next.name })
  requestAnimationFrame(() => document.querySelector('li.focused')?.scrollIntoView({ block: 'nearest' }))
}

export function keyDown(event: KeyboardEvent): void {
  const target = event.target as HTMLElement
  if (event.ctrlKey || event.metaKey || event.altKey) return
  const state = get()
  const inText = target instanceof HTMLInputElement && /^(search|text)$/.test(target.type)
  if (inText && event.key === 'Escape') target.blur()
  // Letters choose in lists of the system's, and are text in fields.
  if (inText || target instanceof HTMLSelectElement || state.help) return
  const digit = views[Number(event.key) - 1]
  if (digit) set({ view: digit })
  else if (event.key === 'j') move(1)
  else if (event.key === 'k') move(-1)
  else if (event.key === 'x' && state.focus !== undefined) toggleShown(state.focus)
  else if (event.key === 'o' && state.focus !== undefined) showOnly([state.focus])
  else if (event.key === '/') {
    set({ drawer: true })
    requestAnimationFrame(() => document.querySelector<HTMLInputElement>('input[type=search]')?.focus())
  } else if (event.key === 'a') set({ axis: axes[(axes.indexOf(state.axis) + 1) % 3]!, zoom: undefined })
  else if (event.key === 'l') set({ log: !state.log })
  else if (event.key === 's') set({ smooth: Math.min(0.99, Math.round(100 * (state.smooth + 0.1)) / 100) })
  else if (event.key === 'S') set({ smooth: Math.max(0, Math.round(100 * (state.smooth - 0.1)) / 100) })
  else if (event.key === 'z') set({ zoom: undefined })
  else if (event.key === 't') nextTheme()
  else if (event.key === '?') set({ help: true })
  else return
  event.preventDefault()
}

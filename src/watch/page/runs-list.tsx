/**
 * @file The list of runs: which are drawn, which one's details are shown. In: the store. Out: a list, walked with the arrow keys.
 */
import { useMemo, useRef } from 'preact/hooks'
import type { RunSummary } from '../api.js'
import { duration, number } from './format.js'
import { colourOf } from './palette.js'
import { set, showOnly, toggleShown, useStore } from './store.js'

/** Runs whose names have all of the words. */
export function matching(runs: readonly RunSummary[], filter: string): readonly RunSummary[] {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean)
  return words.length === 0 ? runs : runs.filter((run) => words.every((word) => run.name.toLowerCase().includes(word)))
}

/** The score to name a run by: the best of validation, other than the loss if there is one. */
export function headline(run: RunSummary): string {
  const names = Object.keys(run.best)
  const name =
    names.find((one) => one.startsWith('validation.') && !one.endsWith('.loss')) ??
    names.find((one) => one.startsWith('validation.')) ??
    names[0]
  if (name !== undefined) return `${name.replace(/^(validation|train)\./, '')} ${number(run.best[name]!.value)}`
  return run.loss === undefined ? '' : `loss ${number(run.loss)}`
}

export function RunsList() {
  const runs = useStore((all) => all.runs)
  const filter = useStore((all) => all.filter)
  const shown = useStore((all) => all.shown)
  const focus = useStore((all) => all.focus)
  const dark = useStore((all) => all.dark)
  const drawer = useStore((all) => all.drawer)
  const list = useRef<HTMLUListElement>(null)
  const found = useMemo(() => matching(runs, filter), [runs, filter])

  const keys = (event: KeyboardEvent) => {
    const rows = [...(list.current?.querySelectorAll<HTMLButtonElement>('button.run') ?? [])]
    const now = rows.indexOf(document.activeElement as HTMLButtonElement)
    const to = { ArrowDown: now + 1, ArrowUp: now - 1, Home: 0, End: rows.length - 1 }[event.key]
    if (to !== undefined && now >= 0) {
      rows[Math.max(0, Math.min(rows.length - 1, to))]?.focus()
      event.preventDefault()
    } else if (event.key === ' ' && now >= 0) {
      toggleShown(found[now]!.name)
      event.preventDefault()
    }
  }

  return (
    <aside class={drawer ? 'open' : ''} id="runs" aria-label="Runs">
      <div class="tools">
        <input
          type="search"
          placeholder="Find a run"
          aria-label="Find a run"
          value={filter}
          onInput={(event) => set({ filter: event.currentTarget.value })}
        />
        <button type="button" class="small" onClick={() => showOnly(found.map(({ name }) => name))}>
          all
        </button>
        <button type="button" class="small" onClick={() => showOnly([])}>
          none
        </button>
      </div>
      <ul ref={list} onKeyDown={keys}>
        {found.map((run) => (
          <RunRow
            key={run.name}
            run={run}
            on={shown.includes(run.name)}
            focused={run.name === focus}
            dark={dark}
            colour={colourOf(run.name, dark)}
          />
        ))}
      </ul>
      {found.length === 0 && runs.length > 0 ? <p class="empty">No run is called so.</p> : null}
    </aside>
  )
}

interface RowProps {
  readonly run: RunSummary
  readonly on: boolean
  readonly focused: boolean
  readonly dark: boolean
  readonly colour: string
}

function RunRow({ run, on, focused, colour }: RowProps) {
  return (
    <li class={focused ? 'focused' : ''} style={{ '--colour': colour }}>
      <input
        type="checkbox"
        checked={on}
        tabIndex={-1}
        aria-label={`Draw ${run.name}`}
        onChange={() => toggleShown(run.name)}
      />
      <button
        type="button"
        class="run"
        aria-current={focused ? 'true' : undefined}
        onClick={() => set({ focus: run.name, drawer: false })}
      >
        <span class="name">{run.name}</span>
        <span class="facts">
          <State run={run} />
          <span>
            epoch {run.epoch}
            {run.seconds > 0 ? `, ${duration(run.seconds)}` : ''}
          </span>
          <span class="score">{headline(run)}</span>
        </span>
      </button>
    </li>
  )
}

/** Of a state, and of what is wrong: a sign, with its word for those who do not see it. */
export function State({ run }: { readonly run: RunSummary }) {
  return (
    <span class={`state ${run.state.replace(' ', '-')}`}>
      <i aria-hidden="true" />
      {run.state}
      {run.warnings > 0 ? (
        <b class="warned" title={`${run.warnings} warnings`}>
          <span aria-hidden="true">▲</span>
          {run.warnings}
          <span class="hidden"> warnings</span>
        </b>
      ) : null}
      {run.problem ? <b class="warned">unreadable</b> : null}
    </span>
  )
}

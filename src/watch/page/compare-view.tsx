/**
 * @file The table in which runs are compared: scores, time, and the settings in which they differ. In: the store. Out: a table
 * sorted by whatever column is chosen; what differs from most of the others is marked, the best of each score too.
 */
import { useMemo, useState } from 'preact/hooks'
import type { Json, RunSummary } from '../api.js'
import { duration, moment, number, title, shown as valueText } from './format.js'
import { colourOf } from './palette.js'
import { matching, State } from './runs-list.js'
import { set, toggleShown, useStore } from './store.js'

type Cell = number | string | undefined

interface Column {
  readonly key: string
  readonly name: string
  readonly kind: 'fact' | 'score' | 'setting'
  readonly value: (run: RunSummary) => Cell
  readonly text: (run: RunSummary) => string
  /** Whether less is better, for scores. */
  readonly least?: boolean
}

const facts: readonly Column[] = [
  { key: 'created', name: 'Begun', kind: 'fact', value: (run) => run.created, text: (run) => moment(run.created) },
  { key: 'epoch', name: 'Epochs', kind: 'fact', value: (run) => run.epoch, text: (run) => number(run.epoch) },
  { key: 'seconds', name: 'Time', kind: 'fact', value: (run) => run.seconds, text: (run) => duration(run.seconds) },
  {
    key: 'parameters',
    name: 'Parameters',
    kind: 'fact',
    value: (run) => run.parameters,
    text: (run) => number(run.parameters),
  },
]

function scoreColumns(runs: readonly RunSummary[]): Column[] {
  const found = new Map<string, boolean>()
  for (const run of runs) for (const [name, { least }] of Object.entries(run.best)) found.set(name, least)
  const order = (name: string) => (name.startsWith('validation.') ? 0 : 1)
  return [...found]
    .sort(([a], [b]) => order(a) - order(b) || a.localeCompare(b))
    .map(([name, least]) => ({
      key: `best ${name}`,
      name: name.replace('.', ' ').replace(/^./, (first) => first.toUpperCase()),
      kind: 'score' as const,
      least,
      value: (run) => run.best[name]?.value,
      text: (run) => (run.best[name] ? number(run.best[name].value) : '–'),
    }))
}

/** Settings by name; `all` with those that are the same everywhere. */
function settingColumns(runs: readonly RunSummary[], all: boolean): Column[] {
  const names = new Set(runs.flatMap((run) => Object.keys(run.configuration)))
  const text = (run: RunSummary, name: string) => valueText(run.configuration[name] as Json | undefined)
  return [...names]
    .filter((name) => all || new Set(runs.map((run) => JSON.stringify(run.configuration[name]))).size > 1)
    .map((name) => ({
      key: `setting ${name}`,
      name: name.includes('.') ? name : title(name),
      kind: 'setting' as const,
      value: (run) => {
        const value = run.configuration[name]
        return typeof value === 'number' ? value : value === undefined ? undefined : text(run, name)
      },
      text: (run) => text(run, name),
    }))
}

/** Undefined comes last, whichever way it is sorted. */
function compare(a: Cell, b: Cell, down: boolean): number {
  if (a === undefined || b === undefined) return (a === undefined ? 1 : 0) - (b === undefined ? 1 : 0)
  const order =
    typeof a === 'number' && typeof b === 'number' ? a - b : String(a).localeCompare(String(b), 'en', { numeric: true })
  return down ? -order : order
}

/** The value that most rows of a column have. */
function usual(column: Column, runs: readonly RunSummary[]): string | undefined {
  // Of two, neither is usual: both are marked.
  if (runs.length === 2) return ''
  const counts = new Map<string, number>()
  for (const run of runs) counts.set(column.text(run), (counts.get(column.text(run)) ?? 0) + 1)
  const most = Math.max(...counts.values())
  return most > 1 ? [...counts].find(([, count]) => count === most)![0] : undefined
}

export function CompareView() {
  const everything = useStore((all) => all.runs)
  const shown = useStore((all) => all.shown)
  const filter = useStore((all) => all.filter)
  const focus = useStore((all) => all.focus)
  const dark = useStore((all) => all.dark)
  const [only, setOnly] = useState(false)
  const [all, setAll] = useState(false)
  const [sort, setSort] = useState<{ readonly key: string; readonly down: boolean }>({ key: 'created', down: true })
  const runs = useMemo(
    () => matching(everything, filter).filter((run) => !only || shown.includes(run.name)),
    [everything, filter, only, shown],
  )
  const columns = useMemo(() => {
    const scores = scoreColumns(runs)
    const first = scores.filter(({ key }) => key.startsWith('best validation.'))
    const rest = scores.filter((one) => !first.includes(one))
    return [...first, ...settingColumns(runs, all), ...facts, ...rest]
  }, [runs, all])
  const name: Column = { key: 'name', name: 'Run', kind: 'fact', value: (run) => run.name, text: (run) => run.name }
  const by = [name, ...columns].find((column) => column.key === sort.key) ?? facts[0]!
  const rows = [...runs].sort((a, b) => compare(by.value(a), by.value(b), sort.down))
  const usuals = new Map(
    columns.filter(({ kind }) => kind === 'setting').map((column) => [column.key, usual(column, runs)]),
  )
  const bests = new Map(
    columns
      .filter(({ kind }) => kind === 'score')
      .map((column) => {
        const values = runs.map(column.value).filter((value) => typeof value === 'number')
        return [column.key, column.least ? Math.min(...values) : Math.max(...values)]
      }),
  )
  const head = (column: Column) => {
    const on = sort.key === column.key
    return (
      <th
        key={column.key}
        scope="col"
        aria-sort={on ? (sort.down ? 'descending' : 'ascending') : undefined}
        class={column.kind}
      >
        <button
          type="button"
          onClick={() => setSort({ key: column.key, down: on ? !sort.down : column.kind === 'score' && !column.least })}
        >
          {column.name}
          <span aria-hidden="true">{on ? (sort.down ? ' ↓' : ' ↑') : ''}</span>
        </button>
      </th>
    )
  }
  return (
    <div>
      <h2 class="hidden">Comparison</h2>
      <div class="toolbar">
        <label class="check">
          <input type="checkbox" checked={only} onChange={() => setOnly(!only)} />
          Only drawn runs
        </label>
        <label class="check">
          <input type="checkbox" checked={all} onChange={() => setAll(!all)} />
          All settings
        </label>
        <span class="legend">
          Scores are each run's best. Marked: settings unlike most others', the best of a score.
        </span>
      </div>
      {rows.length === 0 ? (
        <p class="empty">No runs to compare. Tick some in the list of runs.</p>
      ) : (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, by keys too
        <section class="scroll wide card" tabIndex={0} aria-label="Comparison of runs">
          <table class="compare">
            <thead>
              <tr>
                {head(name)}
                <th scope="col">State</th>
                {columns.map(head)}
              </tr>
            </thead>
            <tbody>
              {rows.map((run) => (
                <tr
                  key={run.name}
                  class={run.name === focus ? 'focused' : ''}
                  style={{ '--colour': colourOf(run.name, dark) }}
                >
                  <th scope="row">
                    <input
                      type="checkbox"
                      checked={shown.includes(run.name)}
                      aria-label={`Draw ${run.name}`}
                      onChange={() => toggleShown(run.name)}
                    />
                    <button type="button" class="link" onClick={() => set({ focus: run.name })}>
                      {run.name}
                    </button>
                  </th>
                  <td>
                    <State run={run} />
                  </td>
                  {columns.map((column) => {
                    const mark =
                      column.kind === 'score'
                        ? runs.length > 1 && column.value(run) === bests.get(column.key)
                        : column.kind === 'setting' &&
                          usuals.get(column.key) !== undefined &&
                          column.text(run) !== usuals.get(column.key)
                    return (
                      <td key={column.key} class={`${column.kind}${mark ? ' marked' : ''}`}>
                        {mark ? <strong>{column.text(run)}</strong> : column.text(run)}
                      </td>
                    )
                  })}
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      )}
    </div>
  )
}

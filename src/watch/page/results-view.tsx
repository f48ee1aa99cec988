/**
 * @file What a run gets right and wrong: its confusion matrix, and the samples that it gets most wrong. In: a run's name. Out: a
 * table whose cells are shaded, and cards of pictures, texts or rows.
 */
import { useState } from 'preact/hooks'
import type { ConfusionEvent, WrongEvent, WrongExample } from '../../train/events.js'
import type { RunDetail } from '../api.js'
import { number, percent } from './format.js'
import { query } from './live.js'
import { useOfRun } from './load.js'

export function ResultsView({ detail }: { readonly detail: RunDetail }) {
  const { name } = detail.summary
  return (
    <div class="two">
      <Confusion key={`${name} confusion`} name={name} epochs={detail.epochs.confusion} />
      <Wrong key={`${name} wrong`} name={name} epochs={detail.epochs.wrong} />
    </div>
  )
}

interface PartProps {
  readonly name: string
  readonly epochs: readonly number[]
}

/** Undefined is the last one, also when there are more. */
function EpochChoice({
  epochs,
  value,
  onChange,
  of,
}: {
  readonly epochs: readonly number[]
  readonly value: number | undefined
  readonly onChange: (epoch: number | undefined) => void
  readonly of: string
}) {
  return (
    <select
      aria-label={`Epoch of ${of}`}
      value={value ?? ''}
      onChange={(event) => onChange(event.currentTarget.value === '' ? undefined : Number(event.currentTarget.value))}
    >
      <option value="">last epoch ({epochs.at(-1)})</option>
      {epochs.toReversed().map((epoch) => (
        <option key={epoch} value={epoch}>
          epoch {epoch}
        </option>
      ))}
    </select>
  )
}

function Confusion({ name, epochs }: PartProps) {
  const [epoch, setEpoch] = useState<number>()
  const event = useOfRun<ConfusionEvent>('/api/event', epochs.length > 0 ? name : undefined, {
    kind: 'confusion',
    epoch,
  })
  return (
    <section class="card" aria-label="Confusion matrix">
      <header>
        <h3>Confusion matrix</h3>
        {epochs.length > 0 ? <EpochChoice epochs={epochs} value={epoch} onChange={setEpoch} of="the matrix" /> : null}
      </header>
      {epochs.length === 0 ? (
        <p class="empty">None yet: classification with validation data writes one at the end of an epoch.</p>
      ) : event ? (
        <Matrix event={event} />
      ) : (
        <p class="empty">Reading…</p>
      )}
    </section>
  )
}

const shades = 10

function Matrix({ event: { labels, counts } }: { readonly event: ConfusionEvent }) {
  const rows = counts.map((row) => row.reduce((sum, count) => sum + count, 0))
  const columns = labels.map((_, j) => counts.reduce((sum, row) => sum + (row[j] ?? 0), 0))
  const all = rows.reduce((sum, count) => sum + count, 0)
  const right = counts.reduce((sum, row, i) => sum + (row[i] ?? 0), 0)
  // What is right is shaded by its share of the row, mistakes by their share of the commonest one.
  const most = Math.max(...counts.map((row, i) => Math.max(0, ...row.filter((_, j) => i !== j)) / (rows[i]! || 1)))
  const shade = (i: number, j: number) => {
    const share = counts[i]![j]! / (rows[i]! || 1)
    if (share === 0) return 0
    return Math.max(1, Math.round(i === j ? shades * share : (shades * share) / most))
  }
  return (
    <>
      <p class="note">
        {number(right)} of {number(all)} right ({percent(all > 0 ? right / all : 0)}). A row is a true class, a column
        what was predicted.
      </p>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, by keys too */}
      <section class="scroll" tabIndex={0} aria-label="Confusion matrix, as a table">
        <table class="matrix">
          <thead>
            <tr>
              <td />
              {labels.map((label) => (
                <th scope="col" key={label}>
                  {label}
                </th>
              ))}
              <th scope="col" class="margin">
                recall
              </th>
            </tr>
          </thead>
          <tbody>
            {counts.map((row, i) => (
              <tr key={labels[i]}>
                <th scope="row">{labels[i]}</th>
                {row.map((count, j) => (
                  <td
                    key={labels[j]}
                    class={`${i === j ? 'right' : 'wrong'} s${shade(i, j)}`}
                    title={`${labels[i]} predicted as ${labels[j]}: ${count} of ${rows[i]}`}
                  >
                    {count}
                  </td>
                ))}
                <td class="margin">{rows[i]! > 0 ? percent(row[i]! / rows[i]!) : '–'}</td>
              </tr>
            ))}
            <tr>
              <th scope="row" class="margin">
                precision
              </th>
              {labels.map((label, j) => (
                <td class="margin" key={label}>
                  {columns[j]! > 0 ? percent(counts[j]![j]! / columns[j]!) : '–'}
                </td>
              ))}
              <td />
            </tr>
          </tbody>
        </table>
      </section>
    </>
  )
}

function Wrong({ name, epochs }: PartProps) {
  const [epoch, setEpoch] = useState<number>()
  const event = useOfRun<WrongEvent>('/api/event', epochs.length > 0 ? name : undefined, { kind: 'wrong', epoch })
  return (
    <section class="card" aria-label="Wrongly classified">
      <header>
        <h3>Wrongly classified</h3>
        {epochs.length > 0 ? <EpochChoice epochs={epochs} value={epoch} onChange={setEpoch} of="the examples" /> : null}
      </header>
      {epochs.length === 0 ? (
        <p class="empty">None yet: the samples of the validation data that the network is most sure and wrong about.</p>
      ) : !event ? (
        <p class="empty">Reading…</p>
      ) : event.examples.length === 0 ? (
        <p class="empty">Everything was right.</p>
      ) : event.examples.some(({ values }) => values) ? (
        <Rows examples={event.examples} />
      ) : (
        <ul class="examples">
          {event.examples.map((example) => (
            <Example key={example.index} name={name} example={example} />
          ))}
        </ul>
      )}
    </section>
  )
}

function Example({ name, example }: { readonly name: string; readonly example: WrongExample }) {
  const { label, predicted, probability, picture, text, index } = example
  return (
    <li class={picture ? 'pictured' : 'texted'}>
      {picture ? (
        <img
          src={query('/picture', { run: name, file: picture.replace(/^pictures\//, '') })}
          alt={`Sample ${index}: ${label}, predicted as ${predicted}`}
          loading="lazy"
          width="72"
          height="72"
        />
      ) : null}
      {text === undefined ? null : <blockquote>{text}</blockquote>}
      <span>
        {label} <span aria-hidden="true">→</span>
        <span class="hidden">was predicted as</span> <b>{predicted}</b>
      </span>
      <small>
        {percent(probability)}, row {index}
      </small>
    </li>
  )
}

function Rows({ examples }: { readonly examples: readonly WrongExample[] }) {
  const columns = [...new Set(examples.flatMap(({ values }) => Object.keys(values ?? {})))]
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, by keys too
    <section class="scroll" tabIndex={0} aria-label="Wrongly classified rows">
      <table>
        <thead>
          <tr>
            {['Row', 'True', 'Predicted', 'Sure', ...columns].map((column) => (
              <th scope="col" key={column}>
                {column}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {examples.map(({ index, label, predicted, probability, values }) => (
            <tr key={index}>
              <th scope="row">{index}</th>
              <td>{label}</td>
              <td>
                <b>{predicted}</b>
              </td>
              <td>{percent(probability)}</td>
              {columns.map((column) => (
                <td key={column}>{typeof values?.[column] === 'number' ? number(values[column]) : values?.[column]}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  )
}

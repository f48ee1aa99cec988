/**
 * @file The rest of what is known of a run: the kernels of its compiled step; warnings, settings, environment, network, epochs.
 * In: a run's details. Out: tables.
 */
import type { RunDetail } from '../api.js'
import { duration, moment, number, percent, shown } from './format.js'

export function StepView({ detail }: { readonly detail: RunDetail }) {
  const { profile } = detail
  if (!profile || profile.kernels.length === 0)
    return (
      <p class="empty">No profile of the compiled step has been recorded. In a terminal: npx gradus profile digits</p>
    )
  const kernels = [...profile.kernels].sort((a, b) => b.milliseconds - a.milliseconds)
  const all = kernels.reduce((sum, { milliseconds }) => sum + milliseconds, 0)
  const most = Math.max(...kernels.map(({ share }) => share), 1e-9)
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, by keys too
    <section class="card scroll" tabIndex={0} aria-label="Kernels of the compiled step">
      <header>
        <h3>The compiled step</h3>
        <span class="legend">
          {number(all)} ms in {kernels.length} kernels, the longest first
        </span>
      </header>
      <table class="kernels">
        <thead>
          <tr>
            <th scope="col">Kernel</th>
            <th scope="col">Time</th>
            <th scope="col">Share</th>
            <td />
            <th scope="col">GFLOP/s</th>
            <th scope="col">GB/s</th>
          </tr>
        </thead>
        <tbody>
          {kernels.map((kernel, i) => (
            <tr key={i}>
              <th scope="row">{kernel.name}</th>
              <td>
                {kernel.milliseconds < 1
                  ? `${number(1000 * kernel.milliseconds)} µs`
                  : `${number(kernel.milliseconds)} ms`}
              </td>
              <td>{percent(kernel.share)}</td>
              <td class="wide">
                <span class="bar" aria-hidden="true">
                  <i style={{ width: `${(100 * kernel.share) / most}%` }} />
                </span>
              </td>
              <td>{number(kernel.gflops)}</td>
              <td>{number(kernel.gigabytesPerSecond)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  )
}

export function AboutView({ detail }: { readonly detail: RunDetail }) {
  const { summary, warnings, ended, command } = detail
  return (
    <div class="about">
      {summary.problem ? <p class="problem">Some of this run cannot be read: {summary.problem}</p> : null}
      {ended?.message ? (
        <p class="problem">
          {ended.reason}: {ended.message}
        </p>
      ) : null}
      <section class="card" aria-label="Warnings">
        <h3>Warnings</h3>
        {warnings.length === 0 ? (
          <p class="empty">None.</p>
        ) : (
          <ul class="warnings">
            {warnings.toReversed().map((warning, i) => (
              <li key={i}>
                <b>{warning.what}</b> <span>{warning.message}</span>
                <small>
                  {warning.epoch === undefined ? '' : `epoch ${warning.epoch}, `}
                  {warning.step === undefined ? '' : `step ${number(warning.step)}, `}
                  {moment(warning.time)}
                </small>
              </li>
            ))}
          </ul>
        )}
        {detail.badLines > 0 ? (
          <p class="note">{detail.badLines} lines of events.jsonl are no JSON, and were left out.</p>
        ) : null}
      </section>
      <div class="two">
        <section class="card" aria-label="Configuration">
          <h3>Configuration</h3>
          <Facts facts={summary.configuration} />
          {command ? <pre class="command">{command}</pre> : null}
        </section>
        <section class="card" aria-label="Run and environment">
          <h3>Run and environment</h3>
          <Facts
            facts={{
              begun: moment(summary.created),
              state: summary.state,
              time: duration(summary.seconds),
              steps: number(summary.step),
              ...(summary.parameters === undefined ? {} : { parameters: number(summary.parameters) }),
              ...((detail.environment ?? {}) as object),
            }}
          />
        </section>
      </div>
      <section class="card" aria-label="Network">
        <h3>Network</h3>
        {detail.network ? (
          // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, by keys too
          <pre class="scroll" tabIndex={0}>
            {detail.network}
          </pre>
        ) : (
          <p class="empty">Its text was not recorded.</p>
        )}
      </section>
      <Epochs scores={detail.scores} />
    </div>
  )
}

function Facts({ facts }: { readonly facts: { readonly [name: string]: unknown } }) {
  const entries = Object.entries(facts)
  if (entries.length === 0) return <p class="empty">Nothing was recorded.</p>
  return (
    <dl>
      {entries.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{shown(value as Parameters<typeof shown>[0])}</dd>
        </div>
      ))}
    </dl>
  )
}

function Epochs({ scores }: { readonly scores: RunDetail['scores'] }) {
  if (scores.length === 0) return null
  const names = [...new Set(scores.flatMap((row) => Object.keys(row.scores)))]
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, by keys too
    <section class="card scroll tall" tabIndex={0} aria-label="Epochs">
      <h3>Epochs</h3>
      <table>
        <thead>
          <tr>
            {['Epoch', 'Step', ...names.map((name) => name.replace(/^epoch\./, '').replace('.', ' '))].map((name) => (
              <th scope="col" key={name}>
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {scores.toReversed().map((row) => (
            <tr key={`${row.member} ${row.epoch}`}>
              <th scope="row">{row.member === undefined ? row.epoch : `${row.epoch} of network ${row.member}`}</th>
              <td>{number(row.step)}</td>
              {names.map((name) => (
                <td key={name}>{number(row.scores[name])}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  )
}

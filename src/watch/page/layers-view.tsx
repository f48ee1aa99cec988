/**
 * @file What goes on inside a network: norms of gradients and updates by parameter, statistics of activations, histograms of
 * weights over time. In: a run's name. Out: charts, and tables that tell the same.
 */
import { useMemo, useState } from 'preact/hooks'
import type { HistogramEvent } from '../../train/events.js'
import type { Curve, Finite, RunDetail } from '../api.js'
import { AxisChoice } from './curves-view.js'
import { number, percent } from './format.js'
import { Ridges } from './histogram.js'
import { useCurves, useOfRun } from './load.js'
import { depthColour } from './palette.js'
import { Plot } from './plot.js'
import { useStore } from './store.js'

const measures = [
  ['gradient', 'Gradient norms'],
  ['update', 'Update norms'],
  ['parameter', 'Parameter norms'],
  ['zero', 'Share of zeros in activations'],
] as const

export function LayersView({ detail }: { readonly detail: RunDetail }) {
  const { name } = detail.summary
  const axis = useStore((all) => all.axis)
  const { layers } = detail
  const nothing = !layers && detail.epochs.histogram.length === 0
  if (nothing)
    return (
      <p class="empty">
        Nothing about layers has been recorded. Runs with a log note norms and histograms once an epoch.
      </p>
    )
  return (
    <div>
      <div class="toolbar">
        <AxisChoice axis={axis} />
        <span class="legend">Layers from the first (violet) to the last (yellow).</span>
      </div>
      {layers ? (
        <div class="charts">
          {measures
            .filter(([measure]) => measure !== 'zero' || Object.keys(layers.activations).length > 0)
            .map(([measure, text]) => (
              <LayerChart key={measure} name={name} measure={measure} text={text} />
            ))}
        </div>
      ) : null}
      {layers ? <LayerTables layers={layers} /> : null}
      {detail.epochs.histogram.length > 0 ? <Histograms name={name} /> : null}
    </div>
  )
}

function LayerChart({
  name,
  measure,
  text,
}: {
  readonly name: string
  readonly measure: string
  readonly text: string
}) {
  const axis = useStore((all) => all.axis)
  const dark = useStore((all) => all.dark)
  const names = useMemo(() => [name], [name])
  const data = useCurves(names, '/api/layers', { measure, axis, points: 300 })
  const curves = data.get(name) as readonly Curve[] | undefined
  const lines = useMemo(
    () =>
      (curves ?? []).map(({ name: path, x, y }, i, all) => ({
        label: path,
        colour: depthColour(i, all.length, dark),
        x,
        y,
      })),
    [curves, dark],
  )
  return <Plot title={text} lines={lines} axis={axis} log={measure !== 'zero'} dark={dark} sync="layers" />
}

/** How large updates are beside what they change: about 0.001 is usual. */
const ratio = (update: Finite, parameter: Finite) =>
  update === null || parameter === null || parameter === 0 ? undefined : update / parameter

function Bar({ share }: { readonly share: number }) {
  return (
    <span class="bar" aria-hidden="true">
      <i style={{ width: `${Math.max(0, Math.min(100, 100 * share))}%` }} />
    </span>
  )
}

function LayerTables({ layers }: { readonly layers: NonNullable<RunDetail['layers']> }) {
  const dark = useStore((all) => all.dark)
  const parameters = Object.entries(layers.parameters)
  const activations = Object.entries(layers.activations)
  const largest = Math.max(...parameters.map(([, { gradient }]) => gradient ?? 0), 1e-300)
  return (
    <div class="two">
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, by keys too */}
      <section class="card scroll" tabIndex={0} aria-label="Norms by parameter">
        <h3>Norms at step {number(layers.step)}</h3>
        <table>
          <thead>
            <tr>
              <th scope="col">Parameter</th>
              <th scope="col">Gradient</th>
              <td />
              <th scope="col">Update</th>
              <th scope="col">Parameter</th>
              <th scope="col">Update ÷ parameter</th>
            </tr>
          </thead>
          <tbody>
            {parameters.map(([path, { gradient, update, parameter }], i) => (
              <tr key={path}>
                <th scope="row">
                  <i aria-hidden="true" style={{ '--colour': depthColour(i, parameters.length, dark) }} />
                  {path}
                </th>
                <td>{number(gradient)}</td>
                <td>
                  <Bar share={(gradient ?? 0) / largest} />
                </td>
                <td>{number(update)}</td>
                <td>{number(parameter)}</td>
                <td>{number(ratio(update, parameter))}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </section>
      {activations.length > 0 ? (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, by keys too
        <section class="card scroll" tabIndex={0} aria-label="Activations by layer">
          <h3>Activations at step {number(layers.step)}</h3>
          <table>
            <thead>
              <tr>
                <th scope="col">Layer</th>
                <th scope="col">Zeros</th>
                <td />
                <th scope="col">Mean</th>
                <th scope="col">Deviation</th>
              </tr>
            </thead>
            <tbody>
              {activations.map(([path, { zero, mean, deviation }]) => (
                <tr key={path}>
                  <th scope="row">{path}</th>
                  <td>{zero === null ? '–' : percent(zero)}</td>
                  <td>
                    <Bar share={zero ?? 0} />
                  </td>
                  <td>{number(mean)}</td>
                  <td>{number(deviation)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      ) : null}
    </div>
  )
}

interface HistogramAnswer {
  readonly total: number
  readonly events: readonly HistogramEvent[]
}

function Histograms({ name }: { readonly name: string }) {
  const answer = useOfRun<HistogramAnswer>('/api/histograms', name)
  const [of, setOf] = useState<'layers' | 'gradients'>('layers')
  const events = answer?.events ?? []
  const paths = [...new Set(events.flatMap((event) => Object.keys(event[of] ?? {})))]
  const both = events.some(({ gradients }) => gradients)
  return (
    <section aria-label="Histograms">
      <header class="section">
        <h2>Histograms of {of === 'layers' ? 'weights' : 'gradients'}</h2>
        {both ? (
          <select aria-label="Of what" value={of} onChange={(event) => setOf(event.currentTarget.value as typeof of)}>
            <option value="layers">weights</option>
            <option value="gradients">gradients</option>
          </select>
        ) : null}
        <span class="legend">
          The newest in front
          {answer && answer.total > events.length ? `; ${events.length} of ${answer.total} epochs` : ''}
        </span>
      </header>
      <div class="charts small">
        {paths.map((path) => (
          <Ridges
            key={path}
            path={path}
            rows={events.flatMap((event) => {
              const histogram = event[of]?.[path]
              return histogram ? [{ epoch: event.epoch, ...histogram }] : []
            })}
          />
        ))}
      </div>
    </section>
  )
}

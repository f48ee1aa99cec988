/**
 * @file The curves of the runs that are chosen: a chart a score, one over another. In: the store. Out: a toolbar and cards.
 */
import { useMemo } from 'preact/hooks'
import type { Axis, Curve } from '../api.js'
import { number, title } from './format.js'
import { type CurvesByRun, useCurves } from './load.js'
import { colourOf } from './palette.js'
import { type Line, Plot, type PlotProps } from './plot.js'
import { set, useStore, type Zoom } from './store.js'

/** Scores by their name without the data they are of: train.loss and validation.loss are drawn in one chart. */
const chartOf = (name: string) => name.replace(/^(train|validation)\./, '')
const firstCharts = ['loss']
const lastCharts = ['learningRate', 'gradientNorm', 'updateNorm', 'samplesPerSecond']
const order = (name: string) =>
  firstCharts.includes(name) ? 0 : lastCharts.includes(name) ? 2 + lastCharts.indexOf(name) : 1

/** Scores that may go over magnitudes; a log scale would tell nothing of an accuracy. */
const logarithmic = /loss|norm|rate|error|perplexity|mse|mae|rmse|nll/i

/** A curve and how it is drawn. */
function linesOf(curve: Curve, several: boolean, dark: boolean, focus: string | undefined): Line[] {
  const part = /^(train|validation)\./.exec(curve.name)?.[1]
  const what = part ?? (curve.name === 'loss' ? 'steps' : '')
  const member = curve.member === undefined ? '' : `network ${curve.member}`
  const label = [several ? curve.run : '', member, what].filter(Boolean).join(' ') || title(curve.name)
  const common = {
    label,
    colour: colourOf(curve.run, dark),
    dash: part === 'validation',
    x: curve.x,
    bold: several && curve.run === focus,
  }
  // The loss of single steps is noise around that of epochs.
  const raw = { ...common, y: curve.y, ...(curve.smooth || curve.name === 'loss' ? { faint: true, bold: false } : {}) }
  if (!curve.smooth) return [raw]
  const smooth = { ...common, y: curve.smooth }
  // Of many runs only one is drawn as it was: others would hide it.
  return several && curve.run !== focus ? [smooth] : [{ ...raw, label: `${label} (raw)` }, smooth]
}

/** The loss of steps, made smooth, goes where that of epochs does, and sooner. */
const toldBetter = (curve: Curve, all: readonly Curve[]) =>
  curve.name === 'train.loss' && all.some(({ run, name, smooth }) => run === curve.run && name === 'loss' && smooth)

interface ChartData {
  readonly name: string
  readonly lines: readonly Line[]
  readonly note: string | undefined
  readonly head: PlotProps['head']
}

export function chartsOf(
  data: CurvesByRun,
  shown: readonly string[],
  focus: string | undefined,
  dark: boolean,
): ChartData[] {
  const byChart = new Map<string, Curve[]>()
  for (const run of shown)
    for (const curve of data.get(run) ?? []) {
      const chart = chartOf(curve.name)
      byChart.set(chart, [...(byChart.get(chart) ?? []), curve])
    }
  return [...byChart]
    .sort(([a], [b]) => order(a) - order(b) || a.localeCompare(b))
    .map(([name, curves]) => {
      const bad = curves.filter(({ notFinite }) => notFinite > 0)
      const [first] = bad
      const of = curves.filter(({ run }) => run === (shown.includes(focus ?? '') ? focus : shown[0]))
      const main = of.find((curve) => curve.name.startsWith('validation.')) ?? of.at(-1)
      const last = main?.y.findLast((value) => value !== null)
      return {
        name,
        lines: curves
          .filter((curve) => !toldBetter(curve, curves))
          .flatMap((curve) => linesOf(curve, shown.length > 1, dark, focus)),
        note: first
          ? `${first.run}: ${first.notFinite} ${first.notFinite === 1 ? 'value is' : 'values are'} not finite, first at step ${first.firstNotFinite}${bad.length > 1 ? `; so it is in ${bad.length - 1} more` : ''}`
          : undefined,
        head:
          main && last !== undefined
            ? { text: number(last), of: `last of ${main.run}, ${main.name}`, colour: colourOf(main.run, dark) }
            : undefined,
      }
    })
}

/** From the first place of any chart to the last, so that one place is below another. */
function rangeOf(charts: readonly ChartData[]): Zoom | undefined {
  const ends = charts.flatMap(({ lines }) => lines.flatMap(({ x }) => (x.length > 0 ? [x[0]!, x.at(-1)!] : [])))
  const [from, to] = [Math.min(...ends), Math.max(...ends)]
  return from < to ? { from, to } : undefined
}

export function CurvesView() {
  const shown = useStore((all) => all.shown)
  const focus = useStore((all) => all.focus)
  const dark = useStore((all) => all.dark)
  const axis = useStore((all) => all.axis)
  const smooth = useStore((all) => all.smooth)
  const log = useStore((all) => all.log)
  const zoom = useStore((all) => all.zoom)
  const points = Math.round(Math.max(150, Math.min(1200, 3600 / Math.max(1, shown.length))))
  const data = useCurves(shown, '/api/curves', {
    axis,
    points,
    smooth: smooth || undefined,
    from: zoom?.from,
    to: zoom?.to,
  })
  const charts = useMemo(() => chartsOf(data, shown, focus, dark), [data, shown, focus, dark])
  const range = useMemo(() => rangeOf(charts), [charts])
  const onZoom = (next: Zoom | undefined) => set({ zoom: next })
  return (
    <div>
      <h2 class="hidden">Curves</h2>
      <Toolbar />
      {shown.length === 0 ? (
        <p class="empty">No run is chosen. Tick some in the list of runs, or press Space on one.</p>
      ) : charts.length === 0 ? (
        <p class="empty">
          {data.size === 0 ? 'Reading…' : 'Nothing has been recorded yet. Curves appear with the first steps.'}
        </p>
      ) : (
        <div class="charts">
          {charts.map((chart) => (
            <Plot
              key={chart.name}
              title={title(chart.name)}
              lines={chart.lines}
              axis={axis}
              log={log && logarithmic.test(chart.name)}
              dark={dark}
              zoom={zoom}
              range={range}
              onZoom={onZoom}
              note={chart.note}
              head={chart.head}
              sync="curves"
            />
          ))}
        </div>
      )}
    </div>
  )
}

const axes: readonly (readonly [Axis, string])[] = [
  ['step', 'Step'],
  ['epoch', 'Epoch'],
  ['time', 'Time'],
]

function Toolbar() {
  const axis = useStore((all) => all.axis)
  const smooth = useStore((all) => all.smooth)
  const log = useStore((all) => all.log)
  const zoom = useStore((all) => all.zoom)
  return (
    <div class="toolbar" role="toolbar" aria-label="How curves are drawn">
      <AxisChoice axis={axis} />
      <label class="slider">
        Smoothing
        <input
          type="range"
          id="smooth"
          min="0"
          max="0.99"
          step="0.01"
          value={smooth}
          onInput={(event) => set({ smooth: Number(event.currentTarget.value) })}
        />
        <output for="smooth">{smooth.toFixed(2)}</output>
      </label>
      <label class="check">
        <input type="checkbox" checked={log} onChange={() => set({ log: !log })} />
        Log scale
      </label>
      <button type="button" disabled={!zoom} onClick={() => set({ zoom: undefined })}>
        Whole range
      </button>
      <span class="legend" aria-hidden="true">
        <i class="solid" /> training <i class="dashed" /> validation
      </span>
    </div>
  )
}

/** The axis is chosen for all views. */
export function AxisChoice({ axis }: { readonly axis: Axis }) {
  return (
    <fieldset class="choice">
      <legend class="hidden">Axis</legend>
      {axes.map(([value, text]) => (
        <label key={value} class={axis === value ? 'on' : ''}>
          <input
            type="radio"
            name="axis"
            value={value}
            checked={axis === value}
            onChange={() => set({ axis: value, zoom: undefined })}
          />
          {text}
        </label>
      ))}
    </fieldset>
  )
}

/**
 * @file A chart of lines in a card, with a table that tells the same. In: lines, each with places and values of its own. Out: a
 * canvas drawn by uPlot; a mouse, a finger or the arrow keys read values off it, dragging makes a part larger.
 */
import { useEffect, useRef, useState } from 'preact/hooks'
import uPlot from 'uplot'
import type { Axis } from '../api.js'
import { duration, number, tick } from './format.js'
import { inks } from './palette.js'
import type { Zoom } from './store.js'

export interface Line {
  readonly label: string
  readonly colour: string
  readonly dash?: boolean
  /** Drawn behind, in less ink. */
  readonly faint?: boolean
  readonly bold?: boolean
  readonly x: readonly number[]
  readonly y: readonly (number | null)[]
}

export interface PlotProps {
  readonly title: string
  readonly lines: readonly Line[]
  readonly axis: Axis
  readonly log?: boolean
  readonly dark: boolean
  readonly zoom?: Zoom | undefined
  /** Of the axis, where several charts are to have the same. */
  readonly range?: Zoom | undefined
  readonly onZoom?: (zoom: Zoom | undefined) => void
  /** A remark under the title, such as values that are no numbers. */
  readonly note?: string | undefined
  /** A value beside the title, and whose it is. */
  readonly head?: { readonly text: string; readonly of: string; readonly colour: string } | undefined
  /** Charts of the same key share the place that is pointed at. */
  readonly sync?: string
}

const height = 208
const mostTableRows = 200
const mostHints = 12
const mostPoints = 12

export const axisValue = (axis: Axis, value: number): string => (axis === 'time' ? duration(value) : number(value))

/** All places in order, and for each line its value there, or undefined: uPlot draws through those. */
export function align(lines: readonly Line[], log: boolean): uPlot.AlignedData {
  const all = new Set<number>()
  for (const { x } of lines) for (const place of x) all.add(place)
  const places = Float64Array.from(all).sort()
  const columns = lines.map(({ x, y }) => {
    const column: (number | null | undefined)[] = new Array(places.length).fill(undefined)
    let at = 0
    for (let i = 0; i < x.length; i++) {
      while (at < places.length && places[at]! < x[i]!) at++
      const value = y[i]!
      column[at] = value !== null && log && value <= 0 ? null : value
    }
    return column
  })
  return [places, ...columns] as unknown as uPlot.AlignedData
}

/** The value of a column at or next to a place. */
function near(column: ArrayLike<number | null | undefined>, at: number): number | undefined {
  for (let d = 0; d < 64; d++)
    for (const i of [at - d, at + d]) {
      const value = column[i]
      if (value !== undefined && value !== null) return value
    }
  return undefined
}

function optionsOf(props: PlotProps, width: number, hint: (plot: uPlot) => void): uPlot.Options {
  const { lines, axis, log = false, dark } = props
  const { text, grid } = inks(dark)
  const font = '11px system-ui, sans-serif'
  const common = { stroke: text, font, grid: { stroke: grid, width: 1 }, ticks: { show: false }, gap: 6 }
  return {
    width,
    height,
    legend: { show: false },
    padding: [8, 10, 0, 0],
    scales: {
      x: { time: false, range: (plot, least, most) => xRange(plot, least, most) },
      // A constant, or one point, has a range of its own.
      y: log ? { distr: 3 } : { range: (_, least, most) => yRange(least, most) },
    },
    axes: [
      {
        ...common,
        size: 26,
        values: (_, splits) => splits.map((v) => (axis === 'time' ? duration(v) : tick(v))),
        space: axis === 'time' ? 80 : 50,
      },
      { ...common, size: 52, values: (_, splits) => splits.map((v) => (v === null ? '' : tick(v))), space: 30 },
    ],
    series: [
      {},
      ...lines.map((line) => ({
        label: line.label,
        stroke: line.colour,
        width: line.faint ? 1 : line.bold ? 2.2 : 1.4,
        alpha: line.faint ? 0.32 : 1,
        ...(line.dash ? { dash: [5, 4] } : {}),
        // A line of few points shows them; more would be a caterpillar.
        points: { show: line.x.length === 1, size: 6 },
        spanGaps: false,
      })),
    ],
    cursor: {
      y: false,
      // A point a line is an element of its own.
      points: { show: lines.length <= mostPoints, size: 6, width: 1 },
      drag: { x: props.onZoom !== undefined, y: false, setScale: false },
      ...(props.sync ? { sync: { key: props.sync, setSeries: false } } : {}),
    },
    hooks: { setCursor: [hint] },
  }
}

const current = new WeakMap<uPlot, Zoom | undefined>()

function xRange(plot: uPlot, least: number | null, most: number | null): [number, number] {
  const zoom = current.get(plot)
  if (zoom) return [zoom.from, zoom.to]
  if (least === null || most === null) return [0, 1]
  return least === most ? [least - 0.5, most + 0.5] : [least, most]
}

function yRange(least: number | null, most: number | null): [number, number] {
  if (least === null || most === null) return [0, 1]
  if (least === most)
    return [least - Math.max(Math.abs(least) * 0.1, 1e-9), most + Math.max(Math.abs(most) * 0.1, 1e-9)]
  const rest = (most - least) * 0.06
  return [least >= 0 && least - rest < 0 ? 0 : least - rest, most + rest]
}

export function Plot(props: PlotProps) {
  const { lines, axis, log = false, dark, range, onZoom, title } = props
  const zoom = props.zoom ?? range
  const place = useRef<HTMLDivElement>(null)
  const hintPlace = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot | undefined>(undefined)
  const newest = useRef(props)
  newest.current = props
  const [asTable, setTable] = useState(false)
  const look = JSON.stringify([
    axis,
    log,
    dark,
    asTable,
    lines.map((l) => [l.label, l.colour, l.dash, l.faint, l.bold, l.x.length === 1]),
  ])

  useEffect(() => {
    if (asTable || !place.current) return
    const box = place.current
    const hint = (made: uPlot) => showHint(made, hintPlace.current, newest.current)
    const made = new uPlot(optionsOf(newest.current, Math.max(80, box.clientWidth), hint), undefined, box)
    current.set(made, newest.current.zoom ?? newest.current.range)
    made.setData(align(newest.current.lines, log))
    made.hooks.setSelect = [
      (drawn) => {
        const { left, width } = drawn.select
        if (width < 4) return
        newest.current.onZoom?.({ from: drawn.posToVal(left, 'x'), to: drawn.posToVal(left + width, 'x') })
        drawn.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false)
      },
    ]
    const observer = new ResizeObserver(() => {
      if (box.clientWidth > 80 && box.clientWidth !== made.width) made.setSize({ width: box.clientWidth, height })
    })
    observer.observe(box)
    plot.current = made
    return () => {
      observer.disconnect()
      made.destroy()
      plot.current = undefined
    }
  }, [look])

  useEffect(() => {
    const made = plot.current
    if (!made || made.series.length !== lines.length + 1) return
    current.set(made, zoom)
    made.setData(align(lines, log))
  }, [lines, zoom, log])

  const keys = (event: KeyboardEvent) => {
    const made = plot.current
    if (!made || made.data[0].length === 0) return
    const places = made.data[0]
    const [low, high] = [made.scales['x']!.min!, made.scales['x']!.max!]
    if (event.key === 'ArrowLeft' || event.key === 'ArrowRight') {
      const now = made.cursor.idx ?? places.length - 1
      const far = event.shiftKey ? 10 : 1
      const next = Math.max(0, Math.min(places.length - 1, now + (event.key === 'ArrowLeft' ? -far : far)))
      made.setCursor({ left: made.valToPos(places[next]!, 'x'), top: 10 })
    } else if (event.key === '+' || event.key === '-') {
      const middle = made.cursor.idx == null ? (low + high) / 2 : places[made.cursor.idx]!
      const half = ((high - low) / 2) * (event.key === '+' ? 0.5 : 2)
      onZoom?.({ from: middle - half, to: middle + half })
    } else if (event.key === '0') onZoom?.(undefined)
    else return
    event.preventDefault()
    event.stopPropagation()
  }

  return (
    <figure class="card plot" data-plot={title}>
      <figcaption>
        <h3>{title}</h3>
        <span class="head" title={props.head?.of} style={{ '--colour': props.head?.colour }}>
          {props.head?.text}
        </span>
        <button type="button" class="small" aria-pressed={asTable} onClick={() => setTable(!asTable)}>
          table<span class="hidden"> of {title}</span>
        </button>
      </figcaption>
      {asTable ? (
        <LinesTable lines={lines} axis={axis} title={title} />
      ) : (
        // biome-ignore lint/a11y/useSemanticElements: no element is a chart
        <div
          class="canvas"
          role="group"
          aria-roledescription="chart"
          aria-label={`${title}: ${describe(lines)}. Arrow keys read values.`}
          // biome-ignore lint/a11y/noNoninteractiveTabindex: arrow keys read values off the chart
          tabIndex={0}
          onKeyDown={keys}
          onDblClick={() => onZoom?.(undefined)}
          onBlur={() => plot.current?.setCursor({ left: -10, top: -10 })}
        >
          <div ref={place} />
          <div ref={hintPlace} class="hint" hidden aria-live="polite" />
        </div>
      )}
      {props.note ? <p class="note">{props.note}</p> : null}
    </figure>
  )
}

const lastOf = (line: Line) => line.y.findLast((value) => value !== null)

const describe = (lines: readonly Line[]) =>
  lines
    .filter((line) => !line.faint)
    .slice(0, 8)
    .map((line) => `${line.label} last ${number(lastOf(line))}`)
    .join('; ') || 'no values yet'

/** What stands at the place pointed at; written without Preact, since it changes with every move of the mouse. */
function showHint(plot: uPlot, box: HTMLDivElement | null, { lines, axis }: PlotProps): void {
  const { idx, left = -1 } = plot.cursor
  if (!box) return
  // Charts that follow another show the place only: thirty lists of values would be slow, and nobody reads them.
  if (idx == null || left < 0 || !box.parentElement?.matches(':hover, :focus')) {
    box.hidden = true
    return
  }
  const rows = lines.flatMap((line, i) => {
    const value = line.faint && lines.length > 2 ? undefined : near(plot.data[i + 1]!, idx)
    return value === undefined ? [] : [{ line, value }]
  })
  const row = (text: string, value: string, colour?: string) => {
    const one = document.createElement('div')
    const name = document.createElement('span')
    name.textContent = text
    if (colour) name.style.setProperty('--colour', colour)
    const count = document.createElement('b')
    count.textContent = value
    one.append(name, count)
    return one
  }
  rows.sort((a, b) => b.value - a.value)
  const more = rows.length - mostHints
  box.replaceChildren(
    row(axis, axisValue(axis, plot.data[0][idx]!)),
    ...rows.slice(0, mostHints).map(({ line, value }) => row(line.label, number(value), line.colour)),
    ...(more > 0 ? [row(`and ${more} more`, '')] : []),
  )
  box.hidden = false
  const onRight = left > plot.bbox.width / devicePixelRatio / 2
  box.classList.toggle('left', onRight)
}

function LinesTable({
  lines,
  axis,
  title,
}: {
  readonly lines: readonly Line[]
  readonly axis: Axis
  readonly title: string
}) {
  const [places, ...columns] = align(lines, false) as unknown as [Float64Array, ...(number | null | undefined)[][]]
  const from = Math.max(0, places.length - mostTableRows)
  const rows = Array.from({ length: places.length - from }, (_, i) => places.length - 1 - i)
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, by keys too
    <section class="scroll table" tabIndex={0} aria-label={`Table of ${title}`}>
      <table>
        <caption class="hidden">
          {title}, the newest first{from > 0 ? `, the last ${mostTableRows} of ${places.length} places` : ''}
        </caption>
        <thead>
          <tr>
            <th scope="col">{axis}</th>
            {lines.map((line) => (
              <th scope="col" key={line.label}>
                {line.label}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((i) => (
            <tr key={places[i]}>
              <th scope="row">
                <data value={String(places[i])}>{axisValue(axis, places[i]!)}</data>
              </th>
              {columns.map((column, j) => (
                <td key={lines[j]!.label}>
                  {column[i] === undefined ? '' : <data value={String(column[i])}>{number(column[i])}</data>}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  )
}

/** @file The losses of one or two trainings by epoch. In: their snapshots. Out: a chart, and its last values in words. */
import { useEffect, useRef } from 'preact/hooks'
import uPlot from 'uplot'
import type { Snapshot } from '../lesson/training.js'
import { paletteOf } from './palette.js'

/** At most so many places: of more, every second, every third. */
const mostPlaces = 600

export interface Curve {
  readonly name: string
  readonly snapshot: Snapshot | undefined
}

function dataOf(curves: readonly Curve[]): uPlot.AlignedData {
  const longest = Math.max(0, ...curves.map(({ snapshot }) => snapshot?.epochs.length ?? 0))
  const stride = Math.max(1, Math.ceil(longest / mostPlaces))
  const places: number[] = []
  for (let epoch = 1; epoch <= longest; epoch += stride) places.push(epoch)
  if (longest > 0 && places.at(-1) !== longest) places.push(longest)
  const value = (one: number | undefined) => (one !== undefined && one > 0 && Number.isFinite(one) ? one : null)
  return [
    places,
    ...curves.flatMap(({ snapshot }) => [
      places.map((epoch) => value(snapshot?.epochs[epoch - 1]?.train)),
      places.map((epoch) => value(snapshot?.epochs[epoch - 1]?.validation)),
    ]),
  ] as uPlot.AlignedData
}

export function Curves({ curves, isDark }: { readonly curves: readonly Curve[]; readonly isDark: boolean }) {
  const place = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot>(undefined)
  const names = curves.map(({ name }) => name).join()
  useEffect(() => {
    const { faint, grid, lines } = paletteOf(isDark)
    const element = place.current!
    const axis = {
      stroke: faint,
      font: '11px system-ui, sans-serif',
      grid: { stroke: grid, width: 1 },
      ticks: { show: false },
      gap: 6,
    }
    const made = new uPlot(
      {
        width: Math.max(220, element.clientWidth),
        height: 230,
        legend: { show: false },
        cursor: { drag: { x: false, y: false } },
        scales: { x: { time: false }, y: { distr: 3 } },
        axes: [
          { ...axis, label: 'epoch', labelSize: 18, labelFont: axis.font },
          {
            ...axis,
            size: 52,
            values: (_, values) => values.map((one) => (one === null ? '' : String(Number(one.toPrecision(2))))),
          },
        ],
        series: [
          {},
          ...curves.flatMap((_, i) => [
            { stroke: lines[i]!, width: 2, points: { show: false } },
            { stroke: lines[i]!, width: 2, dash: [5, 4], points: { show: false } },
          ]),
        ],
      },
      dataOf(curves),
      element,
    )
    plot.current = made
    const observer = new ResizeObserver(() => made.setSize({ width: Math.max(220, element.clientWidth), height: 230 }))
    observer.observe(element)
    return () => {
      observer.disconnect()
      made.destroy()
    }
  }, [isDark, names])
  useEffect(() => plot.current?.setData(dataOf(curves)), [curves])
  const { lines } = paletteOf(isDark)
  return (
    <figure class="curves">
      <figcaption>
        Loss
        {curves.map(({ name }, i) => (
          <span key={name} class="key" style={{ '--colour': lines[i] }}>
            {name} <i aria-hidden="true" /> training <i class="dashed" aria-hidden="true" /> validation
          </span>
        ))}
      </figcaption>
      <div ref={place} aria-hidden="true" />
    </figure>
  )
}

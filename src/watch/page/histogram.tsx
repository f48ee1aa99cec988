/**
 * @file Histograms over time, one behind another, as ridges. In: bins by epoch, the oldest first. Out: a picture in SVG with its
 * table of quantiles.
 */
import { useMemo, useState } from 'preact/hooks'
import type { Histogram } from '../../train/events.js'
import { number, tick } from './format.js'

export interface Ridge extends Histogram {
  readonly epoch: number
}

const [width, height] = [300, 150]
const [top, bottom, ridgeHeight] = [44, 132, 40]

/** The value below which a share of the counts lies, linear within a bin. */
export function quantile({ edges, counts }: Histogram, share: number): number {
  const all = counts.reduce((sum, count) => sum + count, 0)
  let below = 0
  for (const [i, count] of counts.entries()) {
    if (count > 0 && below + count >= share * all)
      return edges[i]! + ((share * all - below) / count) * (edges[i + 1]! - edges[i]!)
    below += count
  }
  return edges.at(-1) ?? Number.NaN
}

export function Ridges({ path, rows }: { readonly path: string; readonly rows: readonly Ridge[] }) {
  const [asTable, setTable] = useState(false)
  const { low, high, shapes } = useMemo(() => shapesOf(rows), [rows])
  const last = rows.at(-1)
  return (
    <figure class="card ridges">
      <figcaption>
        <h3>{path}</h3>
        <button type="button" class="small" aria-pressed={asTable} onClick={() => setTable(!asTable)}>
          table<span class="hidden"> of {path}</span>
        </button>
      </figcaption>
      {asTable ? (
        <Quantiles path={path} rows={rows} />
      ) : (
        <svg
          viewBox={`0 0 ${width} ${height}`}
          role="img"
          aria-label={
            last
              ? `Weights of ${path} over ${rows.length} epochs; the middle half now from ${number(quantile(last, 0.25))} to ${number(quantile(last, 0.75))}`
              : path
          }
        >
          {shapes.map(({ epoch, d }, i) => (
            <path key={epoch} d={d} class="ridge" style={{ opacity: 0.35 + (0.65 * (i + 1)) / shapes.length }}>
              <title>epoch {epoch}</title>
            </path>
          ))}
          <text x="6" y={height - 5}>
            {tick(Number(low.toPrecision(3)))}
          </text>
          <text x={width / 2} y={height - 5} text-anchor="middle">
            {low < 0 && high > 0 ? '' : tick(Number(((low + high) / 2).toPrecision(3)))}
          </text>
          <text x={width - 6} y={height - 5} text-anchor="end">
            {tick(Number(high.toPrecision(3)))}
          </text>
          <text x={width - 6} y={top - 30} text-anchor="end">
            epoch {rows[0]?.epoch} … {last?.epoch}
          </text>
        </svg>
      )}
    </figure>
  )
}

function shapesOf(rows: readonly Ridge[]) {
  const finite = rows.filter(({ edges, counts }) => counts.length > 0 && edges.every(Number.isFinite))
  const low = Math.min(...finite.map(({ edges }) => edges[0]!))
  const high = Math.max(...finite.map(({ edges }) => edges.at(-1)!))
  // Bins are as wide as they like: what is drawn is the density.
  const densities = finite.map(({ edges, counts }) => {
    const all = counts.reduce((sum, count) => sum + count, 0) || 1
    return counts.map((count, i) => count / all / (edges[i + 1]! - edges[i]! || 1))
  })
  const most = Math.max(...densities.map((density) => Math.max(...density)), 1e-300)
  const x = (value: number) => 6 + ((width - 12) * (value - low)) / (high - low || 1)
  const shapes = finite.map(({ epoch, edges }, i) => {
    const y = finite.length > 1 ? top + ((bottom - top) * i) / (finite.length - 1) : bottom
    const points = densities[i]!.map(
      (density, j) =>
        `L${x((edges[j]! + edges[j + 1]!) / 2).toFixed(1)} ${(y - (ridgeHeight * density) / most).toFixed(1)}`,
    )
    return {
      epoch,
      d: `M${x(edges[0]!).toFixed(1)} ${y.toFixed(1)}${points.join('')}L${x(edges.at(-1)!).toFixed(1)} ${y.toFixed(1)}Z`,
    }
  })
  return { low: Number.isFinite(low) ? low : 0, high: Number.isFinite(high) ? high : 0, shapes }
}

const shares = [0.05, 0.25, 0.5, 0.75, 0.95]

function Quantiles({ path, rows }: { readonly path: string; readonly rows: readonly Ridge[] }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, by keys too
    <section class="scroll table" tabIndex={0} aria-label={`Quantiles of ${path}`}>
      <table>
        <thead>
          <tr>
            <th scope="col">epoch</th>
            {shares.map((share) => (
              <th scope="col" key={share}>
                {100 * share} %
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.toReversed().map((row) => (
            <tr key={row.epoch}>
              <th scope="row">{row.epoch}</th>
              {shares.map((share) => (
                <td key={share}>{number(quantile(row, share))}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  )
}

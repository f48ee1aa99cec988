/** @file What happens in each layer: the norm of its gradient, and what it gives. In: a snapshot. Out: a table with small drawings. */
import { short } from '../lesson/chapter.js'
import type { Settings } from '../lesson/settings.js'
import type { LayerState, Snapshot } from '../lesson/training.js'

function Histogram({ activations }: { readonly activations: NonNullable<LayerState['activations']> }) {
  const { histogram } = activations
  const most = Math.max(1, ...histogram)
  return (
    <svg
      class="histogram"
      viewBox="0 0 96 24"
      role="img"
      aria-label={`mean ${short(activations.mean)}, deviation ${short(activations.deviation)}`}
    >
      {histogram.map((count, i) => (
        <rect key={i} x={4 * i} y={24 - (24 * count) / most} width={3.4} height={(24 * count) / most} />
      ))}
    </svg>
  )
}

/** The bars go by the logarithm: six decades from the largest down. */
const decades = 6

export function Layers({
  settings,
  snapshot,
}: {
  readonly settings: Settings
  readonly snapshot: Snapshot | undefined
}) {
  if (!snapshot) return null
  const norms = snapshot.layers.map(({ gradientNorm }) => gradientNorm)
  const largest = Math.max(...norms.filter((norm) => Number.isFinite(norm)), 1e-12)
  return (
    <table class="by-layer">
      <caption>Layers, from the input on</caption>
      <thead>
        <tr>
          <th scope="col">Layer</th>
          <th scope="col">Gradient’s norm</th>
          <th scope="col">Activations</th>
          <th scope="col">Always 0</th>
        </tr>
      </thead>
      <tbody>
        {snapshot.layers.map(({ gradientNorm, activations }, i) => {
          const share = Math.max(0, 1 + Math.log10(gradientNorm / largest) / decades)
          const layer = settings.network.layers[i]
          return (
            <tr key={i}>
              <th scope="row">
                {layer
                  ? `${i + 1}: ${layer.width} ${layer.activation === 'relu' ? 'ReLU' : layer.activation}`
                  : 'output'}
              </th>
              <td>
                <span class="bar" style={{ '--share': Number.isFinite(share) ? share : 0 }}>
                  {Number.isFinite(gradientNorm) ? gradientNorm.toExponential(1) : '–'}
                </span>
              </td>
              <td>{activations && <Histogram activations={activations} />}</td>
              <td>{activations ? `${Math.round(100 * activations.dead)} %` : ''}</td>
            </tr>
          )
        })}
      </tbody>
    </table>
  )
}

/** @file A loss of two parameters with paths of descent on it. In: a surface's name, paths. Out: a drawing on a canvas. */
import { useEffect, useRef } from 'preact/hooks'
import { type Path, type SurfaceName, surfaces } from '../lesson/surface.js'
import { paletteOf, rgb } from './palette.js'

const side = 340
const bands = 14

/** Heights over the view, which never change. */
const grids = new Map<
  SurfaceName,
  { readonly n: number; readonly heights: Float32Array; readonly low: number; readonly high: number }
>()
function gridOf(name: SurfaceName) {
  const known = grids.get(name)
  if (known) return known
  const { view, height } = surfaces[name]
  const n = 120
  const at = ([low, high]: readonly [number, number], i: number) => low + ((high - low) * i) / (n - 1)
  const heights = Float32Array.from({ length: n * n }, (_, i) =>
    height(at(view[0], i % n), at(view[1], Math.floor(i / n))),
  )
  const logs = heights.map((one) => Math.log(one + 1e-3))
  const grid = { n, heights: logs, low: Math.min(...logs), high: Math.max(...logs) }
  grids.set(name, grid)
  return grid
}

export interface NamedPath {
  readonly label: string
  readonly path: Path
}

export function Surface(props: {
  readonly name: SurfaceName
  readonly paths: readonly NamedPath[]
  readonly isDark: boolean
}) {
  const { name, paths, isDark } = props
  const canvas = useRef<HTMLCanvasElement>(null)
  const { lines } = paletteOf(isDark)
  useEffect(() => {
    const element = canvas.current!
    const scale = Math.min(3, devicePixelRatio || 1)
    element.width = element.height = side * scale
    const context = element.getContext('2d')!
    context.scale(scale, scale)
    const palette = paletteOf(isDark)
    const { n, heights, low, high } = gridOf(name)
    const image = new ImageData(n, n)
    for (let i = 0; i < n * n; i++) {
      const band = Math.floor((bands * (heights[i]! - low)) / (high - low + 1e-9)) / bands
      const at = 4 * ((n - 1 - Math.floor(i / n)) * n + (i % n))
      const strength = 0.04 + 0.3 * (1 - band)
      for (let c = 0; c < 3; c++)
        image.data[at + c] = palette.ground[c]! + strength * (palette.classes[0][c]! - palette.ground[c]!)
      image.data[at + 3] = 255
    }
    const small = document.createElement('canvas')
    small.width = small.height = n
    small.getContext('2d')!.putImageData(image, 0, 0)
    context.drawImage(small, 0, 0, side, side)
    const { view } = surfaces[name]
    const x = (value: number) => (side * (value - view[0][0])) / (view[0][1] - view[0][0])
    const y = (value: number) => side - (side * (value - view[1][0])) / (view[1][1] - view[1][0])
    for (const [i, { path }] of paths.entries()) {
      context.strokeStyle = palette.lines[i % palette.lines.length]!
      context.fillStyle = context.strokeStyle
      context.lineWidth = 1.6
      context.beginPath()
      for (const [a, b] of path.places) context.lineTo(x(a), y(b))
      context.stroke()
      for (const [j, [a, b]] of path.places.entries()) {
        const isEnd = j === path.places.length - 1
        if (!isEnd && path.places.length > 200 && j % 5 > 0) continue
        context.beginPath()
        context.arc(x(a), y(b), isEnd ? 4.5 : 1.8, 0, 7)
        context.fill()
      }
    }
    const start = surfaces[name].start
    context.beginPath()
    context.arc(x(start[0]), y(start[1]), 5, 0, 7)
    context.fillStyle = rgb(palette.ground)
    context.strokeStyle = palette.ink
    context.fill()
    context.stroke()
  }, [name, paths, isDark])
  const words = paths.map(
    ({ label, path }) =>
      `${label}: from ${path.heights[0]!.toPrecision(2)} to ${path.heights.at(-1)!.toPrecision(2)} in ${path.places.length - 1} updates`,
  )
  return (
    <figure class="surface">
      <canvas
        ref={canvas}
        role="img"
        aria-label={`The loss over two parameters, darker where it is lower. ${words.join('; ')}.`}
      />
      <figcaption>
        {paths.map(({ label }, i) => (
          <span key={label} class="key" style={{ '--colour': lines[i % lines.length] }}>
            <i aria-hidden="true" /> {label}
          </span>
        ))}
      </figcaption>
    </figure>
  )
}

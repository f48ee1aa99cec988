/** @file What a network says of every place, with the samples on it. In: data and a snapshot. Out: a drawing on a canvas. */
import { useEffect, useRef } from 'preact/hooks'
import { curveOf, reach } from '../lesson/data.js'
import type { DataKind } from '../lesson/settings.js'
import { type Palette, paletteOf, rgb } from './palette.js'
import type { Shown } from './store.js'

const side = 360
const toCanvas = (value: number) => ((value / reach + 1) / 2) * side

function drawPlane(context: CanvasRenderingContext2D, { data, snapshot }: Shown, palette: Palette): void {
  if (snapshot) {
    const n = snapshot.side
    const image = new ImageData(n, n)
    for (let row = 0; row < n; row++)
      for (let column = 0; column < n; column++) {
        const p = snapshot.picture[row * n + column]!
        // From one class's colour over the ground to the other's: the surer, the stronger.
        const strength = 0.75 * Math.min(1, Math.abs(2 * p - 1))
        const colour = palette.classes[p < 0.5 ? 0 : 1]
        const at = 4 * ((n - 1 - row) * n + column)
        for (let c = 0; c < 3; c++)
          image.data[at + c] = palette.ground[c]! + strength * (colour[c]! - palette.ground[c]!)
        image.data[at + 3] = Number.isFinite(p) ? 255 : 0
      }
    const small = document.createElement('canvas')
    small.width = n
    small.height = n
    small.getContext('2d')!.putImageData(image, 0, 0)
    context.imageSmoothingEnabled = true
    context.imageSmoothingQuality = 'high'
    context.drawImage(small, 0, 0, side, side)
  }
  for (const [samples, isTrain] of [
    [data.validation, false],
    [data.train, true],
  ] as const)
    for (let i = 0; i < samples.count; i++) {
      context.beginPath()
      context.arc(
        toCanvas(samples.inputs[2 * i]!),
        side - toCanvas(samples.inputs[2 * i + 1]!),
        isTrain ? 3.4 : 2.6,
        0,
        7,
      )
      const colour = rgb(palette.classes[samples.targets[i] === 0 ? 0 : 1])
      context.lineWidth = 1.2
      context.fillStyle = isTrain ? colour : rgb(palette.ground)
      context.strokeStyle = isTrain ? rgb(palette.ground) : colour
      context.fill()
      context.stroke()
    }
}

function drawCurve(
  context: CanvasRenderingContext2D,
  { data, snapshot }: Shown,
  kind: DataKind,
  palette: Palette,
): void {
  context.strokeStyle = palette.grid
  for (const value of [-1, 0, 1]) {
    context.beginPath()
    context.moveTo(0, side - toCanvas(value))
    context.lineTo(side, side - toCanvas(value))
    context.moveTo(toCanvas(value), 0)
    context.lineTo(toCanvas(value), side)
    context.stroke()
  }
  for (const [samples, isTrain] of [
    [data.validation, false],
    [data.train, true],
  ] as const)
    for (let i = 0; i < samples.count; i++) {
      context.beginPath()
      context.arc(toCanvas(samples.inputs[i]!), side - toCanvas(samples.targets[i]!), 3, 0, 7)
      context.fillStyle = context.strokeStyle = rgb(palette.classes[0])
      context.globalAlpha = 0.65
      if (isTrain) context.fill()
      else context.stroke()
      context.globalAlpha = 1
    }
  const line = (height: (x: number) => number, colour: string, dash: number[], width: number) => {
    context.beginPath()
    for (let i = 0; i <= 120; i++) {
      const x = reach * (i / 60 - 1)
      context.lineTo(toCanvas(x), side - toCanvas(height(x)))
    }
    context.setLineDash(dash)
    context.lineWidth = width
    context.strokeStyle = colour
    context.stroke()
    context.setLineDash([])
  }
  const truth = curveOf(kind)
  if (truth) line(truth, palette.faint, [4, 4], 1.2)
  if (snapshot) line((x) => snapshot.picture[Math.round(60 * (x / reach + 1))]!, rgb(palette.classes[1]), [], 2.5)
}

export function Picture(props: {
  readonly shown: Shown
  readonly kind: DataKind
  readonly isDark: boolean
  readonly label: string
}) {
  const { shown, kind, isDark, label } = props
  const canvas = useRef<HTMLCanvasElement>(null)
  useEffect(() => {
    const element = canvas.current!
    const scale = Math.min(3, devicePixelRatio || 1)
    element.width = element.height = side * scale
    const context = element.getContext('2d')!
    context.scale(scale, scale)
    const palette = paletteOf(isDark)
    context.fillStyle = rgb(palette.ground)
    context.fillRect(0, 0, side, side)
    if (shown.data.isClasses) drawPlane(context, shown, palette)
    else drawCurve(context, shown, kind, palette)
  }, [shown, kind, isDark])
  return <canvas class="picture" ref={canvas} role="img" aria-label={label} />
}

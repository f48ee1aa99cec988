/** @file Digits: a network that learns MNIST in the page, and says what a drawing is. In: strokes of mouse, finger or pen. Out: the view. */
import { useEffect, useRef, useState } from 'preact/hooks'
import type { DigitNetwork, DigitProgress } from '../lesson/digits.js'
import { asMnist, side } from '../lesson/drawing.js'
import type { DigitAnswer, DigitRequest } from '../worker/digits-messages.js'
import { Choice } from './field.js'

/** Of the drawing, in its own pixels. */
const size = 280
const pen = 20

let worker: Worker | undefined
const listeners = new Set<(answer: DigitAnswer) => void>()
/** Made when digits are first looked at, and kept. */
function ask(request: DigitRequest): void {
  if (!worker) {
    worker = new Worker(new URL('digits-worker.js', import.meta.url), { type: 'module' })
    worker.addEventListener('message', ({ data }: MessageEvent<DigitAnswer>) => {
      for (const listener of listeners) listener(data)
    })
    worker.addEventListener('error', ({ message }) => {
      for (const listener of listeners)
        listener({ kind: 'failed', message: message || 'the worker could not be started' })
    })
  }
  worker.postMessage(request)
}

interface Seen {
  readonly image: Uint8Array
  readonly shares: readonly number[]
}

/** An image of 28 × 28 bytes, enlarged. */
function Small({ image, label }: { readonly image: Uint8Array; readonly label: string }) {
  const canvas = useRef<HTMLCanvasElement>(null)
  useEffect(() => {
    const data = new ImageData(side, side)
    for (const [i, value] of image.entries()) {
      data.data[4 * i] = data.data[4 * i + 1] = data.data[4 * i + 2] = value
      data.data[4 * i + 3] = 255
    }
    canvas.current!.getContext('2d')!.putImageData(data, 0, 0)
  }, [image])
  return <canvas class="small" ref={canvas} width={side} height={side} role="img" aria-label={label} />
}

function Shares({ seen }: { readonly seen: Seen | undefined }) {
  const best = seen ? seen.shares.indexOf(Math.max(...seen.shares)) : -1
  return (
    <table class="shares" data-test="shares" data-best={best}>
      <caption>What the network says</caption>
      <tbody>
        {Array.from({ length: 10 }, (_, digit) => (
          <tr key={digit} class={digit === best ? 'best' : ''}>
            <th scope="row">{digit}</th>
            <td>
              <span class="bar" style={{ '--share': seen?.shares[digit] ?? 0 }}>
                {seen ? `${(100 * seen.shares[digit]!).toFixed(1)} %` : '–'}
              </span>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

/** Strokes on a canvas: `onDraw` gets the pixels after each. */
function Pad({ clears, onDraw }: { readonly clears: number; readonly onDraw: (pixels: Uint8Array) => void }) {
  const canvas = useRef<HTMLCanvasElement>(null)
  const last = useRef<readonly [number, number]>(undefined)
  useEffect(() => {
    const context = canvas.current!.getContext('2d', { willReadFrequently: true })!
    context.fillStyle = '#000'
    context.fillRect(0, 0, size, size)
  }, [clears])
  const place = (event: PointerEvent): readonly [number, number] => {
    const { left, top, width } = canvas.current!.getBoundingClientRect()
    return [((event.clientX - left) * size) / width, ((event.clientY - top) * size) / width]
  }
  const stroke = (from: readonly [number, number], to: readonly [number, number]) => {
    const context = canvas.current!.getContext('2d', { willReadFrequently: true })!
    context.strokeStyle = '#fff'
    context.lineWidth = pen
    context.lineCap = context.lineJoin = 'round'
    context.beginPath()
    context.moveTo(...(from as [number, number]))
    context.lineTo(...(to as [number, number]))
    context.stroke()
  }
  const say = () => {
    const { data } = canvas.current!.getContext('2d', { willReadFrequently: true })!.getImageData(0, 0, size, size)
    onDraw(Uint8Array.from({ length: size * size }, (_, i) => data[4 * i]!))
  }
  return (
    <canvas
      class="pad"
      ref={canvas}
      width={size}
      height={size}
      role="img"
      aria-label="Draw a digit here with a mouse, a finger or a pen"
      data-test="pad"
      onPointerDown={(event) => {
        canvas.current!.setPointerCapture(event.pointerId)
        last.current = place(event)
        stroke(last.current, last.current)
      }}
      onPointerMove={(event) => {
        if (!last.current) return
        const to = place(event)
        stroke(last.current, to)
        last.current = to
      }}
      onPointerUp={() => {
        last.current = undefined
        say()
      }}
      onPointerCancel={() => {
        last.current = undefined
      }}
    />
  )
}

export function DigitsView() {
  const [network, setNetwork] = useState<DigitNetwork>('convolution')
  const [progress, setProgress] = useState<DigitProgress>()
  const [pace, setPace] = useState(Number.NaN)
  const [images, setImages] = useState<number>()
  const [playing, setPlaying] = useState(false)
  const [seen, setSeen] = useState<Seen>()
  const [truth, setTruth] = useState<number>()
  const [failure, setFailure] = useState<string>()
  const [clears, setClears] = useState(0)
  const image = useRef<Uint8Array>(undefined)
  const recognise = (next: Uint8Array | undefined) => {
    image.current = next
    if (next) ask({ kind: 'recognise', image: next })
    else setSeen(undefined)
  }
  useEffect(() => {
    const listener = (answer: DigitAnswer) => {
      if (answer.kind === 'ready') setImages(answer.images)
      else if (answer.kind === 'progress') {
        setProgress(answer.progress)
        setPace(answer.samplesPerSecond)
        if (image.current) ask({ kind: 'recognise', image: image.current })
      } else if (answer.kind === 'paused') setPlaying(false)
      else if (answer.kind === 'recognised') setSeen(answer)
      else if (answer.kind === 'sampled') {
        setTruth(answer.label)
        recognise(answer.image)
      } else {
        setFailure(answer.message)
        setPlaying(false)
      }
    }
    listeners.add(listener)
    ask({ kind: 'start', network, seed: 1 })
    return () => {
      ask({ kind: 'pause' })
      listeners.delete(listener)
    }
  }, [network])
  const percent = progress ? `${(100 * progress.accuracy).toFixed(1)} %` : '–'
  return (
    <main class="digits">
      <h2>Draw a digit</h2>
      <p>
        This page has {images ? `${(images - 1000).toLocaleString('en')} of MNIST’s` : 'some thousand of MNIST’s'}{' '}
        handwritten digits to learn from, and 1,000 others to be tested with. Train the network, then draw: your drawing
        is cut out, made 20 pixels high and centred by its mass, as MNIST’s digits are.
      </p>
      <div class="buttons">
        <button
          type="button"
          class="main"
          disabled={!images}
          data-test="play"
          onClick={() => {
            setPlaying(!playing)
            ask({ kind: playing ? 'pause' : 'play' })
          }}
        >
          {playing ? 'Pause' : 'Train'}
        </button>
        <Choice<DigitNetwork>
          label="Network"
          value={network}
          options={[
            ['convolution', 'convolutions'],
            ['dense', 'one dense hidden layer'],
          ]}
          onChange={(value) => {
            setPlaying(false)
            setNetwork(value)
          }}
        />
        {failure && (
          <p class="failure" role="alert">
            {failure}
          </p>
        )}
      </div>
      <dl class="numbers">
        <div>
          <dt>right, of 1,000 not learned from</dt>
          <dd data-test="accuracy">{percent}</dd>
        </div>
        <div>
          <dt>digits seen</dt>
          <dd data-test="samples">{progress ? progress.samples.toLocaleString('en') : '–'}</dd>
        </div>
        <div>
          <dt>a second</dt>
          <dd>{Number.isFinite(pace) ? Math.round(pace).toLocaleString('en') : '–'}</dd>
        </div>
        <div>
          <dt>parameters</dt>
          <dd>{progress ? progress.parameters.toLocaleString('en') : '–'}</dd>
        </div>
      </dl>
      <div class="drawing">
        <figure>
          <Pad
            clears={clears}
            onDraw={(pixels) => {
              setTruth(undefined)
              recognise(asMnist(pixels, size))
            }}
          />
          <div class="buttons">
            <button
              type="button"
              data-test="clear"
              onClick={() => {
                setClears(clears + 1)
                setTruth(undefined)
                recognise(undefined)
              }}
            >
              Clear
            </button>
            <button type="button" onClick={() => ask({ kind: 'sample' })}>
              Take one of MNIST’s
            </button>
          </div>
        </figure>
        <figure class="seen">
          {seen ? <Small image={seen.image} label="What the network sees" /> : <div class="small" />}
          <figcaption>{truth === undefined ? 'What the network sees' : `MNIST’s: a ${truth}`}</figcaption>
        </figure>
        <Shares seen={seen} />
      </div>
      <p class="hidden" role="status">
        {playing ? 'Training.' : progress ? `${percent} of the test digits are right.` : ''}
        {seen ? ` The network says ${seen.shares.indexOf(Math.max(...seen.shares))}.` : ''}
      </p>
    </main>
  )
}

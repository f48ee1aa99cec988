/**
 * @file The worker of the digits: loads the images, trains, recognises drawings while it does. In: requests. Out: progress, shares.
 */
import { setThreadScript } from 'gradus'
import { uniform } from '../lesson/data.js'
import { type DigitImages, DigitTraining } from '../lesson/digits.js'
import { side } from '../lesson/drawing.js'
import type { DigitAnswer, DigitRequest } from './digits-messages.js'

setThreadScript(new URL('gradus-thread.js', import.meta.url))

const say = (answer: DigitAnswer): void => postMessage(answer)
const random = uniform(2026)
let images: Promise<DigitImages> | undefined
let training: DigitTraining | undefined
let playing = false
let turn: Promise<void> = Promise.resolve()

/** digits.bin: labels, then pixels, gzipped. */
async function load(): Promise<DigitImages> {
  const response = await fetch(new URL('digits.bin', import.meta.url))
  if (!response.ok || !response.body)
    throw new Error(`digits.bin cannot be loaded: ${response.status} ${response.statusText}`)
  const stream = response.body.pipeThrough(new DecompressionStream('gzip'))
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer())
  const count = bytes.length / (side * side + 1)
  if (!Number.isInteger(count)) throw new Error(`digits.bin has ${bytes.length} bytes, which is no number of images`)
  return { labels: bytes.subarray(0, count), pixels: bytes.subarray(count) }
}

const { port1, port2 } = new MessageChannel()
const yieldToRequests = (): Promise<void> =>
  new Promise((resolve) => {
    port1.onmessage = () => resolve()
    port2.postMessage(0)
  })

async function play(): Promise<void> {
  let updates = 2
  let shown = 0
  while (playing && training) {
    const mine = training
    const start = performance.now()
    await mine.advance(updates)
    const took = performance.now() - start
    if (took < 20 && updates < 32) updates *= 2
    else if (took > 60 && updates > 1) updates >>= 1
    if (performance.now() - shown > 500) {
      say({ kind: 'progress', progress: await mine.progress(), samplesPerSecond: (32_000 * updates) / took })
      shown = performance.now()
    }
    await yieldToRequests()
  }
  playing = false
  if (training) say({ kind: 'progress', progress: await training.progress(), samplesPerSecond: Number.NaN })
  say({ kind: 'paused' })
}

async function answer(request: DigitRequest): Promise<void> {
  if (request.kind === 'pause') playing = false
  else if (request.kind === 'play') {
    if (playing) return
    playing = true
    turn = turn.then(play).catch(fail)
  } else if (request.kind === 'start') {
    playing = false
    images ??= load()
    const all = await images
    await turn
    training = new DigitTraining(all, request.network, request.seed)
    say({ kind: 'ready', images: all.labels.length })
    say({ kind: 'progress', progress: await training.progress(), samplesPerSecond: Number.NaN })
  } else if (request.kind === 'recognise') {
    if (training) say({ kind: 'recognised', shares: await training.shares(request.image), image: request.image })
  } else {
    const all = await (images ??= load())
    const i = all.labels.length - 1 - Math.floor(1000 * random())
    say({ kind: 'sampled', image: all.pixels.slice(i * side * side, (i + 1) * side * side), label: all.labels[i]! })
  }
}

const fail = (error: unknown): void => {
  images = undefined
  say({ kind: 'failed', message: error instanceof Error ? error.message : String(error) })
}
addEventListener('message', ({ data }: MessageEvent<DigitRequest>) => void answer(data).catch(fail))

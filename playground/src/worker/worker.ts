/**
 * @file The worker in which everything is computed, so that the page stays quick. In: requests. Out: snapshots, some 20 a second,
 * paths and verdicts. Requests are answered one after the other, but a training that plays leaves room between them.
 */
import { chapters } from '../chapters/index.js'
import { descend } from '../lesson/descent.js'
import { Training } from '../lesson/training.js'
import { verify } from '../lesson/verify.js'
import type { Answer, Request, Speed, TrainingId } from './messages.js'

/** Between two snapshots. */
const frame = 50

interface Running {
  readonly training: Training
  /** Updates that take about half a frame. */
  pace: number
}

const trainings = new Map<TrainingId, Running>()
let speed: Speed | undefined
let turn: Promise<void> = Promise.resolve()

const say = (answer: Answer): void => postMessage(answer)
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** Lets the loop of events take a request: a timer of 0 is held back after a few. */
const { port1, port2 } = new MessageChannel()
const yieldToRequests = (): Promise<void> =>
  new Promise((resolve) => {
    port1.onmessage = () => resolve()
    port2.postMessage(0)
  })

async function show(id: TrainingId, running: Running, updatesPerSecond = Number.NaN): Promise<void> {
  say({ kind: 'snapshot', id, snapshot: await running.training.snapshot(), updatesPerSecond })
}

/** Makes some updates with each training; the number that all have made in the time. */
async function advance(running: Running, updates: number, milliseconds: number): Promise<number> {
  const { training } = running
  const start = performance.now()
  let made = 0
  while (made < updates && training.status === 'running' && (made === 0 || performance.now() - start < milliseconds)) {
    const some = Math.min(running.pace, updates - made)
    const before = performance.now()
    made += await training.advance(some)
    const took = performance.now() - before
    if (some === running.pace && took < milliseconds / 4) running.pace = Math.min(512, 2 * running.pace)
    else if (took > milliseconds) running.pace = Math.max(1, running.pace >> 1)
  }
  return made
}

async function play(): Promise<void> {
  for (;;) {
    const all = [...trainings].filter(([, { training }]) => training.status === 'running')
    if (speed === undefined || all.length === 0) break
    const start = performance.now()
    const updates = speed === 'full' ? Number.POSITIVE_INFINITY : Math.max(1, Math.round((speed * frame) / 1000))
    for (const [id, running] of all) {
      const before = performance.now()
      const made = await advance(running, updates, frame / all.length)
      const wait = speed === 'full' ? performance.now() - before : Math.max(1000 / speed, frame)
      if (trainings.get(id) === running) await show(id, running, (1000 * made) / Math.max(wait, 1))
    }
    const least = speed === 1 ? 1000 : speed === 10 ? 100 : frame
    const left = least - (performance.now() - start)
    if (speed !== 'full' && left > 0) await pause(left)
    else await yieldToRequests()
  }
  speed = undefined
  say({ kind: 'paused' })
}

async function answer(request: Request): Promise<void> {
  switch (request.kind) {
    case 'start': {
      const running = { training: new Training(request.settings), pace: 1 }
      trainings.set(request.id, running)
      say({ kind: 'started', id: request.id, data: running.training.data })
      return show(request.id, running)
    }
    case 'step': {
      for (const [id, running] of trainings) {
        const { updatesPerEpoch } = running.training
        await advance(
          running,
          request.updates === 'epoch' ? updatesPerEpoch : request.updates,
          Number.POSITIVE_INFINITY,
        )
        await show(id, running)
      }
      return
    }
    case 'descend':
      return say({ kind: 'path', label: request.label, path: await descend(request.surface, request.settings) })
    case 'verify': {
      const { chapter: id, seed } = request
      const chapter = chapters.find((one) => one.id === id)
      if (!chapter) return say({ kind: 'failed', message: `There is no chapter '${id}'.` })
      const verdict = await verify(chapter, seed, async (label, { epoch }) => {
        say({ kind: 'progress', chapter: id, label, epoch })
        await yieldToRequests()
      })
      return say({ kind: 'verdict', chapter: id, seed, verdict })
    }
    default:
  }
}

addEventListener('message', ({ data }: MessageEvent<Request>) => {
  // These act at once, between two pieces of what goes on.
  if (data.kind === 'pause') speed = undefined
  else if (data.kind === 'stop') trainings.delete(data.id)
  else if (data.kind === 'rate') {
    const running = trainings.get(data.id)
    if (running) running.training.learningRate = data.learningRate
  } else if (data.kind === 'play') {
    const idle = speed === undefined
    speed = data.speed
    if (idle) turn = turn.then(play).catch(fail)
  } else {
    if (data.kind === 'start') speed = undefined
    turn = turn.then(() => answer(data)).catch(fail)
  }
})

const fail = (error: unknown): void =>
  say({ kind: 'failed', message: error instanceof Error ? error.message : String(error) })

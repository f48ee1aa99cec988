/**
 * @file The events of one network of a run, as points in memory. In: events in the order of the file, a resumption's among them.
 * Out: points by step, by epoch and by layer; where in the file the large events are.
 *
 * const log = new NetworkLog(undefined); log.add(event, { offset: 0, length: 80 }, true); log.epochs.last('train.loss')
 */
import type { AnyEvent } from '../io/event-lines.js'
import { isVoid } from '../io/event-scan.js'
import type { EndEvent, ProfileEvent, RunEvent, WarningEvent } from '../train/events.js'
import type { StoredEvents } from './api.js'
import { Points } from './points.js'

export type StoredKind = keyof StoredEvents

/** A line of the file. */
export interface Span {
  readonly offset: number
  readonly length: number
}

/** Where in the file an event is that was not kept. */
export interface Stored extends Span {
  readonly kind: StoredKind
  readonly epoch: number
  readonly step?: number
}

const mostWarnings = 1000
/** Values of step events that have a curve. */
const stepValues = ['loss', 'learningRate', 'samplesPerSecond', 'gradientNorm', 'updateNorm'] as const

export class NetworkLog {
  /** Counts from 1, where a run trains several. */
  readonly member: number | undefined
  readonly steps = new Points()
  readonly epochs = new Points()
  readonly layers = new Points()
  warnings: WarningEvent[] = []
  stored: Stored[] = []
  profile: ProfileEvent | undefined
  end: EndEvent | undefined
  /** Done, as far as any event tells. */
  epoch = 0
  step = 0
  /** The last one, also where step events are not kept. */
  loss: number | undefined
  #first = 0
  #last = 0
  /** Seconds before the last resumption. */
  #before = 0

  constructor(member: number | undefined) {
    this.member = member
  }

  get bytes(): number {
    return this.steps.bytes + this.layers.bytes
  }

  /** Of training, without the time between an end and a resumption. */
  get seconds(): number {
    return this.#before + Math.max(0, this.#last - this.#first) / 1000
  }

  /** `whole`: whether points of steps and layers are to be kept. */
  add(any: AnyEvent, span: Span, whole: boolean): void {
    const event = any as RunEvent
    if (event.kind === 'start') this.#start(any)
    else this.#last = event.time
    if (this.#first === 0) this.#first = event.time
    const { step = this.step, epoch = this.epoch } = any as { step?: number; epoch?: number }
    this.step = Math.max(this.step, step)
    const place = { step, epoch, seconds: this.seconds }
    switch (event.kind) {
      case 'step':
        this.loss = event.loss
        if (whole) this.steps.add(place, stepEntries(event))
        break
      case 'epoch': {
        this.epoch = epoch
        const { learningRate, seconds } = event
        this.epochs.add(place, [
          ...numbers(event.train, 'train.'),
          ...numbers(event.validation, 'validation.'),
          ...numbers({ learningRate, seconds }, 'epoch.'),
        ])
        break
      }
      case 'layers':
        if (whole) this.layers.add(place, layerEntries(event))
        break
      case 'warning':
        this.warnings.push(event)
        // The first ones say what began.
        if (this.warnings.length > mostWarnings) this.warnings.splice(mostWarnings / 2, 1)
        break
      case 'profile':
        this.profile = event
        break
      case 'end':
        this.end = event
        break
      case 'confusion':
      case 'wrong':
      case 'histogram':
        this.stored.push({ kind: event.kind, epoch, ...('step' in event ? { step } : {}), ...span })
    }
  }

  /** The run begins, or goes on from an earlier step than it had reached: what came after that is void. */
  #start(event: AnyEvent): void {
    const { step = 0, epoch = 0, time } = event as { step?: number; epoch?: number; time: number }
    for (const points of [this.steps, this.epochs, this.layers]) points.removeAfter(step)
    const at = { step, epoch }
    const holds = (one: object) => !isVoid(one as AnyEvent, at)
    this.stored = this.stored.filter(holds)
    this.warnings = this.warnings.filter(holds)
    this.end = undefined
    this.#before = Math.max(...[this.steps, this.epochs].map((points) => points.seconds[points.length - 1] ?? 0))
    this.#first = this.#last = time
    this.step = step
    this.epoch = epoch
    this.loss = this.steps.last('loss') ?? this.epochs.last('train.loss')
  }

  /** The place of each step event on an axis of epochs: 2.5 is in the middle of the third. */
  stepEpochs(): Float64Array {
    const ends = this.epochs.steps
    const { steps, epochs } = this.steps
    const places = new Float64Array(steps.length)
    let done = 0
    for (let i = 0; i < steps.length; i++) {
      while (done < ends.length && ends[done]! < steps[i]!) done++
      const start = done > 0 ? ends[done - 1]! : 0
      // Of an epoch under way it is known only that it will be as long as the one before, if there is one.
      const before = done > 0 ? start - (ends[done - 2] ?? 0) : steps[steps.length - 1]!
      const length = done < ends.length ? ends[done]! - start : before
      const first = done > 0 ? this.epochs.epochs[done - 1]! : Math.max(0, (epochs[0] ?? 1) - 1)
      places[i] = first + Math.min(1, (steps[i]! - start) / Math.max(1, length))
    }
    return places
  }

  /** Stored events of a kind, one an epoch: the last of it. */
  storedOf(kind: StoredKind): Stored[] {
    const byEpoch = new Map<number, Stored>()
    for (const one of this.stored) if (one.kind === kind) byEpoch.set(one.epoch, one)
    return [...byEpoch.values()]
  }
}

const numbers = (values: object | undefined, prefix: string): [string, number][] =>
  Object.entries(values ?? {}).flatMap(([name, value]) => (typeof value === 'number' ? [[prefix + name, value]] : []))

function* stepEntries(
  event: { readonly [name in (typeof stepValues)[number]]?: unknown },
): Generator<[string, number]> {
  for (const name of stepValues) {
    const value = event[name]
    if (typeof value === 'number') yield [name, value]
  }
}

/** `gradient/0.weight`, `zero/1`: a measure, and whose it is. */
function* layerEntries({
  layers,
  activations,
}: {
  layers?: object
  activations?: object
}): Generator<[string, number]> {
  for (const part of [layers, activations])
    for (const [path, values] of Object.entries(part ?? {}))
      for (const [measure, value] of numbers(values as object, '')) yield [`${measure}/${path}`, value]
}

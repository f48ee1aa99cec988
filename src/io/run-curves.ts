/**
 * @file The events of one network as curves and tables, in bounded memory. In: events, one by one. Out: points of curves, the last epochs,
 * a few dozen histograms, the last of everything else.
 *
 * const reader = new NetworkReader(undefined, Date.now(), 1000); reader.add(event); reader.content.series['loss']
 */
import type {
  ConfusionEvent,
  EndEvent,
  EpochEvent,
  HistogramEvent,
  ProfileEvent,
  RunEvent,
  WarningEvent,
  WrongEvent,
} from '../train/events.js'
import type { AnyEvent } from './event-lines.js'
import { Series, type SeriesPoints } from './series.js'

/** What happened to one network. */
export interface NetworkContent {
  /** Counts from 1, where a run trains several. */
  readonly member: number | undefined
  /** Of the last event that says so. */
  readonly epoch: number
  readonly step: number
  /** Of the first and of the last event, in milliseconds since 1970. */
  readonly begun: number
  readonly updated: number
  /**
   * Curves by name: loss, learningRate, samplesPerSecond, gradientNorm, updateNorm of steps; train.loss, train.accuracy, validation.loss, ...
   * and seconds of epochs; `gradient 0.weight`, `update 0.weight`, `parameter 0.weight`, and `zero 1`, `mean 1`, `deviation 1` of layers.
   */
  readonly series: { readonly [name: string]: SeriesPoints }
  /** The last ones, as many as a curve has points. */
  readonly epochs: readonly EpochEvent[]
  /** From the first to the last, a few dozen at most. */
  readonly histograms: readonly HistogramEvent[]
  /** The last hundred, and how many there were. */
  readonly warnings: readonly WarningEvent[]
  readonly warningCount: number
  /** The last ones. */
  readonly confusion: ConfusionEvent | undefined
  readonly wrong: WrongEvent | undefined
  readonly profile: ProfileEvent | undefined
  readonly end: EndEvent | undefined
  /** The last event of each kind that this Gradus does not know. */
  readonly other: { readonly [kind: string]: AnyEvent }
}

/** Curves of a network, warnings and histograms that are kept; a file may say anything. */
const [mostSeries, mostWarnings, mostHistograms, mostOthers] = [5000, 100, 32, 50]

/** One network, as its events come. */
export class NetworkReader {
  readonly #points: number
  readonly #series = new Map<string, Series>()
  readonly #other = new Map<string, AnyEvent>()
  #content: Omit<NetworkContent, 'series' | 'other'>
  readonly #epochs: EpochEvent[] = []
  readonly #warnings: WarningEvent[] = []
  #histograms: HistogramEvent[] = []
  /** Of histograms each so-manieth is kept, beside the last. */
  #stride = 1
  #histogramCount = 0

  constructor(member: number | undefined, time: number, points: number) {
    this.#points = points
    const nothing = { confusion: undefined, wrong: undefined, profile: undefined, end: undefined }
    const lists = { epochs: this.#epochs, warnings: this.#warnings, histograms: this.#histograms }
    this.#content = { member, epoch: 0, step: 0, begun: time, updated: time, warningCount: 0, ...lists, ...nothing }
  }

  get content(): NetworkContent {
    const series = Object.create(null) as { [name: string]: SeriesPoints }
    for (const [name, one] of this.#series) series[name] = one.points
    const other = Object.create(null) as { [kind: string]: AnyEvent }
    for (const [kind, event] of this.#other) other[kind] = event
    return { ...this.#content, histograms: this.#histograms, series, other }
  }

  /** Events in their order, none of which is void. */
  add(any: AnyEvent): void {
    const event = any as RunEvent
    const { epoch = this.#content.epoch, step = this.#content.step, time } = any as { readonly [name: string]: unknown }
    const at = (value: unknown, before: number) => (typeof value === 'number' && value > before ? value : before)
    this.#set({
      epoch: at(epoch, this.#content.epoch),
      step: at(step, this.#content.step),
      updated: at(time, this.#content.updated),
    })
    switch (event.kind) {
      case 'start':
        this.#set({ end: undefined })
        break
      case 'step': {
        const { kind, time, member, step, epoch, ...values } = event
        this.#curves('', { step, epoch, time }, values)
        break
      }
      case 'epoch': {
        const { train, validation, seconds } = event
        this.#curves('train.', event, train)
        this.#curves('validation.', event, validation)
        this.#curves('', event, { seconds })
        this.#epochs.push(event)
        if (this.#epochs.length > this.#points) this.#epochs.splice(0, this.#epochs.length - this.#points)
        break
      }
      case 'layers': {
        for (const part of [event.layers, event.activations])
          for (const [layer, values] of Object.entries(part ?? {}))
            for (const [name, value] of Object.entries(values ?? {}))
              this.#curves('', event, { [`${name} ${layer}`]: value as number })
        break
      }
      case 'histogram':
        this.#histogram(event)
        break
      case 'warning':
        this.#warnings.push(event)
        if (this.#warnings.length > mostWarnings) this.#warnings.shift()
        this.#set({ warningCount: this.#content.warningCount + 1 })
        break
      case 'confusion':
        this.#set({ confusion: event })
        break
      case 'wrong':
        this.#set({ wrong: event })
        break
      case 'profile':
        this.#set({ profile: event })
        break
      case 'end':
        this.#set({ end: event })
        break
      default:
        if (this.#other.size < mostOthers || this.#other.has(any.kind)) this.#other.set(any.kind, any)
    }
  }

  #set(change: Partial<Omit<NetworkContent, 'series' | 'other'>>): void {
    this.#content = { ...this.#content, ...change }
  }

  #curves(prefix: string, at: { step: number; epoch: number; time: number }, values: object | undefined): void {
    for (const [name, value] of Object.entries(values ?? {})) {
      if (typeof value !== 'number') continue
      const key = prefix + name
      let series = this.#series.get(key)
      if (!series) {
        if (this.#series.size >= mostSeries) continue
        series = new Series(this.#points)
        this.#series.set(key, series)
      }
      series.add(at.step, at.epoch, at.time, value)
    }
  }

  #histogram(event: HistogramEvent): void {
    const list = this.#histograms
    // The last one is always there; it stays where its turn was due.
    if (list.length > 0 && (this.#histogramCount - 1) % this.#stride !== 0) list.pop()
    list.push(event)
    this.#histogramCount++
    if (list.length <= mostHistograms) return
    this.#stride *= 2
    this.#histograms = list.filter((_, i) => i % 2 === 0 || i === list.length - 1)
  }
}

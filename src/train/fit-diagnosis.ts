/**
 * @file The diagnosis of `fit`: what its program is watched for, the events and warnings that come of it, and the error where a
 * loss or gradient is not finite. In: options. Out: events for observers, values for epochs.
 *
 * fit(net, { ..., onNonFinite: 'skip', observe: { every: 100, histograms: true } })
 */
import { describeValue } from '../base/describe.js'
import { ValueError } from '../base/errors.js'
import { checkNames, isPlainOptions } from '../base/options.js'
import { faultText } from '../diagnosis/fault.js'
import type { ActivationStatistics, Observation } from '../diagnosis/observe.js'
import type { Sentinel, Watching } from '../diagnosis/sentinel.js'
import { parameters } from '../nn/module.js'
import { checkEvery, checkOnNonFinite } from '../step.js'
import type { Histogram, RunEvent, RunObserver } from './events.js'
import { histogramOf } from './histogram.js'
import { type MonitorOptions, type MonitorWarning, TrainingMonitor } from './monitor.js'
import type { Epoch, Net } from './types.js'

/** What `fit` looks at while it trains. */
export interface FitObserveOptions {
  /** Of how many steps one is looked at; 100 by default. */
  readonly every?: number
  /** Whether to count the values of weights and gradients in bins, once an epoch; false by default. */
  readonly histograms?: boolean
  /** Whether to warn of what looks wrong, and from when on; true by default. */
  readonly warnings?: boolean | Omit<MonitorOptions, 'warn'>
  /** Is told of `layers`, `histogram` and `warning` events. Without it warnings go to console.warn. */
  readonly to?: RunObserver
}

/** Throws for options that are wrong by themselves. */
export function checkDiagnosisOptions(options: {
  readonly onNonFinite?: unknown
  readonly observe?: boolean | number | FitObserveOptions
  readonly step?: unknown
}): void {
  const { onNonFinite, observe, step } = options
  checkOnNonFinite('fit', onNonFinite)
  if (step && (onNonFinite !== undefined || (observe !== undefined && observe !== false)))
    throw new ValueError(
      'fit',
      `${onNonFinite === undefined ? 'observe' : 'onNonFinite'} is given beside a step of your own`,
      {
        hint: "Give it to the step: compile(f, { training: true, onNonFinite: 'stop', observe: { every: 100, to: ... } }).",
      },
    )
  if (observe === undefined || typeof observe === 'boolean') return
  if (typeof observe === 'number') {
    checkEvery('fit: observe', observe)
    return
  }
  if (!isPlainOptions(observe))
    throw new ValueError('fit', `observe is ${describeValue(observe)}`, { hint: 'Write true, 100 or { every: 100 }.' })
  checkNames('fit: observe', observe, ['every', 'histograms', 'warnings', 'to'])
  checkEvery('fit: observe', observe.every)
  const { histograms, warnings, to } = observe
  if (histograms !== undefined && typeof histograms !== 'boolean')
    throw new ValueError('fit: observe', `histograms is ${describeValue(histograms)}`, { hint: 'It is true or false.' })
  if (to !== undefined && typeof (to as RunObserver | null)?.event !== 'function')
    throw new ValueError('fit: observe', `to is ${describeValue(to)}, which has no method event`, {
      hint: 'Write to: { event: (event) => { ... } }.',
    })
  if (warnings !== undefined && typeof warnings !== 'boolean') new TrainingMonitor(warnings as MonitorOptions)
}

/** One event without its time. */
type Told = RunEvent extends infer E ? (E extends RunEvent ? Omit<E, 'time'> : never) : never

export class FitDiagnosis {
  /** What the program is watched for. */
  readonly watching: Watching
  readonly #net: Net
  readonly #every: number | undefined
  readonly #histograms: boolean
  readonly #monitor: TrainingMonitor | undefined
  readonly #observers: readonly RunObserver[]
  readonly #printsWarnings: boolean
  #sentinel: Sentinel | undefined
  #epoch = 1
  #targets: ArrayLike<number> | undefined
  #last: Observation | undefined
  #skipped = 0

  /** `observers` are told as well as the one of the options; where there are some, steps are observed unless the options say not to. */
  constructor(
    net: Net,
    options: { readonly onNonFinite?: 'stop' | 'skip'; readonly observe?: boolean | number | FitObserveOptions },
    observers: readonly RunObserver[],
    copiesArguments: boolean,
  ) {
    const { onNonFinite = 'stop', observe = observers.length > 0 } = options
    const given = typeof observe === 'object' ? observe : {}
    const { every = 100, histograms = observers.length > 0, warnings = true, to } = given
    this.#net = net
    this.#observers = to ? [...observers, to] : observers
    this.#printsWarnings = to === undefined
    this.#every = observe === false ? undefined : typeof observe === 'number' ? observe : every
    this.#histograms = this.#every !== undefined && histograms
    if (this.#every !== undefined && warnings !== false)
      this.#monitor = new TrainingMonitor({
        ...(typeof warnings === 'object' ? warnings : {}),
        warn: (warning) => this.#warned(warning),
      })
    this.watching = {
      onNonFinite,
      copiesArguments,
      gradients: this.#histograms,
      ...(this.#every === undefined ? {} : { every: this.#every, observe: (one) => this.#observed(one) }),
      skipped: (fault, count) =>
        this.#tell({
          kind: 'warning',
          what: 'skippedStep',
          step: fault.step,
          epoch: this.#epoch,
          ...(fault.layer === undefined ? {} : { layer: fault.layer }),
          message: `step ${fault.step} was skipped, as ${fault.what} is ${fault.value} (${count} so far). ${faultText(fault)}. ${fault.cure}`,
        }),
    }
  }

  /** The norms of the last observed step over all parameters, for `step` events. */
  get norms(): { readonly gradientNorm?: number; readonly updateNorm?: number } {
    const all = this.#last && Object.values(this.#last.parameters)
    if (!all) return {}
    return {
      gradientNorm: Math.hypot(...all.map(({ gradient }) => gradient)),
      updateNorm: Math.hypot(...all.map(({ update }) => update)),
    }
  }

  /** What watches over the program. */
  attach(sentinel: Sentinel): void {
    this.#sentinel = sentinel
  }

  /** So many steps were made before a run went on. */
  startAt(steps: number): void {
    if (this.#sentinel) this.#sentinel.steps = steps
  }

  /** The targets of the training data, to be looked at when the first epoch begins. */
  targets(values: ArrayLike<number>): void {
    this.#targets = values
  }

  /** An epoch begins. */
  begin(epoch: number): void {
    this.#epoch = epoch
    this.#last = undefined
    this.#skipped = this.#sentinel?.skipped ?? 0
    if (this.#targets) this.#monitor?.targets(this.#targets)
    this.#targets = undefined
  }

  /** Of the batches of a call, from step `first` on, those that were skipped. */
  skippedFrom(first: number): ReadonlySet<number> {
    return new Set(this.#sentinel?.recent.map((step) => step - first) ?? [])
  }

  /** Throws where parameters or moments are not finite, which no loss has shown yet. */
  check(): void {
    this.#sentinel?.check()
  }

  /** The epoch's steps are made: what its object gets besides. */
  end(loss: number): Pick<Epoch, 'layers' | 'skipped'> {
    this.#monitor?.epoch(loss)
    if (this.#histograms) this.#tellHistograms()
    const skipped = (this.#sentinel?.skipped ?? 0) - this.#skipped
    const last = this.#last
    return {
      ...(last ? { layers: { step: last.step, parameters: last.parameters, activations: activationsOf(last) } } : {}),
      ...(skipped > 0 ? { skipped } : {}),
    }
  }

  #observed(observation: Observation): void {
    this.#last = observation
    this.#tell({
      kind: 'layers',
      step: observation.step,
      epoch: this.#epoch,
      layers: observation.parameters,
      activations: activationsOf(observation),
    })
    this.#monitor?.observe(observation)
  }

  #tellHistograms(): void {
    const layers: { [name: string]: Histogram } = {}
    for (const [name, variable] of parameters(this.#net)) layers[name] = histogramOf(variable.storage.peek())
    const whole = this.#last?.gradients
    const gradients = whole && Object.fromEntries(Object.entries(whole).map(([name, one]) => [name, histogramOf(one)]))
    const step = this.#sentinel?.steps ?? 0
    this.#tell({ kind: 'histogram', step, epoch: this.#epoch, layers, ...(gradients ? { gradients } : {}) })
  }

  #warned({ what, layer, step, message }: MonitorWarning): void {
    const where = { ...(layer === undefined ? {} : { layer }), ...(step === undefined ? {} : { step }) }
    this.#tell({ kind: 'warning', what, epoch: this.#epoch, ...where, message })
  }

  #tell(event: Told): void {
    const time = Date.now()
    for (const observer of this.#observers) observer.event({ ...event, time } as RunEvent)
    if (event.kind === 'warning' && this.#printsWarnings) console.warn(`gradus: ${event.message}`)
  }
}

/** Without what only warnings need. */
const activationsOf = ({ activations }: Observation): { [layer: string]: ActivationStatistics } =>
  Object.fromEntries(
    Object.entries(activations).map(([layer, { zero, mean, deviation }]) => [layer, { zero, mean, deviation }]),
  )

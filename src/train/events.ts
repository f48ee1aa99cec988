/**
 * @file What happens in a run, as data: the events that a run tells, that its log keeps as JSON lines, and that the run page
 * draws. In: nothing. Out: types only, no code, so that whoever writes, reads or draws them agrees.
 *
 * const observer: RunObserver = { event: (event) => { if (event.kind === 'warning') console.warn(event.message) } }
 */

import type { ActivationStatistics, ParameterNorms } from '../diagnosis/observe.js'

export type { ActivationStatistics, ParameterNorms }

/** Who is told what happens in a run. Must not throw, and must not keep what it is given for changing it. */
export interface RunObserver {
  /** Called as things happen, between steps, never inside one. */
  event(event: RunEvent): void
}

/** What all events have. */
interface Timed {
  /** Milliseconds since 1970, as of Date.now(). */
  readonly time: number
  /** Which network it is of, counted from 1, where a run trains several (an ensemble). */
  readonly member?: number
}

/** The run begins; written again when it goes on from a checkpoint: events of later steps than this are then void. */
export interface StartEvent extends Timed {
  readonly kind: 'start'
  /** Epochs done before. */
  readonly epoch: number
  /** Steps done before. */
  readonly step: number
}

/** Some steps were made: a few events an epoch, not one a batch. */
export interface StepEvent extends Timed {
  readonly kind: 'step'
  /** Steps done in the whole run. */
  readonly step: number
  /** Of this step; counts from 1. */
  readonly epoch: number
  readonly loss: number
  readonly learningRate?: number
  readonly samplesPerSecond?: number
  /** L2 norm over all parameters, of the last observed step. */
  readonly gradientNorm?: number
  readonly updateNorm?: number
}

/** Scores by name: the loss, and metrics that are numbers. */
export interface EventScores {
  readonly [name: string]: number
}

/** An epoch is done. */
export interface EpochEvent extends Timed {
  readonly kind: 'epoch'
  /** Counts from 1. */
  readonly epoch: number
  /** Steps done in the whole run. */
  readonly step: number
  readonly train: EventScores
  readonly validation?: EventScores
  readonly learningRate?: number
  /** Training and validation together. */
  readonly seconds: number
}

/** Norms by parameter and statistics by layer, of one observed step. */
export interface LayersEvent extends Timed {
  readonly kind: 'layers'
  readonly step: number
  readonly epoch: number
  /** By the parameter's name: `0.weight`. */
  readonly layers: { readonly [parameter: string]: ParameterNorms }
  /** By the layer's call path: `1`. */
  readonly activations?: { readonly [layer: string]: ActivationStatistics }
}

/** Values counted in bins: counts[i] of them lie in edges[i] ≤ x < edges[i + 1]; the last bin has both of its edges. */
export interface Histogram {
  /** Ascending; one more than counts. */
  readonly edges: readonly number[]
  readonly counts: readonly number[]
}

/** Weights, and gradients where known, in bins; once an epoch. */
export interface HistogramEvent extends Timed {
  readonly kind: 'histogram'
  readonly step: number
  readonly epoch: number
  /** Of the values of each parameter, by its name. */
  readonly layers: { readonly [parameter: string]: Histogram }
  /** Of the gradients of the last observed step. */
  readonly gradients?: { readonly [parameter: string]: Histogram }
}

/** Something looks wrong, or a step was skipped. Said once, not at every step. */
export interface WarningEvent extends Timed {
  readonly kind: 'warning'
  readonly step?: number
  readonly epoch?: number
  /** Of which kind: 'deadUnits', 'vanishingGradients', 'skippedStep', ... */
  readonly what: string
  /** Where it concerns one layer or parameter, its path. */
  readonly layer?: string
  /** What was seen, and the cure. */
  readonly message: string
}

/** True against predicted classes of the validation data. */
export interface ConfusionEvent extends Timed {
  readonly kind: 'confusion'
  readonly epoch: number
  readonly labels: readonly string[]
  /** A row a true class, a column a predicted one. */
  readonly counts: readonly (readonly number[])[]
}

/** A sample that the network gets wrong. */
export interface WrongExample {
  /** Its row in the data. */
  readonly index: number
  readonly label: string
  readonly predicted: string
  /** Of the predicted class. */
  readonly probability: number
  /** A file in the run folder: `pictures/wrong-3-17.png`. */
  readonly picture?: string
  readonly text?: string
  readonly values?: { readonly [column: string]: string | number }
}

/** The samples that the network gets most wrong. */
export interface WrongEvent extends Timed {
  readonly kind: 'wrong'
  readonly epoch: number
  readonly examples: readonly WrongExample[]
}

/** How long each kernel of the step takes. */
export interface ProfileEvent extends Timed {
  readonly kind: 'profile'
  readonly kernels: readonly {
    readonly name: string
    readonly milliseconds: number
    /** Of the step's time, from 0 to 1. */
    readonly share: number
    readonly gflops?: number
    readonly gigabytesPerSecond?: number
  }[]
}

/** The run is over. */
export interface EndEvent extends Timed {
  readonly kind: 'end'
  readonly epoch: number
  readonly step: number
  readonly reason: 'finished' | 'stopped early' | 'left' | 'failed'
  /** Of the error, where it failed. */
  readonly message?: string
}

/** Anything that happens in a run. Readers of a log must accept kinds that are not among these. */
export type RunEvent =
  | StartEvent
  | StepEvent
  | EpochEvent
  | LayersEvent
  | HistogramEvent
  | WarningEvent
  | ConfusionEvent
  | WrongEvent
  | ProfileEvent
  | EndEvent

/** What run.json says: everything about a run that does not change while it goes on. */
export interface RunInfo {
  readonly format: 1
  readonly name: string
  /** When it began, ISO. */
  readonly created: string
  /** The command line, where it was one. */
  readonly command?: string
  /** Options and settings by name; plain data. */
  readonly configuration: { readonly [name: string]: unknown }
  readonly environment: RunEnvironment
  /** The table of its layers, and how many numbers are trained. */
  readonly network?: { readonly text: string; readonly parameters: number }
}

/** Where a run was made. */
export interface RunEnvironment {
  readonly gradus: string
  readonly node: string
  /** `linux x64` */
  readonly platform: string
  readonly cpu: string
  readonly threads: number
  /** What is asked for: auto, wasm, native or interpreter. */
  readonly engine: string
  /** fused or portable. */
  readonly numerics: string
}

/**
 * @file What the server of the run page tells the page. Types only: server and page are built apart, and must agree.
 *
 * GET /api/runs → RunList; /api/curves?run=a&axis=step&points=400 → Curves; /api/run?run=a → RunDetail; /live → messages
 */
import type { ConfusionEvent, HistogramEvent, ProfileEvent, WarningEvent, WrongEvent } from '../train/events.js'

/** JSON as it was written in a run's files: nothing is known of it. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json }

/** `running`: something was heard of it lately; `interrupted`: it has neither an end nor a process; the others are ends. */
export type RunState = 'running' | 'interrupted' | 'finished' | 'stopped early' | 'left' | 'failed' | 'empty'

/** The best value of a score over all epochs, and where. */
export interface Best {
  readonly value: number
  readonly epoch: number
  /** Whether less is better. */
  readonly least: boolean
}

/** A run in one line: the list and the table of comparison are made of these. */
export interface RunSummary {
  /** The folder's path under the watched one, with '/'. */
  readonly name: string
  readonly state: RunState
  /** Milliseconds since 1970. */
  readonly created?: number
  readonly lastTime?: number
  readonly epoch: number
  readonly step: number
  /** Seconds of training, without the time between a stop and its resumption. */
  readonly seconds: number
  readonly parameters?: number
  /** The last loss of training, by step or epoch; null when it is no finite number. */
  readonly loss?: number | null
  /** By name of the score: `validation.loss`, `train.accuracy`. */
  readonly best: { readonly [score: string]: Best }
  /** run.json's configuration, made flat: `optimizer.learningRate`. */
  readonly configuration: { readonly [name: string]: Json }
  readonly warnings: number
  /** What of the folder could not be read. */
  readonly problem?: string
  /** Changes whenever the run does. */
  readonly version: number
}

export interface RunList {
  readonly folder: string
  /** Why there are none: the folder is missing, or cannot be read. */
  readonly problem?: string
  readonly runs: readonly RunSummary[]
}

export type Axis = 'step' | 'epoch' | 'time'

/** One line of a chart; null stands for values that are not finite. */
export interface Curve {
  readonly run: string
  /** Which network, where a run trains several. */
  readonly member?: number
  /** `loss`, `train.loss`, `validation.accuracy`, `learningRate`, `gradientNorm`, ... */
  readonly name: string
  readonly x: readonly number[]
  readonly y: readonly (number | null)[]
  /** y after smoothing, where it was asked for. */
  readonly smooth?: readonly (number | null)[]
  /** How many points there are in the range; x has fewer where they were thinned. */
  readonly total: number
  /** How many values of the whole curve are NaN or infinite, and the step of the first. */
  readonly notFinite: number
  readonly firstNotFinite?: number
}

export interface Curves {
  readonly axis: Axis
  readonly curves: readonly Curve[]
  /** Versions of the runs when they were read. */
  readonly versions: { readonly [run: string]: number }
}

/** What is known of one run besides its curves. */
export interface RunDetail {
  readonly summary: RunSummary
  readonly command?: string
  readonly configuration: Json
  readonly environment: Json
  readonly network?: string
  readonly warnings: readonly WarningEvent[]
  readonly ended?: { readonly reason: string; readonly message?: string }
  /** Epochs for which there is such an event. */
  readonly epochs: {
    readonly confusion: readonly number[]
    readonly wrong: readonly number[]
    readonly histogram: readonly number[]
  }
  readonly profile?: ProfileEvent
  /** The last of its kind. */
  readonly layers?: {
    readonly step: number
    readonly epoch: number
    readonly parameters: { readonly [parameter: string]: Norms }
    readonly activations: { readonly [layer: string]: Activation }
  }
  readonly scores: readonly EpochScores[]
  /** Lines that are no JSON. */
  readonly badLines: number
}

/** null: not a finite number. */
export type Finite = number | null
export interface Norms {
  readonly gradient: Finite
  readonly update: Finite
  readonly parameter: Finite
}
export interface Activation {
  readonly zero: Finite
  readonly mean: Finite
  readonly deviation: Finite
}
/** A row of the table of epochs. */
export interface EpochScores {
  readonly member?: number
  readonly epoch: number
  readonly step: number
  readonly scores: { readonly [name: string]: Finite }
}

/** Kinds of events that are read from the file again when the page asks for them. */
export interface StoredEvents {
  readonly confusion: ConfusionEvent
  readonly wrong: WrongEvent
  readonly histogram: HistogramEvent
}

/** Messages of /live: `all` first, then what changed. */
export interface LiveMessages {
  readonly all: RunList
  readonly run: RunSummary
  readonly gone: { readonly name: string }
  readonly folder: { readonly folder: string; readonly problem?: string }
}

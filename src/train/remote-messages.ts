/**
 * @file What a page and the worker that trains for it say to each other. Types, and errors as plain data.
 */
import { GradusError } from '../base/errors.js'
import type { Epoch, History } from './types.js'

/** Where a run is, in the middle of an epoch. */
export interface BatchNow {
  readonly epoch: number
  readonly epochs: number
  /** Batches done in this epoch. */
  readonly batch: number
  /** Undefined where it is not known yet. */
  readonly batches?: number
  /** The mean training loss of the epoch so far. */
  readonly loss: number
  /** Samples that were used since the run began. */
  readonly samples?: number
  /** Metrics of the epoch so far, those that are numbers and cost nothing to ask for. */
  readonly metrics?: { readonly [name: string]: number }
  readonly learningRate?: number
}

export type ToWorker =
  | {
      readonly kind: 'start'
      readonly seed: number
      readonly parameters: unknown
      readonly checkpoint: unknown
      readonly resume: boolean
      readonly batches: boolean
    }
  | { readonly kind: 'resume' | 'abort' | 'leave' }
  | { readonly kind: 'pause' | 'save' | 'weights'; readonly id: number }
  | { readonly kind: 'call'; readonly id: number; readonly name: string; readonly values: readonly unknown[] }

export type FromWorker =
  | { readonly kind: 'ready' | 'started' }
  | { readonly kind: 'batch'; readonly now: BatchNow }
  | { readonly kind: 'epochs'; readonly epochs: readonly Epoch[] }
  | { readonly kind: 'end'; readonly history: History }
  | { readonly kind: 'failed'; readonly error: PlainError; readonly history: History | undefined }
  | { readonly kind: 'answer'; readonly id: number; readonly value?: unknown; readonly error?: PlainError }

/** An error that can be sent. */
export interface PlainError {
  readonly name: string
  readonly message: string
  readonly operation?: string
  readonly sentence?: string
  readonly stack?: string
}

export function plainError(error: unknown): PlainError {
  if (!(error instanceof Error)) return { name: 'Error', message: String(error) }
  const { name, message, stack } = error
  return error instanceof GradusError
    ? { name, message, stack, operation: error.operation, sentence: error.sentence }
    : { name, message, stack }
}

/** The error again, with the stack of where it was thrown. */
export function errorFrom({ name, message, operation, sentence, stack }: PlainError): Error {
  const error = operation === undefined ? new Error(message) : new GradusError(operation, sentence!.replace(/\.$/, ''))
  return Object.assign(error, { name, message, stack })
}

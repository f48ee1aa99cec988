/**
 * @file The error of a number that is no longer finite, and what is known of it. In: the fault. Out: an error that carries it.
 *
 * try { step(x, y) } catch (error) { if (error instanceof NonFiniteError) console.log(error.fault.layer) }
 */
import { type ErrorDetails, ValueError } from './errors.js'

/** The values of a tensor in few numbers; of those that are finite the least, the greatest and the mean (NaN where there are none). */
export interface ValueStatistics {
  readonly dtype: string
  readonly shape: readonly number[]
  readonly minimum: number
  readonly maximum: number
  readonly mean: number
  /** How many are NaN. */
  readonly nan: number
  /** How many are ∞ or −∞. */
  readonly infinite: number
  /** Where the first is that is not finite, an index an axis. */
  readonly first?: readonly number[]
}

/** Where a number was first not finite. */
export interface NonFiniteFault {
  /** What was found not to be finite: 'the loss', 'the gradient of 0.weight', 'the parameter 0.weight'. */
  readonly what: string
  /** What it is. */
  readonly value: 'NaN' | 'infinite' | 'not finite'
  /** In which call of the step; counts from 1. */
  readonly step: number
  /** The first operation that gave what is not finite: `log`; undefined where it could not be found. */
  readonly operation?: string
  /** 'forward propagation', 'backpropagation', 'parameter update'; 'input' where what went in was not finite already. */
  readonly stage?: string
  /** The module's call path: `layers.1`. Of a derivative, that of the layer whose derivative it is. */
  readonly layer?: string
  /** Where that layer was made, or outside layers, where the operation was written: `model.ts:41`. */
  readonly place?: string
  /** What went into the operation. */
  readonly inputs: readonly ValueStatistics[]
  /** What came out. */
  readonly output?: ValueStatistics
  /** A likely cure, a full sentence. */
  readonly cure: string
}

/** A loss, a gradient or a parameter turned NaN or infinite in a step; `fault` says where. */
export class NonFiniteError extends ValueError {
  override name = 'NonFiniteError'
  /** What is known of it. */
  readonly fault: NonFiniteFault

  constructor(operation: string, sentence: string, fault: NonFiniteFault, details: ErrorDetails = {}) {
    super(operation, sentence, details)
    this.fault = fault
  }
}

/**
 * @file What a data set is: a dense array of inputs and one of targets, the first axis of both counting the samples.
 * The same structure as Gradus's own `Dataset`, declared here so that this package needs nothing else.
 */

/** A dense array of samples; value = data · scale + offset, applied when a batch is gathered. */
export interface Samples {
  readonly data: Float32Array | Float64Array | Int32Array | Uint32Array | Uint8Array
  /** The first axis counts the samples. */
  readonly shape: readonly number[]
  readonly scale?: number
  readonly offset?: number
}

export interface Dataset {
  readonly input: Samples
  readonly target: Samples
  readonly classes?: readonly string[]
  readonly features?: readonly string[]
}

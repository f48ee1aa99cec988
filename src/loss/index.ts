/**
 * @file The namespace `loss`: functions of (output, target) that give the error of a batch.
 */

export type { BinaryCrossEntropyOptions, CrossEntropyOptions } from './cross-entropy.js'
export { binaryCrossEntropy, crossEntropy } from './cross-entropy.js'
export type { DiceOptions, FocalOptions } from './imbalance.js'
export { dice, focal } from './imbalance.js'
export type { LikelihoodOptions } from './likelihood.js'
export { klDivergence, negativeLogLikelihood } from './likelihood.js'
export type { MarginOptions, TripletOptions } from './margin.js'
export { hinge, tripletMargin } from './margin.js'
export type { LossOptions, Reduced, Reduction } from './reduction.js'
export type { HuberOptions } from './regression.js'
export { huber, meanAbsoluteError, meanSquaredError } from './regression.js'

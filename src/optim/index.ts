/**
 * @file The namespace `optim`: optimizers, the transforms they are made of, learning-rate schedules.
 */

export {
  type AverageOptions,
  exponentialMovingAverage,
  type MovingAverageOptions,
  ParameterAverage,
  type Share,
  stochasticWeightAverage,
} from './average.js'
export { type MuonOptions, type MuonScaleOptions, muon, scaleByMuon } from './muon.js'
export type { OptimizerGroup, OptimizerSpec } from './optimizer.js'
export { accumulate, chain, Optimizer, optimizer } from './optimizer.js'
export {
  type AdamOptions,
  adadelta,
  adagrad,
  adam,
  adamax,
  adamW,
  lion,
  momentum,
  nadam,
  nesterov,
  type OptimizerOptions,
  radam,
  rmsprop,
  type SgdOptions,
  sgd,
  type WeightDecay,
  type WithGroups,
} from './optimizers.js'
export { type Match, type ParameterGroup, type PartitionPart, partition } from './partition.js'
export type { Rate } from './rate.js'
export type { Scalar, ScalarTensor } from './scalar.js'
export type { LearningRate, Schedule } from './schedules.js'
/** Learning rates as functions of the step, as data. */
export * as schedules from './schedules.js'
export { learningRateAt } from './schedules.js'
export type { Parameter, RatedGroup, Rule, StepContext, Transform, Update, Where } from './transform.js'
export type {
  AdagradOptions,
  AdamScaleOptions,
  AmsgradOptions,
  MomentumOptions,
  RmspropOptions,
} from './transforms.js'
export {
  addDecayedWeights,
  addL1,
  clipByGlobalNorm,
  clipByValue,
  notBias,
  scale,
  scaleByAdagrad,
  scaleByAdam,
  scaleByLearningRate,
  scaleByRmsprop,
  traceMomentum,
} from './transforms.js'
export type { AdadeltaScaleOptions, NadamScaleOptions } from './transforms-moments.js'
export { scaleByAdadelta, scaleByAdamax, scaleByLion, scaleByNadam, scaleByRadam } from './transforms-moments.js'

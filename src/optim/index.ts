/**
 * @file The namespace `optim`: optimizers, the transforms they are made of, learning-rate schedules.
 */

export {
  type AverageOptions,
  exponentialMovingAverage,
  type MovingAverageOptions,
  ParameterAverage,
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
  adamW,
  lion,
  momentum,
  nadam,
  nesterov,
  radam,
  rmsprop,
  type SgdOptions,
  sgd,
  type WeightDecay,
} from './optimizers.js'
export { type Match, type ParameterGroup, type PartitionPart, partition } from './partition.js'
export type { LearningRate, Schedule } from './schedules.js'
export * as schedules from './schedules.js'
export { learningRateAt } from './schedules.js'
export type { Parameter, Rule, StepContext, Transform, Update, Where } from './transform.js'
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
export { scaleByAdadelta, scaleByLion, scaleByNadam, scaleByRadam } from './transforms-moments.js'

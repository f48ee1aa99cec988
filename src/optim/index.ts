/**
 * @file The namespace `optim`: optimizers, the transforms they are made of, learning-rate schedules.
 */

export type { OptimizerSpec } from './optimizer.js'
export { chain, Optimizer, optimizer } from './optimizer.js'
export * from './optimizers.js'
export type { LearningRate, Schedule } from './schedules.js'
export * as schedules from './schedules.js'
export { learningRateAt } from './schedules.js'
export type { Parameter, Rule, StepContext, Transform, Update } from './transform.js'
export type { Where } from './transforms.js'
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

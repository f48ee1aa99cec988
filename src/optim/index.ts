/**
 * @file The namespace `optim`: optimizers, the transforms they are made of, learning-rate schedules.
 */
export { Optimizer, optimizer } from './optimizer.js'
export type { OptimizerSpec } from './optimizer.js'
export * from './optimizers.js'
export { learningRateAt } from './schedules.js'
export type { LearningRate, Schedule } from './schedules.js'
export * as schedules from './schedules.js'
export { chain } from './transform.js'
export type { Parameter, Rule, StepContext, Transform, Update } from './transform.js'
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
export type { Where } from './transforms.js'

/**
 * @file Public names, nothing else but one call: reading a tensor outside compiled functions needs the compiler, which the
 * tensors, on a lower floor, do not know. It is the one side effect of importing Gradus, and package.json says so.
 */
import { installEvaluator } from './lazy.js'

export type { DType, FloatDType, TypedArray } from './base/dtype.js'
export { DtypeError, FileError, GradusError, ShapeError, TraceError, ValueError } from './base/errors.js'
export type { Shape } from './base/shape.js'
export { type Batches, type BatchesOptions, batches } from './data/batches.js'
export { type Dataset, type Samples, splitDataset, subset } from './data/column.js'
export type { DataSource, SamplesLike } from './data/source.js'
export * as loss from './loss/index.js'
export * as metrics from './metrics/index.js'
export { backpropagate, Gradients } from './nn/backpropagate.js'
export * as nn from './nn/index.js'
export type { Child, Children, Module, ModuleParts, ParameterSource } from './nn/module.js'
export { initialize, parameters, state } from './nn/module.js'
export type { Elementwise, Layer } from './nn/shapes.js'
export type { Summary, SummaryRow } from './nn/summary.js'
export { summary } from './nn/summary.js'
export * as optim from './optim/index.js'
export { type Compiled, type CompileOptions, compile } from './step.js'
export { arange, eye, full, iota, ones, tensor, zeros } from './trace/creation.js'
export { concatenate, stack } from './trace/functions.js'
export { grad, valueAndGrad } from './trace/grad.js'
export * as random from './trace/random.js'
export { setSeed } from './trace/seed.js'
export { Tensor, where } from './trace/tensor.js'
export type { Initializer } from './trace/variable.js'
export { Variable, variable } from './trace/variable.js'
export { EarlyStopping, type EarlyStoppingOptions, earlyStopping } from './train/early-stopping.js'
export { type EvaluateOptions, evaluate } from './train/evaluate.js'
export { type FitOptions, fit } from './train/fit.js'
export { type Progress, progressLine } from './train/progress.js'
export type { Run } from './train/run.js'
export type { Best, Epoch, History, Loss, Metrics, Net, Scores } from './train/types.js'

installEvaluator()

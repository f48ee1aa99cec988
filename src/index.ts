/**
 * @file Public names, nothing else but one call: reading a tensor outside compiled functions needs the compiler, which the
 * tensors, on a lower floor, do not know. It is the one side effect of importing Gradus, and package.json says so.
 */
import { installEvaluator } from './lazy.js'

export type { DType, FloatDType, TypedArray } from './base/dtype.js'
export type { ErrorDetails } from './base/errors.js'
export { DtypeError, FileError, GradusError, ShapeError, TraceError, ValueError } from './base/errors.js'
export { NonFiniteError, type NonFiniteFault, type ValueStatistics } from './base/non-finite.js'
export type { Shape } from './base/shape.js'
export type { TextStream } from './base/terminal.js'
export { gradusVersion } from './base/version.js'
export { type Batches, type BatchesOptions, batches } from './data/batches.js'
export type { Sample, SamplePart } from './data/collate.js'
export {
  type Dataset,
  type Samples,
  type SplitOptions,
  splitDataset,
  subset,
} from './data/column.js'
export { type CsvOptions, parseCsv } from './data/csv.js'
export { formatCsv, type TextColumns } from './data/csv-write.js'
export type { DateOrder, DatePart } from './data/dates.js'
export { type KFold, type KFoldOptions, kFold } from './data/folds.js'
export { type IdxFolder, readIdxFolder } from './data/idx-folder.js'
export { decodeImage, type ImageFit, type ImageForm } from './data/image-decode.js'
export { type ImageFolder, type ImageFolderOptions, imageFolder } from './data/image-folder.js'
export type { ImageChunk, ImageSource, SkippedImage } from './data/image-source.js'
export {
  type BatchOptions,
  type ColumnSample,
  dataset,
  LazyDataset,
  type LazySplitOptions,
  type TrainingData,
} from './data/lazy-dataset.js'
export type { Awaitable, SampleContext, SampleRandom } from './data/lazy-node.js'
export type { MapInWorkersOptions, WorkerContext } from './data/map-workers.js'
export {
  type FoldOptions,
  type Prepared,
  type PreparedFold,
  type PrepareOptions,
  prepareFolds,
  prepareTable,
} from './data/preprocess.js'
export type { ColumnDescription, Description } from './data/preprocess-describe.js'
export type { ColumnOptions, ColumnSetting } from './data/preprocess-options.js'
export type {
  CategoryColumn,
  DateColumn,
  InputColumn,
  NumberColumn,
  OrdinalColumn,
  Preprocessing,
  TargetColumn,
  Task,
} from './data/preprocess-plan.js'
export type { DataSource, SamplesLike } from './data/source.js'
export type { Keys, Split, SplitBy, SplitFractions } from './data/split.js'
export { type Row, type Table, tableFromRows } from './data/table.js'
export { type ReadTableOptions, readTable, type StreamTableOptions, streamTable } from './data/table-file.js'
/** Text as numbers: tokenizers, extracts for language models, bags of words. */
export * as text from './data/text/index.js'
export type { TextEncoding, TextFileOptions } from './data/text-blocks.js'
export type { ActivationStatistics, LayerObservation, Observation, ParameterNorms } from './diagnosis/observe.js'
export type { Explanation, KernelExplanation, PeakExplanation } from './explain.js'
export * from './io/chart.js'
export type { Score } from './io/checkpoint-folder.js'
export type { AnyEvent, OtherEvent } from './io/event-lines.js'
export { jsonLines, type LinesOptions, textFile, textLines } from './io/lines.js'
export { type LoadOptions, load, loadBytes, modelBytes, type Saved, type SaveOptions, save } from './io/model.js'
export { exportOnnx, type OnnxExportOptions, type OnnxInput } from './io/onnx/export.js'
export { importOnnx, type OnnxImportOptions, type OnnxModule, type OnnxValue } from './io/onnx/import.js'
export { type PngOptions, pngBytes, writePng } from './io/png.js'
export type { NetworkContent } from './io/run-curves.js'
export type { ReadRunOptions, RunContent } from './io/run-reader.js'
export type { StoredTensor } from './io/safetensors.js'
export type { SeriesPoints } from './io/series.js'
/** Losses: functions of (output, target) that give the error of a batch. */
export * as loss from './loss/index.js'
/** Scores over whole data sets, for `fit`, `evaluate` and loops of one’s own. */
export * as metrics from './metrics/index.js'
/** Layers that change images at random while training. */
export * as augment from './nn/augment.js'
export { backpropagate, Gradients } from './nn/backpropagate.js'
/** Modules, layers and activations; `nn.init` holds initialisers. */
export * as nn from './nn/index.js'
export type { Child, Children, Module, ModuleParts, ParameterSource } from './nn/module.js'
export { initialize, parameters, state } from './nn/module.js'
export { remat } from './nn/remat.js'
export type { Elementwise, Layer } from './nn/shapes.js'
export type { Summary, SummaryRow } from './nn/summary.js'
export { summary } from './nn/summary.js'
export type { NumericsMode } from './numerics/arithmetic.js'
/** Optimizers, the transforms they are made of, learning-rate schedules (`optim.schedules`). */
export * as optim from './optim/index.js'
export { setThreadScript } from './runtime/wasm-worker.js'
export { type Compiled, type CompileOptions, compile, type ObserveOptions } from './step.js'
export {
  type ConvolutionOptions,
  convolution,
  convolutionTranspose,
  type TransposedConvolutionOptions,
  type WindowsOptions,
  windows,
} from './trace/convolution.js'
export {
  arange,
  eye,
  type FillOptions,
  full,
  iota,
  type NestedInput,
  ones,
  type TensorOptions,
  tensor,
  zeros,
} from './trace/creation.js'
export { type CustomContext, customGradient } from './trace/custom.js'
export { type EdgeMode, padEdges } from './trace/edges.js'
export { einsum } from './trace/einsum.js'
export { concatenate, type Gathered, gather, scatterAdd, stack, stopGradient } from './trace/functions.js'
export { grad, valueAndGrad } from './trace/grad.js'
export type { CumulativeOptions, SortOptions, TopKOptions } from './trace/ordering.js'
export {
  type AveragePoolOptions,
  adaptiveAveragePool,
  adaptiveMaxPool,
  averagePool,
  type MaxPoolOptions,
  maxPool,
  type PoolOptions,
} from './trace/pooling.js'
/** Random tensors: normal, uniform, bernoulli; inside a step new ones each time. */
export * as random from './trace/random.js'
export { type InterpolateOptions, interpolate } from './trace/resize.js'
export { type ScanOptions, type Slices, type Stacked, scan } from './trace/scan.js'
export { setSeed } from './trace/seed.js'
export type { Padding, PerAxis } from './trace/spatial.js'
export { type Axes, type ReduceOptions, Tensor, where } from './trace/tensor.js'
export type { Nested, NestedNumbers } from './trace/value.js'
export type { Initializer } from './trace/variable.js'
export { Variable, variable } from './trace/variable.js'
export { type Mapped, vmap } from './trace/vmap.js'
export { type Checkpoints, type CheckpointsOptions, checkpoints, loadCheckpoint } from './train/checkpoint.js'
export type {
  Checkpointable,
  CheckpointPart,
  CheckpointParts,
  PartState,
  VariablesOf,
  WithState,
} from './train/checkpoint-parts.js'
export { type CnnConfig, type CnnOptions, cnn } from './train/cnn.js'
export {
  type CrossValidatedFold,
  type CrossValidateOptions,
  type CrossValidation,
  crossValidate,
  type ScoreNumbers,
} from './train/cross-validate.js'
export {
  defineTraining,
  type ParameterValue,
  type Training,
  type TrainingContext,
} from './train/define-training.js'
export { EarlyStopping, type EarlyStoppingOptions, earlyStopping, type ScoreTree } from './train/early-stopping.js'
export { type EvaluateOptions, evaluate } from './train/evaluate.js'
export type {
  ConfusionEvent,
  EndEvent,
  EpochEvent,
  EventScores,
  Histogram,
  HistogramEvent,
  LayersEvent,
  ProfileEvent,
  RunEnvironment,
  RunEvent,
  RunInfo,
  RunObserver,
  StartEvent,
  StepEvent,
  WarningEvent,
  WrongEvent,
  WrongExample,
} from './train/events.js'
export {
  type FindLearningRateOptions,
  type FoundLearningRate,
  findLearningRate,
  type RatePoint,
} from './train/find-learning-rate.js'
export { type FitOptions, fit } from './train/fit.js'
export type { FitCheckpointOptions } from './train/fit-checkpoint-options.js'
export type { FitObserveOptions } from './train/fit-diagnosis.js'
export { type GenerateOptions, generate } from './train/generate.js'
export { histogramOf } from './train/histogram.js'
export { logMistakes, type MistakeOptions } from './train/mistakes.js'
export { type ActivationName, type MlpConfig, type MlpOptions, mlp } from './train/mlp.js'
export type { ClassPrediction, Model, ModelDescription, ModelInput, Prediction } from './train/model.js'
export { type ModelContent, modelFrom, openModel, saveModel } from './train/model-folder.js'
export {
  type MonitorOptions,
  type MonitorWarning,
  TrainingMonitor,
  trainingMonitor,
  type WarningKind,
} from './train/monitor.js'
export { ReduceOnPlateau, type ReduceOnPlateauOptions, reduceOnPlateau } from './train/plateau.js'
export { predict } from './train/predict.js'
export { predictImages } from './train/predict-images.js'
export { type Progress, type ProgressLineOptions, progressLine } from './train/progress.js'
export { readEvents, readRun } from './train/read-run.js'
export type { BatchNow } from './train/remote-messages.js'
export type { Run } from './train/run.js'
export { MemberLog, type NewEvent, RunLog, type RunLogOptions, runLog } from './train/run-log.js'
export { forgetRun, type SavedRun, savedRun } from './train/saved-run.js'
export type { JsonValue, SearchRange, SearchSpace, SearchValues } from './train/search-space.js'
export { type ServeContext, type ServeOptions, serveTraining } from './train/serve-training.js'
export {
  type SweepOptions,
  type SweepResult,
  type SweepStrategy,
  sweep,
  type Trial,
  type TrialRecord,
} from './train/sweep.js'
export {
  assessTable,
  type ClassScores,
  type Importance,
  type ImportanceOptions,
  importance,
  type NumberScores,
  type TableScores,
} from './train/table-assess.js'
export {
  type Fold,
  type PlanOptions,
  planTable,
  type TablePlan,
  type TrainedMember,
  type TrainedTable,
  type TrainTableOptions,
  trainTable,
} from './train/table-model.js'
export type { TableLossName, TableSettings } from './train/table-settings.js'
export {
  LanguageModel,
  type LanguageModelContent,
  openTextModel,
  saveTextModel,
  TextClassifier,
  type TextClassifierContent,
} from './train/text-model.js'
export { type LanguageModelConfig, type LanguageModelOptions, languageModel } from './train/text-network.js'
export { type RemoteRun, type TrainInWorkerOptions, trainInWorker } from './train/train-in-worker.js'
export type { Best, Epoch, History, Loss, Metrics, Net, Scores } from './train/types.js'
export type { NodeWorkerLike, WebWorkerLike, WorkerLike } from './train/worker-port.js'

installEvaluator()

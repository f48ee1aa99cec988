/**
 * @file The namespace `metrics`: scores over whole data sets, for `fit`, `evaluate` and loops of one's own.
 */

export type { AverageOptions } from './classification.js'
export { accuracy, confusionMatrix, f1, precision, recall, rocAuc, topK } from './classification.js'
export type {
  Collected,
  CollectingMetric,
  Metric,
  MetricLike,
  MetricState,
  MetricValue,
  SavedSamples,
  SummingMetric,
  Sums,
} from './metric.js'
export { asMetric, MetricTotal } from './metric.js'
export { meanAbsoluteError, meanSquaredError, r2, rootMeanSquaredError } from './regression.js'

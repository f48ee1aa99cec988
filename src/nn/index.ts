/**
 * @file The namespace `nn`: modules, layers, activations; `nn.init` holds initialisers.
 */
export {
  type AxisOptions,
  type Configurable,
  celu,
  elu,
  gelu,
  hardShrink,
  hardSigmoid,
  hardSwish,
  hardTanh,
  identity,
  leakyRelu,
  logSigmoid,
  logSoftmax,
  mish,
  relu,
  relu6,
  selu,
  sigmoid,
  silu,
  softmax,
  softmin,
  softplus,
  softShrink,
  softSign,
  tanh,
  tanhShrink,
  threshold,
} from './activations.js'
export {
  type Glu,
  type GumbelSoftmaxOptions,
  glu,
  gumbelSoftmax,
  type Prelu,
  type PreluOptions,
  prelu,
  rrelu,
} from './activations-further.js'
export { type Attended, type AttentionOptions, attention } from './attention.js'
export { type BatchNorm, type BatchNormOptions, batchNorm, type RunningStatistics } from './batch-norm.js'
export type {
  Convolution,
  ConvolutionLayerOptions,
  TransposedConvolution,
  TransposedConvolutionLayerOptions,
} from './convolution.js'
export { conv1d, conv2d, conv3d, convTranspose1d, convTranspose2d } from './convolution.js'
export { alphaDropout, type Dropout, dropout, dropout2d } from './dropout.js'
export { type Embedding, type EmbeddingOptions, embedding } from './embedding.js'
/** What parameters are drawn from at first. */
export * as init from './initializers.js'
export { parameter } from './initializers.js'
export type { Flatten, Linear, LinearOptions, Sequential } from './layers.js'
export { flatten, linear, residual, sequential } from './layers.js'
export type { Child, Children, Module, ModuleParts } from './module.js'
export { module } from './module.js'
export {
  type AttendOptions,
  type AttentionParts,
  type MultiHeadAttention,
  type MultiHeadAttentionOptions,
  multiHeadAttention,
} from './multi-head-attention.js'
export {
  type ChannelScale,
  type GroupNorm,
  groupNorm,
  instanceNorm,
  type LayerNorm,
  type LayerNormOptions,
  layerNorm,
  type NormOptions,
  type RmsNorm,
  rmsNorm,
} from './normalization.js'
export * from './pooling.js'
export {
  type LearnedPositions,
  type LearnedPositionsOptions,
  learnedPositions,
  type RotaryOptions,
  rotary,
  type SinusoidalOptions,
  type SinusoidalPositions,
  sinusoidalPositions,
} from './positions.js'
export type {
  Gru,
  Lstm,
  LstmState,
  Recurrent,
  RecurrentOptions,
  RecurrentParts,
  RecurrentState,
  Rnn,
  RnnOptions,
} from './recurrent.js'
export { gru, lstm, rnn } from './recurrent.js'
export type { ChannelLayer, Elementwise, Layer, SpatialLayer } from './shapes.js'
export {
  type DecodeOptions,
  type DecoderParts,
  type EncoderParts,
  type TransformerDecoder,
  type TransformerDecoderLayer,
  type TransformerEncoder,
  type TransformerEncoderLayer,
  type TransformerLayerOptions,
  type TransformerStackOptions,
  transformerDecoder,
  transformerDecoderLayer,
  transformerEncoder,
  transformerEncoderLayer,
} from './transformer.js'
export { type UpsampleOptions, upsample1d, upsample2d } from './upsample.js'

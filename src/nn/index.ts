/**
 * @file The namespace `nn`: modules, layers, activations; `nn.init` holds initialisers.
 */
export * from './activations.js'
export { type BatchNorm, type BatchNormOptions, batchNorm } from './batch-norm.js'
export type {
  Convolution,
  ConvolutionLayerOptions,
  TransposedConvolution,
  TransposedConvolutionLayerOptions,
} from './convolution.js'
export { conv1d, conv2d, conv3d, convTranspose1d, convTranspose2d } from './convolution.js'
export { type Dropout, dropout, dropout2d } from './dropout.js'
export * as init from './initializers.js'
export { parameter } from './initializers.js'
export type { Flatten, Linear, LinearOptions, Sequential } from './layers.js'
export { flatten, linear, residual, sequential } from './layers.js'
export type { Child, Children, Module, ModuleParts } from './module.js'
export { module } from './module.js'
export {
  type GroupNorm,
  groupNorm,
  type LayerNorm,
  type LayerNormOptions,
  layerNorm,
  type NormOptions,
  type RmsNorm,
  rmsNorm,
} from './normalization.js'
export * from './pooling.js'
export type { ChannelLayer, Elementwise, Layer, SpatialLayer } from './shapes.js'
export { type UpsampleOptions, upsample1d, upsample2d } from './upsample.js'

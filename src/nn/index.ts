/**
 * @file The namespace `nn`: modules, layers, activations; `nn.init` holds initialisers.
 */
export * from './activations.js'
export * as init from './initializers.js'
export { parameter } from './initializers.js'
export type { Dropout, Flatten, Linear, LinearOptions, Sequential } from './layers.js'
export { dropout, flatten, linear, residual, sequential } from './layers.js'
export type { Child, Children, Module, ModuleParts } from './module.js'
export { module } from './module.js'
export type { Elementwise, Layer } from './shapes.js'

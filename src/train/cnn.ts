/**
 * @file A convolutional network from a description, which JSON holds, so that a saved model can be built again.
 * In: the shape of an image, numbers of filters, sizes of hidden layers. Out: a module of the usual layers.
 *
 * const net = cnn({ inputs: [3, 64, 64], outputs: 5 })                     // filters 32, 64, 128: each stage halves the sides
 */
import { FileError, nearest, ValueError } from '../base/errors.js'
import { expectOptions } from '../base/options.js'
import * as nn from '../nn/index.js'
import type { AnyFunction } from '../nn/module.js'
import { type ActivationName, activations } from './mlp.js'
import type { Net } from './types.js'

/** Of `cnn`. */
export interface CnnOptions {
  /** [channels, height, width] of an image. */
  readonly inputs: readonly [channels: number, height: number, width: number]
  /** Numbers that come out: classes. */
  readonly outputs: number
  /** How many filters each stage has; by default 32, 64, 128, 256, 256, ..., as many as halve the shorter side to below 12. */
  readonly filters?: readonly number[]
  /** The side of the filters, an odd number; 3 by default. */
  readonly kernel?: number
  /** Sizes of the linear layers behind the stages; [128] by default. */
  readonly hidden?: readonly number[]
  /** 'relu' by default. */
  readonly activation?: ActivationName
  /** In front of each linear layer; 0.3 by default. */
  readonly dropout?: number
}

/** All of the options, as they are saved. */
export interface CnnConfig extends Required<CnnOptions> {
  readonly kind: 'cnn'
}

/**
 * The network: for each number of filters a convolution with padding 'same', batch norm, activation, 2×2 max pooling; then flatten, and
 * dropout, linear, activation for each hidden size; then dropout, linear. Takes [batch, channels, height, width].
 */
export function cnn(options: CnnOptions): Net {
  expectOptions('cnn', options, 'cnn({ inputs: [3, 64, 64], outputs: 5 })')
  const { inputs, outputs, filters, kernel, hidden, activation, dropout } = cnnConfig(options)
  let [channels, height, width] = inputs
  const act = activations[activation]
  const layers: AnyFunction[] = []
  for (const count of filters) {
    layers.push(nn.conv2d(channels, count, kernel, { padding: 'same', bias: false }), nn.batchNorm(count), act)
    layers.push(nn.maxPool2d(2))
    channels = count
    height = Math.floor(height / 2)
    width = Math.floor(width / 2)
  }
  layers.push(nn.flatten())
  let before = channels * height * width
  for (const [i, size] of [...hidden, outputs].entries()) {
    if (dropout > 0) layers.push(nn.dropout(dropout))
    layers.push(nn.linear(before, size))
    if (i < hidden.length) layers.push(act)
    before = size
  }
  return nn.sequential(...layers) as unknown as Net
}

/** The options with all defaults, checked. */
export function cnnConfig(options: CnnOptions): CnnConfig {
  const { inputs, outputs, kernel = 3, hidden = [128], activation = 'relu', dropout = 0.3 } = options
  const fail = (fault: string, hint?: string): never => {
    throw new ValueError('cnn', fault, { hint })
  }
  if (!Array.isArray(inputs) || inputs.length !== 3)
    fail(`inputs is ${JSON.stringify(inputs)}, not [channels, height, width]`)
  const [, height, width] = inputs
  const shorter = Math.min(height, width)
  const filters = options.filters ?? usualFilters(shorter)
  const wrong = [...inputs, outputs, kernel, ...filters, ...hidden].find((size) => !Number.isInteger(size) || size < 1)
  if (wrong !== undefined) fail(`sizes must be whole numbers above 0, not ${String(wrong)}`)
  if (kernel % 2 === 0) fail(`the kernel must be odd, not ${kernel}`, 'An even one has no middle.')
  if (shorter < 2 ** filters.length)
    fail(
      `${filters.length} stages halve ${height} × ${width} pixels to nothing`,
      `Give at most ${Math.floor(Math.log2(shorter))} numbers of filters, or larger images.`,
    )
  if (!Object.hasOwn(activations, activation)) {
    const near = nearest(String(activation), Object.keys(activations))
    fail(
      `there is no activation '${activation}'${near ? `; did you mean '${near}'?` : ''}`,
      `Choose one of ${Object.keys(activations).join(', ')}.`,
    )
  }
  if (!(dropout >= 0 && dropout < 1)) fail(`dropout must be from 0 to below 1, not ${dropout}`)
  return {
    kind: 'cnn',
    inputs: [...inputs],
    outputs,
    filters: [...filters],
    kernel,
    hidden: [...hidden],
    activation,
    dropout,
  }
}

function usualFilters(shorter: number): number[] {
  const filters: number[] = []
  for (let side = shorter; side >= 12; side = Math.floor(side / 2))
    filters.push(Math.min(256, 32 * 2 ** filters.length))
  return filters.length === 0 && shorter >= 2 ? [32] : filters
}

/** A description from JSON of unknown origin. Throws FileError, naming `source` and the fault. */
export function parseCnn(json: object, source: string): CnnConfig {
  const config = json as { readonly [key in keyof CnnConfig]?: unknown }
  const fail = (fault: string): never => {
    throw new FileError(source, `network ${fault}`, { hint: 'The file is damaged, or from another Gradus.' })
  }
  const isSizes = (value: unknown): boolean => Array.isArray(value) && value.every((n) => typeof n === 'number')
  for (const name of ['inputs', 'filters', 'hidden'] as const)
    if (!isSizes(config[name])) fail(`.${name} must be a list of numbers`)
  for (const name of ['outputs', 'kernel', 'dropout'] as const)
    if (typeof config[name] !== 'number') fail(`.${name} must be a number`)
  if (typeof config.activation !== 'string') fail('.activation must be text')
  try {
    return cnnConfig(config as unknown as CnnOptions)
  } catch (cause) {
    throw new FileError(source, `network: ${(cause as Error).message}`, { cause })
  }
}

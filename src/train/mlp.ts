/**
 * @file A multilayer perceptron from a description, which JSON holds, so that a saved model can be built again.
 * In: sizes, an activation, dropout. Out: a module of the usual layers.
 *
 * const net = mlp({ inputs: 13, outputs: 3, hidden: [32, 16], activation: 'relu', dropout: 0.1 })
 */

import { FileError, nearest, ValueError } from '../base/errors.js'
import { expectOptions } from '../base/options.js'
import { formatShape } from '../base/shape.js'
import * as nn from '../nn/index.js'
import type { AnyFunction } from '../nn/module.js'
import type { Tensor } from '../trace/tensor.js'
import type { Net } from './types.js'

export const activations = {
  relu: nn.relu,
  sigmoid: nn.sigmoid,
  tanh: nn.tanh,
  leakyRelu: nn.leakyRelu,
  elu: nn.elu,
  gelu: nn.gelu,
  silu: nn.silu,
  softplus: nn.softplus,
} as const

/** An activation by its name, as a saved model has it. */
export type ActivationName = keyof typeof activations

/** Of `mlp`. */
export interface MlpOptions {
  /** Numbers in a sample, or its shape, such as [28, 28] for images, which are flattened. */
  readonly inputs: number | readonly number[]
  /** Numbers that come out: classes, or targets. */
  readonly outputs: number
  /** Sizes of the hidden layers; none makes a linear model. */
  readonly hidden?: readonly number[]
  /** After each hidden layer; 'relu' by default. */
  readonly activation?: ActivationName
  /** After each activation; 0 by default. */
  readonly dropout?: number
  /** Adds a linear layer from the inputs to the outputs, so that the hidden layers learn what is not linear. */
  readonly skip?: boolean
  /** How many such networks, alike but for their parameters, whose outputs are averaged; 1 by default. */
  readonly members?: number
}

/** All of the options, as they are saved. */
export interface MlpConfig extends Required<MlpOptions> {
  readonly kind: 'mlp'
}

/** The network: [flatten,] then linear, activation, dropout for each hidden size, then linear. */
export function mlp(options: MlpOptions): Net {
  expectOptions('mlp', options, 'mlp({ inputs: 4, hidden: [64, 32], outputs: 3 })')
  const config = mlpConfig(options)
  if (config.members === 1) return oneMlp(config)
  return ensemble(Array.from({ length: config.members }, () => oneMlp(config)))
}

/** The mean of the outputs of networks that take the same inputs; `children.members` are the networks. */
export function ensemble(members: readonly Net[]): Net {
  const mean = (m: { readonly members: readonly Net[] }, x: Tensor): Tensor =>
    m.members
      .slice(1)
      .reduce((sum, member) => sum.add(member(x)), m.members[0]!(x))
      .mul(1 / m.members.length)
  return nn.module({ members }, mean) as unknown as Net
}

function oneMlp({ inputs, outputs, hidden, activation, dropout, skip }: MlpConfig): Net {
  const width = typeof inputs === 'number' ? inputs : inputs.reduce((n, extent) => n * extent, 1)
  const layers: AnyFunction[] = typeof inputs === 'number' ? [] : [nn.flatten()]
  let before = width
  for (const size of hidden) {
    layers.push(nn.linear(before, size), activations[activation])
    if (dropout > 0) layers.push(nn.dropout(dropout))
    before = size
  }
  layers.push(nn.linear(before, outputs))
  const deep = nn.sequential(...layers) as unknown as Net
  if (!skip) return deep
  const wide = [...(typeof inputs === 'number' ? [] : [nn.flatten()]), nn.linear(width, outputs)]
  const parts = { deep, skip: nn.sequential(...wide) as unknown as Net }
  return nn.module(parts, (m, x: Tensor): Tensor => m.deep(x).add(m.skip(x))) as unknown as Net
}

/** The options with all defaults, checked. */
export function mlpConfig(options: MlpOptions): MlpConfig {
  const { inputs, outputs, hidden = [], activation = 'relu', dropout = 0, skip = false, members = 1 } = options
  const sizes = [...(typeof inputs === 'number' ? [inputs] : inputs), outputs, ...hidden]
  const wrong = sizes.find((size) => !Number.isInteger(size) || size < 1)
  if (wrong !== undefined || (typeof inputs !== 'number' && inputs.length === 0))
    throw new ValueError('mlp', `sizes must be whole numbers above 0, not ${String(wrong ?? formatShape([]))}`)
  if (!Object.hasOwn(activations, activation)) {
    const near = nearest(String(activation), Object.keys(activations))
    throw new ValueError('mlp', `there is no activation '${activation}'${near ? `; did you mean '${near}'?` : ''}`, {
      hint: `Choose one of ${Object.keys(activations).join(', ')}.`,
    })
  }
  if (!(dropout >= 0 && dropout < 1)) throw new ValueError('mlp', `dropout must be from 0 to below 1, not ${dropout}`)
  if (!Number.isInteger(members) || members < 1)
    throw new ValueError('mlp', `members must be a whole number above 0, not ${members}`)
  return { kind: 'mlp', inputs, outputs, hidden: [...hidden], activation, dropout, skip, members }
}

/** A description from JSON of unknown origin. Throws FileError, naming `source` and the fault. */
export function parseMlp(json: unknown, source: string): MlpConfig {
  const config = json as { readonly [key in keyof MlpConfig]?: unknown }
  const fail = (fault: string): never => {
    throw new FileError(source, `network ${fault}`, { hint: 'The file is damaged, or from another Gradus.' })
  }
  const isSizes = (value: unknown): boolean => Array.isArray(value) && value.every((n) => typeof n === 'number')
  if (typeof json !== 'object' || json === null || config.kind !== 'mlp') return fail("must be of the kind 'mlp'")
  if (typeof config.inputs !== 'number' && !isSizes(config.inputs)) fail('.inputs must be a number or a shape')
  if (typeof config.outputs !== 'number') fail('.outputs must be a number')
  if (!isSizes(config.hidden)) fail('.hidden must be a list of numbers')
  if (typeof config.activation !== 'string') fail('.activation must be text')
  if (typeof config.dropout !== 'number') fail('.dropout must be a number')
  if (typeof config.skip !== 'boolean') fail('.skip must be true or false')
  if (typeof config.members !== 'number') fail('.members must be a number')
  try {
    return mlpConfig(config as unknown as MlpOptions)
  } catch (cause) {
    throw new FileError(source, `network: ${(cause as Error).message}`, { cause })
  }
}

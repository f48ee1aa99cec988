/**
 * @file What is looked at in a step now and then: norms of gradients, updates and parameters, and what activations look like. In: the
 * nodes of a step. Out: further nodes, a few numbers each, and how to read what they gave.
 */
import { isFloat, type TypedArray } from '../base/dtype.js'
import { type Shape, sizeOf } from '../base/shape.js'
import type { Node } from '../graph/node.js'
import { broadcastTo, compare, convert, fullLike, multiply, reduce, subtract, unary } from '../graph/ops.js'
import { divided, totalOf } from './instrument.js'

/** L2 norms of one parameter's gradient, of its change in the step, and of itself before the step. */
export interface ParameterNorms {
  readonly gradient: number
  readonly update: number
  readonly parameter: number
}

/** What a layer gave, over the whole batch. */
export interface ActivationStatistics {
  /** The share of its elements that are exactly 0. */
  readonly zero: number
  readonly mean: number
  /** Their standard deviation, that of the population. */
  readonly deviation: number
}

/** What a layer gave, and more of it that warnings need. */
export interface LayerObservation extends ActivationStatistics {
  /** `relu`, `linear(784, 128)`. */
  readonly layer: string
  /** Of each unit (the last axis; of images the channels) whether it was other than 0 for any sample. */
  readonly alive?: readonly boolean[]
  /** Of sigmoid and tanh: the share of elements within a twentieth of the range from its ends. */
  readonly saturated?: number
}

/** One step, looked at. */
export interface Observation {
  /** In which call of the step; counts from 1. */
  readonly step: number
  /** Whether the step was skipped, for a loss or a gradient that was not finite. */
  readonly skipped: boolean
  /** By the parameter's name. */
  readonly parameters: { readonly [name: string]: ParameterNorms }
  /** By the layer's call path, in the order of the calls. */
  readonly activations: { readonly [layer: string]: LayerObservation }
  /** The gradients themselves, where they were asked for. */
  readonly gradients?: { readonly [name: string]: TypedArray }
}

/** A parameter's nodes in a step. */
export interface ObservedParameter {
  readonly name: string
  readonly gradient: Node
  readonly before: Node
  /** Undefined where the step does not change it. */
  readonly after: Node | undefined
}

/** What a layer gave in a step. */
export interface ObservedLayer {
  readonly path: string
  readonly layer: string
  readonly value: Node
}

/** Nodes to add to a step, and what their values say. */
export interface Probe {
  readonly nodes: readonly Node[]
  read(values: readonly TypedArray[]): Omit<Observation, 'step' | 'skipped'>
}

const squares = (node: Node): Node => totalOf(multiply(node, node))
const counted = (mask: Node): Node => totalOf(convert(mask, 'int32'))

/** `gradients`: whether the gradients themselves are wanted. */
export function probe(
  parameters: readonly ObservedParameter[],
  layers: readonly ObservedLayer[],
  gradients: boolean,
): Probe {
  const nodes: Node[] = []
  const put = (node: Node): number => nodes.push(node) - 1
  const norms = parameters.map(({ name, gradient, before, after }) => ({
    name,
    gradient: put(squares(gradient)),
    parameter: put(squares(before)),
    update: after && put(squares(subtract(after, before))),
    values: gradients ? put(gradient) : undefined,
  }))
  const seen = layers.map(({ path, layer, value }) => {
    const size = sizeOf(value.type.shape)
    const mean = divided(totalOf(value), size)
    const centred = subtract(value, broadcastTo(mean, value.type.shape))
    return {
      path,
      layer,
      size,
      shape: value.type.shape,
      zero: put(counted(compare('equal', value, fullLike(value, 0)))),
      mean: put(mean),
      variance: put(divided(squares(centred), size)),
      alive: layer === 'relu' ? put(aliveUnits(value)) : undefined,
      saturated: layer === 'sigmoid' || layer === 'tanh' ? put(counted(nearEnds(value, layer))) : undefined,
    }
  })
  return {
    nodes,
    read(values) {
      const number = (at: number | undefined) => (at === undefined ? 0 : values[at]![0]!)
      const activations: { [path: string]: LayerObservation } = {}
      for (const { path, layer, size, zero, mean, variance, alive, saturated } of seen)
        activations[path] = {
          layer,
          zero: number(zero) / size,
          mean: number(mean),
          deviation: Math.sqrt(number(variance)),
          ...(alive === undefined ? {} : { alive: Array.from(values[alive]!, (x) => x > 0) }),
          ...(saturated === undefined ? {} : { saturated: number(saturated) / size }),
        }
      const own = norms.map(({ name, gradient, parameter, update }) => [
        name,
        {
          gradient: Math.sqrt(number(gradient)),
          update: Math.sqrt(number(update)),
          parameter: Math.sqrt(number(parameter)),
        },
      ])
      const whole = norms.map(({ name, values: at }) => [name, values[at!]!])
      return {
        parameters: Object.fromEntries(own) as Observation['parameters'],
        activations,
        ...(gradients ? { gradients: Object.fromEntries(whole) as { [name: string]: TypedArray } } : {}),
      }
    },
  }
}

/** Whether each unit is other than 0 for some sample. */
function aliveUnits(value: Node): Node {
  const { shape } = value.type
  const other = convert(compare('notEqual', value, fullLike(value, 0)), 'int32')
  const unit = shape.length === 4 ? 1 : shape.length - 1
  if (shape.length === 0) return other
  const after = [...Array(shape.length).keys()].slice(unit + 1)
  const inner = after.length > 0 ? reduce('maximum', other, after) : other
  const before = [...Array(unit).keys()]
  return before.length > 0 ? reduce('maximum', inner, before) : inner
}

/** Within a twentieth of the range from an end: sigmoid below 0.05 or above 0.95, tanh beyond ±0.9. */
function nearEnds(value: Node, layer: 'sigmoid' | 'tanh'): Node {
  const centred = layer === 'sigmoid' ? subtract(value, fullLike(value, 0.5)) : value
  return compare('greater', unary('abs', centred), fullLike(value, layer === 'sigmoid' ? 0.45 : 0.9))
}

/** A layer's value that can be observed: numbers with fractions, at least one of them. */
export const isObservable = (dtype: string, shape: Shape): boolean => isFloat(dtype as 'float32') && sizeOf(shape) > 0

/**
 * @file Descent on the loss of two parameters, which can be drawn. In: a surface, an optimizer, a rate. Out: heights over a
 * plane, and the path from a start.
 *
 * const { path } = await descend('ravine', { optimizer: 'momentum', learningRate: 0.03, batchSize: 'full', updates: 100, seed: 1 })
 */
import { backpropagate, batches, compile, nn, optim, type Tensor, tensor, variable } from 'gradus'
import { makeData } from './data.js'
import { defaults, type OptimizerName } from './settings.js'

/** 'regression': slope and intercept of a line through noisy points; the others are functions of the two parameters alone. */
export const surfaceNames = ['regression', 'ravine', 'plateau'] as const
export type SurfaceName = (typeof surfaceNames)[number]

interface Surface {
  readonly start: readonly [number, number]
  /** From, to: what is drawn, of both parameters. */
  readonly view: readonly [readonly [number, number], readonly [number, number]]
  readonly height: (x: number, y: number) => number
  readonly error: (x: Tensor, y: Tensor) => Tensor<readonly []>
}

const points = makeData({ ...defaults.data, kind: 'line', samples: 64, noise: 0.25, validation: 0.1 }, 1).train
const square = (value: number) => value * value

export const surfaces: Record<SurfaceName, Surface> = {
  regression: {
    start: [-1.2, 1.2],
    view: [
      [-1.6, 2.2],
      [-1.6, 1.6],
    ],
    height: (slope, intercept) =>
      points.inputs.reduce((sum, x, i) => sum + square(slope * x + intercept - points.targets[i]!), 0) / points.count,
    error: () => {
      throw new Error('its error depends on samples')
    },
  },
  ravine: {
    start: [-1.7, -1.1],
    view: [
      [-2, 2],
      [-2, 2],
    ],
    height: (x, y) => square(x + y) / 4 + 25 * square(x - y),
    error: (x, y) => x.add(y).square().mul(0.25).add(x.sub(y).square().mul(25)) as Tensor<readonly []>,
  },
  plateau: {
    start: [6, 0.35],
    view: [
      [-4, 8],
      [-0.6, 0.6],
    ],
    height: (x, y) => square(1 / (1 + Math.exp(-x))) + 5 * square(y),
    error: (x, y) => nn.sigmoid(x).square().add(y.square().mul(5)) as Tensor<readonly []>,
  },
}

export interface DescentSettings {
  readonly optimizer: OptimizerName
  readonly learningRate: number
  /** Of the samples of 'regression'. */
  readonly batchSize: number | 'full'
  readonly updates: number
  readonly seed: number
}

export interface Path {
  /** Both parameters, at the start and after each update. */
  readonly places: readonly (readonly [number, number])[]
  /** The loss of all samples there. */
  readonly heights: readonly number[]
  /** Length of the path over the distance between its ends: 1 is a straight line. */
  readonly detour: number
}

const optimizers = {
  sgd: optim.sgd,
  momentum: optim.momentum,
  adagrad: optim.adagrad,
  adam: optim.adam,
} as const

export async function descend(name: SurfaceName, settings: DescentSettings): Promise<Path> {
  const { start, height, error } = surfaces[name]
  const { optimizer: kind, learningRate, batchSize, updates, seed } = settings
  const x = variable(tensor(start[0]), { trainable: true })
  const y = variable(tensor(start[1]), { trainable: true })
  const optimizer = optimizers[kind]({ learningRate }).init([x, y])
  const update = (value: Tensor<readonly []>) => {
    optimizer.update(backpropagate(value, [x, y]))
    return [x.value, y.value]
  }
  const onFunction = compile(() => update(error(x.value, y.value)))
  const onSamples = compile((input: Tensor, target: Tensor) =>
    update(input.mul(x.value).add(y.value).sub(target).square().mean() as Tensor<readonly []>),
  )
  const places: (readonly [number, number])[] = [start]
  const keep = async (values: readonly Tensor[]) => {
    const [a, b] = await Promise.all(values.map((value) => value.item()))
    places.push([a!, b!])
  }
  const isLost = () => !places.at(-1)!.every((value) => Math.abs(value) < 1e6)
  if (name === 'regression') {
    const data = {
      input: tensor(points.inputs, { shape: [points.count, 1] }),
      target: tensor(points.targets, { shape: [points.count, 1] }),
    }
    for (let epoch = 0; places.length <= updates && !isLost(); epoch++)
      for (const [input, target] of batches(data, { size: batchSize, shuffle: true, seed: seed * 1000 + epoch })) {
        if (places.length > updates || isLost()) break
        await keep(onSamples(input as Tensor, target as Tensor))
      }
  } else while (places.length <= updates && !isLost()) await keep(onFunction())
  const heights = places.map(([a, b]) => height(a, b))
  const lengths = places.slice(1).map(([a, b], i) => Math.hypot(a - places[i]![0], b - places[i]![1]))
  const end = places.at(-1)!
  const distance = Math.hypot(end[0] - start[0], end[1] - start[1])
  return { places, heights, detour: lengths.reduce((sum, one) => sum + one, 0) / distance }
}

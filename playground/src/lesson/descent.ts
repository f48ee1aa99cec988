/**
 * @file Descent on a loss of two parameters. In: a surface, an optimizer, a rate. Out: the path from the surface's start.
 *
 * const { places } = await descend('ravine', { optimizer: 'momentum', learningRate: 0.03, batchSize: 'full', updates: 100, seed: 1 })
 */
import { backpropagate, batches, compile, nn, optim, type Tensor, tensor, variable } from 'gradus'
import { type DescentSettings, type Path, points, type SurfaceName, surfaces } from './surface.js'

/** The surfaces' heights as tensors. */
const errors = {
  ravine: (x: Tensor, y: Tensor) => x.add(y).square().mul(0.25).add(x.sub(y).square().mul(25)),
  plateau: (x: Tensor, y: Tensor) => nn.sigmoid(x).square().add(y.square().mul(5)),
} as const

const optimizers = {
  sgd: optim.sgd,
  momentum: optim.momentum,
  adagrad: optim.adagrad,
  adam: optim.adam,
} as const

export async function descend(name: SurfaceName, settings: DescentSettings): Promise<Path> {
  const { start, height } = surfaces[name]
  const { optimizer: kind, learningRate, batchSize, updates, seed } = settings
  const x = variable(tensor(start[0]), { trainable: true })
  const y = variable(tensor(start[1]), { trainable: true })
  const optimizer = optimizers[kind]({ learningRate }).init([x, y])
  const update = (value: Tensor<readonly []>) => {
    optimizer.update(backpropagate(value, [x, y]))
    return [x.value, y.value]
  }
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
  } else {
    const step = compile(() => update(errors[name](x.value, y.value) as Tensor<readonly []>))
    while (places.length <= updates && !isLost()) await keep(step())
  }
  const heights = places.map(([a, b]) => height(a, b))
  const lengths = places.slice(1).map(([a, b], i) => Math.hypot(a - places[i]![0], b - places[i]![1]))
  const end = places.at(-1)!
  const distance = Math.hypot(end[0] - start[0], end[1] - start[1])
  return { places, heights, detour: lengths.reduce((sum, one) => sum + one, 0) / distance }
}

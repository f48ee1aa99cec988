/**
 * @file The vanishing gradient: sigmoid against ReLU in a deep network.
 *
 * The lecture says: the slope of a sigmoid is at most 1/4, so in a deep network of sigmoids the gradient shrinks from
 * layer to layer on its way back, and the first layers hardly learn; with ReLU, whose slope is 1, they do.
 *
 * Measured on handwritten digits in a network of ten hidden layers of equal size:
 * - the norm of the gradient of each layer's weights before training, and the factor between last and first
 * - the training accuracy after some epochs with the same optimizer (Adam) for all
 * Weights start as the literature advises for the activation (Glorot for sigmoid and tanh, He for ReLU), and once more
 * ReLU with the smaller weights that are the default here and in PyTorch: is it the activation, or the start?
 *
 * It would refute the claim if the gradients of the sigmoid network shrank no more than those of the ReLU network, or
 * if it learned as well.
 */
import { writeFile } from 'node:fs/promises'
import {
  backpropagate,
  batches,
  compile,
  evaluate,
  fit,
  type Initializer,
  initialize,
  lineChart,
  loss,
  metrics,
  nn,
  optim,
  type Tensor,
} from 'gradus'
import { fewDigits } from './few-digits.js'

const depth = 10
const width = 32
const cases: { name: string; activation: nn.Elementwise; initializer: Initializer | undefined }[] = [
  { name: 'sigmoid', activation: nn.sigmoid, initializer: nn.init.xavierNormal() },
  { name: 'tanh', activation: nn.tanh, initializer: nn.init.xavierNormal() },
  { name: 'ReLU', activation: nn.relu, initializer: nn.init.kaimingNormal({ nonlinearity: 'relu' }) },
  { name: 'ReLU, default start', activation: nn.relu, initializer: undefined },
]

export interface Gradients {
  name: string
  /** Norm of the gradient of each hidden layer's weights, from the second to the last; all have the same size. */
  norms: number[]
  /** Last norm divided by first: how much gets lost on the way. */
  shrinkage: number
  accuracy: number
}

export async function run({ seed, quick = false }: { seed: number; quick?: boolean }): Promise<Gradients[]> {
  const { train } = await fewDigits({ train: quick ? 400 : 2000, seed })
  const results: Gradients[] = []
  for (const { name, activation, initializer } of cases) {
    const hidden = Array.from({ length: depth - 1 }, () =>
      nn.sequential(nn.linear(width, width, { initializer }), activation),
    )
    const net = nn.sequential(
      nn.flatten(),
      nn.sequential(nn.linear(784, width, { initializer }), activation),
      ...hidden,
      nn.linear(width, 10),
    )
    initialize(net, { seed })
    const gradientNorms = compile(
      (input: Tensor, target: Tensor) => {
        const gradients = backpropagate(loss.crossEntropy(net(input), target), net)
        return hidden.map((layer) => gradients.get(layer.children[0].children.weight)!.square().sum().sqrt())
      },
      { training: true },
    )
    const [whole] = [...batches(train, { size: 'full' })]
    const norms = await Promise.all(gradientNorms(...whole!).map((norm) => norm.item()))
    await fit(net, {
      train,
      loss: loss.crossEntropy,
      optimizer: optim.adam({ learningRate: 1e-3 }),
      epochs: quick ? 12 : 20,
      seed,
    })
    const { accuracy } = await evaluate(net, train, { metrics: { accuracy: metrics.accuracy } })
    results.push({ name, norms, shrinkage: norms.at(-1)! / norms[0]!, accuracy })
  }
  return results
}

export async function main() {
  for (const seed of [1, 2, 3]) {
    const results = await run({ seed })
    console.log(`\nseed ${seed}`)
    console.table(
      results.map(({ name, norms, shrinkage, accuracy }) => ({
        network: name,
        'gradient, layer 2': norms[0]!.toPrecision(2),
        [`gradient, layer ${depth}`]: norms.at(-1)!.toPrecision(2),
        'shrinks by': Number(shrinkage.toPrecision(2)).toLocaleString('en'),
        'training accuracy': `${(100 * accuracy).toFixed(1)} %`,
      })),
    )
    if (seed > 1) continue
    await writeFile(
      '../pictures/vanishing-gradient.svg',
      lineChart({
        title: 'How much of the gradient reaches each layer, before training',
        xLabel: 'hidden layer (the error comes from the right)',
        yLabel: "norm of the weights' gradient",
        logY: true,
        series: results.map(({ name, norms }) => ({
          name,
          points: norms.map((norm, i) => [i + 2, norm] as const),
          dashed: name.includes('default'),
        })),
      }),
    )
  }
}

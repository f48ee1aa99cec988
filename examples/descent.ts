/**
 * @file Full-batch, mini-batch and single-sample descent.
 *
 * The lecture says: the gradient of all samples leads straight down, that of a single sample is noisy and makes for a
 * large variance between epochs; mini-batches are the compromise.
 *
 * Measured on handwritten digits, for batches of all, of 32 and of 1:
 * - the noise of the path: its length divided by the distance it covers. 1 is a straight line.
 * - the variance between epochs: the standard deviation of log(loss after an epoch / loss before it), once the first
 *   third of the epochs is over. 0.1 means that epochs differ by about 10 %. And how many epochs ended worse.
 * Both are measured twice: with one learning rate for all three, and with the rate that suits each best.
 *
 * It would refute the claim if the path of the single sample were as straight as the other one, or its epochs as even.
 */
import { writeFile } from 'node:fs/promises'
import {
  backpropagate,
  batches,
  compile,
  type Dataset,
  initialize,
  lineChart,
  loss,
  nn,
  optim,
  parameters,
  type Tensor,
  tensor,
  variable,
} from 'gradus'
import { fewDigits } from './few-digits.js'

const sizes = ['full', 32, 1] as const
type Size = (typeof sizes)[number]
const names = { full: 'all samples', 32: 'batches of 32', 1: 'single samples' }

export interface Descent {
  size: Size
  learningRate: number
  /** Over all training data: before, and after each epoch. */
  losses: number[]
  pathNoise: number
  epochNoise: number
  worseEpochs: number
  /** Where two of the parameters were after each update. */
  path: [number, number][]
}

export async function run({ seed, quick = false }: { seed: number; quick?: boolean }) {
  const { train } = await fewDigits({ train: quick ? 200 : 512, seed })
  const epochs = quick ? 15 : 30
  const rates = quick ? [0.03, 0.3] : [0.01, 0.03, 0.1, 0.3]
  const sameRate: Descent[] = []
  const ownRate: Descent[] = []
  for (const size of sizes) {
    sameRate.push(await descend(train, { size, epochs, seed, learningRate: 0.1 }))
    const tried: Descent[] = []
    for (const learningRate of rates) tried.push(await descend(train, { size, epochs, seed, learningRate }))
    ownRate.push(tried.reduce((best, one) => (one.losses.at(-1)! < best.losses.at(-1)! ? one : best)))
  }
  return { sameRate, ownRate }
}

async function descend(
  train: Dataset,
  { size, epochs, seed, learningRate }: { size: Size; epochs: number; seed: number; learningRate: number },
): Promise<Descent> {
  const output = nn.linear(32, 10)
  const net = nn.sequential(nn.flatten(), nn.linear(784, 32), nn.relu, output)
  initialize(net, { seed })
  const optimizer = optim.sgd({ learningRate }).init(net)
  const travelled = variable(tensor(0))
  const step = compile(
    (input: Tensor, target: Tensor) => {
      const gradients = backpropagate(loss.crossEntropy(net(input), target), net)
      optimizer.update(gradients)
      // Plain descent moves by the gradient times the rate.
      let squares = tensor(0)
      for (const gradient of gradients.values()) squares = squares.add(gradient.square().sum())
      travelled.assign(travelled.value.add(squares.sqrt().mul(learningRate)))
      return output.children.bias.value
    },
    { training: true },
  )
  const wholeLoss = compile((input: Tensor, target: Tensor) => loss.crossEntropy(net(input), target))
  const [whole] = [...batches(train, { size: 'full' })]

  const start = await snapshot(net)
  const losses = [await wholeLoss(...whole!).item()]
  const path: [number, number][] = []
  for (let epoch = 0; epoch < epochs; epoch++) {
    for (const [input, target] of batches(train, { size, shuffle: true, seed: seed * 1000 + epoch })) {
      const bias = await step(input, target).data()
      path.push([bias[0]!, bias[1]!])
    }
    losses.push(await wholeLoss(...whole!).item())
  }
  const end = await snapshot(net)
  const distance = Math.hypot(...end.map((value, i) => value - start[i]!))
  const changes = losses.slice(1).map((value, i) => Math.log(value / losses[i]!))
  const later = changes.slice(Math.floor(epochs / 3))
  return {
    size,
    learningRate,
    losses,
    pathNoise: (await travelled.value.item()) / distance,
    epochNoise: standardDeviation(later),
    worseEpochs: later.filter((change) => change > 0).length / later.length,
    path,
  }
}

async function snapshot(net: Parameters<typeof parameters>[0]): Promise<number[]> {
  const parts = await Promise.all([...parameters(net).values()].map((parameter) => parameter.value.data()))
  return parts.flatMap((part) => [...part])
}

function standardDeviation(values: number[]): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length)
}

export async function main() {
  for (const seed of [1, 2, 3]) {
    const { sameRate, ownRate } = await run({ seed })
    console.log(`\nseed ${seed}`)
    console.table(
      [...sameRate, ...ownRate].map((one, i) => ({
        descent: names[one.size],
        rate: `${one.learningRate}${i < 3 ? ' (same for all)' : ' (its best)'}`,
        'path noise': one.pathNoise.toFixed(1),
        'epoch noise': one.epochNoise.toFixed(3),
        'worse epochs': `${Math.round(100 * one.worseEpochs)} %`,
        'final loss': one.losses.at(-1)!.toPrecision(3),
      })),
    )
    if (seed > 1) continue
    const lines = (descents: Descent[], label: string, dashed: boolean) =>
      descents.map((one, color) => ({
        name: `${names[one.size]}, ${label} ${one.learningRate}`,
        points: one.losses.map((value, epoch) => [epoch, value] as const),
        dashed,
        color,
      }))
    await writeFile(
      '../pictures/descent.svg',
      lineChart({
        title: 'Loss after each epoch: rate 0.1 for all (dashed), the best rate for each (solid)',
        xLabel: 'epoch',
        yLabel: 'cross-entropy on all training data',
        logY: true,
        width: 860,
        series: [...lines(ownRate, 'rate', false), ...lines(sameRate, 'rate', true)],
      }),
    )
    await writeFile(
      '../pictures/descent-path.svg',
      lineChart({
        title: 'The way of two parameters: 30 epochs (4 of single samples)',
        xLabel: 'bias of the first class',
        yLabel: 'bias of the second class',
        width: 860,
        series: [2, 1, 0].map((color) => {
          const { size, path } = ownRate[color]!
          return { name: names[size], points: size === 1 ? path.slice(0, 2000) : path, color }
        }),
      }),
    )
  }
}

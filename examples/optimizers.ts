/**
 * @file Momentum, Adagrad and Adam where gradients are small, against plain gradient descent.
 *
 * The lecture says: plain descent hardly moves where gradients are small; momentum gathers speed there, Adagrad and
 * Adam give each parameter a rate of its own.
 *
 * Measured on three landscapes, each optimizer with the best of the same eight learning rates:
 * - plateau: σ(x)² + 50·y², from about x = 6, y = 0.1. Along x there is almost no slope, and y forbids a large rate.
 * - ravine: (u² + 100·v²) / 2 along diagonal axes u, v: steep walls, a flat bottom, and no parameter of its own for each.
 * - sigmoids: a network of five sigmoid layers on real digits, whose gradients vanish (see vanishing-gradient.ts).
 * On the first two, the figure is the number of steps until the error is below 0.1 (no more than 3,000 are done); on the third, the loss after some epochs: it starts at ln 10 = 2.3, and a plateau keeps it there.
 *
 * It would refute the claim if plain descent were no slower.
 */
import { writeFile } from 'node:fs/promises'
import {
  backpropagate,
  compile,
  fit,
  lineChart,
  loss,
  nn,
  optim,
  random,
  setSeed,
  type Tensor,
  tensor,
  variable,
} from 'gradus'
import { fewDigits } from './few-digits.js'

const makers = {
  'plain descent': (learningRate: number) => optim.sgd({ learningRate }),
  momentum: (learningRate: number) => optim.momentum({ learningRate }),
  Adagrad: (learningRate: number) => optim.adagrad({ learningRate }),
  Adam: (learningRate: number) => optim.adam({ learningRate }),
}
export type Name = keyof typeof makers
const names = Object.keys(makers) as Name[]
const rates = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3]

const landscapes = {
  plateau: {
    start: [6, 0.1],
    error: (x: Tensor, y: Tensor) => nn.sigmoid(x).square().add(y.square().mul(50)),
  },
  ravine: {
    start: [1, 2],
    error: (x: Tensor, y: Tensor) => x.add(y).square().mul(0.25).add(x.sub(y).square().mul(25)),
  },
}

export interface Descent {
  name: Name
  learningRate: number
  /** Error before each step. */
  errors: number[]
  /** Until the error is below 0.1; Infinity if it never was. */
  steps: number
}
export interface Learning {
  name: Name
  learningRate: number
  losses: number[]
}

export async function run({ seed, quick = false }: { seed: number; quick?: boolean }) {
  setSeed(seed)
  const [shiftX, shiftY] = await random.uniform([2], -0.1, 0.1).array()
  const onLandscape = async (landscape: keyof typeof landscapes): Promise<Descent[]> => {
    const { start, error } = landscapes[landscape]
    return Promise.all(
      names.map((name) =>
        bestOf(
          rates,
          (learningRate) => descend(name, learningRate, [start[0]! + shiftX!, start[1]! + shiftY!], error),
          ({ steps, errors }) => (steps === Number.POSITIVE_INFINITY ? 1e6 * (1 + errors.at(-1)!) : steps),
        ),
      ),
    )
  }
  const plateau = await onLandscape('plateau')
  const ravine = await onLandscape('ravine')
  const sigmoids: Learning[] = []
  for (const name of names)
    sigmoids.push(
      await bestOf(
        quick ? [0.01, 0.1] : rates,
        (learningRate) => learn(name, learningRate, seed, quick),
        ({ losses }) => losses.at(-1)!,
      ),
    )
  return { plateau, ravine, sigmoids }
}

async function bestOf<T>(
  learningRates: number[],
  tryRate: (learningRate: number) => Promise<T>,
  score: (result: T) => number,
): Promise<T> {
  const results: T[] = []
  for (const learningRate of learningRates) results.push(await tryRate(learningRate))
  return results.reduce((best, one) => (score(one) < score(best) ? one : best))
}

async function descend(
  name: Name,
  learningRate: number,
  [x0, y0]: [number, number],
  error: (x: Tensor, y: Tensor) => Tensor,
): Promise<Descent> {
  const x = variable(tensor(x0), { trainable: true })
  const y = variable(tensor(y0), { trainable: true })
  const optimizer = makers[name](learningRate).init([x, y])
  const step = compile(() => {
    const height = error(x.value, y.value)
    optimizer.update(backpropagate(height, [x, y]))
    return height
  })
  const errors: number[] = []
  for (let count = 0; count < 3000; count++) {
    const height = await step().item()
    errors.push(height)
    if (!(height < 1e6)) break
    if (height < 0.1) return { name, learningRate, errors, steps: count }
  }
  return { name, learningRate, errors, steps: Number.POSITIVE_INFINITY }
}

async function learn(name: Name, learningRate: number, seed: number, quick: boolean): Promise<Learning> {
  const { train } = await fewDigits({ train: quick ? 300 : 1000, seed })
  const layers = [1, 2, 3, 4].map(() => nn.sequential(nn.linear(32, 32), nn.sigmoid))
  const net = nn.sequential(nn.flatten(), nn.linear(784, 32), nn.sigmoid, ...layers, nn.linear(32, 10))
  const { epochs } = await fit(net, {
    train,
    loss: loss.crossEntropy,
    optimizer: makers[name](learningRate),
    epochs: quick ? 20 : 40,
    seed,
  })
  return { name, learningRate, losses: epochs.map((epoch) => epoch.train.loss) }
}

export async function main() {
  for (const seed of [1, 2, 3]) {
    const { plateau, ravine, sigmoids } = await run({ seed })
    const figure = ({ steps, learningRate }: Descent) =>
      `${steps === Number.POSITIVE_INFINITY ? 'more than 3,000' : steps} steps (rate ${learningRate})`
    console.log(`\nseed ${seed}`)
    console.table(
      names.map((name, i) => ({
        optimizer: name,
        plateau: figure(plateau[i]!),
        ravine: figure(ravine[i]!),
        sigmoids: `loss ${sigmoids[i]!.losses.at(-1)!.toFixed(2)} (rate ${sigmoids[i]!.learningRate})`,
      })),
    )
    if (seed > 1) continue
    for (const [landscape, descents] of Object.entries({ plateau, ravine }))
      await writeFile(
        `../pictures/optimizers-${landscape}.svg`,
        lineChart({
          title: landscape === 'plateau' ? 'Across a plateau: σ(x)² + 50·y²' : 'Along a ravine: (u² + 100·v²) / 2',
          xLabel: 'step',
          yLabel: 'error',
          logX: true,
          logY: true,
          series: descents.map(({ name, learningRate, errors }) => ({
            name: `${name}, rate ${learningRate}`,
            points: errors.map((value, step) => [step + 1, value] as const),
          })),
        }),
      )
    await writeFile(
      '../pictures/optimizers-sigmoids.svg',
      lineChart({
        title: 'Five layers of sigmoids learn digits',
        xLabel: 'epoch',
        yLabel: 'training loss (cross-entropy)',
        series: sigmoids.map(({ name, learningRate, losses }) => ({
          name: `${name}, rate ${learningRate}`,
          points: losses.map((value, i) => [i + 1, value] as const),
        })),
      }),
    )
  }
}

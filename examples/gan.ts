/**
 * @file A generative adversarial network: two networks, two optimizers, one program.
 *
 * A generator makes numbers from noise, a discriminator tells them from real ones; each learns from the other. Real
 * numbers come from two hills, at −2 and at 2. Goodfellow et al. 2014, arXiv:1406.2661
 *
 * Measured: the distance between 2,000 generated and 2,000 real numbers (Wasserstein's: how far each must be moved on
 * average, both sorted), before and after training; and the share of generated numbers on the left hill, which should
 * be a half. It would show that the library got this wrong if the distance did not shrink: the two updates must not mix.
 */
import { writeFile } from 'node:fs/promises'
import {
  backpropagate,
  compile,
  initialize,
  lineChart,
  loss,
  nn,
  ones,
  optim,
  random,
  type Tensor,
  where,
  zeros,
} from 'gradus'

const size = 128

const realNumbers = (count: number): Tensor =>
  where(random.bernoulli([count, 1], 0.5), random.normal([count, 1], -2, 0.5), random.normal([count, 1], 2, 0.5))

export async function run({ seed, quick = false }: { seed: number; quick?: boolean }) {
  const generator = nn.sequential(nn.linear(4, 32), nn.relu, nn.linear(32, 32), nn.relu, nn.linear(32, 1))
  const discriminator = nn.sequential(nn.linear(1, 32), nn.relu, nn.linear(32, 32), nn.relu, nn.linear(32, 1))
  initialize(generator, { seed })
  initialize(discriminator, { seed: seed + 1000 })
  const adam = optim.adam({ learningRate: 1e-3, beta1: 0.5 })
  const generatorOptimizer = adam.init(generator)
  const discriminatorOptimizer = adam.init(discriminator)

  const step = compile(
    () => {
      const real = realNumbers(size)
      const fake = generator(random.normal([size, 4]))

      const forReal = loss.binaryCrossEntropy(discriminator(real), ones([size, 1]))
      const forFake = loss.binaryCrossEntropy(discriminator(fake), zeros([size, 1]))
      discriminatorOptimizer.update(backpropagate(forReal.add(forFake), discriminator))

      // The discriminator is the updated one from here on.
      const fooled = loss.binaryCrossEntropy(discriminator(fake), ones([size, 1]))
      generatorOptimizer.update(backpropagate(fooled, generator))
      return { discriminator: forReal.add(forFake), generator: fooled }
    },
    { training: true, random: seed },
  )
  const sample = compile(() => ({ real: realNumbers(2000), fake: generator(random.normal([2000, 4])) }), {
    random: seed + 1,
  })
  const look = async () => {
    const { real, fake } = sample()
    const [a, b] = [Float64Array.from(await real.data()).sort(), Float64Array.from(await fake.data()).sort()]
    return { real: a, fake: b, distance: a.reduce((sum, x, i) => sum + Math.abs(x - b[i]!), 0) / a.length }
  }

  const before = await look()
  for (let count = 0; count < (quick ? 2000 : 10_000); count++) step()
  const after = await look()
  const left = after.fake.filter((x) => x < 0).length / after.fake.length
  return { distanceBefore: before.distance, distanceAfter: after.distance, left, after }
}

/** The share of numbers in each fifth of a unit, per unit. */
const histogram = (numbers: Float64Array) =>
  Array.from({ length: 40 }, (_, i) => {
    const low = -4 + i / 5
    return [low + 0.1, (numbers.filter((x) => x >= low && x < low + 0.2).length / numbers.length) * 5] as const
  })

export async function main() {
  const rows = []
  for (const seed of [1, 2, 3]) {
    const { distanceBefore, distanceAfter, left, after } = await run({ seed })
    rows.push({
      seed,
      'distance before': distanceBefore.toFixed(2),
      'distance after': distanceAfter.toFixed(2),
      'on the left hill': `${(100 * left).toFixed(0)} %`,
    })
    if (seed > 1) continue
    await writeFile(
      '../pictures/gan.svg',
      lineChart({
        title: 'Real and generated numbers',
        xLabel: 'number',
        yLabel: 'density',
        series: [
          { name: 'real', points: histogram(after.real) },
          { name: 'generated', points: histogram(after.fake) },
        ],
      }),
    )
  }
  console.table(rows)
}

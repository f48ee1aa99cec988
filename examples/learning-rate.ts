/**
 * @file Learning rates too small, right and too large.
 *
 * The lecture says: with a rate that is too small learning takes too long, with one that is too large it does not
 * converge; the rate decides on speed and on quality.
 *
 * Measured on handwritten digits, for rates from 0.001 to 10 with plain mini-batch descent:
 * - speed: the epochs until the training loss is below 0.5
 * - quality: the accuracy on validation data in the end
 * - convergence: whether the loss ends below ln 10, which is the loss of a network that knows nothing
 *
 * It would refute the claim if the smallest rate were about as quick as the best, or the largest one converged.
 */
import { writeFile } from 'node:fs/promises'
import { fit, lineChart, loss, metrics, nn, optim } from 'gradus'
import { fewDigits } from './few-digits.js'

export interface Learning {
  learningRate: number
  /** Training loss of each epoch; ends early where it was no longer finite. */
  losses: number[]
  accuracy: number
  /** The first epoch with a loss below 0.5; Infinity if there was none. */
  epochsNeeded: number
  converged: boolean
}

export async function run({ seed, quick = false }: { seed: number; quick?: boolean }): Promise<Learning[]> {
  const { train, validation } = await fewDigits({ train: quick ? 500 : 2000, validation: quick ? 500 : 2000, seed })
  const results: Learning[] = []
  for (const learningRate of quick ? [0.001, 0.1, 10] : [0.001, 0.01, 0.1, 0.3, 1, 10]) {
    const net = nn.sequential(nn.flatten(), nn.linear(784, 32), nn.relu, nn.linear(32, 10))
    const losses: number[] = []
    let accuracy = 0
    const training = fit(net, {
      train,
      validation,
      loss: loss.crossEntropy,
      optimizer: optim.sgd({ learningRate }),
      metrics: { accuracy: metrics.accuracy },
      epochs: quick ? 15 : 25,
      seed,
    })
    try {
      for await (const epoch of training) {
        losses.push(epoch.train.loss)
        accuracy = epoch.validation.accuracy
      }
    } catch {
      // fit rejects as soon as the loss is no longer finite.
      losses.push(Number.POSITIVE_INFINITY)
    }
    const epochsNeeded = losses.findIndex((value) => value < 0.5) + 1 || Number.POSITIVE_INFINITY
    results.push({ learningRate, losses, accuracy, epochsNeeded, converged: losses.at(-1)! < Math.log(10) })
  }
  return results
}

export async function main() {
  for (const seed of [1, 2, 3]) {
    const results = await run({ seed })
    console.log(`\nseed ${seed}`)
    console.table(
      results.map(({ learningRate, losses, accuracy, epochsNeeded, converged }) => ({
        rate: learningRate,
        'epochs to 0.5': epochsNeeded === Number.POSITIVE_INFINITY ? 'never' : epochsNeeded,
        'final loss': losses.at(-1)!.toPrecision(3),
        accuracy: `${(100 * accuracy).toFixed(1)} %`,
        converged,
      })),
    )
    if (seed > 1) continue
    await writeFile(
      '../pictures/learning-rate.svg',
      lineChart({
        title: 'Learning rates: too small, right, too large',
        xLabel: 'epoch',
        yLabel: 'training loss (cross-entropy)',
        logY: true,
        series: results.map(({ learningRate, losses }) => ({
          name: `rate ${learningRate}`,
          points: losses.map((value, i) => [i + 1, value] as const),
          dashed: learningRate >= 1,
          color: learningRate === 10 ? 6 : undefined,
        })),
      }),
    )
  }
}

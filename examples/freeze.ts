/**
 * @file Freezing: train a part of the parameters. A body learns the digits 0 to 4; then it is frozen, and a new head
 * learns 5 to 9 on it from 200 images.
 *
 * Measured: whether the body has kept every bit; the accuracy on the digits 5 to 9 it was never trained on; and, for
 * comparison, that of the same head on a body that was never trained at all. If a trained body were no better, nothing
 * would have been carried over.
 */
import { writeFile } from 'node:fs/promises'
import {
  barChart,
  type Dataset,
  evaluate,
  fit,
  initialize,
  loss,
  metrics,
  nn,
  optim,
  parameters,
  subset,
  type Tensor,
} from 'gradus'
import { fewDigits } from './few-digits.js'

/** The digits from `lowest` to `lowest` + 4, labelled 0 to 4. */
function five(data: Dataset, lowest: number): Dataset {
  const rows = [...data.target.data.keys()].filter((i) => Math.floor((data.target.data[i]! - lowest) / 5) === 0)
  const chosen = subset(data, rows)
  return {
    ...chosen,
    target: { ...chosen.target, data: Int32Array.from(chosen.target.data, (digit) => digit - lowest) },
  }
}

const first = (data: Dataset, count: number) =>
  subset(
    data,
    Array.from({ length: count }, (_, i) => i),
  )

const newBody = () => nn.sequential(nn.flatten(), nn.linear(784, 64), nn.relu, nn.linear(64, 32), nn.relu)
const withHead = (body: ReturnType<typeof newBody>) =>
  nn.module({ body, head: nn.linear(32, 5) }, (m, image: Tensor) => m.head(m.body(image)))

export async function run({ seed, quick = false }: { seed: number; quick?: boolean }) {
  const { train, validation } = await fewDigits({ train: quick ? 1500 : 4000, validation: 2000, seed })
  const options = { loss: loss.crossEntropy, seed }

  const body = newBody()
  const low = withHead(body)
  await fit(low, { ...options, train: five(train, 0), optimizer: optim.adam(), epochs: 10 })
  const before = await bytes(body)

  const headOnly = async (frozen: typeof body) => {
    const net = withHead(frozen)
    initialize(net, { seed })
    const optimizer = optim.adam({ learningRate: 0.01 }).init(parameters(net, /^head\./))
    await fit(net, { ...options, train: first(five(train, 5), 200), optimizer, epochs: 30 })
    const { accuracy } = await evaluate(net, five(validation, 5), { metrics: { accuracy: metrics.accuracy } })
    return accuracy
  }
  const trainedBody = await headOnly(body)
  const untrainedBody = await headOnly(newBody())
  const after = await bytes(body)
  return { trainedBody, untrainedBody, bodyUnchanged: before.every((bits, i) => bits.equals(after[i]!)) }
}

const bytes = (net: Parameters<typeof parameters>[0]) =>
  Promise.all(
    [...parameters(net).values()].map(async (parameter) => Buffer.from((await parameter.value.data()).buffer)),
  )

export async function main() {
  const results = []
  for (const seed of [1, 2, 3]) results.push(await run({ seed }))
  console.table(
    results.map(({ trainedBody, untrainedBody, bodyUnchanged }, i) => ({
      seed: i + 1,
      'body trained on 0 to 4': `${(100 * trainedBody).toFixed(1)} %`,
      'body untrained': `${(100 * untrainedBody).toFixed(1)} %`,
      'every bit kept': bodyUnchanged,
    })),
  )
  const mean = (values: number[]) => (100 * values.reduce((sum, value) => sum + value, 0)) / values.length
  await writeFile(
    '../pictures/freeze.svg',
    barChart({
      title: 'A new head on a frozen body: accuracy on the digits 5 to 9',
      xLabel: '% of validation images, mean of three seeds',
      bars: [
        { name: 'body trained on 0 to 4', value: mean(results.map((one) => one.trainedBody)) },
        { name: 'body untrained', value: mean(results.map((one) => one.untrainedBody)) },
      ],
    }),
  )
}

/**
 * @file Overfitting, and four remedies: weight decay, dropout, parameter sharing, early stopping.
 *
 * The lecture says: a network with many parameters learns few samples by heart; its training error goes on falling
 * while its validation error rises again. Each of the four remedies narrows the gap between them.
 *
 * Measured on handwritten digits, with few of them to learn from:
 * - overfitting: how far the validation loss has risen from its lowest value when training ends
 * - for each remedy: training loss, validation loss (both without dropout), the gap between them, validation accuracy
 * Parameter sharing has a pair of its own: both look at the image through 36 windows of 8×8 pixels; one has a layer for
 * each window, the other one layer for all.
 *
 * It would refute the claim if the validation loss did not rise without remedies, or if the gap was no narrower with one.
 */
import { writeFile } from 'node:fs/promises'
import {
  barChart,
  concatenate,
  type Dataset,
  evaluate,
  fit,
  lineChart,
  loss,
  metrics,
  type Net,
  nn,
  optim,
  parameters,
  type Tensor,
} from 'gradus'
import { fewDigits } from './few-digits.js'

const dense = (dropout = 0) =>
  nn.sequential(
    nn.flatten(),
    nn.dropout(dropout),
    nn.linear(784, 128),
    nn.relu,
    nn.dropout(dropout),
    nn.linear(128, 128),
    nn.relu,
    nn.dropout(dropout),
    nn.linear(128, 10),
  )

/** Number i of the 6 × 6 windows of an image [batch, 28, 28]: [batch, 64]. */
function windowOf(image: Tensor, i: number): Tensor {
  const [row, column] = [4 * Math.floor(i / 6), 4 * (i % 6)]
  return image.slice([0, row, column], [image.shape[0], row + 8, column + 8]).flatten(1)
}
/** The windows in each quarter of the image: the upper left one, and where they are from there. */
const quarters = [0, 3, 18, 21]
const within = [0, 1, 2, 6, 7, 8, 12, 13, 14]

/** Using one module in 36 places is all there is to parameter sharing. */
function windowed(shared: boolean) {
  const one = nn.linear(64, 32)
  const layers = Array.from({ length: 36 }, () => (shared ? one : nn.linear(64, 32)))
  return nn.module({ layers, output: nn.linear(4 * 32, 10) }, (m, image: Tensor) => {
    const answers = m.layers.map((layer, i) => nn.relu(layer(windowOf(image, i))))
    // The strongest answer in each quarter, wherever in it that is.
    const strongest = quarters.map((corner) => within.map((i) => answers[corner + i]!).reduce((a, b) => a.maximum(b)))
    return m.output(concatenate(strongest, 1))
  })
}

export interface Outcome {
  remedy: string
  parameters: number
  trainLoss: number
  validationLoss: number
  /** Validation loss minus training loss. */
  gap: number
  accuracy: number
  /** Validation loss after each epoch. */
  losses: number[]
  /** Training loss of each epoch. */
  trainLosses: number[]
}

export async function run({ seed, quick = false }: { seed: number; quick?: boolean }) {
  const data = await fewDigits({ train: quick ? 150 : 500, validation: quick ? 300 : 1000, seed })
  const epochs = quick ? 40 : 100
  const train = (remedy: string, net: Net, options: { weightDecay?: number; patience?: number } = {}) =>
    learn(remedy, net, data, { epochs, seed, ...options })
  return {
    none: await train('none', dense()),
    weightDecay: await train('weight decay', dense(), { weightDecay: 0.3 }),
    dropout: await train('dropout', dense(0.5)),
    earlyStopping: await train('early stopping', dense(), { patience: 5 }),
    unshared: await train('36 layers', windowed(false)),
    shared: await train('1 layer in 36 places', windowed(true)),
  }
}

async function learn(
  remedy: string,
  net: Net,
  { train, validation }: { train: Dataset; validation: Dataset },
  options: { epochs: number; seed: number; weightDecay?: number; patience?: number },
): Promise<Outcome> {
  const { epochs, seed, weightDecay = 0, patience } = options
  const history = await fit(net, {
    train,
    validation,
    loss: loss.crossEntropy,
    optimizer: optim.adamW({ learningRate: 1e-3, weightDecay: { rate: weightDecay, where: optim.notBias } }),
    epochs,
    seed,
    earlyStopping: patience ? { patience, restoreBest: true } : undefined,
  })
  const scores = { loss: loss.crossEntropy, metrics: { accuracy: metrics.accuracy } }
  const onTrain = await evaluate(net, train, scores)
  const onValidation = await evaluate(net, validation, scores)
  return {
    remedy,
    parameters: [...parameters(net).values()].reduce(
      (sum, { shape }) => sum + shape.reduce((a: number, b: number) => a * b, 1),
      0,
    ),
    trainLoss: onTrain.loss,
    validationLoss: onValidation.loss,
    gap: onValidation.loss - onTrain.loss,
    accuracy: onValidation.accuracy,
    losses: history.epochs.map((epoch) => epoch.validation.loss),
    trainLosses: history.epochs.map((epoch) => epoch.train.loss),
  }
}

export async function main() {
  const gaps = new Map<string, number[]>()
  for (const seed of [1, 2, 3]) {
    const results = await run({ seed })
    for (const { remedy, gap } of Object.values(results)) gaps.set(remedy, [...(gaps.get(remedy) ?? []), gap])
    console.log(`\nseed ${seed}`)
    console.table(
      Object.values(results).map((one) => ({
        remedy: one.remedy,
        parameters: one.parameters,
        'training loss': one.trainLoss.toPrecision(2),
        'validation loss': one.validationLoss.toFixed(3),
        gap: one.gap.toFixed(3),
        'at its lowest': Math.min(...one.losses).toFixed(3),
        accuracy: `${(100 * one.accuracy).toFixed(1)} %`,
      })),
    )
    if (seed > 1) continue
    const { none, weightDecay, dropout, earlyStopping, unshared, shared } = results
    const line = (name: string, values: number[], color: number, dashed = false) => ({
      name,
      points: values.map((value, i) => [i + 1, value] as const),
      color,
      dashed,
    })
    await writeFile(
      '../pictures/overfitting.svg',
      lineChart({
        title: 'Validation loss while 500 digits are learned by heart',
        xLabel: 'epoch',
        yLabel: 'cross-entropy',
        width: 860,
        series: [
          line('no remedy', none.losses, 0),
          line('no remedy, training', none.trainLosses, 0, true),
          line('weight decay', weightDecay.losses, 1),
          line('dropout', dropout.losses, 2),
          line('early stopping', earlyStopping.losses, 3),
          line('36 layers', unshared.losses, 7),
          line('1 layer in 36 places', shared.losses, 4),
        ],
      }),
    )
  }
  // Over the three seeds: the mean, and the standard deviation.
  await writeFile(
    '../pictures/overfitting-remedies.svg',
    barChart({
      title: 'The gap: validation loss minus training loss',
      xLabel: 'cross-entropy, mean of three seeds ± standard deviation',
      bars: [...gaps].map(([name, values]) => {
        const value = values.reduce((sum, gap) => sum + gap, 0) / values.length
        return {
          name,
          value,
          error: Math.sqrt(values.reduce((sum, gap) => sum + (gap - value) ** 2, 0) / (values.length - 1)),
        }
      }),
    }),
  )
}

/**
 * @file Fine-tuning: a network that was trained elsewhere, on other data, learns from few examples what is different here.
 *
 * `models/mnist-8x8.onnx` is PyTorch's: it reads digits that were written in America (MNIST), made 8×8
 * (scripts/fixtures/example_model.py). Here are digits from Turkey, 8×8 too, but scanned and scaled in another way
 * (optdigits), of which few have been labelled. `importOnnx` makes the file a network like any other: `fit` trains it on.
 *
 * Measured: the accuracy on 1,500 digits from Turkey of the network as it came, of the same trained further with n of the
 * others, and of an equal network that starts from nothing with the same n. Fine-tuning would be of no use if the last were
 * as good for n of 50 or 100.
 */
import { writeFile } from 'node:fs/promises'
import { table } from '@gradus/datasets'
import {
  type Dataset,
  evaluate,
  fit,
  importOnnx,
  lineChart,
  loss,
  metrics,
  nn,
  optim,
  readTable,
  splitDataset,
  subset,
} from 'gradus'

const model = '../models/mnist-8x8.onnx'
const counts = [25, 50, 100, 200]

/** 1,797 digits: 64 shares of ink from 0 to 1, counted in sixteenths. */
async function digitsFromTurkey(): Promise<Dataset> {
  const { path, columns } = table('digits-8x8')
  const { columns: cells, rows } = await readTable(path, { columns: columns! })
  const data = Uint8Array.from({ length: 64 * rows }, (_, i) => Number(cells[i % 64]![Math.floor(i / 64)]))
  return {
    input: { data, shape: [rows, 64], scale: 1 / 16 },
    target: { data: Int32Array.from(cells[64]!, Number), shape: [rows] },
  }
}

export async function run({ seed, quick = false, file = model }: { seed: number; quick?: boolean; file?: string }) {
  const all = await digitsFromTurkey()
  const { train, test } = splitDataset(
    all,
    { train: 297 / 1797, validation: 0, test: 1500 / 1797 },
    { seed, stratify: true },
  )
  const accuracy = async (net: Parameters<typeof evaluate>[0]) =>
    (await evaluate(net, test, { metrics: { accuracy: metrics.accuracy } })).accuracy

  const after = async (net: Parameters<typeof fit>[0], n: number) => {
    const first = subset(
      train,
      Array.from({ length: n }, (_, i) => i),
    )
    const steps = 300
    const learningRate = optim.schedules.cosine({ learningRate: 2e-3, steps })
    const optimizer = optim.adamW({ learningRate })
    const batchSize = Math.min(25, n)
    await fit(net, {
      train: first,
      loss: loss.crossEntropy,
      optimizer,
      epochs: Math.ceil((steps * batchSize) / n),
      batchSize,
      seed,
    })
    return accuracy(net)
  }
  const asItCame = await accuracy(await importOnnx(file))
  const results = []
  for (const n of quick ? [50] : counts)
    results.push({
      n,
      trainedFurther: await after(await importOnnx(file), n),
      fromNothing: await after(
        nn.sequential(nn.linear(64, 96), nn.relu, nn.linear(96, 48), nn.relu, nn.linear(48, 10)),
        n,
      ),
    })
  return { asItCame, results }
}

export async function main() {
  const runs: Awaited<ReturnType<typeof run>>[] = []
  for (const seed of [1, 2, 3]) runs.push(await run({ seed }))
  const percent = (values: number[]) => `${values.map((value) => (100 * value).toFixed(1)).join(' / ')} %`
  const column = (i: number, key: 'trainedFurther' | 'fromNothing') => runs.map(({ results }) => results[i]![key])
  console.log(`as it came: ${percent(runs.map(({ asItCame }) => asItCame))}`)
  console.table(
    counts.map((n, i) => ({
      digits: n,
      'trained further': percent(column(i, 'trainedFurther')),
      'from nothing': percent(column(i, 'fromNothing')),
    })),
  )
  const mean = (values: number[]) => (100 * values.reduce((sum, value) => sum + value, 0)) / values.length
  await writeFile(
    '../pictures/finetune.svg',
    lineChart({
      title: 'Digits from Turkey, read by a network that learned from those of America',
      xLabel: 'digits from Turkey to learn from',
      yLabel: '% read right, mean of three seeds',
      series: [
        { name: 'trained further', points: counts.map((n, i) => [n, mean(column(i, 'trainedFurther'))] as const) },
        { name: 'from nothing', points: counts.map((n, i) => [n, mean(column(i, 'fromNothing'))] as const) },
        {
          name: 'as it came',
          dashed: true,
          points: [counts[0]!, counts.at(-1)!].map((n) => [n, mean(runs.map(({ asItCame }) => asItCame))] as const),
        },
      ],
    }),
  )
}

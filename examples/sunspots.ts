/**
 * @file A long short-term memory foretells the number of sunspots: it reads the years so far and says what the next one brings.
 *
 * Measured on the 60 years from 1949, which neither training nor the choice of the epoch saw: the root of the mean squared error
 * of one year ahead, beside "as many as this year" and beside a linear regression on the nine years before, which is what
 * statisticians have used for this series since Yule (1927, doi:10.1098/rsta.1927.0007).
 * If memory were no use, the network would do no better than the first.
 */
import { writeFile } from 'node:fs/promises'
import { sunspots } from '@gradus/datasets'
import { type Dataset, fit, lineChart, loss, nn, optim, predict, setSeed, type Tensor } from 'gradus'

const window = 40
const testYears = 60
const validationYears = 40

/** Values of so many years [batch, time] → the next one after each [batch, time]. */
const newNet = () =>
  nn.module({ memory: nn.lstm(1, 32), output: nn.linear(32, 1) }, (m, years: Tensor): Tensor => {
    const [states] = m.memory(years.expandDims(-1))
    // It says by how much the number changes.
    return m.output(states).squeeze(-1).add(years)
  })

interface Settings {
  readonly seed: number
  readonly epochs?: number
}

export async function run({ seed, epochs = 60 }: Settings) {
  const { year, value } = await sunspots()
  // Square roots: large numbers scatter more than small ones.
  const scaled = Float32Array.from(value, (x) => Math.sqrt(x) / 10)
  /** Windows whose last target is a year from `from` up to `to`. */
  const windows = (from: number, to: number): Dataset => {
    const starts = Array.from({ length: to - from }, (_, i) => from + i - window)
    const shape = [starts.length, window]
    const part = (shift: number) => {
      const data = new Float32Array(starts.length * window)
      starts.forEach((start, i) => {
        data.set(scaled.subarray(start + shift, start + shift + window), i * window)
      })
      return { data, shape }
    }
    return { input: part(0), target: part(1) }
  }
  const [testFrom, validationFrom] = [value.length - testYears, value.length - testYears - validationYears]
  setSeed(seed)
  const net = newNet()
  await fit(net, {
    train: windows(window, validationFrom),
    validation: windows(validationFrom, testFrom),
    loss: loss.meanSquaredError,
    optimizer: optim.adam({ learningRate: 3e-3 }),
    epochs,
    batchSize: 16,
    seed,
    earlyStopping: { patience: 15, restoreBest: true },
  })

  const said = (await predict(net, windows(testFrom, value.length).input)) as number[][]
  const foretold = said.map((window) => {
    const root = Math.max(0, window.at(-1)!) * 10
    return root * root
  })
  const truth = [...value.slice(testFrom)]
  const error = (guess: (i: number) => number) =>
    Math.sqrt(truth.reduce((sum, x, i) => sum + (guess(testFrom + i) - x) ** 2, 0) / testYears)
  const regression = linearRegression(value, 9, testFrom)
  return {
    years: [...year.slice(testFrom)],
    truth,
    foretold,
    errors: {
      network: error((i) => foretold[i - testFrom]!),
      sameAsBefore: error((i) => value[i - 1]!),
      regression: error((i) => regression(i)),
    },
  }
}

/** Least squares of a value on those of the `order` years before, over the years before `until`; solved by elimination. */
function linearRegression(value: Float64Array, order: number, until: number): (i: number) => number {
  const features = (i: number) => [1, ...Array.from({ length: order }, (_, k) => value[i - 1 - k]!)]
  const size = order + 1
  const normal = Array.from({ length: size }, () => new Float64Array(size + 1))
  for (let i = order; i < until; i++) {
    const x = features(i)
    for (let a = 0; a < size; a++) {
      for (let b = 0; b < size; b++) normal[a]![b]! += x[a]! * x[b]!
      normal[a]![size]! += x[a]! * value[i]!
    }
  }
  for (let a = 0; a < size; a++)
    for (let b = 0; b < size; b++) {
      if (a === b) continue
      const factor = normal[b]![a]! / normal[a]![a]!
      for (let c = a; c <= size; c++) normal[b]![c]! -= factor * normal[a]![c]!
    }
  const weights = normal.map((row, a) => row[size]! / row[a]!)
  return (i) => features(i).reduce((sum, x, a) => sum + x * weights[a]!, 0)
}

export async function main() {
  for (const seed of [1, 2, 3]) {
    const { years, truth, foretold, errors } = await run({ seed })
    const text = Object.entries(errors).map(([name, error]) => `${name} ${error.toFixed(1)}`)
    console.log(`seed ${seed}: ${text.join(', ')}`)
    if (seed > 1) continue
    const line = (name: string, list: number[], dashed = false) => ({
      name,
      points: list.map((y, i) => [years[i]!, y] as const),
      dashed,
    })
    await writeFile(
      '../pictures/sunspots.svg',
      lineChart({
        title: 'Sunspots, foretold a year ahead',
        xLabel: 'year',
        yLabel: 'sunspots',
        series: [line('observed', truth), line('foretold', foretold, true)],
      }),
    )
  }
}

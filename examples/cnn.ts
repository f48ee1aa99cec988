/**
 * @file A convolutional network reads handwritten digits: two layers that look through 5×5 windows, each followed by
 * pooling, then two linear layers. Every window shares its weights with all others, so that a stroke is learned once, not once
 * for each place.
 *
 * Measured after five epochs: how many of the 10,000 test images it reads, and how many when each is moved by two pixels,
 * which it never saw. Beside it the linear layers of digits.ts, trained the same way. If windows were no use, the second row
 * would be no worse.
 */
import { writeFile } from 'node:fs/promises'
import { type Dataset, digits } from '@gradus/datasets'
import { barChart, evaluate, fit, loss, metrics, nn, optim, subset, type Tensor } from 'gradus'

/** [batch, 28, 28] → [batch, 10]. Sizes on the way are what follows each line; `width` is the number of patterns looked for. */
const convolutional = (width: number) =>
  nn.sequential(
    (image: Tensor) => image.expandDims(1), // one channel: [batch, 1, 28, 28]
    nn.conv2d(1, width, 5), // [batch, width, 24, 24]
    nn.batchNorm(width),
    nn.relu,
    nn.maxPool2d(2), // [batch, width, 12, 12]
    nn.conv2d(width, 2 * width, 5), // [batch, 2·width, 8, 8]
    nn.batchNorm(2 * width),
    nn.relu,
    nn.maxPool2d(2), // [batch, 2·width, 4, 4]
    nn.flatten(),
    nn.dropout(0.4),
    nn.linear(2 * width * 4 * 4, 128),
    nn.relu,
    nn.dropout(0.4),
    nn.linear(128, 10),
  )

const linear = () => nn.sequential(nn.flatten(), nn.linear(784, 128), nn.relu, nn.dropout(0.2), nn.linear(128, 10))

interface Settings {
  readonly seed: number
  readonly quick?: boolean
  /** Told after each epoch: its number, and the accuracy on images that are not learned from. */
  readonly report?: (network: string, epoch: number, accuracy: number) => void
}

export async function run({ seed, quick = false, report }: Settings) {
  const all = await digits({ validation: 5_000 })
  const train = quick ? first(all.train, 2_000) : all.train
  const validation = first(all.validation, quick ? 1_000 : 5_000)
  const test = first(all.test, quick ? 1_000 : 10_000)
  const [epochs, batchSize] = [quick ? 3 : 5, quick ? 32 : 128]
  const steps = epochs * Math.ceil(train.target.data.length / batchSize)

  const score = async (name: string, net: ReturnType<typeof linear> | ReturnType<typeof convolutional>) => {
    const training = fit(net, {
      train,
      validation,
      loss: loss.crossEntropy,
      // The rate rises for a third of the way and then falls to almost nothing, where the last per mille are won.
      optimizer: optim.adamW({ learningRate: optim.schedules.oneCycle({ learningRate: 3e-3, steps }) }),
      metrics: { accuracy: metrics.accuracy },
      epochs,
      batchSize,
      seed,
    })
    for await (const epoch of training) report?.(name, epoch.epoch, epoch.validation.accuracy)
    const accuracyOn = async (data: Dataset) =>
      (await evaluate(net, data, { metrics: { accuracy: metrics.accuracy } })).accuracy
    return { accuracy: await accuracyOn(test), moved: await accuracyOn(movedBy(2, test)) }
  }
  return {
    convolutional: await score('convolutional', convolutional(quick ? 8 : 32)),
    linear: await score('linear', linear()),
  }
}

const first = (data: Dataset, count: number) =>
  subset(
    data,
    Array.from({ length: count }, (_, i) => i),
  )

/** The same images, each so many pixels further to the right and down; what is left free is black. */
function movedBy(pixels: number, { input, ...rest }: Dataset): Dataset {
  const [count, height, width] = input.shape as [number, number, number]
  const data = new Uint8Array(input.data.length)
  for (let row = pixels; row < height; row++)
    for (let image = 0; image < count; image++) {
      const to = (image * height + row) * width
      const from = to - pixels * width
      data.set((input.data as Uint8Array).subarray(from, from + width - pixels), to + pixels)
    }
  return { ...rest, input: { ...input, data } }
}

export async function main() {
  const percent = (share: number) => `${(100 * share).toFixed(2)} %`
  const scores = await run({
    seed: 1,
    report: (network, epoch, accuracy) =>
      console.log(`${network}, epoch ${epoch}: ${percent(accuracy)} of the validation images`),
  })
  console.table(
    Object.entries(scores).map(([network, { accuracy, moved }]) => ({
      network,
      'test images read': percent(accuracy),
      'moved by two pixels': percent(moved),
    })),
  )
  await writeFile(
    '../pictures/cnn.svg',
    barChart({
      title: 'Test images misread after five epochs',
      xLabel: '%',
      bars: Object.entries(scores).flatMap(([network, { accuracy, moved }]) => [
        { name: network, value: 100 * (1 - accuracy) },
        { name: `${network}, moved by 2 pixels`, value: 100 * (1 - moved) },
      ]),
    }),
  )
}

/**
 * @file Handwritten digits: a drawing made into what MNIST's images are, and two networks that learn them. In: pixels. Out: images of
 * 28 × 28; networks; what they say of an image.
 *
 * const training = new DigitTraining(images, 'convolution', 1)
 * await training.advance(10)
 * const shares = await training.shares(asMnist(drawing, 280))
 */
import {
  augment,
  backpropagate,
  batches,
  type Compiled,
  compile,
  initialize,
  loss,
  type Net,
  nn,
  optim,
  parameters,
  stack,
  type Tensor,
  tensor,
} from 'gradus'
import { side } from './drawing.js'

/** Images as bytes, one after the other, and what they are. */
export interface DigitImages {
  readonly pixels: Uint8Array
  readonly labels: Uint8Array
}

export const networkNames = ['convolution', 'dense'] as const
export type DigitNetwork = (typeof networkNames)[number]

const networks: Record<DigitNetwork, () => Net> = {
  // One small set of weights looks at every place: parameter sharing.
  convolution: () =>
    nn.sequential(
      nn.conv2d(1, 8, 5),
      nn.relu,
      nn.maxPool2d(2),
      nn.conv2d(8, 24, 3),
      nn.relu,
      nn.maxPool2d(2),
      nn.flatten(),
      nn.dropout(0.2),
      nn.linear(24 * 5 * 5, 10),
    ) as unknown as Net,
  // A weight of its own for every pixel and unit.
  dense: () =>
    nn.sequential(
      nn.flatten(),
      nn.linear(side * side, 48),
      nn.relu,
      nn.dropout(0.2),
      nn.linear(48, 10),
    ) as unknown as Net,
}

export interface DigitProgress {
  readonly update: number
  /** Training samples seen. */
  readonly samples: number
  /** Mean loss of the last batches. */
  readonly loss: number
  /** Share of right ones among images that nothing was learned from. */
  readonly accuracy: number
  readonly parameters: number
}

const batchSize = 32

export class DigitTraining {
  readonly net: Net
  readonly #step: Compiled<readonly [Tensor, Tensor], Tensor>
  readonly #shares: Compiled<readonly [Tensor], Tensor>
  readonly #right: Compiled<readonly [Tensor, Tensor], Tensor>
  readonly #train: { readonly input: Tensor; readonly target: Tensor }
  readonly #test: { readonly input: Tensor; readonly target: Tensor }
  readonly #seed: number
  #batches: Iterator<unknown> | undefined
  #update = 0
  #epoch = 0
  #loss = Number.NaN

  constructor(images: DigitImages, network: DigitNetwork, seed: number, forTest = 1000) {
    const count = images.labels.length
    this.#seed = seed
    this.#train = part(images, 0, count - forTest)
    this.#test = part(images, count - forTest, count)
    // Drawings lean and wander more than MNIST's digits do.
    const moved = augment.compose(augment.shift(2), augment.rotate(12), augment.scale([0.85, 1.15]))
    const net = networks[network]()
    this.net = net
    initialize(net, { seed })
    const optimizer = optim.adam({ learningRate: 2e-3 }).init(net)
    const scaled = (x: Tensor) => x.cast('float32').mul(1 / 255)
    this.#step = compile(
      (input: Tensor, target: Tensor) => {
        const error = loss.crossEntropy(net((moved as unknown as Net)(scaled(input))), target)
        optimizer.update(backpropagate(error, net))
        return error
      },
      { training: true, random: seed },
    )
    this.#shares = compile((input: Tensor) => nn.softmax(net(scaled(input))))
    this.#right = compile((input: Tensor, target: Tensor) =>
      stack([net(scaled(input)).argmax(1).equal(target).cast('float32').mean()]),
    )
  }

  /** Makes some updates of 32 images. */
  async advance(updates: number): Promise<void> {
    const list: (readonly [Tensor, Tensor])[] = []
    while (list.length < updates) {
      this.#batches ??= batches(this.#train, { size: batchSize, shuffle: true, seed: this.#seed * 1009 + this.#epoch })[
        Symbol.iterator
      ]()
      const { value, done } = this.#batches.next()
      if (done) {
        this.#batches = undefined
        this.#epoch++
      } else if ((value as [Tensor])[0].shape[0] === batchSize) list.push(value as [Tensor, Tensor])
    }
    for (const error of this.#step.each(list)) {
      const value = await error.item()
      this.#loss = Number.isNaN(this.#loss) ? value : 0.95 * this.#loss + 0.05 * value
    }
    this.#update += updates
  }

  async progress(): Promise<DigitProgress> {
    const [accuracy] = await this.#right(this.#test.input, this.#test.target).data()
    const sizes = [...parameters(this.net).values()].map(({ shape }) =>
      shape.reduce((n: number, extent: number) => n * extent, 1),
    )
    return {
      update: this.#update,
      samples: this.#update * batchSize,
      loss: this.#loss,
      accuracy: Number(accuracy),
      parameters: sizes.reduce((sum, one) => sum + one, 0),
    }
  }

  /** How sure the network is of each of the ten digits, for one image of 28 × 28 bytes. */
  async shares(image: Uint8Array): Promise<number[]> {
    return [...(await this.#shares(tensor(image, { shape: [1, 1, side, side] })).data())].map(Number)
  }
}

function part({ pixels, labels }: DigitImages, from: number, to: number) {
  const bytes = pixels.slice(from * side * side, to * side * side)
  return {
    input: tensor(bytes, { shape: [to - from, 1, side, side] }) as Tensor,
    target: tensor(Int32Array.from(labels.subarray(from, to))) as Tensor,
  }
}

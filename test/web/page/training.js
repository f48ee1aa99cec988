/** @file What the workers of test/web train. */
import * as gradus from '../../../dist/gradus.js'
import { data, networks } from '../../../scripts/smoke-training.mjs'

const { serveTraining, loss, optim, compile, modelBytes, nn, tensor } = gradus

/** A product that threads share, long enough for them to be started. */
async function sharedProduct() {
  const product = compile((x) => x.matmul(x).matmul(x))
  const x = tensor(new Float32Array(90_000).fill(0.01), { shape: [300, 300] })
  const start = performance.now()
  let turns = 0
  while (performance.now() - start < 400 || turns < 20) {
    await product(x).at?.(0)
    await product(x).data()
    turns++
  }
  return product.explain([x]).threads
}

serveTraining(
  ({ parameters = {} }) => {
    const { epochs = 3, big = false } = parameters
    const network = big
      ? nn.sequential(nn.linear(20, 512), nn.relu, nn.linear(512, 512), nn.relu, nn.linear(512, 5))
      : networks(gradus).mlp
    return {
      network,
      train: data(gradus).mlp,
      loss: loss.crossEntropy,
      optimizer: optim.adam({ learningRate: 0.01 }),
      epochs,
      batchSize: 8,
    }
  },
  {
    calls: {
      about: async () => ({ threads: await sharedProduct(), isolated: globalThis.crossOriginIsolated === true }),
      hash: ({ network }) =>
        Array.from(modelBytes(network)).reduce((h, byte) => Math.imul(h ^ byte, 0x01000193) >>> 0, 0x811c9dc5),
    },
  },
)

/**
 * @file A short training with everything random and rounded that steps have: an MLP with dropout, and a CNN. In: the library, from
 * wherever it was imported. Out: a hash of all weights and losses. Equal hashes are equal bits: scripts/smoke.mjs prints it in whatever
 * runtime there is, test/web/browsers.test.ts compares it with that of browsers.
 */
const numbers = (count, f) => Float32Array.from({ length: count }, (_, i) => f(i))

/** FNV-1a over bytes, twice 32 bits. */
function hashOf(parts) {
  let [a, b] = [0x811c9dc5, 0x01234567]
  for (const bytes of parts)
    for (const byte of bytes) {
      a = Math.imul(a ^ byte, 0x01000193)
      b = Math.imul(b ^ byte, 0x01000193) + 1
    }
  return [a, b].map((word) => (word >>> 0).toString(16).padStart(8, '0')).join('')
}

export function networks({ nn }) {
  return {
    mlp: nn.sequential(nn.linear(20, 33), nn.relu, nn.dropout(0.3), nn.linear(33, 5)),
    cnn: nn.sequential(nn.conv2d(1, 4, 3), nn.relu, nn.maxPool2d(2), nn.flatten(), nn.linear(36, 5)),
  }
}

export function data({ tensor }) {
  const count = 96
  const target = tensor(
    Int32Array.from({ length: count }, (_, i) => (i * i) % 5),
    { shape: [count] },
  )
  return {
    mlp: {
      input: tensor(
        numbers(count * 20, (i) => ((i * 37) % 101) / 50 - 1),
        { shape: [count, 20] },
      ),
      target,
    },
    cnn: {
      input: tensor(
        numbers(count * 64, (i) => ((i * 53) % 97) / 48 - 1),
        { shape: [count, 1, 8, 8] },
      ),
      target,
    },
  }
}

export async function smoke(gradus) {
  const { fit, loss, optim, modelBytes } = gradus
  const [nets, sets] = [networks(gradus), data(gradus)]
  const parts = []
  for (const name of ['mlp', 'cnn']) {
    const history = await fit(nets[name], {
      train: sets[name],
      loss: loss.crossEntropy,
      optimizer: optim.adam({ learningRate: 0.01 }),
      epochs: 8,
      batchSize: 32,
      seed: 3,
    })
    parts.push(modelBytes(nets[name]))
    parts.push(new Uint8Array(Float64Array.from(history.epochs, ({ train }) => train.loss).buffer))
  }
  return hashOf(parts)
}

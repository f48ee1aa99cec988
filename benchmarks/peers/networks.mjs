/**
 * @file The peers' networks in Gradus, as peer_torch.py has them: W1 to W3 multi-layer perceptrons, W4 PyTorch's CNN of its MNIST
 * example, W5 nanoGPT's CPU configuration, W6 a GRU. In: dist/index.js and a workload's name. Out: { net, loss, optimizer, input }.
 */
import { DIMS } from './common.mjs'

const vocabulary = 65
const block = 64

export function workloadOf({ nn, loss, optim }, name) {
  if (name === 'W4')
    return {
      net: nn.sequential(
        nn.conv2d(1, 32, 3),
        nn.relu,
        nn.conv2d(32, 64, 3),
        nn.relu,
        nn.maxPool2d(2),
        nn.dropout(0.25),
        nn.flatten(),
        nn.linear(9216, 128),
        nn.relu,
        nn.dropout(0.5),
        nn.linear(128, 10),
      ),
      loss: loss.crossEntropy,
      optimizer: optim.adam({ learningRate: 1e-3 }),
      input: [1, 28, 28],
    }
  if (name === 'W5') {
    const net = gpt(nn, { layers: 4, heads: 4, size: 128 })
    return {
      net,
      loss: (logits, target) => loss.crossEntropy(logits.reshape([-1, vocabulary]), target.reshape([-1])),
      optimizer: optim.chain(
        optim.clipByGlobalNorm(1),
        optim.adamW({ learningRate: 1e-3, beta1: 0.9, beta2: 0.99, weightDecay: { rate: 0.1, where: optim.notBias } }),
      ),
      input: [block],
      target: [block],
    }
  }
  if (name === 'W6')
    return {
      net: nn.module(
        {
          tokens: nn.embedding(vocabulary, 128),
          recurrent: nn.gru(128, 128),
          output: nn.linear(128, vocabulary),
        },
        (m, x) => m.output(m.recurrent(m.tokens(x))[0]),
      ),
      loss: (logits, target) => loss.crossEntropy(logits.reshape([-1, vocabulary]), target.reshape([-1])),
      optimizer: optim.adam({ learningRate: 1e-3 }),
      input: [block],
      target: [block],
    }
  const sizes = DIMS[name]
  const small = name === 'W1'
  return {
    net: nn.sequential(
      ...sizes.slice(1).flatMap((size, i) => {
        const linear = nn.linear(sizes[i], size)
        return i + 2 < sizes.length ? [linear, small ? nn.tanh : nn.relu] : [linear]
      }),
    ),
    loss: small ? loss.meanSquaredError : loss.crossEntropy,
    optimizer: small ? optim.sgd({ learningRate: 0.01 }) : optim.adam({ learningRate: 1e-3 }),
    input: [sizes[0]],
    ...(small ? { target: [1] } : {}),
  }
}

/** Pre-norm blocks without biases, exact GELU, the output layer tied to the embedding. */
function gpt(nn, { layers, heads, size }) {
  const initializer = nn.init.normal(0, 0.02)
  const linear = (from, to) => nn.linear(from, to, { bias: false, initializer })
  const head = size / heads
  const split = (x) => x.reshape([x.shape[0], block, heads, head]).transpose([0, 2, 1, 3])
  const layer = () =>
    nn.module(
      {
        norm1: nn.layerNorm(size, { bias: false }),
        norm2: nn.layerNorm(size, { bias: false }),
        qkv: linear(size, 3 * size),
        projection: linear(size, size),
        hidden: linear(size, 4 * size),
        output: linear(4 * size, size),
      },
      (m, x) => {
        const all = m.qkv(m.norm1(x))
        const part = (i) => all.slice([0, 0, i * size], [all.shape[0], block, (i + 1) * size])
        const [q, k, v] = [0, 1, 2].map((i) => split(part(i)))
        const y = nn.attention(q, k, v, { causal: true }).transpose([0, 2, 1, 3]).reshape(x.shape)
        const after = x.add(m.projection(y))
        return after.add(m.output(nn.gelu(m.hidden(m.norm2(after)))))
      },
    )
  return nn.module(
    {
      tokens: nn.embedding(vocabulary, size, { initializer }),
      positions: nn.parameter([block, size], initializer),
      layers: Array.from({ length: layers }, layer),
      norm: nn.layerNorm(size, { bias: false }),
    },
    (m, x) => {
      const first = m.tokens(x).add(m.positions.value)
      const last = m.layers.reduce((value, one) => one(value), first)
      return m.norm(last).matmul(m.tokens.children.weight.value.transpose())
    },
  )
}

/**
 * @file A small GPT learns Shakespeare one character at a time: blocks of causal self-attention and a perceptron, as in nanoGPT
 * (A. Karpathy) at its settings for a CPU: 4 layers of 4 heads, 128 wide, 64 characters of context, 12 extracts a step, 2,000 steps.
 *
 * Measured: the mean cross-entropy of the whole validation text, which the network never saw (nanoGPT reports 1.88 on a sample of it;
 * knowing only how frequent each character is gives 3.3). Then it writes a text of its own.
 */
import { writeFile } from 'node:fs/promises'
import { type Alphabet, tinyShakespeare } from '@gradus/datasets'
import {
  backpropagate,
  compile,
  gather,
  iota,
  lineChart,
  loss,
  nn,
  optim,
  random,
  setSeed,
  type Tensor,
  tensor,
  variable,
} from 'gradus'

const context = 64
const initializer = nn.init.normal(0, 0.02)

/** x + attention(norm x), then x + perceptron(norm x). */
const block = (size: number, heads: number) => {
  const linear = (from: number, to: number) => nn.linear(from, to, { bias: false, initializer })
  const split = (x: Tensor) => x.reshape([-1, context, heads, size / heads]).transpose([0, 2, 1, 3])
  return nn.module(
    {
      norm1: nn.layerNorm(size, { bias: false }),
      queriesKeysValues: linear(size, 3 * size),
      projection: linear(size, size),
      norm2: nn.layerNorm(size, { bias: false }),
      hidden: linear(size, 4 * size),
      output: linear(4 * size, size),
    },
    (m, x: Tensor): Tensor => {
      const all = m.queriesKeysValues(m.norm1(x))
      const part = (i: number) => split(all.slice([0, 0, i * size], [x.shape[0]!, context, (i + 1) * size]))
      const seen = nn.attention(part(0), part(1), part(2), { causal: true })
      const attended = x.add(m.projection(seen.transpose([0, 2, 1, 3]).reshape(x.shape)))
      return attended.add(m.output(nn.gelu(m.hidden(m.norm2(attended)))))
    },
  )
}

/** Numbers of characters [batch, context] → logits of the next one at each place [batch, context, vocabulary]. */
const gpt = (vocabulary: number, { layers = 4, heads = 4, size = 128 } = {}) =>
  nn.module(
    {
      tokens: nn.embedding(vocabulary, size, { initializer }),
      positions: nn.parameter([context, size], initializer),
      blocks: Array.from({ length: layers }, () => block(size, heads)),
      norm: nn.layerNorm(size, { bias: false }),
    },
    (m, x: Tensor<readonly [number, number], 'int32'>): Tensor => {
      let y: Tensor = m.tokens(x).add(m.positions.value)
      for (const layer of m.blocks) y = layer(y)
      // What the embedding says of characters also says which one comes next: one matrix serves both.
      return m.norm(y).matmul(m.tokens.children.weight.value.transpose())
    },
  )

interface Settings {
  readonly seed: number
  readonly steps?: number
  readonly size?: number
  readonly layers?: number
  readonly quick?: boolean
  /** Told now and then: how many steps were made, and the error of the last. */
  readonly report?: (step: number, error: number) => void
}

export async function run({ seed, steps = 2_000, size = 128, layers = 4, quick = false, report }: Settings) {
  const { train, validation, alphabet } = await tinyShakespeare()
  const vocabulary = alphabet.characters.length
  setSeed(seed)
  const net = gpt(vocabulary, { size, layers })
  const errorOf = (input: Tensor, target: Tensor) =>
    loss.crossEntropy(net(input as never).reshape([-1, vocabulary]), target.reshape([-1]))

  // The text lives beside the program, which draws the extracts itself.
  const text = variable(tensor(alphabet.encode(train), { shape: [train.length] }))
  const extracts = (count: number) => {
    const starts = random
      .uniform([count, 1])
      .mul(train.length - context - 1)
      .floor()
      .cast('int32')
    const places = starts.add(iota([count, context], 1))
    return [gather(text.value, places), gather(text.value, places.add(1))] as const
  }
  // A hundred steps to warm up, then half a wave down to a tenth.
  const learningRate = optim.schedules.warmup({
    steps: 100,
    after: optim.schedules.cosine({ learningRate: 1e-3, steps: steps - 100, final: 1e-4 }),
  })
  const optimizer = optim
    .chain(
      optim.clipByGlobalNorm(1),
      optim.adamW({ learningRate, beta2: 0.99, weightDecay: { rate: 0.1, where: optim.notBias } }),
    )
    .init(net)
  const step = compile(
    () => {
      const [input, target] = extracts(12)
      const error = errorOf(input, target)
      optimizer.update(backpropagate(error, net))
      return error
    },
    { training: true },
  )

  const curve: { step: number; error: number }[] = []
  for (let done = 0; done < steps; ) {
    const count = Math.min(100, steps - done)
    const error = await step.many(Array.from({ length: count }, () => [] as const))
    done += count
    curve.push({ step: done, error: await error!.item() })
    report?.(done, curve.at(-1)!.error)
  }

  const whole = await errorOfText(alphabet.encode(quick ? validation.slice(0, 6_500) : validation), errorOf)
  return { curve, validation: whole, write: (characters: number) => write(net, alphabet, characters) }
}

/** The mean error over a text, cut into extracts; a last one that is too short is left out. */
async function errorOfText(
  text: Int32Array<ArrayBuffer>,
  errorOf: (input: Tensor, target: Tensor) => Tensor,
): Promise<number> {
  const error = compile(errorOf)
  const count = 100
  let sum = 0
  const groups = Math.floor((text.length - 1) / (context * count))
  for (let i = 0; i < groups; i++) {
    const extract = (from: number) => tensor(text.slice(from, from + count * context), { shape: [count, context] })
    sum += await error(extract(i * count * context), extract(i * count * context + 1)).item()
  }
  return sum / groups
}

/** One character after another, each drawn as often as the network expects it. */
async function write(net: ReturnType<typeof gpt>, alphabet: Alphabet, characters: number): Promise<string> {
  const next = compile(
    (window: Tensor<readonly [number, number], 'int32'>, place: Tensor<readonly [], 'int32'>) => {
      const logits = gather(net(window).reshape([context, -1]), place)
      // The greatest of logits + Gumbel noise is a draw from their softmax.
      return logits.add(random.uniform([alphabet.characters.length], 1e-9).log().neg().log().neg()).argmax()
    },
    { training: true },
  )
  const text = [...alphabet.encode('\n')]
  while (text.length <= characters) {
    const known = text.slice(-context)
    const window = new Int32Array(context)
    window.set(known)
    const place = tensor(known.length - 1, { dtype: 'int32' })
    text.push(await next(tensor(window, { shape: [1, context] }), place).item())
  }
  return alphabet.decode(text.slice(1))
}

export async function main() {
  const started = performance.now()
  const report = (step: number, error: number) => console.log(`step ${step}: ${error.toFixed(3)}`)
  const { curve, validation, write } = await run({ seed: 1337, report })
  const seconds = (performance.now() - started) / 1000
  console.log(`validation text: ${validation.toFixed(4)} after ${seconds.toFixed(0)} s\n`)
  console.log(await write(500))
  const points = curve.map(({ step, error }) => [step, error] as const)
  await writeFile(
    '../pictures/gpt.svg',
    lineChart({
      title: 'A small GPT on Shakespeare',
      xLabel: 'step',
      yLabel: 'cross-entropy of a character',
      series: [{ name: 'extracts of the step', points }],
    }),
  )
}

/**
 * @file Text that a language model makes up: one token after another, each drawn as often as the network expects it. In: a network, a
 * tokenizer, a beginning. Out: the text that follows it.
 *
 * await generate(net, tokenizer, { prompt: 'ROMEO:', length: 200, context: 64, temperature: 0.8, seed: 1 })
 */
import { ShapeError, ValueError } from '../base/errors.js'
import { checkNames } from '../base/options.js'
import { breath } from '../base/pace.js'
import { formatShape } from '../base/shape.js'
import type { Tokenizer } from '../data/text/tokenizer.js'
import { initialize } from '../nn/module.js'
import { RandomStream } from '../numerics/random.js'
import { compile } from '../step.js'
import { tensor } from '../trace/creation.js'
import { gather } from '../trace/functions.js'
import type { Tensor } from '../trace/tensor.js'
import type { Net } from './types.js'

/** How text is made up. */
export interface GenerateOptions {
  /** What it begins with, which is not in the result; a line feed by default, or the first token where there is none. */
  readonly prompt?: string
  /** How many tokens to make; 200 by default. */
  readonly length?: number
  /** How many tokens the network sees at once. */
  readonly context: number
  /** Divides the logits: below 1 what is likely becomes likelier, 0 always takes the likeliest; 1 by default. */
  readonly temperature?: number
  /** Draws among the likeliest so many only; all by default. */
  readonly topK?: number
  /** The same seed draws the same text; 0 by default. */
  readonly seed?: number
  readonly signal?: AbortSignal
}

const names = ['prompt', 'length', 'context', 'temperature', 'topK', 'seed', 'signal']

/** Makes up text with a network from tokens [1, context] to logits [1, context, vocabulary]. Throws for a prompt that cannot be encoded. */
export async function generate(net: Net, tokenizer: Tokenizer, options: GenerateOptions): Promise<string> {
  checkNames('generate', options, names)
  const { length = 200, context, temperature = 1, topK = tokenizer.size, seed = 0, signal } = options
  for (const [name, value] of Object.entries({ length, context, topK }))
    if (!Number.isInteger(value) || value < 1)
      throw new ValueError('generate', `${name} must be a whole number above 0, not ${String(value)}`)
  if (!(temperature >= 0 && Number.isFinite(temperature)))
    throw new ValueError('generate', `temperature must be a number of 0 or more, not ${String(temperature)}`)
  initialize(net)
  const next = compile(
    (window: Tensor, place: Tensor) => {
      const logits: Tensor = net(window)
      if (logits.rank !== 3 || logits.shape[2] !== tokenizer.size)
        throw new ShapeError('generate', `the network gives ${formatShape(logits.shape)}`, {
          hint: `It must give logits [1, ${context}, ${tokenizer.size}].`,
        })
      return gather(logits.reshape([context, -1]), place) as Tensor
    },
    { training: false },
  )
  const tokens = [...firstTokens(tokenizer, options.prompt)]
  const begun = tokens.length
  const random = new RandomStream(seed, 'generate')
  while (tokens.length < begun + length) {
    if (breath.due) await breath.take()
    signal?.throwIfAborted()
    const known = tokens.slice(-context)
    const window = new Int32Array(context)
    window.set(known)
    const place = tensor(known.length - 1, { dtype: 'int32' }) as Tensor
    const logits = await next(tensor(window, { shape: [1, context] }) as Tensor, place).data()
    tokens.push(drawn(logits, temperature, topK, random))
  }
  return tokenizer.decode(tokens.slice(begun))
}

function firstTokens(tokenizer: Tokenizer, prompt: string | undefined): Int32Array {
  if (prompt !== undefined && prompt !== '') return tokenizer.encode(prompt)
  try {
    const line = tokenizer.encode('\n')
    if (line.length > 0) return line
  } catch {
    // There is no line feed in its alphabet.
  }
  return Int32Array.of(0)
}

/** A draw from softmax(logits / temperature), among the likeliest topK. */
function drawn(logits: ArrayLike<number>, temperature: number, topK: number, random: RandomStream): number {
  const order = Array.from({ length: logits.length }, (_, i) => i)
  if (temperature === 0 || topK < logits.length) order.sort((a, b) => logits[b]! - logits[a]! || a - b)
  if (temperature === 0) return order[0]!
  const some = order.slice(0, topK)
  let most = Number.NEGATIVE_INFINITY
  for (const i of some) most = Math.max(most, logits[i]!)
  const weights = some.map((i) => Math.exp((logits[i]! - most) / temperature))
  let rest = random.uniform() * weights.reduce((sum, weight) => sum + weight, 0)
  const found = weights.findIndex((weight) => (rest -= weight) < 0)
  return some[found < 0 ? some.length - 1 : found]!
}

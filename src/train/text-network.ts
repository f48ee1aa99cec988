/**
 * @file Networks for text from a description, which JSON holds, so that a saved model can be built again: language models (a GRU, a small
 * GPT) and bags of words. In: sizes. Out: modules.
 *
 * const net = languageModel({ kind: 'gpt', vocabulary: 65, context: 64, size: 128, layers: 4, heads: 4, dropout: 0 })
 */
import { FileError, ValueError } from '../base/errors.js'
import { checkNames } from '../base/options.js'
import * as nn from '../nn/index.js'
import type { Tensor } from '../trace/tensor.js'
import type { Net } from './types.js'

/** A language model: tokens [batch, time] → logits of the next token at each place [batch, time, vocabulary]. */
export interface LanguageModelOptions {
  /** 'gru': recurrent layers, for texts of any length. 'gpt': blocks of causal attention, which see `context` tokens. */
  readonly kind: 'gru' | 'gpt'
  /** Tokens there are. */
  readonly vocabulary: number
  /** Tokens that are read at once: the length of an extract in training. */
  readonly context: number
  /** Width of the network. */
  readonly size: number
  /** 1 by default for 'gru', 4 for 'gpt'. */
  readonly layers?: number
  /** Of attention; 4 by default. */
  readonly heads?: number
  /** 0 by default. */
  readonly dropout?: number
}

/** All of the options, as they are saved. */
export type LanguageModelConfig = Required<LanguageModelOptions>

const languageNames = ['kind', 'vocabulary', 'context', 'size', 'layers', 'heads', 'dropout']

/** The options with all defaults, checked. */
export function languageModelConfig(options: LanguageModelOptions): LanguageModelConfig {
  checkNames('languageModel', options, languageNames)
  const { kind, vocabulary, context, size, layers = kind === 'gpt' ? 4 : 1, heads = 4, dropout = 0 } = options
  if (kind !== 'gru' && kind !== 'gpt')
    throw new ValueError('languageModel', `kind is ${JSON.stringify(kind)}`, { hint: "It is 'gru' or 'gpt'." })
  for (const [name, value] of Object.entries({ vocabulary, context, size, layers, heads }))
    if (!Number.isInteger(value) || value < 1)
      throw new ValueError('languageModel', `${name} must be a whole number above 0, not ${String(value)}`)
  if (kind === 'gpt' && size % heads !== 0)
    throw new ValueError('languageModel', `a size of ${size} cannot be divided among ${heads} heads`, {
      hint: `Choose a size that is a multiple of ${heads}, or other heads.`,
    })
  if (!(dropout >= 0 && dropout < 1))
    throw new ValueError('languageModel', `dropout must be from 0 to below 1, not ${String(dropout)}`)
  return { kind, vocabulary, context, size, layers, heads, dropout }
}

/** The network; its sizes are checked. */
export function languageModel(options: LanguageModelOptions): Net {
  const { kind, vocabulary, context, size, layers, heads, dropout } = languageModelConfig(options)
  const initializer = nn.init.normal(0, 0.02)
  if (kind === 'gru') {
    const width: number = size
    return nn.module(
      {
        tokens: nn.embedding(vocabulary, Math.min(width, 64)),
        recurrent: nn.gru(Math.min(width, 64), width, { layers, ...(layers > 1 ? { dropout } : {}) }),
        dropout: nn.dropout(dropout),
        output: nn.linear(width, vocabulary),
      },
      (m, x: Tensor): Tensor => m.output(m.dropout(m.recurrent(m.tokens(x.cast('int32')) as never)[0]) as never),
    ) as unknown as Net
  }
  return nn.module(
    {
      tokens: nn.embedding(vocabulary, size, { initializer }),
      positions: nn.learnedPositions(context, size, { initializer }),
      blocks: nn.transformerEncoder(
        layers,
        () =>
          nn.transformerEncoderLayer(size, heads, {
            feedForward: 4 * size,
            dropout,
            activation: nn.gelu,
            normFirst: true,
            causal: true,
          }),
        { norm: nn.layerNorm(size) },
      ),
      output: nn.linear(size, vocabulary),
    },
    (m, x: Tensor): Tensor => m.output(m.blocks(m.positions(m.tokens(x.cast('int32')) as never) as never) as never),
  ) as unknown as Net
}

/** A bag of words: rows of words [batch, places], 0 for none → logits [batch, classes]. */
export interface BagOfWordsConfig {
  readonly kind: 'bag'
  /** Rows of the table of words. */
  readonly rows: number
  readonly places: number
  /** Numbers that a word has. */
  readonly size: number
  /** Of the hidden layer; 0 for none. */
  readonly hidden: number
  readonly dropout: number
  readonly classes: number
}

/** Σ of the words' places / √(their number), then a small network: fastText with one hidden layer. */
export function bagOfWords({ rows, size, hidden, dropout, classes }: BagOfWordsConfig): Net {
  const layers: unknown[] =
    hidden > 0
      ? [nn.dropout(dropout), nn.linear(size, hidden), nn.relu, nn.linear(hidden, classes)]
      : [nn.dropout(dropout), nn.linear(size, classes)]
  const head = nn.sequential(...(layers as never[])) as unknown as Net
  return nn.module(
    { words: nn.embedding(rows, size, { paddingIndex: 0, initializer: nn.init.normal(0, 0.1) }), head },
    (m, bag: Tensor): Tensor => {
      const count = bag.greater(0).cast('float32').sum(1, { keepAxes: true })
      // A root, so that ten words that say the same are worth more than one.
      return m.head((m.words(bag.cast('int32')) as Tensor).sum(1).div(count.maximum(1).sqrt()))
    },
  ) as unknown as Net
}

/** A description from JSON of unknown origin. Throws FileError, naming `source`. */
export function parseTextNetwork(json: unknown, source: string): LanguageModelConfig | BagOfWordsConfig {
  const fail = (fault: string, cause?: unknown): never => {
    throw new FileError(source, `network: ${fault}`, { cause, hint: 'The file is damaged, or from another Gradus.' })
  }
  if (typeof json !== 'object' || json === null) return fail('must be an object')
  const config = json as BagOfWordsConfig
  if (config.kind === 'bag') {
    for (const name of ['rows', 'places', 'size', 'classes'] as const)
      if (!Number.isInteger(config[name]) || config[name] < 1) fail(`${name} must be a whole number above 0`)
    if (!Number.isInteger(config.hidden) || config.hidden < 0) fail('hidden must be a whole number')
    if (!(config.dropout >= 0 && config.dropout < 1)) fail('dropout must be from 0 to below 1')
    return config
  }
  try {
    return languageModelConfig(json as LanguageModelConfig)
  } catch (cause) {
    return fail((cause as Error).message, cause)
  }
}

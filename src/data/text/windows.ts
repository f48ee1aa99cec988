/**
 * @file Samples for language models: extracts of a long row of tokens, and after each token the next one. In: tokens. Out: a lazy data set
 * that copies nothing.
 *
 * fit(net, { train: text.windows(tokenizer.encode(play), { length: 64, seed: 1 }), loss: loss.crossEntropy, ... })
 */
import { describeValue } from '../../base/describe.js'
import { ArgumentError, ValueError } from '../../base/errors.js'
import { checkNames } from '../../base/options.js'
import { RandomStream } from '../../numerics/random.js'
import { LazyDataset } from '../lazy-dataset.js'
import { numbered } from '../lazy-node.js'

/** Of `windows`. */
export interface WindowsOfTokensOptions {
  /** Tokens in an extract. */
  readonly length: number
  /** From one extract to the next; `length` by default, so that they do not overlap. */
  readonly stride?: number
  /** Begins each epoch at another place, from 0 to stride − 1; without it always at 0. */
  readonly seed?: number
}

/** An extract, and what comes after each of its tokens. */
export interface TokenWindow {
  readonly input: Int32Array<ArrayBuffer>
  readonly target: Int32Array<ArrayBuffer>
}

/**
 * Extracts of `length` tokens t: input t[s .. s + length − 1], target t[s + 1 .. s + length], both int32 [length], at s = shift + i · stride. What
 * is left at the end makes no sample. Throws for fewer than length + 1 tokens.
 */
export function windows(tokens: Int32Array<ArrayBuffer>, options: WindowsOfTokensOptions): LazyDataset<TokenWindow> {
  checkNames('text.windows', options, ['length', 'stride', 'seed'])
  if (!(tokens instanceof Int32Array))
    throw new ArgumentError('text.windows', `is given ${describeValue(tokens)}, not tokens`, {
      hint: 'Write text.windows(tokenizer.encode(all), { length: 64 }).',
    })
  const { length, stride = length, seed } = options
  for (const [name, value] of Object.entries({ length, stride }))
    if (!Number.isInteger(value) || value < 1)
      throw new ValueError('text.windows', `${name} must be a whole number above 0, not ${describeValue(value)}`)
  // Every shift leaves room for as many.
  const room = tokens.length - 1 - length - (seed === undefined ? 0 : Math.min(stride - 1, tokens.length - 1 - length))
  if (tokens.length < length + 1)
    throw new ValueError('text.windows', `${tokens.length} tokens are too few for an extract of ${length} and the next`)
  let known: { readonly epoch: number; readonly shift: number } | undefined
  const shiftOf = (epoch: number): number => {
    if (seed === undefined) return 0
    if (known?.epoch !== epoch) {
      const most = Math.min(stride, tokens.length - length)
      known = { epoch, shift: new RandomStream(seed, `windows.${epoch}`).integer(most) }
    }
    return known.shift
  }
  const marks = { shuffled: false, batched: undefined, ahead: 0 }
  const at = (i: number, epoch: number): TokenWindow => {
    const start = shiftOf(epoch) + i * stride
    return { input: tokens.subarray(start, start + length), target: tokens.subarray(start + 1, start + length + 1) }
  }
  return new LazyDataset(numbered(Math.floor(room / stride) + 1, at, marks))
}

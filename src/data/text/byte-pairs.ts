/**
 * @file Tokenizers of Hugging Face's files, above all byte-pair ones (GPT-2, Llama, ...). In: the content of a tokenizer.json. Out: a
 * `Tokenizer`. The work is that of @huggingface/tokenizers, which is loaded when the first is made.
 *
 * const tokenizer = await text.readTokenizer('tokenizer.json'); tokenizer.decode(tokenizer.encode('to be'))         // 'to be'
 */
import { FileError } from '../../base/errors.js'
import { checkNames } from '../../base/options.js'
import { readText } from '../../io/files.js'
import { expectText, noToken } from './checks.js'
import type { Tokenizer } from './tokenizer.js'

/** What is used of the library. */
interface Inner {
  encode(text: string, options: { add_special_tokens: boolean }): { ids: readonly number[] }
  decode(ids: number[], options: { skip_special_tokens: boolean; clean_up_tokenization_spaces: boolean }): string
  id_to_token(id: number): string | undefined
  get_vocab(withAdded: boolean): Map<string, number>
}

/** Of `bytePairs` and `readTokenizer`. */
export interface BytePairsOptions {
  /** Puts in the tokens that the file puts around a text, such as one for its beginning; false by default, since texts are cut anyway. */
  readonly specialTokens?: boolean
  /** Leaves special tokens out of decoded text; false by default. */
  readonly skipSpecialTokens?: boolean
}

/**
 * A tokenizer from the content of a tokenizer.json (Sennrich et al. 2016, arXiv:1508.07909). Special and added tokens are found in
 * texts as they stand. Throws FileError for content that is none; `source` is for messages.
 */
export async function bytePairs(
  content: object,
  source = 'tokenizer',
  options: BytePairsOptions = {},
): Promise<Tokenizer> {
  checkNames('text.bytePairs', options, ['specialTokens', 'skipSpecialTokens'])
  const { specialTokens = false, skipSpecialTokens = false } = options
  const model = (content as { model?: { type?: unknown; vocab?: unknown } } | null)?.model
  if (typeof model !== 'object' || model === null || model.vocab === undefined)
    throw new FileError(source, 'is no tokenizer: it has no model with a vocab', {
      hint: "Give Hugging Face's tokenizer.json, not tokenizer_config.json or vocab.json.",
    })
  const { Tokenizer } = await import('@huggingface/tokenizers')
  let inner: Inner
  try {
    inner = new Tokenizer(structuredClone(content), {}) as unknown as Inner
  } catch (cause) {
    throw new FileError(source, `is a tokenizer that cannot be read (${(cause as Error).message})`, { cause })
  }
  let size = 0
  for (const number of inner.get_vocab(true).values()) size = Math.max(size, number + 1)
  if (size === 0) throw new FileError(source, 'has no tokens')
  return {
    size,
    encode(text) {
      expectText('encode', text)
      // The library takes no empty text in some kinds of file.
      if (text === '' && !specialTokens) return new Int32Array(0)
      return Int32Array.from(inner.encode(text, { add_special_tokens: specialTokens }).ids)
    },
    decode(tokens) {
      const list = Array.from(tokens)
      for (const number of list) if (inner.id_to_token(number) === undefined) noToken(number, size)
      if (list.length === 0) return ''
      return inner.decode(list, { skip_special_tokens: skipSpecialTokens, clean_up_tokenization_spaces: false })
    },
    token: (number) => inner.id_to_token(number) ?? noToken(number, size),
    description: { kind: 'bytePairs', content },
  }
}

/** A tokenizer from a file of Hugging Face's format. Throws FileError for one that is missing, or none. */
export async function readTokenizer(path: string, options: BytePairsOptions = {}): Promise<Tokenizer> {
  let content: object
  try {
    content = JSON.parse(await readText(path)) as object
  } catch (cause) {
    if (cause instanceof FileError) throw cause
    throw new FileError(path, `is not JSON (${(cause as Error).message})`, { cause })
  }
  return bytePairs(content, path, options)
}

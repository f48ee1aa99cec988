/**
 * @file Short texts as bags of words for a network: each word has a row of a table, which a hash gives it. In: texts. Out: int32 [texts, places].
 * Bags of words: Joulin et al. 2016, arXiv:1607.01759; hashing: Weinberger et al. 2009, arXiv:0902.2206
 *
 * text.hashedWords(['Free entry! Call 0800', 'see you at 6'], { rows: 1024, places: 16 })
 */
import { describeValue } from '../../base/describe.js'
import { ArgumentError, ValueError } from '../../base/errors.js'
import { checkNames } from '../../base/options.js'
import type { Samples } from '../column.js'

/** Of `hashedWords`. */
export interface HashedWordsOptions {
  /** Rows of the table, row 0 standing for no word; 32,768 by default. */
  readonly rows?: number
  /** Words that are looked at; further ones of a text are not. 64 by default. */
  readonly places?: number
  /** 2 adds pairs of neighbouring words, 3 triples as well; 1 by default. */
  readonly neighbours?: number
}

const optionNames = ['rows', 'places', 'neighbours']

/** The options with their defaults, checked. */
export function hashedWordsOptions(options: HashedWordsOptions): Required<HashedWordsOptions> {
  checkNames('text.hashedWords', options, optionNames)
  const { rows = 32_768, places = 64, neighbours = 1 } = options
  for (const [name, value, least] of [
    ['rows', rows, 2],
    ['places', places, 1],
    ['neighbours', neighbours, 1],
  ] as const)
    if (!Number.isInteger(value) || value < least || value > 2 ** 26)
      throw new ValueError(
        'text.hashedWords',
        `${name} must be a whole number of ${least} or more, not ${describeValue(value)}`,
      )
  return { rows, places, neighbours }
}

/** All digits as 0, all letters small: one telephone number is like another. */
export const plainText = (text: string): string => text.toLowerCase().replace(/\d/g, '0')

/** The different words and signs (£, !) of a text; two of them say how long it is and how many digits it has. */
export function wordsOf(text: string, neighbours = 1): string[] {
  const words = plainText(text).match(/[\p{L}\p{N}']+|[^\s\p{L}\p{N}']/gu) ?? []
  const digits = text.replace(/\D/g, '').length
  const sizes = [`length: 2^${Math.round(2 * Math.log2(text.length + 1)) / 2}`, `digits: ${Math.min(digits, 12)}`]
  const joined: string[] = []
  for (let n = 2; n <= neighbours; n++)
    for (let i = 0; i + n <= words.length; i++) joined.push(words.slice(i, i + n).join(' '))
  return [...new Set([...words, ...sizes, ...joined])]
}

/** The row of a word, by the hash FNV-1a; never row 0. */
export function rowOfWord(word: string, rows: number): number {
  let hash = 2166136261
  for (const character of word) hash = Math.imul(hash ^ character.codePointAt(0)!, 16777619)
  return 1 + ((hash >>> 0) % (rows - 1))
}

/**
 * int32 [texts, places]: for each text the rows of its different words and signs, then zeros. Digits all count as 0; how long a text is
 * and how many digits it has count as words too. Give them to `nn.embedding(rows, size, { paddingIndex: 0 })`.
 */
export function hashedWords(
  texts: readonly string[],
  options: HashedWordsOptions = {},
): Samples & { readonly data: Int32Array } {
  const { rows, places, neighbours } = hashedWordsOptions(options)
  if (!Array.isArray(texts))
    throw new ArgumentError('text.hashedWords', `is given ${describeValue(texts)}, not a list of texts`)
  const data = new Int32Array(texts.length * places)
  texts.forEach((text, i) => {
    if (typeof text !== 'string') throw new ArgumentError('text.hashedWords', `text ${i} is ${describeValue(text)}`)
    const words = wordsOf(text, neighbours).slice(0, places)
    words.forEach((word, w) => {
      data[i * places + w] = rowOfWord(word, rows)
    })
  })
  return { data, shape: [texts.length, places] }
}

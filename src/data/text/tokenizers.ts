/**
 * @file Text as numbers and back: characters, bytes; a description that JSON holds, so that a saved model has the same numbers.
 * In: a text. Out: tokens, whole numbers from 0 to size − 1.
 *
 * const letters = text.characters('to be or not to be'); letters.encode('bee')             // Int32Array [2, 3, 3]
 */
import { describeValue } from '../../base/describe.js'
import { ArgumentError, FileError, ValueError } from '../../base/errors.js'
import { checkNames } from '../../base/options.js'
import { expectText, noToken } from './checks.js'
import type { Tokenizer } from './tokenizer.js'

/** Of `characters`. */
export interface CharactersOptions {
  /** One of the characters, or a new one, that stands for all others; without it they are errors. */
  readonly unknown?: string
}

/** Each different character (Unicode code point) of a text, or of several, is a token, in the order of their code points. */
export function characters(source: string | Iterable<string>, options: CharactersOptions = {}): Tokenizer {
  checkNames('text.characters', options, ['unknown'])
  const known = new Set<string>()
  if (typeof source !== 'string' && (typeof source !== 'object' || source === null || !(Symbol.iterator in source)))
    throw new ArgumentError('text.characters', `is given ${describeValue(source)}, not a text`)
  for (const part of typeof source === 'string' ? [source] : source) for (const character of part) known.add(character)
  const { unknown } = options
  if (unknown !== undefined) {
    if (typeof unknown !== 'string' || [...unknown].length !== 1)
      throw new ValueError('text.characters', `unknown must be one character, not ${describeValue(unknown)}`)
    known.add(unknown)
  }
  if (known.size === 0) throw new ValueError('text.characters', 'the text is empty')
  return fromCharacters([...known].sort(byCodePoint), unknown)
}

const byCodePoint = (a: string, b: string): number => a.codePointAt(0)! - b.codePointAt(0)!

function fromCharacters(list: readonly string[], unknown: string | undefined): Tokenizer {
  const numbers = new Map(list.map((character, i) => [character, i]))
  const other = unknown === undefined ? undefined : numbers.get(unknown)
  return {
    size: list.length,
    encode(text) {
      expectText('encode', text)
      const tokens = new Int32Array(text.length)
      let count = 0
      for (const character of text) {
        const number = numbers.get(character) ?? other
        if (number === undefined)
          throw new ValueError(
            'encode',
            `${JSON.stringify(character)}, character ${count} of the text, is none of the ${list.length} that are known`,
            {
              hint: "Make the tokenizer of all texts, or say what stands for others: text.characters(all, { unknown: '?' }).",
            },
          )
        tokens[count++] = number
      }
      return tokens.slice(0, count)
    },
    decode: (tokens) => Array.from(tokens, (number) => list[number] ?? noToken(number, list.length)).join(''),
    token: (number) => list[number] ?? noToken(number, list.length),
    description: { kind: 'characters', characters: list, ...(unknown === undefined ? {} : { unknown }) },
  }
}

/** The 256 values of a byte: any text can be said, and anything that is no UTF-8 reads as � . */
export function bytes(): Tokenizer {
  return {
    size: 256,
    encode(text) {
      expectText('encode', text)
      return Int32Array.from(new TextEncoder().encode(text))
    },
    decode(tokens) {
      const list = Array.from(tokens)
      for (const number of list) if (!(Number.isInteger(number) && number >= 0 && number < 256)) noToken(number, 256)
      return new TextDecoder('utf-8', { ignoreBOM: true }).decode(Uint8Array.from(list))
    },
    token: (number) =>
      number > 32 && number < 127 ? String.fromCharCode(number) : `0x${number.toString(16).padStart(2, '0')}`,
    description: { kind: 'bytes' },
  }
}

/** A tokenizer from what `description` said; `source` is for messages. */
export async function tokenizerFrom(description: unknown, source: string): Promise<Tokenizer> {
  const fail = (fault: string): never => {
    throw new FileError(source, fault, { hint: 'The file is damaged, or from another Gradus.' })
  }
  if (typeof description !== 'object' || description === null) return fail('the tokenizer is no object')
  const { kind, characters: list, unknown, content } = description as { readonly [name: string]: unknown }
  if (kind === 'bytes') return bytes()
  if (kind === 'bytePairs') {
    const { bytePairs } = await import('./byte-pairs.js')
    return bytePairs(content as object, source)
  }
  if (kind !== 'characters') return fail(`there is no tokenizer of the kind ${JSON.stringify(kind)}`)
  if (
    !Array.isArray(list) ||
    list.length === 0 ||
    !list.every((one) => typeof one === 'string' && [...one].length === 1)
  )
    return fail('the tokenizer must have a list of characters')
  if (unknown !== undefined && !list.includes(unknown)) fail('the character for unknown ones is not in the list')
  return fromCharacters(list as string[], unknown as string | undefined)
}

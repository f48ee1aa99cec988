/**
 * @file Texts: Shakespeare's plays and first names, character by character, and short messages, spam or not.
 * In: nothing. Out: strings as they stand in the files; an alphabet turns them into numbers and back.
 *
 * const { train, validation, alphabet } = await tinyShakespeare()
 * alphabet.encode('To be')                                    // Int32Array [32, 53, 1, 40, 43]
 */
import { readFile } from 'node:fs/promises'

/** The characters of a text in the order of their code points, each of which is the number of its place. */
export interface Alphabet {
  /** `characters[i]` is what the number i stands for. */
  readonly characters: readonly string[]
  /** The number of each character. Throws RangeError for one that is not in the alphabet. */
  encode(text: string): Int32Array<ArrayBuffer>
  /** The characters of numbers. Throws RangeError for a number that stands for none. */
  decode(numbers: Iterable<number>): string
}

export interface TinyShakespeare {
  /** The first 90 %: 1,003,854 characters. */
  readonly train: string
  /** The last 10 %: 111,540 characters. */
  readonly validation: string
  /** The 65 characters of the whole text. */
  readonly alphabet: Alphabet
}

/** Plays of William Shakespeare (gathered by A. Karpathy; public domain), cut where char-rnn and nanoGPT cut them. */
export async function tinyShakespeare(): Promise<TinyShakespeare> {
  const text = await read('tiny-shakespeare/input.txt')
  const cut = Math.floor(0.9 * text.length)
  return { train: text.slice(0, cut), validation: text.slice(cut), alphabet: alphabetOf(text) }
}

export interface Names {
  /** In the order of the file; 2 to 15 letters each. 29,494 are different: some are names of girls and of boys. */
  readonly names: readonly string[]
  /** A full stop, which is in no name and marks where one begins and ends, is number 0; a to z are 1 to 26. */
  readonly alphabet: Alphabet
}

/** 32,033 first names in lower case (US Social Security Administration, gathered by A. Karpathy; public domain). */
export async function names(): Promise<Names> {
  const list = (await read('names/names.txt')).split('\n')
  return { names: list, alphabet: alphabetOf(`.${list.join('')}`) }
}

export interface Message {
  readonly text: string
  readonly spam: boolean
}

/**
 * The SMS Spam Collection (Almeida, Gómez Hidalgo, Yamakami 2011; licence in NOTICE.md): 5,574 short messages, 747 of them
 * spam, in the order of the file, which is not that of time. They are real messages: rude words and telephone numbers occur.
 */
export async function smsSpam(): Promise<readonly Message[]> {
  const lines = (await read('sms-spam/SMSSpamCollection')).trimEnd().split('\n')
  return lines.map((line, i) => {
    const tab = line.indexOf('\t')
    const label = line.slice(0, tab)
    if (label !== 'ham' && label !== 'spam')
      throw new Error(`smsSpam: line ${i + 1} is damaged (it starts with neither ham nor spam)`)
    return { text: line.slice(tab + 1).trimEnd(), spam: label === 'spam' }
  })
}

function alphabetOf(text: string): Alphabet {
  const characters = [...new Set(text)].sort()
  const numbers = new Map(characters.map((character, i) => [character, i]))
  return {
    characters,
    encode: (some) =>
      Int32Array.from(some, (character) => {
        const number = numbers.get(character)
        if (number === undefined)
          throw new RangeError(`encode: ${JSON.stringify(character)} is none of the ${characters.length} characters`)
        return number
      }),
    decode: (some) =>
      Array.from(some, (number) => {
        const character = characters[number]
        if (character === undefined)
          throw new RangeError(`decode: ${number} stands for no character (there are ${characters.length})`)
        return character
      }).join(''),
  }
}

function read(name: string): Promise<string> {
  return readFile(new URL(`../data/${name}`, import.meta.url), 'utf8')
}

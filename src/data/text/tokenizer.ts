/** @file What every tokenizer is: texts to numbers and back. The tokenizers themselves are in tokenizers.ts and byte-pairs.ts. */
/** Turns text into tokens and back. */
export interface Tokenizer {
  /** How many tokens there are: numbers from 0 to size − 1. */
  readonly size: number
  /** The tokens of a text. Throws ValueError for a character that it does not know, naming its place. */
  encode(text: string): Int32Array<ArrayBuffer>
  /** The text of tokens. Throws ValueError for a number that is none. */
  decode(tokens: Iterable<number>): string
  /** What a token stands for, for people to look at. */
  token(number: number): string
  /** What it takes to make it again. */
  readonly description: TokenizerDescription
}

/** A tokenizer as JSON holds it. */
export type TokenizerDescription =
  | { readonly kind: 'characters'; readonly characters: readonly string[]; readonly unknown?: string }
  | { readonly kind: 'bytes' }
  | { readonly kind: 'bytePairs'; readonly content: object }

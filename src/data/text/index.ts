/** @file Public names of text: tokenizers, extracts for language models, bags of words. */
export { type BytePairsOptions, bytePairs, readTokenizer } from './byte-pairs.js'
export type { Tokenizer, TokenizerDescription } from './tokenizer.js'
export { bytes, type CharactersOptions, characters } from './tokenizers.js'
export { type TokenWindow, type WindowsOfTokensOptions, windows } from './windows.js'
export { type HashedWordsOptions, hashedWords, wordsOf } from './words.js'

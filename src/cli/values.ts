/**
 * @file Option values: from the text of the command line to checked values. In: text. Out: a value, or an error of
 * commander's that names the option, what was given and what may be given (exit code 2).
 */
import { InvalidArgumentError } from 'commander'
import { nearest } from '../base/errors.js'

type Parse<T> = (text: string) => T

const invalid = (message: string): never => {
  throw new InvalidArgumentError(message)
}

function numeral(text: string): number {
  const value = Number(text)
  return text.trim() === '' || !Number.isFinite(value) ? invalid('It must be a number.') : value
}

export const wholeNumber =
  (least: number, most = Number.MAX_SAFE_INTEGER): Parse<number> =>
  (text) => {
    const value = numeral(text)
    if (!Number.isInteger(value) || value < least || value > most)
      invalid(
        `It must be a whole number of ${least} or more${most < Number.MAX_SAFE_INTEGER ? `, at most ${most}` : ''}.`,
      )
    return value
  }

/** A number above 0. */
export const positive: Parse<number> = (text) => {
  const value = numeral(text)
  return value > 0 ? value : invalid('It must be a number above 0.')
}

/** 0 or more. */
export const notNegative: Parse<number> = (text) => {
  const value = numeral(text)
  return value >= 0 ? value : invalid('It must be a number of 0 or more.')
}

/** From 0 up to, but not including, 1. */
export const probability: Parse<number> = (text) => {
  const value = numeral(text)
  return value >= 0 && value < 1 ? value : invalid('It must be from 0 to less than 1.')
}

export const batchSize: Parse<number | 'full'> = (text) => {
  if (text === 'full') return 'full'
  const value = Number(text)
  return Number.isInteger(value) && value > 0 ? value : invalid("It must be a whole number above 0, or 'full'.")
}

/** '64,32' → [64, 32]; 'none' → [], which is a linear model. */
export const sizes: Parse<number[]> = (text) => {
  if (text === 'none') return []
  const list = text.split(',').map(Number)
  if (list.some((size) => !Number.isInteger(size) || size < 1 || size > 1e5))
    invalid("It must be sizes of layers such as 64,32, or 'none' for a linear model.")
  return list
}

/** 'a,b,c' → names; each given once or the option repeated. */
export const names = (text: string, earlier: readonly string[] = []): string[] => {
  const list = text.split(',').map((name) => name.trim())
  if (list.some((name) => name === '')) invalid('It must be names separated by commas, none of them empty.')
  return [...earlier, ...list]
}

/** Texts as they are, one an option; the option may be repeated. */
export const texts = (text: string, earlier: readonly string[] = []): string[] => [...earlier, text]

export const separator: Parse<string> = (text) => {
  const named: Record<string, string> = { tab: '\t', '\\t': '\t', comma: ',', semicolon: ';', bar: '|' }
  const value = named[text] ?? text
  return value.length === 1 ? value : invalid('It must be one character, or comma, semicolon, tab, bar.')
}

export const oneOf =
  <const T extends string>(...choices: readonly T[]): Parse<T> =>
  (text) => {
    const found = choices.find((choice) => choice.toLowerCase() === text.toLowerCase())
    if (found !== undefined) return found
    const near = nearest(text, choices)
    return invalid(`${near ? `Did you mean ${near}? ` : ''}It must be one of ${choices.join(', ')}.`)
  }

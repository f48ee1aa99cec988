/**
 * @file Checks that tokenizers share. In: arguments. Out: nothing, or an error.
 *
 * expectText('encode', 3) throws: encode: is given the number 3, not a text
 */
import { describeValue } from '../../base/describe.js'
import { ArgumentError, ValueError } from '../../base/errors.js'

export function noToken(number: number, size: number): never {
  throw new ValueError('decode', `${number} is no token`, {
    hint: `Tokens are the whole numbers from 0 to ${size - 1}.`,
  })
}

export function expectText(operation: string, text: unknown): asserts text is string {
  if (typeof text !== 'string') throw new ArgumentError(operation, `is given ${describeValue(text)}, not a text`)
}

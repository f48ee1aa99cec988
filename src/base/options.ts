/**
 * @file Names of options. In: what a caller gave, the names there are. Out: nothing, or an error with the nearest name.
 *
 * checkNames('compile', { trainin: true }, ['training', 'engine']) throws: there is no option 'trainin'; did you mean 'training'?
 */
import { describeValue } from './describe.js'
import { nearest, ValueError } from './errors.js'

/** `adam: there is no option 'lr'; did you mean ...? The options are ...` */
export function unknownOption(operation: string, name: string, names: readonly string[]): ValueError {
  const near = nearest(name, names)
  return new ValueError(operation, `there is no option '${name}'${near ? `; did you mean '${near}'?` : ''}`, {
    hint: `The options are ${names.join(', ')}.`,
  })
}

/**
 * Throws for options that are no object, and where one of them is none of those there are; what is undefined was not
 * given.
 */
export function checkNames(operation: string, options: unknown, names: readonly string[]): void {
  if (!isPlainOptions(options))
    throw new ValueError(operation, `the options are ${describeValue(options)}, not an object`, {
      hint: names.length > 0 ? `Write { ${names[0]}: ... }; the options are ${names.join(', ')}.` : 'It has none.',
    })
  for (const [name, value] of Object.entries(options))
    if (value !== undefined && !names.includes(name)) throw unknownOption(operation, name, names)
}

/** Throws for options that are no object; `example` is how they are written. */
export function expectOptions(operation: string, options: unknown, example: string): void {
  if (!isPlainOptions(options))
    throw new ValueError(operation, `the options are ${describeValue(options)}, not an object`, {
      hint: `Write ${example}.`,
    })
}

export const isPlainOptions = (value: unknown): value is { readonly [name: string]: unknown } =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/**
 * @file Options that do not exist. In: a name that was given and those there are. Out: an error with the nearest.
 */
import { nearest, ValueError } from './errors.js'

/** `adam: there is no option 'lr'; did you mean ...? The options are ...` */
export function unknownOption(operation: string, name: string, names: readonly string[]): ValueError {
  const near = nearest(name, names)
  return new ValueError(operation, `there is no option '${name}'${near ? `; did you mean '${near}'?` : ''}`, {
    hint: `The options are ${names.join(', ')}.`,
  })
}

/** Throws where one of the options is none of those there are; what is undefined was not given. */
export function checkNames(operation: string, options: object, names: readonly string[]): void {
  for (const [name, value] of Object.entries(options))
    if (value !== undefined && !names.includes(name)) throw unknownOption(operation, name, names)
}

export const isPlainOptions = (value: unknown): value is { readonly [name: string]: unknown } =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

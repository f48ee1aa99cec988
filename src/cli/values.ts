/**
 * @file Values of settings: what each may be, in words, as a JSON schema, and how it is written on the command line.
 * In: text, or JSON. Out: a value, or an error of commander's that names the option, what was given and what may be given (exit
 * code 2).
 *
 * parserOf(wholeNumber(1))('12')                           // 12
 */
import { InvalidArgumentError } from 'commander'
import { nearest } from '../base/errors.js'
import { splitColumnText } from '../data/preprocess-options.js'
import { accepts, type Schema } from './schema.js'

/** What a setting may be. */
export interface Value {
  readonly schema: Schema
  /** 'It must be ' goes before it: 'a number above 0'. */
  readonly expected: string
  /** The same where JSON writes it otherwise. */
  readonly expectedAsJson?: string
  /** From the text of the command line to what JSON would hold; undefined is nothing of the kind. */
  readonly read: (text: string) => unknown
  /** An option that is repeated adds to the list. */
  readonly repeated?: boolean
}

/** What commander calls with the text of an option, and with what came before where it is repeated. */
export const parserOf =
  (value: Value) =>
  (text: string, earlier?: unknown): unknown => {
    const given = value.read(text)
    if (given === undefined || !accepts(value.schema, given))
      throw new InvalidArgumentError(cure(value, value.expected, text))
    if (!value.repeated || typeof earlier !== 'object' || earlier === null) return given
    return Array.isArray(earlier) ? [...earlier, ...(given as unknown[])] : { ...earlier, ...(given as object) }
  }

/** What to write instead. */
export function cure({ schema }: Value, expected: string, given: unknown): string {
  const near = schema.enum && typeof given === 'string' ? nearest(given, schema.enum as readonly string[]) : undefined
  return `${near ? `Did you mean ${near}? ` : ''}It must be ${expected}.`
}

const numeral = (text: string): unknown => (text.trim() === '' ? undefined : Number(text))

/** From `least` to `most`. */
export const wholeNumber = (least: number, most = Number.MAX_SAFE_INTEGER): Value => {
  const bounded = most < Number.MAX_SAFE_INTEGER
  return {
    schema: { type: 'integer', minimum: least, ...(bounded ? { maximum: most } : {}) },
    expected: `a whole number of ${least} or more${bounded ? `, at most ${most}` : ''}`,
    read: numeral,
  }
}

/** A number above 0. */
export const positive: Value = {
  schema: { type: 'number', exclusiveMinimum: 0 },
  expected: 'a number above 0',
  read: numeral,
}

/** 0 or more. */
export const notNegative: Value = {
  schema: { type: 'number', minimum: 0 },
  expected: 'a number of 0 or more',
  read: numeral,
}

/** From 0 up to, but not including, 1. */
export const probability: Value = {
  schema: { type: 'number', minimum: 0, exclusiveMaximum: 1 },
  expected: 'from 0 to less than 1',
  read: numeral,
}

/** A whole number of rows, or all of them. */
export const batchSize: Value = {
  schema: { anyOf: [{ type: 'integer', minimum: 1 }, { const: 'full' }] },
  expected: "a whole number above 0, or 'full'",
  read: (text) => (text === 'full' ? text : numeral(text)),
}

/** '64,32' → [64, 32]; 'none' → [], which is a linear model. */
export const sizes: Value = {
  schema: { type: 'array', items: { type: 'integer', minimum: 1, maximum: 1e5 } },
  expected: "sizes of layers such as 64,32, or 'none' for a linear model",
  expectedAsJson: 'a list of sizes of layers such as [64, 32]; [] makes a linear model',
  read: (text) => (text === 'none' ? [] : text.split(',').map(numeral)),
}

/** 'a,b,c' → names; each given once or the option repeated. */
export const names: Value = {
  schema: { type: 'array', items: { type: 'string', minLength: 1 }, minItems: 1 },
  expected: 'names separated by commas, none of them empty',
  expectedAsJson: 'a list of names, such as ["a", "b"], none of them empty',
  read: (text) => text.split(',').map((name) => name.trim()),
  repeated: true,
}

/** Texts as they are, one an option; the option may be repeated. */
export const texts: Value = {
  schema: { type: 'array', items: { type: 'string' } },
  expected: 'a text',
  expectedAsJson: 'a list of texts',
  read: (text) => [text],
  repeated: true,
}

/** Any text but an empty one: a name, a path. */
export const text: Value = {
  schema: { type: 'string', minLength: 1 },
  expected: 'a text that is not empty',
  read: (given) => given,
}

/** One character, some of which have names. */
export const separator: Value = {
  schema: { type: 'string', minLength: 1, maxLength: 1 },
  expected: 'one character, or comma, semicolon, tab, bar',
  expectedAsJson: 'one character',
  read: (given) => ({ tab: '\t', '\\t': '\t', comma: ',', semicolon: ';', bar: '|' })[given] ?? given,
}

/** 'width=64' → { width: 64 }; a value is JSON, or a text. The option may be repeated. */
export const assignments: Value = {
  schema: {
    type: 'object',
    additionalProperties: { anyOf: [{ type: 'number' }, { type: 'string' }, { type: 'boolean' }, { type: 'array' }] },
  },
  expected: 'name=value',
  expectedAsJson: 'an object of numbers, texts, lists, true or false, such as { "width": 64 }',
  read: (given) => {
    const [, name, value] = /^([\w.-]+)=(.*)$/s.exec(given) ?? []
    if (name === undefined || value === undefined) return undefined
    try {
      return { [name]: JSON.parse(value) as unknown }
    } catch {
      return { [name]: value }
    }
  },
  repeated: true,
}

/** 'age: minmax clip=0.01' → { age: 'minmax clip=0.01' }; which words there are is checked with the table. */
export const columnWords: Value = {
  schema: { type: 'object', additionalProperties: { anyOf: [{ type: 'string' }, { type: 'object' }] } },
  expected: "'name: words', such as 'age: minmax clip=0.01'",
  expectedAsJson: 'an object of words or options by column, such as { "age": "minmax clip=0.01" }',
  read: (given) => {
    try {
      const [name, words] = splitColumnText(given)
      return { [name]: words }
    } catch {
      return undefined
    }
  },
  repeated: true,
}

/** A switch. On the command line the flag alone says it. */
export const boolean: Value = { schema: { type: 'boolean' }, expected: 'true or false', read: () => true }

/** One of these words, in whatever case. */
export const oneOf = (...choices: readonly string[]): Value => ({
  schema: { type: 'string', enum: choices },
  expected: `one of ${choices.join(', ')}`,
  read: (given) => choices.find((choice) => choice.toLowerCase() === given.toLowerCase()),
})

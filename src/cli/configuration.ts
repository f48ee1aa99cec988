/**
 * @file Configuration files: what the flags of a training say, as JSON. Their schema and their checks come of the same rows
 * (settings.ts) as the flags. In: a file. Out: settings; or an error with the file, the key and the cure (exit code 2).
 *
 * { "$schema": "./node_modules/gradus/schema/train.json", "train": "penguins.csv", "target": "species", "hidden": [64, 32] }
 */
import { describeValue } from '../base/describe.js'
import { FileError, nearest, ValueError } from '../base/errors.js'
import { isPlainOptions } from '../base/options.js'
import { readText } from '../io/files.js'
import { accepts, type Schema } from './schema.js'
import type { Setting } from './settings.js'
import { cure, text } from './values.js'

/** What to train, and the settings of the training, by their names. */
export interface Configuration {
  readonly [name: string]: unknown
  /** The word after `gradus train`. */
  readonly train?: string
  /** The kind of what is trained, where its name does not say it. */
  readonly kind?: string
  readonly output?: string
}

/** Keys that are no settings of a kind. */
const general: readonly Omit<Setting, 'flags' | 'group'>[] = [
  { name: 'train', about: 'what to train: a file, or the word digits; from where gradus runs', value: text },
  { name: 'output', about: 'where to write the model; runs/NAME-001 by default', value: text },
]

const about = (settings: readonly Setting[]) => new Map([...general, ...settings].map((row) => [row.name, row]))

/**
 * Reads a configuration file, or the run.json of a run, whose settings it holds. Throws ValueError for keys there are not and
 * values that are no such settings; FileError for what cannot be read.
 */
export async function readConfiguration(file: string, settings: readonly Setting[]): Promise<Configuration> {
  const json = parseJson(file, await readText(file))
  if (!isPlainOptions(json))
    throw configurationError(file, '', `it is ${describeValue(json)}, not an object`, 'Write { "train": "FILE.csv" }.')
  const ofRun = 'configuration' in json && 'format' in json
  if (ofRun && !isPlainOptions(json['configuration']))
    throw configurationError(file, 'configuration', 'is no object', 'The file is damaged or was edited by hand.')
  const given = (ofRun ? json['configuration'] : json) as { readonly [name: string]: unknown }
  const rows = about(settings)
  const result: { [name: string]: unknown } = {}
  for (const [name, value] of Object.entries(given)) {
    if (name === '$schema') continue
    const path = ofRun ? `configuration.${name}` : name
    const row = rows.get(name)
    if (!row) {
      const near = nearest(name, rows.keys())
      throw configurationError(
        file,
        path,
        `is no setting${near ? `; did you mean ${near}?` : ''}`,
        `There are ${[...rows.keys()].join(', ')}.`,
      )
    }
    if (!accepts(row.value.schema, value)) {
      const [place, fault] = faultIn(row.value.schema, value, path)
      throw configurationError(
        file,
        place,
        `is ${JSON.stringify(fault)}`,
        cure(row.value, row.value.expectedAsJson ?? row.value.expected, value),
      )
    }
    result[name] = value
  }
  return result
}

/** The item of a list that is wrong, or the value itself. */
function faultIn(schema: Schema, value: unknown, path: string): [path: string, value: unknown] {
  if (schema.items && Array.isArray(value)) {
    const at = value.findIndex((item) => !accepts(schema.items!, item))
    if (at >= 0) return faultIn(schema.items, value[at], `${path}[${at}]`)
  }
  return [path, value]
}

/** A wrong configuration is wrong usage, as a wrong flag is. */
const configurationError = (file: string, path: string, fault: string, hint: string): ValueError =>
  new ValueError('configuration', `${file}: ${path}${path && ' '}${fault}`, { hint })

/** JSON, or an error that says where it stops being JSON. */
export function parseJson(file: string, content: string): unknown {
  try {
    return JSON.parse(content.replace(/^\uFEFF/, ''))
  } catch (cause) {
    const { message } = cause as Error
    const position = /position (\d+)/.exec(message)
    const before = content.slice(0, position ? Number(position[1]) : content.length).split('\n')
    const place = `line ${before.length}, column ${before.at(-1)!.length + 1}`
    throw new FileError(
      'configuration',
      `${file} is not JSON, at ${place}: ${message.replace(/ (in JSON )?at position.*$/s, '')}`,
      {
        cause,
        hint: 'JSON has no comments, no trailing commas, and double quotes.',
      },
    )
  }
}

/**
 * What a run was told, complete: `given` are options as a command has them, `resolved` what was chosen for the rest. Written to
 * run.json, from which the same run can be made again.
 */
export function configurationOf(
  train: string,
  kind: string,
  given: object,
  settings: readonly Setting[],
  resolved: object,
): Configuration {
  const all: { readonly [name: string]: unknown } = { ...given, ...resolved }
  const chosen = settings.flatMap(({ name }) => (all[name] === undefined ? [] : [[name, all[name]]]))
  return { train, kind, ...Object.fromEntries(chosen) }
}

/** The JSON schema of configuration files, which editors use for completion and checks. */
export function configurationSchema(settings: readonly Setting[]): object {
  const properties = [...about(settings).values()].map((row) => {
    const { name, value } = row
    const choices = value.schema.enum?.join(', ')
    const description = row.about === choices ? name : row.about
    return [name, { description, ...value.schema }]
  })
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'A training of Gradus',
    description:
      'What gradus train --config FILE reads: the settings that its flags give. What is left out is guessed.',
    type: 'object',
    properties: {
      $schema: { type: 'string', description: 'where this schema is' },
      ...Object.fromEntries(properties),
    },
    additionalProperties: false,
  }
}

/**
 * @file A `Preprocessing` from JSON of unknown origin: a model's file. In: JSON. Out: a checked `Preprocessing`, or a FileError that names the
 * place.
 *
 * const preprocessing = parsePreprocessing(JSON.parse(text))
 */
import { FileError } from '../base/errors.js'
import { type DateOrder, type DatePart, dateParts } from './dates.js'
import {
  type CategoryColumn,
  columnWidth,
  type InputColumn,
  type Preprocessing,
  type TargetColumn,
} from './preprocess-plan.js'

/** Checks JSON strictly: every field present, of its type, finite, and none unknown. Throws FileError naming the place. */
export function parsePreprocessing(json: unknown, source = 'preprocessing'): Preprocessing {
  const at = new Checker(source)
  const root = at.object(json, '', ['format', 'version', 'inputs', 'target', 'ignored', 'missing'])
  if (root['format'] !== 'gradus-preprocessing')
    throw new FileError(source, `this is not a Gradus preprocessing (format ${JSON.stringify(root['format'])})`)
  if (root['version'] !== 1)
    throw new FileError(source, `version ${JSON.stringify(root['version'])} is unknown`, {
      hint: 'This Gradus reads version 1; train the model again or use the Gradus that wrote it.',
    })
  const inputs = at.array(root['inputs'], 'inputs').map((value, i) => parseInput(at, value, `inputs[${i}]`))
  if (inputs.length === 0) at.fail('inputs', 'must not be empty')
  at.distinct(
    inputs.map((column) => column.name),
    'inputs',
  )
  return {
    format: 'gradus-preprocessing',
    version: 1,
    inputs,
    target: parseTarget(at, root['target']),
    ignored: at.array(root['ignored'], 'ignored').map((value, i) => {
      const item = at.object(value, `ignored[${i}]`, ['name', 'reason'])
      return {
        name: at.text(item['name'], `ignored[${i}].name`),
        reason: at.text(item['reason'], `ignored[${i}].reason`),
      }
    }),
    missing: at.texts(root['missing'], 'missing'),
  }
}

function parseInput(at: Checker, value: unknown, path: string): InputColumn {
  const kind = (value as { kind?: unknown } | null)?.kind
  switch (kind) {
    case 'number':
      return parseNumber(at, value, path)
    case 'category':
      return parseCategory(at, value, path)
    case 'ordinal': {
      const o = at.object(value, path, ['kind', 'name', 'values', 'fill', 'indicator'])
      const values = at.texts(o['values'], `${path}.values`)
      if (values.length < 2) at.fail(`${path}.values`, 'must have two texts or more')
      const fill = at.number(o['fill'], `${path}.fill`)
      if (!Number.isInteger(fill) || fill < 0 || fill >= values.length)
        at.fail(`${path}.fill`, 'must be a place in values')
      const indicator = at.boolean(o['indicator'], `${path}.indicator`)
      return { kind, name: at.text(o['name'], `${path}.name`), values, fill, indicator }
    }
    case 'date': {
      const o = at.object(value, path, ['kind', 'name', 'order', 'parts', 'fill', 'mean', 'deviation', 'indicator'])
      const parts = at.texts(o['parts'], `${path}.parts`)
      if (parts.length === 0 || parts.some((part) => !dateParts.includes(part as DatePart)))
        at.fail(`${path}.parts`, `must be some of ${dateParts.join(', ')}`)
      return {
        kind,
        name: at.text(o['name'], `${path}.name`),
        order: at.oneOf<DateOrder>(o['order'], `${path}.order`, ['ymd', 'dmy', 'mdy']),
        parts: parts as DatePart[],
        fill: at.number(o['fill'], `${path}.fill`),
        mean: at.number(o['mean'], `${path}.mean`),
        deviation: at.positive(o['deviation'], `${path}.deviation`),
        indicator: at.boolean(o['indicator'], `${path}.indicator`),
      }
    }
    default:
      return at.fail(`${path}.kind`, "must be 'number', 'category', 'ordinal' or 'date'")
  }
}

function parseNumber(at: Checker, value: unknown, path: string): InputColumn {
  const keys = ['kind', 'name', 'median', 'transform', 'scale', 'mean', 'deviation', 'indicator']
  const o = at.object(value, path, keys, ['scaling', 'fill', 'clip'])
  const clip = o['clip'] === undefined ? undefined : at.array(o['clip'], `${path}.clip`)
  if (clip && clip.length !== 2) at.fail(`${path}.clip`, 'must be two numbers')
  const [low, high] = (clip ?? []).map((bound, i) => at.number(bound, `${path}.clip[${i}]`))
  if (clip && !(low! <= high!)) at.fail(`${path}.clip`, 'must ascend')
  return {
    kind: 'number',
    name: at.text(o['name'], `${path}.name`),
    median: at.number(o['median'], `${path}.median`),
    transform: at.oneOf(o['transform'], `${path}.transform`, ['none', 'log']),
    scale: at.positive(o['scale'], `${path}.scale`),
    mean: at.number(o['mean'], `${path}.mean`),
    deviation: at.positive(o['deviation'], `${path}.deviation`),
    indicator: at.boolean(o['indicator'], `${path}.indicator`),
    ...(o['scaling'] === undefined
      ? {}
      : { scaling: at.oneOf(o['scaling'], `${path}.scaling`, ['minmax', 'robust', 'none']) }),
    ...(o['fill'] === undefined
      ? {}
      : { fill: at.oneOf(o['fill'], `${path}.fill`, ['mean', 'most-frequent', 'constant']) }),
    ...(clip ? { clip: [low!, high!] as const } : {}),
  }
}

function parseCategory(at: Checker, value: unknown, path: string): InputColumn {
  const o = at.object(value, path, ['kind', 'name', 'values', 'other', 'missing'], ['buckets', 'fill'])
  const buckets = o['buckets'] === undefined ? undefined : at.positive(o['buckets'], `${path}.buckets`)
  if (buckets !== undefined && (!Number.isInteger(buckets) || buckets > 4096))
    at.fail(`${path}.buckets`, 'must be a whole number up to 4096')
  const column: CategoryColumn = {
    kind: 'category',
    name: at.text(o['name'], `${path}.name`),
    values: at.texts(o['values'], `${path}.values`),
    other: at.boolean(o['other'], `${path}.other`),
    missing: at.boolean(o['missing'], `${path}.missing`),
    ...(buckets === undefined ? {} : { buckets }),
    ...(o['fill'] === undefined ? {} : { fill: at.text(o['fill'], `${path}.fill`) }),
  }
  if (columnWidth(column) === 0) at.fail(`${path}.values`, 'must not be empty')
  return column
}

function parseTarget(at: Checker, value: unknown): TargetColumn {
  const kind = (value as { kind?: unknown } | null)?.kind
  if (kind === 'classes') {
    const o = at.object(value, 'target', ['kind', 'name', 'classes'])
    const classes = at.texts(o['classes'], 'target.classes')
    if (classes.length < 2) at.fail('target.classes', 'must name at least two classes')
    return { kind, name: at.text(o['name'], 'target.name'), classes }
  }
  if (kind !== 'number') return at.fail('target.kind', "must be 'classes' or 'number'")
  const o = at.object(value, 'target', ['kind', 'name', 'mean', 'deviation'])
  return {
    kind,
    name: at.text(o['name'], 'target.name'),
    mean: at.number(o['mean'], 'target.mean'),
    deviation: at.positive(o['deviation'], 'target.deviation'),
  }
}

/** Takes unknown JSON apart, one typed piece at a time. */
class Checker {
  readonly source: string

  constructor(source: string) {
    this.source = source
  }

  fail(path: string, fault: string): never {
    throw new FileError(this.source, `${path || 'the top level'} ${fault}`, {
      hint: 'The file is damaged or was edited by hand.',
    })
  }

  object(
    value: unknown,
    path: string,
    keys: readonly string[],
    optional: readonly string[] = [],
  ): Record<string, unknown> {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return this.fail(path, 'must be an object')
    const unknown = Object.keys(value).filter((key) => !keys.includes(key) && !optional.includes(key))
    if (unknown.length > 0) this.fail(path, `has unknown fields: ${unknown.join(', ')}`)
    const absent = keys.filter((key) => !Object.hasOwn(value, key))
    if (absent.length > 0) this.fail(path, `lacks ${absent.join(', ')}`)
    return value as Record<string, unknown>
  }

  array(value: unknown, path: string): readonly unknown[] {
    return Array.isArray(value) ? value : this.fail(path, 'must be a list')
  }

  text(value: unknown, path: string): string {
    return typeof value === 'string' ? value : this.fail(path, 'must be text')
  }

  oneOf<const T extends string>(value: unknown, path: string, choices: readonly T[]): T {
    const found = choices.find((choice) => choice === value)
    return found ?? this.fail(path, `must be ${choices.map((choice) => `'${choice}'`).join(' or ')}`)
  }

  texts(value: unknown, path: string): string[] {
    const texts = this.array(value, path).map((item, i) => this.text(item, `${path}[${i}]`))
    this.distinct(texts, path)
    return texts
  }

  distinct(texts: readonly string[], path: string): void {
    if (new Set(texts).size !== texts.length) this.fail(path, 'has the same entry twice')
  }

  number(value: unknown, path: string): number {
    return typeof value === 'number' && Number.isFinite(value) ? value : this.fail(path, 'must be a finite number')
  }

  positive(value: unknown, path: string): number {
    const number = this.number(value, path)
    return number > 0 ? number : this.fail(path, 'must be greater than 0')
  }

  boolean(value: unknown, path: string): boolean {
    return typeof value === 'boolean' ? value : this.fail(path, 'must be true or false')
  }
}

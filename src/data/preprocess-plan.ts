/**
 * @file `Preprocessing`: what was learned from the training rows of a table, as plain JSON that is saved with a model.
 * In: JSON of unknown origin. Out: a checked `Preprocessing`, or a FileError that names the place. Also its sizes.
 *
 * const preprocessing = parsePreprocessing(JSON.parse(text))
 * inputWidth(preprocessing)                                     // 108 for adult
 */
import { FileError } from '../base/errors.js'

/** Whether a class or a number is foretold. */
export type Task = 'classification' | 'regression'

/**
 * A number column: x → (f(x) − mean)/deviation, limited to ±10, where f(x) = x, or sign(x)·log(1 + |x|/scale) for
 * columns with heavy tails. A missing value becomes the median; with `indicator`, a second column says so (0 or 1).
 */
export interface NumberColumn {
  readonly kind: 'number'
  readonly name: string
  readonly median: number
  readonly transform: 'none' | 'log'
  readonly scale: number
  readonly mean: number
  readonly deviation: number
  readonly indicator: boolean
}

/**
 * A category column: one column of 0 or 1 for each of `values`, then one for all others (`other`), then one for missing
 * values (`missing`). What has no column of its own becomes zeros.
 */
export interface CategoryColumn {
  readonly kind: 'category'
  readonly name: string
  readonly values: readonly string[]
  readonly other: boolean
  readonly missing: boolean
}

/** How one column becomes inputs. */
export type InputColumn = NumberColumn | CategoryColumn

/** How the target becomes a class number, or a number of mean 0 and deviation 1. */
export type TargetColumn =
  | { readonly kind: 'classes'; readonly name: string; readonly classes: readonly string[] }
  /** Standardised: (y − mean)/deviation. */
  | { readonly kind: 'number'; readonly name: string; readonly mean: number; readonly deviation: number }

/** How rows of a table become numbers: fitted to the training rows, kept with the model, the same for every later row. */
export interface Preprocessing {
  readonly format: 'gradus-preprocessing'
  readonly version: 1
  /** How each column that is used becomes inputs, in order. */
  readonly inputs: readonly InputColumn[]
  /** How the target becomes a number. */
  readonly target: TargetColumn
  /** Columns of the table that are not used, with the reason. */
  readonly ignored: readonly { readonly name: string; readonly reason: string }[]
  /** Texts that mean 'missing', beside the usual ones (see `isMissing`). */
  readonly missing: readonly string[]
}

/** What the network is to do. */
export function taskOf(preprocessing: Preprocessing): Task {
  return preprocessing.target.kind === 'classes' ? 'classification' : 'regression'
}

/** How many network inputs a column becomes. */
export function columnWidth(column: InputColumn): number {
  return column.kind === 'number'
    ? 1 + Number(column.indicator)
    : column.values.length + Number(column.other) + Number(column.missing)
}

/** How many network inputs a row becomes. */
export function inputWidth(preprocessing: Preprocessing): number {
  return preprocessing.inputs.reduce((width, column) => width + columnWidth(column), 0)
}

/** The names of the network's inputs: 'age', 'sex = Male', 'horsepower is missing'. */
export function featureNames(preprocessing: Preprocessing): string[] {
  return preprocessing.inputs.flatMap((column) =>
    column.kind === 'number'
      ? [column.name, ...(column.indicator ? [`${column.name} is missing`] : [])]
      : [
          ...column.values.map((value) => `${column.name} = ${value}`),
          ...(column.other ? [`${column.name} is another`] : []),
          ...(column.missing ? [`${column.name} is missing`] : []),
        ],
  )
}

/** Which network inputs [from, to) belong to which column of the table (permutation importance shuffles them together). */
export function featureSpans(preprocessing: Preprocessing): { name: string; from: number; to: number }[] {
  let from = 0
  return preprocessing.inputs.map((column) => {
    const span = { name: column.name, from, to: from + columnWidth(column) }
    from = span.to
    return span
  })
}

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
  if (kind === 'number') {
    const keys = ['kind', 'name', 'median', 'transform', 'scale', 'mean', 'deviation', 'indicator']
    const o = at.object(value, path, keys)
    const { transform } = o
    if (transform !== 'none' && transform !== 'log') return at.fail(`${path}.transform`, "must be 'none' or 'log'")
    return {
      kind,
      name: at.text(o['name'], `${path}.name`),
      median: at.number(o['median'], `${path}.median`),
      transform,
      scale: at.positive(o['scale'], `${path}.scale`),
      mean: at.number(o['mean'], `${path}.mean`),
      deviation: at.positive(o['deviation'], `${path}.deviation`),
      indicator: at.boolean(o['indicator'], `${path}.indicator`),
    }
  }
  if (kind !== 'category') return at.fail(`${path}.kind`, "must be 'number' or 'category'")
  const o = at.object(value, path, ['kind', 'name', 'values', 'other', 'missing'])
  const column: CategoryColumn = {
    kind,
    name: at.text(o['name'], `${path}.name`),
    values: at.texts(o['values'], `${path}.values`),
    other: at.boolean(o['other'], `${path}.other`),
    missing: at.boolean(o['missing'], `${path}.missing`),
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

  object(value: unknown, path: string, keys: readonly string[]): Record<string, unknown> {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return this.fail(path, 'must be an object')
    const unknown = Object.keys(value).filter((key) => !keys.includes(key))
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

/**
 * @file What a user says of single columns: how one is scaled, ordered, hashed, what fills its gaps. In: words, as on the command
 * line, or an object. Out: checked `ColumnOptions`.
 *
 * columnOptions('age', 'minmax clip=0.01 missing=mean')     // { scale: 'minmax', clip: 0.01, missing: 'mean' }
 * columnOptions('size', { order: ['small', 'medium', 'very large'] })
 */
import { describeValue } from '../base/describe.js'
import { nearest, ValueError } from '../base/errors.js'
import { checkNames, isPlainOptions } from '../base/options.js'
import { type DateOrder, type DatePart, dateParts } from './dates.js'

/** How one column becomes inputs; what is left out is found out or has a default. */
export interface ColumnOptions {
  /** What the column is; found out by default. */
  readonly as?: 'number' | 'category' | 'date' | 'ignore' | 'keep'
  /**
   * Numbers: standard (x − mean)/deviation, minmax (x − min)/(max − min), robust (x − median)/(distance of the quartiles), none. Default
   * standard, after a logarithm where the tails are heavy.
   */
  readonly scale?: 'standard' | 'minmax' | 'robust' | 'none'
  /** Numbers: take sign(x)·log(1 + |x|/median) first, or never; by default for |skewness| > 2, unless `scale` is given. */
  readonly log?: boolean
  /** Numbers: limit to these quantiles of the training rows: 0.01 means the lowest and highest hundredth. */
  readonly clip?: number
  /**
   * What a missing value becomes: median, mean, most-frequent, or a value. Default for numbers and dates the median; for categories an input of
   * its own.
   */
  readonly missing?: 'median' | 'mean' | 'most-frequent' | number | string
  /** An input that says whether the value is missing; default: if some is in the training rows. */
  readonly indicator?: boolean
  /** The categories in their order: one input, from 0 for the first to 1 for the last. */
  readonly order?: readonly string[]
  /** Categories: all are spread over so many inputs by a hash. */
  readonly hash?: number
  /** Categories: those that are rare or unknown are spread over so many inputs by a hash. */
  readonly rare?: number
  /** Dates: what of them is used; default since, month and weekday, and hour if they have a time of day. */
  readonly parts?: readonly DatePart[]
  /** Dates: 02/03/2024 is the second of March (dmy) or the third of February (mdy). */
  readonly dates?: DateOrder
}

/** Words as on the command line, or an object. */
export type ColumnSetting = string | ColumnOptions

const names = ['as', 'scale', 'log', 'clip', 'missing', 'indicator', 'order', 'hash', 'rare', 'parts', 'dates'] as const
const kinds = ['number', 'category', 'date', 'ignore', 'keep'] as const
const scales = ['standard', 'minmax', 'robust', 'none'] as const
const orders = ['ymd', 'dmy', 'mdy'] as const

/** Words that stand alone. */
const flags: { readonly [word: string]: ColumnOptions } = {
  ...Object.fromEntries(kinds.map((as) => [as, { as }])),
  ...Object.fromEntries(scales.map((scale) => [scale, { scale }])),
  unscaled: { scale: 'none' },
  log: { log: true },
  'no-log': { log: false },
  indicator: { indicator: true },
  'no-indicator': { indicator: false },
  dmy: { as: 'date', dates: 'dmy' },
  mdy: { as: 'date', dates: 'mdy' },
}

/** Words that need a value after =. */
const valued: { readonly [word: string]: (text: string) => ColumnOptions } = {
  clip: (text) => ({ clip: Number(text) }),
  missing: (text) => ({ missing: text.trim() !== '' && Number.isFinite(Number(text)) ? Number(text) : text }),
  order: (text) => ({ order: text.split('<') }),
  hash: (text) => ({ hash: Number(text) }),
  rare: (text) => ({ rare: Number(text) }),
  parts: (text) => ({ as: 'date', parts: text.split('+') as DatePart[] }),
}

/** Reads and checks what is said of one column. Throws ValueError that names the column, the word, and those there are. */
export function columnOptions(column: string, setting: ColumnSetting): ColumnOptions {
  if (typeof setting !== 'string' && !isPlainOptions(setting))
    throw new ValueError('columns', `what is said of '${column}' is ${describeValue(setting)}`, {
      hint: "Write words such as 'minmax clip=0.01', or { scale: 'minmax', clip: 0.01 }.",
    })
  const options = typeof setting === 'string' ? ofWords(column, setting) : setting
  checkNames(`columns, '${column}'`, options, names)
  check(column, options)
  return options
}

/** 'age: minmax clip=0.01' → ['age', 'minmax clip=0.01']; a name may have colons itself if blanks follow none of them. */
export function splitColumnText(text: string): [name: string, words: string] {
  const at = text.search(/:\s/) >= 0 ? text.search(/:\s/) : text.lastIndexOf(':')
  const [name, words] = at < 0 ? [text, ''] : [text.slice(0, at).trim(), text.slice(at + 1).trim()]
  if (name === '' || words === '')
    throw new ValueError('columns', `'${text}' does not say what of which column`, {
      hint: "Write 'NAME: words', such as 'age: minmax clip=0.01'.",
    })
  return [name, words]
}

function ofWords(column: string, text: string): ColumnOptions {
  let options: ColumnOptions = {}
  for (const word of text.split(/[\s,]+/).filter((one) => one !== '')) {
    const at = word.indexOf('=')
    const name = at < 0 ? word : word.slice(0, at)
    const found = at < 0 ? flags[name] : valued[name]?.(word.slice(at + 1))
    if (!found) {
      const known = [...Object.keys(flags), ...Object.keys(valued).map((one) => `${one}=`)]
      const near = nearest(at < 0 ? name : `${name}=`, known)
      throw new ValueError(
        'columns',
        `'${word}' is not known, which is said of '${column}'${near ? `; did you mean '${near}'?` : ''}`,
        {
          hint: `The words are ${known.join(', ')}.`,
        },
      )
    }
    options = { ...options, ...found }
  }
  return options
}

function check(column: string, options: ColumnOptions): void {
  const fail = (fault: string, hint?: string): never => {
    throw new ValueError('columns', `${fault}, which is said of '${column}'`, { hint })
  }
  const oneOf = (name: keyof ColumnOptions, list: readonly unknown[]) => {
    if (options[name] !== undefined && !list.includes(options[name]))
      fail(`${name} is ${describeValue(options[name])}`, `It is one of ${list.join(', ')}.`)
  }
  oneOf('as', kinds)
  oneOf('scale', scales)
  oneOf('dates', orders)
  oneOf('log', [true, false])
  oneOf('indicator', [true, false])
  const { clip, order, hash, rare, parts, missing, as } = options
  if (clip !== undefined && !(typeof clip === 'number' && clip > 0 && clip < 0.5))
    fail(`clip is ${String(clip)}`, 'It is a share above 0 and below 0.5, such as 0.01.')
  for (const [name, count] of Object.entries({ hash, rare }))
    if (count !== undefined && !(Number.isInteger(count) && count >= 1 && count <= 4096))
      fail(`${name} is ${String(count)}`, 'It is a number of inputs from 1 to 4096.')
  if (order !== undefined) {
    if (!Array.isArray(order) || order.length < 2 || order.some((text) => typeof text !== 'string' || text === ''))
      fail('order is not a list of two or more texts', "Write order=low<medium<high, or { order: ['low', ...] }.")
    if (new Set(order).size !== order.length) fail('order has the same text twice')
  }
  if (parts !== undefined) {
    if (!Array.isArray(parts) || parts.length === 0) fail('parts is not a list of parts of a date')
    const unknown = parts.find((part) => !dateParts.includes(part))
    if (unknown !== undefined) fail(`'${unknown}' is no part of a date`, `The parts are ${dateParts.join(', ')}.`)
  }
  if (
    missing !== undefined &&
    typeof missing !== 'string' &&
    !(typeof missing === 'number' && Number.isFinite(missing))
  )
    fail(`missing is ${describeValue(missing)}`, 'It is median, mean, most-frequent, or a value.')
  const groups = {
    number: ['scale', 'log', 'clip'],
    category: ['order', 'hash', 'rare'],
    date: ['parts', 'dates'],
  } as const
  const used = Object.entries(groups).filter(
    ([kind, list]) => kind === as || list.some((name) => options[name] !== undefined),
  )
  if (used.length > 1) fail(`it is a ${used.map(([kind]) => kind).join(' and a ')} at once`)
  const ways = (['order', 'hash', 'rare'] as const).filter((name) => options[name] !== undefined)
  if (ways.length > 1) fail(`${ways.join(' and ')} exclude each other`)
}

/** Which kind of column the options ask for, if any. */
export function kindAsked(options: ColumnOptions | undefined): 'number' | 'category' | 'ordinal' | 'date' | undefined {
  if (!options) return undefined
  if (options.order) return 'ordinal'
  if (options.hash !== undefined || options.rare !== undefined || options.as === 'category') return 'category'
  if (options.parts || options.dates || options.as === 'date') return 'date'
  const number = options.as === 'number' || options.scale !== undefined || options.clip !== undefined
  return number || options.log !== undefined ? 'number' : undefined
}

/**
 * @file What a training may be told: one row a setting. Flags, their checks and configuration files come of this table.
 * A kind of training (kinds.ts) names the rows that it takes; one that has settings of its own adds rows where it is defined.
 *
 * train.addOption(...optionsOf(networkSettings[0]!))        // --hidden <64,32>
 */
import { Option } from 'commander'
import { activations } from '../train/mlp.js'
import { optimizerNames, tableLossNames } from '../train/table-settings.js'
import * as values from './values.js'

/** A setting of a training. */
export interface Setting {
  /** Its key in a configuration file, and in what commander gives. */
  readonly name: string
  /** '-t, --target <column>' */
  readonly flags: string
  readonly about: string
  readonly value: values.Value
  /** The heading in the help. */
  readonly group: string
  /** A switch's other flag. */
  readonly opposite?: { readonly flags: string; readonly about: string }
}

const inGroup = (group: string, rows: readonly Omit<Setting, 'group'>[]): readonly Setting[] =>
  rows.map((row) => ({ ...row, group }))

/** How a table is read, also for predictions. */
export const readingSettings = inGroup('The table:', [
  {
    name: 'columns',
    flags: '--columns <a,b,c>',
    about: 'names of the columns, for a file that has none',
    value: values.names,
  },
  {
    name: 'header',
    flags: '--header',
    about: 'the first line holds names, also where --columns gives others',
    value: values.boolean,
    opposite: { flags: '--no-header', about: 'the first line is data, not names' },
  },
  {
    name: 'separator',
    flags: '--separator <char>',
    about: 'what stands between fields; found out by default',
    value: values.separator,
  },
  {
    name: 'encoding',
    flags: '--encoding <name>',
    about: 'utf-8, utf-16le, utf-16be or latin1; found out by default',
    value: values.oneOf('utf-8', 'utf-16le', 'utf-16be', 'latin1'),
  },
])

/** What only tables have. */
export const tableSettingRows: readonly Setting[] = inGroup('The table:', [
  { name: 'target', flags: '-t, --target <column>', about: 'the column to predict', value: values.text },
  {
    name: 'test',
    flags: '--test <file>',
    about: 'a separate file of test rows; otherwise 20 % of the rows are set aside',
    value: values.text,
  },
  {
    name: 'task',
    flags: '--task <task>',
    about: 'classification or regression; guessed by default',
    value: values.oneOf('classification', 'regression'),
  },
  ...readingSettings,
  { name: 'ignore', flags: '--ignore <a,b>', about: 'columns to leave out', value: values.names },
  {
    name: 'keep',
    flags: '--keep <a,b>',
    about: 'columns to use although they look like identifiers',
    value: values.names,
  },
  { name: 'category', flags: '--category <a,b>', about: 'columns of numbers that are codes', value: values.names },
  {
    name: 'missing',
    flags: '--missing <text>',
    about: "a further text that means 'missing'; may be repeated",
    value: values.texts,
  },
  {
    name: 'column',
    flags: '--column <name: words>',
    about: "what becomes of a column, such as 'age: minmax clip=0.01' (docs/tables.md); may be repeated",
    value: values.columnWords,
  },
  {
    name: 'group',
    flags: '--group <column>',
    about: 'rows with equal values here are never in two parts',
    value: values.text,
  },
  {
    name: 'time',
    flags: '--time <column>',
    about: 'the earliest rows train, the latest test',
    value: values.text,
  },
])

/** The hidden layers of a multilayer perceptron. */
export const networkSettings: readonly Setting[] = inGroup('The network:', [
  {
    name: 'hidden',
    flags: '--hidden <64,32>',
    about: "sizes of the hidden layers, or 'none' for a linear model",
    value: values.sizes,
  },
  {
    name: 'activation',
    flags: '--activation <name>',
    about: Object.keys(activations).join(', '),
    value: values.oneOf(...Object.keys(activations)),
  },
  {
    name: 'dropout',
    flags: '--dropout <share>',
    about: 'share of the activations left out in a step',
    value: values.probability,
  },
])

/** What the networks of tables have besides. */
export const lossSettings: readonly Setting[] = inGroup('The network:', [
  {
    name: 'loss',
    flags: '--loss <name>',
    about: `crossEntropy for classes; ${tableLossNames.slice(1).join(', ')} for numbers`,
    value: values.oneOf(...tableLossNames),
  },
])
export const ensembleSettings: readonly Setting[] = inGroup('The network:', [
  {
    name: 'ensemble',
    flags: '--ensemble <n>',
    about: 'how many networks to train and average',
    value: values.wholeNumber(1, 100),
  },
])

/** How any network is trained. */
export const trainingSettings: readonly Setting[] = inGroup('Training:', [
  {
    name: 'optimizer',
    flags: '--optimizer <name>',
    about: optimizerNames.join(', '),
    value: values.oneOf(...optimizerNames),
  },
  { name: 'learningRate', flags: '--learning-rate <rate>', about: 'size of the steps', value: values.positive },
  {
    name: 'batchSize',
    flags: '--batch-size <n>',
    about: "rows in a step, or 'full' for all",
    value: values.batchSize,
  },
  {
    name: 'epochs',
    flags: '--epochs <n>',
    about: 'at most so many passes through the data',
    value: values.wholeNumber(1),
  },
  {
    name: 'weightDecay',
    flags: '--weight-decay <rate>',
    about: 'pulls weights towards 0',
    value: values.notNegative,
  },
  {
    name: 'patience',
    flags: '--patience <n>',
    about: 'epochs without a better validation loss before stopping',
    value: values.wholeNumber(1),
  },
  {
    name: 'seed',
    flags: '--seed <n>',
    about: 'draws the split, the weights, the order (default 1)',
    value: values.wholeNumber(0, 0xffffffff),
  },
])

/** What a training on digits may be told. */
export const digitsSettings: readonly Setting[] = [...networkSettings, ...trainingSettings]

/** What a training on a table may be told. */
export const settingsOfTables: readonly Setting[] = [
  ...tableSettingRows,
  ...networkSettings,
  ...lossSettings,
  ...ensembleSettings,
  ...trainingSettings,
]

/** What a model file does not say itself. */
export const modelFileSettings: readonly Setting[] = [
  ...inGroup('A model file:', [
    {
      name: 'parameters',
      flags: '--set <name=value>',
      about: 'a parameter for the function that a model file exports; may be repeated',
      value: values.assignments,
    },
  ]),
  ...trainingSettings.filter(({ name }) => ['batchSize', 'epochs', 'seed'].includes(name)),
]

/** The settings of these names. */
export const pick = (settings: readonly Setting[], ...names: readonly string[]): readonly Setting[] =>
  settings.filter(({ name }) => names.includes(name))

/** What commander is to know of a setting. */
export function optionsOf({ name, flags, about, value, group, opposite }: Setting): Option[] {
  const option = new Option(flags, about)
  if (value.schema.type !== 'boolean') option.argParser(values.parserOf(value))
  // What a flag is called need not be what its setting is.
  if (option.attributeName() !== name) option.attributeName = () => name
  return [option, ...(opposite ? [new Option(opposite.flags, opposite.about)] : [])].map((one) => one.helpGroup(group))
}

#!/usr/bin/env node
/**
 * @file The command line: gradus train, predict, inspect, profile. In: arguments. Out: what the commands print, and an exit code:
 * 0 done, 1 the data or the run failed, 2 wrong usage, 130 interrupted by Ctrl-C.
 */
import { Command, CommanderError, Option } from 'commander'
import { GradusError } from '../base/errors.js'
import { gradusVersion } from '../base/version.js'
import { checkEnvironment } from '../settings.js'
import { type ActivationName, activations } from '../train/mlp.js'
import { optimizerNames, tableLossNames } from '../train/table-settings.js'
import { inspectModel } from './inspect.js'
import { shellLine } from './output.js'
import { type PredictCommand, predictFile } from './predict.js'
import { type ProfileCommand, profileCommand } from './profile.js'
import type { RunOptions } from './run.js'
import { type DigitsCommand, trainDigits } from './train-digits.js'
import { type TableCommand, trainOnTable } from './train-table.js'
import * as values from './values.js'

const usageError = 2
/** Operations whose errors are wrong usage: options, and variables of the environment. */
const usageFaults = new Set(['tableSettings', 'environment'])

function option<T>(flags: string, about: string, parse?: (text: string, earlier?: never) => T): Option {
  const made = new Option(flags, about)
  return parse ? made.argParser(parse as (text: string, earlier: unknown) => T) : made
}

const noHeader = () => option('--no-header', 'the first line is data, not names')
const withHeader = () => option('--header', 'the first line holds names, also where --columns gives others')
const columns = () => option('--columns <a,b,c>', 'names of the columns, for a file that has none', values.names)
const separator = () =>
  option('--separator <char>', 'what stands between fields; found out by default', values.separator)
const json = () => option('--json', 'print one JSON object and nothing else')

const engine = () =>
  option(
    '--engine <name>',
    'what runs the program: wasm, native or interpreter',
    values.oneOf('wasm', 'native', 'interpreter'),
  )

/** What only tables have; `train digits` refuses them. */
const tableOptions = (): Option[] => [
  option('-t, --target <column>', 'the column to predict'),
  option('--test <file>', 'a separate file of test rows; otherwise 20 % of the rows are set aside'),
  option(
    '--task <task>',
    'classification or regression; guessed by default',
    values.oneOf('classification', 'regression'),
  ),
  columns(),
  withHeader(),
  noHeader(),
  separator(),
  option('--ignore <a,b>', 'columns to leave out', values.names),
  option('--keep <a,b>', 'columns to use although they look like identifiers', values.names),
  option('--category <a,b>', 'columns of numbers that are codes', values.names),
  option('--missing <text>', "a further text that means 'missing'; may be repeated", values.texts),
]

const networkOptions = (): Option[] => [
  option('--hidden <64,32>', "sizes of the hidden layers, or 'none' for a linear model", values.sizes),
  option(
    '--activation <name>',
    Object.keys(activations).join(', '),
    values.oneOf(...(Object.keys(activations) as ActivationName[])),
  ),
  option('--dropout <share>', 'share of the activations left out in a step', values.probability),
]

const onlyTables = (): Option[] => [
  option(
    '--loss <name>',
    `crossEntropy for classes; ${tableLossNames.slice(1).join(', ')} for numbers`,
    values.oneOf(...tableLossNames),
  ),
  option('--ensemble <n>', 'how many networks to train and average', values.wholeNumber(1, 100)),
]

const trainingOptions = (): Option[] => [
  option('--optimizer <name>', optimizerNames.join(', '), values.oneOf(...optimizerNames)),
  option('--learning-rate <rate>', 'size of the steps', values.positive),
  option('--batch-size <n>', "rows in a step, or 'full' for all", values.batchSize),
  option('--epochs <n>', 'at most so many passes through the data', values.wholeNumber(1)),
  option('--weight-decay <rate>', 'pulls weights towards 0', values.notNegative),
  option('--patience <n>', 'epochs without a better validation loss before stopping', values.wholeNumber(1)),
  option('--seed <n>', 'draws the split, the weights, the order (default 1)', values.wholeNumber(0, 0xffffffff)),
]

const outputOptions = (): Option[] => [
  option('-o, --output <folder>', 'where to write the model; runs/NAME-001 by default, never an old one'),
  option('--resume', 'save each epoch in the folder of --output, and go on from there if there is something'),
  json(),
  option('-q, --quiet', 'print the path of the folder only'),
  option('--no-progress', 'no progress on standard error'),
]

function program(exit: (code: number) => void): Command {
  const root = new Command('gradus')
    .description('Trains neural networks: on tables, and on handwritten digits.')
    .version(gradusVersion, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand('help [command]', 'print the help of a command')
    .configureHelp({ helpWidth: Math.min(100, process.stdout.columns ?? 100) })
    .showHelpAfterError('(gradus --help tells more)')
    .showSuggestionAfterError()
    .exitOverride()
    .addHelpText(
      'after',
      `
Examples:
  $ gradus train digits                               # MNIST, 98 % in half a minute
  $ gradus train penguins.csv --target species        # guesses the rest and says what it guessed
  $ gradus predict runs/penguins-001 penguins.csv     # a class and probabilities for each row
  $ gradus inspect runs/penguins-001                  # layers, preprocessing, scores, history
  $ gradus profile digits --output profile.svg        # where the time of a training step goes

Exit codes: 0 done, 1 the data or the run failed, 2 wrong usage or environment, 130 interrupted.`,
    )

  // Before anything is read or trained.
  root.hook('preAction', checkEnvironment)

  const train = root
    .command('train')
    .description('train a network on a table (CSV, TSV, also gzipped), or on MNIST with the word digits')
    .argument('<file|digits>', 'the table, or digits')
    .usage('FILE.csv --target COLUMN [options]\n       gradus train digits [options]')
  const groups: readonly [string, readonly Option[]][] = [
    ['The table:', tableOptions()],
    ['The network:', [...networkOptions(), ...onlyTables()]],
    ['Training:', trainingOptions()],
    ['Output:', outputOptions()],
  ]
  for (const [heading, list] of groups) for (const one of list) train.addOption(one.helpGroup(heading))
  train
    .addHelpText(
      'after',
      `
What is left out is guessed from the data, and what was guessed is printed with the option that says otherwise.
The folder holds model.json, weights.safetensors, history.jsonl, learning-curve.svg and summary.md.
Ctrl-C stops the training, keeps the best so far and completes the folder.
With --output FOLDER --resume the same command can be given again, whatever ended it, and ends as if nothing had.

Examples:
  $ gradus train iris.csv --columns sepal_length,sepal_width,petal_length,petal_width,species --target species
  $ gradus train winequality-red.csv -t quality --task regression --hidden 64,32 --dropout 0.2
  $ gradus train adult.data --columns age,workclass,... --target income --test adult.test
  $ gradus train digits --hidden 512 --epochs 20 --seed 7`,
    )
    .action(async (file: string, options: object) => {
      const words = `gradus ${shellLine(process.argv.slice(2))}`
      const { resume, output } = options as RunOptions
      if (resume && output === undefined)
        train.error('error: --resume needs --output FOLDER: where to go on, or to begin')
      if (file !== 'digits') return exit(await trainOnTable(file, options as TableCommand, words))
      const foreign = [...tableOptions(), ...onlyTables()].filter((one) => {
        const source = train.getOptionValueSource(one.attributeName())
        return source !== undefined && source !== 'default'
      })
      if (foreign.length > 0)
        train.error(
          `error: ${foreign.map((one) => one.long).join(', ')} is for tables, not for digits (for a file of that name: ./digits)`,
        )
      const { header: _, ...rest } = options as { header?: boolean }
      exit(await trainDigits(rest as DigitsCommand, words))
    })

  const predict = root
    .command('predict')
    .description('predict each row of a table; the target may be among its columns or not')
    .argument('<model>', 'the folder that training wrote')
    .argument('<file>', 'the table')
  for (const one of [
    option('-o, --output <file>', 'where to write the CSV; standard output by default'),
    columns(),
    withHeader(),
    noHeader(),
    separator(),
    json(),
  ])
    predict.addOption(one)
  predict
    .addHelpText('after', '\nExample:\n  $ gradus predict runs/penguins-001 new-penguins.csv --output predictions.csv')
    .action(async (model: string, file: string, options: PredictCommand) =>
      exit(await predictFile(model, file, options)),
    )

  root
    .command('inspect')
    .description('show what a model folder holds: layers, preprocessing, scores, history')
    .argument('<model>', 'the folder that training wrote')
    .addOption(json())
    .action(async (model: string, options: { json?: boolean }) => exit(await inspectModel(model, options)))
  const profile = root
    .command('profile')
    .description('show where the time of a training step (digits, a table) or of a prediction (a model folder) goes')
    .argument('<file|digits|model>', 'a table, digits, or the folder that training wrote')
    .usage(
      'digits [options]\n       gradus profile FILE.csv --target COLUMN [options]\n       gradus profile MODEL [options]',
    )
  const batch = option(
    '--batch-size <n>',
    "rows at a time, or 'full' for all; for a model 512, 64, 8 or 1",
    values.batchSize,
  )
  const trainingNames = ['--optimizer', '--weight-decay', '--seed']
  const profileGroups: readonly [string, readonly Option[]][] = [
    ['The program:', [engine(), batch]],
    ['The network:', [...networkOptions(), ...onlyTables().filter(({ long }) => long === '--loss')]],
    ['Training:', trainingOptions().filter(({ long }) => trainingNames.includes(long!))],
    ['The table:', tableOptions().filter(({ long }) => long !== '--test')],
    ['Output:', [option('-o, --output <file.svg>', 'where to write the picture'), json()]],
  ]
  for (const [heading, list] of profileGroups) for (const one of list) profile.addOption(one.helpGroup(heading))
  profile
    .addHelpText(
      'after',
      `
For each kernel of the compiled program: its time, the operations and bytes a second, and how near that is to what
this machine reaches at most, which is measured too. Nothing is written but the picture.

Examples:
  $ gradus profile digits --hidden 512,256 --batch-size 256 --output profile.svg
  $ gradus profile penguins.csv --target species --engine native
  $ gradus profile runs/penguins-001 --batch-size 1`,
    )
    .action(async (source: string, options: ProfileCommand) => {
      const explicit = profile.options.filter(
        (one) =>
          profile.getOptionValueSource(one.attributeName()) === 'cli' &&
          (one.attributeName() !== 'header' || one.negate === (options.header === false)),
      )
      exit(
        await profileCommand(
          source,
          options,
          explicit.map((one) => one.long!),
        ),
      )
    })
  return root
}

async function main(): Promise<number> {
  let code = 0
  // A reader that has seen enough, such as head, is no error.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1))
  try {
    await program((given) => {
      code = given
    }).parseAsync()
    return code
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : usageError
    return fail(error)
  }
}

/** The message without the name of the library's function, which is nothing to whoever types commands. */
function plainMessage(error: Error): string {
  const { message } = error
  const name = error instanceof GradusError && /^[A-Za-z.]+$/.test(error.operation) ? `${error.operation}: ` : ''
  return message.startsWith(name) ? message.slice(name.length) : message
}

/** Says what went wrong: a sentence for what users can put right, a stack for what they cannot. */
function fail(error: unknown): number {
  const expected = error instanceof GradusError && error.name !== 'VerifyError'
  const { name, stack } = error instanceof Error ? error : new Error(String(error))
  const message = error instanceof Error ? plainMessage(error) : String(error)
  process.stderr.write(
    expected ? `gradus: ${message}\n` : `gradus: ${stack ?? message}\nThis is a bug in Gradus; please report it.\n`,
  )
  if (process.argv.includes('--json')) console.log(JSON.stringify({ error: { name, message } }))
  return error instanceof GradusError && usageFaults.has(error.operation) ? usageError : 1
}

process.exitCode = await main()

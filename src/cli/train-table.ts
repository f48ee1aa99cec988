/**
 * @file `gradus train FILE.csv --target COLUMN`: from a table to a model folder, saying what it guessed and how to say otherwise.
 * In: options. Out: a run folder, a report; exit code.
 */
import { basename } from 'node:path'
import { ValueError } from '../base/errors.js'
import { attributeNames, namesFileOf } from '../data/names-file.js'
import type { PrepareOptions } from '../data/preprocess.js'
import type { ColumnSetting } from '../data/preprocess-options.js'
import type { Task } from '../data/preprocess-plan.js'
import type { Table } from '../data/table.js'
import { type ReadTableOptions, readTable } from '../data/table-file.js'
import type { TextEncoding } from '../data/text-blocks.js'
import { readText } from '../io/files.js'
import { summary } from '../nn/summary.js'
import { logMistakes } from '../train/mistakes.js'
import { mlp } from '../train/mlp.js'
import { saveModel } from '../train/model-folder.js'
import { assessTable, importance } from '../train/table-assess.js'
import { planTable, trainTable } from '../train/table-model.js'
import type { TableSettings } from '../train/table-settings.js'
import { configurationOf } from './configuration.js'
import { entry, say, shellLine } from './output.js'
import { learningCurve, programName, progressOf, type RunOptions, sayOf, withRun } from './run.js'
import { settingsOfTables } from './settings.js'
import { describeTraining, type Finished, reportPlan, reportResult, summaryMarkdown } from './table-report.js'

export interface TableCommand extends RunOptions, Partial<TableSettings> {
  readonly target?: string
  readonly test?: string
  /** False with --no-header, true with --header. */
  readonly header?: boolean
  readonly columns?: readonly string[]
  readonly separator?: string
  readonly task?: Task
  readonly ignore?: readonly string[]
  readonly keep?: readonly string[]
  readonly category?: readonly string[]
  readonly missing?: readonly string[]
  readonly column?: Readonly<Record<string, ColumnSetting>>
  readonly group?: string
  readonly time?: string
  readonly encoding?: TextEncoding
}

const settingNames = [
  'hidden',
  'activation',
  'loss',
  'optimizer',
  'learningRate',
  'batchSize',
  'epochs',
  'weightDecay',
  'dropout',
  'patience',
  'ensemble',
] as const

/** `words` is the command line, for the summary. */
export async function trainOnTable(file: string, given: TableCommand, words: string): Promise<number> {
  const { data, command } = await readNamed(file, given)
  const csv = csvOptions(command)
  const test = command.test === undefined ? undefined : await readTable(command.test, testOptions(csv, data))
  const target = command.target ?? missingTarget(file, data, 'train')
  const { seed = 1 } = command
  const settings = settingsOf(command)
  const plan = planTable(data, { target, seed, ...preparingOf(command), test, settings })
  const layers = summary(mlp(plan.network), [1, plan.network.inputs as number])
  const print = sayOf(command, say)

  const name = basename(file).replace(/(\.(csv|tsv|txt|data|gz))+$/i, '')
  const configuration = configurationOf(file, 'tables', command, settingsOfTables, plan.settings)
  return withRun(
    { output: command.output, name, resume: command.resume, command: words, configuration, examples: 0 },
    async (run, signal) => {
      print(...reportPlan(file, data, plan, layers, { test: command.test }))
      const trained = await trainTable(plan, {
        signal,
        progress: (member) =>
          plan.folds.length > 1
            ? progressOf(command, {
                prefix: `network ${member}/${plan.folds.length}  `,
                memory: member === 1,
                epochs: false,
              })
            : progressOf(command),
        epoch: run.log,
        checkpoint: (member) => run.fit(member, plan.settings, plan.folds.length > 1),
      })
      if (plan.task === 'classification' && !trained.interrupted)
        await logMistakes(run.events, trained.net, plan.test, {
          epoch: trained.members[0]!.history.best?.epoch,
          describe: (row) => rowOf(test ?? data, plan.rows.test[row]!),
        })
      const finished: Finished = {
        words,
        file,
        plan,
        trained,
        layers,
        scores: await assessTable(plan, trained.net),
        importance: await importance(plan, trained.net),
      }
      await saveModel(run.path, {
        net: trained.net,
        network: trained.network,
        task: plan.task,
        preprocessing: plan.preprocessing,
        training: describeTraining(finished),
      })
      const histories = trained.members.map(({ history }) => history)
      await run.write('learning-curve.svg', learningCurve(`${name}: loss by epoch`, plan.settings.loss, histories))
      const next = `${programName()} ${shellLine(['predict', run.path, command.test ?? file, ...readingOptions(command)])}`
      await run.write('summary.md', summaryMarkdown(finished, next))
      print(...reportResult(finished), '', entry('Folder', run.path), entry('Next', next))
      if (command.json)
        console.log(JSON.stringify({ folder: run.path, notes: plan.notes, ...describeTraining(finished) }))
      else if (command.quiet) console.log(run.path)
    },
  )
}

/** A row as it stands in the file. */
const rowOf = ({ names, columns }: Table, row: number) => ({
  index: row,
  values: Object.fromEntries(names.map((name, c) => [name, columns[c]![row]!])),
})

/** What was said about columns, and about how the rows are divided. */
export const preparingOf = ({
  task,
  ignore,
  keep,
  category,
  missing,
  column,
  group,
  time,
}: Partial<TableCommand>): Omit<PrepareOptions, 'target' | 'seed'> => ({
  task,
  ignore,
  keep,
  categories: category,
  missing,
  columns: column,
  group,
  time,
})

/**
 * Reads a table; where its first line does not name the target and there is a .names file beside it, with the names of that file. They are
 * then part of the command, so that evaluations and predictions read the file as the training did.
 */
async function readNamed(file: string, command: TableCommand): Promise<{ data: Table; command: TableCommand }> {
  const { target, columns, header } = command
  const data = await readTable(file, csvOptions(command))
  if (target === undefined || columns || header !== undefined || data.names.includes(target)) return { data, command }
  const beside = namesFileOf(file)
  const text = await readText(beside).catch(() => undefined)
  const names = text === undefined ? [] : attributeNames(text)
  if (names.length === 0) return { data, command }
  const all = names.includes(target) ? names : [...names, target]
  if (all.length !== data.names.length) return { data, command }
  const named = { ...command, columns: all }
  const again = await readTable(file, csvOptions(named))
  const last = names.includes(target) ? '' : `; the last column is called ${target}`
  return {
    data: { ...again, notes: [`The names of the columns are those of ${beside}${last}.`, ...again.notes] },
    command: named,
  }
}

/** How the file is to be read. */
export const csvOptions = ({ header, columns, separator, encoding }: Partial<TableCommand>): ReadTableOptions => ({
  encoding,
  header,
  columns,
  separator,
})

/** What was said about the training. */
export const settingsOf = (command: Partial<TableCommand>): Partial<TableSettings> =>
  Object.fromEntries(settingNames.map((name) => [name, command[name]]))

/** The test file is written like the other; where that has a header of its own, so has this. */
export const testOptions = (csv: ReadTableOptions, data: Table): ReadTableOptions => ({
  ...csv,
  columns: csv.columns ?? (csv.header === false ? data.names : undefined),
})

/** What it took to read the file, to be said again when it is predicted. */
function readingOptions({ columns, header, separator, encoding }: TableCommand): string[] {
  return [
    ...(columns ? ['--columns', columns.join(',')] : []),
    ...(header === undefined ? [] : [header ? '--header' : '--no-header']),
    ...(separator === undefined ? [] : ['--separator', separator === '\t' ? 'tab' : separator]),
    ...(encoding === undefined ? [] : ['--encoding', encoding]),
  ]
}

export function missingTarget(file: string, data: Table, operation: string): never {
  throw new ValueError(operation, `which column of ${file} is to be predicted is not said`, {
    hint: `Give --target COLUMN. The columns are: ${data.names.join(', ')}.`,
  })
}

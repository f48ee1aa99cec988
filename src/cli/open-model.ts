/**
 * @file Runs of tables and digits, opened: models that are multilayer perceptrons. In: a model folder. Out: a TrainedRun.
 */
import { FileError, ValueError } from '../base/errors.js'
import type { Dataset } from '../data/column.js'
import { encode } from '../data/preprocess.js'
import type { Preprocessing, TargetColumn } from '../data/preprocess-plan.js'
import { place, type Table } from '../data/table.js'
import { readTable } from '../data/table-file.js'
import { isNumber } from '../data/table-text.js'
import type { Model, ModelDescription } from '../train/model.js'
import { openModel } from '../train/model-folder.js'
import { assess, mostFrequent } from '../train/table-assess.js'
import { planTable } from '../train/table-model.js'
import { type TableLossName, tableLosses } from '../train/table-settings.js'
import type { Loss } from '../train/types.js'
import { scoreLines } from './table-report.js'
import { loadDigits } from './train-digits.js'
import { csvOptions, preparingOf, settingsOf, type TableCommand, testOptions } from './train-table.js'
import {
  type EvaluateCommand,
  type Evaluation,
  expectRecord,
  type RunRecord,
  readAsTrained,
  type TrainedRun,
} from './trained.js'

/** A model of a table or of digits. */
export async function openMlp(folder: string, record: RunRecord | undefined): Promise<TrainedRun> {
  const model = await openModel(folder)
  const { description, net } = model
  return {
    net,
    inputs: [description.network.inputs].flat(),
    before: beforeOf(folder, description),
    outputs: model.classes
      ? `logits of the classes ${model.classes.join(', ')}${description.network.outputs === 1 ? ' (one, of the second)' : ''}`
      : outputOf(description.preprocessing),
    evaluate: async (file, options) => {
      if (file !== undefined) return evaluateFile(model, file, readAsTrained(options, record))
      const { configuration } = expectRecord(folder, record)
      return description.preprocessing ? evaluateTable(model, configuration) : evaluateDigits(model)
    },
  }
}

const outputOf = (preprocessing: Preprocessing | undefined): string =>
  preprocessing?.target.kind === 'number'
    ? `${preprocessing.target.name}, standardised: times ${preprocessing.target.deviation} plus ${preprocessing.target.mean} is in its units`
    : 'numbers'

function beforeOf(folder: string, { preprocessing, scale = 1, offset = 0 }: ModelDescription): string[] {
  if (preprocessing)
    return [
      `Encoding the columns ${preprocessing.inputs.map(({ name }) => name).join(', ')} is not in it: ${folder}/model.json says how, under preprocessing.`,
    ]
  if (scale === 1 && offset === 0) return []
  return [`Scaling is not in it: the network takes numbers times ${scale}${offset === 0 ? '' : ` plus ${offset}`}.`]
}

const lossFor = ({ task, training = {} }: ModelDescription): Loss => {
  const { loss } = (training['settings'] ?? {}) as { readonly loss?: TableLossName }
  const losses: { readonly [name: string]: unknown } = tableLosses[task]
  return (losses[loss ?? ''] ?? Object.values(losses)[0]) as Loss
}

/** The class that was most frequent in training, where the model says so. */
function constantFor({ training = {} }: ModelDescription, target: TargetColumn, data: Dataset): number {
  if (target.kind === 'number') return 0
  const { baseline } = (training['test'] ?? {}) as { readonly baseline?: { readonly prediction?: string } }
  const known = target.classes.indexOf(String(baseline?.prediction))
  return known >= 0 ? known : mostFrequent(data, target.classes.length)
}

async function scored(model: Model, data: Dataset, target: TargetColumn, what: string): Promise<Evaluation> {
  const { description } = model
  const constant = constantFor(description, target, data)
  const scores = await assess(model.net, data, { target, loss: lossFor(description), constant })
  const { kind: _, rows, ...rest } = scores
  return { data: what, rows, scores: rest, report: scoreLines(scores, target) }
}

async function evaluateTable(model: Model, configuration: object): Promise<Evaluation> {
  const {
    train: file,
    test: testFile,
    target,
    seed,
    ...rest
  } = configuration as TableCommand & { readonly train: string }
  const csv = csvOptions(rest)
  const data = await readTable(file, csv).catch((cause: FileError) => {
    throw new FileError('evaluate', cause.sentence.replace(/\.$/, ''), {
      cause,
      hint: 'run.json names the file as it was seen from where the run was made: go there, or give a file.',
    })
  })
  const test = testFile === undefined ? undefined : await readTable(testFile, testOptions(csv, data))
  const plan = planTable(data, { target: target!, seed: seed!, ...preparingOf(rest), test, settings: settingsOf(rest) })
  const preprocessing = model.description.preprocessing!
  const encoded = encode(preprocessing, test ?? data, plan.rows.test)
  return scored(model, encoded, preprocessing.target, testFile ?? `the test rows of ${file}`)
}

const classesTarget = (classes: readonly string[]): TargetColumn => ({ kind: 'classes', name: 'class', classes })

async function evaluateDigits(model: Model): Promise<Evaluation> {
  const { test } = await loadDigits()
  return scored(model, test, classesTarget(model.classes!), 'the test images of MNIST')
}

async function evaluateFile(model: Model, file: string, options: EvaluateCommand): Promise<Evaluation> {
  const { preprocessing } = model.description
  const table = await readTable(file, csvOptions(options))
  if (preprocessing) {
    const { target } = preprocessing
    if (options.target !== undefined && options.target !== target.name)
      throw new ValueError('evaluate', `the model predicts ${target.name}, not ${options.target}`, {
        hint: 'Leave out --target.',
      })
    if (!table.names.includes(target.name))
      throw new ValueError('evaluate', `${file} has no column '${target.name}', which the model predicts`, {
        hint: `Its columns are: ${table.names.join(', ')}. To predict rows without answers: gradus predict.`,
      })
    return scored(model, encode(preprocessing, table), target, file)
  }
  return scored(model, numbersOf(model, table, options), classesTarget(model.classes!), file)
}

/** A table of numbers, one column of which has the classes. */
function numbersOf(model: Model, table: Table, { target }: EvaluateCommand): Dataset {
  const { network, scale, offset } = model.description
  const inputs = [network.inputs].flat()
  const width = inputs.reduce((n, extent) => n * extent, 1)
  const at = target === undefined ? -1 : table.names.indexOf(target)
  if (at < 0)
    throw new ValueError(
      'evaluate',
      target === undefined ? 'which column has the classes is not said' : `there is no column '${target}'`,
      {
        hint: `Give --target COLUMN. The columns are: ${shortList(table.names)}.`,
      },
    )
  if (table.names.length !== width + 1)
    throw new ValueError(
      'evaluate',
      `${table.source} has ${table.names.length - 1} columns besides '${target}', the model takes ${width} numbers`,
    )
  const numbers = table.columns.filter((_, c) => c !== at)
  const data = new Float32Array(table.rows * width)
  for (let row = 0; row < table.rows; row++)
    numbers.forEach((cells, c) => {
      if (!isNumber(cells[row]!))
        throw new ValueError('evaluate', `'${cells[row]}' in ${place(table, row)} is not a number`)
      data[row * width + c] = Number(cells[row])
    })
  const classes = model.classes!
  const labels = Int32Array.from(table.columns[at]!, (cell, row) => {
    const label = classes.indexOf(cell)
    if (label < 0)
      throw new ValueError('evaluate', `'${cell}' in ${place(table, row)}, column '${target}' is not a class`, {
        hint: `There are ${classes.join(', ')}.`,
      })
    return label
  })
  return {
    input: { data, shape: [table.rows, ...inputs], scale, offset },
    target: { data: labels, shape: [table.rows] },
    classes,
  }
}

const shortList = (names: readonly string[]): string =>
  names.length > 12 ? `${names.slice(0, 12).join(', ')}, ...` : names.join(', ')

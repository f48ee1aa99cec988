/**
 * @file Runs of model files, opened: the file makes the network again, the folder has its parameters. In: a run's folder. Out: a
 * TrainedRun.
 */
import { join } from 'node:path'
import { FileError, ValueError } from '../base/errors.js'
import type { Samples } from '../data/column.js'
import { place } from '../data/table.js'
import { readTable } from '../data/table-file.js'
import { isNumber } from '../data/table-text.js'
import { load } from '../io/model.js'
import { initialize } from '../nn/module.js'
import type { NestedNumbers } from '../trace/value.js'
import type { ParameterValue } from '../train/define-training.js'
import { evaluate } from '../train/evaluate.js'
import { modelFiles } from '../train/model-folder.js'
import { predict } from '../train/predict.js'
import type { Metrics } from '../train/types.js'
import { countOf, loadTraining, sampleOf, withPlace } from './model-file.js'
import { number, table } from './output.js'
import { type EvaluateCommand, expectRecord, type RunRecord, type TrainedRun } from './trained.js'

/** The network of a model file, with the parameters that a run gave it. */
export async function openModelFile(folder: string, record: RunRecord | undefined): Promise<TrainedRun> {
  const { train: file, seed = 1, parameters = {} } = expectRecord(folder, record).configuration
  const training = await loadTraining(file!, {
    seed: seed as number,
    parameters: parameters as { readonly [name: string]: ParameterValue },
  })
  const { network: net, loss, metrics } = training
  const weights = join(folder, modelFiles.weights)
  await withPlace(file!, () => initialize(net))
  try {
    await load(net, weights)
  } catch (cause) {
    throw new FileError(
      'run',
      `the parameters in ${weights} are not those of the network in ${file}: ${(cause as Error).message}`,
      {
        cause,
        hint: 'The file may have changed since it was trained.',
      },
    )
  }
  const { shape: inputs, dtype: inputDtype } = await withPlace(file!, () => sampleOf(training))
  return {
    net,
    inputs,
    inputDtype,
    before: [`What ${file} does to its data is not in it.`],
    outputs: 'what the network gives',
    predict: async (given, options) => {
      const data = await numbersOf(given, options, inputs)
      const outputs = (await withPlace(file!, () => predict(net, data))) as NestedNumbers[]
      const rows = outputs.map((output) => flat(output))
      return {
        head: rows[0]?.map((_, i) => `output${i + 1}`) ?? [],
        rows: rows.map((row) => row.map((value) => String(Number(value.toPrecision(7))))),
        json: { outputs },
      }
    },
    evaluate: async (given) => {
      if (given !== undefined)
        throw new ValueError('evaluate', `the data of ${folder} are those of its model file, not ${given}`, {
          hint: 'Leave the file out.',
        })
      const [name, data] = (['test', 'validation', 'train'] as const)
        .map((part) => [part, training[part]] as const)
        .find(([, source]) => source !== undefined)!
      const scores = (await withPlace(file!, () => evaluate(net, data!, { loss, metrics: metrics as Metrics }))) as {
        readonly [name: string]: unknown
      }
      const rows = Object.entries(scores).flatMap(([score, value]) =>
        typeof value === 'number' ? [[score, number(value)]] : [],
      )
      return {
        data: `the ${name === 'train' ? 'training' : name} data of ${file}`,
        rows: countOf(data!, name),
        scores,
        report: [table(rows)],
      }
    },
  }
}

/** A table of numbers, a sample in each row. */
async function numbersOf(file: string, csv: EvaluateCommand, inputs: readonly number[]): Promise<Samples> {
  const table = await readTable(file, { columns: csv.columns, header: csv.header, separator: csv.separator })
  const width = inputs.reduce((n, extent) => n * extent, 1)
  if (table.names.length !== width)
    throw new ValueError(
      'predict',
      `${file} has ${table.names.length} columns, the network takes ${width} numbers a row`,
    )
  const data = new Float32Array(table.rows * width)
  for (let row = 0; row < table.rows; row++)
    table.columns.forEach((cells, c) => {
      if (!isNumber(cells[row]!))
        throw new ValueError(
          'predict',
          `'${cells[row]}' in ${place(table, row)}, column '${table.names[c]}' is not a number`,
        )
      data[row * width + c] = Number(cells[row])
    })
  return { data, shape: [table.rows, ...inputs] }
}

const flat = (values: NestedNumbers): number[] => (Array.isArray(values) ? values.flatMap(flat) : [values as number])

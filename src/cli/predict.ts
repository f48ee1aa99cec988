/**
 * @file `gradus predict MODEL FILE.csv`, or images: a prediction for each row or image, with the probability of each class.
 * In: a model folder, a table or image files. Out: CSV on standard output or in a file; with --json one object.
 */
import { ValueError } from '../base/errors.js'
import { csvField } from '../data/csv-write.js'
import type { Table } from '../data/table.js'
import { columnIndex, place } from '../data/table.js'
import { readTable } from '../data/table-file.js'
import { isNumber } from '../data/table-text.js'
import { writeFileAtomic } from '../io/atomic.js'
import type { ClassPrediction, Model, Prediction } from '../train/model.js'
import { openModel } from '../train/model-folder.js'
import { predictImages } from '../train/predict-images.js'
import { recordOf } from './open-run.js'
import { csvLines, csvText, type PredictCommand, predictionsText } from './predictions.js'
import { csvOptions } from './train-table.js'
import { readAsTrained } from './trained.js'

export async function predictFile(folder: string, files: readonly string[], command: PredictCommand): Promise<number> {
  const { kind, record } = await recordOf(folder)
  // A model file knows its network and its data.
  const opened = kind.name === 'models' ? await kind.open?.(folder, record) : undefined
  if (opened?.predict) {
    const { head, rows, json } = await opened.predict(oneFile(files), command)
    const text = command.json ? `${JSON.stringify(json)}\n` : csvLines(head, rows)
    return write(text, rows.length, command)
  }
  const model = await openModel(folder)
  if (model.description.images && files.every(isImageFile)) return predictImageFiles(model, files, command)
  const file = oneFile(files, model.description.images ? 'Images end in .png, .jpg or .jpeg.' : undefined)
  const data = await readTable(file, csvOptions(readAsTrained(command, record)))
  const predictions = await predictTable(model, data)
  return write(predictionsText(model, predictions, command.json), predictions.length, command)
}

function oneFile([file, ...others]: readonly string[], hint = `Leave out ${others.join(', ')}.`): string {
  if (others.length > 0) throw new ValueError('predict', `a table is one file, not ${others.length + 1}`, { hint })
  return file!
}

const isImageFile = (file: string): boolean => /\.(png|jpe?g)$/i.test(file)

/** A line a file, which begins with its name. */
async function predictImageFiles(model: Model, files: readonly string[], command: PredictCommand): Promise<number> {
  const predictions = await predictImages(model, files)
  const named = predictions.map((prediction, i) => ({ file: files[i]!, ...(prediction as ClassPrediction) }))
  const lines = csvText(model, predictions).trimEnd().split('\n')
  const csv = lines.map((line, i) => `${i === 0 ? 'file' : csvField(files[i - 1]!)},${line}\n`).join('')
  return write(
    command.json ? `${JSON.stringify({ task: model.task, classes: model.classes, predictions: named })}\n` : csv,
    predictions.length,
    command,
  )
}

async function write(text: string, count: number, command: PredictCommand): Promise<number> {
  if (command.output) {
    await writeFileAtomic(command.output, text)
    if (!command.json) process.stderr.write(`${count} predictions in ${command.output}\n`)
  } else process.stdout.write(text)
  return 0
}

async function predictTable(model: Model, data: Table): Promise<Prediction[]> {
  const { preprocessing, network } = model.description
  if (preprocessing) {
    // All of the columns that are missing, not only the first.
    const absent = preprocessing.inputs.map(({ name }) => name).filter((name) => !data.names.includes(name))
    if (absent.length > 1)
      throw new ValueError('predict', `${data.source} lacks the columns ${absent.join(', ')}`, {
        hint: `It has: ${data.names.join(', ')}. If it has no header, give --columns or --no-header.`,
      })
    if (absent.length === 1) columnIndex(data, absent[0]!, 'predict')
    return model.predictTable(data)
  }
  const width = [network.inputs].flat().reduce((n, extent) => n * extent, 1)
  if (data.names.length !== width)
    throw new ValueError(
      'predict',
      `${data.source} has ${data.names.length} columns, the model takes ${width} numbers a row`,
      {
        hint: 'Leave out other columns, such as labels.',
      },
    )
  const rows = Array.from({ length: data.rows }, (_, row) =>
    Float32Array.from(data.columns, (cells, c) => {
      if (!isNumber(cells[row]!))
        throw new ValueError(
          'predict',
          `'${cells[row]}' in ${place(data, row)}, column '${data.names[c]}' is not a number`,
        )
      return Number(cells[row])
    }),
  )
  return model.predict(rows)
}

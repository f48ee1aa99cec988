/**
 * @file Predictions as they are printed: CSV, a line each, or one object of JSON. In: predictions. Out: text.
 */
import { csvField } from '../data/csv-write.js'
import type { TextEncoding } from '../data/text-blocks.js'
import type { Model, Prediction } from '../train/model.js'

export interface PredictCommand {
  readonly output?: string
  readonly json?: boolean
  readonly header?: boolean
  readonly columns?: readonly string[]
  readonly separator?: string
  readonly encoding?: TextEncoding
}

/** CSV, or with `json` one object. */
export const predictionsText = (model: Described, predictions: readonly Prediction[], json = false): string =>
  json ? jsonText(model, predictions) : csvText(model, predictions)

type Described = Pick<Model, 'task' | 'classes'>

export function csvText(model: Described, predictions: readonly Prediction[]): string {
  const { classes } = model
  const head = classes ? ['prediction', ...classes.map((name) => `probability of ${name}`)] : ['prediction']
  const lines = predictions.map((prediction) =>
    typeof prediction === 'number'
      ? [shortest(prediction)]
      : [prediction.class, ...Object.values(prediction.probabilities).map((p) => p.toFixed(6))],
  )
  return csvLines(head, lines)
}

export const csvLines = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, ...rows].map((line) => `${line.map((text) => csvField(text)).join(',')}\n`).join('')

function jsonText(model: Described, predictions: readonly Prediction[]): string {
  return `${JSON.stringify({ task: model.task, ...(model.classes ? { classes: model.classes } : {}), predictions })}\n`
}

/** A float32 has about seven digits: more would be noise. */
const shortest = (value: number): string => String(Number(value.toPrecision(7)))

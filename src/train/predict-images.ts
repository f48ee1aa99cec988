/**
 * @file Predictions for image files, by a model that was trained on images. In: a model, files. Out: a class with probabilities for each.
 *
 * const model = await openModel('runs/pets-001'); await predictImages(model, ['cat.jpg'])
 */
import { ValueError } from '../base/errors.js'
import { decodeFile } from '../data/image-decode.js'
import type { Model, Prediction } from './model.js'

/** So many are in memory at once. */
const atATime = 64

/**
 * Decodes PNG and JPEG files as the model's training did, and predicts them. Throws ValueError for a model of something else, and FileError
 * naming a file that cannot be read.
 */
export async function predictImages<P extends Prediction>(model: Model<P>, files: readonly string[]): Promise<P[]> {
  const { images } = model.description
  if (!images)
    throw new ValueError('predictImages', 'the model was not trained on image files', {
      hint: 'Give rows or numbers to model.predict.',
    })
  const predictions: P[] = []
  for (let from = 0; from < files.length; from += atATime) {
    const list = files.slice(from, from + atATime)
    predictions.push(...(await model.predict(await Promise.all(list.map((file) => decodeFile(file, images))))))
  }
  return predictions
}

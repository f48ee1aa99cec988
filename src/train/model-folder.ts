/**
 * @file A model as a folder: weights.safetensors, model.json (network, preprocessing, task), history.jsonl.
 * In: a trained network and its description. Out: files, each whole or not there; or a model that predicts.
 *
 * await saveModel('runs/iris-001', { net, network, task: 'classification', preprocessing, history: history.epochs })
 * const model = await openModel('runs/iris-001'); await model.predict({ sepal_length: 5.1 })
 */
import { describeValue } from '../base/describe.js'
import { ArgumentError, FileError } from '../base/errors.js'
import { checkNames } from '../base/options.js'
import { gradusVersion } from '../base/version.js'
import { checkForm, type ImageForm } from '../data/image-decode.js'
import { parsePreprocessing } from '../data/preprocess-parse.js'
import type { Task } from '../data/preprocess-plan.js'
import { makeFolder, readBytes, readText, writeFile } from '../io/files.js'
import { loadBytes, modelBytes } from '../io/model.js'
import { type ClassPrediction, Model, type ModelDescription, type Prediction } from './model.js'
import { networkFrom, parseNetwork } from './network.js'
import type { Epoch, Net } from './types.js'

export const modelFiles = {
  description: 'model.json',
  weights: 'weights.safetensors',
  history: 'history.jsonl',
} as const
/** Rises when the meaning of model.json changes. */
const formatVersion = 1

/** What `saveModel` writes. */
export interface ModelContent extends ModelDescription {
  /** The trained network. */
  readonly net: Net
  /** One line an epoch in history.jsonl. */
  readonly history?: readonly Epoch[]
}

const join = (folder: string, file: string): string => `${folder.replace(/[\\/]+$/, '')}/${file}`

/** Writes a model folder, or new weights into one; each file is the old one or the new one at any moment. */
export async function saveModel(folder: string, content: ModelContent): Promise<void> {
  const { net, history, task, network, images, preprocessing, scale, offset, classes, training } = content
  const description = { task, network, images, preprocessing, scale, offset, classes, training }
  // Says now what would otherwise be found when the model is opened.
  const parsed = parseDescription(JSON.parse(JSON.stringify(jsonOf(description))), folder)
  new Model(parsed, net)
  await makeFolder(folder)
  await writeFile(join(folder, modelFiles.description), `${JSON.stringify(jsonOf(description), undefined, 2)}\n`)
  await writeFile(join(folder, modelFiles.weights), modelBytes(net))
  if (history)
    await writeFile(join(folder, modelFiles.history), history.map((epoch) => `${JSON.stringify(epoch)}\n`).join(''))
}

const jsonOf = (description: ModelDescription): object => ({
  format: 'gradus-model',
  version: formatVersion,
  gradus: gradusVersion,
  ...description,
})

/**
 * Opens a model folder. With a task, the predictions have its type, and a model of the other task is an error.
 * Throws FileError for a folder or file that is missing, cut short, damaged or from another version.
 */
export async function openModel(
  folder: string,
  options: { readonly task: 'classification' },
): Promise<Model<ClassPrediction>>
export async function openModel(folder: string, options: { readonly task: 'regression' }): Promise<Model<number>>
export async function openModel(folder: string): Promise<Model>
export async function openModel(folder: string, options: { readonly task?: Task } = {}): Promise<Model<Prediction>> {
  checkNames('openModel', options, ['task'])
  if (typeof folder !== 'string')
    throw new ArgumentError('openModel', `is given ${describeValue(folder)}, not a folder`, {
      hint: 'Give the folder that training wrote, such as runs/iris-001.',
    })
  const path = join(folder, modelFiles.description)
  const text = await readText(path).catch((cause: FileError) => {
    throw new FileError('openModel', `${folder} is no model folder: ${cause.message}`, {
      cause,
      hint: 'Give the folder that training wrote, such as runs/iris-001.',
    })
  })
  const weights = await readBytes(join(folder, modelFiles.weights)).catch((cause: FileError) => {
    throw new FileError('openModel', `${folder} has no weights: ${cause.message}`, {
      cause,
      hint: 'Training may have ended before its first epoch.',
    })
  })
  const model = modelFrom(text, weights, folder)
  if (options.task && options.task !== model.task)
    throw new FileError('openModel', `${folder} is a model for ${model.task}, not for ${options.task}`)
  return model
}

/** A model from the content of model.json and weights.safetensors, wherever they come from; `source` is for messages. */
export function modelFrom(description: string, weights: Uint8Array, source = 'model'): Model {
  const path = join(source, modelFiles.description)
  let json: unknown
  try {
    json = JSON.parse(description)
  } catch (cause) {
    throw new FileError(path, `is not JSON (${(cause as Error).message})`, {
      cause,
      hint: 'The file is damaged or cut short.',
    })
  }
  const parsed = parseDescription(json, path)
  const net = networkFrom(parsed.network)
  loadBytes(net, weights, join(source, modelFiles.weights))
  try {
    return new Model(parsed, net)
  } catch (cause) {
    throw new FileError(path, (cause as Error).message, { cause })
  }
}

function parseDescription(json: unknown, source: string): ModelDescription {
  const fail = (fault: string, hint = 'The file is damaged or was edited by hand.'): never => {
    throw new FileError(source, fault, { hint })
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return fail('must be an object')
  const o = json as { readonly [key: string]: unknown }
  if (o['format'] !== 'gradus-model') fail(`this is not a Gradus model (format ${JSON.stringify(o['format'])})`)
  if (o['version'] !== formatVersion)
    fail(
      `the version of the folder is ${JSON.stringify(o['version'])}, this Gradus (${gradusVersion}) reads ${formatVersion}`,
      `Train the model again, or use the Gradus that wrote it (${JSON.stringify(o['gradus'])}).`,
    )
  const { task, images, preprocessing, scale, offset, classes, training } = o
  if (task === 'language model' || task === 'text classification')
    return fail(`this is a model of text (${task})`, 'Open it with openTextModel.')
  if (task !== 'classification' && task !== 'regression')
    return fail(`task is ${JSON.stringify(task)}, not 'classification' or 'regression'`)
  for (const [name, value] of Object.entries({ scale, offset }))
    if (value !== undefined && typeof value !== 'number') fail(`${name} must be a number`)
  if (classes !== undefined && !(Array.isArray(classes) && classes.every((name) => typeof name === 'string')))
    fail('classes must be a list of names')
  return {
    task,
    network: parseNetwork(o['network'], source),
    ...(images === undefined ? {} : { images: parseImageForm(images, source) }),
    ...(preprocessing === undefined
      ? {}
      : { preprocessing: parsePreprocessing(preprocessing, `${source}: preprocessing`) }),
    ...(scale === undefined ? {} : { scale: scale as number }),
    ...(offset === undefined ? {} : { offset: offset as number }),
    ...(classes === undefined ? {} : { classes: classes as string[] }),
    ...(training === undefined ? {} : { training: training as { [name: string]: unknown } }),
  }
}

/** How images are read; `source` is for messages. */
function parseImageForm(json: unknown, source: string): ImageForm {
  try {
    const { size, channels, fit, background } = json as ImageForm
    const form = { size, channels, fit, background }
    checkForm('images', form)
    return form
  } catch (cause) {
    throw new FileError(source, `images is no form of images: ${(cause as Error).message}`, {
      cause,
      hint: 'The file is damaged or was edited by hand.',
    })
  }
}

/** The epochs that history.jsonl holds; a last line that was cut short is left out. */
export async function readHistory(folder: string): Promise<Epoch[]> {
  const lines = (await readText(join(folder, modelFiles.history))).split('\n')
  return lines.flatMap((line, i) => {
    if (line === '') return []
    try {
      return [JSON.parse(line) as Epoch]
    } catch (cause) {
      if (i === lines.length - 1) return []
      throw new FileError(join(folder, modelFiles.history), `line ${i + 1} is not JSON`, { cause })
    }
  })
}

/**
 * @file A model file: a module in TypeScript or JavaScript whose default export is a training. In: its path, the seed, parameters.
 * Out: the training, checked; or an error with the place in the file.
 *
 * const training = await loadTraining('model.ts', { seed: 1, parameters: { width: 64 } })
 */
import { stat } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describeValue } from '../base/describe.js'
import { FileError, GradusError } from '../base/errors.js'
import { isPlainOptions } from '../base/options.js'
import { sampleCount } from '../data/column.js'
import { LazyDataset, type TrainingData } from '../data/lazy-dataset.js'
import { datasetOf } from '../data/source.js'
import { checkTraining, type Training, type TrainingContext } from '../train/define-training.js'
import { judgedOf } from '../train/evaluate.js'
import { readsTypescript, registerTypescript } from './typescript-hooks.js'

/** Whether a path is that of a model file. */
export const isModelFile = (path: string): boolean => /\.m?[tj]s$/.test(path)

/** The training that the file exports, or that its function makes. */
export async function loadTraining(file: string, context: TrainingContext): Promise<Training> {
  const found = await stat(file).catch(() => undefined)
  if (!found?.isFile())
    throw new FileError('train', `there is no file ${file}`, {
      hint: 'Give the path of a model file, such as model.ts.',
    })
  if (/\.m?ts$/.test(file) && !readsTypescript()) expectTypescript(file)
  registerTypescript()
  const module = await withPlace(file, () => import(pathToFileURL(resolve(file)).href))
  const { default: exported } = module as { default?: unknown }
  if (exported === undefined) {
    const others = Object.keys(module as object)
    throw new FileError(
      'train',
      `${file} has no default export${others.length > 0 ? `, only ${others.join(', ')}` : ''}`,
      {
        hint: 'Write: export default defineTraining({ network, train, loss, optimizer, epochs }).',
      },
    )
  }
  const isFunction = typeof exported === 'function' && !('children' in exported)
  const training: unknown = isFunction
    ? await withPlace(file, () => (exported as (context: TrainingContext) => unknown)(context))
    : exported
  if (!isFunction && Object.keys(context.parameters).length > 0)
    throw new FileError('train', `${file} takes no parameters: its training is no function`, {
      hint: 'Write: export default defineTraining(({ parameters }) => ({ ... })).',
    })
  if (!isPlainOptions(training))
    throw new FileError(
      'train',
      `${file} ${isFunction ? 'returns' : 'exports'} ${describeValue(training)}, not a training`,
      {
        hint: 'It should be { network, train, loss, optimizer, epochs, ... }, the options of fit and the network.',
      },
    )
  await withPlace(file, () => checkTraining(file, training))
  return training as unknown as Training
}

function expectTypescript(file: string): void {
  try {
    createRequire(import.meta.url).resolve('@swc/wasm-typescript')
  } catch (cause) {
    throw new FileError('train', `${file} is TypeScript, which Node ${process.versions.node} does not read by itself`, {
      cause,
      hint: 'Run npm install @swc/wasm-typescript, or use Node 22.18 or newer, or write the file in JavaScript (.js).',
    })
  }
}

/** What goes wrong in the user's file is the user's to put right: the message, and the first line of the file that led to it. */
export async function withPlace<T>(file: string, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof GradusError) {
      const place = placeIn(file, error)
      if (!place || error instanceof FileError) throw error
      throw new FileError('train', `${place}: ${error.message}`, { cause: error })
    }
    const { name, message } = error instanceof Error ? error : new Error(String(error))
    const text = message.startsWith(resolve(file)) ? message.replace(`${resolve(file)}: `, '') : message
    throw new FileError('train', `${placeIn(file, error) ?? file}: ${name}: ${text.trim()}`, { cause: error })
  }
}

/** 'models/a.ts:12:5', if the error passed there. */
function placeIn(file: string, error: unknown): string | undefined {
  const { stack = '' } = error instanceof Error ? error : {}
  const at = stack.indexOf(pathToFileURL(resolve(file)).href)
  const place = /:(\d+:\d+)/.exec(at < 0 ? '' : stack.slice(at + 5))
  return place ? `${file}:${place[1]}` : undefined
}

/** What one sample is to the network: its shape, and whether it is numbers or places in a table, such as words. */
export async function sampleOf({ network, train }: Training): Promise<{
  readonly shape: readonly number[]
  readonly dtype: 'float32' | 'int32'
}> {
  const { data, shape } = (await judgedOf(train, 'train')).kind.input
  const { inputDtype, takes } = network as { readonly inputDtype?: string; readonly takes?: unknown }
  const places = inputDtype === 'int32' || (data instanceof Int32Array && takes === undefined)
  return { shape: shape.slice(1), dtype: places ? 'int32' : 'float32' }
}

/** How many samples there are; undefined where only reading them would tell. */
export const countOf = (data: TrainingData, name: string): number | undefined =>
  data instanceof LazyDataset ? data.length : sampleCount(datasetOf(data, name))

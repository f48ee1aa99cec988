/**
 * @file From a folder to the run it holds, by the kind of what was trained. In: a folder. Out: what `evaluate`, `export` and `inspect`
 * work on.
 *
 * const run = await openRun('runs/penguins-001'); await run.evaluate(undefined, {})
 */
import { join } from 'node:path'
import { FileError } from '../base/errors.js'
import { isPlainOptions } from '../base/options.js'
import { readText } from '../io/files.js'
import { modelFiles } from '../train/model-folder.js'
import { parseJson, readConfiguration } from './configuration.js'
import { allSettings, type Kind, kindNamed, kindOf } from './kinds.js'
import type { RunRecord, TrainedRun } from './trained.js'

/** The kind of a run, and what its run.json says; folders without one are models of tables or of digits. */
export async function recordOf(
  folder: string,
): Promise<{ readonly kind: Kind; readonly record: RunRecord | undefined }> {
  const path = join(folder, 'run.json')
  const text = await readText(path).catch(() => undefined)
  if (text !== undefined) {
    const json = parseJson(path, text)
    if (!isPlainOptions(json) || !isPlainOptions(json['configuration']))
      throw new FileError('run', `${path} has no configuration`, { hint: 'The file is damaged or was edited by hand.' })
    const configuration = await readConfiguration(path, allSettings())
    const kind = configuration.kind ? kindNamed(configuration.kind) : await kindOf(configuration.train ?? '')
    return { kind: kind!, record: { folder, configuration } }
  }
  const description = await readText(join(folder, modelFiles.description)).catch((cause: FileError) => {
    throw new FileError('run', `${folder} is no run: ${cause.sentence}`, {
      cause,
      hint: 'Give the folder that training wrote, such as runs/iris-001.',
    })
  })
  const task = /"task": "(language model|text classification)"/.exec(description)?.[1]
  const ofText = task === 'language model' ? 'language' : task && 'texts'
  const name = ofText ?? (description.includes('"preprocessing"') ? 'tables' : 'digits')
  return { kind: kindNamed(name)!, record: undefined }
}

/** Opens a run, by its kind. */
export async function openRun(folder: string): Promise<TrainedRun> {
  const { kind, record } = await recordOf(folder)
  if (!kind.open) throw new FileError('run', `${folder} is of ${kind.name}, for which there is no such command`)
  return kind.open(folder, record)
}

/**
 * @file Runs of model files, opened: the file makes the network again, the folder has its parameters. In: a run's folder. Out: a
 * TrainedRun.
 */
import { join } from 'node:path'
import { FileError, ValueError } from '../base/errors.js'
import { load } from '../io/model.js'
import { initialize } from '../nn/module.js'
import type { ParameterValue } from '../train/define-training.js'
import { evaluate } from '../train/evaluate.js'
import { modelFiles } from '../train/model-folder.js'
import type { Metrics } from '../train/types.js'
import { countOf, loadTraining, sampleOf, withPlace } from './model-file.js'
import { number, table } from './output.js'
import { expectRecord, type RunRecord, type TrainedRun } from './trained.js'

/** The network of a model file, with the parameters that a run gave it. */
export async function openModelFile(folder: string, record: RunRecord | undefined): Promise<TrainedRun> {
  const { train: file, seed, parameters = {} } = expectRecord(folder, record).configuration
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

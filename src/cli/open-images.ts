/**
 * @file Runs of images, opened: convolutional networks. In: a model folder. Out: a TrainedRun, for `gradus evaluate` and `export`.
 */
import { ValueError } from '../base/errors.js'
import { imageFolder } from '../data/image-folder.js'
import { crossEntropy } from '../loss/index.js'
import { accuracy, confusionMatrix } from '../metrics/index.js'
import { evaluate } from '../train/evaluate.js'
import type { Model } from '../train/model.js'
import { openModel } from '../train/model-folder.js'
import type { ImageSettings } from './image-settings.js'
import { countOf, type ImageData } from './image-training.js'
import { number, percent, table } from './output.js'
import { dataOf, isFolder } from './train-images.js'
import { type Evaluation, expectRecord, type RunRecord, type TrainedRun } from './trained.js'

export async function openImages(folder: string, record: RunRecord | undefined): Promise<TrainedRun> {
  const model = await openModel(folder)
  const { network, images } = model.description
  return {
    net: model.net,
    inputs: [network.inputs].flat(),
    before: [
      `Decoding files is not in it: ${folder}/model.json says how, under images. The network takes pixels (0 to 255) times 1/255.`,
    ],
    outputs: `logits of the classes ${model.classes!.join(', ')}`,
    evaluate: async (file) => {
      if (file === undefined) {
        const { configuration } = expectRecord(folder, record)
        const { train, ...settings } = configuration as Partial<ImageSettings> & { readonly train: string }
        const { test } = await dataOf(train, settings)
        if (!test)
          throw new ValueError('evaluate', `the run set no images of ${train} aside for testing`, {
            hint: 'Give a folder of images by class.',
          })
        return scored(model, test, `the test images of ${train}`)
      }
      if (!(await isFolder(file)))
        throw new ValueError('evaluate', `${file} is no folder`, {
          hint: 'Give a folder of images by class. For files without answers: gradus predict.',
        })
      const { train, classes } = await imageFolder(file, images)
      const unknown = classes.filter((name) => !model.classes!.includes(name))
      if (unknown.length > 0)
        throw new ValueError('evaluate', `${file} has classes that the model does not know: ${unknown.join(', ')}`, {
          hint: `It knows ${model.classes!.join(', ')}.`,
        })
      const own = await train.toDataset()
      const labels = Int32Array.from(own.target.data, (label) => model.classes!.indexOf(classes[label]!))
      const { classes: _, ...rest } = own
      return scored(model, { ...rest, target: { data: labels, shape: own.target.shape } }, file)
    },
  }
}

async function scored(model: Model, data: ImageData, what: string): Promise<Evaluation> {
  const scores = await evaluate(model.net, data, {
    loss: crossEntropy,
    metrics: { accuracy, confusion: confusionMatrix() },
  })
  const {
    loss,
    accuracy: share,
    confusion,
  } = scores as unknown as {
    loss: number
    accuracy: number
    confusion: number[][]
  }
  const classes = model.classes!
  return {
    data: what,
    rows: countOf(data),
    scores: { loss, accuracy: share, confusion },
    report: [
      table([
        ['accuracy', percent(share)],
        ['loss', number(loss)],
      ]),
      '',
      'Rows are the true classes, columns what they were taken for.',
      table([['', ...classes], ...confusion.map((row, i) => [classes[i]!, ...row.map(String)])]),
    ],
  }
}

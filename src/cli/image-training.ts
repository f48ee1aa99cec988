/**
 * @file The training of a classifier of images, from a plan to a model folder, saying what it does: digits and folders share it.
 * In: data, a network, settings. Out: a run folder, a report; the exit code.
 */
import type { Dataset } from '../data/column.js'
import type { ImageForm } from '../data/image-decode.js'
import { ImageSource } from '../data/image-source.js'
import type { TrainingData } from '../data/lazy-dataset.js'
import { crossEntropy } from '../loss/index.js'
import { accuracy, confusionMatrix } from '../metrics/index.js'
import { summary } from '../nn/summary.js'
import type { OptimizerSpec } from '../optim/index.js'
import { cosine, warmup } from '../optim/schedules.js'
import { evaluate } from '../train/evaluate.js'
import { fit } from '../train/fit.js'
import { saveModel } from '../train/model-folder.js'
import type { NetworkConfig } from '../train/network.js'
import { Predictor } from '../train/predict.js'
import { eachEpoch } from '../train/run.js'
import { NothingLearned } from '../train/table-model.js'
import { optimizerOf, type TrainingSettings } from '../train/table-settings.js'
import type { Epoch, History, Loss, Net } from '../train/types.js'
import type { Configuration } from './configuration.js'
import {
  beside,
  bold,
  dim,
  endWord,
  entry,
  entryIndent,
  grouped,
  markdownTable,
  number,
  percent,
  picture,
  plural,
  say,
  seconds,
} from './output.js'
import { learningCurve, programName, progressOf, type RunOptions, sayOf, withRun } from './run.js'

/** Data of images: in arrays, or read as they are needed. */
export type ImageData = Dataset | ImageSource

/** What is to be trained, and what is said about it. */
export interface ImagePlan {
  /** Of the run's folder. */
  readonly name: string
  /** Of the summary. */
  readonly title: string
  /** What the data are, in words: lines of the report. */
  readonly about: readonly string[]
  readonly train: ImageData
  readonly validation: ImageData
  readonly test: ImageData | undefined
  readonly classes: readonly string[]
  /** How files become numbers, for predictions. */
  readonly images?: ImageForm
  readonly network: NetworkConfig
  readonly net: Net
  /** The flags that change the network. */
  readonly flags: string
  /** What trains: the network, perhaps with layers in front, and its loss. */
  readonly training?: { readonly net: Net; readonly loss: Loss; readonly words: string }
  readonly settings: TrainingSettings
  readonly configuration: Configuration
}

/** How many images there are. */
export const countOf = (data: ImageData): number =>
  data instanceof ImageSource ? data.files.length : data.input.shape[0]!
const labelsOf = (data: ImageData): ArrayLike<number> =>
  data instanceof ImageSource ? data.labels : (data.target.data as Int32Array)
/** For `fit`, which takes what is kept in memory anyway at once. */
const forFit = async (data: ImageData): Promise<TrainingData> =>
  data instanceof ImageSource && data.keeps ? data.toDataset() : data

export async function trainImages(plan: ImagePlan, command: RunOptions, words: string): Promise<number> {
  const { output, resume, json, quiet } = command
  const { settings, net, network, classes, configuration } = plan
  const print = sayOf(command, say)
  const counts = {
    train: countOf(plan.train),
    validation: countOf(plan.validation),
    ...(plan.test ? { test: countOf(plan.test) } : {}),
  }
  const layers = summary(net, [1, ...[network.inputs].flat()])
  const batch = settings.batchSize === 'full' ? counts.train : Math.min(settings.batchSize, counts.train)
  const stepsAnEpoch = Math.ceil(counts.train / batch)
  return withRun({ output, name: plan.name, resume, command: words, configuration }, async (run, signal) => {
    const [train, validation] = [await forFit(plan.train), await forFit(plan.validation)]
    print(
      ...plan.about.map((line, i) => entry(i === 0 ? 'Data' : '', line)),
      entry(
        '',
        `${grouped(counts.train)} to learn from, ${grouped(counts.validation)} to know when to stop${counts.test === undefined ? '' : `, ${grouped(counts.test)} to test at the end`}`,
      ),
      ...drawSome(train),
      '',
      entry('Network', `${grouped(layers.parameters)} parameters (${plan.flags})`),
      ...String(layers)
        .split('\n')
        .map((line) => `  ${line}`),
      '',
      entry('A step', `takes ${batch} images: forward propagation, error (cross-entropy), backpropagation, update`),
      entry(
        '',
        `(${settings.optimizer}, learning rate up to ${settings.learningRate}, falling to 0, weight decay ${settings.weightDecay});`,
      ),
      ...(plan.training?.words ? [entry('', plan.training.words)] : []),
      entry('', `all four are one program. ${stepsAnEpoch} steps make an epoch.`),
      '',
    )
    const training = fit(plan.training?.net ?? net, {
      train,
      validation,
      loss: plan.training?.loss ?? crossEntropy,
      optimizer: warmedUp(settings, stepsAnEpoch),
      metrics: { accuracy },
      epochs: settings.epochs,
      batchSize: settings.batchSize,
      seed: settings.seed,
      earlyStopping: { patience: settings.patience, restoreBest: true },
      signal,
      progress: progressOf(command),
      ...run.fit(1, settings),
    })
    await eachEpoch(training, (epoch) => run.log(1, epoch))
    const history = training.history as History<Epoch>
    if (history.epochs.length === 0) throw new NothingLearned(`train ${plan.name}`)
    const test = plan.test && (await forFit(plan.test))
    const result = test && plan.test ? await tested(net, test, plan, labelsOf(plan.test)) : undefined
    await saveModel(run.path, {
      net,
      network,
      task: 'classification',
      images: plan.images,
      scale: 1 / 255,
      classes,
      training: { command: words, settings, samples: counts, test: result, seconds: history.seconds },
    })
    await run.write('learning-curve.svg', learningCurve(`${plan.name}: loss by epoch`, 'cross-entropy', [history]))
    await run.write('summary.md', summaryText(plan, words, counts, history, result, String(layers)))
    print('', ...(result ? resultLines(result, counts.test!) : validationLines(history)))
    print(
      entry(
        '',
        `${plural(history.epochs.length, 'epoch')} in ${seconds(history.seconds)}; kept: epoch ${history.best?.epoch}`,
      ),
      ...(quiet || json || !test ? [] : await drawMistakes(net, test, classes)),
      '',
      entry('Folder', run.path),
      entry('Next', `${programName()} inspect ${run.path}`),
    )
    if (json)
      console.log(
        JSON.stringify({
          folder: run.path,
          task: 'classification',
          settings,
          samples: counts,
          parameters: layers.parameters,
          epochs: history.epochs.length,
          best: history.best,
          stopped: history.stopped,
          seconds: history.seconds,
          test: result,
        }),
      )
    else if (quiet) console.log(run.path)
  })
}

/** Scores on the images of the test. */
export interface ImageResult {
  readonly accuracy: number
  readonly loss: number
  readonly confusion: readonly (readonly number[])[]
  /** What always answering with the most frequent class of training would reach. */
  readonly baseline: { readonly prediction: string; readonly accuracy: number }
}

async function tested(net: Net, test: TrainingData, plan: ImagePlan, labels: ArrayLike<number>): Promise<ImageResult> {
  const scores = await evaluate(net, test, {
    loss: crossEntropy,
    metrics: { accuracy, confusion: confusionMatrix() },
  })
  const frequent = mostFrequent(labelsOf(plan.train), plan.classes.length)
  const share = Array.from(labels).filter((label) => label === frequent).length / labels.length
  return {
    accuracy: scores.accuracy as number,
    loss: scores.loss,
    confusion: scores.confusion as number[][],
    baseline: { prediction: plan.classes[frequent]!, accuracy: share },
  }
}

const resultLines = ({ accuracy: share, baseline }: ImageResult, count: number): string[] => [
  entry('Result', `${bold(percent(share))} of the ${grouped(count)} test images are recognised`),
  entry('', dim(`always answering '${baseline.prediction}' would be right for ${percent(baseline.accuracy)}`)),
]

const validationLines = ({ epochs, best }: History<Epoch>): string[] => {
  const { accuracy: share } = (epochs[(best?.epoch ?? epochs.length) - 1]?.validation ?? {}) as { accuracy?: number }
  return [
    entry(
      'Result',
      `${bold(percent(share ?? Number.NaN))} of the validation images are recognised; there is no test part`,
    ),
  ]
}

/** The rate rises during the first epoch, then falls to zero along a cosine. */
export function warmedUp(settings: TrainingSettings, stepsAnEpoch: number): OptimizerSpec {
  const total = settings.epochs * stepsAnEpoch
  const schedule = warmup({
    steps: Math.min(stepsAnEpoch, Math.ceil(total / 2)),
    startFactor: 0.1,
    after: cosine({ learningRate: settings.learningRate, steps: total }),
  })
  return optimizerOf(settings, schedule)
}

function mostFrequent(labels: ArrayLike<number>, classes: number): number {
  const counts = new Array<number>(classes).fill(0)
  for (let i = 0; i < labels.length; i++) counts[labels[i]!]!++
  return counts.indexOf(Math.max(...counts))
}

/** Images in a terminal are no larger than this; of colours, the mean of the channels is drawn. */
const largestDrawn = 40

function imageAt({ input }: Dataset, i: number): string[] {
  const [height, width] = input.shape.slice(-2) as [number, number]
  const area = height * width
  const channels = input.shape.slice(1).reduce((n, extent) => n * extent, 1) / area
  const pixels = Array.from({ length: area }, (_, at) => {
    let sum = 0
    for (let c = 0; c < channels; c++) sum += input.data[(i * channels + c) * area + at]!
    return sum / channels
  })
  return picture(pixels, width, height)
}

const drawable = (data: TrainingData): data is Dataset =>
  !(data instanceof ImageSource) &&
  'input' in data &&
  Math.max(...(data as Dataset).input.shape.slice(-2)) <= largestDrawn

/** A few of the first images, of different classes if they can be. */
function drawSome(data: TrainingData): string[] {
  if (!drawable(data)) return []
  const count = Math.min(5, data.input.shape[0]!)
  return beside(Array.from({ length: count }, (_, i) => imageAt(data, i))).map(
    (line) => `${' '.repeat(entryIndent)}${dim(line)}`,
  )
}

/** A few test images that the network takes for another class, with what it says. */
async function drawMistakes(net: Net, test: TrainingData, classes: readonly string[]): Promise<string[]> {
  if (!drawable(test)) return []
  const { data } = await new Predictor(net, test.input).run(test.input)
  const mistakes: { i: number; taken: number }[] = []
  for (let i = 0; i < test.input.shape[0]! && mistakes.length < 5; i++) {
    const logits = data.subarray(classes.length * i, classes.length * (i + 1))
    const taken = logits.indexOf(Math.max(...logits))
    if (taken !== test.target.data[i]) mistakes.push({ i, taken })
  }
  if (mistakes.length === 0) return []
  const pictures = mistakes.map(({ i, taken }) => {
    const lines = imageAt(test, i)
    const words = `${classes[test.target.data[i]!]}, taken for ${classes[taken]}`
    const width = Math.max(words.length, lines[0]?.length ?? 0)
    return [...lines, words].map((line) => line.padEnd(width))
  })
  return [
    '',
    entry('Mistakes', 'the first test images that it gets wrong'),
    ...beside(pictures).map((line) => `${' '.repeat(entryIndent)}${line}`),
  ]
}

function summaryText(
  { title, classes, settings }: ImagePlan,
  words: string,
  counts: { readonly train: number; readonly validation: number; readonly test?: number },
  history: History<Epoch>,
  result: ImageResult | undefined,
  layers: string,
): string {
  const epochs = `${plural(history.epochs.length, 'epoch')} in ${seconds(history.seconds)}, ${endWord(history.stopped)}; the parameters are those of epoch ${history.best?.epoch}.`
  const scores = result
    ? `**Test accuracy ${percent(result.accuracy)}** on ${grouped(counts.test!)} images, read once after training (cross-entropy ${number(result.loss)};
always answering '${result.baseline.prediction}' would reach ${percent(result.baseline.accuracy)}). ${epochs}`
    : epochs
  const confusion = result
    ? `
## Confusion matrix

Rows are the true classes, columns what they were taken for.

${markdownTable(
  [['', ...classes], ...result.confusion.map((row, i) => [`**${classes[i]}**`, ...row.map(String)])],
  result.confusion.map((_, i) => i + 1),
)}
`
    : ''
  return `# ${title}

\`${words}\`

${scores}

${grouped(counts.train)} images to learn from, ${grouped(counts.validation)} for validation.

![learning curve](learning-curve.svg)

## Settings

${markdownTable([['setting', 'value'], ...Object.entries(settings).map(([name, value]) => [name, String(value)])])}

## Network

\`\`\`
${layers}
\`\`\`
${confusion}`
}

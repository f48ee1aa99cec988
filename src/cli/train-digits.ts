/**
 * @file `gradus train digits`: a network on MNIST, from the images to a model folder, saying what it does.
 * In: options. Out: a run folder, a report; exit code.
 */

import { FileError } from '../base/errors.js'
import type { Dataset } from '../data/column.js'
import { crossEntropy } from '../loss/index.js'
import { accuracy, confusionMatrix } from '../metrics/index.js'
import { summary } from '../nn/summary.js'
import type { OptimizerSpec } from '../optim/index.js'
import { cosine, warmup } from '../optim/schedules.js'
import { evaluate } from '../train/evaluate.js'
import { fit } from '../train/fit.js'
import { mlp, mlpConfig } from '../train/mlp.js'
import { saveModel } from '../train/model-folder.js'
import { Predictor } from '../train/predict.js'
import { eachEpoch } from '../train/run.js'
import { NothingLearned } from '../train/table-model.js'
import { checkSettings, optimizerOf, type TrainingSettings } from '../train/table-settings.js'
import type { Epoch, Net } from '../train/types.js'
import { configurationOf } from './configuration.js'
import { beside, bold, dim, grouped, markdownTable, number, percent, picture, say, seconds } from './output.js'
import { learningCurve, programName, progressOf, type RunOptions, sayOf, withRun } from './run.js'
import { digitsSettings } from './settings.js'

export type DigitsCommand = RunOptions & Partial<TrainingSettings>

/** 98.3 % in a dozen epochs: the rate rises for one epoch, then falls to zero along a cosine. */
export const digitsDefaults: TrainingSettings = {
  hidden: [256, 128],
  activation: 'relu',
  optimizer: 'adamW',
  learningRate: 2e-3,
  batchSize: 128,
  epochs: 12,
  weightDecay: 0.05,
  dropout: 0.2,
  patience: 5,
  seed: 1,
}

/** A line of the report. */
const entry = (name: string, text: string): string => `${bold(name.padEnd(11))} ${text}`

export async function trainDigits(command: DigitsCommand, words: string): Promise<number> {
  const { output, resume, json, quiet, progress, ...given } = command
  const settings: TrainingSettings = {
    ...digitsDefaults,
    ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)),
  }
  checkSettings('train', settings)
  const print = sayOf(command, say)
  const { train, validation, test } = await loadDigits()
  const counts = { train: count(train), validation: count(validation), test: count(test) }
  const network = mlpConfig({
    inputs: [28, 28],
    outputs: 10,
    hidden: settings.hidden,
    activation: settings.activation,
    dropout: settings.dropout,
  })
  const net = mlp(network)
  const layers = summary(net, [1, 28, 28])
  const batch = settings.batchSize === 'full' ? counts.train : Math.min(settings.batchSize, counts.train)
  const stepsAnEpoch = Math.ceil(counts.train / batch)
  const configuration = configurationOf('digits', 'digits', {}, digitsSettings, settings)
  return withRun({ output, name: 'digits', resume, command: words, configuration }, async (run, signal) => {
    print(
      entry('Data', `MNIST: handwritten digits, 28×28 grey pixels, ten classes`),
      entry(
        '',
        `${grouped(counts.train)} to learn from, ${grouped(counts.validation)} to know when to stop, ${grouped(counts.test)} to test at the end`,
      ),
      ...drawSome(train),
      '',
      entry('Network', `${grouped(layers.parameters)} parameters (--hidden, --activation, --dropout)`),
      ...String(layers)
        .split('\n')
        .map((line) => `  ${line}`),
      '',
      entry('A step', `takes ${batch} images: forward propagation, error (cross-entropy), backpropagation, update`),
      entry(
        '',
        `(${settings.optimizer}, learning rate up to ${settings.learningRate}, falling to 0, weight decay ${settings.weightDecay});`,
      ),
      entry('', `all four are one program. ${stepsAnEpoch} steps make an epoch.`),
      '',
    )
    const training = fit(net, {
      train,
      validation,
      loss: crossEntropy,
      optimizer: digitsOptimizer(settings, stepsAnEpoch),
      metrics: { accuracy },
      epochs: settings.epochs,
      batchSize: settings.batchSize,
      seed: settings.seed,
      earlyStopping: { patience: settings.patience, restoreBest: true },
      signal,
      progress: progressOf(command),
      ...run.fit(1, settings),
    })
    await eachEpoch(training, (epoch) => {
      run.log(1, epoch)
      print(epochLine(epoch, settings.epochs))
    })
    const { history } = training
    if (history.epochs.length === 0) throw new NothingLearned('train digits')
    const scores = await evaluate(net, test, {
      loss: crossEntropy,
      metrics: { accuracy, confusion: confusionMatrix() },
    })
    const result = {
      accuracy: scores.accuracy as number,
      loss: scores.loss,
      confusion: scores.confusion as number[][],
      baseline: { prediction: '1', accuracy: shareOf(test, mostFrequent(train)) },
    }
    await saveModel(run.path, {
      net,
      network,
      task: 'classification',
      scale: 1 / 255,
      classes: train.classes,
      training: { command: words, settings, samples: counts, test: result, seconds: history.seconds },
    })
    await run.write('learning-curve.svg', learningCurve('digits: loss by epoch', 'cross-entropy', [history]))
    await run.write('summary.md', summaryText(words, settings, counts, history, result, String(layers)))
    print(
      '',
      entry('Result', `${bold(percent(result.accuracy))} of the ${grouped(counts.test)} test images are recognised`),
      entry(
        '',
        dim(`always answering '${result.baseline.prediction}' would be right for ${percent(result.baseline.accuracy)}`),
      ),
      entry('', `${history.epochs.length} epochs in ${seconds(history.seconds)}; kept: epoch ${history.best?.epoch}`),
      ...(quiet || json ? [] : await drawMistakes(net, test)),
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

/** The rate rises during the first epoch, then falls to zero along a cosine. */
export function digitsOptimizer(settings: TrainingSettings, stepsAnEpoch: number): OptimizerSpec {
  const total = settings.epochs * stepsAnEpoch
  const schedule = warmup({
    steps: Math.min(stepsAnEpoch, Math.ceil(total / 2)),
    startFactor: 0.1,
    after: cosine({ learningRate: settings.learningRate, steps: total }),
  })
  return optimizerOf(settings, schedule)
}

export async function loadDigits(): Promise<{ train: Dataset; validation: Dataset; test: Dataset }> {
  // The name is not a literal, so that the library builds and runs without the package of data.
  const name: string = '@gradus/datasets'
  let module: { digits(): Promise<{ train: Dataset; validation: Dataset; test: Dataset }> }
  try {
    module = await import(name)
  } catch (cause) {
    throw new FileError('train digits', `the package ${name}, which holds the images, is not installed`, {
      cause,
      hint: 'It is part of the repository, not of the library: clone it and run npm ci. Tables need no package: gradus train FILE.csv --target COLUMN.',
    })
  }
  return module.digits()
}

const count = ({ input }: Dataset): number => input.shape[0]!

const epochLine = ({ epoch, train, validation, seconds: time }: Epoch, epochs: number): string => {
  const { loss, accuracy: share } = (validation ?? train) as { loss: number; accuracy?: number }
  const learned = `training loss ${number(train.loss)}`
  return `  epoch ${String(epoch).padStart(String(epochs).length)}/${epochs}   ${learned}   validation loss ${number(loss)}, accuracy ${percent(share!)}   ${dim(seconds(time))}`
}

function mostFrequent({ target }: Dataset): number {
  const counts = new Array<number>(10).fill(0)
  for (const label of target.data) counts[label]!++
  return counts.indexOf(Math.max(...counts))
}

const shareOf = ({ target }: Dataset, label: number): number =>
  Array.from(target.data).filter((one) => one === label).length / target.data.length

const imageAt = ({ input }: Dataset, i: number) => picture(input.data.subarray(i * 784, (i + 1) * 784), 28, 28)

const drawSome = (data: Dataset): string[] =>
  beside(Array.from({ length: 5 }, (_, i) => imageAt(data, i))).map((line) => `${' '.repeat(12)}${dim(line)}`)

/** A few test images that the network takes for another digit, with what it says. */
async function drawMistakes(net: Net, test: Dataset): Promise<string[]> {
  const { data } = await new Predictor(net, test.input).run(test.input)
  const mistakes: { i: number; taken: number }[] = []
  for (let i = 0; i < count(test) && mistakes.length < 5; i++) {
    const logits = data.subarray(10 * i, 10 * i + 10)
    const taken = logits.indexOf(Math.max(...logits))
    if (taken !== test.target.data[i]) mistakes.push({ i, taken })
  }
  if (mistakes.length === 0) return []
  const pictures = mistakes.map(({ i, taken }) => [
    ...imageAt(test, i),
    `${test.target.data[i]}, taken for ${taken}`.padEnd(14),
  ])
  return [
    '',
    entry('Mistakes', 'the first test images that it gets wrong'),
    ...beside(pictures).map((line) => `${' '.repeat(12)}${line}`),
  ]
}

function summaryText(
  words: string,
  settings: TrainingSettings,
  counts: { readonly train: number; readonly validation: number; readonly test: number },
  history: {
    readonly epochs: readonly Epoch[]
    readonly best?: { readonly epoch: number } | undefined
    readonly seconds: number
    readonly stopped: string
  },
  result: {
    readonly accuracy: number
    readonly loss: number
    readonly confusion: readonly (readonly number[])[]
    readonly baseline: { readonly accuracy: number }
  },
  layers: string,
): string {
  return `# Handwritten digits (MNIST)

\`${words}\`

**Test accuracy ${percent(result.accuracy)}** on ${grouped(counts.test)} images, read once after training (cross-entropy ${number(result.loss)};
always answering '1' would reach ${percent(result.baseline.accuracy)}). ${history.epochs.length} epochs in ${seconds(history.seconds)}, ${history.stopped}; the parameters are those of epoch ${history.best?.epoch}.

${grouped(counts.train)} images to learn from, ${grouped(counts.validation)} for validation.

![learning curve](learning-curve.svg)

## Settings

${markdownTable([['setting', 'value'], ...Object.entries(settings).map(([name, value]) => [name, String(value)])])}

## Network

\`\`\`
${layers}
\`\`\`

## Confusion matrix

Rows are the true digits, columns what they were taken for.

${markdownTable(
  [
    ['', ...result.confusion.map((_, i) => String(i))],
    ...result.confusion.map((row, i) => [`**${i}**`, ...row.map(String)]),
  ],
  result.confusion.map((_, i) => i + 1),
)}
`
}

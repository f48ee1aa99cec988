/**
 * @file `gradus train TABLE.tsv` where the table has texts and their classes: a bag of hashed words, and a small network.
 * In: a table, options. Out: a run folder, a report; exit code.
 */
import { basename } from 'node:path'
import { ValueError } from '../base/errors.js'
import { type Dataset, subset } from '../data/column.js'
import { splitIndices } from '../data/split.js'
import { hashedWords, plainText } from '../data/text/words.js'
import { crossEntropy } from '../loss/cross-entropy.js'
import { accuracy, confusionMatrix, f1, precision, recall } from '../metrics/index.js'
import { summary } from '../nn/summary.js'
import { evaluate } from '../train/evaluate.js'
import { fit } from '../train/fit.js'
import { logMistakes } from '../train/mistakes.js'
import { eachEpoch } from '../train/run.js'
import { NothingLearned } from '../train/table-model.js'
import { optimizerOf, type TrainingSettings } from '../train/table-settings.js'
import { saveTextModel } from '../train/text-model.js'
import { type BagOfWordsConfig, bagOfWords } from '../train/text-network.js'
import type { Net } from '../train/types.js'
import { configurationOf } from './configuration.js'
import {
  bold,
  dim,
  entry,
  entryIndent,
  grouped,
  markdownTable,
  number,
  percent,
  plural,
  say,
  seconds,
  shellLine,
  table,
} from './output.js'
import { learningCurve, programName, progressOf, type RunOptions, sayOf, withRun } from './run.js'
import { textClassKindSettings } from './text-settings.js'
import { readTextTable, type TextTable } from './text-table.js'

export interface TextClassSettings {
  readonly width: number
  readonly rows: number
  readonly words: number
  readonly neighbours: number
  readonly dropout: number
  readonly optimizer: TrainingSettings['optimizer']
  readonly learningRate: number
  readonly batchSize: number | 'full'
  readonly epochs: number
  readonly weightDecay: number
  readonly patience: number
  readonly seed: number
}
export interface TextClassCommand extends RunOptions, Partial<TextClassSettings> {
  readonly target?: string
  readonly text?: string
  readonly columns?: readonly string[]
  readonly header?: boolean
  readonly separator?: string
}

const defaults: TextClassSettings = {
  width: 8,
  rows: 32_768,
  words: 64,
  neighbours: 1,
  dropout: 0.2,
  optimizer: 'adam',
  learningRate: 3e-3,
  batchSize: 64,
  epochs: 20,
  weightDecay: 0,
  patience: 3,
  seed: 1,
}
const shares = { train: 0.7, validation: 0.1, test: 0.2 }

/** The settings with their defaults. */
const settingsOf = (given: object): TextClassSettings => {
  const chosen = Object.entries(given).filter(([name, value]) => name in defaults && value !== undefined)
  return { ...defaults, ...Object.fromEntries(chosen) }
}

/** The parts of a table, each with bags of words and labels. */
export interface TextParts {
  readonly classes: readonly string[]
  readonly train: Dataset
  readonly validation: Dataset
  readonly test: Dataset
  /** Rows of the table that `test` has, in its order. */
  readonly tested: ArrayLike<number>
  /** The class that tables of two classes are asked about: the rarer one. */
  readonly positive: string
}

/**
 * Divides a table, each part with its share of each class. Texts that differ in digits, capitals and blanks only are in one part: what is
 * tested was not seen in training.
 */
export function partsOf({ texts, labels }: TextTable, settings: TextClassSettings): TextParts {
  const classes = [...new Set(labels)].sort()
  const missing = labels.indexOf('')
  if (missing >= 0) throw new ValueError('train', `row ${missing + 1} has no class`)
  if (classes.length < 2 || classes.length > 1000)
    throw new ValueError('train', `there are ${classes.length} different classes`, { hint: 'Give --target COLUMN.' })
  const numbers = new Map(classes.map((name, i) => [name, i]))
  const target = Int32Array.from(labels, (label) => numbers.get(label)!)
  const groups = texts.map((text) => plainText(text).replace(/\s+/g, ' ').trim())
  const parts = splitIndices({ count: texts.length, shares, seed: settings.seed, stratify: labels as string[], groups })
  const { rows, words: places, neighbours } = settings
  const data: Dataset = {
    input: hashedWords(texts, { rows, places, neighbours }),
    target: { data: target, shape: [texts.length] },
    classes,
  }
  const [train, validation, test] = (['train', 'validation', 'test'] as const).map((name) => subset(data, parts[name]))
  const counts = classes.map((_, i) => target.filter((label) => label === i).length)
  return {
    classes,
    train: train!,
    validation: validation!,
    test: test!,
    tested: parts.test,
    positive: classes[counts.indexOf(Math.min(...counts))]!,
  }
}

/** What is measured on rows that were not learned from. */
export async function scoresOf(net: Net, data: Dataset, classes: readonly string[], positive: string) {
  // Of two classes, those scores are of the rarer one; of more, the mean over all.
  const one = classes.length === 2 ? { positive: classes.indexOf(positive) } : { average: 'macro' as const }
  const scores = await evaluate(net, data, {
    loss: crossEntropy as never,
    metrics: {
      accuracy,
      f1: f1(one as never),
      precision: precision(one as never),
      recall: recall(one as never),
      confusion: confusionMatrix(),
    },
  })
  return scores as unknown as {
    loss: number
    accuracy: number
    f1: number
    precision: number
    recall: number
    confusion: number[][]
  }
}

export async function trainTexts(file: string, command: TextClassCommand, words: string): Promise<number> {
  const { output, resume, json, quiet, progress: _, columns, header, separator, target, text, ...given } = command
  const settings = settingsOf(given)
  const print = sayOf(command, say)
  const data = await readTextTable(file, { columns, header, separator, target, text })
  const parts = partsOf(data, settings)
  const { classes, train, validation, test, positive } = parts
  const [learned, judged, tested] = [train, validation, test].map((part) => part.input.shape[0]!) as [
    number,
    number,
    number,
  ]
  if (judged === 0 || tested === 0)
    throw new ValueError('train', `${data.texts.length} texts are too few to learn from`)
  const { rows, words: places, neighbours, width: size, dropout, seed } = settings
  const network: BagOfWordsConfig = {
    kind: 'bag',
    rows,
    places,
    size,
    hidden: 2 * size,
    dropout,
    classes: classes.length,
  }
  const net = bagOfWords(network)
  const look = summary(net, [1, places], { dtype: 'int32' })
  const name = basename(file).replace(/(\.(csv|tsv|txt|data|gz))+$/i, '')
  const reading = { columns, header, separator, target: data.target, text: data.text }
  const configuration = configurationOf(file, 'texts', { ...command, ...reading }, textClassKindSettings, settings)
  return withRun({ output, name, resume, command: words, configuration, examples: 0 }, async (run, signal) => {
    print(
      entry(
        'Texts',
        `${file}: ${plural(data.texts.length, 'text')} in the column ${data.text}, classes in ${data.target}: ${classes.join(', ')} (--text, --target)`,
      ),
      ...data.notes.map((note) => entry('', note)),
      entry(
        '',
        `${grouped(learned)} to learn from, ${grouped(judged)} to know when to stop, ${grouped(tested)} to test at the end;`,
      ),
      entry('', 'texts that differ in digits, capitals and blanks only are on one side'),
      '',
      entry(
        'Words',
        `each has one of ${grouped(rows)} rows, by a hash; ${places} of a text are looked at (--rows, --words, --neighbours)`,
      ),
      entry(
        'Network',
        `${grouped(look.parameters)} parameters: a place for each row in ${size} dimensions, and a small network behind their mean (--width)`,
      ),
      '',
    )
    const training = fit(net, {
      train,
      validation,
      loss: crossEntropy as never,
      optimizer: optimizerOf({ ...settings, hidden: [], activation: 'relu' }),
      metrics: { accuracy },
      epochs: settings.epochs,
      batchSize: settings.batchSize,
      seed,
      earlyStopping: { patience: settings.patience, restoreBest: true },
      signal,
      progress: progressOf(command),
      ...run.fit(1, settings),
    })
    await eachEpoch(training, (epoch) => run.log(1, epoch))
    const { history } = training
    if (history.epochs.length === 0) throw new NothingLearned('train')
    const testRows = parts.tested
    if (!signal.aborted)
      await logMistakes(run.events, net, test, {
        epoch: history.best?.epoch,
        describe: (row) => ({ index: testRows[row]!, text: data.texts[testRows[row]!]! }),
      })
    const { confusion, ...scores } = await scoresOf(net, test, classes, positive)
    const counts = classes.map((_, i) => Array.from(test.target.data).filter((label) => label === i).length)
    const baseline = Math.max(...counts) / tested
    const result = { rows: tested, ...scores, confusion, positive, baseline }
    const samples = { train: learned, validation: judged, test: tested }
    const facts = { command: words, settings, samples, test: result, seconds: history.seconds }
    await saveTextModel(run.path, {
      task: 'text classification',
      net,
      network,
      words: { rows, places, neighbours },
      classes,
      column: data.text,
      target: data.target,
      training: facts,
    })
    await run.write('learning-curve.svg', learningCurve(`${name}: loss by epoch`, 'cross-entropy', [history]))
    const next = `${programName()} ${shellLine(['predict', run.path, file])}`
    const rowsOfScores = scoreRows(scores, classes, positive)
    const confused = [['', ...classes], ...confusion.map((line, i) => [classes[i]!, ...line.map(String)])]
    await run.write(
      'summary.md',
      `# ${name}: classes of texts\n\n\`${words}\`\n\n**${rowsOfScores[0]!.join(' ')}** on ${grouped(tested)} texts, read once after training.\n\n${markdownTable([['score', 'value'], ...rowsOfScores])}\n\n![learning curve](learning-curve.svg)\n\n## Confusion matrix\n\nRows are the true classes.\n\n${markdownTable(confused)}\n\n## Settings\n\n${markdownTable([['setting', 'value'], ...Object.entries(settings).map(([key, value]) => [key, String(value)])])}\n\n## Network\n\n\`\`\`\n${look}\n\`\`\`\n`,
    )
    print(
      '',
      entry('Result', `${bold(rowsOfScores[0]!.join(' '))} on ${plural(tested, 'text')} that were set aside`),
      table(rowsOfScores.slice(1), { indent: ' '.repeat(entryIndent) }),
      entry(
        '',
        dim(`always answering ${classes[counts.indexOf(Math.max(...counts))]} would be right for ${percent(baseline)}`),
      ),
      entry(
        '',
        `${plural(history.epochs.length, 'epoch')} in ${seconds(history.seconds)}; kept: epoch ${history.best?.epoch}`,
      ),
      '',
      entry('Confusion', dim('rows are the true classes')),
      table(confused, { indent: ' '.repeat(entryIndent) }),
      '',
      entry('Folder', run.path),
      entry('Next', next),
    )
    if (json)
      console.log(
        JSON.stringify({
          folder: run.path,
          task: 'text classification',
          classes,
          parameters: look.parameters,
          epochs: history.epochs.length,
          best: history.best,
          stopped: history.stopped,
          notes: data.notes,
          ...facts,
        }),
      )
    else if (quiet) console.log(run.path)
  })
}

/** The first row is what matters most: F1. */
export function scoreRows(
  {
    loss,
    accuracy: share,
    f1: f,
    precision: p,
    recall: r,
  }: { loss: number; accuracy: number; f1: number; precision: number; recall: number },
  classes: readonly string[],
  positive: string,
): string[][] {
  const of = classes.length === 2 ? ` of ${positive}` : ', mean over classes'
  return [
    [`F1${of}`, f.toFixed(4)],
    [`precision${of}`, p.toFixed(4)],
    [`recall${of}`, r.toFixed(4)],
    ['accuracy', percent(share)],
    ['cross-entropy', number(loss)],
  ]
}

/** The parts that a run set aside, found again. */
export async function partsAgain(configuration: object): Promise<TextParts> {
  const { train, columns, header, separator, target, text, ...given } = configuration as TextClassCommand & {
    readonly train: string
  }
  return partsOf(await readTextTable(train, { columns, header, separator, target, text }), settingsOf(given))
}

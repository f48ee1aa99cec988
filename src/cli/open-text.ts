/**
 * @file Runs on texts, opened: for `gradus evaluate`, `export`, `predict` and `inspect`. In: a folder. Out: a TrainedRun; texts, predictions, a report.
 */
import { ValueError } from '../base/errors.js'
import { checkDataset, type Dataset } from '../data/column.js'
import { column } from '../data/table.js'
import { hashedWords } from '../data/text/words.js'
import { writeFileAtomic } from '../io/atomic.js'
import { textFile } from '../io/lines.js'
import { summary } from '../nn/summary.js'
import { readHistory } from '../train/model-folder.js'
import { type LanguageModel, openTextModel, type TextClassifier } from '../train/text-model.js'
import { historyLines } from './history-lines.js'
import { entry, grouped, number, percent, plural, say, table } from './output.js'
import { type PredictCommand, predictionsText } from './predictions.js'
import { readTextTable } from './text-table.js'
import { validationText } from './train-language.js'
import { partsAgain, scoreRows, scoresOf } from './train-texts.js'
import { type EvaluateCommand, type Evaluation, expectRecord, type RunRecord, type TrainedRun } from './trained.js'

/** A language model. */
export async function openLanguage(folder: string, record: RunRecord | undefined): Promise<TrainedRun> {
  const model = await openTextModel(folder, { task: 'language model' })
  return {
    net: model.net,
    inputs: [model.network.context],
    inputDtype: 'int32',
    before: [`Making tokens of text is not in it: ${folder}/model.json says how, under tokenizer.`],
    outputs: `logits of the next of ${model.tokenizer.size} tokens at each place`,
    evaluate: async (file) => {
      const source = file ?? expectRecord(folder, record).configuration.train!
      const text = await textFile(source)
      const loss = await model.score(file === undefined ? validationText(text) : text)
      const perplexity = Math.exp(loss)
      const report = table([
        ['cross-entropy of a token', number(loss)],
        ['perplexity', number(perplexity)],
      ])
      return {
        data: file ?? `the last tenth of ${source}`,
        rows: undefined,
        scores: { loss, perplexity },
        report: [report],
      }
    },
  }
}

/** A classifier of texts. */
export async function openTexts(folder: string, record: RunRecord | undefined): Promise<TrainedRun> {
  const model = await openTextModel(folder, { task: 'text classification' })
  const positive = ((model.training['test'] ?? {}) as { positive?: string }).positive ?? model.classes[0]!
  const evaluation = async (data: Dataset, what: string): Promise<Evaluation> => {
    const scores = await scoresOf(model.net, data, model.classes, positive)
    const report = [table(scoreRows(scores, model.classes, positive))]
    return { data: what, rows: data.input.shape[0]!, scores: { ...scores, positive }, report }
  }
  return {
    net: model.net,
    inputs: [model.network.places],
    inputDtype: 'int32',
    before: [`Hashing words is not in it: ${folder}/model.json says how many rows and places there are, under words.`],
    outputs: `logits of the classes ${model.classes.join(', ')}`,
    evaluate: async (file, options) => {
      if (file !== undefined) return evaluation(await labelled(model, file, options), file)
      const { configuration } = expectRecord(folder, record)
      return evaluation((await partsAgain(configuration)).test, `the test texts of ${configuration.train}`)
    },
  }
}

async function labelled(model: TextClassifier, file: string, options: EvaluateCommand): Promise<Dataset> {
  const { columns, header, separator, target } = options
  const { texts, labels, ...names } = await readTextTable(file, { columns, header, separator, target })
  const numbers = Int32Array.from(labels, (label, row) => {
    const found = model.classes.indexOf(label)
    if (found < 0)
      throw new ValueError('evaluate', `'${label}' in row ${row + 1}, column '${names.target}' is not a class`, {
        hint: `There are ${model.classes.join(', ')}.`,
      })
    return found
  })
  const data = {
    input: hashedWords(texts, model.words),
    target: { data: numbers, shape: [texts.length] },
    classes: model.classes,
  }
  checkDataset(data, file)
  return data
}

export interface TextPredictCommand extends PredictCommand {
  readonly prompt?: string
  readonly length?: number
  readonly temperature?: number
  readonly topK?: number
  readonly seed?: number
}

/** `gradus predict` on a model of text: writes on, or tells the class of each text of a file, or of the prompt. */
export async function predictText(
  folder: string,
  file: string | undefined,
  command: TextPredictCommand,
): Promise<number> {
  const model = await openTextModel(folder)
  const text = await (model.task === 'language model' ? written(model, file, command) : told(model, file, command))
  if (command.output) {
    await writeFileAtomic(command.output, text)
    if (!command.json) process.stderr.write(`written to ${command.output}\n`)
  } else process.stdout.write(text)
  return 0
}

async function written(model: LanguageModel, file: string | undefined, command: TextPredictCommand): Promise<string> {
  if (file !== undefined)
    throw new ValueError('predict', 'a language model goes on with a prompt, not with a file', {
      hint: `Give --prompt TEXT. Scores of a text: gradus evaluate.`,
    })
  const { prompt, length = 400, temperature = 0.8, topK, seed = 1 } = command
  const text = await model.generate({ prompt, length, temperature, topK, seed })
  return command.json ? `${JSON.stringify({ task: model.task, prompt, text })}\n` : `${prompt ?? ''}${text}\n`
}

async function told(model: TextClassifier, file: string | undefined, command: TextPredictCommand): Promise<string> {
  for (const name of ['length', 'temperature', 'topK', 'seed'] as const)
    if (command[name] !== undefined)
      throw new ValueError('predict', `${name} is for language models; this one tells classes`)
  if ((file === undefined) === (command.prompt === undefined))
    throw new ValueError('predict', 'what is to be predicted is not said', {
      hint: 'Give a table with texts, or one text: --prompt TEXT.',
    })
  const texts = file === undefined ? [command.prompt!] : await textsOf(model, file, command)
  return predictionsText({ task: 'classification', classes: model.classes }, await model.predict(texts), command.json)
}

/** The column of texts of a file: that of the training, or what looks like it. */
async function textsOf(model: TextClassifier, file: string, command: PredictCommand): Promise<readonly string[]> {
  const { columns, header, separator } = command
  const csv = { columns, header, separator }
  const { readTable } = await import('../data/table-file.js')
  try {
    const { texts } = await readTextTable(file, {
      ...csv,
      ...(model.column && columns?.includes(model.column) ? { text: model.column } : {}),
    })
    return texts
  } catch (error) {
    const data = await readTable(file, csv).catch(() => undefined)
    if (!data || model.column === undefined || !data.names.includes(model.column)) {
      if (data && data.names.length === 1) return data.columns[0]!
      throw error
    }
    return column(data, model.column, 'predict')
  }
}

/** `gradus inspect` on a model of text. */
export async function inspectText(folder: string, command: { readonly json?: boolean }): Promise<number> {
  const model = await openTextModel(folder)
  const history = await readHistory(folder).catch(() => [])
  const width = model.task === 'language model' ? model.network.context : model.network.places
  const layers = summary(model.net, [1, width], { dtype: 'int32' })
  const { network, training, task } = model
  if (command.json) {
    const more =
      model.task === 'language model'
        ? { tokens: model.tokenizer.size }
        : { classes: model.classes, words: model.words }
    console.log(
      JSON.stringify({
        folder,
        task,
        network,
        ...more,
        training,
        layers: layers.rows,
        parameters: layers.parameters,
        history,
      }),
    )
    return 0
  }
  const scores = (training['validation'] ?? training['test'] ?? {}) as { readonly [name: string]: unknown }
  const shares = new Set(['accuracy', 'baseline'])
  const rows = Object.entries(scores).flatMap(([name, value]) =>
    typeof value === 'number' && name !== 'rows' ? [[name, shares.has(name) ? percent(value) : number(value)]] : [],
  )
  say(
    entry(
      'Model',
      `${folder}, ${task}${model.task === 'language model' ? `, ${grouped(model.tokenizer.size)} tokens` : `, classes ${model.classes.join(', ')}`}`,
    ),
    ...(typeof training['command'] === 'string' ? [entry('Made by', training['command'])] : []),
    '',
    entry('Network', plural(layers.parameters, 'parameter')),
    ...String(layers)
      .split('\n')
      .map((line) => `  ${line}`),
    '',
    ...(rows.length > 0 ? [entry(task === 'language model' ? 'Validation' : 'Test', ''), table(rows), ''] : []),
    ...historyLines(history),
  )
  return 0
}

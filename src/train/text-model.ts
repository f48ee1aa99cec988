/**
 * @file Trained models of text in folders: model.json, weights.safetensors, history.jsonl as other models have them, and tokenizer.json where
 * the tokens are byte pairs. In: a network, how it was made, its tokenizer or its words. Out: files; or a model that writes, or tells classes.
 *
 * const model = await openTextModel('runs/input-001', { task: 'language model' }); await model.generate({ prompt: 'ROMEO:' })
 */
import { describeValue } from '../base/describe.js'
import { ArgumentError, FileError, ValueError } from '../base/errors.js'
import { checkNames } from '../base/options.js'
import { gradusVersion } from '../base/version.js'
import type { Tokenizer, TokenizerDescription } from '../data/text/tokenizer.js'
import { tokenizerFrom } from '../data/text/tokenizers.js'
import { windows } from '../data/text/windows.js'
import { type HashedWordsOptions, hashedWords, hashedWordsOptions } from '../data/text/words.js'
import { makeFolder, readBytes, readText, writeFile } from '../io/files.js'
import { loadBytes, modelBytes } from '../io/model.js'
import { crossEntropy } from '../loss/cross-entropy.js'
import { softmax } from '../nn/activations.js'
import { evaluate } from './evaluate.js'
import { type GenerateOptions, generate } from './generate.js'
import type { ClassPrediction } from './model.js'
import { modelFiles } from './model-folder.js'
import { Predictor } from './predict.js'
import {
  type BagOfWordsConfig,
  bagOfWords,
  type LanguageModelConfig,
  languageModel,
  parseTextNetwork,
} from './text-network.js'
import type { Epoch, Net } from './types.js'

/** Anything that JSON holds: how a model was trained, what it scored. */
interface Training {
  readonly [name: string]: unknown
}

/** What a language model is made of. */
export interface LanguageModelContent {
  readonly task: 'language model'
  readonly net: Net
  readonly network: LanguageModelConfig
  readonly tokenizer: Tokenizer
  readonly training?: Training
}

/** What a classifier of texts is made of. */
export interface TextClassifierContent {
  readonly task: 'text classification'
  readonly net: Net
  readonly network: BagOfWordsConfig
  readonly words: HashedWordsOptions
  /** Names of the classes, in the order of the outputs. */
  readonly classes: readonly string[]
  /** The column of a table that has the texts. */
  readonly column?: string
  /** The column that has the classes. */
  readonly target?: string
  readonly training?: Training
}

const tokenizerFile = 'tokenizer.json'
/** Rises when the meaning of model.json changes. */
const formatVersion = 1
const join = (folder: string, file: string): string => `${folder.replace(/[\\/]+$/, '')}/${file}`

/** Numbers of logits that an evaluation may have at once. */
const mostLogits = 2 ** 24

/** A trained network that goes on with a text. */
export class LanguageModel {
  readonly task = 'language model'
  readonly net: Net
  readonly network: LanguageModelConfig
  readonly tokenizer: Tokenizer
  readonly training: Training

  constructor({ net, network, tokenizer, training = {} }: LanguageModelContent) {
    if (network.vocabulary !== tokenizer.size)
      throw new ValueError(
        'language model',
        `the network has ${network.vocabulary} tokens, the tokenizer ${tokenizer.size}`,
      )
    this.net = net
    this.network = network
    this.tokenizer = tokenizer
    this.training = training
  }

  /** Makes up text that follows a prompt; see `generate`. */
  generate(options: Omit<GenerateOptions, 'context'> = {}): Promise<string> {
    return generate(this.net, this.tokenizer, { ...options, context: this.network.context })
  }

  /** −(1/n) Σ ln p(token | those before it in its extract) of a text: the mean error in nats a token. e to that is the perplexity. */
  async score(text: string): Promise<number> {
    const { context, vocabulary } = this.network
    const size = Math.max(1, Math.min(128, Math.floor(mostLogits / (context * vocabulary))))
    const samples = windows(this.tokenizer.encode(text), { length: context })
    return (await evaluate(this.net, samples.batch(size), { loss: crossEntropy as never })).loss
  }
}

/** A trained network that tells the class of a text. */
export class TextClassifier {
  readonly task = 'text classification'
  readonly net: Net
  readonly network: BagOfWordsConfig
  readonly words: Required<HashedWordsOptions>
  readonly classes: readonly string[]
  readonly column: string | undefined
  readonly target: string | undefined
  readonly training: Training
  readonly #predictor: Predictor

  constructor({ net, network, words, classes, column, target, training = {} }: TextClassifierContent) {
    this.words = hashedWordsOptions(words)
    if (network.classes !== classes.length || network.rows !== this.words.rows || network.places !== this.words.places)
      throw new ValueError('text classifier', 'the network, the words and the names of the classes do not fit together')
    this.net = net
    this.network = network
    this.classes = classes
    this.column = column
    this.target = target
    this.training = training
    this.#predictor = new Predictor(net, {}, (logits) => softmax(logits))
  }

  /** The class of a text, or of each of a list, with the probabilities of all. */
  predict(text: string): Promise<ClassPrediction>
  predict(texts: readonly string[]): Promise<ClassPrediction[]>
  async predict(texts: string | readonly string[]): Promise<ClassPrediction | ClassPrediction[]> {
    if (typeof texts === 'string') return (await this.predict([texts]))[0]!
    if (!Array.isArray(texts))
      throw new ArgumentError('predict', `is given ${describeValue(texts)}, not a text or a list of texts`)
    if (texts.length === 0) return []
    const { data } = await this.#predictor.run(hashedWords(texts, this.words))
    const { classes } = this
    return texts.map((_, i) => {
      const own = Array.from(classes, (_, c) => data[i * classes.length + c]!)
      return {
        class: classes[own.indexOf(Math.max(...own))]!,
        probabilities: Object.fromEntries(classes.map((name, c) => [name, own[c]!])),
      }
    })
  }
}

/** Writes a folder that `openTextModel` reads; each file is the old one or the new one at any moment. */
export async function saveTextModel(
  folder: string,
  content: (LanguageModelContent | TextClassifierContent) & { readonly history?: readonly Epoch[] },
): Promise<void> {
  const { net, history, ...rest } = content
  if (rest.task === 'language model') new LanguageModel(content as LanguageModelContent)
  else new TextClassifier(content as TextClassifierContent)
  const { tokenizer, ...plain } = rest as { tokenizer?: Tokenizer } & Omit<typeof rest, 'tokenizer'>
  const description = tokenizer?.description
  const pairs = description?.kind === 'bytePairs' ? description.content : undefined
  await makeFolder(folder)
  if (pairs) await writeFile(join(folder, tokenizerFile), JSON.stringify(pairs))
  const json = {
    format: 'gradus-model',
    version: formatVersion,
    gradus: gradusVersion,
    ...plain,
    ...(description ? { tokenizer: pairs ? { kind: 'bytePairs', file: tokenizerFile } : description } : {}),
  }
  await writeFile(join(folder, modelFiles.description), `${JSON.stringify(json, undefined, 2)}\n`)
  await writeFile(join(folder, modelFiles.weights), modelBytes(net))
  if (history)
    await writeFile(join(folder, modelFiles.history), history.map((epoch) => `${JSON.stringify(epoch)}\n`).join(''))
}

/**
 * Opens a folder that `saveTextModel`, or `gradus train` on texts, wrote. With a task, one of another task is an error. Throws FileError
 * for a folder or file that is missing, damaged, from another version, or of a model that is not one of text.
 */
export async function openTextModel(
  folder: string,
  options: { readonly task: 'language model' },
): Promise<LanguageModel>
export async function openTextModel(
  folder: string,
  options: { readonly task: 'text classification' },
): Promise<TextClassifier>
export async function openTextModel(folder: string): Promise<LanguageModel | TextClassifier>
export async function openTextModel(
  folder: string,
  options: { readonly task?: 'language model' | 'text classification' } = {},
): Promise<LanguageModel | TextClassifier> {
  checkNames('openTextModel', options, ['task'])
  const source = join(folder, modelFiles.description)
  const json = await descriptionOf(folder)
  const { task, version } = json
  if (task !== 'language model' && task !== 'text classification')
    throw new FileError('openTextModel', `${folder} is a model for ${String(task)}, not one of text`, {
      hint: 'Open it with openModel.',
    })
  if (options.task && options.task !== task)
    throw new FileError('openTextModel', `${folder} is a model for ${task}, not for ${options.task}`)
  if (version !== formatVersion)
    throw new FileError(source, `the version is ${JSON.stringify(version)}, this Gradus reads ${formatVersion}`)
  const network = parseTextNetwork(json['network'], source)
  const training = (json['training'] ?? {}) as Training
  const weights = await readBytes(join(folder, modelFiles.weights))
  const place = join(folder, modelFiles.weights)
  try {
    if (task === 'language model') {
      const net = languageModel(network as LanguageModelConfig)
      loadBytes(net, weights, place)
      const tokenizer = await tokenizerOf(json['tokenizer'], folder)
      return new LanguageModel({ task, net, network: network as LanguageModelConfig, tokenizer, training })
    }
    const net = bagOfWords(network as BagOfWordsConfig)
    loadBytes(net, weights, place)
    const { words, classes, column, target } = json as unknown as TextClassifierContent
    return new TextClassifier({
      task,
      net,
      network: network as BagOfWordsConfig,
      words,
      classes,
      column,
      target,
      training,
    })
  } catch (cause) {
    if (cause instanceof FileError) throw cause
    throw new FileError(source, (cause as Error).message, { cause })
  }
}

async function tokenizerOf(json: unknown, folder: string): Promise<Tokenizer> {
  const source = join(folder, modelFiles.description)
  const { kind, file } = (json ?? {}) as Partial<TokenizerDescription> & { file?: unknown }
  if (kind !== 'bytePairs' || file !== tokenizerFile) return tokenizerFrom(json, source)
  const path = join(folder, tokenizerFile)
  try {
    return await tokenizerFrom({ kind, content: JSON.parse(await readText(path)) as object }, path)
  } catch (cause) {
    if (cause instanceof FileError) throw cause
    throw new FileError(path, `is not JSON (${(cause as Error).message})`, { cause })
  }
}

async function descriptionOf(folder: string): Promise<{ readonly [name: string]: unknown }> {
  if (typeof folder !== 'string')
    throw new ArgumentError('openTextModel', `is given ${describeValue(folder)}, not a folder`)
  const path = join(folder, modelFiles.description)
  const text = await readText(path).catch((cause: FileError) => {
    throw new FileError('openTextModel', `${folder} is no model folder: ${cause.message}`, { cause })
  })
  try {
    const json: unknown = JSON.parse(text)
    if (typeof json === 'object' && json !== null && (json as { format?: unknown }).format === 'gradus-model')
      return json as { readonly [name: string]: unknown }
  } catch (cause) {
    throw new FileError(path, `is not JSON (${(cause as Error).message})`, {
      cause,
      hint: 'The file is damaged or cut short.',
    })
  }
  throw new FileError(path, 'this is not a Gradus model')
}

/** Whether a folder has a model of text; false also where it has none at all. */
export async function isTextModel(folder: string): Promise<boolean> {
  try {
    const { task } = await descriptionOf(folder)
    return task === 'language model' || task === 'text classification'
  } catch {
    return false
  }
}

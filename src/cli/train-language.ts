/**
 * @file `gradus train FILE.txt`: a network that learns to go on with a text, token by token, and then writes one of its own.
 * In: a text file, options. Out: a run folder, a report; exit code.
 */
import { basename } from 'node:path'
import { ValueError } from '../base/errors.js'
import { readTokenizer } from '../data/text/byte-pairs.js'
import type { Tokenizer } from '../data/text/tokenizer.js'
import { bytes, characters } from '../data/text/tokenizers.js'
import { windows } from '../data/text/windows.js'
import { textFile } from '../io/lines.js'
import { crossEntropy } from '../loss/cross-entropy.js'
import { summary } from '../nn/summary.js'
import { clipByGlobalNorm } from '../optim/index.js'
import { chain } from '../optim/optimizer.js'
import { cosine, warmup } from '../optim/schedules.js'
import { fit } from '../train/fit.js'
import { eachEpoch } from '../train/run.js'
import { NothingLearned } from '../train/table-model.js'
import { optimizerOf, type TrainingSettings } from '../train/table-settings.js'
import { LanguageModel, saveTextModel } from '../train/text-model.js'
import { languageModel, languageModelConfig } from '../train/text-network.js'
import { configurationOf } from './configuration.js'
import { bold, dim, entry, grouped, markdownTable, number, plural, say, seconds, shellLine } from './output.js'
import { learningCurve, programName, progressOf, type RunOptions, sayOf, withRun } from './run.js'
import { languageSettings } from './text-settings.js'

export interface LanguageSettings {
  readonly tokens: string
  readonly context: number
  readonly prompt?: string
  readonly sample: number
  readonly network: 'gpt' | 'gru'
  readonly width: number
  readonly layers: number
  readonly heads: number
  readonly dropout: number
  readonly steps?: number
  readonly epochs?: number
  readonly optimizer: TrainingSettings['optimizer']
  readonly learningRate: number
  readonly batchSize: number | 'full'
  readonly weightDecay: number
  readonly patience: number
  readonly seed: number
}
export type LanguageCommand = RunOptions & Partial<LanguageSettings>

/** A network that has learned Shakespeare's spelling after a minute or two. */
const defaults: LanguageSettings = {
  tokens: 'characters',
  context: 64,
  sample: 400,
  network: 'gru',
  width: 256,
  layers: 1,
  heads: 4,
  dropout: 0,
  optimizer: 'adamW',
  learningRate: 4e-3,
  batchSize: 32,
  weightDecay: 0.05,
  patience: 5,
  seed: 1,
}
const usualSteps = 1000
/** How often it is validated. */
const reports = 10
/** The share of a text, its end, that validates. */
const held = 0.1
/** Extracts of it that are looked at on the way; in the end all are. */
const mostJudged = 512

/** What `evaluate` needs to find the same tokens again. */
export const validationText = (text: string): string => text.slice(Math.floor((1 - held) * text.length))

export async function trainLanguage(file: string, command: LanguageCommand, words: string): Promise<number> {
  const { output, resume, json, quiet, progress, ...given } = command
  const settings: LanguageSettings = {
    ...defaults,
    ...(given.network === 'gpt' ? { width: 128, layers: 3, learningRate: 2e-3 } : {}),
    ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)),
  }
  if (settings.steps !== undefined && settings.epochs !== undefined)
    throw new ValueError('tableSettings', 'both steps and epochs are given', { hint: 'Give one of them.' })
  if (settings.batchSize === 'full')
    throw new ValueError('tableSettings', "batchSize is 'full', which a text is too long for", {
      hint: 'Give a number, such as 32.',
    })
  const print = sayOf(command, say)
  const text = await textFile(file)
  const cut = Math.floor((1 - held) * text.length)
  const tokenizer = await tokenizerOf(settings.tokens, text)
  if (settings.prompt !== undefined) tokenizer.encode(settings.prompt)
  const [train, validation] = [tokenizer.encode(text.slice(0, cut)), tokenizer.encode(text.slice(cut))]
  const { context, batchSize, seed } = settings
  for (const [name, part] of Object.entries({ 'to learn from': train, 'to validate with': validation }))
    if (part.length <= context)
      throw new ValueError('train', `${file} has ${part.length} tokens ${name}, too few for a context of ${context}`, {
        hint: 'Give a longer text, or a smaller --context.',
      })

  const samples = windows(train, { length: context, seed })
  const size = Math.min(batchSize as number, samples.length!)
  const pass = Math.ceil(samples.length! / size)
  const steps = settings.steps ?? (settings.epochs === undefined ? usualSteps : settings.epochs * pass)
  const stretch = settings.epochs === undefined ? Math.min(pass, Math.max(1, Math.round(steps / reports))) : pass
  const epochs = Math.ceil(steps / stretch)
  const { network: kind, width, layers, heads, dropout } = settings
  const network = languageModelConfig({
    kind,
    vocabulary: tokenizer.size,
    context,
    size: width,
    layers,
    heads,
    dropout,
  })
  const net = languageModel(network)
  const look = summary(net, [1, context], { dtype: 'int32' })
  const judgedAll = Math.floor((validation.length - 1) / context) <= mostJudged
  const judgedAtOnce = Math.max(1, Math.min(128, Math.floor(2 ** 22 / (context * tokenizer.size))))
  const name = basename(file).replace(/(\.(txt|md|gz))+$/i, '')
  const configuration = configurationOf(file, 'language', command, languageSettings, settings)

  return withRun({ output, name, resume, command: words, configuration }, async (run, signal) => {
    print(
      entry(
        'Text',
        `${file}: ${grouped(text.length)} characters; tokens: ${tokensText(settings.tokens, tokenizer)} (--tokens)`,
      ),
      entry(
        '',
        `${grouped(train.length)} tokens to learn from, the last ${grouped(validation.length)} to validate with${judgedAll ? '' : `: ${mostJudged} extracts after each epoch, all in the end`}`,
      ),
      '',
      entry(
        'Network',
        `${kind}, ${grouped(look.parameters)} parameters, reads ${context} tokens (--network, --width, --layers, --context)`,
      ),
      ...String(look)
        .split('\n')
        .map((line) => `  ${line}`),
      '',
      entry(
        'A step',
        `takes ${size} extracts of ${context} tokens and foretells each next one (${settings.optimizer}, learning rate up to ${settings.learningRate})`,
      ),
      entry(
        '',
        `${grouped(epochs * stretch)} steps (--steps), ${number((epochs * stretch) / pass)} times the text, in ${plural(epochs, 'epoch')} of ${stretch}`,
      ),
      '',
    )
    const total = epochs * stretch
    const schedule = warmup({
      steps: Math.max(1, Math.min(100, Math.floor(total / 10))),
      startFactor: 0.01,
      after: cosine({
        learningRate: settings.learningRate,
        steps: Math.max(1, total - Math.min(100, Math.floor(total / 10))),
        final: settings.learningRate / 10,
      }),
    })
    const training = fit(net, {
      train: samples.shuffle(seed).take(stretch * size),
      validation: windows(validation, { length: context }).take(mostJudged).batch(judgedAtOnce),
      loss: crossEntropy as never,
      optimizer: chain(
        clipByGlobalNorm(1),
        optimizerOf({ ...settings, hidden: [], activation: 'relu', epochs } as TrainingSettings, schedule),
      ),
      epochs,
      batchSize: size,
      seed,
      earlyStopping: { patience: settings.patience, restoreBest: true },
      signal,
      progress: progressOf(command),
      ...run.fit(1, settings),
    })
    await eachEpoch(training, (epoch) => run.log(1, epoch))
    const { history } = training
    if (history.epochs.length === 0) throw new NothingLearned('train')
    const frequencies = frequencyLoss(train, validation, tokenizer.size)
    const model = new LanguageModel({ task: 'language model', net, network, tokenizer })
    const best = await model.score(text.slice(cut))
    const sample =
      settings.sample > 0
        ? await model.generate({ prompt: settings.prompt, length: settings.sample, temperature: 0.8, seed })
        : ''
    const result = { loss: best, perplexity: Math.exp(best), frequencies }
    const facts = {
      command: words,
      settings,
      tokens: { train: train.length, validation: validation.length },
      validation: result,
      seconds: history.seconds,
      sample,
    }
    await saveTextModel(run.path, { task: 'language model', net, network, tokenizer, training: facts })
    await run.write(
      'learning-curve.svg',
      learningCurve(`${name}: loss by epoch`, 'cross-entropy of a token', [history]),
    )
    const next = `${programName()} ${shellLine(['predict', run.path, '--prompt', settings.prompt ?? firstWord(text)])}`
    await run.write('summary.md', summaryText(name, words, settings, result, String(look), sample, next))
    print(
      '',
      entry(
        'Result',
        `${bold(`validation loss ${best.toFixed(4)}`)} nats a token (perplexity ${number(result.perplexity)}); kept: epoch ${history.best!.epoch}`,
      ),
      entry('', dim(`knowing only how frequent each token is would give ${frequencies.toFixed(4)}`)),
      entry('', `${plural(history.epochs.length, 'epoch')} in ${seconds(history.seconds)}`),
      ...(sample
        ? [
            '',
            entry('It writes', dim('temperature 0.8')),
            ...`${settings.prompt ?? ''}${sample}`.split('\n').map((line) => `  ${line}`),
          ]
        : []),
      '',
      entry('Folder', run.path),
      entry('Next', next),
    )
    if (json)
      console.log(
        JSON.stringify({
          folder: run.path,
          task: 'language model',
          parameters: look.parameters,
          epochs: history.epochs.length,
          best: history.best,
          stopped: history.stopped,
          ...facts,
        }),
      )
    else if (quiet) console.log(run.path)
  })
}

async function tokenizerOf(tokens: string, text: string): Promise<Tokenizer> {
  if (tokens === 'characters') return characters(text)
  if (tokens === 'bytes') return bytes()
  if (/\.json$/.test(tokens)) return readTokenizer(tokens)
  throw new ValueError('tableSettings', `tokens is '${tokens}'`, {
    hint: 'It is characters, bytes, or the path of a tokenizer.json.',
  })
}

const tokensText = (tokens: string, { size }: Tokenizer): string =>
  tokens === 'bytes'
    ? 'its bytes'
    : tokens === 'characters'
      ? `its ${size} different characters`
      : `${grouped(size)} of ${tokens}`

/** −Σ p ln q: q how frequent tokens are in training, each counted once more than it occurs; p in the validation text. */
function frequencyLoss(train: Int32Array, validation: Int32Array, size: number): number {
  const counts = new Float64Array(size).fill(1)
  for (const token of train) counts[token]!++
  let sum = 0
  for (const token of validation) sum -= Math.log(counts[token]! / (train.length + size))
  return sum / validation.length
}

const firstWord = (text: string): string => /\S+/.exec(text)?.[0] ?? 'a'

function summaryText(
  name: string,
  words: string,
  settings: LanguageSettings,
  result: { readonly loss: number; readonly perplexity: number; readonly frequencies: number },
  layers: string,
  sample: string,
  next: string,
): string {
  return `# ${name}: a language model

\`${words}\`

**Validation loss ${result.loss.toFixed(4)}** nats a token (perplexity ${number(result.perplexity)}) on the last tenth of the text, which also said when to stop; knowing only how
frequent each token is would give ${result.frequencies.toFixed(4)}.

![learning curve](learning-curve.svg)

## It writes

\`\`\`
${settings.prompt ?? ''}${sample}
\`\`\`

More: \`${next}\`

## Settings

${markdownTable([['setting', 'value'], ...Object.entries(settings).map(([key, value]) => [key, String(value)])])}

## Network

\`\`\`
${layers}
\`\`\`
`
}

/**
 * @file `gradus train MODEL.ts`: trains what a model file exports, as `fit` would, with all that a command has: a run's folder,
 * checkpoints, Ctrl-C, progress. In: a file, options. Out: a run folder, a report; exit code.
 */
import { basename } from 'node:path'
import { save } from '../io/model.js'
import { type Summary, summary } from '../nn/summary.js'
import type { ParameterValue, Training } from '../train/define-training.js'
import { evaluate } from '../train/evaluate.js'
import { fit } from '../train/fit.js'
import { modelFiles } from '../train/model-folder.js'
import { eachEpoch } from '../train/run.js'
import { NothingLearned } from '../train/table-model.js'
import type { Epoch, History, Metrics } from '../train/types.js'
import { configurationOf } from './configuration.js'
import { countOf, loadTraining, sampleOf, withPlace } from './model-file.js'
import { dim, endWord, entry, grouped, markdownTable, number, plural, say, seconds, table } from './output.js'
import { learningCurve, programName, progressOf, type RunOptions, sayOf, withRun } from './run.js'
import { modelFileSettings } from './settings.js'

export interface ModelFileCommand extends RunOptions {
  readonly epochs?: number
  readonly batchSize?: number | 'full'
  readonly seed?: number
  /** Of --set, for a training that is a function. */
  readonly parameters?: { readonly [name: string]: ParameterValue }
}

export async function trainModelFile(file: string, command: ModelFileCommand, words: string): Promise<number> {
  const { parameters = {} } = command
  const training = await loadTraining(file, { seed: command.seed ?? 1, parameters })
  const { network: net, test, name = basename(file).replace(/\.m?[tj]s$/, ''), ...options } = training
  const { epochs = options.epochs, batchSize = options.batchSize, seed = command.seed ?? options.seed ?? 1 } = command
  const settings = { epochs, batchSize, seed, parameters: command.parameters }
  // A seed that was not given is left to the file, which may have one of its own.
  const given = { ...settings, seed: command.seed }
  const configuration = configurationOf(file, 'models', {}, modelFileSettings, given)
  return withPlace(file, async () => {
    const { shape, dtype } = await sampleOf(training)
    if (test !== undefined) countOf(test, 'test')
    const layers = summary(net, [1, ...shape], { dtype })
    const print = sayOf(command, say)
    return withRun(
      { output: command.output, name, resume: command.resume, command: words, configuration },
      async (run, signal) => {
        const counts = countsOf(training)
        print(
          entry('Model', file),
          entry(
            'Data',
            Object.entries(counts)
              .map(([part, count]) => `${count === undefined ? 'some' : grouped(count)} ${part}`)
              .join(', '),
          ),
          entry('Network', plural(layers.parameters, 'parameter')),
          ...String(layers)
            .split('\n')
            .map((line) => `  ${line}`),
          '',
        )
        const fitted = fit(net, {
          ...options,
          epochs,
          batchSize,
          seed,
          signal,
          progress: progressOf(command),
          ...run.fit(1, { parameters }),
        })
        await eachEpoch(fitted, (epoch) => run.log(1, epoch as Epoch))
        const history = fitted.history as History
        if (history.epochs.length === 0) throw new NothingLearned('train')
        await save(net, `${run.path}/${modelFiles.weights}`)
        const scores = await testScores(training)
        const result = describe(file, settings, counts, layers, history, scores)
        const curve = learningCurve(`${name}: loss by epoch`, 'loss', [history])
        await run.write('learning-curve.svg', curve)
        await run.write('summary.md', summaryText(words, result, layers))
        await run.write('result.json', `${JSON.stringify(result, undefined, 2)}\n`)
        print(
          '',
          entry(
            'Result',
            `${plural(history.epochs.length, 'epoch')} in ${seconds(history.seconds)}, ${endWord(history.stopped)}${history.best ? `; best: epoch ${history.best.epoch}` : ''}`,
          ),
          table(scoreRows(result)),
          '',
          entry('Folder', run.path),
          entry('Next', `${programName()} evaluate ${run.path}`),
        )
        if (command.json) console.log(JSON.stringify({ folder: run.path, ...result }))
        else if (command.quiet) console.log(run.path)
      },
    )
  })
}

/** How many samples each part has. */
export function countsOf({ train, validation, test }: Training): { readonly [part: string]: number | undefined } {
  const parts = { training: train, validation, test }
  return Object.fromEntries(
    Object.entries(parts).flatMap(([part, source]) => (source === undefined ? [] : [[part, countOf(source, part)]])),
  )
}

/** Scores on the test data, where there are some. */
export async function testScores(training: Training): Promise<{ readonly [name: string]: unknown } | undefined> {
  const { network, test, loss, metrics } = training
  if (test === undefined || (!loss && Object.keys(metrics ?? {}).length === 0)) return undefined
  return evaluate(network, test, { loss, metrics: metrics as Metrics })
}

function describe(
  file: string,
  settings: object,
  samples: object,
  layers: Summary,
  history: History,
  test: { readonly [name: string]: unknown } | undefined,
) {
  const { epochs, best, stopped, seconds: time } = history
  const kept = epochs[(best?.epoch ?? epochs.length) - 1] ?? epochs.at(-1)!
  return {
    file,
    settings,
    samples,
    parameters: layers.parameters,
    epochs: epochs.length,
    best,
    stopped,
    seconds: time,
    train: kept.train as { readonly [name: string]: unknown },
    ...(kept.validation ? { validation: kept.validation as { readonly [name: string]: unknown } } : {}),
    ...(test ? { test } : {}),
  }
}

/** Scores that are numbers, part by part. */
export function scoreRows(parts: {
  readonly train?: object
  readonly validation?: object
  readonly test?: object
}): string[][] {
  const columns = (['train', 'validation', 'test'] as const).filter((part) => parts[part])
  const names = [...new Set(columns.flatMap((part) => Object.keys(parts[part]!)))]
  const cell = (part: (typeof columns)[number], name: string) => {
    const value = (parts[part] as { readonly [name: string]: unknown })[name]
    return typeof value === 'number' ? number(value) : dim('-')
  }
  const isNumber = (name: string) =>
    columns.some((part) => typeof (parts[part] as { readonly [name: string]: unknown })[name] === 'number')
  return [['', ...columns], ...names.filter(isNumber).map((name) => [name, ...columns.map((part) => cell(part, name))])]
}

function summaryText(words: string, result: ReturnType<typeof describe>, layers: Summary): string {
  const plain = scoreRows(result).map((row) => row.map((text) => (/^[\w.+-]*$/.test(text) ? text : '')))
  return `# ${result.file}

    ${words}

${plural(result.epochs, 'epoch')} in ${seconds(result.seconds)}, ${endWord(result.stopped)}${result.best ? `; the best is epoch ${result.best.epoch}` : ''}.

${markdownTable(plain, plain[0]!.map((_, i) => i).slice(1))}

![learning curve](learning-curve.svg)

## Network

\`\`\`
${String(layers)}
\`\`\`
`
}

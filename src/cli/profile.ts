/**
 * @file `gradus profile digits | FILE.csv --target COLUMN | MODEL.ts | RUN`: where the time of a training step, or of a prediction, goes.
 * In: options. Out: a table of kernels, a picture with --output, one object with --json; exit code.
 */
import { stat } from 'node:fs/promises'
import { basename } from 'node:path'
import { FileError, ValueError } from '../base/errors.js'
import { subset } from '../data/column.js'
import { LazyDataset } from '../data/lazy-dataset.js'
import { readTable } from '../data/table-file.js'
import { type Explanation, timeText } from '../explain.js'
import { writeFileAtomic } from '../io/atomic.js'
import { crossEntropy } from '../loss/index.js'
import { accuracy } from '../metrics/index.js'
import { summary } from '../nn/summary.js'
import { mlp, mlpConfig } from '../train/mlp.js'
import { openModel } from '../train/model-folder.js'
import { membersOf, type NetworkConfig } from '../train/network.js'
import { type Profile, profileChart, profilePrediction, profileTraining } from '../train/profile.js'
import { planTable } from '../train/table-model.js'
import { checkSettings, lossOf, optimizerOf, type TrainingSettings } from '../train/table-settings.js'
import type { Metrics } from '../train/types.js'
import { isModelFile, loadTraining, sampleOf, withPlace } from './model-file.js'
import { recordOf } from './open-run.js'
import { entry, percent, plural, say } from './output.js'
import { digitsDefaults, digitsOptimizer, loadDigits } from './train-digits.js'
import { csvOptions, missingTarget, preparingOf, settingsOf, type TableCommand } from './train-table.js'

export interface ProfileCommand extends Omit<TableCommand, 'progress' | 'quiet'> {
  readonly engine?: 'wasm' | 'native' | 'interpreter'
}

/** What was profiled, and how it is described. */
interface Profiled {
  /** 'a training step', 'a prediction' */
  readonly what: string
  readonly source: string
  /** How it was built, or what it is. */
  readonly network: NetworkConfig | string
  readonly details: string
  readonly profile: Profile
}

/** `explicit`: the options that were given, as they are written on the command line. */
export async function profileCommand(
  source: string,
  command: ProfileCommand,
  explicit: readonly string[],
): Promise<number> {
  // The engine of every program of this process: the step, and what measures the peak.
  if (command.engine) process.env['GRADUS_ENGINE'] = command.engine
  const profiled = await profiledOf(source, command, explicit)
  const { what, network, details, profile } = profiled
  const { explanation, batchSize, callSeconds } = profile
  const title = `${what[0]!.toUpperCase()}${what.slice(1)} of ${basename(source)}: ${batchSize} rows, ${layersText(network)}`
  if (command.output) await writeFileAtomic(command.output, profileChart(profile, title))
  if (command.json) {
    console.log(
      JSON.stringify({ source, what, network, batchSize, callSeconds, ...explanation, picture: command.output }),
    )
    return 0
  }
  const { seconds = 0 } = explanation
  say(
    entry('Profile', `${what} of ${source}, ${plural(batchSize, 'row')} at a time${details}`),
    entry('Network', layersText(network)),
    entry(
      'Time',
      `${timeText(callSeconds)} a call from JavaScript, ${perSecond(batchSize, callSeconds)}; ${timeText(seconds)} in kernels timed one by one`,
    ),
    '',
    ...String(explanation).split('\n'),
    '',
    ...advice(explanation),
    ...(command.output ? [entry('Picture', command.output)] : []),
  )
  return 0
}

const layersText = (network: NetworkConfig | string): string => {
  if (typeof network === 'string') return network
  const members = membersOf(network)
  const filters = network.kind === 'cnn' ? network.filters.map((count) => `${count} filters`) : []
  const sizes = [[network.inputs].flat().join('×'), ...filters, ...network.hidden, network.outputs]
  return `${sizes.join(' → ')}${members > 1 ? `, ${members} networks` : ''}`
}
const perSecond = (rows: number, seconds: number): string =>
  `${Math.round(rows / seconds).toLocaleString('en-US')} rows a second`

/** Which kernels to look at: the longest, and the one that wastes most. */
function advice({ kernels }: Explanation): string[] {
  const numbered = kernels.map(({ seconds = 0, share = 0, peakShare = 0, bound }, i) => {
    return { number: i + 1, seconds, share, peakShare, bound, lost: seconds * Math.max(0, 1 - peakShare) }
  })
  const longest = [...numbered].sort((a, b) => b.seconds - a.seconds)[0]
  const wasteful = [...numbered].sort((a, b) => b.lost - a.lost)[0]
  if (!longest || !wasteful) return ['There are no kernels: nothing is computed.']
  const limit = longest.bound === 'compute' ? 'computing' : 'moving data'
  return [
    entry(
      'Longest',
      `kernel ${longest.number}: ${percent(longest.share)} of the time, at ${percent(longest.peakShare)} of the peak for ${limit}`,
    ),
    entry('To gain', `kernel ${wasteful.number}: ${timeText(wasteful.lost)} less, were it at its peak`),
  ]
}

async function profiledOf(source: string, command: ProfileCommand, explicit: readonly string[]): Promise<Profiled> {
  if (source === 'digits') return profiledDigits(command, explicit)
  const found = await stat(source).catch((cause: NodeJS.ErrnoException) => {
    throw new FileError('profile', `there is no file or folder ${source}`, {
      cause,
      hint: 'Give a table, a model file, the folder of a model that training wrote, or the word digits.',
    })
  })
  if (isModelFile(source)) return profiledModelFile(source, command, explicit)
  return found.isDirectory() ? profiledModel(source, command, explicit) : profiledTable(source, command)
}

async function profiledDigits(command: ProfileCommand, explicit: readonly string[]): Promise<Profiled> {
  refuse(explicit, (name) => !forDigits.has(name) && !forAll.has(name), 'for tables, not for digits')
  const { hidden, activation, dropout, optimizer, batchSize, weightDecay, seed } = command
  const given = { hidden, activation, dropout, optimizer, batchSize, weightDecay, seed }
  const chosen = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
  const settings: TrainingSettings = { ...digitsDefaults, ...chosen }
  checkSettings('profile', settings)
  const { train } = await loadDigits()
  const network = mlpConfig({
    inputs: [28, 28],
    outputs: 10,
    hidden: settings.hidden,
    activation: settings.activation,
    dropout: settings.dropout,
  })
  const rows = train.input.shape[0]!
  const stepsAnEpoch = settings.batchSize === 'full' ? 1 : Math.ceil(rows / settings.batchSize)
  const profile = profileTraining(mlp(network), {
    train,
    loss: crossEntropy,
    optimizer: digitsOptimizer(settings, stepsAnEpoch),
    metrics: { accuracy },
    batchSize: settings.batchSize,
    seed: settings.seed,
  })
  return { what: 'a training step', source: 'digits', network, details: `, ${settings.optimizer}`, profile }
}

async function profiledTable(file: string, command: ProfileCommand): Promise<Profiled> {
  const data = await readTable(file, csvOptions(command))
  const target = command.target ?? missingTarget(file, data, 'profile')
  const { seed = 1 } = command
  const plan = planTable(data, {
    target,
    seed,
    ...preparingOf(command),
    settings: settingsOf(command),
  })
  const { settings, network, known, folds } = plan
  const profile = profileTraining(mlp(network), {
    train: subset(known, folds[0]!.train),
    loss: lossOf(settings, plan.task),
    optimizer: optimizerOf(settings),
    batchSize: settings.batchSize,
    seed,
  })
  const networks = folds.length > 1 ? `, one of ${folds.length} networks` : ''
  return { what: 'a training step', source: file, network, details: `, ${settings.optimizer}${networks}`, profile }
}

async function profiledModelFile(
  file: string,
  command: ProfileCommand,
  explicit: readonly string[],
): Promise<Profiled> {
  refuse(
    explicit,
    (name) => name !== '--seed' && !forAll.has(name),
    'for tables and digits: a model file says it itself',
  )
  const { seed = 1, batchSize } = command
  const training = await loadTraining(file, { seed, parameters: {} })
  const { network: net, train, loss, optimizer, metrics } = training
  if (!loss || !optimizer || train instanceof LazyDataset)
    throw new ValueError(
      'profile',
      `${file} has ${loss && optimizer ? 'lazy data' : 'a step of its own'}, which cannot be profiled here`,
      {
        hint: 'Profile it in code: step.explain([input, target], { time: true }).',
      },
    )
  const { shape, dtype } = await sampleOf(training)
  const layers = summary(net, [1, ...shape], { dtype })
  const profile = await withPlace(file, () =>
    profileTraining(net, {
      train,
      loss,
      optimizer,
      metrics: metrics as Metrics,
      batchSize: batchSize ?? training.batchSize,
      seed,
    }),
  )
  return {
    what: 'a training step',
    source: file,
    network: plural(layers.parameters, 'parameter'),
    details: '',
    profile,
  }
}

async function profiledModel(folder: string, command: ProfileCommand, explicit: readonly string[]): Promise<Profiled> {
  refuse(explicit, (name) => !forAll.has(name), 'for training, not for the prediction of a model')
  const { kind, record } = await recordOf(folder)
  if (kind.name === 'models')
    throw new ValueError('profile', `${folder} was trained by a model file`, {
      hint: `Profile its training step: gradus profile ${record?.configuration.train}.`,
    })
  const model = await openModel(folder)
  const { batchSize } = command
  if (batchSize === 'full')
    throw new ValueError('tableSettings', "a prediction has no batch of the size 'full'", {
      hint: 'Give --batch-size 512, 64, 8 or 1.',
    })
  const profile = profilePrediction(model, { batchSize })
  return { what: 'a prediction', source: folder, network: model.description.network, details: '', profile }
}

const forAll = new Set(['--output', '--json', '--engine', '--batch-size'])
const forDigits = new Set(['--hidden', '--activation', '--dropout', '--optimizer', '--weight-decay', '--seed'])

/** Options that would do nothing. The error counts as wrong usage, as one of the settings does. */
function refuse(explicit: readonly string[], foreign: (name: string) => boolean, why: string): void {
  const names = explicit.filter(foreign)
  if (names.length > 0)
    throw new ValueError('tableSettings', `${names.join(', ')} ${names.length === 1 ? 'is' : 'are'} ${why}`)
}

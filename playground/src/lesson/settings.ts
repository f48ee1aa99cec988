/**
 * @file What can be set in the playground: data, network, training. In: choices. Out: `Settings`, plain data that a URL holds,
 * that a worker gets, and that `codeOf` writes as a program.
 *
 * fromHash(toHash({ ...defaults, seed: 2 }))   // the same settings; faults become the defaults
 */

export const classData = ['moons', 'circles', 'spirals', 'blobs', 'xor'] as const
export const curveData = ['line', 'wave', 'steps'] as const
export type DataKind = (typeof classData)[number] | (typeof curveData)[number]
export const dataKinds: readonly DataKind[] = [...classData, ...curveData]
export const activationNames = ['sigmoid', 'tanh', 'relu', 'none'] as const
export type ActivationName = (typeof activationNames)[number]
/** L2 is the mean squared error, L1 the mean absolute error; of classes they compare probabilities with 0 and 1. */
export const lossNames = ['crossEntropy', 'L2', 'L1'] as const
export type LossName = (typeof lossNames)[number]
export const optimizerNames = ['sgd', 'momentum', 'adagrad', 'adam'] as const
export type OptimizerName = (typeof optimizerNames)[number]
/** How weights are drawn: PyTorch's default, Glorot's (for sigmoid and tanh), He's (for ReLU). */
export const startNames = ['default', 'glorot', 'he'] as const
export type StartName = (typeof startNames)[number]

export interface DataSettings {
  readonly kind: DataKind
  /** All of them; a share is for validation. */
  readonly samples: number
  /** Standard deviation of what is added to each number. */
  readonly noise: number
  /** Share of the samples that nothing is learned from. */
  readonly validation: number
  /** Share of the training samples whose class is wrong. */
  readonly mislabelled: number
}

export interface LayerSettings {
  readonly width: number
  readonly activation: ActivationName
}

export interface NetworkSettings {
  /** Hidden layers; none makes a linear model. */
  readonly layers: readonly LayerSettings[]
  readonly dropout: number
  readonly start: StartName
}

export interface TrainingSettings {
  readonly loss: LossName
  readonly optimizer: OptimizerName
  readonly learningRate: number
  readonly batchSize: number | 'full'
  readonly weightDecay: number
  /** Epochs without a better validation loss before stopping; 0: never. */
  readonly patience: number
  readonly epochs: number
}

export interface Settings {
  readonly data: DataSettings
  readonly network: NetworkSettings
  readonly training: TrainingSettings
  /** Draws data, weights, batches and dropout. */
  readonly seed: number
}

/** From, to: what a number may be. */
export const limits = {
  samples: [20, 2000],
  noise: [0, 0.5],
  validation: [0.1, 0.9],
  mislabelled: [0, 0.5],
  width: [1, 128],
  layers: [0, 12],
  dropout: [0, 0.9],
  learningRate: [1e-5, 100],
  batchSize: [1, 2000],
  weightDecay: [0, 10],
  patience: [0, 1000],
  epochs: [1, 20_000],
  seed: [0, 0xffffffff],
} as const

export const defaults: Settings = {
  data: { kind: 'moons', samples: 300, noise: 0.15, validation: 0.3, mislabelled: 0 },
  network: {
    layers: [
      { width: 16, activation: 'tanh' },
      { width: 16, activation: 'tanh' },
    ],
    dropout: 0,
    start: 'default',
  },
  training: {
    loss: 'crossEntropy',
    optimizer: 'adam',
    learningRate: 0.01,
    batchSize: 32,
    weightDecay: 0,
    patience: 0,
    epochs: 300,
  },
  seed: 1,
}

/** With which the shape can be seen. */
export const usualNoise: Record<DataKind, number> = {
  moons: 0.12,
  circles: 0.08,
  spirals: 0.03,
  blobs: 0.05,
  xor: 0.03,
  line: 0.15,
  wave: 0.12,
  steps: 0.1,
}

export const isClasses = (kind: DataKind): boolean => (classData as readonly string[]).includes(kind)

/** Settings with the parts that differ from others. */
export type Changes = {
  readonly [part in 'data' | 'network' | 'training']?: Partial<Settings[part]>
} & { readonly seed?: number }

/** `base`, changed; a loss that does not suit the data becomes one that does. */
export function changed(base: Settings, changes: Changes): Settings {
  return suited({
    data: { ...base.data, ...changes.data },
    network: { ...base.network, ...changes.network },
    training: { ...base.training, ...changes.training },
    seed: changes.seed ?? base.seed,
  })
}

/** Curves have no classes, and so no cross-entropy. */
function suited(settings: Settings): Settings {
  const { data, training } = settings
  if (training.loss !== 'crossEntropy' || isClasses(data.kind)) return settings
  return { ...settings, training: { ...training, loss: 'L2' } }
}

type Reader<T> = (text: string) => T | undefined
const numberIn =
  ([low, high]: readonly [number, number], whole = false): Reader<number> =>
  (text) => {
    const value = Number(text)
    const fits = text.trim() !== '' && value >= low && value <= high && (!whole || Number.isInteger(value))
    return fits ? value : undefined
  }
const oneOf =
  <T extends string>(names: readonly T[]): Reader<T> =>
  (text) =>
    (names as readonly string[]).includes(text) ? (text as T) : undefined

function layersFrom(text: string): readonly LayerSettings[] | undefined {
  if (text === 'none') return []
  const layers = text.split(',').map((part): LayerSettings | undefined => {
    const [, width = '', activation = ''] = /^(\d+)([a-z]+)$/.exec(part) ?? []
    const size = numberIn(limits.width, true)(width)
    const name = oneOf(activationNames)(activation)
    return size !== undefined && name ? { width: size, activation: name } : undefined
  })
  const whole = layers.filter((layer) => layer !== undefined)
  return whole.length === layers.length && whole.length <= limits.layers[1] ? whole : undefined
}

/** One row a setting: its name in the URL, how it is written, how it is read. */
const rows: readonly {
  readonly name: string
  readonly write: (settings: Settings) => string
  readonly read: (text: string) => Changes | undefined
}[] = [
  row(
    'data',
    (s) => s.data.kind,
    oneOf(dataKinds),
    (kind) => ({ data: { kind } }),
  ),
  row(
    'samples',
    (s) => s.data.samples,
    numberIn(limits.samples, true),
    (samples) => ({ data: { samples } }),
  ),
  row(
    'noise',
    (s) => s.data.noise,
    numberIn(limits.noise),
    (noise) => ({ data: { noise } }),
  ),
  row(
    'validation',
    (s) => s.data.validation,
    numberIn(limits.validation),
    (validation) => ({ data: { validation } }),
  ),
  row(
    'mislabelled',
    (s) => s.data.mislabelled,
    numberIn(limits.mislabelled),
    (mislabelled) => ({
      data: { mislabelled },
    }),
  ),
  row(
    'layers',
    (s) => s.network.layers.map(({ width, activation }) => `${width}${activation}`).join(',') || 'none',
    layersFrom,
    (layers) => ({ network: { layers } }),
  ),
  row(
    'dropout',
    (s) => s.network.dropout,
    numberIn(limits.dropout),
    (dropout) => ({ network: { dropout } }),
  ),
  row(
    'start',
    (s) => s.network.start,
    oneOf(startNames),
    (start) => ({ network: { start } }),
  ),
  row(
    'loss',
    (s) => s.training.loss,
    oneOf(lossNames),
    (loss) => ({ training: { loss } }),
  ),
  row(
    'optimizer',
    (s) => s.training.optimizer,
    oneOf(optimizerNames),
    (optimizer) => ({ training: { optimizer } }),
  ),
  row(
    'rate',
    (s) => s.training.learningRate,
    numberIn(limits.learningRate),
    (learningRate) => ({
      training: { learningRate },
    }),
  ),
  row(
    'batch',
    (s) => s.training.batchSize,
    (text) => (text === 'full' ? 'full' : numberIn(limits.batchSize, true)(text)),
    (batchSize) => ({ training: { batchSize } }),
  ),
  row(
    'decay',
    (s) => s.training.weightDecay,
    numberIn(limits.weightDecay),
    (weightDecay) => ({
      training: { weightDecay },
    }),
  ),
  row(
    'patience',
    (s) => s.training.patience,
    numberIn(limits.patience, true),
    (patience) => ({
      training: { patience },
    }),
  ),
  row(
    'epochs',
    (s) => s.training.epochs,
    numberIn(limits.epochs, true),
    (epochs) => ({ training: { epochs } }),
  ),
  row(
    'seed',
    (s) => s.seed,
    numberIn(limits.seed, true),
    (seed) => ({ seed }),
  ),
]

function row<T>(
  name: string,
  of: (settings: Settings) => string | number,
  read: Reader<T>,
  change: (value: T) => Changes,
): (typeof rows)[number] {
  const readChange = (text: string) => {
    const value = read(text)
    return value === undefined ? undefined : change(value)
  }
  return { name, write: (settings) => String(of(settings)), read: readChange }
}

/** What differs from the defaults, as a URL's fragment: `data=spirals&rate=0.03`. */
export function toHash(settings: Settings): string {
  const parts = rows.flatMap(({ name, write }): [string, string][] =>
    write(settings) === write(defaults) ? [] : [[name, write(settings)]],
  )
  return new URLSearchParams(parts).toString()
}

/** Settings from a URL's fragment; what is missing or wrong is the default. */
export function fromHash(hash: string): Settings {
  const given = new URLSearchParams(hash.replace(/^#/, ''))
  return rows.reduce((settings, { name, read }) => {
    const text = given.get(name)
    const changes = text === null ? undefined : read(text)
    return changes ? changed(settings, changes) : settings
  }, defaults)
}

/** What two settings differ in: names of the rows with both values. */
export const differences = (a: Settings, b: Settings): { name: string; values: readonly [string, string] }[] =>
  rows.flatMap(({ name, write }) => (write(a) === write(b) ? [] : [{ name, values: [write(a), write(b)] as const }]))

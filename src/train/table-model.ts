/**
 * @file From a table to a trained model. In: a table, its target, settings. Out: first a plan (what was found out, how the
 * rows are split), then a network and its history, or several networks that are averaged.
 *
 * const plan = planTable(await readTable('iris.csv'), { target: 'species', seed: 1 })
 * const { net } = await trainTable(plan)
 * const { accuracy } = await assessTable(plan, net)                 // table-assess.ts
 */
import { ValueError } from '../base/errors.js'
import { type Dataset, subset } from '../data/column.js'
import {
  type Description,
  encode,
  fitPreprocessing,
  type PrepareOptions,
  prepareTable,
  splitBy,
} from '../data/preprocess.js'
import { inputWidth, type Preprocessing, type Task, taskOf } from '../data/preprocess-plan.js'
import { foldIndices, type Split, type SplitBy } from '../data/split.js'
import type { Table } from '../data/table.js'
import { RandomStream } from '../numerics/random.js'
import { fit } from './fit.js'
import { ensemble, type MlpConfig, mlp, mlpConfig } from './mlp.js'
import type { FitOptions } from './options.js'
import type { Progress } from './progress.js'
import { eachEpoch } from './run.js'
import { lossOf, optimizerOf, type TableSettings, tableSettings } from './table-settings.js'
import type { Epoch, History, Net } from './types.js'

/** Of `planTable`. */
export interface PlanOptions extends PrepareOptions {
  readonly settings?: Partial<Omit<TableSettings, 'seed'>>
}

/** Which rows one network learns from and which tell it when to stop: places in `TablePlan.known`. */
export interface Fold {
  /** What it learns from. */
  readonly train: Uint32Array
  /** What tells it when to stop. */
  readonly validation: Uint32Array
}

/** Everything that is decided before training. */
export interface TablePlan {
  readonly task: Task
  readonly settings: TableSettings
  readonly preprocessing: Preprocessing
  /** What was guessed, dropped or skipped, one sentence each. */
  readonly notes: readonly string[]
  /** Rows of the table (from 0): training and validation, which `known` holds in this order, and test. */
  readonly rows: Split<Uint32Array>
  /** Training and validation rows, encoded. */
  readonly known: Dataset
  readonly test: Dataset
  readonly folds: readonly Fold[]
  /** One network; the model's has as many members as were trained. */
  readonly network: MlpConfig
}

/** The signal came before the first epoch ended: there is no model. */
export class NothingLearned extends ValueError {
  override name = 'NothingLearned'

  constructor(operation: string) {
    super(operation, 'was interrupted before the first epoch ended: nothing was learned')
  }
}

/** One network of a model. */
export interface TrainedMember {
  /** The network. */
  readonly net: Net
  readonly history: History<Epoch>
}

/** What `trainTable` gives. */
export interface TrainedTable {
  /** The network, or the mean of the members. */
  readonly net: Net
  /** What `mlp` builds it from. */
  readonly network: MlpConfig
  /** The networks of an ensemble, or the only one. */
  readonly members: readonly TrainedMember[]
  /** Whether the signal ended it. */
  readonly interrupted: boolean
}

/** Of `trainTable`. */
export interface TrainTableOptions {
  readonly signal?: AbortSignal
  /** Progress of each network, counted from 1. */
  readonly progress?: (member: number) => Progress | undefined
  /** After each epoch of each network. */
  readonly epoch?: (member: number, epoch: Epoch) => void
  /** Where the checkpoints and the log of each network go, and whether to go on from them. */
  readonly checkpoint?: (member: number) => Pick<FitOptions, 'checkpoint' | 'resume' | 'log'>
}

/**
 * Reads the columns, splits the rows by seed (60 % training, 20 % validation, 20 % test; equal shares of the classes), fits
 * the preprocessing and chooses the settings. With `ensemble` 1 the preprocessing is fitted on the training rows alone.
 * With more, the training and validation rows are cut into parts of the size of the validation set, each network takes
 * another part as its validation data and learns from the others, and the preprocessing is fitted on all of them; test rows
 * are never looked at. Throws as `describe` does.
 */
export function planTable(table: Table, options: PlanOptions): TablePlan {
  const prepared = prepareTable(table, options)
  const { description, rows } = prepared
  const count = rows.train.length + rows.validation.length
  const settings = tableSettings({ ...options.settings, seed: options.seed }, description.task, count)
  const knownRows = Uint32Array.of(...rows.train, ...rows.validation)
  for (const [part, name] of [[rows.validation, 'validation'] as const, [rows.test, 'test'] as const])
    if (part.length === 0)
      throw new ValueError('planTable', `${count + rows.test.length} rows are too few: none are left for ${name}`, {
        hint: 'Give more rows, or a separate test table.',
      })
  const alone = settings.ensemble === 1
  const preprocessing = alone ? prepared.preprocessing : fitPreprocessing(table, description, knownRows)
  const known = encode(preprocessing, table, knownRows)
  const classes = known.classes?.length
  return {
    task: taskOf(preprocessing),
    settings,
    preprocessing,
    notes: prepared.notes,
    rows,
    known,
    test: alone ? prepared.test : encode(preprocessing, options.test ?? table, rows.test),
    folds: foldsOf(known, rows.train.length, settings, dividedBy(table, options, description, knownRows)),
    network: mlpConfig({
      inputs: inputWidth(preprocessing),
      outputs: classes ?? 1,
      hidden: settings.hidden,
      activation: settings.activation,
      dropout: settings.dropout,
      // A linear way around the hidden layers: what is linear in the data need not be learned by them.
      skip: settings.hidden.length > 0,
    }),
  }
}

/** Groups or times of the known rows, which the networks' validation rows must respect as well. */
function dividedBy(
  table: Table,
  options: PlanOptions,
  { task, classes }: Description,
  rows: Uint32Array,
): Pick<SplitBy, 'groups' | 'time'> {
  const { group, time, target, seed } = options
  if (group === undefined && time === undefined) return {}
  return splitBy(
    table,
    { group, time, target, seed, stratify: false, missing: options.missing },
    { task, classes, rows },
  )
}

function foldsOf(
  known: Dataset,
  trainCount: number,
  { ensemble: members, seed }: TableSettings,
  { groups, time }: Pick<SplitBy, 'groups' | 'time'>,
): Fold[] {
  const count = known.input.shape[0]!
  // By time there is one way to learn from the past; the networks differ by their seeds.
  if (members === 1 || time) {
    const places = Uint32Array.from({ length: count }, (_, i) => i)
    const fold = { train: places.subarray(0, trainCount), validation: places.subarray(trainCount) }
    return Array.from({ length: members }, () => fold)
  }
  const parts = Math.min(count, Math.max(members, Math.round(count / (count - trainCount))))
  if (groups) {
    const folds = Math.min(parts, new Set(Array.from(groups as ArrayLike<string>)).size)
    const stratify = known.classes ? (known.target.data as Int32Array) : undefined
    return foldIndices({ count, folds, seed, groups, stratify }).slice(0, members)
  }
  let order = [...new RandomStream(seed, 'folds').permutation(count)]
  // Dealing out class by class gives every part its share of each.
  if (known.classes) order = order.sort((a, b) => known.target.data[a]! - known.target.data[b]!)
  return Array.from({ length: Math.min(members, parts) }, (_, k) => ({
    train: Uint32Array.from(order.filter((_, i) => i % parts !== k)),
    validation: Uint32Array.from(order.filter((_, i) => i % parts === k)),
  }))
}

/**
 * Trains the networks of a plan one after another, each until its validation loss stops falling, and keeps the best parameters of
 * each. Aborting keeps what has been learned so far. Throws NothingLearned when there is nothing to keep.
 */
export async function trainTable(plan: TablePlan, options: TrainTableOptions = {}): Promise<TrainedTable> {
  const { signal } = options
  const members: TrainedMember[] = []
  for (let k = 0; k < plan.folds.length && !signal?.aborted; k++) {
    const member = await trainMember(plan, k, options)
    if (member.history.epochs.length > 0) members.push(member)
  }
  if (members.length === 0) throw new NothingLearned('trainTable')
  return {
    net: members.length === 1 ? members[0]!.net : ensemble(members.map(({ net }) => net)),
    network: { ...plan.network, members: members.length },
    members,
    interrupted: signal?.aborted === true,
  }
}

async function trainMember(plan: TablePlan, k: number, options: TrainTableOptions): Promise<TrainedMember> {
  const { settings, known, folds, task } = plan
  const net = mlp(plan.network)
  const run = fit(net, {
    train: subset(known, folds[k]!.train),
    validation: subset(known, folds[k]!.validation),
    loss: lossOf(settings, task),
    optimizer: optimizerOf(settings),
    epochs: settings.epochs,
    batchSize: settings.batchSize,
    seed: folds.length === 1 ? settings.seed : new RandomStream(settings.seed, `member.${k}`).nextWord(),
    earlyStopping: { patience: settings.patience, restoreBest: true },
    signal: options.signal,
    progress: options.progress?.(k + 1),
    ...options.checkpoint?.(k + 1),
  })
  await eachEpoch(run, (epoch) => options.epoch?.(k + 1, epoch))
  return { net, history: run.history }
}

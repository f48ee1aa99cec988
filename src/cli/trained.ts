/**
 * @file A run that is over, whatever kind of thing was trained: its network with its parameters, and its scores. Each kind
 * (kinds.ts) opens its own. Types, and little else.
 */

import { ValueError } from '../base/errors.js'
import type { TextEncoding } from '../data/text-blocks.js'
import type { Net } from '../train/types.js'
import type { Configuration } from './configuration.js'

/** A trained network, and what belongs to it. */
export interface TrainedRun {
  readonly net: Net
  /** The shape of one sample, as the network takes it. */
  readonly inputs: readonly number[]
  readonly inputDtype?: 'float32' | 'int32'
  /** What is done to data before the network gets them, and is not part of it: sentences. */
  readonly before: readonly string[]
  /** What the outputs are: 'logits of the classes no, yes'. */
  readonly outputs: string
  /** Scores on the rows of a file, or on those that the run set aside for testing. */
  readonly evaluate: (file: string | undefined, options: EvaluateCommand) => Promise<Evaluation>
  /** What it says of a file, where that is not rows of the table of a model folder. */
  readonly predict?: (file: string, options: EvaluateCommand) => Promise<Predicted>
}

/** What `gradus predict` writes: CSV, or with --json an object. */
export interface Predicted {
  readonly head: readonly string[]
  readonly rows: readonly (readonly string[])[]
  readonly json: object
}

/** Options of `gradus evaluate`. */
export interface EvaluateCommand {
  readonly json?: boolean
  /** The column of true answers, where the model does not know its name. */
  readonly target?: string
  readonly columns?: readonly string[]
  readonly header?: boolean
  readonly separator?: string
  readonly encoding?: TextEncoding
}

/** What `gradus evaluate` reports. */
export interface Evaluation {
  /** Of what data: a file, 'the test rows of adult.data'. */
  readonly data: string
  /** Undefined where only reading all would tell. */
  readonly rows: number | undefined
  /** As --json gives them. */
  readonly scores: { readonly [name: string]: unknown }
  /** As they are printed: tables, lines. */
  readonly report: readonly string[]
}

/** What a run's folder says of it. */
export interface RunRecord {
  readonly folder: string
  readonly configuration: Configuration
}

/** The record, or an error that says why it is needed. */
export function expectRecord(folder: string, record: RunRecord | undefined): RunRecord {
  if (record) return record
  throw new ValueError('run', `${folder} has no run.json, which says what data it was trained on`, {
    hint: 'Give a file of data.',
  })
}

type Reading = Pick<EvaluateCommand, 'columns' | 'header' | 'separator' | 'encoding'>

/** How a file is read: as the command says; where it says nothing, as the file was that the run was trained on. */
export function readAsTrained<T extends Reading>(command: T, record: RunRecord | undefined): T {
  const names = ['columns', 'header', 'separator', 'encoding'] as const
  if (names.some((name) => command[name] !== undefined)) return command
  const known = (record?.configuration ?? {}) as Reading
  return { ...command, ...Object.fromEntries(names.map((name) => [name, known[name]])) }
}

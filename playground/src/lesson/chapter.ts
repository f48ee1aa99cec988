/**
 * @file A chapter of the lecture as something that can be tried: a claim, the runs that test it, and what their figures must be for
 * it to hold. Plain data and judgements: `verify` (verify.ts) makes the runs.
 */
import { type Changes, changed, defaults, type Settings } from './settings.js'
import type { DescentSettings, Path, SurfaceName } from './surface.js'
import type { Snapshot } from './training.js'

/** A network that is trained, as it differs from the chapter's own settings. */
export interface ChapterRun {
  readonly label: string
  readonly changes: Changes
}

/** A descent on a surface that can be drawn. */
export interface ChapterDescent extends Omit<DescentSettings, 'seed'> {
  readonly label: string
  readonly surface: SurfaceName
}

/** Where a run stood after its first update, and in the end. */
export interface RunResult {
  readonly label: string
  readonly first: Snapshot
  readonly last: Snapshot
}

export interface DescentResult extends Path {
  readonly label: string
}

export interface Figure {
  readonly label: string
  readonly values: readonly string[]
}

export interface Verdict {
  readonly holds: boolean
  /** What the table of figures says above its columns; the first is the runs' labels. */
  readonly columns: readonly string[]
  readonly figures: readonly Figure[]
}

export interface Chapter {
  /** In the URL. */
  readonly id: string
  readonly title: string
  /** What the lecture says, in a sentence or two. */
  readonly claim: string
  /** What there is to know, paragraph by paragraph. */
  readonly text: readonly string[]
  /** What to try by hand. */
  readonly tries: readonly string[]
  /** What all runs have in common, beside the defaults. */
  readonly settings: Changes
  readonly runs: readonly ChapterRun[]
  readonly descents: readonly ChapterDescent[]
  readonly judge: (runs: readonly RunResult[], descents: readonly DescentResult[]) => Verdict
  /** The TypeScript that does the same with Gradus. */
  readonly code: string
}

/** The settings of one of a chapter's runs. */
export const settingsOf = (chapter: Chapter, run: ChapterRun, seed: number): Settings => ({
  ...changed(changed(defaults, chapter.settings), run.changes),
  seed,
})

/** A number of a few digits. */
export const short = (value: number): string =>
  !Number.isFinite(value)
    ? String(value)
    : Math.abs(value) >= 1000
      ? Math.round(value).toLocaleString('en')
      : String(Number(value.toPrecision(3)))

/** The training loss after each epoch; infinite where it is no number. */
export const lossesOf = ({ last }: RunResult): number[] =>
  last.epochs.map(({ train }) => (Number.isFinite(train) ? train : Number.POSITIVE_INFINITY))

/** The loss in the end, infinite where the run diverged. */
export const finalLoss = (run: RunResult): number =>
  run.last.status === 'diverged' ? Number.POSITIVE_INFINITY : (lossesOf(run).at(-1) ?? Number.POSITIVE_INFINITY)

/** Validation loss minus training loss in the end; after early stopping those of the best epoch. */
export function gapOf({ last }: RunResult): number {
  const at = last.best ? last.epochs[last.best.epoch - 1] : last.epochs.at(-1)
  return at ? at.validation - at.train : Number.NaN
}

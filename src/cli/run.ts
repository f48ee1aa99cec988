/**
 * @file What every training run of the command line shares: its folder, its log, Ctrl-C, its learning curve.
 * In: where to write, a name. Out: a folder that is complete at the end, or not there.
 *
 * const run = await startRun({ name: 'iris' }); run.log(1, epoch); await run.write('summary.md', text)
 */
import { rmSync } from 'node:fs'
import { readdir, rm } from 'node:fs/promises'
import { constants } from 'node:os'
import { basename, join, relative } from 'node:path'
import { FileError, ValueError } from '../base/errors.js'
import { isLive } from '../base/terminal.js'
import { createOutputFolder, createRunFolder, writeFileAtomic } from '../io/atomic.js'
import { lineChart, type Series } from '../io/chart.js'
import { createJsonLines } from '../io/json-lines.js'
import type { Checkpointable } from '../train/checkpoint-parts.js'
import { modelFiles } from '../train/model-folder.js'
import type { FitOptions } from '../train/options.js'
import { type Progress, progressLine } from '../train/progress.js'
import { type RunLog, runLog } from '../train/run-log.js'
import { NothingLearned } from '../train/table-model.js'
import type { Epoch, History } from '../train/types.js'
import type { Configuration } from './configuration.js'
import { silent } from './output.js'
import { trialFolder } from './trial.js'

/** Options that all commands of training have. */
export interface RunOptions {
  readonly output?: string
  /** The folder of `output` may have a run that is to go on. */
  readonly resume?: boolean
  readonly json?: boolean
  readonly quiet?: boolean
  /** False with --no-progress. */
  readonly progress: boolean
}

export interface RunFolder {
  readonly path: string
  /** One line of history.jsonl. */
  log(member: number, epoch: Epoch): void
  /** What happens, in events.jsonl. */
  readonly events: RunLog
  /** Options of `fit` for the training of a network, the only one or of several: its log, and checkpoints if the run is one that can go on. */
  fit(
    member: number,
    settings: object,
    several?: boolean,
  ): Pick<FitOptions, 'checkpoint' | 'resume' | 'log' | 'observe'>
  write(file: string, content: string): Promise<void>
  /** Removes what was written, after a failure. */
  discard(): Promise<void>
  close(): Promise<void>
}

/** What a run is, before it begins. */
export interface RunPlan {
  readonly output?: string
  readonly name: string
  readonly resume?: boolean
  /** The command line. */
  readonly command: string
  /** All settings, from which `gradus train --config run.json` makes the same run again. */
  readonly configuration: Configuration
  /** How many wrongly classified examples of the validation data are shown. */
  readonly examples?: number
}

/** Makes `output`, which must not exist or be empty, or runs/NAME-001 (-002, ...), and in it an empty history. */
export async function startRun(plan: RunPlan): Promise<RunFolder> {
  const { output, name, resume = false, command, configuration, examples } = plan
  const goesOn = resume && output !== undefined
  const path = goesOn
    ? await openRunFolder(output)
    : output
      ? await createOutputFolder(output)
      : await createRunFolder('runs', name)
  const discard = async () => {
    log?.close()
    await events?.close({ reason: 'failed' }).catch(() => {})
    // What there is to go on from stays.
    if (goesOn) return
    // The folder was empty or not there when the run began, so all that it holds is the run's.
    await rm(path, { recursive: true, force: true })
  }
  let events: RunLog | undefined
  let log: ReturnType<typeof createJsonLines> | undefined
  const warnings: string[] = []
  const history = join(path, modelFiles.history)
  // The history of a run that goes on is written again once it does; until then the old one stays.
  const again = () => {
    rmSync(history, { force: true })
    return createJsonLines(history)
  }
  try {
    // The lock comes first: a folder that another process writes to is left alone.
    events = await runLog(path, {
      command,
      configuration: { ...configuration },
      resume: goesOn,
      // Nobody looks at the mistakes and kernels of every trial of a sweep.
      examples: trialFolder() === undefined ? examples : 0,
      profile: trialFolder() === undefined,
    })
    if (!goesOn) log = createJsonLines(history)
  } catch (error) {
    await discard()
    throw error
  }
  return {
    path,
    log: (member, epoch) => {
      log ??= again()
      log.append({ member, ...epoch })
    },
    events,
    fit: (member, settings, several = false) => ({
      log: several ? events!.member(member) : events,
      observe: { to: { event: (event) => void (event.kind === 'warning' && warnings.push(event.message)) } },
      ...(goesOn
        ? {
            checkpoint: {
              folder: join(path, checkpointFolder, `network-${member}`),
              // A trial of a sweep is short, or begins again; its epochs may be so too.
              ...(trialFolder() === undefined ? {} : { every: { seconds: 30 } }),
              also: { settings: unchanged(settings) },
            },
            resume: true,
          }
        : {}),
    }),
    write: (file, content) => writeFileAtomic(join(path, file), content),
    discard,
    async close() {
      log?.close()
      await events!.close()
      sayWarnings(warnings)
    },
  }
}

/** What looked wrong in training, after the report and for people only: all of it is among the run's events. */
function sayWarnings(warnings: readonly string[]): void {
  if (warnings.length === 0 || !process.stderr.isTTY) return
  const [first, ...others] = warnings
  const more = others.length > 0 ? ` (and ${others.length} more: gradus watch shows them)` : ''
  process.stderr.write(`Noticed in training: ${first}${more}\n`)
}

const checkpointFolder = 'checkpoints'

/** What is written before the first checkpoint; beside it there may be locks and temporary files. */
const earlyFiles: readonly string[] = ['run.json', 'events.jsonl', 'pictures', modelFiles.history]

/** A folder of a run that was begun, or a new one. Throws FileError where it has something else. */
async function openRunFolder(path: string): Promise<string> {
  const files = await readdir(path).catch(() => [] as string[])
  if (files.length === 0) return createOutputFolder(path)
  // One that was killed before its first epoch ended has nothing yet, and begins again.
  const early = files.every((file) => file.startsWith('.') || earlyFiles.includes(file))
  if (!early && !files.includes(checkpointFolder))
    throw new FileError('resume', `the folder ${path} has no checkpoints to go on from`, {
      hint: 'Name the folder of a run that was begun with --resume, or a new one.',
    })
  return path
}

/** A part of a checkpoint that refuses to go on with other settings than those it began with. */
function unchanged(settings: object): Checkpointable {
  const now = JSON.parse(JSON.stringify(settings)) as { readonly [name: string]: unknown }
  return {
    saveState: () => ({ values: now }),
    loadState({ values }) {
      const text = (value: unknown) => JSON.stringify(value) ?? 'not given'
      const names = [...new Set([...Object.keys(values), ...Object.keys(now)])]
      const other = names.filter((name) => text(values[name]) !== text(now[name]))
      if (other.length > 0)
        throw new ValueError(
          'resume',
          other.map((name) => `${name} was ${text(values[name])} and is ${text(now[name])}`).join('; '),
        )
      return () => {}
    },
  }
}

/**
 * Runs `work` with a run's folder, listening for Ctrl-C; if it throws, the folder goes. The exit code is 0, or that of the signal.
 */
export async function withRun(
  where: RunPlan,
  work: (run: RunFolder, signal: AbortSignal) => Promise<void>,
): Promise<number> {
  const run = await startRun(where)
  const interrupt = listenForInterrupt()
  try {
    await work(run, interrupt.signal)
  } catch (error) {
    await run.discard()
    // Nothing was learned before the signal came; that is no failure.
    if (!interrupt.signal.aborted || !(error instanceof NothingLearned)) throw error
    process.stderr.write('Nothing had been learned yet.\n')
  } finally {
    interrupt.done()
    await run.close()
  }
  return interrupt.exitCode
}

export interface Interrupt {
  readonly signal: AbortSignal
  /** 128 and the number of the signal, or 0 if there was none. */
  readonly exitCode: number
  /** Stops listening. */
  done(): void
}

/** A signal that comes so soon after another is the same one: npm passes on what the terminal sends to all. */
const sameSignal = 500

/** Ctrl-C: the first asks the training to stop, the second ends the process at once. */
export function listenForInterrupt(kept = 'the best so far is kept'): Interrupt {
  const controller = new AbortController()
  let exitCode = 0
  let first = 0
  const listen = (signal: NodeJS.Signals) => {
    if (exitCode !== 0) {
      if (performance.now() - first > sameSignal) process.exit(exitCode)
      return
    }
    exitCode = 128 + constants.signals[signal]
    first = performance.now()
    process.stderr.write(`\nInterrupted: ${kept} (again to leave at once).\n`)
    controller.abort()
  }
  process.on('SIGINT', listen)
  process.on('SIGTERM', listen)
  return {
    signal: controller.signal,
    get exitCode() {
      return exitCode
    },
    done: () => {
      process.off('SIGINT', listen)
      process.off('SIGTERM', listen)
    },
  }
}

/**
 * Progress on standard error: a live line in a terminal, elsewhere lines. `memory`: whether it begins with what a step needs; networks
 * that are alike need not say it again. `epochs`: whether each epoch is told, as a row of a table or a line.
 */
export function progressOf(
  options: RunOptions,
  { prefix = '', memory = true, epochs = true } = {},
): Progress | undefined {
  if (options.quiet || !options.progress) return undefined
  const line = progressLine({ prefix, table: epochs })
  const start: Progress['start'] = ({ memory: text, ...run }) =>
    line.start?.({ ...run, ...(memory && text ? { memory: text } : {}) })
  const epoch: Progress['epoch'] = (now) => line.epoch?.(now)
  const end: Progress['end'] = (history) => line.end?.(history)
  if (!isLive(process.stderr)) return { start, end, ...(epochs ? { epoch } : {}) }
  return { start, end, epoch, batch: (now) => line.batch?.(now) }
}

/** Whether the report is printed: not with --json, which has standard output for itself, nor with --quiet. */
export const sayOf = (options: RunOptions, say: typeof silent): typeof silent =>
  options.json || options.quiet ? silent : say

/** Training and validation loss over the epochs, one colour for each network. */
export function learningCurve(title: string, yLabel: string, histories: readonly History[]): string {
  const alone = histories.length === 1
  const series = histories.flatMap(({ epochs }, k): Series[] => {
    const suffix = alone ? '' : ` ${k + 1}`
    const line = (name: string, score: (epoch: Epoch) => number | undefined, dashed: boolean): Series => ({
      name: name + suffix,
      points: epochs.map((epoch) => [epoch.epoch, score(epoch) ?? Number.NaN]),
      dashed,
      color: k,
    })
    return [
      line('training', (epoch) => epoch.train.loss, true),
      line('validation', (epoch) => epoch.validation?.loss, false),
    ]
  })
  const best = alone ? histories[0]!.best : undefined
  return lineChart({
    title,
    xLabel: 'epoch',
    yLabel,
    series,
    marks: best ? [{ x: best.epoch, label: `best: epoch ${best.epoch}` }] : [],
  })
}

/** How this program was called, for commands that can be pasted. */
export function programName(): string {
  const script = process.argv[1] ?? 'gradus'
  if (process.env['npm_command'] === 'exec') return 'npx gradus'
  return basename(script) === 'gradus' ? 'gradus' : `node ${relative(process.cwd(), script) || script}`
}

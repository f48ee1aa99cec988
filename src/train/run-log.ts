/**
 * @file The log of a run: its folder, which tells what was configured, where it ran, and what happened, event by event. In: a folder, events.
 * Out: run.json and events.jsonl, written beside the training; docs/runs.md has the format.
 *
 * const log = await runLog('runs/a', { configuration: { learningRate: 0.01 } })
 * log.write({ kind: 'epoch', epoch: 1, step: 100, train: { loss: 0.4 }, seconds: 2 }); await log.close()
 */
import { describeValue } from '../base/describe.js'
import { ArgumentError, ValueError } from '../base/errors.js'
import { checkNames, isPlainOptions } from '../base/options.js'
import { eventLine, missingField } from '../io/event-lines.js'
import type { OpenedRun } from '../io/run-writer.js'
import { note } from '../runtime/note.js'
import { checkFolder } from './checkpoint-check.js'
import type { EndEvent, RunEvent, RunInfo, RunObserver } from './events.js'
import { plainConfiguration, runEnvironment } from './run-info.js'

/** What `runLog` may be told. */
export interface RunLogOptions {
  /** The last part of the folder by default. */
  readonly name?: string
  /** Goes on with the log of a run that was killed or ended; begins one where there is none. Without it a folder that has one is refused. */
  readonly resume?: boolean
  /** The folder is FOLDER-001, or the next number that is free; the log's `folder` says which. */
  readonly numbered?: boolean
  /** Settings that should stand beside the results: plain data, by name. Without it `fit` writes its options. */
  readonly configuration?: { readonly [name: string]: unknown }
  /** The command line, where the run is one. */
  readonly command?: string
  /** Steps from one event of a step to the next, in `fit`: 64 by default, or a twentieth of an epoch where that is more. */
  readonly every?: number
  /** How many wrongly classified examples `fit` shows in the end, beside the confusion matrix: 24 by default, 0 for neither. */
  readonly examples?: number
  /** Whether `fit` times the kernels of its step in the end, which takes a moment; false by default. */
  readonly profile?: boolean
}

const optionNames = ['name', 'resume', 'numbered', 'configuration', 'command', 'every', 'examples', 'profile']

type Untimed<E> = E extends RunEvent ? Omit<E, 'time' | 'member'> & { readonly time?: number } : never
/** An event as `write` takes it: its time is now, unless it says so. */
export type NewEvent = Untimed<RunEvent>

/**
 * Opens the log of a run in a folder, which is made if need be, for `fit({ log })` or a loop of one's own. Throws FileError where the folder
 * cannot be written to, or another process writes to it, and ValueError where it has a run already and `resume` is not true.
 */
export async function runLog(folder: string, options: RunLogOptions = {}): Promise<RunLog> {
  checkFolder('runLog', folder)
  checkNames('runLog', options, optionNames)
  const { resume = false, numbered = false, configuration = {}, every, name, command } = options
  const { examples = 24, profile = false } = options
  for (const [option, value] of Object.entries({ resume, numbered, profile }))
    if (typeof value !== 'boolean')
      throw new ValueError('runLog', `${option} is ${describeValue(value)}, not true or false`)
  if (resume && numbered)
    throw new ValueError('runLog', 'both resume and numbered are given', {
      hint: 'A numbered folder is always a new one.',
    })
  if (!isPlainOptions(configuration))
    throw new ValueError('runLog', `the configuration is ${describeValue(configuration)}, not an object`)
  if (every !== undefined && (!Number.isInteger(every) || every < 1))
    throw new ValueError('runLog', `every must be a whole number above 0, not ${describeValue(every)}`, {
      hint: 'How many steps from one event to the next.',
    })
  if (!Number.isInteger(examples) || examples < 0)
    throw new ValueError('runLog', `examples must be a whole number, not ${describeValue(examples)}`)
  for (const [option, value] of Object.entries({ name, command }))
    if (value !== undefined && typeof value !== 'string')
      throw new ArgumentError('runLog', `the ${option} is ${describeValue(value)}, not a text`)
  const { openRun } = await import('../io/run-writer.js')
  const opened = await openRun(folder, { resume, numbered })
  const { info } = opened
  const last = opened.folder.split(/[\\/]/).filter(Boolean).pop() ?? 'run'
  const log = new RunLog(
    opened,
    {
      format: 1,
      name: name ?? info?.name ?? last,
      created: info?.created ?? new Date().toISOString(),
      ...(command === undefined ? {} : { command }),
      configuration: plainConfiguration(configuration),
      environment: await runEnvironment(),
    },
    { every, examples, profile },
  )
  // Of a run that goes on nothing is changed before it does.
  if (!info) log.describe({})
  await log.flush().catch(async (error) => {
    await log.close().catch(() => {})
    throw error
  })
  return log
}

/** The log of a run; made by `runLog`. It may be told anything at any time: it is written beside the training, within a second or so. */
export class RunLog implements RunObserver {
  readonly #run: OpenedRun
  /** How many wrong examples `fit` shows. */
  readonly examples: number
  /** Whether `fit` times the kernels of its step. */
  readonly profiles: boolean
  readonly #every: number | undefined
  readonly #configured: boolean
  #info: RunInfo
  /** run.json as it should be is on its way. */
  #writing: Promise<void> = Promise.resolve()
  #changed = false
  #started = false
  #ended = false
  #failed = false
  #last = { epoch: 0, step: 0 }

  constructor(
    run: OpenedRun,
    info: RunInfo,
    options: { readonly every: number | undefined; readonly examples: number; readonly profile: boolean },
  ) {
    this.#run = run
    this.#info = info
    this.#configured = Object.keys(info.configuration).length > 0
    this.#every = options.every
    this.examples = options.examples
    this.profiles = options.profile
  }

  /** Where it is. */
  get folder(): string {
    return this.#run.folder
  }

  /** Steps from one event of a step to the next, in epochs of so many batches, where that is known. */
  stepsBetween(batches = 0): number {
    // Multiples of the steps that are made in one call, so that no call is cut short.
    return this.#every ?? Math.max(64, Math.ceil(batches / 20 / 32) * 32)
  }

  /** Says more of the run. A configuration is taken where none was given when the log was opened. */
  describe(more: { readonly configuration?: object; readonly network?: RunInfo['network'] }): void {
    const { configuration, network = this.#info.network } = more
    this.#info = {
      ...this.#info,
      ...(configuration && !this.#configured ? { configuration: plainConfiguration(configuration) } : {}),
      ...(network ? { network } : {}),
    }
    this.#changed = true
  }

  /**
   * The run begins, or goes on after so many epochs and steps: what the log has of later steps is void. Needed only where it goes on; a log
   * whose first event is another begins at step 0.
   */
  start(at: { readonly epoch: number; readonly step: number } = { epoch: 0, step: 0 }): void {
    this.write({ kind: 'start', ...at })
  }

  /** Adds an event, whose time is now. Throws ValueError for one that its readers could not use. */
  write(event: NewEvent): void {
    if (!isPlainOptions(event) || typeof event.kind !== 'string')
      throw new ValueError('runLog', `an event is ${describeValue(event)}, not an object with a kind`, {
        hint: "Write log.write({ kind: 'epoch', epoch: 1, step: 100, train: { loss: 0.4 }, seconds: 2 }).",
      })
    const timed = { time: Date.now(), ...event } as RunEvent
    const missing = missingField(timed)
    if (missing)
      throw new ValueError('runLog', `an event of the kind '${event.kind}' lacks ${missing}`, {
        hint: 'docs/runs.md says what each kind has.',
      })
    this.event(timed)
  }

  /** Adds an event as it is. */
  event(event: RunEvent): void {
    if (event.kind !== 'start' && !this.#started) this.start()
    this.#started = true
    // What comes after the end, such as a confusion matrix of test data, does not begin it anew.
    if (event.kind === 'end' || event.kind === 'start') this.#ended = event.kind === 'end'
    const { epoch, step } = event as { readonly epoch?: number; readonly step?: number }
    this.#last = { epoch: epoch ?? this.#last.epoch, step: step ?? this.#last.step }
    this.#run.events.append(eventLine(event))
  }

  /** The same log for one network of several: its events say which it is, counted from 1. */
  member(member: number): MemberLog {
    return new MemberLog(this, member)
  }

  /** Writes a PNG file into pictures/, and gives its path in the folder, for an event. */
  picture(name: string, bytes: Uint8Array): Promise<string> {
    return this.#run.picture(name, bytes)
  }

  /** Writes what waits, and with `sync` has it put on the disk. Throws FileError (disk full); the next call tries again. */
  async flush(options: { readonly sync?: boolean } = {}): Promise<void> {
    if (this.#changed) {
      this.#changed = false
      const info = this.#info
      this.#writing = this.#writing.catch(() => {}).then(() => this.#run.write(info))
      this.#writing.catch(() => {
        this.#changed = true
      })
    }
    await Promise.all([this.#writing, options.sync ? this.#run.events.sync() : this.#run.events.flush()])
  }

  /** As `flush`, but a failure is a line on standard error: training should not end because its log cannot be written. */
  async tryFlush(options: { readonly sync?: boolean } = {}): Promise<void> {
    try {
      await this.flush(options)
      this.#failed = false
    } catch (error) {
      if (!this.#failed)
        note(`run log: ${(error as Error).message}. Training goes on; the events are kept, and tried again.`)
      this.#failed = true
    }
  }

  /** Ends the log: an `end` event, unless there is one, and the last lines. Others may then write to the folder. Throws FileError. */
  async close(options: { readonly reason?: EndEvent['reason']; readonly message?: string } = {}): Promise<void> {
    checkNames('runLog.close', options, ['reason', 'message'])
    const { reason = 'finished', message } = options
    if (this.#started && !this.#ended)
      this.event({
        kind: 'end',
        time: Date.now(),
        ...this.#last,
        reason,
        ...(message === undefined ? {} : { message }),
      })
    try {
      // A log that was never begun leaves run.json as it was.
      if (this.#started) await this.flush()
      await this.#run.events.close()
    } finally {
      this.#run.lock.release()
    }
  }
}

/** The log of one network of several; made by `log.member(1)`. */
export class MemberLog implements RunObserver {
  readonly log: RunLog
  /** Counts from 1. */
  readonly member: number

  constructor(log: RunLog, member: number) {
    this.log = log
    this.member = member
  }

  /** Adds an event as it is, but for the number of the network. */
  event(event: RunEvent): void {
    this.log.event({ ...event, member: this.member })
  }
}

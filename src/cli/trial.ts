/**
 * @file A training that a sweep started: one process a trial. In: settings, a folder. Out: the score of its run; the process ends when the
 * sweep does, however that ends.
 */
import { spawn } from 'node:child_process'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { FileError } from '../base/errors.js'
import { makeFolders, writeFileAtomic } from '../io/atomic.js'
import { type Lock, lockFolder } from '../io/lock.js'
import { readHistory } from '../train/model-folder.js'
import type { Epoch } from '../train/types.js'
import type { Configuration } from './configuration.js'

/** Set for the processes of trials: the trial's folder. */
const variable = 'GRADUS_TRIAL'
/** The folder of the trial that this process is, if it is one. */
export const trialFolder = (): string | undefined => process.env[variable]

/** In a trial's process, before it trains: nobody else may write to its folder, and it ends with the sweep that started it. */
export async function joinSweep(): Promise<void> {
  const folder = trialFolder()
  if (folder === undefined) return
  process.on('disconnect', () => process.exit(1))
  process.channel?.unref()
  // The sweep may have ended before this process listened.
  if (!process.connected) process.exit(1)
  await lockWhenFree(folder)
}

export interface TrialPlan {
  readonly folder: string
  readonly configuration: Configuration
  /** 'validation.loss' */
  readonly metric: string
  /** Threads of this process. */
  readonly threads: number
  readonly signal: AbortSignal
}

/** Trains in a process of its own and gives the score. Throws for what went wrong there. */
export async function runTrial({ folder, configuration, metric, threads, signal }: TrialPlan): Promise<number> {
  await makeFolders(folder)
  ;(await lockWhenFree(folder, signal)).release()
  const file = join(folder, 'configuration.json')
  const run = join(folder, 'run')
  await writeFileAtomic(file, `${JSON.stringify(configuration, undefined, 2)}\n`)
  // The program that this process runs.
  const args = [process.argv[1]!, 'train', '--config', file, '--output', run, '--resume', '--quiet', '--no-progress']
  const child = spawn(process.execPath, args, {
    // Of its own group: Ctrl-C is for the sweep, which then ends it.
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    env: { GRADUS_THREADS: String(threads), ...process.env, [variable]: folder, NO_COLOR: '1' },
  })
  let said = ''
  child.stderr!.on('data', (data: Buffer) => {
    said = (said + String(data)).slice(-20_000)
  })
  const kill = () => child.kill('SIGKILL')
  signal.addEventListener('abort', kill)
  const { code, ended } = await new Promise<{ code: number | null; ended: NodeJS.Signals | null }>(
    (resolve, reject) => {
      child.on('error', reject)
      child.on('close', (exit, name) => resolve({ code: exit, ended: name }))
    },
  ).finally(() => signal.removeEventListener('abort', kill))
  if (code !== 0)
    throw new Error(messageOf(said) || (ended ? `it was ended by ${ended}` : `it ended with code ${code}`))
  return scoreOf((await readHistory(run)) as MemberEpoch[], metric)
}

/** After its score is kept: removes what it would have gone on from. The model stays. */
export const tidyTrial = (folder: string): Promise<void> =>
  rm(join(folder, 'run', 'checkpoints'), { recursive: true, force: true })

/** An orphan of a sweep that was killed may still be about to notice. */
async function lockWhenFree(folder: string, signal?: AbortSignal): Promise<Lock> {
  for (let tries = 0; ; tries++) {
    try {
      return await lockFolder(folder)
    } catch (error) {
      if (tries === 100 || signal?.aborted) throw error
      await new Promise((done) => setTimeout(done, 300))
    }
  }
}

/** What a command said last that went wrong, without its name. */
function messageOf(said: string): string {
  const lines = said.split('\n').map((line) => line.trim())
  const last =
    lines.findLast((line) => /^(gradus|error): /.test(line)) ?? lines.findLast((line) => /Error\b.*: /.test(line))
  return (last ?? '').replace(/^(gradus|error): /, '')
}

type MemberEpoch = Epoch & { readonly member?: number }

/** Where a lower value is the better one. */
export const lowerIsBetter = (metric: string): boolean => /loss|error|rmse|mae|mse|perplexity|entropy/i.test(metric)

/** The best value of a metric over the epochs; of several networks their mean. */
export function scoreOf(history: readonly MemberEpoch[], metric: string): number {
  const values = new Map<number, number>()
  for (const epoch of history) {
    const value = metric
      .split('.')
      .reduce<unknown>((at, name) => (at as { readonly [name: string]: unknown } | undefined)?.[name], epoch)
    if (typeof value !== 'number') continue
    const { member = 1 } = epoch
    const best = values.get(member)
    if (best === undefined || (lowerIsBetter(metric) ? value < best : value > best)) values.set(member, value)
  }
  if (values.size === 0) {
    const [epoch] = history
    const names = (['train', 'validation'] as const).flatMap((part) =>
      Object.entries(epoch?.[part] ?? {}).flatMap(([name, value]) =>
        typeof value === 'number' ? [`${part}.${name}`] : [],
      ),
    )
    throw new FileError('trial', `there is no ${metric} in its history`, {
      hint: names.length > 0 ? `Give --metric ${names.join(' or ')}.` : 'It has no epochs.',
    })
  }
  const all = [...values.values()]
  return all.reduce((sum, value) => sum + value, 0) / all.length
}

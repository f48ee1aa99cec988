/**
 * @file `gradus sweep SOURCE --space SPACE`: tries settings in processes beside one another, and keeps the best. In: what is trained, the
 * settings that stay, a space. Out: a folder with all trials, a table, pictures, the best model; exit code.
 */
import { cp, readdir, rm } from 'node:fs/promises'
import { cpus } from 'node:os'
import { basename, join } from 'node:path'
import { FileError, nearest, ValueError } from '../base/errors.js'
import { createOutputFolder, createRunFolder, writeFileAtomic } from '../io/atomic.js'
import { lineChart, type Point } from '../io/chart.js'
import { readText } from '../io/files.js'
import { lockFolder } from '../io/lock.js'
import { checkSpace, gridOf, type SearchSpace, type SearchValues } from '../train/search-space.js'
import { rankedOf, type SweepStrategy, sweep, type TrialRecord } from '../train/sweep.js'
import { type Configuration, parseJson } from './configuration.js'
import type { Kind } from './kinds.js'
import { dim, entry, markdownTable, number, plural, say, seconds, table } from './output.js'
import { listenForInterrupt, programName, type RunOptions, sayOf } from './run.js'
import { accepts } from './schema.js'
import type { Setting } from './settings.js'
import { lowerIsBetter, runTrial, tidyTrial } from './trial.js'
import { cure } from './values.js'

export interface SweepCommand extends RunOptions {
  readonly space: string
  readonly strategy?: SweepStrategy
  readonly trials?: number
  readonly workers?: number
  readonly metric?: string
  readonly seed?: number
}

/** What a sweep is; --resume goes on with the same one only. */
interface SweepPlan {
  readonly configuration: Configuration
  readonly space: SearchSpace
  readonly strategy: SweepStrategy
  readonly trials: number | undefined
  readonly metric: string
  readonly seed: number
}

/** Errors of what was said, which exit with 2. */
const usage = 'configuration'
/** What successive halving gives the last of its trials, unless --epochs says otherwise. */
const usualEpochs = 27

/** `settings` are those that were given: they are the same in all trials. */
export async function sweepCommand(
  source: string,
  kind: Kind,
  settings: { readonly [name: string]: unknown },
  command: SweepCommand,
  words: string,
): Promise<number> {
  const plan = await planOf(source, kind, settings, command)
  const { space, strategy, metric, seed, trials } = plan
  const folder = await openFolder(command, basename(source).replace(/(\.(csv|tsv|txt|data|gz|m?[tj]s))+$/i, ''))
  const lock = await lockFolder(folder)
  const interrupt = listenForInterrupt('what is finished is kept')
  const print = sayOf(command, say)
  try {
    const known = await recordsOf(folder, plan)
    await writeFileAtomic(
      join(folder, 'sweep.json'),
      `${JSON.stringify({ format: 1, command: words, ...plan }, undefined, 2)}\n`,
    )
    const workers = command.workers ?? 1
    const threads = Math.max(1, Math.floor(cpus().length / workers))
    print(
      entry('Sweep', `${strategy} over ${Object.keys(space).join(', ')} of ${source}, best by ${metric}`),
      entry('Folder', folder),
      ...(known.length > 0 ? [entry('Done', plural(known.length, 'trial'))] : []),
      '',
    )
    const records = [...known]
    const better = lowerIsBetter(metric) ? 'lower' : 'higher'
    const epochs = (settings['epochs'] as number | undefined) ?? usualEpochs
    const result = await sweep(
      space,
      ({ number: place, rung, values, budget, signal }) =>
        runTrial({
          folder: trialPath(folder, { number: place, rung }),
          configuration: configurationWith(plan, kind, values, budget),
          metric,
          threads,
          signal,
        }),
      {
        strategy,
        ...(trials === undefined ? {} : { trials }),
        seed,
        better,
        workers,
        // The settings there are without a sweep.
        first: [{}],
        known,
        ...(strategy === 'halving' ? { budget: { most: epochs } } : {}),
        signal: interrupt.signal,
        onTrial: async (record) => {
          records.push(record)
          await writeRecords(folder, records)
          await tidyTrial(trialPath(folder, record))
          if (!command.quiet && command.progress) process.stderr.write(`${lineOf(record, records, metric, better)}\n`)
        },
      },
    )
    if (result.interrupted) {
      const rest = `${programName()} sweep ... --output ${folder} --resume`
      process.stderr.write(`${plural(records.length, 'trial')} of the sweep are done; to go on: ${rest}\n`)
      if (command.json)
        console.log(JSON.stringify({ folder, ...outcome(plan, result.trials, undefined), interrupted: true }))
      return interrupt.exitCode
    }
    const { best } = result
    if (!best)
      throw new ValueError(
        'sweep',
        `all ${result.trials.length} trials failed, the first because ${result.trials[0]?.message}`,
        {
          hint: `${folder}/trials.json has what each said.`,
        },
      )
    await finish(folder, plan, kind, result.trials, best, words)
    const first = result.trials.find((record) => record.number === 1 && record.rung === best.rung) ?? result.trials[0]!
    print(
      '',
      table(trialRows(result.trials, better, 10, space), { left: [1] }),
      '',
      entry('Best', `trial ${best.number}: ${metric} ${number(best.score!)}, ${valuesText(best.values)}`),
      entry('', `as it was without the sweep: ${first.score === undefined ? first.message : number(first.score)}`),
      entry('Folder', folder),
      entry('Next', `${programName()} train --config ${folder}/best.json`),
    )
    if (command.json) console.log(JSON.stringify({ folder, ...outcome(plan, result.trials, best), interrupted: false }))
    else if (command.quiet) console.log(folder)
    return 0
  } finally {
    interrupt.done()
    lock.release()
  }
}

async function planOf(
  source: string,
  kind: Kind,
  { seed = 1, ...settings }: { readonly [name: string]: unknown },
  { space: given, strategy = 'random', trials, metric = 'validation.loss' }: SweepCommand,
): Promise<SweepPlan> {
  const text = given.trimStart().startsWith('{') ? given : await readText(given)
  const space = checkSpace(usage, parseJson(given === text ? '--space' : given, text))
  if (strategy === 'grid') gridOf(usage, space)
  const { epochs, ...others } = settings
  const ensemble = kind.settings.some(({ name }) => name === 'ensemble') ? { ensemble: 1 } : {}
  return {
    configuration: {
      train: source,
      kind: kind.name,
      ...ensemble,
      ...(strategy === 'halving' || epochs === undefined ? {} : { epochs }),
      ...others,
      seed,
    },
    space: spaceOf(space, kind, settings, strategy),
    strategy,
    trials,
    metric,
    seed: seed as number,
  }
}

/** The space, with values as the settings have them. Throws for names that are no settings, or may not change between trials. */
function spaceOf(space: SearchSpace, kind: Kind, fixed: object, strategy: SweepStrategy): SearchSpace {
  const rows = new Map(kind.settings.map((row) => [row.name, row]))
  const takesParameters = rows.has('parameters')
  const fail = (fault: string, hint: string): never => {
    throw new ValueError(usage, fault, { hint })
  }
  const result = Object.entries(space).map(([name, range]): [string, SearchSpace[string]] => {
    const row = rows.get(name)
    if (!row && !takesParameters) {
      const names = kind.settings.filter(isSearched).map((one) => one.name)
      const near = nearest(name, names)
      fail(
        `${name} is no setting of ${kind.name}${near ? `; did you mean ${near}?` : ''}`,
        `There are ${names.join(', ')}.`,
      )
    }
    if (row && !isSearched(row))
      fail(
        `${name} may not change between trials`,
        'Scores of other data, or of another loss, cannot be compared. Give it as an option.',
      )
    if (Object.hasOwn(fixed, name)) fail(`${name} is given, and searched for as well`, 'Leave one of them out.')
    if (strategy === 'halving' && name === 'epochs')
      fail('epochs are what successive halving gives out', 'Give the most as --epochs.')
    if (!row) return [name, range]
    if ('choice' in range) return [name, { choice: range.choice.map((value) => settingValue(row, value) as string) }]
    const [low, high] = 'log' in range ? range.log : 'uniform' in range ? range.uniform : range.integer
    for (const end of [low, high]) settingValue(row, end)
    return [name, range]
  })
  return Object.fromEntries(result)
}

/** Data, loss and seed are what trials share. */
const isSearched = ({ name, group }: Setting): boolean =>
  !/table|data/i.test(group) && !['loss', 'seed', 'ensemble', 'parameters'].includes(name)

/** A value of a space as JSON holds it: itself, or what its text means on the command line, or a whole number near it. */
function settingValue({ name, value: { schema, read, expected, ...value } }: Setting, given: unknown): unknown {
  const candidates = [
    given,
    typeof given === 'string' ? read(given) : undefined,
    typeof given === 'number' ? Math.round(given) : undefined,
  ]
  const found = candidates.find((one) => one !== undefined && accepts(schema, one))
  if (found === undefined)
    throw new ValueError(usage, `the space of ${name} has ${JSON.stringify(given)}`, {
      hint: cure({ schema, read, expected, ...value }, value.expectedAsJson ?? expected, given),
    })
  return found
}

/** The configuration of a trial, which `gradus train --config` takes. */
function configurationWith(plan: SweepPlan, kind: Kind, values: SearchValues, budget?: number): Configuration {
  const rows = new Map(kind.settings.map((row) => [row.name, row]))
  const settings = Object.entries(values).flatMap(([name, value]) => {
    const row = rows.get(name)
    return row ? [[name, settingValue(row, value)]] : []
  })
  const parameters = Object.entries(values).filter(([name]) => !rows.has(name))
  const base = plan.configuration['parameters'] as object | undefined
  return {
    ...plan.configuration,
    ...Object.fromEntries(settings),
    ...(parameters.length > 0 ? { parameters: { ...base, ...Object.fromEntries(parameters) } } : {}),
    ...(budget === undefined ? {} : { epochs: budget }),
  }
}

async function openFolder({ output, resume }: SweepCommand, name: string): Promise<string> {
  if (output === undefined) return createRunFolder('sweeps', name)
  const files = await readdir(output).catch(() => [] as string[])
  if (files.includes('sweep.json')) {
    if (resume) return output
    throw new FileError('sweep', `${output} has a sweep already`, {
      hint: 'Add --resume to go on with it, or give another folder.',
    })
  }
  // A sweep that was killed before it wrote anything may have left its lock.
  if (resume && files.length > 0 && files.every((file) => file.startsWith('.'))) return output
  return createOutputFolder(output)
}

/** What an earlier sweep in this folder has done. Throws where it was another one. */
async function recordsOf(folder: string, plan: SweepPlan): Promise<TrialRecord[]> {
  const path = join(folder, 'sweep.json')
  const text = await readText(path).catch(() => undefined)
  if (text === undefined) return []
  const before = parseJson(path, text) as { readonly [name: string]: unknown }
  const now = JSON.parse(JSON.stringify(plan)) as { readonly [name: string]: unknown }
  for (const name of ['configuration', 'space', 'strategy', 'trials', 'metric', 'seed'])
    if (JSON.stringify(before[name]) !== JSON.stringify(now[name]))
      throw new ValueError(
        'sweep',
        `${folder} has a sweep whose ${name} was ${JSON.stringify(before[name]) ?? 'not given'} and is ${JSON.stringify(now[name]) ?? 'not given'}`,
        { hint: 'Give the same command again, or another folder.' },
      )
  const trials = join(folder, 'trials.json')
  const found = await readText(trials).catch(() => '[]')
  return parseJson(trials, found) as TrialRecord[]
}

const byPlace = (a: TrialRecord, b: TrialRecord): number => a.rung - b.rung || a.number - b.number

const writeRecords = (folder: string, records: readonly TrialRecord[]): Promise<void> => {
  const lines = [...records].sort(byPlace).map((record) => `  ${JSON.stringify(record)}`)
  return writeFileAtomic(join(folder, 'trials.json'), `[\n${lines.join(',\n')}\n]\n`)
}

const trialPath = (
  folder: string,
  { number: place, rung }: { readonly number: number; readonly rung: number },
): string => join(folder, 'trials', `${String(place).padStart(3, '0')}${rung > 0 ? `-${rung}` : ''}`)

const valueText = (value: unknown): string =>
  Array.isArray(value) ? value.join(',') || 'none' : typeof value === 'object' ? JSON.stringify(value) : String(value)
const valuesText = (values: SearchValues): string =>
  Object.entries(values)
    .map(([name, value]) => `${name} ${valueText(value)}`)
    .join(', ') || 'the settings as they are'

function lineOf(
  record: TrialRecord,
  records: readonly TrialRecord[],
  metric: string,
  better: 'lower' | 'higher',
): string {
  const best = rankedOf(records, { better })[0]
  const result = record.status === 'done' ? `${metric} ${number(record.score!)}` : `failed: ${record.message}`
  const budget = record.budget === undefined ? '' : ` (${plural(record.budget, 'epoch')})`
  const leader = best && best !== record ? `; best ${number(best.score!)}` : ''
  return `trial ${record.number}${budget}: ${result}${leader}; ${valuesText(record.values)}; ${seconds(record.seconds)}`
}

/** The best first, then what failed. */
function trialRows(
  trials: readonly TrialRecord[],
  better: 'lower' | 'higher',
  most: number,
  space: SearchSpace,
): string[][] {
  const ranked = rankedOf(trials, { better })
  const failed = trials.filter(({ status }) => status === 'failed')
  const names = Object.keys(space)
  const budgets = trials.some(({ budget }) => budget !== undefined)
  const rows = [...ranked, ...failed]
    .slice(0, most)
    .map((record) => [
      String(record.number),
      record.status === 'done' ? number(record.score!) : (record.message ?? 'failed').slice(0, 60),
      ...(budgets ? [String(record.budget)] : []),
      ...names.map((name) => (record.values[name] === undefined ? dim('-') : valueText(record.values[name]))),
      record.seconds.toFixed(1),
    ])
  return [['trial', 'score', ...(budgets ? ['epochs'] : []), ...names, 'seconds'], ...rows]
}

/** What the sweep leaves behind: table, pictures, configuration and model of the best. */
async function finish(
  folder: string,
  plan: SweepPlan,
  kind: Kind,
  trials: readonly TrialRecord[],
  best: TrialRecord,
  words: string,
): Promise<void> {
  const { metric, space } = plan
  const better = lowerIsBetter(metric) ? 'lower' : 'higher'
  const configuration = configurationWith(plan, kind, best.values, best.budget)
  await writeFileAtomic(join(folder, 'best.json'), `${JSON.stringify(configuration, undefined, 2)}\n`)
  await rm(join(folder, 'best'), { recursive: true, force: true })
  await cp(join(trialPath(folder, best), 'run'), join(folder, 'best'), { recursive: true })
  await writeFileAtomic(join(folder, 'sweep.svg'), picture(trials, metric, better))
  const pictures: string[] = []
  for (const [name, range] of Object.entries(space)) {
    if ('choice' in range) continue
    const points = rankedOf(trials, { better }).flatMap(({ values, score }): Point[] => {
      const value = values[name]
      return typeof value === 'number' ? [[value, score!], gap] : []
    })
    const file = `sweep-${name.replace(/[^\w-]/g, '_')}.svg`
    const chart = { title: `${metric} by ${name}`, xLabel: name, yLabel: metric, series: [{ name: 'trials', points }] }
    await writeFileAtomic(join(folder, file), lineChart({ ...chart, logX: 'log' in range }))
    pictures.push(`![${name}](${file})`)
  }
  const rows = trialRows(trials, better, Number.POSITIVE_INFINITY, space).map((row) => row.map(plain))
  await writeFileAtomic(
    join(folder, 'summary.md'),
    `# A sweep over ${Object.keys(space).join(', ')}

    ${words}

The best is trial ${best.number}, with ${metric} ${number(best.score!)}: ${valuesText(best.values)}. Its model is in \`best/\`, its settings are in
\`best.json\`. Trial 1 has the settings as they are without the sweep.

![scores by trial](sweep.svg)

${markdownTable(
  rows,
  rows[0]!.map((_, i) => i),
)}

${pictures.join('\n\n')}
`,
  )
}

const gap: Point = [Number.NaN, Number.NaN]
const plain = (text: string): string => text.replace(new RegExp(`${String.fromCharCode(27)}\\[\\d+m`, 'g'), '')

/** Scores trial by trial, and the best so far. */
function picture(trials: readonly TrialRecord[], metric: string, better: 'lower' | 'higher'): string {
  const done = trials.filter(({ status }) => status === 'done')
  const rungs = [...new Set(done.map(({ rung }) => rung))]
  const alone = rungs.length === 1
  const best: Point[] = []
  for (const { number: place, score } of alone ? done : []) {
    const before = best.at(-1)?.[1] ?? score!
    best.push([place, better === 'lower' ? Math.min(before, score!) : Math.max(before, score!)])
  }
  const points = (rung: number) =>
    done.filter((record) => record.rung === rung).flatMap(({ number: place, score }): Point[] => [[place, score!], gap])
  const budget = (rung: number) => done.find((record) => record.rung === rung)!.budget
  return lineChart({
    title: `${metric} of ${plural(done.length, 'trial')}`,
    xLabel: 'trial',
    yLabel: metric,
    series: alone
      ? [
          { name: 'trials', points: points(rungs[0]!) },
          { name: 'best so far', points: best, dashed: true },
        ]
      : rungs.map((rung) => ({ name: plural(budget(rung) ?? 0, 'epoch'), points: points(rung) })),
  })
}

const outcome = (plan: SweepPlan, trials: readonly TrialRecord[], best: TrialRecord | undefined) => ({
  strategy: plan.strategy,
  metric: plan.metric,
  better: lowerIsBetter(plan.metric) ? 'lower' : 'higher',
  seed: plan.seed,
  space: plan.space,
  trials,
  ...(best ? { best } : {}),
})

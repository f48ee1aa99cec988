/**
 * @file What the server of the run page answers, without HTTP. In: the runs and a query. Out: a value that is sent as JSON, or
 * undefined where there is no such thing.
 *
 * await answer(runs, new URL('/api/curves?run=iris-001&axis=epoch', base))
 */
import type { Activation, Axis, Curve, Curves, EpochScores, Finite, Norms, RunDetail, RunList } from './api.js'
import type { NetworkLog, StoredKind } from './network-log.js'
import type { Points } from './points.js'
import type { Run } from './run.js'
import type { Runs } from './runs.js'

/** A query that cannot be answered: what of it is wrong. */
export class BadQuery extends Error {}

/** So many runs are drawn at once. */
export const mostRuns = 60
const mostHistograms = 24

type Query = URLSearchParams

function number(query: Query, name: string, least: number, most: number): number | undefined {
  const text = query.get(name)
  if (text === null) return undefined
  const value = Number(text)
  if (text.trim() === '' || !Number.isFinite(value) || value < least || value > most)
    throw new BadQuery(`${name} is not a number from ${least} to ${most}`)
  return value
}

function oneOf<const T extends string>(query: Query, name: string, choices: readonly T[]): T {
  const text = query.get(name) ?? choices[0]!
  const found = choices.find((choice) => choice === text)
  if (found === undefined) throw new BadQuery(`${name} is none of ${choices.join(', ')}`)
  return found
}

function runOf(runs: Runs, query: Query): Run | undefined {
  const name = query.get('run')
  if (name === null) throw new BadQuery('no run is named')
  return runs.get(name)
}

const axes = ['step', 'epoch', 'time'] as const satisfies readonly Axis[]

interface CurveQuery {
  readonly axis: Axis
  readonly from: number | undefined
  readonly to: number | undefined
  readonly points: number
  readonly smooth: number
}

const curveQuery = (query: Query): CurveQuery => ({
  axis: oneOf(query, 'axis', axes),
  from: number(query, 'from', -1e300, 1e300),
  to: number(query, 'to', -1e300, 1e300),
  points: Math.round(number(query, 'points', 10, 20_000) ?? 1000),
  smooth: number(query, 'smooth', 0, 0.9999) ?? 0,
})

/** Curves of points by name, as `named` calls them. */
function curvesOf(
  run: { readonly run: string; readonly member?: number },
  points: Points,
  epochPlaces: () => Float64Array,
  query: CurveQuery,
  named: (name: string) => string | undefined,
): Curve[] {
  const { axis } = query
  const places = axis === 'step' ? points.steps : axis === 'time' ? points.seconds : epochPlaces()
  return points.names.flatMap((inner) => {
    const name = named(inner)
    const curve = name === undefined ? undefined : points.curve(inner, places, query)
    return curve ? [{ ...run, name: name!, ...curve }] : []
  })
}

const idOf = (run: string, { member }: NetworkLog) => ({ run, ...(member === undefined ? {} : { member }) })

function curvesOfNetwork(id: { readonly run: string }, network: NetworkLog, options: CurveQuery): Curve[] {
  const { steps, epochs } = network
  // The learning rate is told by steps and by epochs: once is enough, by whichever there are more of.
  const bySteps = steps.length >= epochs.length
  const covered = new Set(bySteps ? steps.names.map((inner) => `epoch.${inner}`) : [])
  const inEpochs = new Set(bySteps ? [] : epochs.names)
  const named = (inner: string) =>
    inner === 'epoch.seconds' || covered.has(inner) ? undefined : inner.replace(/^epoch\./, '')
  return [
    ...curvesOf(
      id,
      steps,
      () => network.stepEpochs(),
      options,
      (inner) => (inEpochs.has(`epoch.${inner}`) ? undefined : inner),
    ),
    ...curvesOf(id, epochs, () => epochs.epochs, options, named),
  ]
}

/** Everything but what is by layer. */
async function curves(runs: Runs, query: Query): Promise<Curves> {
  const names = query.getAll('run')
  if (names.length > mostRuns)
    throw new BadQuery(`${names.length} runs are more than the ${mostRuns} that are drawn at once`)
  const options = curveQuery(query)
  const found: Curve[] = []
  const versions: { [run: string]: number } = {}
  for (const name of names) {
    const run = runs.get(name)
    if (!run) continue
    const { networks } = await run.whole()
    versions[name] = run.version
    for (const network of networks) found.push(...curvesOfNetwork(idOf(name, network), network, options))
  }
  return { axis: options.axis, curves: found, versions }
}

/** Of one run's latest network: norms and activations by layer. */
async function layerCurves(runs: Runs, query: Query): Promise<Curves | undefined> {
  const run = runOf(runs, query)
  if (!run) return undefined
  const measure = oneOf(query, 'measure', ['gradient', 'update', 'parameter', 'zero', 'mean', 'deviation'])
  const { latest } = await run.whole()
  const prefix = `${measure}/`
  const named = (inner: string) => (inner.startsWith(prefix) ? inner.slice(prefix.length) : undefined)
  const options = curveQuery(query)
  const found = latest
    ? curvesOf(idOf(run.name, latest), latest.layers, () => latest.layers.epochs, options, named)
    : []
  return { axis: options.axis, curves: found, versions: { [run.name]: run.version } }
}

const finite = (value: number | undefined): Finite => (value !== undefined && Number.isFinite(value) ? value : null)

function lastLayers(points: Points): RunDetail['layers'] {
  if (points.length === 0) return undefined
  const parameters: { [path: string]: Norms } = {}
  const activations: { [path: string]: Activation } = {}
  const last = (measure: string, path: string) => finite(points.last(`${measure}/${path}`))
  for (const name of points.names) {
    const at = name.indexOf('/')
    const path = name.slice(at + 1)
    if (name.startsWith('gradient/'))
      parameters[path] = {
        gradient: last('gradient', path),
        update: last('update', path),
        parameter: last('parameter', path),
      }
    if (name.startsWith('zero/'))
      activations[path] = { zero: last('zero', path), mean: last('mean', path), deviation: last('deviation', path) }
  }
  const end = points.length - 1
  return { step: points.steps[end]!, epoch: points.epochs[end]!, parameters, activations }
}

const mostEpochs = 2000

/** A row an epoch and network, with its scores; the last ones. */
function epochScores({ member, epochs: points }: NetworkLog): EpochScores[] {
  const rows = new Map<number, { member?: number; epoch: number; step: number; scores: { [name: string]: Finite } }>()
  for (let i = 0; i < points.length; i++) {
    const [epoch, step] = [points.epochs[i]!, points.steps[i]!]
    rows.set(epoch, { ...(member === undefined ? {} : { member }), epoch, step, scores: {} })
  }
  for (const name of points.names) {
    const curve = points.curve(name, points.epochs, { points: points.length + 1 })!
    for (const [i, epoch] of curve.x.entries()) rows.get(epoch)!.scores[name] = curve.y[i]!
  }
  return [...rows.values()].slice(-mostEpochs)
}

async function detail(runs: Runs, query: Query): Promise<RunDetail | undefined> {
  const run = runOf(runs, query)
  if (!run) return undefined
  const log = await run.whole()
  const { command, configuration, environment, network } = run.description
  const { latest, end, networks } = log
  const epochs = (kind: StoredKind) => log.storedOf(kind).map(({ epoch }) => epoch)
  const layers = latest && lastLayers(latest.layers)
  const profile = networks.findLast((one) => one.profile)?.profile
  return {
    summary: run.summary(),
    ...(command === undefined ? {} : { command }),
    configuration,
    environment,
    ...(network === undefined ? {} : { network }),
    warnings: networks.flatMap(({ warnings }) => warnings),
    ...(end ? { ended: { reason: String(end.reason), ...(end.message ? { message: String(end.message) } : {}) } } : {}),
    epochs: { confusion: epochs('confusion'), wrong: epochs('wrong'), histogram: epochs('histogram') },
    ...(profile ? { profile } : {}),
    ...(layers ? { layers } : {}),
    scores: networks.flatMap(epochScores).slice(-mostEpochs),
    badLines: log.badLines,
  }
}

/** A stored event of an epoch, the last by default. */
async function stored(runs: Runs, query: Query): Promise<unknown> {
  const run = runOf(runs, query)
  if (!run) return undefined
  const kind = oneOf(query, 'kind', ['confusion', 'wrong', 'histogram'])
  const epoch = number(query, 'epoch', 0, 1e15)
  const log = await run.whole()
  const all = log.storedOf(kind)
  const one = epoch === undefined ? all.at(-1) : all.find((each) => each.epoch === epoch)
  return one && (await log.event(one))
}

/** Histograms of all parameters over time: the first, the last, and some between. */
async function histograms(runs: Runs, query: Query): Promise<unknown> {
  const run = runOf(runs, query)
  if (!run) return undefined
  const log = await run.whole()
  const all = log.storedOf('histogram')
  const count = Math.min(mostHistograms, all.length)
  const place = (i: number) => Math.round((i * (all.length - 1)) / Math.max(1, count - 1))
  const events = await Promise.all(Array.from({ length: count }, (_, i) => log.event<'histogram'>(all[place(i)]!)))
  return { version: run.version, total: all.length, events: events.filter((event) => event !== undefined) }
}

const answers: {
  readonly [path: string]: (runs: Runs, query: Query) => Promise<unknown>
} = {
  '/api/runs': async (runs): Promise<RunList> => {
    await runs.look()
    return runs.list()
  },
  '/api/curves': curves,
  '/api/layers': layerCurves,
  '/api/run': detail,
  '/api/event': stored,
  '/api/histograms': histograms,
}

/** Throws BadQuery; undefined where there is no such path, run or event. */
export async function answer(runs: Runs, url: URL): Promise<unknown> {
  const find = Object.hasOwn(answers, url.pathname) ? answers[url.pathname] : undefined
  return find?.(runs, url.searchParams)
}

/**
 * @file `gradus inspect MODEL`: what a model folder holds. In: a folder. Out: layers, preprocessing, scores, history.
 */
import { access } from 'node:fs/promises'
import { join } from 'node:path'
import type { Preprocessing } from '../data/preprocess-plan.js'
import { summary } from '../nn/summary.js'
import type { ModelDescription } from '../train/model.js'
import { modelFiles, openModel, readHistory } from '../train/model-folder.js'
import { membersOf } from '../train/network.js'
import type { Net } from '../train/types.js'
import { historyLines, type LoggedEpoch } from './history-lines.js'
import type { Kind } from './kinds.js'
import { openRun, recordOf } from './open-run.js'
import { entry, number, percent, plural, say, table } from './output.js'
import { encodingText } from './table-report.js'
import type { RunRecord } from './trained.js'

export async function inspectModel(folder: string, command: { readonly json?: boolean }): Promise<number> {
  const { kind, record } = await recordOf(folder)
  if (record && !(await hasModel(folder))) return inspectRun(folder, kind, record, command)
  const model = await openModel(folder)
  const { description, net } = model
  // A folder that was put together by hand may lack a history.
  const history = (await readHistory(folder).catch(() => [])) as LoggedEpoch[]
  const { inputs } = description.network
  const members = membersOf(description.network)
  const one = (members > 1 ? (net.children['members'] as readonly Net[])[0] : net)!
  const layers = summary(one, [1, ...[inputs].flat()])
  if (command.json) {
    console.log(
      JSON.stringify({ folder, ...description, layers: layers.rows, parameters: layers.parameters * members, history }),
    )
    return 0
  }
  const { training = {}, preprocessing } = description
  const target = preprocessing ? `${preprocessing.target.name}: ` : ''
  say(
    entry(
      'Model',
      `${folder}, ${target}${description.task}${model.classes ? `, ${model.classes.length} classes` : ''}`,
    ),
    ...(typeof training['command'] === 'string' ? [entry('Made by', training['command'])] : []),
    '',
    entry('Network', members > 1 ? `the mean of ${members} of these` : plural(layers.parameters, 'parameter')),
    ...String(layers)
      .split('\n')
      .map((line) => `  ${line}`),
    '',
    ...(preprocessing ? columnLines(preprocessing) : numberLines(description)),
    ...scoreLines(training),
    ...historyLines(history),
  )
  return 0
}

/** A run of another kind: its network as the kind opens it, its settings, its history. */
async function inspectRun(
  folder: string,
  kind: Kind,
  record: RunRecord,
  command: { readonly json?: boolean },
): Promise<number> {
  const { net, inputs, inputDtype } = await openRun(folder)
  const layers = summary(net, [1, ...inputs], { dtype: inputDtype ?? 'float32' })
  const history = (await readHistory(folder).catch(() => [])) as LoggedEpoch[]
  const { configuration } = record
  if (command.json) {
    const { rows, parameters } = layers
    console.log(JSON.stringify({ folder, kind: kind.name, configuration, layers: rows, parameters, history }))
    return 0
  }
  const settings = Object.entries(configuration).filter(([name]) => name !== 'train' && name !== 'kind')
  say(
    entry('Model', `${folder}, of ${configuration.train}`),
    ...(settings.length > 0
      ? [
          table(
            settings.map(([name, value]) => [name, valueText(value)]),
            { left: [0, 1] },
          ),
        ]
      : []),
    '',
    entry('Network', plural(layers.parameters, 'parameter')),
    ...String(layers)
      .split('\n')
      .map((line) => `  ${line}`),
    '',
    ...historyLines(history),
  )
  return 0
}

const hasModel = (folder: string): Promise<boolean> =>
  access(join(folder, modelFiles.description)).then(
    () => true,
    () => false,
  )
const valueText = (value: unknown): string =>
  typeof value === 'object' && !Array.isArray(value) ? JSON.stringify(value) : String(value)

function columnLines({ inputs, target, ignored }: Preprocessing): string[] {
  const rows = [
    ...inputs.map((column) => [column.name, column.kind, encodingText(column)]),
    ...ignored.map(({ name, reason }) => [name, 'not used', reason]),
    [
      target.name,
      'target',
      target.kind === 'classes'
        ? target.classes.join(', ')
        : `mean ${number(target.mean)}, deviation ${number(target.deviation)}`,
    ],
  ]
  return [entry('Columns', ''), table(rows, { left: [0, 1, 2] }), '']
}

function numberLines({ network, images, scale = 1, offset = 0 }: ModelDescription): string[] {
  if (images) {
    const { size, channels, fit = 'crop' } = images
    const how = { crop: 'the middle of each is taken', pad: 'padded', stretch: 'stretched' }[fit]
    return [
      entry('Input', `PNG and JPEG files, as ${size.join('×')} pixels, ${channels === 1 ? 'grey' : 'RGB'}; ${how}`),
      '',
    ]
  }
  const shape = [network.inputs].flat().join('×')
  return [
    entry('Input', `${shape} numbers, times ${number(scale)}${offset === 0 ? '' : `, plus ${number(offset)}`}`),
    '',
  ]
}

/** Figures of the test rows that the training left in model.json. */
function scoreLines(training: { readonly [name: string]: unknown }): string[] {
  const scores = training['test']
  if (typeof scores !== 'object' || scores === null) return []
  const shares = new Set(['accuracy'])
  const rows = Object.entries(scores).flatMap(([name, value]) =>
    typeof value === 'number' && name !== 'rows' ? [[name, shares.has(name) ? percent(value) : number(value)]] : [],
  )
  return [entry('Test', ''), table(rows), '']
}

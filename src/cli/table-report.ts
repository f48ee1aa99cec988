/**
 * @file What training on a table reports: before it, what was found out and how to say otherwise; after it, the scores
 * beside those of a constant prediction, and which columns matter. In: a plan, what was trained. Out: text, Markdown, JSON.
 */

import { columnWidth, type InputColumn, type NumberColumn, type TargetColumn } from '../data/preprocess-plan.js'
import type { Table } from '../data/table.js'
import type { Summary } from '../nn/summary.js'
import type { Importance, TableScores } from '../train/table-assess.js'
import type { TablePlan, TrainedTable } from '../train/table-model.js'
import { dim, endWord, entry, grouped, markdownTable, number, percent, plural, seconds, table } from './output.js'

/** All that is known at the end. */
export interface Finished {
  readonly words: string
  readonly file: string
  readonly plan: TablePlan
  readonly trained: TrainedTable
  readonly layers: Summary
  readonly scores: TableScores
  readonly importance: readonly Importance[]
}

const shownColumns = 24

/** What is printed before training. */
export function reportPlan(
  file: string,
  data: Table,
  plan: TablePlan,
  layers: Summary,
  files: { readonly test?: string },
): string[] {
  const { preprocessing, settings, rows, folds } = plan
  const { inputs, target } = preprocessing
  const columns = [
    [target.name, 'target', targetText(target)],
    ...inputs.slice(0, shownColumns).map((column) => [column.name, column.kind, encodingText(column)]),
  ]
  const more = inputs.length > shownColumns ? [dim(`  and ${inputs.length - shownColumns} more`)] : []
  const own = files.test ? `; ${plural(rows.test.length, 'test row')} of ${files.test}` : ''
  // Each network of an ensemble learns from its own choice of these rows.
  const learned = rows.train.length + (folds.length > 1 ? rows.validation.length : 0)
  const batch =
    settings.batchSize === 'full' || settings.batchSize >= learned ? 'all rows' : `${settings.batchSize} rows`
  return [
    entry('Data', `${file}: ${plural(data.rows, 'row')}, ${plural(data.names.length, 'column')}`),
    table(columns, { left: [0, 1, 2] }),
    ...more,
    dim('  (--target, --task, --ignore, --keep, --category, --missing and --column say otherwise)'),
    ...plan.notes.map((note, i) => entry(i === 0 ? 'Notes' : '', note)),
    entry(
      'Rows',
      files.test
        ? `${grouped(rows.train.length)} training, ${grouped(rows.validation.length)} validation${own} (--seed ${settings.seed})`
        : `${grouped(rows.train.length)} training, ${grouped(rows.validation.length)} validation, ${grouped(rows.test.length)} test, drawn by --seed ${settings.seed}`,
    ),
    ...(folds.length > 1
      ? [
          entry(
            '',
            `${folds.length} networks, each with other rows as validation data, are averaged (--ensemble ${folds.length})`,
          ),
        ]
      : []),
    entry('Network', networkText(plan, layers)),
    entry(
      'Training',
      `--optimizer ${settings.optimizer} --learning-rate ${settings.learningRate} --weight-decay ${settings.weightDecay}`,
    ),
    entry('', `steps of ${batch} (--batch-size), up to ${plural(settings.epochs, 'epoch')} (--epochs),`),
    entry('', `until the validation loss has not fallen for ${plural(settings.patience, 'epoch')} (--patience)`),
    '',
  ]
}

function networkText({ network }: TablePlan, layers: Summary): string {
  const hidden = network.hidden.map((size) => `${size} ${network.activation}`)
  const path = [String(network.inputs), ...hidden, String(network.outputs)].join(' → ')
  const dropout = network.dropout > 0 && hidden.length > 0 ? `, --dropout ${network.dropout}` : ''
  const skip = network.skip ? ', plus a linear layer beside them' : ''
  return `${path} (--hidden ${network.hidden.join(',') || 'none'}${dropout}${skip}): ${grouped(layers.parameters)} parameters`
}

function targetText(target: TargetColumn): string {
  if (target.kind === 'number')
    return `a number, standardised (mean ${number(target.mean)}, deviation ${number(target.deviation)})`
  const { classes } = target
  const list = classes.length > 12 ? `${classes.slice(0, 12).join(', ')}, ...` : classes.join(', ')
  return `${classes.length} classes: ${list}`
}

/** How a column becomes network inputs. */
export function encodingText(column: InputColumn): string {
  if (column.kind === 'category') {
    const { values, buckets = 0, fill } = column
    const parts = [
      ...(values.length > 0 ? [plural(values.length, 'value')] : []),
      ...(column.other ? ['one for all others'] : []),
      ...(buckets > 0 ? [`${values.length > 0 ? 'the others' : 'all'} hashed to ${buckets}`] : []),
      ...(column.missing ? ['one for missing'] : []),
      ...(fill === undefined ? [] : [`missing → ${fill}`]),
    ]
    return `one-hot: ${parts.join(', ')} → ${plural(columnWidth(column), 'input')}`
  }
  const said = column.indicator ? ' and an input that says so' : ''
  if (column.kind === 'ordinal')
    return `in order from 0 to 1: ${column.values.join(' < ')}; missing → ${column.values[column.fill]}${said}`
  if (column.kind === 'date')
    return `date: ${column.parts.join(', ')} → ${plural(columnWidth(column), 'input')}; missing → ${new Date(column.fill).toISOString().slice(0, 10)}${said}`
  const log = column.transform === 'log' ? 'logarithm, ' : ''
  const clip = column.clip ? `limited to ${number(column.clip[0])} .. ${number(column.clip[1])}, ` : ''
  const filled = column.indicator || column.fill !== undefined
  const missing = filled ? `; missing → ${column.fill ?? 'median'} ${number(column.median)}${said}` : ''
  return `${clip}${log}${scalingText(column)}${missing}`
}

function scalingText({ scaling, mean, deviation }: NumberColumn): string {
  switch (scaling) {
    case 'minmax':
      return `from ${number(mean)} .. ${number(mean + deviation)} to 0 .. 1`
    case 'robust':
      return `standardised by median ${number(mean)} and distance of quartiles ${number(deviation)}`
    case 'none':
      return 'as it is'
    default:
      return `standardised (mean ${number(mean)}, deviation ${number(deviation)})`
  }
}

/** Rows of names and figures: the model's beside those of a constant prediction. */
function scoreRows(scores: TableScores, target: TargetColumn): string[][] {
  if (scores.kind === 'classes')
    return [
      ['', 'model', `always ${scores.baseline.prediction}`],
      ['accuracy', percent(scores.accuracy), percent(scores.baseline.accuracy)],
      ...(scores.auc === undefined ? [] : [['AUC', number(scores.auc), '0.5']]),
      ['F1', number(scores.f1), ''],
      ['cross-entropy', number(scores.loss), ''],
    ]
  const { baseline } = scores
  return [
    ['', 'model', `always ${number(baseline.prediction)}`],
    ['R²', number(scores.r2), number(baseline.r2)],
    [`RMSE, in units of ${target.name}`, number(scores.rmse), number(baseline.rmse)],
    [`MAE, in units of ${target.name}`, number(scores.mae), number(baseline.mae)],
  ]
}

/** A confusion matrix is shown for up to so many classes. */
const fewClasses = 12

/** A table of true and predicted classes, where there are few. */
function confusionRows(scores: TableScores, target: TargetColumn): string[][] | undefined {
  if (scores.kind !== 'classes' || target.kind !== 'classes' || target.classes.length > fewClasses) return undefined
  return [
    ['true \\ taken for', ...target.classes],
    ...scores.confusion.map((row, i) => [target.classes[i]!, ...row.map(String)]),
  ]
}

/** Scores beside those of a constant, and which classes are taken for which. */
export function scoreLines(scores: TableScores, target: TargetColumn): string[] {
  const confusion = confusionRows(scores, target)
  return [table(scoreRows(scores, target)), ...(confusion ? ['', table(confusion)] : [])]
}

const scoreName = (plan: TablePlan): string => (plan.task === 'classification' ? 'accuracy' : 'R²')

const importanceRows = ({ importance, plan }: Finished, most = Number.POSITIVE_INFINITY): string[][] =>
  importance.slice(0, most).map(({ column, drop, deviation }) => {
    const figure = (x: number) => (plan.task === 'classification' ? `${(100 * x).toFixed(2)} %` : x.toFixed(4))
    return [column, figure(drop), `± ${figure(deviation)}`]
  })

/** What is printed after training. */
export function reportResult(finished: Finished): string[] {
  const { scores, plan, trained, importance } = finished
  const { target } = plan.preprocessing
  const bars = importanceRows(finished, 12).map((row, i) => {
    const share = Math.max(0, importance[i]!.drop) / Math.max(importance[0]!.drop, 1e-12)
    return [...row, '█'.repeat(Math.round(24 * share))]
  })
  const rest = importance.length > 12 ? [dim(`  and ${importance.length - 12} more in summary.md`)] : []
  return [
    '',
    entry('Result', `${plural(scores.rows, 'test row')}, read once, after training${endText(trained)}`),
    ...scoreLines(scores, target),
    '',
    entry('Columns', `how much ${scoreName(plan)} falls when a column is shuffled`),
    table(bars, { left: [0, 3] }),
    ...rest,
  ]
}

function endText({ members, interrupted }: TrainedTable): string {
  const time = members.reduce((sum, { history }) => sum + history.seconds, 0)
  return ` of ${seconds(time)}${interrupted ? ', which was interrupted' : ''}`
}

/** For model.json and --json. */
export function describeTraining(finished: Finished): { readonly [name: string]: unknown } {
  const { plan, trained, scores, importance, words, file, layers } = finished
  return {
    command: words,
    file,
    target: plan.preprocessing.target.name,
    task: plan.task,
    settings: plan.settings,
    rows: { train: plan.rows.train.length, validation: plan.rows.validation.length, test: plan.rows.test.length },
    parameters: layers.parameters * trained.members.length,
    members: trained.members.map(({ history: { epochs, best, stopped, seconds: time } }) => ({
      epochs: epochs.length,
      best: best?.epoch,
      validationLoss: best?.value,
      stopped,
      seconds: time,
    })),
    interrupted: trained.interrupted,
    test: scores,
    importance,
  }
}

/** summary.md. */
export function summaryMarkdown(finished: Finished, next: string): string {
  const { plan, trained, scores, words, file, layers } = finished
  const { preprocessing, settings, rows } = plan
  const { target } = preprocessing
  const confusion = confusionRows(scores, target)
  const numeric = (row: readonly string[]) => row.map((_, i) => i).slice(1)
  const scoreTable = scoreRows(scores, target)
  const many = trained.members.length > 1
  const code = (text: string) => `\`${text}\``
  return `${[
    `# ${target.name}, predicted from ${file}`,
    `    ${words}\n\nThe next command:\n\n    ${next}`,
    `## Test scores\n\n${plural(scores.rows, 'row')} that were read once, after training; beside them the scores of a prediction that is always the same.${trained.interrupted ? ' The training was interrupted: these are the scores of the best so far.' : ''}`,
    markdownTable(scoreTable, numeric(scoreTable[0]!)),
    ...(confusion
      ? [
          'Rows are the true classes, columns what they were taken for.',
          markdownTable(confusion, numeric(confusion[0]!)),
        ]
      : []),
    `## Which columns matter\n\nHow much ${scoreName(plan)} on test rows falls when the values of a column are shuffled (mean and deviation of five shufflings). Columns that say the same share their importance.`,
    markdownTable([['column', `fall of ${scoreName(plan)}`, ''], ...importanceRows(finished)], [1, 2]),
    `## Training\n\n![learning curve](learning-curve.svg)`,
    `${grouped(rows.train.length)} training, ${grouped(rows.validation.length)} validation and ${grouped(rows.test.length)} test rows. ${
      many
        ? `${trained.members.length} networks, each with other validation rows out of the first two sets, are averaged.`
        : ''
    }`,
    markdownTable(
      [
        ['network', 'epochs', 'kept epoch', 'validation loss', 'ended by', 'seconds'],
        ...trained.members.map(({ history }, i) => [
          String(i + 1),
          String(history.epochs.length),
          String(history.best?.epoch ?? ''),
          number(history.best?.value ?? Number.NaN),
          endWord(history.stopped),
          history.seconds.toFixed(2),
        ]),
      ],
      [0, 1, 2, 3, 5],
    ),
    markdownTable([['setting', 'value'], ...Object.entries(settings).map(([name, value]) => [name, String(value)])]),
    `## Network\n\n${many ? 'Each of the networks:\n\n' : ''}\`\`\`\n${String(layers)}\n\`\`\``,
    `## Columns`,
    markdownTable([
      ['column', 'kind', 'what becomes of it'],
      [target.name, 'target', targetText(target)],
      ...preprocessing.inputs.map((column) => [column.name, column.kind, encodingText(column)]),
      ...preprocessing.ignored.map(({ name, reason }) => [name, 'not used', reason]),
    ]),
    `## Notes\n\n${plan.notes.map((note) => `- ${note}`).join('\n')}`,
    `The model is ${code('model.json')} and ${code('weights.safetensors')}; ${code('history.jsonl')} has a line an epoch.`,
  ].join('\n\n')}\n`
}

/**
 * @file What a classifier gets wrong: how often each class is taken for which, and the examples that it is most sure of and wrong about. In: a
 * network, data with classes. Out: events of a run's log, with pictures where the data are images.
 *
 * await logMistakes(log, net, validation, { epoch: 12 })
 */
import { describeValue } from '../base/describe.js'
import { ShapeError, ValueError } from '../base/errors.js'
import { checkNames } from '../base/options.js'
import type { Dataset, Samples } from '../data/column.js'
import { type DataSource, datasetOf, valueType } from '../data/source.js'
import { pngBytes } from '../io/png.js'
import type { WrongExample } from './events.js'
import { Predictor } from './predict.js'
import { outputShape } from './program.js'
import { MemberLog, RunLog } from './run-log.js'
import type { Net } from './types.js'

/** Of `logMistakes`. */
export interface MistakeOptions {
  /** That of the parameters; 0 by default. */
  readonly epoch?: number
  /** Names of the classes; those of the data by default, or their numbers. */
  readonly labels?: readonly string[]
  /** How many examples; 24 by default. */
  readonly most?: number
  /** What else is known of a row: its text, or the values of a table's columns, instead of what the network is given. */
  readonly describe?: (row: number) => Pick<WrongExample, 'text' | 'values'> & { readonly index?: number }
}

/** A table of so many classes is too large to be looked at. */
const mostClasses = 200

/** Whether a network gives a number for each class, and the targets are labels. */
export function tellsClasses(net: Net, data: Dataset): boolean {
  if (data.target.shape.length !== 1 || valueType(data.target, 'target') !== 'int32') return false
  const output = outputShape('runLog', net, data.input, 1, 'the data')
  return output.length === 2 && output[1]! > 1 && output[1]! >= (data.classes?.length ?? 0)
}

/**
 * Adds a `confusion` event and a `wrong` event: of all samples that get the largest output for another class than their own, those with the
 * highest probability (softmax of the outputs). Images, [N, height, width] or [N, 1 or 3, height, width], are written into pictures/.
 * Throws ShapeError where the network does not give a number a class, or the targets are no labels.
 */
export async function logMistakes(
  log: RunLog | MemberLog,
  net: Net,
  source: DataSource,
  options: MistakeOptions = {},
): Promise<void> {
  checkNames('logMistakes', options, ['epoch', 'labels', 'most', 'describe'])
  if (!(log instanceof RunLog || log instanceof MemberLog))
    throw new ValueError('logMistakes', `the log is ${describeValue(log)}`, {
      hint: 'Give what await runLog(folder) gives.',
    })
  const data = datasetOf(source, 'the data')
  if (!tellsClasses(net, data))
    throw new ShapeError(
      'logMistakes',
      'the network does not give a number for each class, or the targets are no labels [N]',
    )
  const { epoch = 0, most = 24, describe } = options
  const { data: outputs, shape } = await new Predictor(net, data.input).run(data.input)
  const [count, classes] = shape as readonly [number, number]
  const nameOf = namesOf(options.labels ?? data.classes)
  const counts = Array.from({ length: classes }, () => new Array<number>(classes).fill(0))
  const wrong: { row: number; label: number; taken: number; probability: number }[] = []
  for (let row = 0; row < count; row++) {
    const scores = outputs.subarray(row * classes, (row + 1) * classes) as Float32Array
    const label = data.target.data[row]!
    if (!(label >= 0 && label < classes))
      throw new ValueError('logMistakes', `the label in row ${row} is ${label}, outside 0..${classes - 1}`)
    let taken = 0
    for (let c = 1; c < classes; c++) if (scores[c]! > scores[taken]!) taken = c
    counts[label]![taken]!++
    if (taken !== label) wrong.push({ row, label, taken, probability: probabilityOf(scores, taken) })
  }
  const member = log instanceof MemberLog ? log : undefined
  const run = member?.log ?? (log as RunLog)
  if (classes <= mostClasses)
    log.event({ kind: 'confusion', time: Date.now(), epoch, labels: counts.map((_, c) => nameOf(c)), counts })
  // Of equal ones the first.
  wrong.sort((a, b) => b.probability - a.probability || a.row - b.row)
  const examples: WrongExample[] = []
  for (const { row, label, taken, probability } of wrong.slice(0, most)) {
    const png = describe ? undefined : await pictureOf(data.input, row)
    const name = `wrong-${member ? `${member.member}-` : ''}${epoch}-${row}.png`
    examples.push({
      index: row,
      label: nameOf(label),
      predicted: nameOf(taken),
      probability,
      ...(png ? { picture: await run.picture(name, png) } : {}),
      ...(describe?.(row) ?? (png ? {} : valuesOf(data, row))),
    })
  }
  log.event({ kind: 'wrong', time: Date.now(), epoch, examples })
}

const namesOf = (labels: readonly string[] | undefined) => (label: number) => labels?.[label] ?? String(label)

/** Softmax of the outputs, in float64. */
function probabilityOf(scores: Float32Array, taken: number): number {
  let sum = 0
  for (const score of scores) sum += Math.exp(score - scores[taken]!)
  return 1 / sum
}

/** A PNG, where the shape is that of an image; numbers that are no bytes are stretched from their lowest to their highest. */
async function pictureOf({ data, shape }: Samples, row: number): Promise<Uint8Array | undefined> {
  const [, ...size] = shape
  const planes = size.length === 2 ? [1, ...size] : size
  const [channels = 0, height = 0, width = 0] = planes
  if (planes.length !== 3 || (channels !== 1 && channels !== 3) || height < 2 || width < 2) return undefined
  const count = channels * height * width
  const values = data.subarray(row * count, (row + 1) * count)
  let pixels: Uint8Array
  if (values instanceof Uint8Array) pixels = values
  else {
    let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
    for (const x of values) [low, high] = [Math.min(low, x), Math.max(high, x)]
    pixels = Uint8Array.from(values, (x) => (high > low ? Math.round((255 * (x - low)) / (high - low)) : 0))
  }
  return pngBytes(pixels, { width, height, channels, layout: 'planar' })
}

/** More numbers than these are not shown. */
const mostValues = 40

/** What the network is given, by column, where there are few. */
function valuesOf({ input, features }: Dataset, row: number): Pick<WrongExample, 'values'> {
  const width = input.data.length / input.shape[0]!
  if (input.shape.length !== 2 || width > mostValues) return {}
  const { scale = 1, offset = 0 } = input
  const columns = Array.from({ length: width }, (_, c) => [
    features?.[c] ?? `column ${c + 1}`,
    Number((input.data[row * width + c]! * scale + offset).toPrecision(6)),
  ])
  return { values: Object.fromEntries(columns) as { [column: string]: number } }
}

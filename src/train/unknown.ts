/**
 * @file Numbers in the inputs that no embedding has a row for: why a loss is NaN. In: a network, data, the rows of a batch. Out: a
 * sentence, or nothing.
 *
 * unknownNumber(net, train, [17, 4, 9]) → "Row 4 of the inputs has the number 65, the embedding '0' has rows for 0..64."
 */
import { type Dataset, sampleCount } from '../data/column.js'
import { isScaled, valueType } from '../data/source.js'
import { type Module, modulesOf } from '../nn/module.js'
import { outputShape } from './program.js'
import type { Net } from './types.js'

/** The first number that is beyond the largest embedding of the network, if there is one. Inputs of fractions have none. */
export function unknownNumber(net: Net, train: Dataset, rows: Iterable<number>): string | undefined {
  const { data } = train.input
  if (data instanceof Float32Array || data instanceof Float64Array || isScaled(train.input)) return undefined
  let largest: { path: string; count: number } | undefined
  for (const [path, { vocabulary: count = 0 }] of modulesOf(net) as Map<string, Module & { vocabulary?: number }>)
    if (count > (largest?.count ?? 0)) largest = { path, count }
  if (!largest) return undefined
  const width = data.length / sampleCount(train)
  for (const row of rows)
    for (let i = row * width; i < (row + 1) * width; i++)
      if (data[i]! < 0 || data[i]! >= largest.count)
        return `Row ${row} of the inputs has the number ${data[i]}, the embedding${largest.path && ` '${largest.path}'`} has rows for 0..${largest.count - 1}.`
  return undefined
}

/** Says which label is none of the network's classes, if there is one in a batch. */
export function unknownLabel(
  net: Net,
  train: Dataset,
  from: number,
  to: number,
  rowOf: (i: number) => number,
): string | undefined {
  const { data, shape } = train.target
  if (shape.length !== 1 || valueType(train.target, 'target') !== 'int32') return undefined
  const output = outputShape('fit', net, train.input, 1, 'train')
  const classes = output[output.length - 1]!
  if (output.length < 2 || classes < 2) return undefined
  for (let i = from; i < to; i++) {
    const label = data[rowOf(i)]!
    if (label < 0 || label >= classes)
      return `The label in row ${rowOf(i)} is ${label}, the network has classes 0..${classes - 1}.`
  }
  return undefined
}

/** Says which row of a batch has a number that is not finite, among the inputs or the targets. */
export function notFiniteRow({ input, target }: Dataset, rows: readonly number[]): string | undefined {
  for (const [name, { data, shape }] of Object.entries({ inputs: input, targets: target })) {
    const width = data.length / shape[0]!
    for (const row of rows)
      for (let i = row * width; i < (row + 1) * width; i++)
        if (!Number.isFinite(data[i]!))
          return `Row ${row} of the ${name} has ${data[i]} at place ${i - row * width}: mend the row, or leave it out.`
  }
  return undefined
}

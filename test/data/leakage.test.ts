/**
 * @file Nothing leaks: validation and test rows are poisoned (absurd numbers, dates and ids, unseen categories, gaps, other targets), and the
 * description of the columns, the preprocessing, the plan, the training data and the weights after fixed epochs keep their bits.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { subset } from '../../src/data/column.js'
import { type Description, type PrepareOptions, prepareFolds, prepareTable } from '../../src/data/preprocess.js'
import { type Row, type Table, tableFromRows } from '../../src/data/table.js'
import { parameters } from '../../src/nn/module.js'
import { fit } from '../../src/train/fit.js'
import { mlp } from '../../src/train/mlp.js'
import { planTable, type TablePlan, trainTable } from '../../src/train/table-model.js'
import { lossOf, optimizerOf } from '../../src/train/table-settings.js'
import type { Net } from '../../src/train/types.js'

const count = 120
const sizes = ['small', 'medium', 'large']
const day = (i: number) => new Date(Date.UTC(2024, 0, 1) + i * 86_400_000).toISOString().slice(0, 10)
const rows: Row[] = Array.from({ length: count }, (_, i) => ({
  id: i + 1,
  age: 20 + ((i * 7) % 31),
  gain: i % 9 === 0 ? 1000 * i : 0,
  height: i % 11 === 4 ? null : 150 + ((i * 13) % 40) / 2,
  city: i === 11 ? null : ['Bonn', 'Aachen', 'Köln'][i % 3]!,
  code: `c${(i * 17) % 40}`,
  size: sizes[(i * 5) % 3]!,
  seen: day((i * 29) % count),
  constant: 1,
  person: `p${i % 30}`,
  when: day(i),
  label: (i * 7) % 5 < 2 ? 'yes' : 'no',
  value: ((i * 37) % 101) / 3,
}))
const columns = { size: { order: sizes }, code: 'rare=4', gain: 'clip=0.02 missing=mean' } as const

/** Of every kind of column something that must not be learned from. */
const poison = fc.record({
  id: fc.integer(),
  age: fc.constantFrom(-1e300, 1e300, 12345.678, 0.5),
  gain: fc.constantFrom(-1e9, 1e18, null),
  height: fc.constantFrom(null, 1e200, -7),
  city: fc.constantFrom('Atlantis', '', '12', 'Bonn', 'x y z'),
  code: fc.string({ minLength: 1, maxLength: 5 }).map((text) => `poison ${text}`),
  size: fc.constantFrom(...sizes, null),
  seen: fc.constantFrom('9999-12-31', '0001-01-01', null, '2024-05-05 23:59'),
  constant: fc.constantFrom(1, 2, 'three'.length),
})

const splits: [string, Partial<PrepareOptions>][] = [
  ['drawn', { stratify: false }],
  ['by class', {}],
  ['by group', { group: 'person' }],
  ['by time', { time: 'when' }],
]
const tasks = [
  { target: 'label', ignore: ['value'] },
  { target: 'value', ignore: ['label'] },
]

function poisoned(place: (row: number) => boolean, other: readonly Row[], targets: boolean): Table {
  return tableFromRows(
    rows.map((row, i) => {
      if (!place(i)) return row
      const changed = { ...row, ...other[i % other.length] }
      // Other answers, but of those there are: the set of the classes is known from all rows.
      return targets ? { ...changed, label: row['label'] === 'yes' ? 'no' : 'yes', value: 1e7 + i } : changed
    }),
  )
}

/** Of the target, whose classes must be known before rows are drawn, the number of values is counted in all rows. */
const described = ({ columns: found, ...rest }: Description) => ({
  ...rest,
  columns: found.map((one) => (one.kind === 'target' ? one.name : one)),
})

test.each(
  splits.flatMap(([name, split]) => tasks.map((task) => [name, task.target, { ...task, ...split }] as const)),
)('rows divided %s, %s: description, preprocessing, training data', (name, target, chosen) => {
  const options = { seed: 3, columns, ...chosen }
  const clean = prepareTable(tableFromRows(rows), options)
  const train = new Set(clean.rows.train)
  expect(clean.preprocessing.inputs.map(({ kind }) => kind).sort()).toEqual(
    expect.arrayContaining(['category', 'date', 'number', 'ordinal']),
  )
  fc.assert(
    fc.property(fc.array(poison, { minLength: 5, maxLength: 30 }), (other) => {
      // Drawing by class looks at the classes of all rows, as it must.
      const targets = name !== 'by class' || target === 'value'
      const byClass = name === 'by group' && target === 'label'
      const again = prepareTable(
        poisoned((i) => !train.has(i), other, targets && !byClass),
        options,
      )
      expect(again.rows).toEqual(clean.rows)
      expect(described(again.description)).toEqual(described(clean.description))
      expect(again.preprocessing).toEqual(clean.preprocessing)
      expect(again.train).toEqual(clean.train)
      expect(again.validation.input).not.toEqual(clean.validation.input)
    }),
    { numRuns: 8 },
  )
  // The same of rows that are learned from does change what is learned.
  const inside = prepareTable(
    poisoned((i) => train.has(i) && i % 7 === 0, [{ age: 1e6, city: 'Bonn' }], false),
    options,
  )
  expect(inside.preprocessing).not.toEqual(clean.preprocessing)
})

test('folds: each round is described and fitted by its own training rows', () => {
  const options = { target: 'value', ignore: ['label'], seed: 1, folds: 4, columns }
  const clean = [...prepareFolds(tableFromRows(rows), options)]
  clean.forEach((fold, k) => {
    const judged = new Set(fold.rows.validation)
    const other = [{ age: 1e9, city: 'Atlantis', height: null, id: -5, code: 'poison' }]
    const again = [
      ...prepareFolds(
        poisoned((i) => judged.has(i), other, true),
        options,
      ),
    ][k]!
    expect(again.preprocessing).toEqual(fold.preprocessing)
    expect(again.train).toEqual(fold.train)
    expect(again.validation.input).not.toEqual(fold.validation.input)
  })
  expect(new Set(clean.map(({ preprocessing }) => JSON.stringify(preprocessing))).size).toBe(4)
})

const weights = (net: Net): string =>
  JSON.stringify([...parameters(net).values()].map(({ storage }) => [...storage.read()]))

/** What a plan says, but for the data of the poisoned rows. */
const said = ({ preprocessing, settings, network, folds, rows: parts, task }: TablePlan) => ({
  preprocessing,
  settings,
  network,
  folds,
  parts,
  task,
})
const other: Row[] = [{ age: 1e300, gain: null, height: -7, city: 'Atlantis', code: 'poison', seen: '9999-12-31' }]
const settings = { hidden: [8], epochs: 4, patience: 2, batchSize: 16 }

test('weights after fixed epochs, validation and test rows poisoned', async () => {
  const options = {
    target: 'label',
    ignore: ['value'],
    seed: 3,
    stratify: false,
    columns,
    settings: { ...settings, ensemble: 1 },
  }
  const clean = planTable(tableFromRows(rows), options)
  const train = new Set(clean.rows.train)
  const bad = planTable(
    poisoned((i) => !train.has(i), other, true),
    options,
  )
  expect(said(bad)).toEqual(said(clean))
  const trained = async (plan: TablePlan) => {
    const net = mlp(plan.network)
    await fit(net, {
      train: subset(plan.known, plan.folds[0]!.train),
      validation: subset(plan.known, plan.folds[0]!.validation),
      loss: lossOf(plan.settings, plan.task),
      optimizer: optimizerOf(plan.settings),
      epochs: 4,
      batchSize: 16,
      seed: 1,
    })
    return weights(net)
  }
  const bits = await trained(clean)
  expect(await trained(bad)).toBe(bits)
  const inside = planTable(
    poisoned((i) => i === clean.rows.train[0], other, false),
    options,
  )
  expect(await trained(inside)).not.toBe(bits)
})

test('an ensemble learns from validation rows in turn, and never from test rows: early stopping and all', async () => {
  const options = {
    target: 'label',
    ignore: ['value'],
    seed: 3,
    stratify: false,
    columns,
    settings: { ...settings, ensemble: 2 },
  }
  const clean = planTable(tableFromRows(rows), options)
  const held = new Set(clean.rows.test)
  const bad = planTable(
    poisoned((i) => held.has(i), other, true),
    options,
  )
  expect(said(bad)).toEqual(said(clean))
  const [a, b] = [await trainTable(clean), await trainTable(bad)]
  expect(weights(b.net)).toBe(weights(a.net))
  expect(b.members.map(({ history }) => history.epochs.map(({ train }) => train.loss))).toEqual(
    a.members.map(({ history }) => history.epochs.map(({ train }) => train.loss)),
  )
})

/**
 * The bit contract as a matrix. Rows: trainings and products whose shapes cross tiles, panels, blocks, lanes and segments,
 * and random graphs. Columns: the graph interpreter, which says what the bits are, every engine, number of threads, width of
 * vectors, a change of engine on the way, one and 32 steps a call. All columns of a row end with the same bits: losses and all
 * that a step updates. Fused and portable, each among themselves.
 */
import { afterAll, describe, expect, test } from 'vitest'
import type { TypedArray } from '../../src/base/dtype.js'
import { numericsMode } from '../../src/settings.js'
import { missing, ownCache, targets } from '../native/harness.js'
import { convolutionProgram, convolutionSizes } from './convolutions.js'
import {
  byEngine,
  byGraph,
  type Column,
  difference,
  graphRow,
  Native,
  programRow,
  type Row,
  run,
  shareEverything,
  trainingRow,
} from './matrix.js'
import { products } from './products.js'
import { trainings } from './trainings.js'

const steps = 33
const perCall = [1, 32] as const
const meaning = 'graph interpreter'
const randomGraphs = 24
/** In place, transposed in registers, packed on one side, on both; blocks, ragged rows and columns, two segments of k. */
const productRows = [
  ...products([
    [1, 64, 130],
    [13, 33, 600],
    [5, 40, 30, 3],
  ]),
  ...products([[67, 131, 530]], [0, 3]),
]
const convolutionRows = convolutionSizes.map((size) => convolutionProgram(size))
const withNative = missing() === undefined

const removeCache = ownCache()
const asBefore = shareEverything()
afterAll(() => {
  asBefore()
  removeCache()
})

describe.each(['fused', 'portable'] as const)('%s', (mode) => {
  const rows: Row[] = [
    ...trainings.map((training) => trainingRow(training, steps)),
    ...Array.from({ length: randomGraphs }, (_, seed) => graphRow(7000 + seed, 10 + seed)),
    // Both modes take the same loops through products; trainings have the other multiply-adds.
    ...(mode === 'fused' ? [...productRows, ...convolutionRows] : []).map(programRow),
  ]
  const native = withNative
    ? new Map(targets.map(([name, target]) => [name, new Native(rows, mode, target)] as const))
    : new Map<string, Native>()
  const columns: Column[] = [
    { name: meaning, load: byGraph(mode) },
    { name: 'kernel interpreter', load: byEngine('interpreter', mode) },
    ...[1, 2, 3].map(
      (threads): Column => ({ name: `wasm, ${threads} threads`, load: byEngine('wasm', mode, threads) }),
    ),
    ...[...native].flatMap(([name, one]) =>
      [1, 2, 3].map((threads): Column => ({ name: `native, ${name}, ${threads} threads`, load: one.load(threads) })),
    ),
    ...[...native].slice(-1).map(
      ([name, one]): Column => ({
        name: `wasm, then native, ${name}`,
        load: byEngine('wasm', mode, 2),
        later: one.load(2),
      }),
    ),
  ]
  const expected = new Map<Row, TypedArray[]>()

  // One thread after the other: each uses all processors.
  test.each(columns)('$name', async (column) => {
    if (mode === 'fused' && numericsMode() !== 'fused') return
    // What a graph means knows no calls.
    for (const row of rows)
      for (const each of column.name === meaning ? [1] : perCall) {
        const values = await run(row, column, each)
        const wanted = expected.get(row)
        if (!wanted) expected.set(row, values)
        else {
          const where = difference(values, wanted)
          if (where) expect.fail(`${row.label}, ${each} steps a call, ${where}`)
        }
      }
  })
})

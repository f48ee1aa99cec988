/**
 * The bit contract as a matrix. Rows: trainings whose shapes cross tiles, panels, lanes and segments, and random graphs.
 * Columns: every engine, number of threads, width of vectors, a change of engine on the way, one and 32 steps a call.
 * All columns of a row end with the same bits: losses and all that a step updates. Fused and portable, each among themselves.
 */
import { afterAll, describe, expect, test } from 'vitest'
import type { TypedArray } from '../../src/base/dtype.js'
import { numericsMode } from '../../src/compile.js'
import { sharing } from '../../src/runtime/wasm.js'
import { missing, ownCache, targets } from '../native/harness.js'
import {
  byEngine,
  type Column,
  difference,
  graphRow,
  Native,
  type Row,
  run,
  shareEverything,
  trainingRow,
} from './matrix.js'
import { trainings } from './trainings.js'

const steps = 33
const perCall = [1, 32] as const
const randomGraphs = 12
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
  ]
  const native = withNative
    ? new Map(targets.map(([name, target]) => [name, new Native(rows, mode, target)] as const))
    : new Map<string, Native>()
  const columns: Column[] = [
    { name: 'interpreter', load: byEngine('interpreter', mode) },
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
    const shared = sharing.calls
    for (const row of rows)
      for (const each of perCall) {
        const values = run(row, column, each)
        const wanted = expected.get(row)
        if (!wanted) expected.set(row, values)
        else {
          const where = difference(values, wanted)
          if (where) expect.fail(`${row.label}, ${each} steps a call, ${where}`)
        }
        // Workers start and compile meanwhile.
        if (column.name.startsWith('wasm, 2') || column.name.startsWith('wasm, 3'))
          await new Promise((resolve) => setTimeout(resolve, 20))
      }
    const isTeam = /^wasm, [23]/.test(column.name)
    if (isTeam) expect(sharing.calls).toBeGreaterThan(shared)
  })
})

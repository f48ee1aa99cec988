/**
 * Random graphs and trainings, engines, threads, widths, modes and steps a call by chance: any two ways to run a program give
 * the same bits. A few seconds here; `npm run soak:engines` is an hour, or `-- minutes seed`.
 */
import { afterAll, expect, test } from 'vitest'
import { numericsMode } from '../../src/settings.js'
import { generator } from '../emit/harness.js'
import { reproducer } from '../graph/random-graph.js'
import { missing, ownCache, targets } from '../native/harness.js'
import { byEngine, type Column, difference, graphRow, Native, run, shareEverything, trainingRow } from './matrix.js'
import { trainings } from './trainings.js'

const minutes = Number(process.env['SOAK_MINUTES'] ?? 0.1)
const seed = Number(process.env['SOAK_SEED'] ?? 1)
const withNative = missing() === undefined
const removeCache = ownCache()
const asBefore = shareEverything()
afterAll(() => {
  asBefore()
  removeCache()
})

test(`${minutes} minutes from seed ${seed}`, { timeout: 60_000 * (minutes + 5) }, async () => {
  const random = generator(seed)
  const below = (n: number) => Math.floor(random() * n)
  const end = performance.now() + 60_000 * minutes
  let [programs, runs, shown] = [0, 0, performance.now()]
  const before: string[] = []
  while (performance.now() < end) {
    const mode = numericsMode() === 'fused' && below(2) === 0 ? 'fused' : 'portable'
    const rows = [
      ...Array.from({ length: 6 }, () => graphRow(100_000 + below(1e9), 5 + below(60))),
      trainingRow(trainings[below(trainings.length)]!, 1 + below(34)),
    ]
    const [name, target] = targets[below(targets.length)]!
    const native = withNative && below(4) === 0 ? new Native(rows, mode, target) : undefined
    for (const row of rows) {
      programs++
      let expected: Awaited<ReturnType<typeof run>> | undefined
      let first = ''
      // The interpreter first where it is quick enough: graphs of its own, each a few hundred elements.
      const columns: Column[] = [
        { name: 'interpreter', load: byEngine('interpreter', mode) },
        ...Array.from({ length: 4 }, (): Column => {
          const threads = 1 + below(3)
          if (native && below(2) === 0) {
            const later = below(3) === 0 ? byEngine('wasm', mode, 1 + below(3)) : undefined
            return {
              name: `native, ${name}, ${threads} threads`,
              load: native.load(threads),
              ...(later ? { later } : {}),
            }
          }
          return { name: `wasm, ${threads} threads`, load: byEngine('wasm', mode, threads) }
        }),
      ]
      for (const column of columns) {
        const each = [1, 2, 5, 32][below(4)]!
        const values = await run(row, column, each)
        runs++
        const here = `${column.name}, ${each} steps a call`
        if (!expected) [expected, first] = [values, here]
        else {
          const where = difference(values, expected)
          if (where) {
            // Once more, and by others: is it this program, or was it this moment?
            const again: (string | undefined)[] = []
            for (let i = 0; i < 20; i++) again.push(difference(await run(row, column, each), expected))
            const bad = again.filter((one) => one !== undefined)
            const all = values.flatMap((value, i) => (difference([value], [expected![i]!]) ? [i] : []))
            expect.fail(
              `seed ${seed}, ${mode}, ${row.label}: ${here}${column.later ? ' with another engine later' : ''} is not ${first}: ${where}; ` +
                `values ${all} differ; again: ${bad.length} of 20 (${bad[0]}); before it ${before.join('; ')}\n${reproducer(row.graph)}`,
            )
          }
          before.push(`${row.label} ${here}`)
          if (before.length > 5) before.shift()
        }
      }
    }
    if (performance.now() - shown > 60_000) {
      shown = performance.now()
      console.log(
        `${programs} programs, ${runs} runs, no difference; ${Math.round((end - shown) / 60_000)} minutes left`,
      )
    }
  }
  console.log(`seed ${seed}: ${programs} programs, ${runs} runs, no difference`)
})

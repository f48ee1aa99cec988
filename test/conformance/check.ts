/**
 * @file Checks programs of the conformance table: the graph interpreter's numbers against PyTorch's, then every engine's bits
 * against the graph interpreter's. In: programs by case and dtype. Out: tests.
 */
import { afterAll, describe, expect, test } from 'vitest'
import type { TypedArray } from '../../src/base/dtype.js'
import { numericsMode } from '../../src/compile.js'
import { nativeEngine } from '../../src/runtime/native.js'
import { byEngine, byGraph, type Column, difference, Native, run } from '../engines/matrix.js'
import { missing, ownCache } from '../native/harness.js'
import type { Float, Program } from './programs.js'

/** How far results may be from PyTorch's, relatively. */
export const tolerance: Readonly<Record<Float, number>> = { float32: 1e-5, float64: 1e-10 }

/**
 * The greatest |a − b| / max(|b|, mean |b|, 0.01): relative, but where an element is small beside its neighbours or next to
 * nothing, in which case it is what is left of larger ones.
 */
export function error(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) return Number.POSITIVE_INFINITY
  const b = Array.from(expected)
  const mean = b.reduce((sum, x) => sum + Math.abs(x), 0) / (b.length || 1)
  const errors = b.map((x, i) => Math.abs(actual[i]! - x) / Math.max(Math.abs(x), mean, 0.01))
  return errors.some(Number.isNaN) ? Number.NaN : Math.max(0, ...errors)
}

export interface Checked {
  readonly row: string
  readonly name: string
  /** How far PyTorch's own float32 is off. */
  readonly rounding?: number
  readonly program: (dtype: Float) => Program
}

/** Tests of cases: one for each case and dtype, and one for each engine. */
export function check(cases: readonly Checked[]): void {
  const mode = numericsMode()
  const removeCache = ownCache()
  afterAll(removeCache)
  describe.each(['float32', 'float64'] as const)('%s', (dtype) => {
    const programs = new Map<Checked, Program>()
    const meanings = new Map<Program, TypedArray[]>()
    const meaning: Column = { name: 'graph interpreter', load: byGraph(mode) }

    test.each(cases.map((c) => [`${c.row}, ${c.name}`, c] as const))('%s', async (_, c) => {
      const program = c.program(dtype)
      programs.set(c, program)
      const values = await run(program.row, meaning, 1)
      meanings.set(program, values)
      program.expected.forEach(({ name, values: wanted }, i) => {
        const far = error(values[i]!, wanted)
        const limit = dtype === 'float64' ? tolerance.float64 : Math.max(tolerance.float32, 3 * (c.rounding ?? 0))
        if (!(far <= limit))
          expect.fail(
            `${name} is ${far.toExponential(1)} from PyTorch's: [${values[i]!.slice(0, 6)}] instead of [${Array.from(wanted).slice(0, 6)}]`,
          )
      })
    })

    const same = async (column: (all: readonly Program[]) => Column) => {
      const all = [...meanings.keys()]
      expect(all.length).toBeGreaterThan(0)
      const one = column(all)
      for (const program of all) {
        const where = difference(await run(program.row, one, 1), meanings.get(program)!)
        if (where) expect.fail(`${program.row.label}: ${where}`)
      }
    }
    test('kernel interpreter: the same bits', () =>
      same(() => ({ name: 'kernel interpreter', load: byEngine('interpreter', mode) })))
    test('wasm: the same bits', () => same(() => ({ name: 'wasm', load: byEngine('wasm', mode) })))
    test.skipIf(missing() !== undefined)('native: the same bits', () =>
      same((all) => {
        const native = new Native(
          all.map(({ row }) => row),
          mode,
          { ...nativeEngine.target(), threads: 1 },
          [1],
        )
        return { name: 'native', load: native.load(1) }
      }),
    )
  })
}

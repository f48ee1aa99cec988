/**
 * @file The elementary functions: special values, error in ulp on samples of float32 in both modes (all inputs:
 * scripts/soak-elementary.mjs), and float64 against values computed in 2,400 binary digits.
 */
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import type { FloatDType } from '../../src/base/dtype.js'
import type { FloatArithmetic } from '../../src/numerics/arithmetic.js'
import { elementary, unaryFunctions } from '../../src/numerics/elementary.js'
import { bitsOf, floatOf, scalarArithmetic } from '../../src/numerics/scalar.js'

type UnaryName = keyof typeof unaryFunctions
const names = Object.keys(unaryFunctions) as UnaryName[]
const modes = ['fused', 'portable'] as const
const single = scalarArithmetic('float32', 'fused')
const double = scalarArithmetic('float64', 'portable')
const all: [string, FloatArithmetic<number>][] = [
  ['float32 fused', single],
  ['float32 portable', scalarArithmetic('float32', 'portable')],
  ['float64', double],
]
const references: Record<UnaryName, (x: number) => number> = {
  exp: Math.exp,
  log: Math.log,
  expm1: Math.expm1,
  log1p: Math.log1p,
  tanh: Math.tanh,
  sin: Math.sin,
  cos: Math.cos,
  // JavaScript has no erf; our float64 one is held to the fixture below.
  erf: (x) => elementary.erf(double, x),
}

/** |y − exact| in units of the last place of `exact`; ∞ for a wrong special value or a lost sign of zero. */
function ulps(dtype: FloatDType, y: number, exact: number): number {
  const round = dtype === 'float32' ? Math.fround : (x: number) => x
  if (Number.isNaN(exact) || Number.isNaN(y)) return Object.is(y, exact) ? 0 : Infinity
  if (!Number.isFinite(y)) return y === round(exact) || y === round(exact * (1 + 2 ** -24)) ? 0 : Infinity
  if (!Number.isFinite(exact)) return Infinity
  if (y === 0 && Object.is(y, -0) !== (Object.is(exact, -0) || exact < 0)) return Infinity
  const [digits, least] = dtype === 'float32' ? [23, -126] : [52, -1022]
  const size = Math.abs(exact)
  let exponent = size === 0 ? least : Math.max(least, Math.floor(Math.log2(size)))
  if (2 ** exponent > size && exponent > least) exponent--
  // In two steps: an ulp of a float64 may be less than the least power of two that can be divided by.
  return (Math.abs(y - exact) / 2 ** exponent) * 2 ** digits
}

/** Bit patterns: every 21,023rd float32, and the hundred on both sides of each special point. */
function samples(): number[] {
  const inputs: number[] = []
  for (let bits = 0; bits < 2 ** 32; bits += 21_023) inputs.push(floatOf(bits))
  const points = [0, 2 ** -149, 2 ** -126, 2 ** -24, 0.25, 0.5, 0.6875, Math.SQRT1_2, Math.LN2 / 2, Math.log(1.5)]
  points.push(-Math.log(0.75), 0.86, Math.PI / 4, 1, Math.SQRT2, Math.PI / 2, 2, Math.PI, 3.95, 4, 9.01, 10, 17.33, 20)
  points.push(88.376, 88.7228, 87.3365, 103.9721, 104, 16367173 * 2 ** 72, 3.4028234663852886e38, Infinity)
  for (const point of points)
    for (let step = -100; step <= 100; step++) {
      const x = floatOf((bitsOf(Math.abs(point)) + step) & 0x7fffffff)
      inputs.push(x, -x)
    }
  return inputs
}

describe('float32: at most 2 ulp', () => {
  const inputs = samples()
  for (const name of names)
    for (const mode of modes)
      test(`${name}, ${mode}`, () => {
        const arithmetic = scalarArithmetic('float32', mode)
        let worst = 0
        let where = 0
        for (const x of inputs) {
          const error = ulps('float32', elementary[name](arithmetic, x), references[name](x))
          if (error > worst) [worst, where] = [error, x]
        }
        expect(worst, `at ${where}`).toBeLessThanOrEqual(2)
      })

  for (const mode of modes)
    test(`pow, ${mode}`, () => {
      const arithmetic = scalarArithmetic('float32', mode)
      let worst = 0
      let where = ''
      for (let i = 0; i < 200_000; i++) {
        const word = Math.imul(i, 2654435761) >>> 0
        const x = floatOf(i % 4 === 0 ? word : word & 0x7f7fffff)
        // Three of four pairs have a result in range; the fourth is any pair of bit patterns.
        const y = i % 4 === 0 ? floatOf(Math.imul(word, 2246822519) >>> 0) : ((i % 281) - 150.5) / Math.log2(x)
        const exponent = i % 8 === 1 ? Math.round(y) : Math.fround(y)
        const error = ulps('float32', elementary.pow(arithmetic, x, exponent), x === 1 ? 1 : x ** exponent)
        if (error > worst) [worst, where] = [error, `${x} ** ${exponent}`]
      }
      expect(worst, where).toBeLessThanOrEqual(2)
    })
})

describe('float64: at most 4 ulp from values in 2,400 digits', () => {
  const fixture: Record<keyof typeof elementary, number[][]> = JSON.parse(
    readFileSync(new URL('../fixtures/elementary-float64.json', import.meta.url), 'utf8'),
  )
  for (const name of Object.keys(elementary) as (keyof typeof elementary)[])
    test(name, () => {
      let worst = 0
      let where = ''
      expect(fixture[name].length).toBeGreaterThan(200)
      for (const row of fixture[name]) {
        const [x, y] = row as [number, number]
        const exact = row[row.length - 1]!
        const got = name === 'pow' ? elementary.pow(double, x, y) : elementary[name](double, x)
        const error = ulps('float64', got, exact)
        if (error > worst) [worst, where] = [error, row.join(' ')]
      }
      expect(worst, where).toBeLessThanOrEqual(4)
    })
})

describe.each(all)('special values, %s', (_, a) => {
  const least = a.dtype === 'float32' ? 2 ** -149 : 5e-324
  const [inf, nan] = [Infinity, Number.NaN]
  const table: Record<UnaryName, [number, number][]> = {
    exp: [
      [-inf, 0],
      [inf, inf],
      [nan, nan],
      [0, 1],
      [-0, 1],
      [least, 1],
      [-1e4, 0],
      [1e4, inf],
    ],
    log: [
      [0, -inf],
      [-0, -inf],
      [-1, nan],
      [-least, nan],
      [-inf, nan],
      [inf, inf],
      [nan, nan],
      [1, 0],
    ],
    expm1: [
      [-inf, -1],
      [inf, inf],
      [nan, nan],
      [0, 0],
      [-0, -0],
      [least, least],
      [-least, -least],
      [-1e4, -1],
    ],
    log1p: [
      [-1, -inf],
      [-2, nan],
      [-inf, nan],
      [inf, inf],
      [nan, nan],
      [0, 0],
      [-0, -0],
      [least, least],
      [-least, -least],
    ],
    tanh: [
      [-inf, -1],
      [inf, 1],
      [nan, nan],
      [0, 0],
      [-0, -0],
      [least, least],
      [-least, -least],
      [-1e4, -1],
      [1e4, 1],
    ],
    erf: [
      [-inf, -1],
      [inf, 1],
      [nan, nan],
      [0, 0],
      [-0, -0],
      [least, least],
      [-least, -least],
      [-1e4, -1],
      [1e4, 1],
    ],
    sin: [
      [-inf, nan],
      [inf, nan],
      [nan, nan],
      [0, 0],
      [-0, -0],
      [least, least],
      [-least, -least],
    ],
    cos: [
      [-inf, nan],
      [inf, nan],
      [nan, nan],
      [0, 1],
      [-0, 1],
      [least, 1],
    ],
  }
  for (const name of names) test.each(table[name])(`${name}(%d) = %d`, (x, y) => expect(elementary[name](a, x)).toBe(y))

  // IEEE 754-2019, 9.2.1; ** differs at pow(±1, ±∞) and pow(1, NaN) alone.
  const values = [0, -0, 1, -1, 2, -2, 3, -3, 0.5, -0.5, 1.5, -2.5, 1e10, -1e10, least, -least, inf, -inf, nan]
  const large = a.dtype === 'float32' ? 3.4028234663852886e38 : Number.MAX_VALUE
  test('pow', () => {
    for (const x of [...values, large, -large])
      for (const y of [...values, large, -large]) {
        const exact = x === 1 || (x === -1 && Math.abs(y) === inf) ? 1 : x ** y
        const rounded = a.number(exact)
        const got = elementary.pow(a, x, y)
        if (rounded === 0 || !Number.isFinite(rounded) || (Number.isInteger(exact) && Math.abs(exact) <= 1000))
          expect(got, `${x} ** ${y}`).toBe(rounded)
        else expect(ulps(a.dtype, got, exact), `${x} ** ${y}`).toBeLessThanOrEqual(4)
      }
  })
})

test('sine and cosine of ±2⁵² and beyond in float64: the last good value, then NaN', () => {
  expect(elementary.sin(double, 2 ** 52)).toBeCloseTo(Math.sin(2 ** 52), 15)
  expect(elementary.sin(double, 2 ** 53)).toBeNaN()
})

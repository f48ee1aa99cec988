/** @file Which samples go where: sizes, classes, groups and time of drawn parts and folds, and what is refused. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { foldIndices, splitIndices } from '../../src/data/split.js'

const thirds = { train: 0.6, validation: 0.2, test: 0.2 }
const parts = ['train', 'validation', 'test'] as const
const upTo = (count: number) => Array.from({ length: count }, (_, i) => i)
const shares = fc
  .tuple(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 0, max: 20 }), fc.integer({ min: 0, max: 20 }))
  .map(([a, b, c]) => ({ train: a / (a + b + c), validation: b / (a + b + c), test: c / (a + b + c) }))
const labels = fc.array(fc.nat(4), { minLength: 1, maxLength: 200 })

describe('splitIndices', () => {
  test('every sample is in exactly one part, and sizes are within one of exact, also by class', () => {
    fc.assert(
      fc.property(shares, labels, fc.integer(), fc.boolean(), (fractions, classes, seed, stratified) => {
        const stratify = stratified ? classes : undefined
        const split = splitIndices({ count: classes.length, shares: fractions, seed, stratify })
        const all = parts.flatMap((part) => [...split[part]])
        expect(all.sort((a, b) => a - b)).toEqual(upTo(classes.length))
        for (const part of parts) {
          expect(Math.abs(split[part].length - classes.length * fractions[part])).toBeLessThan(1 + 1e-6)
          if (!stratified) continue
          for (let label = 0; label <= 4; label++) {
            const members = classes.filter((l) => l === label).length
            const here = [...split[part]].filter((i) => classes[i] === label).length
            expect(Math.abs(here - members * fractions[part])).toBeLessThan(2)
          }
        }
      }),
      { numRuns: 300 },
    )
  })

  test('the seed decides: equal seeds equal parts, another seed other parts; parts are shuffled', () => {
    for (const stratify of [undefined, upTo(100).map((i) => i % 3)]) {
      const draw = (seed: number) => splitIndices({ count: 100, shares: thirds, seed, stratify })
      const a = draw(1)
      expect(draw(1)).toEqual(a)
      expect(draw(2).train).not.toEqual(a.train)
      expect([...a.train]).not.toEqual([...a.train].sort((x, y) => x - y))
      // By class sorted parts would give batches of one class.
      if (stratify) expect(new Set([...a.train].slice(0, 20).map((i) => stratify[i])).size).toBe(3)
    }
  })

  test('over many seeds each sample is in the test part as often as its share says', () => {
    const count = 30
    const by = [{}, { stratify: upTo(count).map((i) => i % 2) }, { groups: upTo(count).map((i) => `g${i}`) }]
    for (const respect of by) {
      const hits = new Array<number>(count).fill(0)
      for (let seed = 0; seed < 2000; seed++)
        for (const i of splitIndices({ count, shares: thirds, seed, ...respect }).test) hits[i]!++
      // Binomial with n = 2000, p = 0.2: mean 400, deviation 18.
      for (const n of hits) expect(Math.abs(n - 400)).toBeLessThan(5 * 18)
    }
  })

  test('texts are classes as numbers are', () => {
    const numbers = upTo(60).map((i) => (i * 7) % 3)
    const draw = (stratify: number[] | string[]) => splitIndices({ count: 60, shares: thirds, seed: 1, stratify })
    expect(draw(numbers.map((n) => `class ${n}`))).toEqual(draw(numbers))
  })

  test('groups stay whole, no part is empty, and sizes are within the largest group of exact', () => {
    const groups = fc.array(fc.nat(30), { minLength: 3, maxLength: 200 }).filter((g) => new Set(g).size >= 3)
    fc.assert(
      fc.property(shares, groups, fc.integer(), fc.boolean(), (fractions, members, seed, stratified) => {
        const count = members.length
        const stratify = stratified ? members.map((g, i) => (g + i) % 2) : undefined
        const split = splitIndices({ count, shares: fractions, seed, groups: members, stratify })
        expect(parts.flatMap((part) => [...split[part]]).sort((a, b) => a - b)).toEqual(upTo(count))
        const at = new Map<number, string>()
        for (const part of parts) {
          expect(split[part].length > 0).toBe(fractions[part] > 0)
          for (const i of split[part]) {
            expect(at.get(members[i]!) ?? part).toBe(part)
            at.set(members[i]!, part)
          }
        }
        const largest = Math.max(...[...at.keys()].map((g) => members.filter((m) => m === g).length))
        // Each part that takes a group lacks at least its mean of what is missing; two other parts may have taken too much.
        if (!stratified && new Set(members).size > 20)
          for (const part of parts)
            expect(Math.abs(split[part].length - count * fractions[part])).toBeLessThanOrEqual(2 * largest)
      }),
      { numRuns: 300 },
    )
  })

  test('groups with classes: shares of a class are nearer to exact than without stratify', () => {
    const count = 1200
    const groups = upTo(count).map((i) => Math.floor(i / 10))
    // Each group is of one class or nearly so; one group in eight holds the rare class.
    const stratify = groups.map((g, i) => (g % 8 === 0 && i % 10 < 9 ? 1 : 0))
    const error = (by: object) =>
      upTo(20).reduce((sum, seed) => {
        const { test } = splitIndices({ count, shares: thirds, seed, groups, ...by })
        const rare = stratify.filter((c) => c === 1).length
        return sum + Math.abs([...test].filter((i) => stratify[i] === 1).length / rare - 0.2)
      }, 0)
    expect(error({ stratify })).toBeLessThan(0.5 * error({}))
  })

  test('by time: what comes later is never learned from; equal times are never separated', () => {
    fc.assert(
      fc.property(shares, fc.array(fc.nat(40), { minLength: 3, maxLength: 120 }), (fractions, time) => {
        const draw = () => splitIndices({ count: time.length, shares: fractions, seed: 1, time })
        const positive = parts.filter((part) => Math.floor(fractions[part] * time.length + 1e-9) > 0)
        let split: ReturnType<typeof draw>
        try {
          split = draw()
        } catch (error) {
          expect(String(error)).toMatch(/too few for \d parts/)
          expect(new Set(time).size).toBeLessThan(3)
          return
        }
        expect(parts.flatMap((part) => [...split[part]]).sort((a, b) => a - b)).toEqual(upTo(time.length))
        const used = parts.filter((part) => split[part].length > 0)
        for (const part of positive) expect(used).toContain(part)
        for (let k = 1; k < used.length; k++) {
          const before = Math.max(...[...split[used[k - 1]!]].map((i) => time[i]!))
          const after = Math.min(...[...split[used[k]!]].map((i) => time[i]!))
          expect(before).toBeLessThan(after)
        }
        if (new Set(time).size === time.length)
          for (const part of parts)
            expect(Math.abs(split[part].length - fractions[part] * time.length)).toBeLessThan(1 + 1e-6)
      }),
      { numRuns: 300 },
    )
  })
})

describe('foldIndices', () => {
  test('every sample judges once; sizes and classes are within one of equal; groups are on one side', () => {
    fc.assert(
      fc.property(labels, fc.integer({ min: 2, max: 7 }), fc.integer(), fc.nat(3), (classes, folds, seed, kind) => {
        fc.pre(classes.length >= folds)
        const count = classes.length
        const groups = kind >= 2 ? upTo(count).map((i) => i % Math.max(folds, Math.ceil(count / 3))) : undefined
        const stratify = kind % 2 === 1 ? classes : undefined
        const rounds = foldIndices({ count, folds, seed, stratify, groups })
        expect(foldIndices({ count, folds, seed, stratify, groups })).toEqual(rounds)
        expect(rounds.length).toBe(folds)
        expect(rounds.flatMap((round) => [...round.validation]).sort((a, b) => a - b)).toEqual(upTo(count))
        const sizes = rounds.map(({ validation }) => validation.length)
        if (!groups) expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1)
        else expect(Math.min(...sizes)).toBeGreaterThan(0)
        for (const { train, validation } of rounds) {
          expect([...train, ...validation].sort((a, b) => a - b)).toEqual(upTo(count))
          expect([...train]).toEqual([...train].sort((a, b) => a - b))
          if (groups) {
            const judged = new Set([...validation].map((i) => groups[i]))
            expect([...train].some((i) => judged.has(groups[i]))).toBe(false)
          }
          if (stratify && !groups)
            for (let label = 0; label <= 4; label++) {
              const here = [...validation].filter((i) => classes[i] === label).length
              expect(Math.abs(here - classes.filter((l) => l === label).length / folds)).toBeLessThan(1 + 1e-9)
            }
        }
      }),
      { numRuns: 300 },
    )
  })

  test('by time a round learns only from what came before', () => {
    const time = upTo(50).map((i) => (i * 37) % 50)
    const rounds = foldIndices({ count: 50, folds: 4, seed: 1, time })
    expect(rounds.map(({ train, validation }) => [train.length, validation.length])).toEqual([
      [10, 10],
      [20, 10],
      [30, 10],
      [40, 10],
    ])
    for (const { train, validation } of rounds)
      expect(Math.max(...[...train].map((i) => time[i]!))).toBeLessThan(
        Math.min(...[...validation].map((i) => time[i]!)),
      )
  })
})

test.each<[string, () => unknown, RegExp]>([
  ['shares above one', () => splitIndices({ count: 9, shares: { ...thirds, test: 0.3 }, seed: 1 }), /sum to 1/],
  ['no training', () => splitIndices({ count: 9, shares: { train: 0, validation: 1, test: 0 }, seed: 1 }), /sum to 1/],
  [
    'a share below 0',
    () => splitIndices({ count: 9, shares: { train: 1.5, validation: -0.5, test: 0 }, seed: 1 }),
    /sum/,
  ],
  ['no samples', () => splitIndices({ count: 0, shares: thirds, seed: 1 }), /no samples/],
  [
    'a length',
    () => splitIndices({ count: 9, shares: thirds, seed: 1, stratify: [1, 2] }),
    /stratify has 2 .* 9 samples/,
  ],
  ['NaN', () => splitIndices({ count: 3, shares: thirds, seed: 1, time: [1, Number.NaN, 3] }), /NaN for sample 1/],
  ['two groups', () => splitIndices({ count: 3, shares: thirds, seed: 1, groups: [1, 2, 2] }), /2 groups are too few/],
  ['two times', () => splitIndices({ count: 5, shares: thirds, seed: 1, time: [1, 1, 2, 2, 2] }), /2 different times/],
  ['time and groups', () => splitIndices({ count: 1, shares: thirds, seed: 1, time: [1], groups: [1] }), /joined/],
  ['one fold', () => foldIndices({ count: 9, folds: 1, seed: 1 }), /2 or more/],
  ['too many folds', () => foldIndices({ count: 3, folds: 4, seed: 1 }), /3 samples are too few for 4 folds/],
  ['a name', () => foldIndices({ count: 9, folds: 3, seed: 1, group: [] } as never), /did you mean 'groups'/],
])('%s is refused', (_, call, message) => {
  expect(call).toThrow(message)
})

/** sweep: what is drawn, which trials are made, failures, going on, successive halving. No training: the scores are formulas. */
import { describe, expect, test } from 'vitest'
import { type SearchSpace, type SweepOptions, sweep, type Trial, type TrialRecord } from '../../src/index.js'
import { checkSpace, drawValues, gridOf } from '../../src/train/search-space.js'
import { budgetsOf } from '../../src/train/sweep.js'

const space: SearchSpace = {
  rate: { log: [1e-4, 1e-1] },
  share: { uniform: [-1, 1] },
  width: { integer: [3, 6] },
  shape: { choice: ['a', [1, 2], null] },
}
const timeless = (records: readonly TrialRecord[]) => records.map(({ seconds: _, ...record }) => record)
/** Least at a rate of 0.01; a larger budget comes nearer. */
const bowl = ({ values, budget = 1 }: Trial) => Math.log10(Number(values['rate']) / 0.01) ** 2 + 1 / budget

describe('a space', () => {
  test('draws within bounds, the same for the same seed, each number and name for itself', () => {
    const drawn = Array.from({ length: 4000 }, (_, i) => drawValues(space, 1, i))
    expect(drawn).toEqual(Array.from({ length: 4000 }, (_, i) => drawValues(space, 1, i)))
    expect(drawValues(space, 2, 0)).not.toEqual(drawn[0])
    const share = (of: (values: (typeof drawn)[0]) => boolean) => drawn.filter(of).length / drawn.length
    for (const { rate, share: at, width } of drawn) {
      expect(Number(rate) >= 1e-4 && Number(rate) <= 0.1).toBe(true)
      expect(Math.abs(Number(at)) <= 1).toBe(true)
      expect([3, 4, 5, 6]).toContain(width)
    }
    expect(share(({ rate }) => Number(rate) < 1e-3)).toBeCloseTo(1 / 3, 1)
    expect(share(({ share: at }) => Number(at) < 0)).toBeCloseTo(1 / 2, 1)
    expect(share(({ width }) => width === 3)).toBeCloseTo(1 / 4, 1)
    expect(share(({ shape }) => shape === 'a')).toBeCloseTo(1 / 3, 1)
    // Another name changes nothing of the others.
    const { rate } = drawValues({ more: { choice: [1] }, rate: space['rate']! }, 1, 7)
    expect(rate).toBe(drawn[7]!['rate'])
  })

  test('as a grid: every combination once', () => {
    const points = gridOf('sweep', {
      rate: { log: [0.01, 1], steps: 3 },
      n: { integer: [1, 3], steps: 9 },
      c: { choice: [0, 1] },
    })
    expect(points).toHaveLength(3 * 3 * 2)
    expect(points.slice(0, 3)).toEqual([
      { rate: 0.01, n: 1, c: 0 },
      { rate: 0.01, n: 1, c: 1 },
      { rate: 0.01, n: 2, c: 0 },
    ])
    expect(new Set(points.map(({ rate }) => rate))).toEqual(new Set([0.01, 0.1, 1]))
    expect(() => gridOf('sweep', { rate: { log: [0.01, 1] } })).toThrow(/how many values of rate to try.*steps/)
  })

  test.each<[unknown, RegExp]>([
    [{}, /the space is empty\. Write/],
    [[], /the space is an array/],
    [{ a: 3 }, /the space of a is the number 3/],
    [{ a: {} }, /says nothing\. Give one of choice/],
    [{ a: { chocie: [1] } }, /'chocie'; did you mean 'choice'/],
    [{ a: { choice: [] } }, /no list of values/],
    [{ a: { log: [0, 1] } }, /begins at 0\. A logarithmic range/],
    [{ a: { log: [1, 0.1] } }, /from 1 to 0\.1/],
    [{ a: { uniform: [1] } }, /has uniform: \[1\]\. Write two numbers/],
    [{ a: { integer: [0.5, 2] } }, /Give whole numbers/],
    [{ a: { log: [1, 2], uniform: [1, 2] } }, /has uniform and log\. Give one/],
    [{ a: { log: [1, 2], steps: 1 } }, /has 1 steps/],
    [{ a: { choice: [1], steps: 2 } }, /steps beside a choice/],
  ])('that is wrong: %j', (wrong, message) => {
    expect(() => checkSpace('sweep', wrong)).toThrow(message)
  })
})

test('random: the best wins; workers, order and interruptions change nothing; what is known is not made again', async () => {
  const options: SweepOptions = { trials: 12, seed: 3, first: [{ rate: 0.05 }] }
  const whole = await sweep(space, bowl, options)
  expect(whole.trials).toHaveLength(12)
  expect(whole.trials[0]!.values).toEqual({ rate: 0.05 })
  expect(whole.best!.score).toBe(Math.min(...whole.trials.map(({ score }) => score!)))
  // Later ones end sooner.
  let now = 0
  let most = 0
  const parallel = await sweep(
    space,
    async (trial) => {
      most = Math.max(most, ++now)
      await new Promise((done) => setTimeout(done, 12 - trial.number))
      now--
      return bowl(trial)
    },
    { ...options, workers: 4 },
  )
  expect(most).toBe(4)
  expect(timeless(parallel.trials)).toEqual(timeless(whole.trials))
  // Ended after five trials, then the rest.
  const controller = new AbortController()
  const kept: TrialRecord[] = []
  const onTrial = (record: TrialRecord) => {
    kept.push(record)
    if (kept.length === 5) controller.abort()
  }
  const begun = await sweep(space, bowl, { ...options, onTrial, signal: controller.signal })
  expect([begun.interrupted, begun.trials.length]).toEqual([true, 5])
  let made = 0
  const counted = (trial: Trial) => {
    made++
    return bowl(trial)
  }
  const rest = await sweep(space, counted, { ...options, known: kept })
  expect(made).toBe(7)
  expect(timeless(rest.trials)).toEqual(timeless(whole.trials))
  expect((await sweep(space, bowl, { ...options, better: 'higher' })).best!.score).toBe(
    Math.max(...whole.trials.map(({ score }) => score!)),
  )
})

test('a trial that throws or has no finite score has failed; the others go on', async () => {
  const score = (trial: Trial) => {
    if (trial.number === 2) throw new Error('too wide')
    return trial.number === 3 ? Number.NaN : trial.number
  }
  const { trials, best } = await sweep({ a: { choice: [1] } }, score, { trials: 4 })
  expect(trials.map(({ status, message }) => message ?? status)).toEqual([
    'done',
    'too wide',
    'the score is the number NaN',
    'done',
  ])
  expect(best!.number).toBe(1)
  const none = await sweep({ a: { choice: [1] } }, () => Number.POSITIVE_INFINITY, { trials: 2 })
  expect([none.best, none.trials.length]).toEqual([undefined, 2])
  // What onTrial throws (a full disk) is no trial that failed.
  const full = sweep({ a: { choice: [1] } }, () => 1, { onTrial: () => Promise.reject(new Error('disk full')) })
  await expect(full).rejects.toThrow('disk full')
})

test('successive halving: a third goes on with three times the budget; the best has the whole budget', async () => {
  expect(budgetsOf(9, { most: 27 })).toEqual([3, 9, 27])
  expect(budgetsOf(27, { most: 4 })).toEqual([1, 4])
  expect(budgetsOf(1, { most: 5 })).toEqual([5])
  expect(budgetsOf(8, { most: 8, factor: 2 })).toEqual([1, 2, 4, 8])
  const options: SweepOptions = { strategy: 'halving', trials: 9, budget: { most: 27 } }
  const { trials, best } = await sweep(space, bowl, options)
  const rung = (number: number) => trials.filter((record) => record.rung === number)
  expect([0, 1, 2].map((number) => rung(number).map(({ budget }) => budget))).toEqual([
    Array(9).fill(3),
    [9, 9, 9],
    [27],
  ])
  const order = [...rung(0)].sort((a, b) => a.score! - b.score!).map(({ number }) => number)
  expect(rung(1).map(({ number }) => number)).toEqual(order.slice(0, 3))
  expect([best!.number, best!.budget]).toEqual([order[0], 27])
  // Ended between rungs, it goes on there.
  const known = trials.filter((record) => record.rung < 2)
  expect(timeless((await sweep(space, bowl, { ...options, known })).trials)).toEqual(timeless(trials))
})

test.each<[SweepOptions, RegExp]>([
  [{ strategy: 'bayes' as never }, /no strategy 'bayes'/],
  [{ trails: 3 } as never, /no option 'trails'; did you mean 'trials'/],
  [{ trials: 0 }, /trials must be a whole number above 0/],
  [{ workers: 0.5 }, /workers must be/],
  [{ seed: 'x' as never }, /seed/],
  [{ better: 'more' as never }, /It is 'lower' or 'higher'/],
  [{ strategy: 'halving' }, /needs a budget/],
  [{ budget: { most: 3 } }, /the strategy is 'random'/],
  [{ strategy: 'halving', budget: { most: 0.5 } }, /largest budget is 0\.5/],
  [{ strategy: 'halving', budget: { most: 3, factor: 1 } }, /factor between budgets is 1/],
])('options that are wrong: %j', async (options, message) => {
  await expect(sweep(space, bowl, options)).rejects.toThrow(message)
})

/** @file Early stopping by itself: both rules against their definitions, on random curves; directions; errors. */
import { type EarlyStopping, earlyStopping, nn, state, type Tensor, tensor, variable, zeros } from 'gradus'
import { describe, expect, test } from 'vitest'
import { RandomStream } from '../../src/numerics/random.js'

/** The epoch after which to stop by definition, counted from 1; undefined: never. */
function patienceEnd(curve: number[], patience: number, minimumChange: number): number | undefined {
  for (let end = 1; end <= curve.length; end++) {
    // The last epoch that improved on the best of those before it that counted.
    let [best, at] = [Number.POSITIVE_INFINITY, 0]
    for (let i = 0; i < end; i++) if (curve[i]! < best - minimumChange || i === 0) [best, at] = [curve[i]!, i + 1]
    if (end - at >= patience) return end
  }
  return undefined
}
function riseEnd(curve: number[], patience: number, minimumChange: number): number | undefined {
  for (let end = patience + 1; end <= curve.length; end++) {
    const steps = Array.from({ length: patience }, (_, k) => curve[end - 1 - k]! - curve[end - 2 - k]!)
    if (steps.every((step) => step > minimumChange)) return end
  }
  return undefined
}
function endOf(stopping: EarlyStopping, curve: number[]): number | undefined {
  for (const [i, value] of curve.entries()) if (stopping.update(value)) return i + 1
  return undefined
}

test('both rules stop where their definitions say', () => {
  const random = new RandomStream(1, 'curves')
  let [stopped, went] = [0, 0]
  for (let trial = 0; trial < 300; trial++) {
    let level = 0
    // Whole numbers, so that equal values occur.
    const curve = Array.from({ length: 25 }, (_, i) => (level += random.integer(5) - 2 - (i < 8 ? 1 : 0)))
    const patience = 1 + random.integer(4)
    const minimumChange = random.integer(2)
    const ends = [
      [endOf(earlyStopping({ patience, minimumChange }), curve), patienceEnd(curve, patience, minimumChange)],
      [
        endOf(earlyStopping({ patience, minimumChange, rule: 'consistentIncrease' }), curve),
        riseEnd(curve, patience, minimumChange),
      ],
      [
        endOf(
          earlyStopping({ patience, minimumChange, metric: 'validation.accuracy' }),
          curve.map((x) => -x),
        ),
        patienceEnd(curve, patience, minimumChange),
      ],
    ]
    for (const [actual, expected] of ends) {
      expect(actual).toBe(expected)
      if (expected) stopped++
      else went++
    }
  }
  expect(stopped).toBeGreaterThan(100)
  expect(went).toBeGreaterThan(50)
})

test('a loop of one’s own: keeps the best state, also what is not trained, and brings it back', () => {
  const net = nn.module({ layer: nn.linear(2, 2), seen: variable(zeros([2])) }, (m, x: Tensor) => m.layer(x))
  const values = () => [...state(net).values()].map((variable) => [...variable.storage.read()])
  const stopping = earlyStopping({ patience: 2 })
  const kept: number[][][] = []
  for (const [i, loss] of [3, 1, 2, 5].entries()) {
    net.children.seen.assign(tensor([i, i]))
    net.children.layer.children.weight.assign(tensor([i, 2, 3, 4], { shape: [2, 2] }))
    kept.push(values())
    expect(stopping.update({ validation: { loss } }, net)).toBe(i === 3)
  }
  expect(stopping.best).toEqual({ epoch: 2, metric: 'validation.loss', value: 1 })
  expect(stopping.restore()).toBe(true)
  expect(values()).toEqual(kept[1])
  const other = earlyStopping({ restoreBest: false })
  other.update(1, net)
  expect(other.restore()).toBe(false)
})

test('NaN is never better', () => {
  const stopping = earlyStopping({ patience: 2 })
  expect([Number.NaN, 1, Number.NaN, Number.NaN].map((x) => stopping.update(x))).toEqual([false, false, false, true])
  expect(stopping.best).toEqual({ epoch: 2, metric: 'validation.loss', value: 1 })
})

describe('errors', () => {
  test('options', () => {
    const attempt = (options: object) => () => earlyStopping(options)
    expect(attempt({ patience: 0 })).toThrow('patience must be a whole number of epochs above 0, not 0')
    expect(attempt({ patience: 1.5 })).toThrow('not 1.5')
    expect(attempt({ minimumChange: -1 })).toThrow('minimumChange must be')
    expect(attempt({ mode: 'most' })).toThrow("the mode is 'min' or 'max', not 'most'")
    expect(attempt({ rule: 'rise' })).toThrow("not 'rise'")
    expect(attempt({ restoreBst: true })).toThrow("there is no option 'restoreBst'; did you mean 'restoreBest'?")
  })
  test('scores', () => {
    expect(() => earlyStopping({ metric: 'validation.mood' }).update({ validation: { mood: 1 } })).toThrow(
      "Give mode: 'min' or mode: 'max'.",
    )
    expect(() => earlyStopping().update({ train: { loss: 1 } })).toThrow('There are train.loss.')
  })
})

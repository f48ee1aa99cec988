/**
 * @file Metrics against scikit-learn, over the whole set at once and in ragged batches: equal either way.
 */
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import * as metrics from '../../src/metrics/index.js'
import { tensor } from '../../src/trace/creation.js'
import type { Tensor } from '../../src/trace/tensor.js'
import { type FixtureArray, fixtureTensor, numbers, runTraced } from '../support/run.js'

type Averages = Record<string, number> & { perClass: number[] }
interface Classes {
  name: string
  scores: FixtureArray
  target: number[]
  accuracy: number
  topK3: number
  confusionMatrix: number[][]
  precision: Averages
  recall: Averages
  f1: Averages
}
interface Binary extends Omit<Classes, 'scores' | 'topK3'> {
  score: FixtureArray
  rocAuc: number
}
interface Regression {
  name: string
  predicted: FixtureArray
  target: FixtureArray
  meanAbsoluteError: number
  meanSquaredError: number
  r2: number
}
const fixture = JSON.parse(readFileSync(new URL('../fixtures/sklearn/metrics.json', import.meta.url), 'utf8')) as {
  multiclass: Classes[]
  binary: Binary[]
  regression: Regression[]
}

/** The metric over batches of the given sizes, the last size again and again. */
function score(metric: metrics.MetricLike, output: Tensor, target: Tensor, sizes: number[]): metrics.MetricValue {
  const m = metrics.asMetric('test', metric)
  const total = new metrics.MetricTotal(m)
  const rows: number = output.shape[0]
  for (let start = 0, i = 0; start < rows; i++) {
    const end = Math.min(rows, start + sizes[Math.min(i, sizes.length - 1)]!)
    const batch: [Tensor, Tensor] = [output.slice([start], [end]), target.slice([start], [end])]
    if (m.collect) {
      const part = (t: Tensor) => ({ data: Float64Array.from(numbers(t)), shape: t.shape })
      total.collect(part(batch[0]), part(batch[1]))
    } else {
      let names: string[] = []
      const sums = runTraced((o, t) => {
        const record = m.update(o, t)
        names = Object.keys(record)
        return Object.values(record)
      }, batch)
      total.add(Object.fromEntries(sums.map((t, k) => [names[k]!, numbers(t)])))
    }
    start = end
  }
  return total.result()
}
const splits = [[1000], [7, 3, 1, 16]]
const averages = ['macro', 'micro', 'weighted'] as const
const scores = [
  ['precision', metrics.precision],
  ['recall', metrics.recall],
  ['f1', metrics.f1],
] as const

describe.each(splits)('batches of %j', (...sizes) => {
  test.each(fixture.multiclass)('classes: $name', (c) => {
    const output = fixtureTensor(c.scores)
    const target = tensor(c.target, { dtype: 'int32' })
    const of = (metric: metrics.MetricLike) => score(metric, output, target, sizes)
    expect(of(metrics.accuracy)).toBeCloseTo(c.accuracy, 12)
    expect(of(metrics.topK(3))).toBeCloseTo(c.topK3, 12)
    expect(of(metrics.topK(1))).toBeCloseTo(c.accuracy, 12)
    expect(of(metrics.topK(5))).toBe(1)
    expect(of(metrics.confusionMatrix())).toEqual(c.confusionMatrix)
    for (const [name, make] of scores) {
      for (const average of averages) expect(of(make({ average })), name + average).toBeCloseTo(c[name][average]!, 12)
      expect(of(make())).toBeCloseTo(c[name].macro!, 12)
      for (const [positive, value] of c[name].perClass.entries())
        expect(of(make({ average: 'binary', positive }))).toBeCloseTo(value, 12)
    }
    expect(score(metrics.accuracy, output, target.oneHot(5), sizes)).toBeCloseTo(c.accuracy, 12)
  })

  test.each(fixture.binary)('binary: $name', (c) => {
    const column = fixtureTensor(c.score)
    const labels: Tensor = tensor(c.target, { dtype: 'int32' })
    const n: number = column.shape[0]
    const pair = runTraced((x) => x.reshape([n, 1]).mul(tensor([[-0.5, 0.5]])), [column])[0]!
    const forms: [Tensor, Tensor][] = [
      [column, labels],
      [column.reshape([n, 1]), labels.cast('float32').reshape([n, 1])],
      [pair, labels],
    ]
    for (const [output, target] of forms) {
      const of = (metric: metrics.MetricLike) => score(metric, output, target, sizes)
      expect(of(metrics.accuracy)).toBeCloseTo(c.accuracy, 12)
      expect(of(metrics.confusionMatrix())).toEqual(c.confusionMatrix)
      expect(of(metrics.rocAuc)).toBeCloseTo(c.rocAuc, 12)
      for (const [name, make] of scores) expect(of(make())).toBeCloseTo(c[name].binary!, 12)
    }
  })

  test.each(fixture.regression)('regression: $name', (c) => {
    const of = (metric: metrics.MetricLike) => score(metric, fixtureTensor(c.predicted), fixtureTensor(c.target), sizes)
    // scikit-learn keeps float32 here, Gradus adds in float64.
    const near = (value: metrics.MetricValue, expected: number) =>
      expect(Math.abs((value as number) - expected)).toBeLessThan(1e-6 * Math.max(1, Math.abs(expected)))
    near(of(metrics.meanAbsoluteError), c.meanAbsoluteError)
    near(of(metrics.meanSquaredError), c.meanSquaredError)
    near(of(metrics.rootMeanSquaredError), Math.sqrt(c.meanSquaredError))
    near(of(metrics.r2), c.r2)
    near(
      of((o, t) => o.sub(t).square().mean()),
      c.meanSquaredError,
    )
  })
})

test('R² of targets far from 0 does not cancel', () => {
  const y = [0, 1, 2, 3, 4, 5, 6, 7].map((v) => 1e8 + v)
  const target = tensor(y, { dtype: 'float64' })
  const output = tensor(
    y.map((v, i) => v + (i % 2 ? 0.5 : -0.5)),
    { dtype: 'float64' },
  )
  expect(score(metrics.r2, output, target, [3, 1, 2])).toBeCloseTo(1 - 2 / 42, 12)
})

test('an absent class has no ROC curve; a NaN output is in no class', () => {
  const ones = tensor([1, 1], { dtype: 'int32' })
  expect(score(metrics.rocAuc, tensor([1, 2]), ones, [9])).toBeNaN()
  const output = tensor([
    [Number.NaN, 1, 0],
    [0, 1, 0],
  ])
  expect(score(metrics.accuracy, output, ones, [9])).toBe(0.5)
  expect(score(metrics.recall({ average: 'micro' }), output, ones, [9])).toBe(0.5)
  expect(
    score(
      metrics.topK(2),
      tensor([
        [1, Number.NaN, 0],
        [0, 1, 0],
      ]),
      ones,
      [9],
    ),
  ).toBe(0.5)
})

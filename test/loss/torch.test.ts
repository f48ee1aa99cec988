/**
 * @file Losses against PyTorch: values and gradients with all options; what happens far out and where data is wrong.
 */
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import * as loss from '../../src/loss/index.js'
import { backpropagate } from '../../src/nn/backpropagate.js'
import { tensor } from '../../src/trace/creation.js'
import type { Tensor } from '../../src/trace/tensor.js'
import { variable } from '../../src/trace/variable.js'
import { distance, type FixtureArray, fixtureTensor, numbers, runTraced } from '../support/run.js'

interface Case {
  name: string
  loss:
    | 'mse'
    | 'l1'
    | 'huber'
    | 'crossEntropy'
    | 'binaryCrossEntropy'
    | 'klDivergence'
    | 'negativeLogLikelihood'
    | 'hinge'
    | 'tripletMargin'
    | 'focal'
    | 'dice'
  options: Record<string, number> & { reduction: loss.Reduction }
  input: FixtureArray
  target: FixtureArray
  sampleWeight?: FixtureArray
  classWeight?: FixtureArray
  posWeight?: FixtureArray
  elementWeight?: FixtureArray
  negative?: FixtureArray
  value: FixtureArray
  gradient: FixtureArray
}
const { cases } = JSON.parse(readFileSync(new URL('../fixtures/torch/losses.json', import.meta.url), 'utf8')) as {
  cases: Case[]
}
const further = JSON.parse(readFileSync(new URL('../fixtures/torch/losses-further.json', import.meta.url), 'utf8')) as {
  cases: Case[]
}
type Loss = (output: Tensor, target: Tensor, options: object) => Tensor
const losses: Record<Case['loss'], Loss> = {
  mse: loss.meanSquaredError,
  l1: loss.meanAbsoluteError,
  huber: loss.huber,
  crossEntropy: loss.crossEntropy,
  binaryCrossEntropy: loss.binaryCrossEntropy,
  klDivergence: loss.klDivergence,
  negativeLogLikelihood: loss.negativeLogLikelihood,
  hinge: loss.hinge,
  tripletMargin: (anchor, positives, options) =>
    loss.tripletMargin(anchor, positives, (options as { negative: Tensor }).negative, options),
  focal: loss.focal,
  dice: loss.dice,
}

function evaluate(c: Case, dtype: 'float32' | 'float64') {
  const given = (array?: FixtureArray) => array && fixtureTensor(array, dtype)
  const options = {
    reduction: c.options.reduction,
    delta: c.options.delta,
    margin: c.options.margin,
    gamma: c.options.gamma,
    alpha: c.options.alpha,
    smooth: c.options.smooth,
    negative: given(c.negative),
    axis: c.options.axis,
    labelSmoothing: c.options.label_smoothing,
    ignoreIndex: c.options.ignore_index,
    sampleWeight: given(c.sampleWeight),
    classWeights: given(c.classWeight),
    positiveWeight: given(c.posWeight),
    elementWeight: given(c.elementWeight),
  }
  const x = variable(fixtureTensor(c.input, dtype), { trainable: true })
  const target = fixtureTensor(c.target, c.target.dtype === 'int64' ? undefined : dtype)
  const [value, gradient] = runTraced(
    (t) => {
      const l = losses[c.loss](x.value, t, options)
      return [l, backpropagate(l.sum(), [x]).get(x)!]
    },
    [target],
    { training: true },
  )
  return { value: value!, gradient: gradient! }
}

describe.each([...cases, ...further.cases])('$name', (c) => {
  test.each(['float32', 'float64'] as const)('%s', (dtype) => {
    const { value, gradient } = evaluate(c, dtype)
    expect(value.shape).toEqual(c.value.shape)
    expect(distance(numbers(value), c.value.data)).toBeLessThan(1e-6)
    expect(distance(numbers(gradient), c.gradient.data)).toBeLessThan(1e-6)
  })
})

const scalar = (f: () => Tensor): number => numbers(runTraced(f, [])[0]!)[0]!
const logits = tensor([
  [1, 2, 3],
  [3, 2, 1],
])

test.each([
  [[0, 3]],
  [[-1, 0]],
  [[1, 1e9]],
])('labels out of range %j give NaN, not a number that looks right', (labels) => {
  expect(scalar(() => loss.crossEntropy(logits, tensor(labels, { dtype: 'int32' })))).toBeNaN()
})

test('an ignored label is not out of range, others stay so', () => {
  const of = (...labels: number[]) =>
    scalar(() => loss.crossEntropy(logits, tensor(labels, { dtype: 'int32' }), { ignoreIndex: -100 }))
  expect(of(-100, 1)).toBeCloseTo(Math.log(Math.E ** 3 + Math.E ** 2 + Math.E) - 2, 6)
  expect(of(-100, -1)).toBeNaN()
})

test('labels may be bytes', () => {
  const label = (dtype: 'uint8' | 'int32') => scalar(() => loss.crossEntropy(logits, tensor([0, 1], { dtype })))
  expect(label('uint8')).toBe(label('int32'))
})

test('NaN stays NaN', () => {
  const bad = tensor([[Number.NaN, 1]])
  for (const f of [loss.meanSquaredError, loss.meanAbsoluteError, loss.huber, loss.binaryCrossEntropy] as Loss[])
    expect(scalar(() => f(bad, tensor([[1, 1]]), {}))).toBeNaN()
  expect(scalar(() => loss.crossEntropy(bad, tensor([0], { dtype: 'int32' })))).toBeNaN()
})

describe('what cannot be compared says so', () => {
  const column: Tensor = tensor([[1], [2], [3]])
  const row: Tensor = tensor([1, 2, 3])
  test.each([
    [() => loss.meanSquaredError(column, row), /\[3,1\], the target \[3\].*reshape\(\[3,1\]\)/s],
    [() => loss.crossEntropy(logits, row as Tensor), /logits are \[2,3\], the float32 target \[3\]/],
    [() => loss.crossEntropy(logits, tensor([0, 1]) as Tensor), /class indices, convert with \.cast\('int32'\)/],
    [() => loss.crossEntropy(logits, tensor([0, 1], { dtype: 'int32' }), { labelSmoothing: 2 }), /from 0 to 1, not 2/],
    [
      () => loss.crossEntropy(logits, tensor([0, 1], { dtype: 'int32' }), { classWeights: row.slice([0], [2]) }),
      /\[2\], the logits \[2,3\] have 3 classes/,
    ],
    [() => loss.meanSquaredError(row, row, { sampleWeight: column }), /sample weights are \[3,1\].*\[3\]/s],
    [() => loss.huber(row, row, { delta: 0 }), /delta must be above 0, not 0/],
    [() => loss.focal(row, row, { gamma: -1 }), /gamma must be 0 or more, not -1/],
    [() => loss.dice(column, row), /\[3,1\], the target \[3\]/],
    [() => loss.negativeLogLikelihood(logits, row), /\[2,3\] need labels \[2\].*They are \[3\]/s],
    [() => loss.tripletMargin(logits, logits, row), /the anchors are \[2,3\], others \[3\]/],
    [() => loss.huber(row, row, { reduction: 'average' as 'mean' }), /'mean', 'sum' or 'none', not 'average'/],
  ])('%#', (f, message) => {
    expect(f).toThrow(message)
  })
})

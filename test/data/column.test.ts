/** @file Samples: subsets, what stays together in a split, and checks that name the place. */
import { describe, expect, test } from 'vitest'
import { checkDataset, type Dataset, splitDataset, subset } from '../../src/data/column.js'

const thirds = { train: 0.6, validation: 0.2, test: 0.2 }

function dataset(count: number, classes = 3): Dataset {
  return {
    input: { data: Uint8Array.from({ length: count * 4 }, (_, i) => i), shape: [count, 2, 2], scale: 1 / 255 },
    target: { data: Int32Array.from({ length: count }, (_, i) => i % classes), shape: [count] },
    classes: Array.from({ length: classes }, (_, i) => `class ${i}`),
    sampleWeight: { data: Float32Array.from({ length: count }, (_, i) => i), shape: [count] },
  }
}

test('input, target and weight stay together', () => {
  const { train, validation, test: held } = splitDataset(dataset(50), thirds, { seed: 3, stratify: true })
  expect([train, validation, held].map(({ target }) => target.shape)).toEqual([[30], [10], [10]])
  for (const part of [train, validation, held]) {
    expect(part.input.scale).toBe(1 / 255)
    part.sampleWeight!.data.forEach((id, i) => {
      expect([...part.input.data.subarray(4 * i, 4 * i + 4)]).toEqual([0, 1, 2, 3].map((k) => (4 * id + k) & 255))
      expect(part.target.data[i]).toBe(id % 3)
    })
  }
})

test('subset copies the chosen samples, narrow and wide ones', () => {
  for (const width of [1, 100]) {
    const data = Float64Array.from({ length: 5 * width }, (_, i) => i)
    const target = { data: Int32Array.from([0, 1, 0, 1, 0]), shape: [5] }
    const { input } = subset({ input: { data, shape: [5, width] }, target }, [4, 0, 4])
    expect(input.shape).toEqual([3, width])
    expect([...input.data]).toEqual([4, 0, 4].flatMap((row) => [...data.subarray(row * width, (row + 1) * width)]))
  }
  expect(() => subset(dataset(3), [3])).toThrow(/index 3 is outside 0\.\.2/)
})

describe('checkDataset', () => {
  const good = dataset(6)
  const numbers = (values: number[], shape: number[]) => ({ data: Float32Array.from(values), shape })
  const labels = (...values: number[]) => ({ data: Int32Array.from(values), shape: [values.length] })
  test.each<[string, Dataset, RegExp]>([
    ['lengths differ', { ...good, target: labels(0, 1) }, /6 inputs but 2 targets/],
    ['weights differ', { ...good, sampleWeight: numbers([1], [1]) }, /6 inputs but 1 sample weights/],
    ['no samples', { input: numbers([], [0, 4]), target: labels() }, /no samples/],
    ['a shape that lies', { ...good, input: numbers([1, 2, 3], [6, 2]) }, /\[6,2\] = 12 values but 3 data/],
    [
      'NaN',
      { input: numbers([1, 2, 3, Number.NaN], [2, 2]), target: labels(0, 1), features: ['a', 'b'] },
      /NaN in row 1, column 1 \('b'\)/,
    ],
    [
      'NaN in the target',
      { input: numbers([1, 2], [2, 1]), target: numbers([1, Number.NaN], [2, 1]) },
      /target is NaN in row 1/,
    ],
    ['a label too large', { ...good, target: labels(0, 1, 2, 3, 0, 1) }, /label in row 3 is 3, outside 0\.\.2/],
    ['a negative label', { ...good, target: labels(0, -1, 2, 0, 0, 1) }, /label in row 1 is -1/],
    [
      'a label with a fraction',
      { ...good, target: numbers([0, 1, 2, 0.5, 0, 1], [6]) },
      /label in row 3 is 0\.5, not an integer/,
    ],
  ])('%s', (_, data, message) => {
    expect(() => checkDataset(data)).toThrow(message)
  })
  test('accepts what is right', () => {
    checkDataset(good)
  })
})

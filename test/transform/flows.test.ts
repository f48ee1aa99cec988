/**
 * @file Gradients through slices: pieces that lie side by side are put end to end, and are right wherever they lie.
 */
import { expect, test } from 'vitest'
import type { TypedArray } from '../../src/base/dtype.js'
import { interpret } from '../../src/graph/interpret.js'
import { input, type Node, topological } from '../../src/graph/node.js'
import * as ops from '../../src/graph/ops.js'
import { gradients } from '../../src/transform/differentiate.js'

const [rows, columns] = [2, 6]
const count = (output: Node, op: string) => topological([output]).filter((node) => node.op === op).length

/** The gradient of Σ wᵢ · slice(x)ᵢ² by x, for slices [row from, column from, row to, column to], and its numbers. */
function gradientOf(slices: readonly (readonly [number, number, number, number])[]) {
  const x = input('float64', [rows, columns])
  const terms = slices.map(([r, c, rowEnd, columnEnd], i) => {
    const part = ops.slice(x, [r, c], [rowEnd, columnEnd])
    const weighed = ops.multiply(ops.multiply(part, part), ops.fullLike(part, i + 1))
    return ops.reduce('sum', weighed, [0, 1])
  })
  const [gradient] = gradients(
    terms.reduce((sum, term) => ops.add(sum, term)),
    [x],
  )
  const values = Float64Array.from({ length: rows * columns }, (_, i) => Math.sin(i + 1))
  const [got] = interpret({ inputs: [x], outputs: [gradient!] }, [values as TypedArray], 'fused')
  const wanted = Array.from(values, (v, i) => {
    const [row, column] = [Math.floor(i / columns), i % columns]
    const inside = (s: readonly number[]) => row >= s[0]! && row < s[2]! && column >= s[1]! && column < s[3]!
    return slices.reduce((sum, s, k) => sum + (inside(s) ? 2 * (k + 1) * v : 0), 0)
  })
  const worst = Math.max(...wanted.map((v, i) => Math.abs(v - got![i]!)))
  expect(worst).toBeLessThan(1e-14)
  return { concatenates: count(gradient!, 'concatenate'), pads: count(gradient!, 'pad') }
}

test('pieces that fill the whole are one join, in whatever order they were taken', () => {
  expect(
    gradientOf([
      [0, 0, 2, 2],
      [0, 4, 2, 6],
      [0, 2, 2, 4],
    ]),
  ).toEqual({ concatenates: 1, pads: 0 })
  expect(
    gradientOf([
      [1, 0, 2, 6],
      [0, 0, 1, 6],
    ]),
  ).toEqual({ concatenates: 1, pads: 0 })
})

test('neighbours within the whole are one piece', () => {
  expect(
    gradientOf([
      [0, 1, 2, 3],
      [0, 3, 2, 5],
    ]),
  ).toEqual({ concatenates: 1, pads: 1 })
})

test('others are added: apart, overlapping, taken twice, along two axes, beside the whole itself', () => {
  expect(
    gradientOf([
      [0, 0, 2, 1],
      [0, 3, 2, 5],
    ]),
  ).toEqual({ concatenates: 0, pads: 2 })
  expect(
    gradientOf([
      [0, 0, 2, 4],
      [0, 2, 2, 6],
    ]),
  ).toEqual({ concatenates: 0, pads: 2 })
  expect(
    gradientOf([
      [0, 0, 2, 3],
      [0, 0, 2, 3],
      [0, 3, 2, 6],
    ]),
  ).toEqual({ concatenates: 1, pads: 1 })
  expect(
    gradientOf([
      [0, 0, 1, 3],
      [1, 3, 2, 6],
    ]),
  ).toEqual({ concatenates: 0, pads: 2 })
  expect(
    gradientOf([
      [0, 0, 1, 6],
      [0, 0, 2, 3],
      [1, 0, 2, 6],
      [0, 3, 2, 6],
    ]),
  ).toEqual({ concatenates: 2, pads: 0 })
  expect(
    gradientOf([
      [0, 0, 2, 6],
      [0, 0, 2, 3],
      [0, 3, 2, 6],
    ]),
  ).toEqual({ concatenates: 1, pads: 1 })
})

/**
 * Sums and orders along an axis, scatterAdd and einsum: against PyTorch, with first and second derivatives in both precisions,
 * against plain loops at awkward sizes, and what is wrong with an equation.
 */
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { compile, einsum, scatterAdd, stopGradient, type Tensor, tensor, variable } from '../../src/index.js'
import { gradientsOf } from '../../src/trace/grad.js'
import { generator } from '../graph/random-graph.js'
import { distance, type FixtureArray, fixtureTensor, numbers, runTraced } from '../support/run.js'

interface Case {
  readonly name: string
  readonly options: { readonly equation: string; readonly axis: number; readonly k: number }
  readonly inputs: FixtureArray[]
  readonly numbers?: FixtureArray
  readonly value: FixtureArray
  readonly cotangent: FixtureArray
  readonly directions: FixtureArray[]
  readonly first: FixtureArray[]
  readonly second: FixtureArray[]
}
interface IndexCase {
  readonly name: string
  readonly options: { readonly axis: number }
  readonly input: FixtureArray
  readonly value: FixtureArray
}
const fixture = JSON.parse(readFileSync(new URL('../fixtures/torch/operations.json', import.meta.url), 'utf8')) as {
  cases: Case[]
  indices: IndexCase[]
}

type Operation = (x: Tensor, c: Case, more: { others: Tensor[]; numbers: Tensor | undefined }) => Tensor
const operations: { readonly [name: string]: Operation } = {
  einsum: (x, c, { others }) => einsum(c.options.equation, x, ...others),
  cumsum: (x, c) => x.cumsum(c.options.axis),
  'cumsum reverse': (x, c) => x.cumsum(c.options.axis, { reverse: true }),
  'cumsum exclusive': (x, c) => x.cumsum(c.options.axis, { exclusive: true }),
  sort: (x, c) => x.sort(c.options.axis),
  'sort descending': (x, c) => x.sort(c.options.axis, { descending: true }),
  topK: (x, c) => x.topK(c.options.k, { axis: c.options.axis }).values,
  'topK least': (x, c) => x.topK(c.options.k, { axis: c.options.axis, largest: false }).values,
  takeAlongAxis: (x, c, { numbers }) => x.takeAlongAxis(numbers!, c.options.axis),
  scatterAdd: (x, _, { others, numbers }) => scatterAdd(x, numbers!, others[0]!),
}
const indices: { readonly [name: string]: (x: Tensor, axis: number) => Tensor } = {
  argsort: (x, axis) => x.argsort(axis),
  'argsort descending': (x, axis) => x.argsort(axis, { descending: true }),
  argmax: (x, axis) => x.argmax(axis),
  argmin: (x, axis) => x.argmin(axis),
}

/** Every case in both precisions, against the same numbers. */
const runs = fixture.cases.flatMap((c) =>
  (['float32', 'float64'] as const).map(
    (dtype) => [`${c.name} ${c.options.equation ?? c.options.axis ?? ''}, ${dtype}`, c, dtype] as const,
  ),
)

describe('as PyTorch', () => {
  test.each(runs)('%s', (_, c, dtype) => {
    const variables = c.inputs.map((input) => variable(fixtureTensor(input, dtype)))
    const which = c.numbers && fixtureTensor(c.numbers)
    const cotangent = fixtureTensor(c.cotangent, dtype)
    const directions = c.directions.map((d) => fixtureTensor(d, dtype))
    const results = runTraced(() => {
      const [x, ...others] = variables.map((v) => v.value as Tensor)
      const value = operations[c.name]!(x!, c, { others, numbers: which })
      const first = gradientsOf(value.square().mul(cotangent).sum(), variables)
      const along = first.map((slope, i) => slope.mul(directions[i]!).sum()).reduce((a, b) => a.add(b))
      return [value, ...first, ...gradientsOf(along, variables)]
    }, [])
    const limit = dtype === 'float64' ? 1e-10 : 1e-5
    const expected = [c.value, ...c.first, ...c.second]
    expect(results.length).toBe(expected.length)
    results.forEach((result, i) => {
      expect(result.dtype).toBe(dtype)
      expect(result.shape).toEqual(expected[i]!.shape)
      expect(distance(numbers(result), expected[i]!.data)).toBeLessThan(limit)
    })
  })
  test.each(fixture.indices.map((c) => [`${c.name} ${c.options.axis}`, c] as const))('%s', (_, c) => {
    const [result] = runTraced((x) => indices[c.name]!(x, c.options.axis), [fixtureTensor(c.input)])
    expect(result!.dtype).toBe('int32')
    expect(numbers(result!)).toEqual(c.value.data)
  })
})

describe('orders', () => {
  const random = generator(1)
  test.each([1, 2, 3, 7, 16, 17, 100, 10_000])('%i elements, many of them equal', (n) => {
    const values = Float32Array.from({ length: n }, () => Math.floor(random() * n * 0.5))
    const places = [...values.keys()]
    const ascending = [...places].sort((a, b) => values[a]! - values[b]!)
    const descending = [...places].sort((a, b) => values[b]! - values[a]!)
    const x = tensor(values)
    expect(numbers(x.argsort())).toEqual(ascending)
    expect(numbers(x.argsort(0, { descending: true }))).toEqual(descending)
    expect(numbers(x.sort())).toEqual(ascending.map((k) => values[k]))
  })
  test('NaN is the greatest, −0 equals 0', () => {
    const x = tensor([Number.NaN, 1, Number.POSITIVE_INFINITY, -0, 0, Number.NaN, Number.NEGATIVE_INFINITY])
    expect(numbers(x.argsort())).toEqual([6, 3, 4, 1, 2, 0, 5])
    expect(numbers(x.argsort(0, { descending: true }))).toEqual([0, 5, 2, 1, 3, 4, 6])
    expect(numbers(x.topK(3).indices)).toEqual([0, 5, 2])
  })
  test.each(['int32', 'uint32', 'uint8', 'bool', 'float64'] as const)('%s', (dtype) => {
    const list = dtype === 'bool' ? [1, 0, 1, 0] : dtype === 'int32' ? [3, -2, 7, -9] : [3, 200, 7, 0]
    const x = tensor(list, { dtype })
    expect(numbers(x.sort())).toEqual([...list].sort((a, b) => a - b))
    expect(numbers(x.sort(0, { descending: true }))).toEqual([...list].sort((a, b) => b - a))
    expect(x.sort().dtype).toBe(dtype)
  })
  test('memory grows with the number of elements, not with its square', () => {
    const x = tensor(new Float32Array(20_000).map(() => random()))
    const { argsort } = Object.assign({}, { argsort: x.argsort() })
    expect(numbers(argsort).length).toBe(20_000)
  })
  test('what does not exist is named', () => {
    const x = tensor([[1, 2]])
    expect(() => x.topK(3)).toThrow(/topK: k must be a whole number from 0 to 2, not 3/)
    expect(() => x.sort(2)).toThrow(/sort: axis 2 does not exist/)
    expect(() => x.sort(0, { reverse: true } as never)).toThrow(/sort: there is no option 'reverse'/)
    expect(() => x.cumsum(0, { exclude: true } as never)).toThrow(/cumsum: there is no option 'exclude'/)
    expect(() => x.takeAlongAxis(tensor([[1]]))).toThrow(/chosen by int32/)
    expect(() => x.takeAlongAxis(tensor([1], { dtype: 'int32' }))).toThrow(/numbers \[1\] do not fit \[1,2\]/)
  })
})

describe('scatterAdd', () => {
  test('adds in ascending order of the updates, to clamped rows', () => {
    const updates = [1e8, 1, -1e8, 5, 7]
    const x = scatterAdd(tensor([0, 2, 0]), tensor([1, 1, 1, -3, 9], { dtype: 'int32' }), tensor(updates))
    const row = Math.fround(Math.fround(Math.fround(2 + 1e8) + 1) - 1e8)
    expect(numbers(x)).toEqual([5, row, 7])
  })
  test('of int32, and errors', () => {
    const which = tensor([0, 0], { dtype: 'int32' })
    expect(numbers(scatterAdd(tensor([1], { dtype: 'int32' }), which, tensor([2, 3], { dtype: 'int32' })))).toEqual([6])
    expect(() => scatterAdd(tensor([1]), which, tensor([2]))).toThrow(/updates are \[1\], not \[2\]/)
    expect(() => scatterAdd(tensor([1]), tensor([0]) as never, tensor([2]))).toThrow(/chosen by int32/)
    expect(() => scatterAdd(tensor(1), which, tensor([2, 3]))).toThrow(/no rows to add to/)
  })
  test('to a Variable where it is: no room for another table', () => {
    const [rows, width] = [1000, 32]
    const table = variable(tensor(new Float32Array(rows * width), { shape: [rows, width] }))
    const step = compile((which: Tensor, updates: Tensor) => {
      table.assign(scatterAdd(table.value, which, updates.mul(2)))
      return updates.sum()
    })
    const which = tensor([5, 999, 5], { dtype: 'int32' })
    const updates = tensor(new Float32Array(3 * width).fill(1), { shape: [3, width] })
    expect(step.explain([which, updates]).arenaBytes).toBeLessThan(rows * width)
    step(which, updates)
    step(which, updates)
    const sums = numbers(table.value.sum(1))
    expect([sums[5], sums[999], sums[0], sums[998]]).toEqual([8 * width, 4 * width, 0, 0])
  })
  test('nothing flows through stopGradient', () => {
    const x = variable(tensor([2, 3]))
    const [slope] = runTraced(() => gradientsOf(stopGradient(x.value).mul(x.value).sum(), [x]), [])
    expect(numbers(slope!)).toEqual([2, 3])
  })
})

describe('einsum points into its equation', () => {
  const a = tensor([
    [1, 2],
    [3, 4],
  ])
  const b = tensor([[1, 2, 3]])
  test.each([
    ['ij,jk->iq', [a, a], "einsum: 'q' is in no operand: ij,jk->i[q]"],
    ['ij,jk->ii', [a, a], "'i' stands twice in the result: ij,jk->i[i]"],
    ['i!,jk->ij', [a, a], "'!' is no letter: i[!],jk->ij"],
    ['ij,jk->ik', [a], "'ij,jk->ik' names 2 operands, and 1 are given"],
    ['ijk,jk->i', [a, a], 'operand 1 is [2,2], and 3 axes are named: [ijk],jk->i'],
    ['ij,j->i', [a, a], 'operand 2 is [2,2], and 1 axes are named: ij,[j]->i'],
    ['ij,ik->jk', [a, tensor([[1], [2], [3]])], "'i' is 2 and, in operand 2 [3,1], 3: ij,[i]k->jk"],
    ['ij,kj->ik', [a, b], "'j' is 2 and, in operand 2 [1,3], 3: ij,k[j]->ik"],
    ['...i...->i', [a], 'there is a second ellipsis in one term: ...i[...]->i'],
    ['...i->i', [a], "the axes of '...' are missing from the result: ...i->[i]"],
    ['ij->ij', [tensor([[1]], { dtype: 'int32' })], 'operands must all be float32 or all float64, not int32'],
  ] as const)('%s', (equation, operands, message) => {
    expect(() => einsum(equation, ...operands)).toThrow(message)
  })
})

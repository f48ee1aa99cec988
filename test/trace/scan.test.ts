/**
 * @file scan for users: what it gives and what it refuses. Derivatives are checked in test/transform/gradients.test.ts, bits of
 * every engine on random programs and in the bit matrix, recurrent layers in the conformance table.
 */
import { describe, expect, test } from 'vitest'
import {
  compile,
  grad,
  nn,
  random,
  scan,
  stopGradient,
  type Tensor,
  tensor,
  variable,
  vmap,
  zeros,
} from '../../src/index.js'
import { RandomGenerator } from '../../src/trace/random.js'
import { numbers, runTraced } from '../support/run.js'

const values = async (x: Tensor) => Array.from(await x.data())
const scalar = zeros([]) as Tensor
const list = tensor([1, 2, 3]) as Tensor

describe('scan', () => {
  test('gives the last carry and every result, there and back', async () => {
    const sums = (options: object) => scan((sum: Tensor, x: Tensor) => [sum.add(x), sum.mul(10)], scalar, list, options)
    const [last, all] = sums({})
    expect([await last.item(), await all.array()]).toEqual([6, [0, 10, 30]])
    const [first, back] = sums({ reverse: true })
    expect([await first.item(), await back.array()]).toEqual([6, [50, 30, 0]])
  })
  test('is the loop that is written out, in a compiled step as well', async () => {
    const w = tensor([
      [0.5, -1],
      [0.3, 0.2],
    ]) as Tensor
    const f = compile((h: Tensor, xs: Tensor) => {
      const [last, all] = scan(
        (h: Tensor, x: Tensor) => {
          const next = h.matmul(w).add(x).tanh()
          return [next, next]
        },
        h,
        xs,
      )
      return { last, all }
    })
    const xs = tensor([[[1, 2]], [[-1, 0.5]], [[0.1, 0.2]]]) as Tensor
    const { last, all } = f(zeros([1, 2]) as Tensor, xs)
    let h = zeros([1, 2]) as Tensor
    const expected: number[] = []
    for (let t = 0; t < 3; t++) {
      h = h
        .matmul(w)
        .add(xs.slice([t], [t + 1]).reshape([1, 2]))
        .tanh()
      expected.push(...(await values(h)))
    }
    expect(await values(all)).toEqual(expected)
    expect(await values(last)).toEqual(expected.slice(4))
  })
  test('carries, slices and results are trees; what is no tensor stays', async () => {
    const [carry, results] = scan(
      ({ a, b }: { a: Tensor; b: readonly [Tensor] }, [x]: readonly [Tensor]) => [
        { a: b[0].add(x), b: [a] as const },
        { sum: a.add(b[0]), name: 'sum' },
      ],
      { a: scalar, b: [tensor(1) as Tensor] as const },
      [list] as const,
    )
    expect([await carry.a.item(), await carry.b[0].item()]).toEqual([5, 2])
    expect([results.name, await results.sum.array()]).toEqual(['sum', [1, 2, 4]])
  })
  test('counts without inputs, may run no time at all, and needs no carry', async () => {
    const [twice] = scan((x: Tensor) => [x.mul(2), undefined], tensor(1) as Tensor, undefined, { length: 5 })
    expect(await twice.item()).toBe(32)
    const [same, none] = scan((x: Tensor, y: Tensor) => [x.add(y), x], tensor(7) as Tensor, zeros([0]) as Tensor)
    expect([await same.item(), none.shape]).toEqual([7, [0]])
    const [, squares] = scan((_: undefined, x: Tensor) => [undefined, x.square()], undefined, list)
    expect(await squares.array()).toEqual([1, 4, 9])
    const [, threes] = scan(() => [undefined, tensor(3) as Tensor], undefined, undefined, { length: 2 })
    expect(await threes.array()).toEqual([3, 3])
  })
  test('loops stand in loops', async () => {
    const rows = tensor([
      [1, 2],
      [3, 4],
      [5, 6],
    ]) as Tensor
    const [total, inner] = scan(
      (sum: Tensor, row: Tensor) => {
        const [one, all] = scan((s: Tensor, x: Tensor) => [s.add(x.mul(sum)), s], tensor(1) as Tensor, row)
        return [one, all]
      },
      tensor(1) as Tensor,
      rows,
    )
    // 1 + 1·1 + 2·1 = 4; 1 + 3·4 + 4·4 = 29; 1 + 5·29 + 6·29 = 320
    expect(await total.item()).toBe(320)
    expect(await inner.array()).toEqual([
      [1, 2],
      [1, 13],
      [1, 146],
    ])
  })
  test('other dtypes are carried; gradients flow past them', async () => {
    const f = (x: Tensor) => {
      const [[count, sum]] = scan(
        ([n, s]: readonly [Tensor, Tensor], y: Tensor) =>
          [[n.add(1), s.add(y.mul(n.cast('float32')))], undefined] as const,
        [tensor(0, { dtype: 'int32' }) as Tensor, scalar] as const,
        x,
      )
      return sum.add(stopGradient(count.cast('float32')))
    }
    expect(await f(list).item()).toBe(0 + 2 + 6 + 3)
    expect(await grad(f)(list).array()).toEqual([0, 1, 2])
  })
  test('is mapped over samples', async () => {
    const prefix = (x: Tensor) => scan((s: Tensor, y: Tensor) => [s.add(y), s.add(y)], scalar, x)[1] as Tensor
    const both = vmap(prefix as never)(
      tensor([
        [1, 2, 3],
        [4, 5, 6],
      ]) as never,
    ) as Tensor
    expect(await both.array()).toEqual([
      [1, 3, 6],
      [4, 9, 15],
    ])
  })
})

describe('random draws in a scan', () => {
  test('differ by iteration, and are those of one draw before it', () => {
    const draw = (f: () => Tensor) => numbers(runTraced(f, [], { random: new RandomGenerator(5) })[0]!)
    const inside = draw(() => scan(() => [undefined, random.uniform([3])], undefined, undefined, { length: 4 })[1])
    expect(inside).toEqual(draw(() => random.uniform([4, 3]) as Tensor))
    const nested = draw(() => {
      const row = () =>
        scan(() => [undefined, random.uniform([2])], undefined, undefined, { length: 3, reverse: true })[1]
      return scan(() => [undefined, row()], undefined, undefined, { length: 4 })[1] as Tensor
    })
    expect(nested).toEqual(draw(() => random.uniform([4, 3, 2]) as Tensor))
    expect(new Set(nested).size).toBe(24)
  })
  test('dropout drops other elements each time', async () => {
    const drop = nn.dropout(0.5)
    const f = compile((x: Tensor) => scan((_: undefined, y: Tensor) => [undefined, drop(y)], undefined, x)[1], {
      training: true,
    })
    const rows = await (f(tensor(new Float32Array(4 * 64).fill(1), { shape: [4, 64] }) as Tensor) as Tensor).array()
    expect(new Set((rows as number[][]).map(String)).size).toBe(4)
  })
})

describe('scan refuses', () => {
  const run = (f: (h: Tensor, x: Tensor) => unknown, initial: unknown = scalar, xs: unknown = list, options?: object) =>
    scan(f as never, initial, xs as never, options)
  test.each<[string, () => unknown, RegExp]>([
    [
      'a carry of another shape',
      () => run((h) => [h.expandDims(0), h]),
      /carry goes in as \[\] and comes out as \[1\]/,
    ],
    [
      'a carry of another dtype',
      () => run((h) => [h.cast('int32'), h]),
      /carry goes in as float32 and comes out as int32.*cast\('float32'\)/,
    ],
    ['a carry of another structure', () => run((h) => [[h], h]), /goes in as \* and comes out as \[\*\]/],
    ['a body that returns one tensor', () => run((h) => h), /must return \[carry, result\]/],
    ['an async body', () => run(async (h) => [h, h]), /async function/],
    ['a scalar to go along', () => run((h) => [h, h], scalar, scalar), /is a scalar/],
    [
      'other lengths',
      () => run((h) => [h, h], scalar, [list, zeros([4])]),
      /input 1 of shape \[4\] has 4 slices, not 3/,
    ],
    ['another length than is said', () => run((h) => [h, h], scalar, list, { length: 2 }), /has 3 slices, not 2/],
    ['no length', () => run((h) => [h, h], scalar, null), /there is no tensor to go along/],
    ['half an iteration', () => run((h) => [h, h], scalar, null, { length: 1.5 }), /whole number/],
    ['an unknown option', () => run((h) => [h, h], scalar, list, { backwards: true }), /backwards/],
  ])('%s', (_, f, message) => {
    expect(f).toThrow(message)
  })
  test('reading a value in the body, and using its tensors afterwards', async () => {
    let kept: Tensor | undefined
    run((h) => {
      kept = h.add(1)
      return [h, h]
    })
    await expect(kept!.item()).rejects.toThrow(/scan/)
    const leak = compile(() => {
      run((h) => {
        kept = h.add(1)
        return [h, h]
      })
      return kept!
    })
    expect(() => leak()).toThrow(/made in the body was used after it/)
  })
  test('a Variable that would change in each iteration', () => {
    const v = variable(tensor(1))
    const f = compile((x: Tensor) => {
      scan(
        (h: Tensor, y: Tensor) => {
          v.assign(y as never)
          return [h, h]
        },
        scalar,
        x,
      )
      return v.value
    })
    expect(() => f(list)).toThrow(/Make it a carry/)
  })
})

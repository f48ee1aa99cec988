/**
 * @file Threefry against Random123's published answers, and the streams made of it: their definition, their
 * distributions, and that seeds and names tell them apart.
 */
import { describe, expect, test } from 'vitest'
import { keyOfSeed, RandomStream, uniformFloat32 } from '../../src/numerics/random.js'
import { words } from '../../src/numerics/scalar.js'
import { hashString, rounds, threefry2x32, threefryFill, threefryWords } from '../../src/numerics/threefry.js'

describe('threefry2x32', () => {
  // Random123, tests/kat_vectors: rounds, counter, key, answer.
  const ones = 0xffffffff
  const pi = [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344]
  const answers: [number, number[], number[]][] = [
    [13, [0, 0, 0, 0], [0x9d1c5ec6, 0x8bd50731]],
    [13, [ones, ones, ones, ones], [0xfd36d048, 0x2d17272c]],
    [13, pi, [0xba3e4725, 0xf27d669e]],
    [20, [0, 0, 0, 0], [0x6b200159, 0x99ba4efe]],
    [20, [ones, ones, ones, ones], [0x1cb996fc, 0xbb002be7]],
    [20, pi, [0xc4923a9c, 0x483df7a0]],
    [32, [0, 0, 0, 0], [0xcee3d47e, 0xa23dfd5c]],
    [32, [ones, ones, ones, ones], [0x6e2fe0d0, 0xb1b76f82]],
    [32, pi, [0xe2827716, 0xc3c05cdf]],
  ]
  test.each(answers)('%d rounds of %j give %j', (n, [c0, c1, k0, k1], answer) => {
    expect(threefry2x32(words, [k0!, k1!], [c0!, c1!], n)).toEqual(answer)
  })

  test('threefryFill is its definition', () => {
    for (const [key0, key1, stream, start] of [
      [0, 0, 0, 0],
      [0xdeadbeef, 0x80000001, 0xffffffff, 0xfffffffa],
      [1, 2, 3, 7],
    ] as const) {
      const out = new Uint32Array(16)
      threefryFill(out, key0, key1, stream, start)
      const expected = Array.from(out, (_, i) => {
        return threefry2x32(words, [key0, key1], [(start + i) >>> 0, stream], rounds)[0]
      })
      expect([...out]).toEqual(expected)
      expect(threefryWords(key0, key1, start, stream)[0]).toBe(out[0])
    }
  })
})

test('hashString tells names apart, and every output bit is used', () => {
  const names: string[] = []
  for (const prefix of ['layers', 'encoder.blocks', 'Ω', ''])
    for (let i = 0; i < 500; i++) for (const leaf of ['weight', 'bias', 'dropout']) names.push(`${prefix}.${i}.${leaf}`)
  const hashes = names.map(hashString)
  expect(new Set(hashes).size).toBe(names.length)
  for (let bit = 0; bit < 32; bit++) {
    const share = hashes.filter((hash) => (hash >>> bit) & 1).length / hashes.length
    expect(Math.abs(share - 0.5)).toBeLessThan(5 * (0.5 / Math.sqrt(hashes.length)))
  }
  expect(hashString('')).not.toBe(hashString('\0'))
  expect(hashString('Ā')).not.toBe(hashString('\0'))
})

describe('RandomStream', () => {
  test('its words are those of threefryFill under the seed and the hash of its name, across blocks', () => {
    const stream = new RandomStream(42, 'shuffle')
    const expected = new Uint32Array(10_000)
    threefryFill(expected, ...keyOfSeed(42), hashString('shuffle'))
    const got = Uint32Array.from(expected, () => stream.nextWord())
    expect(got).toEqual(expected)
  })

  test('same seed and name, same values; another of either, others', () => {
    const draw = (seed: number, name: string) => {
      const stream = new RandomStream(seed, name)
      return [stream.nextWord(), stream.uniform(), stream.normal(), stream.integer(10 ** 9)]
    }
    expect(draw(1, 'a')).toEqual(draw(1, 'a'))
    const seeds = [0, 1, 2, -1, 0.5, 2 ** 32, 2 ** 32 + 1, 1e300]
    const first = [...seeds.map((seed) => draw(seed, 'a')[0]), draw(1, 'b')[0], draw(1, '')[0]]
    expect(new Set(first).size).toBe(first.length)
    expect(() => new RandomStream(Number.NaN, 'a')).toThrow('seed: it must be a finite number')
  })

  test('uniform: within [0, 1), its 256 bins as full as they should be, and so for float32', () => {
    const stream = new RandomStream(3, 'uniform')
    const n = 256_000
    for (const draw of [() => stream.uniform(), () => uniformFloat32(stream.nextWord())]) {
      const bins = new Float64Array(256)
      for (let i = 0; i < n; i++) {
        const u = draw()
        if (!(u >= 0 && u < 1)) throw new Error(`${u}`)
        bins[Math.floor(u * 256)]!++
      }
      // χ² with 255 degrees of freedom: mean 255, standard deviation 22.6.
      const chi2 = bins.reduce((sum, count) => sum + (count - n / 256) ** 2 / (n / 256), 0)
      expect(Math.abs(chi2 - 255)).toBeLessThan(5 * Math.sqrt(2 * 255))
    }
    expect(uniformFloat32(0xffffffff)).toBe(1 - 2 ** -24)
    expect(uniformFloat32(255)).toBe(0)
  })

  test('normal: moments and tails; the two of a pair are independent', () => {
    const stream = new RandomStream(4, 'normal')
    const n = 200_000
    const moments = [0, 0, 0, 0]
    let beyond2 = 0
    let product = 0
    let previous = 0
    for (let i = 0; i < n; i++) {
      const z = stream.normal()
      for (let k = 0; k < 4; k++) moments[k]! += z ** (k + 1) / n
      if (Math.abs(z) > 2) beyond2++
      if (i % 2 === 1) product += (z * previous) / (n / 2)
      previous = z
    }
    const within = (value: number, mean: number, deviation: number, of = n) =>
      expect(Math.abs(value - mean)).toBeLessThan((5 * deviation) / Math.sqrt(of))
    within(moments[0]!, 0, 1)
    within(moments[1]!, 1, Math.sqrt(2))
    within(moments[2]!, 0, Math.sqrt(15))
    within(moments[3]!, 3, Math.sqrt(96))
    within(beyond2 / n, 0.0455002639, Math.sqrt(0.0455 * 0.9545))
    within(product, 0, 1, n / 2)
  })

  test('integer: unbiased where a remainder alone would not be', () => {
    const stream = new RandomStream(5, 'integer')
    // 2³² mod 3·2³⁰ = 2³⁰: plain remainders would give the lowest third twice as often as either other.
    const below = 3 * 2 ** 30
    const n = 60_000
    const thirds = [0, 0, 0]
    for (let i = 0; i < n; i++) thirds[Math.floor(stream.integer(below) / 2 ** 30)]!++
    for (const count of thirds) expect(Math.abs(count - n / 3)).toBeLessThan(5 * Math.sqrt((n * 2) / 9))
    expect(stream.integer(1)).toBe(0)
    for (const bad of [0, -1, 1.5, 2 ** 32 + 1, Number.NaN])
      expect(() => stream.integer(bad)).toThrow('integer: the bound')
  })

  test('permutation: all numbers once, every order of three as often, 60,000 quickly', () => {
    const stream = new RandomStream(6, 'permutation')
    expect([...stream.permutation(0)]).toEqual([])
    expect([...stream.permutation(1)]).toEqual([0])
    const orders = new Map<string, number>()
    for (let i = 0; i < 12_000; i++) {
      const order = stream.permutation(3).join()
      orders.set(order, (orders.get(order) ?? 0) + 1)
    }
    expect(orders.size).toBe(6)
    for (const count of orders.values()) expect(Math.abs(count - 2000)).toBeLessThan(5 * Math.sqrt((12_000 * 5) / 36))
    const large = stream.permutation(60_000)
    expect(Uint32Array.from(large).sort()).toEqual(Uint32Array.from({ length: 60_000 }, (_, i) => i))
    const times = Array.from({ length: 5 }, () => {
      const start = performance.now()
      stream.permutation(60_000)
      return performance.now() - start
    })
    expect(Math.min(...times)).toBeLessThan(30)
  })

  test('shuffle works on any list, in place', () => {
    const list = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']
    const copy = [...list]
    new RandomStream(7, 'shuffle').shuffle(copy)
    expect(copy).not.toEqual(list)
    expect(copy.sort()).toEqual(list)
  })
})

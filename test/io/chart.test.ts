/** @file Charts: every picture is well-formed, everything drawn lies inside it, and the legend beside the plot. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { barChart, lineChart, type Point } from '../../src/io/chart.js'

/** Tags must nest, and no number may be NaN or infinite. Returns every tag with its attributes. */
function check(svg: string): { tag: string; attributes: Record<string, string> }[] {
  expect(svg).not.toMatch(/NaN|Infinity|undefined/)
  const open: string[] = []
  const elements: { tag: string; attributes: Record<string, string> }[] = []
  for (const [, close, tag, rest, empty] of svg.matchAll(/<(\/?)([a-z]+)((?:\s[^<>]*?)?)(\/?)>/g)) {
    if (close) expect(open.pop()).toBe(tag)
    else {
      if (!empty) open.push(tag!)
      const attributes = Object.fromEntries([...rest!.matchAll(/([\w-]+)="([^"]*)"/g)].map(([, k, v]) => [k, v]))
      elements.push({ tag: tag!, attributes: attributes as Record<string, string> })
    }
  }
  expect(open).toEqual([])
  // Every '<' begins a tag: texts are escaped.
  expect(svg.split('<').length - 1).toBe([...svg.matchAll(/<\/?[a-z]+(\s[^<>]*)?>/g)].length)
  return elements
}

const numbers = (path: string) => [...path.matchAll(/-?\d+(?:\.\d+)?/g)].map(Number)

/** The points of absolute M/L paths of the series. */
function lines(svg: string): Point[][] {
  return [...svg.matchAll(/<path class="line stroke\d"[^>]*d="([^"]*)"/g)]
    .map(([, d]) => d!)
    .filter((d) => !d.includes('h20'))
    .map((d) => {
      const n = numbers(d)
      return Array.from({ length: n.length / 2 }, (_, i) => [n[2 * i]!, n[2 * i + 1]!] as const)
    })
}

const value = fc.oneof(
  fc.double({ min: -1e6, max: 1e6 }),
  fc.double({ min: 1e-9, max: 1 }),
  fc.constantFrom(0, Number.NaN, Number.POSITIVE_INFINITY, 3),
)
const series = fc.record({
  name: fc.string({ unit: 'grapheme', maxLength: 60 }),
  points: fc.array(fc.tuple(value, value), { maxLength: 12 }),
  dashed: fc.boolean(),
})

describe('lineChart', () => {
  test('any series give a well-formed picture with every point inside the plot', () => {
    fc.assert(
      fc.property(
        fc.array(series, { maxLength: 12 }),
        fc.boolean(),
        fc.boolean(),
        fc.string(),
        (list, logX, logY, title) => {
          const svg = lineChart({
            title,
            xLabel: 'a < b',
            yLabel: '"&"',
            series: list,
            logX,
            logY,
            marks: [{ x: 3, label: '<best>' }],
          })
          const elements = check(svg)
          const { width, height } = elements[0]!.attributes
          const axis = elements.find(
            ({ tag, attributes }) => tag === 'line' && attributes['class'] === 'axis',
          )!.attributes
          for (const path of lines(svg))
            for (const [x, y] of path) {
              expect(x).toBeGreaterThanOrEqual(Number(axis['x1']) - 0.1)
              expect(x).toBeLessThanOrEqual(Number(axis['x2']) + 0.1)
              expect(y).toBeGreaterThanOrEqual(50)
              expect(y).toBeLessThanOrEqual(Number(axis['y1']) + 0.1)
            }
          // The legend stands right of the plot, its rows apart from one another and inside the picture.
          const legend = [...svg.matchAll(/<text class="name" x="([\d.]+)" y="([\d.]+)"/g)].map(([, x, y]) => [
            Number(x),
            Number(y),
          ])
          expect(legend.length).toBe(list.length > 1 ? list.length : 0)
          legend.forEach(([x, y], i) => {
            expect(x).toBeGreaterThan(Number(axis['x2']))
            expect(x).toBeLessThan(Number(width))
            expect(y).toBeLessThan(Number(height))
            if (i > 0) expect(y! - legend[i - 1]![1]!).toBeGreaterThanOrEqual(14)
          })
        },
      ),
      { numRuns: 300 },
    )
  })

  test('equal steps of the values are equal steps on paper; on a logarithmic axis equal factors are', () => {
    const draw = (logY: boolean, ys: number[]) =>
      lines(
        lineChart({
          title: 't',
          xLabel: 'x',
          yLabel: 'y',
          logY,
          series: [{ name: 'a', points: ys.map((y, i) => [i, y]) }],
        }),
      )[0]!
    const linear = draw(false, [0, 1, 2])
    expect(linear[0]![1] - linear[1]![1]).toBeCloseTo(linear[1]![1] - linear[2]![1], 0)
    expect(linear[0]![1]).toBeGreaterThan(linear[1]![1] + 50)
    expect(linear[1]![0] - linear[0]![0]).toBeCloseTo(linear[2]![0] - linear[1]![0], 0)
    const log = draw(true, [1, 10, 100])
    expect(log[0]![1] - log[1]![1]).toBeCloseTo(log[1]![1] - log[2]![1], 0)
    expect(log[0]![1]).toBeGreaterThan(log[1]![1] + 50)
  })

  test('a gap in the data is a gap in the line', () => {
    const points: Point[] = [0, 1, Number.NaN, 3, 4].map((y, x) => [x, y])
    const svg = lineChart({ title: 't', xLabel: 'x', yLabel: 'y', series: [{ name: 'a', points }] })
    expect([...svg.matchAll(/<path class="line stroke0" d="([^"]*)"/g)][0]![1]!.match(/M/g)).toHaveLength(2)
  })

  test('a hundred thousand points stay a small file that keeps the extremes', () => {
    const points: Point[] = Array.from({ length: 100_000 }, (_, i) => [i, Math.sin(i / 5)])
    points[54_321] = [54_321, 9]
    const svg = lineChart({ title: 't', xLabel: 'x', yLabel: 'y', series: [{ name: 'a', points }] })
    expect(svg.length).toBeLessThan(80_000)
    const heights = lines(svg)[0]!.map(([, y]) => y)
    const typical = heights.slice().sort((a, b) => a - b)[1]!
    expect(typical - Math.min(...heights)).toBeGreaterThan(150)
  })

  test('ticks are spelled as people write them', () => {
    const labels = (ys: number[], logY = false) => {
      const svg = lineChart({
        title: 't',
        xLabel: 'x',
        yLabel: 'y',
        logY,
        series: [{ name: 'a', points: ys.map((y, i) => [i + 1, y]) }],
      })
      return [...svg.matchAll(/text-anchor="end">([^<]*)</g)].map(([, text]) => text)
    }
    expect(labels([0, 1])).toEqual(['0.0', '0.2', '0.4', '0.6', '0.8', '1.0'])
    expect(labels([0, 250_000])).toEqual(['0', '50,000', '100,000', '150,000', '200,000', '250,000'])
    expect(labels([-2, 2])).toEqual(['−2', '−1', '0', '1', '2'])
    expect(labels([1e-6, 1], true)).toEqual(['10⁻⁶', '10⁻⁵', '10⁻⁴', '0.001', '0.01', '0.1', '1'])
  })
})

describe('barChart', () => {
  const bars = fc.array(
    fc.record({ name: fc.string({ maxLength: 50 }), value, error: fc.double({ min: 0, max: 10, noNaN: true }) }),
    {
      maxLength: 20,
    },
  )
  test('any bars give a well-formed picture, each as long as its value', () => {
    fc.assert(
      fc.property(bars, (list) => {
        const svg = barChart({ title: 'bars', xLabel: 'x', bars: list })
        const drawn = check(svg).filter(({ attributes }) => attributes['class'] === 'fill0')
        expect(drawn.length).toBe(list.length)
        const finite = list
          .map(({ value: v }, i) => ({ v, width: Number(drawn[i]!.attributes['width']) }))
          .filter(({ v }) => Number.isFinite(v))
        const longest = finite.reduce((a, b) => (Math.abs(b.v) > Math.abs(a.v) ? b : a), { v: 0, width: 0 })
        for (const { v, width } of finite)
          if (longest.v !== 0) expect(width).toBeCloseTo((longest.width * Math.abs(v)) / Math.abs(longest.v), 0)
      }),
      { numRuns: 200 },
    )
  })
})

/**
 * @file What is said of single columns: scalings, gaps, limits, orders, hashes, dates. Beside plain formulas; through JSON; as words and as
 * objects; and what is refused.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseDate } from '../../src/data/dates.js'
import {
  type CategoryColumn,
  type ColumnOptions,
  type ColumnSetting,
  featureNames,
  inputWidth,
  parsePreprocessing,
  prepareTable,
  transform,
} from '../../src/data/preprocess.js'
import { columnOptions, splitColumnText } from '../../src/data/preprocess-options.js'
import { type Row, tableFromRows } from '../../src/data/table.js'

const count = 200
const rows: Row[] = Array.from({ length: count }, (_, i) => ({
  x: i % 10 === 3 ? null : ((i * 37) % 101) / 4 - 5,
  c: i % 8 === 5 ? null : `v${(i * i) % 23}`,
  size: i % 9 === 1 ? null : ['S', 'M', 'L'][(i * 7) % 3]!,
  when: i % 12 === 2 ? null : new Date(Date.UTC(2023, 0, 1 + ((i * 11) % 400), i % 24)).toISOString(),
  y: i % 2 ? 'yes' : 'no',
}))
const data = tableFromRows(rows)
const prepared = (columns: Record<string, ColumnSetting>) => prepareTable(data, { target: 'y', seed: 1, columns })
const fitted = (name: string, setting: ColumnSetting) => {
  const { preprocessing, rows: parts } = prepared({ [name]: setting })
  const names = featureNames(preprocessing)
  const input = preprocessing.inputs.find((one) => one.name === name)!
  const own = names.flatMap((feature, at) => (feature.startsWith(name) ? [at] : []))
  const at = (row: Row) => {
    const all = transform(preprocessing, [row])
    return own.map((place) => all[place]!)
  }
  return {
    preprocessing,
    input,
    at,
    names: own.map((place) => names[place]!),
    train: [...parts.train].map((i) => rows[i]!),
  }
}
const numbers = (train: Row[]) => train.flatMap(({ x }) => (x === null ? [] : [x as number])).sort((a, b) => a - b)
const median = (v: number[]) => (v[(v.length - 1) >> 1]! + v[v.length >> 1]!) / 2

describe('numbers', () => {
  test('minmax, robust, none, standard', () => {
    const { at, train, names } = fitted('x', 'minmax')
    const v = numbers(train)
    const [low, high] = [v[0]!, v.at(-1)!]
    expect(names).toEqual(['x', 'x is missing'])
    expect([at({ x: low })[0], at({ x: high })[0]]).toEqual([0, 1])
    expect(at({ x: 3 })[0]).toBeCloseTo((3 - low) / (high - low), 6)
    expect(at({ x: null })).toEqual([at({ x: median(v) })[0], 1])
    const robust = fitted('x', 'robust')
    expect(robust.at({ x: median(v) })[0]).toBeCloseTo(0, 6)
    const none = fitted('x', 'unscaled no-indicator')
    expect(none.at({ x: 123456 })).toEqual([123456])
    expect(none.names).toEqual(['x'])
    expect(fitted('x', 'standard').at({ x: 7 })).toEqual(fitted('x', {}).at({ x: 7 }))
  })

  test('gaps: mean, most frequent, a constant; limits at quantiles', () => {
    const plain = fitted('x', 'unscaled')
    const v = numbers(plain.train)
    const mean = v.reduce((a, b) => a + b, 0) / v.length
    expect(fitted('x', 'unscaled missing=mean').at({ x: null })[0]).toBeCloseTo(mean, 5)
    expect(fitted('x', 'unscaled missing=-3.5').at({ x: null })[0]).toBe(-3.5)
    const modes = new Map<number, number>()
    for (const x of v) modes.set(x, (modes.get(x) ?? 0) + 1)
    const most = Math.max(...modes.values())
    const mode = Math.min(...[...modes].flatMap(([x, n]) => (n === most ? [x] : [])))
    expect(fitted('x', 'unscaled missing=most-frequent').at({ x: '?' })[0]).toBe(Math.fround(mode))
    const quantile = (share: number) => {
      const at = share * (v.length - 1)
      return v[Math.floor(at)]! + (at % 1) * (v[Math.ceil(at)]! - v[Math.floor(at)]!)
    }
    const clipped = fitted('x', 'minmax clip=0.1')
    expect(clipped.input).toMatchObject({ clip: [quantile(0.1), quantile(0.9)] })
    expect([clipped.at({ x: -1e9 })[0], clipped.at({ x: 1e9 })[0]]).toEqual([0, 1])
    expect(fitted('x', 'log').input).toMatchObject({ transform: 'log' })
  })
})

describe('categories', () => {
  test('an order goes from 0 to 1; other texts are refused', () => {
    const { at, names, input } = fitted('size', { order: ['S', 'M', 'L'] })
    expect(names).toEqual(['size', 'size is missing'])
    expect([at({ size: 'S' }), at({ size: 'M' }), at({ size: 'L' })]).toEqual([
      [0, 0],
      [0.5, 0],
      [1, 0],
    ])
    expect(at({ size: null })).toEqual([(input as { fill: number }).fill / 2, 1])
    expect(fitted('size', 'order=S<M<L missing=L').at({ size: null })).toEqual([1, 1])
    expect(() => at({ size: 'XL' })).toThrow(/'XL' in row 1, 'size' is not in the order S < M < L/)
    expect(() => fitted('size', 'order=S<M')).toThrow(/'L' in row \d+, column 'size' is not in the order S < M/)
  })

  test('hashes: all, or the rare and unknown ones; equal texts in one bucket', () => {
    const all = fitted('c', 'hash=5')
    expect(all.names.length).toBe(6)
    for (const text of ['v1', 'v2', 'never seen']) {
      const bits = all.at({ c: text })
      expect(bits.reduce((a, b) => a + b, 0)).toBe(1)
      expect(all.at({ c: text })).toEqual(bits)
    }
    expect(all.at({ c: null })).toEqual([0, 0, 0, 0, 0, 1])
    const spread = new Set(
      Array.from({ length: 100 }, (_, i) =>
        fitted('c', 'hash=5')
          .at({ c: `text ${i}` })
          .indexOf(1),
      ),
    )
    expect(spread.size).toBe(5)
    const rare = fitted('c', 'rare=3')
    const known = (rare.input as CategoryColumn).values
    expect(rare.names.length).toBe(known.length + 3 + 1)
    expect(rare.at({ c: known[0]! })[0]).toBe(1)
    expect(
      rare
        .at({ c: 'never seen' })
        .slice(known.length, -1)
        .reduce((a, b) => a + b, 0),
    ).toBe(1)
    const filled = fitted('c', 'category missing=most-frequent')
    expect(filled.names).not.toContain('c is missing')
    expect(filled.at({ c: null })).toEqual(filled.at({ c: (filled.input as CategoryColumn).fill! }))
  })
})

describe('dates', () => {
  test('are found; their parts are places on the calendar, and the time itself', () => {
    const { input, names, at, train } = fitted('when', {})
    const times = train.flatMap(({ when }) => (when === null ? [] : [Date.parse(when as string)]))
    const mean = times.reduce((a, b) => a + b, 0) / times.length
    expect(input).toMatchObject({ kind: 'date', parts: ['since', 'month', 'weekday', 'hour'], mean })
    expect(names).toEqual([
      'when',
      ...['month', 'weekday', 'hour'].flatMap((part) => [`when: ${part}, sine`, `when: ${part}, cosine`]),
      'when is missing',
    ])
    const spring = at({ when: '2023-04-02T06:00:00Z' })
    // April is a quarter of the year after January, Sunday begins the week, six o'clock is a quarter of the day.
    const expected = [1, 0, 0, 1, 1, 0, 0]
    spring.slice(1).forEach((value, i) => {
      expect(value).toBeCloseTo(expected[i]!, 6)
    })
    expect(at({ when: null }).at(-1)).toBe(1)
    expect(() => at({ when: 'soon' })).toThrow(/'soon' in row 1, 'when' is not a date.*2024-02-29/)
    const chosen = fitted('when', 'parts=year+day no-indicator')
    expect(chosen.names).toEqual(['when: year', 'when: day, sine', 'when: day, cosine'])
    expect(chosen.at({ when: '2023-05-06' })[0]).toBe(chosen.at({ when: '2023-11-30 12:00' })[0])
  })

  test('are read as they are written, and no others', () => {
    const utc = (...parts: [number, number, number, number?, number?, number?]) => Date.UTC(...parts)
    const cases: [string, number | undefined][] = [
      ['2024-02-29', utc(2024, 1, 29)],
      ['2023-02-29', undefined],
      ['2024/2/9 7:05', utc(2024, 1, 9, 7, 5)],
      ['2024-02-29T13:30:15.250Z', utc(2024, 1, 29, 13, 30, 15) + 250],
      ['2024-02-29T13:30+01:30', utc(2024, 1, 29, 12, 0)],
      ['2024-02-29 13:30:00 -0200', utc(2024, 1, 29, 15, 30)],
      ['29.02.2024', utc(2024, 1, 29)],
      ['30.02.2024', undefined],
      ['2024-02', utc(2024, 1, 1)],
      ['2024-13', undefined],
      ['2024-02-29 24:30', undefined],
      ['02/03/2024', undefined],
      ['20240229', undefined],
      ['2024', undefined],
      ['1.2.3', undefined],
      ['', undefined],
    ]
    for (const [text, time] of cases) expect([text, parseDate(text)]).toEqual([text, time])
    expect(parseDate('02/03/2024', 'dmy')).toBe(utc(2024, 2, 2))
    expect(parseDate('02/03/2024', 'mdy')).toBe(utc(2024, 1, 3))
    fc.assert(
      fc.property(
        fc.date({ min: new Date('0001-01-01'), max: new Date('9999-12-31'), noInvalidDate: true }),
        (date) => {
          expect(parseDate(date.toISOString())).toBe(date.getTime())
        },
      ),
    )
  })
})

test('words and objects say the same', () => {
  const pairs: [string, ColumnOptions][] = [
    ['minmax clip=0.01 missing=mean', { scale: 'minmax', clip: 0.01, missing: 'mean' }],
    ['robust, no-log, indicator', { scale: 'robust', log: false, indicator: true }],
    ['order=low<high missing=low', { order: ['low', 'high'], missing: 'low' }],
    ['dmy parts=since+hour', { as: 'date', dates: 'dmy', parts: ['since', 'hour'] }],
    ['hash=64', { hash: 64 }],
    ['number missing=-1', { as: 'number', missing: -1 }],
  ]
  for (const [words, options] of pairs) expect(columnOptions('a', words)).toEqual(options)
  expect(splitColumnText('a: b: minmax')).toEqual(['a', 'b: minmax'])
  expect(splitColumnText('age:minmax')).toEqual(['age', 'minmax'])
})

test('through JSON, from objects, with old files: the same bits', () => {
  const {
    preprocessing,
    train,
    rows: parts,
  } = prepared({
    x: 'minmax clip=0.05 missing=0',
    c: 'rare=4 missing=v1',
    size: { order: ['S', 'M', 'L'] },
    when: 'parts=since+year+month+day+weekday+hour',
  })
  const again = parsePreprocessing(JSON.parse(JSON.stringify(preprocessing)))
  expect(again).toEqual(preprocessing)
  expect(
    transform(
      again,
      [...parts.train].map((i) => rows[i]!),
    ),
  ).toEqual(train.input.data)
  expect(train.input.shape[1]).toBe(inputWidth(again))
  const damage = (change: (inputs: Record<string, unknown>[]) => void) => {
    const json = JSON.parse(JSON.stringify(preprocessing)) as { inputs: Record<string, unknown>[] }
    change(json.inputs)
    return () => parsePreprocessing(json)
  }
  const fields: [number, string, unknown, RegExp][] = [
    [0, 'scaling', 'max', /inputs\[0\]\.scaling must be 'minmax' or/],
    [0, 'clip', [3, 1], /clip must ascend/],
    [1, 'buckets', 0.5, /buckets must be a whole number/],
    [1, 'fill', 3, /fill must be text/],
    [2, 'fill', 7, /fill must be a place/],
    [3, 'parts', ['century'], /parts must be some of since/],
    [3, 'order', 'ydm', /order must be/],
    [3, 'extra', 1, /unknown fields: extra/],
  ]
  for (const [i, name, value, message] of fields)
    expect(
      damage((inputs) => {
        inputs[i]![name] = value
      }),
    ).toThrow(message)
})

test.each<[string, string, ColumnSetting, RegExp]>([
  ['a word', 'x', 'minmx', /'minmx' is not known, which is said of 'x'; did you mean 'minmax'/],
  ['a word without its value', 'x', 'clip', /'clip' is not known.*clip=/],
  ['a share', 'x', 'clip=0.7', /clip is 0.7.*below 0.5/],
  ['buckets', 'c', 'hash=0', /hash is 0/],
  ['an order of one', 'c', 'order=a', /two or more/],
  ['an order twice', 'c', 'order=a<b<a', /same text twice/],
  ['two kinds', 'x', 'minmax hash=3', /a number and a category at once/],
  ['two ways', 'c', 'hash=3 rare=3', /exclude each other/],
  ['a part', 'when', 'parts=century', /'century' is no part/],
  ['texts as numbers', 'c', 'minmax', /'v\d+' in row \d+, column 'c' is not a number/],
  ['texts as dates', 'c', 'date', /is not a date/],
  ['a filling', 'x', 'missing=never', /missing is 'never', which is said of 'x', a column of numbers/],
  ['an option', 'x', { scal: 'minmax' } as never, /did you mean 'scale'/],
  ['a column', 'xx', 'minmax', /no column 'xx'; did you mean 'x'/],
  ['the target', 'y', 'minmax', /'y' is the target/],
])('%s is refused', (_, name, setting, message) => {
  expect(() => prepared({ [name]: setting })).toThrow(message)
})

test.each<[string, object, RegExp]>([
  ['an option', { groups: 'c' }, /did you mean 'group'/],
  ['a group that is missing', { group: 'c' }, /'c' is missing in row 6/],
  ['a time that is none', { time: 'y', target: 'c' }, /is not a date/],
  ['the target as a group', { group: 'y' }, /divided by the target 'y'/],
  ['time and group', { time: 'n', group: 'n' }, /cannot be joined/],
])('rows cannot be divided by %s', (_, options, message) => {
  const numbered = tableFromRows(rows.map((row, i) => ({ ...row, n: i % 50 })))
  expect(() => prepareTable(numbered, { target: 'y', seed: 1, ...options })).toThrow(message)
})

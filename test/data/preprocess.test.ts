/** @file Preprocessing: what is inferred, that nothing leaks from rows outside training, JSON and objects, errors. */
import { table as packaged, tables } from '@gradus/datasets'
import fc from 'fast-check'
import { expect, describe as group, test } from 'vitest'
import { FileError, ValueError } from '../../src/base/errors.js'
import { checkDataset } from '../../src/data/column.js'
import { parseCsv } from '../../src/data/csv.js'
import {
  decodeTarget,
  describe,
  encode,
  encodeTarget,
  featureNames,
  featureSpans,
  fitPreprocessing,
  guessTask,
  inputWidth,
  type Preprocessing,
  parsePreprocessing,
  prepareTable,
  transform,
  transformRow,
} from '../../src/data/preprocess.js'
import { column, type Row, type Table, tableFromRows } from '../../src/data/table.js'
import { readTable } from '../../src/data/table-file.js'

/** 40 rows: two numbers (one with gaps), a category (with a gap), an id, a constant, classes. */
const rows: Row[] = Array.from({ length: 40 }, (_, i) => ({
  id: i + 1,
  age: 20 + ((i * 7) % 31),
  height: i % 9 === 4 ? null : 150 + ((i * 13) % 40) / 2,
  city: i === 11 ? null : ['Bonn', 'Aachen', 'Köln'][i % 3],
  planet: 'earth',
  label: i % 2 === 0 ? 'yes' : 'no',
}))
const people = tableFromRows(rows)
const options = { target: 'label', seed: 1 }

const inputsOf = (p: Preprocessing, name: string) => p.inputs.find((input) => input.name === name)!

group('what is inferred', () => {
  test('numbers, categories, constants, identifiers, and the notes say so', () => {
    const found = describe(people, options)
    const kinds = Object.fromEntries(found.columns.map(({ name, kind, reason }) => [name, reason ?? kind]))
    expect(kinds).toEqual({
      id: 'identifier',
      age: 'number',
      height: 'number',
      city: 'category',
      planet: 'constant',
      label: 'target',
    })
    expect(found).toMatchObject({ task: 'classification', classes: ['no', 'yes'] })
    const notes = found.notes.join('\n')
    expect(notes).toMatch(/each row has its own value: id \(--keep COLUMN/)
    expect(notes).toMatch(/single value: planet/)
    expect(notes).toMatch(/height \(4\), city \(1\)/)
    const kept = describe(people, { ...options, keep: ['id'], ignore: ['age'], categories: ['height'] })
    expect(kept.columns.map(({ kind }) => kind)).toEqual([
      'number',
      'ignored',
      'category',
      'category',
      'ignored',
      'target',
    ])
  })

  test.each<[string, string[], string]>([
    ['two numbers', ['0', '1'], 'classification'],
    ['two numbers with fractions of zero', ['0.0', '1.0'], 'classification'],
    ['iris', ['0', '1', '2'], 'classification'],
    ['digits', '0 1 2 3 4 5 6 7 8 9'.split(' '), 'classification'],
    ['scores', ['3', '4', '5', '6', '7', '8'], 'regression'],
    ['gaps', ['0', '2', '4', '6', '8', '10'], 'regression'],
    ['fractions', ['0.5', '1', '2'], 'regression'],
    ['many', Array.from({ length: 21 }, (_, i) => String(i)), 'regression'],
    ['texts', ['a', 'b'], 'classification'],
    ['text and numbers', ['1', '2', '3+'], 'classification'],
  ])('task: %s', (_, values, task) => {
    expect(guessTask(values)).toBe(task)
  })

  test('the packaged tables: task, width, what is dropped', async () => {
    const widths: Record<string, number> = {
      adult: 107,
      penguins: 14,
      iris: 4,
      'auto-mpg': 10,
      'california-housing': 14,
    }
    for (const name of tables) {
      const info = packaged(name)
      const read = await readTable(info.path, { columns: info.columns })
      const separate = info.test ? await readTable(info.test, { columns: info.columns }) : undefined
      const prepared = prepareTable(read, { target: info.target, seed: 1, test: separate })
      expect([name, prepared.description.task]).toEqual([name, info.task])
      if (widths[name]) expect([name, inputWidth(prepared.preprocessing)]).toEqual([name, widths[name]])
      const parts = [prepared.train, prepared.validation, prepared.test]
      for (const part of parts) checkDataset(part, name)
      expect(parts.reduce((sum, { input }) => sum + input.shape[0]!, 0)).toBe(read.rows + (separate?.rows ?? 0))
      if (name === 'adult') {
        expect(prepared.notes.join()).toMatch(/full stop/)
        expect(prepared.test.classes).toEqual(['<=50K', '>50K'])
        // The labels of adult.test: 12,435 and 3,846 (adult.names).
        expect([...prepared.test.target.data].filter((label) => label === 1).length).toBe(3846)
      }
      if (name === 'auto-mpg') expect(prepared.notes.join()).toMatch(/own text: name/)
    }
  })
})

group('what is learned', () => {
  test('numbers: mean 0 and deviation 1 over the training rows; the median where a value is missing', () => {
    const { preprocessing, train } = prepareTable(people, options)
    expect(featureNames(preprocessing)).toEqual([
      'age',
      'height',
      'height is missing',
      'city = Aachen',
      'city = Bonn',
      'city = Köln',
      ...(featureNames(preprocessing).includes('city is missing') ? ['city is missing'] : []),
    ])
    const [count, width] = train.input.shape as [number, number]
    for (const feature of [0, 1]) {
      const values = Array.from({ length: count }, (_, i) => train.input.data[i * width + feature]!)
      const mean = values.reduce((a, b) => a + b, 0) / count
      expect(mean).toBeCloseTo(0, 5)
      expect(values.reduce((a, b) => a + (b - mean) ** 2, 0) / count).toBeCloseTo(1, 5)
    }
    const at = (row: Row) => [...transform(preprocessing, [row])].slice(1, 3)
    const { median } = inputsOf(preprocessing, 'height') as { median: number } & Preprocessing['inputs'][number]
    expect(at({ height: null })).toEqual([at({ height: median })[0], 1])
    expect(at({ height: median })[1]).toBe(0)
  })

  test('nothing but the training rows has an influence', () => {
    const train = Uint32Array.from({ length: 24 }, (_, i) => i)
    const fitted = fitPreprocessing(people, describe(people, options), train)
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            age: fc.integer({ min: 0, max: 1000 }),
            height: fc.integer(),
            city: fc.constantFrom('x', 'Bonn', null),
          }),
          { minLength: 16, maxLength: 16 },
        ),
        (other) => {
          const changed = rows.map((row, i) => (i < 24 ? row : { ...row, ...other[i - 24] }))
          const again = tableFromRows(changed)
          expect(fitPreprocessing(again, describe(again, options), train)).toEqual(fitted)
        },
      ),
      { numRuns: 50 },
    )
    const inside = tableFromRows(rows.map((row, i) => (i === 3 ? { ...row, age: 90 } : row)))
    expect(fitPreprocessing(inside, describe(inside, options), train)).not.toEqual(fitted)
  })

  test('heavy tails go through a logarithm that keeps order and sign; wild values stay within ±10', () => {
    const gains = Array.from({ length: 200 }, (_, i) => ({ gain: i % 10 === 0 ? 1000 * (i + 1) : 0, y: i % 2 }))
    const { preprocessing } = prepareTable(tableFromRows(gains), { target: 'y', seed: 1 })
    expect(inputsOf(preprocessing, 'gain')).toMatchObject({ transform: 'log' })
    const values = [
      ...transform(
        preprocessing,
        [-5000, -1, 0, 1, 5000, 1e5].map((gain) => ({ gain })),
      ),
    ]
    expect(values).toEqual([...values].sort((a, b) => a - b))
    expect(new Set(values).size).toBe(6)
    expect([...transform(preprocessing, [{ gain: 1e300 }, { gain: -1e300 }])]).toEqual([10, -10])
  })

  test('categories: at most 100 columns, one for the others; what was seen once or never is zeros', () => {
    const many = Array.from({ length: 1000 }, (_, i) => ({ c: `v${Math.floor(Math.sqrt(i * 20))}`, y: i % 2 }))
    const { preprocessing, notes } = prepareTable(tableFromRows(many), { target: 'y', seed: 1 })
    expect(inputsOf(preprocessing, 'c')).toMatchObject({ other: true })
    expect(inputWidth(preprocessing)).toBe(100)
    expect(notes.join()).toMatch(/99 most frequent/)
    expect(transform(preprocessing, [{ c: 'never seen' }])[99]).toBe(1)
    const few = ['a', 'a', 'b', 'b', 'c'].map((c, i) => ({ c, x: i * i, y: i % 2 }))
    const fewTable = tableFromRows(few)
    const fitted = fitPreprocessing(fewTable, describe(fewTable, { target: 'y' }), [0, 1, 2, 3, 4])
    expect(featureNames(fitted)).toEqual(['c = a', 'c = b', 'x'])
    expect([...transform(fitted, [{ c: 'c' }, { c: 'd' }, { c: 'b' }])].filter((_, i) => i % 3 < 2)).toEqual([
      0, 0, 0, 0, 0, 1,
    ])
  })

  test('regression targets are standardised and mapped back', async () => {
    const { path, target } = packaged('auto-mpg')
    const read = await readTable(path)
    const { preprocessing, test: held, rows: parts } = prepareTable(read, { target, seed: 5 })
    expect(held.target.shape).toEqual([parts.test.length, 1])
    const truth = Array.from(parts.test, (row) => Number(column(read, target)[row]))
    decodeTarget(preprocessing, held.target.data).forEach((value, i) => {
      expect(value).toBeCloseTo(truth[i]!, 4)
    })
  })

  test('classes come back by name; a closing full stop and 1.0 for 1 do not matter', () => {
    const { preprocessing, test: held, rows: parts } = prepareTable(people, options)
    expect(decodeTarget(preprocessing, held.target.data)).toEqual(
      Array.from(parts.test, (row) => column(people, 'label')[row]),
    )
    const numbered = prepareTable(parseCsv(`x,y\n${'1,0\n2,1\n3,1\n4,0\n'.repeat(5)}`), {
      target: 'y',
      seed: 1,
    }).preprocessing
    expect([...encodeTarget(numbered, parseCsv('x,y\n1,1.0\n1,0\n1,1.\n')).data]).toEqual([1, 0, 1])
    expect(() => encodeTarget(numbered, parseCsv('x,y\n1,1\n1,2\n'))).toThrow(
      /'2' in row 2 \(line 3\), column 'y' is not a class.*0, 1/,
    )
  })
})

group('the same everywhere', () => {
  test('through JSON, from objects, from a table of text, one row at a time: equal bits', async () => {
    for (const name of ['penguins', 'california-housing'] as const) {
      const { path, target } = packaged(name)
      const read = await readTable(path)
      const { preprocessing, train, rows: parts } = prepareTable(read, { target, seed: 2 })
      const again = parsePreprocessing(JSON.parse(JSON.stringify(preprocessing)))
      expect(again).toEqual(preprocessing)
      const chosen = parts.train.slice(0, 300)
      const objects = Array.from(chosen, (row) => {
        const entries = read.names.map((n, c) => [n, typed(read.columns[c]![row]!)] as const)
        return Object.fromEntries(entries.filter(([, value]) => value !== ''))
      })
      const width = inputWidth(preprocessing)
      const expected = (train.input.data as Float32Array).slice(0, chosen.length * width)
      expect(transform(again, objects)).toEqual(expected)
      expect(encode(again, read, chosen).input.data).toEqual(expected)
      const one = new Float32Array(width).fill(7)
      objects.forEach((row, i) => {
        expect(transformRow(again, row, one)).toEqual(expected.subarray(i * width, (i + 1) * width))
      })
    }
  })

  test('equal seeds give equal data, another seed other data', () => {
    expect(prepareTable(people, options)).toEqual(prepareTable(people, options))
    expect(prepareTable(people, { ...options, seed: 2 }).rows).not.toEqual(prepareTable(people, options).rows)
  })

  test('spans cover the inputs, column by column', () => {
    const { preprocessing } = prepareTable(people, options)
    const spans = featureSpans(preprocessing)
    expect(spans.map(({ name }) => name)).toEqual(['age', 'height', 'city'])
    spans.forEach(({ from }, i) => {
      expect(from).toBe(i === 0 ? 0 : spans[i - 1]!.to)
    })
    expect(spans.at(-1)!.to).toBe(inputWidth(preprocessing))
  })
})

group('errors name the place and the cure', () => {
  const numbers = (cells: readonly string[]): Table =>
    parseCsv(`x,y\n${cells.map((cell, i) => `${cell},${i % 2}`).join('\n')}\n`)
  const many = Array.from({ length: 200 }, (_, i) => String(i * 1.5))

  test('a text among numbers; as missing it is accepted, as codes too', () => {
    const stray = numbers(many.map((cell, i) => (i === 77 ? 'unknown' : cell)))
    expect(() => describe(stray, { target: 'y' })).toThrow(
      /'unknown' in row 78 \(line 79\), column 'x' is not a number.*--missing 'unknown'.*--category x/,
    )
    expect(describe(stray, { target: 'y', missing: ['unknown'] }).columns[0]).toMatchObject({
      kind: 'number',
      missing: 1,
    })
    expect(describe(stray, { target: 'y', categories: ['x'] }).columns[0]).toMatchObject({ kind: 'category' })
    expect(() => describe(numbers(many.map((cell, i) => (i % 4 === 0 ? 'unknown' : cell))), { target: 'y' })).toThrow(
      /one of 50 cells/,
    )
    for (const odd of ['Infinity', '0x10', '1,5', '1e999'])
      expect(
        () => describe(tableFromRows(many.map((x, i) => ({ x: i === 3 ? odd : x, y: i % 2 }))), { target: 'y' }),
        odd,
      ).toThrow(/row 4/)
    // Codes that mix digits and letters are categories.
    expect(
      describe(numbers(many.map((_, i) => ['1', '2', '3A', '3B'][i % 4]!)), { target: 'y' }).columns[0]!.kind,
    ).toBe('category')
  })

  test.each<[string, Table, Parameters<typeof describe>[1], RegExp]>([
    ['an unknown target', people, { target: 'lable' }, /no column 'lable'; did you mean 'label'/],
    ['an unknown column to ignore', people, { target: 'label', ignore: ['agee'] }, /did you mean 'age'/],
    ['the target ignored', people, { target: 'label', ignore: ['label'] }, /cannot be ignored/],
    ['one class', parseCsv('x,y\n1,a\n2,a\n'), { target: 'y' }, /single class, 'a'/],
    ['one value', parseCsv('x,y\n1,2.5\n2,2.5\n'), { target: 'y' }, /single value, '2.5'/],
    [
      'a target that is missing',
      parseCsv('x,y\n1,?\n2,NA\n'),
      { target: 'y' },
      /every value of the target 'y' is missing/,
    ],
    ['texts as a regression', people, { target: 'label', task: 'regression' }, /'yes' stands in row 1, column 'label'/],
    [
      'texts that are no classes',
      tableFromRows(many.map((x) => ({ x, y: `n${x}` }))),
      { target: 'y' },
      /200 different values in 200 rows/,
    ],
    ['no columns left', parseCsv('x,y\n1,a\n1,b\n'), { target: 'y' }, /no input columns are left/],
  ])('%s', (_, data, o, message) => {
    expect(() => describe(data, o)).toThrow(ValueError)
    expect(() => describe(data, o)).toThrow(message)
  })

  test('rows without a target are dropped, and counted', () => {
    const gaps = tableFromRows(rows.map((row, i) => (i < 5 ? { ...row, label: '?' } : row)))
    const prepared = prepareTable(gaps, options)
    expect(prepared.notes.join()).toMatch(/5 rows were dropped because 'label' is missing/)
    expect([...prepared.rows.train, ...prepared.rows.validation, ...prepared.rows.test].sort((a, b) => a - b)[0]).toBe(
      5,
    )
  })

  test('predicting: unknown keys with the nearest name, no keys at all, text for a number, a column that lacks', () => {
    const { preprocessing } = prepareTable(people, options)
    expect(() => transform(preprocessing, [{ age: 1 }, { agee: 1, zzzzzzz: 2 }])).toThrow(
      /row 2 has unknown columns: 'agee' \(did you mean 'age'\?\), 'zzzzzzz'.*The columns are: age, height, city/,
    )
    expect(() => transform(preprocessing, [{}])).toThrow(/none of the model's columns/)
    expect(() => transform(preprocessing, [{ age: 'old' }])).toThrow(/'old' in row 1, 'age' is not a finite number/)
    expect(() => transform(preprocessing, [{ age: Number.POSITIVE_INFINITY }])).toThrow(/not a finite number/)
    expect(() => transform(preprocessing, parseCsv('age,city\n1,Bonn\n'))).toThrow(/no column 'height'/)
    expect(transform(preprocessing, [{ id: 3, planet: 'mars', label: 'yes', age: 30 }]).length).toBe(
      inputWidth(preprocessing),
    )
  })

  test('JSON: every field that is removed, renamed, added or given another type is a FileError', () => {
    const { preprocessing } = prepareTable(people, options)
    const text = JSON.stringify(preprocessing)
    const regression = JSON.stringify(
      prepareTable(people, { ...options, target: 'age', ignore: ['label'] }).preprocessing,
    )
    let damaged = 0
    for (const source of [text, regression])
      for (const path of pathsOf(JSON.parse(source)))
        for (const damage of [remove, rename, retype, extend]) {
          const json: unknown = JSON.parse(source)
          if (!damage(json, path)) continue
          damaged++
          expect(
            () => parsePreprocessing(json, 'model/preprocessing.json'),
            `${damage.name} ${path.join('.')}`,
          ).toThrow(FileError)
        }
    expect(damaged).toBeGreaterThan(80)
    for (const json of [null, [], 'x', { format: 'other' }, { ...preprocessing, version: 2 }])
      expect(() => parsePreprocessing(json)).toThrow(FileError)
    expect(() => parsePreprocessing({ ...preprocessing, version: 2 })).toThrow(/version 2 is unknown/)
  })
})

function typed(text: string): string | number {
  return text !== '' && Number.isFinite(Number(text)) ? Number(text) : text
}

type Path = readonly (string | number)[]

function pathsOf(value: unknown, path: Path = []): Path[] {
  if (typeof value !== 'object' || value === null) return [path]
  const keys = Array.isArray(value) ? [...value.keys()] : Object.keys(value)
  return [
    ...(path.length > 0 ? [path] : []),
    ...keys.flatMap((key) => pathsOf((value as Record<string, unknown>)[key], [...path, key])),
  ]
}

function parentOf(json: unknown, path: Path): Record<string, unknown> {
  return path.slice(0, -1).reduce((value, key) => (value as Record<string, unknown>)[key], json) as Record<
    string,
    unknown
  >
}

function remove(json: unknown, path: Path): boolean {
  if (typeof path.at(-1) === 'number') return false
  delete parentOf(json, path)[path.at(-1)!]
  return true
}

function rename(json: unknown, path: Path): boolean {
  const parent = parentOf(json, path)
  const key = path.at(-1)!
  if (typeof key === 'number') return false
  parent[`${key}x`] = parent[key]
  delete parent[key]
  return true
}

function retype(json: unknown, path: Path): boolean {
  parentOf(json, path)[path.at(-1)!] =
    typeof path.at(-1) === 'string' && path.at(-1) === 'version' ? 'x' : { odd: true }
  return true
}

/** A field too many beside the one at `path`. */
function extend(json: unknown, path: Path): boolean {
  if (typeof path.at(-1) === 'number') return false
  parentOf(json, path)['more'] = 1
  return true
}

/** @file Tables from text: everything written is read again, whatever the separator; headers; errors that name the line. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { table as packaged, tables } from '@gradus/datasets'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { FileError, ValueError } from '../../src/base/errors.js'
import { parseCsv } from '../../src/data/csv.js'
import { column, tableFromRows } from '../../src/data/table.js'
import { readTable } from '../../src/data/table-file.js'

const quote = (text: string, separator: string) =>
  text.includes(separator) || /["\n\r]/.test(text) || text === '' ? `"${text.replaceAll('"', '""')}"` : text

describe('parseCsv', () => {
  const cell = fc.oneof(
    fc.constantFrom('', 'a', '12', '-3.5', 'a b', 'x,y', 'x;y', 'say "hi"', 'two\nlines', 'ü', '|', "it's"),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
  )
  const cells = fc
    .tuple(fc.integer({ min: 2, max: 6 }), fc.integer({ min: 1, max: 12 }))
    .chain(([width, height]) =>
      fc.array(fc.array(cell, { minLength: width, maxLength: width }), { minLength: height, maxLength: height }),
    )

  test('reads what was written: any separator, line ending, quoting, byte-order mark, final line end', () => {
    const separators = fc.constantFrom(',', ';', '\t', '|')
    const ends = fc.constantFrom('\n', '\r\n')
    fc.assert(
      fc.property(cells, separators, ends, fc.boolean(), fc.boolean(), (rows, separator, end, mark, last) => {
        const names = rows[0]!.map((_, c) => `name ${c}`)
        const lines = [names, ...rows].map((row) => row.map((text) => quote(text, separator)).join(separator))
        const text = (mark ? '\uFEFF' : '') + lines.join(end) + (last ? end : '')
        const read = parseCsv(text, { separator })
        expect(read.names).toEqual(names)
        expect(read.rows).toBe(rows.length)
        const expected = names.map((_, c) => rows.map((row) => row[c]!))
        // Blanks around a field are removed, a decimal comma may become a point; nothing else changes.
        expect(read.columns).toEqual(expected)
      }),
      { numRuns: 500 },
    )
  })

  test('blanks around fields, a mark before a quoted name', () => {
    expect(parseCsv(' a , b\n 1 ,  "x, y" \n')).toMatchObject({ names: ['a', 'b'], columns: [['1'], ['x, y']] })
    expect(parseCsv('\uFEFF"a,1",b\n1,2\n').names).toEqual(['a,1', 'b'])
  })

  test('finds the separator, also where others occur in quotes and texts', () => {
    fc.assert(
      fc.property(fc.constantFrom(',', ';', '\t', '|'), fc.integer({ min: 2, max: 8 }), (separator, width) => {
        const row = (i: number) =>
          Array.from({ length: width }, (_, c) => (c === 1 ? `"a, b; ${i}"` : `${i}.${c}`)).join(separator)
        const text = [
          'n'
            .repeat(width)
            .split('')
            .map((n, i) => n + i)
            .join(separator),
          row(1),
          row(2),
          row(3),
        ].join('\n')
        expect(parseCsv(text).names.length).toBe(width)
      }),
    )
    expect(parseCsv('one\n1\n2\n').columns).toEqual([['1', '2']])
    expect(parseCsv('a;b\n1,5;2\n2,5;3,25\n')).toMatchObject({
      columns: [
        ['1.5', '2.5'],
        ['2', '3.25'],
      ],
    })
    expect(parseCsv('a;b\n1,5;2\n2,5;x,y\n').columns[1]).toEqual(['2', 'x,y'])
  })

  test('header: the first line, or none, or names given for a file with or without one', () => {
    const text = '1,2,x\n3,4,y\n5,6,z\n7,8,w\n'
    const columns = ['a', 'b', 'c']
    expect(parseCsv(text, { header: false })).toMatchObject({ names: ['column1', 'column2', 'column3'], rows: 4 })
    expect(parseCsv(text, { columns })).toMatchObject({ names: columns, rows: 4, notes: [] })
    expect(parseCsv(text, { columns, header: true }).rows).toBe(3)
    // The first line is no row: it repeats the names, holds other names, has other fields, describes the file.
    for (const first of ['A,b,C', 'p,q,r', '4,2', '4,2,x,y,z', '|1x3 Cross validator', '4,2,x']) {
      const read = parseCsv(`${first}\n${text}`, { columns })
      expect([first, read.rows, read.notes.length]).toEqual([first, 4, 1])
      expect(read.notes[0]).toMatch(/first line was skipped/)
    }
    expect(parseCsv(`p,q,r\n${text}`, { columns, header: false }).rows).toBe(5)
    expect(() => parseCsv(`4,2,x\n${text}`)).toThrow(/describes the file.*--columns/)
    expect(parseCsv(',b\n1,2\n')).toMatchObject({ names: ['column1', 'b'] })
    expect(parseCsv('1,2\n3,4\n').notes[0]).toMatch(/--no-header/)
  })

  test.each<[string, string, RegExp]>([
    ['nothing', '', /is empty/],
    ['blank lines only', '\n\r\n  \n', /is empty/],
    ['a mark only', '\uFEFF', /is empty/],
    ['a header only', 'a,b\n', /header but no rows/],
    ['a row too short', 'a,b,c\n1,2,3\n\n4,5\n', /row 2 \(line 4\) has 2 fields, expected 3.*4,5/],
    ['a row too long', 'a,b\n1,2\n"x\ny",2,3\n', /row 2 \(line 4\) has 3 fields, expected 2/],
    ['a quote that never closes', 'a,b\n1,"2\n3,4\n', /quoted field is never closed/],
  ])('%s is a FileError', (_, text, message) => {
    expect(() => parseCsv(text)).toThrow(FileError)
    expect(() => parseCsv(text)).toThrow(message)
  })

  test('names: duplicates and unknown ones', () => {
    expect(() => parseCsv('a,b,a\n1,2,3\n')).toThrow(/'a' occurs twice/)
    expect(() => parseCsv('1,2,3\n', { columns: ['x', 'x', 'y'] })).toThrow(ValueError)
    const read = parseCsv('species,island\nA,B\n')
    expect(() => column(read, 'specis')).toThrow(/no column 'specis'; did you mean 'species'\?.*species, island/)
    expect(() => column(parseCsv('39,State-gov\n50,Private\n'), 'income')).toThrow(/--no-header or --columns/)
  })
})

describe('readTable', () => {
  let folder: string
  const file = async (name: string, content: string | Uint8Array) => {
    await writeFile(join(folder, name), content)
    return join(folder, name)
  }
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'gradus-'))
  })
  afterAll(() => rm(folder, { recursive: true, force: true }))

  test('plain, gzipped, Latin-1', async () => {
    expect((await readTable(await file('a.csv', 'a,b\n1,2\n'))).columns).toEqual([['1'], ['2']])
    expect((await readTable(await file('a.csv.gz', gzipSync('a,b\n1,2\n')))).columns).toEqual([['1'], ['2']])
    // Told by the first bytes, whatever the name.
    expect((await readTable(await file('packed.csv', gzipSync('a,b\n1,2\n')))).columns).toEqual([['1'], ['2']])
    const latin = await file('l.csv', Uint8Array.from([0x61, 0x2c, 0x62, 10, 0xfc, 0x2c, 0x31, 10]))
    await expect(readTable(latin)).rejects.toThrow(/l\.csv, row 1 \(line 2\), column 'a': 0xFC is not UTF-8\. .*latin1/)
    expect((await readTable(latin, { encoding: 'latin1' })).columns[0]).toEqual(['ü'])
  })

  test('files that are none', async () => {
    await expect(readTable(join(folder, 'none.csv'))).rejects.toThrow(/there is no file/)
    await expect(readTable(folder)).rejects.toThrow(/is a folder/)
    await expect(readTable(await file('e.csv', ''))).rejects.toThrow(/is empty/)
    await expect(readTable(await file('b.csv.gz', 'a,b\n'))).rejects.toThrow(/not a whole gzip/)
    const cut = gzipSync('a,b\n1,2\n'.repeat(100)).subarray(0, 30)
    await expect(readTable(await file('c.csv.gz', cut))).rejects.toThrow(/not a whole gzip/)
    await expect(readTable(await file('p.csv', Uint8Array.from([137, 80, 78, 71, 0, 0])))).rejects.toThrow(
      /not a text file/,
    )
  })

  test('the packaged tables have the sizes their authors state', async () => {
    const sizes: Record<string, [rows: number, columns: number]> = {
      iris: [150, 5],
      wine: [178, 14],
      'breast-cancer': [569, 31],
      penguins: [344, 7],
      'digits-8x8': [1797, 65],
      adult: [32561, 15],
      'wine-quality-red': [1599, 12],
      'wine-quality-white': [4898, 12],
      'california-housing': [20640, 10],
      'auto-mpg': [398, 9],
    }
    expect(Object.keys(sizes)).toEqual(tables)
    for (const name of tables) {
      const info = packaged(name)
      const read = await readTable(info.path, { columns: info.columns })
      expect([name, read.rows, read.names.length]).toEqual([name, ...sizes[name]!])
      expect(read.names).toContain(info.target)
    }
    const { test: path, columns } = packaged('adult')
    expect((await readTable(path!, { columns })).rows).toBe(16281)
  })
})

test('tableFromRows takes all keys; absent, null and NaN are empty', () => {
  const made = tableFromRows([{ a: 1, b: 'x ' }, { b: null, c: true }, { a: Number.NaN }])
  expect(made).toMatchObject({ names: ['a', 'b', 'c'], rows: 3 })
  expect(made.columns).toEqual([
    ['1', '', ''],
    ['x', '', ''],
    ['', 'true', ''],
  ])
})

/**
 * @file The parser of separated values against csv-parse, on texts of every kind; blocks cut anywhere; typed columns against their
 * texts; damaged, packed and foreign files: an error with the place, never a crash, a hang or a table that is silently wrong.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { parse } from 'csv-parse/sync'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { FileError, GradusError } from '../../src/base/errors.js'
import { parseCsv, TableReader } from '../../src/data/csv.js'
import { longestField } from '../../src/data/csv-field.js'
import { formatCsv } from '../../src/data/csv-write.js'
import type { Table } from '../../src/data/table.js'
import { readTable, streamTable } from '../../src/data/table-file.js'
import { isNumber } from '../../src/data/table-text.js'

const reference = (text: string, delimiter: string): string[][] =>
  parse(text, {
    delimiter,
    bom: true,
    trim: true,
    skip_empty_lines: true,
    relax_column_count: true,
    record_delimiter: ['\n', '\r\n'],
  }) as string[][]

const plain = { header: false, separator: ',' } as const
const numbered = (names: number) => Array.from({ length: names }, (_, c) => `column${c + 1}`)
const records = (table: Table) => Array.from({ length: table.rows }, (_, r) => table.columns.map((cells) => cells[r]!))

/** Cells that look like numbers in every way, and some that do not. */
const cell = fc.oneof(
  fc.integer().map(String),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
  fc.tuple(fc.double({ min: -1e6, max: 1e6, noNaN: true }), fc.nat(12)).map(([x, d]) => x.toFixed(d)),
  fc.tuple(fc.bigInt({ min: 0n, max: 10n ** 20n }), fc.nat(20)).map(([n, d]) => {
    const digits = n.toString().padStart(d + 1, '0')
    return d === 0 ? digits : `${digits.slice(0, -d)}.${digits.slice(-d)}`
  }),
  fc.constantFrom('', '?', 'NA', '-0', '-0.0', '007', '+3', '.5', '5.', '1e3', '1.50e+03', '1e999', '0x1F', 'Infinity'),
  fc.constantFrom('3', '3.0', '3.00', '-', '--1', '1-2', '1.2.3', '1 2', 'ü', 'a"b', '\u{1F600}', "it's"),
)
const table = fc
  .tuple(fc.integer({ min: 2, max: 5 }), fc.integer({ min: 1, max: 12 }))
  .chain(([width, rows]) =>
    fc.array(fc.array(cell, { minLength: width, maxLength: width }), { minLength: rows, maxLength: rows }),
  )
const quoteIf = (quote: boolean, text: string) =>
  quote || text === '' || /["\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text

describe('the parser', () => {
  test('the text of each cell is kept to the letter, and its number is the nearest float64', () => {
    fc.assert(
      fc.property(table, fc.boolean(), fc.boolean(), fc.boolean(), (rows, quote, blank, crlf) => {
        const text = rows
          .map((row) => row.map((one) => (blank ? ' ' : '') + quoteIf(quote, one)).join(','))
          .join(crlf ? '\r\n' : '\n')
        const read = parseCsv(text, plain)
        expect(records(read)).toEqual(rows)
        read.numbers!.forEach((numbers, c) => {
          numbers?.forEach((value, r) => {
            const one = rows[r]![c]!
            expect(value).toBe(isNumber(one) ? Number(one) : Number.NaN)
          })
          // A column that has nothing but numbers is never one of texts.
          if (rows.every((row) => isNumber(row[c]!))) expect(numbers).toBeDefined()
        })
      }),
      { numRuns: 600 },
    )
  })

  test('whatever csv-parse accepts is read as it reads it; what we accept alone has a mark within a field', () => {
    const pieces = fc.array(
      fc.constantFrom('a', '1', '2.5', ',', ',', '"', '""', '\n', '\n', '\r\n', ' ', '\t', 'ü', ';', '-', '.'),
      { maxLength: 40 },
    )
    let compared = 0
    fc.assert(
      fc.property(pieces, (parts) => {
        const text = parts.join('')
        // A line of blanks is empty here, and a row of one empty cell there; a mark after a closed field is let pass there.
        fc.pre(!/^[ \t]+\r?$/m.test(text) && text.trim() !== '' && !/"[ \t]+"/.test(text))
        let expected: string[][] | undefined
        try {
          expected = reference(text, ',')
        } catch {}
        let read: Table | undefined
        let error: unknown
        try {
          read = parseCsv(text, plain)
        } catch (thrown) {
          error = thrown
        }
        if (error) expect(error).toBeInstanceOf(GradusError)
        if (!expected) {
          if (read) expect(text).toMatch(/[^,\n]\s*"/)
          return
        }
        const width = expected[0]?.length ?? 0
        const ragged = expected.findIndex((row) => row.length !== width)
        if (ragged >= 0) expect(String(error)).toContain(`row ${ragged + 1} (`)
        else {
          expect(error).toBeUndefined()
          expect(read!.names).toEqual(numbered(width))
          expect(records(read!)).toEqual(expected)
          compared++
        }
      }),
      { numRuns: 4000 },
    )
    expect(compared).toBeGreaterThan(500)
  })

  test('what formatCsv writes is read again to the letter', () => {
    const text = fc.oneof(
      cell,
      fc.string({ maxLength: 8 }).filter((one) => !one.includes('\0')),
      fc.constantFrom(' a ', '\uFEFF', 'x\r\ny'),
    )
    const columns = fc
      .tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 6 }))
      .chain(([n, rows]) =>
        fc.array(fc.array(text, { minLength: rows, maxLength: rows }), { minLength: n, maxLength: n }),
      )
    fc.assert(
      fc.property(columns, fc.constantFrom(',', ';', '\t', '|'), (cells, separator) => {
        const names = cells.map((_, c) => `name "${c}", of; a|column`)
        const read = parseCsv(formatCsv({ names, columns: cells }, separator), { separator })
        expect(read.names).toEqual(names)
        // Decimal commas are read as points where the separator is none.
        const commas = (one: string[]) => separator !== ',' && one.some((t) => /^[+-]?\d+,\d+$/.test(t))
        expect(read.columns.filter((_, c) => !commas(cells[c]!))).toEqual(cells.filter((one) => !commas(one)))
      }),
      { numRuns: 500 },
    )
    expect(() => formatCsv({ names: ['a'], columns: [] })).toThrow(/1 names for 0/)
    expect(() => formatCsv({ names: ['a', 'b'], columns: [['1'], []] })).toThrow(/'b' has 0 rows/)
  })

  test('blocks may be cut anywhere, and rows taken out at any time', () => {
    const end = fc.constantFrom('\n', '\r\n', '\r')
    fc.assert(
      fc.property(table, fc.boolean(), end, fc.array(fc.nat(60)), fc.boolean(), (rows, quote, lineEnd, cuts, takes) => {
        const text = rows.map((row) => row.map((one) => quoteIf(quote, `${one}`)).join(',')).join(lineEnd)
        const bytes = new TextEncoder().encode(`${text}${lineEnd}`)
        const whole = parseCsv(text, plain)
        const reader = new TableReader(plain)
        const parts: Table[] = []
        // The sample must be over before cuts matter: rows enough of the same kind come first.
        const before = new TextEncoder().encode(
          `${rows[0]!.map((one) => quoteIf(quote, one)).join(',')}${lineEnd}`.repeat(4),
        )
        const padding = Math.ceil((1 << 18) / before.length)
        for (let i = 0; i < 1; i++)
          reader.push(new Uint8Array(Array.from({ length: padding }, () => [...before]).flat()))
        const skipped = padding * 4 - (takes ? reader.take().rows : 0)
        let at = 0
        for (const cut of cuts) {
          reader.push(bytes.subarray(at, at + cut))
          at = Math.min(bytes.length, at + cut)
          if (takes && cut % 3 === 0 && reader.rows > 0) parts.push(reader.take())
        }
        reader.push(bytes.subarray(at))
        parts.push(reader.finish())
        expect(parts.flatMap(records).slice(skipped)).toEqual(records(whole))
        expect(parts.flatMap(({ lines }) => [...(lines as Uint32Array)]).at(-1)).toBe(
          whole.lines![whole.rows - 1]! + padding * 4,
        )
      }),
      { numRuns: 15 },
    )
  })

  test.each<[string, string, RegExp]>([
    [
      'text after a quoted field',
      'a,b\n1,2\n"x"y,3\n',
      /row 2 \(line 3\), column 'a': 'y,3.*follows the quotation mark.*Double/s,
    ],
    [
      'a quote that never closes',
      'a,b\n1,2\n3,"4\n5,6\n',
      /row 2 \(line 3\), column 'b': a quoted field is never closed/,
    ],
    ['a NUL', 'a,b\n1,2\n3,x\0y\n', /row 2 \(line 3\), column 'b': a NUL byte.*utf-16le/],
    ['a NUL within quotes', 'a,b\n1,"x\n\0"\n', /row 1 \(line 2\), column 'b': a NUL byte/],
    [
      'a row too short',
      'a,b,c\n1,2,3\n4,5\n',
      /row 2 \(line 3\) has 2 fields, expected 3; 'c' is the first that is missing.*reads: 4,5/,
    ],
    ['a row too long', 'a,b\n1,2\n3,4,5\n', /row 2 \(line 3\) has 3 fields, expected 2.*begins: 3,4/],
    [
      'a field too long',
      `a,b\n1,${'x'.repeat(longestField + 1)}\n`,
      /row 1 \(line 2\), column 'b': a field has more than 1048576/,
    ],
    [
      'a quoted field too long',
      `a,b\n1,"${'x'.repeat(longestField + 1)}"\n`,
      /column 'b': a field has more than 1048576/,
    ],
    ['a quote in the header', 'a,"b\n1,2\n', /line 1, column 2: a quoted field is never closed/],
    ['an odd separator', 'a,b', /separator/],
  ])('%s', (name, text, message) => {
    const separator = name === 'an odd separator' ? '""' : undefined
    expect(() => parseCsv(text, { separator })).toThrow(message)
  })
})

describe('files', () => {
  let folder: string
  const file = async (name: string, content: string | Uint8Array) => {
    await writeFile(join(folder, name), content)
    return join(folder, name)
  }
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'gradus-'))
  })
  afterAll(() => rm(folder, { recursive: true, force: true }))

  const utf16 = (text: string, big: boolean) => {
    const bytes = Buffer.from(text, 'utf16le')
    return new Uint8Array(big ? bytes.swap16() : bytes)
  }
  const text = 'name,größe\nÄnne,1.5\nBörn,2\n'

  test('every encoding gives the same table', async () => {
    const expected = parseCsv(text)
    const written: [Uint8Array, Parameters<typeof readTable>[1]][] = [
      [new TextEncoder().encode(text), {}],
      [new TextEncoder().encode(`\uFEFF${text}`), {}],
      [utf16(`\uFEFF${text}`, false), {}],
      [utf16(`\uFEFF${text}`, true), {}],
      [utf16(text, false), {}],
      [utf16(text, true), {}],
      [utf16(text, true), { encoding: 'utf-16be' }],
      [new Uint8Array(Buffer.from(text, 'latin1')), { encoding: 'latin1' }],
    ]
    for (const [i, [bytes, options]] of written.entries())
      for (const content of [bytes, gzipSync(bytes)]) {
        const read = await readTable(await file(`${i}.csv`, content), options)
        expect([i, read.names, records(read)]).toEqual([i, expected.names, records(expected)])
      }
    const odd = utf16(`\uFEFF${text}`, false).subarray(0, -1)
    await expect(readTable(await file('odd.csv', odd))).rejects.toThrow(/is not UTF-16LE near byte/)
  })

  test('files that are no text, options that are none', async () => {
    await expect(readTable(await file('a.xlsx', Uint8Array.from([0x50, 0x4b, 3, 4, 0])))).rejects.toThrow(
      /ZIP.*Save the sheet/,
    )
    await expect(
      readTable(
        await file(
          'b',
          Uint8Array.from({ length: 999 }, (_, i) => (i * i) & 255),
        ),
      ),
    ).rejects.toThrow(/not a text file/)
    await expect(readTable('x.csv', { encoding: 'utf8' as never })).rejects.toThrow(/utf-8, utf-16le, utf-16be, latin1/)
    await expect(readTable('x.csv', { seperator: ';' } as never)).rejects.toThrow(/did you mean 'separator'/)
    await expect(readTable('' as never)).rejects.toThrow(/not a path/)
    await expect(streamTable('x.csv', { rows: 0 }).next()).rejects.toThrow(/rows is 0/)
  })

  test('parts of a file are the whole, with the lines of the file', async () => {
    const lines = Array.from({ length: 40_000 }, (_, i) => `${i},${i % 7 === 0 ? '"a\nb"' : 'c'},${i / 8}`)
    const path = await file('parts.csv.gz', gzipSync(`id,text,x\n${lines.join('\n')}\n`))
    const whole = await readTable(path)
    const parts: Table[] = []
    for await (const part of streamTable(path, { rows: 3_000 })) parts.push(part)
    expect(parts.length).toBeGreaterThan(3)
    for (const part of parts.slice(0, -1)) expect(part.rows).toBeGreaterThanOrEqual(3_000)
    expect(JSON.stringify(parts.flatMap(records))).toBe(JSON.stringify(records(whole)))
    expect(parts.flatMap((part) => [...(part.lines as Uint32Array)])).toEqual([...(whole.lines as Uint32Array)])
  })

  test('a file that unpacks to far more than it is stops early, and says how to read it all the same', async () => {
    const bomb = gzipSync(`a,b\n${`1,${'x'.repeat(997)}\n`.repeat(7e4)}`)
    const path = await file('bomb.csv.gz', bomb)
    const before = process.memoryUsage().arrayBuffers
    await expect(readTable(path)).rejects.toThrow(/unpacks to more than 67108864 bytes.*unpackedLimit/)
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1 << 30)
    await expect(readTable(path, { unpackedLimit: 1e6 })).rejects.toThrow(/more than 1000000 bytes/)
    const zeros = await file('zeros.csv.gz', gzipSync(new Uint8Array(1 << 26)))
    await expect(readTable(zeros)).rejects.toThrow(FileError)
    const one = await file('one.csv.gz', gzipSync(`a,b\n1,"${'x'.repeat(1 << 26)}"\n`))
    await expect(readTable(one)).rejects.toThrow(/has more than \d+ bytes/)
    // A real table that shrinks well is read.
    expect((await readTable(await file('well.csv.gz', gzipSync(`a,b\n${'1,1\n'.repeat(1e5)}`)))).rows).toBe(1e5)
  })

  test('a gzip file that is cut or has a wrong byte is never a table', async () => {
    const packed = gzipSync(`a,b\n${Array.from({ length: 300 }, (_, i) => `${i},${(i * 7919) % 1000}\n`).join('')}`)
    const whole = records(await readTable(await file('w.csv.gz', packed)))
    await fc.assert(
      fc.asyncProperty(
        fc.nat(packed.length - 1),
        fc.integer({ min: 1, max: 255 }),
        fc.boolean(),
        async (at, change, cut) => {
          const bytes = cut
            ? packed.subarray(0, at)
            : Uint8Array.from(packed, (byte, i) => (i === at ? byte ^ change : byte))
          let read: Table | undefined
          try {
            read = await readTable(await file('d.csv.gz', bytes))
          } catch (error) {
            expect(error).toBeInstanceOf(GradusError)
          }
          // Some bytes of the header (time, system) mean nothing.
          if (read) expect([at < 10, records(read)]).toEqual([true, whole])
        },
      ),
      { numRuns: 80 },
    )
  })
})

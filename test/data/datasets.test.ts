/** @file The data package: its files are those its notice states, MNIST is MNIST, and nothing without a licence is in it. */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { co2, digits, names, smsSpam, sunspots, type TableName, table, tinyShakespeare } from '@gradus/datasets'
import { expect, test } from 'vitest'
import { checkDataset, type Dataset } from '../../src/data/column.js'

const root = new URL('../../datasets/', import.meta.url)

test('every published file stands in NOTICE.md with its sha256, and every entry has a licence', async () => {
  const notice = await readFile(new URL('NOTICE.md', root), 'utf8')
  const sections = notice.split('\n## ').slice(1)
  const files = (await readdir(new URL('data/', root), { recursive: true, withFileTypes: true })).filter((f) =>
    f.isFile(),
  )
  let listed = 0
  for (const section of sections) {
    expect(section).toMatch(/- By: \S+[\s\S]*- Licence: \S+[\s\S]*- Source: \S+/)
    const folder = /\(`(data\/[\w-]+)`\)/.exec(section)![1]!
    for (const [, name, sum] of section.matchAll(/^\| ([\w.-]+) \| `([0-9a-f]{64})` \|$/gm)) {
      const bytes = await readFile(new URL(`${folder}/${name}`, root))
      expect([name, createHash('sha256').update(bytes).digest('hex')]).toEqual([name, sum])
      listed++
    }
  }
  expect(listed).toBe(files.length)
  const { files: published } = JSON.parse(await readFile(new URL('package.json', root), 'utf8')) as { files: string[] }
  expect(published.filter((entry) => entry.includes('unpublished'))).toEqual([])
  expect(published).not.toContain('.')
})

test('digits: 50,000 + 10,000 + 10,000 images; the validation set is the end of the training file', async () => {
  const { train, validation, test: held } = await digits()
  const parts: readonly Dataset[] = [train, validation, held]
  expect(parts.map(({ input }) => input.shape)).toEqual([50_000, 10_000, 10_000].map((n) => [n, 28, 28]))
  for (const part of parts) checkDataset(part)
  const counts = (...sets: readonly Dataset[]) =>
    Array.from({ length: 10 }, (_, c) =>
      sets.reduce((sum, { target }) => sum + [...target.data].filter((l) => l === c).length, 0),
    )
  expect(counts(train, validation)).toEqual([5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949])
  // The mean pixel of MNIST's training images is published as 0.1307 in units of 255.
  let sum = 0
  for (const part of [train, validation]) for (const pixel of part.input.data) sum += pixel
  expect((sum / (60_000 * 784)) * train.input.scale!).toBeCloseTo(0.1307, 4)

  const other = await digits({ validation: 0 })
  expect(other.train.input.shape[0]).toBe(60_000)
  expect(other.train.target.data.slice(50_000)).toEqual(validation.target.data)
  expect(other.validation.input.data.length).toBe(0)
  await expect(digits({ validation: 60_000 })).rejects.toThrow(RangeError)
})

test('an unknown table is refused with the list of those there are', () => {
  expect(() => table('irisx' as TableName)).toThrow(/there is no 'irisx'; there are iris, wine/)
  expect(() => table('toString' as TableName)).toThrow(RangeError)
})

test('texts: as many characters, names and messages as their notices say; an alphabet goes both ways', async () => {
  const { train, validation, alphabet } = await tinyShakespeare()
  expect([train.length, validation.length, alphabet.characters.length]).toEqual([1_003_854, 111_540, 65])
  expect(alphabet.decode(alphabet.encode(validation))).toBe(validation)
  // nanoGPT's numbers: line feed 0, blank 1, z 64.
  expect([...alphabet.encode('\n z')]).toEqual([0, 1, 64])
  expect(() => alphabet.encode('ß')).toThrow(/"ß" is none of the 65 characters/)
  expect(() => alphabet.decode([65])).toThrow(RangeError)

  const { names: list, alphabet: letters } = await names()
  expect([list.length, new Set(list).size, list[0], list.at(-1)]).toEqual([32_033, 29_494, 'emma', 'zzyzx'])
  expect(list.every((name) => /^[a-z]{2,15}$/.test(name))).toBe(true)
  expect([...letters.encode('.az')]).toEqual([0, 1, 26])

  const messages = await smsSpam()
  expect([messages.length, messages.filter(({ spam }) => spam).length]).toEqual([5574, 747])
  expect(messages.every(({ text }) => text.length > 0 && !text.includes('\t'))).toBe(true)
})

test('series: every year, every week, gaps are NaN', async () => {
  const { year, value } = await sunspots()
  expect([...year]).toEqual(Array.from({ length: 309 }, (_, i) => 1700 + i))
  expect([value[0], Math.max(...value)]).toEqual([5, 190.2])
  const air = await co2()
  expect([air.date.length, air.value.filter(Number.isNaN).length]).toEqual([2284, 59])
  expect([air.date[0], air.date.at(-1), air.value[0]]).toEqual(['1958-03-29', '2001-12-29', 316.1])
  const days = air.date.map((date) => Date.parse(date) / 86_400_000)
  expect(days.every((day, i) => day === days[0]! + 7 * i)).toBe(true)
})

test('diabetes.csv is what the script makes of its two files', async () => {
  const path = new URL('unpublished/diabetes/diabetes.csv', root)
  const before = await readFile(path, 'utf8')
  execFileSync(process.execPath, [fileURLToPath(new URL('scripts/join-diabetes.mjs', root))])
  expect(await readFile(path, 'utf8')).toBe(before)
  const lines = before.trim().split('\n')
  expect(lines.length).toBe(443)
  const targets = lines.slice(1).map((line) => Number(line.split(',').at(-1)))
  expect([Math.min(...targets), Math.max(...targets)]).toEqual([25, 346])
})

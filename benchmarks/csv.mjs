// How fast a CSV file of numbers becomes typed columns: `node benchmarks/csv.mjs [megabytes]` after `npm run build`.
// Processor time of this process, so that neighbours count little; beside it reading the file alone, and csv-parse, which
// only makes texts. The best of five rounds in turn; the ratios are what to look at.
import { closeSync, mkdtempSync, openSync, readFileSync, readSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { parse } from 'csv-parse/sync'
import { readTable } from '../dist/index.js'

const megabytes = Number(process.argv[2] ?? 50)
if (!(megabytes > 0)) throw new Error(`a number of megabytes is needed, not ${process.argv[2]}`)
let state = 1
const random = () => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0
  return state / 2 ** 32
}
const kinds = {
  'numbers of 2 to 4 decimals': (c) =>
    c % 3 === 0 ? String(Math.floor(random() * 1000)) : (random() * 200 - 100).toFixed(c % 3 === 1 ? 2 : 4),
  'numbers of 16 digits': () => String(random() * 100),
  'numbers and words': (c) =>
    c % 2 === 0
      ? (random() * 100).toFixed(2)
      : ['private', 'local-gov', 'never-worked', 'self-emp'][Math.floor(random() * 4)],
  'everything quoted': () => `"${(random() * 100).toFixed(2)}"`,
}
const folder = mkdtempSync(join(tmpdir(), 'gradus-csv-'))
const rounds = 5

const readAlone = (path) => {
  const buffer = new Uint8Array(1 << 20)
  const file = openSync(path)
  while (readSync(file, buffer) > 0);
  closeSync(file)
}
const measure = async (ways) => {
  const best = ways.map(() => Number.POSITIVE_INFINITY)
  for (let round = 0; round < rounds; round++)
    for (const [i, way] of ways.entries()) {
      globalThis.gc?.()
      const before = process.cpuUsage()
      await way()
      const { user, system } = process.cpuUsage(before)
      best[i] = Math.min(best[i], (user + system) / 1e6)
    }
  return best
}

try {
  console.log(`${cpus()[0]?.model}, Node ${process.version}; MB/s of processor time\n`)
  console.log(
    '| file | MB | reading it alone | readTable | gzipped, readTable | csv-parse, texts only | readTable / csv-parse |',
  )
  console.log('| --- | --- | --- | --- | --- | --- | --- |')
  for (const [name, cell] of Object.entries(kinds)) {
    const lines = ['a,b,c,d,e,f,g,h,i,j,k,l']
    for (let bytes = 0; bytes < megabytes * 1e6; bytes += lines.at(-1).length + 1)
      lines.push(Array.from({ length: 12 }, (_, c) => cell(c)).join(','))
    const text = `${lines.join('\n')}\n`
    const [path, packed, part] = ['plain.csv', 'packed.csv.gz', 'part.csv'].map((file) => join(folder, file))
    writeFileSync(path, text)
    writeFileSync(packed, gzipSync(text))
    // csv-parse is slow and wants much memory: a fifth of the file does.
    const fifth = text.slice(0, text.indexOf('\n', text.length / 5) + 1)
    writeFileSync(part, fifth)
    const size = text.length / 1e6
    const [alone, plain, unpacked, rival] = await measure([
      () => readAlone(path),
      () => readTable(path),
      () => readTable(packed),
      () => parse(readFileSync(part), { bom: true, trim: true, skip_empty_lines: true }),
    ])
    const speeds = [size / alone, size / plain, size / unpacked, fifth.length / 1e6 / rival]
    const ratio = speeds[1] / speeds[3]
    console.log(
      `| ${name} | ${size.toFixed(0)} | ${speeds.map((x) => x.toFixed(0)).join(' | ')} | ${ratio.toFixed(1)} |`,
    )
  }
} finally {
  rmSync(folder, { recursive: true })
}

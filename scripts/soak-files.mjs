// Damages safetensors, ONNX, PNG, JPEG, CSV (also gzipped) and IDX files at random, and reads them: `npm run soak:files -- [seconds] [seed]`. A reader either gives a
// model, pixels, or a table whose columns are of one length, or throws an error of Gradus; anything else, and memory that grows, ends the run with the seed that repeats it.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { decodeImage, GradusError, importOnnx, readTable } from '../dist/index.js'
import { readIdx } from '../dist/io/idx.js'
import { readSafetensors } from '../dist/io/safetensors.js'

const seconds = Number(process.argv[2] ?? 60)
let seed = Number(process.argv[3] ?? Date.now() % 2 ** 31)
console.log(`${seconds} s from seed ${seed}`)

const read = (folder, ending) =>
  readdirSync(new URL(folder, import.meta.url))
    .filter((name) => name.endsWith(ending))
    .map((name) => ({ name, bytes: new Uint8Array(readFileSync(new URL(folder + name, import.meta.url))) }))
/** The image files of test/data/images.test.ts. */
function images() {
  const { png, jpeg } = JSON.parse(readFileSync(new URL('../test/fixtures/images.json', import.meta.url), 'utf8'))
  const named = (kind, list) =>
    list.map(({ name, file }) => ({ name: `${name}.${kind}`, bytes: new Uint8Array(Buffer.from(file, 'base64')) }))
  return [...named('png', png), ...named('jpeg', jpeg)]
}
const files = [
  ...read('../test/fixtures/torch/safetensors/', '.safetensors'),
  ...read('../test/fixtures/torch/onnx/', '.onnx'),
  ...images(),
]

const idx = new Uint8Array(4 + 4 * 3 + 6 * 28 * 28)
idx.set([0, 0, 8, 3, 0, 0, 0, 6, 0, 0, 0, 28, 0, 0, 0, 28])
files.push({ name: 'images.idx', bytes: idx })
const folder = mkdtempSync(join(tmpdir(), 'gradus-soak-'))
process.on('exit', () => rmSync(folder, { recursive: true }))
const csv = `id,name,größe,"a ""quoted"" name",x\n${Array.from(
  { length: 400 },
  (_, i) => `${i},${['Anna', '"Bö, rn"', '"two\nlines"', ''][i % 4]},${(i * 7) / 8},?,${i % 3 ? '1e-3' : '-0.50'}`,
).join('\r\n')}\n`
const texts = [Buffer.from(csv), Buffer.from(`\uFEFF${csv}`, 'utf16le')]
for (const bytes of [...texts, ...texts.map((text) => gzipSync(text))])
  files.push({ name: 'table.csv', bytes: new Uint8Array(bytes) })

/** A table that is read must be whole: as many cells in each column, numbers that agree with their texts. */
async function readCsv(bytes) {
  const path = join(folder, 'table.csv')
  writeFileSync(path, bytes)
  const table = await readTable(path)
  table.columns.forEach((cells, c) => {
    if (cells.length !== table.rows || cells.some((cell) => typeof cell !== 'string'))
      throw new Error(`column ${c} is not whole`)
    table.numbers[c]?.forEach((value, row) => {
      if (!Number.isNaN(value) && value !== Number(cells[row]))
        throw new Error(`row ${row}: ${value} is '${cells[row]}'`)
    })
  })
}

const damage = (bytes, random) => {
  let out = bytes.slice()
  for (let n = 1 + random(4); n > 0; n--) {
    const at = random(out.length)
    const kind = random(5)
    if (kind === 0) out = out.slice(0, at)
    else if (kind === 1) out[at] = random(256)
    else if (kind === 2) out[at] ^= 1 << random(8)
    // A piece twice, and a piece from elsewhere.
    else if (kind === 3)
      out = Uint8Array.from([...out.slice(0, at), ...out.slice(random(at + 1), at), ...out.slice(at)])
    else out.set(out.slice(random(out.length)).slice(0, Math.min(8, out.length - at)), at)
    if (out.length === 0) break
  }
  return out
}

const end = performance.now() + seconds * 1000
const base = process.memoryUsage().rss
let [runs, refused, most] = [0, 0, 0]
for (; performance.now() < end; seed++, runs++) {
  let state = seed >>> 0
  const random = (n) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor(((state >>> 8) / 2 ** 24) * n)
  }
  for (let i = 0; i < 4; i++) random(1)
  const { name, bytes } = files[random(files.length)]
  const damaged = damage(bytes, random)
  const start = performance.now()
  try {
    if (name.endsWith('.onnx')) await importOnnx(damaged)
    else if (name.endsWith('.csv')) await readCsv(damaged)
    else if (name.endsWith('.idx')) readIdx(damaged)
    else if (/\.(png|jpeg)$/.test(name)) await decodeImage(damaged, { size: [16, 16], channels: 3 }, name)
    else readSafetensors(damaged)
  } catch (error) {
    refused++
    if (!(error instanceof GradusError)) {
      console.error(`seed ${seed}, ${name}:`, error)
      process.exit(1)
    }
  }
  most = Math.max(most, performance.now() - start)
  if (process.memoryUsage().rss - base > 2 ** 29) {
    console.error(`seed ${seed}, ${name}: memory grew by more than 512 MB`)
    process.exit(1)
  }
}
console.log(`${runs} files, ${refused} refused, the slowest took ${most.toFixed(0)} ms`)

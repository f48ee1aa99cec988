/** The command line on images: folders by class and raw IDX files, from the files to a model that predicts; what is refused. */
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { openModel, pngBytes, predictImages } from 'gradus'
import { afterAll, beforeAll, expect, test } from 'vitest'

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'gradus-cli-images-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function gradus(...args: string[]): Promise<{ code: number | null; out: string; err: string }> {
  return new Promise((resolve) => {
    const env = { ...process.env, NO_COLOR: '1', GRADUS_ENGINE: 'wasm', GRADUS_VERIFY: '' }
    const child = spawn(process.execPath, [main, ...args], { cwd: folder, env })
    let [out, err] = ['', '']
    child.stdout.on('data', (data) => {
      out += data
    })
    child.stderr.on('data', (data) => {
      err += data
    })
    child.on('close', (code) => resolve({ code, out, err }))
  })
}

/** A bright bar that lies or stands, somewhere, on noise. */
function bar(kind: number, seed: number, side = 12): Uint8Array {
  const at = 2 + ((seed * 7) % (side - 4))
  return Uint8Array.from({ length: side * side }, (_, i) => {
    const place = kind === 0 ? Math.floor(i / side) : i % side
    return place === at ? 220 : (i * 31 + seed * 17) % 60
  })
}

beforeAll(async () => {
  for (let i = 0; i < 80; i++) {
    const name = i % 2 === 0 ? 'lying' : 'standing'
    mkdirSync(join(folder, 'bars', name), { recursive: true })
    writeFileSync(join(folder, 'bars', name, `${i}.png`), await pngBytes(bar(i % 2, i), { width: 12, height: 12 }))
  }
  const idx = (shape: readonly number[], data: Uint8Array) => {
    const bytes = Buffer.alloc(4 + 4 * shape.length + data.length)
    bytes.set([0, 0, 8, shape.length])
    for (const [axis, n] of shape.entries()) bytes.writeUInt32BE(n, 4 + 4 * axis)
    bytes.set(data, 4 + 4 * shape.length)
    return bytes
  }
  mkdirSync(join(folder, 'raw'))
  for (const [name, count] of [
    ['train', 80],
    ['t10k', 20],
  ] as const) {
    const images = Array.from({ length: count }, (_, i) => bar(i % 2, i + count))
    const labels = Uint8Array.from({ length: count }, (_, i) => i % 2)
    writeFileSync(
      join(folder, 'raw', `${name}-images-idx3-ubyte.gz`),
      gzipSync(idx([count, 12, 12], Buffer.concat(images))),
    )
    writeFileSync(join(folder, 'raw', `${name}-labels-idx1-ubyte`), idx([count], labels))
  }
})

const quick = ['--epochs', '4', '--batch-size', '8', '--learning-rate', '0.005', '--no-progress']

test('a folder of images by class: trained, inspected, predicted, evaluated, and made again from its record', async () => {
  const run = await gradus('train', 'bars', ...quick, '--augment', 'flip,shift=1')
  expect([run.code, run.err]).toEqual([0, ''])
  expect(run.out).toContain('PNG and JPEG files, as 12×12 grey pixels (--size, --channels), 2 classes: lying, standing')
  expect(run.out).toContain('images are changed at random first: flip, shift=1')
  const path = join(folder, 'runs/bars-001')
  expect(readdirSync(path)).toEqual(
    expect.arrayContaining([
      'history.jsonl',
      'learning-curve.svg',
      'model.json',
      'run.json',
      'summary.md',
      'weights.safetensors',
    ]),
  )
  const model = JSON.parse(readFileSync(join(path, 'model.json'), 'utf8'))
  expect(model).toMatchObject({
    images: { size: [12, 12], channels: 1 },
    classes: ['lying', 'standing'],
    scale: 1 / 255,
  })
  expect(model.training.test.accuracy).toBeGreaterThan(0.8)
  const inspected = await gradus('inspect', 'runs/bars-001')
  expect(inspected.out).toContain('PNG and JPEG files, as 12×12 pixels, grey')
  const predicted = await gradus('predict', 'runs/bars-001', 'bars/lying/0.png', 'bars/standing/1.png')
  expect(predicted.out.split('\n').slice(0, 2).join()).toMatch(
    /^file,prediction,probability of lying,probability of standing,bars\/lying\/0.png,lying,0\.\d{6},0\.\d{6}$/,
  )
  const same = await predictImages(await openModel(path, { task: 'classification' }), [
    join(folder, 'bars/lying/0.png'),
  ])
  expect(same[0]!.class).toBe('lying')
  const evaluated = await gradus('evaluate', 'runs/bars-001', '--json')
  expect(JSON.parse(evaluated.out)).toMatchObject({ scores: { accuracy: model.training.test.accuracy } })
  expect((await gradus('train', '--config', 'runs/bars-001/run.json', '-q', '--no-progress')).out).toBe(
    'runs/bars-002\n',
  )
  const weights = (name: string) => readFileSync(join(folder, 'runs', name, 'weights.safetensors'))
  expect(weights('bars-002').equals(weights('bars-001'))).toBe(true)
})

test('a folder of raw IDX files, packed or not, by one command', async () => {
  const { code, out, err } = await gradus('train', 'raw', ...quick, '--json', '-o', 'raw-run')
  expect([code, err]).toEqual([0, ''])
  expect(JSON.parse(out)).toMatchObject({ samples: { train: 68, validation: 12, test: 20 }, task: 'classification' })
  expect(JSON.parse(out).test.accuracy).toBeGreaterThan(0.8)
  const predicted = await gradus('predict', 'raw-run', 'bars/standing/1.png', '--json')
  expect(JSON.parse(predicted.out).predictions[0]).toMatchObject({ file: 'bars/standing/1.png', class: '1' })
})

test('what is wrong is said, with what to do', async () => {
  writeFileSync(join(folder, 'cut.png'), readFileSync(join(folder, 'bars/lying/0.png')).subarray(0, 60))
  const cases: [args: string[], code: number, message: RegExp][] = [
    [['train', 'bars', '--augment', 'flop'], 2, /none.*flip,shift=2/],
    [['train', 'bars', '--channels', '2'], 2, /1 or 3/],
    [['train', 'bars', '--target', 'x'], 2, /--target is for .*tables, not for images/],
    [['train', 'bars/lying'], 1, /in no folder of a class/],
    [['train', 'raw', '--size', '8'], 2, /size is for image files/],
    [['predict', 'raw-run', 'cut.png'], 1, /cut\.png: the image is damaged: it ends after 60 bytes/],
    [['predict', 'raw-run', 'a.csv', 'b.csv'], 1, /a table is one file/],
  ]
  const outcomes = await Promise.all(cases.map(([args]) => gradus(...args)))
  for (const [i, [args, code, message]] of cases.entries()) {
    expect(outcomes[i]!.err, args.join(' ')).toMatch(message)
    expect(outcomes[i]!.code, args.join(' ')).toBe(code)
  }
})

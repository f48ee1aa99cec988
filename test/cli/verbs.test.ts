/**
 * @file `gradus evaluate`, `export`, `predict`, `inspect`: what they say of a run agrees with what training said and what the library says;
 * ten wrong inputs for each verb. Needs `npm run build`.
 */
import { spawn } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { importOnnx, openModel, type Tensor, tensor } from '../../src/index.js'
import { readSafetensors } from '../../src/io/safetensors.js'

const program = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'gradus-verbs-'))
afterAll(() => rmSync(folder, { recursive: true }))

interface Outcome {
  readonly code: number | null
  readonly out: string
  readonly err: string
}
function gradus(...args: string[]): Promise<Outcome> {
  return new Promise((resolve) => {
    const env = { ...process.env, NO_COLOR: '1', GRADUS_ENGINE: 'wasm' }
    const child = spawn(process.execPath, [program, ...args], { cwd: folder, env })
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
const file = (name: string, text: string) => writeFileSync(join(folder, name), text)
const rows = Array.from({ length: 90 }, (_, i) => [Math.sin(i), Math.cos(3 * i)] as const)
const table = (target: (a: number, b: number) => string | number) =>
  ['a,b,y', ...rows.map(([a, b]) => `${a},${b},${target(a, b)}`)].join('\n')

let classes: { readonly [name: string]: unknown }
let numbers: { readonly [name: string]: unknown }
beforeAll(async () => {
  file(
    'class.csv',
    table((a, b) => (a > b ? 'up' : 'down')),
  )
  file(
    'number.csv',
    table((a, b) => 100 + 20 * a - 3 * b),
  )
  const quick = ['-t', 'y', '--epochs', '8', '--json', '--no-progress', '--hidden', '8']
  const made = await Promise.all([
    gradus('train', 'class.csv', ...quick, '--ensemble', '2', '-o', 'class'),
    gradus('train', 'number.csv', ...quick, '--ensemble', '1', '--loss', 'huber', '-o', 'number'),
  ])
  for (const { code, err } of made) expect([code, err]).toEqual([0, ''])
  ;[classes, numbers] = made.map(({ out }) => JSON.parse(out)) as [typeof classes, typeof numbers]
})

test('evaluate: the test rows once more, and a file; both as JSON and as text', async () => {
  const [own, ownNumbers, all, text] = await Promise.all([
    gradus('evaluate', 'class', '--json'),
    gradus('evaluate', 'number', '--json'),
    gradus('evaluate', 'number', 'number.csv', '--json'),
    gradus('evaluate', 'class', 'class.csv'),
  ])
  const { kind: _, rows: count, ...scores } = classes['test'] as { kind: string; rows: number }
  expect(JSON.parse(own!.out)).toEqual({ run: 'class', data: 'the test rows of class.csv', rows: count, scores })
  const {
    kind: _1,
    rows: ofNumbers,
    baseline,
    ...errors
  } = numbers['test'] as { kind: string; rows: number; baseline: object }
  const again = JSON.parse(ownNumbers!.out)
  expect(again).toMatchObject({ rows: ofNumbers, scores: errors })
  expect(Object.keys(again.scores.baseline)).toEqual(Object.keys(baseline))
  expect(JSON.parse(all!.out)).toMatchObject({ data: 'number.csv', rows: 90 })
  expect(text!.out).toMatch(/Scores +of class on class\.csv, 90 rows\n.*accuracy +\d+\.\d+ % /s)
})

test('export: the ONNX file and the safetensors file are the network of the folder', async () => {
  const [onnx, tensors] = await Promise.all([
    gradus('export', 'class', '--format', 'onnx', '-o', 'class.onnx'),
    gradus('export', 'class', '-f', 'safetensors', '--json'),
  ])
  expect(onnx!.out).toMatch(/Input +float32\[batch,2\]\n.*logits of the classes down, up.*columns a, b is not in it/s)
  const { file: written, bytes } = JSON.parse(tensors!.out)
  expect(written).toBe(join('class', 'model.safetensors'))
  const content = readFileSync(join(folder, written))
  expect(content.length).toBe(bytes)
  const weights = readFileSync(join(folder, 'class/weights.safetensors'))
  expect([...readSafetensors(content).tensors.keys()]).toEqual([...readSafetensors(weights).tensors.keys()])

  const model = await openModel(join(folder, 'class'))
  const net = await importOnnx(join(folder, 'class.onnx'))
  const input = [
    [0.3, -1.2],
    [1.5, 0.2],
  ]
  const mine = (await (model.net(tensor(input)) as Tensor).array()) as number[][]
  const theirs = (await (net(tensor(input)) as Tensor).array()) as number[][]
  mine.flat().forEach((value, i) => {
    expect(theirs.flat()[i]).toBeCloseTo(value, 5)
  })
})

test.each<[verb: string, cases: [args: string[], code: number, message: RegExp][]]>([
  [
    'evaluate',
    [
      [[], 2, /missing required argument 'run'/],
      [['nowhere'], 1, /nowhere is no run: .*Give the folder that training wrote/],
      [['class.csv'], 1, /class\.csv is no run/],
      [['class', 'none.csv'], 1, /there is no file none\.csv/],
      [['class', 'empty.csv'], 1, /empty\.csv is empty/],
      [['class', 'other.csv'], 1, /other\.csv has no column 'y'.*Its columns are: a, b/],
      [['class', 'narrow.csv'], 1, /'b'/],
      [['class', 'text.csv'], 1, /row 1 \(line 2\), column 'b'/],
      [['class', 'strange.csv'], 1, /'sideways' in row 1 \(line 2\), column 'y' is not a class/],
      [['class', 'class.csv', '--target', 'a'], 1, /predicts y, not a/],
      [['class', 'class.csv', '--tarjet', 'a'], 2, /Did you mean --target/],
      [['moved'], 1, /there is no file gone\.csv/],
      [['torn'], 2, /run\.json is not JSON/],
      [['class', 'a', 'b'], 2, /too many arguments/],
    ],
  ],
  [
    'export',
    [
      [['class'], 2, /required option '-f, --format <name>' not specified/],
      [['class', '--format', 'onxx'], 2, /Did you mean onnx\? It must be one of onnx, safetensors/],
      [['class', '--format', ''], 2, /It must be one of/],
      [['nowhere', '-f', 'onnx'], 1, /nowhere is no run/],
      [['-f', 'onnx'], 2, /missing required argument 'run'/],
      [['class', '-f', 'onnx', '-o', 'none/x.onnx'], 1, /cannot write none\/x\.onnx: the folder does not exist/],
      [['class', '-f', 'onnx', '-o', 'class'], 1, /cannot write class/],
      [['class', '-f', 'onnx', '--ouput', 'x'], 2, /Did you mean --output/],
      [['cut', '-f', 'onnx'], 1, /weights\.safetensors/],
      [['class', 'class.csv', '-f', 'onnx'], 2, /too many arguments/],
    ],
  ],
  [
    'predict',
    [
      [['class'], 2, /missing required argument 'file'/],
      [['nowhere', 'class.csv'], 1, /nowhere is no run/],
      [['class', 'none.csv'], 1, /there is no file none\.csv/],
      [['class', 'narrow.csv'], 1, /no column 'b'/],
      [['class', 'text.csv'], 1, /row 1 \(line 2\), column 'b'/],
      [['class', 'class.csv', '-o', 'none/p.csv'], 1, /cannot write none\/p\.csv/],
      [['class', 'class.csv', '--columns', 'a,,b'], 2, /names separated by commas, none of them empty/],
      [['class', 'class.csv', '--separator', 'ab'], 2, /one character/],
      [['cut', 'class.csv'], 1, /weights\.safetensors/],
      [['class', 'class.csv', '--out', 'x'], 2, /unknown option '--out'/],
    ],
  ],
  [
    'inspect',
    [
      [[], 2, /missing required argument/],
      [['nowhere'], 1, /nowhere is no run/],
      [['cut'], 1, /weights\.safetensors/],
      [['torn'], 2, /run\.json is not JSON/],
      [['class', '--jsn'], 2, /Did you mean --json/],
    ],
  ],
])('wrong inputs: %s', async (verb, cases) => {
  if (!existsSync(join(folder, 'cut'))) {
    for (const copy of ['cut', 'torn', 'moved']) cpSync(join(folder, 'class'), join(folder, copy), { recursive: true })
    writeFileSync(
      join(folder, 'cut/weights.safetensors'),
      readFileSync(join(folder, 'class/weights.safetensors')).subarray(0, 99),
    )
    file('torn/run.json', '{ "format": 1, "conf')
    file('moved/run.json', readFileSync(join(folder, 'class/run.json'), 'utf8').replaceAll('"class.csv"', '"gone.csv"'))
    file('empty.csv', '')
    file('other.csv', 'a,b\n1,2\n')
    file('narrow.csv', 'a,y\n1,up\n')
    file('text.csv', 'a,b,y\n1,x,up\n')
    file('strange.csv', 'a,b,y\n1,2,sideways\n')
    mkdirSync(join(folder, 'empty'), { recursive: true })
  }
  const outcomes = await Promise.all(cases.map(([args]) => gradus(verb, ...args)))
  outcomes.forEach(({ code, out, err }, i) => {
    const [args, expected, message] = cases[i]!
    expect([args, err]).toEqual([args, expect.stringMatching(message)])
    expect(err).not.toMatch(/\n +at |bug in Gradus/)
    expect([args, code, out]).toEqual([args, expected, ''])
  })
})
